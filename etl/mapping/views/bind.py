"""Binding view files: each column with the rules that it comes from, and a finding for what does not fit."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import TypeVar

from etl.mapping import bound
from etl.mapping.findings import Finding, MappingError, finding
from etl.mapping.folder import FolderReader, SourceFile
from etl.mapping.paths import ITEM, Segments, absolute, resolve
from etl.mapping.views.codes import CODED, Codes, codes_of, slot
from etl.mapping.views.expression import objection
from etl.mapping.views.language import VIEW, Column, Items, Pick, Take, View

#: The folder of the files in a mapping folder.
RESEARCH = "research"
#: What the rows of each kind are known by; no column may have one of these names.
KEYS = {"person": ("person_id",), "case": ("person_id", "case_id")}
PHASE = "phase"
#: What a database takes as a name without quotes has no more.
_LONGEST = 63
_Text = TypeVar("_Text", bound=str)


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """A column of a view, with the rules whose rows it comes from; none where it is computed."""

    name: str
    line: int
    """Of the view's file."""
    told: Column
    takes: tuple[Take, ...]
    rules: tuple[bound.BoundRule, ...]
    visits: tuple[str, ...]
    """Names of rules of visits."""
    codes: Codes | None

    @property
    def pick(self) -> Pick:
        return self.told.pick

    def held(self, take: Take) -> str:
        """The name of what a group says of it."""
        return f"{self.name}_{take}" if len(self.takes) > 1 else self.name

    @property
    def ranked(self) -> bool:
        """Whether its highest or lowest goes by the order of a map."""
        return ranked(self.told) and self.codes is not None and "code" in self.takes


@dataclass(frozen=True, slots=True)
class BoundView:
    """A view file, understood."""

    name: str
    told: View
    columns: tuple[BoundColumn, ...]
    scopes: Mapping[Segments, str]
    """The lists that rows are items of, each with its phase; one, (), where rows are of persons or cases."""
    levels: tuple[tuple[str, str], ...]
    """Keys of lists, and the column with the place in it."""
    never_alone: tuple[str, ...]
    """Names of rules whose rows alone are no row of the view."""
    mapping: bound.Bound = field(repr=False)

    @property
    def of_person(self) -> bool:
        return self.told.row == "person"


def views_of(mapping: bound.Bound) -> tuple[BoundView, ...]:
    """The views of a mapping's folder. Raises MappingError with every finding against them."""
    found: list[Finding] = []
    views = tuple(bind_views(mapping, found))
    if found:
        raise MappingError(found)
    return views


def view_findings(mapping: bound.Bound) -> list[Finding]:
    """Everything that is wrong with the view files of a mapping's folder."""
    found: list[Finding] = []
    list(bind_views(mapping, found))
    return found


def bind_views(mapping: bound.Bound, findings: list[Finding]) -> Iterator[BoundView]:
    """Yield the views that can be understood, and add a finding for everything that cannot."""
    for name in _names(mapping.folder.path):
        reader = FolderReader(mapping.folder.path)
        file = reader.yaml(f"{RESEARCH}/{name}.yaml")
        told = reader.parse(file, VIEW)
        findings += reader.findings
        if told is not None and file is not None:
            binder = _Binder(mapping, name, file, told)
            view = binder.view()
            findings += binder.findings
            if not binder.findings:
                yield view


def _names(folder: Traversable) -> list[str]:
    views = folder.joinpath(RESEARCH)
    if not views.is_dir():
        return []
    return sorted(one.name.removesuffix(".yaml") for one in views.iterdir() if one.name.endswith(".yaml"))


class _Binder:
    def __init__(self, mapping: bound.Bound, name: str, file: SourceFile, told: View) -> None:
        self.mapping, self.name, self.file, self.told = mapping, name, file, told
        self.rules = {rule.name: rule for rule in mapping.every_rule()}
        self.findings: list[Finding] = []
        self.scopes = self._scopes()

    def view(self) -> BoundView:
        columns = tuple(self._column(name, told) for name, told in self.told.columns.items())
        levels = tuple(self.told.row.numbers.items()) if isinstance(self.told.row, Items) else ()
        known = {part for scope in self.scopes for part in _lists(scope)}
        for key, _ in levels:
            if key not in known:
                self._report("unknown-path", f"no list '{key}' holds these rows", "row", "numbers", key)
        self._names_once(columns, [name for _, name in levels])
        alone = self._never_alone(columns)
        return BoundView(self.name, self.told, columns, self.scopes, levels, alone, self.mapping)

    def _never_alone(self, columns: Iterable[BoundColumn]) -> tuple[str, ...]:
        names = self.told.row.never_alone if isinstance(self.told.row, Items) else ()
        known = {rule.name for column in columns for rule in column.rules}
        for name in names:
            if name not in known:
                self._report("broken-reference", f"no column takes rows of '{name}'", "row", "never_alone")
        return names

    def _names_once(self, columns: Iterable[BoundColumn], levels: Iterable[str]) -> None:
        keys = KEYS["person" if self.told.row == "person" else "case"]
        taken = {*keys, PHASE, *levels}
        for column in columns:
            for name in output_names(column):
                if name in taken:
                    self._report("duplicate-rule", f"there are two columns '{name}'", "columns", column.name)
                if len(name) > _LONGEST:
                    self._report("bad-shape", f"'{name}' is too long a name", "columns", column.name)
                taken.add(name)

    def _scopes(self) -> Mapping[Segments, str]:
        if not isinstance(self.told.row, Items):
            return {(): ""}
        found = {}
        for name, phase in self.told.row.rules.items():
            rule = self._rule(name, "row", "rules", name)
            if rule is not None:
                found[rule.scope] = phase
        return found

    def _rule(self, name: str, *keys: str | int) -> bound.BoundRule | None:
        rule = self.rules.get(name)
        if rule is None:
            self._report("broken-reference", f"there is no rule '{name}'", *keys)
        return rule

    def _column(self, name: str, told: Column) -> BoundColumn:
        keys = ("columns", name)
        if (told.rule is None) == (told.sql is None):
            self._report("bad-shape", f"'{name}' needs either 'rule' or 'sql'", *keys)
        if told.sql is not None and not told.says:
            self._report("bad-shape", f"'{name}': say what the expression means, with 'says'", *keys)
        if told.sql is not None and (said := objection(told.sql)):
            self._report("bad-shape", f"'{name}': {said}", *keys)
        for path in told.fields:
            if resolve(self.mapping.folder.schema, absolute(path, ())) is None:
                self._report("unknown-path", f"the form has no '{path}'", *keys, "fields")
        rules = tuple(self._rules(told, *keys))
        visits = tuple(f"visit.{one}" for one in _each(told.at))
        for one in visits:
            if one not in self.rules:
                self._report("broken-reference", f"there is no visit '{one[6:]}'", *keys, "at")
        codes = codes_of(rules)
        takes = _each(told.take) or (_default(rules, codes),)
        for take in takes if rules else ():
            self._fits(name, told, take, rules, codes)
        if "days" in takes and told.pick == "all":
            self._report(
                "bad-shape", f"'{name}': of all days one counts: pick the newest, highest or lowest", *keys
            )
        if rules and told.pick == "newest" and not {"found", "count"} & {*takes}:
            self._one_a_row(name, rules, told)
        line = self.file.place(*keys, "sql").line
        return BoundColumn(name, line, told, takes if rules else (), rules, visits, codes)

    def _rules(self, told: Column, *keys: str) -> Iterator[bound.BoundRule]:
        own = self.told.row.rules if isinstance(self.told.row, Items) else {}
        for name in _each(told.rule):
            if name.startswith("."):
                # Not every list has all that the others have.
                there = [self.rules[one + name] for one in own if one + name in self.rules]
                if not there:
                    self._report(
                        "broken-reference", f"no rule of the row has a row '{name[1:]}'", *keys, "rule"
                    )
                yield from there
            elif (rule := self._rule(name, *keys, "rule")) is not None:
                if not self._scope_of(rule):
                    message = f"rule '{name}' stands at no item of the rows of this view"
                    self._report("broken-reference", message, *keys, "rule")
                yield rule

    def _scope_of(self, rule: bound.BoundRule) -> bool:
        return any(rule.scope[: len(scope)] == scope for scope in self.scopes)

    def _one_a_row(self, name: str, rules: Iterable[bound.BoundRule], told: Column) -> None:
        for rule in rules:
            if rule.scope not in self.scopes and not (self.told.row == "person" and told.at):
                message = f"'{name}': a row may have several of '{rule.name}': say with 'pick' which counts"
                self._report("bad-shape", message, "columns", name)

    def _fits(
        self, name: str, told: Column, take: Take, rules: Iterable[bound.BoundRule], codes: Codes | None
    ) -> None:
        if take == "code" and codes is None:
            message = f"'{name}': the form's word does not follow from the rows; take 'concept' or 'value'"
            self._report("wrong-type", message, "columns", name)
        if ranked(told) and codes and take in CODED and take != codes.take:
            message = f"'{name}': its highest is that of '{codes.take}', by the order of the map"
            self._report("wrong-type", message, "columns", name)
        for rule in rules:
            if take in ("number", "value", "text") and slot(rule, take) is None:
                message = f"'{name}': {rule.target.table} has no {take} that 'take' could mean"
                self._report("wrong-type", message, "columns", name)

    def _report(self, kind: str, message: str, *keys: str | int) -> None:
        place = self.file.place(*keys)
        self.findings.append(finding(kind, place.file, place.line, message))


def ranked(told: Column) -> bool:
    """Whether the order of values decides."""
    return told.pick in ("highest", "lowest")


def output_names(column: BoundColumn) -> list[str]:
    """The columns that one of a view file becomes."""
    if not column.takes:
        return [column.name]
    several = "s" if column.pick == "all" else ""
    found = []
    for take in column.takes:
        if take in ("concept", "value"):
            found += [f"{column.name}_concept_id{several}", f"{column.name}_concept{several}"]
        else:
            found.append(column.name)
    return found


def _each(names: _Text | tuple[_Text, ...] | None) -> tuple[_Text, ...]:
    return (names,) if isinstance(names, str) else names or ()


def _lists(scope: Segments) -> list[str]:
    return [part for part, after in pairwise(scope) if after == ITEM]


def _default(rules: tuple[bound.BoundRule, ...], codes: Codes | None) -> Take:
    numbers = rules and all(slot(rule, "number") in rule.columns for rule in rules)
    return "number" if numbers else "code" if codes else "concept"
