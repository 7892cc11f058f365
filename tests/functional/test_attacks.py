"""Attacks: what is sent to do harm is refused with its status, and none of it is said or logged again."""

import json
import logging
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Engine

from api.http.app import create_app
from api.http.settings import read_settings
from omop_schema.database import SETTING
from tests.conftest import engine_on, new_database
from tests.posting import figure, query
from tests.serving import served
from tests.tokens import Issuer

FORTH, UKE = "forth.example.org", "uke.example.org"
MOST = 200_000
JSON = {"Content-Type": "application/json"}
#: Says in a log or an answer that it came through.
MARK = "Xq7Secret"
INJECTIONS = [
    f"{MARK}'; DROP TABLE lake.cases; --",
    f"' OR '1'='1' /*{MARK}*/",
    f"\\'; SELECT pg_sleep(30) --{MARK}",
    f"%27%20UNION%20SELECT%20document%20FROM%20lake.documents%20--{MARK}",
    f'{MARK}"}}],"_oncolake":{{"role":"admins"',
    f'{{"$ne": "{MARK}"}}',
    f"{MARK}\r\nX-Role: admins",
    f"{MARK}\0",
    f"{MARK}%s%n{{0.__class__}}$${{jndi:ldap://x}}",
    f"<script>{MARK}</script>",
    f"\u202e{MARK}\ufffe",
]
_ADMIN = (["admins"], "metadata:read metadata:write", "platform.example.org")
#: Paths that mean to leave where they are; as they stand on the wire.
TRAVERSALS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%5c..%5cwindows",
    "..%c0%af..%c0%afetc",
    "%c0%ae%c0%ae/%e0%80%ae",
    "%00",
    "1%00.json",
    "%ff%fe",
    "%ed%a0%80",
    "%252e%252e%252f",
    "....//....//",
    ";/../admin",
    "//evil.example.org/",
]


class Target(NamedTuple):
    """The service with one case of FORTH's, ``upload`` its number."""

    client: httpx.Client
    engine: Engine
    issuer: Issuer
    upload: int

    def send(self, method: str, address: str, *who: Any, **more: Any) -> httpx.Response:
        """With a token of these roles, scope and organisation; an administrator's without."""
        headers = self.issuer.headers(*(who or _ADMIN)) | more.pop("headers", {})
        return self.client.request(method, address, headers=headers, **more)

    def wire(self, target: str, head: str = "", body: bytes = b"", method: str = "GET") -> bytes:
        """All that is answered to a request of exactly these bytes, until the server is done with it."""
        token = self.issuer.headers(*_ADMIN)["Authorization"]
        address = (self.client.base_url.host, self.client.base_url.port or 80)
        with socket.create_connection(address, timeout=20) as connection:
            lines = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n{head}"
            parts = []
            # A server that has refused already resets what is still being sent.
            with suppress(OSError):
                connection.sendall(lines.encode("latin-1") + b"\r\n" + body)
                while part := connection.recv(65536):
                    parts.append(part)
        return b"".join(parts)


@pytest.fixture(scope="module")
def target(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    issuer = Issuer()
    settings = read_settings(
        **issuer.settings(tmp_path_factory.mktemp("keys")), max_body_bytes=MOST, body_seconds=2
    )
    with (
        new_database(server_url, template_database) as url,
        engine_on(url) as engine,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(SETTING, url)
        with served(create_app(settings)) as client:
            sent = client.post("/usecases", json=figure(), headers=issuer.headers(organisation=FORTH))
            yield Target(client, engine, issuer, sent.json()["upload_id"])


@pytest.fixture(autouse=True)
def nothing_is_logged_or_changed(target: Target, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No attack gets into the log, the audit trail or the lake."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        # The client's own log, where the attack stands of course.
        caplog.set_level(logging.CRITICAL, name)
    yield
    assert MARK not in caplog.text
    assert "passwd" not in caplog.text
    trail = query(
        target.engine, "SELECT count(*) FROM lake.audit WHERE audit::text LIKE :mark", mark=f"%{MARK}%"
    )
    assert trail == [(0,)]
    assert query(target.engine, "SELECT patient_id, organisation, version FROM lake.cases") == [
        ("P1", FORTH, 1)
    ]


def is_refused(response: httpx.Response, *statuses: int) -> Any:
    assert response.status_code in statuses, response.text
    assert MARK not in response.text
    assert not [value for value in response.headers.values() if MARK in value]
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()


@pytest.mark.parametrize("attack", INJECTIONS)
def test_an_injection_finds_nothing_in_any_parameter(target: Target, attack: str) -> None:
    escaped = quote(attack, safe="")
    number = 404 if "/" in attack else 422
    lists = ("/feed.json", f"/uploads/{target.upload}", f"/uploads/{target.upload}/problems", "/usecases/1")
    for method, address, status in (
        ("GET", f"/patients/{escaped}", 404),
        ("DELETE", f"/patients/{escaped}", 404),
        ("GET", f"/usecases/{escaped}", 404),
        ("GET", f"/uploads/{escaped}", number),
        ("DELETE", f"/uploads/{escaped}", number),
        ("GET", f"/uploads/{escaped}/problems", number),
        *(("GET", f"{each}?cursor={escaped}", 422) for each in lists),
        *(("GET", f"{each}?limit={escaped}", 422) for each in lists),
        ("POST", f"/usecases?validate={escaped}", 422),
    ):
        is_refused(target.send(method, address), status)
    narrowed = target.send("GET", f"/usecases/1?form={escaped}")
    assert (narrowed.status_code, narrowed.json()["items"]) == (200, [])
    # A name that is no parameter is nothing's.
    assert target.send("GET", f"/feed.json?{escaped}=1").json() == target.send("GET", "/feed.json").json()


@pytest.mark.parametrize("attack", [each for each in INJECTIONS if each.isascii() and each.isprintable()])
def test_an_injection_finds_nothing_in_any_header(target: Target, attack: str) -> None:
    # Some would do as a key: then it is the empty body that is refused.
    key = 422 if {" ", '"', "\\"} & set(attack) else 400
    is_refused(target.send("POST", "/usecases", headers={"Content-Type": attack}), 415)
    is_refused(target.send("POST", "/usecases", headers={**JSON, "Content-Encoding": attack}), 415)
    is_refused(target.send("POST", "/usecases", headers={**JSON, "Idempotency-Key": attack}), key)
    is_refused(target.send("GET", "/feed.json", headers={"Authorization": f"Bearer {attack}"}), 400)
    is_refused(target.send("GET", "/feed.json", headers={"Authorization": attack}), 401)
    for name in ("If-None-Match", "X-Request-ID", "Host", "X-Forwarded-For", "X-Forwarded-Host", "Cookie"):
        answer = target.send("GET", "/feed.json", headers={name: attack})
        assert answer.status_code == 200, name
        assert MARK not in answer.text + str(answer.headers), name


@pytest.mark.parametrize("attack", INJECTIONS)
def test_an_injection_in_a_document_is_a_value_at_most(target: Target, attack: str) -> None:
    document = figure("P9", site=7, useCaseType=attack, **{attack: attack})
    body = is_refused(target.send("POST", "/usecases", content=json.dumps(document), headers=JSON), 400)
    assert body["violations"]
    meta = {"curationFunction": attack, attack: {"meta": attack}}
    is_refused(target.send("POST", "/curationMeta", content=json.dumps(meta), headers=JSON), 400)
    tool = {**JSON, "Idempotency-Key": '"k"'}
    is_refused(
        target.send("POST", "/usecases?validate=only", content=json.dumps(document), headers=tool), 400
    )


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_anywhere_else(target: Target, path: str) -> None:
    for place in ("/", "/uploads/", "/patients/", "/usecases/", "/openapi.json/", "/docs/"):
        answer = target.wire(place + path, "Connection: close\r\n")
        assert answer.split(b" ", 2)[1] in {b"404", b"422"}, (place, answer)
        assert b"root:" not in answer
        assert b"evil.example.org" not in answer, "no redirect leads away"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_are_not_known(target: Target, method: str) -> None:
    for address in ("/feed.json", "/uploads/1", "/patients/P1", "/usecases"):
        is_refused(target.send(method, address, headers={"X-HTTP-Method-Override": "DELETE"}), 405)
    assert target.send("GET", "/patients/P1", headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 200


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("Content-Length: 2\r\nContent-Length: 40\r\n", b"{}", 400),
        ("Content-Length: +2\r\n", b"{}", 400),
        ("Content-Length: 0x2\r\n", b"{}", 400),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 40\r\n", b"2\r\n{}\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n", 400),
        ("Transfer-Encoding: identity, chunked\r\n", b"0\r\n\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\n", b"-1\r\n{}\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\n{}", 408),
        ("Content-Length : 2\r\n", b"{}", 400),
        (" Content-Length: 2\r\n", b"", 415),
        ("Content-Type: text/plain\r\nContent-Length: 2\r\n", b"{}", 415),
    ],
)
def test_a_request_that_could_be_two_ends_its_connection(
    target: Target, head: str, body: bytes, status: int
) -> None:
    """What a proxy and the service could read differently: the request behind it is never answered."""
    behind = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = target.wire("/usecases", f"Content-Type: application/json\r\n{head}", body + behind, "POST")
    assert int(answer.split(b" ", 2)[1]) == status, answer
    assert b"alive" not in answer


def test_two_tokens_are_none(target: Target) -> None:
    answer = target.wire("/feed.json", "Authorization: Bearer x\r\nConnection: close\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"send one Authorization header" in answer


def test_a_header_of_a_megabyte_ends_the_connection(target: Target) -> None:
    """Also that of a token: with 400, where the client still listens when the server has had enough."""
    answer = target.wire("/feed.json", f"X-Token: {'x' * 1_000_000}\r\nConnection: close\r\n")
    assert answer[:13] in {b"HTTP/1.1 400 ", b""}


def test_a_packed_bomb_is_not_unpacked(target: Target) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    assert len(bomb) < MOST
    began = time.monotonic()
    is_refused(
        target.send("POST", "/usecases", content=bomb, headers={**JSON, "Content-Encoding": "gzip"}), 415
    )
    is_refused(target.send("POST", "/usecases", content=bomb, headers=JSON), 400)
    is_refused(target.send("POST", "/usecases", files={"data_file": ("x.gz", bomb, "application/gzip")}), 400)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "value",
    [
        "1" + "0" * 5_000,
        "-" + "9" * 100_000,
        "1e400",
        "1e-400",
        "1E+999999999999",
        "[" * 199 + "]" * 199,
        '{"a":' * 199 + "1" + "}" * 199,
        "[" * 90_000,
        '"\\ud800"',
        '"' + "x" * 190_000 + '"',
        "[" + "0," * 90_000 + "0]",
        "true",
        "Infinity",
    ],
    ids=lambda value: value[:12],
)
@pytest.mark.parametrize("path", ["/usecases", "/usecases?validate=only", "/curationMeta"])
def test_a_monstrous_value_is_refused_at_once(target: Target, value: str, path: str) -> None:
    members = {key: value for key, value in figure("P9").items() if key != "clinicalBaselineData"}
    told = json.dumps(members)[:-1] + f', "clinicalBaselineData": {{"age": {value}}}}}'
    began = time.monotonic()
    is_refused(target.send("POST", path, content=told.encode(), headers=JSON), 400)
    assert time.monotonic() - began < 5


#: Roles that are none; what a token says besides, and headers, raise nobody.
_POSTED = json.dumps(figure("P9")).encode()


@pytest.mark.parametrize(
    "roles",
    [
        ["Admins"],
        ["admin"],
        ["/prostatenet/data-providers/admins"],
        ["/other/admins"],
        ["admins "],
        ["admins\0"],
        ["users"],
        ["data-providers,admins"],
        ['["admins"]'],
        ["*"],
        [],
    ],
)
def test_nobody_becomes_what_the_token_does_not_say(target: Target, roles: list[str]) -> None:
    who = target.issuer.headers(roles, organisation=UKE, role="admins", groups=["admins"], reach="all")
    who |= {"X-Role": "admins", "X-Reach": "all", "X-Organisation": FORTH, "X-Forwarded-User": "root"}
    status = 401 if "admins\0" in roles else 403
    for method, address in (
        ("GET", "/feed.json?role=admins&reach=all"),
        ("GET", "/patients/P1"),
        ("DELETE", "/patients/P1"),
        ("DELETE", f"/uploads/{target.upload}"),
        ("POST", "/usecases"),
        ("POST", "/curationMeta"),
    ):
        content = _POSTED if method == "POST" else None
        is_refused(target.client.request(method, address, headers=who | JSON, content=content), status)


def test_a_provider_is_no_other_provider(target: Target) -> None:
    for organisation in (UKE, FORTH.upper(), f"{FORTH}.", f"www.{FORTH}", "%", "forth_example.org", None):
        who = (["data-providers"], "metadata:read metadata:write", organisation)
        spoof = {"X-Organisation": FORTH, "X-Reach": "all"}
        assert target.send("GET", "/feed.json", *who, headers=spoof).json()["items"] == []
        for method, address in (
            ("GET", "/patients/P1"),
            ("GET", f"/uploads/{target.upload}"),
            ("GET", f"/uploads/{target.upload}/problems"),
            ("DELETE", "/patients/P1"),
            ("DELETE", f"/uploads/{target.upload}"),
        ):
            there = is_refused(target.send(method, address, *who), 404)
            never = address.replace("P1", "P0").replace(f"/{target.upload}", "/999999")
            assert there == is_refused(target.send(method, never, *who), 404), "nothing is revealed"


@pytest.mark.parametrize(
    ("role", "scope", "allowed"),
    [
        ("modellers", "metadata:read metadata:write", {"GET"}),
        ("admins", "metadata:read", {"GET"}),
        ("admins", "metadata:write metadata:reads xmetadata:read", {"POST"}),
        ("admins", "metadata:*", set()),
        ("admins", "METADATA:READ METADATA:WRITE", set()),
        ("admins", "", set()),
    ],
)
def test_a_role_does_what_its_scope_lets_it(target: Target, role: str, scope: str, allowed: set[str]) -> None:
    for method, address in (
        ("GET", "/feed.json"),
        ("GET", "/patients/P1"),
        ("POST", "/usecases?validate=only"),
        *((("DELETE", "/patients/P1"),) if "POST" not in allowed else ()),
    ):
        content = {"content": _POSTED, "headers": JSON} if method == "POST" else {}
        response = target.send(method, address, [role], scope, **content)
        if method in allowed:
            assert response.status_code == 200, response.text
        else:
            is_refused(response, 403)
            assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


def test_a_token_is_read_from_one_header_alone(target: Target) -> None:
    headers = {"Authorization": f"Bearer {'a' * 20_000}"}
    is_refused(target.client.get("/feed.json", headers=headers), 401)
    token = target.issuer.token(["admins"])
    for place in ("access_token", "token"):
        is_refused(target.client.get(f"/feed.json?{place}={token}"), 401)
        is_refused(target.client.get("/feed.json", headers={"Cookie": f"{place}={token}"}), 401)
    form = {"access_token": (None, token)}
    is_refused(target.client.post("/usecases", files=form), 401)
