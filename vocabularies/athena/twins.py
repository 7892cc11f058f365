"""The vocabulary tables once more, in the schema where a new vocabulary is built.

Each twin gets the keys, indexes, foreign keys and comment of its table in ``omop`` under the same names, so
that swapping them is a change of schema and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Column, Connection, Dialect, Index, Integer, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, SetTableComment

from omop_schema import metadata
from vocabularies.athena.layout import TABLES

#: Where the new vocabulary stands until it is swapped in.
SCHEMA = "vocabulary_staging"
#: Table of the concepts of the CPT4 file, with a name or without; and of those that went on to ``concept``.
CPT4_TABLE, CPT4_ADDED = "cpt4", "cpt4_added"

_POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


def twins() -> Mapping[str, Table]:
    """The nine tables in ``SCHEMA``, by name, as ``omop`` declares them."""
    staging = MetaData(naming_convention=metadata.naming_convention)
    for table in TABLES:
        table.to_metadata(staging, schema=SCHEMA, referred_schema_fn=lambda *_: SCHEMA)
    return {table.name: table for table in staging.tables.values()}


def create_bare(
    connection: Connection, table: Table, *, name: str | None = None, optional: Iterable[str] = ()
) -> None:
    """Create the table with its columns and comment alone; those of ``optional`` take NULL for now."""
    columns = [
        Column(one.name, one.type, nullable=one.nullable or one.name in optional) for one in table.columns
    ]
    connection.execute(CreateTable(Table(name or table.name, MetaData(), *columns, schema=SCHEMA)))
    if name is None:
        connection.execute(SetTableComment(table))


def index_statements(table: Table) -> Iterator[tuple[str, str]]:
    """Name and statement of each index of the table: its key's first, then the longest to build."""
    key = table.primary_key
    if key.columns:
        columns = ", ".join(column.name for column in key.columns)
        yield str(key.name), f"CREATE UNIQUE INDEX {key.name} ON {SCHEMA}.{table.name} ({columns})"
    for index in sorted(table.indexes, key=_lightness):
        yield str(index.name), str(CreateIndex(index).compile(dialect=_POSTGRESQL))


def _lightness(index: Index) -> tuple[int, str]:
    """Sorts search before text, and text before numbers: each takes less than the one before."""
    numbers = [isinstance(column.type, Integer) for column in index.columns]
    return (len(numbers) > 0) + all(numbers), str(index.name)


def add_primary_key(connection: Connection, table: Table) -> None:
    """Make the primary key of its index, which must stand."""
    key = table.primary_key
    if key.columns:
        made = f"ADD CONSTRAINT {key.name} PRIMARY KEY USING INDEX {key.name}"
        connection.execute(text(f"ALTER TABLE {SCHEMA}.{table.name} {made}"))


def add_foreign_keys(connection: Connection, table: Table) -> None:
    """Add the foreign keys, for new rows only: the rows that are there wait for ``validate``."""
    for key in table.foreign_key_constraints:
        key.dialect_options["postgresql"]["not_valid"] = True
        connection.execute(AddConstraint(key))


def foreign_key_names(table: Table) -> list[str]:
    """The names of the table's foreign keys."""
    return sorted(str(key.name) for key in table.foreign_key_constraints)


def validate(connection: Connection, table: Table, key: str) -> None:
    """Check the rows against a foreign key. Raises IntegrityError when one has no partner."""
    connection.execute(text(f"ALTER TABLE {SCHEMA}.{table.name} VALIDATE CONSTRAINT {key}"))
