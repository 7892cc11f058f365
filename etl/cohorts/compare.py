"""Two cohorts side by side: who is in both, and how far their table ones are apart."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isclose, sqrt

from sqlalchemy import Connection, text

from etl.cohorts import mask
from etl.cohorts.known import Run
from etl.cohorts.mask import Count
from etl.cohorts.summary import Summary, count_steps, shown_nested, summary_of
from etl.cohorts.table_one import Levels, Measured, Numbers, TableOne, Variable, measure, natural


@dataclass(frozen=True, slots=True)
class Compared:
    """Two cohorts; None: masked."""

    first: Summary
    second: Summary
    both: Count
    """Persons in both."""
    first_alone: Count
    second_alone: Count
    differences: Mapping[str, float | None]
    """The standardised mean difference by column, 0 or more; None: masked, or there is none."""
    masked: frozenset[str]
    """The columns whose difference is masked: with it, masked counts could be worked out."""


def compare(
    connection: Connection, table: TableOne, first: Run, second: Run, below: int = mask.BELOW
) -> Compared:
    """Compare two cohorts that were run. Raises CohortError."""
    measured = [measure(connection, table, each.definition_id) for each in (first, second)]
    union = {
        column: _in_order(measured[0].levels[column], measured[1].levels[column])
        for column in measured[0].levels
    }
    seen = [
        summary_of(run, count_steps(connection, run), table, found, below, union)
        for run, found in zip((first, second), measured, strict=True)
    ]
    ids = {"first": first.definition_id, "second": second.definition_id}
    both = connection.execute(_BOTH, ids).scalar_one()
    in_both, alone, other_alone = mask.overlap(measured[0].persons, measured[1].persons, both, below)
    few = [each.persons - both for each in measured]
    if min(few) < below and not any(mask.is_small(each.persons, below) for each in measured):
        nested = shown_nested(table, (measured[0], measured[1]), below, union)
        seen = [replace(each, variables=own) for each, own in zip(seen, nested, strict=True)]
    pairs = zip(seen[0].variables, seen[1].variables, strict=True)
    masked = frozenset(
        one.variable.column
        for one, other in pairs
        if one.is_masked or other.is_masked or any(mask.is_small(count, below) for count in few)
    )
    differences = {
        each.column: None if each.column in masked else _difference(each, *measured)
        for each in table.variables
    }
    return Compared(seen[0], seen[1], in_both, alone, other_alone, differences, masked)


def standardised(one: Numbers, other: Numbers) -> float | None:
    """The difference of two means in units of their pooled standard deviation (Austin 2009), 0 or more.

    None where a mean or a variance is not known, or where nothing varies and the means differ.
    """
    if one.mean is None or other.mean is None or one.variance is None or other.variance is None:
        return None
    pooled = sqrt((one.variance + other.variance) / 2)
    apart = abs(one.mean - other.mean)
    if isclose(pooled, 0, abs_tol=1e-12):
        return 0.0 if isclose(apart, 0, abs_tol=1e-12) else None
    return apart / pooled


def distance(one: Levels, other: Levels) -> float | None:
    """The difference of two distributions over the same levels (Yang and Dalton 2012), 0 or more.

    It is the Mahalanobis distance of the shares of all levels but one; of two levels, the standardised
    difference of a proportion. None where nobody has a value, or where nothing varies and the shares differ.
    """
    import numpy as np

    levels = list(_in_order(one, other))
    if not one.count or not other.count:
        return None
    shares = [
        np.array([each.counts.get(level, 0) / each.count for level in levels[1:]]) for each in (one, other)
    ]
    apart = shares[0] - shares[1]
    if not np.any(np.abs(apart) > 1e-12):
        return 0.0
    spread = sum(np.diag(share) - np.outer(share, share) for share in shares) / 2
    if np.linalg.matrix_rank(spread) < len(apart):
        return None
    return float(np.sqrt(apart @ np.linalg.solve(spread, apart)))


def _in_order(one: Levels, other: Levels) -> list[str]:
    return sorted({*one.counts, *other.counts}, key=natural)


def _difference(variable: Variable, first: Measured, second: Measured) -> float | None:
    column = variable.column
    if variable.kind == "continuous":
        return standardised(first.numbers[column], second.numbers[column])
    return distance(first.levels[column], second.levels[column])


_BOTH = text("""
    SELECT count(DISTINCT subject_id) FROM results.cohort AS one
     WHERE cohort_definition_id = :first
       AND EXISTS (SELECT FROM results.cohort AS other
                    WHERE other.cohort_definition_id = :second AND other.subject_id = one.subject_id)
""")
