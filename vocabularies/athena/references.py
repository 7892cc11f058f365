"""Rows that name what is not in the bundle.

A download of some vocabularies can name concepts of others. A row that says nothing without them is left out;
where the concept only describes the row, as ``domain_concept_id`` does, it becomes 0, OMOP's "no matching
concept". Codes, such as a concept's domain, are all in a bundle, so one that is not there is an error.
"""

from sqlalchemy import Column, Connection, Table, text

from vocabularies.athena.twins import SCHEMA

#: Tables whose rows are codes of the vocabulary itself, each described by a concept.
CODES = ("vocabulary", "domain", "concept_class", "relationship")


def concept_columns(table: Table) -> list[Column[int]]:
    """The columns with a foreign key to ``concept``."""
    return [one for one in table.columns if _names(one, "concept.concept_id")]


def code_columns(table: Table) -> dict[str, str]:
    """The columns with a foreign key to a code, and the table of each."""
    return {
        one.name: key.column.table.name
        for one in table.columns
        for key in one.foreign_keys
        if key.column.table.name in CODES
    }


def leave_out(connection: Connection, table: Table) -> int:
    """Delete the rows that name a concept which is not there; how many they were."""
    if table.name in CODES or not (columns := concept_columns(table)):
        return 0
    missing = " OR ".join(_unknown(one) for one in columns)
    return connection.execute(text(f"DELETE FROM {SCHEMA}.{table.name} AS held WHERE {missing}")).rowcount


def label_with_zero(connection: Connection, table: Table) -> int:
    """Set the concept that describes a code to 0 where it is not there; how many rows that were."""
    if table.name not in CODES:
        return 0
    [column] = concept_columns(table)
    statement = f"UPDATE {SCHEMA}.{table.name} AS held SET {column.name} = 0 WHERE {_unknown(column)}"
    return connection.execute(text(statement)).rowcount


def _unknown(column: Column[int]) -> str:
    there = f"EXISTS (SELECT FROM {SCHEMA}.concept WHERE concept_id = held.{column.name})"
    return f"({column.name} IS NOT NULL AND NOT {there})"


def _names(column: Column[int], target: str) -> bool:
    return any(key.target_fullname.endswith(target) for key in column.foreign_keys)
