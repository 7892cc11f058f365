"""The connections of a load: one load at a time, and nothing goes on long after its program was killed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

#: Key of the advisory lock that a load holds: "vocab" in ASCII.
_LOCK = 0x766F636162

_SETTINGS = (
    "SET application_name = 'oncolake vocab load'",
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET idle_session_timeout = 0",
    # A server that stops loses the staged tables in any case; the swap waits for the disk.
    "SET synchronous_commit = off",
)
#: Ends a statement soon after its client was killed, where the server's system can tell.
_NOTICE_THE_END = "SET client_connection_check_interval = '1s'"

_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_HOLDER = text("""
    SELECT pid, to_char(backend_start, 'YYYY-MM-DD HH24:MI') FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND datname = current_database() AND database = datid
      AND (classid::bigint << 32) + objid::bigint = :key
""")


class LoadRunning(Exception):
    """Another load is under way; the message says since when."""


@contextmanager
def only_load(engine: Engine) -> Iterator[Connection]:
    """Let no other load begin while the context lasts. Raises LoadRunning when there is one already.

    Yields the connection that keeps the others out: where it is lost, another load may have begun.
    """
    with connect(engine) as connection:
        with connection.begin():
            if not connection.scalar(_TRY_LOCK, {"key": _LOCK}):
                pid, since = connection.execute(_HOLDER, {"key": _LOCK}).first() or ("?", "a moment ago")
                raise LoadRunning(
                    f"another vocabulary load has been running since {since} (server process {pid}); wait "
                    "for it, or end it and try again"
                )
        # The lock goes with the connection.
        yield connection


def connect(engine: Engine) -> Connection:
    """A connection of its own, not one of the pool's, with a load's settings."""
    connection = engine.connect()
    connection.detach()
    for setting in _SETTINGS:
        connection.execute(text(setting))
    try:
        with connection.begin_nested():
            connection.execute(text(_NOTICE_THE_END))
    except DBAPIError:
        pass
    connection.commit()
    return connection
