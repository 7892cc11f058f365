"""Commands about OMOP rows: explain, sql."""

import csv
import re
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import psycopg2
import typer
from psycopg2.extensions import new_type, register_type, string_types
from rich.table import Table
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.exc import DBAPIError

from api.shared import BadInput, cell, database, err, fits, out, plural
from etl.explain import CaseOrigin, Explanation, explain, explain_person
from etl.setup import require_current
from omop_schema.database import DatabaseError, DatabaseNotInitialised, DatabaseReadOnly
from omop_schema.refusals import translate

app = typer.Typer()
#: A table needs all its rows to find its widths, and nobody reads more of them on a screen.
MOST_SHOWN = 1000


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    PLAIN = "plain"


@app.command("explain")
def explain_row(
    table: Annotated[str, typer.Argument(help="An OMOP table, for instance measurement.")],
    row_id: Annotated[int, typer.Argument(metavar="ID", help="The row's id, for instance a measurement_id.")],
) -> None:
    """Say where a row comes from: case, upload, rule with file and line, and the place in the form.

    The same in SQL: SELECT * FROM lake.lineage(ID).

    \b
    Example:
      oncolake explain measurement 4309647360
    """
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            if table == "person":
                _print_person(row_id, explain_person(connection, row_id))
            else:
                _print_row(explain(connection, table, row_id))


def _print_row(found: Explanation) -> None:
    grid = _grid()
    grid.add_row("row", cell(f"{found.table} {found.row_id}"))
    _add_case(grid, found.case)
    grid.add_row("rule", cell(f"{found.rule}  ({found.file}:{found.line})"))
    grid.add_row("item", cell(found.item_path))
    for index, path in enumerate(found.paths):
        grid.add_row("value at" if index == 0 else "", cell(path))
    out.print(grid)


def _print_person(person_id: int, origins: tuple[CaseOrigin, ...]) -> None:
    grid = _grid()
    grid.add_row("row", f"person {person_id}, from {plural(len(origins), 'case')}; the first one decides")
    for origin in origins:
        _add_case(grid, origin)
    out.print(grid)


def _add_case(grid: Table, case: CaseOrigin) -> None:
    grid.add_row("case", cell(f"{case.case_id}, form {case.form}, version {case.version}"))
    grid.add_row("upload", cell(f"{case.upload_id}, record {case.position} of {case.source}"))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="A query, or a .sql file that holds one.")],
    form: Annotated[
        Format, typer.Option("--format", help="plain: tab-separated, without a header.")
    ] = Format.TABLE,
) -> None:
    """Run one query in a read-only session and print its result.

    That guards against slips and is no security boundary: SQL can switch it off. Where it matters,
    connect as a role that may only SELECT.

    \b
    Example:
      oncolake sql "SELECT count(*) FROM omop.person"
    """
    statement = _statement(query)
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            _only_read(connection)
            _print_result(_run(connection, statement), form)


def _statement(query: str) -> str:
    if query.endswith(".sql"):
        try:
            query = Path(query).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise BadInput(f"'{query}' cannot be read: {type(error).__name__}") from None
    # Python hands on a byte of the command line that is not UTF-8 as half a surrogate pair.
    if re.search("[\0\ud800-\udfff]", query):
        raise BadInput("the query holds bytes that are not text; write it in UTF-8")
    return query


def _only_read(connection: Connection) -> None:
    """Make the session read-only, not just its first transaction: a query may hold a COMMIT."""
    connection.execute(text("SET default_transaction_read_only = on"))
    connection.commit()
    connection.execute(text("SET TRANSACTION READ ONLY"))
    # Values as PostgreSQL writes them: Python has no year 10000 and another spelling of arrays.
    as_written = new_type(tuple(string_types), "AS_WRITTEN", lambda value, cursor: value)
    opened: Any = connection.connection.dbapi_connection
    register_type(as_written, opened)


def _run(connection: Connection, statement: str) -> "CursorResult[tuple[object, ...]]":
    try:
        # Without parameters % is a character like any other.
        return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg2.Error):
            raise
        if error.orig.pgcode is None and isinstance(error.orig, psycopg2.ProgrammingError):
            raise BadInput("the query has no result to print; end it with a SELECT") from None
        refusal = translate(error.orig)
        if isinstance(refusal, DatabaseReadOnly):
            raise BadInput(
                "`oncolake sql` only reads; write with psql and the address of `oncolake url`"
            ) from None
        if type(refusal) in (DatabaseError, DatabaseNotInitialised):
            raise BadInput(f"the query is not right: {_told(error.orig)}") from None
        raise


def _told(error: psycopg2.Error) -> str:
    """The server's primary message on one line; its DETAIL can hold row data and is left out."""
    message = error.diag.message_primary or str(error)
    if error.diag.statement_position is None:
        # It arose while rows were read, so what stands in quotes can be a row's value.
        message = re.sub(r'["„“”«»‹›].*["„“”«»‹›]', '"..."', message, flags=re.DOTALL)
    return " ".join(message.split())


def _print_result(result: "CursorResult[tuple[object, ...]]", form: Format) -> None:
    if not result.returns_rows:
        raise BadInput("the query has no result to print; end it with a SELECT")
    names = list(result.keys())
    if form is Format.TABLE:
        _print_table(names, [_texts(row) for row in result.fetchmany(MOST_SHOWN)], result.rowcount)
        return
    writer = csv.writer(sys.stdout, delimiter="," if form is Format.CSV else "\t", lineterminator="\n")
    if form is Format.CSV:
        writer.writerow(names)
    writer.writerows(map(_texts, result))


def _texts(row: Iterable[object]) -> list[str]:
    return ["" if value is None else str(value) for value in row]


def _print_table(names: list[str], rows: list[list[str]], count: int) -> None:
    table = _result_table(names, rows)
    out.print(table if fits(table) else _records(names, rows))
    err.print(plural(count, "row"))
    if count > len(rows):
        err.print(f"Only the first {len(rows):,} are shown: `--format csv` writes them all.")


def _result_table(names: list[str], rows: list[list[str]]) -> Table:
    table = Table()
    for index, name in enumerate(names):
        numbers = all(row[index].replace(".", "", 1).lstrip("-").isdigit() for row in rows if row[index])
        table.add_column(cell(name), justify="right" if numbers and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def _records(names: list[str], rows: list[list[str]]) -> Table:
    """The rows one below the other, for a result that is wider than the terminal."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", overflow="fold")
    grid.add_column(overflow="fold")
    for number, row in enumerate(rows, 1):
        grid.add_row(f"row {number:,}", "", style="reverse")
        for name, value in zip(names, row, strict=True):
            grid.add_row(cell(name), cell(value))
    if not rows:
        grid.add_row(cell(", ".join(names)))
    return grid
