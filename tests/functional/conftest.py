"""The command line as a user meets it: run in this process, or installed and on a terminal."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from api.cli import main
from etl.setup import DEFAULT_MAPPING
from omop_schema.database import SETTING
from tests.benchmarks.athena import generate
from tests.benchmarks.shape import Shape
from tests.bundles import small, write
from tests.faults import Picture, clone, picture
from vocabularies.athena.load import load
from vocabularies.concepts import shipped


class Ran(NamedTuple):
    """What one command said, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(lake_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command on an initialised database of its own."""
    monkeypatch.setenv(SETTING, lake_url)

    def run_one(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["oncolake", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return run_one


Terminal = Callable[..., Ran]


@pytest.fixture
def terminal(oncolake_env: dict[str, str]) -> Terminal:
    """Run the installed command on a terminal of so many columns, which shows stdout and stderr together."""

    def run_one(columns: int, *arguments: object, **settings: str) -> Ran:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {name: value for name, value in oncolake_env.items() if name not in _SIZE}
        command = [Path(sys.executable).with_name("oncolake"), *map(str, arguments)]
        settings = {"TERM": "xterm-256color", **settings}
        ran = subprocess.Popen(command, env=environment | settings, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = _read_all(ours).decode()
        return Ran(ran.wait(), shown.replace("\r\n", "\n"), "")

    return run_one


#: They would have the last word on the terminal's size.
_SIZE = ("COLUMNS", "LINES")


def _read_all(terminal: int) -> bytes:
    parts = []
    # Linux ends a terminal that nobody writes to any more with an error.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 4096):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts)


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that takes a second to load."""
    folder = tmp_path_factory.mktemp("generated")
    generate(folder, Shape(5_000))
    return folder


@pytest.fixture(scope="session")
def old_lake(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The name of a database with a small vocabulary, which the mapping stands on; to be cloned."""
    tables = small()
    ours = shipped(DEFAULT_MAPPING)
    tables["CONCEPT"] = [row for row in tables["CONCEPT"] if int(row[0]) not in ours]
    with clone(server_url, template_database) as (_, engine):
        load(engine, write(tmp_path_factory.mktemp("old"), tables))
        engine.dispose()
        yield str(engine.url.database)


@pytest.fixture(scope="session")
def loaded(server_url: str, old_lake: str, generated: Path) -> Picture:
    """What an undisturbed load of ``generated`` makes of ``old_lake``."""
    with clone(server_url, old_lake) as (_, engine):
        load(engine, generated)
        return picture(engine)
