"""``DELETE /patients/{patientID}`` and ``DELETE /uploads/{id}``: statuses, reach, and what is left."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine, text

from tests.integration.test_withdraw import holding
from tests.posting import app_on, figure, query
from tests.serving import served


@pytest.fixture
def client(lake_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    with served(app_on(lake_url, monkeypatch)) as client:
        yield client


def posted(client: httpx.Client, patient: str, organisation: str = "forth") -> int:
    answer = client.post("/usecases", json=figure(patient), headers={"X-Organisation": organisation})
    assert answer.status_code in (200, 202)
    return int(answer.json()["upload_id"])


ADMIN = {"X-Reach": "all"}


def test_a_patient_that_was_posted_is_gone_from_every_table(client: httpx.Client, lake: Engine) -> None:
    headers = {"X-Request-ID": "about.Jane-4711", "Idempotency-Key": "Jane-4711", "X-Organisation": "forth"}
    upload = client.post("/usecases", json=figure("Jane-4711"), headers=headers).json()["upload_id"]
    client.get("/patients/Jane-4711")
    assert {"lake.documents", "omop.person", "lake.idempotency_keys"} <= holding(lake, "Jane-4711")
    named = client.delete("/patients/Jane-4711", headers={"X-Request-ID": "again.about.jane-4711"})
    assert (named.status_code, "X-Request-ID" in named.json()["detail"]) == (400, True)
    removed = client.delete("/patients/Jane-4711")
    assert removed.status_code == 200
    found = removed.json()
    assert found == {"documents": 1, "rows": found["rows"], "cases": 1, "person_id": found["person_id"]}
    assert found["rows"] > 20
    assert query(lake, "SELECT sum(count) FROM (SELECT count(*) FROM omop.measurement UNION ALL"
                       " SELECT count(*) FROM omop.person) AS counted") == [(0,)]  # fmt: skip
    assert holding(lake, "Jane-4711") == set()
    assert client.get("/patients/Jane-4711").status_code == 404
    assert client.get(f"/uploads/{upload}").json()["expired"] is True
    assert client.delete("/patients/Jane-4711").status_code == 404
    again = client.post("/usecases", json=figure("Jane-4711"), headers=headers)
    assert (again.status_code, again.json()["upload_id"]) == (200, upload + 1)


def test_an_upload_is_withdrawn_once(client: httpx.Client, lake: Engine) -> None:
    upload = posted(client, "P1")
    answer = client.delete(f"/uploads/{upload}")
    assert answer.status_code == 200
    assert answer.json() == {
        "documents": 1, "rows": answer.json()["rows"], "cases": 1,
        "upload_id": upload, "fallen_back": 0, "not_loaded": [],
    }  # fmt: skip
    assert client.delete(f"/uploads/{upload}").status_code == 404
    assert query(lake, "SELECT upload_id, withdrawn_by FROM lake.withdrawals") == [(upload, "tool@forth")]


def test_what_is_anothers_is_answered_as_what_never_was(client: httpx.Client) -> None:
    upload = posted(client, "P1", "lisbon")
    never = client.delete("/patients/P9")
    assert never.status_code == 404
    for path in (
        "/patients/P1",
        f"/uploads/{upload}",
        "/uploads/999999",
        "/patients/a%00b",
        "/patients/%ED%A0%80",
    ):
        answer = client.delete(path)
        assert (answer.status_code, answer.json()) == (404, never.json()), path
    assert client.delete("/patients/P1", headers={**ADMIN, "X-Organisation": "x"}).status_code == 200


def test_the_id_that_the_service_makes_refuses_nothing(client: httpx.Client) -> None:
    for letter in "0123456789abcdef":
        assert client.delete(f"/patients/{letter}").status_code == 404


def test_conflicts_are_409_with_the_next_step(client: httpx.Client, lake: Engine) -> None:
    upload = posted(client, "P1")
    with lake.begin() as connection:
        space, number = 0x6F6E636F, upload
        connection.execute(text(f"SELECT pg_advisory_xact_lock({space}, {number})"))
        answer = client.delete(f"/uploads/{upload}")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert "try again when it is finished" in answer.json()["detail"]
    assert client.delete("/uploads/none").status_code == 422


def test_an_unknown_parameter_removes_nothing(client: httpx.Client) -> None:
    upload = posted(client, "P1")
    for path in ("/patients/P1?dry_run=1", f"/uploads/{upload}?dry_run=1"):
        answer = client.delete(path)
        assert (answer.status_code, "this address takes none" in answer.json()["detail"]) == (400, True)
    assert client.get("/patients/P1").status_code == 200
