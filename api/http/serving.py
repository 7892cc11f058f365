"""Serving: the application under uvicorn, in one process or several, until it is told to stop."""

import errno
import multiprocessing
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from api.edited import told_of_views
from api.http.lake import Lake
from api.http.log import CONFIG
from api.http.policy import Policy
from api.http.settings import Settings, SettingsError
from api.http.tokens import Verifier
from api.http.watch import FOLDER
from etl.read import BadSetting, limit
from omop_schema.database import database_url

#: Seconds that requests have to finish in when the service stops.
GRACE = 30
#: Seconds after which a worker that says nothing is replaced; it says nothing until it has imported all.
PATIENCE = 60
#: Exit code of a service that could not start, as uvicorn has it.
NOT_STARTED = 3

_BACKLOG = 2048
_APPLICATION = "api.http.app:from_environment"


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how to serve."""

    host: str
    port: int
    """0: any that is free."""
    workers: int = 1
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()
    """Addresses or networks whose forwarded headers are believed."""

    @property
    def scheme(self) -> str:
        return "https" if self.certificate else "http"


def check(settings: Settings) -> str | None:
    """Find out before serving whether it can be done, as far as this machine and the database tell.

    Returns what to warn of: views of another version of the mapping than the one that is served.
    The issuer and an OPA server are not asked: they may come later, and requests are 503 until then.
    Raises SettingsError, DatabaseError, MappingError, NotInitialised or StarterError.
    """
    try:
        limit()
    except BadSetting as error:
        raise SettingsError(str(error)) from None
    Verifier(settings)
    Policy(settings)
    with Lake.opened(settings) as lake, lake.connection() as connection:
        return told_of_views(connection, lake.ready, settings.mappings)


def listen(serving: Serving) -> socket.socket:
    """The socket to serve on, which clients can connect to from now on. Raises SettingsError."""
    _check_certificate(serving)
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only on sockets that name TCP; on others small answers wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((serving.host, serving.port))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        why = _why_not(error)
        raise SettingsError(f"cannot listen on {serving.host} port {serving.port}: {why}") from None
    return listening


def serve(serving: Serving, listening: socket.socket) -> int:
    """Serve until SIGTERM or SIGINT, finish the requests that run, and return the exit code."""
    config = Config(
        _APPLICATION,
        factory=True,
        workers=serving.workers,
        log_config=CONFIG,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        ssl_certfile=serving.certificate,
        ssl_keyfile=serving.key,
        proxy_headers=bool(serving.proxies),
        forwarded_allow_ips=",".join(serving.proxies),
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=PATIENCE,
    )
    # The database is kept for the workers, so that the embedded one does not stop between two of them.
    with database_url(), _told_to_stop():
        try:
            if serving.workers > 1:
                return _serve_many(config, listening)
            server = Server(config)
            server.run([listening])
        except (KeyboardInterrupt, SystemExit) as stopped:
            return stopped.code if isinstance(stopped, SystemExit) and isinstance(stopped.code, int) else 0
        return 0 if server.started else NOT_STARTED


def _serve_many(config: Config, listening: socket.socket) -> int:
    with tempfile.TemporaryDirectory(prefix="oncolake-metrics-") as counts:
        os.environ.setdefault(FOLDER, counts)
        workers = Multiprocess(config, [listening])
        workers.run()
    return NOT_STARTED if any(each.exitcode == NOT_STARTED for each in workers.processes) else 0


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more when it is done: let what is open be closed."""

    def stop(_: int, __: FrameType | None) -> None:
        sys.exit(0)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_parent() -> None:
    """Stop this worker when the process that started it is gone, be it killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_await_end, args=(parent,), daemon=True).start()


def _await_end(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _why_not(error: Exception) -> str:
    """Why a socket cannot be had, and which option to change."""
    number, why = getattr(error, "errno", None), getattr(error, "strerror", None)
    if number == errno.EADDRINUSE:
        return f"{why}; give another --port, or 0 for any that is free"
    if number == errno.EACCES:
        return f"{why}; give a --port from 1024"
    return f"{why}; give another --host" if why else "there is no such port; give a --port up to 65535"


def _check_certificate(serving: Serving) -> None:
    if serving.certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(serving.certificate, serving.key, password=lambda: "")
    except ssl.SSLError as error:
        why = error.reason or _lacking(serving.certificate, serving.key)
        raise SettingsError(
            f"'{serving.certificate}' and '{serving.key}' are no certificate with its key ({why})"
        ) from None
    except OSError as error:
        files = f"'{serving.certificate}' and '{serving.key}'"
        raise SettingsError(f"the TLS files {files} cannot be read: {error.strerror}") from None


def _lacking(certificate: Path, key: Path | None) -> str:
    """What OpenSSL misses in the two files, where it does not say it."""
    if b"CERTIFICATE-----" not in certificate.read_bytes():
        return "--certificate has no certificate in it"
    if key is not None and b"PRIVATE KEY-----" not in key.read_bytes():
        return "--key has no private key in it"
    return "one of them cannot be read as PEM"
