"""Refresh: the tables of sections brought up to the newest documents, taking the cases that changed alone.

A case's row in the first table says which version of its document is there. Where that is not the newest one,
the case is stale: its rows go out of every table, and those of the newest document come in, in one
transaction. Readers wait for nobody, and see of each case the old document or the new one.

A document that is withdrawn takes its rows with it at once: the first table refers to ``lake.documents``, and
the others to the first.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg2 import errors
from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from etl.mapping.bound import Bound
from etl.sections.shape import Section, SectionsError, sections
from etl.sections.write import constraints, creations, insertion
from omop_schema import LAKE
from omop_schema.database import translated

#: Cases that one transaction takes: withdrawals of their documents wait for it.
BATCH = 5_000
#: Where tables are made and filled before they take the place of those of an older schema.
_BESIDE = "lake_sections"
#: What the comment of a table ends with: whose it is, and the digest of what all of them look like.
_TAG = re.compile(r" \(mapping ([^()]+) ([0-9a-f]{12})\)\Z")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did."""

    cases: int
    """Cases whose newest document was taken."""
    of: int
    """Cases that the tables hold now."""
    tables: int
    rebuilt: bool
    """Whether the tables were made, or made anew because the schema changed."""


class Sections(NamedTuple):
    """The tables of a mapping's sections."""

    tables: int
    right: bool
    """Whether they are as the schema of today has them. If not, a refresh makes them anew."""


def refresh(engine: Engine, mapping: Bound, progress: Callable[[int, int], None] | None = None) -> Refreshed:
    """Bring the tables of a mapping's sections up to the newest documents; make them first where need be.

    ``progress`` is told of cases done, and how many there are. Two refreshes take turns. Raises
    SectionsError, and DatabaseError when the database is away, full or read-only: whole batches stay.
    """
    with translated(), engine.connect() as connection:
        if rebuild(connection, mapping):
            with connection.begin():
                held = _count(connection, mapping)
            return Refreshed(held, held, len(_shape(mapping)), rebuilt=True)
        done = 0
        with connection.begin():
            stale = connection.execute(_stale(_shape(mapping)[0].name), _named(mapping)).scalar_one()
        taken = BATCH
        # A lake that is written to all the time has always a few more: those are the next refresh's.
        while taken == BATCH:
            done += (taken := _batch(connection, mapping))
            if progress:
                progress(done, max(stale, done))
        with connection.begin():
            return Refreshed(done, _count(connection, mapping), len(_shape(mapping)), rebuilt=False)


def make_sections(connection: Connection, mapping: Bound) -> Sections:
    """Make the tables of a mapping that has none yet, without rows. Within the caller's transaction.

    Those that another version of the schema made are left alone. Raises SectionsError.
    """
    shape = _shape(mapping)
    there = _there(connection, mapping)
    if not there:
        _create(connection, shape, LAKE)
        _finish(connection, shape, mapping)
        there = _there(connection, mapping)
    return Sections(len(shape), _right(shape, there))


def rebuild(connection: Connection, mapping: Bound) -> bool:
    """Make and fill the tables beside those that are there, then let them take their place.

    Returns False, and does nothing, where the tables are as the schema has them. One transaction: readers see
    the old ones until it commits.
    """
    shape = _shape(mapping)
    with connection.begin():
        _take_turns(connection, mapping)
        there = _there(connection, mapping)
        if _right(shape, there):
            return False
        connection.execute(text(f"CREATE SCHEMA {_BESIDE}"))
        _create(connection, shape, _BESIDE, constrained=False)
        connection.execute(_TAKE)
        connection.execute(_take(""), _named(mapping))
        _fill(connection, shape, _BESIDE)
        _constrain(connection, shape, _BESIDE)
        _drop(connection, there)
        for each in shape:
            _run(connection, f'ALTER TABLE {_BESIDE}."{each.name}" SET SCHEMA {LAKE}')
        connection.execute(text(f"DROP SCHEMA {_BESIDE}"))
        _finish(connection, shape, mapping)
        connection.execute(_LEAVE)
    return True


def _batch(connection: Connection, mapping: Bound) -> int:
    """Take one batch of stale cases; returns how many they were."""
    shape = _shape(mapping)
    with connection.begin():
        _take_turns(connection, mapping)
        connection.execute(_TAKE)
        cases = connection.execute(_take(shape[0].name), {**_named(mapping), "most": BATCH}).rowcount
        if cases:
            connection.execute(_outdated(shape[0].name))
            _fill(connection, shape, LAKE)
        connection.execute(_LEAVE)
    return cases


def _shape(mapping: Bound) -> tuple[Section, ...]:
    told = mapping.folder.mapping
    return sections(mapping.folder.schema, told.name, (told.case.patient, told.case.form, told.case.site))


def _digest(shape: Sequence[Section]) -> str:
    """Of all that the tables look like: another one means that they have to be made anew."""
    made = [
        *(one for each in shape for one in creations(each, LAKE)),
        *(insertion(each, LAKE) for each in shape),
    ]
    return hashlib.sha256("\n".join(made).encode()).hexdigest()[:12]


def _right(shape: Sequence[Section], there: Mapping[str, str]) -> bool:
    return dict.fromkeys((each.name for each in shape), _digest(shape)) == there


def _there(connection: Connection, mapping: Bound) -> dict[str, str]:
    """The tables of this mapping that the lake has, each with the digest that it was made by."""
    found = {}
    for name, comment in connection.execute(_TABLES):
        tag = _TAG.search(comment)
        if tag and tag[1] == mapping.folder.mapping.name:
            found[name] = tag[2]
    return found


def _create(
    connection: Connection, shape: Sequence[Section], schema: str, *, constrained: bool = True
) -> None:
    try:
        for each in shape:
            for statement in creations(each, schema):
                _run(connection, statement)
    except DBAPIError as error:
        if isinstance(error.orig, errors.DuplicateTable):
            raise SectionsError(
                f"the lake has another table where a section would be ({error.orig.diag.message_primary}):"
                " give the mapping another name"
            ) from None
        raise
    if constrained:
        _constrain(connection, shape, schema)


def _constrain(connection: Connection, shape: Sequence[Section], schema: str) -> None:
    for each in shape:
        for statement in constraints(each, schema, shape[0]):
            _run(connection, statement)


def _fill(connection: Connection, shape: Sequence[Section], schema: str) -> None:
    for each in shape:
        _run(connection, insertion(each, schema))


def _finish(connection: Connection, shape: Sequence[Section], mapping: Bound) -> None:
    """Say of each table what it is, whose and by which schema."""
    digest = _digest(shape)
    for each in shape:
        comment = f"{each.comment} (mapping {mapping.folder.mapping.name} {digest})".replace("'", "''")
        _run(connection, f"COMMENT ON TABLE {LAKE}.\"{each.name}\" IS '{comment}'")


def _drop(connection: Connection, names: Iterable[str]) -> None:
    if not names:
        return
    try:
        _run(connection, "DROP TABLE " + ", ".join(f'{LAKE}."{name}"' for name in names))
    except DBAPIError as error:
        if not isinstance(error.orig, errors.DependentObjectsStillExist):
            raise
        raise SectionsError(
            "the form's schema changed, and the tables of its sections have to be made anew, but other views"
            f" read them ({error.orig.diag.message_detail}): drop those first"
        ) from None


def _take_turns(connection: Connection, mapping: Bound) -> None:
    connection.execute(_TURN, _named(mapping))


def _count(connection: Connection, mapping: Bound) -> int:
    name = _shape(mapping)[0].name
    return int(connection.execute(text(f'SELECT count(*) FROM {LAKE}."{name}"')).scalar_one())  # noqa: S608


def _named(mapping: Bound) -> dict[str, object]:
    return {"mapping": mapping.folder.mapping.name}


def _run(connection: Connection, statement: str) -> None:
    # Colons and percent signs of what a schema says are no parameters.
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _stale_cases(table: str) -> str:
    """Cases of the mapping whose newest document is not in the tables."""
    return f"""
        FROM lake.cases JOIN lake.documents USING (case_id, version)
        LEFT JOIN lake.sites USING (care_site_id)
        WHERE mapping = :mapping AND NOT EXISTS (
            SELECT FROM {LAKE}."{table}" AS known
            WHERE (known.case_id, known.version) = (cases.case_id, cases.version))
    """


def _stale(table: str) -> TextClause:
    return text(f"SELECT count(*) {_stale_cases(table)}")


def _take(table: str) -> TextClause:
    """Take stale cases; all of the mapping, where no table is given.

    The documents are locked against withdrawal until the rows that refer to them are committed.
    """
    which = _stale_cases(table) + "ORDER BY case_id LIMIT :most" if table else f"{_EVERY} ORDER BY case_id"
    return text(
        f"INSERT INTO taken SELECT case_id, cases.version, patient_id, form, site, document {which}"
        " FOR KEY SHARE OF documents"
    )


def _outdated(table: str) -> TextClause:
    return text(f'DELETE FROM {LAKE}."{table}" WHERE case_id IN (SELECT case_id FROM taken)')  # noqa: S608


_EVERY = """
    FROM lake.cases JOIN lake.documents USING (case_id, version)
    LEFT JOIN lake.sites USING (care_site_id)
    WHERE mapping = :mapping
"""
_TURN = text("SELECT pg_advisory_xact_lock(hashtext('oncolake sections'), hashtext(:mapping))")
_TAKE = text("""
    CREATE TEMPORARY TABLE taken
        (case_id integer, version integer, patient_id text, form text, site text, document jsonb)
    ON COMMIT DROP
""")
_LEAVE = text("DROP TABLE taken")
_TABLES = text("""
    SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
    WHERE relnamespace = 'lake'::regnamespace AND relkind = 'r'
        AND obj_description(oid, 'pg_class') IS NOT NULL
""")
