"""Binding, the ground: paths of the case document, and the findings about them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from etl.mapping import bound
from etl.mapping.bind.context import At
from etl.mapping.concept_use import ConceptUse
from etl.mapping.findings import Finding, finding
from etl.mapping.folder import Folder
from etl.mapping.paths import ITEM, Facts, Segments, absolute, item_scope, json_path, resolve, suggestion


@dataclass
class Paths:
    """Resolves the paths of one folder; collects findings and every concept that is named."""

    folder: Folder
    reports: list[tuple[Finding, str | None]] = field(default_factory=list)
    """Findings, each with the rule that has the words there from another."""
    concepts: list[ConceptUse] = field(default_factory=list)

    def report(self, kind: str, at: At, message: str) -> None:
        self.reports.append((finding(kind, at.place.file, at.place.line, message), at.heir))

    def told(self) -> Iterator[Finding]:
        """The findings, each once; a rule that is like another is named where only that rule goes wrong."""
        own = dict.fromkeys(one for one, heir in self.reports if heir is None)
        yield from own
        for one, heir in dict.fromkeys(self.reports):
            if one not in own:
                yield replace(one, message=f"in '{heir}', which has this from here: {one.message}")

    def source(
        self, path: str, at: At, *, types: frozenset[str] | None = None, whole: bool = False
    ) -> bound.Source | None:
        """The place that a path names; a finding when the schema has no such place, or another type there.

        ``whole``: it may be the whole document.
        """
        segments = absolute(path, at.scope)
        facts = resolve(self.folder.schema, segments)
        if facts is None:
            self.report("unknown-path", at, suggestion(self.folder.schema, segments))
            return None
        if not segments and not whole:
            self.report("wrong-type", at, f"'{path}' is the whole document; say which item with 'each'")
            return None
        if segments.count(ITEM) > at.scope.count(ITEM) or not self._reachable(segments, at.scope):
            where = json_path(segments)
            self.report("wrong-type", at, f"'{where}' is in a list; say which item with 'each'")
            return None
        if types is not None and not facts.types <= types:
            self.wrong_type(at, segments, facts, types)
            return None
        return bound.Source(segments, facts)

    @staticmethod
    def _reachable(segments: Segments, scope: Segments) -> bool:
        last = max((i for i, part in enumerate(segments) if part == ITEM), default=-1)
        return segments[: last + 1] == scope[: last + 1]

    def wrong_type(self, at: At, segments: Segments, facts: Facts, types: frozenset[str]) -> None:
        have, want = " or ".join(sorted(facts.types)), " or ".join(sorted(types))
        self.report("wrong-type", at, f"'{json_path(segments)}' is {have or 'untyped'}, this needs {want}")

    def items(self, each: str, at: At, *, around: bool = False) -> Segments | None:
        """The items of a list that stands in our item, or, with ``around``, in one that holds it."""
        segments = absolute(each, at.scope)
        facts = resolve(self.folder.schema, segments)
        holder = item_scope(segments) if around else at.scope
        if facts is None:
            self.report("unknown-path", at, suggestion(self.folder.schema, segments))
        elif "array" not in facts.types:
            self.report("wrong-type", at, f"'{json_path(segments)}' is not a list")
        elif around and at.scope[: len(holder)] != holder:
            where = json_path(segments)
            self.report("wrong-type", at, f"'{where}' is in a list; ask of that list with a 'some' around it")
        elif segments[: len(holder)] != holder:
            message = f"'{json_path(segments)}' is not inside '{json_path(at.scope)}', where this rule stands"
            self.report("wrong-type", at, message)
        else:
            return (*segments, ITEM)
        return None

    def single(self, source: bound.Source, at: At) -> bool:
        if not source.facts.leaf:
            self.report("wrong-type", at, f"'{json_path(source.segments)}' is not a single value")
        return source.facts.leaf

    def broken(self, what: str, name: str, known: Mapping[str, Any], at: At) -> None:
        self.report("broken-reference", at, f"no {what} '{name}'; known: {', '.join(known) or 'none'}")
