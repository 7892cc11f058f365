"""Load one bundle with Oncolake, the floor and other programs: ``python -m tests.benchmarks.peers``.

The others are omop-lite and omop-alchemy, with the tables of CDM v5.4, keys and indexes that each makes by
itself. ``--python`` names the interpreter of an environment where they are installed; without it they are
left out, and that is said. For each program: seconds, also as times of the floor, peak memory of its process,
rows of the bundle's tables afterwards of those in the files, and the valid keys and indexes of those tables.
"""

import json
import os
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sqlalchemy import Engine, text

from omop_schema.database import SETTING
from omop_schema.embedded import Server
from tests.benchmarks import peer_load
from tests.benchmarks.databases import fresh, template
from tests.benchmarks.floor import load_floor
from tests.benchmarks.loading import load_apart
from tests.benchmarks.measure import Setting, timed
from tests.benchmarks.vocabulary import bundle, lines_of
from tests.bundles import HEADERS
from tests.conftest import engine_on, new_database, temporary_home

PYTHON = "ONCOLAKE_PEERS_PYTHON"
COLUMNS = ("program", "files", "seconds", "floors", "peak MB", "rows", "of", "keys", "foreign", "indexes")
#: Which files: as Athena hands them out, or as ``prepare`` rewrites them.
ATHENA, READABLE = "Athena", "prepared"
MEGABYTE = 1_000_000

_TABLES = text("""
    SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relname = ANY (:names) ORDER BY 1
""")
_CONSTRAINTS = text("""
    SELECT contype, count(*) FROM pg_constraint
    WHERE conrelid = ANY (CAST(:tables AS regclass[])) AND convalidated GROUP BY 1
""")
_INDEXES = text("""
    SELECT count(*) FROM pg_index
    WHERE indrelid = ANY (CAST(:tables AS regclass[])) AND NOT indisprimary AND indisvalid
""")


class Run(NamedTuple):
    """One load by one program."""

    program: str
    files: str
    seconds: float
    peak: int
    rows: int
    keys: int
    foreign: int
    indexes: int
    failed: tuple[str, ...]
    """Files that the program failed with, and how."""


Loader = Callable[[Engine, Path], Mapping[str, Any]]
"""Loads a folder into the database; its ``seconds``, ``peak`` memory in bytes, and what ``failed``."""


def runs(server_url: str, folder: Path, python: str | None, others: Container[str]) -> Iterator[Run]:
    """One round, each load in a fresh database."""
    with new_database(server_url) as url, engine_on(url) as engine:
        yield _run("floor", ATHENA, engine, folder, _floor)
    with template(server_url) as name, fresh(server_url, name) as engine:
        yield _run("oncolake", ATHENA, engine, folder, _ours)
    if python:
        with TemporaryDirectory() as other:
            prepare(folder, Path(other))
            todo = [(name, ATHENA, folder) for name in peer_load.LOADERS]
            for program, files, where in (*todo, ("omop-alchemy", READABLE, Path(other))):
                if program not in others:
                    continue
                with new_database(server_url) as url, engine_on(url) as engine:
                    yield _run(program, files, engine, where, _peer(python, program))


def _floor(engine: Engine, folder: Path) -> Mapping[str, Any]:
    return {"seconds": timed(lambda: load_floor(engine, folder))[0], "peak": 0}


def _ours(engine: Engine, folder: Path) -> Mapping[str, Any]:
    found = load_apart(engine.url.render_as_string(hide_password=False), folder)
    return {**found, "failed": found["report"]}


def _peer(python: str, program: str) -> Loader:
    def load(engine: Engine, folder: Path) -> Mapping[str, Any]:
        command = [python, peer_load.__file__, program, _address(engine), str(folder)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            raise SystemExit(f"{program} failed:\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    return load


def _run(program: str, files: str, engine: Engine, folder: Path, load: Loader) -> Run:
    found = load(engine, folder)
    with engine.connect() as connection:
        given = {"names": [name.lower() for name in HEADERS]}
        tables = connection.scalars(_TABLES, given).all()
        counts = [connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables]
        keys = dict(connection.execute(_CONSTRAINTS, {"tables": tables}).all())
        indexes = connection.scalar(_INDEXES, {"tables": tables})
    made = sum(counts), keys.get("p", 0), keys.get("f", 0), indexes
    return Run(program, files, found["seconds"], found["peak"], *made, tuple(found.get("failed", ())))


def _address(engine: Engine) -> str:
    """The database over TCP: omop-lite knows no other way. Raises SystemExit for a server's socket."""
    if not engine.url.host:
        raise SystemExit(f"omop-lite connects over TCP only; name a host in {SETTING}, or leave it out")
    return engine.url.set(drivername="postgresql", query={}).render_as_string(hide_password=False)


def prepare(folder: Path, other: Path) -> None:
    """Write the files as pandas reads them: cells with a quote quoted, dates as yyyy-mm-dd."""
    for name, header in HEADERS.items():
        dates = [place for place, column in enumerate(header) if column.endswith("_date")]
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="\n") as lines:
            next(lines)
            with (other / f"{name}.csv").open("w", encoding="utf-8", newline="\n") as file:
                file.write("\t".join(header) + "\n")
                file.writelines(_prepared(line, dates) for line in lines)


def _prepared(line: str, dates: list[int]) -> str:
    cells = line.rstrip("\n").split("\t")
    for place in dates:
        day = cells[place]
        cells[place] = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return "\t".join('"' + one.replace('"', '""') + '"' if '"' in one else one for one in cells) + "\n"


def main() -> None:
    given = _arguments()
    setting = Setting("", concepts=given.concepts, bundle=given.bundle)
    with _server() as server_url, bundle(setting) as folder:
        size = sum(lines_of(folder / f"{name}.csv") - 1 for name in HEADERS)
        rounds = [list(runs(server_url, folder, given.python, given.others)) for _ in range(given.rounds)]
    print(_line(COLUMNS))
    for each in zip(*rounds, strict=True):
        floors = [one.seconds / first[0].seconds for one, first in zip(each, rounds, strict=True)]
        one = each[0]
        print(
            _line((
                one.program, one.files, f"{median(run.seconds for run in each):.1f}", f"{median(floors):.2f}",
                f"{max(run.peak for run in each) / MEGABYTE:.0f}" if one.peak else "-", f"{one.rows:,}",
                f"{size:,}", str(one.keys), str(one.foreign), str(one.indexes),
            ))
        )  # fmt: skip
        print(*(f"    {failure}" for failure in one.failed), sep="\n", end="\n" if one.failed else "")
    if not given.python:
        print(f"omop-lite and omop-alchemy were left out: --python, or {PYTHON}, names their interpreter")


def _line(cells: tuple[str, ...]) -> str:
    return "".join(f"{cell:<14}" if place == 0 else f"{cell:>11}" for place, cell in enumerate(cells))


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--concepts", type=int, default=100_000)
    parser.add_argument("--bundle", type=Path, metavar="FOLDER", help="a bundle, in place of a new one")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--python", default=os.environ.get(PYTHON), help=f"their interpreter (default: what {PYTHON} names)"
    )
    parser.add_argument(
        "--others", nargs="+", choices=[*peer_load.LOADERS], default=[*peer_load.LOADERS], metavar="NAME"
    )
    return parser.parse_args()


@contextmanager
def _server() -> Iterator[str]:
    """The server that is named, else an embedded one, reached over TCP."""
    if named := os.environ.get(SETTING, "").strip():
        yield named
        return
    with temporary_home() as home, Server(home).attached(tcp=True) as server:
        yield server.tcp_url()


if __name__ == "__main__":
    main()
