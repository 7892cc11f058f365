"""What a database that refuses is told to the user as: one error for each next step, and never a row's data.

psycopg2's own texts hold values (``DETAIL: Key (patient_id)=(...) already exists``), so nothing of a server's
message is passed on but the names of relations, columns and constraints.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class DatabaseError(Exception):
    """The database refused; the message says what, where and what next. (Raising sets fields: not frozen.)"""

    @property
    def message(self) -> str:
        """One line for people."""
        return str(self)


class DatabaseUnavailable(DatabaseError):
    """No connection can be had, or it was lost. Trying again later may do."""


class DatabaseUnsuitable(DatabaseError):
    """A server of the wrong version or encoding."""


class DatabaseFull(DatabaseError):
    """No disk space or memory is left on the server."""


class DatabaseReadOnly(DatabaseError):
    """The server or the session takes no writes."""


class DatabaseForbidden(DatabaseError):
    """The user lacks a right."""


class DatabaseNotInitialised(DatabaseError):
    """The tables are missing or old."""


class DatabaseBusy(DatabaseError):
    """Somebody else holds what is needed, or a statement took too long. Trying again later may do."""


_IN_USE = "all connections are in use; end some or raise max_connections, and try again"
_LOST = "the connection was lost; check that the server runs and try again"
_LOGIN = "the server refused the user; check the user and password in ONCOLAKE_DATABASE_URL"
_RESTING = "the server is starting or stopping; try again in a moment"

#: What each SQLSTATE means, with the next step. Two characters stand for a whole class.
_MEANINGS: dict[str, tuple[type[DatabaseError], str]] = {
    "08": (DatabaseUnavailable, _LOST),
    "28": (DatabaseUnavailable, _LOGIN),
    "3D000": (DatabaseUnavailable, "that database does not exist; create it with createdb"),
    "57P": (
        DatabaseUnavailable,
        "the server stops, starts or ended the connection; try again in a moment",
    ),
    "58": (DatabaseUnavailable, "the server cannot read or write its files; ask its administrator"),
    "XX001": (DatabaseUnavailable, "the server found damaged data; ask its administrator before going on"),
    "XX002": (DatabaseUnavailable, "the server found a damaged index; ask its administrator before going on"),
    "53300": (
        DatabaseUnavailable,
        _IN_USE,
    ),
    "53100": (DatabaseFull, "its disk is full; free some space and try again: nothing half done was kept"),
    "53": (DatabaseFull, "the server ran out of memory; give it more, or load less at once"),
    "25006": (
        DatabaseReadOnly,
        "it takes no writes; connect to the primary or unset default_transaction_read_only",
    ),
    "42501": (
        DatabaseForbidden,
        "the user may not do that; GRANT the right, or connect as the tables' owner",
    ),
    "42P01": (DatabaseNotInitialised, 'a table is missing; run "oncolake init"'),
    "3F000": (DatabaseNotInitialised, 'a schema is missing; run "oncolake init"'),
    "42703": (DatabaseNotInitialised, 'a column is missing, so the tables are old; run "oncolake init"'),
    "55P03": (DatabaseBusy, "a lock was not given in time; end what else is running on it, and try again"),
    "57014": (DatabaseBusy, "a statement was cancelled or took longer than statement_timeout; try again"),
    "40": (DatabaseBusy, "another transaction got in the way; try again"),
}

#: Codes whose message names a relation, column, schema or database of our own statements, and nothing else.
_NAMES_ONLY = {"42501", "42P01", "42703", "3F000", "3D000"}

#: The client library gives no SQLSTATE, only texts.
_SIGNS = {
    "password": _LOGIN,
    "authentication failed": _LOGIN,
    "role ": _LOGIN,
    "pg_hba.conf": "its pg_hba.conf does not admit this user from this machine; ask its administrator",
    "does not exist": "that database does not exist; create it, or correct ONCOLAKE_DATABASE_URL",
    "too many": _IN_USE,
    "connection slots": _IN_USE,
    "starting up": _RESTING,
    "shutting down": _RESTING,
    "recovery": _RESTING,
    "Connection refused": "no server listens there; start it, or correct ONCOLAKE_DATABASE_URL",
    "No such file": "no server listens on that socket; start it, or correct ONCOLAKE_DATABASE_URL",
    "Permission denied": "this account may not use that socket; use another account, or a TCP address",
    "translate host name": "that host name is unknown; correct ONCOLAKE_DATABASE_URL",
    "timeout expired": "no answer within the time allowed; check the network and the host's name and port",
    "No route": "the network has no way there; check the network and the host's name",
    "unreachable": "the network has no way there; check the network and the host's name",
    "SSL": "no encrypted connection could be made, or it was lost; check sslmode in ONCOLAKE_DATABASE_URL",
    "certificate": "the server's certificate was not accepted; check sslmode and sslrootcert",
    "server closed": _LOST,
    "terminating connection": _LOST,
    "connection already closed": _LOST,
    "cursor already closed": _LOST,
}


@contextmanager
def translated(where: str = "the database") -> Iterator[None]:
    """Turn what psycopg2 and SQLAlchemy raise into a DatabaseError. The one place that does.

    The original, whose text can hold row data, is not shown with it.
    """
    try:
        yield
    except PoolTimeout:
        raise DatabaseBusy(f"{where}: all connections of this program are in use; try again") from None
    except DBAPIError as error:
        original = error.orig
        raise translate(original if isinstance(original, psycopg2.Error) else None, where) from None
    except psycopg2.Error as error:
        raise translate(error, where) from None


def translate(error: psycopg2.Error | None, where: str = "the database") -> DatabaseError:
    """The error to raise in place of a driver's."""
    code = error.pgcode if error else None
    if error is None or code is None:
        return _without_code(error, where)
    for length in (5, 3, 2):
        if found := _MEANINGS.get(code[:length]):
            kind, meaning = found
            return kind(f"{where}: {meaning} ({_facts(error, code)})")
    facts = _facts(error, code)
    return DatabaseError(f"{where} refused a statement ({facts}); report this line as a fault of oncolake")


def _without_code(error: psycopg2.Error | None, where: str) -> DatabaseError:
    """An error that the client library made: it found no server, was refused at the login, or lost it."""
    said = str(error)
    if isinstance(error, psycopg2.ProgrammingError) and not said.startswith("invalid dsn"):
        return DatabaseError(f"{where}: the driver refused a call; report this line as a fault of oncolake")
    for sign, meaning in _SIGNS.items():
        if sign in said:
            return DatabaseUnavailable(f"{where}: {meaning}")
    # Only what stands in quotes can be a secret: the client library quotes the settings that it rejects.
    first_line = re.sub(r'"[^"]*"?', '"..."', said.strip().split("\n", maxsplit=1)[0])
    return DatabaseUnavailable(f"{where} cannot be reached ({first_line}); check ONCOLAKE_DATABASE_URL")


def _facts(error: psycopg2.Error, code: str) -> str:
    """SQLSTATE, its name and the names of things; of the message only where it holds nothing else."""
    found = error.diag
    things = {
        "table": ".".join(name for name in (found.schema_name, found.table_name) if name),
        "column": found.column_name,
        "constraint": found.constraint_name,
    }
    named = [f'{kind} "{name}"' for kind, name in things.items() if name]
    message = [found.message_primary] if code in _NAMES_ONLY and found.message_primary else []
    return ", ".join([f"{code} {_name(code)}", *message, *named])


def _name(code: str) -> str:
    try:
        return errors.lookup(code).__name__
    except KeyError:
        return "unknown to the driver"


class RowsRefused(Exception):
    """The rows of a batch break a constraint or do not fit their columns. The message holds no value."""


@contextmanager
def translated_rows(table: str) -> Iterator[None]:
    """Raise RowsRefused where the rows of ``table`` are at fault; errors of the database itself pass."""
    try:
        yield
    except (psycopg2.IntegrityError, psycopg2.DataError) as error:
        raise _rows_refused(table, error) from None
    except DBAPIError as error:
        if isinstance(error.orig, (psycopg2.IntegrityError, psycopg2.DataError)):
            raise _rows_refused(table, error.orig) from None
        raise


def _rows_refused(table: str, error: psycopg2.Error) -> RowsRefused:
    found = error.diag
    if found.constraint_name:
        why = f"they break constraint '{found.constraint_name}'"
    elif found.column_name:
        why = f"column '{found.column_name}' is empty"
    else:
        why = f"they do not fit its columns (SQLSTATE {error.pgcode})"
    return RowsRefused(f"table '{table}' refuses its rows: {why}")
