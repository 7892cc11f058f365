"""Dates that JSON Schema lets through and no calendar has: a problem of the value, no error of the case."""

from pathlib import Path

import pytest

from etl.coverage import cover
from etl.mapping.generate.runtime import days_after, moved, ordinal
from etl.validate import Validator
from tests import mini

IMPOSSIBLE = "0000-06-15"


def test_the_schema_lets_the_year_0_through(tmp_path: Path) -> None:
    compiled = mini.plan(mini.write(tmp_path))
    assert Validator(compiled.schema).violations({**mini.BARE, "day": IMPOSSIBLE}) == ()


@pytest.mark.parametrize("text", [IMPOSSIBLE, "0000-12-31", "2021-02-29", "20021-01-01", "", None])
def test_what_no_calendar_has_has_no_day_number(text: str | None) -> None:
    assert ordinal(text) is None
    assert moved(text, 0) is None
    assert days_after(text, 0) is None


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        (
            {"other_day": IMPOSSIBLE},
            ["r: invalid $.size: the row has no date", "r: invalid $.other_day: the row has no date"],
        ),
        (
            {"day": IMPOSSIBLE, "other_day": "2020-06-20"},
            ["r: invalid $.size: the row has no date", "r: invalid $.other_day: the row has no date"],
        ),
        ({"day": IMPOSSIBLE, "other_day": None}, ["r: invalid $.size: the row has no date"]),
        ({"other_day": "2020-06-20"}, []),
    ],
    ids=["date", "baseline", "baseline alone", "none"],
)
def test_an_impossible_date_is_a_problem(
    tmp_path: Path, document: dict[str, str | None], problems: list[str]
) -> None:
    section = "r: {table: measurement, concept: 60 Size, number: size, date: other_day}\n"
    folder = mini.write(tmp_path, section=section)
    compiled = mini.plan(folder)
    assert mini.run(compiled, {"size": 1, **document}).problems == problems
    fates = {leaf.path: leaf.fate for leaf in cover(compiled, {**mini.BARE, "size": 1, **document})}
    assert fates["$.size"] == ("problem" if problems else "mapped")
