"""Fresh databases for benchmarks, and fingerprints of what they hold."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url

from etl.setup import initialise
from omop_schema import OMOP, metadata
from tests.conftest import engine_on, new_database


@contextmanager
def template(server_url: str) -> Iterator[str]:
    """The name of an initialised database to clone."""
    with new_database(server_url) as url:
        with engine_on(url) as engine:
            initialise(engine)
        yield str(make_url(url).database)


@contextmanager
def fresh(server_url: str, template: str) -> Iterator[Engine]:
    """An engine on a clone of the template, gone afterwards."""
    with new_database(server_url, template) as url, engine_on(url) as engine:
        yield engine


def fingerprint(connection: Connection, documents: str) -> str:
    """Row counts and the sum of the rows' hashes of every OMOP table that has rows, and of the documents."""
    tables = [(f"{OMOP}.{each.name}", "each") for each in metadata.sorted_tables if each.schema == OMOP]
    parts = []
    for table, value in [*tables, (documents, "each.document")]:
        statement = f"SELECT count(*), sum(hashtextextended(CAST({value} AS text), 0)) FROM {table} AS each"
        count, total = connection.execute(text(statement)).one()
        if count:
            name = "documents" if table == documents else table
            parts.append(f"{name} {count} {total}")
    connection.rollback()
    return "; ".join(parts)
