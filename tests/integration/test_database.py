"""Connecting, copying, and what the database's refusals are told to the user as."""

import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from omop_schema.database import (
    SETTING,
    DatabaseBusy,
    DatabaseError,
    DatabaseForbidden,
    DatabaseNotInitialised,
    DatabaseReadOnly,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    copy,
    describe,
    open_engine,
    translated,
)
from omop_schema.embedded import Server
from omop_schema.embedded.postmaster import free_port

VALUE = "Musterfrau"
CREATE = "CREATE TABLE t ()"


@pytest.fixture
def table(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text('CREATE SCHEMA "Odd"'))
        connection.execute(
            text('CREATE TABLE "Odd"."Table" (id int PRIMARY KEY, "a b" text, CHECK (id < 1000000))')
        )
    return engine


def test_the_engine_opens_on_the_named_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, database_url)
    with open_engine() as engine, engine.connect() as connection:
        assert connection.scalar(text("SELECT current_database()")) == make_url(database_url).database
        assert connection.scalar(text("SHOW application_name")) == "oncolake"
        assert connection.scalar(text("SHOW client_encoding")) == "UTF8"


def test_a_refused_connection_says_where_and_what_next(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://ada:geheim@127.0.0.1:{free_port()}/lake"
    monkeypatch.setenv(SETTING, url)
    with pytest.raises(DatabaseUnavailable) as caught, open_engine():
        pass
    assert caught.value.message == (
        f"{describe(url)}: no server listens there; start it, or correct ONCOLAKE_DATABASE_URL"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": "no-such-host.invalid"}, "that host name is unknown"),
        ({"query": {"host": "/no/such/folder"}}, "no server listens on that socket"),
        ({"host": "127.0.0.1", "query": {"sslmode": "geheim"}}, "invalid sslmode value"),
        ({"host": "127.0.0.1", "query": {"bogus": "geheim"}}, "invalid connection option"),
    ],
)
def test_what_the_client_library_refuses_is_said_without_its_settings(
    change: dict, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url("postgresql://ada:geheim@/lake").set(**change).render_as_string(hide_password=False)
    monkeypatch.setenv(SETTING, url)
    with pytest.raises(DatabaseUnavailable, match=said) as caught, open_engine():
        pass
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_database_is_named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = make_url(database_url).set(database="no_such_database")
    monkeypatch.setenv(SETTING, gone.render_as_string(hide_password=False))
    with pytest.raises(DatabaseUnavailable, match=r'"no_such_database".*does not exist'), open_engine():
        pass


def test_a_database_of_another_encoding_is_refused(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{make_url(database_url).database}_ascii"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text(
                f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C' "
                "LOCALE_PROVIDER libc"
            )
        )
        monkeypatch.setenv(SETTING, make_url(database_url).set(database=name).render_as_string(False))
        try:
            with pytest.raises(DatabaseUnsuitable, match="SQL_ASCII"), open_engine():
                pass
        finally:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_server_that_is_too_old_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, database_url)
    monkeypatch.setattr("omop_schema.database.OLDEST_VERSION", 99)
    with pytest.raises(DatabaseUnsuitable, match=r"is PostgreSQL \d\d, and oncolake needs 99"), open_engine():
        pass


@pytest.mark.parametrize(
    ("statements", "kind", "said"),
    [
        (["SELECT * FROM omop.person"], DatabaseNotInitialised, 'relation "omop.person" does not exist'),
        (["CREATE TABLE omop.person ()"], DatabaseNotInitialised, 'run "oncolake init"'),
        (["SELECT no_such FROM pg_class"], DatabaseNotInitialised, "no_such"),
        (
            ["SET default_transaction_read_only = on", "COMMIT", "CREATE TABLE t ()"],
            DatabaseReadOnly,
            "no writes",
        ),
        (
            ["CREATE ROLE {role}", "SET ROLE {role}", "CREATE TABLE pg_catalog.t ()"],
            DatabaseForbidden,
            "GRANT",
        ),
        (["SET statement_timeout = 50", "SELECT pg_sleep(30)"], DatabaseBusy, "statement_timeout"),
        (["SELECT 1 / 0"], DatabaseError, "22012 DivisionByZero"),
    ],
)
def test_a_refusal_has_a_class_and_a_next_step(
    engine: Engine, statements: list[str], kind: type[DatabaseError], said: str
) -> None:
    role = f"oncolake_test_{make_url(str(engine.url)).database}"[:60]
    with engine.connect() as connection:
        for statement in statements[:-1]:
            connection.execute(text(statement.format(role=role)))
        with pytest.raises(DatabaseError) as caught, translated(describe(engine.url)):
            connection.execute(text(statements[-1].format(role=role)))
        connection.rollback()
    assert type(caught.value) is kind
    assert said in caught.value.message
    assert describe(engine.url) in caught.value.message


def test_a_lock_not_given_in_time_is_busy(table: Engine) -> None:
    with table.connect() as holder, table.connect() as waiter:
        holder.execute(text('LOCK TABLE "Odd"."Table"'))
        waiter.execute(text("SET lock_timeout = 50"))
        with pytest.raises(DatabaseBusy, match="a lock was not given in time"), translated():
            waiter.execute(text('SELECT * FROM "Odd"."Table"'))


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO \"Odd\".\"Table\" VALUES (1, '{0}'), (1, '{0}')",
        "SELECT CAST('{0}' AS int)",
        'INSERT INTO "Odd"."Table" VALUES (9999999, \'{0}\')',
    ],
)
def test_no_row_data_is_shown_whatever_was_refused(table: Engine, insert: str) -> None:
    with pytest.raises(DatabaseError) as caught, translated(), table.begin() as connection:
        connection.exec_driver_sql(insert.format(VALUE))
    shown = "".join(traceback.format_exception(caught.value))
    assert VALUE not in shown
    assert "9999999" not in caught.value.message


def test_a_connection_that_the_server_ends_is_said_to_be_lost(engine: Engine) -> None:
    with engine.connect() as victim, engine.connect() as other:
        pid = victim.scalar(text("SELECT pg_backend_pid()"))
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DatabaseUnavailable) as caught, translated():
            victim.execute(text("SELECT 1"))
    assert "try again" in caught.value.message


def test_a_connection_lost_amid_a_copy_is_said_to_be_lost(table: Engine) -> None:
    def lines(pid: int) -> Iterator[str]:
        yield "1\tx\n"
        with table.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        for number in range(2, 900_000):
            yield f"{number}\tx\n"

    with pytest.raises(DatabaseUnavailable), translated(), table.begin() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        copy(connection, "Odd.Table", ["id", "a b"], lines(pid))


def test_copy_takes_every_line_once_and_in_any_script(table: Engine) -> None:
    values = [f"{'Größe 前立腺 😀' * (number % 50)}{number}" for number in range(20_000)]
    with table.begin() as connection:
        rows = (f"{number}\t{value}\n" for number, value in enumerate(values))
        assert copy(connection, "Odd.Table", ["id", "a b"], rows) == len(values)
        stored = connection.execute(text('SELECT "a b" FROM "Odd"."Table" ORDER BY id')).scalars().all()
    assert stored == values


def test_copy_takes_one_line_larger_than_its_chunks_and_no_lines_at_all(table: Engine) -> None:
    with table.begin() as connection:
        assert copy(connection, "Odd.Table", ["id", "a b"], []) == 0
        assert copy(connection, "Odd.Table", ["id", "a b"], [f"1\t{'é' * 3_000_000}\n", "2\t\\N\n"]) == 2
        found = connection.execute(text('SELECT id, length("a b") FROM "Odd"."Table" ORDER BY id')).all()
    assert [tuple(row) for row in found] == [(1, 3_000_000), (2, None)]


def test_an_error_of_the_lines_comes_back_as_it_is_and_nothing_is_kept(table: Engine) -> None:
    def lines() -> Iterator[str]:
        yield "1\tx\n"
        raise LookupError(VALUE)

    with pytest.raises(LookupError, match=VALUE), translated(), table.begin() as connection:
        copy(connection, "Odd.Table", ["id", "a b"], lines())
    with table.connect() as connection:
        assert connection.scalar(text('SELECT count(*) FROM "Odd"."Table"')) == 0


def test_copy_of_a_bad_line_tells_the_table_and_no_value(table: Engine) -> None:
    with pytest.raises(DatabaseError) as caught, translated(), table.begin() as connection:
        copy(connection, "Odd.Table", ["id", "a b"], [f"{VALUE}\tx\n"])
    assert "22P02" in caught.value.message
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_the_embedded_database_opens_without_any_setting(home: Path) -> None:
    with open_engine() as engine, engine.begin() as connection:
        assert connection.scalar(text("SELECT current_database()")) == "oncolake"
        connection.execute(text("CREATE TABLE kept (id int)"))
    with open_engine() as engine, engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM kept")) == 0
        assert connection.scalar(text("SELECT lower('ÄÖÜ')")) == "äöü"


def test_a_wrong_password_is_not_repeated(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(home).attached(tcp=True) as server:
        url = make_url(server.tcp_url())
        psycopg2.connect(server.tcp_url()).close()
        monkeypatch.setenv(SETTING, url.set(password="geheim").render_as_string(False))
        with pytest.raises(DatabaseUnavailable, match="refused the user") as caught, open_engine():
            pass
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


def test_threads_share_an_engine(engine: Engine) -> None:
    found: list[int] = []

    def ask() -> None:
        with engine.connect() as connection:
            found.append(connection.scalar(text("SELECT 1")))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 4
