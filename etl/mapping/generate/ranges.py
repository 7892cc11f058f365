"""Generating the warnings: a number outside its plausible range is told, and loaded as it is."""

from collections.abc import Iterable
from dataclasses import dataclass

from etl.mapping import bound, walk
from etl.mapping.bind.ranges import End, limits_of
from etl.mapping.generate.emit import Lines, Names, located
from etl.mapping.plausible_range import Range


@dataclass(frozen=True, slots=True)
class RangeWriter:
    """Writes the code that reports numbers as ``implausible``, where their row is written."""

    lines: Lines
    names: Names

    def judge(self, ranges: Iterable[Range], number: int | None, known: Iterable[str]) -> None:
        """Tell of numbers outside; ``known`` are the conditions that hold here, as they are written."""
        holds = set(known)
        for one in ranges:
            outside = self._outside(one)
            if not outside:
                continue
            sources = tuple(walk.sources(one.value))
            tests = dict.fromkeys(f"{self.names.of(each.segments)} is not None" for each in sources)
            recorded = [test for test in tests if test not in holds and not self._always(one)]
            either = outside[0] if len(outside) == 1 else f"({' or '.join(outside)})"
            with self.lines.block(f"if {' and '.join([*recorded, either])}:"):
                path = located(sources[0].segments)
                self.lines.add(f"problem({number}, 'implausible', {path}, {one.reason!r})")

    def _outside(self, one: Range) -> list[str]:
        """Python expressions of being outside each end, but for ends that the schema keeps anyway."""
        limits, value = limits_of(one.value), self._value(one.value)
        if _judged(one.low, limits.low, "<") and _judged(one.high, limits.high, ">"):
            return [f"not {one.low!r} <= {value} <= {one.high!r}"]
        tests = []
        for end, limit, sign in ((one.low, limits.low, "<"), (one.high, limits.high, ">")):
            if isinstance(end, bound.Source):
                name = self.names.of(end.segments)
                tests.append(f"{name} is not None and {value} {sign} {name}")
            elif _judged(end, limit, sign):
                tests.append(f"{value} {sign} {end!r}")
        return tests

    def _value(self, value: bound.Raw | bound.Sum) -> str:
        if isinstance(value, bound.Raw):
            return self.names.of(value.source.segments)
        return f"({' + '.join(self.names.of(one.segments) for one in value.sources)})"

    @staticmethod
    def _always(one: Range) -> bool:
        """Whether every valid document has the number."""
        return isinstance(one.value, bound.Raw) and one.value.source.facts.required


def _judged(end: End, limit: float | None, sign: str) -> bool:
    """Whether an end is a number that the schema lets numbers past."""
    if not isinstance(end, (int, float)):
        return False
    return limit is None or (limit < end if sign == "<" else limit > end)
