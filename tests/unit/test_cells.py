"""Cells of CSV files: as the csv module reads them, and rewritten without touching the rest."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.review.cells import cell, records, value_of

CELLS = st.sampled_from(
    ["", "a", "1", "a b", " é ", '"', "x,y", 'say "so"', "two\nlines", "it's", "\r\n", '""']
)


@given(
    st.lists(st.lists(st.tuples(CELLS, st.booleans()), min_size=2, max_size=4), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    CELLS,
    st.data(),
)
def test_one_cell_changes(
    rows: list[list[tuple[str, bool]]], newline: str, ended: bool, value: str, data: st.DataObject
) -> None:
    text = newline.join(",".join(cell(one, '"' if quoted else "") for one, quoted in row) for row in rows) + (
        newline if ended else ""
    )
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    expected = [(reader.line_num, row) for row in reader]
    found = list(records(text))
    assert [(one.line, [value_of(text, span) for span in one.cells]) for one in found] == expected
    assert "".join(text[one.start : one.end] for one in found) == text

    at = data.draw(st.integers(0, len(found) - 1))
    index = data.draw(st.integers(0, len(found[at].cells) - 1))
    start, end = found[at].cells[index]
    new = text[:start] + cell(value, text[start:end]) + text[end:]
    expected[at][1][index] = value
    assert list(csv.reader(io.StringIO(new, newline=""), strict=True)) == [row for _, row in expected]


@pytest.mark.parametrize(
    ("value", "written", "expected"),
    [("a", "b", "a"), ("a", '"b"', '"a"'), ("a,b", "c", '"a,b"'), ('a"b', "c", '"a""b"'), ("", "c", "")],
)
def test_quotes_only_where_they_are_needed(value: str, written: str, expected: str) -> None:
    assert cell(value, written) == expected
