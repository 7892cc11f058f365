"""Ingest: files to OMOP through all stages, and what is told of files, records and databases that are bad."""

import io
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from etl.ingest import FileResult, Progress, Summary, ingest, ingest_stream
from etl.plan import CasePaths, Plan
from etl.read import BadSetting
from etl.receive import Sender
from etl.status import status
from etl.validate import Validator
from omop_schema.database import DatabaseFull, DatabaseReadOnly, DatabaseUnavailable, make_engine
from tests.plans import PLAN, case, install, lines, renewed


@pytest.fixture
def base(lake: Engine) -> Engine:
    """A lake with the rules of the small mapping."""
    install(lake)
    return lake


def run(engine: Engine, *files: Path, plan: Plan = PLAN) -> Summary:
    return ingest(engine, plan, files, "tester")


def query(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def write(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def test_a_case_goes_from_a_file_to_rows(base: Engine, tmp_path: Path) -> None:
    file = write(tmp_path, "one.json", json.dumps(case(text="tab\t, line\n, back\\slash, Ηράκλειο")).encode())
    summary = run(base, file)
    (result,) = summary.files
    assert (result.outcome, result.cases, result.stored, result.unchanged, result.rejected) == (
        "loaded",
        1,
        1,
        0,
        0,
    )
    assert summary.loaded.rows == {"person": 1, "visit_occurrence": 3, "measurement": 3, "note": 1}
    assert summary.exit_code == 0
    assert query(
        base, "SELECT outcome, cases, stored, unchanged, rejected, rows, problems, uploader FROM lake.uploads"
    ) == [("loaded", 1, 1, 0, 0, 8, 0, "tester")]
    assert query(base, "SELECT note_text FROM omop.note") == [("tab\t, line\n, back\\slash, Ηράκλειο",)]
    assert query(base, "SELECT care_site_name FROM omop.person JOIN omop.care_site USING (care_site_id)") == [
        ("FORTH",)
    ]


def test_the_same_bytes_are_not_loaded_twice(base: Engine, tmp_path: Path) -> None:
    first = run(base, write(tmp_path, "a.ndjson", lines(case())))
    again = run(base, write(tmp_path, "b.ndjson", lines(case())))
    assert [file.outcome for file in again.files] == ["already loaded"]
    assert again.files[0].upload_id == first.files[0].upload_id
    assert again.exit_code == 0
    assert query(base, "SELECT count(*) FROM lake.uploads") == [(1,)]


def test_an_older_file_sent_again_tells_how_many_of_its_cases_are_newer_by_now(
    base: Engine, tmp_path: Path
) -> None:
    old = write(tmp_path, "old.ndjson", lines(case("P1"), case("P2"), case("P3"), case("P1", "B")))
    run(base, old)
    assert run(base, old).files[0].newer == 0
    run(base, write(tmp_path, "new.ndjson", lines(case("P1", age=60), case("P3", age=60), case("P4"))))
    summary = run(base, old)
    assert [(file.outcome, file.newer) for file in summary.files] == [("already loaded", 2)]
    assert summary.exit_code == 0
    assert query(base, "SELECT year_of_birth FROM omop.person ORDER BY person_id") == [
        (1940,), (1930,), (1940,), (1930,)
    ]  # fmt: skip


def test_newer_versions_of_documents_that_the_file_did_not_bring_first_are_counted_too(
    base: Engine, tmp_path: Path
) -> None:
    run(base, write(tmp_path, "first.ndjson", lines(case("P1"), case("P2"))))
    again = write(tmp_path, "again.json", json.dumps([case("P2"), case("P1"), case("P3")]).encode())
    assert run(base, again).files[0].unchanged == 2
    assert run(base, again).files[0].newer == 0
    run(base, write(tmp_path, "new.ndjson", lines(case("P1", age=60), case("P3", age=60))))
    assert run(base, again).files[0].newer == 2
    run(base, write(tmp_path, "back.ndjson", lines(case("P1")) + b"\n"))
    assert run(base, again).files[0].newer == 1, "that of P1 says the same as the file again"
    other = renewed(PLAN, case=CasePaths("patient", "visit", None))
    assert run(base, again, plan=other).files[0].newer == 0, "the mapping takes nothing of it for a case"


@pytest.mark.parametrize("documents", [[60, 61], [60, 61, 61], [60, 60, 61]])
def test_an_earlier_document_of_the_same_file_is_no_older_version(
    base: Engine, tmp_path: Path, documents: list[int]
) -> None:
    file = write(tmp_path, "twice.ndjson", lines(*(case(age=age) for age in documents)))
    run(base, file)
    assert [(each.outcome, each.newer) for each in run(base, file).files] == [("already loaded", 0)]
    run(base, write(tmp_path, "new.ndjson", lines(case(age=62))))
    assert run(base, file).files[0].newer == 1


@pytest.mark.parametrize("setting", ["5 MB", "-1", "0"])
def test_a_wrong_size_limit_is_told_before_anything_is_opened(
    base: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("ONCOLAKE_MAX_DOCUMENT_BYTES", setting)
    with pytest.raises(BadSetting, match="ONCOLAKE_MAX_DOCUMENT_BYTES"):
        run(base, write(tmp_path, "one.ndjson", lines(case())))
    with base.connect() as connection, pytest.raises(BadSetting):
        ingest_stream(connection, PLAN, Validator(PLAN.schema), io.BytesIO(lines(case())), "x", Sender("me"))
    assert query(base, "SELECT count(*) FROM lake.uploads") == [(0,)]


def test_a_document_that_the_mapping_fails_on_is_told_each_time_and_blocks_nothing(
    base: Engine, tmp_path: Path
) -> None:
    def failing(document: Any, *rest: Any) -> tuple[str, str]:
        if document["patient"] == "P2":
            raise ValueError(f"secret {document['age']}")
        return PLAN.run(document, *rest)

    plan = replace(PLAN, run=failing)
    summary = run(base, write(tmp_path, "a.ndjson", lines(case("P1"), case("P2"), case("P3"))), plan=plan)
    assert [failure.reason for failure in summary.loaded.failures] == ["the mapping fails on it: ValueError"]
    assert (summary.loaded.cases, summary.exit_code) == (2, 1)
    summary = run(base, write(tmp_path, "b.ndjson", lines(case("P4"))), plan=plan)
    assert (summary.files[0].outcome, summary.loaded.cases, len(summary.loaded.failures)) == ("loaded", 1, 1)
    assert run(base).left_over.cases == 1, "a mapping that is mended loads it"


def test_nothing_that_may_be_a_value_is_stored_with_a_violation(base: Engine, tmp_path: Path) -> None:
    bad = case("P2", **{"PCa-4711": 1})
    told = lines(case("P1"), bad) + b'{"PCa-4711": 1, "PCa-4711": 2}\n' + b'{"PCa-4711": {"age": NaN}}\n'
    run(base, write(tmp_path, "a.ndjson", told))
    assert query(base, "SELECT position, path, reason FROM lake.violations ORDER BY position") == [
        (2, "$", "an unknown key (the 6th of this object)"),
        (3, "$", "has its 1st key twice"),
        (4, "$.*.age", "NaN is not a JSON number"),
    ]


def test_what_is_bad_is_told_and_the_rest_is_stored(base: Engine, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "mixed.ndjson",
        lines(case("P1"), case("P2", agee=3, age="old"))
        + b"{]\n"
        + lines(case("P3"))
        + b'{"age":1,"age":2}\n',
    )
    summary = run(base, file)
    (result,) = summary.files
    assert (result.outcome, result.cases, result.stored, result.rejected) == ("partial", 5, 2, 3)
    assert [tuple(each) for each in result.rejections] == [
        (2, 2, "$", "an unknown key (the 6th of this object); did you mean 'age'?"),
        (2, 2, "$.age", "must be an integer"),
        (3, 3, "$", "is not JSON at line 3, column 2"),
        (5, 5, "$", "has the key 'age' twice"),
    ]
    assert query(base, "SELECT position, path, reason FROM lake.violations ORDER BY violation_id") == [
        (position, path, reason) for position, _, path, reason in result.rejections
    ]
    assert summary.exit_code == 1
    assert [tuple(each) for each in run(base, file).files[0].rejections] == [
        tuple(each) for each in result.rejections
    ]
    assert query(base, "SELECT count(*) FROM lake.violations") == [(4,)]
    assert query(base, "SELECT cases, stored, unchanged, rejected, rows FROM lake.uploads") == [
        (5, 2, 0, 3, 14)
    ]


BAD_FILES = [
    (b"hello", "is not JSON at line 1, column 1"),
    (b"", "holds no case document"),
    (b'{"patient": "\xff"}', "is not UTF-8 at byte 14"),
    (b'{"patient": "P1", "patient": "P2"}', "has the key 'patient' twice"),
    (b'{"age": NaN}', "NaN is not a JSON number"),
    (b'{"age":' + b"[" * 1000 + b"]" * 1000 + b"}", "is nested deeper than 64 levels at line 1"),
    (b'{"patient": "a\\u0000b"}', "holds the character NUL"),
    (b'{"x": "' + b"x" * 50_000_000 + b'"}', "is larger than 5000000 bytes"),
    (b"[]", "holds no case document"),
    (b'[{"form": "A", "age": 1}]', "'patient' is missing"),
]


@pytest.mark.parametrize(("content", "reason"), BAD_FILES, ids=[reason for _, reason in BAD_FILES])
def test_a_file_without_a_good_record_is_rejected_with_its_reason(
    base: Engine, tmp_path: Path, content: bytes, reason: str
) -> None:
    summary = run(base, write(tmp_path, "bad.json", content), write(tmp_path, "good.json", lines(case())))
    bad, good = summary.files
    assert (bad.outcome, bad.stored, bad.rejected) == ("rejected", 0, 1)
    assert bad.rejections[0].reason.startswith(reason)
    assert good.outcome == "loaded"
    assert summary.exit_code == 2
    assert query(base, "SELECT outcome FROM lake.uploads ORDER BY upload_id") == [("rejected",), ("loaded",)]


def test_a_file_that_cannot_be_opened_does_not_stop_the_others(base: Engine, tmp_path: Path) -> None:
    summary = run(base, tmp_path / "gone.json", write(tmp_path, "good.json", lines(case())))
    assert [file.outcome for file in summary.files] == ["unreadable", "loaded"]
    assert summary.files[0].rejections[0].reason == "the file cannot be read: No such file or directory"
    assert summary.exit_code == 2


def test_a_file_that_changes_while_it_is_read_is_told(base: Engine, tmp_path: Path) -> None:
    file = write(tmp_path, "growing.ndjson", lines(*(case(f"P{number}") for number in range(2500))))

    def grow(progress: Progress) -> None:
        if progress.cases == 1000:
            with file.open("ab") as stream:
                stream.write(lines(case("late")))

    summary = ingest(base, PLAN, [file], "tester", grow)
    assert summary.files[0].outcome == "partial"
    assert summary.files[0].rejections[-1].reason == "the file changed while it was read: ingest it again"
    assert summary.files[0].stored == 2501
    assert [each.outcome for each in run(base, file).files] == ["loaded"]


@pytest.mark.parametrize(
    ("kinds", "exit_code"),
    [
        ([], 0),
        (["unmapped"], 0),
        (["implausible"], 0),
        (["invalid"], 1),
        (["truncated"], 1),
        (["unmapped", "invalid"], 1),
        (["implausible", "invalid"], 1),
    ],
)
def test_the_exit_code_tells_lost_values(
    base: Engine, tmp_path: Path, kinds: list[str], exit_code: int
) -> None:
    summary = run(base, write(tmp_path, "one.ndjson", lines(case(problems=kinds))))
    assert summary.exit_code == exit_code
    assert summary.loaded.problems == {("psa", kind): 1 for kind in kinds if kind != "implausible"}
    warnings = kinds.count("implausible")
    assert summary.loaded.warnings.total() == warnings
    assert query(base, "SELECT problems, warnings FROM lake.uploads") == [(len(kinds) - warnings, warnings)]


def test_batches_and_progress(base: Engine, tmp_path: Path) -> None:
    seen: list[Progress] = []
    file = write(tmp_path, "many.ndjson", lines(*(case(f"P{number}") for number in range(2100))))
    ingest(base, PLAN, [file], "tester", seen.append)
    assert [(each.cases, each.rows) for each in seen] == [(1000, 7000), (2000, 14000), (2100, 14700)]


def test_two_documents_of_one_case_in_a_file_are_two_versions(base: Engine, tmp_path: Path) -> None:
    documents = [case("P1", age=60), case("P2"), case("P1", age=61), case("P1", age=61)]
    file = write(tmp_path, "twice.ndjson", lines(*documents) + b"{]")
    for stored, unchanged in [(3, 1), (0, 4), (0, 4)]:
        (result,) = run(base, file).files
        assert (result.stored, result.unchanged) == (stored, unchanged)
        assert query(
            base,
            "SELECT year_of_birth FROM omop.person WHERE person_source_value = 'P1'",
        ) == [(1939,)]
        assert query(base, "SELECT count(*) FROM lake.documents") == [(3,)]


def test_an_old_upload_that_is_processed_again_does_not_bring_back_old_documents(
    base: Engine, tmp_path: Path
) -> None:
    old = write(tmp_path, "old.ndjson", lines(case(age=60)) + b"{]")
    new = write(tmp_path, "new.ndjson", lines(case(age=61)))
    run(base, old)
    run(base, new)
    run(base, old)
    assert query(base, "SELECT year_of_birth FROM omop.person") == [(1939,)]


def test_a_case_that_cannot_be_loaded_stays_pending_and_is_loaded_once_it_can(
    base: Engine, tmp_path: Path
) -> None:
    documents = [case(f"P{number}") for number in range(8)]
    documents[5]["concept"] = 999_999_999
    file = write(tmp_path, "cases.ndjson", lines(*documents))
    summary = run(base, file)
    (failure,) = summary.loaded.failures
    assert "measurement" in failure.reason
    assert "fk_measurement_measurement_concept_id" in failure.reason
    assert "999" not in failure.reason
    assert (summary.files[0].outcome, summary.exit_code) == ("partial", 1)
    assert query(base, "SELECT count(*) FROM omop.person") == [(7,)]
    with base.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO omop.concept"
                " SELECT 999999999, concept_name, domain_id, vocabulary_id, concept_class_id,"
                " standard_concept, concept_code || '-copy', valid_start_date, valid_end_date, invalid_reason"
                " FROM omop.concept WHERE concept_id = 0"
            )
        )
    summary = run(base)
    assert (summary.left_over.cases, summary.exit_code) == (1, 0)
    assert query(base, "SELECT count(*) FROM omop.person") == [(8,)]
    assert [each.outcome for each in run(base, file).files] == ["loaded"]


def test_a_case_with_more_items_than_an_id_has_room_for_is_told(base: Engine, tmp_path: Path) -> None:
    summary = run(base, write(tmp_path, "cases.ndjson", lines(case("P1", item=2**20), case("P2"))))
    (failure,) = summary.loaded.failures
    assert failure.reason.startswith("cannot be numbered: item")
    assert summary.loaded.cases == 1
    assert query(base, "SELECT count(*) FROM lake.cases WHERE loaded_version IS NULL") == [(1,)]


def test_a_pending_document_that_the_schema_no_longer_takes_is_told(base: Engine, tmp_path: Path) -> None:
    run(base, write(tmp_path, "one.ndjson", lines(case(item=2**20))))
    schema = {**PLAN.schema, "required": ["patient", "form", "age", "weight"]}
    summary = run(base, plan=renewed(PLAN, schema=schema))
    assert summary.left_over.failures[0].reason.startswith("its document is no longer valid")
    assert summary.exit_code == 1


def test_a_request_body_is_ingested_like_a_file(base: Engine) -> None:
    with base.connect() as connection:
        body = io.BytesIO(json.dumps([case("P1"), case("P2")]).encode())
        result = ingest_stream(connection, PLAN, Validator(PLAN.schema), body, "data_file", Sender("someone"))
    assert isinstance(result, FileResult)
    assert (result.outcome, result.cases, result.loaded.cases) == ("loaded", 2, 2)


def test_two_ingests_at_once_lose_and_double_nothing(base: Engine, tmp_path: Path) -> None:
    documents = [case(f"P{number % 150}", "AB"[number // 150]) for number in range(300)]
    one = write(tmp_path, "one.ndjson", lines(*documents))
    other = write(tmp_path, "other.ndjson", lines(*reversed(documents)))
    results: list[Summary] = []
    threads = [
        threading.Thread(target=lambda files=files: results.append(run(base, *files)))
        for files in ([one, other], [other, one], [one])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(result.exit_code == 0 for result in results)
    assert sum(result.stored for result in results) == 300
    assert query(base, "SELECT outcome, sum(stored), sum(rows) FROM lake.uploads GROUP BY 1") == [
        ("loaded", 300, 2100)
    ]
    with base.connect() as connection:
        found = status(connection)
    assert (found.cases, found.pending, found.persons, found.rows["measurement"]) == (300, 0, 150, 900)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    return write(tmp_path, "cases.ndjson", lines(*(case(f"P{number}") for number in range(1500))))


def complete(engine: Engine) -> bool:
    with engine.connect() as connection:
        found = status(connection)
    return (found.cases, found.pending, found.persons, found.rows["measurement"]) == (1500, 0, 1500, 4500)


def trigger(engine: Engine, table: str, action: str) -> None:
    """Make the database act when rows come into a table and more than a thousand cases are there."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION public.act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF (SELECT count(*) FROM lake.cases) > 1000 THEN {action} END IF; RETURN NULL; END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE TRIGGER act AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.act()"
            )
        )


def remove_trigger(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP FUNCTION public.act() CASCADE"))


@pytest.mark.parametrize("table", ["lake.documents", "omop.measurement"])
def test_a_full_database_is_told_and_a_rerun_completes(base: Engine, cases: Path, table: str) -> None:
    trigger(base, table, "RAISE EXCEPTION 'disk full' USING ERRCODE = '53100';")
    with pytest.raises(DatabaseFull):
        run(base, cases)
    assert query(base, "SELECT count(*) FROM omop.person") == [(1000,)]
    remove_trigger(base)
    assert run(base, cases).exit_code == 0
    assert complete(base)


@pytest.mark.parametrize("table", ["lake.documents", "omop.measurement", "omop.person", "lake.cases"])
def test_a_connection_lost_amid_work_is_told_and_a_rerun_completes(
    base: Engine, cases: Path, table: str
) -> None:
    trigger(base, table, "PERFORM pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(DatabaseUnavailable):
        run(base, cases)
    assert query(base, "SELECT count(*) FROM omop.person") == [(1000,)]
    remove_trigger(base)
    assert run(base, cases).exit_code == 0
    assert complete(base)


def test_a_read_only_database_is_told(base: Engine, cases: Path, lake_url: str) -> None:
    engine = make_engine(
        lake_url + ("&" if "?" in lake_url else "?") + "options=-c%20default_transaction_read_only%3Don"
    )
    try:
        with pytest.raises(DatabaseReadOnly):
            run(engine, cases)
    finally:
        engine.dispose()
    assert query(base, "SELECT count(*) FROM lake.uploads") == [(0,)]
    assert run(base, cases).exit_code == 0


def test_status_counts_everything(base: Engine, tmp_path: Path) -> None:
    run(
        base,
        write(
            tmp_path,
            "a.ndjson",
            lines(case("P1", problems=["unmapped"]), case("P1", "B"), case("P2", item=2**20)),
        ),
        write(tmp_path, "b.json", b"{"),
    )
    with base.connect() as connection:
        found = status(connection)
    assert found.migration
    assert found.uploads == {"partial": 1, "rejected": 1}
    assert (found.cases, found.pending, found.persons) == (3, 1, 1)
    assert {name: count for name, count in found.rows.items() if count} == {
        "care_site": 1,
        "cdm_source": 1,
        "person": 1,
        "observation_period": 1,
        "visit_occurrence": 6,
        "measurement": 6,
    }
    assert found.problems == {"unmapped": 1}
    assert (
        found.placeholders
        == query(base, "SELECT count(*) FROM omop.concept WHERE vocabulary_id = 'Placeholder'")[0][0]
    )
