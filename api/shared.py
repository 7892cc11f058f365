"""What the commands share: the database, the mapping folder, and where to print."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from etl.setup import DEFAULT_MAPPING
from omop_schema.database import SETTING, describe, open_engine, translated

MappingsOption = Annotated[
    Path | None,
    typer.Option(
        "--mappings", metavar="DIR", help="Mapping folder to use instead of the shipped prostate one."
    ),
]

#: Columns of a table in a file or a pipe, where there is no terminal to ask.
_FILE_WIDTH = 120
_ENDLESS = 1_000_000

#: Results go to stdout, everything else to stderr, so that a pipe gets results only.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _FILE_WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True)
if isinstance(sys.stdout, io.TextIOWrapper):
    # A character that the terminal's encoding lacks is written as its number.
    sys.stdout.reconfigure(errors="backslashreplace")

#: Control characters but tab and line feed, written out: in a cell they would drive the terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


class BadInput(Exception):
    """Something on the command line that cannot be used."""


@contextmanager
def database(keep: bool = False) -> Iterator[Engine]:
    """The engine to work with; whatever the database refuses while it is open is put into words."""
    with open_engine(keep) as engine, translated(describe(engine.url)):
        yield engine


def named_by_setting() -> bool:
    """Whether ONCOLAKE_DATABASE_URL names the database, so that there is no embedded server to care for."""
    return bool(os.environ.get(SETTING, "").strip())


def mapping_folder(path: Path | None) -> Traversable:
    """The folder that ``--mappings`` names, or the shipped one."""
    if path is None:
        return DEFAULT_MAPPING
    if not path.joinpath("mapping.yaml").is_file():
        raise BadInput(f"'{path}' is not a mapping folder: there is no mapping.yaml in it")
    return path


def cell(text: object) -> Text:
    """Data as a table's cell: as it is, because rich takes a plain ``[x]`` or ``:x:`` for markup."""
    return Text(str(text).translate(_CONTROLS))


def fits(table: Table) -> bool:
    """Whether the output is wide enough for a table with no cell folded or cut."""
    return out.measure(table, options=out.options.update(width=_ENDLESS)).maximum <= out.width


def plural(count: int, noun: str, plural_noun: str | None = None) -> str:
    """``1 case``, ``2 cases``, ``1,000 cases``."""
    return f"{count:,} {noun if count == 1 else plural_noun or noun + 's'}"


def outdated_sentence(count: int) -> str:
    """What it means that so many cases were loaded with an earlier version of their mapping."""
    verb = "was" if count == 1 else "were"
    return (
        f"{plural(count, 'case')} {verb} loaded with an earlier version of this mapping; "
        "their rows stay until their documents change."
    )
