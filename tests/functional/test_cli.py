"""The command line as a user meets it: what it prints, its exit codes, and never a traceback."""

import csv
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text

from api.cli import main
from etl.mapping.tables import TARGETS
from omop_schema.database import SETTING

SAMPLES = Path(__file__).parents[2] / "mappings" / "prostate" / "samples"
FIGURE_13 = SAMPLES / "figure-13.json"
PATIENT = "PCa-268768370567"
PI_RADS_ROW = "SELECT measurement_id FROM omop.measurement WHERE measurement_concept_id = 2000000004"
OF_PERSON = "FROM omop.measurement JOIN omop.person USING (person_id) WHERE person_source_value"
COMMANDS = [
    "init", "status", "url", "stop", "ingest", "coverage", "sample", "explain", "sql", "map-check", "map-show"
]  # fmt: skip


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(lake_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command on an initialised database of its own."""
    monkeypatch.setenv(SETTING, lake_url)

    def run_one(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["oncolake", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return run_one


@pytest.fixture
def figure_13() -> dict:
    return json.loads(FIGURE_13.read_text())


def scalar(engine: Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.scalar(text(query))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(run: Run, command: str) -> None:
    said = run(*command.split("-"), "--help")
    assert said.code == 0
    assert "Example:" in said.out
    assert f"oncolake {command.replace('-', ' ')}" in said.out.partition("Example:")[2]


def test_ingest_reports_cases_rows_and_problems(run: Run) -> None:
    said = run("ingest", SAMPLES)
    assert said.code == 0
    assert "24 cases, 24 stored (upload 1)" in said.out
    assert "figure-13.json: 1 case, 1 stored (upload 2)" in said.out
    assert "25 cases loaded" in said.out
    assert "measurement" in said.out
    assert "final_imaging" in said.out, "problems are listed by rule"


def test_the_same_file_again_changes_nothing(run: Run, lake: Engine) -> None:
    run("ingest", FIGURE_13)
    before = scalar(lake, "SELECT sum(measurement_id) FROM omop.measurement")
    said = run("ingest", FIGURE_13)
    assert (said.code, "already loaded, as upload 1" in said.out) == (0, True)
    assert scalar(lake, "SELECT sum(measurement_id) FROM omop.measurement") == before
    assert scalar(lake, "SELECT count(*) FROM lake.documents") == 1


def test_a_changed_case_converges_and_others_stay(
    run: Run, lake: Engine, tmp_path: Path, figure_13: dict
) -> None:
    run("ingest", SAMPLES)
    others = (
        f"SELECT md5(string_agg(measurement::text, '' ORDER BY measurement_id)) {OF_PERSON} <> '{PATIENT}'"
    )
    before = scalar(lake, others)
    figure_13["lesions"] = [{**figure_13["lesions"][0], "PI-RADS": 5, "gleason1": None}]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(figure_13))
    assert run("ingest", changed).code == 0
    mine = f"{OF_PERSON} = '{PATIENT}'"
    assert scalar(lake, f"SELECT value_as_number {mine} AND measurement_concept_id = 2000000004") == 5
    assert scalar(lake, f"SELECT count(*) {mine} AND measurement_concept_id = 4293445") == 0
    assert scalar(lake, others) == before
    assert scalar(lake, f"SELECT max(version) FROM lake.cases WHERE patient_id = '{PATIENT}'") == 2
    assert scalar(lake, "SELECT count(*) FROM lake.documents") == 26, "the earlier version is kept"


def test_explain_leads_to_the_place_in_the_form_and_so_does_sql(run: Run, lake: Engine) -> None:
    run("ingest", FIGURE_13)
    row_id = scalar(lake, PI_RADS_ROW)
    said = run("explain", "measurement", row_id)
    assert said.code == 0
    assert "form 1+2+3, version 1" in said.out
    assert f"record 1 of {FIGURE_13}" in said.out
    assert "lesion.pi_rads  (lesions.yaml:" in said.out
    assert '$.lesions[0]."PI-RADS"' in said.out
    with lake.connect() as connection:
        lineage = connection.execute(text(f"SELECT * FROM lake.lineage({row_id})")).mappings().one()
        assert lineage["paths"] == ['$.lesions[0]."PI-RADS"']
        place = "SELECT jsonb_path_query(document, CAST(:path AS jsonpath)) FROM lake.documents"
        assert connection.scalar(text(place), {"path": lineage["paths"][0]}) == 3


def test_every_generated_row_has_a_lineage(run: Run, lake: Engine) -> None:
    run("ingest", SAMPLES)
    for table in TARGETS:
        orphans = (
            f"SELECT count(*) FROM omop.{table} AS r"
            f" LEFT JOIN LATERAL lake.lineage(r.{table}_id) AS l ON true"
            f" WHERE l.target IS DISTINCT FROM '{table}'"
        )
        assert scalar(lake, orphans) == 0, table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explain", "measurement", 5), "there is no measurement with measurement_id 5"),
        (("explain", "concept", 5), "rows of 'concept' have no lineage of their own"),
        (("explain", "person", 5), "no loaded case speaks of person 5"),
        (("ingest", "/nowhere"), "'/nowhere' does not exist"),
        (("sql", "SELEC 1"), "the query is not right"),
        (("sql", "/nowhere.sql"), "'/nowhere.sql' cannot be read"),
        (("sql", "DELETE FROM omop.person"), "it takes no writes"),
        (("map", "check", "--mappings", "/nowhere"), "there is no mapping.yaml in it"),
        (("ingest", "--mappings", "/nowhere", FIGURE_13), "there is no mapping.yaml in it"),
        (("stop",), "there is no embedded server"),
        (("url", "--tcp"), "--tcp is for the embedded server"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, arguments: tuple[object, ...], message: str) -> None:
    said = run(*arguments)
    assert said.code in (2, 3)
    assert message in said.err
    assert said.err.startswith("oncolake: ")
    assert said.err.count("\n") == 1


def test_a_bad_case_is_named_by_file_and_path_and_the_good_ones_load(
    run: Run, lake: Engine, tmp_path: Path, figure_13: dict
) -> None:
    bad = json.loads(json.dumps(figure_13))
    bad["lesions"][0]["gleason1"] = 9
    bad["patientID"] = "PCa-secret"
    mixed = tmp_path / "mixed.ndjson"
    mixed.write_text("\n".join([json.dumps(figure_13), json.dumps(bad), "{not json", ""]))
    said = run("ingest", mixed)
    assert said.code == 1
    assert "3 cases, 1 stored, 2 rejected" in said.out
    assert f"{mixed}:2: $.lesions[0].gleason1: " in said.out
    assert f"{mixed}:3: $" in said.out
    assert "PCa-secret" not in said.out + said.err, "no patient value in a message"
    assert scalar(lake, "SELECT count(*) FROM omop.person") == 1
    assert scalar(lake, "SELECT outcome FROM lake.uploads") == "partial"
    assert scalar(lake, "SELECT count(DISTINCT position) FROM lake.violations") == 2


def test_nothing_of_a_file_usable_is_exit_code_2(run: Run, lake: Engine, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text('{"patientID": NaN}')
    said = run("ingest", file)
    assert said.code == 2
    assert f"{file}:1: $.patientID" in said.out
    assert scalar(lake, "SELECT outcome FROM lake.uploads") == "rejected"


def test_coverage_adds_up_in_every_format(run: Run) -> None:
    run("ingest", SAMPLES)
    csv_rows = list(csv.reader(run("coverage", "--format", "csv").out.splitlines()))
    assert csv_rows[0][:3] == ["path", "total", "mapped"]
    assert all(int(row[1]) == sum(map(int, row[2:])) for row in csv_rows[1:])
    places = json.loads(run("coverage", "--format", "json").out)["places"]
    assert [place["path"] for place in places] == [row[0] for row in csv_rows[1:]]
    assert "$.lesions[*].diam1" in run("coverage").out


def test_coverage_shows_values_only_when_asked(run: Run) -> None:
    run("ingest", SAMPLES)
    assert "PSMA-PET" not in run("coverage").out
    assert "PSMA-PET" in run("coverage", "--show-values").out


def test_sample_is_seeded_and_can_be_ingested(run: Run, tmp_path: Path) -> None:
    first, again, other = run("sample", 5), run("sample", 5), run("sample", 5, "--seed", 1)
    assert first.out == again.out != other.out
    file = tmp_path / "five.ndjson"
    file.write_text(first.out)
    assert run("ingest", file).code == 0


def test_status_counts_what_is_there(run: Run) -> None:
    run("ingest", FIGURE_13)
    said = run("status")
    assert said.code == 0
    assert "placeholders until Athena vocabularies are loaded" in said.out


def test_url_prints_the_database_that_is_named(run: Run, lake_url: str) -> None:
    said = run("url")
    assert said.code == 0
    assert said.out.startswith("postgresql://")


def test_map_check_of_the_shipped_mapping_has_no_errors(run: Run) -> None:
    said = run("map", "check")
    assert (said.code, "0 errors, " in said.out) == (0, True)


def test_map_show_prints_the_document_and_the_code(run: Run) -> None:
    assert "4254766" in run("map", "show").out
    compile(run("map", "show", "--code").out, "shown", "exec")


def test_a_mapping_with_errors_stops_ingest_with_every_finding(
    run: Run, lake: Engine, tmp_path: Path
) -> None:
    folder = copied_mapping(tmp_path)
    section = folder / "lesions.yaml"
    section.write_text(
        section.read_text()
        .replace("number: diam1", "number: diam9")
        .replace("8588 millimeter", "8588 milimeter")
    )
    checked = run("map", "check", "--mappings", folder)
    assert checked.code == 1
    assert "'diam9' is not in '$.lesions[*]'; did you mean 'diam2'?" in checked.out
    said = run("ingest", "--mappings", folder, FIGURE_13)
    assert said.code == 2
    assert "[unknown-path]" in said.err
    assert scalar(lake, "SELECT count(*) FROM lake.uploads") == 0


def test_another_mapping_folder_is_used(run: Run, lake: Engine, tmp_path: Path) -> None:
    folder = copied_mapping(tmp_path)
    section = folder / "lesions.yaml"
    section.write_text(
        section.read_text().replace("source_value: indexlesion", "source_value: the index lesion")
    )
    assert run("ingest", "--mappings", folder, FIGURE_13).code == 0
    value = scalar(lake, "SELECT observation_source_value FROM omop.observation")
    assert value == "the index lesion"


def copied_mapping(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLES.parent, tmp_path / "mapping"))


@pytest.mark.parametrize(
    "command", [("status",), ("ingest", FIGURE_13), ("coverage",), ("explain", "note", 1)]
)
def test_an_empty_database_asks_for_init(
    database_url: str, run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[object, ...]
) -> None:
    monkeypatch.setenv(SETTING, database_url)
    said = run(*command)
    assert said.code == 2
    assert "run `oncolake init`" in said.err


def test_init_creates_and_then_changes_nothing(
    database_url: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, database_url)
    first, second = run("init"), run("init")
    assert (first.code, second.code) == (0, 0)
    assert "Tables created" in first.out
    assert "Tables already there" in second.out
    assert "0 new, 0 changed" in second.out


@pytest.mark.parametrize(
    ("revision", "message"), [("9999", "9999"), ("0000", "0000")], ids=["newer", "unknown older"]
)
def test_a_database_of_another_version_is_refused(
    run: Run, lake: Engine, revision: str, message: str
) -> None:
    with lake.begin() as connection:
        connection.execute(text("UPDATE lake.alembic_version SET version_num = :it"), {"it": revision})
    said = run("ingest", FIGURE_13)
    assert said.code == 2
    assert message in said.err


def test_a_server_that_is_away_is_said_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "postgresql://someone:hush@127.0.0.1:1/nowhere")
    said = run("status")
    assert said.code == 3
    assert "127.0.0.1:1" in said.err
    assert "hush" not in said.err


def test_a_read_only_database_is_said_so_and_loses_nothing(run: Run, lake: Engine) -> None:
    with lake.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    said = run("ingest", FIGURE_13)
    assert said.code == 3
    assert "it takes no writes" in said.err
    with lake.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.execute(text(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'))
    assert run("ingest", FIGURE_13).code == 0


def test_the_installed_command_works_in_any_folder(oncolake_env: dict[str, str], tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("oncolake")
    ran = subprocess.run(
        [command, "ingest", FIGURE_13],
        cwd=tmp_path,
        env=oncolake_env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 case, 1 stored" in ran.stdout


def test_the_progress_bar_is_for_terminals_only(oncolake_env: dict[str, str]) -> None:
    command = [str(Path(sys.executable).with_name("oncolake")), "ingest", str(SAMPLES)]
    master, slave = pty.openpty()
    ran = subprocess.Popen(
        command, env={**oncolake_env, "TERM": "xterm"}, stdout=subprocess.PIPE, stderr=slave
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    assert ran.wait() == 0
    ran.stdout.close()
    os.close(master)
    assert b"24 cases" in shown
    assert b"25 cases" in shown
