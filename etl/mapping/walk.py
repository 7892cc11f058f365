"""Walking through a bound mapping: what its rules, conditions and dates read and refer to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from etl.mapping.bound import (
    Alternatives,
    BoundRule,
    Constant,
    Dates,
    EpisodeDate,
    Expression,
    Extreme,
    Guarded,
    GuardedDate,
    Later,
    Listed,
    OneDate,
    RealDate,
    Some,
    Source,
    VisitDate,
    Whole,
)
from etl.mapping.paths import Facts, Segments, item_scope
from etl.mapping.plausible_range import Range
from etl.mapping.same_day import SameDay
from etl.mapping.tables import Target

Kind = TypeVar("Kind")
#: What takes all that stands at a place.
WHOLES: tuple[type[Whole] | type[Listed], ...] = (Whole, Listed)


def sources(node: Any, *, of_items: bool = True) -> Iterator[Source]:
    """Every source that an expression, a condition, a date or a tuple of them reads.

    Without ``of_items``, conditions on the items of other lists are left out.
    """
    if isinstance(node, Source):
        yield node
    elif isinstance(node, (tuple, Mapping)):
        for one in node.values() if isinstance(node, Mapping) else node:
            yield from sources(one, of_items=of_items)
    elif isinstance(node, Some) and not of_items:
        return
    elif is_dataclass(node) and not isinstance(node, (BoundRule, Facts, Target, type)):
        for field in fields(node):
            yield from sources(getattr(node, field.name), of_items=of_items)


def conditions(node: Any, kind: type[Kind]) -> Iterator[Kind]:
    """Every part of one kind that stands in a condition, an expression, dates or a tuple of them."""
    if isinstance(node, (tuple, Mapping)):
        for one in node.values() if isinstance(node, Mapping) else node:
            yield from conditions(one, kind)
    elif is_dataclass(node) and not isinstance(node, (BoundRule, Facts, Target, type)):
        if isinstance(node, kind):
            yield node
        for field in fields(node):
            yield from conditions(getattr(node, field.name), kind)


def dating(dates: Dates) -> Iterator[Source]:
    """The values that dates are made of, without those that only decide between them."""
    for date in dates:
        match date:
            case RealDate(source):
                yield source
            case Later(start, source):
                yield from dating((start,))
                yield from sources(source)
            case Extreme(_, among):
                yield from dating(among)
            case GuardedDate(_, inner):
                yield from dating((inner,))


def anchors(dates: Iterable[OneDate]) -> Iterator[str]:
    """The rules of the visits and episodes that dates name."""
    for date in dates:
        match date:
            case VisitDate(visit):
                yield f"visit.{visit}"
            case EpisodeDate(episode):
                yield f"episode.{episode}"
            case Later(start=inner) | GuardedDate(date=inner):
                yield from anchors((inner,))
            case Extreme(dates=among):
                yield from anchors(among)


def visits(node: Expression | None, *, by_day: bool = True) -> Iterator[str]:
    """Every visit that an expression may name; without ``by_day``, not those looked for by their day."""
    match node:
        case Constant(value):
            yield str(value)
        case SameDay(visits=names):
            yield from names if by_day else ()
        case Guarded(then=then):
            yield from visits(then, by_day=by_day)
        case Alternatives(items):
            for item in items:
                yield from visits(item, by_day=by_day)


def shared_scope(one: Segments, other: Segments) -> Segments:
    """The innermost item that two items have in common; () for the case."""
    common = next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return item_scope(one[:common])


def wholes(rules: Iterable[BoundRule]) -> Iterator[Segments]:
    """The places that rules take with all that they hold."""
    for rule in rules:
        for kind in WHOLES:
            yield from (one.source.segments for one in conditions(rule.columns, kind))


def parts(rule: BoundRule) -> tuple[Any, ...]:
    """What one rule says itself, without the rows recorded of it."""
    return (rule.when, rule.concept, rule.drivers, rule.columns, rule.visit, rule.date, rule.end)


def held(rule: BoundRule) -> tuple[Any, ...]:
    """What the rule's row holds: not what it decides by, and of a visit or an episode only its dates."""
    if rule.section is None:
        return (*dating(rule.date), *dating(rule.end))
    return (rule.concept, rule.drivers, rule.columns, rule.visit, rule.date, rule.end)


def bounds(ranges: Iterable[Range]) -> Iterator[Source]:
    """The places that are bounds of numbers. To be one is no use of a value."""
    for one in ranges:
        yield from sources((one.low, one.high))


def loaded_sources(rule: BoundRule) -> tuple[Source, ...]:
    """What the code of a rule looks at: what it reads, and the bounds of its numbers."""
    return tuple(dict.fromkeys((*rule_sources(rule), *bounds(rule.plausible))))


def rule_sources(rule: BoundRule) -> tuple[Source, ...]:
    """What one rule reads itself, without the rows recorded of it, each once."""
    return tuple(dict.fromkeys(sources(parts(rule))))
