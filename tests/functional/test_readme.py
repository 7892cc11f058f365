"""The README's first screen is what its commands print."""

import re
from pathlib import Path

import pytest

from tests.functional.conftest import Run

ROOT = Path(__file__).parents[2]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
SCREEN = README[README.index("$ make demo\n") :].partition("```")[0]
#: What it shows of a command's output, "..." left out.
SHOWN = re.compile(r"^\.venv/bin/oncolake (.+)\n((?:.*\n)*?)(?=\n|\.\.\.|\Z)", re.MULTILINE)


def test_the_first_screen_is_what_the_commands_print(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = dict(SHOWN.findall(SCREEN))
    assert [command.split()[0] for command in shown] == ["init", "ingest", "explain"]
    for command, expected in shown.items():
        said = run(*command.split())
        lines = [line.rstrip() for line in said.out.splitlines()]
        if command == "init":  # the tests' database is initialised already: it says so in the same words
            told = [_numbers_masked(line) for line in expected.splitlines()]
            assert [_numbers_masked(line) for line in lines[-3:]] == told[-3:]
        else:
            assert lines[: len(expected.splitlines())] == expected.splitlines()


def test_the_row_that_the_text_explains_is_that_of_the_first_screen() -> None:
    rows = re.findall(r"explain measurement (\d+)", README)
    assert len(rows) == 2
    assert len(set(rows)) == 1


def _numbers_masked(line: str) -> str:
    return re.sub(r"(?<=Concepts: )\d+ new, \d+ changed, \d+ as they were", "#", line)
