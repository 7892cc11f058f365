"""The views of a disease, for scientists: the files ``research/*.sql`` of a mapping folder.

A file ``series.sql`` creates the view ``research.series``, and says what its columns come from. Nothing else
is let through, for it runs with the rights of whoever initialises the database.
"""

import hashlib
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable

from psycopg2 import errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

#: The schema of the views, and the folder of their files.
RESEARCH = "research"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
#: Comments, then one of the two statements that a file may hold.
_STATEMENT = re.compile(
    r"(?:\s|--[^\n]*\n)*(?:CREATE OR REPLACE VIEW|COMMENT ON (?:VIEW|COLUMN)) research\.([a-z0-9_]+)\b"
)
#: What follows the comment of a view: whose it is, and the digest of its file.
_TAG = re.compile(r" \(mapping ([^()]+) ([0-9a-f]{12})\)\Z")

_COMMENT = text("SELECT obj_description(to_regclass(:view), 'pg_class')")


class ResearchError(Exception):
    """A view of a mapping folder that cannot be created."""


def create_views(connection: Connection, folder: Traversable, mapping: str) -> list[str]:
    """Create the folder's views, or bring them up to date; returns their names, such as ``research.series``.

    A view whose columns are no longer those that it had is dropped and made anew. Raises ResearchError, which
    names the file and the next step: for a file that holds something else, for a view of another mapping, and
    for one that cannot be replaced or does not fit the tables.
    """
    return [_create(connection, name, content, mapping) for name, content in _files(folder)]


def statements(name: str, content: str) -> list[str]:
    """The statements of the file of a view. Raises ResearchError when they are not all about that view."""
    # With no semicolon inside, each is one statement to PostgreSQL as well.
    parts = [part for part in content.split(";") if part.strip()]
    for part in parts:
        found = _STATEMENT.match(part)
        if not found or found[1] != name:
            raise ResearchError(
                f"{RESEARCH}/{name}.sql: may hold nothing but CREATE OR REPLACE VIEW and COMMENT ON for "
                f"{RESEARCH}.{name}, each ended by the only semicolon in it"
            )
    return parts


def _files(folder: Traversable) -> Iterator[tuple[str, str]]:
    views = folder.joinpath(RESEARCH)
    if not views.is_dir():
        return
    for file in sorted(views.iterdir(), key=lambda one: one.name):
        if not file.name.endswith(".sql"):
            continue
        name = file.name.removesuffix(".sql")
        if not _NAME.fullmatch(name):
            raise ResearchError(f"{RESEARCH}/{file.name}: name it after its view, in small letters")
        try:
            yield name, file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ResearchError(f"{RESEARCH}/{file.name} cannot be read: {type(error).__name__}") from None


def _create(connection: Connection, name: str, content: str, mapping: str) -> str:
    view = f"{RESEARCH}.{name}"
    parts, digest = statements(name, content), hashlib.sha256(content.encode()).hexdigest()[:12]
    there = _TAG.search(_comment(connection, view))
    if there and there[1] != mapping:
        raise ResearchError(
            f"{view} is a view of mapping '{there[1]}'; rename {RESEARCH}/{name}.sql of '{mapping}', or drop "
            "the view first"
        )
    if there and there[2] == digest:
        return view
    try:
        _replace(connection, view, parts)
    except DBAPIError as error:
        raise _told(error, name) from None
    # A file without a comment of its own leaves the one before.
    comment = _TAG.sub("", _comment(connection, view))
    tagged = f"{comment} (mapping {mapping} {digest})".replace("'", "''")
    _run(connection, f"COMMENT ON VIEW {view} IS '{tagged}'")
    return view


def _comment(connection: Connection, view: str) -> str:
    return connection.scalar(_COMMENT, {"view": view}) or ""


def _replace(connection: Connection, view: str, parts: list[str]) -> None:
    try:
        with connection.begin_nested():
            for part in parts:
                _run(connection, part)
    except DBAPIError as error:
        if not isinstance(error.orig, errors.InvalidTableDefinition):
            raise
        with connection.begin_nested():
            _run(connection, f"DROP VIEW {view}")
            for part in parts:
                _run(connection, part)


def _told(error: DBAPIError, name: str) -> Exception:
    match error.orig:
        case errors.DependentObjectsStillExist():
            message = f"its columns changed, and other views read {RESEARCH}.{name}; drop those first"
        case errors.ProgrammingError() as cause:
            message = f"PostgreSQL refuses it: {cause.diag.message_primary}"
        case _:
            return error
    return ResearchError(f"{RESEARCH}/{name}.sql: {message}")


def _run(connection: Connection, statement: str) -> None:
    # Colons and percent signs of a view are no parameters.
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
