"""What is shown of a cohort: attrition and table one, with small counts masked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Connection, text

from etl.cohorts import mask
from etl.cohorts.known import Run
from etl.cohorts.mask import Count
from etl.cohorts.table_one import Measured, TableOne, Variable, measure


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

    def hide(groups: Groups) -> list[Told]:
        return [mask.parts(group, below) for group in groups]

    return _shown(table, [measured], below, levels or {}, hide)[0]


def shown_nested(
    table: TableOne,
    measured: tuple[Measured, Measured],
    below: int,
    levels: Mapping[str, Sequence[str]],
) -> list[tuple[Shown, ...]]:
    """The variables of two cohorts of which one holds the other, or all but few: see ``mask.nested``."""

    def hide(groups: Groups) -> list[Told]:
        return list(mask.nested(groups[0], groups[1], below) or (None, None))

    return _shown(table, measured, below, levels, hide)


Told = tuple[Count, ...] | None
Groups = Sequence[Sequence[int]]
#: Masks the counts of one group, or of two that are shown side by side.
Hide = Callable[[Groups], list[Told]]


def _shown(
    table: TableOne,
    measured: Sequence[Measured],
    below: int,
    levels: Mapping[str, Sequence[str]],
    hide: Hide,
) -> list[tuple[Shown, ...]]:
    found: list[Sequence[Shown]] = []
    for each in table.variables:
        if each.kind == "continuous":
            found.append(_numbers(each, measured, below, hide))
        else:
            wanted = levels.get(each.column) or list(measured[0].levels[each.column].counts)
            found.append(_levels(each, measured, below, wanted, hide))
    return list(zip(*found, strict=True))


def _numbers(
    variable: Variable, measured: Sequence[Measured], below: int, hide: Hide
) -> Sequence[ShownNumbers]:
    found = [each.numbers[variable.column] for each in measured]
    counts = [(each.count, own.persons - each.count) for each, own in zip(found, measured, strict=True)]
    # The bars and those without a value add up to all persons: they are one group.
    bars = hide([(*each.bins, missing) for each, (_, missing) in zip(found, counts, strict=True)])
    if any(told is None for told in bars) or any(mask.is_small(known, below) for known, _ in counts):
        bars = [None] * len(found)
    shown = []
    for own, numbers, bar, pair in zip(measured, found, bars, hide(counts), strict=True):
        if mask.is_small(own.persons, below):
            shown.append(ShownNumbers(variable, None, None, None, None))
            continue
        known, missing = pair or (None, None)
        if numbers.bins and bar is not None:
            missing = bar[-1]
            known = None if missing is None else numbers.count
        # Quartiles of few are values of single persons.
        quartiles = None if mask.is_small(numbers.count, 2 * below) else numbers.quartiles
        bins = None if bar is None else bar[:-1]
        shown.append(ShownNumbers(variable, known, missing, quartiles, bins))
    return shown


def _levels(
    variable: Variable, measured: Sequence[Measured], below: int, wanted: Sequence[str], hide: Hide
) -> Sequence[ShownLevels]:
    found = [each.levels[variable.column] for each in measured]
    groups = [
        [*(each.counts.get(level, 0) for level in wanted), own.persons - each.count]
        for each, own in zip(found, measured, strict=True)
    ]
    return [
        ShownLevels(variable, None, None)
        if told is None or mask.is_small(own.persons, below)
        else ShownLevels(variable, dict(zip(wanted, told[:-1], strict=True)), told[-1])
        for own, told in zip(measured, hide(groups), strict=True)
    ]


_STEPS = text(
    "SELECT steps, count(*) AS persons FROM results.cohort_step"
    " WHERE cohort_definition_id = :id GROUP BY steps"
)
