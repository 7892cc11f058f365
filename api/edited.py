"""What is said where cases that are loaded, or views, are of another version of a mapping; the next step."""

import shlex
from pathlib import Path

from sqlalchemy import Connection

from etl.research import ResearchError
from etl.setup import Prepared, outdated_views


def told_of_cases(count: int, mappings: Path | None = None) -> str:
    """What it means that so many cases were loaded with another version of their mapping.

    ``mappings`` is the folder as the user gave it: without it, a remap would apply the shipped one.
    """
    which = "1 case was" if count == 1 else f"{count:,} cases were"
    return (
        f"{which} loaded with another version of this mapping: `oncolake remap{_option(mappings)}` makes "
        "their rows anew, and with --dry-run tells before what would change."
    )


def told_of_views(connection: Connection, ready: Prepared, mappings: Path | None) -> str | None:
    """A sentence with the next step where views are not of this version of the mapping; None where all are.

    A view file that no view can be made from is told as well, and stops nothing: cases are loaded without.
    """
    try:
        views = outdated_views(connection, ready)
    except ResearchError as error:
        return f"The views of this mapping cannot be made: {error}"
    if not views:
        return None
    which, them = ("1 view is", "it") if len(views) == 1 else (f"{len(views)} views are", "them")
    option = _option(mappings)
    return (
        f"{which} not of this version of the mapping ({', '.join(views)}): `oncolake remap{option}` renews "
        f"{them} with the rows of loaded cases, `oncolake init{option}` alone."
    )


def _option(mappings: Path | None) -> str:
    return f" --mappings {shlex.quote(str(mappings))}" if mappings else ""
