"""Landing: what is stored, what is not stored twice, and which numbers cases and patients are given."""

import hashlib
import io
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, Engine, text

from etl.land import Landed, Rejection, land
from etl.plan import CaseKey
from etl.read import Record
from etl.receive import Fingerprint, Sender, Upload, claimed, fingerprint, finish, receive
from etl.strict import parse
from tests.plans import PLAN, case


@pytest.fixture
def connection(lake: Engine) -> Iterator[Connection]:
    with lake.connect() as connection:
        yield connection


def upload(connection: Connection, content: bytes = b"one") -> Upload:
    return receive(connection, "mini", "one.ndjson", Sender("tester"), fingerprint(io.BytesIO(content)))


def record(position: int, document: dict[str, Any], raw: bytes | None = None) -> Record:
    return Record(position, position, raw or orjson.dumps(document), document)


def put(connection: Connection, content: bytes, *documents: dict[str, Any]) -> list[Landed]:
    records = [record(position, document) for position, document in enumerate(documents, 1)]
    return land(connection, upload(connection, content), records, PLAN.case)


def query(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    with connection.begin():
        return [tuple(row) for row in connection.execute(text(statement))]


def test_a_fingerprint_is_size_and_sha256() -> None:
    content = b"x" * 3_000_000
    assert fingerprint(io.BytesIO(content)) == Fingerprint(3_000_000, hashlib.sha256(content).digest())


def test_an_upload_is_logged_once_for_its_bytes_and_mapping(connection: Connection) -> None:
    first = upload(connection)
    assert first == Upload(first.upload_id, "mini", "received")
    assert upload(connection) == first
    assert upload(connection, b"two").upload_id != first.upload_id
    other = receive(connection, "other", "one.ndjson", Sender("tester"), fingerprint(io.BytesIO(b"one")))
    assert other.upload_id != first.upload_id
    assert query(
        connection, "SELECT source, uploader, bytes, outcome FROM lake.uploads WHERE upload_id = 1"
    ) == [("one.ndjson", "tester", 3, "received")]


def test_a_document_is_stored_as_submitted(connection: Connection) -> None:
    raw = b'{\n\t"patient": "P\\\\1 \\u00e9",\r\n "form": "A", "age": 70,'
    raw += b'\n "values": [{"day": 1e2, "psa": 1.50}]}'
    document = parse(raw)
    assert isinstance(document, dict)
    (landed,) = land(connection, upload(connection), [record(1, document, raw)], PLAN.case)
    ((stored,),) = query(connection, "SELECT document::text FROM lake.documents")
    assert orjson.loads(stored) == document == landed.document
    assert '"psa": 1.50' in stored
    assert query(connection, "SELECT patient_id FROM lake.patients") == [("P\\1 é",)]


def test_numbers_are_given_once(connection: Connection) -> None:
    first = put(connection, b"1", case("P1"), case("P1", "B"), case("P2", site="CHU"), case("P3", site=None))
    assert [(each.position, each.version, each.changed, each.pending) for each in first] == [
        (position, 1, True, True) for position in (1, 2, 3, 4)
    ]
    assert len({each.key.case_id for each in first}) == 4
    assert first[0].key.person_id == first[1].key.person_id
    assert [each.key.care_site_id is None for each in first] == [False, False, False, True]
    again = put(connection, b"2", case("P3", site=None), case("P1"))
    assert [each.key for each in again] == [first[3].key, first[0].key]


def test_the_same_documents_again_are_unchanged_and_use_up_no_numbers(connection: Connection) -> None:
    documents = [case(f"P{number}") for number in range(100)]
    first = put(connection, b"1", *documents)
    for _ in range(3):
        again = put(connection, b"2", *documents)
        assert [each.changed for each in again] == [False] * 100
        assert [each.key for each in again] == [each.key for each in first]
        assert {each.upload_id for each in again} == {first[0].upload_id}
    (new,) = put(connection, b"3", case("new"))
    assert new.key.case_id == max(each.key.case_id for each in first) + 1
    assert new.key.person_id == max(each.key.person_id for each in first) + 1
    assert query(connection, "SELECT count(*) FROM lake.documents") == [(101,)]
    assert query(connection, "SELECT count(DISTINCT upload_id) FROM lake.repeats") == [(1,)]


def test_another_document_is_a_new_version_and_the_old_one_stays(connection: Connection) -> None:
    put(connection, b"1", case("P1", age=70), case("P2"))
    landed = put(connection, b"2", case("P1", age=71, site="CHU"), case("P2"))
    assert [(each.version, each.changed) for each in landed] == [(2, True), (1, False)]
    assert query(
        connection,
        "SELECT version, document->>'age' FROM lake.documents JOIN lake.cases USING (case_id, version)"
        " WHERE patient_id = 'P1'",
    ) == [(2, "71")]
    assert query(
        connection,
        "SELECT version, document->>'age' FROM lake.documents WHERE document->>'patient' = 'P1'"
        " ORDER BY version",
    ) == [(1, "70"), (2, "71")]
    assert query(
        connection,
        "SELECT site FROM lake.sites WHERE care_site_id = "
        "(SELECT care_site_id FROM lake.cases WHERE patient_id = 'P1')",
    ) == [("CHU",)]
    (back,) = put(connection, b"3", case("P1", age=70))
    assert (back.version, back.changed) == (3, True)


def test_white_space_and_key_order_make_no_new_version(connection: Connection) -> None:
    document = case()
    put(connection, b"1", document)
    (landed,) = put(connection, b"2", dict(reversed(document.items())))
    assert not landed.changed


def test_an_upload_processed_again_does_not_bring_back_what_was_replaced(connection: Connection) -> None:
    put(connection, b"old", case(age=70))
    put(connection, b"new", case(age=71))
    (landed,) = put(connection, b"old", case(age=70))
    assert (landed.version, landed.changed, landed.pending) == (2, False, False)


def test_mappings_do_not_share_cases_but_share_patients(connection: Connection) -> None:
    (mini,) = put(connection, b"1", case())
    other = receive(connection, "other", "x", Sender("tester"), fingerprint(io.BytesIO(b"1")))
    (landed,) = land(connection, other, [record(1, case())], PLAN.case)
    assert landed.key.case_id != mini.key.case_id
    assert landed.key.person_id == mini.key.person_id


def test_rejections_are_logged_with_the_batch(connection: Connection) -> None:
    rejections = [Rejection(2, 5, "$.a", "tab\t and line\n"), Rejection(3, 7, "$", "must be an object")]
    assert land(connection, upload(connection), [], PLAN.case, rejections) == []
    assert query(connection, "SELECT position, path, reason FROM lake.violations ORDER BY position") == [
        (2, "$.a", "tab\t and line\n"),
        (3, "$", "must be an object"),
    ]


def test_a_claim_starts_the_log_afresh_unless_the_upload_is_loaded(connection: Connection) -> None:
    first = upload(connection)
    land(connection, first, [], PLAN.case, [Rejection(1, 1, "$", "bad")])
    with claimed(connection, first) as current:
        assert current == first
        assert query(connection, "SELECT count(*) FROM lake.violations") == [(0,)]
        finish(connection, first, "loaded", cases=1, rejected=0)
    land(connection, first, [], PLAN.case, [Rejection(1, 1, "$", "bad")])
    with claimed(connection, first) as current:
        assert current.outcome == "loaded"
        assert query(connection, "SELECT count(*) FROM lake.violations") == [(1,)]


def test_the_second_claim_of_an_upload_waits_for_the_first(lake: Engine) -> None:
    order: list[str] = []
    with lake.connect() as one:
        first = upload(one)

        def second() -> None:
            with lake.connect() as other, claimed(other, first) as current:
                order.append(current.outcome)

        with claimed(one, first):
            thread = threading.Thread(target=second)
            thread.start()
            thread.join(0.3)
            order.append("first ends")
            finish(one, first, "loaded", cases=0, rejected=0)
        thread.join()
    assert order == ["first ends", "loaded"]


def test_an_error_within_a_claim_gives_the_upload_free(lake: Engine) -> None:
    with lake.connect() as connection:
        first = upload(connection)
        with pytest.raises(ZeroDivisionError), claimed(connection, first):
            connection.execute(text("SELECT 1"))
            raise ZeroDivisionError
        with lake.connect() as other, claimed(other, first) as current:
            assert current == first


def test_ingests_at_once_give_each_case_one_number(lake: Engine) -> None:
    documents = [case(f"P{number}", age=50 + number % 30) for number in range(200)]
    found: list[dict[str, CaseKey]] = []

    def one(number: int) -> None:
        mine = documents if number % 2 else documents[::-1]
        with lake.connect() as connection:
            for start in range(0, 200, 50):
                landed = put(connection, b"%d-%d" % (number, start), *mine[start : start + 50])
                found.append({each.document["patient"]: each.key for each in landed})

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    keys = {(patient, key) for some in found for patient, key in some.items()}
    assert len(keys) == len({key.case_id for _, key in keys}) == 200
    with lake.connect() as connection:
        assert query(connection, "SELECT count(*), count(DISTINCT case_id) FROM lake.documents") == [
            (200, 200)
        ]


def test_a_batch_is_landed_whole_or_not_at_all(lake: Engine) -> None:
    with lake.begin() as connection:
        connection.execute(text("ALTER TABLE lake.documents ADD CONSTRAINT small CHECK (position < 3)"))
    with lake.connect() as connection:
        with pytest.raises(Exception, match="small"):
            put(connection, b"1", case("P1"), case("P2"), case("P3"))
        for table in ("documents", "cases", "patients", "sites", "violations"):
            assert query(connection, f"SELECT count(*) FROM lake.{table}") == [(0,)]
