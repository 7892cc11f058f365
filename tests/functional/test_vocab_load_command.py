"""``oncolake vocab load``: what it prints, what it writes, and its exit codes."""

import csv
import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from omop_schema.database import SETTING
from tests.bundles import small, write, zipped
from tests.conftest import engine_on
from tests.functional.conftest import Run, Terminal
from tests.loaded import stored

#: Used by the shipped mapping and deprecated in the small bundle.
MAPPED = "44793131"


@pytest.fixture
def lake_(lake_url: str):
    with engine_on(lake_url) as engine:
        yield engine


def sound() -> dict[str, list[list[str]]]:
    """A bundle that the shipped mapping stands on."""
    tables = small()
    tables["CONCEPT"] = [row for row in tables["CONCEPT"] if row[0] != MAPPED]
    tables["CONCEPT_RELATIONSHIP"] = [row for row in tables["CONCEPT_RELATIONSHIP"] if MAPPED not in row]
    return tables


def test_a_sound_bundle(run: Run, lake_: Engine, tmp_path: Path) -> None:
    ran = run("vocab", "load", zipped(write(tmp_path / "bundle", sound())))
    assert (ran.code, ran.err) == (0, "")
    total = sum(map(len, sound().values()))
    assert f"Loaded {total} rows, and 0 rows left out." in ran.out
    assert re.search(r"│ CONCEPT\.csv +│ +14 │ +14 │ +0 │", ran.out)
    assert "The mapping" in ran.out
    assert "\x1b" not in ran.out
    assert "\r" not in ran.out
    assert "MALE" in {row[1] for row in stored(lake_)["CONCEPT"]}


def test_a_mapping_that_no_longer_stands_is_told(run: Run, tmp_path: Path) -> None:
    ran = run("vocab", "load", write(tmp_path, small()))
    assert ran.code == 0
    assert "against this vocabulary, and ingest refuses it until they are mended: run" in ran.out
    assert "`oncolake vocab check --suggest`" in ran.out


def test_rows_left_out_are_exit_code_1(run: Run, lake_: Engine, tmp_path: Path) -> None:
    tables = sound()
    tables["CONCEPT_ANCESTOR"] += [["443392", str(999000 + number), "1", "1"] for number in range(7)]
    ran = run("vocab", "load", write(tmp_path, tables))
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].startswith(
        "CONCEPT_ANCESTOR.csv:5: warning: concept 999000 of 'descendant_concept_id' is not in"
    )
    assert lines[4].startswith("CONCEPT_ANCESTOR.csv:9: warning: ")
    assert lines[5] == "    ... and 2 more of this kind in CONCEPT_ANCESTOR.csv"
    assert lines[6] == "--report FILE writes all of them."
    assert "and 7 rows left out: 7 warnings." in ran.out
    assert re.search(r"│ CONCEPT_ANCESTOR\.csv +│ +10 │ +3 │ +7 │", ran.out)
    assert len(stored(lake_)["CONCEPT_ANCESTOR"]) == 3


def test_strict_is_exit_code_2_for_a_warning(run: Run, lake_: Engine, tmp_path: Path) -> None:
    before = stored(lake_)
    tables = sound()
    tables["CONCEPT_ANCESTOR"].append(["443392", "999000", "1", "1"])
    ran = run("vocab", "load", "--strict", write(tmp_path, tables))
    assert ran.code == 2
    assert (
        ran.out.splitlines()[-1] == "Nothing was loaded: 1 warning (--strict). The vocabulary is as it was."
    )
    assert stored(lake_) == before


def test_errors_are_exit_code_2(run: Run, lake_: Engine, tmp_path: Path) -> None:
    before = stored(lake_)
    tables = sound()
    tables["CONCEPT"][3][8] = "31.12.2099"
    tables["DOMAIN"].append(tables["DOMAIN"][0])
    del tables["DRUG_STRENGTH"]
    ran = run("vocab", "load", write(tmp_path, tables))
    assert ran.code == 2
    assert ran.out.splitlines() == [
        "CONCEPT.csv:5: error: 'valid_end_date' is '31.12.2099', not a date written yyyymmdd [bad-date]",
        f"DOMAIN.csv:{len(tables['DOMAIN']) + 1}: error: line 2 has the same domain_id [duplicate-key]",
        "DRUG_STRENGTH.csv: error: the bundle does not have it; download the bundle again [missing-file]",
        "Nothing was loaded: 3 errors. The vocabulary is as it was.",
    ]
    assert stored(lake_) == before


@pytest.mark.parametrize("broken", [False, True])
def test_check_loads_nothing(run: Run, lake_: Engine, tmp_path: Path, broken: bool) -> None:
    before = stored(lake_)
    tables = sound()
    if broken:
        tables["CONCEPT_ANCESTOR"].append(["443392", "999000", "1", "1"])
    ran = run("vocab", "load", "--check", write(tmp_path, tables))
    assert ran.code == int(broken)
    total = sum(map(len, sound().values()))
    assert (
        f"Nothing was loaded, as --check asks; loading would bring {total} rows, and {int(broken)} row"
        in ran.out
    )
    assert "The mapping" not in ran.out
    assert stored(lake_) == before


def test_the_report_has_every_finding(run: Run, tmp_path: Path) -> None:
    tables = sound()
    tables["CONCEPT_ANCESTOR"] += [["443392", str(999000 + number), "1", "1"] for number in range(9)]
    tables["CONCEPT_SYNONYM"][0] = ["x", 'a "quoted", name', "4180186"]
    path = tmp_path / "report.csv"
    ran = run("vocab", "load", "--report", path, write(tmp_path / "bundle", tables))
    assert ran.code == 2
    assert "--report" not in ran.out
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {"file", "line", "severity", "kind", "message"}
    assert {(row["file"], row["line"], row["severity"], row["kind"]) for row in rows} == {
        ("CONCEPT_SYNONYM.csv", "2", "error", "bad-integer"),
        *(("CONCEPT_ANCESTOR.csv", str(5 + number), "warning", "unknown-concept") for number in range(9)),
    }


def test_what_a_cell_holds_does_not_drive_the_terminal(run: Run, tmp_path: Path) -> None:
    tables = sound()
    tables["CONCEPT"][1][0] = "\x1b[2J\x07[bold]"
    ran = run("vocab", "load", write(tmp_path, tables))
    assert ran.code == 2
    assert "\x1b" not in ran.out
    assert "\x07" not in ran.out
    assert "[bold]" in ran.out


@pytest.mark.parametrize("path", ["nowhere.zip", "text.zip", "empty"])
def test_a_path_that_is_no_bundle(run: Run, tmp_path: Path, path: str) -> None:
    tmp_path.joinpath("text.zip").write_text("text")
    tmp_path.joinpath("empty").mkdir()
    ran = run("vocab", "load", tmp_path / path)
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(rf"oncolake: '{tmp_path / path}' [^\n]+\n", ran.err)


def test_a_report_that_cannot_be_written(terminal: Terminal, lake_: Engine, tmp_path: Path) -> None:
    before = stored(lake_)
    where = tmp_path / "no" / "report.csv"
    ran = terminal(300, "vocab", "load", "--report", where, write(tmp_path / "bundle", sound()))
    assert (ran.code, ran.out) == (
        2,
        f"oncolake: cannot read or write '{where}': No such file or directory\n",
    )
    assert stored(lake_) == before


def test_a_database_without_tables(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv(SETTING, database_url)
    ran = run("vocab", "load", write(tmp_path, sound()))
    assert (ran.code, ran.out) == (2, "")
    assert "run `oncolake init`" in ran.err


def test_a_view_that_stands_in_the_way(run: Run, lake_: Engine, tmp_path: Path) -> None:
    with lake_.begin() as connection:
        connection.execute(text("CREATE MATERIALIZED VIEW names AS SELECT concept_name FROM omop.concept"))
    ran = run("vocab", "load", write(tmp_path, sound()))
    assert (ran.code, ran.out) == (2, "")
    assert "names; drop" in ran.err


def test_bars_are_drawn_on_a_terminal(terminal: Terminal, tmp_path: Path) -> None:
    shown = terminal(120, "vocab", "load", write(tmp_path, sound()))
    assert shown.code == 0
    assert "\x1b[" in shown.out
    for name in ("CONCEPT.csv", "CONCEPT_RELATIONSHIP.csv", "DRUG_STRENGTH.csv", "staging", "swapping"):
        assert name in shown.out
    assert re.search(r"[0-9,]+ rows, [0-9,]+ rows/s", shown.out)
    assert "Loaded" in shown.out
