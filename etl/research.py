"""The views of a disease, for scientists: the files ``research/*.yaml`` and ``*.sql`` of a mapping folder.

A file ``series.sql`` creates the view ``research.series``, and says what its columns come from. Nothing else
is let through, for it runs with the rights of whoever initialises the database. What a ``.yaml`` file says is
made into the same statements by ``etl.mapping.views``. A view reads with those rights too, so it is refused
where it would hand its readers more than they may read.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable

from psycopg2 import errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from etl.reader_role import LISTED, SCHEMAS

#: The schema of the views, and the folder of their files.
RESEARCH = "research"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
#: Comments, then one of the two statements that a file may hold.
_STATEMENT = re.compile(
    r"(?:\s|--[^\n]*\n)*(?:CREATE OR REPLACE VIEW|COMMENT ON (?:VIEW|COLUMN)) research\.([a-z0-9_]+)\b"
)
#: What follows the comment of a view: whose it is, and the digest of its file.
_TAG = re.compile(r" \(mapping ([^()]+) ([0-9a-f]{12})\)\Z")

_COMMENT_ON = re.compile(r"(?:\s|--[^\n]*\n)*COMMENT ON (?:VIEW|COLUMN research\.[a-z0-9_]+\.([a-z0-9_]+))\b")
_READ = re.compile(r"\bresearch\.([a-z0-9_]+)\b")
#: What PostgreSQL says of views that stay: ``view a depends on view b``.
_DEPENDED = re.compile(r"depends on (?:view|column \w+ of view) (\S+)")

_COMMENT = text("SELECT obj_description(to_regclass(:view), 'pg_class')")
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


class ResearchError(Exception):
    """A view of a mapping folder that cannot be created."""


@dataclass(frozen=True, slots=True)
class _View:
    """A view of a mapping folder, as the statements that make it."""

    name: str
    file: str
    parts: tuple[str, ...]
    reads: tuple[str, ...] = ()
    """Names of views of the same folder that it reads, as they come."""
    digest: str = ""
    """Of its statements and of the views that it reads."""

    @property
    def path(self) -> str:
        return f"{RESEARCH}.{self.name}"


def create_views(
    connection: Connection,
    folder: Traversable,
    mapping: str,
    generated: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Create the folder's views, or bring them up to date; returns their names, such as ``research.series``.

    ``generated`` has the statements of those that follow from the mapping, by name. A view may read others of
    the folder. Where columns are no longer those that a view had, all are dropped and made anew. Raises
    ResearchError, which names the file and the next step: for a file that holds something else, for a view of
    another mapping, for one that cannot be replaced or does not fit the tables, and for one that reads what
    the reader's role may not.
    """
    views = _in_order(_all(folder, generated or {}))
    there = {view.name: _tag(connection, view) for view in views}
    for view in views:
        tag = there[view.name]
        if tag and tag[1] != mapping:
            raise ResearchError(
                f"{view.path} is a view of mapping '{tag[1]}'; rename {view.file} of '{mapping}', or drop "
                "the view first"
            )
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
    generated: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Those that ``create_views`` would make, or make anew. Writes nothing. Raises ResearchError."""
    views = _in_order(_all(folder, generated or {}))
    return [view.path for view in views if not _is_made(_tag(connection, view), view, mapping)]


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


def _all(folder: Traversable, generated: Mapping[str, Sequence[str]]) -> dict[str, _View]:
    made = {name: _View(name, f"{RESEARCH}/{name}.yaml", tuple(parts)) for name, parts in generated.items()}
    for name, content in _files(folder):
        file = f"{RESEARCH}/{name}.sql"
        if name in made:
            raise ResearchError(f"{file}: {made[name].file} makes the same view; rename one of them")
        made[name] = _View(name, file, tuple(statements(name, content)))
    return made


def _in_order(views: Mapping[str, _View]) -> list[_View]:
    """Each view after those that it reads."""
    done: dict[str, _View] = {}

    def add(view: _View, above: tuple[str, ...]) -> None:
        if view.name in above:
            raise ResearchError(f"{view.file}: {RESEARCH}.{view.name} reads itself, by way of other views")
        if view.name in done:
            return
        named = (one for part in view.parts if not _COMMENT_ON.match(part) for one in _READ.findall(part))
        reads = tuple(dict.fromkeys(one for one in named if one in views and one != view.name))
        for one in reads:
            add(views[one], (*above, view.name))
        whole = ";".join((*view.parts, *(done[one].digest for one in reads)))
        digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
        done[view.name] = replace(view, reads=reads, digest=digest)

    for name in sorted(views):
        add(views[name], ())
    return list(done.values())


def _files(folder: Traversable) -> Iterator[tuple[str, str]]:
    views = folder.joinpath(RESEARCH)
    if not views.is_dir():
        return
    for file in sorted(views.iterdir(), key=lambda one: one.name):
        if not file.name.endswith((".sql", ".yaml")):
            continue
        name = file.name.removesuffix(".sql").removesuffix(".yaml")
        if not _NAME.fullmatch(name):
            raise ResearchError(f"{RESEARCH}/{file.name}: name it after its view, in small letters")
        if file.name.endswith(".yaml"):
            continue
        try:
            yield name, file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ResearchError(f"{RESEARCH}/{file.name} cannot be read: {type(error).__name__}") from None


class _ColumnsChanged(Exception):
    """A view has other columns now than those that it can keep, or none can have them."""

    def __init__(self, told: Exception) -> None:
        super().__init__()
        self.told = told


def _make(connection: Connection, views: Sequence[_View], mapping: str) -> None:
    for view in views:
        try:
            for part in view.parts:
                _run(connection, part)
        except DBAPIError as error:
            told = _told(error, view.file)
            if isinstance(error.orig, errors.InvalidTableDefinition):
                raise _ColumnsChanged(told) from None
            raise told from None
        _take_over_comments(connection, view)
        # A file without a comment of its own leaves the one before.
        comment = _TAG.sub("", _comment(connection, view.path))
        tagged = f"{comment} (mapping {mapping} {view.digest})".replace("'", "''")
        _run(connection, f"COMMENT ON VIEW {view.path} IS '{tagged}'")


def _take_over_comments(connection: Connection, view: _View) -> None:
    """A column that has no comment of its own says what the one of its name says in a view that it reads."""
    own = {found[1] for part in view.parts if (found := _COMMENT_ON.match(part))}
    said: dict[str, str] = {}
    for one in view.reads:
        rows = connection.execute(_COLUMN_COMMENTS, {"view": f"{RESEARCH}.{one}"})
        said = {name: comment for name, comment in rows if comment} | said
    for name, _ in connection.execute(_COLUMN_COMMENTS, {"view": view.path}).all():
        if name in said and name not in own:
            comment = said[name].replace("'", "''")
            _run(connection, f"COMMENT ON COLUMN {view.path}.{name} IS '{comment}'")


def _refuse_beyond(connection: Connection, views: Sequence[_View]) -> None:
    """Refuse views that read what is not for readers, themselves or by way of other views of the schema."""
    given = {"views": [view.path for view in views], "schemas": list(SCHEMAS)}
    for path, read in connection.execute(_READ_BEYOND, given):
        file = next(view.file for view in views if view.path == path)
        raise ResearchError(f"{file}: {path} reads {read}; a view may read schemas {LISTED} alone")


def _drop(connection: Connection, views: Sequence[_View]) -> None:
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


def _tag(connection: Connection, view: _View) -> re.Match[str] | None:
    """What the database says of a view: whose it is, and its digest."""
    return _TAG.search(_comment(connection, view.path))


def _is_made(tag: re.Match[str] | None, view: _View, mapping: str) -> bool:
    return tag is not None and tag.groups() == (mapping, view.digest)


def _comment(connection: Connection, view: str) -> str:
    return connection.scalar(_COMMENT, {"view": view}) or ""


def _told(error: DBAPIError, file: str) -> Exception:
    if isinstance(error.orig, errors.ProgrammingError):
        return ResearchError(f"{file}: PostgreSQL refuses it: {error.orig.diag.message_primary}")
    return error


def _run(connection: Connection, statement: str) -> None:
    # Colons and percent signs of a view are no parameters.
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
