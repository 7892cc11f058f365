"""``oncolake vocab search``, ``show`` and ``status`` on a loaded vocabulary."""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.bundles import VERSION, small, write
from tests.conftest import engine_on
from tests.functional.conftest import Run, Terminal


@pytest.fixture
def loaded(run: Run, tmp_path: Path) -> Iterator[Run]:
    """The starter concepts with a small bundle loaded over them."""
    said = run("vocab", "load", write(tmp_path / "bundle", small()))
    assert said.code in (0, 1), said.err
    yield run


def test_search_in_every_format(loaded: Run) -> None:
    said = loaded("vocab", "search", "prostate", "neoplasm", "--standard", "--domain", "condition")
    assert (said.code, said.err) == (0, "")
    assert "200962" in said.out
    assert "words of name" in said.out

    said = loaded("vocab", "search", "prostate neoplasm", "--format", "csv", "--valid")
    rows = list(csv.DictReader(StringIO(said.out)))
    assert [row["concept_id"] for row in rows][:1] == ["200962"]
    assert {row["match"] for row in rows} == {"words of name"}

    said = loaded("vocab", "search", "Prostate cancer", "--format", "json", "--limit", "1")
    found = json.loads(said.out)
    assert found["bounded"] is False
    assert [(one["concept_id"], one["match"]) for one in found["concepts"]] == [(4163261, "synonym")]
    assert found["concepts"][0]["synonym"] == "Prostate cancer"

    said = loaded("vocab", "search", "zzz", "--format", "csv")
    assert (said.code, len(said.out.splitlines())) == (0, 1)
    assert "Nothing found" in said.err


def test_search_breaks_no_word_on_a_narrow_terminal(loaded: Run, terminal: Terminal) -> None:
    shown = terminal(80, "vocab", "search", "C61", TERM="dumb").out
    assert max(map(len, shown.splitlines())) <= 80
    assert "45556174" in shown
    assert "Malignant neoplasm of prostate" in shown
    assert "Condition, ICD10CM, 3-char nonbill code, C61, non-standard; found by code" in " ".join(
        shown.replace("│", " ").split()
    )
    assert "3-char nonbill code │" in terminal(200, "vocab", "search", "C61").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["  "], "there is nothing to search for"),
        (["x", "--domain", "Conditoin"], "there is no domain 'Conditoin'; there are: "),
        (["x", "--vocabulary", "Nope"], "there is no vocabulary 'Nope'; there are: "),
        (["x", "--limit", "0"], "--limit"),
    ],
)
def test_a_search_that_cannot_be_made_ends_with_2(run: Run, arguments: list[str], message: str) -> None:
    said = run("vocab", "search", *arguments)
    assert said.code == 2
    assert message in said.err


def test_show(loaded: Run, lake_url: str) -> None:
    said = loaded("vocab", "show", 4163261)
    assert (said.code, said.err) == (0, "")
    for part in ("Malignant tumor of prostate", "Prostate cancer  (English language)", "1 level up"):
        assert part in said.out
    found = json.loads(loaded("vocab", "show", 4141960, "--format", "json").out)
    assert found["relationships"][0]["name"] == "Maps to"
    assert found["relationships"][0]["related"][0]["concept_id"] == 200962
    assert (found["concept_code"], found["placeholder"], found["custom"]) == ("254900004", False, False)

    assert "a custom concept" in loaded("vocab", "show", 2000000004).out
    with engine_on(lake_url) as engine, engine.begin() as connection:
        left = connection.scalar(
            text("SELECT concept_id FROM omop.concept WHERE vocabulary_id = 'Placeholder' LIMIT 1")
        )
        connection.execute(
            text("""
                INSERT INTO omop.concept_relationship
                SELECT 443392, concept_id, 'Subsumes', '1970-01-01', '2099-12-31' FROM omop.concept
                WHERE concept_id > 2000000000 LIMIT 12 ON CONFLICT DO NOTHING
            """)
        )
    assert "a placeholder: `oncolake vocab load`" in loaded("vocab", "show", left).out
    assert "... and 3 more; --all lists them" in loaded("vocab", "show", 443392).out
    assert "more; --all" not in loaded("vocab", "show", 443392, "--all").out


def test_show_of_an_unknown_concept_ends_with_2(run: Run) -> None:
    said = run("vocab", "show", 99)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("oncolake: there is no concept 99 in this database; `oncolake vocab search`")


def test_status(loaded: Run, lake_url: str) -> None:
    said = loaded("vocab", "status")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Vocabulary: {VERSION}\n")
    assert "`oncolake vocab load` brings the concepts themselves" in said.out

    rows = {
        row["vocabulary_id"]: row
        for row in csv.DictReader(StringIO(loaded("vocab", "status", "--format", "csv").out))
    }
    assert (rows["SNOMED"]["version"], rows["SNOMED"]["concepts"], rows["SNOMED"]["invalid"]) == (
        "2025",
        "6",
        "2",
    )
    found = json.loads(loaded("vocab", "status", "--format", "json", "--exact").out)
    assert found["version"] == VERSION
    assert found["tables"]["concept_synonym"] == {"count": 3, "exact": True}

    listed = list(csv.reader(StringIO(loaded("vocab", "status", "--placeholders", "--format", "csv").out)))
    assert listed[0] == ["concept_id", "concept_name"]
    assert [[str(one), name] for one, name in found["placeholders"]] == listed[1:]
    assert listed[1][1] in loaded("vocab", "status", "--placeholders").out

    with engine_on(lake_url) as engine, engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA vocabulary_staging"))
    said = loaded("vocab", "status")
    assert said.code == 0
    assert "Schema vocabulary_staging holds part of a vocabulary" in said.err
