"""Generating the losses: what is said of recorded values that end in no row."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from etl.mapping import bound, walk
from etl.mapping.generate.dates import undated_reason
from etl.mapping.generate.emit import Lines, Names, condition, first_recorded, located, recorded
from etl.mapping.generate.sections import Leaf
from etl.mapping.generate.steps import Steps
from etl.mapping.paths import Segments, item_scope
from etl.mapping.tables import ANCHORS

#: Why a recorded value is in no row although nothing is wrong with the value itself.
UNMET = "recorded, but the condition of its rule does not hold"


@dataclass
class LossWriter:
    """Writes the code that reports values as ``invalid`` where a row is not written."""

    mapping: bound.Bound
    numbers: Mapping[str, int]
    lines: Lines
    names: Names
    steps: Steps
    readers: Mapping[Segments, set[str]] = field(init=False)
    """The names of the rules that read each place."""
    holders: Mapping[Segments, set[str]] = field(init=False)
    """The names of the rules whose rows hold each place's value."""

    def __post_init__(self) -> None:
        rules = tuple(self.mapping.every_rule())
        self.readers = _names_by_place(self.mapping, ((rule.name, walk.parts(rule)) for rule in rules))
        self.holders = _names_by_place(self.mapping, ((rule.name, walk.held(rule)) for rule in rules))

    def undated(self, rule: bound.BoundRule) -> None:
        """What is lost when a row has no date: every value that it or the rows recorded of it would hold."""
        if rule.target.table in ANCHORS:
            self.unfollowed(rule)
            return
        reason = undated_reason(rule)
        if recorded(rule.concept, self.names) is None and not rule.drivers:
            said = walk.sources(rule.when, of_items=False)
            own = [one for one in dict.fromkeys(said) if _stands_at(one, rule.scope)]
            self._problem(rule, first_recorded(own, rule.scope, self.names), reason)
        among = {one.segments for each in bound.with_rows(rule) for one in _told(each)}
        # A nested row may say no more than that its condition holds.
        nested = tuple(each.when for row in rule.rows for each in bound.with_rows(row))
        self.lost(rule, reason, among | {one.segments for one in walk.sources(nested, of_items=False)})
        for source in dict.fromkeys(walk.dating(rule.date)):
            with self.lines.block(f"if {self.names.of(source.segments)} is not None:"):
                self._invalid(rule, source.segments, reason)

    def unfollowed(self, rule: bound.BoundRule) -> None:
        """Report every recorded value that should have dated a row, visit or episode, but no date follows."""
        for date in rule.date:
            asked = [condition(date.condition, self.names)] if isinstance(date, bound.GuardedDate) else []
            for source in dict.fromkeys(walk.dating((date,))):
                tests = (f"{self.names.of(source.segments)} is not None", *asked)
                with self.lines.block(f"if {' and '.join(tests)}:"):
                    self._invalid(rule, source.segments, "no date within the calendar follows from it")

    def lost(self, rule: bound.BoundRule, reason: str, among: set[Segments]) -> None:
        """Report every recorded value of a rule, and of the rows recorded of it, that is among these."""
        for source in dict.fromkeys((*_told(rule), *_asked(rule))):
            if source.segments in among:
                with self.lines.block(f"if {self.names.of(source.segments)} is not None:"):
                    self._invalid(rule, source.segments, reason)
        for child in rule.rows:
            told = (one for each in bound.with_rows(child) for one in (*_told(each), *_asked(each)))
            if any(one.segments in among for one in told):
                with ExitStack() as stack:
                    self.steps.into(stack, (child,), rule.scope)
                    self.lost(child, reason, among)

    def only_in(self, rule: bound.BoundRule) -> set[Segments]:
        """The values that are lost when this rule does not apply: what its rows would hold, and no other's.

        Also what only its nested rows decide by. What the rule itself decides by is used, whatever follows.
        """
        within = tuple(bound.with_rows(rule))
        own = {each.name for each in within}
        # A visit or an episode holds no value for others, but its own is lost only when nobody reads it.
        held = self.readers if rule.section is None else self.holders
        told = {one.segments for each in within for one in _told(each)}
        asked = {one.segments for each in within for one in _asked(each)}
        lost = {one for one in told if held[one] <= own} | {one for one in asked if self.readers[one] <= own}
        return lost - {one.segments for one in walk.sources(rule.when)}

    def outside_section(self, leaf: Leaf) -> None:
        """Report a value of a section that the case's form does not have."""
        with self.lines.block(f"if {self.names.of(leaf.segments)} is not None:"):
            self._invalid(leaf.rule, leaf.segments, f"the form has no section '{leaf.section}'")

    def _invalid(self, rule: bound.BoundRule, segments: Segments, reason: str) -> None:
        self._problem(rule, located(segments), reason)

    def _problem(self, rule: bound.BoundRule, path: str, reason: str) -> None:
        self.lines.add(f"problem({self.numbers[rule.name]}, 'invalid', {path}, {reason!r})")


def _stands_at(source: bound.Source, scope: Segments) -> bool:
    """Whether a value belongs to the item itself, not to the case around it nor to a list in it."""
    return item_scope(source.segments) == scope


def _told(rule: bound.BoundRule) -> Iterator[bound.Source]:
    """The values of the rule's own item, or of the case, that its row would hold, or rows in lists of it."""
    return _own(rule, lambda each: (each.concept, each.drivers))


def _asked(rule: bound.BoundRule) -> Iterator[bound.Source]:
    """The values of the rule's own item, or of the case, that its condition reads, or rows in lists of it."""
    return _own(rule, lambda each: each.when)


def _own(rule: bound.BoundRule, said: Callable[[bound.BoundRule], Any]) -> Iterator[bound.Source]:
    deeper = (each for row in rule.rows if row.scope != rule.scope for each in bound.with_rows(row))
    read = walk.sources(tuple(said(each) for each in (rule, *deeper)), of_items=False)
    return (one for one in read if one.facts.leaf and _stands_at(one, rule.scope))


def _names_by_place(
    mapping: bound.Bound, read: Iterable[tuple[str, tuple[Any, ...]]]
) -> dict[Segments, set[str]]:
    """The names by the places that are read under them; the person and the baseline count as one more."""
    names: dict[Segments, set[str]] = {}
    for name, parts in (("", mapping.shared), *read):
        for source in walk.sources(parts):
            names.setdefault(source.segments, set()).add(name)
    return names
