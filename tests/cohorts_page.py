"""docs/cohorts.md, run: its commands, queries and Python in order, with what they print put in their places.

``python -m tests.cohorts_page`` writes the page and its pictures anew.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from sqlalchemy import Engine

from etl.cohorts.compare import compare
from etl.cohorts.known import find_run
from etl.cohorts.plots import compared_pictures, pictures
from etl.cohorts.summary import summarise
from etl.cohorts.table_one import read_table_one
from etl.setup import DEFAULT_MAPPING

PAGE = Path(__file__).parents[1] / "docs" / "cohorts.md"
PICTURES = ("cohorts-psa.svg", "cohorts-attrition.svg", "cohorts-relapse.svg")
_BLOCK = re.compile(r"```(\w*)\n(.*?)```\n", re.DOTALL)
#: When something was run, and what has the same width.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?= UTC| *[│,])")

Command = Callable[[list[str]], str]


def executed(page: str, command: Command, folder: Path) -> str:
    """The page with its outputs made anew; ``command`` runs ``oncolake`` with these words in ``folder``."""
    state: dict[str, Any] = {"printed": None, "names": {}}

    def block(found: re.Match[str]) -> str:
        kind, content = found.groups()
        if kind == "console":
            content = "".join(_console(content, command, folder))
        elif kind == "sh":
            for line in content.splitlines():
                if line.startswith("oncolake "):
                    list(_console(f"$ {line}", command, folder))
        elif kind == "sql" and content.startswith("/*"):
            name = re.search(r"^name: (\w+)", content, re.MULTILINE)
            assert name
            folder.joinpath(f"{name[1]}.sql").write_text(content)
        elif kind == "sql":
            state["printed"] = command(["sql", content])
        elif kind == "python":
            state["printed"] = _python(content, state["names"], folder)
        elif not kind:
            content = state["printed"]
        return f"```{kind}\n{content}```\n"

    return _MOMENT.sub("2024-05-14 09:30", _BLOCK.sub(block, page))


def _console(content: str, command: Command, folder: Path) -> Iterator[str]:
    for line in content.splitlines():
        if not line.startswith("$ "):
            continue
        words, _, file = line[2:].partition(" > ")
        printed = command(shlex.split(words)[1:])
        if file:
            folder.joinpath(file).write_text(printed)
        yield f"{line}\n{'' if file else printed}"


def _python(content: str, names: dict[str, Any], folder: Path) -> str:
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed), mpl.rc_context():
        exec(compile(content, str(PAGE), "exec"), names)
    return printed.getvalue()


def drawn(engine: Engine, folder: Path) -> dict[str, str]:
    """The page's pictures by file name, of a database on which it was executed."""
    table = read_table_one(DEFAULT_MAPPING)
    with engine.connect() as connection:
        pair = [find_run(connection, name) for name in ("uc2", "uc2:group=non_significant")]
        compared = compared_pictures(compare(connection, table, pair[0], pair[1]))
        attrition = pictures(summarise(connection, table, find_run(connection, "uc3")))[0]
    psa = next(each for each in compared if each.name == "psa")
    relapse = folder.joinpath("cohorts-relapse.svg").read_text(encoding="utf-8")
    return dict(zip(PICTURES, (f"{psa.svg}", f"{attrition.svg}", relapse), strict=True))


def reader(address: str) -> str:
    """The address of somebody who has no rights but the reader's."""
    between = "&" if "?" in address else "?"
    return f"{address}{between}options=-crole%3Doncolake_reader"


def main() -> None:
    """Write page and pictures anew, on a database of its own."""
    from omop_schema.database import SETTING
    from omop_schema.embedded import Server
    from tests.conftest import engine_on, new_database, temporary_home

    with temporary_home() as home, Server(home).attached() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with new_database(server.url("postgres")) as url:
            environment = {**os.environ, SETTING: url, "PYTHONPATH": str(PAGE.parents[1])}

            def command(words: list[str]) -> str:
                call = [sys.executable, "-m", "api.cli", *words]
                done = subprocess.run(
                    call, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True, check=False
                )
                return done.stdout

            command(["init"])
            os.environ["READER"] = reader(url)
            page = executed(PAGE.read_text(encoding="utf-8"), command, folder)
            with engine_on(url) as engine:
                made = drawn(engine, folder)
        PAGE.write_text(page, encoding="utf-8")
        for file, svg in made.items():
            PAGE.with_name(file).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
