"""Plausible ranges as the Plan has them: by table and column, so that rows can be judged as documents are."""

from collections.abc import Iterator, Mapping

from etl.mapping import bound, walk
from etl.mapping.paths import json_path
from etl.mapping.plausible_range import Range
from etl.plan import Bound, Plausible

#: Stands for the rule's name where a range is of the person's age.
PERSON = "person"


def plausible_of(mapping: bound.Bound, numbers: Mapping[str, int]) -> Iterator[Plausible]:
    """Every plausible range, that of the age first, then in the order of the rules."""
    for one in mapping.plausible:
        yield _of_age(mapping, one)
    for rule in mapping.every_rule():
        for one in rule.plausible:
            yield _of_rule(mapping, rule, one, numbers)


def _of_age(mapping: bound.Bound, one: Range) -> Plausible:
    """The range of the years of birth: the older, the earlier."""
    baseline = mapping.told.baseline
    assert baseline is not None, "a person's year of birth is counted from it"
    low, high = _constant(one.low), _constant(one.high)
    return Plausible(
        rule=None,
        name=PERSON,
        file=one.place.file,
        line=one.place.line,
        path=_path(one),
        table="person",
        column=one.column,
        concept_id=None,
        unit_concept_id=None,
        low=None if high is None else baseline.is_.year - high,
        high=None if low is None else baseline.is_.year - low,
        low_of=_place(one.high, None, mapping, {}),
        high_of=_place(one.low, None, mapping, {}),
        why=one.why,
        reason=one.reason,
    )


def _of_rule(
    mapping: bound.Bound, rule: bound.BoundRule, one: Range, numbers: Mapping[str, int]
) -> Plausible:
    unit = rule.columns.get(rule.target.column("unit") or "")
    return Plausible(
        rule=numbers[rule.name],
        name=rule.name,
        file=one.place.file,
        line=one.place.line,
        path=_path(one),
        table=rule.target.table,
        column=one.column,
        concept_id=_concept(rule.concept) if rule.target.concept_column else None,
        unit_concept_id=_concept(unit),
        low=_constant(one.low),
        high=_constant(one.high),
        low_of=_place(one.low, rule, mapping, numbers),
        high_of=_place(one.high, rule, mapping, numbers),
        why=one.why,
        reason=one.reason,
    )


def _path(one: Range) -> str:
    return json_path(next(walk.sources(one.value)).segments)


def _constant(end: float | bound.Source | None) -> float | None:
    return None if isinstance(end, bound.Source) else end


def _concept(node: bound.Expression | None) -> int | None:
    return node.value if isinstance(node, bound.Constant) and isinstance(node.value, int) else None


def _place(
    end: float | bound.Source | None,
    rule: bound.BoundRule | None,
    mapping: bound.Bound,
    numbers: Mapping[str, int],
) -> Bound | None:
    if not isinstance(end, bound.Source):
        return None
    for other in mapping.every_rule() if rule is not None else ():
        held = other.columns.get(other.target.column("number") or "")
        if rule is not None and other.scope == rule.scope and held == bound.Raw(end):
            return Bound(json_path(end.segments), numbers[other.name], other.target.table)
    return Bound(json_path(end.segments), None, None)
