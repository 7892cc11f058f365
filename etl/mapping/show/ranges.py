"""Plausible ranges in the ETL document."""

from etl.mapping import bound, walk
from etl.mapping.plausible_range import Range
from etl.mapping.show.words import dotted, plain


def told_range(one: Range, *, named: bool) -> str:
    """A range with its reason; ``named`` says of which number, where the line is not about it alone."""
    whose = f"{dotted(next(walk.sources(one.value)).segments)} " if named else ""
    return f"{whose}plausible {_ends(one)}: {plain(one.why)}"


def _ends(one: Range) -> str:
    if one.low is None and one.high is None:
        return "whatever it is"
    if one.high is None:
        return f"from {_end(one.low)}"
    return f"up to {_end(one.high)}" if one.low is None else f"{_end(one.low)} to {_end(one.high)}"


def _end(end: float | bound.Source | None) -> str:
    return dotted(end.segments) if isinstance(end, bound.Source) else str(end)
