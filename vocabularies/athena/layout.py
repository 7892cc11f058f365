"""The files of an Athena bundle: which there are, and what their cells must be like.

Everything is read from the tables' metadata, so a file and its table cannot drift apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Date, Integer, Numeric, String, Table

from omop_schema import vocabulary as tables

#: The tables that a bundle fills, in the order of its report.
TABLES: tuple[Table, ...] = (
    tables.concept,
    tables.vocabulary,
    tables.domain,
    tables.concept_class,
    tables.relationship,
    tables.concept_relationship,
    tables.concept_synonym,
    tables.concept_ancestor,
    tables.drug_strength,
)

#: Concepts of CPT4, whose names Athena may not hand out: they stay blank until its cpt4 program has run.
CPT4 = "CONCEPT_CPT4.csv"


def file_of(table: str) -> str:
    """The file that a table's rows come in."""
    return f"{table.upper()}.csv"


#: Table by file name.
FILES: Mapping[str, Table] = {file_of(table.name): table for table in TABLES} | {CPT4: tables.concept}


@dataclass(frozen=True, slots=True)
class Cell:
    """What one column takes."""

    name: str
    kind: str
    """``integer``, ``number``, ``date`` (yyyymmdd) or ``text``."""
    width: int | None
    """Characters that a text may have."""
    required: bool
    """Whether an empty cell, which stands for NULL, is an error."""


def cells(table: Table) -> dict[str, Cell]:
    """The table's columns by name, in its order."""
    return {column.name: _cell(column) for column in table.columns}


def _cell(column: Column[object]) -> Cell:
    width = column.type.length if isinstance(column.type, String) else None
    return Cell(column.name, _kind(column), width, not column.nullable)


def _kind(column: Column[object]) -> str:
    for kind, sort in (("integer", Integer), ("number", Numeric), ("date", Date)):
        if isinstance(column.type, sort):
            return kind
    return "text"
