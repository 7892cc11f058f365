"""``oncolake serve`` and ``oncolake token``: real processes on real ports."""

import http.client
import ipaddress
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine, text

from tests.functional.conftest import Run
from tests.posting import figure

_LOCAL = ipaddress.ip_address("127.0.0.1")
READING = ("--scope", "metadata:read", "--role", "data-providers", "--organisation", "other")
PROGRAM = Path(sys.executable).with_name("oncolake")


@dataclass
class Service:
    """A process that serves, and what it has said."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return re.search(r"Serving (\S+) with", "".join(self.said)).group(1)  # type: ignore[union-attr]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def token(self) -> str:
        return re.search(r"^TOKEN=(\S+)$", "".join(self.shown), re.MULTILINE).group(1)  # type: ignore[union-attr]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}", "Connection": "close", **headers}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content)

    def post(self, document: Any) -> tuple[int, Any]:
        body = json.dumps(document).encode()
        return self.ask("POST", "/usecases", body, **{"Content-Type": "application/json"})

    def is_saying(self, words: str, times: int = 1, seconds: float = 90) -> None:
        """Wait until the log says it so often."""
        deadline = time.monotonic() + seconds
        while "".join(self.said).count(words) < times:
            assert self.process.poll() is None, "".join(self.said)
            assert time.monotonic() < deadline, "".join(self.said)
            time.sleep(0.05)


@contextmanager
def serving(environment: dict[str, str], *arguments: str, workers: int = 1) -> Iterator[Service]:
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", "0", "--workers", str(workers), *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    service = Service(process)
    streams = ((process.stdout, service.shown), (process.stderr, service.said))
    readers = [threading.Thread(target=_collect, args=each, daemon=True) for each in streams]
    for reader in readers:
        reader.start()
    try:
        service.is_saying("Application startup complete", workers)
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        finally:
            process.kill()
            process.wait()
            for reader in readers:
                reader.join(20)
            process.stdout.close()
            process.stderr.close()


def _collect(stream: Any, lines: list[str]) -> None:
    for line in stream:
        lines.append(line)


@pytest.fixture
def environment(oncolake_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A database of its own, and a home for the development issuer."""
    kept = {name: value for name, value in oncolake_env.items() if not name.startswith("ONCOLAKE_")}
    database = {"ONCOLAKE_DATABASE_URL": oncolake_env["ONCOLAKE_DATABASE_URL"]}
    return {**kept, **database, "ONCOLAKE_HOME": str(tmp_path / "home")}


def stop(service: Service, with_signal: int = signal.SIGTERM) -> int:
    service.process.send_signal(with_signal)
    return service.process.wait(40)


def test_the_printed_lines_work_as_printed_and_so_does_a_token(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with serving(environment, "--dev") as service:
        posted, feed = (json.loads(answer) for answer in as_printed(service, environment, tmp_path))
        assert (posted["upload_id"], posted["outcome"]) == (1, "loaded")
        assert [item["id"] for item in feed["items"]] == ["oncolake:upload:1"]
        assert service.post(figure("Named-In-No-Log"))[0] == 200
        assert service.ask("GET", "/patients/Named-In-No-Log")[0] == 200
        reading = token(
            environment, "--scope", "metadata:read", "--role", "data-providers", "--organisation", "other"
        )
        headers = {"Authorization": f"Bearer {reading}"}
        assert service.ask("GET", "/feed.json")[1]["items"]
        assert service.ask("GET", "/feed.json", **headers)[1]["items"] == [], "they are another's"
        assert service.ask("DELETE", "/patients/Named-In-No-Log", **headers)[0] == 403
        status, removed = service.ask("DELETE", "/patients/Named-In-No-Log")
        assert (status, removed["cases"], removed["documents"]) == (200, 1, 1)
        assert service.ask("DELETE", "/patients/Named-In-No-Log")[0] == 404
        assert service.ask("GET", "/nowhere/Named-In-No-Log")[0] == 404
        chosen = {"X-Request-ID": "Named-In-No-Log"}
        assert service.ask("GET", "/uploads/999", **chosen)[0] == 404
        assert service.ask("GET", "/uploads/999", **chosen, Authorization="Bearer a b")[0] == 400
        assert stop(service) == 0
    log = "".join(service.said)
    assert "GET /patients/{patientID} 200" in log
    assert "DELETE /patients/{patientID} 200" in log
    assert re.search(r"GET /patients/\{patientID\} 200 \d+ ms 127\.0\.0\.1 [0-9a-f-]{36}\n", log)
    assert re.search(r"GET /uploads/\{id\} 404 \d+ ms 127\.0\.0\.1 -\n", log), "the client chose its id"
    assert "GET (no such route) 404" in log
    assert "Named-In-No-Log" not in log
    assert service.token[:40] not in log
    keys = list((tmp_path / "home" / "development-issuer").iterdir())
    assert {each.stat().st_mode & 0o077 for each in [*keys, keys[0].parent]} == {0}


def as_printed(service: Service, environment: dict[str, str], folder: Path) -> list[str]:
    """What a shell says to all that ``--dev`` printed, a line for each request."""
    path = {"PATH": f"{PROGRAM.parent}:{environment['PATH']}"}
    lines = re.sub("^curl .*", r"\g<0> && echo", "".join(service.shown), flags=re.MULTILINE)
    command = ["sh", "-eu", "-c", lines]
    return subprocess.run(
        command, env=environment | path, cwd=folder, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def token(environment: dict[str, str], *arguments: str) -> str:
    command = [PROGRAM, "token", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def half_sent(service: Service, document: Any) -> Iterator[tuple[socket.socket, bytes]]:
    """A post of which only the first half has been sent."""
    body = json.dumps(document).encode()
    head = (
        f"POST /usecases HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(head.encode() + body[:100])
        time.sleep(0.5)
        yield connection, body[100:]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_runs_is_finished_when_it_is_told_to_stop(environment: dict[str, str], workers: int) -> None:
    with (
        serving(environment, "--dev", workers=workers) as service,
        half_sent(service, figure()) as (sent, rest),
    ):
        service.process.send_signal(signal.SIGTERM)
        service.is_saying("Shutting down" if workers == 1 else "Received SIGTERM")
        time.sleep(1)
        assert service.process.poll() is None, "a request still runs"
        sent.sendall(rest)
        answer = http.client.HTTPResponse(sent)
        answer.begin()
        assert answer.status in (200, 202)
        assert json.loads(answer.read())["upload_id"] == 1
        assert service.process.wait(40) == 0


def test_ctrl_c_ends_it_quietly(environment: dict[str, str]) -> None:
    with serving(environment, "--dev") as service:
        assert stop(service, signal.SIGINT) == 0
    assert "Traceback" not in "".join(service.said)


def test_workers_end_with_a_parent_that_was_killed_and_one_that_was_killed_is_replaced(
    environment: dict[str, str], lake_engine: Engine
) -> None:
    with serving(environment, "--dev", workers=2) as service:
        first, *_ = children(service.process.pid)
        os.kill(first, signal.SIGKILL)
        service.is_saying("Application startup complete", 3)
        assert {service.post(figure(f"P{number}"))[0] for number in range(4)} <= {200, 202}
        working = children(service.process.pid)
        assert first not in working
        service.process.kill()
        service.process.wait()
        deadline = time.monotonic() + 20
        while any(map(is_running, working)):
            assert time.monotonic() < deadline, "workers outlive their parent"
            time.sleep(0.1)
    with lake_engine.connect() as connection:
        assert (
            connection.execute(text("SELECT count(*) FROM lake.cases WHERE loaded_version = 1")).scalar() == 4
        )


def children(process: int) -> list[int]:
    lines = ps("-o", "pid=,args=", "--ppid", str(process)).splitlines()
    return [int(line.split()[0]) for line in lines if "spawn_main" in line]


def is_running(process: int) -> bool:
    return ps("-o", "stat=", "-p", str(process)).strip()[:1] not in ("", "Z")


def ps(*arguments: str) -> str:
    return subprocess.run(["ps", "-ww", *arguments], capture_output=True, text=True, check=False).stdout


@pytest.fixture
def lake_engine(lake: Engine) -> Engine:
    return lake


def test_it_serves_tls(environment: dict[str, str], tmp_path: Path) -> None:
    certificate, key = tls_files(tmp_path)
    with serving(environment, "--dev", "--certificate", str(certificate), "--key", str(key)) as service:
        assert service.address.startswith("https://")
        posted, feed = (json.loads(answer) for answer in as_printed(service, environment, tmp_path))
        assert (posted["upload_id"], len(feed["items"])) == (1, 1)
        context = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", service.port, context=context, timeout=20)
        connection.request("GET", "/feed.json", headers={"Authorization": f"Bearer {service.token}"})
        answer = connection.getresponse()
        assert (answer.status, len(json.loads(answer.read())["items"])) == (200, 1)
        connection.close()


def tls_files(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(_LOCAL)])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1)).add_extension(alternative, False).sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, private


def test_forwarded_headers_of_a_trusted_proxy_alone_are_believed(environment: dict[str, str]) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    for proxy, seen in (("127.0.0.1", "203.0.113.7"), ("10.9.8.7", "127.0.0.1")):
        with serving(environment, "--dev", "--proxy", proxy) as service:
            service.ask("GET", "/feed.json", **forwarded)
            service.is_saying(f"ms {seen} ")


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ([], {}, "ONCOLAKE_ISSUER is not set"),
        ([], {"ONCOLAKE_ISSUER": "http://aai.example.org"}, "ONCOLAKE_ISSUER"),
        ([], {"ONCOLAKE_ISSUER": "https://a.example", "ONCOLAKE_KEYS": "/nowhere.pem"}, "ONCOLAKE_KEYS"),
        (["--dev"], {"ONCOLAKE_PAGE_SIZE": "many"}, "ONCOLAKE_PAGE_SIZE"),
        (["--dev"], {"ONCOLAKE_MAX_DOCUMENT_BYTES": "many"}, "ONCOLAKE_MAX_DOCUMENT_BYTES"),
        (["--dev"], {"ONCOLAKE_OPA_URL": "http://opa.example.org"}, "ONCOLAKE_OPA_URL"),
        (["--dev"], {"ONCOLAKE_POLICY": "/nowhere.rego"}, "ONCOLAKE_POLICY"),
        (["--dev"], {"ONCOLAKE_ISSUER": "https://a.example"}, "--dev brings its own issuer"),
        (["--dev", "--host", "0.0.0.0"], {}, "--dev hands out tokens"),
        (["--dev", "--certificate", "x.pem"], {}, "--certificate and --key go together"),
        (["--dev", "--certificate", "/x.pem", "--key", "/y.pem"], {}, "cannot be read"),
        (["--dev", "--proxy", "proxy.example.org"], {}, "no address or network"),
        (["--dev"], {}, "cannot listen"),
        (["--dev"], {"ONCOLAKE_HOME": "/dev/null/home"}, "set ONCOLAKE_HOME to a folder"),
        (["--dev", "--mappings", "/nowhere"], {}, "is not a mapping folder"),
    ],
)
def test_bad_settings_stop_the_start_with_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    arguments: list[str], settings: dict[str, str], words: str,
) -> None:  # fmt: skip
    for name in ("ISSUER", "KEYS", "MAPPINGS"):
        # Set first, so that what the command itself sets is taken back after the test.
        monkeypatch.setenv(f"ONCOLAKE_{name}", "")
    monkeypatch.setenv("ONCOLAKE_HOME", str(tmp_path / "home"))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    if words == "cannot listen":
        with socket.create_server(("127.0.0.1", 0)) as taken:
            said = run("serve", "--dev", "--port", taken.getsockname()[1])
    else:
        said = run("serve", *arguments)
    assert said.code == 2
    assert words in said.err
    assert said.err.startswith("oncolake: ")
    assert len(said.err.splitlines()) == 1


def test_a_token_needs_the_issuer(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONCOLAKE_HOME", str(tmp_path / "home"))
    said = run("token")
    assert (said.code, "`oncolake serve --dev` makes it" in said.err) == (2, True)


def test_what_cannot_be_listened_with_says_what_to_change(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ISSUER", "KEYS"):
        monkeypatch.setenv(f"ONCOLAKE_{name}", "")
    monkeypatch.setenv("ONCOLAKE_HOME", str(tmp_path / "home"))

    def said(*arguments: object) -> str:
        for name in ("ISSUER", "KEYS"):
            monkeypatch.setenv(f"ONCOLAKE_{name}", "")
        found = run("serve", "--dev", *arguments)
        assert (found.code, len(found.err.splitlines())) == (2, 1)
        return found.err

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "give another --port" in said("--port", taken.getsockname()[1])
    certificate, key = tls_files(tmp_path)
    empty = tmp_path / "empty.pem"
    empty.touch()
    for files, words in (
        ((key, certificate), "(--certificate has no certificate in it)"),
        ((empty, key), "(--certificate has no certificate in it)"),
        ((certificate, certificate), "(--key has no private key in it)"),
    ):
        told = said("--port", 0, "--certificate", files[0], "--key", files[1])
        assert words in told
        assert "None" not in told


def test_a_misspelt_setting_is_warned_of(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONCOLAKE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ONCOLAKE_ISSUER", raising=False)
    monkeypatch.setenv("ONCOLAKE_ISUER", "https://secret.example")
    said = run("serve")
    warned, refused = said.err.splitlines()
    assert warned == "Warning: ONCOLAKE_ISUER is no setting; did you mean ONCOLAKE_ISSUER?"
    assert (said.code, "ONCOLAKE_ISSUER is not set" in refused) == (2, True)
