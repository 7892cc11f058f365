"""Putting the staged vocabulary in place of the old one, in one transaction.

Readers go on with the old tables almost to the end: the tables that refer to concepts get their foreign keys
to the staged tables first, checked, beside those that they have. Only then is everything locked, for the
moment that it takes to drop the old keys and tables and to move the new ones. Whatever fails on the way
leaves the database as it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg2.errors import DependentObjectsStillExist
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from omop_schema import OMOP
from omop_schema.database import as_it_is
from omop_schema.lake import cases
from omop_schema.locks import ATTEMPTS, PAUSE, lock_patiently
from vocabularies.athena.carry import carry, carry_linked
from vocabularies.athena.layout import TABLES
from vocabularies.athena.twins import SCHEMA
from vocabularies.athena.views import View, read_views
from vocabularies.concepts import PLACEHOLDER

_NAMES = [table.name for table in TABLES]
#: Times that the swap asks for its locks.
_ATTEMPTS = ATTEMPTS

_KEYS_FROM_OUTSIDE = text("""
    SELECT referring.oid::regclass::text, quote_ident(conname), quote_ident(left(conname, 58) || '_next'),
           pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint
    JOIN pg_class AS referring ON referring.oid = conrelid
    JOIN pg_class AS referred ON referred.oid = confrelid
    JOIN pg_namespace ON pg_namespace.oid = referred.relnamespace
    WHERE contype = 'f' AND conparentid = 0 AND nspname = :schema AND referred.relname = ANY (:names)
      AND NOT (referring.relnamespace = referred.relnamespace AND referring.relname = ANY (:names))
    ORDER BY 1, 2
""")

_GRANTS = text("""
    SELECT relname, privilege_type, is_grantable,
           CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
    FROM pg_class CROSS JOIN LATERAL aclexplode(relacl)
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = :schema AND relname = ANY (:names) AND grantee <> relowner
""")

_OWNERS = text("""
    SELECT relname, quote_ident(pg_get_userbyid(relowner)) FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = :schema AND relname = ANY (:names) AND relowner <> current_user::regrole
""")

_OWN_INDEXES = text("""
    SELECT replace(indexdef, concat(' ON ', schemaname, '.'), concat(' ON ', CAST(:staging AS text), '.'))
    FROM pg_indexes WHERE schemaname = :schema AND tablename = ANY (:names) AND indexname NOT IN (
        SELECT indexname FROM pg_indexes WHERE schemaname = :staging)
""")

_LABEL_MAPS = text(f"""
    UPDATE {OMOP}.source_to_concept_map AS map SET target_vocabulary_id = concept.vocabulary_id
    FROM {OMOP}.concept
    WHERE concept_id = target_concept_id AND target_vocabulary_id <> concept.vocabulary_id
""")
# Value maps still named it until they were labelled anew.
_DROP_PLACEHOLDER = text(f"""
    DELETE FROM {OMOP}.vocabulary
    WHERE vocabulary_id = '{PLACEHOLDER}'
      AND NOT EXISTS (SELECT FROM {OMOP}.concept WHERE concept.vocabulary_id = vocabulary.vocabulary_id)
""")
_TELL_SOURCE = text(f"""
    UPDATE {OMOP}.cdm_source SET vocabulary_version = vocabulary.vocabulary_version
    FROM {OMOP}.vocabulary WHERE vocabulary_id = 'None'
""")


class SwapError(Exception):
    """Something in this database stands in the way of new vocabulary tables."""


@dataclass(frozen=True, slots=True)
class _ForeignKey:
    """A foreign key of another table to one of the vocabulary's."""

    referring: str
    name: str
    new_name: str
    """What it is called beside its predecessor."""
    definition: str

    @property
    def new_definition(self) -> str:
        """The same key, to the staged table."""
        return self.definition.replace(f" REFERENCES {OMOP}.", f" REFERENCES {SCHEMA}.", 1)


def swap(connection: Connection) -> None:
    """Swap within the transaction; it is for the caller to commit.

    Views that read the vocabulary tables are made again as they were. Raises SwapError when something depends
    on those tables that cannot be made again, DatabaseBusy when a long reader never lets go.
    """
    given = {"schema": OMOP, "names": _NAMES}
    # Definitions name a table with its schema unless the search path has it.
    connection.execute(text("SET LOCAL search_path = pg_catalog"))
    keys = _lock_writers(connection, given)
    carry(connection)
    carry_linked(connection)
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    # Indexes that somebody added to the old tables go on to the new ones.
    _run(connection, connection.scalars(_OWN_INDEXES, {**given, "staging": SCHEMA}).all())
    _add_keys(connection, keys)
    rights = [*_grants(connection, given), *_owners(connection, given)]
    views = _lock_readers(connection, keys)
    _exchange(connection, keys)
    _run(connection, (*rights, *(each for view in views for each in view.statements())))
    connection.execute(_LABEL_MAPS)
    connection.execute(_DROP_PLACEHOLDER)
    connection.execute(_TELL_SOURCE)


def _run(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(as_it_is(statement))


def refuse_obstacles(connection: Connection) -> None:
    """Raise SwapError for views that a swap could not make again."""
    views = read_views(connection)
    if listed := ", ".join(view.name for view in views if not view.plain):
        raise SwapError(
            "views that are materialized or have triggers read the vocabulary tables, which a load replaces: "
            f"{listed}; drop them before, and create them again after"
        )


def _grants(connection: Connection, given: Mapping[str, object]) -> Iterator[str]:
    for table, privilege, grantable, grantee in connection.execute(_GRANTS, given):
        option = " WITH GRANT OPTION" if grantable else ""
        yield f"GRANT {privilege} ON {OMOP}.{table} TO {grantee}{option}"


def _owners(connection: Connection, given: Mapping[str, object]) -> Iterator[str]:
    for table, owner in connection.execute(_OWNERS, given):
        yield f"ALTER TABLE {OMOP}.{table} OWNER TO {owner}"


def _add_keys(connection: Connection, keys: Iterable[_ForeignKey]) -> None:
    for key in keys:
        added = f"ADD CONSTRAINT {key.new_name} {key.new_definition}"
        connection.execute(as_it_is(f"ALTER TABLE {key.referring} {added}"))


def _lock_writers(connection: Connection, given: Mapping[str, object]) -> list[_ForeignKey]:
    """Let writers of the vocabulary and of data wait from here; the keys of data to be replaced.

    Cases come first: loading them locks some, then writes one table after the other.
    """
    _lock(connection, f"{cases.fullname} IN EXCLUSIVE MODE", "writing")
    keys = [_ForeignKey(*row) for row in connection.execute(_KEYS_FROM_OUTSIDE, given)]
    tables = [_listed(OMOP), *sorted({key.referring for key in keys})]
    _lock(connection, f"{', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE", "writing")
    return keys


def _lock_readers(connection: Connection, keys: Iterable[_ForeignKey]) -> Sequence[View]:
    """Let everybody wait from here, and take down the views, as they are by then.

    A view is never locked by name: that locks all tables it reads, also those of writers who wait in
    ``_lock_writers``, who had read them before and will not let go.
    """
    tables = ", ".join([_listed(OMOP), *sorted({key.referring for key in keys})])
    views: list[View] = []

    def take_down() -> Iterator[str]:
        views[:] = read_views(connection)
        if views:
            yield f"DROP VIEW {', '.join(view.name for view in views)}"

    with _dependents_told():
        _lock(connection, f"{tables} IN ACCESS EXCLUSIVE MODE", "reading", take_down)
    return views


def _lock(connection: Connection, tables: str, doing: str, then: Callable[[], Iterable[str]] = tuple) -> None:
    """Lock tables, stepping back as often as that would keep others waiting for long."""
    busy = (
        f"somebody has been {doing} the tables for over {_ATTEMPTS * PAUSE} seconds in one transaction; end "
        "it and load again"
    )
    lock_patiently(connection, tables, busy, _ATTEMPTS, then)


def _exchange(connection: Connection, keys: Iterable[_ForeignKey]) -> None:
    for key in keys:
        connection.execute(as_it_is(f"ALTER TABLE {key.referring} DROP CONSTRAINT {key.name}"))
        renamed = f"RENAME CONSTRAINT {key.new_name} TO {key.name}"
        connection.execute(as_it_is(f"ALTER TABLE {key.referring} {renamed}"))
    with _dependents_told():
        connection.execute(text(f"DROP TABLE {_listed(OMOP)}"))
    for name in _NAMES:
        connection.execute(text(f"ALTER TABLE {SCHEMA}.{name} SET SCHEMA {OMOP}"))
    connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))


@contextmanager
def _dependents_told() -> Iterator[None]:
    """Say what to do where a table or view may not go, since something is made of it."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, DependentObjectsStillExist):
            raise SwapError(
                "something else depends on the vocabulary tables, which a load replaces; drop it before, and "
                f"create it again after: {error.orig.diag.message_detail}"
            ) from None
        raise


def _listed(schema: str) -> str:
    return ", ".join(f"{schema}.{name}" for name in _NAMES)
