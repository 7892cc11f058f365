"""The embedded server: a real PostgreSQL on this machine for those who have set up none. Linux and macOS.

Everything lies in ``<home>/postgres``: the ``data``, the socket folder ``run``, and the files that let
several processes share one server. Each holds a shared lock on ``attached.lock`` while it uses the server;
whoever leaves and gets that lock alone stops the server, unless ``keep-running`` says otherwise. So a killed
process leaves a running server behind, and the next one takes over the duty. ``start.lock`` is held around
every start, stop, joining and leaving, so there is no moment in between.

The server listens on a Unix socket in a folder of mode 0700 and nowhere else, unless TCP is asked for.
"""

import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import platformdirs
import psycopg2
from psycopg2.extensions import connection as Session
from psycopg2.extensions import encrypt_password

from omop_schema.embedded.folders import (
    is_last,
    locked,
    make_folder,
    make_private,
    open_lock,
    read_secret,
    share,
    socket_folder,
)
from omop_schema.embedded.postmaster import (
    Postmaster,
    clear_misleading,
    free_port,
    read_postmaster,
    running_on,
)
from omop_schema.embedded.programs import (
    PATIENCE,
    Programs,
    ServerError,
    blocked_folder,
    find_account,
    find_programs,
    last_lines,
)

HOME_SETTING = "ONCOLAKE_HOME"
USER = DATABASE = "oncolake"
PORT = 5432
#: Seconds for a start, which may have to replay the log after a crash, and for a stop.
START_LIMIT = STOP_LIMIT = 60
#: The server's log must not hold data: no failed statements, no DETAIL or CONTEXT with values.
SETTINGS = ("log_min_messages=log", "log_min_error_statement=panic", "log_error_verbosity=terse")
_NO_TCP = (
    "the embedded server runs without TCP; end the other oncolake processes and stop it, "
    "then ask for TCP again"
)


def default_home() -> Path:
    """ONCOLAKE_HOME, else the user's data folder; for root /var/lib, as others cannot enter /root."""
    if named := os.environ.get(HOME_SETTING, "").strip():
        return Path(named).expanduser()
    if sys.platform == "linux" and os.geteuid() == 0:
        return Path("/var/lib/oncolake")
    return Path(platformdirs.user_data_dir("oncolake", appauthor=False))


@dataclass(frozen=True)
class Server:
    """The embedded server of one home folder. Building one touches nothing.

    Every method raises ServerError, whose message says what, where and the next step.
    """

    home: Path

    def __post_init__(self) -> None:
        if sys.platform == "win32":
            raise ServerError(
                "the embedded PostgreSQL server runs on Linux and macOS only; set ONCOLAKE_DATABASE_URL to "
                '"postgresql://user:password@host:5432/database"'
            )
        object.__setattr__(self, "home", self.home.resolve())

    @property
    def folder(self) -> Path:
        """All that the server and its users keep."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log: starts, stops and crashes, never statements or values."""
        return self.data / "server.log"

    @contextmanager
    def attached(self, keep: bool = False, tcp: bool = False) -> Iterator["Server"]:
        """Use the server: started when it is not running, stopped when the last process leaves.

        ``keep`` leaves it running afterwards, until ``stop``. ``tcp`` lets it listen on 127.0.0.1 as well.
        """
        self._prepare()
        lease = open_lock(self.folder / "attached.lock")
        try:
            with self._alone():
                share(lease)
                self._ensure_running(tcp)
                if keep:
                    self._keep_marker.touch(0o600)
            yield from self._until_done(lease)
        finally:
            os.close(lease)

    def stop(self) -> bool:
        """End ``keep``: stop the server, or leave that to the processes still using it and return False."""
        if not self.data.exists():
            return True
        lease = open_lock(self.folder / "attached.lock")
        try:
            with self._alone():
                self._keep_marker.unlink(missing_ok=True)
                return self._stop_if_last(lease)
        finally:
            os.close(lease)

    def running(self) -> bool:
        """Whether a server of this home runs, be it still starting."""
        return running_on(self.data) is not None

    def url(self, database: str = DATABASE) -> str:
        """The address over the Unix socket, for psql as for SQLAlchemy."""
        found = self._found()
        return f"postgresql://{USER}@/{quote(database)}?host={quote(found.sockets)}&port={found.port}"

    def tcp_url(self, database: str = DATABASE) -> str:
        """The address over TCP, password included; for a server that was started with ``tcp``."""
        found = self._found()
        if not found.tcp:
            raise ServerError(_NO_TCP)
        return f"postgresql://{USER}:{self._password()}@127.0.0.1:{found.port}/{quote(database)}"

    def reader_password(self) -> str:
        """The password of the role that reads ``omop``, for its address over TCP; made at the first call."""
        return read_secret(self.folder / "reader-password")

    @property
    def _keep_marker(self) -> Path:
        return self.folder / "keep-running"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self.folder / "start.lock"):
            yield

    def _until_done(self, lease: int) -> Iterator["Server"]:
        owner = os.getpid()
        try:
            yield self
        finally:
            if os.getpid() == owner:  # a forked child shares the lock, and must not give it up
                with self._alone():
                    self._stop_if_last(lease)

    def _prepare(self) -> None:
        if re.search(r'["$`\\\n]', str(self.home)):  # pg_ctl puts it in a line for the shell
            raise ServerError(
                f'{HOME_SETTING} "{self.home}" holds a quote, $ or backslash; choose a plainer folder'
            )
        try:
            make_folder(self.folder)
            with self._alone():
                if not self.data.exists():
                    self._create_data()
        except OSError as error:
            raise ServerError(
                f'the folder "{error.filename or self.folder}" cannot be used: {error.strerror}; make it '
                f"writable and give it space, or set {HOME_SETTING} to another folder"
            ) from error

    def _create_data(self) -> None:
        """Make the data directory beside its place and move it there whole: a killed initdb does no harm."""
        programs = self._programs()
        making = self.folder / "data.new"
        if making.exists():
            shutil.rmtree(making)
        make_private(making, programs.account)
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        collation = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = ("--auth-local=trust", "--auth-host=scram-sha-256", f"--username={USER}")
        try:
            arguments = ("-D", str(making), *collation, *access, "--data-checksums", *settings)
            programs.run("initdb", *arguments, timeout=START_LIMIT + PATIENCE)
        except ServerError as error:
            raise ServerError(f'no database made in "{self.data}": {error}.{_advice(str(error))}') from error
        making.rename(self.data)

    def _programs(self) -> Programs:
        account = find_account(self.data)
        if account and (shut := blocked_folder(account, self.folder)):
            raise ServerError(
                f'the account "{account.name}" that runs PostgreSQL cannot enter "{shut}"; set '
                f"{HOME_SETTING} to a folder that it can reach, such as /var/lib/oncolake"
            )
        version = self.data / "PG_VERSION"
        made_by = int(version.read_text().split(".")[0]) if version.exists() else None
        return find_programs(made_by, account, self.folder)

    def _ensure_running(self, tcp: bool) -> None:
        if self._refusal() is not None:
            if not self.running():
                self._keep_marker.unlink(missing_ok=True)
                self._start(self._programs(), tcp)
            self._wait()
        if tcp and not self._found().tcp:
            raise ServerError(_NO_TCP)
        with self._session() as session, session.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
            if tcp:
                # Only the verifier travels, so that no log can hold the password.
                verifier = encrypt_password(self._password(), USER, session, "scram-sha-256")
                cursor.execute(f"ALTER ROLE {USER} PASSWORD %s", (verifier,))

    def _start(self, programs: Programs, tcp: bool) -> None:
        sockets = socket_folder(self.home, self.folder)
        make_private(sockets, programs.account)
        clear_misleading(self.data, sockets)
        options = {
            "listen_addresses": "127.0.0.1" if tcp else "",
            "unix_socket_directories": str(sockets),
            "unix_socket_permissions": "0700",
            "port": str(free_port() if tcp else PORT),
        }
        words = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        wait = ("-w", "-t", str(START_LIMIT))
        deadline = time.monotonic() + START_LIMIT
        while failure := self._failed_start(programs, "-l", str(self.log), *wait, "-o", words):
            # After a kill -9 of the postmaster its busy children outlive it for a moment.
            if "pre-existing shared memory block" not in failure or time.monotonic() > deadline:
                raise ServerError(self._why(failure))
            time.sleep(0.25)

    def _failed_start(self, programs: Programs, *options: str) -> str | None:
        """Start, and say what went wrong: the lines that the server logged, else what pg_ctl said."""
        logged = self.log.stat().st_size if self.log.exists() else 0
        try:
            programs.run("pg_ctl", "-D", str(self.data), *options, "start", timeout=START_LIMIT + PATIENCE)
        except ServerError as error:
            said = self.log.read_bytes()[logged:] if self.log.exists() else b""
            return said.decode(errors="replace") or str(error)
        return None

    def _why(self, said: str) -> str:
        if self.running():
            return (
                f'the embedded server in "{self.data}" is not ready after {START_LIMIT} seconds, as after a '
                f"crash with much to recover ({last_lines(said)}); wait a minute and try again"
            )
        return f'the embedded server in "{self.data}" did not start: {last_lines(said)}.{_advice(said)}'

    def _wait(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while refusal := self._refusal():
            if time.monotonic() > deadline or not self.running():
                raise ServerError(self._why(refusal))
            time.sleep(0.05)

    def _stop_if_last(self, lease: int) -> bool:
        last = is_last(lease)
        if last and not self._keep_marker.exists() and self.running():
            arguments = ("-D", str(self.data), "-m", "fast", "-w", "-t", str(STOP_LIMIT), "stop")
            self._programs().run("pg_ctl", *arguments, timeout=STOP_LIMIT + PATIENCE)
        return last

    def _found(self) -> Postmaster:
        if found := read_postmaster(self.data):
            return found
        raise ServerError(f'no embedded server runs in "{self.data}"; attach to it first')

    @contextmanager
    def _session(self) -> Iterator[Session]:
        found = self._found()
        session = psycopg2.connect(
            dbname="postgres", user=USER, host=found.sockets, port=found.port, connect_timeout=5
        )
        try:
            session.autocommit = True
            yield session
        finally:
            session.close()

    def _refusal(self) -> str | None:
        """Why no connection can be had; None when one can."""
        if read_postmaster(self.data) is None:
            return "it is not running"
        try:
            with self._session():
                return None
        except psycopg2.OperationalError as error:
            return str(error)

    def _password(self) -> str:
        return read_secret(self.folder / "password")


def _advice(said: str) -> str:
    if "No space left" in said:
        return f" Free space on that disk, or set {HOME_SETTING} to a folder on a larger one."
    return f" See server.log in that folder if there is one; {HOME_SETTING} names another home."
