"""D4.4's Table 23, line by line: what each field becomes, and that docs/table-23.md says the same."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from etl.mapping.bound import BoundRule
from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.mapping.paths import json_path
from etl.mapping.walk import parts, sources
from etl.plan import CaseKey
from etl.transform import transform
from tests import mini
from tests.spec.table_23 import BEYOND, TABLE_23
from tests.spec.table_23.document import COMMAND, written
from tests.spec.table_23.notation import Changes, Example, Line, Part, document

PROSTATE = files("mappings") / "prostate"
MAPPING = read_mapping(PROSTATE)
PLAN = compile_plan(MAPPING, provisional_numbers(MAPPING))
VALID = jsonschema_rs.validator_for(PLAN.schema, validate_formats=True)
NAMES = {rule.number: (rule.name, rule.each_path.count("[*]")) for rule in PLAN.rules}
CASE = CaseKey(1, 1, None)

RULES = {rule.name: rule for rule in MAPPING.every_rule()}
DOCUMENT = Path(__file__).parents[2] / "docs" / "table-23.md"

PARTS: tuple[Part, ...] = (*TABLE_23, *BEYOND)
LINES = [(part, line) for part in PARTS for line in part.lines]
EXAMPLES = [
    pytest.param(line, example, id=f"{part.title}: {line.field}: {example.says}")
    for part, line in LINES
    for example in line.examples
]
each_line = pytest.mark.parametrize("line", [pytest.param(line, id=line.field) for _, line in LINES])


@pytest.mark.parametrize(("line", "example"), EXAMPLES)
def test_the_line_becomes_these_rows_and_no_others(line: Line, example: Example) -> None:
    case = document(example.form or line.form, example.changes)
    VALID.validate(case)
    rows, problems = shown(case)
    assert sorted(row for row in rows if rule_of(row) in line.rules) == sorted(example.rows)
    # Which numbers are plausible is not D4.4's to say.
    assert [one for one in problems if ": implausible " not in one] == list(example.problems)


def shown(case: dict[str, Any]) -> tuple[list[str], list[str]]:
    result = transform(PLAN, case, CASE)
    told = mini.show(PLAN, result)
    persons = [mini.shown(PLAN, NAMES, "person", line) for line in result.rows["person"]]
    return [row.replace("person 1 ", "person ") for row in persons] + told.rows, told.problems


def rule_of(row: str) -> str:
    """The rule that made the row, or the row that is the event."""
    words = row.split()
    if words[0] == "person":
        return "person"
    name = words[1] if words[0] != "episode_event" else words[-1].removeprefix("event_id=")
    return name.partition("[")[0]


@each_line
def test_every_rule_of_the_line_makes_a_row_in_one_of_its_examples(line: Line) -> None:
    made = {rule_of(row) for example in line.examples for row in example.rows}
    assert made == set(line.rules)


def test_every_rule_of_the_mapping_belongs_to_a_line() -> None:
    named = {rule for _, line in LINES for rule in line.rules}
    assert set(RULES) | {"person"} == named


@each_line
def test_the_line_s_fields_are_read_by_its_rules(line: Line) -> None:
    read = {path for name in line.rules for path in fields_of(RULES.get(name))}
    assert set(line.at) <= read


def fields_of(rule: BoundRule | None) -> set[str]:
    """Where a rule stands and what it reads; of the person when there is none."""
    if rule is None:
        return {json_path(MAPPING.age.segments), f"$.{PLAN.case.patient}"}
    return {json_path(rule.scope), *(json_path(source.segments) for source in sources(parts(rule)))}


@pytest.mark.parametrize("name", MAPPING.folder.value_maps)
def test_a_value_map_is_whole_where_a_line_names_it(name: str) -> None:
    whole = {row.source_code: row.target_concept_id for row in MAPPING.folder.value_maps[name].rows}
    told = [dict(line.maps[name]) for _, line in LINES if name in line.maps]
    assert told
    assert [one for one in told if one != whole] == []


@each_line
def test_the_line_s_errata_exist(line: Line) -> None:
    errata = (PROSTATE / "ERRATA.md").read_text(encoding="utf-8")
    assert set(map(str, line.errata)) <= set(re.findall(r"^\| (\d+) \|", errata, re.MULTILINE))


def test_every_episode_but_the_disease_is_part_of_it() -> None:
    cases = [document(one.form or line.form, one.changes) for _, line in LINES for one in line.examples]
    rows = [row for case in cases for row in shown(case)[0] if row.startswith("episode ")]
    of_a_disease = [row for row in rows if " episode.disease " not in row]
    assert len(of_a_disease) > 100
    assert [row for row in of_a_disease if " episode_parent_id=episode.disease " not in row] == []


#: Something that only the section's rules would make a row of, and the problem that it is on other forms.
SECTIONS: dict[str, tuple[Changes, str]] = {
    "prostatectomy": (
        {"prostatectomyInfo": {"RPmethod": "Other"}},
        "prostatectomy: invalid $.prostatectomyInfo.RPmethod",
    ),
    "lesions": ({"lesions": [{"diam1": 4}]}, "lesion.diam1: invalid $.lesions[0].diam1"),
    "invasion": (
        {"invasionInfo": {"perineuralInvasion": True}},
        "perineural_invasion: invalid $.invasionInfo.perineuralInvasion",
    ),
    "treatment": (
        {"treatment": {"rectalToxAcute": 1}},
        "rectal_tox_acute: invalid $.treatment.rectalToxAcute",
    ),
    "quality_of_life": ({"qualityOfLife": {"epic26": 80}}, "epic26: invalid $.qualityOfLife.epic26"),
    "final_diagnosis": (
        {"finalDiagnosis": {"metastasis": ["Bone"]}},
        "metastasis: invalid $.finalDiagnosis.metastasis[0]",
    ),
    "follow_up": (
        {"followUp": [{"biochemicalRelapse": False}]},
        "biochemical_relapse: invalid $.followUp[0].biochemicalRelapse",
    ),
}
LACKING = [
    (form, section)
    for form, told in MAPPING.folder.mapping.forms.items()
    for section in MAPPING.folder.sections
    if section not in told.sections
]


@pytest.mark.parametrize(("form", "section"), LACKING)
def test_a_section_that_the_form_lacks_makes_no_rows_and_is_told(form: str, section: str) -> None:
    changes, problem = SECTIONS[section]
    with_it, without = document(form, changes), document(form, {})
    VALID.validate(with_it)
    assert shown(with_it) == (shown(without)[0], [f"{problem}: the form has no section '{section}'"])


def test_the_published_document_is_the_tables() -> None:
    published = DOCUMENT.read_text(encoding="utf-8")
    assert published == written(MAPPING), f"docs/table-23.md is out of date; regenerate it: {COMMAND}"


def test_links_of_the_document_lead_somewhere() -> None:
    links = set(re.findall(r"\]\(([^)#]+)(?:#L\d+)?\)", DOCUMENT.read_text(encoding="utf-8")))
    assert len(links) > 20
    assert [link for link in links if not (DOCUMENT.parent / link).is_file()] == []
