"""Writing Python source: lines with indentation, and names for what the code reads."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from etl.identity import LEVEL_BITS
from etl.mapping import bound
from etl.mapping.paths import ITEM, Segments, depth, item_scope, json_path


class Lines:
    """Source under construction."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._indent = 0
        self._counter = 0

    def add(self, line: str = "") -> None:
        self._lines.append("    " * self._indent + line if line else "")

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        self.add(header)
        self._indent += 1
        before = len(self._lines)
        yield
        if len(self._lines) == before:
            self.add("pass")
        self._indent -= 1

    def fresh(self, stem: str) -> str:
        """A variable name not used before."""
        self._counter += 1
        return f"{stem}_{self._counter}"

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"


class Names:
    """Stable, readable variable names for places in the document."""

    def __init__(self) -> None:
        self._names: dict[Segments, str] = {}
        self._taken: set[str] = set()

    def of(self, segments: Segments) -> str:
        if not segments:
            return "document"
        if segments not in self._names:
            words = [part for part in segments if part != ITEM][-2:] + (
                ["item"] if segments[-1] == ITEM else []
            )
            stem = "v_" + identifier("_".join(words))
            name, count = stem, 1
            while name in self._taken:
                count += 1
                name = f"{stem}_{count}"
            self._taken.add(name)
            self._names[segments] = name
        return self._names[segments]


@dataclass(frozen=True, slots=True)
class _Inside:
    """Names inside a condition on the items of a list: places in the item are read where they stand."""

    names: "Names | _Inside"
    scope: Segments
    item: str

    def of(self, segments: Segments) -> str:
        if segments[: len(self.scope)] != self.scope:
            return self.names.of(segments)
        *above, last = ("", *segments[len(self.scope) :])
        holder = self.item
        for part in above[1:]:
            holder = f"({holder}.get({part!r}) or EMPTY)"
        return f"{holder}.get({last!r})" if last else self.item


def identifier(name: str) -> str:
    """A name as part of a Python identifier."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def item_key(scope: Segments) -> str:
    """A Python tuple expression of the positions that an item is at."""
    return "(" + "".join(f"i{level}, " for level in range(depth(scope))).rstrip() + ")"


def item_number(scope: Segments) -> str:
    """A Python expression of the low bits of a row id: the positions that an item is at."""
    widths = LEVEL_BITS[depth(scope)]
    terms = []
    for level in range(len(widths)):
        shift = sum(widths[level + 1 :])
        terms.append(f"(i{level} << {shift})" if shift else f"i{level}")
    return " + ".join(terms)


def located(segments: Segments) -> str:
    """A Python f-string expression of the JSON path of a place, with the loop variables in it."""
    path = json_path(segments)
    if ITEM not in segments:
        return repr(path)
    path = path.replace("{", "{{").replace("}", "}}")
    for level in range(depth(segments)):
        path = path.replace(ITEM, f"[{{i{level}}}]", 1)
    return "f" + repr(path)


def read_in_place(segments: Segments, names: Names) -> str:
    """A Python expression of a place that need not be in a variable; its item is, and all of the case is."""
    scope = item_scope(segments)
    return _Inside(names, scope, names.of(scope)).of(segments) if scope else names.of(segments)


def first_recorded(sources: Iterable[bound.Source], otherwise: Segments, names: Names) -> str:
    """A Python expression of the JSON path of the first value that is recorded."""
    paths = (f"{located(one.segments)} if {names.of(one.segments)} is not None else " for one in sources)
    return "".join(paths) + located(otherwise)


def condition(node: bound.Condition, names: Names | _Inside) -> str:
    """A Python expression of a condition."""
    match node:
        case bound.Recorded(source):
            name = names.of(source.segments)
            plain = source.facts.types == {"boolean"} or "array" in source.facts.types
            return name if plain else f"{name} is not None"
        case bound.IsIn(source, values):
            name = names.of(source.segments)
            if len(values) == 1:
                return f"{name} == {values[0]!r}"
            return f"{name} in {{{', '.join(map(repr, values))}}}"
        case bound.Some(scope, where):
            item = f"item_{depth(scope)}"
            holds = condition(where, _Inside(names, scope, item))
            return f"any({holds} for {item} in {names.of(scope[:-1])} or ())"
        case bound.HasEpisode(episode):
            return f"episode_{identifier(episode)} is not None"
        case bound.Negated(inner):
            return f"not ({condition(inner, names)})"
        case bound.Joined(how, parts):
            return "(" + f" {how} ".join(condition(part, names) for part in parts) + ")"


def recorded(node: bound.Expression, names: Names) -> str | None:
    """A Python expression that tells whether an expression yields something; None when it always does."""
    match node:
        case bound.Raw() | bound.Translate() | bound.Whole() | bound.Listed() | bound.Instant():
            return f"{names.of(node.source.segments)} is not None"
        case bound.Sum(sources):
            return "(" + " and ".join(f"{names.of(one.segments)} is not None" for one in sources) + ")"
        case bound.Guarded(when, then):
            inner = recorded(then, names)
            return f"({condition(when, names)}{f' and {inner}' if inner else ''})"
        case bound.Alternatives(items):
            parts = [recorded(item, names) for item in items]
            known = [part for part in parts if part is not None]
            return "(" + " or ".join(known) + ")" if len(known) == len(parts) else None
        case bound.Template(parts):
            unique = dict.fromkeys(names.of(part.segments) for part in parts if not isinstance(part, str))
            return "(" + " and ".join(f"{name} is not None" for name in unique) + ")"
    return None
