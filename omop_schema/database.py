"""How the program finds its database, and how the database's refusals are put into words.

``ONCOLAKE_DATABASE_URL`` names a PostgreSQL server; without it the embedded one is used. Nothing else asks
which of the two it is.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Session
from sqlalchemy import Connection, Engine, Table, TextClause, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from omop_schema.embedded import Server, ServerError, default_home
from omop_schema.refusals import (
    DatabaseBusy,
    DatabaseError,
    DatabaseForbidden,
    DatabaseFull,
    DatabaseNotInitialised,
    DatabaseReadOnly,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    translated,
)

__all__ = [
    "DatabaseBusy",
    "DatabaseError",
    "DatabaseForbidden",
    "DatabaseFull",
    "DatabaseNotInitialised",
    "DatabaseReadOnly",
    "DatabaseUnavailable",
    "DatabaseUnsuitable",
    "as_it_is",
    "copy",
    "describe",
    "make_engine",
    "open_engine",
    "translated",
]

SETTING = "ONCOLAKE_DATABASE_URL"
OLDEST_VERSION = 15
#: Characters handed to the server at once.
CHUNK = 256 * 1024
#: For the client library, where the address says nothing. A cut network tells nobody: hence the probes.
_DEFAULTS = {
    "application_name": "oncolake",
    "connect_timeout": "10",
    "client_encoding": "utf8",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
_NONE: Mapping[str, str] = {}
_FORM = '"postgresql://user:password@host:5432/database"'
_DRIVERS = ("postgresql", "postgres", "postgresql+psycopg2")


@contextmanager
def open_engine(keep: bool = False) -> Iterator[Engine]:
    """The engine on the database that ONCOLAKE_DATABASE_URL names, else on the embedded server.

    ``keep`` leaves the embedded server running afterwards. Raises DatabaseUnavailable when there is no
    connection to be had, DatabaseUnsuitable when the server is too old or not in UTF-8.
    """
    with database_url(keep) as url:
        engine = make_engine(url)
        try:
            with translated(describe(url)):
                _check(engine, describe(url))
            yield engine
        finally:
            engine.dispose()


@contextmanager
def database_url(keep: bool = False, tcp: bool = False) -> Iterator[str]:
    """The database's address, good while the context lasts, or until ``Server.stop`` with ``keep``.

    ``tcp`` asks the embedded server for an address over TCP, with a password.
    """
    if named := os.environ.get(SETTING, "").strip():
        yield parse(named).set(drivername="postgresql").render_as_string(hide_password=False)
        return
    with _embedded(keep, tcp) as server:
        yield server.tcp_url() if tcp else server.url()


@contextmanager
def _embedded(keep: bool, tcp: bool) -> Iterator[Server]:
    try:
        with Server(default_home()).attached(keep, tcp) as server:
            yield server
    except ServerError as error:
        raise DatabaseUnavailable(str(error)) from error


def parse(url: str) -> URL:
    """Read a database address. Raises DatabaseUnavailable, which never repeats it: it may hold a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnavailable(f"{SETTING} is not a database address; write it as {_FORM}") from None
    if parsed.drivername not in _DRIVERS:
        raise DatabaseUnavailable(f"{SETTING} does not begin with postgresql://; write it as {_FORM}")
    if "@" in f"{parsed.host}{parsed.database}":
        raise DatabaseUnavailable(
            f"{SETTING} holds more than one @; write it as {_FORM}, with @, :, / and % of the password as "
            "%40, %3A, %2F and %25"
        )
    return parsed.set(drivername="postgresql+psycopg2")


def describe(url: str | URL) -> str:
    """A database's address for people, without its password: ``database "x" on host:5432 as "user"``."""
    parsed = url if isinstance(url, URL) else parse(url)
    named = {key: value if isinstance(value, str) else ",".join(value) for key, value in parsed.query.items()}
    host = parsed.host or named.get("host", "localhost")
    port = parsed.port or named.get("port", "5432")
    user = f' as "{parsed.username}"' if parsed.username else ""
    return f'database "{parsed.database or ""}" on {host}:{port}{user}'


def make_engine(
    url: str | URL, defaults: Mapping[str, str] = _NONE, session: Mapping[str, str] = _NONE, **pool: Any
) -> Engine:
    """An engine whose errors hold no parameters; it connects when first used.

    A connection is given up after 10 seconds, and one whose peer is silent after about a minute. ``defaults``
    are more of the client library's settings, ``session`` PostgreSQL's own for every connection, ``pool``
    SQLAlchemy's of the pool. What the address says of the first comes before what is said here.
    """
    parsed = url if isinstance(url, URL) else parse(url)
    query = {**_DEFAULTS, **defaults, **parsed.query}
    engine = create_engine(parsed.update_query_dict(query), hide_parameters=True, **pool)
    if session:
        _set_on_connect(engine, session)
    return engine


def _set_on_connect(engine: Engine, session: Mapping[str, str]) -> None:
    def set_all(driver: Session, _: object) -> None:
        with driver.cursor() as cursor:
            for name, value in session.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        driver.commit()

    event.listen(engine, "connect", set_all)


def _check(engine: Engine, where: str) -> None:
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        version, encoding = driver.server_version, driver.get_parameter_status("server_encoding")  # type: ignore[union-attr]
    if version < OLDEST_VERSION * 10000:
        raise DatabaseUnsuitable(
            f"{where} is PostgreSQL {version // 10000}, and oncolake needs {OLDEST_VERSION} or newer; set "
            f"{SETTING} to a newer server"
        )
    if encoding != "UTF8":
        raise DatabaseUnsuitable(
            f"{where} is encoded in {encoding}; create a database with TEMPLATE template0 ENCODING 'UTF8'"
        )


def as_it_is(statement: str) -> TextClause:
    """A statement that holds names or texts of others, in which a colon is no sign for a parameter."""
    return text(statement.replace(":", r"\:"))


def copy(connection: Connection, table: Table | str, columns: Sequence[str], lines: Iterable[str]) -> int:
    """COPY encoded lines into a table, in the connection's transaction; returns how many rows it took.

    Each line is a row in COPY's text format, newline included; ``table`` may be ``schema.name`` or ``name``.
    What the iterable raises is raised here, and nothing of it reaches the server or its log.
    """
    parts = (table.schema, table.name) if isinstance(table, Table) else table.split(".")
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(*[part for part in parts if part]), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    source = _Lines(lines)
    # Closing the cursor of a connection that was lost would hide the reason.
    with nullcontext(connection.connection.cursor()) as cursor:
        try:
            cursor.copy_expert(command, source, CHUNK)
        except BaseException:
            if source.failure:
                raise source.failure from None
            raise
        return int(cursor.rowcount)


class _Stopped(Exception):
    """Tells the driver, and through it the server, that the lines ended early: without a word of why."""


class _Lines:
    """An iterable of lines as the file that COPY reads."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.failure: BaseException | None = None

    def read(self, size: int) -> str:
        """Whole lines of at least ``size`` characters, which the driver permits; empty at the end."""
        parts: list[str] = []
        held = 0
        try:
            for line in self._lines:
                parts.append(line)
                held += len(line)
                if held >= size:
                    break
        except BaseException as error:
            self.failure = error
            raise _Stopped from None
        return "".join(parts)
