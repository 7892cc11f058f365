"""Reading over HTTP, as a client with a token does: feeds that are valid, complete, and of one's own."""

import json
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, event, text

from api.http.app import create_app
from api.http.settings import read_settings
from etl.ingest import ingest_stream
from etl.plan import Plan
from etl.receive import Sender
from etl.setup import prepare
from etl.validate import Validator
from omop_schema.database import SETTING
from tests.conftest import engine_on, new_database
from tests.json_feed import check_feed
from tests.serving import served
from tests.tokens import Issuer

#: One case of each patient: a patient is of one organisation, whoever sends the next form.
CASES = list(
    {
        case["patientID"]: case
        for case in map(
            json.loads, Path("mappings/prostate/samples/cases.ndjson").read_text("utf-8").splitlines()
        )
    }.values()
)
UKE, FORTH, HERS = "uke.example.org", "forth.example.org", "nobody.example.org"
#: Identifiers that an address must carry whole.
ODD = [
    "a/b",
    "../../etc/passwd",
    "100%25 größer",
    "東京?x=1#y",
    "' OR 1=1 --",
    '"}{"',
    "a b+c",
    ".",
    "\u202e",
]
#: What no feed, item or database has a use for.
ATTACKS = [
    "'",
    "' OR '1'='1",
    '{"$gt": 0}',
    "%00",
    "\ufffe",
    "-1",
    "0",
    "9" * 40,
    "1e3",
    "../1",
    "x" * 5000,
    "",
]


class Reads(NamedTuple):
    """The service on a lake with uploads of two organisations and of the command line."""

    client: httpx.Client
    app: FastAPI
    engine: Engine
    plan: Plan
    issuer: Issuer
    uploads: dict[str | None, int]

    def get(self, address: str, organisation: str | None = UKE, role: str = "modellers", **more: Any) -> Any:
        headers = self.issuer.headers([role], organisation=organisation) | more.pop("headers", {})
        return self.client.request(more.pop("method", "GET"), address, headers=headers, **more)

    def send(self, *documents: dict[str, Any], organisation: str | None = UKE) -> int:
        with self.engine.connect() as connection:
            stream = BytesIO(b"".join(json.dumps(each).encode() + b"\n" for each in documents))
            result = ingest_stream(
                connection,
                self.plan,
                Validator(self.plan.schema),
                stream,
                "data_file",
                Sender("ada", organisation),
                lines=True,
            )
        assert result.upload_id is not None
        return result.upload_id

    def pages(self, address: str, **more: Any) -> Iterator[dict[str, Any]]:
        """Every page of a feed, each checked."""
        seen: set[str] = set()
        following: str | None = address
        while following is not None:
            page = self.get(following, **more).raise_for_status().json()
            check_feed(page)
            following = page.get("next_url")
            assert following not in seen, "a page that was before"
            seen.add(following or "")
            yield page

    def items(self, address: str, **more: Any) -> list[dict[str, Any]]:
        return [item for page in self.pages(address, **more) for item in page["items"]]


@pytest.fixture(scope="module")
def reads(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reads]:
    issuer = Issuer()
    settings = read_settings(**issuer.settings(tmp_path_factory.mktemp("keys")))
    with (
        new_database(server_url, template_database) as url,
        engine_on(url) as engine,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(SETTING, url)
        app = create_app(settings)
        with served(app) as client:
            found = Reads(client, app, engine, prepare(engine), issuer, {})
            for organisation, part in ((UKE, CASES[:10]), (FORTH, CASES[10:20]), (None, CASES[20:30])):
                found.uploads[organisation] = found.send(*part, organisation=organisation)
            named = [CASES[30] | {"patientID": patient} for patient in ODD]
            for document in named:
                found.send(document, organisation=UKE)
            yield found


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def lists(reads: Reads) -> list[str]:
    """An address of every kind of feed."""
    patient = CASES[0]["patientID"]
    upload = reads.uploads[UKE]
    return ["/feed.json", f"/uploads/{upload}", f"/patients/{patient}", "/usecases/1", "/usecases/1%2B2"]


def test_every_feed_is_a_json_feed_in_pages_of_any_size(reads: Reads) -> None:
    for address in lists(reads):
        whole = reads.items(f"{address}?limit=1000")
        assert whole
        assert reads.items(f"{address}?limit=3") == whole
        assert len(set(ids(whole))) == len(whole)


def test_a_feed_says_what_it_is(reads: Reads) -> None:
    response = reads.get(f"/uploads/{reads.uploads[UKE]}?limit=1")
    assert response.headers["Content-Type"] == "application/feed+json"
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Vary"] == "Authorization"
    (item,) = response.json()["items"]
    about = item["_oncolake"]
    assert about["document"] == CASES[0]
    assert sum(about["rows"].values()) > 20
    form = CASES[0]["useCaseType"]
    cases = [f"use case {each}" for each in about["use_cases"]]
    assert item["tags"] == [f"form {form}", *cases, "loaded"]
    said = f"{item['title']} {item['content_text']} {item['url']} {item['id']}"
    assert CASES[0]["patientID"] not in said


def test_the_newest_uploads_carry_no_documents(reads: Reads) -> None:
    item = reads.items("/feed.json")[-1]
    assert item["_oncolake"]["stored"] == 10
    assert item["authors"] == [{"name": UKE}]
    assert CASES[0]["patientID"] not in json.dumps(item)


@pytest.mark.parametrize("use_case", "123456789")
def test_a_use_case_has_the_cases_of_its_forms(reads: Reads, use_case: str) -> None:
    documents = [item["_oncolake"]["document"] for item in reads.items(f"/usecases/{use_case}")]
    wanted = {form for form in reads.plan.forms if re.search(rf"(^|\+){use_case}[ab]?($|\+)", form)}
    stored = CASES[:30] + [CASES[30]] * len(ODD)
    assert len(documents) == sum(each["useCaseType"] in wanted for each in stored)
    assert {each["useCaseType"] for each in documents} <= wanted


def test_a_form_narrows_a_use_case(reads: Reads) -> None:
    every = reads.items("/usecases/1?limit=2")
    one = reads.items("/usecases/1?limit=2&form=1")
    assert ids(one) == ids([item for item in every if item["_oncolake"]["form"] == "1"])
    assert reads.items("/usecases/1?form=none") == []


def test_a_use_case_of_no_mapping_is_unknown(reads: Reads) -> None:
    for name in ("10", "0", "7c", "x", "1%2B3", "%00"):
        assert reads.get(f"/usecases/{name}").status_code == 404


@pytest.mark.parametrize("patient", ODD)
def test_any_identifier_can_be_asked_for(reads: Reads, patient: str) -> None:
    # Written out, as clients tidy up the dots of addresses.
    address = reads.client.base_url.copy_with(raw_path=f"/patients/{_escaped(patient)}".encode())
    feed = reads.get(address).raise_for_status().json()
    check_feed(feed)
    assert [item["_oncolake"]["document"]["patientID"] for item in feed["items"]] == [patient]
    assert reads.get(feed["feed_url"].replace("/.", "/%2E")).json()["feed_url"] == feed["feed_url"]


def _escaped(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


@pytest.mark.parametrize(
    ("role", "organisation", "sees"),
    [
        ("modellers", UKE, {UKE, FORTH, None}),
        ("admins", None, {UKE, FORTH, None}),
        ("data-providers", UKE, {UKE}),
        ("data-providers", FORTH, {FORTH}),
        ("data-providers", HERS, set()),
        ("data-providers", None, set()),
    ],
)
def test_who_reads_what(reads: Reads, role: str, organisation: str | None, sees: set[str | None]) -> None:
    first = {UKE: CASES[0], FORTH: CASES[10], None: CASES[20]}
    unknown = reads.get("/uploads/999999", organisation, role)
    assert unknown.status_code == 404
    reach = "own" if role == "data-providers" else "all"
    last = _audit(reads)[-1]
    assert (last.allowed, last.reason) == (True, f"reach {reach}")
    for owner, upload in reads.uploads.items():
        addresses = [
            f"/uploads/{upload}",
            f"/uploads/{upload}/problems",
            f"/patients/{first[owner]['patientID']}",
        ]
        for address in addresses:
            response = reads.get(address, organisation, role)
            assert response.status_code == (200 if owner in sees else 404)
            if owner not in sees:
                assert response.content == unknown.content
                assert _told(response) == _told(unknown)
                last = _audit(reads)[-1]
                assert (last.allowed, last.reason) == (False, "reach own does not cover it: 404")
    listed = reads.items("/feed.json?limit=2", organisation=organisation, role=role)
    shown = {item["_oncolake"]["organisation"] for item in listed}
    assert shown == sees
    found = reads.items("/usecases/1?limit=20", organisation=organisation, role=role)
    uploads = {item["_oncolake"]["upload_id"] for item in found} & set(reads.uploads.values())
    assert uploads == {reads.uploads[each] for each in sees}


def _told(response: httpx.Response) -> dict[str, str]:
    ours = ("x-request-id", "date")
    return {name: value for name, value in response.headers.items() if name not in ours}


def test_without_a_token_there_is_nothing(reads: Reads) -> None:
    for address in [*lists(reads), "/uploads/999", "/patients/none"]:
        assert reads.client.get(address).status_code == 401


def test_pages_are_complete_while_others_write(reads: Reads) -> None:
    before = ids(reads.items("/usecases/2"))
    seen = []
    for number, page in enumerate(reads.pages("/usecases/2?limit=4")):
        seen += ids(page["items"])
        reads.send(CASES[31] | {"patientID": f"arrived {number}", "useCaseType": "1+2"})
    assert seen == before


def test_what_a_client_has_is_not_sent_again(reads: Reads) -> None:
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    for address in lists(reads):
        tag = reads.get(address).headers["ETag"]
        event.listen(reads.app.state.lake.engine, "before_cursor_execute", note)
        try:
            for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
                response = reads.get(address, headers={"If-None-Match": known})
                assert (response.status_code, response.content) == (304, b"")
                assert response.headers["ETag"] == tag
                assert response.headers["Vary"] == "Authorization"
        finally:
            event.remove(reads.app.state.lake.engine, "before_cursor_execute", note)
        assert reads.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
        assert reads.get(f"{address}?limit=1", headers={"If-None-Match": tag}).status_code == 200
    assert asked
    assert not any("document::text" in each for each in asked)


def test_a_page_has_another_tag_once_anything_of_it_changed(reads: Reads) -> None:
    document = CASES[32] | {"patientID": "tagged"}
    upload = reads.send(document)
    addresses = ["/patients/tagged", f"/uploads/{upload}"]
    first = [reads.get(each).headers["ETag"] for each in addresses]
    reads.send(document | {"site": "Elsewhere"})
    second = [reads.get(each).headers["ETag"] for each in addresses]
    assert not set(first) & set(second)


def test_head_tells_the_same_without_a_body(reads: Reads) -> None:
    for address in lists(reads):
        got, head = reads.get(address), reads.get(address, method="HEAD")
        assert (head.status_code, head.content) == (200, b"")
        assert _told(head) == _told(got)


def test_nonsense_is_refused_in_every_parameter(reads: Reads) -> None:
    upload = reads.uploads[UKE]
    for attack in ATTACKS:
        escaped = quote(attack, safe="%")
        for address in ("/uploads/{}", "/uploads/{}/problems", "/patients/{}", "/usecases/{}", "/{}"):
            response = reads.get(address.format(escaped))
            assert response.status_code in {404, 422}, (address, attack)
        for address in ("/feed.json", f"/uploads/{upload}", "/usecases/1", f"/uploads/{upload}/problems"):
            response = reads.get(f"{address}?cursor={escaped}")
            assert response.status_code == 422, (address, attack)
            response = reads.get(f"{address}?limit={escaped}")
            assert response.status_code == 422, (address, attack)
            assert attack not in response.text or len(attack) < 4
            assert reads.get(address, headers={"If-None-Match": escaped}).status_code == 200


@pytest.mark.parametrize("address", ["/feed.json", "/uploads/1", "/patients/PCa-1", "/uploads/1/problems"])
@pytest.mark.parametrize("asked", ["Limit=1", "form=1", "Secret-1", "limit=1&since=2000-01-01"])
def test_an_unknown_parameter_is_not_left_out(reads: Reads, address: str, asked: str) -> None:
    answer = reads.get(f"{address}?{asked}")
    assert (answer.status_code, answer.json()["title"]) == (400, "Bad Request")
    assert "takes 'cursor', 'limit' alone" in answer.json()["detail"]
    assert "Secret" not in answer.text


def test_a_misspelt_form_does_not_answer_with_all(reads: Reads) -> None:
    answer = reads.get("/usecases/1?Form=1")
    assert (answer.status_code, "'form'" in answer.json()["detail"]) == (400, True)
    assert reads.get("/usecases/1?Form=1", headers={"Authorization": "Bearer no"}).status_code == 401


def test_a_cursor_is_of_its_list_alone(reads: Reads) -> None:
    def cursor(address: str) -> str:
        return reads.get(address).json()["next_url"].rpartition("cursor=")[2]

    taken = cursor("/usecases/1?limit=1")
    assert reads.get(f"/usecases/1?limit=7&cursor={taken}").status_code == 200
    for other in ("/feed.json", "/usecases/2", "/usecases/1?form=1", f"/uploads/{reads.uploads[UKE]}"):
        joint = "&" if "?" in other else "?"
        assert reads.get(f"{other}{joint}cursor={taken}").status_code == 422
    for changed in (taken[:-1], f"A{taken}", f"{taken}=", taken.swapcase(), f"B{taken[1:]}"):
        assert reads.get(f"/usecases/1?cursor={changed}").status_code == 422


def test_problems_come_once_each_in_pages(reads: Reads) -> None:
    bad = CASES[30] | {"patientID": "spoilt", "clinicalBaselineData": {"age": "x"}}
    upload = reads.send(bad, *(CASES[each] for each in range(30, len(CASES))))
    whole = reads.get(f"/uploads/{upload}/problems?limit=1000").json()
    assert {each["kind"] for each in whole["problems"]} > {"violation"}
    found, address = [], f"/uploads/{upload}/problems?limit=1"
    while address:
        page = reads.get(address).raise_for_status().json()
        found += page["problems"]
        address = page.get("next_url")
    assert found == whole["problems"]
    violation = found[0]
    assert (violation["record"], violation["path"][:1], violation["rule"]) == (1, "$", None)
    assert "spoilt" not in json.dumps(found)


_CURATION_UPLOAD = text("""
    INSERT INTO lake.uploads (uploader, organisation, source, mapping, bytes, sha256, outcome, cases, stored)
    VALUES ('ada', :organisation, 'data_file', 'curationMeta', 1, sha256('curation'), 'loaded', 1, 1)
    RETURNING upload_id
""")
_CURATION = text("""
    INSERT INTO lake.curations (upload_id, curation_function, source_series_uid, digest, document)
    VALUES (:upload, 'coregistration', '1.2.3', sha256('curation'), CAST(:document AS jsonb))
""")


def test_an_upload_of_the_curation_tool_has_its_documents(reads: Reads) -> None:
    document = {"procedure": "coregistration", "uid": ["1.2.3", "1.2.4"]}
    with reads.engine.begin() as connection:
        upload = connection.execute(_CURATION_UPLOAD, {"organisation": UKE}).scalar_one()
        for _ in range(3):
            connection.execute(_CURATION, {"upload": upload, "document": json.dumps(document)})
    address = f"/uploads/{upload}?limit=2"
    found = reads.items(address, role="data-providers")
    assert len(set(ids(found))) == 3
    assert [item["_oncolake"]["document"] for item in found] == [document] * 3
    tag = reads.get(address).headers["ETag"]
    assert reads.get(address, headers={"If-None-Match": tag}).status_code == 304
    assert reads.get(address, FORTH, "data-providers").status_code == 404
    assert reads.get(f"/uploads/{upload}/problems").json()["problems"] == []


def test_an_upload_that_was_withdrawn_is_an_empty_feed_that_says_so(reads: Reads) -> None:
    upload = reads.send(CASES[30] | {"patientID": "", "clinicalBaselineData": {}})
    with reads.engine.begin() as connection:
        connection.execute(
            text("UPDATE lake.uploads SET outcome = 'withdrawn' WHERE upload_id = :upload"),
            {"upload": upload},
        )
    (page,) = reads.pages(f"/uploads/{upload}")
    assert (page["items"], page["expired"]) == ([], True)
    newest = reads.items("/feed.json")[0]
    assert newest["tags"] == ["prostate", "withdrawn"]


def test_who_was_read_is_written_down(reads: Reads) -> None:
    reads.send(CASES[35] | {"patientID": "watched"})
    before = _audit(reads)
    reads.get("/patients/watched", role="admins")
    reads.get("/patients/unknown", role="admins")
    first, second = _audit(reads)[len(before) :]
    person = text("SELECT person_id FROM lake.patients WHERE patient_id = 'watched'")
    with reads.engine.connect() as connection:
        assert first.person_id == connection.execute(person).scalar_one()
    assert (first.action, first.allowed, first.subject) == (
        "GET /patients/{patientID}",
        True,
        "ada@example.org",
    )
    assert second.person_id is None
    page = reads.get("/usecases/1?limit=5").json()
    persons = {item["_oncolake"]["person_id"] for item in page["items"]}
    assert {each.person_id for each in _audit(reads)[len(before) + 2 :]} == persons


def test_whose_problems_were_read_is_written_down(reads: Reads) -> None:
    upload = reads.send(*(each | {"patientID": f"{each['patientID']}-again"} for each in CASES[30:]))
    before = len(_audit(reads))
    page = reads.get(f"/uploads/{upload}/problems?limit=1000").json()
    cases = {each["case_id"] for each in page["problems"]} - {None}
    with reads.engine.connect() as connection:
        known = text("SELECT person_id FROM lake.cases WHERE case_id = ANY (:cases)")
        persons = set(connection.execute(known, {"cases": list(cases)}).scalars())
    written = _audit(reads)[before:]
    assert {each.person_id for each in written} - {None} == persons != set()
    assert {each.upload_id for each in written} == {upload}


def _audit(reads: Reads) -> list[Any]:
    with reads.engine.connect() as connection:
        return list(connection.execute(text("SELECT * FROM lake.audit ORDER BY audit_id")))


def test_addresses_are_those_that_clients_know(reads: Reads) -> None:
    for host in ("lake.example.org", "[::1]:8000"):
        feed = reads.get("/feed.json", headers={"Host": host}).json()
        assert feed["feed_url"] == f"http://{host}/feed.json"
    feed = reads.get("/feed.json", headers={"Host": 'evil"><script>'}).json()
    assert "script" not in feed["feed_url"]


def test_a_proxys_address_is_a_setting(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    told = reads.app.state.settings.model_copy(update={"public_url": "https://proxy.example.org/lake/"})
    monkeypatch.setattr(reads.app.state, "settings", told)
    page = reads.get("/usecases/1?limit=1").json()
    assert page["feed_url"] == "https://proxy.example.org/lake/usecases/1?limit=1"
    assert page["next_url"].startswith("https://proxy.example.org/lake/usecases/1?limit=1&cursor=")
    assert page["items"][0]["url"].startswith("https://proxy.example.org/lake/uploads/")


def test_every_status_of_a_read_has_an_example(reads: Reads) -> None:
    paths = reads.client.get("/openapi.json").json()["paths"]
    for path in ("/feed.json", "/uploads/{id}", "/patients/{patientID}", "/usecases/{use_case}"):
        responses = paths[path]["get"]["responses"]
        assert set(responses) == {"200", "304", "400", "401", "403", "404", "422", "503"}
        contents: list[Callable[..., Any]] = [
            each["content"] for status, each in responses.items() if status != "304"
        ]
        assert all("example" in content for each in contents for content in each.values())
        check_feed(responses["200"]["content"]["application/feed+json"]["example"])
