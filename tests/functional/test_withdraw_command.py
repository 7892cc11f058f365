"""``oncolake withdraw``: it asks, says what it did, and repeats no identifier."""

import io
import json
from pathlib import Path

import pytest

from tests.functional.conftest import Run
from tests.posting import FIGURE, figure


@pytest.fixture
def loaded(run: Run, tmp_path: Path) -> Run:
    """Two patients in two uploads, the second of which changes one of them."""
    older = figure("Jane-1", clinicalBaselineData={**FIGURE["clinicalBaselineData"], "age": 61})
    for number, documents in enumerate(([figure("Jane-1"), figure("P2")], [older])):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(documents))
        assert run("ingest", file).code in (0, 1)
    return run


def test_it_removes_a_patient(loaded: Run) -> None:
    said = loaded("withdraw", "--patient", "Jane-1", "--yes")
    assert said.code == 0
    assert "Person 1 withdrawn: 2 documents, " in said.out
    assert "1 case gone" in said.out
    assert "Jane-1" not in said.out + said.err
    again = loaded("withdraw", "--patient", "Jane-1", "--yes")
    assert (again.code, again.err) == (2, "oncolake: there is no such patient\n")


def test_the_identifier_may_come_from_stdin(loaded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Jane-1\n"))
    assert "add --yes" in loaded("withdraw", "--patient", "-").err
    assert loaded("withdraw", "--patient", "-", "--yes").code == 0


def test_it_removes_an_upload(loaded: Run) -> None:
    said = loaded("withdraw", "--upload", 2, "--yes")
    assert said.code == 0
    assert "Upload 2 withdrawn: 1 document, " in said.out
    assert "1 case fell back to another document." in said.out
    assert "withdrawn" in loaded("status").out
    again = loaded("withdraw", "--upload", 2, "--yes")
    assert (again.code, again.err) == (2, "oncolake: there is no such upload\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say --patient ID or --upload NUMBER"),
        (["--patient", "P2", "--upload", 1], "say --patient ID or --upload NUMBER"),
        (["--patient", "P2"], "this removes this patient for good"),
        (["--upload", 1], "this removes upload 1 for good"),
    ],
)
def test_without_a_yes_nothing_happens(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    said = run("withdraw", *arguments)
    assert said.code == 2
    assert words in said.err
