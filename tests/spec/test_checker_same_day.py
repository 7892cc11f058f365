"""The checker on ``same_day`` and ``same_visit``: each case changes one rule of a folder without findings."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.mapping.findings import KINDS
from tests import mini
from tests.mini import SECTION
from tests.spec.test_checker import check

COUNTED = "number: count, visit: start, of: scan"
LOOKING = "visit: {same_day: [scan, start]}, date: day"


@dataclass(frozen=True)
class Case:
    """What the rule says instead, and the findings that follow from it."""

    says: str
    words: str
    kind: str = ""
    messages: tuple[str, ...] = ()


CASES = [
    Case("a visit by its day", LOOKING),
    Case("and what is at that visit", f"{LOOKING}, of: {{same_visit: [scan]}}"),
    Case("or else another visit", "visit: {first: [{same_day: [scan]}, start]}, date: day"),
    Case("what is at a visit that is named", "visit: scan, of: {same_visit: [scan]}"),
    Case(
        "visits that there are not",
        "visit: {same_day: [scann, start, stard]}, date: day",
        "broken-reference",
        ("no visit 'scann'; known: start, scan", "no visit 'stard'; known: start, scan"),
    ),
    Case(
        "a visit that there is not is told alone",
        "visit: {same_day: [scann]}, date: day, of: {same_visit: [scan]}",
        "broken-reference",
        ("no visit 'scann'; known: start, scan",),
    ),
    Case("no visit at all", "visit: {same_day: []}, date: day", "bad-shape", ("'counted.visit.same_day",)),
    Case(
        "no date of its own",
        "visit: {same_day: [scan]}",
        "bad-shape",
        ("'same_day' goes by the rule's own date: give it a 'date'",),
    ),
    Case(
        "a date that is wrong is told alone",
        "visit: {same_day: [scan]}, date: word",
        "wrong-type",
        ("'word' has no 'format: date' in the schema",),
    ),
    Case(
        "a nested row with a visit of its own, without a date",
        f"{LOOKING}, rows: {{more: {{table: note, concept: 95 Remark, title: t, text: '{{word}}',"
        " visit: {same_day: [scan]}}}",
        "bad-shape",
        ("'same_day' goes by the rule's own date: give it a 'date'",),
    ),
    Case(
        "a concept by its day",
        f"{LOOKING}, unit: 80 millimeter, value: {{same_day: [scan]}}",
        "wrong-type",
        ("'same_day' is a visit, and 'value_as_concept_id' is concept",),
    ),
    Case(
        "another word beside it",
        "visit: {same_day: [scan], each: items}, date: day",
        "bad-shape",
        ("'counted.visit.same_day.each': there is no word 'each'",),
    ),
    Case(
        "rules that there are not",
        f"{LOOKING}, of: {{same_visit: [scann, scan, scored]}}",
        "broken-reference",
        ("no earlier rule 'scann'; known: graded, scan, scan.size", "no earlier rule 'scored'"),
    ),
    Case(
        "the rule itself",
        f"{LOOKING}, of: {{same_visit: [counted]}}",
        "broken-reference",
        ("no earlier rule 'counted'",),
    ),
    Case("no rule at all", f"{LOOKING}, of: {{same_visit: []}}", "bad-shape", ("'counted.of.same_visit",)),
    Case(
        "a rule that is never there",
        "visit: {same_day: [start]}, date: day, of: {same_visit: [scan]}",
        "broken-reference",
        ("no row of 'scan' is ever at a visit of 'counted'",),
    ),
    Case(
        "no visit of its own",
        "date: day, of: {same_visit: [scan]}",
        "bad-shape",
        ("'same_visit' goes by the rule's own visit: give it a 'visit'",),
    ),
    Case(
        "rules of two tables",
        f"{LOOKING}, of: {{same_visit: [scan, scan.size]}}",
        "wrong-type",
        ("the rules of 'same_visit' write to procedure_occurrence and measurement: name those of one table",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_one_change_gives_these_findings(tmp_path: Path, case: Case) -> None:
    mini.write(tmp_path)
    mini.change(tmp_path, SECTION, COUNTED, f"number: count, {case.words}")
    findings = check(tmp_path, mini.CONCEPTS)
    assert [(one.kind, one.severity) for one in findings] == [
        (case.kind, KINDS[case.kind][0]) for _ in case.messages
    ], findings
    for one, message in zip(findings, case.messages, strict=True):
        assert one.message.startswith(message)
        assert (one.file, one.line) == (SECTION, mini.line_of(tmp_path, SECTION, "counted:"))


def test_a_table_whose_rows_have_no_such_link(tmp_path: Path) -> None:
    mini.write(tmp_path)
    own = "observed: {table: specimen, concept: 86 Blood, visit: scan, of: {same_visit: [scan]}}\n"
    mini.change(tmp_path, SECTION, "remark:", f"{own}remark:")
    (found,) = check(tmp_path, mini.CONCEPTS)
    assert found.message == "a row of specimen cannot be recorded of a row of procedure_occurrence"
