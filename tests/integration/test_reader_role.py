"""The reader's role: it reads every table but those of the lake, and writes nothing."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from etl.reader_role import CREATE, GRANTS, LISTED, READER, make_reader
from omop_schema import LAKE, OMOP, RESULTS, metadata
from omop_schema.database import make_engine
from tests.bundles import small, write
from tests.conftest import engine_on
from tests.functional.conftest import Run, run  # noqa: F401
from vocabularies.athena.load import load as load_bundle


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def user(lake: Engine) -> Iterator[str]:
    """A user of the server's with a password, gone after the test."""
    name = f"oncolake_test_{uuid4().hex[:8]}"
    execute(lake, f"CREATE ROLE {name} LOGIN PASSWORD 'of a test'")
    yield name
    execute(lake, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.fixture
def reader(lake: Engine, user: str) -> Iterator[psycopg2.extensions.connection]:
    """A data scientist's connection: a login that is a member of the role, and nothing more."""
    assert make_reader(lake).ready
    execute(lake, f"GRANT {READER} TO {user}")
    with closing(session(lake, user)) as connection:
        yield connection


def session(engine: Engine, name: str) -> psycopg2.extensions.connection:
    url = engine.url.set(drivername="postgresql", username=name, password="of a test")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    connection.autocommit = True
    return connection


def said(connection: psycopg2.extensions.connection, statement: str) -> str:
    """What the server answers: the first cell, or the SQLSTATE of a refusal."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except psycopg2.Error as error:
            return str(error.pgcode)
        return str(cursor.fetchone()[0]) if cursor.description else "done"


FORBIDDEN = "42501"


def test_it_reads_every_table_but_none_of_the_lake(
    lake: Engine, reader: psycopg2.extensions.connection
) -> None:
    for table in metadata.tables.values():
        answer = said(reader, f"SELECT count(*) >= 0 FROM {table.schema}.{table.name}")
        assert answer == (FORBIDDEN if table.schema == LAKE else "True"), table.name
    assert said(reader, "SELECT count(*) FROM lake.alembic_version") == FORBIDDEN
    assert said(reader, "SELECT lake.lineage(1)") == FORBIDDEN
    assert said(reader, "SELECT lake.locate('$', 1, 0)") == FORBIDDEN
    assert {table.schema for table in metadata.tables.values()} == {LAKE, OMOP, RESULTS}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO results.cohort VALUES (1, 1, '2000-01-01', '2000-01-01')",
        "UPDATE omop.person SET year_of_birth = 1900",
        "DELETE FROM omop.concept",
        "TRUNCATE omop.note",
        "DROP TABLE omop.note",
        "CREATE TABLE omop.mine (id integer)",
        "CREATE TABLE lake.mine (id integer)",
        "ALTER TABLE omop.note DISABLE TRIGGER ALL",
        "SELECT * FROM omop.person FOR UPDATE",
        "COPY omop.person TO PROGRAM 'cat'",
    ],
)
def test_it_writes_nothing(reader: psycopg2.extensions.connection, statement: str) -> None:
    assert said(reader, statement) == FORBIDDEN


def test_tables_that_come_later_are_read_too(lake: Engine, reader: psycopg2.extensions.connection) -> None:
    execute(lake, "CREATE TABLE omop.later AS SELECT 7 AS id")
    assert said(reader, "SELECT id FROM omop.later") == "7"
    execute(lake, "CREATE TABLE lake.later AS SELECT 7 AS id")
    assert said(reader, "SELECT id FROM lake.later") == FORBIDDEN


def test_a_new_vocabulary_is_read_too(
    lake: Engine, reader: psycopg2.extensions.connection, tmp_path: Path
) -> None:
    before = said(reader, "SELECT 'omop.concept'::regclass::oid")
    load_bundle(lake, write(tmp_path, small()))
    assert said(reader, "SELECT 'omop.concept'::regclass::oid") != before, "it is another table now"
    assert said(reader, "SELECT concept_name FROM omop.concept WHERE concept_id = 8507") == "MALE"


def test_making_it_again_changes_nothing(lake: Engine) -> None:
    def grants() -> list[str]:
        with lake.connect() as connection:
            found = connection.execute(
                text("SELECT relname || relacl::text FROM pg_class WHERE relacl IS NOT NULL")
            )
            return sorted(found.scalars())

    assert make_reader(lake).ready
    before = grants()
    assert make_reader(lake).ready
    assert grants() == before
    assert any("note{" in each and f"{READER}=r/" in each for each in before)


def test_a_user_who_may_not_make_it_is_told_the_sql(lake: Engine, user: str) -> None:
    with engine_on(str(lake.url.render_as_string(hide_password=False))) as admin:
        execute(admin, f"GRANT USAGE ON SCHEMA omop TO {user}")
    url = lake.url.set(username=user, password="of a test")
    engine = make_engine(url)
    try:
        found = make_reader(engine)
    finally:
        engine.dispose()
    assert not found.ready
    assert found.missing[-len(GRANTS) :] == GRANTS
    assert set(found.missing) <= {CREATE, *GRANTS}
    execute(lake, *GRANTS)


def test_init_makes_it_and_url_prints_where_readers_connect(run: Run, lake_url: str) -> None:  # noqa: F811
    said = run("init")
    assert f"Role {READER} may read schemas {LISTED}, and nothing else" in said.out
    printed = run("url", "--reader")
    url, own = make_url(printed.out.strip()), make_url(lake_url)
    assert (url.username, url.password) == (None, None)
    assert (url.host, url.port, url.database) == (own.host, own.port, own.database)
    assert f"GRANT {READER} TO" in printed.err


def test_on_the_embedded_server_it_logs_in_over_tcp_with_a_password_of_its_own(
    run: Run,  # noqa: F811
    home: Path,
) -> None:
    assert run("init").code == 0
    printed = run("url", "--reader", "--tcp")
    assert (printed.code, printed.out.count("\n")) == (0, 1), printed
    address = printed.out.strip()
    url, admins = make_url(address), make_url(run("url", "--tcp").out.strip())
    assert (url.username, url.host, url.port, url.database) == (
        READER,
        "127.0.0.1",
        admins.port,
        admins.database,
    )
    assert url.password
    assert url.password != admins.password
    assert "oncolake stop" in printed.err
    with closing(psycopg2.connect(address)) as connection:
        connection.autocommit = True
        assert connection.info.host == "127.0.0.1"
        assert said(connection, "SELECT count(*) > 0 FROM concept") == "True", "omop is where it looks"
        assert said(connection, "SELECT count(*) FROM lake.uploads") == FORBIDDEN
        assert said(connection, "DELETE FROM omop.concept") == FORBIDDEN
    for wrong in (admins.password, ""):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(url.set(password=wrong).render_as_string(False), passfile="/dev/null")
    assert run("url", "--reader", "--tcp").out.strip() == address, "it is the same from then on"
    with closing(psycopg2.connect(run("url", "--reader").out.strip())) as connection:
        assert said(connection, "SELECT current_user") == READER
