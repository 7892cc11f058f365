"""What is shown of a cohort: attrition and table one, with small counts masked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Connection, text

from etl.cohorts import mask
from etl.cohorts.known import Run
from etl.cohorts.mask import Count
from etl.cohorts.table_one import Levels, Measured, Numbers, TableOne, Variable, measure


class Step(NamedTuple):
    """A line of an attrition; None: masked."""

    name: str
    keeps: str
    persons: Count
    dropped: Count
    """Persons that it left out; None also of the first step."""


@dataclass(frozen=True, slots=True)
class ShownNumbers:
    """A continuous variable; None: masked, or nothing is known."""

    variable: Variable
    count: Count
    missing: Count
    quartiles: tuple[float, float, float] | None
    bins: tuple[Count, ...] | None

    @property
    def is_masked(self) -> bool:
        """Whether it is of too few to be told; a masked ``missing`` hides no more than itself."""
        return self.quartiles is None and self.count != 0


@dataclass(frozen=True, slots=True)
class ShownLevels:
    """A categorical variable; ``counts`` is None where not even its levels may be shown."""

    variable: Variable
    counts: Mapping[str, Count] | None
    missing: Count

    @property
    def is_masked(self) -> bool:
        """Whether one of its counts is."""
        return self.counts is None or None in (*self.counts.values(), self.missing)


Shown = ShownNumbers | ShownLevels


@dataclass(frozen=True, slots=True)
class Summary:
    """A cohort as it is shown."""

    run: Run
    below: int
    """Counts under it are masked."""
    persons: Count
    attrition: tuple[Step, ...]
    variables: tuple[Shown, ...]


def summarise(connection: Connection, table: TableOne, run: Run, below: int = mask.BELOW) -> Summary:
    """Attrition and table one of a cohort that was run. Raises CohortError."""
    measured = measure(connection, table, run.definition_id)
    return summary_of(run, count_steps(connection, run), table, measured, below)


def count_steps(connection: Connection, run: Run) -> list[int]:
    """How many persons each step of a cohort kept, in order."""
    kept: dict[int, int] = {
        row.steps: row.persons for row in connection.execute(_STEPS, {"id": run.definition_id})
    }
    steps = range(1, len(run.definition.steps) + 1)
    return [sum(persons for reached, persons in kept.items() if reached >= step) for step in steps]


def summary_of(
    run: Run,
    counts: Sequence[int],
    table: TableOne,
    measured: Measured,
    below: int,
    levels: Mapping[str, Sequence[str]] | None = None,
) -> Summary:
    """The summary that these figures make; ``levels`` are those to show, also where nobody has one."""
    return Summary(
        run,
        below,
        mask.single(measured.persons, below),
        attrition(run.definition.header.steps, counts, below),
        shown(table, measured, below, levels),
    )


def attrition(steps: Mapping[str, str], counts: Sequence[int], below: int) -> tuple[Step, ...]:
    """The steps with the persons that each keeps, and how many fewer than the one before."""
    seen = mask.chain(counts, below)
    dropped = [None if one is None or after is None else one - after for one, after in pairwise(seen)]
    named = zip(steps.items(), seen, [None, *dropped], strict=True)
    return tuple(Step(name, keeps, persons, fewer) for (name, keeps), persons, fewer in named)


def shown(
    table: TableOne, measured: Measured, below: int, levels: Mapping[str, Sequence[str]] | None = None
) -> tuple[Shown, ...]:
    """The variables of table one."""
    found: list[Shown] = []
    for each in table.variables:
        column, persons = each.column, measured.persons
        if each.kind == "continuous":
            found.append(_numbers(each, measured.numbers[column], persons, below))
        else:
            wanted = (levels or {}).get(column) or list(measured.levels[column].counts)
            found.append(_levels(each, measured.levels[column], persons, below, wanted))
    return tuple(found)


def _numbers(variable: Variable, found: Numbers, persons: int, below: int) -> ShownNumbers:
    if mask.is_small(persons, below):
        return ShownNumbers(variable, None, None, None, None)
    count, missing = mask.parts((found.count, persons - found.count), below) or (None, None)
    if mask.is_small(found.count, below):
        return ShownNumbers(variable, count, missing, None, None)
    return ShownNumbers(variable, count, missing, found.quartiles, mask.parts(found.bins, below))


def _levels(
    variable: Variable, found: Levels, persons: int, below: int, wanted: Sequence[str]
) -> ShownLevels:
    if mask.is_small(persons, below):
        return ShownLevels(variable, None, None)
    counts = {level: found.counts.get(level, 0) for level in wanted}
    told = mask.parts((*counts.values(), persons - found.count), below)
    if told is None:
        return ShownLevels(variable, None, None)
    return ShownLevels(variable, dict(zip(counts, told[:-1], strict=True)), told[-1])


_STEPS = text(
    "SELECT steps, count(*) AS persons FROM results.cohort_step"
    " WHERE cohort_definition_id = :id GROUP BY steps"
)
