"""Figures of cohorts: standardised differences, how numbers are written, and what a page of them holds."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import sqrt
from typing import Any

import pytest

from etl.cohorts.compare import Compared, distance, standardised
from etl.cohorts.definition import define
from etl.cohorts.known import Run
from etl.cohorts.page import compared_page, page
from etl.cohorts.plots import compared_pictures, pictures
from etl.cohorts.render import legend_of_differences, lines, merged, number
from etl.cohorts.summary import ShownNumbers, Summary, summary_of
from etl.cohorts.table_one import Levels, Measured, Numbers, TableOne

FILE = """/*
name: NAME
title: Men & <others>
description: Some
steps: {all: Everybody, some: "Some of them"}
*/
WITH "all" AS (SELECT 1 AS subject_id), some AS (SELECT * FROM "all") SELECT subject_id FROM some
"""
TABLE = TableOne.model_validate(
    {
        "view": "research.patient",
        "variables": [
            {
                "column": "age", "title": "Age", "unit": "years", "kind": "continuous",
                "bins": [50, 60, 70, 80],
            },
            {
                "column": "psa", "title": "PSA", "unit": "ng/mL", "kind": "continuous", "scale": "log",
                "bins": [1, 10, 100, 1000],
            },
            {"column": "grade", "title": "Grade", "kind": "categorical", "labels": {1: "1 (3+3)"}},
        ],
    }
)  # fmt: skip


def numbers(bins: Sequence[int] = (), mean: float | None = 60, variance: float | None = 25) -> Numbers:
    return Numbers(sum(bins), (55.0, 60.5, 65.25) if sum(bins) else None, mean, variance, tuple(bins))


def measured(persons: int, bins: Sequence[int], levels: dict[str, int]) -> Measured:
    return Measured(persons, {"age": numbers(bins), "psa": numbers(bins)}, {"grade": Levels(levels)})


def summary(name: str, persons: int, bins: Sequence[int], levels: dict[str, int], below: int = 5) -> Summary:
    run = Run(
        7, name, "prostate", {}, datetime(2024, 1, 2, 3, 4, tzinfo=UTC), persons, True,
        define(FILE.replace("NAME", name), f"{name}.sql"),
    )  # fmt: skip
    return summary_of(run, [persons + 40, persons], TABLE, measured(persons, bins, levels), below)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (numbers(mean=60, variance=16), numbers(mean=65, variance=36), 5 / sqrt(26)),
        (numbers(mean=65, variance=36), numbers(mean=60, variance=16), 5 / sqrt(26)),
        (numbers(mean=60), numbers(mean=60), 0),
        (numbers(mean=60, variance=0), numbers(mean=60, variance=0), 0),
        (numbers(mean=60, variance=0), numbers(mean=61, variance=0), None),
        (numbers(mean=None, variance=None), numbers(), None),
        (numbers(variance=None), numbers(), None),
    ],
)
def test_the_difference_of_means_in_standard_deviations(
    one: Numbers, other: Numbers, expected: float | None
) -> None:
    assert standardised(one, other) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # Of two levels it is that of a proportion.
        ({"a": 20, "b": 80}, {"a": 50, "b": 50}, 0.3 / sqrt((0.16 + 0.25) / 2)),
        ({"a": 20, "b": 80}, {"a": 2, "b": 8}, 0),
        ({"a": 10}, {"a": 5}, 0),
        ({"a": 10}, {"b": 5}, None),
        ({}, {"a": 5}, None),
        # By hand: shares (.3, .2) and (.2, .5) of b and c; the inverse of the mean covariance.
        ({"a": 5, "b": 3, "c": 2}, {"a": 3, "b": 2, "c": 5}, sqrt(0.0139 / 0.031525)),
    ],
)
def test_the_difference_of_distributions(
    one: dict[str, int], other: dict[str, int], expected: float | None
) -> None:
    found = distance(Levels(one), Levels(other))
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-5))


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (0.023, "0.02"), (0.5, "0.5"), (7.254, "7.25"), (7.0, "7"), (71.26, "71.3"), (1234.6, "1235")],
)
def test_numbers_have_three_digits_that_count(value: float, written: str) -> None:
    assert number(value) == written


def test_table_one_as_text() -> None:
    found = summary("one", 50, (0, 10, 20, 15, 0), {"1": 20, "2": 2, "3": 18, "10": 7})
    assert [(line.variable, line.level, line.value) for line in lines(found)] == [
        ("Age (years)", "", "60.5 [55, 65.2]"),
        ("Age (years)", "not known", "5 (10.0 %)"),
        ("PSA (ng/mL)", "", "60.5 [55, 65.2]"),
        ("PSA (ng/mL)", "not known", "5 (10.0 %)"),
        ("Grade", "", ""),
        ("Grade", "1 (3+3)", "20 (40.0 %)"),
        ("Grade", "2", "*"),
        ("Grade", "3", "18 (36.0 %)"),
        ("Grade", "10", "7 (14.0 %)"),
        ("Grade", "not known", "*"),
    ]


def test_nothing_of_a_tiny_cohort_is_shown() -> None:
    found = summary("tiny", 4, (0, 4, 0, 0, 0), {"1": 4})
    assert found.persons is None
    assert {line.value for line in lines(found)} == {"*"}
    assert [each.name for each in pictures(found)] == ["attrition"]
    visible = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page(found), flags=re.DOTALL)
    assert "from 1 to 4" in visible
    assert "4" not in visible.replace("from 1 to 4", "").replace("03:04", "").replace("44", "").split()


def compared(masked: frozenset[str] = frozenset()) -> Compared:
    one = summary("one", 45, (0, 10, 20, 15, 0), {"1": 20, "2": 25})
    other = summary("other", 60, (0, 3, 30, 20, 7), {"1": 30, "2": 30})
    return Compared(one, other, 10, 35, 50, {"age": 0.5, "psa": None, "grade": 0.111}, masked)


def test_two_cohorts_as_text() -> None:
    assert merged(compared(frozenset({"psa"}))) == [
        ("Persons", "", ("45", "60"), ""),
        ("Age (years)", "", ("60.5 [55, 65.2]", "60.5 [55, 65.2]"), "0.50"),
        ("PSA (ng/mL)", "", ("60.5 [55, 65.2]", "60.5 [55, 65.2]"), "*"),
        ("Grade", "", ("", ""), "0.11"),
        ("", "1 (3+3)", ("20 (44.4 %)", "30 (50.0 %)"), ""),
        ("", "2", ("25 (55.6 %)", "30 (50.0 %)"), ""),
    ]
    assert merged(compared())[2][3] == "–"


def test_differences_say_what_they_are_of() -> None:
    said = legend_of_differences(compared())
    assert said.startswith(
        "SMD: standardised mean difference, of ln for PSA, among persons with a value; perc"
    )
    assert said in compared_page(compared())
    assert "PSA (ln)</text>" in compared_pictures(compared())[0].svg


def test_quartiles_of_few_are_values_of_persons() -> None:
    few = summary("few", 40, (0, 5, 4, 0, 0), {"1": 40}).variables[0]
    assert isinstance(few, ShownNumbers)
    assert (few.count, few.quartiles, few.is_masked) == (9, None, True)
    enough = summary("enough", 40, (0, 5, 5, 0, 0), {"1": 40}).variables[0]
    assert isinstance(enough, ShownNumbers)
    assert enough.quartiles


def test_bars_do_not_tell_how_many_have_no_value() -> None:
    found = summary("bars", 52, (0, 20, 15, 15, 0), {"1": 52}).variables[0]
    assert isinstance(found, ShownNumbers)
    assert found.missing is None
    assert found.bins is not None and None in found.bins


def test_a_page_needs_nothing_but_itself() -> None:
    found = summary("one", 50, (0, 10, 20, 15, 0), {"1": 20, "2": 2, "3": 18, "10": 7})
    for html in (page(found), compared_page(compared())):
        assert "Men &amp; &lt;others&gt;" in html
        assert not re.search(r'(src|href)="(?!#)', html)
        assert "http" not in html.replace("http://www.w3.org/", "")
        ids = re.findall(r' id="([^"]+)"', html)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', html)) <= {
            (one, "") for one in ids
        } | {("", one) for one in ids}
    assert "the data changed" not in page(found).lower()


def test_pictures_are_the_same_each_time_and_say_their_units() -> None:
    found = summary("one", 50, (0, 10, 20, 15, 0), {"1": 20, "2": 2, "3": 18, "10": 7})
    first, again = pictures(found), pictures(found)
    assert first == again
    assert [each.name for each in first] == ["attrition", "age", "psa", "grade"]
    texts = {each.name: re.findall(r">([^<>]+)</text>", each.svg) for each in first}
    assert {"Age (years)", "persons"} <= set(texts["age"])
    assert {"PSA (ng/mL)", "persons"} <= set(texts["psa"])
    assert {"1 (3+3)", "20", "*"} <= set(texts["grade"])
    assert "50 (−40)" in texts["attrition"]
    names = [each.name for each in compared_pictures(compared())]
    assert names == ["differences", "age", "psa", "grade"]


def test_a_picture_leaves_out_what_tells_the_extremes() -> None:
    found = summary("one", 58, (1, 0, 20, 30, 2), {"1": 58})
    age: Any = next(each for each in pictures(found) if each.name == "age")
    texts = re.findall(r">([^<>]+)</text>", age.svg)
    assert "50" not in texts, "nothing but 0 and masked bars are below 60"
    assert "* from 80" in " ".join(texts)
