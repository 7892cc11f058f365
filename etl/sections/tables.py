"""The tables of a mapping's sections in the database: whose they are, and how they are made and dropped."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from psycopg2 import errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from etl.mapping.bound import Bound
from etl.sections.shape import Section, SectionsError, sections
from etl.sections.write import constraints, creations, insertion
from omop_schema import LAKE
from omop_schema.locks import ATTEMPTS, PAUSE, lock_patiently

#: What the comment of a table ends with: whose it is, and the digest of what all of them look like.
_TAG = re.compile(r" \(mapping ([^()]+) ([0-9a-f]{12})\)\Z")
_BUSY = (
    f"somebody has been using the lake's tables for over {ATTEMPTS * PAUSE} seconds in one transaction; end "
    "it and try again"
)


def shape_of(mapping: Bound) -> tuple[Section, ...]:
    """The tables that a mapping's documents make, the one of the whole case first. Raises SectionsError."""
    told = mapping.folder.mapping
    return sections(mapping.folder.schema, told.name, (told.case.patient, told.case.form, told.case.site))


def there(connection: Connection, mapping: Bound, schema: str) -> dict[str, str]:
    """The tables of this mapping that a schema has, each with the digest that it was made by."""
    found = {}
    for name, comment in connection.execute(_TABLES, {"schema": schema}):
        tag = _TAG.search(comment)
        if tag and tag[1] == mapping.folder.mapping.name:
            found[name] = tag[2]
    return found


def are_right(shape: Sequence[Section], found: Mapping[str, str]) -> bool:
    """Whether these are the tables of the shape, made as they would be made now."""
    return dict.fromkeys((each.name for each in shape), _digest(shape)) == found


def create(connection: Connection, shape: Sequence[Section], mapping: Bound, schema: str) -> None:
    """Make the tables without rows, and say of each what it is, whose and by which schema.

    Raises SectionsError, and DatabaseBusy where somebody keeps ``lake.documents``.
    """
    # A key to it makes its writers wait.
    lock_patiently(connection, f"{LAKE}.documents IN SHARE ROW EXCLUSIVE MODE", _BUSY, ATTEMPTS)
    digest = _digest(shape)
    with _others_told():
        for each in shape:
            comment = f"{each.comment} (mapping {mapping.folder.mapping.name} {digest})".replace("'", "''")
            for statement in (*creations(each, schema), *constraints(each, schema, shape[0])):
                run(connection, statement)
            run(connection, f"COMMENT ON TABLE {_path(schema, each.name)} IS '{comment}'")


def fill(connection: Connection, shape: Sequence[Section], schema: str) -> None:
    """Bring the rows of the taken cases into every table."""
    for each in shape:
        run(connection, insertion(each, schema))


def drop(connection: Connection, schema: str, names: Iterable[str]) -> None:
    """Drop tables of sections. Raises SectionsError where views read them, and DatabaseBusy."""
    if listed := _listed(schema, names):
        _lock_away(connection, listed)
        _drop(connection, listed)


def replace(connection: Connection, shape: Sequence[Section], old: Iterable[str], schema: str) -> None:
    """Drop the lake's old tables and move those of this schema there. Raises as ``drop`` does."""
    before, after = _listed(LAKE, old), _listed(schema, [each.name for each in shape])
    # All at once: what is held already would keep others waiting for the rest.
    _lock_away(connection, ", ".join(filter(None, (before, after))))
    if before:
        _drop(connection, before)
    with _others_told():
        for each in shape:
            run(connection, f"ALTER TABLE {_path(schema, each.name)} SET SCHEMA {LAKE}")


def run(connection: Connection, statement: str) -> None:
    """Run a statement as it stands: colons and percent signs of what a schema says are no parameters."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _digest(shape: Sequence[Section]) -> str:
    """Of all that the tables look like: another one means that they have to be made anew."""
    made = [
        *(one for each in shape for one in creations(each, LAKE)),
        *(insertion(each, LAKE) for each in shape),
    ]
    return hashlib.sha256("\n".join(made).encode()).hexdigest()[:12]


def _lock_away(connection: Connection, listed: str) -> None:
    """Lock tables, and last the documents: the keys to them go with the tables."""
    lock_patiently(connection, f"{listed}, {LAKE}.documents IN ACCESS EXCLUSIVE MODE", _BUSY, ATTEMPTS)


def _drop(connection: Connection, listed: str) -> None:
    try:
        run(connection, f"DROP TABLE {listed}")
    except DBAPIError as error:
        if not isinstance(error.orig, errors.DependentObjectsStillExist):
            raise
        raise SectionsError(
            "the form's schema changed, and the tables of its sections have to be made anew, but other views"
            f" read them ({error.orig.diag.message_detail}): drop those first"
        ) from None


@contextmanager
def _others_told() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, errors.DuplicateTable):
            raise
        raise SectionsError(
            f"the lake has another table where a section would be ({error.orig.diag.message_primary}):"
            " give the mapping another name"
        ) from None


def _listed(schema: str, names: Iterable[str]) -> str:
    return ", ".join(_path(schema, name) for name in names)


def _path(schema: str, name: str) -> str:
    return f'{schema}."{name}"'


_TABLES = text("""
    SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
    WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'r'
        AND obj_description(oid, 'pg_class') IS NOT NULL
""")
