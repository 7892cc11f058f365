"""Binding, conditions: when a row is written, or an alternative taken."""

import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from etl.mapping import bound, phrases
from etl.mapping.bind.context import At
from etl.mapping.bind.source_paths import Paths
from etl.mapping.bound import Key
from etl.mapping.paths import json_path


@dataclass
class Conditions(Paths):
    """Binds the conditions of one folder."""

    groups_asked: dict[str, set[Key]] = field(default_factory=dict)
    """By group: its values that a place which is asked for them can hold."""

    def condition(self, node: Any, at: At) -> bound.Condition | None:
        match node:
            case str():
                source = self.source(node, at)
                return bound.Recorded(source) if source else None
            case phrases.IsOneOf():
                return self._one_of(node, at)
            case phrases.Some():
                return self._some(node, at)
            case phrases.HasEpisode():
                return self._has_episode(node, at)
            case phrases.Not():
                inner = self.condition(node.not_, at.down("not"))
                return bound.Negated(inner) if inner else None
            case phrases.AnyOf():
                return self._joined("or", node.any_, at.down("any"))
            case phrases.AllOf():
                return self._joined("and", node.all_, at.down("all"))
        return None

    def _one_of(self, node: phrases.IsOneOf, at: At) -> bound.Condition | None:
        source = self.source(node.path, at.down("path"))
        if source is None or not self.single(source, at.down("path")):
            return None
        values = self._values(node, source, at.down("in"))
        group = node.in_ if isinstance(node.in_, str) else None
        return bound.IsIn(source, values, group) if values else None

    def _values(self, node: phrases.IsOneOf, source: bound.Source, at: At) -> tuple[Key, ...] | None:
        """The values that are asked for; of a group only those that the place can hold."""
        if not isinstance(node.in_, str):
            for value in node.in_:
                self._listed(value, node.path, source, at)
            return node.in_
        group = self.folder.mapping.groups.get(node.in_)
        if group is None:
            self.broken("group", node.in_, self.folder.mapping.groups, at)
            return None
        possible = tuple(value for value in group if source.facts.allows(value))
        if not possible:
            self.report("unused-value", at, f"no value of '{node.in_}' is ever recorded at '{node.path}'")
            return group
        self.groups_asked.setdefault(node.in_, set()).update(possible)
        return possible

    def check_groups(self, at: At) -> None:
        """Report each value of a group that no place which is asked for the group can hold."""
        for name, possible in self.groups_asked.items():
            for index, value in enumerate(self.folder.mapping.groups[name]):
                if value not in possible:
                    message = f"'{value}' is never recorded where '{name}' is asked for"
                    self.report("unused-value", at.down(name, index), message)

    def _listed(self, value: Key, path: str, source: bound.Source, at: At) -> None:
        """Report a value that the place cannot hold."""
        if not source.facts.typed(value):
            have, where = " or ".join(sorted(source.facts.types)), json_path(source.segments)
            self.report("wrong-type", at, f"'{where}' is {have}, which {json.dumps(value)} is not")
        elif not source.facts.allows(value):
            self.report("unused-value", at, f"'{value}' is never recorded at '{path}'")

    def _has_episode(self, node: phrases.HasEpisode, at: At) -> bound.Condition | None:
        episodes = self.folder.mapping.episodes
        if node.episode not in episodes:
            self.broken("episode", node.episode, episodes, at.down("episode"))
            return None
        return bound.HasEpisode(node.episode)

    def _some(self, node: phrases.Some, at: At) -> bound.Condition | None:
        scope = self.items(node.some, at.down("some"), around=True)
        if scope is None:
            return None
        where = self.condition(node.where, replace(at.down("where"), scope=scope))
        return bound.Some(scope, where) if where else None

    def _joined(self, how: Literal["and", "or"], nodes: tuple[Any, ...], at: At) -> bound.Condition | None:
        parts = [self.condition(node, at.down(index)) for index, node in enumerate(nodes)]
        if None in parts:
            return None
        return bound.Joined(how, tuple(part for part in parts if part is not None))
