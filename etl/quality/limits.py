"""What a mapping finds plausible of the numbers that a column holds, and what its JSON Schema allows."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from etl.mapping.bind.ranges import limits_of
from etl.mapping.bound import Alternatives, Bound, BoundRule, Constant, Guarded, Raw, Sum, Translate
from etl.mapping.paths import json_path


class Limits(NamedTuple):
    """The least and the greatest value, both included, and where each was said; None: no limit."""

    low: float | None
    high: float | None
    low_origin: str
    high_origin: str


class Numbers(NamedTuple):
    """The numbers that one rule writes into one column."""

    rule: BoundRule
    column: str
    concepts: frozenset[int]
    """The concepts that the row may have."""
    unit: int | None
    """None: the rule gives none."""
    possible: Limits
    """What the JSON Schema allows."""
    plausible: Limits
    """Narrowed by what the mapping finds plausible."""


def numbers(mapping: Bound) -> Iterator[Numbers]:
    """Every column that a rule fills with a number as recorded, or with a sum of such."""
    for rule in mapping.every_rule():
        for column, expression in rule.columns.items():
            if rule.target.kind(column) in {"number", "integer"} and isinstance(expression, (Raw, Sum)):
                possible = _allowed(mapping, expression)
                plausible, concepts = _narrowed(rule, column, possible), constants(rule.concept)
                for unit in sorted(constants(rule.columns.get("unit_concept_id")) or {None}, key=str):
                    yield Numbers(rule, column, concepts or frozenset(), unit or None, possible, plausible)


def age(mapping: Bound) -> tuple[Limits, Limits] | None:
    """The possible and the plausible years of birth; None where the mapping knows no age or no baseline."""
    told = mapping.told.baseline
    if mapping.age is None or told is None:
        return None
    possible = plausible = _allowed(mapping, Raw(mapping.age))
    for one in mapping.plausible:
        plausible = _narrower(plausible, one.low, one.high, f"{one.place.file}:{one.place.line}")
    return _births(possible, told.is_.year), _births(plausible, told.is_.year)


def _births(years: Limits, baseline: int) -> Limits:
    """The older, the earlier."""
    low = None if years.high is None else baseline - years.high
    high = None if years.low is None else baseline - years.low
    return Limits(low, high, years.high_origin, years.low_origin)


def constants(expression: Any) -> frozenset[Any] | None:
    """Every value that an expression of fixed values can have; None where it is another expression."""
    match expression:
        case Constant(value):
            return frozenset({value})
        case Translate(table=table):
            return frozenset(value for _, value in table)
        case Guarded(then=then):
            return constants(then)
        case Alternatives(items):
            found = [constants(one) for one in items]
            known = [one for one in found if one is not None]
            return frozenset().union(*known) if len(known) == len(found) else None
    return None


def widest(found: Iterable[Limits]) -> Limits:
    """Limits that hold for all: none on a side where one of them has none."""
    each = list(found)
    lows, highs = [one.low for one in each], [one.high for one in each]
    return Limits(
        None if None in lows else min(one for one in lows if one is not None),
        None if None in highs else max(one for one in highs if one is not None),
        origins(one.low_origin for one in each),
        origins(one.high_origin for one in each),
    )


def beyond(narrow: Limits, wide: Limits) -> Limits:
    """The ends of the narrower limits that are others than those of the wider."""
    return narrow._replace(
        low=None if narrow.low == wide.low else narrow.low,
        high=None if narrow.high == wide.high else narrow.high,
    )


def origins(each: Iterable[str]) -> str:
    """Several places as one text; a file that they share is named once."""
    told: list[str] = []
    before = ""
    for one in dict.fromkeys(each):
        file, _, place = one.partition(" ")
        told.append(place if place and file == before else one)
        before = file
    return ", ".join(told)


def _allowed(mapping: Bound, expression: Raw | Sum) -> Limits:
    """What the JSON Schema allows."""
    sources = expression.sources if isinstance(expression, Sum) else (expression.source,)
    where = f"{mapping.told.schema_} {' + '.join(json_path(one.segments) for one in sources)}"
    allowed = limits_of(expression)
    return Limits(allowed.low, allowed.high, where, where)


def _narrowed(rule: BoundRule, column: str, limits: Limits) -> Limits:
    for one in rule.plausible:
        if one.column == column:
            limits = _narrower(limits, one.low, one.high, f"{one.place.file}:{one.place.line}")
    return limits


def _narrower(limits: Limits, low: object, high: object, origin: str) -> Limits:
    """Limits with ends that are numbers put in their place; another end is compared row by row."""
    if isinstance(low, (int, float)) and (limits.low is None or low > limits.low):
        limits = limits._replace(low=low, low_origin=origin)
    if isinstance(high, (int, float)) and (limits.high is None or high < limits.high):
        limits = limits._replace(high=high, high_origin=origin)
    return limits
