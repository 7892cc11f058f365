"""Commands about OMOP rows: explain, sql."""

import csv
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection, CursorResult, text

from api.shared import BadInput, database, out, plural
from etl.explain import CaseOrigin, Explanation, explain, explain_person
from etl.setup import require_current

app = typer.Typer()


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
    grid.add_row("row", f"{found.table} {found.row_id}")
    _add_case(grid, found.case)
    grid.add_row("rule", f"{found.rule}  ({found.file}:{found.line})")
    grid.add_row("item", found.item_path)
    for index, path in enumerate(found.paths):
        grid.add_row("value at" if index == 0 else "", path)
    out.print(grid)


def _print_person(person_id: int, origins: tuple[CaseOrigin, ...]) -> None:
    grid = _grid()
    grid.add_row("row", f"person {person_id}, from {plural(len(origins), 'case')}; the first one decides")
    for origin in origins:
        _add_case(grid, origin)
    out.print(grid)


def _add_case(grid: Table, case: CaseOrigin) -> None:
    grid.add_row("case", f"{case.case_id}, form {case.form}, version {case.version}")
    grid.add_row("upload", f"{case.upload_id}, record {case.position} of {case.source}")


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="A query, or a file that holds one.")],
    form: Annotated[
        Format, typer.Option("--format", help="plain: tab-separated, without a header.")
    ] = Format.TABLE,
) -> None:
    """Run one read-only query and print its result.

    \b
    Example:
      oncolake sql "SELECT count(*) FROM omop.person"
      oncolake sql docs/queries/cohort.sql
    """
    statement = _statement(query)
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            _print_result(_run(connection, statement), form)


def _statement(query: str) -> str:
    if not query.endswith(".sql"):
        return query
    try:
        return Path(query).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"'{query}' cannot be read: {type(error).__name__}") from None


def _run(connection: Connection, statement: str) -> "CursorResult[tuple[object, ...]]":
    from sqlalchemy.exc import ProgrammingError

    try:
        return connection.exec_driver_sql(statement)
    except ProgrammingError as error:
        raise BadInput(f"the query is not right: {str(error.orig).splitlines()[0]}") from None


def _print_result(result: "CursorResult[tuple[object, ...]]", form: Format) -> None:
    if not result.returns_rows:
        raise BadInput("the query returns no rows; `oncolake sql` reads, it does not write")
    names = list(result.keys())
    rows = [["" if value is None else str(value) for value in row] for row in result]
    if form is Format.TABLE:
        table = Table()
        for index, name in enumerate(names):
            numbers = all(row[index].replace(".", "", 1).lstrip("-").isdigit() for row in rows if row[index])
            table.add_column(name, justify="right" if numbers and rows else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        out.print(table)
        return
    writer = csv.writer(sys.stdout, delimiter="," if form is Format.CSV else "\t", lineterminator="\n")
    writer.writerows(([names] if form is Format.CSV else []) + rows)
