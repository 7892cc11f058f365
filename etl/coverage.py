"""Coverage: what became of every value that the documents give, counted by its place.

Nothing is stored for it: the documents are traced anew with the plan, so it answers for the mapping at hand.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import orjson
from sqlalchemy import Connection, text

from etl.mapping.paths import ITEM, json_path, leaves
from etl.plan import CaseKey, Document, Plan
from etl.transform import FAULTS

Fate = Literal["mapped", "unmapped", "problem", "ignored", "unused"]
FATES: tuple[Fate, ...] = get_args(Fate)
#: Columns of ``Coverage.rows``.
COLUMNS = ("path", "total", *FATES)
#: How many unmapped values are named for a place.
MOST_VALUES = 5

#: What the trace reports, the graver ones later: a value that one rule maps and another cannot is not mapped.
#: A cut value did not arrive whole, so it is a problem and not mapped; an implausible one did.
_REPORTED: Mapping[str, Fate] = {
    "used": "mapped",
    "implausible": "mapped",
    "unmapped": "unmapped",
    "truncated": "problem",
    "invalid": "problem",
}
_GRAVITY: Mapping[Fate, int] = {fate: rank for rank, fate in enumerate(dict.fromkeys(_REPORTED.values()))}


class Leaf(NamedTuple):
    """A recorded value of one document: where it stands and what became of it, never the value itself."""

    path: str
    """Located: ``$.lesions[0].diam1``."""
    pattern: str
    """The same place in any document: ``$.lesions[*].diam1``."""
    fate: Fate


@dataclass(frozen=True, slots=True)
class Tally:
    """How many values ended as what; each value is in exactly one of the counts."""

    mapped: int = 0
    """A rule took it up: into a row, a date, or the decision whether to write one."""
    unmapped: int = 0
    """Loaded as concept 0."""
    problem: int = 0
    """Not loaded, or cut to its column."""
    ignored: int = 0
    """Left out on purpose, as the mapping says."""
    unused: int = 0
    """Given, but no rule applied: for instance the age of a relative of whom nothing else is recorded."""

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def counts(self) -> tuple[int, ...]:
        """The counts in the order of ``FATES``."""
        return tuple(getattr(self, fate) for fate in FATES)

    @property
    def lost(self) -> int:
        """Values that are not in OMOP as they were meant, without anybody having wanted that."""
        return self.unmapped + self.problem + self.unused

    def percent(self, fate: Fate) -> float:
        """The share of one fate, 0 to 100; 0 when there are no values."""
        count: int = getattr(self, fate)
        return 100 * count / self.total if self.total else 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(one + more for one, more in zip(self.counts, other.counts, strict=True)))


@dataclass(frozen=True, slots=True)
class PlaceCoverage:
    """What became of the values at one place of the documents."""

    pattern: str
    tally: Tally
    unmapped_values: tuple[tuple[str, int], ...] = ()
    """The most frequent values without a concept and their counts, when they were asked for."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of every value of the newest documents of a mapping."""

    mapping: str
    cases: int
    places: tuple[PlaceCoverage, ...]
    """Only places where values are recorded. What a curator should look at first stands first: the places
    that lose most values (unmapped, problem or unused); equals in the schema's order."""

    @property
    def total(self) -> Tally:
        return sum((place.tally for place in self.places), Tally())

    def rows(self) -> tuple[tuple[str | int, ...], ...]:
        """The places as plain tuples of ``COLUMNS``."""
        return tuple((place.pattern, place.tally.total, *place.tally.counts) for place in self.places)

    def value_rows(self) -> tuple[tuple[str, str, int], ...]:
        """Path, unmapped value and how often it is recorded, in the order of the places."""
        return tuple((place.pattern, *value) for place in self.places for value in place.unmapped_values)


def cover(plan: Plan, document: Document) -> Iterator[Leaf]:
    """Every recorded value of a valid document (what is not null, an object or a list), in its order.

    Its fate is ``ignored`` if the mapping ignores its place, else the gravest that a rule reported of it,
    else ``unused``. Of a document with more items than row ids have room for nothing is loaded: all is a
    problem.
    """
    fate = _judge(plan, document)
    return (Leaf(path, pattern, fate(path, pattern)) for path, pattern, _ in _recorded(document, "$", "$"))


def coverage(connection: Connection, plan: Plan, show_values: bool = False, batch: int = 1000) -> Coverage:
    """Cover the newest document of every case of the plan's mapping, loaded or not, ``batch`` at a time.

    One SELECT in the connection's transaction, so it sees one state of the lake. Values are looked at only
    with ``show_values``: the result then holds patients' data, if only as codes that no value map knows.
    """
    tallies: Counter[tuple[str, Fate]] = Counter()
    values: Counter[tuple[str, str]] = Counter()
    cases = 0
    for cases, document in enumerate(_newest(connection, plan.mapping, batch), 1):  # noqa: B007 - counted
        fate = _judge(plan, document)
        for path, pattern, value in _recorded(document, "$", "$"):
            found = fate(path, pattern)
            tallies[pattern, found] += 1
            if show_values and found == "unmapped":
                values[pattern, _shown(value)] += 1
    return Coverage(plan.mapping, cases, _places(plan, tallies, values))


def _newest(connection: Connection, mapping: str, batch: int) -> Iterator[Document]:
    """The documents, over a cursor on the server: the lake may be larger than the memory."""
    options = {"stream_results": True, "yield_per": batch}
    with connection.execute(_NEWEST, {"mapping": mapping}, execution_options=options) as found:
        for row in found:
            yield orjson.loads(row.document)


def _judge(plan: Plan, document: Document) -> Callable[[str, str], Fate]:
    """A function that tells the fate of a path and its pattern."""
    found: dict[str, Fate] = {}

    def report(rule: int | None, kind: str, path: str, reason: str) -> None:
        fate = _REPORTED[kind]
        known = found.get(path)
        if known is None or _GRAVITY[fate] > _GRAVITY[known]:
            found[path] = fate

    otherwise: Fate = "unused"
    try:
        plan.trace(document, *_ANY_CASE, plan.empty_rows(), report)
    except FAULTS:  # as in load: such a case is not loaded at all
        found, otherwise = {}, "problem"
    ignored = _ignored_by(tuple(plan.ignored))
    return lambda path, pattern: "ignored" if ignored(pattern) else found.get(path, otherwise)


@lru_cache(maxsize=16)
def _ignored_by(prefixes: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a pattern is one of the ignored places or stands below one."""
    below = tuple(prefix + mark for prefix in prefixes for mark in (".", "["))
    return lru_cache(maxsize=4096)(lambda pattern: pattern in prefixes or pattern.startswith(below))


def _recorded(node: Any, path: str, pattern: str) -> Iterator[tuple[str, str, Any]]:
    """Path, pattern and value of every scalar below a place."""
    if isinstance(node, Mapping):
        for key, child in node.items():
            if child is not None:
                step = _step(key)
                yield from _recorded(child, path + step, pattern + step)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            if child is not None:
                yield from _recorded(child, f"{path}[{index}]", pattern + ITEM)
    else:
        yield path, pattern, node


@lru_cache(maxsize=4096)
def _step(key: str) -> str:
    return json_path((key,)).removeprefix("$")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _places(
    plan: Plan, tallies: Counter[tuple[str, Fate]], values: Counter[tuple[str, str]]
) -> tuple[PlaceCoverage, ...]:
    order = {json_path(segments): rank for rank, (segments, _) in enumerate(leaves(plan.schema))}
    counts: dict[str, dict[str, int]] = {}
    for (pattern, fate), count in tallies.items():
        counts.setdefault(pattern, {})[fate] = count
    most = _most_frequent(values)
    places = [PlaceCoverage(name, Tally(**found), most.get(name, ())) for name, found in counts.items()]
    last = len(order)
    return tuple(sorted(places, key=lambda one: (-one.tally.lost, order.get(one.pattern, last), one.pattern)))


def _most_frequent(values: Counter[tuple[str, str]]) -> dict[str, tuple[tuple[str, int], ...]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for (pattern, value), count in sorted(values.items(), key=lambda one: (-one[1], one[0])):
        if len(some := found.setdefault(pattern, [])) < MOST_VALUES:
            some.append((value, count))
    return {pattern: tuple(some) for pattern, some in found.items()}


#: Row ids are made and thrown away.
_ANY_CASE = CaseKey(1, 1, None)

_NEWEST = text("""
    SELECT document::text AS document
    FROM lake.cases JOIN lake.documents USING (case_id, version) WHERE mapping = :mapping
""")
