"""Commands about the database itself: init, status, url, stop."""

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy.engine import URL, make_url

from api.edited import told_of_cases, told_of_versions
from api.shared import (
    BadInput,
    MappingsOption,
    database,
    err,
    mapping_folder,
    named_by_setting,
    out,
    plural,
)
from etl.reader_role import LISTED, READER, Reader, make_reader, set_password
from etl.setup import initialise, require_current
from etl.status import status as read_status
from omop_schema.database import database_url, describe, make_engine, translated
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
        reader = make_reader(engine, login=not named_by_setting())
    verb = {"empty": "created", "older": "upgraded", "current": "already there"}[done.before.name]
    out.print(f"Tables {verb}, at version {done.before.want}.")
    _print_reader(reader)
    new, changed = done.concepts.inserted, done.concepts.updated
    out.print(
        f"Concepts: {new} new, {changed} changed, {done.concepts.kept} as they were; "
        f"{plural(done.value_map_rows, 'value map row')}; {plural(done.rules, 'rule')} registered."
    )
    filled = "filled by" if done.sections.right else "of an older schema, made anew by"
    out.print(
        f"Views: {done.views} in schema research. The form's sections: "
        f"{plural(done.sections.tables, 'table')} in schema lake, {filled} `oncolake refresh`."
    )
    if done.outdated:
        err.print(told_of_cases(done.outdated, mappings), markup=False)


def _print_reader(reader: Reader) -> None:
    if reader.ready:
        out.print(f"Role {READER} may read schemas {LISTED}, and nothing else: `oncolake url --reader`.")
    else:
        err.print(f"This user may not make the role {READER}; let an administrator run in this database:")
        err.print("\n".join(f"  {each}" for each in reader.missing), markup=False)


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
    _print_counts("Warnings", found.warnings)
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
        out.print(told_of_versions(found.outdated))


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
    reader: Annotated[
        bool,
        typer.Option("--reader", help=f"For data scientists: reads schemas {LISTED}, and nothing else."),
    ] = False,
) -> None:
    """Print the database's address, for psql and other tools. The embedded server stays up for them.

    \b
    Example:
      psql "$(oncolake url)"
      psql "$(oncolake url --reader)"
    """
    if tcp and named_by_setting():
        raise BadInput("--tcp is for the embedded server; ONCOLAKE_DATABASE_URL names another one")
    with database_url(keep=True, tcp=tcp) as address:
        out.print(_readers_address(address, tcp) if reader else address, markup=False)
    if reader and named_by_setting():
        err.print(f"For each login that is to read: GRANT {READER} TO its_name; psql takes it with -U.")
    if not named_by_setting():
        err.print("The embedded server keeps running; `oncolake stop` stops it.")


def _readers_address(address: str, tcp: bool) -> str:
    """Where a data scientist connects: as the role on the embedded server, elsewhere by an own login."""
    url = make_url(address)
    engine = make_engine(address)
    try:
        with translated(describe(url)):
            if not (made := make_reader(engine, login=not named_by_setting())).ready:
                _print_reader(made)
            password = Server(default_home()).reader_password() if tcp else None
            if password:
                set_password(engine, password)
    finally:
        engine.dispose()
    if named_by_setting():
        own = URL.create(url.drivername, None, None, url.host, url.port, url.database, url.query)
        return own.render_as_string()
    return url.set(username=READER, password=password).render_as_string(hide_password=False)


@app.command()
def stop() -> None:
    """Stop the embedded server that `oncolake url` left running.

    \b
    Example:
      oncolake stop
    """
    if named_by_setting():
        raise BadInput("there is no embedded server: ONCOLAKE_DATABASE_URL names another one")
    server = Server(default_home())
    ran, free = server.running(), server.stop()
    if not free:
        out.print("Other oncolake processes use it; it stops with the last of them.")
    else:
        out.print("Stopped." if ran else "It was not running.")
