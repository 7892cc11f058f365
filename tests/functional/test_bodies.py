"""Bodies as a hostile or clumsy client sends them: too large, too slow, packed, cut off, or no form."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.conftest import engine_on, new_database
from tests.posting import app_on, figure, query
from tests.serving import served

MOST = 100_000
SECONDS = 1.0


@pytest.fixture(scope="module")
def url(server_url: str, template_database: str) -> Iterator[str]:
    with new_database(server_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch:
        app = app_on(url, patch, max_body_bytes=MOST, body_seconds=SECONDS)
        with served(app) as client:
            yield client


@contextmanager
def connected(client: httpx.Client) -> Iterator[socket.socket]:
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=20) as connection:
        yield connection


def head(**headers: Any) -> bytes:
    named = {"Host": "x", "Content-Type": "application/json"}
    named |= {name.replace("_", "-"): str(value) for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST /usecases HTTP/1.1\r\n{lines}\r\n".encode()


def answer(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of the response; the server must close the connection after it."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    top, _, body = b"".join(parts).partition(b"\r\n\r\n")
    first, *rest = top.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest)
    return int(first.split()[1]), headers, json.loads(body)


def test_a_body_said_to_be_too_large_is_refused_before_it_comes(client: httpx.Client) -> None:
    with connected(client) as connection:
        connection.sendall(head(Content_Length=MOST + 1))
        status, headers, body = answer(connection)
    assert (status, headers["connection"]) == (413, "close")
    assert str(MOST) in body["detail"]
    assert headers["content-type"] == "application/problem+json"


def test_a_body_that_does_not_say_how_large_it_is_is_counted(client: httpx.Client) -> None:
    sent = 0
    with connected(client) as connection:
        connection.sendall(head(Transfer_Encoding="chunked"))
        chunk = b"2710\r\n" + b" " * 10_000 + b"\r\n"
        try:
            for _ in range(10_000):
                connection.sendall(chunk)
                sent += 10_000
        except OSError:
            pass
    assert sent < 60 * MOST, "the server read on"
    content = (b" " * 10_000 for _ in range(MOST // 10_000 + 1))
    response = client.post("/usecases", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30])
def test_a_length_that_is_none_is_refused(client: httpx.Client, length: str) -> None:
    with connected(client) as connection:
        connection.sendall(head(Content_Length=length))
        top = connection.recv(100)
    assert top.split()[1] in (b"400", b"413")


@pytest.mark.parametrize("sent", [b"", b"{"])
def test_a_slow_body_is_given_up(client: httpx.Client, sent: bytes) -> None:
    with connected(client) as connection:
        began = time.monotonic()
        connection.sendall(head(Content_Length=1000) + sent)
        status, headers, body = answer(connection)
    assert (status, headers["connection"]) == (408, "close")
    assert SECONDS * 0.9 < time.monotonic() - began < SECONDS * 8
    assert "within 1 seconds" in body["detail"]


def test_a_body_that_trickles_is_given_up_as_well(client: httpx.Client) -> None:
    with connected(client) as connection:
        began = time.monotonic()
        connection.sendall(head(Content_Length=1000))
        connection.settimeout(0.1)
        parts = []
        while time.monotonic() - began < SECONDS * 8:
            try:
                connection.sendall(b" ")
                parts.append(connection.recv(65536))
                break
            except TimeoutError:
                continue
    assert parts[0].startswith(b"HTTP/1.1 408")


def test_a_client_that_leaves_harms_nobody(client: httpx.Client) -> None:
    with connected(client) as connection:
        connection.sendall(head(Content_Length=1000) + b"{")
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
def test_packed_bodies_are_refused(client: httpx.Client, coding: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    response = client.post("/usecases", content=bomb, headers=headers)
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json", "", "application/jsonx"],
)
def test_other_media_types_are_refused(client: httpx.Client, media_type: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = client.post("/usecases", content=b"{}", headers=headers)
    assert response.status_code == 415
    assert "multipart/form-data" in response.headers["accept"]


@pytest.mark.parametrize(
    "media_type", ["application/json", "APPLICATION/JSON; charset=UTF-8", "application/fhir+json"]
)
def test_json_is_read_whatever_its_kind_is_called(client: httpx.Client, media_type: str) -> None:
    response = client.post("/usecases", content=b"{}", headers={"Content-Type": media_type})
    assert response.status_code == 400
    assert response.json()["violations"][0]["path"] == "$"


def test_other_charsets_are_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json; charset=utf-16"}
    assert client.post("/usecases", content=b"{}", headers=headers).status_code == 415


def part(name: str = "data_file", content: bytes = b"{}", **headers: str) -> bytes:
    more = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in headers.items())
    disposition = f'Content-Disposition: form-data; name="{name}"\r\n'
    return f"--b\r\n{disposition}{more}\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (part() + b"--b--\r\n", 400, "not a valid document"),
        (part("file") + b"--b--\r\n", 400, "one part, named data_file"),
        (part() + part() + b"--b--\r\n", 400, "one part, named data_file"),
        (part() + part("user", b"Secret") + b"--b--\r\n", 400, "one part, named data_file"),
        (b"--b--\r\n", 400, ""),
        (b"", 400, "cut off"),
        (part(), 400, "cut off"),
        (part()[:-8], 400, "cut off"),
        (b"Secret", 400, "not well-formed"),
        (b"--b\r\n\r\n{}\r\n--b--\r\n", 400, "one part, named data_file"),
        (b"--b\r\nContent-Disposition: \r\n\r\n{}\r\n--b--\r\n", 400, "one part, named data_file"),
        (b"--b\r\n" + b"X: y\r\n" * 1000 + b"\r\n{}\r\n--b--\r\n", 400, "not well-formed"),
        (part(Content_Transfer_Encoding="base64") + b"--b--\r\n", 415, "Content-Transfer-Encoding"),
    ],
)
def test_forms_must_hold_one_part(client: httpx.Client, body: bytes, status: int, detail: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = client.post("/usecases", content=body, headers=headers)
    assert response.status_code == status, response.text
    assert detail in response.json()["detail"]
    assert "Secret" not in response.text


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=" + "x" * 5000, '; boundary="ä"'])
def test_boundaries_that_cannot_be_used_are_refused(client: httpx.Client, boundary: str) -> None:
    headers = {"Content-Type": f"multipart/form-data{boundary}".encode("latin-1")}
    assert client.post("/usecases", content=b"--x--", headers=headers).status_code == 400  # type: ignore[arg-type]


def test_a_part_arrives_byte_for_byte(client: httpx.Client, url: str) -> None:
    content = json.dumps(figure("byte for byte", site="Ηράκλειο"), indent=3).replace("\n", "\r\n").encode()
    for named in ({}, {"Content_Type": "application/octet-stream"}):
        body = part(content=content, **named) + b"--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        # Byte by byte, as a slow network may bring it.
        response = client.post("/usecases", content=(bytes([one]) for one in body), headers=headers)
        assert response.status_code == 200, response.text
    with engine_on(url) as engine:
        assert query(engine, "SELECT bytes FROM lake.uploads WHERE outcome = 'loaded'") == [(len(content),)]
