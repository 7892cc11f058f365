"""``oncolake quality``, and docs/quality.md: commands print what it shows, its table has every check."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from etl.quality.check import KINDS
from tests.functional.conftest import Run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(console|sql)\n(.*?)^```$", re.M | re.S)
_SECONDS = re.compile(r"in [\d.]+ s\.")


@pytest.fixture
def site(run: Run, lake: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Commands in a folder with sample cases that are loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases.ndjson").write_text(run("sample", 40).out)
    run("ingest", "cases.ndjson")
    yield run


def test_the_page_shows_what_is_printed(
    run: Run, lake: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block in _BLOCK.findall(PAGE):
        if language == "sql":
            with lake.begin() as connection:
                connection.execute(text(block))
            continue
        for step in re.split(r"^\$ oncolake ", block, flags=re.M)[1:]:
            command, _, shown = step.partition("\n")
            words, _, file = command.partition(" > ")
            said = run(*words.split())
            assert said.code in (0, 1)
            if file:
                (tmp_path / file).write_text(said.out)
            elif shown.strip() != "...":
                lines = [line.rstrip() for line in _SECONDS.sub("in # s.", said.out).splitlines()]
                assert lines == [
                    line.rstrip() for line in _SECONDS.sub("in # s.", shown).rstrip().splitlines()
                ]


def test_the_page_lists_every_kind_of_check() -> None:
    listed = dict(re.findall(r"^\| \*?`(\w+)`\*? \| (.*) \|$", PAGE, re.M))
    assert list(listed) == list(KINDS)
    for name, kind in KINDS.items():
        assert kind.category in listed[name]
        assert (f"| *`{name}`* |" in PAGE) == kind.ours


def test_clean_data_end_with_0_and_every_check_can_be_had(site: Run) -> None:
    said = site("quality", "--format", "csv")
    assert said.code == 0
    rows = list(csv.DictReader(said.out.splitlines()))
    assert len(rows) > 2500
    assert {one["status"] for one in rows} == {"passed", "not applicable"}
    assert [one["check"] for one in json.loads(site("quality", "--format", "json").out)] == [
        one["check"] for one in rows
    ]


def test_a_failed_check_ends_with_1_and_names_its_rows(site: Run, lake: Engine) -> None:
    with lake.begin() as connection:
        change = "UPDATE omop.measurement SET unit_concept_id = NULL WHERE measurement_concept_id = 44793131"
        connection.execute(text(change))
    said = site("quality", "--check", "unitRequired", "--ids", 2, "--format", "json")
    assert said.code == 1
    (failed,) = (one for one in json.loads(said.out) if one["status"] == "failed")
    assert (failed["check"], len(failed["ids"])) == (
        "concept_unitrequired_measurement_unit_concept_id_44793131",
        2,
    )
    assert failed["origin"].startswith("clinical.yaml:")
    assert site(*failed["explain"].split()[1:]).out.rstrip().endswith("totalPSAvalue")
    assert "unitRequired, from clinical.yaml:" in site("quality", "--check", "unitRequired").out


def test_other_thresholds_decide(site: Run, lake: Engine, tmp_path: Path) -> None:
    strict, broken = tmp_path / "strict.yaml", tmp_path / "broken.yaml"
    strict.write_text("defaults: {measureValueCompleteness: 100, sourceConceptRecordCompleteness: 99}\n")
    said = site("quality", "--table", "observation", "--thresholds", strict)
    assert said.code == 1
    assert "sourceConceptRecordCompleteness" in said.out
    broken.write_text("defaults:\n  isRequird: 1\n")
    said = site("quality", "--thresholds", broken)
    assert (said.code, said.out) == (2, "")
    assert said.err == "oncolake: broken.yaml:2: there is no check 'isRequird'\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--check", "nope"), "there is no check 'nope'; they are: cdmTable"),
        (("--table", "nope"), "no check is of a table 'nope'; they are of: care_site"),
        (("--thresholds", "none.yaml"), "'none.yaml' cannot be read: FileNotFoundError"),
        (("--mappings", "none"), "'none' is not a mapping folder"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], message: str) -> None:
    said = run("quality", *arguments)
    assert said.code == 2
    assert message in said.err


@pytest.mark.parametrize(("form", "begins"), [("csv", "check,threshold"), ("json", "["), ("table", "┏")])
def test_checks_can_be_listed_without_running_them(run: Run, form: str, begins: str) -> None:
    said = run("quality", "--list", "--table", "person", "--format", form)
    assert said.code == 0
    assert said.out.startswith(begins)
    assert "person_source_value" in said.out


def test_files_for_the_dashboard_and_data_docs(site: Run, tmp_path: Path) -> None:
    said = site("quality", "--table", "person", "--table", "care_site", "--to", "told")
    assert said.code == 0
    assert "Written: told/results.json and told/index.html" in said.err
    results = json.loads((tmp_path / "told" / "results.json").read_text())
    assert {one["cdmTableName"] for one in results["CheckResults"]} == {"PERSON", "CARE_SITE"}
    assert results["Metadata"][0]["cdmSourceName"] == "Oncolake"
    pages = list((tmp_path / "told").rglob("*.html"))
    assert len(pages) == 5
    patients = {
        json.loads(line)["patientID"] for line in (tmp_path / "cases.ndjson").read_text().splitlines()
    }
    for page in pages:
        content = page.read_text()
        assert re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=", content) == []
        assert not any(one in content for one in patients)
    assert not any(one in json.dumps(results) for one in patients)


def test_the_folder_of_a_report_holds_the_last_one_and_what_others_put_there(
    site: Run, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    assert site("quality", "--table", "person", "--table", "care_site", "--to", "told").code == 0
    (told / "static").mkdir()
    (told / "static" / "own.html").write_text("<script src='a.js'></script>")
    assert site("quality", "--table", "person", "--to", "told").code == 0
    pages = sorted(one.name for one in told.rglob("*.html"))
    assert pages == ["index.html", "omop-person.html", "own.html", "person.html"]
    assert (told / "static" / "own.html").read_text() == "<script src='a.js'></script>"


def test_a_folder_with_other_files_is_refused_before_anything_is_checked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "index.html").write_text("mine")
    said = run("quality", "--to", tmp_path)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"oncolake: '{tmp_path}' has files, and no quality report: name a new folder,"
        f" such as '{tmp_path}/quality'\n"
    )
    assert sorted(one.name for one in tmp_path.iterdir()) == ["index.html", "static"]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_reader_that_has_seen_enough_is_no_failed_check(oncolake_env: dict[str, str], form: str) -> None:
    command = [Path(sys.executable).with_name("oncolake"), "quality", "--list", "--format", form]
    with subprocess.Popen(command, env=oncolake_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        assert ours.stderr is not None
        # At once: what a pipe takes before anybody reads is no error.
        ours.stdout.close()
        assert (ours.stderr.read(), ours.wait()) == (b"", 141)
