"""Following docs/new-disease.md: the files it shows, what its commands print, the rows they make."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from etl.plan import CaseKey
from etl.transform import decode, transform
from omop_schema.database import SETTING
from tests import mini
from tests.conftest import engine_on
from tests.functional.conftest import Run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "new-disease.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples"
FOLDER = EXAMPLES / "breast_imaging"
FIGURE_13 = ROOT / "mappings" / "prostate" / "samples" / "figure-13.json"
PLAN = mini.plan(FOLDER)
WOMAN, MAN = json.loads(FOLDER.joinpath("samples", "cases.json").read_text(encoding="utf-8"))

_BLOCK = re.compile(
    r"^(?:\*\*`(?P<file>[^`\n]+)`\*\*\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
#: What depends on more than the page: the migrations, and how many concepts come with Oncolake.
_VARIES = re.compile(r"at version \d{4}|Concepts: \d+ new, 0 changed, \d+ as they were")


class Command(NamedTuple):
    """A command of the page, and the lines that it shows."""

    arguments: list[str]
    shown: list[str]


class File(NamedTuple):
    """A file that the page shows in full."""

    path: str
    content: str


def steps() -> Iterator[Command | File]:
    """What a reader is to write and to run, in the page's order."""
    for block in _BLOCK.finditer(PAGE):
        if block["file"]:
            yield File(block["file"], block["text"])
        elif block["language"] == "console":
            yield from commands(block["text"])


def commands(block: str) -> Iterator[Command]:
    for one in re.split(r"^\$ oncolake ", block, flags=re.M)[1:]:
        lines = one.splitlines()
        # A command goes on until its quotation ends.
        length = next(n for n in range(1, len(lines) + 1) if "\n".join(lines[:n]).count('"') % 2 == 0)
        yield Command(shlex.split("\n".join(lines[:length])), lines[length:])


def test_the_page_shows_every_file_of_the_example_as_it_is() -> None:
    shown = {one.path: one.content for one in steps() if isinstance(one, File)}
    files = {
        str(file.relative_to(EXAMPLES)): file.read_text(encoding="utf-8")
        for file in FOLDER.rglob("*")
        if file.is_file()
    }
    assert shown == files


def test_the_page_runs_what_a_curator_needs() -> None:
    run = [one.arguments for one in steps() if isinstance(one, Command)]
    assert {arguments[0] for arguments in run} == {"map", "init", "ingest", "coverage", "sql", "explain"}
    assert PAGE.count("\n$ ") == len(run), "every command of the page is one of oncolake"


def test_whoever_follows_the_page_sees_what_it_shows(
    run: Run, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, database_url)
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("mappings").symlink_to(ROOT / "mappings")
    for one in steps():
        if isinstance(one, File):
            tmp_path.joinpath(one.path).parent.mkdir(parents=True, exist_ok=True)
            tmp_path.joinpath(one.path).write_text(one.content, encoding="utf-8")
            continue
        said = run(*one.arguments)
        lines = [line.rstrip() for line in (said.out + said.err).splitlines()]
        assert excerpt(lines, one.shown) == masked(one.shown), one.arguments
        assert said.code == any(": error: " in line for line in lines), one.arguments
    assert rows(database_url, "SELECT DISTINCT mapping FROM lake.cases") == [("breast",), ("prostate",)]
    assert rows(database_url, "SELECT * FROM lake.problems WHERE kind = 'disagrees'") == []


def masked(lines: list[str]) -> list[str]:
    return [_VARIES.sub("(varies)", line) for line in lines]


def excerpt(lines: list[str], shown: list[str]) -> list[str]:
    """The lines, those left out that the page leaves out after a last line of dots."""
    kept = masked(lines)
    return [*kept[: len(shown) - 1], "..."] if shown[-1:] == ["..."] else kept


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with engine_on(url) as engine, engine.connect() as connection:
        return sorted(map(tuple, connection.execute(text(query))))


def edited(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """The example with one text replaced."""
    folder = Path(shutil.copytree(FOLDER, tmp_path / "edited"))
    written = folder.joinpath(file).read_text(encoding="utf-8")
    assert written.count(old) == 1
    folder.joinpath(file).write_text(written.replace(old, new), encoding="utf-8")
    return folder


def test_without_the_ignored_path_the_checker_asks_about_it(run: Run, tmp_path: Path) -> None:
    ignored = "ignore:\n  readBy: It says who read the images, and nothing about the patient.\n"
    said = run("map", "check", "--mappings", edited(tmp_path, "mapping.yaml", ignored, ""))
    assert said.code == 1
    assert "'$.readBy' is neither mapped nor in 'ignore' [unmapped-path]" in said.out


def test_a_custom_id_of_the_other_disease_is_named_and_nothing_is_loaded(
    run: Run, lake_url: str, tmp_path: Path
) -> None:
    folder = edited(tmp_path, "concepts.csv", "2000100004,", "2000000004,")
    value_map = folder / "value_maps" / "density.csv"
    value_map.write_text(value_map.read_text().replace("2000100004,", "2000000004,"))
    before = rows(lake_url, "SELECT concept_id, concept_name FROM omop.concept")
    said = run("init", "--mappings", folder)
    assert (said.code, said.out) == (2, "")
    assert "renumber one of them: 2000000004 ('PROCANCERI', not 'BREASTDEMO')" in said.err
    assert rows(lake_url, "SELECT concept_id, concept_name FROM omop.concept") == before


def test_a_shared_concept_has_the_words_of_the_last_init_and_the_other_mapping_asks_for_one(
    run: Run, tmp_path: Path
) -> None:
    folder = edited(tmp_path, "concepts.csv", '"Lesion size, greatest dimension"', "Lesion size")
    section = folder / "exam.yaml"
    section.write_text(
        section.read_text().replace('"4245121 Lesion size, greatest dimension"', "4245121 Lesion size")
    )
    assert "1 changed" in run("init", "--mappings", folder).out
    said = run("ingest", FIGURE_13)
    assert said.code == 2
    assert "4245121 is 'Lesion size (Measurement)', not 'Lesion size, greatest dimension" in said.err
    assert "1 changed" in run("init").out
    assert run("ingest", FIGURE_13).code == 0


VISIT = "visit_occurrence_id=visit.imaging"


def visit(day: str) -> str:
    return f"visit_occurrence visit.imaging 2000100001 visit_start_date={day}"


def exam(day: str) -> str:
    return f"procedure_occurrence mammography 4324693 procedure_date={day} {VISIT}"


def lesion(index: int, day: str) -> str:
    return f"condition_occurrence lesion[{index}] 2000100008 condition_start_date={day} {VISIT}"


def measured(rule: str, concept: int, day: str, value: str, said: str) -> str:
    return f"measurement {rule} {concept} measurement_date={day} {value} {VISIT} value_source_value={said}"


def of_exam(rule: str, concept: int, day: str, value: str, said: str) -> str:
    link = "modifier_of_event_id=mammography modifier_of_field_concept_id=1147082"
    return f"{measured(f'mammography.{rule}', concept, day, value, said)} {link}"


def of_lesion(index: int, rule: str, concept: int, day: str, value: str, said: str) -> str:
    link = f"modifier_of_event_id=lesion[{index}] modifier_of_field_concept_id=1147127"
    return f"{measured(f'lesion.{rule}[{index}]', concept, day, value, said)} {link}"


@dataclass(frozen=True)
class Case:
    """A filling of the form, and every row that it becomes; the person's row is apart."""

    says: str
    document: dict[str, Any]
    rows: tuple[str, ...]


CASES = [
    Case(
        "the sample's woman: 14 days after the referral, two lesions, one of unknown size",
        WOMAN,
        (
            visit("2000-01-15"),
            exam("2000-01-15"),
            lesion(0, "2000-01-15"),
            lesion(1, "2000-01-15"),
            of_exam("density", 2000100003, "2000-01-15", "value_as_concept_id=2000100006", "c"),
            of_exam("bi_rads", 2000100002, "2000-01-15", "value_as_number=4", "4"),
            of_lesion(0, "side", 2000100009, "2000-01-15", "value_as_concept_id=2000100010", "left"),
            of_lesion(0, "size", 4245121, "2000-01-15", "value_as_number=11.5 unit_concept_id=8588", "11.5"),
            of_lesion(1, "side", 2000100009, "2000-01-15", "value_as_concept_id=2000100011", "right"),
        ),
    ),
    Case(
        "the sample's man: no density, no lesion",
        MAN,
        (
            visit("2000-01-08"),
            exam("2000-01-08"),
            of_exam("bi_rads", 2000100002, "2000-01-08", "value_as_number=2", "2"),
        ),
    ),
    Case(
        "an examination before the referral, category 0",
        {**MAN, "examDate": "2022-02-13", "biRads": 0},
        (
            visit("1999-12-31"),
            exam("1999-12-31"),
            of_exam("bi_rads", 2000100002, "1999-12-31", "value_as_number=0", "0"),
        ),
    ),
    Case(
        "nothing but the keys: the visit and the examination",
        {**MAN, "biRads": None, "lesions": None, "readBy": None},
        (visit("2000-01-08"), exam("2000-01-08")),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_a_case_becomes_exactly_these_rows(case: Case) -> None:
    result = mini.show(PLAN, transform(PLAN, case.document, CaseKey(7, 3, None)))
    assert (sorted(result.rows), result.problems) == (sorted(case.rows), [])


@pytest.mark.parametrize(
    ("code", "concept"), [("a", 2000100004), ("b", 2000100005), ("c", 2000100006), ("d", 2000100007)]
)
def test_every_density_has_its_concept(code: str, concept: int) -> None:
    result = mini.show(PLAN, transform(PLAN, {**MAN, "density": code}, CaseKey(7, 3, None)))
    density = of_exam("density", 2000100003, "2000-01-08", f"value_as_concept_id={concept}", code)
    assert density in result.rows


@pytest.mark.parametrize(("document", "person"), [(WOMAN, (8532, 1948)), (MAN, (8507, 1926))])
def test_sex_and_age_are_the_persons(document: dict[str, Any], person: tuple[int, int]) -> None:
    line = transform(PLAN, document, CaseKey(7, 3, None)).rows["person"][0]
    row = decode(PLAN, "person", line)
    assert (int(row["gender_concept_id"] or 0), int(row["year_of_birth"] or 0)) == person
