"""The database refuses rows: told by table and constraint, because the driver's own message holds values."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy.exc import DBAPIError


class Refused(Exception):
    """The rows of a batch break a constraint or do not fit their columns. The message holds no value."""


@contextmanager
def refusals(table: str) -> Iterator[None]:
    """Raise Refused where the rows of ``table`` are at fault; errors of the database itself pass."""
    try:
        yield
    except (psycopg2.IntegrityError, psycopg2.DataError) as error:
        raise _refused(table, error) from None
    except DBAPIError as error:
        if isinstance(error.orig, (psycopg2.IntegrityError, psycopg2.DataError)):
            raise _refused(table, error.orig) from None
        raise


def _refused(table: str, error: psycopg2.Error) -> Refused:
    found = error.diag
    if found.constraint_name:
        why = f"they break constraint '{found.constraint_name}'"
    elif found.column_name:
        why = f"column '{found.column_name}' is empty"
    else:
        why = f"they do not fit its columns (SQLSTATE {error.pgcode})"
    return Refused(f"table '{table}' refuses its rows: {why}")
