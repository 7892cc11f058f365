"""What came of a check: how many rows break it, whether that is too many, and which rows do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from etl.mapping.tables import TARGETS
from etl.quality.check import Check

Status = Literal["passed", "failed", "not applicable", "error"]


@dataclass(frozen=True, slots=True)
class Result:
    """A check with its counts. ``violated`` and ``among`` are 0 where it could not be counted."""

    check: Check
    status: Status
    threshold: float
    """Percent."""
    violated: int = 0
    among: int = 0
    """The denominator."""
    ids: tuple[int | str, ...] = ()
    """Some of the rows that break it, the first by id."""
    reason: str | None = None
    """Why it is not applicable, what went wrong, or why its threshold is another than its kind's."""
    seconds: float = 0.0
    """Of the statement that counted it, and all other checks that share it."""

    @property
    def share(self) -> float:
        """Of the denominator, from 0 to 1; more where the rows at fault are of more than one kind."""
        return self.violated / self.among if self.among else 0.0

    @property
    def witness(self) -> str:
        """The table that the ids are of."""
        return self.check.witness[0] if self.check.witness else self.check.table

    @property
    def explained(self) -> str | None:
        """The command that leads from the first failing row to the form; None where there is none."""
        if not self.ids or not isinstance(self.ids[0], int):
            return None
        if self.witness not in TARGETS and self.witness != "person":
            return None
        return f"oncolake explain {self.witness} {self.ids[0]}"


@dataclass(frozen=True, slots=True)
class Report:
    """All results, and when and on what they were found."""

    results: tuple[Result, ...]
    started: datetime
    ended: datetime
    source: dict[str, str | None]
    """CDM_SOURCE's row, by column."""
    placeholders: int = 0
    """Concepts of which only the id is known: whether they are standard is not judged."""

    @property
    def failed(self) -> tuple[Result, ...]:
        """What is over its threshold or could not be counted, the most rows first."""
        wrong = (one for one in self.results if one.status in {"failed", "error"})
        return tuple(sorted(wrong, key=lambda one: (one.status != "error", -one.violated, one.check.id)))

    def counted(self, status: Status, category: str | None = None) -> int:
        """How many checks, of a category, came to this."""
        return sum(one.status == status for one in self.of(category))

    def of(self, category: str | None) -> Iterable[Result]:
        """The results of one of Kahn's categories; None: all."""
        return (one for one in self.results if category in {None, one.check.kind.category})
