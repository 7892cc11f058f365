"""Run benchmarks and print a table: ``python -m tests.benchmarks [--cases N] [--pairs N] [NAME...]``.

The documents of ``vocabulary`` are concepts, as many as ``--concepts`` says.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omop_schema.database import SETTING
from omop_schema.embedded import Server
from tests.benchmarks import BENCHMARKS
from tests.benchmarks.measure import Report, Setting
from tests.conftest import temporary_home

COLUMNS = ("benchmark", "documents", "rows", "documents/s", "floor", "rows/s", "floor", "times the floor")


def main() -> None:
    """Run the benchmarks that the command line names, or all."""
    given = _arguments()
    with _server() as server_url:
        setting = Setting(server_url, given.cases, given.pairs, given.concepts, given.bundle)
        print(_line(*COLUMNS), flush=True)
        for name in given.names or BENCHMARKS:
            print(*told(BENCHMARKS[name](setting)), sep="\n", flush=True)


def told(report: Report) -> Iterator[str]:
    """The report as lines of the table."""
    size = report.pairs[0][0]
    rates = [report.per_second(side, what) for what in ("documents", "rows") for side in (0, 1)]
    spread = f"{report.ratio:.2f} ({min(report.ratios):.2f} to {max(report.ratios):.2f})"
    yield _line(report.name, *map(_number, (size.documents, size.rows, *rates)), spread)
    yield from (f"    {note}" for note in report.notes)


def _line(name: str, documents: str, rows: str, *rates: str) -> str:
    fields = [f"{name:<10}", f"{documents:>10}", f"{rows:>8}", *(f"{rate:>12}" for rate in rates[:-1])]
    return " ".join(fields) + f"  {rates[-1]}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value else "-"


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"one of: {', '.join(BENCHMARKS)}")
    parser.add_argument(
        "--cases", type=int, help="case documents of each benchmark (default: its own number)"
    )
    parser.add_argument("--concepts", type=int, help="concepts of the bundle that vocabulary loads")
    parser.add_argument(
        "--bundle", type=Path, metavar="FOLDER", help="a bundle for vocabulary, in place of a new one"
    )
    parser.add_argument("--pairs", type=int, default=5, help="how often both sides run (default: 5)")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called '{unknown[0]}'; choose from {', '.join(BENCHMARKS)}")
    if min(given.pairs, given.cases or 1, given.concepts or 1) < 1:
        parser.error("--cases, --concepts and --pairs must be at least 1")
    return given


@contextmanager
def _server() -> Iterator[str]:
    """A server where databases can be made: the one that is named, else an embedded one as users have it."""
    if named := os.environ.get(SETTING, "").strip():
        yield named
        return
    with temporary_home() as folder, Server(folder).attached() as server:
        yield server.url("postgres")


if __name__ == "__main__":
    main()
