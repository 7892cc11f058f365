"""Binding, second half: rules, visits, episodes and the person, checked as far as the files alone allow."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from etl.mapping import bound, language
from etl.mapping.bind_expressions import At, Expressions, Slot
from etl.mapping.findings import Finding
from etl.mapping.folder import Folder
from etl.mapping.paths import ITEM, Segments, absolute, json_path, resolve, suggestion
from etl.mapping.tables import TARGETS, Target

PERSON_COLUMNS = ("gender", "race", "ethnicity")


def bind(folder: Folder) -> tuple[bound.Bound | None, list[Finding]]:
    """Resolve every reference of a mapping. The mapping is None when something could not be resolved."""
    binder = _Binder(folder)
    result = binder.mapping()
    failed = any(one.severity == "error" for one in binder.words.findings)
    return (None if failed else result), binder.words.findings


class _Binder:
    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.words = Expressions(folder)
        self.names: dict[str, At] = {}
        self.root = At(folder.mapping_file, ())

    def mapping(self) -> bound.Bound | None:
        mapping = self.folder.mapping
        type_slot = Slot("(every table)", "type_concept_id", "concept")
        type_concept = self.words.concept(mapping.type, self.root.down("type"), type_slot)
        self.type = type_concept or bound.Constant(0)
        self._case_keys()
        anchor = self._anchor(mapping.baseline)
        person = dict(self._person(mapping.person))
        age = self.words.source(
            mapping.person.age, self.root.down("person", "age"), types=frozenset({"integer", "number"})
        )
        visits = tuple(one for name, visit in mapping.visits.items() if (one := self._visit(name, visit)))
        episodes = tuple(one for name, each in mapping.episodes.items() if (one := self._episode(name, each)))
        rules = tuple(self._sections())
        ignored = dict(self._ignored())
        self._references(rules)
        if age is None:
            return None
        return bound.Bound(
            self.folder, anchor, person, age, visits, episodes, rules, ignored, tuple(self.words.concepts)
        )

    def _case_keys(self) -> None:
        for word, key in self.folder.mapping.case:
            if key is not None:
                self.words.source(key, self.root.down("case", word), types=frozenset({"string"}))

    def _anchor(self, baseline: language.Baseline) -> bound.Anchor | None:
        if baseline.date is None:
            return None
        at = self.root.down("baseline")
        scope = self._scope(baseline.each, at)
        if scope is None:
            return None
        inside = replace(at, scope=scope)
        when = self.words.condition(baseline.when, inside.down("when")) if baseline.when else None
        source = self.words.source(baseline.date, inside.down("date"), types=frozenset({"string"}))
        return bound.Anchor(scope, when, source) if source else None

    def _person(self, person: language.Person) -> Iterator[tuple[str, bound.Expression]]:
        for word in PERSON_COLUMNS:
            slot = Slot("person", f"{word}_concept_id", "concept")
            found = self.words.expression(getattr(person, word), self.root.down("person", word), slot)
            if found is not None:
                yield slot.column, found

    def _visit(self, name: str, visit: language.Visit) -> bound.BoundRule | None:
        rule = language.Rule(
            table="visit_occurrence",
            each=visit.each,
            when=visit.when,
            concept=visit.concept,
            source_value=visit.source_value or name,
            date=visit.date,
        )
        return self._rule(f"visit.{name}", rule, self.root.down("visits", name), None, None)

    def _episode(self, name: str, episode: language.Episode) -> bound.BoundRule | None:
        at = self.root.down("episodes", name)
        rule = language.Rule(
            table="episode",
            when=episode.when,
            concept=episode.concept,
            source_value=episode.source_value or name,
            date=episode.start,
            end=episode.end,
        )
        found = self._rule(f"episode.{name}", rule, at, None, None)
        slot = Slot("episode", "episode_object_concept_id", "concept")
        about = self.words.expression(episode.object, at.down("object"), slot)
        if episode.parent is not None and episode.parent not in self.folder.mapping.episodes:
            self._broken("episode", episode.parent, self.folder.mapping.episodes, at.down("parent"))
        if found is None or about is None:
            return None
        return replace(found, columns={**found.columns, slot.column: about}, parent=episode.parent)

    def _sections(self) -> Iterator[bound.BoundRule]:
        for section, rules in self.folder.sections.items():
            for name, rule in rules.items():
                at = At(self.folder.section_files[section], (name,))
                found = self._rule(name, rule, at, None, section)
                if found is not None:
                    yield found

    def _rule(
        self, name: str, rule: language.Rule, at: At, above: bound.BoundRule | None, section: str | None
    ) -> bound.BoundRule | None:
        self._register(name, at)
        target = TARGETS.get(rule.table)
        if target is None:
            known = ", ".join(TARGETS)
            kind = "unknown-table"
            self.words.report(kind, at.down("table"), f"rules cannot write to '{rule.table}'; known: {known}")
            return None
        scope = self._scope(rule.each, at)
        if scope is None:
            return None
        at = replace(at, scope=scope)
        made = self._own_row(name, rule, at, target, above, section)
        rows = [self._rule(f"{name}.{key}", one, at.down("rows", key), made, section)
                for key, one in rule.rows.items()] if made else []  # fmt: skip
        return made and replace(made, rows=tuple(one for one in rows if one is not None))

    def _own_row(
        self, name: str, rule: language.Rule, at: At, target: Target, above: bound.BoundRule | None,
        section: str | None,
    ) -> bound.BoundRule | None:  # fmt: skip
        columns = dict(self._columns(name, rule, at, target))
        concept = columns.get(target.concept_column)
        when = self.words.condition(rule.when, at.down("when")) if rule.when is not None else None
        visit = self._visit_reference(rule, at, above)
        date = self.words.dates(rule.date, at.down("date")) or (
            above.date if above and rule.visit is None else ()
        )
        made = bound.BoundRule(
            name=name, target=target, place=at.place, section=section, scope=at.scope, when=when,
            concept=concept or bound.Constant(0), drivers=tuple(_drivers(rule, columns, target)),
            columns=columns, visit=visit, date=date, end=self.words.dates(rule.end, at.down("end")),
            episode=rule.episode, parent=None, of=rule.of, rows=(), comment=rule.comment,
        )  # fmt: skip
        self._check_links(rule, made, at, above)
        return made if concept is not None else None

    def _columns(
        self, name: str, rule: language.Rule, at: At, target: Target
    ) -> Iterator[tuple[str, bound.Expression]]:
        """Every column that the rule, the table's defaults or the conventions fill, later ones winning."""
        type_column = target.column("type")
        if type_column:
            yield type_column, self.type
        for column, node in self.folder.mapping.defaults.get(target.table, {}).items():
            there = At(self.folder.mapping_file, ("defaults", target.table, column), at.scope)
            yield from self._column(column, node, there, target)
        said = dict(self._said(rule, at, target))
        yield from said.values()
        raw = _raw_value({word: found for word, (_, found) in said.items()})
        yield from self._source_value(name, rule, at, target, raw)
        raw_column = target.column("raw_value")
        if raw_column and raw:
            yield raw_column, raw
        for column, node in rule.set.items():
            yield from self._column(column, node, at.down("set", column), target)

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
        if isinstance(found, bound.Constant) and len(str(found.value)) > slot.length:
            self.words.report("too-long", at, f"'{slot.column}' holds {slot.length} characters")
        for source in bound.sources(found):
            if source.facts.types == {"string"} and not _short(source, slot.length):
                where = json_path(source.segments)
                self.words.report(
                    "too-long", at, f"'{where}' may be longer than the {slot.length} of '{slot.column}'"
                )

    def _visit_reference(
        self, rule: language.Rule, at: At, above: bound.BoundRule | None
    ) -> bound.Expression | None:
        if rule.visit is None:
            return above.visit if above else None
        return self.words.expression(rule.visit, at.down("visit"), Slot(rule.table, "visit", "visit"))

    def _check_links(
        self, rule: language.Rule, made: bound.BoundRule, at: At, above: bound.BoundRule | None
    ) -> None:
        if above is not None and (above.target.field_concept is None or made.target.link is None):
            message = f"a row of {made.target.table} cannot be recorded of a row of {above.target.table}"
            self.words.report("wrong-type", at, message)
        if rule.episode is not None and rule.episode not in self.folder.mapping.episodes:
            self._broken("episode", rule.episode, self.folder.mapping.episodes, at.down("episode"))
        if rule.episode is not None and made.target.field_concept is None:
            self.words.report(
                "wrong-type", at.down("episode"), f"rows of {rule.table} cannot be episode events"
            )
        if made.visit is None and not made.date and made.target.dates("start"):
            self.words.report("missing-column", at, "the row has no date: give it a 'visit' or a 'date'")
        for column in _left_empty(made):
            self.words.report(
                "missing-column", at, f"{rule.table}.{column} must not be empty; fill it with 'set'"
            )

    def _scope(self, each: str | None, at: At) -> Segments | None:
        """The item that ``each`` steps to, from where we are."""
        if each is None:
            return at.scope
        segments = absolute(each, at.scope)
        facts = resolve(self.folder.schema, segments)
        if facts is None:
            self.words.report("unknown-path", at.down("each"), suggestion(self.folder.schema, segments))
        elif "array" not in facts.types:
            self.words.report("wrong-type", at.down("each"), f"'{json_path(segments)}' is not a list")
        else:
            return (*segments, ITEM)
        return None

    def _ignored(self) -> Iterator[tuple[Segments, str]]:
        for path, reason in self.folder.mapping.ignore.items():
            segments = absolute(path, ())
            if resolve(self.folder.schema, segments) is None:
                self.words.report(
                    "unknown-path", self.root.down("ignore", path), suggestion(self.folder.schema, segments)
                )
            yield segments, reason

    def _register(self, name: str, at: At) -> None:
        if name in self.names:
            first = self.names[name].place
            self.words.report("duplicate-rule", at, f"'{name}' is already in {first.file}:{first.line}")
        self.names[name] = at

    def _references(self, rules: tuple[bound.BoundRule, ...]) -> None:
        seen: set[str] = set()
        for rule in (one for top in rules for one in bound.with_rows(top)):
            if rule.of is not None and rule.of not in seen:
                known = dict.fromkeys(sorted(seen))
                self._broken("earlier rule", rule.of, known, self.names[rule.name].down("of"))
            seen.add(rule.name)

    def _broken(self, what: str, name: str, known: Mapping[str, Any], at: At) -> None:
        self.words.report("broken-reference", at, f"no {what} '{name}'; known: {', '.join(known) or 'none'}")


def _drivers(
    rule: language.Rule, columns: Mapping[str, bound.Expression], target: Target
) -> Iterator[bound.Expression]:
    words: tuple[Literal["number", "value", "text"], ...] = ("number", "value", "text")
    for word in words:
        found = columns.get(target.column(word) or "") if getattr(rule, word) is not None else None
        if found is not None and any(bound.sources(found)):
            yield found


def _raw_value(values: Mapping[str, bound.Expression]) -> bound.Expression | None:
    """What was recorded, for the source value: the number, else the coded value, else the coded concept."""
    for word in ("number", "value", "concept"):
        raw = [_as_raw(one) for one in _lookups(values.get(word))]
        if raw:
            return raw[0] if len(raw) == 1 else bound.Alternatives(tuple(raw))
    return None


def _lookups(node: bound.Expression | None) -> Iterator[bound.Raw | bound.Translate]:
    match node:
        case bound.Raw() | bound.Translate():
            yield node
        case bound.Guarded(then=then):
            yield from _lookups(then)
        case bound.Alternatives(items=items):
            for item in items:
                yield from _lookups(item)


def _as_raw(node: bound.Raw | bound.Translate) -> bound.Expression:
    return bound.Raw(node.source)


def _short(source: bound.Source, length: int) -> bool:
    enum = source.facts.enum
    if enum is not None:
        return all(len(str(value)) <= length for value in enum)
    return source.facts.max_length is not None and source.facts.max_length <= length


def _left_empty(rule: bound.BoundRule) -> Iterator[str]:
    """NOT NULL columns that nothing fills; concepts default to 0, ids and dates are written for every row."""
    target = rule.target
    written = {target.id_column, "person_id", *target.dates("start"), *target.dates("end"), *rule.columns}
    written |= set(target.link or ())
    for name, column in target.columns.items():
        if not column.nullable and name not in written and target.kind(name) != "concept":
            yield name
