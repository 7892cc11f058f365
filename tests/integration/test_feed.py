"""Pages of the lake: complete, in order, of what the viewer may see, and found through their index."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from etl import feed, troubles
from etl.count import rows_by_table
from etl.feed import END, DocumentVersion, Page, snapshot
from etl.ingest import ingest_stream
from etl.receive import Sender
from etl.validate import Validator
from etl.viewer import Viewer
from tests.plans import PLAN, case, install, lines

ALL, OWN, OTHER, NOBODY = (
    Viewer(True, None),
    Viewer(False, "uke"),
    Viewer(False, "forth"),
    Viewer(False, None),
)


@pytest.fixture
def mini(lake: Engine) -> Engine:
    install(lake)
    return lake


def send(engine: Engine, *documents: dict[str, Any], organisation: str | None = "uke") -> int:
    """Ingest documents as one upload of an organisation's admin; returns the upload's number."""
    stream, sender = BytesIO(lines(*documents)), Sender("ada", organisation)
    with engine.connect() as connection:
        result = ingest_stream(
            connection, PLAN, Validator(PLAN.schema), stream, "data_file", sender, lines=True
        )
    assert result.upload_id is not None
    return result.upload_id


def read(engine: Engine, query: Callable[..., Any], *arguments: Any) -> Any:
    with engine.connect() as connection, snapshot(connection):
        return query(connection, *arguments)


def forms(connection: Connection, viewer: Viewer, before: int, limit: int) -> Page[DocumentVersion]:
    return feed.documents_of_forms(connection, viewer, "mini", ["A", "B"], before, limit)


def test_uploads_come_once_each_while_others_arrive(mini: Engine) -> None:
    sent = [send(mini, case(f"P{number}")) for number in range(7)]
    seen, before = [], END
    while before is not None:
        page = read(mini, feed.newest_uploads, ALL, before, 2)
        seen += [each.upload_id for each in page.rows]
        before = page.after
        send(mini, case(f"later {before}"))
    assert seen == sorted(sent, reverse=True)


def test_cases_of_forms_come_once_each_while_they_change(mini: Engine) -> None:
    for number in range(6):
        send(mini, case(f"P{number}", "AB"[number % 2]))
    send(mini, case("other form", "C"))
    seen: list[DocumentVersion] = []
    before = END
    while before is not None:
        page = read(mini, forms, ALL, before, 2)
        seen += page.rows
        before = page.after
        # Each case gets a new document, those that came and those to come.
        for number in range(6):
            send(mini, case(f"P{number}", "AB"[number % 2], text=f"after {before}"))
    assert len(seen) == 6
    assert [each.case_id for each in seen] == sorted({each.case_id for each in seen}, reverse=True)
    assert all(each.version == each.newest for each in seen)


def test_documents_of_an_upload_come_in_its_order(mini: Engine) -> None:
    send(mini, case("P0"))
    upload = send(mini, *(case(f"P{number}", text="new") for number in range(5)))
    seen, after = [], 0
    while after is not None:
        page = read(mini, feed.documents_of_upload, ALL, upload, after, 2)
        seen += [(each.position, each.version) for each in page.rows]
        after = page.after
    assert seen == [(1, 2), (2, 1), (3, 1), (4, 1), (5, 1)]


def test_a_patient_has_every_version_newest_first(mini: Engine) -> None:
    send(mini, case("P", "A"))
    send(mini, case("P", "B"))
    send(mini, case("P", "A", text="again"))
    first = read(mini, feed.documents_of_patient, ALL, "P", END, 2)
    rest = read(mini, feed.documents_of_patient, ALL, "P", first.after, 2)
    assert [(each.form, each.version, each.outcome) for each in [*first.rows, *rest.rows]] == [
        ("A", 2, "loaded"),
        ("B", 1, "loaded"),
        ("A", 1, "replaced"),
    ]
    assert rest.after is None


def test_a_document_that_is_not_loaded_yet_is_pending_and_the_one_before_is_loaded(mini: Engine) -> None:
    send(mini, case("P"))
    send(mini, case("P", text="again"))
    with mini.begin() as connection:
        connection.execute(text("UPDATE lake.cases SET loaded_version = 1"))
    found = read(mini, feed.documents_of_patient, ALL, "P", END, 9).rows
    assert [(each.version, each.outcome) for each in found] == [(2, "pending"), (1, "loaded")]


@pytest.mark.parametrize(("viewer", "sees"), [(ALL, 3), (OWN, 1), (OTHER, 1), (NOBODY, 0)])
def test_a_reader_finds_its_own(mini: Engine, viewer: Viewer, sees: int) -> None:
    uploads = [
        send(mini, case(name), organisation=of) for name, of in (("U", "uke"), ("F", "forth"), ("N", None))
    ]
    assert len(read(mini, feed.newest_uploads, viewer, END, 9).rows) == sees
    assert len(read(mini, forms, viewer, END, 9).rows) == sees
    assert sum(read(mini, feed.find_upload, viewer, each) is not None for each in uploads) == sees
    assert sum(len(read(mini, feed.documents_of_upload, viewer, each, 0, 9).rows) for each in uploads) == sees
    patients = [read(mini, feed.documents_of_patient, viewer, name, END, 9) for name in "UFN"]
    assert sum(len(each.rows) for each in patients) == sees


def test_an_upload_shows_nothing_of_another_organisations_case(mini: Engine) -> None:
    send(mini, case("F"), organisation="forth")
    upload = send(mini, case("F", text="sent by an admin", problems=["invalid"]), case("U"))
    assert [each.position for each in read(mini, feed.documents_of_upload, OWN, upload, 0, 9).rows] == [2]
    assert read(mini, troubles.troubles, OWN, upload, troubles.Place(), 9) == ([], None)
    assert len(read(mini, troubles.troubles, ALL, upload, troubles.Place(), 9)[0]) == 1
    assert len(read(mini, feed.documents_of_patient, OTHER, "F", END, 9).rows) == 2


def test_contents_are_the_documents_and_rows_are_what_omop_has(mini: Engine) -> None:
    document = case("P", text="some text")
    send(mini, document)
    send(mini, case("Q", text="another"))
    (entry,) = read(mini, feed.documents_of_patient, ALL, "P", END, 9).rows
    assert json.loads(read(mini, feed.contents, [entry])[entry.document_id]) == document
    assert read(mini, rows_by_table, [entry]) == {
        entry.document_id: {"visit_occurrence": 3, "measurement": 3, "note": 1}
    }


def test_a_replaced_document_has_no_rows(mini: Engine) -> None:
    send(mini, case("P"))
    send(mini, case("P", text="again"))
    _, old = read(mini, feed.documents_of_patient, ALL, "P", END, 9).rows
    assert read(mini, rows_by_table, [old]) == {}


def test_documents_may_make_a_page_shorter(mini: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = send(mini, *(case(f"P{number}") for number in range(5)))
    entries = read(mini, feed.documents_of_upload, ALL, upload, 0, 9).rows
    monkeypatch.setattr(feed, "PAGE_BYTES", entries[0].size + entries[1].size)
    page = read(mini, feed.documents_of_upload, ALL, upload, 0, 9)
    assert (len(page.rows), page.after) == (2, page.rows[1].key)
    monkeypatch.setattr(feed, "PAGE_BYTES", 1)
    assert len(read(mini, feed.documents_of_upload, ALL, upload, 0, 9).rows) == 1


def test_a_page_weighs_what_is_sent_and_not_what_is_kept(
    mini: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents that PostgreSQL packs to little are as many bytes in the answer as they were."""
    upload = send(mini, *(case(f"P{number}", text="x" * 100_000) for number in range(5)))
    monkeypatch.setattr(feed, "PAGE_BYTES", 250_000)
    page = read(mini, feed.documents_of_upload, ALL, upload, 0, 9)
    texts = read(mini, feed.contents, page.rows)
    assert {each.document_id: each.size for each in page.rows} == {
        number: len(document.encode()) for number, document in texts.items()
    }
    assert len(page.rows) == 2
    packed = text("SELECT max(pg_column_size(document)) FROM lake.documents")
    with mini.connect() as connection:
        assert connection.execute(packed).scalar_one() < 10_000


def every_trouble(engine: Engine, upload: int, limit: int) -> list[troubles.Trouble]:
    seen: list[troubles.Trouble] = []
    place: troubles.Place | None = troubles.Place()
    while place is not None:
        found, place = read(engine, troubles.troubles, ALL, upload, place, limit)
        assert len(found) <= limit
        seen += found
    return seen


@pytest.mark.parametrize("looked_at", [1, 2, 2000])
def test_troubles_come_once_each(mini: Engine, monkeypatch: pytest.MonkeyPatch, looked_at: int) -> None:
    monkeypatch.setattr(troubles, "LOOKED_AT", looked_at)
    bad = {"patient": "bad", "form": 1, "age": "x"}
    kinds = ["invalid", "implausible"]
    good = [case(f"P{number}", problems=kinds * (number % 2)) for number in range(6)]
    upload = send(mini, bad, *good, bad)
    found = every_trouble(mini, upload, 2)
    assert Counter(each.kind for each in found) == {"violation": 4, "invalid": 3, "implausible": 3}
    assert [each.record for each in found] == [1, 1, 8, 8, 3, 3, 5, 5, 7, 7]
    assert {each.rule for each in found} == {None, "psa"}
    assert found == every_trouble(mini, upload, 100)


# 5,000 uploads of one case each. What is asked for lies at the far end of the primary keys, which is where a
# planner that trusts its statistics would walk to.
_FILL = """
    INSERT INTO lake.uploads (uploader, organisation, source, mapping, bytes, sha256)
    SELECT 'ada', CASE WHEN n <= 200 THEN 'uke' ELSE 'forth' END, 'data_file', 'mini', 1,
        sha256(CAST(CAST(n AS text) AS bytea)) FROM generate_series(1, 5000) AS n;
    INSERT INTO lake.patients (patient_id) SELECT 'P' || n FROM generate_series(1, 5000) AS n;
    INSERT INTO lake.cases (mapping, patient_id, form, person_id, organisation, version)
    SELECT 'mini', patient_id, CASE WHEN person_id <= 200 THEN 'A' ELSE 'C' END, person_id, organisation, 1
    FROM lake.patients JOIN lake.uploads ON upload_id = person_id ORDER BY person_id;
    INSERT INTO lake.documents (case_id, version, upload_id, position, digest, document)
    SELECT case_id, 1, CASE WHEN case_id > 3000 THEN 7 ELSE case_id END, 1, 'x', '{}'
    FROM lake.cases ORDER BY cases.case_id;
    ANALYZE lake.uploads, lake.cases, lake.documents
"""


def rows_read(connection: Connection, statement: Any, values: dict[str, Any]) -> int:
    """How many rows of tables the plan of a statement touched."""
    explain = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")
    (found,) = connection.execute(explain, {**values, "limit": 11, "looked": 11}).scalar_one()

    def count(node: dict[str, Any]) -> int:
        own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if "Relation Name" in node else 0
        return int(own * node["Actual Loops"]) + sum(map(count, node.get("Plans", ())))

    return count(found["Plan"])


def test_a_page_reads_as_many_rows_as_it_has(mini: Engine) -> None:
    with mini.begin() as connection:
        connection.execute(text(_FILL))
    own, every = {**OWN._asdict(), "before": END}, {**ALL._asdict(), "before": END}
    kinds: Sequence[tuple[Any, dict[str, Any]]] = [
        (feed._EVERY_UPLOAD, every),
        (feed._OWN_UPLOADS, own),
        (feed._OF_EVERY_FORM, {**every, "mapping": "mini", "forms": ["A", "B"]}),
        (feed._OF_OWN_FORMS, {**own, "mapping": "mini", "forms": ["A", "B"]}),
        (feed._OF_PATIENT, {**own, "patient": "P100"}),
        (feed._OF_UPLOAD, {**every, "upload": 7, "after": 0}),
        (troubles._VIOLATIONS, {"upload": 7, "violation": 0}),
        (troubles._LAST, {"upload": 7, "document": 0}),
        (troubles._PROBLEMS, {**every, "upload": 7, "document": 0, "problem": 0}),
    ]
    with mini.connect() as connection, snapshot(connection):
        read_ = [rows_read(connection, statement, values) for statement, values in kinds]
    assert max(read_) <= 4 * 11, read_
