"""Table one: what a cohort looks like at baseline, in figures that PostgreSQL counts.

Which variables it has is said by ``cohorts/table_one.yaml`` of the mapping folder.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, model_validator
from sqlalchemy import Connection, text

from etl.cohorts.allowed import SCHEMAS
from etl.cohorts.errors import CohortError
from etl.cohorts.header import Name, Said, Shape
from etl.cohorts.known import FOLDER
from etl.cohorts.shapes import Lines, read_shape

FILE = "table_one.yaml"
_VIEW = re.compile(rf"({'|'.join(SCHEMAS)})\.[a-z][a-z0-9_]*")


class Variable(Shape):
    """A line of table one, or several: one for each level."""

    column: Name
    title: Said
    kind: Literal["continuous", "categorical"]
    unit: Said | None = None
    scale: Literal["linear", "log"] = "linear"
    """Of the axis, and of what cohorts are compared by."""
    bins: tuple[float, ...] | None = Field(default=None, min_length=2)
    """Edges of its distribution's bars, ascending; a bar holds its lower edge. Outside are bars too."""
    labels: Mapping[str | int, Said] = {}

    @model_validator(mode="after")
    def _fits(self) -> "Variable":
        if self.bins and any(low >= high for low, high in pairwise(self.bins)):
            raise ValueError("its bins must ascend")
        if self.bins and self.scale == "log" and self.bins[0] <= 0:
            raise ValueError("on a log scale its bins must be above 0")
        if self.kind == "categorical" and (self.bins or self.unit or self.scale == "log"):
            raise ValueError("bins, scale and unit are for continuous variables")
        return self

    @property
    def heading(self) -> str:
        """Title and unit, such as ``Age at baseline (years)``."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def label(self, level: str) -> str:
        """What a level is shown as."""
        return {str(key): shown for key, shown in self.labels.items()}.get(level, level)


class TableOne(Shape):
    """The file: a view with one row a person, and which of its columns make table one."""

    view: str
    person: Name = "person_id"
    variables: tuple[Variable, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named(self) -> "TableOne":
        if not _VIEW.fullmatch(self.view):
            raise ValueError(f"'view' must be SCHEMA.NAME, of schema {', '.join(SCHEMAS)}")
        columns = [each.column for each in self.variables]
        if len(set(columns)) < len(columns):
            raise ValueError("a column is there twice")
        return self


@dataclass(frozen=True, slots=True)
class Numbers:
    """A continuous variable of a cohort, in its unit. All but ``count`` are None where no value is known.

    Mean and variance are of the natural logarithm where the scale is ``log``, among values above 0.
    """

    count: int
    """Persons with a value."""
    quartiles: tuple[float, float, float] | None
    mean: float | None
    variance: float | None
    """Of the sample; None also of a single value."""
    bins: tuple[int, ...]
    """Persons below the first edge, between each two, and from the last edge on; empty without edges."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A categorical variable of a cohort: persons by level, in the order of levels."""

    counts: Mapping[str, int]

    @property
    def count(self) -> int:
        """Persons with a value."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Measured:
    """A cohort's figures, as they are: not masked yet."""

    persons: int
    numbers: Mapping[str, Numbers]
    """By column."""
    levels: Mapping[str, Levels]


def read_table_one(folder: Traversable) -> TableOne:
    """The variables of a mapping folder. Raises CohortError with file and line."""
    return _read(folder)[0]


def table_one_lines(folder: Traversable) -> Lines:
    """The line of each key of the file. Raises CohortError as ``read_table_one`` does."""
    return _read(folder)[1]


def _read(folder: Traversable) -> tuple[TableOne, Lines]:
    file = folder.joinpath(FOLDER, FILE)
    shown = f"{FOLDER}/{FILE}"
    if not file.is_file():
        raise CohortError(f"there is no {shown} in this mapping: it says what table one is made of")
    try:
        return read_shape(file.read_text(encoding="utf-8-sig"), shown, TableOne)
    except (OSError, UnicodeDecodeError) as error:
        raise CohortError(f"{shown} cannot be read: {type(error).__name__}") from None


def measure(connection: Connection, table: TableOne, definition_id: int) -> Measured:
    """Count a cohort, in one statement. Raises CohortError when the view lacks a column."""
    types = {row[0]: row[1] for row in connection.execute(_COLUMNS, {"view": table.view})}
    for column in (table.person, *(each.column for each in table.variables)):
        if column not in types:
            raise CohortError(f"{FOLDER}/{FILE}: {table.view} has no column '{column}'")
    statement = text(_statement(table, types))
    found = connection.execute(statement, {"id": definition_id}).scalar_one()
    return Measured(
        found["persons"],
        {each.column: _numbers(found[each.column]) for each in table.variables if each.kind == "continuous"},
        {each.column: _levels(found[each.column]) for each in table.variables if each.kind == "categorical"},
    )


def _numbers(found: Mapping[str, Any]) -> Numbers:
    quartiles = found["quartiles"]
    counted = {int(bar): count for bar, count in (found["bins"] or {}).items()}
    return Numbers(
        found["count"],
        (quartiles[0], quartiles[1], quartiles[2]) if quartiles else None,
        found["mean"],
        found["variance"],
        tuple(counted.get(bar, 0) for bar in range(found["bars"])),
    )


def _levels(found: Mapping[str, int] | None) -> Levels:
    return Levels(dict(sorted((found or {}).items(), key=lambda one: natural(one[0]))))


def natural(level: str) -> list[tuple[int, int | str]]:
    """So that 10 comes after 9."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", level) if part]


def _statement(table: TableOne, types: Mapping[str, str]) -> str:
    """One row with one document: the names in it are checked, or were read from the database."""
    columns = ", ".join(f'"{each.column}"' for each in table.variables)
    parts = [f"'{each.column}', {_variable(each, types[each.column])}" for each in table.variables]
    # A view of patients is made for all of them at once: made for each member, it would take hours.
    return (
        "WITH member AS (SELECT DISTINCT subject_id FROM results.cohort WHERE cohort_definition_id = :id), "
        f'seen AS MATERIALIZED (SELECT "{table.person}" AS person, {columns} FROM {table.view}), '
        "known AS MATERIALIZED (SELECT seen.* FROM member LEFT JOIN seen ON person = subject_id) "
        f"SELECT jsonb_build_object('persons', (SELECT count(*) FROM known), {', '.join(parts)})"
    )


def _variable(variable: Variable, kind: str) -> str:
    column = f'"{variable.column}"'
    if variable.kind == "categorical":
        level = f"array_to_string({column}, '+')" if kind == "ARRAY" else f"{column}::text"
        counted = (
            f"SELECT {level} AS level, count(*) AS persons FROM known WHERE {column} IS NOT NULL GROUP BY 1"
        )
        return f"(SELECT jsonb_object_agg(level, persons) FROM ({counted}) AS counted)"
    edges = f"ARRAY[{', '.join(map(str, variable.bins))}]::numeric[]" if variable.bins else None
    bars = len(variable.bins) + 1 if variable.bins else 0
    bins = (
        f"(SELECT jsonb_object_agg(bar, persons) FROM (SELECT width_bucket({column}::numeric, {edges}) AS bar"
        f", count(*) AS persons FROM known WHERE {column} IS NOT NULL GROUP BY 1) AS counted)"
    )
    # Means of skewed values tell of their few largest.
    measure = f"ln(nullif(greatest({column}, 0), 0)::float8)" if variable.scale == "log" else column
    return (
        f"(SELECT jsonb_build_object('count', count({column}), 'mean', avg({measure}),"
        f" 'variance', var_samp({measure}),"
        f" 'quartiles', percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY {column}),"
        f" 'bars', {bars}, 'bins', {bins if edges else 'NULL'}) FROM known)"
    )


_COLUMNS = text("""
    SELECT column_name, data_type FROM information_schema.columns
     WHERE table_schema || '.' || table_name = :view
""")
