"""What tests of interrupted vocabulary loads share: a picture of the vocabulary, loads in other processes."""

import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from omop_schema.database import make_engine
from tests.conftest import engine_on, new_database
from vocabularies.athena.layout import TABLES
from vocabularies.athena.load import Quiet, Watcher, load
from vocabularies.athena.session import LoadRunning

Picture = dict[str, list[tuple[Any, ...]]]

_CATALOGUE = {
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, convalidated, condeferrable, condeferred,
               pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'omop'::regnamespace
    """,
    "indexes": """
        SELECT pg_get_indexdef(indexrelid), indisvalid, indisready, indislive FROM pg_index
        JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'omop'::regnamespace
    """,
    "columns": """
        SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'omop'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
    """,
    "comments": """
        SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
        WHERE relnamespace = 'omop'::regnamespace AND relkind = 'r'
    """,
    "source": "SELECT vocabulary_version FROM omop.cdm_source",
}
_ROWS = """
    SELECT count(*), md5(string_agg(held::text, E'\\n' ORDER BY held::text COLLATE "C")) FROM omop.{} AS held
"""

_RUNNING = text("""
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'oncolake vocab load'
                   AND datname = current_database() AND state <> 'idle')
""")

_WAITS = text("""
    SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted
                   AND relation = to_regclass('omop.' || :table))
""")


def picture(engine: Engine) -> Picture:
    """All that a load changes or could spoil: the nine tables' rows, and every constraint and index.

    A load that was killed may be about to commit: that is waited for.
    """
    wait_until(lambda: not _loading(engine), seconds=3)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        found = {
            name: sorted(map(tuple, connection.execute(text(sql))), key=repr)
            for name, sql in _CATALOGUE.items()
        }
        for name in (table.name for table in TABLES):
            found[name] = [tuple(row) for row in connection.execute(text(_ROWS.format(name)))]
    assert all(validated for _, _, _, validated, *_ in found["constraints"])
    assert all(valid and ready and live for _, valid, ready, live in found["indexes"])
    return found


def _sorted(rows: Iterable[Any]) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, rows), key=repr)


def _loading(engine: Engine) -> bool:
    """Whether a statement of a load runs."""
    with engine.connect() as connection:
        return bool(connection.scalar(_RUNNING))


def nothing_staged(engine: Engine) -> bool:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT to_regnamespace('vocabulary_staging')")) is None


def load_when_free(engine: Engine, path: Path, seconds: float = 3) -> None:
    """Load as soon as the server has noticed that the load before was killed."""
    limit = time.monotonic() + seconds
    while True:
        try:
            assert load(engine, path).loaded
        except LoadRunning:
            assert time.monotonic() < limit, "the server still takes a killed load for a running one"
            time.sleep(0.1)
        else:
            return


def child(url: str, path: Path, watcher: Watcher | None = None) -> int:
    """Start a load in a process of its own; returns its id."""
    if process := os.fork():
        return process
    try:
        load(make_engine(url), path, watcher=watcher)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(3)


def killed(process: int) -> bool:
    """Wait for a process that SIGKILL was sent to: whether it was not done before."""
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


class At(Quiet):
    """Does something once a load has come so far."""

    def __init__(self, act: Callable[[], None], phase: str, number: int = 0) -> None:
        """``phase`` is a file, with the bytes read of it, or a phase, with the steps done."""
        self._act, self._phase, self._number, self._acted = act, phase, number, False

    def reading(self, file: str, done: int, size: int, rows: int) -> None:
        self._reached(file, done)

    def step(self, phase: str, done: int, total: int) -> None:
        self._reached(phase, done)

    def _reached(self, phase: str, number: int) -> None:
        if phase == self._phase and number >= self._number and not self._acted:
            self._acted = True
            self._act()


@contextmanager
def clone(server_url: str, template: str) -> Iterator[tuple[str, Engine]]:
    """A database of its own like the template."""
    with new_database(server_url, template) as url, engine_on(url) as engine:
        yield url, engine


@contextmanager
def reading(engine: Engine, table: str = "concept") -> Iterator[None]:
    """A transaction that has read a table and goes on."""
    with engine.connect() as connection:
        connection.execute(text(f"SELECT count(*) FROM omop.{table}"))
        yield


def wait_until(happened: Callable[[], bool], seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < limit
        time.sleep(0.02)


def waits_in_swap(engine: Engine, table: str = "concept") -> bool:
    """Whether a load asks for the lock under which the tables are exchanged, and waits for this one."""
    with engine.connect() as connection:
        return bool(connection.scalar(_WAITS, {"table": table}))


def disturb(engine: Engine, statement: str, action: str) -> None:
    """Make the server do something, in PL/pgSQL, before each command whose text has ``statement``.

    ``COPY name`` stands for each row that is copied into a staged table.
    """
    with engine.begin() as connection:
        if statement.startswith("COPY "):
            connection.execute(
                text(_DISTURB_ROWS.format(table=statement.removeprefix("COPY "), action=action))
            )
        else:
            connection.execute(text(_DISTURB.format(statement=statement, action=action)))


def undisturbed(engine: Engine) -> None:
    """Take that back."""
    with engine.begin() as connection:
        connection.execute(text("DROP EVENT TRIGGER disturb"))


_DISTURB = """
    CREATE FUNCTION public.disturb() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF strpos(current_query(), '{statement}') > 0 THEN {action}; END IF;
    END $$;
    CREATE EVENT TRIGGER disturb ON ddl_command_start EXECUTE FUNCTION public.disturb();
"""
_DISTURB_ROWS = """
    CREATE FUNCTION public.disturb_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        {action}; RETURN NEW;
    END $$;
    CREATE FUNCTION public.disturb() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF strpos(current_query(), 'CREATE TABLE vocabulary_staging.{table} ') > 0 THEN
            CREATE TRIGGER disturb BEFORE INSERT ON vocabulary_staging.{table}
            FOR EACH ROW EXECUTE FUNCTION public.disturb_row();
        END IF;
    END $$;
    CREATE EVENT TRIGGER disturb ON ddl_command_end WHEN tag IN ('CREATE TABLE')
    EXECUTE FUNCTION public.disturb();
"""


@contextmanager
def ended_within(seconds: float) -> Iterator[None]:
    """Fail when it takes longer."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds
