"""The checker on images, curation and annexes: each case changes one thing in a folder without findings."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from etl.mapping.findings import KINDS, Finding
from tests import mini
from tests.mini import MAPPING, SCHEMA
from tests.spec.test_checker import check, rule
from vocabularies.concepts import shipped

Change = tuple[str, str, str]
RUN = "curation_function: f, source_series_uid: '1'"
SHOT = "curation_function: f, source_series_uid: '1', parameters: {json: items}"
SERIES = "study_instance_uid: '1', series_instance_uid: '2'"
KEYS = "case: {patient: id, form: form}"
BASELINE = "baseline: {is: 2000-01-01, date: day}\n"
PERSON = "person: {gender: 30 Female, age: age}\n"
FORMS = """\
forms:
  A: {title: Form A, use_cases: [1], sections: [main]}
  B: {title: Form B, use_cases: [2], sections: [main]}
"""
TIME = (SCHEMA, '    "days"', '    "at": {"type": ["string", "null"], "format": "date-time"},\n    "days"')


MAPPED = (MAPPING, "  items: not needed here\n", "")


@dataclass(frozen=True)
class Case:
    """A change to the folder, and the findings that follow from it."""

    says: str
    change: Change
    findings: tuple[tuple[str, str], ...] = ()
    """Kind, and how the message begins."""
    prepared: tuple[Change, ...] = ()


def run(column: str) -> Change:
    return rule(f"{{table: curation_run, set: {{{SHOT}, {column}}}}}")


def image(column: str, words: str = "") -> Change:
    return rule(f"{{table: radiology_image, {words}set: {{{SERIES}, {column}}}}}")


CASES = [
    Case(
        "a study without concept, visit and date",
        rule("{table: radiology_occurrence, set: {study_instance_uid: '1'}}"),
    ),
    Case(
        "a study without its UID",
        rule("{table: radiology_occurrence}"),
        (("missing-column", "radiology_occurrence.study_instance_uid must not be empty"),),
    ),
    Case("a series leaves its study to the loader", image("modality: MR")),
    Case(
        "a column that the loader fills",
        image("radiology_occurrence_id: 3"),
        (("wrong-type", "'radiology_occurrence_id' is written for you"),),
    ),
    Case(
        "a link that is written for you",
        rule("{table: radiology_occurrence, set: {study_instance_uid: '1', procedure_occurrence_id: 3}}"),
        (("wrong-type", "'procedure_occurrence_id' is written for you"),),
    ),
    Case(
        "a concept where the table has no column for it",
        rule(f"{{table: radiology_image, concept: 40 Scan, set: {{{SERIES}}}}}"),
        (("unknown-column", "radiology_image has no column for 'concept'"),),
    ),
    Case(
        "no concept where the table needs one",
        rule("{table: image_feature, number: size, set: {series_instance_uid: '1'}}"),
        (("bad-shape", "'extra.concept' is missing"),),
    ),
    Case(
        "a run without its parameters",
        rule(f"{{table: curation_run, set: {{{RUN}}}}}"),
        (("missing-column", "curation_run.parameters must not be empty"),),
    ),
    Case(
        "a step of a study",
        rule(
            "{table: radiology_occurrence, set: {study_instance_uid: '1'}, rows:"
            " {s: {table: registration_step, set: {step_number: 1, step_name: x}}}}"
        ),
        (("wrong-type", "a row of registration_step cannot be recorded of a row of radiology_occurrence"),),
    ),
    Case(
        "a study as the event of an episode",
        rule("{table: radiology_occurrence, episode: whole, set: {study_instance_uid: '1'}}"),
        (("wrong-type", "rows of radiology_occurrence cannot be episode events"),),
    ),
    Case("a part of the document", run("tool_name: t"), (), (MAPPED,)),
    Case(
        "a part that there is not",
        image("attributes: {json: itmes}"),
        (("unknown-path", "'itmes' is not in '$'; did you mean 'items'?"),),
    ),
    Case(
        "a part of another item",
        image("attributes: {json: items.subs}"),
        (("unknown-path", "'subs' is not in '$.items'"),),
    ),
    Case(
        "a part where a text goes",
        image("modality: {json: items}"),
        (("wrong-type", "'modality' is text, not json"),),
    ),
    Case(
        "a text where a part goes",
        image("attributes: size"),
        (("wrong-type", "'attributes' is json: write '{json: PATH}'"),),
    ),
    Case(
        "a value where a part goes",
        image("attributes: {from: size}"),
        (("wrong-type", "'attributes' is json: write '{json: PATH}'"),),
    ),
    Case(
        "a map where a part goes",
        image("attributes: {from: grade, map: {low: 1, high: 2}}"),
        (("wrong-type", "'attributes' is json, which no map gives"),),
    ),
    Case(
        "the place of an item",
        image("image_no: {position: true}", "each: items, "),
    ),
    Case(
        "the place of a case",
        image("image_no: {position: true}"),
        (("wrong-type", "the case has no position: this is not inside a list"),),
    ),
    Case(
        "the place as a text",
        image("modality: {position: true}", "each: items, "),
        (("wrong-type", "'modality' is text, a position is an integer"),),
    ),
    Case(
        "a list as one text",
        image("image_type: {join: items}"),
        (("wrong-type", "'$.items' is not a list of single values"),),
    ),
    Case(
        "no list as one text",
        image("image_type: {join: word}"),
        (("wrong-type", "'$.word' is not a list of single values"),),
    ),
    Case(
        "a list as a number",
        image("image_no: {join: items}"),
        (("wrong-type", "'image_no' is integer, a joined list is text"),),
    ),
    Case("when a tool did its work", run("performed_at: {from: at}"), (), (TIME, MAPPED)),
    Case(
        "a date is no time",
        run("performed_at: {from: day}"),
        (("wrong-type", "'$.day' has no 'format: date-time' in the schema"),),
    ),
    Case(
        "a time written out",
        run("performed_at: '2020-01-01T00:00:00Z'"),
        (("wrong-type", "'performed_at' is instant: write '{from: PATH}'"),),
    ),
    Case(
        "a date of care is no such time",
        image("series_datetime: {from: at}"),
        (("wrong-type", "'series_datetime' is written for you"),),
        (TIME, (MAPPING, "ignore:\n", "ignore:\n  at: not needed here\n")),
    ),
    Case(
        "a person without a baseline",
        (MAPPING, BASELINE, ""),
        (
            *[("broken-reference", "the mapping has no 'baseline'")] * 3,
            ("bad-shape", "'baseline' is missing: a person's year of birth is counted from it"),
        ),
    ),
    Case("no patient", (MAPPING, KEYS, "case: {form: form}"), (("bad-shape", "'case.patient' is missing"),)),
    Case("no form", (MAPPING, KEYS, "case: {patient: id}"), (("bad-shape", "'case.form' is missing"),)),
    Case(
        "a person of a series",
        (MAPPING, KEYS, "case: {series: id}"),
        (("bad-shape", "a case that names its 'series' cannot describe a person"),),
    ),
    Case(
        "a patient and a series",
        (MAPPING, KEYS, "case: {patient: id, series: id}"),
        (("bad-shape", "a case that names its 'series' has the patient of the series: leave out 'patient'"),),
        (
            (MAPPING, PERSON, ""),
            (MAPPING, FORMS, "sections: [main]\n"),
            (MAPPING, "ignore:\n", "ignore:\n  age: no\n  form: no\n"),
        ),
    ),
    Case(
        "a series that may be missing",
        (MAPPING, KEYS, "case: {series: word}"),
        (("missing-column", "'word' may be missing, but says whose case it is"),),
        ((MAPPING, PERSON, ""), (MAPPING, FORMS, "sections: [main]\n")),
    ),
    Case(
        "a series that is too long",
        (MAPPING, KEYS, "case: {series: form}"),
        (("long-key", "'form' may be longer than the 64 characters of a series"),),
        (
            (MAPPING, PERSON, ""),
            (MAPPING, FORMS, "sections: [main]\n"),
            (MAPPING, "ignore:\n", "ignore:\n  id: no\n  age: no\n"),
            (SCHEMA, '{"type": "string", "enum": ["A", "B"]}', '{"type": "string"}'),
        ),
    ),
    Case(
        "a file beside the sections that is not there",
        (MAPPING, "ignore:\n", "beside: [tags.yaml]\nignore:\n"),
        (("unreadable", "there is no file 'tags.yaml' beside the sections"),),
    ),
    Case("no sections and no forms but all that is there", (MAPPING, FORMS, "sections: [main]\n")),
]


def found(folder: Path) -> list[Finding]:
    return check(folder, mini.CONCEPTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_one_change_gives_these_findings(tmp_path: Path, case: Case) -> None:
    mini.write(tmp_path)
    for change in (*case.prepared, case.change):
        mini.change(tmp_path, *change)
    findings = found(tmp_path)
    told = [(one.kind, one.severity) for one in findings]
    assert sorted(told) == sorted((kind, KINDS[kind][0]) for kind, _ in case.findings), findings
    for _, message in case.findings:
        assert any(one.message.startswith(message) for one in findings), findings


def test_a_file_beside_the_sections_is_not_of_the_mapping(tmp_path: Path) -> None:
    mini.write(tmp_path)
    tmp_path.joinpath("tags.yaml").write_text("study: {}\n")
    assert [one.kind for one in found(tmp_path)] == ["unused-file"]
    mini.change(tmp_path, MAPPING, "ignore:\n", "beside: [tags.yaml]\nignore:\n")
    assert found(tmp_path) == []


def test_what_a_row_takes_whole_is_not_left_out(tmp_path: Path) -> None:
    mini.write(tmp_path)
    mini.change(tmp_path, MAPPING, "  items: not needed here\n", "")
    assert {one.kind for one in found(tmp_path)} == {"unmapped-path"}
    mini.change(tmp_path, *run("tool_name: t"))
    assert found(tmp_path) == []


@pytest.mark.parametrize("name", ["dicom", "curation"])
def test_the_shipped_annexes_have_no_findings_but_their_placeholders(name: str) -> None:
    folder = files("mappings") / name
    assert [(one.kind, one.severity) for one in check(folder, shipped(folder))] == [("placeholder", "note")]
