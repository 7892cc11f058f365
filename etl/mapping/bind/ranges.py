"""Binding, plausible ranges: which number is judged, and between which bounds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etl.mapping import bound, language, phrases, walk
from etl.mapping.bind.context import At
from etl.mapping.bind.expressions import CONCEPT, Expressions
from etl.mapping.paths import json_path
from etl.mapping.plausible_range import Range
from etl.mapping.tables import Target

_NUMBERS = frozenset({"number", "integer"})
End = int | float | bound.Source | None


@dataclass(frozen=True, slots=True)
class Ranges:
    """Binds the plausible ranges of one folder."""

    words: Expressions

    def of_rule(
        self, rule: language.Rule, at: At, target: Target, columns: Mapping[str, bound.Expression]
    ) -> Iterator[Range]:
        """The ranges of a rule whose columns are bound. Each is of a number that the rule reads."""
        written = CONCEPT.match(rule.unit or "")
        unit = f" {written[2]}" if written and written[2] else ""
        number = columns.get(target.column("number") or "") if rule.number is not None else None
        for node, there in _each(rule.plausible, at.down("plausible")):
            if node.path is not None:
                value = self._read(node.path, there.down("path"), columns)
                yield from self._range(node, there, value, _column(value, target, columns), "")
            elif rule.number is None:
                message = "'plausible' is of the rule's 'number', and it has none: say which 'path' it is of"
                self.words.report("bad-range", there, message)
            elif isinstance(number, (bound.Raw, bound.Sum)):
                yield from self._range(node, there, number, target.column("number"), unit)

    def of_age(self, person: language.Person, age: bound.Source, at: At) -> Iterator[Range]:
        """The ranges of a person's age."""
        for node, there in _each(person.plausible, at.down("plausible")):
            if node.path is not None:
                self.words.report("bad-range", there.down("path"), "a person's 'plausible' is of the 'age'")
            else:
                yield from self._range(node, there, bound.Raw(age), "year_of_birth", " years")

    def _read(self, path: str, at: At, columns: Mapping[str, bound.Expression]) -> bound.Raw | None:
        source = self.words.source(path, at, types=_NUMBERS)
        if source is None:
            return None
        if source.segments not in {one.segments for one in walk.sources(columns)}:
            message = f"the rule's row does not hold '{json_path(source.segments)}': give its range elsewhere"
            self.words.report("bad-range", at, message)
            return None
        return bound.Raw(source)

    def _range(
        self,
        node: phrases.Plausible,
        at: At,
        value: bound.Raw | bound.Sum | None,
        column: str | None,
        unit: str,
    ) -> Iterator[Range]:
        low, high = self._end(node.low, at.down("low")), self._end(node.high, at.down("high"))
        if value is None or (low is None) != (node.low is None) or (high is None) != (node.high is None):
            return
        if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
            self.words.report("bad-range", at, f"no number is from {low} to {high}: 'low' is above 'high'")
        if {low, high} & set(walk.sources(value)):
            self.words.report("bad-range", at, "the number is compared with itself")
        self._against_schema(value, low, high, at)
        yield Range(value, column, low, high, _reason(node, unit), node.why, at.place)

    def _end(self, node: float | str | None, at: At) -> End:
        return self.words.source(node, at, types=_NUMBERS) if isinstance(node, str) else node

    def _against_schema(self, value: bound.Raw | bound.Sum, low: End, high: End, at: At) -> None:
        limits = limits_of(value)
        for word, end, limit, sign in (("low", low, limits.low, -1), ("high", high, limits.high, 1)):
            if isinstance(end, (int, float)) and limit is not None and end * sign > limit * sign:
                message = f"'{word}' is {end}, but the schema allows nothing beyond {limit}"
                self.words.report("wide-range", at.down(word), message)


@dataclass(frozen=True, slots=True)
class Limits:
    """The least and the greatest number that the schema allows; None: it sets no limit."""

    low: float | None
    high: float | None


def limits_of(value: bound.Raw | bound.Sum) -> Limits:
    """What the schema allows of a number, or of a sum."""
    sources = (value.source,) if isinstance(value, bound.Raw) else value.sources
    lows = [one.facts.low for one in sources]
    highs = [one.facts.high for one in sources]
    return Limits(_sum(lows), _sum(highs))


def _sum(ends: list[float | None]) -> float | None:
    known = [one for one in ends if one is not None]
    return sum(known) if len(known) == len(ends) else None


def _each(node: phrases.Ranges | None, at: At) -> Iterator[tuple[phrases.Plausible, At]]:
    if isinstance(node, phrases.Plausible):
        yield node, at
    else:
        yield from ((one, at.down(index)) for index, one in enumerate(node or ()))


def _column(value: bound.Raw | None, target: Target, columns: Mapping[str, bound.Expression]) -> str | None:
    """The column of numbers that has the value as it is recorded."""
    named = (name for name, node in columns.items() if value is not None and node == value)
    return next((name for name in named if target.kind(name) in ("number", "integer")), None)


def _reason(node: phrases.Plausible, unit: str) -> str:
    """What is said of a value outside the range: the bounds, and why."""
    ends = [(word, end) for word, end in (("below", node.low), ("above", node.high)) if end is not None]
    told = [f"{word} '{end}'" if isinstance(end, str) else f"{word} {end}" for word, end in ends]
    numbers = [index for index, (_, end) in enumerate(ends) if not isinstance(end, str)]
    if numbers:
        told[numbers[-1]] += unit
    return f"not plausible, {' or '.join(told)}: {node.why}"
