"""The floor of loading vocabularies: ``\\copy`` into bare tables, then keys, indexes, foreign keys."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from psycopg2.extensions import connection as Session
from sqlalchemy import Engine, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from omop_schema import OMOP, metadata
from tests.bundles import HEADERS

DIALECT = postgresql.dialect()
#: Bytes handed to the server at once; more makes no difference.
BLOCK = 1 << 16
#: As Athena's files ask for: no quoting, so a character that no name has.
FORMAT = "(FORMAT csv, HEADER, DELIMITER E'\\t', QUOTE E'\\b')"


class Step(NamedTuple):
    """One statement of the floor and what it belongs to."""

    part: str
    """``copy``, ``keys``, ``indexes`` or ``foreign keys``."""
    statement: str
    file: str | None = None


def tables() -> list[Table]:
    """The tables of a bundle's files, as ``omop`` declares them, to make statements of."""
    twin = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(twin)
    return [twin.tables[f"{OMOP}.{name.lower()}"] for name in HEADERS]


def bare(table: Table) -> str:
    """The statement that creates the table with its columns and nothing else."""
    columns = [column._copy() for column in table.columns]
    for column in columns:
        column.primary_key = False
    return _sql(
        CreateTable(Table(table.name, MetaData(), *columns, schema=OMOP), include_foreign_key_constraints=[])
    )


def steps() -> Iterator[Step]:
    """Everything after the bare tables stand, in its order."""
    found = tables()
    for name, table in zip(HEADERS, found, strict=True):
        yield Step("copy", f"COPY {table} ({', '.join(HEADERS[name])}) FROM STDIN {FORMAT}", f"{name}.csv")
    for table in found:
        if table.primary_key.columns:
            yield Step("keys", _sql(AddConstraint(table.primary_key)))
    for table in found:
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            yield Step("indexes", _sql(CreateIndex(index)))
    for table in found:
        for link in sorted(table.foreign_key_constraints, key=lambda one: str(one.name)):
            yield Step("foreign keys", _sql(AddConstraint(link)))


def load_floor(engine: Engine, folder: Path) -> tuple[dict[str, float], int]:
    """Load a folder's files into an empty database; seconds by part, and rows."""
    took: dict[str, float] = {}
    rows = 0
    with closing(engine.raw_connection()) as pooled:
        session: Session = pooled.driver_connection
        # As psql does: each statement is a transaction.
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {OMOP}")
            for table in tables():
                cursor.execute(bare(table))
            for step in steps():
                start = perf_counter()
                if step.file:
                    with (folder / step.file).open("rb") as file:
                        cursor.copy_expert(step.statement, file, BLOCK)
                    rows += cursor.rowcount
                else:
                    cursor.execute(step.statement)
                took[step.part] = took.get(step.part, 0) + perf_counter() - start
    return took, rows


def _sql(element: object) -> str:
    return str(element.compile(dialect=DIALECT))
