"""Commands about the tables: schema show, schema draw."""

from enum import StrEnum
from typing import Annotated

import typer

from api.shared import database
from etl.catalogue import read_functions, read_views
from etl.setup import require_current
from omop_schema.describe import page
from omop_schema.diagram import DIAGRAMS, draw

app = typer.Typer(help="Print the tables as a document, or draw them.", no_args_is_help=True)


class Picture(StrEnum):
    """What can be drawn."""

    IMAGING = "imaging"
    CURATION = "curation"


@app.command()
def show() -> None:
    """Print every table, view and function (Markdown): columns, types, references, meaning.

    \b
    Example:
      oncolake schema show > docs/schema.md
    """
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            print(page(read_views(connection), read_functions(connection)), end="")


@app.command("draw")
def draw_tables(
    picture: Annotated[Picture, typer.Argument(help="Which tables.", show_default=False)],
) -> None:
    """Draw tables with the references between them (SVG).

    \b
    Example:
      oncolake schema draw imaging > docs/schema-imaging.svg
    """
    print(draw(DIAGRAMS[picture.value]), end="")
