"""Delete: the rows that cases had loaded before, by their ranges of ids; no other row is looked at."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import BigInteger, Connection, Table, TextClause, text

from etl.identity import case_range
from omop_schema import OMOP, metadata
from omop_schema.refusals import translated_rows

#: Rows that are not of one case; their ids come from landing.
SHARED = frozenset(
    {"person", "observation_period", "care_site", "location", "location_history", "provider", "cohort"}
)


def delete_rows(connection: Connection, cases: Sequence[int]) -> None:
    """Delete every row of these cases. Raises RowsRefused when rows of others refer to one of them."""
    if not cases:
        return
    ranges = [case_range(case_id) for case_id in cases]
    values = {"first": [first for first, _ in ranges], "last": [last for _, last in ranges]}
    # The planner cannot tell how short the ranges are, and would rather read whole tables.
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    for table, statement in _deletions().items():
        with translated_rows(table):
            connection.execute(statement, values)
    connection.execute(text("SET LOCAL enable_seqscan = DEFAULT"))


@cache
def event_tables() -> tuple[tuple[Table, str], ...]:
    """Every OMOP table that holds rows of cases, with its column of packed ids, referenced tables first.

    Not only those of today's mapping: an older one may have written others.
    """
    tables = [table for table in metadata.sorted_tables if table.schema == OMOP and table.name not in SHARED]
    found = []
    for table in tables:
        key = next(iter(table.primary_key.columns), None)
        if table.name == "fact_relationship":
            found.append((table, "fact_id_1"))
        elif key is not None and isinstance(key.type, BigInteger):
            found.append((table, key.name))
    return tuple(found)


@cache
def _deletions() -> dict[str, TextClause]:
    return {
        table.name: text(
            f"DELETE FROM {table.schema}.{table.name} AS old"  # noqa: S608 - names of our own tables
            " USING unnest(CAST(:first AS bigint[]), CAST(:last AS bigint[])) AS gone (first, last)"
            f" WHERE old.{key} BETWEEN gone.first AND gone.last"
        )
        for table, key in reversed(event_tables())
    }
