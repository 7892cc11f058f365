"""What vocabulary is loaded: ``oncolake vocab status``."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from vocabularies.athena.layout import TABLES
from vocabularies.athena.twins import SCHEMA
from vocabularies.concepts import FIRST_CUSTOM_ID, PLACEHOLDER

#: Tables of fewer rows than this are counted in any case: it takes no time.
ALWAYS_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One vocabulary and its concepts, counted."""

    vocabulary_id: str
    name: str
    version: str | None
    concepts: int
    standard: int
    invalid: int
    """Deprecated or replaced."""


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows a table has."""

    count: int
    exact: bool
    """False: as the database estimated them when it last looked."""


@dataclass(frozen=True, slots=True)
class VocabularyStatus:
    """The loaded vocabulary; concepts are counted exactly."""

    version: str | None
    """That of the whole vocabulary; None before any was loaded from Athena."""
    vocabularies: tuple[Vocabulary, ...]
    placeholders: tuple[tuple[int, str], ...]
    """Id and name."""
    custom: int
    tables: Mapping[str, Rows]
    """By name, the nine that Athena fills."""
    unfinished: bool
    """A load is under way, or was stopped half-way."""


_VERSION = text("SELECT vocabulary_version FROM omop.vocabulary WHERE vocabulary_id = 'None'")
_VOCABULARIES = text("""
    SELECT vocabulary_id, vocabulary_name, vocabulary_version, coalesce(concepts, 0), coalesce(standard, 0),
           coalesce(invalid, 0)
    FROM omop.vocabulary LEFT JOIN (
        SELECT vocabulary_id, count(*) AS concepts, count(invalid_reason) AS invalid,
               count(*) FILTER (WHERE standard_concept = 'S') AS standard
        FROM omop.concept GROUP BY vocabulary_id) AS counted USING (vocabulary_id)
    ORDER BY vocabulary_id
""")
_PLACEHOLDERS = text("""
    SELECT concept_id, concept_name FROM omop.concept WHERE vocabulary_id = :placeholder ORDER BY concept_id
""")
_CUSTOM = text("SELECT count(*) FROM omop.concept WHERE concept_id >= :first")
_ESTIMATES = text("""
    SELECT relname, reltuples::bigint FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = 'omop' AND relname = ANY (:names)
""")
_COUNTS = {table.name: text(f"SELECT count(*) FROM {table.fullname}") for table in TABLES}  # noqa: S608
_UNFINISHED = text("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = :schema)")


def vocabulary_status(connection: Connection, *, exact: bool = False) -> VocabularyStatus:
    """What is loaded, in one snapshot.

    Rows of long tables are the database's estimate unless ``exact``, which reads them whole.
    """
    with connection.begin():
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        placeholders = connection.execute(_PLACEHOLDERS, {"placeholder": PLACEHOLDER})
        return VocabularyStatus(
            version=connection.execute(_VERSION).scalar_one_or_none(),
            vocabularies=tuple(Vocabulary(*row) for row in connection.execute(_VOCABULARIES)),
            placeholders=tuple((row[0], row[1]) for row in placeholders),
            custom=connection.execute(_CUSTOM, {"first": FIRST_CUSTOM_ID}).scalar_one(),
            tables=_rows(connection, exact),
            unfinished=connection.execute(_UNFINISHED, {"schema": SCHEMA}).scalar_one(),
        )


def _rows(connection: Connection, exact: bool) -> dict[str, Rows]:
    found = connection.execute(_ESTIMATES, {"names": list(_COUNTS)})
    estimates: dict[str, int] = {row[0]: row[1] for row in found}
    rows = {}
    for name, count in _COUNTS.items():
        # A table that was never looked at has the estimate -1.
        if exact or estimates[name] < ALWAYS_COUNTED:
            rows[name] = Rows(connection.execute(count).scalar_one(), True)
        else:
            rows[name] = Rows(estimates[name], False)
    return rows
