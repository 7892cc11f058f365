"""The embedded server with real processes: shared, killed, kept, and harmless to the machine it runs on."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from omop_schema.database import DatabaseUnavailable, open_engine
from omop_schema.embedded import Server, default_home
from omop_schema.embedded.postmaster import free_port, running_on
from omop_schema.embedded.programs import (
    Account,
    Programs,
    ServerError,
    blocked_folder,
    find_account,
    find_programs,
    run_as,
)

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another account")

#: Attaches to the server of argv[1], says so, and leaves when its input ends.
ATTACH = """
import sys
from pathlib import Path
from omop_schema.embedded import Server
with Server(Path(sys.argv[1])).attached() as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(home: Path) -> Iterator[subprocess.Popen]:
    """A process that is attached once its first line can be read."""
    command = [sys.executable, "-c", ATTACH, str(home)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def leave(process: subprocess.Popen) -> None:
    process.communicate(timeout=60)
    assert process.returncode == 0


def ask(server: Server, statement: str) -> object:
    session = psycopg2.connect(server.url())
    try:
        with session, session.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        session.close()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_starts_stops_and_keeps_its_data(home: Path) -> None:
    server = Server(home)
    with server.attached():
        assert server.running()
        ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
    assert not server.running()
    with server.attached():
        assert ask(server, "SELECT n FROM kept") == 7
        assert ask(server, "SHOW data_checksums") == "on"
        assert ask(server, "SHOW server_encoding") == "UTF8"


def test_the_last_one_out_stops_it_not_the_one_that_started_it(home: Path) -> None:
    server = Server(home)
    with another_process(home) as first:
        assert first.stdout.readline()
        pid = running_on(server.data)
        with another_process(home) as second:
            assert second.stdout.readline()
            leave(first)
            assert running_on(server.data) == pid
            leave(second)
    assert not server.running()


def test_one_process_may_attach_twice(home: Path) -> None:
    server = Server(home)
    with server.attached():
        with Server(home).attached():
            pass
        assert ask(server, "SELECT 1") == 1
    assert not server.running()


def test_of_many_that_start_at_once_one_starts_it(home: Path) -> None:
    with another_process(home) as one, another_process(home) as two, another_process(home) as three:
        urls = {process.stdout.readline() for process in (one, two, three)}
        assert len(urls) == 1
        assert "".join(urls)
        for process in (one, two, three):
            leave(process)
    log = Server(home).log.read_text()
    assert log.count("ready to accept connections") == 1
    assert not Server(home).running()


def test_a_killed_owner_leaves_it_to_the_next_process(home: Path) -> None:
    server = Server(home)
    with another_process(home) as owner:
        assert owner.stdout.readline()
        owner.kill()
        owner.wait()
    pid = running_on(server.data)
    assert pid
    with server.attached():
        assert running_on(server.data) == pid
    assert not server.running()


def test_it_recovers_after_the_postmaster_was_killed(home: Path) -> None:
    server = Server(home)
    with another_process(home) as owner:
        assert owner.stdout.readline()
        ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
        killed = running_on(server.data)
        os.kill(killed, signal.SIGKILL)
        until(lambda: running_on(server.data) is None)
        assert (server.data / "postmaster.pid").exists()
        with server.attached():
            assert running_on(server.data) not in (None, killed)
            assert ask(server, "SELECT n FROM kept") == 7
            leave(owner)
            assert ask(server, "SELECT 1") == 1
    assert not server.running()


def test_it_waits_for_busy_children_of_a_killed_postmaster(home: Path) -> None:
    server = Server(home)
    with server.attached():
        pid = running_on(server.data)
        session = psycopg2.connect(server.url())
        query = "SELECT count(*) FROM generate_series(1, 30000000) a WHERE md5(a::text) = ''"

        def burn() -> None:
            with suppress(psycopg2.OperationalError):
                session.cursor().execute(query)

        child = session.info.backend_pid
        busy = threading.Thread(target=burn)
        busy.start()
        until(lambda: ask(server, f"SELECT state FROM pg_stat_activity WHERE pid = {child}") == "active")
        os.kill(pid, signal.SIGKILL)
        until(lambda: running_on(server.data) is None)
        threading.Timer(1, os.kill, (child, signal.SIGKILL)).start()
        with Server(home).attached():
            assert ask(server, "SELECT 1") == 1
        busy.join()
        session.close()


def test_a_process_id_used_again_does_not_pass_for_the_server(home: Path) -> None:
    server = Server(home)
    with server.attached():
        lines = (server.data / "postmaster.pid").read_text().splitlines(keepends=True)
    account = find_account(server.data)
    as_account = {"user": account.uid, "group": account.gid} if account else {}
    with subprocess.Popen(["sleep", "600"], **as_account) as stranger:
        try:
            (server.data / "postmaster.pid").write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
            (server.folder / "run" / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n{server.data}\n")
            assert not server.running()
            with server.attached():
                assert ask(server, "SELECT 1") == 1
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_an_initdb_that_was_killed_is_begun_again(home: Path) -> None:
    server = Server(home)
    with server.attached():
        pass
    server.data.rename(server.folder / "data.new")
    (server.folder / "data.new" / "global" / "pg_control").unlink()
    with server.attached():
        assert ask(server, "SELECT 1") == 1


def test_kept_it_outlives_its_process_until_it_is_stopped(home: Path) -> None:
    server = Server(home)
    with server.attached(keep=True):
        url = server.url()
    with server.attached():
        assert server.url() == url
    psycopg2.connect(url).close()
    assert server.stop()
    assert not server.running()
    with server.attached():
        pass
    assert not server.running()


def test_stop_leaves_it_to_those_who_still_use_it(home: Path) -> None:
    server = Server(home)
    with another_process(home) as user:
        assert user.stdout.readline()
        with server.attached(keep=True):
            pass
        assert server.stop() is False
        assert ask(server, "SELECT 1") == 1
        leave(user)
    assert not server.running()


def test_to_stop_what_never_ran_is_no_error(home: Path) -> None:
    assert Server(home).stop()
    assert not home.exists()


def listening_ports(pid: int) -> set[str]:
    """Inodes of the listening TCP sockets that the process holds."""
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()]
    inodes = {words[9] for words in lines if words[3] == "0A"}
    held = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {inode for inode in inodes if f"socket:[{inode}]" in held}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_listens_on_no_tcp_port_unless_asked(home: Path) -> None:
    server = Server(home)
    with server.attached():
        if os.geteuid() != 0:
            pytest.skip("only root sees the sockets of every process")
        assert listening_ports(running_on(server.data)) == set()
    with server.attached(tcp=True):
        assert len(listening_ports(running_on(server.data))) == 1


def test_nobody_listens_where_it_might(home: Path) -> None:
    server = Server(home)
    with server.attached():
        assert ask(server, "SHOW listen_addresses") == ""
        with pytest.raises(ServerError, match="runs without TCP"):
            server.tcp_url()
        with pytest.raises(ServerError, match="runs without TCP"), server.attached(tcp=True):
            pass


def test_over_tcp_it_wants_the_password(home: Path) -> None:
    server = Server(home)
    with server.attached(tcp=True):
        url = server.tcp_url()
        session = psycopg2.connect(url)
        assert session.info.host == "127.0.0.1"
        port = session.info.port
        session.close()
        for wrong in ("geheim", ""):
            with pytest.raises(psycopg2.OperationalError, match="password"):
                psycopg2.connect(
                    host="127.0.0.1", port=port, user="oncolake", password=wrong, passfile="/dev/null"
                )
        assert ask(
            server, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'oncolake'"
        )
    password = server.folder / "password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    assert password.read_text() not in server.log.read_text()


def test_its_folders_are_private_and_no_parent_is_touched(home: Path) -> None:
    program = Path(sys.executable).resolve()
    watched = [*home.parents, Path(sys.prefix), *Path(sys.prefix).parents, *program.parents, Path("/root")]
    kept = [path for path in watched if path.exists()]
    before = {path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in kept}
    server = Server(home)
    with server.attached():
        for folder in (server.data, server.folder / "run"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    after = {path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in kept}
    assert after == before


def test_a_long_home_gets_a_private_socket_folder_elsewhere(home: Path) -> None:
    server = Server(home / ("long-" * 20) / "more")
    with server.attached():
        assert ask(server, "SELECT 1") == 1
        sockets = Path(str(ask(server, "SHOW unix_socket_directories")))
        assert sockets.parent == Path(tempfile.gettempdir()).resolve()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    sockets.rmdir()
    sockets.mkdir(mode=0o777)
    sockets.chmod(0o777)
    try:
        with pytest.raises(ServerError, match="must be a folder of mode 0700"), server.attached():
            pass
    finally:
        sockets.rmdir()


@pytest.mark.parametrize("name", ["with space", "komma,und'ß", "-dash"])
def test_odd_names_of_the_home_do_no_harm(home: Path, name: str) -> None:
    server = Server(home / name)
    with server.attached():
        assert ask(server, "SELECT 1") == 1
        sockets = Path(str(ask(server, "SHOW unix_socket_directories")))
    if server.folder not in sockets.parents:
        sockets.rmdir()


@pytest.mark.parametrize("name", ['"', "$x", "`x`", "a\\b"])
def test_names_that_a_shell_would_read_are_refused(home: Path, name: str) -> None:
    with pytest.raises(ServerError, match="choose a plainer folder"), Server(home / name).attached():
        pass


def test_data_of_another_major_version_is_left_alone(home: Path) -> None:
    server = Server(home)
    with server.attached():
        pass
    (server.data / "PG_VERSION").write_text("11\n")
    with pytest.raises(ServerError) as caught, server.attached():
        pass
    message = str(caught.value)
    assert str(server.data) in message
    assert "made by PostgreSQL 11" in message
    assert "18." in message
    assert "ONCOLAKE_DATABASE_URL" in message


def test_a_start_that_fails_says_why(home: Path) -> None:
    server = Server(home)
    with server.attached():
        pass
    with (server.data / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(ServerError, match=r'did not start: .*"no_such_setting"'), server.attached():
        pass


def test_a_home_that_cannot_be_made_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_text("a file")
    with pytest.raises(DatabaseUnavailable, match=f'"{home}.*cannot be used: Not a directory'), open_engine():
        pass
    home.unlink()


def test_neither_values_nor_statements_reach_the_log(home: Path) -> None:
    server = Server(home)
    with server.attached():
        ask(server, "CREATE TABLE t (n int PRIMARY KEY)")
        for statement in ("SELECT 'Musterfrau'::int", "INSERT INTO t VALUES (424242), (424242)"):
            with pytest.raises(psycopg2.Error):
                ask(server, statement)
    log = server.log.read_text()
    assert "Musterfrau" not in log
    assert "424242" not in log


def test_the_home_comes_from_the_setting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_home() == home
    monkeypatch.delenv("ONCOLAKE_HOME")
    if os.geteuid() == 0:
        assert default_home() == Path("/var/lib/oncolake")
    else:
        assert Path.home() in default_home().parents


def test_only_linux_and_macos_have_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = r"Linux and macOS only; set ONCOLAKE_DATABASE_URL"
    with monkeypatch.context() as windows:
        windows.setattr("omop_schema.embedded.server.sys.platform", "win32")
        with pytest.raises(DatabaseUnavailable, match=said), open_engine():
            pass


@as_root
def test_a_home_that_the_account_cannot_enter_is_refused_and_stays_shut(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o700)
    with pytest.raises(ServerError, match="cannot enter") as caught, Server(shut / "home").attached():
        pass
    assert "/var/lib/oncolake" in str(caught.value)
    assert stat.S_IMODE(shut.stat().st_mode) == 0o700


@as_root
def test_programs_in_a_shut_folder_are_copied_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a virtual environment below /root."""
    account = find_account(home)
    assert isinstance(account, Account)
    found = find_programs(None, account, home)
    site = tmp_path / "site-packages"
    package = found.folder.parent
    site.mkdir(mode=0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            subprocess.run(["cp", "-r", str(part), str(site)], check=True)
    shut = site / package.name / found.folder.name
    assert blocked_folder(account, shut)
    monkeypatch.setattr("omop_schema.embedded.programs._bundled", lambda: [shut])
    server = Server(home)
    with server.attached():
        assert ask(server, "SELECT 1") == 1
        command = Path(f"/proc/{running_on(server.data)}/cmdline").read_text()
        assert command.startswith(str(server.folder / "postgresql-18."))
    made = {path: path.stat().st_mtime_ns for path in server.folder.glob("postgresql-*")}
    with server.attached():
        pass
    assert {path: path.stat().st_mtime_ns for path in server.folder.glob("postgresql-*")} == made


@as_root
def test_the_server_runs_as_an_account_without_privileges(home: Path) -> None:
    server = Server(home)
    with server.attached():
        status = Path(f"/proc/{running_on(server.data)}/status").read_text().splitlines()
        ids = {
            line.split()[0]: line.split()[1:] for line in status if line.startswith(("Uid", "Gid", "Groups"))
        }
        owner = server.data.stat()
        assert set(ids["Uid:"]) == {str(owner.st_uid)} != {"0"}
        assert set(ids["Gid:"]) == {str(owner.st_gid)} != {"0"}
        assert "0" not in ids["Groups:"]


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ServerError, match='"/no/such/bin/initdb" cannot be run: No such file'):
        Programs(Path("/no/such"), "18.4", None).run("initdb")


def test_a_program_that_hangs_is_given_up() -> None:
    with pytest.raises(ServerError, match='"sleep" did not end within 1 seconds'):
        run_as(None, ["/bin/sleep", "30"], timeout=1)


def test_a_port_is_free_to_bind() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port()))
