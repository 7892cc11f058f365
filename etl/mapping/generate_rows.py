"""Generating the rows: every column of a rule as a field of one COPY text line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from etl.identity import ITEM_BITS
from etl.mapping import bound
from etl.mapping.emit import Lines, Names, condition, located, recorded
from etl.mapping.runtime import NULL, escape
from etl.mapping.tables import EPISODE_EVENT, LOAD_ORDER, Target

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
    required = {name for name, column in target.columns.items() if not column.nullable}
    named = {
        target.id_column,
        "person_id",
        *target.dates("start"),
        *target.dates("end"),
        *(target.link or ()),
    }
    if target.column("visit") and rule.visit is not None:
        named.add("visit_occurrence_id")
    if rule.parent is not None:
        named.add("episode_parent_id")
    return required | named | set(rule.columns)


def identifier(rule: bound.BoundRule) -> str:
    """The variable that holds the row id of a visit or an episode."""
    return rule.name.replace(".", "_")


@dataclass
class RowWriter:
    """Writes the code of single rows."""

    mapping: bound.Bound
    numbers: Mapping[str, int]
    columns: Mapping[str, tuple[str, ...]]
    lines: Lines
    names: Names
    case: dict[str, str] = field(default_factory=dict)
    visit_of: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    _maps: dict[tuple[tuple[bound.Key, int | str], ...], str] = field(default_factory=dict)

    def constants(self) -> str:
        """The value maps, as dicts above the function."""
        return "\n".join(f"{name} = {dict(table)!r}" for table, name in self._maps.items())

    def person(self) -> None:
        """The person row; its id is given by landing, not packed."""
        concepts = {}
        for column in ("gender_concept_id", "race_concept_id", "ethnicity_concept_id"):
            node = self.mapping.person.get(column, bound.Constant(0))
            concepts[column] = self._field(node, "person", column, None, None, set())
        birth, age = self.lines.fresh("birth"), self.names.of(self.mapping.age.segments)
        self.lines.add(f"{birth} = {self.mapping.folder.mapping.baseline.is_.year} - int({age})")
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
            length = rule.target.length(column)
            fields[column] = self._field(node, rule.target.table, column, length, number, known)
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
        fields |= {name: _dated(date, name) for name in target.dates("start")}
        fields |= self._end(rule, date)
        if visit is not None:
            fields["visit_occurrence_id"] = f"{{{visit}}}"
        if parent is not None and parent_id is not None and target.link:
            fields |= {target.link[0]: f"{{{parent_id}}}", target.link[1]: str(parent.target.field_concept)}
        elif rule.of is not None and target.link:
            fields |= self._link_to_first(rule.of, target)
        if rule.parent is not None:
            fields["episode_parent_id"] = self._nullable(f"episode_{rule.parent}")
        return fields

    def _end(self, rule: bound.BoundRule, date: str) -> dict[str, str]:
        columns = rule.target.dates("end")
        if rule.end:
            end = self.lines.fresh("end")
            for index, one in enumerate(rule.end):
                prefix = f"if {end} is None: " if index else ""
                self.lines.add(f"{prefix}{end} = {self.date_code(one)}")
            self.lines.add(f"if {end} is not None and {end} > last: last = {end}")
            stamp = self.lines.fresh("stamp")
            self.lines.add(f"{stamp} = NULL if {end} is None else {end} + ' 00:00:00'")
            self.lines.add(f"if {end} is None: {end} = NULL")
            return {name: f"{{{stamp if name.endswith('datetime') else end}}}" for name in columns}
        required = any(not rule.target.columns[name].nullable for name in columns)
        return {name: _dated(date, name) for name in columns} if required else {}

    def date_code(self, date: bound.OneDate) -> str:
        """A Python expression of a date that episodes and ends may name."""
        match date:
            case bound.BaselineDate():
                return "BASE"
            case bound.VisitDate(visit):
                return f"visit_{visit}_date"
            case bound.RealDate(source):
                return f"moved({self.names.of(source.segments)}, shift)"
            case bound.Later(start, source, unit):
                return f"{unit}_after({self.date_code(start)}, {self.names.of(source.segments)})"

    def _link_to_first(self, rule: str, target: Target) -> dict[str, str]:
        assert target.link is not None
        linked = next(one for one in self.mapping.every_rule() if one.name == rule)
        event, concept = self.lines.fresh("of"), self.lines.fresh("of")
        self.lines.add(f"{event} = of_{rule.replace('.', '_')}.get((), NULL)")
        nothing = "NULL" if target.columns[target.link[1]].nullable else "0"
        self.lines.add(f"{concept} = {nothing} if {event} is NULL else {linked.target.field_concept}")
        return {target.link[0]: f"{{{event}}}", target.link[1]: f"{{{concept}}}"}

    def episode_event(self, rule: bound.BoundRule, row: str) -> None:
        """The row as an event of its episode, when there is one."""
        episode = f"episode_{rule.episode}"
        with self.lines.block(f"if {episode} is not None:"):
            self._append(EPISODE_EVENT, [f"{{{episode}}}", f"{{{row}}}", str(rule.target.field_concept)])

    def _append(self, table: str, fields: list[str]) -> None:
        self.lines.add(f'add_{table}(f"' + "\\t".join(fields) + '\\n")')

    def _nullable(self, variable: str) -> str:
        return f"{{NULL if {variable} is None else {variable}}}"

    def _field(
        self,
        node: bound.Expression,
        table: str,
        column: str,
        length: int | None,
        number: int | None,
        known: set[str],
    ) -> str:
        """A column's value as a piece of the row's f-string; statements it needs go before the row."""
        if isinstance(node, bound.Constant):
            return _literal(str(node.value))
        slot = _Slot(column, length, number, "concept" if column.endswith("concept_id") else "text")
        value = self._value(node, slot)
        test = recorded(node, self.names)
        return f"{{{value}}}" if test is None or test in known else self._nullable(value)

    def _value(self, node: bound.Expression, slot: "_Slot") -> str:
        """A variable or literal that holds the expression's value; None when it says nothing."""
        match node:
            case bound.Constant(value):
                return repr(escape(value)) if isinstance(value, str) else repr(value)
            case bound.Raw(source):
                return self._raw(source, slot)
            case bound.Translate():
                return self._translate(node, slot)
            case bound.Template(parts):
                return self._template(parts, slot)
        name = self.lines.fresh("t")
        self.lines.add(f"{name} = None")
        self._choose(node, name, slot)
        return name

    def _choose(self, node: bound.Expression, name: str, slot: "_Slot") -> None:
        match node:
            case bound.Guarded(when, then):
                with self.lines.block(f"if {condition(when, self.names)}:"):
                    self._choose(then, name, slot)
            case bound.Alternatives(items):
                self._choose(items[0], name, slot)
                for item in items[1:]:
                    with self.lines.block(f"if {name} is None:"):
                        self._choose(item, name, slot)
            case _:
                self.lines.add(f"{name} = {self._value(node, slot)}")

    def _raw(self, source: bound.Source, slot: "_Slot") -> str:
        value = self.names.of(source.segments)
        if source.facts.types <= {"number", "integer"}:
            return value
        if source.facts.types == {"boolean"}:
            name = self.lines.fresh("t")
            self.lines.add(f"{name} = None if {value} is None else 'true' if {value} else 'false'")
            return name
        if source.facts.enum is not None and all(escape(str(one)) == one for one in source.facts.enum):
            return value
        name = self.lines.fresh("t")
        self.lines.add(f"{name} = {value} if {value} is None else {self._text(value, source, slot)}")
        return name

    def _text(self, value: str, source: bound.Source, slot: "_Slot") -> str:
        longest = source.facts.max_length
        if slot.length is None or (longest is not None and longest <= slot.length):
            return f"escape({value})"
        path = located(source.segments)
        return f"cut({value}, {slot.length}, {slot.column!r}, {slot.number}, {path}, problem)"

    def _translate(self, node: bound.Translate, slot: "_Slot") -> str:
        table = self._maps.setdefault(node.table, f"MAP_{node.name}_{len(self._maps) + 1}")
        value, name = self.names.of(node.source.segments), self.lines.fresh("t")
        self.lines.add(f"{name} = {table}.get({value})")
        if slot.kind == "concept" and not _complete(node):
            with self.lines.block(f"if not {name} and {value} is not None:"):
                self.lines.add(f"{name} = 0")
                reason = f"no concept for this value in '{node.name}'"
                path = located(node.source.segments)
                self.lines.add(f"problem({slot.number}, 'unmapped', {path}, {reason!r})")
        return name

    def _template(self, parts: tuple[str | bound.Source, ...], slot: "_Slot") -> str:
        sources = [part for part in parts if not isinstance(part, str)]
        safe = all(one.facts.enum or _numeric(one) for one in sources)
        pieces = [
            _literal(part, escaped=not safe) if isinstance(part, str) else f"{{{self._piece(part)}}}"
            for part in parts
        ]
        tests = dict.fromkeys(f"{self.names.of(one.segments)} is None" for one in sources)
        name = self.lines.fresh("t")
        self.lines.add(f'{name} = None if {" or ".join(tests)} else f"{"".join(pieces)}"')
        if not safe:
            path = located(sources[0].segments)
            encode = f"cut({name}, {slot.length}, {slot.column!r}, {slot.number}, {path}, problem)"
            self.lines.add(f"if {name} is not None: {name} = {encode if slot.length else f'escape({name})'}")
        return name

    def _piece(self, source: bound.Source) -> str:
        """A recorded value inside a template, not encoded yet."""
        value = self.names.of(source.segments)
        if source.facts.types != {"boolean"}:
            return value
        name = self.lines.fresh("t")
        self.lines.add(f"{name} = 'true' if {value} else 'false'")
        return name


@dataclass(frozen=True, slots=True)
class _Slot:
    column: str
    length: int | None
    number: int | None
    kind: Literal["concept", "text"]


def _numeric(source: bound.Source) -> bool:
    return source.facts.types <= {"number", "integer", "boolean"}


def _complete(node: bound.Translate) -> bool:
    """Whether every value that the schema allows has a concept: nothing is left to ask at run time."""
    table = dict(node.table)
    possible = (True, False) if node.source.facts.types == {"boolean"} else node.source.facts.enum
    return possible is not None and all(table.get(value) for value in possible)


def _dated(date: str, column: str) -> str:
    return f"{{{date}}} 00:00:00" if column.endswith("datetime") else f"{{{date}}}"


def _empty(target: Target, column: str) -> str:
    required = not target.columns[column].nullable
    return "0" if required and target.kind(column) == "concept" else _literal(NULL, escaped=True)


def _literal(text: str, *, escaped: bool = False) -> str:
    """Text as a literal part of a double-quoted f-string, in COPY's encoding."""
    encoded = text if escaped else escape(text)
    return encoded.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}")
