"""Writes over HTTP: every status with its body, and no patient's value where it does not belong."""

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import httpx
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from etl.read import read
from etl.withdraw import Remover, withdraw_patient
from tests.posting import app_on, figure, query
from tests.serving import served

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def app(lake_url: str, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    return app_on(lake_url, monkeypatch)


@pytest.fixture
def client(app: FastAPI) -> Iterator[httpx.Client]:
    with served(app) as client:
        yield client


def send(client: httpx.Client, document: Any, path: str = "/usecases", **headers: str) -> Any:
    """Post a document as plain JSON; ``x_reach`` is the header X-Reach."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = document if isinstance(document, bytes) else orjson.dumps(document)
    return client.post(path, content=content, headers=JSON | named)


def second_form(**changes: Any) -> dict[str, Any]:
    """Another form of patient P1, without the section that it has no place for."""
    return {
        key: value for key, value in figure(useCaseType="1+2", **changes).items() if key != "finalDiagnosis"
    }


def is_problem(response: Any, status: int) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    return body


def test_a_case_is_stored_and_the_answer_says_where(client: httpx.Client, lake: Engine) -> None:
    response = client.post("/usecases", files={"data_file": ("P1.json", json.dumps(figure()))})
    assert response.status_code == 200, response.text
    body = response.json()
    (case,) = body["cases"]
    assert (body["outcome"], body["repeated"], body["violations"]) == ("loaded", False, [])
    assert (case["form"], case["version"], case["changed"], case["loaded"]) == ("1+2+3", 1, True, True)
    stored = query(lake, "SELECT case_id, person_id, organisation FROM lake.cases")
    assert stored == [(case["case_id"], case["person_id"], "forth")]
    for table, rows in case["rows"].items():
        assert query(lake, f"SELECT count(*) FROM omop.{table}") == [(rows,)], table
    assert case["rows"]["measurement"] > 0
    assert query(lake, "SELECT upload_id, outcome, uploader, organisation, source FROM lake.uploads") == [
        (body["upload_id"], "loaded", "tool@forth", "forth", "data_file")
    ]
    assert query(lake, "SELECT sum(rows) FROM lake.uploads") == [(sum(case["rows"].values()),)]


def test_the_same_bytes_twice_are_one_upload_with_one_answer(client: httpx.Client, lake: Engine) -> None:
    first, second = (send(client, figure()) for _ in range(2))
    assert second.status_code == first.status_code == 200
    assert second.json() == {**first.json(), "repeated": True}
    assert query(lake, "SELECT count(*) FROM lake.uploads") == [(1,)]
    other = send(client, figure(), X_Organisation="uke", X_Subject="tool@uke")
    assert is_problem(other, 409)["upload_id"] != first.json()["upload_id"]


def test_white_space_makes_another_upload_and_the_same_case(client: httpx.Client, lake: Engine) -> None:
    first = send(client, figure()).json()
    second = send(client, json.dumps(figure(), indent=1).encode()).json()
    assert second["upload_id"] != first["upload_id"]
    assert (second["cases"][0]["changed"], second["repeated"]) == (False, False)
    assert {**second["cases"][0], "changed": True} == first["cases"][0]
    assert query(lake, "SELECT count(*) FROM lake.documents") == [(1,)]


def test_an_old_answer_says_that_a_newer_document_is_there(client: httpx.Client) -> None:
    send(client, figure())
    newer = figure(clinicalBaselineData={**figure()["clinicalBaselineData"], "age": 75})
    assert send(client, newer).json()["cases"][0]["version"] == 2
    again = send(client, figure())
    assert again.status_code == 200
    assert (again.json()["cases"][0]["version"], again.json()["cases"][0]["newest_version"]) == (1, 2)


def test_what_is_lost_is_told_with_202(client: httpx.Client) -> None:
    final = {**figure()["finalDiagnosis"], "metastasis": ["Other"], "metastasisOther": "Secret"}
    document = figure(useCaseType="1+2", finalDiagnosis=final)
    response = send(client, document)
    assert response.status_code == 202, response.text
    (case,) = response.json()["cases"]
    assert {
        "path": "$.finalDiagnosis.N",
        "rule": "n_diagnosis",
        "kind": "invalid",
        "reason": "the form has no section 'final_diagnosis'",
        "case_id": case["case_id"],
    } in case["problems"]
    assert case["loaded"]
    assert "Secret" not in response.text
    again = send(client, document)
    assert (again.status_code, again.json()) == (202, {**response.json(), "repeated": True})


def test_what_is_not_plausible_is_stored_and_told_as_a_warning(client: httpx.Client, lake: Engine) -> None:
    told = figure()
    told["clinicalBaselineData"]["psa"][0] |= {"totalPSAvalue": 7.2, "freePSAvalue": 7.43}
    told["clinicalBaselineData"]["prostateVolume"] = 731.5
    rehearsed = send(client, told, "/usecases?validate=only").json()["cases"][0]
    response = send(client, told)
    assert response.status_code == 200, response.text
    (case,) = response.json()["cases"]
    assert (response.json()["outcome"], case["loaded"], case["problems"]) == ("loaded", True, [])
    volume, free = case["warnings"]
    assert free == {
        "path": "$.clinicalBaselineData.psa[0].freePSAvalue",
        "rule": "psa_free",
        "kind": "implausible",
        "reason": "not plausible, above 'totalPSAvalue': free PSA is a part of total PSA",
        "case_id": case["case_id"],
    }
    assert (volume["rule"], volume["path"]) == ("prostate_volume", "$.clinicalBaselineData.prostateVolume")
    assert volume["reason"].startswith("not plausible, below 10 or above 500 milliliter: ")
    assert [{**each, "case_id": case["case_id"]} for each in rehearsed["warnings"]] == case["warnings"]
    assert "731" not in json.dumps(case), "never the value"
    numbers = "SELECT value_as_number FROM omop.measurement WHERE value_as_number IN (7.43, 731.5) ORDER BY 1"
    assert [float(number) for (number,) in query(lake, numbers)] == [7.43, 731.5]
    (upload,) = client.get("/feed.json").json()["items"]
    assert upload["content_text"].endswith(", 0 problems, 2 warnings.")
    assert (upload["_oncolake"]["problems"], upload["_oncolake"]["warnings"]) == (0, 2)
    (item,) = client.get(f"/uploads/{response.json()['upload_id']}").json()["items"]
    assert (item["_oncolake"]["problems"], item["_oncolake"]["warnings"]) == (0, 2)
    listed = client.get(f"/uploads/{response.json()['upload_id']}/problems").json()["problems"]
    assert [(each["kind"], each["path"]) for each in listed] == [
        ("implausible", volume["path"]),
        ("implausible", free["path"]),
    ]
    assert 'oncolake_problems_total{kind="implausible"} 2.0' in client.get("/metrics").text


def test_two_forms_that_disagree_are_told(client: httpx.Client) -> None:
    first = send(client, figure()).json()["cases"][0]
    baseline = {**figure()["clinicalBaselineData"], "age": 60}
    other = send(client, second_form(clinicalBaselineData=baseline))
    assert other.status_code == 200, other.text
    told = [each for each in other.json()["cases"][0]["problems"] if each["kind"] == "disagrees"]
    assert [(each["rule"], each["case_id"]) for each in told] == [("person", first["case_id"])]


def test_an_invalid_case_is_refused_with_every_violation(client: httpx.Client, lake: Engine) -> None:
    bad = figure("Secret-1", site=7, clinicalBaselineData={"age": "Secret-2", "psa": []}, Secret3=1)
    body = is_problem(send(client, bad), 400)
    paths = {(each["record"], each["path"]) for each in body["violations"]}
    assert {(1, "$.site"), (1, "$.clinicalBaselineData.age")} <= paths
    logged = query(
        lake, "SELECT path, reason FROM lake.violations WHERE upload_id = :id", id=body["upload_id"]
    )
    assert sorted(logged) == sorted((each["path"], each["reason"]) for each in body["violations"])
    assert "Secret" not in json.dumps(body)
    assert query(lake, "SELECT outcome, cases, rejected, stored FROM lake.uploads") == [("rejected", 1, 1, 0)]
    for table in ("cases", "documents", "patients", "sites"):
        assert query(lake, f"SELECT count(*) FROM lake.{table}") == [(0,)], table
    again = is_problem(send(client, bad), 400)
    assert again == body
    rehearsed = is_problem(send(client, bad, "/usecases?validate=only"), 400)
    assert rehearsed["violations"] == body["violations"]


@pytest.mark.parametrize("path", ["/usecases", "/usecases?validate=only", "/curationMeta"])
def test_a_key_is_told_when_the_schema_knows_it(client: httpx.Client, path: str) -> None:
    known = "site" if path.startswith("/usecases") else "meta"
    content = f'{{"{known}": {{"Secret-1": NaN}}}}'.encode()
    (violation,) = is_problem(send(client, content, path), 400)["violations"]
    assert (violation["path"], violation["reason"]) == (f"$.{known}.*", "NaN is not a JSON number")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no case document"),
        (b"{", "is not JSON"),
        (b"7", "must be an object"),
        (b'{"patientID": "Secret", "patientID": "Secret"}', "has the key 'patientID' twice"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "nested deeper than 64 levels"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 64 levels"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": "\\u0000"}', "the character NUL"),
    ],
)
def test_what_is_no_json_is_refused(client: httpx.Client, content: bytes, reason: str) -> None:
    body = is_problem(send(client, content), 400)
    assert reason in body["violations"][0]["reason"]
    assert "Secret" not in json.dumps(body)


def test_of_an_array_what_is_valid_is_stored(client: httpx.Client, lake: Engine) -> None:
    response = send(client, [figure("P1"), figure("P2", site=7), figure("P3")])
    assert response.status_code == 202
    body = response.json()
    assert body["outcome"] == "partial"
    assert [each["record"] for each in body["cases"]] == [1, 3]
    assert [(each["record"], each["path"]) for each in body["violations"]] == [(2, "$.site")]
    again = send(client, [figure("P1"), figure("P2", site=7), figure("P3")])
    assert (again.status_code, again.json()) == (202, {**body, "repeated": True})
    assert query(lake, "SELECT count(*) FROM lake.documents") == [(2,)]


def test_another_providers_patient_is_refused_and_nothing_told(client: httpx.Client, lake: Engine) -> None:
    send(client, figure("P-Secret"))
    foreign = {"X_Organisation": "uke", "X_Subject": "tool@uke"}
    for document in (
        figure("P-Secret", site="Secret site"),
        figure("P-Secret"),
        figure("P-Secret", useCaseType="1+2", site="Secret site"),
    ):
        body = is_problem(send(client, document, **foreign), 409)
        assert body["detail"] == "this patient identifier is another provider's; nothing was stored"
        assert set(body) == {"title", "status", "detail", "upload_id"}
        assert query(
            lake,
            "SELECT outcome, rejected, stored, path, reason FROM lake.uploads JOIN lake.violations"
            " USING (upload_id) WHERE upload_id = :id",
            id=body["upload_id"],
        ) == [("rejected", 1, 0, "$.patientID", "this patient identifier is another provider's")]
    assert query(lake, "SELECT count(*), max(version) FROM lake.cases") == [(1, 1)]
    assert query(lake, "SELECT site FROM lake.sites") == [("FORTH",)]
    rehearsed = send(client, figure("P-Secret"), "/usecases?validate=only", **foreign)
    assert "upload_id" not in is_problem(rehearsed, 409)


def test_who_may_everywhere_posts_for_the_owner(client: httpx.Client, lake: Engine) -> None:
    send(client, figure("P1"))
    admin = {"X_Organisation": "platform", "X_Subject": "root", "X_Reach": "all"}
    assert send(client, figure("P1", site="UKE"), **admin).status_code == 200
    assert send(client, second_form(), **admin).status_code == 200
    assert send(client, figure("P2"), **admin).status_code == 200
    assert query(lake, "SELECT patient_id, form, organisation, version FROM lake.cases ORDER BY 1, 2") == [
        ("P1", "1+2", "forth", 1),
        ("P1", "1+2+3", "forth", 2),
        ("P2", "1+2+3", "platform", 1),
    ]
    assert send(client, figure("P1", site="FORTH 2")).status_code == 200


def test_a_provider_that_repeats_its_administrators_bytes_is_told_what_is_anothers(
    client: httpx.Client,
) -> None:
    send(client, figure("P1"), X_Organisation="uke")
    both, admin = [figure("P1", site="Secret site"), figure("P2")], {"X_Subject": "root", "X_Reach": "all"}
    whole = send(client, both, **admin)
    assert (whole.status_code, whole.json()["outcome"]) == (200, "loaded")
    again = send(client, both)
    assert again.status_code == 202
    body = again.json()
    assert (body["upload_id"], body["outcome"], body["repeated"]) == (
        whole.json()["upload_id"],
        "partial",
        True,
    )
    assert body["cases"] == whole.json()["cases"][1:]
    reason = "this patient identifier is another provider's"
    assert body["violations"] == [{"record": 1, "path": "$.patientID", "reason": reason}]
    assert send(client, both[0], **admin).status_code == 200
    is_problem(send(client, both[0]), 409)


def test_what_the_command_line_loaded_is_no_providers(client: httpx.Client, lake: Engine) -> None:
    admin = {"X_Organisation": "", "X_Reach": "all"}
    assert send(client, figure("P1"), **admin).status_code == 200
    assert query(lake, "SELECT organisation FROM lake.cases") == [(None,)]
    is_problem(send(client, figure("P1", site="UKE")), 409)
    nobody = is_problem(send(client, figure("P9"), X_Organisation=""), 403)
    assert "organisation" in nobody["detail"]


def test_a_key_is_for_one_request(client: httpx.Client, lake: Engine) -> None:
    first = send(client, figure("P1"), Idempotency_Key='"k-1"')
    same = send(client, figure("P1"), Idempotency_Key="k-1")
    assert same.json() == {**first.json(), "repeated": True}
    reused = is_problem(send(client, figure("P2"), Idempotency_Key="k-1"), 422)
    assert "Idempotency-Key" in reused["detail"]
    is_problem(send(client, figure("P1"), "/curationMeta", Idempotency_Key="k-1"), 422)
    assert send(client, figure("P1"), Idempotency_Key="k-2").json() == same.json()
    other = send(client, figure("P3"), Idempotency_Key="k-1", X_Subject="another@forth")
    assert other.status_code == 200, "keys are each subject's own"
    assert query(lake, "SELECT count(*) FROM lake.uploads") == [(2,)]


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, 'half"', '"a\\b"'])
def test_a_key_that_cannot_be_used_is_refused(client: httpx.Client, lake: Engine, key: str) -> None:
    body = is_problem(send(client, figure(), Idempotency_Key=key), 422)
    assert body["errors"][0]["in"] == ["header", "Idempotency-Key"]
    assert query(lake, "SELECT count(*) FROM lake.uploads") == [(0,)]


def test_a_rehearsal_says_what_a_post_does_and_stores_nothing(client: httpx.Client, lake: Engine) -> None:
    rehearsed = send(client, figure(), "/usecases?validate=only")
    assert rehearsed.status_code == 200
    invalid = is_problem(send(client, figure(site=7), "/usecases?validate=only"), 400)
    assert [each["path"] for each in invalid["violations"]] == ["$.site"]
    for table in ("uploads", "cases", "documents", "patients", "violations"):
        assert query(lake, f"SELECT count(*) FROM lake.{table}") == [(0,)], table
    posted = send(client, figure()).json()["cases"][0]
    (case,) = rehearsed.json()["cases"]
    assert "case_id" not in case
    assert {name: posted[name] for name in ("record", "form", "rows")} == {
        name: case[name] for name in ("record", "form", "rows")
    }
    is_problem(send(client, figure(), "/usecases?validate=maybe"), 422)


def test_what_lands_survives_a_failing_load(client: httpx.Client, lake: Engine) -> None:
    fail = "BEGIN RAISE check_violation; END"
    with lake.begin() as connection:
        connection.execute(
            text(f"CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ {fail} $$")
        )
        connection.execute(
            text("CREATE TRIGGER fail BEFORE INSERT ON omop.measurement EXECUTE FUNCTION public.fail()")
        )
    response = send(client, figure())
    assert response.status_code == 202
    (case,) = response.json()["cases"]
    assert (case["loaded"], case["rows"]) == (False, {})
    assert "measurement" in case["failure"]
    assert query(lake, "SELECT count(*) FROM lake.documents") == [(1,)]
    assert query(lake, "SELECT count(*) FROM omop.visit_occurrence") == [(0,)]
    with lake.begin() as connection:
        connection.execute(text("DROP TRIGGER fail ON omop.measurement"))
    again = send(client, figure())
    assert (again.status_code, again.json()["cases"][0]["loaded"]) == (200, True)
    assert again.json()["repeated"]


def test_a_database_that_takes_no_writes_is_told_with_503(
    app: FastAPI, client: httpx.Client, lake: Engine
) -> None:
    with lake.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    app.state.lake.engine.dispose()
    response = send(client, figure())
    is_problem(response, 503)
    assert int(response.headers["retry-after"]) > 0


def test_nothing_of_a_patient_is_in_the_log(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(client, figure("Secret-P"))
    send(client, figure("Secret-P", site=7))
    send(client, figure("Secret-P"), X_Organisation="uke")
    client.post("/usecases", content=b"--Secret", headers={"Content-Type": "multipart/form-data; boundary=x"})
    ours = [each for each in caplog.records if each.name.split(".")[0] in ("oncolake", "python_multipart")]
    assert not [each for each in ours if "Secret" in each.getMessage()]
    assert not [each for each in caplog.records if "Secret-P" in each.getMessage()]


def test_thirty_two_clients_with_one_patient_leave_one_result(client: httpx.Client, lake: Engine) -> None:
    barrier = threading.Barrier(32)

    def one(number: int) -> tuple[int, str]:
        barrier.wait()
        response = send(client, figure(site=f"Site {number % 8}"))
        return response.status_code, response.text

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(one, range(32)))
    assert {status for status, _ in answers} == {200}, answers
    assert query(lake, "SELECT count(*), sum(stored) FROM lake.uploads") == [(8, 8)]
    assert query(lake, "SELECT version, loaded_version FROM lake.cases") == [(8, 8)]
    assert query(lake, "SELECT count(*), count(DISTINCT version) FROM lake.documents") == [(8, 8)]
    # A client whose document a newer one replaced at once is told of no rows.
    told = [orjson.loads(text)["cases"][0] for _, text in answers]
    (measurements,) = {case["rows"]["measurement"] for case in told if case["loaded"]}
    assert query(lake, "SELECT count(*) FROM omop.measurement") == [(measurements,)]
    assert query(lake, "SELECT count(*) FROM omop.person") == [(1,)]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/usecases?Validate=only", "'validate' alone"),
        ("/usecases?validate=only&dry_run=1", "'validate' alone"),
        ("/usecases?Secret-1", "'validate' alone"),
        ("/curationMeta?validate=only", "takes none"),
    ],
)
def test_an_unknown_parameter_stores_nothing(
    client: httpx.Client, lake: Engine, path: str, known: str
) -> None:
    body = is_problem(send(client, figure(), path), 400)
    assert known in body["detail"]
    assert "Secret" not in body["detail"]
    assert query(lake, "SELECT count(*) FROM lake.uploads") == [(0,)]


def test_what_was_withdrawn_before_the_answer_is_told_as_that(
    client: httpx.Client, lake: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(stream: BinaryIO) -> Iterator[Any]:
        with lake.connect() as connection:
            withdraw_patient(connection, "P1", Remover("root"))
        return read(stream)

    monkeypatch.setattr("etl.post.read", meanwhile)
    response = send(client, figure("P1"))
    assert (response.status_code, response.json()) == (
        202,
        {"upload_id": 1, "outcome": "withdrawn", "repeated": False, "cases": [], "violations": []},
    )
    assert client.get("/uploads/1").json()["_oncolake"]["outcome"] == "withdrawn"
    both = send(client, [figure("P1"), figure("P2")])
    assert (both.status_code, both.json()["outcome"]) == (202, "partial")
    assert [each["record"] for each in both.json()["cases"]] == [2]
