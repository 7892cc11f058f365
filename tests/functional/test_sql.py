"""``oncolake sql``: it reads, prints what it read and nothing else, and says what is wrong with a query."""

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.functional.conftest import Run, Terminal

SAMPLES = Path(__file__).parents[2] / "mappings" / "prostate" / "samples"
FIGURE_13 = SAMPLES / "figure-13.json"
COHORT = Path(__file__).parents[2] / "docs" / "queries" / "cohort.sql"
PATIENT = "PCa-268768370567"
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM omop.note",
        "COMMIT; DELETE FROM omop.note; SELECT 1",
        "ROLLBACK; DELETE FROM omop.note; SELECT 1",
        "COMMIT; BEGIN; DELETE FROM omop.note; COMMIT; SELECT 1",
        "WITH gone AS (DELETE FROM omop.note RETURNING 1) SELECT * FROM gone",
        "TRUNCATE omop.note CASCADE",
        "DROP TABLE omop.note CASCADE",
        "CREATE TABLE omop.mine (id int)",
        "SELECT nextval('lake.uploads_upload_id_seq')",
    ],
)
def test_a_query_that_writes_is_refused(run: Run, lake: Engine, query: str) -> None:
    run("ingest", FIGURE_13)
    before = count(lake, "omop.note")
    said = run("sql", query)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "oncolake: `oncolake sql` only reads; write with psql and the address of `oncolake url`\n"
    )
    assert count(lake, "omop.note") == before > 0


def test_other_commands_still_write_afterwards(run: Run, lake: Engine) -> None:
    assert run("sql", "SELECT 1").code == 0
    assert run("ingest", FIGURE_13).code == 0
    assert count(lake, "omop.person") == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT 1/0", "division by zero"),
        ("SELECT 'one'::int", 'invalid input syntax for type integer: "one"'),
        ("SELECT E'one\\ntwo'::int", 'invalid input syntax for type integer: "one two"'),
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist'),
        ("SELECT * FROM no.where", 'relation "no.where" does not exist'),
        ("SELECT heigth FROM omop.person", 'column "heigth" does not exist'),
        ("SELECT $1", "there is no parameter $1"),
        ("SELECT '{'::jsonb", "invalid input syntax for type json"),
        (
            "SELECT (SELECT 1 UNION SELECT 2)",
            "more than one row returned by a subquery used as an expression",
        ),
    ],
)
def test_a_faulty_query_is_told_in_postgresqls_words(run: Run, query: str, message: str) -> None:
    assert run("sql", query) == (2, "", f"oncolake: the query is not right: {message}\n")


@pytest.mark.parametrize("kind", ["int", "date", "jsonb", "regclass", "uuid"])
def test_an_error_that_arises_in_a_row_does_not_tell_its_value(run: Run, kind: str) -> None:
    run("ingest", FIGURE_13)
    said = run("sql", f"SELECT person_source_value::{kind} FROM omop.person")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("oncolake: the query is not right: ")
    assert PATIENT.lower() not in said.err.lower()


@pytest.mark.parametrize(
    "query", ["", "/* nothing */", "BEGIN", "SET search_path = omop", "COPY omop.person TO STDOUT"]
)
def test_a_query_without_a_result_says_so(run: Run, query: str) -> None:
    assert run("sql", query) == (
        2, "", "oncolake: the query has no result to print; end it with a SELECT\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SET ROLE pg_monitor; SELECT * FROM omop.person", "the user may not do that; GRANT the right"),
        ("SET statement_timeout = '10ms'; SELECT pg_sleep(60)", "took longer than statement_timeout"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "the connection was lost"),
    ],
)
def test_what_is_no_fault_of_the_query_is_told_as_the_databases(run: Run, query: str, message: str) -> None:
    said = run("sql", query)
    assert (said.code, said.out) == (3, "")
    assert message in said.err
    assert "the query" not in said.err


def test_the_installed_help_names_no_file_of_the_repository(run: Run) -> None:
    said = run("sql", "--help")
    assert "no security boundary" in said.out
    assert ".sql" not in said.out.partition("Example:")[2].partition("Arguments")[0]


@pytest.mark.parametrize(
    ("query", "cells"),
    [
        ("SELECT 'abc' LIKE 'a%' AS a, '100 %s %(x)s' AS b", [["a", "b"], ["t", "100 %s %(x)s"]]),
        ("SELECT ':x', 'a' || ':y' AS \":z\"", [["?column?", ":z"], [":x", "a:y"]]),
        ("SELECT '[/x]' AS \"[b]\", ':smile:' AS a", [["[b]", "a"], ["[/x]", ":smile:"]]),
        ("SELECT '$.lesions[*]' AS p, '[red]' AS q", [["p", "q"], ["$.lesions[*]", "[red]"]]),
        ("SELECT NULL::int AS a, '' AS b, 'é€' AS c", [["a", "b", "c"], ["", "", "é€"]]),
        ("SELECT 1 AS a, 2 AS a", [["a", "a"], ["1", "2"]]),
        ("SELECT 1; SELECT 2 AS b", [["b"], ["2"]]),
        ("SELECT ARRAY['x','y z'] AS a, true AS b", [["a", "b"], ['{x,"y z"}', "t"]]),
        ("SELECT '{\"a\": [1]}'::jsonb AS j, '\\x00ff'::bytea AS b", [["j", "b"], ['{"a": [1]}', "\\x00ff"]]),
        ("SELECT DATE '10000-01-01' AS d, DATE '4713-01-01 BC' AS e",
         [["d", "e"], ["10000-01-01", "4713-01-01 BC"]]),
        ("SELECT 1.50 AS n, 'NaN'::float AS f", [["n", "f"], ["1.50", "NaN"]]),
        ("SELECT 1 AS one WHERE false", [["one"]]),
    ],
)  # fmt: skip
def test_cells_are_as_postgresql_writes_them(run: Run, query: str, cells: list[list[str]]) -> None:
    table = run("sql", query)
    assert (table.code, table.err) == (0, f"{len(cells) - 1} row{'s' * (len(cells) != 2)}\n")
    lines = [re.split("[│┃]", line)[1:-1] for line in table.out.splitlines() if line[0] in "│┃"]
    assert [[one.strip() for one in line] for line in lines] == cells
    as_csv, plain = run("sql", "--format", "csv", query), run("sql", "--format", "plain", query)
    assert list(csv.reader(io.StringIO(as_csv.out))) == cells
    assert list(csv.reader(io.StringIO(plain.out), delimiter="\t")) == cells[1:]
    assert (as_csv.err, plain.err) == ("", ""), "nothing but the result"


def test_control_characters_do_not_reach_the_terminal(run: Run) -> None:
    said = run("sql", "SELECT E'\\x1b[2J\\x07' AS a")
    assert r"\x1b[2J\x07" in said.out
    assert "\x1b" not in said.out


def test_numbers_stand_right_and_text_left(run: Run) -> None:
    said = run("sql", "SELECT * FROM (VALUES (-1.5, 'a'), (1000, 'bcd'), (NULL, NULL)) AS t (n, s)")
    assert said.out.splitlines()[3:6] == ["│ -1.5 │ a   │", "│ 1000 │ bcd │", "│      │     │"]


def test_a_query_is_read_from_a_file(run: Run, tmp_path: Path) -> None:
    run("ingest", SAMPLES)
    said = run("sql", "--format", "csv", COHORT)
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert sum(int(row["patients"]) for row in rows) > 20
    assert [row["PI-RADS"] for row in rows] == sorted({row["PI-RADS"] for row in rows})
    with_bom = tmp_path / "bom.sql"
    with_bom.write_bytes("\ufeffSELECT 'é%' AS a".encode())
    assert run("sql", "--format", "plain", with_bom).out == "é%\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"SELECT '\xff'", "cannot be read: UnicodeDecodeError"),
        (b"SELECT '\0'", "the query holds bytes that are not text"),
        (None, "cannot be read: FileNotFoundError"),
    ],
)
def test_a_file_that_is_no_query_is_told(
    run: Run, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "query.sql"
    if content is not None:
        file.write_bytes(content)
    said = run("sql", file)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_bytes_on_the_command_line_that_are_not_text_are_told(run: Run) -> None:
    said = run("sql", os.fsdecode(b"SELECT '\xff'"))
    assert (said.code, "bytes that are not text" in said.err) == (2, True)


def test_a_result_wider_than_the_terminal_stands_row_below_row(terminal: Terminal, run: Run) -> None:
    run("ingest", FIGURE_13)
    query = (
        "SELECT *, repeat('x', 99) AS long FROM omop.measurement WHERE measurement_concept_id = 2000000004"
    )
    said = terminal(60, "sql", query)
    shown = [STYLE.sub("", line).rstrip() for line in said.out.splitlines()]
    assert said.code == 0
    assert shown[0] == "row 1"
    assert any(re.fullmatch(r"measurement_concept_id +2000000004", line) for line in shown)
    assert any(re.fullmatch(r"value_as_number +3(\.0)?", line) for line in shown)
    assert sum(line.count("x") for line in shown if "xx" in line) == 99, "long text is folded, not cut"
    assert max(map(len, shown)) <= 60
    narrow = STYLE.sub("", terminal(60, "sql", "SELECT 1 AS one, 'two' AS two").out)
    assert "│   1 │ two │" in narrow


def test_no_coverage_count_is_lost_on_a_narrow_terminal(terminal: Terminal, run: Run) -> None:
    run("ingest", FIGURE_13)
    wide = run("coverage", "--format", "csv").out
    total = sum(int(row["total"]) for row in csv.DictReader(io.StringIO(wide)))
    said = terminal(60, "coverage", "--show-values", NO_COLOR="1")
    shown = [STYLE.sub("", line).rstrip() for line in said.out.splitlines()]
    assert said.code == 0
    assert max(map(len, shown)) <= 60
    table = shown[: shown.index(next(line for line in shown if line.startswith("└")))]
    places, footer = "\n".join(table).split("├")
    counts = re.compile(r"(\d+) (?:mapped|unmapped|problem|ignored|unused)\b")
    assert sum(map(int, counts.findall(places))) == total
    assert sum(map(int, counts.findall(footer.replace(",", "")))) == total
    assert "$.lesions[*].location[*]" in places


@pytest.mark.parametrize(
    "settings",
    [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"NO_COLOR": "1"}],
    ids=str,
)
def test_any_encoding_of_the_output_will_do(oncolake_env: dict[str, str], settings: dict[str, str]) -> None:
    for form in ("table", "csv"):
        ran = installed(oncolake_env | settings, "sql", "--format", form, "SELECT 'é€' AS a")
        assert ran.returncode == 0, ran.stderr
        assert any(euro in ran.stdout for euro in ("€".encode(), rb"\u20ac"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("sql", "SELECT 1"),
        ("sql", "--format", "csv", "SELECT 1"),
        ("sql", "SELECT generate_series(1, 9999)"),
        ("sample", "1"),
        ("sample", "1000"),
        ("coverage", "--format", "json"),
        ("map", "show"),
    ],
    ids=" ".join,
)
def test_a_reader_that_has_seen_enough_gets_no_complaint(
    oncolake_env: dict[str, str], arguments: tuple[str, ...]
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    ran = installed(oncolake_env, *arguments, stdout=write_end)
    os.close(write_end)
    assert ran.stderr == b""


def installed(
    environment: dict[str, str], *arguments: str, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    command = [Path(sys.executable).with_name("oncolake"), *arguments]
    return subprocess.run(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, check=False)


def test_a_long_table_is_cut_and_says_so_and_csv_is_whole(run: Run) -> None:
    query = "SELECT generate_series(1, 2500) AS n"
    said = run("sql", query)
    assert "2,500 rows" in said.err
    assert "Only the first 1,000 are shown" in said.err
    assert ("1000" in said.out, "1001" in said.out) == (True, False)
    assert len(run("sql", "--format", "csv", query).out.splitlines()) == 2501
