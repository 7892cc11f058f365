"""What loading a bundle would change about the concepts: found out in temporary tables, nothing is written.

The comparison stays in the database, so its size does not matter here: changes are counted there and handed
out one by one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from omop_schema.copy_text import line
from omop_schema.database import copy
from vocabularies.athena.bundle import Bundle
from vocabularies.athena.copying import Seen, Unfit, copy_member, ignore
from vocabularies.athena.cpt4 import add_named, drop_unnamed
from vocabularies.athena.layout import CPT4
from vocabularies.athena.lines import HeaderError
from vocabularies.concepts import FIRST_CUSTOM_ID, HEADER, PLACEHOLDER
from vocabularies.usage import used_concepts_sql

Kind = Literal["removed", "deprecated", "changed", "filled", "added"]
#: From what can break a mapping to what cannot.
KINDS: tuple[Kind, ...] = ("removed", "deprecated", "changed", "filled", "added")
#: Kinds after which a concept must not be used any more.
LOST: frozenset[Kind] = frozenset({"removed", "deprecated"})
COLUMNS = HEADER[1:]
BY_MAPPING = "mapping"
_FETCH = 10_000
_CONCEPT, _VOCABULARY = "CONCEPT.csv", "VOCABULARY.csv"


class DiffError(Exception):
    """A bundle whose concepts cannot be compared."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one concept."""

    kind: Kind
    concept_id: int
    vocabulary_id: str
    """As the bundle has it; as it is now for a concept that is removed."""
    old: Mapping[str, str | None] | None
    """By column; None for a concept that is added."""
    new: Mapping[str, str | None] | None
    """By column; None for a concept that is removed."""
    used_by: tuple[str, ...]
    """``mapping``, and the columns of the data as ``table.column``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that differ, when it is there before and after."""
        if self.old is None or self.new is None:
            return ()
        return tuple(name for name in COLUMNS if self.old[name] != self.new[name])

    @property
    def name(self) -> str:
        """Its name, as the bundle has it where it does."""
        return str((self.new or self.old or {})["concept_name"])


@dataclass(frozen=True, slots=True)
class Compared:
    """A bundle held against the vocabulary, in temporary tables that live as long as the transaction."""

    connection: Connection
    old_version: str | None
    new_version: str | None
    unnamed: int
    """Concepts of CPT4 whose names Athena's cpt4 program has not filled in: they would not be loaded."""

    def counts(self) -> dict[tuple[str, Kind], int]:
        """Changes by vocabulary and kind."""
        return {(name, kind): count for name, kind, count in self.connection.execute(_COUNTS)}

    def absent(self) -> list[str]:
        """Vocabularies that are loaded and of which the bundle has no concept at all."""
        return list(self.connection.scalars(_ABSENT))

    def used(self) -> Iterator[Change]:
        """Changes of concepts that the mapping or the data use."""
        return self._changes(_CHANGES.format("WHERE used_by IS NOT NULL"))

    def every(self) -> Iterator[Change]:
        """All changes, those of used concepts first; they are not held in memory together."""
        return self._changes(_CHANGES.format(""))

    def _changes(self, query: str) -> Iterator[Change]:
        found = self.connection.execute(text(query), execution_options={"yield_per": _FETCH})
        for kind, concept_id, vocabulary_id, used_by, had, has, *values in found:
            old, new = values[: len(COLUMNS)], values[len(COLUMNS) :]
            yield Change(
                kind,
                concept_id,
                vocabulary_id,
                dict(zip(COLUMNS, old, strict=True)) if had else None,
                dict(zip(COLUMNS, new, strict=True)) if has else None,
                tuple(used_by or ()),
            )


_TABLES = tuple(
    text(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT * FROM omop.{source} WITH NO DATA")  # noqa: S608
    for name, source in (
        ("new_concept", "concept"),
        ("new_cpt4", "concept"),
        ("new_vocabulary", "vocabulary"),
    )
)
#: Blank ones go to the others of CPT4, to be counted with them.
_DROP_UNNAMED = text(f"""
    WITH dropped AS ({drop_unnamed("new_concept")}) INSERT INTO new_cpt4 SELECT * FROM dropped
""")  # noqa: S608
_ADD_NAMED = text(add_named("new_concept", "new_cpt4"))
_UNNAMED = text("""
    SELECT count(DISTINCT concept_id) FROM new_cpt4
     WHERE NOT EXISTS (SELECT FROM new_concept WHERE new_concept.concept_id = new_cpt4.concept_id)
""")
_KEYS = (text("ALTER TABLE new_concept ADD PRIMARY KEY (concept_id)"), text("ANALYZE new_concept"))
_VERSIONS = text("""
    SELECT (SELECT vocabulary_version FROM omop.vocabulary WHERE vocabulary_id = 'None'),
           (SELECT vocabulary_version FROM new_vocabulary WHERE vocabulary_id = 'None')
""")
_START_USES = text("CREATE TEMPORARY TABLE concept_use (concept_id integer, used_by text) ON COMMIT DROP")
_USES = (
    text(f"""
        INSERT INTO concept_use
        SELECT concept_id, table_name || '.' || column_name FROM ({used_concepts_sql()}) AS used
    """),  # noqa: S608
    text("ANALYZE concept_use"),
)
# Our own concepts and placeholders outlive a load that does not bring them.
_COMPARE = text(f"""
    CREATE TEMPORARY TABLE concept_change ON COMMIT DROP AS
    SELECT coalesce(new.concept_id, old.concept_id) AS concept_id,
           coalesce(new.vocabulary_id, old.vocabulary_id) AS vocabulary_id,
           CASE WHEN old.concept_id IS NULL THEN 'added'
                WHEN new.concept_id IS NULL THEN 'removed'
                WHEN old.vocabulary_id = '{PLACEHOLDER}' THEN 'filled'
                WHEN old.invalid_reason IS NULL AND new.invalid_reason IS NOT NULL
                  OR old.standard_concept = 'S' AND new.standard_concept IS DISTINCT FROM 'S'
                THEN 'deprecated'
                ELSE 'changed' END AS kind
      FROM omop.concept AS old FULL JOIN new_concept AS new USING (concept_id)
     WHERE ROW(old.*) IS DISTINCT FROM ROW(new.*)
       AND (new.concept_id IS NOT NULL
            OR old.concept_id < {FIRST_CUSTOM_ID} AND old.vocabulary_id <> '{PLACEHOLDER}')
""")  # noqa: S608
_COUNTS = text("SELECT vocabulary_id, kind, count(*) FROM concept_change GROUP BY 1, 2")
_ABSENT = text("""
    SELECT vocabulary_id FROM concept_change WHERE kind = 'removed'
    EXCEPT SELECT vocabulary_id FROM new_concept ORDER BY 1
""")
_OLD, _NEW = (", ".join(f"{of}.{name}::text" for name in COLUMNS) for of in ("old", "new"))
_CHANGES = f"""
    SELECT kind, change.concept_id, change.vocabulary_id, used_by, old.concept_id IS NOT NULL,
           new.concept_id IS NOT NULL, {_OLD}, {_NEW}
      FROM concept_change AS change
      LEFT JOIN (SELECT concept_id,
                        array_agg(DISTINCT concept_use.used_by ORDER BY concept_use.used_by) AS used_by
                   FROM concept_use GROUP BY concept_id) AS used USING (concept_id)
      LEFT JOIN omop.concept AS old ON old.concept_id = change.concept_id
      LEFT JOIN new_concept AS new ON new.concept_id = change.concept_id
     {{}}
     ORDER BY used_by IS NULL, array_position(ARRAY{list(KINDS)}, kind), change.vocabulary_id COLLATE "C",
              change.concept_id
"""  # noqa: S608


def compare(
    connection: Connection, bundle: Bundle, mapped: Iterable[int] = (), seen: Seen = ignore
) -> Compared:
    """Hold the concepts of a bundle against those loaded; ``mapped`` are the ids that a mapping uses.

    It works in temporary tables of the caller's transaction. Raises DiffError when the bundle has no
    CONCEPT.csv or one that could not be loaded, or BundleError when it is damaged.
    """
    _copy_bundle(connection, bundle, seen)
    _find_uses(connection, {one for one in mapped if one != 0})
    connection.execute(_COMPARE)
    connection.execute(text("ANALYZE concept_change"))
    old, new = connection.execute(_VERSIONS).one()
    return Compared(connection, old, new, connection.scalar(_UNNAMED) or 0)


def _copy_bundle(connection: Connection, bundle: Bundle, seen: Seen) -> None:
    if _CONCEPT not in bundle.members:
        raise DiffError(f"'{bundle.path}' has no {_CONCEPT}; download the bundle again")
    for statement in _TABLES:
        connection.execute(statement)
    for name, table in {_CONCEPT: "new_concept", CPT4: "new_cpt4", _VOCABULARY: "new_vocabulary"}.items():
        if member := bundle.members.get(name):
            try:
                copy_member(connection, bundle, member, (table,), seen=seen)
            except (HeaderError, Unfit) as error:
                raise _unfit(bundle, name) from error
    connection.execute(_DROP_UNNAMED)
    connection.execute(_ADD_NAMED)
    try:
        for statement in _KEYS:
            connection.execute(statement)
    except IntegrityError as error:
        raise _unfit(bundle, _CONCEPT) from error


def _find_uses(connection: Connection, mapped: Collection[int]) -> None:
    connection.execute(_START_USES)
    lines = (line(one, BY_MAPPING) for one in sorted(mapped))
    copy(connection, "concept_use", ["concept_id", "used_by"], lines)
    for statement in _USES:
        connection.execute(statement)


def _unfit(bundle: Bundle, name: str) -> DiffError:
    return DiffError(
        f"{name} of '{bundle.path}' could not be loaded; `oncolake vocab load --check` says what is wrong"
    )
