"""Commands about the database itself: init, status, url, stop."""

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.table import Table

from api.shared import (
    BadInput,
    MappingsOption,
    database,
    err,
    mapping_folder,
    named_by_setting,
    out,
    outdated_sentence,
    plural,
)
from etl.setup import initialise, require_current
from etl.status import status as read_status
from omop_schema.database import database_url, describe
from omop_schema.embedded import Server, default_home

app = typer.Typer()


@app.command()
def init(mappings: MappingsOption = None) -> None:
    """Create the database's tables, or upgrade them, and load the concepts a mapping starts with.

    Running it again changes nothing.

    \b
    Example:
      oncolake init
    """
    folder = mapping_folder(mappings)
    with database() as engine:
        done = initialise(engine, folder)
    verb = {"empty": "created", "older": "upgraded", "current": "already there"}[done.before.name]
    out.print(f"Tables {verb}, at version {done.before.want}.")
    new, changed = done.concepts.inserted, done.concepts.updated
    out.print(
        f"Concepts: {new} new, {changed} changed, {done.concepts.kept} as they were; "
        f"{plural(done.value_map_rows, 'value map row')}; {plural(done.rules, 'rule')} registered."
    )


@app.command()
def status() -> None:
    """Show what is in the lake and in OMOP.

    \b
    Example:
      oncolake status
    """
    with database() as engine:
        require_current(engine)
        where = describe(engine.url)
        with engine.connect() as connection:
            found = read_status(connection)
    out.print(f"{where}, tables at version {found.migration}", markup=False)
    lake = {"cases": found.cases, "not loaded yet": found.pending, "persons": found.persons}
    _print_counts("Lake", lake)
    _print_counts("Uploads", found.uploads)
    _print_counts("OMOP rows", {table: count for table, count in sorted(found.rows.items()) if count})
    _print_counts("Problems", found.problems)
    if found.placeholders:
        out.print(
            f"{plural(found.placeholders, 'concept')} are placeholders until Athena vocabularies are loaded: "
            "`oncolake vocab load`."
        )
    if found.pending:
        out.print(
            f"{plural(found.pending, 'case')} landed but not loaded: the next `oncolake ingest` loads them."
        )
    if found.outdated:
        out.print(outdated_sentence(found.outdated))


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    if not counts:
        return
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True, min_width=24)
    table.add_column(justify="right", min_width=8)
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    out.print(table)


@app.command()
def url(
    tcp: Annotated[
        bool, typer.Option("--tcp", help="An address over TCP, for tools without unix sockets.")
    ] = False,
) -> None:
    """Print the database's address, for psql and other tools. The embedded server stays up for them.

    \b
    Example:
      psql "$(oncolake url)"
    """
    if tcp and named_by_setting():
        raise BadInput("--tcp is for the embedded server; ONCOLAKE_DATABASE_URL names another one")
    with database_url(keep=True, tcp=tcp) as address:
        out.print(address, markup=False)
    if not named_by_setting():
        err.print("The embedded server keeps running; `oncolake stop` stops it.")


@app.command()
def stop() -> None:
    """Stop the embedded server that `oncolake url` left running.

    \b
    Example:
      oncolake stop
    """
    if named_by_setting():
        raise BadInput("there is no embedded server: ONCOLAKE_DATABASE_URL names another one")
    stopped = Server(default_home()).stop()
    out.print("Stopped." if stopped else "It was not running.")
