"""Binding, second half: rules, visits, episodes and the person, checked as far as the files alone allow."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from etl.mapping import bound, language, phrases, walk
from etl.mapping.bind.columns import Columns
from etl.mapping.bind.context import At, Slot
from etl.mapping.bind.dates import Dates
from etl.mapping.bind.expressions import Expressions
from etl.mapping.bind.links import Links, check_case, check_defaults, check_forms
from etl.mapping.bind.ranges import Ranges
from etl.mapping.bind.written import Written, written_rules
from etl.mapping.concept_use import ConceptUse
from etl.mapping.findings import Finding, errors
from etl.mapping.folder import Folder
from etl.mapping.paths import Segments, absolute, resolve, suggestion
from etl.mapping.plausible_range import Range
from etl.mapping.same_day import RecordedOf
from etl.mapping.tables import ANCHORS, TARGETS, Target

PERSON_COLUMNS = ("gender", "race", "ethnicity")


class Binding(NamedTuple):
    """The mapping, unless something could not be resolved, and what was found on the way."""

    mapping: bound.Bound | None
    findings: list[Finding]
    concepts: tuple[ConceptUse, ...]


def bind(folder: Folder) -> Binding:
    """Resolve every reference of a mapping."""
    binder = _Binder(folder)
    result = binder.mapping()
    findings = list(binder.words.told())
    return Binding(result, findings, tuple(binder.words.concepts))


class _Binder:
    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.words = Expressions(folder)
        self.dates = Dates(self.words)
        self.ranges = Ranges(self.words)
        self.names: dict[str, At] = {}
        self.root = At(folder.mapping_file, ())

    def mapping(self) -> bound.Bound | None:
        mapping = self.folder.mapping
        type_slot = Slot("(every table)", "type_concept_id", "concept")
        type_concept = self.words.concept(mapping.type, self.root.down("type"), type_slot)
        self.columns = Columns(self.words, type_concept or bound.Constant(0))
        check_case(self.words, mapping.case, self.root.down("case"))
        check_forms(self.words, mapping, self.root.down("forms"))
        check_defaults(self.words, mapping, self.root.down("defaults"))
        anchor = self._anchor(mapping.baseline)
        person = dict(self._person(mapping.person))
        age = self._age(mapping)
        ages = tuple(self._ages(mapping.person, age))
        visits = tuple(one for name, visit in mapping.visits.items() if (one := self._visit(name, visit)))
        episodes = tuple(one for name, each in mapping.episodes.items() if (one := self._episode(name, each)))
        rules = tuple(self._sections())
        ignored = dict(self._ignored())
        links = Links(self.words, self.names)
        links.check(visits, episodes, rules)
        links.before_episodes("the baseline's date and condition", anchor, self.root.down("baseline"))
        links.before_episodes("the person's columns", person, self.root.down("person"))
        if errors(self.words.told()):
            return None
        self.words.check_groups(self.root.down("groups"))
        return bound.Bound(
            self.folder,
            anchor,
            person,
            age,
            visits,
            episodes,
            rules,
            ignored,
            tuple(self.words.concepts),
            ages,
        )

    def _anchor(self, baseline: language.Baseline | None) -> bound.Anchor | None:
        if baseline is None or baseline.date is None:
            return None
        at = self.root.down("baseline")
        scope = self._scope(baseline.each, at)
        if scope is None:
            return None
        inside = replace(at, scope=scope)
        when = self.words.condition(baseline.when, inside.down("when")) if baseline.when else None
        source = self.words.source(baseline.date, inside.down("date"), types=frozenset({"string"}))
        return bound.Anchor(scope, when, source) if source else None

    def _age(self, mapping: language.Mapping) -> bound.Source | None:
        """Where the age stands; None in an annex, which describes no persons."""
        if mapping.person is None:
            return None
        if mapping.baseline is None:
            message = "'baseline' is missing: a person's year of birth is counted from it"
            self.words.report("bad-shape", self.root.down("baseline"), message)
        at = self.root.down("person", "age")
        return self.words.source(mapping.person.age, at, types=frozenset({"integer", "number"}))

    def _ages(self, person: language.Person | None, age: bound.Source | None) -> Iterator[Range]:
        if person is not None and age is not None:
            yield from self.ranges.of_age(person, age, self.root.down("person"))

    def _person(self, person: language.Person | None) -> Iterator[tuple[str, bound.Expression]]:
        for word in PERSON_COLUMNS if person is not None else ():
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
        return self._rule(f"visit.{name}", Written(rule, self.root.down("visits", name), {}), (), None, None)

    def _episode(self, name: str, episode: language.Episode) -> bound.BoundRule | None:
        at = self.root.down("episodes", name)
        rule = language.Rule(
            table="episode",
            each=episode.each,
            when=episode.when,
            concept=episode.concept,
            source_value=episode.source_value or name,
            date=episode.start,
            end=episode.end,
        )
        found = self._rule(f"episode.{name}", Written(rule, at, {}), (), None, None)
        if found is None:
            return None
        slot = Slot("episode", "episode_object_concept_id", "concept")
        about = self.words.expression(episode.object, replace(at.down("object"), scope=found.scope), slot)
        if about is None:
            return None
        return replace(found, columns={**found.columns, slot.column: about}, parent=episode.parent)

    def _sections(self) -> Iterator[bound.BoundRule]:
        for section, name, rule in written_rules(self.folder, self.words.report):
            found = self._rule(name, rule, (), None, section)
            if found is not None:
                yield found

    def _rule(
        self,
        name: str,
        written: Written,
        outer: Segments,
        above: bound.BoundRule | None,
        section: str | None,
    ) -> bound.BoundRule | None:
        rule, at = written.rule, replace(written.at, scope=outer, heir=_heir(name, written.at, section))
        self._register(name, at)
        target = TARGETS.get(rule.table or "")
        if target is None or (section is not None and target.table in ANCHORS):
            self.words.report("unknown-table", at.down("table"), _no_table(str(rule.table)))
            return None
        scope = self._scope(rule.each, at)
        if scope is None:
            return None
        made = self._own_row(name, rule, replace(at, scope=scope), target, above, section)
        rows = [self._rule(f"{name}.{key}", one, scope, made, section)
                for key, one in written.rows.items()] if made else []  # fmt: skip
        return made and replace(made, rows=tuple(one for one in rows if one is not None))

    def _own_row(
        self, name: str, rule: language.Rule, at: At, target: Target, above: bound.BoundRule | None,
        section: str | None,
    ) -> bound.BoundRule | None:  # fmt: skip
        columns = dict(self.columns.fill(name, rule, at, target))
        concept = columns.get(target.concept_column or "")
        when = self.words.condition(rule.when, at.down("when")) if rule.when is not None else None
        own = self.dates.bind(rule.date, at.down("date"))
        visit = self._visit_reference(rule, at, above, own)
        date = own or (above.date if above and rule.visit is None else ())
        made = bound.BoundRule(
            name=name, target=target, place=at.place, section=section, scope=at.scope, when=when,
            concept=concept or bound.Constant(0), drivers=tuple(_drivers(rule, columns, target)),
            columns=columns, visit=visit, date=date, end=self.dates.bind(rule.end, at.down("end")),
            episode=rule.episode, parent=None, of=_recorded_of(rule), rows=(), comment=rule.comment,
            plausible=tuple(self.ranges.of_rule(rule, at, target, columns)),
        )  # fmt: skip
        self._check_filled(rule, made, at, above)
        return made if concept is not None or target.concept_column is None else None

    def _visit_reference(
        self, rule: language.Rule, at: At, above: bound.BoundRule | None, own: bound.Dates
    ) -> bound.Expression | None:
        if rule.visit is None:
            return above.visit if above else None
        dates = own if rule.date is not None else None
        slot = Slot(rule.table or "", "visit", "visit", dates=dates)
        return self.words.expression(rule.visit, at.down("visit"), slot)

    def _check_filled(
        self, rule: language.Rule, made: bound.BoundRule, at: At, above: bound.BoundRule | None
    ) -> None:
        if rule.visit is None and rule.date is None and above is None and made.target.needs_date:
            self.words.report("missing-column", at, "the row has no date: give it a 'visit' or a 'date'")
        if isinstance(rule.of, phrases.SameVisit) and rule.visit is None and above is None:
            message = "'same_visit' goes by the rule's own visit: give it a 'visit'"
            self.words.report("bad-shape", at.down("of"), message)
        for column in _left_empty(made):
            self.words.report(
                "missing-column", at, f"{made.target.table}.{column} must not be empty; fill it with 'set'"
            )

    def _scope(self, each: str | None, at: At) -> Segments | None:
        """The item that ``each`` steps to, from where we are."""
        if each is None:
            return at.scope
        return self.words.items(each, at.down("each"))

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


def _no_table(name: str) -> str:
    if name in ANCHORS:
        return f"rules cannot write to '{name}': its rows are the 'visits' or 'episodes' of mapping.yaml"
    return f"rules cannot write to '{name}'; known: {', '.join(one for one in TARGETS if one not in ANCHORS)}"


def _heir(name: str, at: At, section: str | None) -> str | None:
    """The rule's name when its words stand in the place of another, which it is like."""
    written = ".".join(map(str, at.keys[::2]))
    return name if section is not None and name != written else None


def _drivers(
    rule: language.Rule, columns: Mapping[str, bound.Expression], target: Target
) -> Iterator[bound.Expression]:
    words: tuple[Literal["number", "value", "text"], ...] = ("number", "value", "text")
    for word in words:
        found = columns.get(target.column(word) or "") if getattr(rule, word) is not None else None
        if found is not None and any(walk.sources(found)):
            yield found


def _recorded_of(rule: language.Rule) -> RecordedOf | None:
    if isinstance(rule.of, phrases.SameVisit):
        return RecordedOf(rule.of.same_visit, same_visit=True)
    return RecordedOf((rule.of,)) if rule.of is not None else None


def _left_empty(rule: bound.BoundRule) -> Iterator[str]:
    """NOT NULL columns that nothing fills; concepts default to 0, ids and dates are written for every row."""
    target = rule.target
    written = {target.id_column, "person_id", *target.dates("start"), *target.dates("end"), *rule.columns}
    written |= {*(target.link or ()), *target.references.values(), *target.derived}
    for name, column in target.columns.items():
        if not column.nullable and name not in written and target.kind(name) != "concept":
            yield name
