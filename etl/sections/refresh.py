"""Refresh: the tables of sections brought up to the newest documents, taking the cases that changed alone.

A case's row in the first table says which version of its document is there. Where that is not the newest one,
the case is stale: its rows go out of every table, and those of the newest document come in, in one
transaction. Readers wait for nobody, and see of each case the old document or the new one.

After a change of the schema the tables are made anew, beside the old ones and filled in the same way. Then
they take their place, for which all others have to let go for a moment.

A document that is withdrawn takes its rows with it at once, also from tables that are being filled: the first
table refers to ``lake.documents``, and the others to the first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from etl.mapping.bound import Bound
from etl.persist import persist
from etl.sections.tables import are_right, create, drop, fill, replace, shape_of, there
from omop_schema import LAKE
from omop_schema.database import translated

#: Cases that one transaction takes: withdrawals wait for it.
BATCH = 5_000
#: Where tables are made and filled before they take the place of those of an older schema.
BESIDE = "lake_sections"


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


#: Told of cases done, and how many there are.
Progress = Callable[[int, int], None]


def refresh(engine: Engine, mapping: Bound, progress: Progress | None = None) -> Refreshed:
    """Bring the tables of a mapping's sections up to the newest documents; make them first where need be.

    Two refreshes take turns. Raises SectionsError, and DatabaseError when the database is away, full or
    read-only, or somebody keeps the old tables: whole batches stay, and the next refresh goes on from there.
    """
    with translated(), engine.connect() as connection, _turn(connection, mapping):
        anew = _prepare(connection, mapping)
        done = _take_all(connection, mapping, BESIDE if anew else LAKE, progress)
        if anew:
            _swap(connection, mapping)
        with connection.begin():
            held = connection.execute(_count(shape_of(mapping)[0].name)).scalar_one()
        return Refreshed(held if anew else done, held, len(shape_of(mapping)), rebuilt=anew)


def make_sections(connection: Connection, mapping: Bound) -> Sections:
    """Make the tables of a mapping that has none yet, without rows. Within the caller's transaction.

    Those that another version of the schema made are left alone. Raises SectionsError.
    """
    shape = shape_of(mapping)
    found = there(connection, mapping, LAKE)
    if not found:
        create(connection, shape, mapping, LAKE)
        found = there(connection, mapping, LAKE)
    return Sections(len(shape), are_right(shape, found))


def _prepare(connection: Connection, mapping: Bound) -> bool:
    """Have tables beside those of another schema; whether there is need of them.

    Those that a refresh which was stopped had begun are gone on with, if they are right.
    """
    shape = shape_of(mapping)
    with connection.begin():
        connection.execute(_BESIDE_TURN)
        needed = not are_right(shape, there(connection, mapping, LAKE))
        begun = there(connection, mapping, BESIDE)
        if not (needed and are_right(shape, begun)):
            drop(connection, BESIDE, begun)
            if needed:
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {BESIDE}"))
                create(connection, shape, mapping, BESIDE)
            elif begun:
                connection.execute(_LEAVE_BESIDE)
    return needed


def _swap(connection: Connection, mapping: Bound) -> None:
    """Let the tables that were filled take the place of the old ones, in one transaction."""
    with connection.begin():
        connection.execute(_BESIDE_TURN)
        replace(connection, shape_of(mapping), there(connection, mapping, LAKE), BESIDE)
        connection.execute(_LEAVE_BESIDE)


def _take_all(connection: Connection, mapping: Bound, schema: str, progress: Progress | None) -> int:
    """Take stale cases, batch by batch; returns how many they were."""
    with connection.begin():
        counted = _stale(f'{schema}."{shape_of(mapping)[0].name}"')
        stale = connection.execute(counted, _named(mapping)).scalar_one()
    done, taken = 0, BATCH
    # A lake that is written to all the time has always a few more: those are the next refresh's.
    while taken == BATCH:
        done += (taken := persist(partial(_batch, connection, mapping, schema)))
        if progress:
            progress(done, max(stale, done))
    return done


def _batch(connection: Connection, mapping: Bound, schema: str) -> int:
    """Take one batch of stale cases; returns how many they were."""
    shape = shape_of(mapping)
    whole = f'{schema}."{shape[0].name}"'
    with connection.begin():
        connection.execute(_NO_WITHDRAWAL)
        connection.execute(_TAKE)
        cases = connection.execute(_take(whole), {**_named(mapping), "most": BATCH}).rowcount
        if cases:
            connection.execute(_outdated(whole))
            fill(connection, shape, schema)
        connection.execute(_LEAVE)
    return cases


@contextmanager
def _turn(connection: Connection, mapping: Bound) -> Iterator[None]:
    """One refresh of a mapping at a time, over all its transactions."""
    with connection.begin():
        connection.execute(_TURN, _named(mapping))
    try:
        yield
    finally:
        # With a connection that was lost, the lock is.
        with suppress(DBAPIError), connection.begin():
            connection.execute(_DONE, _named(mapping))


def _named(mapping: Bound) -> dict[str, object]:
    return {"mapping": mapping.folder.mapping.name}


def _count(table: str) -> TextClause:
    return text(f'SELECT count(*) FROM {LAKE}."{table}"')  # noqa: S608


def _stale_cases(table: str) -> str:
    """Cases of the mapping whose newest document is not in the tables."""
    return f"""
        FROM lake.cases JOIN lake.documents USING (case_id, version)
        LEFT JOIN lake.sites USING (care_site_id)
        WHERE mapping = :mapping AND NOT EXISTS (
            SELECT FROM {table} AS known
            WHERE (known.case_id, known.version) = (cases.case_id, cases.version))
    """


def _stale(table: str) -> TextClause:
    return text(f"SELECT count(*) {_stale_cases(table)}")


def _take(table: str) -> TextClause:
    """Take stale cases. No hand removes their documents until the rows that refer to them are committed."""
    return text(
        "INSERT INTO taken SELECT case_id, cases.version, patient_id, form, site, document"
        f" {_stale_cases(table)} ORDER BY case_id LIMIT :most FOR KEY SHARE OF documents"
    )


def _outdated(table: str) -> TextClause:
    return text(f"DELETE FROM {table} WHERE case_id IN (SELECT case_id FROM taken)")  # noqa: S608


_TURN = text("SELECT pg_advisory_lock(hashtext('oncolake sections'), hashtext(:mapping))")
_DONE = text("SELECT pg_advisory_unlock(hashtext('oncolake sections'), hashtext(:mapping))")
#: Of all mappings: the schema is made with the first of them and goes with the last.
_BESIDE_TURN = text(f"SELECT pg_advisory_xact_lock(hashtext('{BESIDE}'))")
_LEAVE_BESIDE = text(f"""
    DO $$
    BEGIN
        DROP SCHEMA {BESIDE};
    EXCEPTION WHEN dependent_objects_still_exist THEN
        NULL; -- another mapping's
    END $$
""")
# A withdrawal begins with a lock that this one waits for, and it for this: neither meets the other half-way.
_NO_WITHDRAWAL = text("LOCK TABLE lake.patients IN ROW SHARE MODE")
_TAKE = text("""
    CREATE TEMPORARY TABLE taken
        (case_id integer, version integer, patient_id text, form text, site text, document jsonb)
    ON COMMIT DROP
""")
_LEAVE = text("DROP TABLE taken")
