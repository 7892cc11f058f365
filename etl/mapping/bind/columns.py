"""Binding, the columns: what fills each column of a rule's rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etl.mapping import bound, language, walk
from etl.mapping.bind.context import At, Slot
from etl.mapping.bind.expressions import Expressions
from etl.mapping.paths import json_path
from etl.mapping.tables import Target


@dataclass(frozen=True, slots=True)
class Columns:
    """Binds the columns of rules; every row has the mapping's type concept."""

    words: Expressions
    type_concept: bound.Constant

    def fill(
        self, name: str, rule: language.Rule, at: At, target: Target
    ) -> Iterator[tuple[str, bound.Expression]]:
        """Every column that the rule, the table's defaults or the conventions fill, later ones winning."""
        type_column = target.column("type")
        if type_column:
            yield type_column, self.type_concept
        for column, node in self.words.folder.mapping.defaults.get(target.table, {}).items():
            there = At(self.words.folder.mapping_file, ("defaults", target.table, column), at.scope)
            yield from self._set(column, node, there, target)
        said = dict(self._said(rule, at, target))
        yield from said.values()
        raw = _raw_value({word: found for word, (_, found) in said.items()})
        yield from self._source_value(name, rule, at, target, raw)
        raw_column = target.column("raw_value")
        if raw_column and raw:
            yield raw_column, raw
        for column, node in rule.set.items():
            yield from self._set(column, node, at.down("set", column), target)

    def _said(
        self, rule: language.Rule, at: At, target: Target
    ) -> Iterator[tuple[str, tuple[str, bound.Expression]]]:
        """The rule's own words, each with its column and expression."""
        for word in ("concept", "number", "value", "unit", "title", "text"):
            for filled in self._word(word, getattr(rule, word), at, target):
                yield word, filled

    def _word(self, word: str, node: Any, at: At, target: Target) -> Iterator[tuple[str, bound.Expression]]:
        if node is None:
            return
        column = target.column(word)
        if column is None:
            self.words.report("unknown-column", at.down(word), f"{target.table} has no column for '{word}'")
            return
        yield from self._column(column, node, at.down(word), target)

    def _set(self, column: str, node: Any, at: At, target: Target) -> Iterator[tuple[str, bound.Expression]]:
        """A column by its real name; ids and links say where a row comes from and cannot be set."""
        if column in _own_columns(target):
            self.words.report("wrong-type", at, f"'{column}' is written for you and cannot be set")
        else:
            yield from self._column(column, node, at, target)

    def _column(
        self, column: str, node: Any, at: At, target: Target
    ) -> Iterator[tuple[str, bound.Expression]]:
        if column not in target.columns:
            self.words.report("unknown-column", at, f"{target.table} has no column '{column}'")
            return
        slot = Slot(target.table, column, target.kind(column), target.length(column))
        found = self.words.expression(node, at, slot)
        if found is not None:
            self._fits(found, slot, at)
            yield column, found

    def _source_value(
        self, name: str, rule: language.Rule, at: At, target: Target, raw: bound.Expression | None
    ) -> Iterator[tuple[str, bound.Expression]]:
        column = target.column("source_value")
        if column is None:
            return
        if rule.source_value is not None:
            yield from self._column(column, rule.source_value, at.down("source_value"), target)
        elif raw is not None and target.column("raw_value") is None:
            yield column, raw
        else:
            yield column, bound.Constant(name.rpartition(".")[2])

    def _fits(self, found: bound.Expression, slot: Slot, at: At) -> None:
        if slot.length is None or slot.kind != "text":
            return
        for text in _texts(found):
            if len(text) > slot.length:
                message = f"'{text}' is longer than the {slot.length} characters of '{slot.column}'"
                self.words.report("wrong-type", at, message)
        for source in walk.sources(_without_maps(found)):
            if not source.facts.fits(slot.length):
                where = json_path(source.segments)
                self.words.report(
                    "too-long", at, f"'{where}' may be longer than the {slot.length} of '{slot.column}'"
                )


def _raw_value(values: Mapping[str, bound.Expression]) -> bound.Expression | None:
    """What was recorded, for the source value: the number, else the coded value, else the coded concept."""
    for word in ("number", "value", "concept"):
        raw = [_as_raw(one) for one in _recorded(values.get(word))]
        if raw:
            return raw[0] if len(raw) == 1 else bound.Alternatives(tuple(raw))
    return None


def _recorded(node: bound.Expression | None) -> Iterator[bound.Raw | bound.Sum | bound.Translate]:
    match node:
        case bound.Raw() | bound.Sum() | bound.Translate():
            yield node
        case bound.Guarded(then=then):
            yield from _recorded(then)
        case bound.Alternatives(items=items):
            for item in items:
                yield from _recorded(item)


def _as_raw(node: bound.Raw | bound.Sum | bound.Translate) -> bound.Expression:
    if not isinstance(node, bound.Sum):
        return bound.Raw(node.source)
    plus = [part for source in node.sources for part in ("+", source)]
    return bound.Template(tuple(plus[1:]))


def _texts(node: bound.Expression) -> Iterator[str]:
    """Every text that the mapping itself holds for a column."""
    match node:
        case bound.Constant(value):
            yield str(value)
        case bound.Translate(table=table):
            yield from (str(value) for _, value in table)
        case bound.Guarded(then=then):
            yield from _texts(then)
        case bound.Alternatives(items):
            for item in items:
                yield from _texts(item)


def _without_maps(node: bound.Expression) -> tuple[bound.Raw | bound.Template, ...]:
    """The parts of an expression that write a recorded value as it is."""
    match node:
        case bound.Raw() | bound.Template():
            return (node,)
        case bound.Guarded(then=then):
            return _without_maps(then)
        case bound.Alternatives(items):
            return tuple(part for item in items for part in _without_maps(item))
    return ()


def _own_columns(target: Target) -> set[str]:
    dates = (*target.dates("start"), *target.dates("end"))
    links = ("person_id", "visit_occurrence_id", "episode_parent_id", *(target.link or ()))
    return {target.id_column, *links, *target.references.values(), *target.derived, *dates}
