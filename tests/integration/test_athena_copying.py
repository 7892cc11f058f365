"""What COPY makes of a file's cells: the values that are written there, or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from tests.bundles import HEADERS, SINCE, small
from tests.conftest import engine_on, new_database
from vocabularies.athena.bundle import Bundle, Member
from vocabularies.athena.copying import Unfit, copy_member
from vocabularies.athena.layout import FILES, Cell, cells
from vocabularies.athena.lines import BLOCK
from vocabularies.athena.parse import Parser

Value = int | str | Decimal | datetime | None

TABLE = "copied"
#: What marks 0x1f, 0b11, 0o17 and 1_000.
PROGRAMMERS = frozenset("xXbBoO_")


@pytest.fixture(scope="module")
def engine(server_url: str, template_database: str) -> Iterator[Engine]:
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        yield engine


@contextmanager
def like(engine: Engine, table: str) -> Iterator[Connection]:
    """A connection with a table ``copied`` that has the columns of ``table`` and no keys."""
    with engine.connect() as connection:
        connection.execute(text(f"CREATE TEMP TABLE {TABLE} (LIKE omop.{table}) ON COMMIT DROP"))
        yield connection
        connection.rollback()


def copied(connection: Connection, table: str, rows: bytes, header: str | None = None) -> list[tuple]:
    """The rows of the table once it took these, whose ends stand in them. Raises Unfit."""
    name = f"{table.upper()}.csv"
    with TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes((header or "\t".join(HEADERS[table.upper()])).encode() + b"\n" + rows)
        member = Member(name, file.stat().st_size, lambda: file.open("rb"))
        bundle = Bundle(Path(folder), {name: member})
        with connection.begin_nested() as undo:
            count = copy_member(connection, bundle, member, (TABLE,))
            taken = [tuple(row) for row in connection.execute(text(f"SELECT * FROM {TABLE}"))]
            undo.rollback()
    assert count == len(taken)
    return taken


def line(*row: str) -> bytes:
    return "\t".join(row).encode() + b"\n"


def read(cell: Cell, value: str) -> Value:
    """What a cell says."""
    if not value:
        return None
    readers: dict[str, Callable[[str], Value]] = {
        "integer": lambda one: int(one, 0) if set(one) & PROGRAMMERS else int(one),
        "number": Decimal,
        "date": lambda one: datetime.strptime(one, "%Y%m%d").date(),
        "text": str,
    }
    return readers[cell.kind](value)


ROWS = {name: rows[0] for name, rows in small().items()}
ALIEN = st.sampled_from(
    ["", " ", "0", "x", " 12", "12 ", "+12", "0x1f", "0b1", "1_000", "-1", "2147483648", "-2147483648", "NaN",
     "inf", "Infinity", "1e5", "1E-3", ".5", "5.", "1e1000", "1,5", "true", "2020-01-01", "01/02/2020",
     "1 Jan 2020",
     "today", "now", "epoch", "infinity", "-infinity", "200101", "20200230", "2020.001", "J2451187",
     "20200101 ", " 20200101", "20200101T10", "2020D0101", "2020U0101", "D20200101", "20200101D", "\\N",
     "\\", "\\.",
     "a\\tb",
     "D ", "S  ", "x" * 20 + " ", "x" * 50 + " ", "x" * 255 + " ", "x" * 256, "ä" * 255, "ä" * 1000,
     "\N{GRINNING FACE}", '"', "None", "NULL", "null", "\u2028", "\x85", "\x0b", "\x1c"]
)  # fmt: skip
DAYS = st.dates().map(lambda day: f"{day:%Y%m%d}".rjust(8, "0"))
DIGITS = st.text(alphabet="0123456789", max_size=11)
ANY = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), max_size=40)
NUMERIC = st.text(alphabet="0123456789.-+eE_x aDU", max_size=9)
TABLES = st.sampled_from(sorted(ROWS))


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A file of the bundle, and its first row with some cells changed."""
    table = draw(TABLES)
    row = list(ROWS[table])
    for index in draw(st.sets(st.integers(0, len(row) - 1), max_size=3)):
        row[index] = draw(ALIEN | DAYS | DIGITS | ANY | NUMERIC)
    return table, row


@cache
def parser(table: str) -> Parser:
    return Parser(FILES[f"{table}.csv"], HEADERS[table])


@settings(max_examples=300, deadline=None)
@given(spoiled())
def test_copy_takes_a_cell_as_it_is_written_or_not_at_all(
    engine: Engine, example: tuple[str, list[str]]
) -> None:
    table, row = example
    columns = list(cells(FILES[f"{table}.csv"]).values())
    faults = parser(table).parse("\t".join(row).encode()).faults
    with like(engine, table.lower()) as connection:
        try:
            taken = copied(connection, table.lower(), line(*row))
        except Unfit:
            assert faults, "nothing would be said of what is refused"
            return
    assert taken == [tuple(read(cell, value) for cell, value in zip(columns, row, strict=True))]
    # PostgreSQL from version 16 on reads whole numbers as programmers write them.
    given = dict(zip(HEADERS[table], row, strict=True))
    assert all(fault.kind == "bad-integer" and set(given[fault.column]) & PROGRAMMERS for fault in faults)


DATED = {"CONCEPT_RELATIONSHIP": 3, "CONCEPT": 7, "DRUG_STRENGTH": 9}


@pytest.mark.parametrize("day", ["2020-01-01", "01/02/2020", "200101", "today", "epoch", "infinity",
    "J2451187", " 20200101", "2020D0101", "20200101 10:00", "2020.001"])  # fmt: skip
@pytest.mark.parametrize("table", DATED)
def test_dates_are_not_guessed(engine: Engine, table: str, day: str) -> None:
    row = list(ROWS[table])
    for index in (DATED[table], DATED[table] + 1):
        with like(engine, table.lower()) as connection, pytest.raises(Unfit):
            copied(connection, table.lower(), line(*row[:index], day, *row[index + 1 :]))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-inf", "1_0", "0x10"])
def test_numbers_are_finite_and_decimal(engine: Engine, number: str) -> None:
    row = list(ROWS["DRUG_STRENGTH"])
    row[2] = number
    with like(engine, "drug_strength") as connection, pytest.raises(Unfit):
        copied(connection, "drug_strength", line(*row))


@pytest.mark.parametrize(
    ("table", "column", "width"),
    [("CONCEPT", 1, 255), ("CONCEPT", 6, 50), ("CONCEPT", 5, 1), ("CONCEPT", 9, 1),
     ("CONCEPT_SYNONYM", 1,  1000), ("DOMAIN", 1, 255), ("CONCEPT_RELATIONSHIP", 5, 1)],
)  # fmt: skip
def test_no_blank_is_cut_off(engine: Engine, table: str, column: int, width: int) -> None:
    row = list(ROWS[table])
    row[column] = "x" * (width - 1) + " "
    with like(engine, table.lower()) as connection:
        assert copied(connection, table.lower(), line(*row))[0][column] == row[column]
        row[column] += " "
        with pytest.raises(Unfit):
            copied(connection, table.lower(), line(*row))


def test_a_fault_is_found_wherever_blocks_end(engine: Engine) -> None:
    sound = line("1", "2", "Is a", *SINCE, "")
    bad = line("1", "2", "Is a", "20020131", "today", "")
    with like(engine, "concept_relationship") as connection:
        many = sound * (3 * BLOCK // len(sound))
        assert len(copied(connection, "concept_relationship", many)) == 3 * BLOCK // len(sound)
        for place in (0, BLOCK // len(sound), 2 * BLOCK // len(sound), 3 * BLOCK // len(sound)):
            rows = sound * place + bad + sound * 10
            with pytest.raises(Unfit):
                copied(connection, "concept_relationship", rows)


def test_columns_in_another_order_are_read_as_strictly(engine: Engine) -> None:
    header = "valid_end_date\tconcept_id_1\tconcept_id_2\tinvalid_reason\tvalid_start_date\tRELATIONSHIP_ID"
    sound, bad = (
        line("20991231", "1", "2", "", "20020131", "Is a"),
        line("20991231", "1", "2", "", "now", "Is a"),
    )
    with like(engine, "concept_relationship") as connection:
        [row] = copied(connection, "concept_relationship", sound, header)
        assert row[:3] == (1, 2, "Is a")
        with pytest.raises(Unfit):
            copied(connection, "concept_relationship", sound + bad, header)


TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), min_size=1, max_size=20
)
END = st.sampled_from(["\n", "\r\n"])


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, st.integers(0, 2**31 - 1)), max_size=8), END, st.booleans())
def test_copy_stores_any_cells(
    engine: Engine, rows: list[tuple[str, str, int]], end: str, open_ended: bool
) -> None:
    written = end.join(f"{code}\t{name}\t{label}" for code, name, label in rows)
    written += "" if open_ended or not rows else end
    with like(engine, "domain") as connection:
        assert copied(connection, "domain", written.encode()) == rows


def test_line_ends_of_windows_twice_over_are_line_ends(engine: Engine) -> None:
    with like(engine, "domain") as connection:
        assert copied(connection, "domain", b"a\tb\t1\r\r\nc\td\t2\r\r\n") == [("a", "b", 1), ("c", "d", 2)]


@pytest.mark.parametrize(
    "rows",
    [b"a\tb\t1\n\n", b"a\tb\n", b"a\tb\t1\t\n", b"a\tb\r\t1\n", b"a\tb\0\t1\n", b"a\tb\xff\t1\n",
     b"a\tb\t1\rc\td\t2\n", b"a\tb\t1\rc\td\t2", b"a\t\t1\n", b"\\N\tb\t\\N\n", b"\\.\n"],
)  # fmt: skip
def test_what_is_no_row_is_refused(engine: Engine, rows: bytes) -> None:
    with like(engine, "domain") as connection, pytest.raises(Unfit):
        copied(connection, "domain", rows)
