"""The service as users have it, as a process of its own; and the same without access control.

``python -m tests.benchmarks.service serve ...`` is ``oncolake serve ...`` but for the dependencies that ask
who may: they let through one provider, and look at no token, ask no policy and write nothing down.
"""

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from sqlalchemy import Engine

from api.cli import main
from api.http import serving
from api.http.access import may_read, may_remove, may_write
from api.http.app import create_app
from api.http.log import Logged
from api.http.principal import Access, Principal
from api.http.settings import read_settings
from omop_schema.database import SETTING
from tests.tokens import Issuer

SUBJECT, ORGANISATION = "ada@example.org", "uke.example.org"
#: In place of the address and port, so that pages of two services are the same.
PUBLIC = "https://lake.example.org"
GUARDED = (str(Path(sys.executable).with_name("oncolake")),)
OPEN = (sys.executable, "-m", "tests.benchmarks.service")

_ROOT = Path(__file__).parents[2]
_PATIENCE = 120
_BOUNDARY = "benchmark"


class ServiceFailed(Exception):
    """The service did not start, or did not answer as it should."""


class Client:
    """One kept-alive connection to a service, with one token."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
        self._headers = headers

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str) -> bytes:
        """The body of an answer 200, nothing of one 204. Raises ServiceFailed for any other."""
        return self._ask("GET", path, None, self._headers)

    def post(self, form: bytes) -> bytes:
        """The answer to a case that was sent as ``form`` made it: 200 or 202."""
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        return self._ask("POST", "/usecases", form, {**self._headers, **kind})

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 202, 204):
            raise ServiceFailed(f"{method} is answered by {answer.status}: {content[:500]!r}")
        return content


def form(raw: bytes) -> bytes:
    """A document as the form that upload tools send (D4.4 4.2.1)."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="data_file"; filename="case.json"\r\n'
    return (
        head.encode() + b"Content-Type: application/json\r\n\r\n" + raw + f"\r\n--{_BOUNDARY}--\r\n".encode()
    )


def headers(*roles: str, organisation: str = ORGANISATION) -> dict[str, str]:
    """A token of the issuer that ``served`` trusts, good for longer than a benchmark runs."""
    given = {"sub": SUBJECT, "exp": int(time.time()) + 7200}
    return Issuer().headers(roles or ("data-providers",), organisation=organisation, **given)


@contextmanager
def served(engine: Engine, program: tuple[str, ...] = GUARDED) -> Iterator[str]:
    """The address of a service on this database: one worker, as ``oncolake serve`` starts it."""
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ONCOLAKE_")}
        issuer = Issuer().settings(Path(folder))
        environment |= {f"ONCOLAKE_{name.upper()}": str(value) for name, value in issuer.items()}
        environment |= {SETTING: engine.url.set(drivername="postgresql").render_as_string(False)}
        environment |= {"ONCOLAKE_PUBLIC_URL": PUBLIC, "ONCOLAKE_HOME": str(Path(folder) / "home")}
        command = [*program, "serve", "--port", "0"]
        with (
            log.open("wb") as file,
            subprocess.Popen(command, env=environment, cwd=_ROOT, stdout=file, stderr=file) as process,
        ):
            try:
                yield _address(process, log)
            finally:
                process.terminate()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        said = log.read_text("utf-8", "replace")
        if "startup complete" in said and (found := re.search(r"Serving (\S+) with", said)):
            return found[1]
        time.sleep(0.05)
    raise ServiceFailed(f"the service did not start: {log.read_text('utf-8', 'replace')[-2000:]}")


@contextmanager
def connected(address: str, headers: dict[str, str]) -> Iterator[Client]:
    with closing(Client(address, headers)) as client:
        yield client


def open_application() -> Logged:
    """The service of the environment's settings, open to everybody as one provider."""
    app = create_app(read_settings())
    roles, scopes = frozenset({"data-providers"}), frozenset({"metadata:read", "metadata:write"})
    access = Access(Principal(SUBJECT, ORGANISATION, roles, scopes), "own")

    async def anybody() -> Access:
        return access

    for guard in (may_read, may_write, may_remove):
        app.dependency_overrides[guard] = anybody
    return Logged(app)


if __name__ == "__main__":
    serving._APPLICATION = "tests.benchmarks.service:open_application"
    main()
