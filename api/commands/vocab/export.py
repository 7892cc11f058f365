"""``oncolake vocab export``: the custom vocabularies for other OMOP sites."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from api.shared import cell, database, out
from etl.setup import require_current
from vocabularies.custom.export import Exported
from vocabularies.custom.export import export as export_to


def export(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder, or a zip if it ends in .zip.")],
    vocabulary: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this vocabulary; may be given again.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an earlier export.")] = False,
) -> None:
    """Write the custom vocabularies in Athena's layout: nine tab-separated files.

    They hold the concepts with ids from 2000000000, with their vocabularies, domains, classes and synonyms,
    and the relationships and ancestors that link them, also to Athena's concepts.

    \b
    Example:
      oncolake vocab export procanceri.zip --vocabulary PROCANCERI
    """
    with database() as engine:
        require_current(engine)
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            exported = export_to(connection, path, vocabulary or (), force=force)
    _print(exported, path)


def _print(exported: Exported, path: Path) -> None:
    table = Table(title=f"{', '.join(exported.vocabularies)} in {path}", title_justify="left")
    table.add_column("file", no_wrap=True)
    table.add_column("rows", justify="right")
    for name, rows in exported.rows.items():
        table.add_row(cell(name), f"{rows:,}")
    out.print(table)
