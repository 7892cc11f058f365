"""Sections that a form does not have: nothing of theirs is written, and every value in them is told."""

from pathlib import Path

import pytest

from etl.coverage import cover
from tests import mini

MAPPING = """\
name: mini
title: A tiny mapping
schema: case.schema.json
case: {patient: id, form: form}
type: 10 Form
baseline: {is: 2000-01-01, date: day}
person: {gender: 30 Female, age: age}
sections: [main, more]
forms:
  A: {title: Form A, use_cases: [1], sections: [main, more]}
  B: {title: Form B, use_cases: [2], sections: [main]}
visits:
  start: {concept: 20 Start, date: baseline}
  scan: {concept: 21 Scan visit, date: baseline + days days}
  entry: {concept: 21 Scan visit, each: items, date: on}
episodes:
  whole: {concept: 90 Whole, object: 50 Finding, start: baseline, when: ill}
  part: {concept: 91 Part, object: 50 Finding, parent: whole, start: scan, when: flag}
ignore: {part: no, other_day: no, mixed: no, odd name: no, long: no, text: no, word: no, score: no}
"""
MAIN = """\
graded: {table: measurement, concept: 61 Grade, value: {from: grade, via: grade}, visit: start}
"""
MORE = """\
scanned:
  table: procedure_occurrence
  concept: 40 Scan
  when: {any: [days, count]}
  visit: scan
  episode: whole
  rows: {size: {table: measurement, concept: 60 Size, number: size}}
graded_too: {table: measurement, concept: 61 Grade, value: {from: grade, via: grade}, visit: start}
counted: {table: measurement, concept: 60 Size, number: count, visit: start}
marked:
  each: items
  table: measurement
  concept: 60 Size
  number: size
  visit: entry
  rows:
    tagged: {each: tags, table: note, concept: 95 Remark, title: "@", text: "{@}"}
"""
DOCUMENT = {
    "ill": True,
    "flag": True,
    "grade": "low",
    "days": 5,
    "count": 0,
    "size": 2,
    "items": [{"on": "2020-06-16", "size": 1}, {"tags": ["a", "b"]}],
}
TOLD = "the form has no section 'more'"


@pytest.fixture
def plan(tmp_path: Path) -> mini.Plan:
    mini.write(tmp_path, mapping=MAPPING, section=MAIN)
    tmp_path.joinpath("more.yaml").write_text(MORE)
    return mini.plan(tmp_path)


def test_the_form_that_has_the_section_gets_its_rows(plan: mini.Plan) -> None:
    shown = mini.run(plan, {**DOCUMENT, "form": "A"})
    assert [row.split()[1] for row in shown.rows if not row.startswith("episode_event")] == [
        "visit.scan", "visit.entry[0]", "scanned", "graded", "scanned.size", "graded_too", "counted",
        "marked[0]", "episode.whole", "episode.part",
    ]  # fmt: skip
    assert all(TOLD not in problem for problem in shown.problems)


def test_the_form_without_it_gets_neither_its_rows_nor_its_visits_and_episodes(plan: mini.Plan) -> None:
    shown = mini.run(plan, {**DOCUMENT, "form": "B"})
    assert shown.rows == ["measurement graded 61 value_as_concept_id=70 value_source_value=low"]


def test_each_value_that_only_the_section_reads_is_a_problem(plan: mini.Plan) -> None:
    shown = mini.run(plan, {**DOCUMENT, "form": "B"})
    assert sorted(shown.problems) == sorted(
        f"{rule}: invalid {path}: {TOLD}"
        for rule, path in [
            ("scanned", "$.days"),
            ("scanned", "$.count"),
            ("scanned.size", "$.size"),
            ("marked", "$.items[0].size"),
            ("marked.tagged", "$.items[1].tags[0]"),
            ("marked.tagged", "$.items[1].tags[1]"),
            ("visit.entry", "$.items[0].on"),
            ("episode.whole", "$.ill"),
            ("episode.part", "$.flag"),
        ]
    )


def test_what_is_not_recorded_there_is_no_problem(plan: mini.Plan) -> None:
    shown = mini.run(plan, {"form": "B", "grade": "low", "days": None, "items": [{}], "ill": None})
    assert shown.problems == []


@pytest.mark.parametrize("form", ["A", "B"])
def test_no_value_is_left_without_a_fate(plan: mini.Plan, form: str) -> None:
    fates = {leaf.path: leaf.fate for leaf in cover(plan, {**mini.BARE, **DOCUMENT, "form": form})}
    assert "unused" not in fates.values()
    assert fates["$.grade"] == "mapped"
    assert fates["$.count"] == ("mapped" if form == "A" else "problem")
