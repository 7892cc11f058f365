"""The tables of the ETL document that hold rules: one line for each rule."""

from collections.abc import Iterable, Iterator

from etl.mapping import bound, walk
from etl.mapping.paths import Segments, json_path, resolve
from etl.mapping.same_day import RecordedOf
from etl.mapping.show.ranges import told_range
from etl.mapping.show.words import Words, code, dotted, kind_of, lines, place, plain, table
from etl.mapping.tables import EPISODE

#: A condition of so many parts is broken into lines.
MANY_PARTS = 3
HEADER = (
    "Source field",
    "Type",
    "Condition",
    "Concept",
    "CDM table and columns",
    "Unit and plausible range",
    "Visit and date",
    "Recorded of",
    "Rule",
    "Comment",
)


class RuleTables:
    """Writes the rules of one mapping as tables."""

    def __init__(self, mapping: bound.Bound, words: Words) -> None:
        self.mapping = mapping
        self.words = words
        self.parents = {child.name: one for one in mapping.every_rule() for child in one.rows}

    def table(self, rules: Iterable[bound.BoundRule]) -> Iterator[str]:
        """The rules and the rows recorded of them, each on a line of its own."""
        yield from table(HEADER, (self._rule(one) for rule in rules for one in bound.with_rows(rule)))

    def fields(self, read: Iterable[Segments]) -> tuple[str, str]:
        """Fields and their types, line by line."""
        told = [self.field(one) for one in read]
        return lines(where for where, _ in told), lines(kind for _, kind in told)

    def field(self, segments: Segments) -> tuple[str, str]:
        """A field with its label, and its type."""
        if not segments:
            return "the case", ""
        facts = resolve(self.mapping.folder.schema, segments)
        assert facts is not None, "the binder has resolved it"
        title = f" {plain(facts.title)}" if facts.title else ""
        return code(json_path(segments)) + title, kind_of(facts)

    def linked_tables(self) -> Iterator[str]:
        """The tables whose rows others link to."""
        tables = {rule.name: rule.target.table for rule in self.mapping.every_rule()}
        for rule in self.mapping.every_rule():
            if rule.name in self.parents:
                yield self.parents[rule.name].target.table
            if rule.of is not None:
                yield from (tables[name] for name in rule.of.rules)
            if rule.episode is not None:
                yield rule.target.table

    def linking_tables(self) -> Iterator[str]:
        """The tables with rows that are recorded of others."""
        for rule in self.mapping.every_rule():
            if rule.name in self.parents or rule.of is not None:
                yield rule.target.table

    def _rule(self, rule: bound.BoundRule) -> Iterator[str]:
        yield from self.fields(_read(rule))
        yield lines(self._conditions(rule))
        own = rule.target.concept_column
        yield self.words.expression(rule.concept, "concept", rule.scope) if own else ""
        yield lines(self._columns(rule))
        yield lines(self._unit(rule))
        yield lines(self._when(rule))
        yield lines(self._recorded_of(rule))
        yield lines([code(rule.name), place(rule.place)])
        yield plain(rule.comment or "")

    def _conditions(self, rule: bound.BoundRule) -> Iterator[str]:
        """What must hold for a row, as the generated code asks it."""
        above = self.parents.get(rule.name)
        if rule.scope and (above is None or above.scope != rule.scope):
            items = dotted(rule.scope[:-1])
            once = f"once, for the item of {items} with the earliest start"
            yield once if rule.target.table == EPISODE else f"for each item of {items}"
        parts = [self._asked(rule.when)] if rule.when is not None else []
        concept = self.words.says(rule.concept)
        said = [self.words.says(one) for one in _telling(rule)] if concept is None else [concept]
        if said and None not in said:
            parts.append(" or ".join(dict.fromkeys(one for one in said if one)))
        for index, part in enumerate(dict.fromkeys(parts)):
            yield f"{'and ' if index else ''}when {part}"

    def _asked(self, when: bound.Condition) -> str:
        """A condition; one of many parts has a line for each."""
        if isinstance(when, bound.Joined) and len(when.conditions) >= MANY_PARTS:
            return lines(self.words.joined(when)).replace("<br>", f"<br>{when.how} ")
        return self.words.condition(when)

    def _columns(self, rule: bound.BoundRule) -> Iterator[str]:
        """The concept's column, then every other that the rule fills, together where they get the same.

        Ids, dates, type and unit go without, and what the conventions say of every row of the table.
        """
        target = rule.target
        yield code(f"{target.table}.{target.concept_column}" if target.concept_column else target.table)
        defaults = self.mapping.folder.mapping.defaults.get(target.table, {})
        silent = {target.concept_column, target.column("type"), target.column("unit")}
        filled: dict[str, list[str]] = {}
        for column, node in rule.columns.items():
            value = self.words.expression(node, target.kind(column), rule.scope)
            if column not in silent and value != plain(defaults.get(column, "")):
                filled.setdefault(value, []).append(code(column))
        yield from (f"{', '.join(columns)} = {value}" for value, columns in filled.items())

    def _unit(self, rule: bound.BoundRule) -> Iterator[str]:
        unit = rule.columns.get(rule.target.column("unit") or "")
        if unit is not None:
            yield self.words.expression(unit, "concept", rule.scope)
        said = set(walk.sources(rule.drivers))
        for one in rule.plausible:
            yield told_range(one, named=said.isdisjoint(walk.sources(one.value)))

    def _when(self, rule: bound.BoundRule) -> Iterator[str]:
        if rule.date:
            yield self.words.dates(rule.date)
        if rule.visit is not None:
            yield "visit " + self.words.expression(rule.visit, "visit", rule.scope)
        if rule.end:
            yield f"until {self.words.dates(rule.end)}"

    def _recorded_of(self, rule: bound.BoundRule) -> Iterator[str]:
        if rule.name in self.parents:
            yield f"its {code(self.parents[rule.name].name)}"
        if rule.of is not None:
            named = " or else ".join(map(code, rule.of.rules))
            yield f"the first {named}{self._whose(rule, rule.of)}, if any"
        if rule.parent is not None:
            yield f"part of {code('episode.' + rule.parent)}"
        if rule.episode is not None:
            yield f"event of {code('episode.' + rule.episode)}"

    def _whose(self, rule: bound.BoundRule, of: RecordedOf) -> str:
        if of.same_visit:
            return " at the same visit"
        linked = next(one for one in self.mapping.every_rule() if one.name == of.rules[0])
        return " of its item" if walk.shared_scope(rule.scope, linked.scope) else ""


def _telling(rule: bound.BoundRule) -> list[bound.Expression]:
    """The drivers, without those that only read what another one says as it is."""
    whole = {one.source for one in rule.drivers if isinstance(one, bound.Raw)}
    return [one for one in rule.drivers if isinstance(one, bound.Raw) or not set(walk.sources(one)) <= whole]


def _read(rule: bound.BoundRule) -> tuple[Segments, ...]:
    """The fields that a row is about: what it says and what it depends on; else its dates, else its item."""
    said = (rule.drivers, rule.concept, rule.when)
    found = list(dict.fromkeys(one.segments for one in walk.sources(said)))
    found = found or list(dict.fromkeys(one.segments for one in walk.sources(rule.date)))
    if rule.scope and not any(one[: len(rule.scope)] == rule.scope for one in found):
        found.insert(0, rule.scope)
    return tuple(found) or ((),)
