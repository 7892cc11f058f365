"""The database refuses rows: told by table and constraint, because the driver's own message holds values."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy.exc import DBAPIError


class Refused(Exception):
    """The database does not take the rows of a batch: a constraint or a column type is against it."""

    def __init__(self, table: str, constraint: str | None, code: str) -> None:
        self.table, self.constraint, self.code = table, constraint, code
        against = f"constraint '{constraint}'" if constraint else f"its columns (SQLSTATE {code})"
        super().__init__(f"table '{table}' refuses its rows: they break {against}")


@contextmanager
def refusals(table: str) -> Iterator[None]:
    """Raise Refused where the rows are at fault; errors of the database itself pass."""
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
    constraint = found.constraint_name or found.column_name
    return Refused(found.table_name or table, constraint, error.pgcode or "unknown")
