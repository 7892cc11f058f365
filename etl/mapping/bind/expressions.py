"""Binding, expressions: what fills a column, with every value map, concept and visit resolved."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl.mapping import bound, phrases
from etl.mapping.bind.conditions import Conditions
from etl.mapping.bind.context import At, Slot
from etl.mapping.concept_use import ConceptUse
from etl.mapping.folder import Place
from etl.mapping.paths import ITEM, Facts, absolute, json_path, resolve
from etl.mapping.same_day import SameDay

#: A concept as it is written: id and name.
CONCEPT = re.compile(r"(\d+)(?:\s+(\S.*))?\Z")
_HOLE = re.compile(r"\{([^{}]+)\}")
_NUMBERS = {"number": frozenset({"number", "integer"}), "integer": frozenset({"integer"})}
#: How a column is filled that takes nothing but what is recorded.
_RECORDED = {"instant": "{from: PATH}", "json": "{json: PATH}"}
_WHOLE = re.compile(r"-?[0-9]+\Z")


@dataclass
class Expressions(Conditions):
    """Binds the expressions of one folder."""

    def expression(self, node: Any, at: At, slot: Slot) -> bound.Expression | None:
        if slot.kind in ("date", "datetime"):
            self.report("wrong-type", at, f"'{slot.column}' is a date: use the word 'date' or 'end'")
            return None
        match node:
            case phrases.First():
                items = [self.expression(one, at.down("first", i), slot) for i, one in enumerate(node.first)]
                known = tuple(item for item in items if item is not None)
                return bound.Alternatives(known) if len(known) == len(items) else None
            case phrases.Choice():
                condition = self.condition(node.when, at.down("when"))
                then = self.expression(node.is_, at.down("is"), slot)
                return bound.Guarded(condition, then) if condition and then else None
            case phrases.Use():
                return self._use(node, at, slot)
            case phrases.Lookup():
                return self._lookup(node, at, slot)
            case phrases.Sum():
                return self._sum(node, at, slot)
            case phrases.Part():
                return self._part(node, at, slot)
            case phrases.Join():
                return self._join(node, at, slot)
            case phrases.Position():
                return self._position(at, slot)
            case phrases.SameDay():
                return self._same_day(node, at, slot)
        return self._plain(node, at, slot)

    def _part(self, node: phrases.Part, at: At, slot: Slot) -> bound.Whole | None:
        if slot.kind != "json":
            self.report("wrong-type", at, f"'{slot.column}' is {slot.kind}, not json")
            return None
        source = self.source(node.json_, at.down("json"), whole=True)
        return bound.Whole(source) if source else None

    def _join(self, node: phrases.Join, at: At, slot: Slot) -> bound.Listed | None:
        if slot.kind != "text":
            self.report("wrong-type", at, f"'{slot.column}' is {slot.kind}, a joined list is text")
            return None
        source = self.source(node.join, at.down("join"))
        if source is None:
            return None
        item = resolve(self.folder.schema, (*source.segments, ITEM))
        if item is None or not item.leaf:
            where = json_path(source.segments)
            self.report("wrong-type", at.down("join"), f"'{where}' is not a list of single values")
            return None
        return bound.Listed(source, node.by)

    def _position(self, at: At, slot: Slot) -> bound.Position | None:
        if slot.kind != "integer":
            self.report("wrong-type", at, f"'{slot.column}' is {slot.kind}, a position is an integer")
        elif not at.scope:
            self.report("wrong-type", at, "the case has no position: this is not inside a list")
        else:
            return bound.Position()
        return None

    def _sum(self, node: phrases.Sum, at: At, slot: Slot) -> bound.Expression | None:
        whole = _NUMBERS["integer"]
        found = [self.source(one, at.down("sum", i), types=whole) for i, one in enumerate(node.sum)]
        known = tuple(one for one in found if one is not None)
        return bound.Sum(known) if len(known) == len(found) else None

    def _use(self, node: phrases.Use, at: At, slot: Slot) -> bound.Expression | None:
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
        if slot.kind in _RECORDED:
            self.report("wrong-type", at, f"'{slot.column}' is {slot.kind}: write '{_RECORDED[slot.kind]}'")
            return None
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
        written = CONCEPT.match(str(node))
        if written is None or (written[2] is None and int(written[1]) != 0):
            shown = "a number alone" if written else "no concept"
            self.report("wrong-type", at, f"{shown} in '{slot.column}': write 'id name'")
            return None
        number = int(written[1])
        use = ConceptUse(number, written[2], at.place, slot.table, slot.column, at.keys)
        self.concepts.append(use)
        return bound.Constant(number)

    def _visit(self, node: str | float, at: At) -> bound.Constant | None:
        visits = self.folder.mapping.visits
        if node not in visits:
            self.broken("visit", str(node), visits, at)
            return None
        if not self.inside(str(node), at):
            self.not_inside(str(node), at)
            return None
        return bound.Constant(str(node))

    def _same_day(self, node: phrases.SameDay, at: At, slot: Slot) -> SameDay | None:
        if slot.kind != "visit":
            self.report("wrong-type", at, f"'same_day' is a visit, and '{slot.column}' is {slot.kind}")
            return None
        if slot.dates is None:
            self.report("bad-shape", at, "'same_day' goes by the rule's own date: give it a 'date'")
        visits = self.folder.mapping.visits
        for index, visit in enumerate(node.same_day):
            if visit not in visits:
                self.broken("visit", visit, visits, at.down("same_day", index))
        known = slot.dates and all(visit in visits for visit in node.same_day)
        return SameDay(node.same_day, slot.dates or (), at.scope) if known else None

    def inside(self, visit: str, at: At) -> bool:
        """Whether we are inside the list that a visit is written for; elsewhere it would not say which."""
        scope = self._items_of(visit)
        return at.scope[: len(scope)] == scope

    def not_inside(self, visit: str, at: At) -> None:
        """Report a visit whose list we are not inside of."""
        where = json_path(self._items_of(visit))
        self.report("wrong-type", at, f"visit '{visit}' is one for each '{where}', and this is not inside it")

    def _items_of(self, visit: str) -> tuple[str, ...]:
        each = self.folder.mapping.visits[visit].each
        return () if each is None else (*absolute(each, ()), ITEM)

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

    def _lookup(self, node: phrases.Lookup, at: At, slot: Slot) -> bound.Expression | None:
        source = self.source(node.from_, at.down("from"))
        table = self._table(node, at, slot, source)
        if source is None or table is None or not self.single(source, at):
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
        if slot.kind == "json":
            self.report("wrong-type", at, f"'{slot.column}' is json: write '{_RECORDED['json']}'")
            return None
        if slot.kind == "instant":
            return self._instant(source, at)
        if slot.kind in _NUMBERS and not source.facts.types <= _NUMBERS[slot.kind]:
            self.wrong_type(at, source.segments, source.facts, _NUMBERS[slot.kind])
            return None
        return bound.Raw(source)

    def _instant(self, source: bound.Source, at: At) -> bound.Instant | None:
        if source.facts.format != "date-time":
            where = json_path(source.segments)
            self.report("wrong-type", at, f"'{where}' has no 'format: date-time' in the schema")
            return None
        return bound.Instant(source)

    def _table(
        self, node: phrases.Lookup, at: At, slot: Slot, source: bound.Source | None
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
        if slot.kind in _RECORDED:
            self.report("wrong-type", at, f"'{slot.column}' is {slot.kind}, which no map gives")
            return None
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
            use = ConceptUse(
                row.target_concept_id, row.target_concept_name or None, place, slot.table, slot.column
            )
            self.concepts.append(use)
        return {row.source_code: row.target_concept_id for row in value_map.rows}

    def _complete(self, node: phrases.Lookup, table: Mapping[Any, Any], source: bound.Source, at: At) -> None:
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
