"""Any bundle is loaded with exactly the rows that are not reported, or refused with a reason and no trace."""

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from tests.bundles import HEADERS, Tables, small, write
from tests.conftest import engine_on, new_database
from tests.loaded import Rows, after, findings, stored
from vocabularies.athena.findings import LEFT_OUT

CPT4 = ["2110316", "Repair", "Procedure", "CPT4", "Disorder", "S", "0001F", "20020131", "20991231", ""]
VALUES = [
          "", "0", "8507", "999999", "2000000000", "2147483648", "x", "SNOMED", "CPT4", "Is a", "None",
          "Placeholder", "20200101", "20200230", "2020-01-01", "infinity", "NaN", "S", "D ", " 8507",
          "y" * 20, "y" * 21, "y" * 255, "y" * 255 + " ", "a\tb", "a\rb", "\\N", '"', "a\nb",
          "2110316", "v5.0 01-JAN-20"]  # fmt: skip


def whole() -> Tables:
    """The small bundle with CPT4, of which one name is blank."""
    tables = small()
    tables["VOCABULARY"].append(["CPT4", "CPT", "http://example.org", "2025", "0"])
    tables["DOMAIN"].append(["Procedure", "Procedure", "0"])
    tables["CONCEPT_CPT4"] = [CPT4, ["2110317", "", *CPT4[2:]]]
    return tables


Edit = tuple[str, str, int, int, str, int]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(sorted(whole())),
        st.sampled_from(["change", "change", "change", "drop", "double", "swap"]),
        st.integers(0, 30),
        st.integers(0, 11),
        st.sampled_from(VALUES),
        st.integers(0, 30),
    ),
    min_size=1,
    max_size=4,
)


def spoiled(edits: Iterable[Edit]) -> Tables:
    """The bundle with some rows dropped or doubled, and some cells changed."""
    tables = deepcopy(whole())
    for name, how, place, column, value, other in edits:
        if rows := tables[name]:
            _edit(
                rows, how, place % len(rows), column % len(HEADERS.get(name, CPT4)), value, other % len(rows)
            )
    return tables


def _edit(rows: list[list[str]], how: str, place: int, column: int, value: str, other: int) -> None:
    match how:
        case "drop":
            del rows[place]
        case "double":
            rows.append(list(rows[place]))
        case "change":
            rows[place][column] = value
        case _:
            rows[place][column] = rows[other][column]


class Lake:
    """An initialised database, and what its vocabulary is like."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.before = engine, stored(engine)


@pytest.fixture(scope="module")
def kept(server_url: str, template_database: str) -> Iterator[Lake]:
    """A database that each example leaves as it was."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        with engine.begin() as connection:
            # Their labels would not come back with the vocabulary.
            connection.execute(text("DELETE FROM omop.source_to_concept_map"))
            connection.execute(text("DELETE FROM omop.vocabulary WHERE vocabulary_id LIKE '%.%'"))
        yield Lake(engine)


def lines(tables: Tables) -> Tables:
    """The rows that a reader of the files finds: a cell may hold a line end."""
    return {
        name: [line.split("\t") for line in "".join("\t".join(row) + "\n" for row in rows).split("\n")[:-1]]
        for name, rows in tables.items()
    }


Places = set[tuple[str, int]]


def expected(before: dict[str, Rows], tables: Tables, out: Places, zero: Places) -> dict[str, Rows]:
    """The tables once the bundle is loaded but for the rows ``out``, and concept 0 in those of ``zero``."""
    kept = {
        name: [
            [*row[:-1], "0"] if (f"{name}.csv", number) in zero else list(row)
            for number, row in enumerate(rows, 2)
            if (f"{name}.csv", number) not in out
        ]
        for name, rows in tables.items()
    }
    kept["CONCEPT"] += kept.pop("CONCEPT_CPT4")
    for name, rows in kept.items():
        for row in rows:
            for index, column in enumerate(HEADERS[name]):
                if row[index] and _type(column) == "integer":
                    row[index] = str(int(row[index]))
    return after(before, kept)


@settings(max_examples=25, deadline=None)
@given(EDITS)
def test_read_is_loaded_and_reported(
    kept: Lake, tmp_path_factory: pytest.TempPathFactory, edits: list[Edit]
) -> None:
    engine, before, tables = kept.engine, kept.before, spoiled(edits)
    outcome, found = findings(engine, write(tmp_path_factory.mktemp("bundle"), tables))
    errors = [one for one in found if one.severity == "error"]
    assert outcome.loaded is not bool(errors)
    try:
        if errors:
            assert outcome.rows == {}
            assert stored(engine) == before
            return
        read = lines(tables)
        out = {(one.file, one.line) for one in found if one.kind in LEFT_OUT}
        assert len(out) == sum(one.kind in LEFT_OUT for one in found)
        for name, rows in read.items():
            reported = sum(file == f"{name}.csv" for file, _ in out)
            assert outcome.rows[f"{name}.csv"] == (len(rows), len(rows) - reported, reported)
        zero = {(one.file, one.line) for one in found if one.kind == "unknown-label"}
        assert stored(engine) == expected(before, read, out, zero)
    finally:
        if outcome.loaded:
            restore(engine, before)


def restore(engine: Engine, before: dict[str, Rows]) -> None:
    """Put the vocabulary back as it was."""
    with engine.begin() as connection:
        connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        for name in reversed(before):
            connection.execute(text(f"DELETE FROM omop.{name}"))
        for name, rows in before.items():
            typed = ", ".join(
                f"CAST(NULLIF(:c{index}, '') AS {_type(column)})"
                for index, column in enumerate(HEADERS[name])
            )
            values = [{f"c{index}": cell for index, cell in enumerate(row)} for row in rows.elements()]
            if values:
                connection.execute(text(f"INSERT INTO omop.{name} VALUES ({typed})"), values)


def _type(column: str) -> str:
    if column.endswith("_date"):
        return "date"
    if re.search("concept_id|separation|box_size", column):
        return "integer"
    return "numeric" if column.endswith("_value") else "text"
