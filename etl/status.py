"""Status: what the database holds, counted. Pure SQL."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, TextClause, text

from etl.plan import IMPLAUSIBLE, Plan
from omop_schema import OMOP, RESULTS, metadata, vocabulary
from vocabularies.concepts import PLACEHOLDER


@dataclass(frozen=True, slots=True)
class Status:
    """Exact counts at one moment."""

    migration: str | None
    """The revision of the tables; None before ``oncolake init``."""
    uploads: Mapping[str, int]
    """By outcome."""
    cases: int
    pending: int
    """Cases whose newest document is not loaded yet."""
    outdated: int
    """Cases loaded with another version of their mapping than the case that was loaded last."""
    persons: int
    rows: Mapping[str, int]
    """By OMOP table, without the vocabulary tables."""
    problems: Mapping[str, int]
    """By kind."""
    warnings: Mapping[str, int]
    """By kind."""
    placeholders: int
    """Concepts of which only the id is known until their vocabulary is loaded from Athena."""


def status(connection: Connection) -> Status:
    """Count everything, in one snapshot. Raises the driver's UndefinedTable error on an empty database."""
    with connection.begin():
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        rows = _counts(connection, _ROWS)
        told = _counts(connection, _TOLD)
        return Status(
            migration=connection.execute(_MIGRATION).scalar_one_or_none(),
            uploads=_counts(connection, _UPLOADS),
            cases=connection.execute(_CASES).scalar_one(),
            pending=connection.execute(_PENDING).scalar_one(),
            outdated=connection.execute(_OUTDATED).scalar_one(),
            persons=rows["person"],
            rows=rows,
            problems={kind: count for kind, count in told.items() if kind != IMPLAUSIBLE},
            warnings={kind: count for kind, count in told.items() if kind == IMPLAUSIBLE},
            placeholders=connection.execute(_PLACEHOLDERS, {"placeholder": PLACEHOLDER}).scalar_one(),
        )


def outdated(connection: Connection, plan: Plan) -> int:
    """How many cases of the plan's mapping have rows that another version of it made."""
    values = {"mapping": plan.mapping, "plan": plan.digest}
    count: int = connection.execute(_OTHER_PLAN, values).scalar_one()
    return count


def _counts(connection: Connection, statement: TextClause) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(statement)}


_VOCABULARY = {each.name for each in vars(vocabulary).values() if isinstance(each, Table)}
_TABLES = [
    table
    for table in metadata.sorted_tables
    if table.schema in (OMOP, RESULTS) and table.name not in _VOCABULARY
]
_ROWS = text(
    " UNION ALL ".join(f"SELECT '{table.name}', count(*) FROM {table.fullname}" for table in _TABLES)  # noqa: S608
)
_MIGRATION = text("SELECT version_num FROM lake.alembic_version")
_UPLOADS = text("SELECT outcome, count(*) FROM lake.uploads GROUP BY outcome ORDER BY outcome")
_CASES = text("SELECT count(*) FROM lake.cases")
_PENDING = text("SELECT count(*) FROM lake.cases WHERE loaded_version IS NULL OR loaded_version <> version")
_OUTDATED = text("""
    WITH newest AS (
        SELECT DISTINCT ON (mapping) mapping, plan FROM lake.cases
        WHERE plan IS NOT NULL ORDER BY mapping, loaded_at DESC, case_id DESC)
    SELECT count(*) FROM lake.cases JOIN newest USING (mapping) WHERE cases.plan <> newest.plan
""")
_OTHER_PLAN = text("SELECT count(*) FROM lake.cases WHERE mapping = :mapping AND plan <> :plan")
_TOLD = text("SELECT kind, count(*) FROM lake.problems GROUP BY kind ORDER BY kind")
_PLACEHOLDERS = text("SELECT count(*) FROM omop.concept WHERE vocabulary_id = :placeholder")
