"""The audit trail: every decision and every read of a patient is a row, whatever becomes of the request."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from sqlalchemy import Engine, text

from api.http.access import Reading, Removing, Writing, saw
from api.http.app import create_app
from api.http.errors import NOT_COVERED, ApiError
from api.http.settings import read_settings
from omop_schema.database import SETTING
from tests.conftest import engine_on, new_database
from tests.posting import figure
from tests.serving import served
from tests.tokens import Issuer

ISSUER = Issuer()
router = APIRouter(prefix="/probe")


@router.get("/patients/{patient}")
def read_patients(request: Request, access: Reading, patient: str, persons: int = 1) -> dict[str, str]:
    """Reads so many persons, the first one twice."""
    for number in (1, *range(1, persons + 1)):
        saw(request, person_id=number, upload_id=7)
    return {"reach": access.reach, "patient": patient}


@router.get("/absent")
def read_what_is_not_there(access: Reading, anothers: bool = False) -> None:
    raise ApiError(404, "no such patient", denial=NOT_COVERED if anothers else None)


@router.get("/lists")
def read_a_list(request: Request, access: Reading) -> None:
    saw(request, upload_id=9)


@router.get("/faults")
def fail(request: Request, access: Reading) -> None:
    saw(request, person_id=3)
    raise RuntimeError("a fault")


@router.post("/posts")
async def post(request: Request, access: Writing, number: int = 5) -> int:
    """Answers how many rows there are when the route begins."""
    saw(request, person_id=number, upload_id=11)
    with request.app.state.lake.connection() as connection:
        return int(connection.execute(text("SELECT count(*) FROM lake.audit")).scalar_one())


@router.delete("/posts")
def remove(request: Request, access: Removing) -> None:
    saw(request, person_id=5)


@pytest.fixture(scope="module")
def url(server_url: str, template_database: str) -> Iterator[str]:
    with new_database(server_url, template_database) as found:
        yield found


@pytest.fixture(scope="module")
def service(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The service with routes that do nothing but ask for access."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, url)
        app = create_app(read_settings(**ISSUER.settings(tmp_path_factory.mktemp("keys")), connections=4))
        app.include_router(router)
        with served(app) as client:
            yield client


@pytest.fixture
def audited(url: str) -> Iterator[Engine]:
    """The database, with an empty audit trail."""
    with engine_on(url) as engine:
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE lake.audit"))
        yield engine


COLUMNS = "subject, organisation, action, scope, allowed, reason, person_id, upload_id"


def rows(engine: Engine, columns: str = COLUMNS) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM lake.audit ORDER BY audit_id"))
        return [tuple(row) for row in found]


def awaited(engine: Engine, count: int, columns: str = COLUMNS) -> list[tuple[Any, ...]]:
    """The rows, once there are so many: the last one of a post follows its answer."""
    deadline = time.monotonic() + 10
    while len(found := rows(engine, columns)) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


READ, WRITE = "metadata:read", "metadata:write"
ADA, UKE = "ada@example.org", "uke.example.org"


def test_a_read_is_one_row_for_each_person(service: httpx.Client, audited: Engine) -> None:
    answer = service.get("/probe/patients/PCa-4711?persons=2", headers=ISSUER.headers(["modellers"]))
    assert answer.json()["reach"] == "all"
    who = (ADA, UKE, "GET /probe/patients/{patient}", READ, True, "reach all")
    assert rows(audited) == [(*who, 1, 7), (*who, 2, 7)]
    assert not any("4711" in str(each) for row in rows(audited, "*") for each in row)


def test_a_read_of_no_person_is_one_row(service: httpx.Client, audited: Engine) -> None:
    assert service.get("/probe/lists", headers=ISSUER.headers()).status_code == 200
    assert rows(audited) == [(ADA, UKE, "GET /probe/lists", READ, True, "reach own", None, 9)]


def test_a_refused_token_is_a_row_without_a_name(service: httpx.Client, audited: Engine) -> None:
    answers = [
        service.get("/probe/lists"),
        service.get("/probe/lists", headers=ISSUER.headers(aud="another", sub="secret")),
        service.get("/probe/lists", headers={"Authorization": "Bearer a b"}),
    ]
    assert [each.status_code for each in answers] == [401, 401, 400]
    assert [each.headers["WWW-Authenticate"][:23] for each in answers] == [
        'Bearer realm="oncolake"',
    ] * 3
    assert rows(audited, "subject, allowed, reason") == [
        (None, False, "send a token of the identity provider: Authorization: Bearer"),
        (None, False, "the token is not valid: claim 'aud' is another audience"),
        (None, False, "the Authorization header is Bearer, a space and the token"),
    ]


@pytest.mark.parametrize(
    ("roles", "scope", "reason"),
    [
        (["modellers"], READ, "this needs the scope metadata:write, which the token lacks"),
        (["users"], f"{READ} {WRITE}", "no role of this token may write"),
    ],
)
def test_a_refusal_by_the_policy_names_who_and_why(
    service: httpx.Client, audited: Engine, roles: list[str], scope: str, reason: str
) -> None:
    answer = service.post("/probe/posts", headers=ISSUER.headers(roles, scope))
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="oncolake", error="insufficient_scope", scope="metadata:write"'
    )
    assert answer.headers["Content-Type"] == "application/problem+json"
    ((subject, allowed, why),) = rows(audited, "subject, allowed, reason")
    assert (subject, allowed) == (ADA, False)
    assert why.startswith(reason)


def test_two_authorization_headers_are_refused(service: httpx.Client, audited: Engine) -> None:
    header = ISSUER.headers()["Authorization"]
    answer = service.get("/probe/lists", headers=[("Authorization", header), ("Authorization", header)])
    assert (answer.status_code, len(rows(audited))) == (400, 1)


def test_a_token_elsewhere_than_in_the_header_is_none(service: httpx.Client, audited: Engine) -> None:
    token = ISSUER.token()
    assert service.get(f"/probe/lists?access_token={token}").status_code == 401
    assert service.post("/probe/posts", data={"access_token": token}).status_code == 401


def test_a_write_is_recorded_before_it_begins(service: httpx.Client, audited: Engine) -> None:
    assert service.post("/probe/posts", headers=ISSUER.headers()).json() == 1
    who = (ADA, UKE, "POST /probe/posts", WRITE, True, "reach own")
    assert awaited(audited, 2) == [(*who, None, None), (*who, 5, 11)]


def test_a_withdrawal_is_recorded_before_and_with_the_person(service: httpx.Client, audited: Engine) -> None:
    assert service.delete("/probe/posts", headers=ISSUER.headers(["admins"])).status_code == 200
    who = (ADA, UKE, "DELETE /probe/posts", WRITE, True, "reach all")
    assert rows(audited) == [(*who, None, None), (*who, 5, None)]


def test_what_an_access_does_not_cover_is_recorded_as_refused(service: httpx.Client, audited: Engine) -> None:
    denied = service.get("/probe/absent?anothers=true", headers=ISSUER.headers())
    unknown = service.get("/probe/absent", headers=ISSUER.headers())
    assert (denied.status_code, denied.content) == (404, unknown.content), (
        "the client is not told which it is"
    )
    assert rows(audited, "allowed, reason") == [
        (False, "reach own does not cover it: 404"),
        (True, "reach own"),
    ]


def test_the_trail_says_whether_it_was_anothers(service: httpx.Client, audited: Engine) -> None:
    mine, theirs = ISSUER.headers(), ISSUER.headers(organisation="forth.example.org")
    upload = service.post("/usecases", json=figure("P1"), headers=mine).json()["upload_id"]
    awaited(audited, 2)
    denied, reached = (False, "reach own does not cover it: {}"), (True, "reach own")

    def trail(method: str, path: str, headers: dict[str, str], status: int, count: int = 1) -> Any:
        with audited.begin() as connection:
            connection.execute(text("TRUNCATE lake.audit"))
        sent = {"json": figure("P1")} if method == "POST" else {}
        assert service.request(method, path, headers=headers, **sent).status_code == status
        found = awaited(audited, count, "allowed, reason")
        assert len(found) == count
        allowed, reason = found[-1]
        return allowed, reason.replace(str(status), "{}")

    for path in ("/patients/P1", f"/uploads/{upload}", f"/uploads/{upload}/problems"):
        assert trail("GET", path, theirs, 404) == denied
        assert trail("GET", path.replace("P1", "P9").replace(str(upload), "999"), theirs, 404) == reached
    for path in ("/patients/P1", f"/uploads/{upload}"):
        assert trail("DELETE", path, theirs, 404, 2) == denied
        assert trail("DELETE", path.replace("P1", "P9").replace(str(upload), "999"), theirs, 404) == reached
    assert trail("GET", "/usecases/none", theirs, 404) == reached
    assert trail("POST", "/usecases", theirs, 409, 2) == denied
    nobody = (False, "the token names no organisation: {}")
    assert trail("POST", "/usecases", ISSUER.headers(organisation=None), 403, 2) == nobody
    with audited.begin() as connection:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({0x6F6E636F}, {upload})"))
        assert trail("DELETE", f"/uploads/{upload}", mine, 409) == reached, "it is still being read"


def test_a_post_is_answered_though_what_it_was_about_cannot_be_recorded(
    service: httpx.Client, audited: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert service.post("/probe/posts?number=9223372036854775808", headers=ISSUER.headers()).json() == 1
    deadline = time.monotonic() + 10
    while "what request" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "has no row in lake.audit" in caplog.text
    assert rows(audited, "allowed, person_id") == [(True, None)]


def test_a_fault_after_a_read_leaves_the_read_recorded(service: httpx.Client, audited: Engine) -> None:
    answer = service.get("/probe/faults", headers=ISSUER.headers() | {"X-Request-ID": "fault-1"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "fault-1")
    assert rows(audited, "request_id, person_id") == [("fault-1", 3)]


def test_a_parameter_that_cannot_be_used_is_decided_on_before(service: httpx.Client, audited: Engine) -> None:
    assert service.get("/probe/patients/a?persons=x").status_code == 401
    answer = service.get("/probe/patients/a?persons=x", headers=ISSUER.headers())
    assert answer.status_code == 422
    assert rows(audited, "allowed, person_id") == [(False, None), (True, None)]


@pytest.mark.parametrize("given", ["a", "A-1_b.2", "x" * 64])
def test_the_client_may_name_the_request(service: httpx.Client, audited: Engine, given: str) -> None:
    answer = service.get("/probe/lists", headers=ISSUER.headers() | {"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    assert rows(audited, "request_id") == [(given,)]


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a'--", "ä".encode("latin-1"), "a\tb"])
def test_a_name_that_cannot_be_used_is_replaced(service: httpx.Client, audited: Engine, given: Any) -> None:
    answer = service.get("/probe/lists", headers=ISSUER.headers() | {"X-Request-ID": given})
    assert len(answer.headers["X-Request-ID"]) == 36
    assert rows(audited, "request_id") == [(answer.headers["X-Request-ID"],)]


def test_two_names_are_replaced(service: httpx.Client) -> None:
    answer = service.get("/probe/lists", headers=[("X-Request-ID", "a"), ("X-Request-ID", "b")])
    assert len(answer.headers["X-Request-ID"]) == 36


def test_many_requests_at_once_get_their_own_rows(service: httpx.Client, audited: Engine) -> None:
    headers = [ISSUER.headers(["modellers"], sub=f"s{number}") for number in range(24)]
    with ThreadPoolExecutor(12) as pool:
        found = pool.map(lambda each: service.get("/probe/patients/a", headers=each).status_code, headers)
        assert set(found) == {200}
    assert sorted(rows(audited, "subject, person_id")) == sorted((f"s{number}", 1) for number in range(24))


def test_a_read_that_cannot_be_recorded_is_not_answered(
    service: httpx.Client, audited: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with audited.begin() as connection:
        connection.execute(text("ALTER TABLE lake.audit RENAME TO elsewhere"))
    try:
        answers = [
            service.get("/probe/patients/a", headers=ISSUER.headers()),
            service.post("/probe/posts", headers=ISSUER.headers()),
            service.get("/probe/lists", headers={"X-Request-ID": "PCa-4711"}),
        ]
    finally:
        with audited.begin() as connection:
            connection.execute(text("ALTER TABLE lake.elsewhere RENAME TO audit"))
    # A refusal reveals nothing: it is given, and the log keeps that it has no row.
    assert [each.status_code for each in answers] == [503, 503, 401]
    assert [each.headers.get("Retry-After") for each in answers] == ["5", "5", None]
    assert "request - was refused without a row in lake.audit" in caplog.text
    assert "PCa-4711" not in caplog.text
