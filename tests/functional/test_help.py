"""What ``--help`` says of each command, and how it looks on a terminal."""

import itertools
import re

import pytest
import typer.main

from api.cli import app
from tests.functional.conftest import Run, Terminal


def commands(group: typer.Typer, *before: str) -> list[tuple[str, ...]]:
    """The words of every command, those of groups included."""
    own = [(*before, each.name or each.callback.__name__) for each in group.registered_commands]
    return own + [
        words for each in group.registered_groups for words in commands(each.typer_instance, each.name)
    ]


COMMANDS = commands(app)


def test_every_command_is_found() -> None:
    assert {("init",), ("serve",), ("withdraw",), ("map", "check"), ("vocab", "load")} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example(run: Run, command: tuple[str, ...]) -> None:
    said = run(*command, "--help")
    assert said.code == 0
    assert "Example:" in said.out
    assert f"oncolake {' '.join(command)}" in said.out.partition("Example:")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_paragraph_of_a_help_text_is_broken_but_by_the_terminal(command: tuple[str, ...]) -> None:
    found = typer.main.get_command(app)
    for word in command:
        found = found.commands[word]
    paragraphs = [each for each in found.help.split("\n\n") if not each.startswith("\b")]
    assert paragraphs
    assert not [each for each in paragraphs if "\n" in each]


@pytest.mark.parametrize("columns", [80, 140])
def test_lines_break_where_the_terminal_ends_and_nowhere_else(terminal: Terminal, columns: int) -> None:
    said = terminal(columns, "withdraw", "--help")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", said.out)
    text = shown[shown.index(" Remove a patient") : shown.index(" Example:")]
    lines = [line.strip() for line in text.splitlines()]
    assert len(lines) > 3
    for line, following in itertools.pairwise(lines):
        if line and following:
            assert len(line) + len(following.split()[0]) + 3 > columns, "the next word had room"
