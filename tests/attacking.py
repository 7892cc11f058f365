"""The service as attackers meet it: one case of a provider's, and how their requests must be refused."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

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
_ADMIN = (["admins"], "metadata:read metadata:write", "platform.example.org")


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


@contextmanager
def targeted(server_url: str, template: str, folder: Path) -> Iterator[Target]:
    """The service on a lake of its own; ``folder`` is for the issuer's keys."""
    issuer = Issuer()
    settings = read_settings(**issuer.settings(folder), max_body_bytes=MOST, body_seconds=2)
    with (
        new_database(server_url, template) as url,
        engine_on(url) as engine,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(SETTING, url)
        with served(create_app(settings)) as client:
            sent = client.post("/usecases", json=figure(), headers=issuer.headers(organisation=FORTH))
            yield Target(client, engine, issuer, sent.json()["upload_id"])


@contextmanager
def unharmed(target: Target, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Afterwards nothing of an attack is in the log, the audit trail or the lake."""
    for name in ("httpx", "httpcore"):
        # The client's own log, where the attack stands of course.
        caplog.set_level(logging.CRITICAL, name)
    # The last one is the level of what is kept at all.
    caplog.set_level(logging.DEBUG)
    yield
    logged = "\n".join(map(logging.Formatter().format, caplog.get_records("call")))
    assert MARK not in logged
    assert "passwd" not in logged
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
