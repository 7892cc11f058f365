"""Loads that meet a limit: a disk that is really full, and a bundle with every line twice."""

import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url

from etl.setup import initialise
from omop_schema.database import SETTING
from omop_schema.embedded import Server
from tests.bundles import small, write
from tests.conftest import connected, engine_on, temporary_home
from tests.faults import clone, disturb, nothing_staged, picture
from vocabularies.athena.layout import FILES
from vocabularies.athena.load import load

ONCOLAKE = Path(sys.executable).with_name("oncolake")
#: Megabytes of the small disk, and those that are left on it for a load that needs more.
DISK, LEFT = 64, 6
#: Kilobytes that a load may need more when every line of its bundle is a finding.
MORE_MEMORY = 48 * 1024

_FULL = "RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'"


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of its own at the folder; False where that may not be made."""
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=0711", "tmpfs", str(folder)]
    mounted = (
        bool(shutil.which("mount"))
        and not subprocess.run(mounting, capture_output=True, check=False).returncode
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def lake_on(folder: Path, server: Server) -> Iterator[str]:
    """An initialised database of the server whose tables, but not its log, are in the folder."""
    place = folder / "tables"
    place.mkdir()
    owner = server.data.stat()
    os.chown(place, owner.st_uid, owner.st_gid)
    place.chmod(0o700)
    with connected(server.url("postgres")) as connection:
        connection.execute(text(f"CREATE TABLESPACE small_disk LOCATION '{place}'"))
        connection.execute(
            text("CREATE DATABASE oncolake_test_full TABLESPACE small_disk TEMPLATE template0")
        )
    try:
        yield server.url("oncolake_test_full")
    finally:
        with connected(server.url("postgres")) as connection:
            connection.execute(text("DROP DATABASE oncolake_test_full WITH (FORCE)"))
            connection.execute(text("DROP TABLESPACE small_disk"))


def free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def test_a_full_disk_is_said_so_and_has_its_space_again(generated: Path, tmp_path: Path) -> None:
    with temporary_home() as home, Server(home).attached() as server:
        folder = home.parent / "disk"
        folder.mkdir(0o711)
        ballast = folder / "ballast"
        with small_disk(folder) as full, lake_on(folder, server) as url, engine_on(url) as engine:
            initialise(engine)
            load(engine, write(tmp_path / "old", small()))
            before = picture(engine)
            with connected(url) as connection:
                connection.execute(text("CHECKPOINT"))
            if full:
                ballast.write_bytes(bytes(free(folder) - (LEFT << 20)))
            else:
                disturb(engine, "COPY concept_ancestor", _FULL)
            space = free(folder)
            engine.dispose()
            ended = oncolake(url, "load", generated)
            assert ended.returncode == 3, ended.stderr
            assert "its disk is full; free some space and try again: nothing half done" in ended.stderr
            assert picture(engine) == before
            assert nothing_staged(engine)
            # Files of dropped tables are cut at once and removed with the next checkpoint.
            with connected(url) as connection:
                connection.execute(text("CHECKPOINT"))
            if full:
                assert free(folder) > space - (1 << 20)
            if full:
                ballast.unlink()
                assert load(engine, generated).loaded
                picture(engine)


def oncolake(url: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [ONCOLAKE, "vocab", *map(str, arguments)]
    environment = {**os.environ, SETTING: make_url(url).render_as_string(hide_password=False)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def peak_memory(url: str, path: Path, *options: object) -> tuple[int, int]:
    """Load in a process of its own; its exit code, and the most memory it had, in kilobytes."""
    command = [ONCOLAKE, "vocab", "load", str(path), *map(str, options)]
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
    process = os.posix_spawn(command[0], command, {**os.environ, SETTING: url}, file_actions=actions)
    os.close(null)
    _, status, usage = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)


def test_every_line_twice_is_refused_line_by_line_in_bounded_memory(
    server_url: str, old_lake: str, generated: Path, tmp_path: Path
) -> None:
    twice, expected = tmp_path / "twice", Counter[tuple[str, str]]()
    twice.mkdir()
    for file in generated.iterdir():
        header, *lines = file.read_text().splitlines(keepends=True)
        twice.joinpath(file.name).write_text(header + "".join(line * 2 for line in lines))
        if FILES[file.name].primary_key.columns:
            expected.update((file.name, str(number)) for number in range(3, 2 * len(lines) + 2, 2))
    assert expected.total() > 80_000
    report = tmp_path / "report.csv"
    with clone(server_url, old_lake) as (url, engine):
        before = picture(engine)
        engine.dispose()
        code, memory = peak_memory(url, twice, "--report", report)
        assert code == 2
        assert picture(engine) == before
        assert nothing_staged(engine)
        engine.dispose()
        code, usual = peak_memory(url, generated)
        assert code == 0
    with report.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == {"duplicate-key"}
    assert Counter((row["file"], row["line"]) for row in rows) == expected
    assert memory < usual + MORE_MEMORY, f"{memory} KB, and {usual} KB for a sound bundle"


def test_every_line_twice_is_counted(server_url: str, old_lake: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", {name: rows * 2 for name, rows in small().items()})
    with clone(server_url, old_lake) as (url, _):
        ended = oncolake(url, "load", folder)
    assert ended.returncode == 2
    keyed = sum(len(rows) for name, rows in small().items() if FILES[f"{name}.csv"].primary_key.columns)
    assert f"Nothing was loaded: {keyed} errors. The vocabulary is as it was." in ended.stdout
