"""The views of a disease, for scientists: what the folder ``research`` of a mapping says, made in a database.

A view reads with the rights of whoever initialises the database, so it is refused where it would hand its
readers more than they may read.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import NamedTuple

from psycopg2 import DataError, NotSupportedError, ProgrammingError, errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from etl.mapping.views import ViewSql
from etl.reader_role import LISTED, SCHEMAS
from etl.research_files import COMMENT_ON, RESEARCH, ResearchError, View, read_views

__all__ = ["ResearchError", "ViewChanges", "changed_views", "create_views"]

#: What follows the comment of a view: whose it is, and the digest of its file.
_TAG = re.compile(r" \(mapping ([^()]+) ([0-9a-f]{12})\)\Z")

#: What PostgreSQL says of views that stay: ``view a depends on view b``.
_DEPENDED = re.compile(r"depends on (?:view|column \w+ of view) (\S+)")

_COMMENT = text("SELECT obj_description(to_regclass(:view), 'pg_class')")
_COMMENTS = text("""
    SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
     WHERE relnamespace = 'research'::regnamespace AND relkind = 'v' ORDER BY 1
""")
_COLUMN_COMMENTS = text("""
    SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
     WHERE attrelid = to_regclass(:view) AND attnum > 0 AND NOT attisdropped
""")
# PostgreSQL's own relations are missing from pg_depend: hence those that the rules of views name. Views of
# this schema that no mapping made are looked into as well. A function runs with the rights of whoever asks,
# but one in a schema that is closed to readers would be opened to them.
_READ_BEYOND = text(r"""
    WITH RECURSIVE reading (view, relation) AS (
        SELECT name, to_regclass(name)::oid FROM unnest(CAST(:views AS text[])) AS name
        UNION
        SELECT view, CAST(named[1] AS oid) FROM reading
        JOIN pg_class ON pg_class.oid = relation AND relnamespace = 'research'::regnamespace
        JOIN pg_rewrite ON ev_class = relation
        CROSS JOIN LATERAL regexp_matches(CAST(ev_action AS text), '\:relid ([1-9][0-9]*)', 'g') AS named
    ), used (view, schema, name) AS (
        SELECT view, relnamespace, relname FROM reading JOIN pg_class ON pg_class.oid = relation
        UNION
        SELECT view, pronamespace, proname FROM reading JOIN pg_rewrite ON ev_class = relation
        JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
            AND refclassid = 'pg_proc'::regclass
        JOIN pg_proc ON pg_proc.oid = refobjid
    )
    SELECT view, concat(nspname, '.', name) FROM used JOIN pg_namespace ON pg_namespace.oid = schema
    WHERE nspname <> ALL (CAST(:schemas AS text[])) ORDER BY 1, 2 LIMIT 1
""")

#: What a statement is at fault for.
_AT_FAULT = (DataError, NotSupportedError, ProgrammingError)


class ViewChanges(NamedTuple):
    """Where the views of a database differ from those of a mapping; each as ``research.series``."""

    other: list[str]
    """Those that ``create_views`` would make, or make anew."""
    left: list[str]
    """Those that another version of the mapping made, and no file of this one makes: they stay."""


def create_views(
    connection: Connection,
    folder: Traversable,
    mapping: str,
    generated: Mapping[str, ViewSql] | None = None,
) -> list[str]:
    """Create the folder's views, or bring them up to date; returns their names, such as ``research.series``.

    ``generated`` has what makes those that follow from the mapping, by name. A view may read others of the
    folder. Where columns are no longer those that a view had, all are dropped and made anew. Raises
    ResearchError, which names the file and the next step: for a file that holds something else, for a view of
    another mapping, for one that cannot be replaced or does not fit the tables, and for one that reads what
    the reader's role may not.
    """
    views = read_views(folder, generated or {})
    there = _tags(connection, views, mapping)
    changed = [view for view in views if not _is_made(there[view.name], view, mapping)]
    try:
        with connection.begin_nested():
            _make(connection, changed, mapping)
            _refuse_beyond(connection, views)
    except _ColumnsChanged as error:
        old = [view for view in views if there[view.name]]
        if not old:
            raise error.told from None
        with connection.begin_nested():
            _drop(connection, old)
            _make(connection, views, mapping)
            _refuse_beyond(connection, views)
    return [view.path for view in views]


def changed_views(
    connection: Connection,
    folder: Traversable,
    mapping: str,
    generated: Mapping[str, ViewSql] | None = None,
) -> ViewChanges:
    """How the database's views differ from the folder's. Writes nothing.

    Raises ResearchError, as ``create_views``: for a file that holds something else, for a view of another
    mapping.
    """
    views = read_views(folder, generated or {})
    there = _tags(connection, views, mapping)
    other = [view.path for view in views if not _is_made(there[view.name], view, mapping)]
    left = [
        f"{RESEARCH}.{name}"
        for name, comment in connection.execute(_COMMENTS)
        if name not in there and (tag := _TAG.search(comment or "")) and tag[1] == mapping
    ]
    return ViewChanges(other, left)


class _ColumnsChanged(Exception):
    """A view has other columns now than those that it can keep, or none can have them."""

    def __init__(self, told: Exception) -> None:
        super().__init__()
        self.told = told


def _make(connection: Connection, views: Sequence[View], mapping: str) -> None:
    for view in views:
        for number, part in enumerate(view.parts):
            try:
                _run(connection, part)
            except DBAPIError as error:
                told = _told(error, view, number)
                if isinstance(error.orig, errors.InvalidTableDefinition):
                    raise _ColumnsChanged(told) from None
                raise told from None
        _take_over_comments(connection, view)
        # A file without a comment of its own leaves the one before.
        comment = _TAG.sub("", _comment(connection, view.path))
        tagged = f"{comment} (mapping {mapping} {view.digest})".replace("'", "''")
        _run(connection, f"COMMENT ON VIEW {view.path} IS '{tagged}'")


def _take_over_comments(connection: Connection, view: View) -> None:
    """A column that has no comment of its own says what the one of its name says in a view that it reads."""
    own = {found[1] for part in view.parts if (found := COMMENT_ON.match(part))}
    said: dict[str, str] = {}
    for one in view.reads:
        rows = connection.execute(_COLUMN_COMMENTS, {"view": f"{RESEARCH}.{one}"})
        said = {name: comment for name, comment in rows if comment} | said
    for name, _ in connection.execute(_COLUMN_COMMENTS, {"view": view.path}).all():
        if name in said and name not in own:
            comment = said[name].replace("'", "''")
            _run(connection, f"COMMENT ON COLUMN {view.path}.{name} IS '{comment}'")


def _refuse_beyond(connection: Connection, views: Sequence[View]) -> None:
    """Refuse views that read what is not for readers, themselves or by way of other views of the schema."""
    given = {"views": [view.path for view in views], "schemas": list(SCHEMAS)}
    for path, read in connection.execute(_READ_BEYOND, given):
        file = next(view.file for view in views if view.path == path)
        raise ResearchError(f"{file}: {path} reads {read}; a view may read schemas {LISTED} alone")


def _drop(connection: Connection, views: Sequence[View]) -> None:
    try:
        _run(connection, f"DROP VIEW {', '.join(view.path for view in views)}")
    except DBAPIError as error:
        if not isinstance(error.orig, errors.DependentObjectsStillExist):
            raise
        read = _DEPENDED.search(error.orig.diag.message_detail or "")
        view = next((one for one in views if read and one.path == read[1]), views[0])
        raise ResearchError(
            f"{view.file}: columns changed, here or in a view of this folder that it reads, and other views "
            f"read {view.path}; drop those first"
        ) from None


def _tags(connection: Connection, views: Sequence[View], mapping: str) -> dict[str, re.Match[str] | None]:
    """What the database says of views, by name: whose each is, and its digest.

    Raises ResearchError for one of another mapping.
    """
    tags = {view.name: _TAG.search(_comment(connection, view.path)) for view in views}
    for view in views:
        tag = tags[view.name]
        if tag and tag[1] != mapping:
            raise ResearchError(
                f"{view.path} is a view of mapping '{tag[1]}'; rename {view.file} of '{mapping}', or drop "
                "the view first"
            )
    return tags


def _is_made(tag: re.Match[str] | None, view: View, mapping: str) -> bool:
    return tag is not None and tag.groups() == (mapping, view.digest)


def _comment(connection: Connection, view: str) -> str:
    return connection.scalar(_COMMENT, {"view": view}) or ""


def _told(error: DBAPIError, view: View, number: int) -> Exception:
    """PostgreSQL's refusal of a statement. It reads no row to make a view, so it tells no value of one."""
    if not isinstance(error.orig, _AT_FAULT):
        return error
    said = error.orig.diag
    position = None if said.statement_position is None else int(said.statement_position)
    return ResearchError(f"{view.place(number, position)}: PostgreSQL refuses it: {said.message_primary}")


def _run(connection: Connection, statement: str) -> None:
    # Colons and percent signs of a view are no parameters.
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
