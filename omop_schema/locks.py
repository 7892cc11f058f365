"""Locks that keep everybody else waiting, asked for so that nobody waits long.

Whoever comes to a table that somebody waits to lock queues behind that wait: one forgotten transaction that
once read the table would stop all others. So a wait is given up after a moment, and asked for again.
"""

import time
from collections.abc import Callable, Iterable
from math import ceil

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from omop_schema.database import as_it_is
from omop_schema.refusals import DatabaseBusy

#: Seconds for which others may have to queue before the wait steps back and lets them pass.
_PATIENCE = 2.0
#: Seconds in which they do.
PAUSE = 1
#: Times that a lock is asked for.
ATTEMPTS = 60
_DEADLOCK, _CANCELLED = "40P01", "57014"

#: A wait that ends before the server looks for deadlocks costs no other transaction its life.
_DEADLOCKS = text("SELECT setting::integer / 1000.0 FROM pg_settings WHERE name = 'deadlock_timeout'")


def lock_patiently(
    connection: Connection,
    tables: str,
    busy: str,
    attempts: int = ATTEMPTS,
    then: Callable[[], Iterable[str]] = tuple,
) -> None:
    """Lock tables within the caller's transaction, stepping back as often as others would wait for long.

    ``tables`` is as LOCK TABLE takes them, with the mode. With them locked, ``then`` says which statements
    come next that wait for locks of their own; they are undone with the rest. Raises DatabaseBusy, which says
    ``busy``, when all of it is not to be had. What follows in the transaction may take its time: its
    statement_timeout is 0.
    """
    patience = min(_PATIENCE, 0.8 * float(connection.scalar(_DEADLOCKS)))
    for _ in range(attempts):
        start = time.monotonic()
        try:
            with connection.begin_nested():
                _run(connection, f"LOCK TABLE {tables}", start + patience)
                for statement in then():
                    _run(connection, statement, start + patience)
                connection.execute(text("SET LOCAL statement_timeout = 0"))
        except DBAPIError as error:
            code = getattr(error.orig, "pgcode", None)
            # Cancelled sooner, it was somebody else's wish.
            if code != _DEADLOCK and not (code == _CANCELLED and time.monotonic() - start >= patience):
                raise
            time.sleep(PAUSE)
        else:
            return
    raise DatabaseBusy(busy)


def _run(connection: Connection, statement: str, until: float) -> None:
    """Run a statement that may wait until then: what was waited for before keeps others waiting since."""
    left = max(1, ceil(1000 * (until - time.monotonic())))
    connection.execute(text(f"SET LOCAL statement_timeout = {left}"))
    connection.execute(as_it_is(statement))
