"""Withdrawal: what is removed, what takes its place, who may, and that nothing of it is left anywhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from etl.curation import SAMPLES, curate
from etl.explain import explain
from etl.ingest import load_pending
from etl.plan import CasePaths, Plan
from etl.receive import Sender, claimed, fingerprint, receive
from etl.status import status
from etl.validate import Validator
from etl.withdraw import NotThere, NotWithdrawn, Remover, withdraw_upload
from tests.conftest import engine_on, new_database
from tests.plans import PLAN, case, install, lines, renewed
from tests.withdrawals import content, drop_patient, drop_upload, send


@pytest.fixture
def base(lake: Engine) -> Engine:
    """A lake with the rules of the small mapping."""
    install(lake)
    return lake


def query(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def texts(engine: Engine) -> dict[str, str]:
    """Every row of every table of the database, as text, by table: what a dump would hold."""
    tables = query(
        engine,
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
        " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    return {
        name: "\n".join(row[0] for row in query(engine, f"SELECT t::text FROM {name} AS t"))
        for (name,) in tables
        if name not in _VOCABULARY
    }


#: They take a while to read, and nothing writes them here.
_VOCABULARY = {"omop.concept", "omop.concept_synonym", "omop.concept_relationship", "omop.concept_ancestor"}


def holding(engine: Engine, needle: str) -> set[str]:
    """The tables in which a text stands, in whatever case or encoding of bytes."""
    needles = (needle.lower(), needle.encode().hex())
    return {name for name, rows in texts(engine).items() if any(each in rows.lower() for each in needles)}


def test_a_patient_leaves_nothing_but_a_number(base: Engine) -> None:
    planted = case("Jane-4711", text="planted value", site="Planted Site")
    send(base, planted, organisation="forth", source="/in/jane-4711.json")
    send(base, {**planted, "age": 71}, case("P2"), organisation="forth", source="both")
    send(base, case("Jane-4711", "B", text="planted value too"), organisation="forth")
    send(base, {**planted, "age": "not valid"}, organisation="forth", source="Jane-4711 again.ndjson")
    others = content(base)["documents"][-1:]
    made_by_hand(base, "Jane-4711")
    run(
        base,
        "INSERT INTO lake.audit (request_id, action, scope, allowed, reason) VALUES"
        " ('retry.jane-4711.2', 'POST /usecases', 'metadata:write', true, 'reach own')",
    )
    run(
        base,
        "INSERT INTO lake.idempotency_keys (uploader, idempotency_key, upload_id) VALUES"
        " ('tester', 'jane-4711', 1), ('tester', 'both', 2), ('tester', 'try.JANE-4711.2', 4)",
    )
    needles = ("Jane-4711", "planted value", "Planted Site")
    assert holding(base, "Jane-4711") >= {f"lake.{each}" for each in _NAMING}
    assert holding(base, "planted value") >= {"lake.documents", "omop.note", "omop.note_nlp"}
    assert "omop.care_site" in holding(base, "Planted Site")
    ((person, persons),) = query(
        base, "SELECT person_id, (SELECT max(person_id) FROM lake.patients) FROM lake.patients LIMIT 1"
    )
    done = drop_patient(base, "Jane-4711")
    assert {needle: holding(base, needle) for needle in needles} == {each: set() for each in needles}
    assert (done.person_id, done.documents, done.cases) == (person, 3, 2)
    assert query(
        base, "SELECT withdrawn_by, organisation, person_id, upload_id, documents, rows FROM lake.withdrawals"
    ) == [("admin", "forth", person, None, 3, done.rows)]
    assert content(base)["documents"] == others
    assert query(base, "SELECT outcome, source FROM lake.uploads ORDER BY upload_id") == [
        ("withdrawn", ""),
        ("partial", "both"),
        ("withdrawn", ""),
        ("rejected", ""),
    ]
    assert query(base, "SELECT DISTINCT sha256 FROM lake.uploads WHERE outcome = 'withdrawn'") == [(b"",)]
    assert query(base, "SELECT upload_id, idempotency_key FROM lake.idempotency_keys") == [(2, "both")]
    for table in ("results.cohort", "omop.condition_era", "omop.note_nlp"):
        assert query(base, f"SELECT count(*) FROM {table}") == [(0,)]
    send(base, planted)
    assert query(base, "SELECT max(person_id) FROM lake.patients") == [(persons + 1,)]


#: Tables of the lake that name a patient.
_NAMING = ("documents", "patients", "uploads", "audit", "idempotency_keys")


def made_by_hand(engine: Engine, patient: str) -> None:
    """Rows that other tools make of a person, and of rows of a case."""
    person = f"(SELECT person_id FROM lake.patients WHERE patient_id = '{patient}')"
    note = f"(SELECT min(note_id) FROM omop.note WHERE person_id = {person})"
    run(
        engine,
        "INSERT INTO omop.note_nlp (note_nlp_id, note_id, section_concept_id, lexical_variant,"
        f" note_nlp_concept_id, nlp_date, note_nlp_source_concept_id) VALUES (7, {note}, 0, 'planted value',"
        " 0, '2000-01-01', 0);"
        "INSERT INTO results.cohort_definition (cohort_definition_id, cohort_definition_name,"
        " definition_type_concept_id, subject_concept_id) VALUES (1, 'all', 0, 0);"
        f"INSERT INTO results.cohort VALUES (1, {person}, '2000-01-01', '2000-01-01');"
        "INSERT INTO omop.condition_era (condition_era_id, person_id, condition_concept_id,"
        " condition_era_start_datetime, condition_era_end_datetime)"
        f" VALUES (9, {person}, 0, '2000-01-01', '2000-01-01')",
    )


def test_what_is_left_of_an_upload_without_a_patient_may_be_sent_again(base: Engine) -> None:
    both = (case("P1"), case("P2"))
    first = send(base, *both)
    drop_patient(base, "P1")
    assert query(base, "SELECT patient_id FROM lake.cases") == [("P2",)]
    again = send(base, *both)
    assert (again.upload_id, again.outcome, again.stored) == (first.upload_id, "loaded", 1)
    assert query(base, "SELECT patient_id FROM lake.cases ORDER BY case_id") == [("P2",), ("P1",)]
    assert query(base, "SELECT max(case_id), max(person_id) FROM lake.cases") == [(3, 3)]


def test_a_withdrawn_upload_is_as_if_it_had_never_come(base: Engine) -> None:
    send(base, case("P1"), case("P2"), organisation="forth")
    before = content(base)
    second = send(base, case("P1", age=60, site="Lisbon"), case("P3"), case("P1", "B", age=61))
    assert content(base) != before
    done = drop_upload(base, second.upload_id)
    assert content(base) == before
    assert (done.documents, done.cases, done.fallen_back, done.failures) == (3, 2, 1, ())
    assert query(base, "SELECT site FROM lake.sites") == [("FORTH",)]
    assert query(base, "SELECT care_site_name FROM omop.care_site") == [("FORTH",)]
    assert query(base, "SELECT outcome, rows FROM lake.uploads ORDER BY upload_id")[0] == ("loaded", 14)
    again = send(base, case("P1", age=60, site="Lisbon"), case("P3"), case("P1", "B", age=61))
    assert (again.outcome, again.stored) == ("loaded", 3)
    assert again.upload_id == (second.upload_id or 0) + 1
    (last,) = query(base, "SELECT max(case_id) FROM lake.cases")
    assert last > (4,), "numbers of cases are not given again"


def test_a_document_that_came_again_stays_when_the_first_one_is_withdrawn(base: Engine) -> None:
    first = send(base, case("P1"), organisation="forth")
    second = send(base, case("P1"), case("P2"), organisation="lisbon")
    assert (second.stored, second.unchanged) == (1, 1)
    before = content(base)
    assert drop_upload(base, first.upload_id).cases == 0
    after = content(base)
    assert after.pop("cases") != before.pop("cases"), "it is the second provider's patient now"
    assert after == before
    assert query(base, "SELECT stored, unchanged FROM lake.uploads WHERE outcome = 'loaded'") == [(2, 0)]
    run(
        base,
        "INSERT INTO lake.plan_rules (plan, rule_id, sources, target, file, line)"
        f" SELECT '{PLAN.digest}', rule_id, '{{}}', 'visit_occurrence', 'by hand', 1 FROM lake.rules"
        " WHERE (mapping, name) = ('mini', 'visit')",
    )
    ((row_id,),) = query(base, "SELECT min(visit_occurrence_id) FROM omop.visit_occurrence")
    with base.connect() as connection:
        assert explain(connection, "visit_occurrence", row_id).case.upload_id == second.upload_id
    drop_upload(base, second.upload_id)
    assert content(base) == {}
    assert query(base, "SELECT count(*) FROM lake.patients") == [(0,)]


def test_only_the_upload_that_is_newest_changes_rows(base: Engine) -> None:
    uploads = [send(base, case("P1", age=age)) for age in (60, 61, 62)]
    loaded = query(base, "SELECT loaded_at FROM lake.cases")
    assert drop_upload(base, uploads[1].upload_id).fallen_back == 0
    assert query(base, "SELECT loaded_at FROM lake.cases") == loaded
    assert query(base, "SELECT year_of_birth FROM omop.person") == [(1938,)]
    assert drop_upload(base, uploads[2].upload_id).fallen_back == 1
    assert query(base, "SELECT year_of_birth FROM omop.person") == [(1940,)]
    send(base, case("P1", age=63))
    assert query(base, "SELECT year_of_birth FROM omop.person") == [(1937,)]


def test_the_curation_tools_documents_go_with_their_upload_or_the_patient_they_name(base: Engine) -> None:
    run(
        base,
        "INSERT INTO lake.uploads (uploader, source, mapping, bytes, sha256)"
        " SELECT 'tool', 'data_file', 'curationMeta', 1, decode(md5(n::text), 'hex')"
        " FROM generate_series(1, 2) AS n;"
        "INSERT INTO lake.curations (upload_id, curation_function, source_series_uid, digest, document)"
        " SELECT upload_id, 'motion_correction', '1.2', '',"
        " jsonb_build_object('meta', jsonb_build_array('P' || upload_id)) FROM lake.uploads",
    )
    assert drop_upload(base, 1).documents == 1
    send(base, case("P2"))
    done = drop_patient(base, "P2")
    assert done.documents == 2
    assert query(base, "SELECT count(*) FROM lake.curations") == [(0,)]
    closed = "SELECT mapping, outcome, source, sha256 FROM lake.uploads ORDER BY upload_id"
    assert query(base, closed) == [
        (mapping, "withdrawn", "", b"") for mapping in ("curationMeta", "curationMeta", "mini")
    ]
    assert query(base, "SELECT documents FROM lake.withdrawals ORDER BY withdrawal_id") == [(1,), (2,)]


def no_plan() -> Plan:
    """What is not asked for while nothing can be loaded."""
    raise AssertionError


def test_curation_metadata_lands_before_a_withdrawal_or_after_it(base: Engine) -> None:
    content = SAMPLES.joinpath("coregistration.json").read_bytes()
    done: list[Any] = []

    def work() -> None:
        with base.connect() as connection:
            done.append(curate(connection, no_plan, BytesIO(content), "data_file", Sender("tool")))

    curating = threading.Thread(target=work)
    with base.connect() as connection, connection.begin():
        # As every withdrawal begins.
        connection.execute(text("LOCK TABLE lake.patients IN EXCLUSIVE MODE"))
        curating.start()
        waiting = (
            "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid"
            " WHERE datname = current_database() AND relation = 'lake.patients'::regclass AND NOT granted"
        )
        deadline = time.monotonic() + 60
        while not connection.execute(text(waiting)).scalar_one():
            assert not done
            assert time.monotonic() < deadline, "it does not wait"
            time.sleep(0.01)
    curating.join()
    assert done[0].changed


def test_a_provider_withdraws_its_own_and_learns_nothing_of_others(base: Engine) -> None:
    mine = send(base, case("P1"), organisation="forth")
    theirs = send(base, case("P2"), organisation="lisbon", source="P1.json")
    line = send(base, case("P3"))
    provider, nobody = Remover("a", "forth", False), Remover("b", None, False)
    for patient in ("P2", "P3", "P4"):
        with pytest.raises(NotThere, match=r"^there is no such patient$"):
            drop_patient(base, patient, provider)
    for upload in (theirs.upload_id, line.upload_id, 99, 0, -1, 2**31, 2**62):
        with pytest.raises(NotThere, match=r"^there is no such upload$"):
            drop_upload(base, upload, provider)
    for upload in (mine.upload_id, line.upload_id):
        with pytest.raises(NotThere):
            drop_upload(base, upload, nobody)
    drop_patient(base, "P1", provider)
    with pytest.raises(NotThere):
        drop_patient(base, "P1", provider)
    with pytest.raises(NotThere):
        drop_upload(base, mine.upload_id, provider)
    assert query(base, "SELECT source FROM lake.uploads WHERE organisation = 'lisbon'") == [("P1.json",)]
    assert query(base, "SELECT count(*) FROM lake.withdrawals") == [(1,)]


def test_a_patient_of_several_providers_is_for_an_administrator(base: Engine) -> None:
    send(base, case("P1"), case("P1", "B"), organisation="forth")
    run(base, "UPDATE lake.cases SET organisation = 'lisbon' WHERE form = 'B'")
    with pytest.raises(NotWithdrawn, match="ask an administrator"):
        drop_patient(base, "P1", Remover("a", "forth", False))
    assert drop_patient(base, "P1").cases == 2


def test_an_upload_with_cases_of_others_is_for_an_administrator(base: Engine) -> None:
    upload = send(base, case("P1"), case("P2"), organisation="forth").upload_id
    run(base, "UPDATE lake.cases SET organisation = 'lisbon' WHERE patient_id = 'P2'")
    before = content(base)
    with pytest.raises(NotWithdrawn, match="ask an administrator"):
        drop_upload(base, upload, Remover("a", "forth", False))
    assert content(base) == before
    assert drop_upload(base, upload).cases == 2


def test_an_upload_that_is_being_read_is_not_withdrawn_and_a_patient_makes_it_partial(base: Engine) -> None:
    send(base, case("P1"))
    with base.connect() as connection:
        upload = receive(
            connection, PLAN.mapping, "x", Sender("tester"), fingerprint(BytesIO(lines(case("P1"))))
        )
        with claimed(connection, upload):
            with pytest.raises(NotWithdrawn, match="still being read"):
                drop_upload(base, upload.upload_id)
            drop_patient(base, "P1")
            assert query(base, "SELECT outcome FROM lake.uploads") == [("partial",)]
    assert send(base, case("P1")).stored == 1, "nobody is told that it is loaded already"


def test_a_case_whose_earlier_document_is_no_longer_valid_is_pending(base: Engine) -> None:
    send(base, case("P1", age=60), case("P1", "B", age=60))
    second = send(base, case("P1", age=61))
    schema = {**PLAN.schema, "properties": {**PLAN.schema["properties"], "age": {"type": "string"}}}
    with base.connect() as connection:
        done = withdraw_upload(
            connection, second.upload_id or 0, renewed(PLAN, schema=schema), Remover("admin")
        )
    assert [each.case_id for each in done.failures] == [1]
    with base.connect() as connection:
        assert status(connection).pending == 1
        assert load_pending(connection, PLAN, Validator(PLAN.schema)).cases == 1
    assert query(base, "SELECT count(*) FROM omop.measurement") == [(6,)]


def test_cases_of_another_mapping_fall_back_with_that_mapping_alone(base: Engine) -> None:
    send(base, case("P1", age=60))
    second = send(base, case("P1", age=61))
    other = renewed(PLAN, mapping="other", case=CasePaths("id", "kind", None))
    with base.connect() as connection, pytest.raises(NotWithdrawn, match=r"mapping 'mini'.*--mappings DIR"):
        withdraw_upload(connection, second.upload_id or 0, other, Remover("admin"))
    assert query(base, "SELECT year_of_birth FROM omop.person") == [(1939,)], "nothing was changed"


def test_rows_of_other_tools_that_refer_to_a_case_stop_an_uploads_withdrawal(base: Engine) -> None:
    send(base, case("P1"))
    second = send(base, case("P1", text="planted value"))
    made_by_hand(base, "P1")
    with pytest.raises(NotWithdrawn, match="another tool"):
        drop_upload(base, second.upload_id)
    run(base, "DELETE FROM omop.note_nlp")
    assert drop_upload(base, second.upload_id).fallen_back == 1


def test_withdrawals_and_ingests_at_once_leave_whole_cases(base: Engine) -> None:
    faults: list[BaseException] = []
    until = time.monotonic() + 4

    def repeat(work: Any) -> None:
        number = 0
        try:
            while time.monotonic() < until:
                number += 1
                work(number)
        except BaseException as error:
            faults.append(error)

    def sending(who: int) -> Any:
        def work(number: int) -> None:
            documents = (
                case(f"P{each}", age=40 + number % 50, site=f"S{who}{number % 3}") for each in (1, 2, 3)
            )
            result = send(base, *documents, case(f"Own{who}-{number}"))
            if number % 3 == 0:
                drop_upload(base, result.upload_id)

        return work

    def dropping(number: int) -> None:
        with suppress(NotThere):
            drop_patient(base, f"P{number % 3 + 1}")

    threads = [threading.Thread(target=repeat, args=(each,)) for each in (sending(1), sending(2), dropping)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with base.connect() as connection:
        load_pending(connection, PLAN, Validator(PLAN.schema))
    assert query(base, "SELECT count(*) FROM lake.cases WHERE loaded_version IS DISTINCT FROM version") == [
        (0,)
    ]
    measured = "SELECT count(*), count(DISTINCT measurement_id >> 32) FROM omop.measurement"
    ((rows, cases),) = query(base, measured)
    assert query(base, "SELECT count(*) FROM lake.cases") == [(cases,)]
    assert rows == 3 * cases
    assert query(base, "SELECT count(*) FROM lake.cases WHERE care_site_id IS NULL") == [(0,)]
    assert query(base, "SELECT person_id FROM omop.person EXCEPT SELECT person_id FROM lake.patients") == []
    assert cases > 0


@dataclass
class Sent:
    """An upload of the model: what is left of what it sent."""

    upload_id: int
    number: int
    """Makes its bytes differ from those of others with the same documents."""
    documents: list[dict[str, Any]]
    left: list[dict[str, Any]]
    whole: bool = True


@pytest.fixture(scope="module")
def two_lakes(server_url: str, template_database: str) -> Iterator[tuple[Engine, Engine]]:
    with (
        new_database(server_url, template_database) as one,
        new_database(server_url, template_database) as other,
        engine_on(one) as first,
        engine_on(other) as second,
    ):
        install(first)
        install(second)
        yield first, second


def said(patient: str, form: str, age: int) -> dict[str, Any]:
    """One of few documents, so that they come again, and by both forms that disagree."""
    values = {60: [{"day": 3, "psa": 1.5}], 61: [], 62: [{"day": 9, "psa": 2}, {"day": -4, "psa": 3}]}
    return case(patient, form, age=age, site={60: "Here", 61: None, 62: "There"}[age], values=values[age])


def steps(seed: int) -> list[tuple[str, Any]]:
    """Some uploads, then more of them between withdrawals."""
    random = Random(seed)

    def documents() -> list[dict[str, Any]]:
        patients, count = random.choices(["P1", "P2"], [3, 1], k=3), random.randint(1, 3)
        return [said(each, random.choice("AB"), random.choice([60, 61, 62])) for each in patients[:count]]

    made: dict[str, Callable[[], Any]] = {
        "send": documents,
        "again": lambda: random.randrange(10),
        "upload": lambda: random.randrange(10),
        "patient": lambda: random.choice(["P1", "P2"]),
    }
    kinds = ["send"] * 4 + random.choices([*made], [4, 1, 4, 1], k=10)
    return [(kind, made[kind]()) for kind in kinds]


def test_any_ingests_and_withdrawals_are_the_ingest_of_what_is_left(
    two_lakes: tuple[Engine, Engine],
) -> None:
    fallen_back = 0
    for seed in range(40):
        found, expected, fell = after(steps(seed), *two_lakes)
        assert found == expected, f"seed {seed}"
        fallen_back += fell
    assert fallen_back > 40, "the withdrawals that were tried must matter"


def after(
    done: list[tuple[str, Any]], engine: Engine, fresh: Engine
) -> tuple[dict[str, list[Any]], dict[str, list[Any]], int]:
    """What a lake holds after these steps, what one that is sent what is left, and cases that fell back."""
    for each in (engine, fresh):
        run(each, "TRUNCATE lake.uploads, lake.patients, lake.sites, omop.person, omop.care_site CASCADE")
    events: list[Sent] = []
    fallen_back = 0
    for number, (kind, what) in enumerate(done):
        if kind == "send":
            take(engine, events, what, number)
        elif kind == "patient":
            leave(engine, events, what)
        elif events and kind == "again":
            earlier = events[what % len(events)]
            take(engine, events, earlier.documents, earlier.number)
        elif events:
            upload_id = events[what % len(events)].upload_id
            fallen_back += drop_upload(engine, upload_id).fallen_back
            events = [each for each in events if each.upload_id != upload_id]
    for number, event in enumerate(events):
        send(fresh, *event.left, number=number)
    return content(engine), content(fresh), fallen_back


def take(engine: Engine, events: list[Sent], documents: list[dict[str, Any]], number: int) -> None:
    result = send(engine, *documents, number=number)
    assert result.upload_id is not None
    before = [each for each in events if each.upload_id == result.upload_id]
    if result.outcome == "already loaded":
        assert before
        assert all(each.whole for each in before)
        return
    held = [document for each in before for document in each.left]
    # What it brought and still has is not brought again.
    new = [each for each in documents if each not in held]
    for each in before:
        each.whole = True
    events.append(Sent(result.upload_id, number, documents, new))


def leave(engine: Engine, events: list[Sent], patient: str) -> None:
    try:
        drop_patient(engine, patient)
    except NotThere:
        assert all(document["patient"] != patient for each in events for document in each.left)
        return
    for each in events:
        left = [document for document in each.left if document["patient"] != patient]
        each.whole, each.left = each.whole and left == each.left, left
    closed = {
        upload_id
        for upload_id in {each.upload_id for each in events}
        if not any(each.left for each in events if each.upload_id == upload_id)
    }
    events[:] = [each for each in events if each.upload_id not in closed]
