"""Generating the steps into a document: loops over lists, and variables for what stands where they lead."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from etl.identity import capacities
from etl.mapping import bound, walk
from etl.mapping.generate.emit import Lines, Names, identifier, item_key, located
from etl.mapping.paths import ITEM, Segments, depth, item_scope


@dataclass(frozen=True, slots=True)
class Steps:
    """Writes the code that leads to the places of a document."""

    lines: Lines
    names: Names

    def load(self, scope: Segments, sources: set[Segments], lists: set[Segments]) -> None:
        """Bring everything that stands directly at a scope into local variables."""
        leaves = sorted(one for one in sources if item_scope(one) == scope and one != scope)
        arrays = sorted({one[: _next_list(one, scope)] for one in lists if _inside(one, scope)})
        holder = self.names.of(scope) if scope else "document"
        objects: dict[Segments, str] = {scope: holder}
        for segments in dict.fromkeys((*leaves, *arrays)):
            parent = self._object(segments[:-1], objects)
            self.lines.add(f"{self.names.of(segments)} = {parent}.get({segments[-1]!r})")

    def into(self, stack: ExitStack, rules: Sequence[bound.BoundRule], outer: Segments) -> None:
        """Step into the lists between where we are and the item that the rules stand at."""
        within = [nested for rule in rules for nested in bound.with_rows(rule)]
        inner = {one.segments for nested in within for one in walk.loaded_sources(nested)}
        lists = set().union(*map(lists_of, within))
        deepest = max(depth(nested.scope) for nested in within)
        for scope in _scopes(outer, rules[0].scope):
            self._check_room(scope, deepest)
            stack.enter_context(self._loop(scope, inner, lists))

    def at(self, stack: ExitStack, rule: bound.BoundRule, place: str) -> None:
        """Step to the rule's item at the positions in a variable, where they are known."""
        stack.enter_context(self.lines.block(f"if {place} is not None:"))
        self.lines.add(f"{item_key(rule.scope)} = {place}")
        sources, lists = {one.segments for one in walk.loaded_sources(rule)}, lists_of(rule)
        for scope in _scopes((), rule.scope):
            array = self.names.of(scope[:-1])
            self.lines.add(f"{self.names.of(scope)} = {array}[i{depth(scope) - 1}]")
            self.load(scope, sources, lists)

    def to(self, stack: ExitStack, scope: Segments, sources: set[Segments], lists: set[Segments]) -> None:
        """Step into the lists that hold an item, from the case, to read sources; no row is made of it."""
        for one in _scopes((), scope):
            stack.enter_context(self._loop(one, sources, {scope, *lists}))

    def _object(self, segments: Segments, objects: dict[Segments, str]) -> str:
        if segments not in objects:
            parent = self._object(segments[:-1], objects)
            name = "o_" + identifier(segments[-1])
            objects[segments] = name if name not in objects.values() else self.lines.fresh(name)
            self.lines.add(f"{objects[segments]} = {parent}.get({segments[-1]!r}) or EMPTY")
        return objects[segments]

    def _check_room(self, scope: Segments, deepest: int) -> None:
        """Refuse more items than ids have room for.

        ``deepest`` is how many lists the rows within are in: the more, the less room a level has in an id.
        """
        array, capacity = self.names.of(scope[:-1]), capacities(deepest)[depth(scope) - 1]
        with self.lines.block(f"if {array} and len({array}) > {capacity}:"):
            self.lines.add(f"raise overflow({located(scope[:-1])}, {capacity}, len({array}))")

    def _loop(self, scope: Segments, sources: set[Segments], lists: set[Segments]) -> ExitStack:
        """Open a loop over the items of a list that is already in a variable."""
        array, item = self.names.of(scope[:-1]), self.names.of(scope)
        stack = ExitStack()
        stack.enter_context(self.lines.block(f"for i{depth(scope) - 1}, {item} in enumerate({array} or ()):"))
        self.load(scope, sources, lists)
        return stack


def lists_of(rule: bound.BoundRule) -> set[Segments]:
    """The items of every list that a rule steps into or asks about."""
    return asked_about(walk.parts(rule)) | ({rule.scope} if rule.scope else set())


def asked_about(node: Any) -> set[Segments]:
    """The items of every list that conditions ask about."""
    return {one.scope for one in walk.conditions(node, bound.Some)}


def _scopes(outer: Segments, inner: Segments) -> Iterator[Segments]:
    """The item scopes to step through from one to the other, each with its [*]."""
    for index in range(len(outer), len(inner)):
        if inner[index] == ITEM:
            yield inner[: index + 1]


def _inside(scope: Segments, outer: Segments) -> bool:
    return len(scope) > len(outer) and scope[: len(outer)] == outer


def _next_list(scope: Segments, outer: Segments) -> int:
    return scope.index(ITEM, len(outer))
