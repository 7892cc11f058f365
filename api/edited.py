"""What is said where an edited mapping loads cases, and the views of the database are not its own."""

import shlex
from pathlib import Path

from sqlalchemy import Connection

from etl.research import ResearchError
from etl.setup import Prepared, outdated_views


def told_of_views(connection: Connection, ready: Prepared, mappings: Path | None) -> str | None:
    """A sentence with the next step where views are not of this version of the mapping; None where all are.

    ``mappings`` is the folder as the user gave it. A view file that no view can be made from is told as well,
    and stops nothing: cases are loaded without views.
    """
    try:
        views = outdated_views(connection, ready)
    except ResearchError as error:
        return f"The views of this mapping cannot be made: {error}"
    if not views:
        return None
    which, them = ("1 view is", "it") if len(views) == 1 else (f"{len(views)} views are", "them")
    folder = f" --mappings {shlex.quote(str(mappings))}" if mappings else ""
    return (
        f"{which} not of this version of the mapping ({', '.join(views)}): `oncolake remap{folder}` renews "
        f"{them} with the rows of loaded cases, `oncolake init{folder}` alone."
    )
