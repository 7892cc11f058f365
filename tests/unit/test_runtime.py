"""What generated code calls: dates and text."""

import pytest

from etl.mapping.generate import runtime
from etl.mapping.generate.runtime import (
    cut,
    days_after,
    months_after,
    moved,
    ordinal,
    overflow,
    years_after,
)
from omop_schema.copy_text import escape


@pytest.mark.parametrize(
    ("start", "days", "date"),
    [
        ("2000-01-01", 0, "2000-01-01"),
        ("2000-01-01", 20, "2000-01-21"),
        ("2000-01-01", 59, "2000-02-29"),
        ("2000-01-01", -1, "1999-12-31"),
        ("2000-01-01", 20.0, "2000-01-21"),
        ("0001-01-01", 0, "0001-01-01"),
        ("0001-01-01", -1, None),
        ("9999-12-31", 1, None),
        ("2000-01-01", 10**30, None),
        (None, 1, None),
        ("2000-01-01", None, None),
    ],
)
def test_days_after(start: str | None, days: int | None, date: str | None) -> None:
    assert days_after(start, days) == date


@pytest.mark.parametrize(
    ("start", "months", "date"),
    [
        ("2000-01-01", 15, "2001-04-01"),
        ("2000-01-01", 0, "2000-01-01"),
        ("2000-01-01", -1, "1999-12-01"),
        ("2000-01-31", 1, "2000-02-29"),
        ("2001-01-31", 1, "2001-02-28"),
        ("2001-01-30", 1, "2001-02-28"),
        ("2000-03-31", 1, "2000-04-30"),
        ("2000-11-30", 1, "2000-12-30"),
        ("2000-01-01", 1.0, "2000-02-01"),
        ("9999-12-01", 1, None),
        ("0001-01-01", -1, None),
        (None, 1, None),
        ("2000-01-01", None, None),
    ],
)
def test_months_after(start: str | None, months: int | None, date: str | None) -> None:
    assert months_after(start, months) == date


@pytest.mark.parametrize(
    ("start", "years", "date"),
    [
        ("2000-02-29", 1, "2001-02-28"),
        ("2000-02-29", 4, "2004-02-29"),
        ("2000-02-29", -100, "1900-02-28"),
        ("2000-01-01", None, None),
        (None, 1, None),
    ],
)
def test_years_after(start: str | None, years: int | None, date: str | None) -> None:
    assert years_after(start, years) == date


@pytest.mark.parametrize(
    ("real", "shift", "date"),
    [
        ("2021-07-11", ordinal("2000-01-01") - ordinal("2021-07-11"), "2000-01-01"),
        ("2021-07-11", 0, "2021-07-11"),
        ("2021-07-11", -(10**7), None),
        ("2021-07-11", 10**7, None),
        (None, 0, None),
        ("2021-07-11", None, None),
    ],
)
def test_moved(real: str | None, shift: int | None, date: str | None) -> None:
    assert moved(real, shift) == date


def test_the_memory_of_days_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(runtime._Days):
        def __len__(self) -> int:
            return 100_000

    full = Full()
    assert full[1] == "0001-01-01"
    assert dict.__len__(full) == 0


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("plain é 🙂", "plain é 🙂"),
        ("a\tb", r"a\tb"),
        ("a\nb\r", r"a\nb\r"),
        ("\\", "\\\\"),
        ("\\N", "\\\\N"),
        ("\\.", "\\\\."),
        ("", ""),
    ],
)
def test_escape(text: str, field: str) -> None:
    assert escape(text) == field


def test_a_cut_is_a_problem_that_does_not_tell_the_text() -> None:
    told: list[tuple[object, ...]] = []

    def problem(*one: object) -> None:
        told.append(one)

    assert cut("abc", 3, "note_title", 5, "$.a", problem) == "abc"
    assert told == []
    assert cut("a\tcd", 3, "note_title", 5, "$.a", problem) == r"a\tc"
    assert told == [(5, "truncated", "$.a", "longer than the 3 characters of 'note_title'")]


def test_overflow_names_the_list_and_both_counts() -> None:
    assert str(overflow("$.lesions", 2, 3)) == "$.lesions has 3 items; a row id has room for 2"
