"""What the commands share: the database, the mapping folder, and where to print."""

import getpass
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from etl.load import Counts
from etl.make import Failure
from etl.mapping.tables import LOAD_ORDER
from etl.setup import DEFAULT_MAPPING, SHIPPED
from omop_schema.database import SETTING, describe, open_engine, translated

MappingsOption = Annotated[
    Path | None,
    typer.Option(
        "--mappings",
        metavar="DIR",
        help="Mapping folder instead of the shipped prostate one, or a shipped one: curation, dicom.",
    ),
]

#: Columns of a table in a file or a pipe, where there is no terminal to ask.
_FILE_WIDTH = 160
_ENDLESS = 1_000_000

#: Results go to stdout, everything else to stderr, so that a pipe gets results only.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _FILE_WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True)
if isinstance(sys.stdout, io.TextIOWrapper):
    # A character that the terminal's encoding lacks is written as its number.
    sys.stdout.reconfigure(errors="backslashreplace")

#: Control characters but tab and line feed, written out: in a cell they would drive the terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}

#: Failures that are named one by one.
_SHOWN_FAILURES = 20


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How to write it.")]


class BadInput(Exception):
    """Something on the command line that cannot be used."""


@contextmanager
def database(keep: bool = False) -> Iterator[Engine]:
    """The engine to work with; whatever the database refuses while it is open is put into words."""
    with open_engine(keep) as engine, translated(describe(engine.url)):
        yield engine


def account() -> str:
    """Who runs this, for the upload log: the account's name, or its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def named_by_setting() -> bool:
    """Whether ONCOLAKE_DATABASE_URL names the database, so that there is no embedded server to care for."""
    return bool(os.environ.get(SETTING, "").strip())


def mapping_folder(path: Path | None) -> Traversable:
    """The folder that ``--mappings`` names, or is the shipped one of that name; without, the prostate one."""
    if path is None:
        return DEFAULT_MAPPING
    if str(path) in SHIPPED:
        return SHIPPED[str(path)]
    if not path.joinpath("mapping.yaml").is_file():
        raise BadInput(f"'{path}' is not a mapping folder: there is no mapping.yaml in it")
    return path


def cell(text: object) -> Text:
    """Data as a table's cell: as it is, because rich takes a plain ``[x]`` or ``:x:`` for markup."""
    return Text(str(text).translate(_CONTROLS))


def fits(table: Table) -> bool:
    """Whether the output is wide enough for a table with no cell folded or cut."""
    return out.measure(table, options=out.options.update(width=_ENDLESS)).maximum <= out.width


def print_failures(failures: Sequence[Failure], meaning: str) -> None:
    """Say of each case that failed what it means, such as ``is landed but not loaded``, and why."""
    for failure in failures[:_SHOWN_FAILURES]:
        out.print(f"case {failure.case_id} {meaning}: {failure.reason}", markup=False)
    if len(failures) > _SHOWN_FAILURES:
        out.print(f"... and {plural(len(failures) - _SHOWN_FAILURES, 'more case', 'more cases')}")


def print_counts(loaded: Counts) -> None:
    """The rows that loading made by table, the problems by rule and kind, and the warnings by rule."""
    if loaded.cases:
        out.print(_rows_table(loaded))
    if loaded.problems:
        out.print(_problems_table(loaded))
    if loaded.warnings:
        out.print(_warnings_table(loaded))
        told = "loaded as sent, and not plausible; lake.problems has their places in the form, and the bounds"
        out.print(f"{plural(loaded.warnings.total(), 'warning')}: {told}.")


def _rows_table(loaded: Counts) -> Table:
    table = Table(title=f"{plural(loaded.cases, 'case')} loaded", title_justify="left", show_footer=True)
    table.add_column("OMOP table", footer="total", no_wrap=True)
    table.add_column("rows", footer=f"{loaded.rows.total():,}", justify="right")
    for name in LOAD_ORDER:
        if name in loaded.rows:
            table.add_row(cell(name), f"{loaded.rows[name]:,}")
    return table


def _problems_table(loaded: Counts) -> Table:
    table = Table(title="Problems (unmapped: loaded as concept 0)", title_justify="left")
    table.add_column("rule", overflow="fold")
    table.add_column("kind", no_wrap=True)
    table.add_column("values", justify="right", no_wrap=True)
    for (rule, kind), count in loaded.problems.most_common():
        table.add_row(cell(rule), cell(kind), f"{count:,}")
    return table


def _warnings_table(loaded: Counts) -> Table:
    table = Table(title="Warnings (implausible values)", title_justify="left")
    table.add_column("rule", overflow="fold")
    table.add_column("values", justify="right", no_wrap=True)
    for rule, count in loaded.warnings.most_common():
        table.add_row(cell(rule), f"{count:,}")
    return table


def plural(count: int, noun: str, plural_noun: str | None = None) -> str:
    """``1 case``, ``2 cases``, ``1,000 cases``."""
    return f"{count:,} {noun if count == 1 else plural_noun or noun + 's'}"
