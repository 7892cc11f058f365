"""Comparing with a mapping made by hand: rows that do not fit, and persons who lose what they shared."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from etl.compare import Differences, ProblemKind, RowKind, compare, hold
from etl.compare_persons import compare_persons
from etl.load import load
from etl.make import make
from etl.pick import batches, pick
from etl.plan import Plan
from tests.integration.test_load import put, store
from tests.plans import NOTE, PLAN, PSA, VISIT, case, install, renewed


@pytest.fixture
def connection(lake: Engine) -> Iterator[Connection]:
    install(lake)
    with lake.connect() as connection:
        yield connection


def compared(connection: Connection, plan: Plan) -> Differences:
    """What reloading every stale case with the plan would change."""
    with connection.begin() as transaction:
        hold(connection, plan)
        made, _ = make(plan, pick(connection, plan, "stale"))
        found = compare(connection, plan, made) + compare_persons(connection, plan)
        transaction.rollback()
    return found


def with_lines(table: str, line: str) -> Plan:
    """The plan with one more row for each case of patient P2."""

    def run(document: Any, case_id: int, person_id: int, site: Any, rows: Any, problem: Any) -> Any:
        if document["patient"] == "P2":
            rows[table].append(line.format(person=person_id))
        return PLAN.run(document, case_id, person_id, site, rows, problem)

    return renewed(PLAN, run=run)


@pytest.mark.parametrize(
    ("table", "line", "told"),
    [
        (
            "note",
            "1\t{person}\t0\tsecret\t32809\t0\tx\t0\t0\n",
            "table 'note' refuses its rows: they do not fit its columns (SQLSTATE 22007)",
        ),
        (
            "note",
            "1\t{person}\t0\t\\N\t32809\t0\tx\t0\t0\n",
            "table 'note' refuses its rows: column 'note_datetime' is empty",
        ),
        (
            "person",
            "{person}\tsecret\t1930\t0\t0\t\\N\tx\t0\t0\t0\n",
            "table 'person' refuses its rows: they do not fit its columns (SQLSTATE 22P02)",
        ),
    ],
)
def test_a_case_whose_rows_do_not_fit_stands_alone(
    connection: Connection, table: str, line: str, told: str
) -> None:
    store(connection, *(case(f"P{number}") for number in range(7)))
    plan = with_lines(table, line)
    found = compared(connection, plan)
    (failure,) = found.failures
    assert failure.reason == told
    assert (found.cases, found.rows, found.problems) == (0, {}, {})
    assert load(connection, plan, next(batches(connection, plan, "stale"))).failures == found.failures


def test_a_batch_leaves_no_file_behind_but_what_all_batches_share(connection: Connection) -> None:
    """Else the preview of many cases would fill the disk until its transaction ends."""
    store(connection, *(case(f"P{number}", text="note") for number in range(6)))
    plan = renewed(PLAN, run=without_values)
    with connection.begin() as transaction:
        if not connection.scalar(text("SELECT has_function_privilege('pg_ls_dir(text)', 'EXECUTE')")):
            pytest.skip("the role may not list the server's files")
        hold(connection, plan)
        made, _ = make(plan, pick(connection, plan, "stale"))
        before = temporary_files(connection)
        found = [compare(connection, plan, made[each : each + 2]) for each in (0, 2, 4)]
        assert [one.cases for one in found] == [2, 2, 2]
        assert temporary_files(connection) == before
        assert connection.scalar(text("SELECT count(*) FROM foreseen_case")) == 6
        transaction.rollback()


def temporary_files(connection: Connection) -> set[str]:
    """The files of this database's temporary tables."""
    statement = text(
        "SELECT file FROM pg_database, pg_ls_dir('base/' || oid) AS file"
        " WHERE datname = current_database() AND file ~ '^t[0-9]+_[0-9]+$'"
    )
    return set(connection.scalars(statement))


def test_rows_of_an_older_mapping_in_other_tables_are_removed(connection: Connection) -> None:
    store(connection, case(text="only the old mapping writes notes"))
    columns = {table: names for table, names in PLAN.columns.items() if table != "note"}

    def without_notes(
        document: Any, case_id: int, person_id: int, site: Any, rows: Any, problem: Any
    ) -> tuple[str, str]:
        return PLAN.run(document, case_id, person_id, site, {**rows, "note": []}, problem)

    found = compared(connection, renewed(PLAN, columns=columns, run=without_notes))
    assert found == Differences(1, found.rows)
    assert found.rows == {RowKind("removed", "note", NOTE, 0, ()): 1}


def without_values(
    document: Any, case_id: int, person_id: int, site: Any, rows: Any, problem: Any
) -> tuple[str, str]:
    return PLAN.run({**document, "values": []}, case_id, person_id, site, rows, problem)


def test_a_person_without_dates_loses_the_observation_period(connection: Connection) -> None:
    store(connection, case("P1"))
    plan = renewed(PLAN, run=without_values)
    found = compared(connection, plan)
    assert found.rows == {
        RowKind("removed", "visit_occurrence", VISIT, 0, ()): 3,
        RowKind("removed", "measurement", PSA, 0, ()): 3,
        RowKind("removed", "observation_period", None, 32809, ()): 1,
    }
    (stale,) = batches(connection, plan, "stale")
    load(connection, plan, stale)
    with connection.begin():
        assert connection.scalar(text("SELECT count(*) FROM omop.observation_period")) == 0


def test_dates_of_a_person_count_over_all_forms(connection: Connection) -> None:
    """Form B of the person ends later and is loaded by the new plan already."""
    plan = renewed(PLAN)
    store(connection, case("P1", "A"))
    store(connection, case("P1", "B", values=[{"day": 500, "psa": 1}]), plan=plan)
    assert compared(connection, plan).rows == {}
    found = compared(connection, renewed(PLAN, run=without_values))
    assert (
        found.rows[RowKind("changed", "observation_period", None, 32809, ("observation_period_start_date",))]
        == 1
    )


def test_new_cases_bring_persons_sites_and_problems(connection: Connection) -> None:
    put(connection, case("P1", site="NEW", problems=["unmapped", "truncated"]), case("P2", site=None, age=60))
    store(connection, case("P2", "B", site="OLD", age=61))
    found = compared(connection, PLAN)
    assert found.cases == 2
    assert {kind.table: number for kind, number in found.rows.items()} == {
        "visit_occurrence": 6,
        "measurement": 6,
        "person": 1,
        "observation_period": 1,
        "care_site": 1,
    }
    assert {kind.change for kind in found.rows} == {"added"}
    assert found.problems == {
        ProblemKind("added", PSA, "unmapped"): 1,
        ProblemKind("added", PSA, "truncated"): 1,
        # Year of birth and care site; the newer form B decides.
        ProblemKind("added", None, "disagrees"): 2,
    }
