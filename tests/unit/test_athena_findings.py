"""Findings about a bundle, counted in any number and kept in few; and how old a bundle is."""

import tracemalloc
from datetime import date

import pytest

from vocabularies.athena.findings import KINDS, LEFT_OUT, SHOWN, Finding, Group, Report
from vocabularies.athena.version import released


def test_a_finding_says_where_and_how_bad() -> None:
    one = Finding("CONCEPT.csv", 7, "bad-date", "'valid_start_date' is 'x'")
    assert str(one) == "CONCEPT.csv:7: error: 'valid_start_date' is 'x' [bad-date]"
    whole = Finding("VOCABULARY.csv", 0, "older-bundle", "the bundle is older")
    assert str(whole) == "VOCABULARY.csv: warning: the bundle is older [older-bundle]"


def test_findings_are_counted_by_file_kind_and_what_they_are_about() -> None:
    report = Report()
    for line, vocabulary in enumerate(["SNOMED", "LOINC", "SNOMED"], 2):
        report.add("unknown-concept", "CONCEPT_ANCESTOR.csv", line, "m", vocabulary)
    report.add("duplicate-key", "CONCEPT_ANCESTOR.csv", 2, "m")
    report.add("duplicate-key", "CONCEPT.csv", 2, "m")
    report.add("named-elsewhere", "CONCEPT_CPT4.csv", 2, "m")
    assert dict(report.counts) == {
        Group("CONCEPT_ANCESTOR.csv", "unknown-concept", "SNOMED"): 2,
        Group("CONCEPT_ANCESTOR.csv", "unknown-concept", "LOINC"): 1,
        Group("CONCEPT_ANCESTOR.csv", "duplicate-key", ""): 1,
        Group("CONCEPT.csv", "duplicate-key", ""): 1,
        Group("CONCEPT_CPT4.csv", "named-elsewhere", ""): 1,
    }
    assert report.severities() == {"warning": 3, "error": 2, "note": 1}
    assert [
        report.left_out(file) for file in ("CONCEPT_ANCESTOR.csv", "CONCEPT.csv", "CONCEPT_CPT4.csv")
    ] == [3, 0, 1]


@pytest.mark.parametrize(
    ("kind", "refuses", "refuses_strictly"),
    [("bad-date", True, True), ("unknown-concept", False, True), ("named-elsewhere", False, False)],
)
def test_errors_refuse_and_warnings_when_strict(kind: str, refuses: bool, refuses_strictly: bool) -> None:
    report = Report()
    assert not report.refuses(strict=True)
    report.add(kind, "CONCEPT.csv", 2, "m")
    assert (report.refuses(strict=False), report.refuses(strict=True)) == (refuses, refuses_strictly)


def test_rows_are_left_out_for_no_error() -> None:
    assert set(KINDS) >= LEFT_OUT
    assert "error" not in {KINDS[kind][0] for kind in LEFT_OUT}


def test_all_findings_are_told_and_a_few_kept() -> None:
    told: list[int] = []
    report = Report(lambda one: told.append(one.line))
    tracemalloc.start()
    for line in range(20_000):
        report.add("ragged-line", "CONCEPT.csv", line, f"message {line} " + "x" * 100)
    kept = [one.line for one in report.first[Group("CONCEPT.csv", "ragged-line", "")]]
    told_size = 20_000 * 40
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told == list(range(20_000))
    assert kept == list(range(SHOWN))
    assert grown < told_size + 100_000


@pytest.mark.parametrize(
    ("version", "day"),
    [
        ("v5.0 29-AUG-25", date(2025, 8, 29)),
        ("v5.0 29-Aug-25", date(2025, 8, 29)),
        ("v5.0 01-JAN-99 (revised)", date(1999, 1, 1)),
        ("v5.0 29-FEB-24", date(2024, 2, 29)),
        ("v5.0 29-FEB-25", None),
        ("v5.0 32-AUG-25", None),
        ("v5.0 29-AUX-25", None),
        ("2025-08-29", None),
        ("v5.0", None),
        ("", None),
        (None, None),
    ],
)
def test_a_version_names_its_day(version: str | None, day: date | None) -> None:
    assert released(version) == day
