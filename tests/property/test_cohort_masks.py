"""Masked counts: from what is shown, and from knowing the rule, none of them has one possible value only.

An attacker is simulated: every assignment of whole numbers to the masked counts is tried that the sums shown
allow. It knows that 0 is never masked, and that where something is masked a count under the bound is.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from etl.cohorts.mask import Count, chain, nested, overlap, parts, single
from etl.cohorts.summary import ShownLevels, ShownNumbers, attrition, shown
from etl.cohorts.table_one import Levels, Measured, Numbers, TableOne

BELOW = st.integers(3, 7)
COUNTS = st.lists(st.integers(0, 14), min_size=1, max_size=5)


def worlds(shown_parts: Sequence[Count], total: int, below: int) -> Iterator[tuple[int, ...]]:
    """Every way in which the parts can be, given those shown and their sum."""
    masked = [place for place, count in enumerate(shown_parts) if count is None]
    left = total - sum(count for count in shown_parts if count is not None)
    for values in _sums(len(masked), left):
        if any(value < below for value in values):
            yield values


def _sums(number: int, total: int) -> Iterator[tuple[int, ...]]:
    """All tuples of so many whole numbers from 1 on that add up to the total."""
    if number == 0:
        yield from [()] if total == 0 else []
        return
    if number == 1:
        yield from [(total,)] if total >= 1 else []
        return
    for first in range(1, total - number + 2):
        for rest in _sums(number - 1, total - first):
            yield (first, *rest)


def values_of(found: Sequence[tuple[int, ...]]) -> list[set[int]]:
    return [set(values) for values in zip(*found, strict=True)]


@given(COUNTS, BELOW)
@settings(max_examples=400, deadline=None)
def test_no_part_follows_from_the_others_and_their_sum(counts: list[int], below: int) -> None:
    told = parts(counts, below)
    if told is None:
        return
    assert all(seen in (None, count) for seen, count in zip(told, counts, strict=True))
    assert not any(seen is not None and 0 < seen < below for seen in told), "a small count is shown"
    if None not in told:
        return
    possible = list(worlds(told, sum(counts), below))
    assert tuple(count for seen, count in zip(told, counts, strict=True) if seen is None) in possible
    assert all(len(values) > 1 for values in values_of(possible)), "a masked count follows"
    together = sum(count for seen, count in zip(told, counts, strict=True) if seen is None)
    assert together >= below, "how many the masked ones are together is a small count too"


@given(COUNTS, BELOW)
def test_parts_are_masked_only_where_one_is_small(counts: list[int], below: int) -> None:
    told = parts(counts, below)
    if all(count == 0 or count >= below for count in counts):
        assert told == tuple(counts)
    assert parts(counts, 0) == tuple(counts)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), BELOW)
@settings(max_examples=400, deadline=None)
def test_no_step_follows_from_the_others(fewer: list[int], below: int) -> None:
    counts = sorted((sum(fewer[place:]) for place in range(len(fewer))), reverse=True)
    told = chain(counts, below)
    assert all(seen in (None, count) for seen, count in zip(told, counts, strict=True))
    visible = [seen for seen in told if seen is not None]
    assert not any(0 < seen < below for seen in visible)
    assert not any(0 < before - after < below for before, after in pairwise(visible)), "a difference is small"
    for place, seen in enumerate(told):
        if seen is None:
            assert len(possible_step(told, place, below)) > 1


def possible_step(told: Sequence[Count], place: int, below: int) -> set[int]:
    """What a masked step can be: it is between its shown neighbours, and masked, so not far from the next."""
    above = next((seen for seen in reversed(told[:place]) if seen is not None), 10**6)
    after = next((seen for seen in told[place + 1 :] if seen is not None), 0)
    return {value for value in range(max(after, 1), above + 1) if 0 < value - after < below}


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), BELOW)
def test_an_overlap_is_shown_whole_or_not_at_all(both: int, one: int, other: int, below: int) -> None:
    told = overlap(both + one, both + other, both, below)
    small = any(0 < count < below for count in (both, one, other, both + one, both + other))
    assert told == ((None,) * 3 if small else (both, one, other))


@given(st.integers(0, 20), BELOW)
def test_a_count_alone_is_masked_when_it_is_small(count: int, below: int) -> None:
    assert single(count, below) == (None if 0 < count < below else count)


TABLE = TableOne.model_validate(
    {
        "view": "research.patient",
        "variables": [
            {"column": "age", "title": "Age", "kind": "continuous", "bins": [50, 60, 70]},
            {"column": "stage", "title": "Stage", "kind": "categorical"},
        ],
    }
)


@st.composite
def cohorts(draw: Any) -> Measured:
    """Figures of a cohort that fit together."""
    bins = tuple(draw(st.lists(st.integers(0, 9), min_size=4, max_size=4)))
    levels = draw(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 12), max_size=4))
    persons = max(sum(bins), sum(levels.values())) + draw(st.integers(0, 6))
    quartiles = (50.0, 60.0, 70.0) if sum(bins) else None
    return Measured(
        persons, {"age": Numbers(sum(bins), quartiles, 60.0, 4.0, bins)}, {"stage": Levels(levels)}
    )


@given(cohorts(), BELOW)
@settings(max_examples=300, deadline=None)
def test_no_count_of_a_table_one_follows(measured: Measured, below: int) -> None:
    numbers, levels = shown(TABLE, measured, below)
    assert isinstance(numbers, ShownNumbers)
    assert isinstance(levels, ShownLevels)
    if 0 < measured.persons < below:
        assert (numbers.count, numbers.missing, numbers.quartiles, numbers.bins) == (None,) * 4
        assert (levels.counts, levels.missing) == (None, None)
        return
    if numbers.bins is not None:
        groups = [((*numbers.bins, numbers.missing), measured.persons)]
        known = measured.numbers["age"].count
        assert numbers.count == (None if numbers.missing is None else known), "the other follows"
    else:
        groups = [((numbers.count, numbers.missing), measured.persons)]
    if levels.counts is not None:
        groups.append(((*levels.counts.values(), levels.missing), measured.persons))
    else:
        assert levels.missing is None
    for told, total in groups:
        if None in told:
            assert all(len(values) > 1 for values in values_of(list(worlds(told, total, below))))
    few = 0 < measured.numbers["age"].count < 2 * below
    assert (numbers.quartiles is None) == (few or measured.numbers["age"].count == 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4), BELOW)
@settings(max_examples=400, deadline=None)
def test_no_count_of_a_cohort_within_another_follows_nor_what_they_differ_by(
    pairs: list[tuple[int, int]], below: int
) -> None:
    inner, more = [one for one, _ in pairs], [other for _, other in pairs]
    outer = [one + other for one, other in pairs]
    told = nested(outer, inner, below)
    if told is None:
        return
    for seen, counts in zip(told, (outer, inner), strict=True):
        assert all(shown in (None, count) for shown, count in zip(seen, counts, strict=True))
    assert [each is None for each in told[0]] == [each is None for each in told[1]]
    for shown_outer, shown_inner in zip(*told, strict=True):
        if shown_outer is not None and shown_inner is not None:
            counts = (shown_outer, shown_inner, shown_outer - shown_inner)
            assert not any(0 < count < below for count in counts), "a small count is shown"
    hidden = [place for place, each in enumerate(told[0]) if each is None]
    if hidden:
        totals = [sum(group[place] for place in hidden) for group in (inner, more)]
        for place, (own, besides) in enumerate((inner[each], more[each]) for each in hidden):
            for total, count in zip(totals, (own, besides), strict=True):
                values = _possible(len(hidden), total)
                assert total == 0 or total >= below, "how many the masked ones are together is small"
                assert not 0 < count < below or len({each[place] for each in values}) > 1


def _possible(number: int, total: int) -> list[tuple[int, ...]]:
    """All tuples of so many whole numbers from 0 on that add up to the total."""
    if number == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in _possible(number - 1, total - first)]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), BELOW)
def test_an_attrition_tells_only_differences_of_what_it_shows(fewer: list[int], below: int) -> None:
    counts = [sum(fewer[place:]) for place in range(len(fewer))]
    steps = attrition({f"s{place}": "x" for place in range(len(counts))}, counts, below)
    for before, step in pairwise(steps):
        if step.dropped is not None:
            assert before.persons is not None
            assert step.dropped == before.persons - (step.persons or 0)
            assert step.dropped == 0 or step.dropped >= below
