"""What a row shares with others of its day, bound: the visit it hangs on, and the row it is recorded of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.mapping.paths import Segments

if TYPE_CHECKING:
    from etl.mapping.bound import Dates


@dataclass(frozen=True, slots=True)
class SameDay:
    """The first of these visits that is on the row's own day, and of a visit that items have, the first."""

    visits: tuple[str, ...]
    dates: Dates
    """The row's own. Rows recorded of it hang on its visit, whatever their own date."""
    scope: Segments
    """The row's item: of a visit that stands in it too, only its own count."""


@dataclass(frozen=True, slots=True)
class RecordedOf:
    """The row that a row is recorded of, if there is one: the first of a rule, of the first that has one."""

    rules: tuple[str, ...]
    same_visit: bool = False
    """Among their rows at the row's own visit; else, of one rule, among those of the item both are in."""
