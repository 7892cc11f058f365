"""Where the binder stands: a place in the mapping, and the column that an expression there fills."""

from dataclasses import dataclass, replace
from typing import Literal

from etl.mapping import bound
from etl.mapping.folder import Place, SourceFile
from etl.mapping.paths import Segments
from etl.mapping.tables import ColumnKind


@dataclass(frozen=True, slots=True)
class At:
    """Where in the mapping we are: a file, the keys down to here, and the item that paths start from."""

    file: SourceFile
    keys: tuple[str | int, ...]
    scope: Segments = ()
    heir: str | None = None
    """The rule that has these words from the one they are written for, which it is like."""

    def down(self, *keys: str | int) -> "At":
        return replace(self, keys=(*self.keys, *keys))

    @property
    def place(self) -> Place:
        return self.file.place(*self.keys)


@dataclass(frozen=True, slots=True)
class Slot:
    """The column an expression fills."""

    table: str
    column: str
    kind: ColumnKind | Literal["visit"]
    length: int | None = None
    dates: bound.Dates | None = None
    """Of a visit: the row's own dates; None where the rule has none."""
