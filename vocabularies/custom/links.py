"""Adding links of custom concepts: relationships, synonyms and ancestors, in the columns of their tables."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, Table, text

from omop_schema import vocabulary as tables
from omop_schema.copy_text import line as copy_line
from omop_schema.database import copy
from vocabularies.athena.layout import Cell, cells
from vocabularies.concepts import FIRST_CUSTOM_ID
from vocabularies.text_table import Line, Problem, TextTable

#: What can be added besides concepts.
TABLES = (tables.concept_relationship, tables.concept_synonym, tables.concept_ancestor)
Value = str | int | date | None


class Linked(NamedTuple):
    """What became of the links that were given."""

    what: str
    read: int
    added: int
    changed: int
    kept: int
    removed: int
    reverse: int
    """Reverse relationships that the file left out, written with those that it has."""


class _Kind(NamedTuple):
    """How one table takes its rows."""

    plural: str
    key: tuple[str, ...]
    custom: tuple[str, ...]
    """The columns of which one must name a custom concept."""


_KINDS: Mapping[str, _Kind] = {
    "concept_relationship": _Kind(
        "relationships", ("concept_id_1", "concept_id_2", "relationship_id"), ("concept_id_1", "concept_id_2")
    ),
    "concept_synonym": _Kind(
        "synonyms", ("concept_id", "concept_synonym_name", "language_concept_id"), ("concept_id",)
    ),
    "concept_ancestor": _Kind(
        "ancestors",
        ("ancestor_concept_id", "descendant_concept_id"),
        ("ancestor_concept_id", "descendant_concept_id"),
    ),
}
_UNKNOWN_CONCEPTS = """
    SELECT line, format('concept %s is not in the vocabulary', named)
      FROM given_link CROSS JOIN LATERAL (VALUES {values}) AS each (named)
     WHERE NOT EXISTS (SELECT FROM omop.concept WHERE concept_id = named)
"""
_UNKNOWN_RELATIONSHIPS = text("""
    SELECT line, format('relationship ''%s'' is not in the vocabulary', relationship_id)
      FROM given_link WHERE NOT EXISTS (
           SELECT FROM omop.relationship WHERE relationship.relationship_id = given_link.relationship_id)
""")
_REVERSE = text("""
    INSERT INTO given_link
    SELECT DISTINCT ON (concept_id_2, concept_id_1, reverse_relationship_id)
           concept_id_2, concept_id_1, reverse_relationship_id, valid_start_date, valid_end_date,
           invalid_reason, 0
      FROM given_link JOIN omop.relationship USING (relationship_id)
     WHERE NOT EXISTS (
           SELECT FROM given_link AS other
            WHERE (other.concept_id_1, other.concept_id_2, other.relationship_id)
                = (given_link.concept_id_2, given_link.concept_id_1, reverse_relationship_id))
""")


def table_of(header: tuple[str, ...]) -> Table | None:
    """The table whose columns these are, in any order."""
    return next((table for table in TABLES if set(cells(table)) == set(header)), None)


def add_links(connection: Connection, table: TextTable) -> Linked:
    """Add the rows of the file, and the reverse of each relationship, which OMOP always keeps beside it.

    What is wrong goes to the file's problems; then nothing has been written and the counts mean nothing.
    """
    target = table_of(table.header)
    assert target is not None
    kind = _KINDS[target.name]
    rows = list(_unique(_rows(table, target, kind), kind))
    nothing = Linked(kind.plural, len(rows), 0, 0, 0, 0, 0)
    if table.problems:
        return nothing
    _stage(connection, target, rows)
    table.problems.extend(_unknown(connection, target))
    if table.problems:
        return nothing
    if target is tables.concept_relationship:
        connection.execute(_REVERSE)
    return _write(connection, target, kind, len(rows))


def _rows(table: TextTable, target: Table, kind: _Kind) -> Iterator[tuple[Line, dict[str, Value]]]:
    columns = cells(target)
    for line in table.lines():
        row = {name: _value(line, cell) for name, cell in columns.items()}
        if not any(int(str(row[name])) >= FIRST_CUSTOM_ID for name in kind.custom):
            named = " or ".join(f"'{name}'" for name in kind.custom)
            line.report(f"{named} must name a custom concept, from {FIRST_CUSTOM_ID}: the rest is Athena's")
        yield line, row


def _value(line: Line, cell: Cell) -> Value:
    if cell.kind == "integer":
        return line.id(cell.name)
    if cell.kind == "date":
        return line.day(cell.name)
    if cell.name == "invalid_reason":
        return line.one_of(cell.name, ("", "D", "U"))
    return line.text(cell.name, cell.width or 0, required=cell.required) or None


def _unique(
    rows: Iterable[tuple[Line, dict[str, Value]]], kind: _Kind
) -> Iterator[tuple[int, dict[str, Value]]]:
    seen: dict[tuple[Value, ...], int] = {}
    for line, row in rows:
        first = seen.setdefault(tuple(row[name] for name in kind.key), line.number)
        if first != line.number:
            line.report(f"this row is on line {first} already")
        yield line.number, row


def _stage(connection: Connection, target: Table, rows: Iterable[tuple[int, dict[str, Value]]]) -> None:
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE given_link ON COMMIT DROP AS"  # noqa: S608 - a name of our own
            f" SELECT held.*, 0 AS line FROM omop.{target.name} AS held WITH NO DATA"
        )
    )
    lines = (copy_line(*row.values(), number) for number, row in rows)
    copy(connection, "given_link", [*cells(target), "line"], lines)


def _unknown(connection: Connection, target: Table) -> list[Problem]:
    named = ", ".join(f"({name})" for name in cells(target) if "concept_id" in name)
    found = list(connection.execute(text(_UNKNOWN_CONCEPTS.format(values=named))))
    if target is tables.concept_relationship:
        found += connection.execute(_UNKNOWN_RELATIONSHIPS)
    return [Problem(line, message) for line, message in found]


def _write(connection: Connection, target: Table, kind: _Kind, read: int) -> Linked:
    """Insert what is not there, update what differs, and count both apart for the file's own rows."""
    names = list(cells(target))
    others = [name for name in names if name not in kind.key]
    same = " AND ".join(f"held.{name} = given.{name}" for name in kind.key)
    updated, reverse_updated = 0, 0
    if others:
        sets = ", ".join(f"{name} = given.{name}" for name in others)
        ours, theirs = (", ".join(f"{of}.{name}" for name in others) for of in ("held", "given"))
        statement = (
            f"UPDATE omop.{target.name} AS held SET {sets} FROM given_link AS given"  # noqa: S608
            f" WHERE {same} AND ROW({ours}) IS DISTINCT FROM ROW({theirs}) RETURNING given.line"
        )
        lines = connection.scalars(text(statement)).all()
        updated, reverse_updated = sum(map(bool, lines)), lines.count(0)
    columns = ", ".join(names)
    statement = (
        "WITH missing AS (SELECT * FROM given_link AS given WHERE NOT EXISTS"  # noqa: S608
        f" (SELECT FROM omop.{target.name} AS held WHERE {same})),"
        f" written AS (INSERT INTO omop.{target.name} ({columns}) SELECT {columns} FROM missing)"
        " SELECT count(*) FILTER (WHERE line > 0), count(*) FILTER (WHERE line = 0) FROM missing"
    )
    added, reverse_added = connection.execute(text(statement)).one()
    connection.execute(text("DROP TABLE given_link"))
    kept = read - added - updated
    return Linked(kind.plural, read, added, updated, kept, 0, reverse_added + reverse_updated)
