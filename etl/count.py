"""Count: how many OMOP rows documents have, by table, without a look at any row of others."""

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Connection, TextClause, text

from etl.delete import event_tables
from etl.feed import DocumentVersion
from etl.identity import case_range
from omop_schema.statements import UIDS


def rows_by_table(connection: Connection, entries: Sequence[DocumentVersion]) -> dict[int, Mapping[str, int]]:
    """How many OMOP rows each loaded document has, by document_id and table; tables without any left out.

    Rows that cases share, such as the person, are of no document. Works in the caller's transaction, which
    ``feed.snapshot`` begins.
    """
    loaded = [each for each in entries if each.outcome == "loaded"]
    if not loaded:
        return {}
    ranges = [case_range(each.case_id) for each in loaded]
    values = {
        "ids": [each.document_id for each in loaded],
        "first": [first for first, _ in ranges],
        "last": [last for _, last in ranges],
    }
    found = connection.execute(_row_counts(), values).mappings()
    return {
        row["document_id"]: {name: count for name, count in row.items() if name != "document_id" and count}
        for row in found
    }


@cache
def _row_counts() -> TextClause:
    # One small range of the key for each table and case.
    counts = ", ".join(
        f"(SELECT count({f'DISTINCT {UIDS[name]}' if name in UIDS else '*'}) FROM {kept.fullname}"  # noqa: S608
        f" WHERE {key} BETWEEN first AND last) AS {name}"
        for name, kept, key in event_tables()
    )
    return text(
        f"SELECT document_id, {counts} FROM unnest(CAST(:ids AS bigint[]), CAST(:first AS bigint[]),"  # noqa: S608
        " CAST(:last AS bigint[])) AS loaded (document_id, first, last)"
    )
