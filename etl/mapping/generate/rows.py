"""Generating the rows: every column of a rule as a field of one COPY text line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from etl.identity import ITEM_BITS
from etl.mapping import bound, walk
from etl.mapping.generate.dates import DateWriter
from etl.mapping.generate.emit import Lines, Names, item_key
from etl.mapping.generate.values import Field, ValueWriter, field_of, literal, nullable
from etl.mapping.paths import Segments, depth
from etl.mapping.same_day import RecordedOf
from etl.mapping.tables import EPISODE_EVENT, LOAD_ORDER, Target
from omop_schema.copy_text import NULL

PERSON_COLUMNS = (
    "person_id",
    "gender_concept_id",
    "year_of_birth",
    "race_concept_id",
    "ethnicity_concept_id",
    "care_site_id",
    "person_source_value",
    "gender_source_concept_id",
    "race_source_concept_id",
    "ethnicity_source_concept_id",
)
EVENT_COLUMNS = ("episode_id", "event_id", "episode_event_field_concept_id")


def row_columns(rules: Iterable[bound.BoundRule]) -> dict[str, tuple[str, ...]]:
    """The columns that the encoded rows of each table hold, in the CDM's order; tables in load order."""
    used: dict[str, set[str]] = {"person": set(PERSON_COLUMNS)}
    targets: dict[str, Target] = {}
    for rule in rules:
        targets[rule.target.table] = rule.target
        used.setdefault(rule.target.table, set()).update(_columns(rule))
        if rule.episode is not None:
            used[EPISODE_EVENT] = set(EVENT_COLUMNS)
    order: dict[str, tuple[str, ...]] = {"person": PERSON_COLUMNS, EPISODE_EVENT: EVENT_COLUMNS}
    for table, target in targets.items():
        order[table] = tuple(name for name in target.columns if name in used[table])
    return {table: order[table] for table in LOAD_ORDER if table in used}


def _columns(rule: bound.BoundRule) -> set[str]:
    target = rule.target
    required = {name for name, column in target.columns.items() if not column.nullable} - target.derived
    named = {
        target.id_column,
        "person_id",
        *target.dates("start"),
        *target.dates("end"),
        *(target.link or ()),
        *target.references.values(),
    }
    if target.column("visit") and rule.visit is not None:
        named.add("visit_occurrence_id")
    if rule.parent is not None:
        named.add("episode_parent_id")
    return required | named | set(rule.columns)


@dataclass
class RowWriter:
    """Writes the code of single rows."""

    mapping: bound.Bound
    numbers: Mapping[str, int]
    columns: Mapping[str, tuple[str, ...]]
    lines: Lines
    names: Names
    dates: DateWriter
    case: dict[str, str] = field(default_factory=dict)
    values: ValueWriter = field(init=False)
    linked: Mapping[str, tuple[Segments, ...]] = field(init=False)
    linked_by_visit: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.values = ValueWriter(self.lines, self.names)
        self.linked = dict(linked(self.mapping))
        self.linked_by_visit = linked_by_visit(self.mapping)

    def start_links(self) -> None:
        """The variables of the rows that others will be recorded of, while there are none."""
        for name, scopes in self.linked.items():
            for scope in scopes:
                self.lines.add(f"{first_row(self.numbers[name], scope)} = {'{}' if scope else 'None'}")
        for name in self.linked_by_visit:
            self.lines.add(f"{first_at_visit(self.numbers[name])} = {{}}")

    def remember(self, rule: bound.BoundRule, row: str, visit: str | None) -> None:
        """Keep a row that others may be recorded of."""
        for scope in self.linked.get(rule.name, ()):
            first = first_row(self.numbers[rule.name], scope)
            if scope:
                self.lines.add(f"{first}.setdefault({item_key(scope)}, {row})")
            else:
                self.lines.add(f"if {first} is None: {first} = {row}")
        if rule.name in self.linked_by_visit:
            known = f"if {visit} is not None: " if _may_lack_visit(rule) else ""
            self.lines.add(f"{known}{first_at_visit(self.numbers[rule.name])}.setdefault({visit}, {row})")

    def person(self) -> None:
        """The person row; its id is given by landing, not packed."""
        concepts = {}
        for column in ("gender_concept_id", "race_concept_id", "ethnicity_concept_id"):
            node = self.mapping.person.get(column, bound.Constant(0))
            concepts[column] = self.values.field(node, Field(column, "concept", empty="0"), set())
        baseline = self.mapping.told.baseline
        assert self.mapping.age is not None and baseline is not None, "an annex describes no person"
        birth, age = self.lines.fresh("birth"), self.names.of(self.mapping.age.segments)
        self.lines.add(f"{birth} = {baseline.is_.year} - int({age})")
        patient = self.lines.fresh("patient")
        self.lines.add(f"{patient} = escape({self.case['patient']})")
        site = self.lines.fresh("site")
        self.lines.add(f"{site} = NULL if care_site_id is None else care_site_id")
        known = {
            "person_id": "{person_id}", "year_of_birth": f"{{{birth}}}", "care_site_id": f"{{{site}}}",
            "person_source_value": f"{{{patient}}}", **concepts,
        }  # fmt: skip
        self._append("person", [known.get(column, "0") for column in PERSON_COLUMNS])

    def row(
        self, rule: bound.BoundRule, visit: str | None, date: str, parent: bound.BoundRule | None,
        parent_id: str | None, known: set[str], item: str,
    ) -> str:  # fmt: skip
        """Write one row and return the variable that holds its id."""
        number = self.numbers[rule.name]
        row = self.lines.fresh("row")
        self.lines.add(f"{row} = base + {number << ITEM_BITS}{' + ' + item if item else ''}")
        fields = self._structure(rule, row, visit, date, parent, parent_id)
        for column, node in rule.columns.items():
            fields[column] = self.values.field(node, field_of(rule.target, column, number, rule.scope), known)
        table = rule.target.table
        self._append(
            table, [fields.get(column) or _empty(rule.target, column) for column in self.columns[table]]
        )
        return row

    def _structure(
        self, rule: bound.BoundRule, row: str, visit: str | None, date: str,
        parent: bound.BoundRule | None, parent_id: str | None,
    ) -> dict[str, str]:  # fmt: skip
        """Ids, dates and links: what every row has whatever it says."""
        target = rule.target
        fields = {target.id_column: f"{{{row}}}", "person_id": "{person_id}"}
        fields |= {name: _dated(date, name, target.needs_date) for name in target.dates("start")}
        fields |= self._end(rule, date)
        if visit is not None:
            fields["visit_occurrence_id"] = nullable(visit) if _may_lack_visit(rule) else f"{{{visit}}}"
        if parent is not None and parent_id is not None:
            fields |= _link(target, parent.target, f"{{{parent_id}}}", str(parent.target.field_concept))
        elif rule.of is not None:
            fields |= self._link_to_first(rule, rule.of, visit)
        if rule.parent is not None:
            fields["episode_parent_id"] = nullable(f"episode_{rule.parent}")
        return fields

    def _end(self, rule: bound.BoundRule, date: str) -> dict[str, str]:
        columns = rule.target.dates("end")
        required = any(not rule.target.columns[name].nullable for name in columns)
        if rule.end:
            end = self.lines.fresh("end")
            self.dates.assign(end, rule.end, rule.scope)
            with self.lines.block(f"if {end} is not None and {end} < {date}:"):
                path = self.dates.told_by(end, rule.end, rule.scope)
                reason = "the end lies before the start"
                self.lines.add(f"problem({self.numbers[rule.name]}, 'invalid', {path}, {reason!r})")
                self.lines.add(f"{end} = None")
            if required:
                self.lines.add(f"if {end} is None: {end} = {date}")
            later = f"{end} > last" if not self.mapping.annex else f"(last is None or {end} > last)"
            if self.mapping.told.baseline is not None:
                self.lines.add(f"if {end} is not None and {later}: last = {end}")
            stamp = self.lines.fresh("stamp")
            self.lines.add(f"{stamp} = NULL if {end} is None else {end} + ' 00:00:00'")
            self.lines.add(f"if {end} is None: {end} = NULL")
            return {name: f"{{{stamp if name.endswith('datetime') else end}}}" for name in columns}
        return {name: _dated(date, name, known=True) for name in columns} if required else {}

    def _link_to_first(self, rule: bound.BoundRule, of: RecordedOf, visit: str | None) -> dict[str, str]:
        target = rule.target
        # Those of one visit write to one table.
        linked = next(one for one in self.mapping.every_rule() if one.name == of.rules[0])
        ours = () if of.same_visit else walk.shared_scope(rule.scope, linked.scope)
        event = first_row(self.numbers[linked.name], ours)
        if of.same_visit or ours:
            if of.same_visit:
                rows = [f"{first_at_visit(self.numbers[one])}.get({visit})" for one in of.rules]
            else:
                rows = [f"{event}.get({item_key(ours)})"]
            event = self.lines.fresh("event")
            self.lines.add(f"{event} = {' or '.join(rows)}")
        columns = target.link_to(linked.target)
        assert columns is not None, "the binder has checked it"
        if columns[1] is None:
            return {columns[0]: nullable(event)}
        concept = self.lines.fresh("field")
        nothing = "NULL" if target.columns[columns[1]].nullable else "0"
        self.lines.add(f"{concept} = {nothing} if {event} is None else {linked.target.field_concept}")
        return {columns[0]: nullable(event), columns[1]: f"{{{concept}}}"}

    def episode_event(self, rule: bound.BoundRule, row: str) -> None:
        """The row as an event of its episode, when there is one."""
        episode = f"episode_{rule.episode}"
        with self.lines.block(f"if {episode} is not None:"):
            self._append(EPISODE_EVENT, [f"{{{episode}}}", f"{{{row}}}", str(rule.target.field_concept)])

    def _append(self, table: str, fields: list[str]) -> None:
        self.lines.add(f'add_{table}(f"' + "\\t".join(fields) + '\\n")')


def _may_lack_visit(rule: bound.BoundRule) -> bool:
    """Whether a row is written without its visit: it has a date of its own, or needs none."""
    return bool(rule.date) or not rule.target.needs_date


def first_row(number: int, scope: Segments) -> str:
    """The variable that holds the first row of a rule: of the case, or a dict of those of each item."""
    return f"of_{number}_{depth(scope)}" if scope else f"of_{number}"


def first_at_visit(number: int) -> str:
    """The variable that holds the first row of a rule at each visit, by the visit's id."""
    return f"at_{number}"


def linked(mapping: bound.Bound) -> Iterator[tuple[str, tuple[Segments, ...]]]:
    """The rules that others are recorded of, and the items that they have in common with those."""
    scopes = {rule.name: rule.scope for rule in mapping.every_rule()}
    linking = [
        (rule.of.rules[0], rule.scope)
        for rule in mapping.every_rule()
        if rule.of is not None and not rule.of.same_visit
    ]
    for name in dict.fromkeys(name for name, _ in linking):
        ours = (walk.shared_scope(scope, scopes[name]) for of, scope in linking if of == name)
        yield name, tuple(dict.fromkeys(ours))


def linked_by_visit(mapping: bound.Bound) -> tuple[str, ...]:
    """The rules that others are recorded of where they are at one visit."""
    found = (rule.of.rules for rule in mapping.every_rule() if rule.of is not None and rule.of.same_visit)
    return tuple(dict.fromkeys(name for names in found for name in names))


def _link(target: Target, event: Target, row: str, concept: str) -> dict[str, str]:
    """The columns that link a row to one of another table, as these pieces of its f-string."""
    columns = target.link_to(event)
    assert columns is not None, "the binder has checked it"
    return {columns[0]: row} | ({} if columns[1] is None else {columns[1]: concept})


def _dated(date: str, column: str, known: bool) -> str:
    """A date or its datetime as a piece of the row's f-string; when it may be unknown, NULL then."""
    if known:
        return f"{{{date}}} 00:00:00" if column.endswith("datetime") else f"{{{date}}}"
    time = " + ' 00:00:00'" if column.endswith("datetime") else ""
    return f"{{NULL if {date} is None else {date}{time}}}"


def _empty(target: Target, column: str) -> str:
    required = not target.columns[column].nullable
    return "0" if required and target.kind(column) == "concept" else literal(NULL, escaped=True)
