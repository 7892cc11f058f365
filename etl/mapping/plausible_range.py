"""A plausible range, bound: which number, between which bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.mapping.folder import Place

if TYPE_CHECKING:
    from etl.mapping.bound import Raw, Source, Sum


@dataclass(frozen=True, slots=True)
class Range:
    """Where a number is plausible, both ends included. One that is not recorded is no bound."""

    value: Raw | Sum
    column: str | None
    """The column that holds the number; None: it is only in a text."""
    low: float | Source | None
    high: float | Source | None
    reason: str
    """What is said of a value outside; it names the bounds."""
    why: str
    place: Place
