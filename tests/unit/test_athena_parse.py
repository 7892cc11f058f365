"""One line of a bundle's file, and everything that is wrong with it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundles import HEADERS, SINCE
from vocabularies.athena.layout import CPT4, FILES, Cell, cells
from vocabularies.athena.parse import Parser, _fault, _pattern

COLUMNS = {file: [*cells(table)] for file, table in FILES.items()}


def faults(file: str, *row: str) -> list[tuple[str, str | None]]:
    parsed = Parser(FILES[file], COLUMNS[file]).parse("\t".join(row).encode())
    return [(fault.kind, fault.column) for fault in parsed.faults]


def related(**changed: str) -> tuple[str, ...]:
    row = dict(zip(HEADERS["CONCEPT_RELATIONSHIP"], ("1", "2", "Is a", *SINCE, ""), strict=True))
    return tuple((row | changed).values())


def strength(**changed: str) -> tuple[str, ...]:
    row = dict.fromkeys(HEADERS["DRUG_STRENGTH"], "")
    row |= {"drug_concept_id": "1", "ingredient_concept_id": "2"}
    row |= {"valid_start_date": SINCE[0], "valid_end_date": SINCE[1]}
    return tuple((row | changed).values())


def test_the_columns_are_those_that_athena_writes() -> None:
    expected = {f"{name}.csv": list(columns) for name, columns in HEADERS.items()}
    assert expected | {CPT4: expected["CONCEPT.csv"]} == COLUMNS


def test_a_sound_line_is_taken_apart_in_the_order_of_the_header() -> None:
    parser = Parser(FILES["DOMAIN.csv"], ("domain_concept_id", "domain_name", "domain_id"))
    assert parser.parse("13\tZustände\tCondition".encode()) == (
        {"domain_concept_id": "13", "domain_name": "Zustände", "domain_id": "Condition"},
        [],
    )


@pytest.mark.parametrize(
    "value",
    ["0", "7", "-1", "2147483647", "-2147483648", "0000000000000012", " 12 ", "+12", "\f12\v"],
)
def test_whole_numbers(value: str) -> None:
    assert faults("CONCEPT_RELATIONSHIP.csv", *related(concept_id_1=value)) == []


@pytest.mark.parametrize(
    "value",
    ["2147483648", "-2147483649", "99999999999", "9" * 5000, "1.0", "1e3", "0x1f", "1_000", "one", "- 1",
     "--1", "\u0661", "\u00a012", "1 2", " ", "NaN"],
)  # fmt: skip
def test_not_whole_numbers(value: str) -> None:
    found = faults("CONCEPT_RELATIONSHIP.csv", *related(concept_id_1=value))
    assert found == [("bad-integer", "concept_id_1")]


@pytest.mark.parametrize(
    "value", ["0", "50", "-1.5", "+0.5", ".5", "5.", "1e3", "1.5E-7", " 2 ", "0" * 100, "1e999", "1e-999"]
)
def test_numbers(value: str) -> None:
    assert faults("DRUG_STRENGTH.csv", *strength(amount_value=value)) == []


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-inf", "1,5", ".", "1e", "1.2.3", "1e1000", "0x1F", "1_0", "five", " ", "9" * 201],
)
def test_not_numbers(value: str) -> None:
    assert faults("DRUG_STRENGTH.csv", *strength(amount_value=value)) == [("bad-number", "amount_value")]


@pytest.mark.parametrize("value", ["19700101", "20991231", "20000229", "00010101", "99991231", "18991231"])
def test_dates(value: str) -> None:
    assert faults("CONCEPT_RELATIONSHIP.csv", *related(valid_end_date=value)) == []


@pytest.mark.parametrize(
    "value",
    ["2020-01-01", "01/02/2020", "200101", "today", "now", "infinity", "epoch", "J2451187", "2020.123",
     "20200230", "19000229", "20201301", "20200100", "00000101", "2020010", "202001011", " 20200101",
     "20200101 ", "2020 101", "2020010\u0661"],
)  # fmt: skip
def test_not_dates(value: str) -> None:
    found = faults("CONCEPT_RELATIONSHIP.csv", *related(valid_end_date=value))
    assert found == [("bad-date", "valid_end_date")]


def test_widths_are_counted_in_characters() -> None:
    assert faults("DOMAIN.csv", "ä" * 20, "\N{GRINNING FACE}" * 255, "0") == []
    assert faults("DOMAIN.csv", "ä" * 21, "\N{GRINNING FACE}" * 256, "0") == [
        ("too-long", "domain_id"),
        ("too-long", "domain_name"),
    ]
    assert faults("CONCEPT_SYNONYM.csv", "1", "x" * 1000, "0") == []
    assert faults("CONCEPT_SYNONYM.csv", "1", "x" * 1001, "0") == [("too-long", "concept_synonym_name")]


def test_blanks_count_too_for_they_would_be_cut_off() -> None:
    assert faults("DOMAIN.csv", "Gender", "x" * 254 + "  ", "0") == [("too-long", "domain_name")]


def test_empty_cells() -> None:
    assert faults("VOCABULARY.csv", "Plan", "Health plan", "", "", "0") == []
    assert faults("VOCABULARY.csv", "", "", "", "", "") == [
        ("empty-cell", "vocabulary_id"),
        ("empty-cell", "vocabulary_name"),
        ("empty-cell", "vocabulary_concept_id"),
    ]


@pytest.mark.parametrize(
    "name", ["None", "NA", "null", "NULL", "\\N", '"', "'", "\\", "\\.", "a\\tb", "#N/A"]
)
def test_any_text_is_a_name(name: str) -> None:
    assert faults("DOMAIN.csv", name, name, "0") == []


@pytest.mark.parametrize("cells_", [(), ("1",), ("1", "2"), ("1", "2", "3", "4")])
def test_a_ragged_line_holds_no_values(cells_: tuple[str, ...]) -> None:
    parsed = Parser(FILES["DOMAIN.csv"], COLUMNS["DOMAIN.csv"]).parse("\t".join(cells_).encode())
    assert parsed.values == {}
    [fault] = parsed.faults
    assert fault == ("ragged-line", f"{max(1, len(cells_))} cells, and the header has 3", None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"Gender\tGen\xffder\t0", "not UTF-8 at byte 11 of the line"),
        (b"Gender\t\xed\xa0\x80\t0", "not UTF-8 at byte 8 of the line"),
        (b"Gender\tGen\0der\t0", "the line holds a NUL or a lone carriage return"),
        (b"Gender\tGen\rder\t0", "the line holds a NUL or a lone carriage return"),
    ],
)
def test_what_is_not_text(line: bytes, message: str) -> None:
    parsed = Parser(FILES["DOMAIN.csv"], COLUMNS["DOMAIN.csv"]).parse(line)
    assert parsed == ({}, [("bad-encoding", message, None)])


def test_every_fault_of_a_line_is_told_with_its_column() -> None:
    row = ("x", "", "d" * 21, "SNOMED", "Disorder", "SS", "c", "1.1.1970", "20991231", "")
    assert faults("CONCEPT.csv", *row) == [
        ("bad-integer", "concept_id"),
        ("empty-cell", "concept_name"),
        ("too-long", "domain_id"),
        ("too-long", "standard_concept"),
        ("bad-date", "valid_start_date"),
    ]


def test_a_message_repeats_no_more_of_a_cell_than_fits_a_line() -> None:
    parsed = Parser(FILES["DOMAIN.csv"], COLUMNS["DOMAIN.csv"]).parse(b"Gender\tGender\t" + b"x" * 10_000)
    assert (
        parsed.faults[0].message
        == f"'domain_concept_id' is '{'x' * 40}', not a whole number up to 2,147,483,647"
    )


DATES = st.dates().map(lambda day: f"{day:%Y%m%d}".rjust(8, "0"))
VALUES = (
    st.text(alphabet="0123456789.-+eE \tDUSx", max_size=12)
    | DATES
    | st.integers(-(2**33), 2**33).map(str)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\t\n"), max_size=30)
)
CELLS = st.sampled_from([one for table in FILES.values() for one in cells(table).values()])


@given(CELLS, VALUES)
def test_what_the_quick_look_lets_pass_has_no_fault(cell: Cell, value: str) -> None:
    if re.fullmatch(_pattern(cell), value):
        assert _fault(cell, value) is None


@given(DATES)
def test_every_day_is_a_date(day: str) -> None:
    assert _fault(Cell("day", "date", None, True), day) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_apart_or_have_a_fault(line: bytes) -> None:
    parsed = Parser(FILES["DOMAIN.csv"], COLUMNS["DOMAIN.csv"]).parse(line)
    assert parsed.faults or "\t".join(parsed.values.values()).encode() == line
