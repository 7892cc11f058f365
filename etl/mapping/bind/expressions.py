"""Binding, first half: paths, conditions, expressions and dates, with everything they refer to resolved."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from etl.mapping import bound, language
from etl.mapping.bind.context import At, Slot
from etl.mapping.findings import Finding, finding
from etl.mapping.folder import Folder, Place
from etl.mapping.paths import ITEM, Facts, Segments, absolute, json_path, resolve, suggestion

_CONCEPT = re.compile(r"(\d+)(?:\s+(\S.*))?\Z")
_HOLE = re.compile(r"\{([^{}]+)\}")
_LATER = re.compile(r"(.+?)\s*\+\s*(\S+)\s+(days|months|years)\Z")
_NUMBERS = {"number": frozenset({"number", "integer"}), "integer": frozenset({"integer"})}
_WHOLE = re.compile(r"-?[0-9]+\Z")
BASELINE = "baseline"


@dataclass
class Expressions:
    """Binds expressions of one folder; collects findings and every concept that is named."""

    folder: Folder
    findings: list[Finding] = field(default_factory=list)
    concepts: list[bound.ConceptUse] = field(default_factory=list)

    def report(self, kind: str, at: At, message: str) -> None:
        self.findings.append(finding(kind, at.place.file, at.place.line, message))

    def source(self, path: str, at: At, *, types: frozenset[str] | None = None) -> bound.Source | None:
        """The place that a path names; a finding when the schema has no such place, or another type there."""
        segments = absolute(path, at.scope)
        facts = resolve(self.folder.schema, segments)
        if facts is None:
            self.report("unknown-path", at, suggestion(self.folder.schema, segments))
            return None
        if not segments:
            self.report("wrong-type", at, f"'{path}' is the whole document; say which item with 'each'")
            return None
        if segments.count(ITEM) > at.scope.count(ITEM) or not self._reachable(segments, at.scope):
            where = json_path(segments)
            self.report("wrong-type", at, f"'{where}' is in a list; say which item with 'each'")
            return None
        if types is not None and not facts.types <= types:
            self._wrong_type(at, segments, facts, types)
            return None
        return bound.Source(segments, facts)

    @staticmethod
    def _reachable(segments: Segments, scope: Segments) -> bool:
        last = max((i for i, part in enumerate(segments) if part == ITEM), default=-1)
        return segments[: last + 1] == scope[: last + 1]

    def _wrong_type(self, at: At, segments: Segments, facts: Facts, types: frozenset[str]) -> None:
        have, want = " or ".join(sorted(facts.types)), " or ".join(sorted(types))
        self.report("wrong-type", at, f"'{json_path(segments)}' is {have or 'untyped'}, this needs {want}")

    def condition(self, node: Any, at: At) -> bound.Condition | None:
        match node:
            case str():
                source = self.source(node, at)
                return bound.Recorded(source) if source else None
            case language.IsOneOf():
                return self._one_of(node, at)
            case language.Not():
                inner = self.condition(node.not_, at.down("not"))
                return bound.Negated(inner) if inner else None
            case language.AnyOf():
                return self._joined("or", node.any_, at.down("any"))
            case language.AllOf():
                return self._joined("and", node.all_, at.down("all"))
        return None

    def _one_of(self, node: language.IsOneOf, at: At) -> bound.Condition | None:
        source = self.source(node.path, at.down("path"))
        if source is None or not self._single(source, at.down("path")):
            return None
        for value in node.in_:
            if source.facts.enum is not None and value not in source.facts.enum:
                self.report("unused-value", at.down("in"), f"'{value}' is never recorded at '{node.path}'")
        return bound.IsIn(source, node.in_)

    def _single(self, source: bound.Source, at: At) -> bool:
        if not source.facts.leaf:
            self.report("wrong-type", at, f"'{json_path(source.segments)}' is not a single value")
        return source.facts.leaf

    def _joined(self, how: Literal["and", "or"], nodes: tuple[Any, ...], at: At) -> bound.Condition | None:
        parts = [self.condition(node, at.down(index)) for index, node in enumerate(nodes)]
        if None in parts:
            return None
        return bound.Joined(how, tuple(part for part in parts if part is not None))

    def expression(self, node: Any, at: At, slot: Slot) -> bound.Expression | None:
        if slot.kind in ("date", "datetime"):
            self.report("wrong-type", at, f"'{slot.column}' is a date: use the word 'date' or 'end'")
            return None
        match node:
            case language.First():
                items = [self.expression(one, at.down("first", i), slot) for i, one in enumerate(node.first)]
                known = tuple(item for item in items if item is not None)
                return bound.Alternatives(known) if len(known) == len(items) else None
            case language.Choice():
                condition = self.condition(node.when, at.down("when"))
                then = self.expression(node.is_, at.down("is"), slot)
                return bound.Guarded(condition, then) if condition and then else None
            case language.Use():
                return self._use(node, at, slot)
            case language.Lookup():
                return self._lookup(node, at, slot)
        return self._plain(node, at, slot)

    def _use(self, node: language.Use, at: At, slot: Slot) -> bound.Expression | None:
        defined = self.folder.mapping.define.get(node.use)
        if defined is None:
            self.broken("definition", node.use, self.folder.mapping.define, at)
            return None
        there = At(self.folder.mapping_file, ("define", node.use), at.scope)
        return self.expression(defined, there, slot)

    def _plain(self, node: str | float, at: At, slot: Slot) -> bound.Expression | None:
        if slot.kind == "concept":
            return self.concept(node, at, slot)
        if slot.kind == "visit":
            return self._visit(node, at)
        if slot.kind == "text":
            return self._template(str(node), at)
        if isinstance(node, str):
            source = self.source(node, at, types=_NUMBERS[slot.kind])
            return bound.Raw(source) if source else None
        return bound.Constant(node) if self._number(node, at, slot) else None

    def _number(self, node: str | float, at: At, slot: Slot) -> bool:
        fits = isinstance(node, int) or (slot.kind == "number" and not isinstance(node, str))
        if not fits:
            self.report("wrong-type", at, f"'{slot.column}' is {slot.kind}, not '{node}'")
        return fits

    def concept(self, node: str | float, at: At, slot: Slot) -> bound.Constant | None:
        """A concept written 'id name'; the name may be left out for 0 only."""
        written = _CONCEPT.match(str(node))
        if written is None or (written[2] is None and int(written[1]) != 0):
            shown = "a number alone" if written else "no concept"
            self.report("wrong-type", at, f"{shown} in '{slot.column}': write 'id name'")
            return None
        number = int(written[1])
        self.concepts.append(bound.ConceptUse(number, written[2], at.place, slot.table, slot.column))
        return bound.Constant(number)

    def _visit(self, node: str | float, at: At) -> bound.Constant | None:
        visits = self.folder.mapping.visits
        if node not in visits:
            self.broken("visit", str(node), visits, at)
            return None
        return bound.Constant(str(node)) if self._in_scope(str(node), at) else None

    def _in_scope(self, visit: str, at: At) -> bool:
        """Whether we are inside the list that a visit is written for; elsewhere it would not say which."""
        each = self.folder.mapping.visits[visit].each
        scope = () if each is None else (*absolute(each, ()), ITEM)
        if at.scope[: len(scope)] == scope:
            return True
        where = json_path(scope)
        self.report("wrong-type", at, f"visit '{visit}' is one for each '{where}', and this is not inside it")
        return False

    def _template(self, text: str, at: At) -> bound.Expression | None:
        parts: list[str | bound.Source] = []
        for index, part in enumerate(_HOLE.split(text)):
            if index % 2 == 0:
                parts.append(part)
            else:
                source = self.source(part, at)
                if source is None:
                    return None
                parts.append(source)
        kept = tuple(part for part in parts if part != "")
        if all(isinstance(part, str) for part in kept):
            return bound.Constant(text)
        return bound.Template(kept)

    def _lookup(self, node: language.Lookup, at: At, slot: Slot) -> bound.Expression | None:
        source = self.source(node.from_, at.down("from"))
        table = self._table(node, at, slot, source)
        if source is None or table is None or not self._single(source, at):
            return None
        if slot.kind == "visit":
            self.report("wrong-type", at, "a visit is named, not looked up: use 'first' with 'when' and 'is'")
            return None
        if table == {}:
            return self._raw(source, at, slot)
        keyed = {_key(key, source.facts): target for key, target in table.items()}
        self._complete(node, keyed, source, at)
        return bound.Translate(source, node.via or "map", tuple(keyed.items()))

    def _raw(self, source: bound.Source, at: At, slot: Slot) -> bound.Expression | None:
        if slot.kind == "concept":
            self.report("wrong-type", at, f"'{slot.column}' needs a concept: add 'via' or 'map'")
            return None
        if slot.kind in _NUMBERS and not source.facts.types <= _NUMBERS[slot.kind]:
            self._wrong_type(at, source.segments, source.facts, _NUMBERS[slot.kind])
            return None
        return bound.Raw(source)

    def _table(
        self, node: language.Lookup, at: At, slot: Slot, source: bound.Source | None
    ) -> dict[Any, int | str] | None:
        if node.via is not None and slot.kind != "concept":
            self.report(
                "wrong-type", at.down("via"), f"a value map gives concepts, '{slot.column}' is {slot.kind}"
            )
            return None
        if node.via is not None:
            return self._value_map(node.via, at.down("via"), slot)
        if node.map is None:
            return {}
        if slot.kind == "concept":
            bound_map = {key: self.concept(one, at.down("map", key), slot) for key, one in node.map.items()}
            known = {key: int(one.value) for key, one in bound_map.items() if one is not None}
            return dict(known) if len(known) == len(bound_map) else None
        if slot.kind in _NUMBERS:
            fitting = [self._number(one, at.down("map", key), slot) for key, one in node.map.items()]
            return dict(node.map) if all(fitting) else None
        return {key: str(one) for key, one in node.map.items()}

    def _value_map(self, name: str, at: At, slot: Slot) -> dict[Any, int | str] | None:
        value_map = self.folder.value_maps.get(name)
        if value_map is None:
            self.broken("value map", name, self.folder.value_maps, at)
            return None
        for row in value_map.rows:
            place = Place(f"value_maps/{name}.csv", row.line)
            use = bound.ConceptUse(
                row.target_concept_id, row.target_concept_name or None, place, slot.table, slot.column
            )
            self.concepts.append(use)
        return {row.source_code: row.target_concept_id for row in value_map.rows}

    def _complete(
        self, node: language.Lookup, table: Mapping[Any, Any], source: bound.Source, at: At
    ) -> None:
        possible = _possible(source.facts)
        if possible is None:
            return
        where = node.via or "map"
        for value in possible:
            if value not in table:
                self.report(
                    "unmapped-value", at, f"'{value}' of '{json_path(source.segments)}' is not in {where}"
                )
        for value in table:
            if node.map is not None and value not in possible:
                self.report("unused-value", at.down("map"), f"'{value}' is never recorded at '{node.from_}'")

    def dates(
        self, node: str | tuple[str, ...] | language.Earliest | language.Latest | None, at: At
    ) -> bound.Dates:
        """The dates of a 'date' word, in the order they are tried."""
        match node:
            case None:
                return ()
            case str():
                found = self._date(node, at)
                return () if found is None else (found,)
            case language.Earliest(earliest=dates):
                return (bound.Extreme("min", self.dates(dates, at.down("earliest"))),)
            case language.Latest(latest=dates):
                return (bound.Extreme("max", self.dates(dates, at.down("latest"))),)
        listed = (self._date(one, at.down(index)) for index, one in enumerate(node))
        return tuple(one for one in listed if one is not None)

    def _date(self, text: str, at: At) -> bound.OneDate | None:
        later = _LATER.match(text)
        if later:
            start = self._date(later[1], at)
            source = self.source(later[2], at, types=frozenset({"integer"}))
            return bound.Later(start, source, later[3]) if start and source else None  # type: ignore[arg-type]
        if text == BASELINE:
            return bound.BaselineDate()
        if text in self.folder.mapping.visits:
            return bound.VisitDate(text) if self._in_scope(text, at) else None
        source = self.source(text, at, types=frozenset({"string"}))
        if source is not None and source.facts.format != "date":
            self.report("wrong-type", at, f"'{text}' has no 'format: date' in the schema")
            return None
        return bound.RealDate(source) if source else None

    def broken(self, what: str, name: str, known: Mapping[str, Any], at: At) -> None:
        self.report("broken-reference", at, f"no {what} '{name}'; known: {', '.join(known) or 'none'}")


def _key(key: str | int | bool, facts: Facts) -> str | int | bool:
    """A map's key as the document would hold it: CSV files hold text only."""
    if isinstance(key, str) and facts.types == {"boolean"} and key.lower() in ("true", "false"):
        return key.lower() == "true"
    if isinstance(key, str) and facts.types and facts.types <= _NUMBERS["number"] and _WHOLE.match(key):
        return int(key)
    return key


def _possible(facts: Facts) -> tuple[str | int | bool, ...] | None:
    if facts.types == {"boolean"}:
        return (True, False)
    return facts.enum
