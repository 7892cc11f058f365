"""Generating the losses: what is said of recorded values that end in no row."""

from collections.abc import Iterator, Mapping
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

    def __post_init__(self) -> None:
        self.readers = _readers(self.mapping)

    def undated(self, rule: bound.BoundRule) -> None:
        """What is lost when a row has no date: every value that it or the rows recorded of it would hold."""
        if rule.target.table in ANCHORS:
            self._no_anchor(rule)
            return
        reason = undated_reason(rule)
        if recorded(rule.concept, self.names) is None and not rule.drivers:
            said = walk.sources(rule.when, of_items=False)
            own = [one for one in dict.fromkeys(said) if _stands_at(one, rule.scope)]
            self._problem(rule, first_recorded(own, rule.scope, self.names), reason)
        among = {one.segments for each in bound.with_rows(rule) for one in _told(each)}
        # A nested row may say no more than that its condition holds.
        nested = (each for row in rule.rows for each in bound.with_rows(row))
        self.lost(rule, reason, among | {one.segments for each in nested for one in _asked(each)})
        for source in dict.fromkeys(walk.dating(rule.date)):
            with self.lines.block(f"if {self.names.of(source.segments)} is not None:"):
                self._invalid(rule, source.segments, reason)

    def _no_anchor(self, rule: bound.BoundRule) -> None:
        """A visit or episode without a date is not there; a value that should have dated it is told."""
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

    def read_only_by(self, rule: bound.BoundRule) -> set[Segments]:
        """The values that are lost when this rule does not apply: nothing else reads them."""
        own = {each.name for each in bound.with_rows(rule)}
        told = {one.segments for each in bound.with_rows(rule) for one in _told(each)}
        decided = {one.segments for one in walk.sources(rule.when)}
        return {one for one in told if self.readers[one] <= own} - decided

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
    """The values of the rule's own item, or of the case, that its row would hold."""
    return _own(rule, (rule.concept, rule.drivers))


def _asked(rule: bound.BoundRule) -> Iterator[bound.Source]:
    """The values of the rule's own item, or of the case, that its condition reads."""
    return _own(rule, rule.when)


def _own(rule: bound.BoundRule, said: Any) -> Iterator[bound.Source]:
    read = walk.sources(said, of_items=False)
    return (one for one in read if one.facts.leaf and _stands_at(one, rule.scope))


def _readers(mapping: bound.Bound) -> dict[Segments, set[str]]:
    """The names of the rules that read each place; the person and the baseline count as rules."""
    readers: dict[Segments, set[str]] = {}
    for source in walk.sources(mapping.shared):
        readers.setdefault(source.segments, set()).add("")
    for rule in mapping.every_rule():
        for source in walk.rule_sources(rule):
            readers.setdefault(source.segments, set()).add(rule.name)
    return readers
