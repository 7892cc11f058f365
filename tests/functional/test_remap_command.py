"""``oncolake remap`` as a curator meets it: the preview, the remap, what they say and their exit codes."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from etl.remap import remap
from etl.setup import DEFAULT_MAPPING, prepare
from tests import mini, remaps
from tests.functional.conftest import Run, Terminal

NOTHING = "Nothing to do: every case is loaded with this version of the mapping.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return remaps.write(tmp_path / "mapping")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return remaps.write_documents(tmp_path / "cases.ndjson")


@pytest.fixture
def ingested(run: Run, folder: Path, file: Path) -> Run:
    run("ingest", "--mappings", folder, file)
    return run


def lines(said: str) -> list[str]:
    """Words of each line, without what draws the tables."""
    plain = (
        "".join(" " if character in "│┃" else character for character in line) for line in said.splitlines()
    )
    return [" ".join(line.split()) for line in plain if line[:1] not in "┏┡└├"]


def digest(lake: Engine) -> str:
    """What is printed of the digest of the one mapping that made all cases."""
    with lake.connect() as connection:
        return str(connection.execute(text("SELECT DISTINCT left(plan, 12) FROM lake.cases")).scalar_one())


def test_edit_preview_remap(ingested: Run, folder: Path, lake: Engine) -> None:
    for option in ((), ("--dry-run",)):
        assert ingested("remap", *option, "--mappings", folder) == (0, NOTHING, "")
    said = ingested("remap", "--all", "--dry-run", "--mappings", folder)
    assert said == (0, "12 cases would be made anew; none of their rows and problems would change.\n", "")
    remaps.EDITS["value map fixed"](folder)
    remaps.EDITS["rule renamed"](folder)
    graded, rated = (mini.line_of(folder, mini.SECTION, name) for name in ("graded:", "rated:"))
    before = remaps.untouched(lake)
    said = ingested("remap", "--dry-run", "--mappings", folder)
    assert remaps.untouched(lake) == before
    assert (said.code, said.err) == (0, "")
    assert lines(said.out) == [
        "12 cases would be made anew; the rows or problems of 12 would change.",
        "Rules",
        "rule at change what added changed removed",
        f"graded main.yaml:{graded} changed value_as_concept_id 4",
        f"rated main.yaml:{rated} added 8",
        f"scored main.yaml:{rated} removed 8",
        "Rows by table",
        "OMOP table added changed removed",
        "measurement 8 4 8",
        "total 8 4 8",
        "Rows by concept",
        "OMOP table concept added changed removed",
        "measurement 60 Size 8 8",
        "measurement 61 Grade 4",
        "Problems",
        "rule kind appear vanish",
        "graded unmapped 0 4",
    ]
    said = ingested("remap", "--mappings", folder)
    applied = f"remapping 12 cases of 'mini' with {folder} (digest {digest(lake)})\n"
    assert (said.code, said.err) == (1, applied)
    assert lines(said.out)[0] == "12 cases loaded"
    assert "scan.size invalid 9" in lines(said.out)
    assert not any(line.startswith("graded unmapped") for line in lines(said.out))
    assert ingested("remap", "--dry-run", "--mappings", folder).out == NOTHING
    assert ingested("remap", "--mappings", folder).out == NOTHING


def test_without_a_case_of_the_mapping_it_says_so_and_what_there_is(
    run: Run, folder: Path, file: Path, tmp_path: Path
) -> None:
    none = "Nothing to do: no case of mapping 'mini' is in the lake; "
    ways = [(), ("--all",), ("--dry-run",), ("--dry-run", "--all")]
    for way in ways:
        assert run("remap", *way, "--mappings", folder) == (0, f"{none}it has no cases yet.\n", "")
    other = remaps.write(tmp_path / "other")
    mini.change(other, mini.MAPPING, "name: mini", "name: other")
    run("ingest", "--mappings", other, file)
    for way in ways:
        said = run("remap", *way, "--mappings", folder)
        assert said == (0, f"{none}it has cases of 'other' (12).\n", "")
    found = json.loads(run("remap", "--dry-run", "--format", "json", "--mappings", folder).out)
    assert (found["cases"], found["notices"]) == (0, [f"{none}it has cases of 'other' (12)."])


def test_a_remap_renews_the_views(ingested: Run, folder: Path, lake: Engine) -> None:
    scores = "SELECT count(score) FROM research.score"
    view = folder / "research" / "score.yaml"
    view.parent.mkdir()
    view.write_text("title: Scores\nrow: case\ncolumns:\n  score: {rule: scored, says: It}\n")

    def counted() -> int:
        with lake.connect() as connection:
            return int(connection.execute(text(scores)).scalar_one())

    assert ingested("init", "--mappings", folder).code == 0
    assert counted() == 8
    remaps.EDITS["rule renamed"](folder)
    view.write_text(view.read_text().replace("scored", "rated"))
    told = ingested("init", "--mappings", folder).err.splitlines()[-1]
    assert told.startswith("12 cases were loaded with another version of this mapping: `oncolake remap --m")
    assert counted() == 0, "the rows are those of the rule before"
    view.write_text(view.read_text().replace("rated, says: It", "rated, says: The score"))
    ingested("remap", "--mappings", folder)
    assert counted() == 8
    with lake.connect() as connection:
        said = connection.scalars(
            text("SELECT col_description(attrelid, attnum) FROM pg_attribute"
                 " WHERE attrelid = 'research.score'::regclass AND attname = 'score'")
        )  # fmt: skip
        assert str(said.one()).startswith("The score")
    assert "another version" not in ingested("init", "--mappings", folder).err


@pytest.fixture
def scores(ingested: Run, folder: Path) -> Path:
    """A view file of the mapping, whose view is made; then the rule that it reads is renamed in both."""
    view = folder / "research" / "score.yaml"
    view.parent.mkdir()
    view.write_text("title: Scores\nrow: case\ncolumns:\n  score: {rule: scored, says: It}\n")
    ingested("init", "--mappings", folder)
    remaps.EDITS["rule renamed"](folder)
    view.write_text(view.read_text().replace("scored", "rated"))
    return view


def test_a_remap_that_was_stopped_before_the_views_is_finished_by_the_next(
    run: Run, folder: Path, scores: Path, lake: Engine
) -> None:
    remap(lake, prepare(lake, folder))
    counted = text("SELECT count(score) FROM research.score")
    with lake.connect() as connection:
        assert connection.execute(counted).scalar_one() == 0, "it looks for the rows before"
    assert run("remap", "--mappings", folder) == (0, NOTHING, "")
    with lake.connect() as connection:
        assert connection.execute(counted).scalar_one() == 8


def test_what_was_remapped_is_told_where_a_view_cannot_be_made(
    run: Run, folder: Path, scores: Path, lake: Engine
) -> None:
    scores.write_text(scores.read_text().replace("  score:", "  points:"))
    with lake.begin() as connection:
        connection.execute(text("CREATE VIEW research.yours AS SELECT score FROM research.score"))
    said = run("remap", "--mappings", folder)
    assert (said.code, lines(said.out)[0]) == (2, "12 cases loaded")
    assert "oncolake: research/score.yaml: columns changed" in said.err
    with lake.begin() as connection:
        connection.execute(text("DROP VIEW research.yours"))
    assert run("remap", "--mappings", folder) == (0, NOTHING, "")
    with lake.connect() as connection:
        assert connection.scalar(text("SELECT count(points) FROM research.score")) == 8


def test_status_and_ingest_name_remap(ingested: Run, folder: Path, tmp_path: Path) -> None:
    remaps.EDITS["nothing"](folder)
    more = remaps.write_documents(tmp_path / "more.ndjson", {**mini.BARE, "id": "N"})
    told = "12 cases were loaded with another version of {} their rows anew, and with --dry-run tells"
    said = ingested("ingest", "--mappings", folder, more)
    assert told.format(f"this mapping: `oncolake remap --mappings {folder}` makes") in said.err
    newest = (
        "the mapping than the case loaded last: `oncolake remap`, with the --mappings that they should be of"
    )
    assert told.format(f"{newest}, makes") in ingested("status").out
    said = ingested("remap", "--dry-run", "--mappings", folder)
    assert said.out == "12 cases would be made anew; none of their rows and problems would change.\n"
    ingested("remap", "--mappings", folder)
    assert "another version" not in ingested("status").out


def test_the_preview_as_json_and_csv(ingested: Run, folder: Path) -> None:
    remaps.EDITS["value map fixed"](folder)
    line = mini.line_of(folder, mini.SECTION, "graded:")
    rows = {"added": 0, "changed": 4, "removed": 0}
    said = ingested("remap", "--dry-run", "--format", "json", "--mappings", folder)
    assert (said.code, json.loads(said.out)) == (
        0,
        {
            "mapping": "mini",
            "cases": 12,
            "changed": 4,
            "failed": 0,
            "rules": [
                {
                    "rule": "graded",
                    "at": f"main.yaml:{line}",
                    "change": "changed",
                    "what": ["value_as_concept_id"],
                    **rows,
                }
            ],
            "tables": {"measurement": rows},
            "concepts": [{"table": "measurement", "concept_id": 61, "concept_name": "Grade", **rows}],
            "problems": [{"rule": "graded", "kind": "unmapped", "appear": 0, "vanish": 4}],
            "failures": [],
            "notices": [],
        },
    )
    said = ingested("remap", "--dry-run", "--format", "csv", "--mappings", folder)
    assert list(csv.reader(io.StringIO(said.out))) == [
        ["table", "concept_id", "concept_name", "added", "changed", "removed"],
        ["measurement", "61", "Grade", "0", "4", "0"],
    ]


def test_a_case_that_fails_is_named_and_keeps_its_rows(ingested: Run, folder: Path) -> None:
    remaps.EDITS["schema narrowed"](folder)
    why = "its document is no longer valid: the schema has changed since it landed; send it again"
    said = ingested("remap", "--dry-run", "--mappings", folder)
    assert (said.code, f" would stay as it is: {why}\n" in said.out) == (0, True)
    assert lines(said.out)[0] == (
        "11 cases would be made anew, 1 would stay as it is; the rows or problems of 4 would change."
    )
    said = ingested("remap", "--mappings", folder)
    assert (said.code, f" stays as it was: {why}\n" in said.out) == (1, True)
    assert "1 case was loaded with another version" in ingested("status").out
    said = ingested("remap", "--mappings", folder)
    assert (said.code, said.out.count("\n")) == (1, 1)


def test_without_a_folder_it_says_that_the_shipped_mapping_is_applied(
    run: Run, lake: Engine, tmp_path: Path
) -> None:
    edited = shutil.copytree(str(DEFAULT_MAPPING), tmp_path / "my-mapping")
    with edited.joinpath("mapping.yaml").open("a") as file:
        file.write("# edited\n")
    run("ingest", "--mappings", edited, edited / "samples" / "figure-13.json")
    said = run("remap")
    assert said.err == (
        f"remapping 1 case of 'prostate' with the shipped mapping, {DEFAULT_MAPPING}"
        f" (digest {digest(lake)})\n"
    )
    assert run("remap").err == ""
    assert run("remap", "--all").err == said.err


@pytest.mark.parametrize(
    ("oldest", "cases", "told"),
    [
        (61, 3, ", 9 would stay as they are; none of their rows and problems would change."),
        (59, 0, ", 12 would stay as they are."),
    ],
)
def test_cases_that_would_fail_are_not_counted_as_made_anew(
    ingested: Run, folder: Path, oldest: int, cases: int, told: str
) -> None:
    age = '"age": {"type": "integer"'
    mini.change(folder, mini.SCHEMA, age, f'{age}, "maximum": {oldest}')
    said = ingested("remap", "--dry-run", "--mappings", folder)
    assert (said.code, said.out.splitlines()[0]) == (0, f"{cases} cases would be made anew{told}")
    found = json.loads(ingested("remap", "--dry-run", "--format", "json", "--mappings", folder).out)
    assert (found["cases"], found["failed"], found["changed"]) == (cases, 12 - cases, 0)
    assert len(found["failures"]) == 12 - cases
    said = ingested("remap", "--mappings", folder)
    assert ("loaded" in said.out, said.out.count("stays as it was")) == (cases > 0, 12 - cases)


@pytest.mark.parametrize("option", [(), ("--dry-run",)], ids=["remap", "preview"])
def test_a_mapping_with_errors_is_refused(
    ingested: Run, folder: Path, lake: Engine, option: tuple[str]
) -> None:
    mini.change(folder, mini.SECTION, "number: count", "number: cuont")
    before = remaps.untouched(lake)
    said = ingested("remap", *option, "--mappings", folder)
    assert (said.code, said.out) == (2, "")
    assert "unknown-path" in said.err
    assert said.err.endswith("mend them and run it again\n")
    assert remaps.untouched(lake) == before


def test_a_format_is_for_the_preview_only(run: Run) -> None:
    said = run("remap", "--format", "json")
    assert (said.code, said.err) == (
        2,
        "oncolake: --format is for --dry-run; a remap reports as ingest does\n",
    )


def test_a_concept_described_otherwise_is_told_before_and_refused(ingested: Run, folder: Path) -> None:
    names = {each.concept_id: each.concept_name for each in mini.CONCEPTS.values()}
    remaps.write_concepts(folder, names | {60: "Length"})
    section = folder / mini.SECTION
    section.write_text(section.read_text().replace("60 Size", "60 Length"))
    advice = "run `oncolake init --mappings DIR`"
    said = ingested("remap", "--dry-run", "--mappings", folder)
    assert said.code == 0
    assert f"The database describes 1 concept otherwise than the mapping: {advice} before" in said.out
    said = ingested("remap", "--mappings", folder)
    assert (said.code, advice in said.err) == (2, True)
    ingested("init", "--mappings", folder)
    assert ingested("remap", "--mappings", folder).out.startswith("12 cases loaded")


def test_an_empty_database_asks_for_init(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONCOLAKE_DATABASE_URL", database_url)
    for option in ((), ("--dry-run",)):
        said = run("remap", *option)
        assert (said.code, "run `oncolake init`" in said.err) == (2, True)


def test_on_a_narrow_terminal_nothing_is_cut(terminal: Terminal, folder: Path, file: Path) -> None:
    terminal(80, "ingest", "--mappings", folder, file)
    remaps.EDITS["rule that others refer to renamed"](folder)
    for columns in (60, 200):
        said = terminal(columns, "remap", "--dry-run", "--mappings", folder)
        assert said.code == 0
        for word in ("scanned.size", "main.yaml:", "modifier_of_event_id", "40 Scan", "procedure_occurrence"):
            assert word in said.out, (columns, word)
        assert "…" not in said.out
