"""Binding, last part: whether rows, visits and episodes may refer to each other as they do."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etl.mapping import bound, language, walk
from etl.mapping.bind.context import At
from etl.mapping.bind.dates import BASELINE
from etl.mapping.bind.expressions import Expressions
from etl.mapping.paths import absolute, resolve
from etl.mapping.same_day import RecordedOf
from etl.mapping.tables import TARGETS, Target


@dataclass(frozen=True, slots=True)
class Links:
    """Checks references between bound rules; ``places`` says where each rule is written."""

    words: Expressions
    places: Mapping[str, At]

    def check(
        self,
        visits: Iterable[bound.BoundRule],
        episodes: Iterable[bound.BoundRule],
        rules: Iterable[bound.BoundRule],
    ) -> None:
        """Report every reference that leads nowhere, forwards, or to a row that cannot be linked."""
        self._visits(visits)
        self._episodes(episodes)
        self._rules(tuple(one for top in rules for one in bound.with_rows(top)))

    def _visits(self, visits: Iterable[bound.BoundRule]) -> None:
        earlier: dict[str, None] = {}
        for visit in visits:
            at = self.places[visit.name].down("date")
            for name in _named(visit.date, bound.VisitDate):
                if name not in earlier and not self._not_bound(f"visit.{name}", visit.name):
                    self.words.broken("earlier visit", name, earlier, at)
            for name in _named(visit.date, bound.EpisodeDate):
                self._too_early("visits", name, at)
            self.before_episodes("visits", walk.parts(visit), self.places[visit.name])
            self._not_baseline(visit, "visit")
            earlier[visit.name.removeprefix("visit.")] = None

    def before_episodes(self, what: str, said: Any, at: At) -> None:
        """Report every episode that conditions ask for which are asked before there is any."""
        for one in dict.fromkeys(walk.conditions(said, bound.HasEpisode)):
            self._too_early(what, one.episode, at)

    def _too_early(self, what: str, episode: str, at: At) -> None:
        message = f"{what} come before the episode '{episode}': ask what the episode itself asks"
        self.words.report("broken-reference", at, message)

    def _episodes(self, episodes: Iterable[bound.BoundRule]) -> None:
        earlier: dict[str, None] = {}
        for episode in episodes:
            at = self.places[episode.name]
            for name, where in _episodes_named(episode, at):
                if name not in earlier and not self._not_bound(f"episode.{name}", episode.name):
                    self.words.broken("earlier episode", name, earlier, where)
            name = episode.name.removeprefix("episode.")
            if name in self.words.folder.mapping.visits:
                message = f"'{name}' is a visit too, and a date could be either: give one another name"
                self.words.report("duplicate-rule", at, message)
            self._not_baseline(episode, "episode")
            earlier[name] = None

    def _not_baseline(self, anchor: bound.BoundRule, what: str) -> None:
        """Report a visit or episode that has the baseline's name, unless it is always that day."""
        always = anchor.date == (bound.BaselineDate(),) and anchor.when is None and not anchor.scope
        if anchor.name == f"{what}.{BASELINE}" and not always:
            message = f"a date '{BASELINE}' is not this {what}'s: give it another name"
            self.words.report("duplicate-rule", self.places[anchor.name], message)

    def _rules(self, rules: tuple[bound.BoundRule, ...]) -> None:
        earlier: dict[str, bound.BoundRule] = {}
        for rule in rules:
            at = self.places[rule.name]
            if rule.of is not None:
                self._of(rule, rule.of, earlier, at.down("of"))
            for child in rule.rows:
                self._nested(child, rule)
            if rule.episode is not None:
                self._event(rule, at.down("episode"))
            earlier[rule.name] = rule

    def _of(
        self, rule: bound.BoundRule, of: RecordedOf, earlier: Mapping[str, bound.BoundRule], at: At
    ) -> None:
        for index, name in enumerate(of.rules):
            there = at.down("same_visit", index) if of.same_visit else at
            if name in earlier:
                self._recorded_of(rule.target, earlier[name].target, there)
                if of.same_visit and rule.visit is not None:
                    self._ever_together(rule, earlier[name], there)
            elif not self._not_bound(name, rule.name):
                self.words.broken("earlier rule", name, dict.fromkeys(sorted(earlier)), there)
        tables = dict.fromkeys(earlier[name].target.table for name in of.rules if name in earlier)
        if len(tables) > 1:
            message = f"the rules of 'same_visit' write to {' and '.join(tables)}: name those of one table"
            self.words.report("wrong-type", at.down("same_visit"), message)

    def _ever_together(self, row: bound.BoundRule, event: bound.BoundRule, at: At) -> None:
        """Report a rule whose rows are at none of the visits that the row may be at."""
        if set(walk.visits(row.visit)).isdisjoint(walk.visits(event.visit)):
            message = f"no row of '{event.name}' is ever at a visit of '{row.name}'"
            self.words.report("broken-reference", at, message)

    def _nested(self, row: bound.BoundRule, above: bound.BoundRule) -> None:
        at = self.places[row.name]
        self._recorded_of(row.target, above.target, at)
        if row.of is not None:
            message = f"'{row.name}' is recorded of the row above it: leave out 'of', or write it at the top"
            self.words.report("bad-shape", at.down("of"), message)

    def _not_bound(self, name: str, before: str) -> bool:
        """Whether a name is that of an earlier rule, visit or episode with findings of its own."""
        written = list(self.places)
        return name in self.places and written.index(name) < written.index(before)

    def _recorded_of(self, row: Target, event: Target, at: At) -> None:
        if row.link_to(event) is None:
            message = f"a row of {row.table} cannot be recorded of a row of {event.table}"
            self.words.report("wrong-type", at, message)

    def _event(self, rule: bound.BoundRule, at: At) -> None:
        episodes = self.words.folder.mapping.episodes
        if rule.episode is not None and rule.episode not in episodes:
            self.words.broken("episode", rule.episode, episodes, at)
        if rule.target.field_concept is None:
            self.words.report("wrong-type", at, f"rows of {rule.target.table} cannot be episode events")


def _named(
    dates: Iterable[bound.OneDate], kind: type[bound.VisitDate] | type[bound.EpisodeDate]
) -> Iterator[str]:
    """The visits or the episodes that dates name."""
    for date in dates:
        match date:
            case bound.VisitDate(visit=name) | bound.EpisodeDate(episode=name):
                if isinstance(date, kind):
                    yield name
            case bound.Later(start=inner) | bound.GuardedDate(date=inner):
                yield from _named((inner,), kind)
            case bound.Extreme(dates=among):
                yield from _named(among, kind)


def _episodes_named(episode: bound.BoundRule, at: At) -> Iterator[tuple[str, At]]:
    """The episodes that an episode names, and where."""
    if episode.parent is not None:
        yield episode.parent, at.down("parent")
    yield from ((name, at.down("start")) for name in _named(episode.date, bound.EpisodeDate))
    yield from ((name, at.down("end")) for name in _named(episode.end, bound.EpisodeDate))
    asked = walk.conditions(walk.parts(episode), bound.HasEpisode)
    yield from ((one.episode, at.down("when")) for one in asked)


def check_case(words: Expressions, case: language.CaseKeys, at: At) -> None:
    """The keys that say whose case it is: at the top of the document, and required where rows need them.

    What is about a series needs none: the series is somebody's.
    """
    if case.series is not None:
        _check_series(words, case, case.series, at)
        return
    for word, key in case:
        if key is None and word in ("patient", "form"):
            words.report("bad-shape", at.down(word), f"'case.{word}' is missing")
        elif key is not None:
            source = words.source(key, at.down(word), types=frozenset({"string"}))
            if source is not None and source.segments != (key,):
                words.report("wrong-type", at.down(word), f"'{key}' must be a top-level key of the document")
            elif source is not None and word == "patient" and not source.facts.required:
                message = f"'{key}' may be missing, but person needs it: require it in the schema"
                words.report("missing-column", at.down(word), message)


def _check_series(words: Expressions, case: language.CaseKeys, series: str, at: At) -> None:
    source = words.source(series, at.down("series"), types=frozenset({"string"}))
    if source is not None and words.single(source, at.down("series")) and not source.facts.required:
        message = f"'{series}' may be missing, but says whose case it is: require it in the schema"
        words.report("missing-column", at.down("series"), message)
    others = [word for word, key in case if key is not None and word != "series"]
    for word in others:
        message = f"a case that names its 'series' has the patient of the series: leave out '{word}'"
        words.report("bad-shape", at.down(word), message)
    if words.folder.mapping.person is not None:
        message = "a case that names its 'series' cannot describe a person: leave out 'person'"
        words.report("bad-shape", At(at.file, ("person",)), message)


def check_forms(words: Expressions, mapping: language.Mapping, at: At) -> None:
    """Every form of the schema has its sections here, and no other; every section is one of a form."""
    if not mapping.forms:
        return
    _check_sections(words, mapping, at)
    facts = resolve(words.folder.schema, absolute(mapping.case.form or "", ()))
    if facts is None or facts.enum is None:
        return
    for form in facts.enum:
        if form not in mapping.forms:
            words.report("unmapped-value", at, f"form '{form}' of '{mapping.case.form}' is not in 'forms'")
    for form in mapping.forms:
        if form not in facts.enum:
            message = f"form '{form}' is never recorded at '{mapping.case.form}'"
            words.report("unused-value", at.down(form), message)


def _check_sections(words: Expressions, mapping: language.Mapping, at: At) -> None:
    if not mapping.sections:
        return
    known = dict.fromkeys(mapping.sections)
    for form, one in mapping.forms.items():
        for index, name in enumerate(one.sections):
            if name not in known:
                words.broken("section", name, known, at.down(form, "sections", index))
    used = {name for form in mapping.forms.values() for name in form.sections}
    for index, name in enumerate(mapping.sections):
        if name not in used:
            there = At(at.file, ("sections", index))
            words.report("unused-file", there, f"no form has the section '{name}'")


def check_defaults(words: Expressions, mapping: language.Mapping, at: At) -> None:
    """Defaults are for tables that rules can write to."""
    for table in mapping.defaults:
        if table not in TARGETS:
            message = f"rules cannot write to '{table}'; known: {', '.join(TARGETS)}"
            words.report("unknown-table", at.down(table), message)
