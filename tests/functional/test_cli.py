"""The command line as a user meets it: what it prints, its exit codes, and never a traceback."""

import csv
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from etl.mapping.tables import TARGETS
from omop_schema.database import SETTING
from tests.functional.conftest import Run

SAMPLES = Path(__file__).parents[2] / "mappings" / "prostate" / "samples"
FIGURE_13 = SAMPLES / "figure-13.json"
PATIENT = "PCa-268768370567"
#: The samples: a file of cases, of which some are second forms, and Figure 13.
CASES = [json.loads(line) for line in SAMPLES.joinpath("cases.ndjson").read_text().splitlines()]
ALL = len(CASES) + 1
PI_RADS_ROW = "SELECT measurement_id FROM omop.measurement WHERE measurement_concept_id = 2000000004"
PROBLEMS_BY_RULE = (
    "SELECT name, kind, count(*) FROM lake.problems LEFT JOIN lake.rules USING (rule_id) GROUP BY name, kind"
)
#: Tables that no rule of the shipped mapping fills.
EMPTY = {
    *("drug_exposure", "device_exposure", "specimen", "image_feature"),
    *("curation_run", "registration_step", "registration_level", "curation_approval"),
}
OF_PERSON = "FROM omop.measurement JOIN omop.person USING (person_id) WHERE person_source_value"


@pytest.fixture
def figure_13() -> dict:
    return json.loads(FIGURE_13.read_text())


def scalar(engine: Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.scalar(text(query))


def fingerprint(engine: Engine, table: str, where: str = "true") -> object:
    """One value for all rows of an OMOP table, ids and all."""
    rows = f"SELECT t::text AS row FROM omop.{table} AS t WHERE {where}"
    return scalar(engine, f"SELECT md5(string_agg(row, ',' ORDER BY row)) FROM ({rows}) AS rows")


def cells(shown: str) -> list[list[str]]:
    """The cells of the tables that were printed, headers and footers included."""
    lines = [re.split("[│┃]", line)[1:-1] for line in shown.splitlines() if line[:1] in ("│", "┃")]
    return [[cell.strip() for cell in line] for line in lines]


def test_ingest_reports_cases_rows_and_problems(run: Run, lake: Engine) -> None:
    said = run("ingest", SAMPLES)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[:3] == [
        f"{SAMPLES / 'cases.ndjson'}: {len(CASES)} cases, {len(CASES)} stored (upload 1).",
        f"{FIGURE_13}: 1 case, 1 stored (upload 2).",
        f"{ALL} cases loaded",
    ]
    shown = cells(said.out)
    split = shown.index(["rule", "kind", "values"])
    rows = {table: int(count.replace(",", "")) for table, count in shown[1 : split - 1]}
    assert rows == {table: scalar(lake, f"SELECT count(*) FROM omop.{table}") for table in rows}
    assert set(rows) == {"person", "episode_event", *TARGETS} - EMPTY
    assert shown[split - 1] == ["total", f"{sum(rows.values()):,}"]
    with lake.connect() as connection:
        kept = connection.execute(text(PROBLEMS_BY_RULE))
        assert {(rule, kind, int(count)) for rule, kind, count in shown[split + 1 :]} == set(map(tuple, kept))


def test_the_same_file_again_changes_nothing(run: Run, lake: Engine) -> None:
    run("ingest", FIGURE_13)
    before = {table: fingerprint(lake, table) for table in TARGETS}
    again = run("ingest", FIGURE_13)
    assert again == (0, f"{FIGURE_13}: already loaded, as upload 1; nothing to do.\n", "")
    assert {table: fingerprint(lake, table) for table in TARGETS} == before
    assert before["measurement"] is not None
    assert scalar(lake, "SELECT count(*) FROM lake.documents") == 1
    assert scalar(lake, "SELECT count(*) FROM lake.uploads") == 1


def test_a_changed_case_converges_and_others_stay(
    run: Run, lake: Engine, tmp_path: Path, figure_13: dict
) -> None:
    run("ingest", SAMPLES)
    others = f"person_id <> (SELECT person_id FROM omop.person WHERE person_source_value = '{PATIENT}')"
    before = {table: fingerprint(lake, table, others) for table in TARGETS}
    figure_13["lesions"] = [{**figure_13["lesions"][0], "PI-RADS": 5, "gleason1": None}]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(figure_13))
    said = run("ingest", changed)
    assert (said.code, said.out.splitlines()[0]) == (0, f"{changed}: 1 case, 1 stored (upload 3).")
    mine = f"{OF_PERSON} = '{PATIENT}'"
    assert scalar(lake, f"SELECT value_as_number {mine} AND measurement_concept_id = 2000000004") == 5
    assert scalar(lake, f"SELECT count(*) {mine} AND measurement_concept_id = 4293445") == 0
    assert {table: fingerprint(lake, table, others) for table in TARGETS} == before
    assert scalar(lake, f"SELECT max(version) FROM lake.cases WHERE patient_id = '{PATIENT}'") == 2
    assert scalar(lake, "SELECT count(*) FROM lake.documents") == ALL + 1, "the earlier version is kept"


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
        assert (lineage["target"], lineage["rule"]) == ("measurement", "lesion.pi_rads")
        assert lineage["paths"] == ['$.lesions[0]."PI-RADS"']
        place = "SELECT jsonb_path_query(document, CAST(:path AS jsonpath)) FROM lake.documents"
        assert connection.scalar(text(place), {"path": lineage["paths"][0]}) == 3


def test_explain_of_a_person_names_every_case_of_theirs(run: Run, lake: Engine) -> None:
    run("ingest", FIGURE_13)
    person = scalar(lake, "SELECT person_id FROM omop.person")
    said = run("explain", "person", person)
    assert (said.code, said.err) == (0, "")
    assert [" ".join(line.split()) for line in said.out.splitlines()] == [
        f"row person {person}, from 1 case; the first one decides",
        "case 1, form 1+2+3, version 1",
        f"upload 1, record 1 of {FIGURE_13}",
    ]


def test_explain_prints_names_and_paths_as_they_are(run: Run, lake: Engine, tmp_path: Path) -> None:
    file = tmp_path / "[red]a :smile: [b]" / "case.json"
    file.parent.mkdir()
    file.write_bytes(FIGURE_13.read_bytes())
    run("ingest", file)
    folded = run("explain", "measurement", scalar(lake, PI_RADS_ROW)).out
    assert str(file) in re.sub(r"\s*\n\s*", "", folded)


def test_every_generated_row_has_a_lineage(run: Run, lake: Engine) -> None:
    run("ingest", SAMPLES)
    assert all(scalar(lake, f"SELECT count(*) FROM omop.{table}") for table in TARGETS.keys() - EMPTY)
    for table, target in TARGETS.items():
        orphans = (
            f"SELECT count(*) FROM omop.{table} AS r"
            f" LEFT JOIN LATERAL lake.lineage(r.{target.id_column}) AS l ON true"
            f" WHERE l.target IS DISTINCT FROM '{table}'"
        )
        assert scalar(lake, orphans) == 0, table


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        (2, ("explain", "measurement", 5), "there is no measurement with measurement_id 5"),
        (2, ("explain", "concept", 5), "rows of 'concept' have no lineage of their own"),
        (2, ("explain", "person", 5), "no loaded case speaks of person 5"),
        (2, ("ingest", "/nowhere"), "'/nowhere' does not exist"),
        (2, ("sql", "SELEC 1"), "the query is not right"),
        (2, ("sql", "/nowhere.sql"), "'/nowhere.sql' cannot be read"),
        (2, ("sql", "DELETE FROM omop.person"), "`oncolake sql` only reads"),
        (2, ("map", "check", "--mappings", "/nowhere"), "there is no mapping.yaml in it"),
        (2, ("ingest", "--mappings", "/nowhere", FIGURE_13), "there is no mapping.yaml in it"),
        (2, ("stop",), "there is no embedded server"),
        (2, ("url", "--tcp"), "--tcp is for the embedded server"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, code: int, arguments: tuple[object, ...], message: str) -> None:
    said = run(*arguments)
    assert (said.code, said.out) == (code, "")
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
    assert "{not json" not in said.out + said.err
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
    assert scalar(lake, "SELECT count(*) FROM lake.documents") == 0


def test_coverage_adds_up_in_every_format(run: Run) -> None:
    run("ingest", SAMPLES)
    csv_rows = list(csv.reader(run("coverage", "--format", "csv").out.splitlines()))
    assert csv_rows[0][:3] == ["path", "total", "mapped"]
    counts = {path: list(map(int, numbers)) for path, *numbers in csv_rows[1:]}
    assert all(total == sum(fates) > 0 for total, *fates in counts.values())
    diameters = sum(lesion["diam1"] is not None for case in CASES for lesion in case.get("lesions") or ())
    assert counts["$.lesions[*].diam1"][:2] == [diameters, diameters]
    found = json.loads(run("coverage", "--format", "json").out)
    assert (found["mapping"], found["cases"]) == ("prostate", ALL)
    assert {one.pop("path"): list(one.values()) for one in found["places"]} == counts
    header, *rows, footer = cells(run("coverage").out)
    assert header == [*csv_rows[0], "mapped %"]
    assert {path: read_numbers(numbers[:-1]) for path, *numbers in rows} == counts
    assert read_numbers(footer[1:-1]) == [sum(column) for column in zip(*counts.values(), strict=True)]


def read_numbers(texts: list[str]) -> list[int]:
    return [int(one.replace(",", "")) for one in texts]


def test_coverage_shows_values_only_when_asked(run: Run) -> None:
    run("ingest", SAMPLES)
    for form in ("table", "csv", "json"):
        hidden = run("coverage", "--format", form)
        shown = run("coverage", "--format", form, "--show-values")
        assert (hidden.code, shown.code) == (0, 0)
        assert "PSMA-PET" not in hidden.out
        assert "PSMA-PET" in shown.out
    scanned = [(case.get("finalDiagnosis") or {}).get("imagingType") or () for case in CASES]
    count = str(sum("PSMA-PET" in modalities for modalities in scanned))
    place = ["$.finalDiagnosis.imagingType[*]", "PSMA-PET", count]
    assert place in cells(run("coverage", "--show-values").out)


def test_sample_is_seeded_and_can_be_ingested(run: Run, tmp_path: Path) -> None:
    first, again, other = run("sample", 5), run("sample", 5), run("sample", 5, "--seed", 2)
    assert first.out == again.out != other.out
    assert len({json.loads(line)["patientID"] for line in first.out.splitlines()}) == 5
    file = tmp_path / "five.ndjson"
    file.write_text(first.out)
    said = run("ingest", file)
    assert (said.code, said.out.splitlines()[0]) == (0, f"{file}: 5 cases, 5 stored (upload 1).")


def test_status_counts_what_is_there(run: Run, lake: Engine) -> None:
    run("ingest", SAMPLES)
    said = run("status")
    assert (said.code, said.err) == (0, "")
    shown = {name: int(count.replace(",", "")) for name, count in cells(said.out)}
    persons = len({case["patientID"] for case in CASES}) + 1
    told = (shown["cases"], shown["not loaded yet"], shown["persons"], shown["loaded"])
    assert told == (ALL, 0, persons, 2)
    for table in {"person", "observation_period", *TARGETS} - EMPTY:
        assert shown[table] == scalar(lake, f"SELECT count(*) FROM omop.{table}")
    assert shown["unmapped"] == scalar(lake, "SELECT count(*) FROM lake.problems WHERE kind = 'unmapped'")
    assert "placeholders until Athena vocabularies are loaded" in said.out


def test_url_prints_the_database_that_is_named(run: Run, lake_url: str) -> None:
    said = run("url")
    assert (said.code, said.err) == (0, "")
    assert make_url(said.out.strip()) == make_url(lake_url).set(drivername="postgresql")


def test_map_check_of_the_shipped_mapping_has_no_errors(run: Run) -> None:
    said = run("map", "check")
    assert (said.code, "0 errors, " in said.out) == (0, True)


def test_map_show_prints_the_document_and_the_code(run: Run) -> None:
    document, code = run("map", "show"), run("map", "show", "--code")
    assert (document.code, document.err, code.code) == (0, "", 0)
    assert document.out.startswith("# ")
    assert "4254766" in document.out
    assert "provisional" in code.err
    names: dict[str, object] = {"__builtins__": {}}
    exec(compile(code.out, "shown", "exec"), names)
    assert callable(names["run"])


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
    faults = re.findall(r"^lesions\.yaml:\d+: error: .* \[[a-z-]+\]$", checked.out, re.MULTILINE)
    assert faults
    assert f"{len(faults)} error" in checked.out
    said = run("ingest", "--mappings", folder, FIGURE_13)
    assert (said.code, said.out) == (2, "")
    assert [line for line in said.err.splitlines() if ": error: " in line] == faults
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
    assert (said.code, said.out) == (2, "")
    assert "run `oncolake init`" in said.err


def test_init_creates_and_then_changes_nothing(
    database_url: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, database_url)
    first, second = run("init"), run("init")
    assert (first.code, second.code) == (0, 0)
    assert "Tables created" in first.out
    assert re.search(r"Concepts: [1-9]\d* new, 0 changed, 0 as they were", first.out)
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
    assert scalar(lake, "SELECT count(*) FROM lake.uploads") == 0


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
        assert connection.scalar(text("SELECT count(*) FROM lake.uploads")) == 0
    assert run("ingest", FIGURE_13).code == 0
    assert scalar(lake, "SELECT count(*) FROM omop.person") == 1


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
    assert f"{len(CASES)} cases".encode() in shown
    assert f"{ALL} cases".encode() in shown
