"""What is said where cases that are loaded, or views, are of another version of a mapping; the next step."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from etl.research import ResearchError
from etl.setup import Prepared, outdated_views


def told_of_cases(count: int, mappings: Path | None) -> str:
    """What it means that so many cases were loaded with another version than this one of their mapping.

    ``mappings`` is the folder as the user gave it: without it, a remap applies the shipped one, and
    the sentence says so.
    """
    what = "" if mappings else " with the shipped one"
    return (
        f"{_cases(count)} loaded with another version of this mapping: `oncolake remap{_option(mappings)}` "
        f"makes their rows anew{what}, and with --dry-run tells before what would change."
    )


def told_of_versions(count: int) -> str:
    """As ``told_of_cases``, where no mapping is named: the user knows which version they should be of."""
    return (
        f"{_cases(count)} loaded with another version of the mapping than the case loaded last: `oncolake "
        "remap`, with the --mappings that they should be of, makes their rows anew, and with --dry-run tells "
        "before what would change."
    )


def told_of_views(connection: Connection, ready: Prepared, mappings: Path | None) -> str | None:
    """What to do where views are not of this version of the mapping, or of no file of it; None if none is.

    A view file that no view can be made from is told as well, and stops nothing: cases are loaded without.
    """
    try:
        views = outdated_views(connection, ready)
    except ResearchError as error:
        return f"The views of this mapping cannot be made: {error}"
    told = []
    if views.other:
        which, them = _views(views.other)
        option, names = _option(mappings), ", ".join(views.other)
        told.append(
            f"{which} not of this version of the mapping ({names}): `oncolake remap{option}` "
            f"renews {them} with the rows of loaded cases, `oncolake init{option}` alone."
        )
    if views.left:
        which, them = _views(views.left)
        names = ", ".join(views.left)
        told.append(
            f"{which} of another version of the mapping alone ({names}), and may find no rows of this one. "
            f"Where nobody needs {them}: `DROP VIEW {names}`."
        )
    return " ".join(told) or None


def _cases(count: int) -> str:
    return "1 case was" if count == 1 else f"{count:,} cases were"


def _views(views: Sequence[str]) -> tuple[str, str]:
    return ("1 view is", "it") if len(views) == 1 else (f"{len(views)} views are", "them")


def _option(mappings: Path | None) -> str:
    return f" --mappings {shlex.quote(str(mappings))}" if mappings else ""
