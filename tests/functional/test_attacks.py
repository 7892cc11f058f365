"""Attacks: what is sent to do harm is refused with its status, and none of it is said or logged again."""

import json
import time
import zlib
from collections.abc import Iterator
from urllib.parse import quote, unquote

import pytest

from tests.attacking import JSON, MARK, MOST, Target, is_refused, targeted, unharmed
from tests.posting import figure

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


@pytest.fixture(scope="module")
def target(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    with targeted(server_url, template_database, tmp_path_factory.mktemp("keys")) as found:
        yield found


@pytest.fixture(autouse=True)
def harms_nothing(target: Target, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with unharmed(target, caplog):
        yield


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
    is_refused(target.send("GET", f"/feed.json?{escaped}=1"), 400)


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
        is_number = place == "/uploads/" and "/" not in unquote(path)
        assert answer.startswith(b"HTTP/1.1 422 " if is_number else b"HTTP/1.1 404 "), (place, answer)
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
        '{"a": 1, "a": 2}',
        '"\\u0000"',
        '"\udcff"',
    ],
    ids=lambda value: ascii(value)[:14],
)
@pytest.mark.parametrize("path", ["/usecases", "/usecases?validate=only", "/curationMeta"])
def test_a_monstrous_value_is_refused_at_once(target: Target, value: str, path: str) -> None:
    members = {key: value for key, value in figure("P9").items() if key != "clinicalBaselineData"}
    told = json.dumps(members)[:-1] + f', "clinicalBaselineData": {{"age": {value}}}}}'
    began = time.monotonic()
    is_refused(target.send("POST", path, content=told.encode("utf-8", "surrogateescape"), headers=JSON), 400)
    assert time.monotonic() - began < 5
