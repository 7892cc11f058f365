"""The ETL document: a mapping as the tables that partners read and sign, after D4.4 Appendix A, Table 23."""

from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable

from etl.mapping import bound, walk
from etl.mapping.paths import ITEM, Segments, json_path, leaves
from etl.mapping.show.ranges import told_range
from etl.mapping.show.rules import RuleTables
from etl.mapping.show.words import (
    Words,
    anchor,
    code,
    dotted,
    lines,
    map_heading,
    place,
    plain,
    table,
    told_values,
    translations,
)
from etl.mapping.tables import TARGETS

ERRATA = "ERRATA.md"


def show(mapping: bound.Bound) -> str:
    """The mapping as one Markdown document that ends with a newline; the same mapping gives the same text.

    Every rule, visit and episode has one row, named with its file and line. The folder's errata, if it has an
    ERRATA.md, are its last appendix.
    """
    return "\n".join(_Document(mapping).lines()) + "\n"


class _Document:
    def __init__(self, mapping: bound.Bound) -> None:
        self.mapping = mapping
        self.words = Words.of(mapping)
        self.told = mapping.folder.mapping
        self.rules = RuleTables(mapping, self.words)

    def lines(self) -> Iterator[str]:
        yield from self._head()
        yield from self._forms()
        yield from self._conventions()
        yield from self._chapter("Visits", self.mapping.visits)
        yield from self._chapter("Episodes", self.mapping.episodes)
        yield from self._definitions()
        yield from self._groups()
        for section in self.mapping.folder.sections:
            rules = tuple(rule for rule in self.mapping.rules if rule.section == section)
            yield from self._chapter(_section_heading(section), rules)
        yield from self._left_out()
        yield from self._fields()
        yield from self._value_maps()
        yield from self._errata()

    def _head(self) -> Iterator[str]:
        yield f"# {plain(self.told.title)}: ETL document"
        yield ""
        if self.told.source:
            yield f"Source: {plain(self.told.source)}."
        if self._errata_file.is_file():
            heading = "Appendix: errata"
            yield f"Departures from the source are listed, with reasons, in the [errata]({anchor(heading)})."
        yield ""
        yield f"Mapping {code(self.told.name)}, digest {code(self.mapping.folder.digest)}."
        yield "Written by `oncolake map show`: to change this document, change the mapping."
        yield ""
        yield _HOW_TO_READ

    def _forms(self) -> Iterator[str]:
        yield from _heading("Forms")
        if not self.told.forms:
            yield "None: every section holds for every case."
            return
        rows = (
            (
                code(name),
                plain(form.title),
                ", ".join(plain(one) for one in form.use_cases),
                lines(f"[{plain(one)}]({anchor(_section_heading(one))})" for one in form.sections),
            )
            for name, form in self.told.forms.items()
        )
        yield from table(("Form", "Cases", "Use cases", "Sections"), rows)

    def _conventions(self) -> Iterator[str]:
        yield from _heading("Conventions")
        yield f"- **Baseline.** {self._baseline()}"
        yield f"- **Type.** Every `*_type_concept_id` is {plain(self.told.type)}."
        yield _CONVENTIONS
        for name, columns in self.told.defaults.items():
            filled = ", ".join(f"{code(column)} {plain(node)}" for column, node in columns.items())
            yield f"- **Every row of {code(name)}.** {filled}."
        yield from self._links()
        yield from self._person()

    def _baseline(self) -> str:
        if self.told.baseline is None:
            return "None: dates are loaded as they are recorded."
        base, anchor_ = self.told.baseline.is_.isoformat(), self.mapping.anchor
        if anchor_ is None:
            return f"The baseline is {base}. No real date stands for it, so recorded dates are unknown."
        when = f" where {self.words.condition(anchor_.when)}" if anchor_.when else ""
        source = dotted(anchor_.source.segments)
        return f"The date at {source}{when} becomes {base}; every other date keeps its distance to it."

    def _links(self) -> Iterator[str]:
        linked, linking = set(self.rules.linked_tables()), set(self.rules.linking_tables())
        keys = {
            name: target.field_concept
            for name, target in TARGETS.items()
            if name in linked and target.field_concept is not None
        }
        for name, target in TARGETS.items():
            if name in linking and target.link is not None:
                event, concept = map(code, target.link)
                yield f"- **Recorded of, {code(name)}.** {event}: the other row's id; {concept}: its key."
            elif name in linking:
                own = [code(column) for event, column in target.references.items() if event in linked]
                yield f"- **Recorded of, {code(name)}.** {', '.join(own)}: the other row's id."
        if keys:
            told = ", ".join(f"{code(name)} {concept}" for name, concept in keys.items())
            yield f"- **Keys.** The concepts of keys that rows and `episode_event` link to: {told}."

    def _person(self) -> Iterator[str]:
        yield from _heading("Person")
        if self.mapping.age is None:
            yield "None is described here: the cases add to persons that other mappings describe."
            return
        yield from table(("Source field", "Type", "CDM column", "Value"), self._person_rows())

    def _person_rows(self) -> Iterator[tuple[str, str, str, str]]:
        assert self.told.baseline is not None and self.mapping.age is not None, "it describes persons"
        keys, year = self.mapping.keys, self.told.baseline.is_.year
        ranges = [told_range(one, named=False) for one in self.mapping.plausible]
        about = {
            "person.person_source_value": (keys["patient"], "as recorded; one person over all forms"),
            "person.care_site_id": (keys.get("site"), "the number that the site was given"),
            "person.year_of_birth": (self.mapping.age.segments, lines([f"{year} - age", *ranges])),
        }
        for column, (segments, value) in about.items():
            if segments is not None:
                yield *self.rules.field(segments), code(column), value
        for name, node in self.mapping.person.items():
            read = tuple(dict.fromkeys(one.segments for one in walk.sources(node)))
            where, kind = self.rules.fields(read)
            yield where, kind, code(f"person.{name}"), self.words.expression(node, "concept")

    def _chapter(self, title: str, rules: tuple[bound.BoundRule, ...]) -> Iterator[str]:
        yield from _heading(title)
        yield from self.rules.table(rules) if rules else ("None.",)

    def _definitions(self) -> Iterator[str]:
        yield from _heading("Named definitions")
        if not self.told.define:
            yield "None."
            return
        rows = (
            (
                plain(name),
                self._definition(name),
                place(self.mapping.folder.mapping_file.place("define", name)),
            )
            for name in self.told.define
        )
        yield from table(("Name", "Stands for", "Where"), rows)

    def _groups(self) -> Iterator[str]:
        if self.told.groups:
            yield from _heading("Groups")
            yield "Values that conditions name together; a field is asked for those that it can hold."
            yield ""
            rows = ((plain(name), told_values(values)) for name, values in self.told.groups.items())
            yield from table(("Group", "Values"), rows)

    def _definition(self, name: str) -> str:
        """Written out for the first place where its paths mean something."""
        scopes = dict.fromkeys([(), *(rule.scope for rule in self.mapping.every_rule())])
        for scope in scopes:
            for kind in ("concept", "text"):
                found = self.words.defined(name, scope, kind)
                if found is not None:
                    return self.words.spelled(found, kind, scope)
        return "nothing that a rule could use"

    def _left_out(self) -> Iterator[str]:
        yield from _heading("Left out on purpose")
        rows = [(code(json_path(one)), plain(reason)) for one, reason in self.mapping.ignored.items()]
        yield from table(("Path", "Reason"), rows) if rows else ("No field is left out on purpose.",)
        if self.told.accept:
            yield from _heading("Accepted findings of the checker")
            accepted = (
                (plain(one.finding), self.words.concept(one.concept), plain(one.why))
                for one in self.told.accept
            )
            yield from table(("Finding", "Concept", "Why"), accepted)

    def _fields(self) -> Iterator[str]:
        yield from _heading("Appendix: every field and the rules that read it")
        users = self._users()
        rows = (
            (*self.rules.field(segments), lines(users.get(segments, ())) or self._excuse(segments))
            for segments, _ in leaves(self.mapping.folder.schema)
        )
        yield from table(("Field", "Type", "Read by"), rows)

    def _users(self) -> dict[Segments, list[str]]:
        users: dict[Segments, list[str]] = {}
        for word, segments in self.mapping.keys.items():
            users.setdefault(segments, []).append(f"the case's {word}")
        shared = {"baseline": self.mapping.anchor, "person": (self.mapping.age, self.mapping.person)}
        for name, node in shared.items():
            for segments in dict.fromkeys(one.segments for one in walk.sources(node)):
                users.setdefault(segments, []).append(name)
        for rule in self.mapping.every_rule():
            wholes = tuple(walk.wholes((rule,)))
            below = (one for one, _ in leaves(self.mapping.folder.schema) if _below(one, wholes))
            for segments in dict.fromkeys((*(one.segments for one in walk.rule_sources(rule)), *below)):
                users.setdefault(segments, []).append(code(rule.name))
        return users

    def _excuse(self, segments: Segments) -> str:
        if _below(segments, self.mapping.ignored):
            return "left out on purpose"
        return "**nothing**"

    @property
    def _errata_file(self) -> Traversable:
        return self.mapping.folder.path.joinpath(ERRATA)

    def _errata(self) -> Iterator[str]:
        """The errata as they are written, one level down: what a partner signs is one document."""
        if self._errata_file.is_file():
            yield from _heading("Appendix: errata")
            _title, _, body = self._errata_file.read_text(encoding="utf-8").strip().partition("\n")
            yield from (f"#{line}" if line.startswith("#") else line for line in body.strip().split("\n"))

    def _value_maps(self) -> Iterator[str]:
        yield from _heading("Appendix: value maps")
        yield "Concept 0: no concept is known yet; the recorded value is kept in the source value."
        users: dict[str, list[str]] = {}
        for rule in self.mapping.every_rule():
            for name in dict.fromkeys(one.name for one in translations((rule.concept, rule.columns))):
                users.setdefault(name, []).append(code(rule.name))
        for name, value_map in self.mapping.folder.value_maps.items():
            yield from _heading(map_heading(name), 3)
            yield f"Used by {', '.join(users[name])}." if name in users else "Not used by a rule yet."
            yield ""
            rows = (
                (plain(row.source_code), plain(row.source_code_description), str(row.target_concept_id),
                 plain(row.target_concept_name))
                for row in value_map.rows
            )  # fmt: skip
            yield from table(("Source code", "Description", "Concept id", "Concept name"), rows)


def _heading(text: str, level: int = 2) -> tuple[str, str, str]:
    return "", f"{'#' * level} {plain(text)}", ""


def _below(segments: Segments, places: Iterable[Segments]) -> bool:
    """Whether a place is one of these, or stands below one."""
    return any(segments[: len(one)] == one for one in places)


def _section_heading(section: str) -> str:
    return f"Section {section}"


_CONVENTIONS = """\
- **Unknown.** A recorded value without a concept is loaded as concept 0 and reported as unmapped.
- **Dates.** Date and datetime columns are both filled, the time is 00:00:00. A visit or episode whose date is
  unknown is not written. Any other row whose date is unknown is not written either, and reported as invalid,
  unless its table does without a date.
- **End.** A row without *until* ends on the day it starts if its table requires an end, else stays open."""
_HOW_TO_READ = f"""\
## How to read the tables

Each line is one rule: it writes at most one row of an OMOP CDM v6.0 table for each case, or for each item of
the list that its condition names.

- **Source field**: where the value stands in the case document, as a JSON path. {code(ITEM)} is each item of
  a list. The field's label in the eCRF follows.
- **Type**: the field's type, with its values when they are few.
- **Condition**: what must hold for the row to be written.
- **Concept**: the row's concept, as id and name. A value map is a table of the appendix.
- **CDM table and columns**: first the table and the column of the concept, then every other column that the
  rule fills. Text between braces stands for the recorded value.
- **Unit and plausible range**: the unit, and where the number is believed; outside, it is warned of.
- **Visit and date**: the visit that the row hangs on. The row has the visit's date, unless a date stands
  above the visit and is known.
- **Recorded of**: the row that this row describes, and the episode that it belongs to. A row of *its* other
  row is only written together with it.
- **Rule**: the rule's name, and the file and line of the mapping where it stands.
- **Comment**: a remark of the mapping's authors."""
