"""Posting, below HTTP: what it tells, whose patient it is, and what stands in its way."""

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO

import orjson
import pytest
from sqlalchemy import Connection, Engine, text

from etl.ingest import MOST_SHOWN, load_pending
from etl.land import FOREIGN, Rejection
from etl.plan import CaseKey, Plan
from etl.post import Posted, made_of, post
from etl.read import read
from etl.receive import KeyReused, Sender
from etl.rehearse import Rehearsal, rehearse
from etl.validate import Validator
from etl.withdraw import NotThere, Remover, withdraw_patient, withdraw_upload
from omop_schema.database import DatabaseBusy
from tests.plans import PLAN, case, install, renewed

VALIDATOR = Validator(PLAN.schema)
FORTH = Sender("tool", "forth", everywhere=False)
UKE = Sender("other", "uke", everywhere=False)
ADMIN = Sender("root", None)


@pytest.fixture
def base(lake: Engine) -> Engine:
    install(lake)
    return lake


@pytest.fixture
def connection(base: Engine) -> Iterator[Connection]:
    with base.connect() as connection:
        yield connection


def send(
    connection: Connection, *documents: Any, sender: Sender = FORTH, plan: Plan = PLAN, key: str | None = None
) -> Posted:
    content = documents[0] if len(documents) == 1 else list(documents)
    stream = io.BytesIO(content if isinstance(content, bytes) else orjson.dumps(content))
    return post(connection, plan, VALIDATOR, stream, "body", sender, key)


def rehearsed(connection: Connection, document: Any, sender: Sender = FORTH) -> Rehearsal:
    return rehearse(connection, PLAN, VALIDATOR, io.BytesIO(orjson.dumps(document)), sender)


def query(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    with connection.begin():
        return [tuple(row) for row in connection.execute(text(statement))]


def wait_for_locks(connection: Connection, time: str) -> None:
    with connection.begin():
        connection.execute(text(f"SET lock_timeout = '{time}'"))


def test_each_problem_is_told_by_path_rule_and_kind(connection: Connection) -> None:
    posted = send(connection, case(problems=["unmapped", "invalid"]))
    (found,) = posted.cases
    assert [(each.path, each.rule, each.kind, each.reason) for each in found.problems] == [
        ("$.values", "psa", "unmapped", "made by hand"),
        ("$.values", "psa", "invalid", "made by hand"),
    ]
    assert (posted.outcome, posted.whole) == ("loaded", False)
    assert send(connection, case("P2", problems=["unmapped"])).whole, "a concept 0 is no loss"
    assert (found.rows, posted.loaded.rows) == ({"person": 1, "visit_occurrence": 3, "measurement": 3},) * 2


def test_warnings_are_told_apart_and_are_no_loss(connection: Connection) -> None:
    document = case(problems=["implausible", "unmapped"])
    (foreseen,) = rehearsed(connection, document).cases
    posted = send(connection, document)
    (found,) = posted.cases
    assert (posted.outcome, posted.whole, posted.loaded.warnings["psa"]) == ("loaded", True, 1)
    for told in (found, foreseen):
        assert [each.kind for each in told.problems] == ["unmapped"]
        assert [(each.path, each.rule, each.kind) for each in told.warnings] == [
            ("$.values", "psa", "implausible")
        ]
    assert [each.case_id for each in (*found.warnings, *foreseen.warnings)] == [found.case_id, None]
    assert send(connection, document).cases[0].warnings == found.warnings


def test_a_rehearsal_tells_what_a_post_tells(connection: Connection) -> None:
    document = case(problems=["truncated"], text="a note")
    before = rehearsed(connection, document)
    assert query(connection, "SELECT count(*) FROM lake.uploads") == [(0,)]
    posted = send(connection, document)
    assert [(each.position, each.form, each.rows) for each in before.cases] == [
        (each.position, each.form, each.rows) for each in posted.cases
    ]
    assert [each._replace(case_id=None) for each in posted.cases[0].problems] == [*before.cases[0].problems]
    mixed = rehearsed(connection, [case("P1"), case("P2", age="x"), case("P3")], UKE)
    assert [each.position for each in mixed.cases] == [3]
    assert [(each.position, each.path) for each in mixed.violations] == [(1, "$.patient"), (2, "$.age")]
    assert not mixed.foreign
    assert rehearsed(connection, case("P1"), UKE).foreign
    assert rehearsed(connection, case("P1"), ADMIN).cases


def test_a_mapping_that_fails_on_a_case_leaves_it_landed(connection: Connection) -> None:
    def failing(*_: Any) -> tuple[str, str]:
        raise ValueError("secret")

    posted = send(connection, case(), plan=replace(PLAN, run=failing))
    assert (posted.outcome, posted.whole) == ("partial", False)
    (found,) = posted.cases
    assert (found.loaded, found.failure, found.rows) == (False, "the mapping fails on it: ValueError", {})
    assert made_of(replace(PLAN, run=failing), case(), CaseKey(1, 1, None), None) == ({}, (), ())
    counts = load_pending(connection, PLAN, VALIDATOR)
    assert (counts.cases, counts.rows["measurement"]) == (1, 3)
    again = send(connection, case())
    assert (again.outcome, again.whole, again.repeated) == ("loaded", True, True)


def test_an_answer_after_a_remap_is_of_the_mapping_in_use(connection: Connection) -> None:
    first = send(connection, case())
    other = send(connection, case(), plan=renewed(PLAN))
    assert other == replace(first, repeated=True, loaded=other.loaded)


def test_a_patient_is_one_organisations_on_all_forms(connection: Connection) -> None:
    send(connection, case("P1", "A"))
    refused = send(connection, [case("P1", "B", site="new"), case("P2", "B")], sender=UKE)
    assert [each.position for each in refused.cases] == [2]
    assert [(each.position, each.path) for each in refused.violations] == [(1, "$.patient")]
    assert not refused.foreign
    send(connection, case("P1", "B"), sender=ADMIN)
    assert query(connection, "SELECT patient_id, form, organisation FROM lake.cases ORDER BY 1, 2") == [
        ("P1", "A", "forth"),
        ("P1", "B", "forth"),
        ("P2", "B", "uke"),
    ]
    assert query(connection, "SELECT site FROM lake.sites") == [("FORTH",)]


def test_of_bytes_that_an_administrator_sent_a_provider_is_told_what_is_anothers(
    connection: Connection,
) -> None:
    send(connection, case("P1"), sender=UKE)
    both = (case("P1", age=71), case("P2"))
    first = send(connection, *both, sender=Sender("root", "forth"))
    assert (first.whole, len(first.cases)) == (True, 2)
    stored = "SELECT outcome, stored, rejected FROM lake.uploads ORDER BY upload_id"
    log = query(connection, stored)
    second = send(connection, *both)
    assert (second.upload_id, second.repeated, second.outcome) == (first.upload_id, True, "partial")
    assert (second.whole, second.foreign, second.rejected) == (False, False, 1)
    assert [each.position for each in second.cases] == [2]
    assert second.violations == (Rejection(1, 1, "$.patient", FOREIGN),)
    assert query(connection, stored) == log, "the upload is as its sender left it"
    alone = send(connection, case("P1", age=72), sender=Sender("root", "forth"))
    refused = send(connection, case("P1", age=72))
    assert (refused.upload_id, refused.outcome, refused.cases) == (alone.upload_id, "rejected", ())
    assert refused.foreign
    assert refused.violations == (Rejection(1, 1, "$.patient", FOREIGN),)


@pytest.mark.parametrize("patient", ["P1", "P2", "P3", "P4"])
def test_two_organisations_at_once_do_not_share_a_new_patient(base: Engine, patient: str) -> None:
    answers: dict[str, Posted] = {}
    barrier = threading.Barrier(2)

    def work(sender: Sender, form: str) -> None:
        with base.connect() as connection:
            barrier.wait()
            answers[form] = send(connection, case(patient, form), sender=sender)

    threads = [threading.Thread(target=work, args=each) for each in ((FORTH, "A"), (UKE, "B"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.foreign for each in answers.values()) == [False, True]


def test_keys_are_held_to_one_request(connection: Connection) -> None:
    first = send(connection, case("P1"), key="k")
    assert send(connection, case("P1"), key="k").upload_id == first.upload_id
    with pytest.raises(KeyReused, match="Idempotency-Key"):
        send(connection, case("P2"), key="k")
    with pytest.raises(KeyReused):
        send(connection, case("P1"), key="k", sender=replace(FORTH, organisation="uke"))
    assert query(connection, "SELECT count(*) FROM lake.uploads") == [(1,)]
    assert send(connection, case("P2"), key="k", sender=UKE).cases


def test_a_key_is_held_to_its_request_also_where_the_bytes_came_before(connection: Connection) -> None:
    first = send(connection, case("P1"))
    assert send(connection, case("P1"), key="k").upload_id == first.upload_id
    with pytest.raises(KeyReused, match=f"upload {first.upload_id}"):
        send(connection, case("P2"), key="k")
    assert send(connection, case("P1"), key="another").repeated, "a request may come with several keys"
    second = send(connection, case("P2"))
    with pytest.raises(KeyReused):
        send(connection, case("P2"), key="k")
    assert query(connection, "SELECT upload_id, idempotency_key FROM lake.idempotency_keys ORDER BY 2") == [
        (first.upload_id, "another"),
        (first.upload_id, "k"),
    ]
    assert query(connection, "SELECT max(upload_id) FROM lake.uploads") == [(second.upload_id,)]


def test_a_key_is_free_again_when_its_upload_is_withdrawn(connection: Connection) -> None:
    first = send(connection, case("P1"), key="k")
    withdraw_upload(connection, first.upload_id, PLAN, Remover("root"))
    assert query(connection, "SELECT * FROM lake.idempotency_keys") == []
    assert send(connection, case("P2"), key="k").cases
    assert query(connection, "SELECT count(*) FROM lake.idempotency_keys") == [(1,)]


@pytest.mark.parametrize("bodies", [1, 4])
def test_of_requests_at_once_with_one_key_one_body_is_taken(base: Engine, bodies: int) -> None:
    said: list[str] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        with base.connect() as connection:
            barrier.wait()
            try:
                said.append(send(connection, case(f"P{number % bodies}"), key="k").outcome)
            except KeyReused:
                said.append("reused")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["loaded"] * (8 // bodies) + ["reused"] * (8 - 8 // bodies)
    with base.connect() as connection:
        assert query(connection, "SELECT count(*) FROM lake.uploads") == [(1,)]


def test_the_second_of_two_requests_with_one_key_waits_for_the_first(base: Engine) -> None:
    answers: list[Posted] = []

    def work() -> None:
        with base.connect() as connection:
            answers.append(send(connection, case("P1"), key="k"))

    second = threading.Thread(target=work)
    with base.connect() as connection, connection.begin():
        content = orjson.dumps(case("P1"))
        values = {"size": len(content), "sha256": hashlib.sha256(content).digest()}
        upload_id = connection.execute(
            text(
                "INSERT INTO lake.uploads (uploader, organisation, source, mapping, bytes, sha256)"
                " VALUES ('tool', 'forth', 'body', 'mini', :size, :sha256) RETURNING upload_id"
            ),
            values,
        ).scalar_one()
        connection.execute(
            text("INSERT INTO lake.idempotency_keys VALUES ('tool', 'k', :upload)"), {"upload": upload_id}
        )
        second.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        deadline = time.monotonic() + 60
        while not connection.execute(text(waiting)).scalar_one():
            assert time.monotonic() < deadline, "it does not wait"
            time.sleep(0.01)
    second.join()
    assert [(each.upload_id, each.outcome) for each in answers] == [(upload_id, "loaded")]


def test_what_is_in_the_way_for_a_moment_is_waited_for(base: Engine, connection: Connection) -> None:
    wait_for_locks(connection, "100ms")
    send(connection, case("P1"))
    with base.connect() as other:
        other.begin()
        other.execute(text("SELECT FROM lake.patients FOR UPDATE"))
        timer = threading.Timer(0.5, other.rollback)
        timer.start()
        posted = send(connection, case("P1", age=71))
        timer.join()
    assert posted.whole
    assert posted.cases[0].version == 2
    assert query(connection, "SELECT count(*) FROM lake.documents") == [(2,)]


def test_what_stays_in_the_way_is_told(base: Engine, connection: Connection) -> None:
    wait_for_locks(connection, "50ms")
    send(connection, case("P1"))
    with base.connect() as other, other.begin():
        other.execute(text("SELECT FROM lake.patients FOR UPDATE"))
        with pytest.raises(DatabaseBusy, match="a lock was not given in time"):
            send(connection, case("P1", age=71))
    assert send(connection, case("P1", age=71)).whole
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
    assert query(connection, f"{held} (SELECT oid FROM pg_database WHERE datname = current_database())") == [
        (0,)
    ]


def test_a_deadlock_is_tried_again(connection: Connection) -> None:
    with connection.begin():
        connection.execute(text("CREATE SEQUENCE public.tries"))
        connection.execute(
            text(
                "CREATE FUNCTION public.deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF nextval('public.tries') < 3 THEN RAISE deadlock_detected; END IF; RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER deadlock BEFORE INSERT ON omop.person"
                " FOR EACH ROW EXECUTE FUNCTION public.deadlock()"
            )
        )
    posted = send(connection, case())
    assert (posted.whole, posted.cases[0].version) == (True, 1)
    assert query(connection, "SELECT last_value FROM public.tries") == [(3,)]


def test_what_is_withdrawn_before_the_answer_is_no_others(
    base: Engine, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(stream: BinaryIO) -> Iterator[Any]:
        with base.connect() as other, suppress(NotThere):
            withdraw_patient(other, "P1", Remover("root"))
        return read(stream)

    send(connection, case("P9"), sender=UKE)
    monkeypatch.setattr("etl.post.read", meanwhile)
    found = send(connection, case("P1"))
    assert (found.outcome, found.withdrawn, found.cases, found.violations) == ("withdrawn", 1, (), ())
    assert (found.whole, found.foreign) == (False, False)
    beside = send(connection, case("P1"), case("P9"), case("P2", age="old"))
    assert (beside.outcome, beside.withdrawn, beside.foreign) == ("withdrawn", 1, False)
    assert [each.position for each in beside.violations] == [2, 3]
    beside = send(connection, case("P1"), case("P2"))
    assert (beside.outcome, beside.withdrawn, beside.whole) == ("partial", 1, False)
    refused = send(connection, case("P9"))
    assert (refused.outcome, refused.withdrawn, refused.foreign) == ("rejected", 0, True)


def test_of_more_reasons_than_are_told_none_is_a_withdrawal(connection: Connection) -> None:
    wrong = [case(f"P{number}", age="old") for number in range(MOST_SHOWN + 5)]
    found = send(connection, *wrong)
    assert (found.outcome, found.withdrawn, found.rejected) == ("rejected", 0, MOST_SHOWN + 5)
