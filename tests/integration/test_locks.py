"""Locks that are asked for patiently: who is in the way is waited for, and never loses its transaction."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from omop_schema.locks import lock_patiently
from omop_schema.refusals import DatabaseBusy
from tests.faults import wait_until

_BOTH = "near, far IN ACCESS EXCLUSIVE MODE"
_DOWN = ("DROP VIEW seen",)


@pytest.fixture
def tables(lake: Engine) -> Iterator[Engine]:
    with lake.begin() as connection:
        connection.execute(text("CREATE TABLE near (); CREATE TABLE far (); CREATE VIEW seen AS TABLE near"))
    yield lake


def waits(engine: Engine, relation: str) -> bool:
    statement = text(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = to_regclass(:name) AND NOT granted)"
    )
    with engine.connect() as connection:
        return bool(connection.scalar(statement, {"name": relation}))


def holds(connection: Connection, relation: str) -> None:
    connection.execute(text(f"LOCK TABLE {relation} IN ACCESS SHARE MODE"))


def test_what_follows_shares_the_patience_and_costs_a_reader_nothing(tables: Engine) -> None:
    """A reader of the view waits for its table, which is locked, and the view is to go: one has to yield."""
    failures: list[BaseException] = []

    def read() -> None:
        try:
            with tables.begin() as connection:
                connection.execute(text("SELECT FROM seen"))
        except BaseException as error:
            failures.append(error)

    def let_go() -> None:
        with tables.begin() as connection:
            holds(connection, "far")
            held.set()
            wait_until(lambda: waits(tables, "far"))
            reader.start()
            wait_until(lambda: waits(tables, "near"))
            # Most of the patience is gone when the table is to be had, and the view is not.
            connection.execute(text("SELECT pg_sleep(0.5)"))

    held, reader, other = threading.Event(), threading.Thread(target=read), threading.Thread(target=let_go)
    other.start()
    assert held.wait(60)
    with tables.begin() as connection:
        lock_patiently(connection, _BOTH, "busy", then=lambda: _DOWN)
        assert connection.scalar(text("SELECT to_regclass('seen') IS NULL"))
    other.join(60)
    reader.join(60)
    assert failures == []


def test_what_was_done_is_undone_where_the_rest_is_not_to_be_had(tables: Engine) -> None:
    with tables.begin() as other, tables.begin() as connection:
        holds(other, "far")
        with pytest.raises(DatabaseBusy, match="somebody reads"):
            lock_patiently(
                connection,
                "near IN ACCESS EXCLUSIVE MODE",
                "somebody reads",
                2,
                lambda: (*_DOWN, "DROP TABLE far"),
            )
        holds(other, "near")
        assert connection.scalar(text("SELECT to_regclass('seen') IS NOT NULL"))
        assert connection.scalar(text("SHOW statement_timeout")) == "0"
