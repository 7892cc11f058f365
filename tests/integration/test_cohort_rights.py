"""The rights of a cohort's query: PostgreSQL keeps it to the reader's, whatever its file holds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from etl.cohorts.allowed import FUNCTIONS
from etl.cohorts.definition import define
from etl.cohorts.draw import draw
from etl.cohorts.errors import CohortError
from etl.ingest import ingest
from etl.reader_role import make_reader
from etl.sample import sample
from etl.setup import prepare
from tests.conftest import engine_on, new_database

RESET = "set_config(''role'', ''none'', true)"
AS_OWNER = "query_to_xml('SELECT count(*) FROM lake.documents', true, true, '')::text"


def cohort(condition: str) -> Any:
    header = "/*\nname: mine\ntitle: Mine\ndescription: Mine\nsteps: {kept: All}\n*/\n"
    return define(
        f"{header}WITH kept AS (SELECT person_id AS subject_id FROM omop.person) SELECT subject_id,"
        " DATE '2000-01-01' AS cohort_start_date, DATE '2000-12-31' AS cohort_end_date FROM kept"
        f" WHERE {condition}",
        "mine.sql",
    )


@pytest.fixture(scope="module")
def lake_with_reader(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database with a person, that nothing is written to."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        make_reader(engine)
        file = tmp_path_factory.mktemp("cases") / "case.json"
        file.write_text(json.dumps(next(iter(sample(1)))))
        ingest(engine, prepare(engine), [file], "tests")
        yield engine


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are not checked, as if somebody had found a way around it."""
    for name in ("objections", "written_objections"):
        monkeypatch.setattr(f"etl.cohorts.definition.{name}", lambda *_: ())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (f"U&\"\\0073et_config\"('role', 'none', true) || {AS_OWNER} <> ''", "cannot set parameter .role"),
        (
            f"(SELECT word FROM ts_stat('select array_to_tsvector(array[{RESET}])')) || {AS_OWNER} <> ''",
            "cannot set parameter .role",
        ),
        (f"query_to_xml('select {RESET}', true, true, '')::text || {AS_OWNER} <> ''", "cannot set parameter"),
        (
            "ts_rewrite('a'::tsquery, 'select to_tsquery(set_config(''role'', ''none'', true)),"
            f" ''b''::tsquery')::text || {AS_OWNER} <> ''",
            "cannot set parameter .role",
        ),
        ("set_config('session_authorization', 'default', true) <> ''", "cannot set parameter .session_auth"),
        ("set_config('role', session_user, true) <> ''", "cannot set parameter .role"),
        (f"{AS_OWNER} <> ''", "permission denied for schema lake"),
        ("lake.lineage(1)::text <> ''", "permission denied for schema lake"),
        ("pg_read_file('/etc/passwd') <> ''", "permission denied"),
        ("set_config('transaction_read_only', 'off', true) <> ''", "must be set before any query"),
        ("EXISTS (SELECT FROM lake.documents)", "permission denied for schema lake"),
    ],
)
def test_no_query_comes_by_other_rights_or_writes(
    lake_with_reader: Engine, condition: str, message: str
) -> None:
    with pytest.raises(CohortError, match=rf"^mine\.sql.*({message})"):
        draw(lake_with_reader, cohort(condition), {})


@pytest.mark.usefixtures("unchecked")
def test_the_query_runs_as_the_reader_and_leaves_nothing(lake_with_reader: Engine) -> None:
    drawn = draw(lake_with_reader, cohort("current_user = 'oncolake_reader'"), {})
    assert (drawn.persons, drawn.as_reader) == (1, True)
    with lake_with_reader.connect() as connection:
        left = "SELECT count(*) FROM pg_proc WHERE proname IN ('oncolake_rows', 'oncolake_columns')"
        assert connection.execute(text(left)).scalar_one() == 0
        assert connection.execute(text("SELECT current_user")).scalar_one() != "oncolake_reader"


def test_a_function_that_does_more_than_compute_is_no_function_of_a_cohort(lake_with_reader: Engine) -> None:
    from sqlglot.dialects.postgres import Postgres

    with lake_with_reader.connect() as connection:
        volatile = set(
            connection.execute(text("SELECT proname FROM pg_proc WHERE provolatile = 'v'")).scalars()
        )
    known = {name.lower() for name in Postgres.Parser.FUNCTIONS} | FUNCTIONS
    harmless = {"random", "gen_random_uuid", "clock_timestamp"}
    assert {"set_config", "query_to_xml", "ts_stat", "ts_rewrite", "nextval", "pg_sleep"} <= volatile
    assert volatile & known <= harmless


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            "subject_id IN (SELECT max(DISTINCT subject_id) OVER () FROM kept)",
            r"mine\.sql:\d: PostgreSQL refuses",
        ),
        (
            "(SELECT repeat('x', 2000000000) || repeat('x', 2000000000)) = ''",
            r"mine\.sql:\d: PostgreSQL refuses",
        ),
    ],
)
def test_what_postgresql_cannot_do_is_the_fault_of_the_file(
    lake_with_reader: Engine, condition: str, message: str
) -> None:
    with pytest.raises(CohortError, match=message):
        draw(lake_with_reader, cohort(condition), {})
