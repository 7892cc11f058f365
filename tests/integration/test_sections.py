"""The lake by section: every value is there, only what changed is taken, and nothing withdrawn stays."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, Engine, text

from etl.ingest import FileResult, ingest_stream
from etl.mapping.bound import Bound
from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.reader_role import READER, make_reader
from etl.receive import Sender
from etl.sample import sample
from etl.sections import refresh as stage
from etl.sections import tables
from etl.sections.refresh import BESIDE, Refreshed, refresh
from etl.sections.shape import KEYS, SectionsError, sections
from etl.setup import DEFAULT_MAPPING, initialise
from etl.validate import Validator
from etl.withdraw import Remover, withdraw_patient, withdraw_upload
from omop_schema.database import DatabaseBusy

PROSTATE = read_mapping(DEFAULT_MAPPING)
#: The first mapping of a database has its rules numbered in its order.
PLAN = compile_plan(PROSTATE, provisional_numbers(PROSTATE))
KNOWN = ("patientID", "useCaseType", "site")
TABLES = {each.name: each for each in sections(PROSTATE.folder.schema, "prostate", KNOWN)}
#: What a document says once more, besides the keys of every table.
Leaf = tuple[str, str, tuple[int, ...], str, Any]


def cases(count: int = 3) -> list[dict[str, Any]]:
    """Cases of different forms, each of another patient."""
    found = {each["patientID"]: each for each in sample(count * 2)}
    return list(found.values())[:count]


def send(engine: Engine, *documents: dict[str, Any]) -> FileResult:
    with engine.connect() as connection:
        stream = BytesIO(b"\n".join(map(orjson.dumps, documents)))
        sender = Sender("tester", None)
        return ingest_stream(connection, PLAN, Validator(PLAN.schema), stream, "file", sender, lines=True)


def drop_patient(engine: Engine, patient: str) -> None:
    with engine.connect() as connection:
        withdraw_patient(connection, patient, Remover("admin"))


def taken(engine: Engine) -> Refreshed:
    return refresh(engine, PROSTATE)


def rows(engine: Engine, table: str, columns: str = "*") -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT {columns} FROM lake.{table}")))


def case_of(engine: Engine, document: dict[str, Any]) -> int:
    return next(
        row.case_id for row in rows(engine, "prostate_case") if row.patient_id == document["patientID"]
    )


def ages(engine: Engine) -> dict[int, int]:
    return {row.case_id: row.age for row in rows(engine, "prostate_clinicalbaselinedata")}


def stamps(engine: Engine) -> dict[tuple[str, int], set[str]]:
    """The transactions that wrote the rows of each table and case."""
    found: dict[tuple[str, int], set[str]] = {}
    for table in TABLES:
        for case_id, stamp in rows(engine, table, "case_id, xmin::text"):
            found.setdefault((table, case_id), set()).add(stamp)
    return found


def leaves(document: dict[str, Any]) -> Iterator[Leaf]:
    """Every value of a document, by the table and column that its keys make in small letters."""
    told = {key: value for key, value in document.items() if key not in KNOWN}
    yield from _leaves(document["patientID"], told, (), ())


def _leaves(
    patient: str, node: Any, keys: tuple[str, ...], places: tuple[tuple[int, int], ...]
) -> Iterator[Leaf]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _leaves(patient, child, (*keys, key.lower().replace("-", "_")), places)
    elif isinstance(node, list) and node and isinstance(node[0], dict):
        for place, child in enumerate(node, 1):
            yield from _leaves(patient, child, keys, (*places, (len(keys), place)))
    elif node is not None and not (node == [] and f"prostate_{'_'.join(keys)}" in TABLES):
        # The section is what holds the innermost list, else the first key.
        split = places[-1][0] if places else 1
        table, column = (
            ("case", keys[0]) if len(keys) == 1 else ("_".join(keys[:split]), "_".join(keys[split:]))
        )
        yield patient, table, tuple(place for _, place in places), column, _plain(node)


def _plain(value: Any) -> Any:
    """A value as JSON or PostgreSQL has it: numbers by their value."""
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return Decimal(str(value))
    return value.isoformat() if isinstance(value, date) else value


def held(engine: Engine) -> Iterator[Leaf]:
    """Every value of the tables."""
    for name, section in TABLES.items():
        with engine.connect() as connection:
            for row in connection.execute(text(f"SELECT * FROM lake.{name}")).mappings():
                numbers = tuple(row[each] for each in section.numbers)
                for column, value in row.items():
                    if column not in {*KEYS, *section.numbers} and value is not None:
                        yield (
                            row["patient_id"],
                            name.removeprefix("prostate_"),
                            numbers,
                            column,
                            _plain(value),
                        )


def test_every_value_of_the_documents_is_in_a_table(lake: Engine) -> None:
    documents = {(each["patientID"], each["useCaseType"]): each for each in sample(40)}
    first = {each["patientID"]: each for each in documents.values()}
    send(lake, *first.values())
    assert taken(lake) == Refreshed(len(first), len(first), len(TABLES), rebuilt=False)
    wanted = {leaf for each in first.values() for leaf in leaves(each)}
    assert len({leaf[1] for leaf in wanted}) == len(TABLES), "the sample fills every table"
    assert set(held(lake)) == wanted
    forms = {(row.patient_id, row.form, row.site) for row in rows(lake, "prostate_case")}
    assert forms == {(each["patientID"], each["useCaseType"], each["site"]) for each in first.values()}


def test_a_refresh_takes_what_changed_and_touches_nothing_else(lake: Engine) -> None:
    documents = cases()
    send(lake, *documents)
    taken(lake)
    before = stamps(lake)
    assert taken(lake).cases == 0
    assert stamps(lake) == before
    changed = deepcopy(documents[1])
    changed["clinicalBaselineData"]["age"] = 99
    psa = changed["clinicalBaselineData"]["psa"]
    changed["clinicalBaselineData"]["psa"] = [each for each in psa if each["baseline"]]
    send(lake, changed)
    assert taken(lake).cases == 1
    after = stamps(lake)
    case_id = case_of(lake, changed)
    assert {case for (table, case), each in after.items() if each != before.get((table, case))} == {case_id}
    assert ages(lake)[case_id] == 99
    left = [row for row in rows(lake, "prostate_clinicalbaselinedata_psa") if row.case_id == case_id]
    assert len(psa) > len(left) == 1


def test_nothing_of_a_withdrawn_patient_stays(lake: Engine) -> None:
    documents = cases()
    send(lake, *documents)
    taken(lake)
    drop_patient(lake, documents[0]["patientID"])
    for table in TABLES:
        assert all(row.patient_id != documents[0]["patientID"] for row in rows(lake, table)), table
    assert len(rows(lake, "prostate_case")) == 2
    assert taken(lake) == Refreshed(0, 2, len(TABLES), rebuilt=False)


def test_what_a_withdrawn_upload_said_is_gone_at_once(lake: Engine) -> None:
    (document,) = cases(1)
    send(lake, document)
    newer = deepcopy(document)
    newer["clinicalBaselineData"]["age"] = 99
    upload = send(lake, newer).upload_id
    taken(lake)
    with lake.connect() as connection:
        withdraw_upload(connection, upload or 0, PLAN, Remover("admin"))
    assert rows(lake, "prostate_clinicalbaselinedata") == []
    assert taken(lake).cases == 1
    (row,) = rows(lake, "prostate_clinicalbaselinedata")
    assert (row.version, row.age) == (1, document["clinicalBaselineData"]["age"])


def test_a_changed_schema_makes_the_tables_anew(lake: Engine) -> None:
    send(lake, *cases())
    taken(lake)
    newer = with_another_field()
    # What has rows is the refresh's to replace.
    with lake.begin() as connection:
        assert not stage.make_sections(connection, newer).right
    assert "smoker" not in rows(lake, "prostate_clinicalbaselinedata")[0]._fields
    assert refresh(lake, newer) == Refreshed(3, 3, len(TABLES), rebuilt=True)
    assert {row.smoker for row in rows(lake, "prostate_clinicalbaselinedata")} == {None}
    drop_patient(lake, rows(lake, "prostate_case")[0].patient_id)
    for table in ("prostate_case", "prostate_clinicalbaselinedata_psa"):
        assert len({row.case_id for row in rows(lake, table)}) == 2
    assert refresh(lake, newer) == Refreshed(0, 2, len(TABLES), rebuilt=False)
    with lake.begin() as connection:
        connection.execute(
            text("CREATE VIEW research.mine AS SELECT smoker FROM lake.prostate_clinicalbaselinedata")
        )
    with pytest.raises(SectionsError, match=r"view research\.mine depends on .*: drop those first"):
        refresh(lake, PROSTATE)
    assert refresh(lake, newer).cases == 0


def with_another_field() -> Bound:
    """The mapping after a change of its schema."""
    schema = deepcopy(dict(PROSTATE.folder.schema))
    schema["$defs"]["clinicalBaselineData"]["properties"]["smoker"] = {"type": "boolean"}
    return replace(PROSTATE, folder=replace(PROSTATE.folder, schema=schema))


def schemas(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT nspname FROM pg_namespace")))


def test_nobody_queues_behind_a_swap_that_waits(lake: Engine) -> None:
    documents = cases()
    send(lake, *documents[:2])
    taken(lake)
    with ThreadPoolExecutor(1) as pool:
        with lake.connect() as idle, idle.begin():
            idle.execute(text("SELECT count(*) FROM lake.documents"))
            running = pool.submit(refresh, lake, with_another_field())
            wait_until_blocked(idle)
            with lake.begin() as other:
                other.execute(text("SET LOCAL statement_timeout = '60s'"))
                assert other.scalar(text("SELECT count(*) FROM lake.documents")) == 2
                assert other.scalar(text("SELECT count(*) FROM lake.prostate_case")) == 2
            send(lake, documents[2])
            assert not running.done()
        assert running.result() == Refreshed(2, 2, len(TABLES), rebuilt=True)
    assert refresh(lake, with_another_field()).cases == 1
    assert BESIDE not in schemas(lake)


def test_a_swap_that_is_not_let_in_is_gone_on_with(lake: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    send(lake, *cases(1))
    monkeypatch.setattr(tables, "ATTEMPTS", 1)
    with lake.connect() as idle, idle.begin():
        idle.execute(text("SELECT count(*) FROM lake.prostate_case"))
        with pytest.raises(DatabaseBusy, match=r"using the lake's tables .* end it"):
            refresh(lake, with_another_field())
        assert rows(lake, "prostate_case") == []
    told: list[tuple[int, int]] = []
    done = refresh(lake, with_another_field(), lambda *each: told.append(each))
    assert (done, told) == (Refreshed(1, 1, len(TABLES), rebuilt=True), [(0, 0)])


def test_tables_that_are_made_anew_are_filled_batch_by_batch(
    lake: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "BATCH", 2)
    documents = cases(5)
    send(lake, *documents[:4])
    taken(lake)
    newer = with_another_field()

    def stop(done: int, of: int) -> None:
        assert (done, of) == (2, 4)
        # The first is in the new tables by now, and goes out of them.
        drop_patient(lake, documents[0]["patientID"])
        send(lake, documents[4])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(lake, newer, stop)
    assert "smoker" not in rows(lake, "prostate_clinicalbaselinedata")[0]._fields
    told: list[tuple[int, int]] = []
    done = refresh(lake, newer, lambda *each: told.append(each))
    assert (done, told[0]) == (Refreshed(4, 4, len(TABLES), rebuilt=True), (2, 3))
    assert {row.patient_id for row in rows(lake, "prostate_case")} == {
        each["patientID"] for each in documents[1:]
    }
    assert refresh(lake, newer).cases == 0


def test_what_was_begun_for_another_schema_is_dropped(lake: Engine) -> None:
    send(lake, *cases(1))
    taken(lake)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(lake, with_another_field(), stop)
    assert BESIDE in schemas(lake)
    assert taken(lake) == Refreshed(0, 1, len(TABLES), rebuilt=False)
    assert BESIDE not in schemas(lake)


def test_a_refresh_and_a_withdrawal_do_not_meet_half_way(lake: Engine) -> None:
    documents = cases(2)
    send(lake, *documents)
    gone = text("DELETE FROM lake.documents WHERE case_id = :case")
    with lake.connect() as connection:
        first, last = connection.scalars(text("SELECT case_id FROM lake.cases ORDER BY case_id"))
    with ThreadPoolExecutor(1) as pool:
        with lake.connect() as hand, hand.begin():
            # As a withdrawal begins, which takes documents in no order.
            hand.execute(text("LOCK TABLE lake.patients IN EXCLUSIVE MODE"))
            hand.execute(gone, {"case": last})
            running = pool.submit(taken, lake)
            wait_until_blocked(hand)
            hand.execute(gone, {"case": first})
        assert running.result() == Refreshed(0, 0, len(TABLES), rebuilt=False)


def test_a_batch_that_was_in_the_way_is_tried_again(lake: Engine) -> None:
    send(lake, *cases(1))
    taken(lake)
    with lake.begin() as connection:
        connection.execute(text("DELETE FROM lake.prostate_case"))
    waiting = text(
        "SELECT pg_cancel_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE datname = current_database() AND NOT granted"
    )
    with ThreadPoolExecutor(1) as pool:
        with blocked(lake, "prostate_dicom") as connection:
            running = pool.submit(taken, lake)
            wait_until_blocked(connection)
            assert list(connection.scalars(waiting)) == [True]
        assert running.result().cases == 1


def test_init_makes_the_tables_and_says_what_they_hold(lake: Engine) -> None:
    said = text("SELECT col_description('lake.prostate_lesions'::regclass, attnum) FROM pg_attribute"
                " WHERE attrelid = 'lake.prostate_lesions'::regclass AND attname = 'pi_rads'")  # fmt: skip
    with lake.connect() as connection:
        assert connection.scalar(said).endswith(': "PI-RADS"')
    assert initialise(lake).sections == (len(TABLES), True)


@contextmanager
def blocked(engine: Engine, table: str) -> Iterator[Connection]:
    """Nobody writes this table meanwhile."""
    with engine.connect() as connection, connection.begin():
        connection.execute(text(f"LOCK TABLE lake.{table} IN SHARE MODE"))
        yield connection


def wait_until_blocked(connection: Connection) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE datname = current_database() AND NOT granted"
    )
    deadline = time.monotonic() + 120
    while not connection.execute(waiting).scalar_one():
        assert time.monotonic() < deadline, "nobody waits for the table"
        time.sleep(0.02)


def test_readers_and_landings_wait_for_no_refresh(lake: Engine) -> None:
    documents = cases()
    send(lake, *documents)
    taken(lake)
    changed = deepcopy(documents[0])
    changed["clinicalBaselineData"]["age"] = 98
    send(lake, changed)
    case_id = case_of(lake, changed)
    with ThreadPoolExecutor(1) as pool:
        with blocked(lake, "prostate_dicom") as connection:
            # The table of series comes last: all others of the case are written by then.
            running = pool.submit(taken, lake)
            wait_until_blocked(connection)
            assert ages(lake)[case_id] == documents[0]["clinicalBaselineData"]["age"]
            changed["clinicalBaselineData"]["age"] = 97
            send(lake, changed)
        assert running.result().cases == 1
    assert ages(lake)[case_id] == 98
    assert (taken(lake).cases, ages(lake)[case_id]) == (1, 97)


def test_two_refreshes_take_turns(lake: Engine) -> None:
    send(lake, *cases())
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(taken, lake) for _ in range(2)]
    assert sorted(each.result().cases for each in done) == [0, 3]
    assert taken(lake).cases == 0


def test_a_killed_refresh_leaves_the_old_rows(lake: Engine, oncolake_env: dict[str, str]) -> None:
    documents = cases()
    send(lake, *documents)
    taken(lake)
    before = set(held(lake))
    for each in documents:
        each["clinicalBaselineData"]["age"] = 96
    send(lake, *documents)
    command = [sys.executable, "-c", "from api.cli import main; main()", "refresh"]
    with blocked(lake, "prostate_dicom") as connection:
        with subprocess.Popen(command, env=oncolake_env) as process:
            try:
                wait_until_blocked(connection)
            finally:
                process.kill()
        assert set(held(lake)) == before
    assert taken(lake).cases == 3
    assert {row.age for row in rows(lake, "prostate_clinicalbaselinedata")} == {96}


def test_what_the_schema_of_today_does_not_describe_is_null(lake: Engine) -> None:
    send(lake, *cases(1))
    older = text("UPDATE lake.documents SET document = document || CAST(:part AS jsonb)")
    part = {
        "clinicalBaselineData": {
            "age": "seventy", "prostateVolume": 1e300, "DRE": 7,
            "psa": [
                {"psadate": "2021-02-30", "baseline": 1}, {"psadate": "0000-01-01"},
                5, {"psadate": "2024-02-29"},
            ],
        },
        "lesions": [{"gleason1": 3.5, "gleason2": 1e12, "location": ["MRPZpl", 5]}],
        "followUp": {}, "treatment": [],
    }  # fmt: skip
    with lake.begin() as connection:
        connection.execute(older, {"part": orjson.dumps(part).decode()})
    taken(lake)
    (row,) = rows(lake, "prostate_clinicalbaselinedata")
    assert (row.age, row.prostatevolume, row.dre) == (None, Decimal("1e300"), "7")
    psa = [
        (row.psa_number, row.psadate, row.baseline) for row in rows(lake, "prostate_clinicalbaselinedata_psa")
    ]
    assert sorted(psa, key=str) == [(1, None, None), (2, None, None), (4, date(2024, 2, 29), None)]
    (row,) = rows(lake, "prostate_lesions")
    assert (row.gleason1, row.gleason2, row.location) == (None, None, ["MRPZpl", "5"])
    assert rows(lake, "prostate_followup") == rows(lake, "prostate_treatment") == []


def test_the_queries_of_the_page_answer(lake: Engine) -> None:
    send(lake, *cases(12))
    taken(lake)
    page = (Path(__file__).parents[2] / "docs" / "lake.md").read_text()
    block = page.split("## The lake by section")[1].split("```sql")[1].split("```")[0]
    queries = [each for each in block.split(";") if each.strip()]
    assert len(queries) == 2
    with lake.connect() as connection:
        assert all(connection.execute(text(each)).all() for each in queries)


def test_the_reader_reads_none_of_them(lake: Engine) -> None:
    make_reader(lake)
    taken(lake)
    allowed = text(
        "SELECT has_schema_privilege(:role, 'lake', 'USAGE') OR has_table_privilege(:role, :table, 'SELECT')"
    )
    with lake.connect() as connection:
        for table in TABLES:
            values = {"role": READER, "table": f"lake.{table}"}
            assert connection.execute(allowed, values).scalar_one() is False, table


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"one": {"type": "string"}, "ONE": {"type": "string"}}, r"two keys .* column one of lake\.m_case"),
        ({"a": {"type": "object", "properties": {"x": {}}}, "A": {"type": "object", "properties": {"x": {}}}},
         r"two sections .* table lake\.m_a:"),
        ({"k" * 70: {"type": "string"}}, "longer name than the 63 bytes"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_are_told(properties: dict[str, Any], message: str) -> None:
    with pytest.raises(SectionsError, match=message):
        sections({"type": "object", "properties": properties}, "m")


def test_types_follow_from_the_schema() -> None:
    properties = {
        "small": {"type": ["integer", "null"], "minimum": 0, "maximum": 9},
        "large": {"type": "integer", "minimum": 0, "maximum": 2**40},
        "open": {"type": "integer"},
        "real": {"type": "number"},
        "day": {"type": "string", "format": "date"},
        "word": {"enum": ["a", None]},
        "level": {"enum": [1, 2, None]},
        "either": {"type": ["string", "number"]},
        "free": {"type": "object"},
        "words": {"type": "array", "items": {"type": "string"}},
        "version": {"type": "boolean"},
    }  # fmt: skip
    (whole,) = sections({"type": "object", "properties": properties}, "m")
    assert {each.name: each.type for each in whole.fields} == {
        "small": "integer", "large": "bigint", "open": "numeric", "real": "numeric", "day": "date",
        "word": "text", "level": "integer", "either": "jsonb", "free": "jsonb", "words": "text[]",
        "version_": "boolean",
    }  # fmt: skip
