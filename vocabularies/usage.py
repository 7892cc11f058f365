"""Which concepts the data use: every column that names a concept, outside the vocabulary's own tables.

The nine tables that Athena fills refer to concepts too, but they come and go with the vocabulary. What other
tables name must outlive a reload, and a change of it concerns the data.
"""

from typing import NamedTuple

from sqlalchemy import Column, Connection, Table, text

from omop_schema import OMOP, RESULTS, metadata
from vocabularies.athena.layout import TABLES

_ATHENAS = frozenset(table.name for table in TABLES)
_CONCEPT_ID = f"{OMOP}.concept.concept_id"


class ConceptColumn(NamedTuple):
    """A column that names concepts, of schema ``omop`` or of its results."""

    schema: str
    table: str
    column: str
    enforced: bool
    """Whether a foreign key holds it to ``omop.concept``; the CDM leaves a few columns without one."""


def concept_columns() -> tuple[ConceptColumn, ...]:
    """Every column that names concepts outside the vocabulary's nine tables, by table as in the schema."""
    return tuple(
        ConceptColumn(str(table.schema), table.name, column.name, _enforced(column))
        for table in metadata.tables.values()
        if table.schema in (OMOP, RESULTS) and table.name not in _ATHENAS
        for column in _concept_columns(table)
    )


def enforced_columns() -> tuple[ConceptColumn, ...]:
    """The columns that a foreign key holds to ``omop.concept``: what they name cannot be removed."""
    return tuple(one for one in concept_columns() if one.enforced)


def free_columns() -> tuple[ConceptColumn, ...]:
    """The columns that name concepts without a foreign key: what they name can go unnoticed."""
    return tuple(one for one in concept_columns() if not one.enforced)


def used_concepts_sql() -> str:
    """A SELECT of the distinct ``(concept_id, table_name, column_name, enforced)`` in use, for a subquery.

    Concept 0 and NULL are no use of a concept and left out. Each table is read once, in parallel where it is
    large: first its distinct combinations of concepts, which are few, then each column's part of them.
    """
    tables: dict[tuple[str, str], list[ConceptColumn]] = {}
    for one in concept_columns():
        tables.setdefault((one.schema, one.table), []).append(one)
    return "\nUNION ALL\n".join(_table_sql(*name, columns) for name, columns in tables.items())


def used_concepts(connection: Connection) -> frozenset[int]:
    """The ids of all concepts that any data name, concept 0 aside."""
    found = connection.scalars(text(f"SELECT DISTINCT concept_id FROM ({used_concepts_sql()}) AS used"))  # noqa: S608
    return frozenset(found)


def _table_sql(schema: str, table: str, columns: list[ConceptColumn]) -> str:
    names = ", ".join(one.column for one in columns)
    values = ", ".join(f"({one.column}, '{one.column}', {str(one.enforced).lower()})" for one in columns)
    return (
        f"SELECT DISTINCT named.concept_id, '{table}' AS table_name, named.column_name, named.enforced"  # noqa: S608 - names of our own columns
        f" FROM (SELECT DISTINCT {names} FROM {schema}.{table}) AS combination"
        f" CROSS JOIN LATERAL (VALUES {values}) AS named (concept_id, column_name, enforced)"
        " WHERE named.concept_id <> 0"
    )


def _concept_columns(table: Table) -> list[Column[int]]:
    return [one for one in table.columns if _enforced(one) or one.name.endswith("concept_id")]


def _enforced(column: Column[int]) -> bool:
    return any(key.target_fullname == _CONCEPT_ID for key in column.foreign_keys)
