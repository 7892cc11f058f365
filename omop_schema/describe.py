"""docs/schema.md: every table as the models declare it, and every view and function as the database has it.

A page is text alone; ``etl.catalogue`` reads the views and functions, and a test compares page and file.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from omop_schema import (
    cdm_metadata,
    clinical,
    curation,
    derived,
    economics,
    health_system,
    imaging,
    lake,
    oncology,
    results,
    vocabulary,
)
from omop_schema.omop54 import Field, fields
from omop_schema.statements import series_statements, study_statements


def tables_of(module: object) -> list[Table]:
    """The tables that a module declares, in its order."""
    return [each for each in vars(module).values() if isinstance(each, Table)]


#: The groups of the page, in its order: heading and tables.
GROUPS = (
    ("Imaging: studies, series, features", tables_of(imaging)),
    ("Curation: what was done to series", tables_of(curation)),
    ("Clinical data", tables_of(clinical)),
    ("Oncology extension", tables_of(oncology)),
    ("Health system", tables_of(health_system)),
    ("Economics", tables_of(economics)),
    ("Derived elements", tables_of(derived)),
    ("Results", tables_of(results)),
    ("Metadata", tables_of(cdm_metadata)),
    ("Vocabulary", tables_of(vocabulary)),
    ("The lake", tables_of(lake)),
    ("The lake: what cases say of images", [study_statements, series_statements]),
)
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


class Named(NamedTuple):
    """A column of a view: its name, type and comment, as PostgreSQL has them."""

    name: str
    type: str
    comment: str


class View(NamedTuple):
    """A view of the database, with its schema."""

    name: str
    comment: str
    columns: tuple[Named, ...]


class Function(NamedTuple):
    """A function: its call, as ``schema.name(arguments)``, what it returns, and its comment."""

    call: str
    returns: str
    comment: str


def page(views: Iterable[View], functions: Iterable[Function]) -> str:
    """The whole of docs/schema.md."""
    parts = [_INTRODUCTION, "## Views\n"]
    parts += map(_view, views)
    parts += ["## Functions\n", _functions(functions)]
    for heading, tables in GROUPS:
        parts += [f"## {heading}\n", *map(_table, tables)]
    parts += [_OMOP54, _omop54()]
    return "\n".join(parts)


def written(kind: TypeEngine[object]) -> str:
    """A type as PostgreSQL writes it, such as ``varchar(64)``."""
    return kind.compile(_POSTGRESQL).lower().replace(" without time zone", "")


def _table(table: Table) -> str:
    lines = [f"### {table.fullname}\n", f"{table.comment}.\n"]
    lines += ["| column | type | null | references | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_column, table.columns), ""])


def _column(column: Column[object]) -> str:
    name = f"**{column.name}**" if column.primary_key else column.name
    targets = sorted(each.target_fullname for each in column.foreign_keys)
    return _row(
        name, written(column.type), "yes" if column.nullable else "", ", ".join(targets), column.comment
    )


def _view(view: View) -> str:
    lines = [f"### {view.name}\n", f"{view.comment}.\n", "| column | type | meaning |", "|---|---|---|"]
    return "\n".join([*lines, *(_row(*column) for column in view.columns), ""])


def _omop54() -> str:
    """The columns of schema ``omop54`` that are not simply those of v6.0."""
    lines = ["| column | type | required | is |", "|---|---|---|---|"]
    lines += [
        _row(f"{field.view}.{field.name}", field.type, "yes" if field.required else "", _origin(field))
        for field in fields()
        if field.note
    ]
    return "\n".join([*lines, ""])


def _origin(field: Field) -> str:
    return f"NULL: {field.note}" if field.source == "NULL" else field.note


def _functions(functions: Iterable[Function]) -> str:
    rows = [_row(f"`{each.call}`", each.returns, each.comment) for each in functions]
    return "\n".join(["| function | returns | meaning |", "|---|---|---|", *rows, ""])


def _row(*cells: str | None) -> str:
    escaped = (re.sub(r"([|<])", r"\\\1", cell or "") for cell in cells)
    return f"| {' | '.join(escaped)} |".replace("  ", " ")


_INTRODUCTION = """\
# The tables

Made by `oncolake schema show`: the tables as the models in `omop_schema/` declare them, the views and
functions as `oncolake init` creates them. Five schemas: `omop` holds the CDM with its extensions,
`omop54` the same as views of [CDM v5.4](#omop54-the-same-data-as-cdm-v54), `results` cohorts, `research`
views for scientists, `lake` what was submitted. [lake.md](lake.md) tells how the lake works,
[etl.md](etl.md) which value of a form becomes which row, [research.md](research.md) how to ask across
clinical and imaging data, [ohdsi.md](ohdsi.md) how to point OHDSI's tools at it.

A column in **bold** is part of the primary key. The column *null* says which may be empty.

![Studies, series and features, and what they hang on](schema-imaging.svg)

![Curation: runs, their steps and levels, approvals](schema-curation.svg)

## How ids are made

The id of every row that a case makes is three numbers in one bigint: case (31 bits), rule (12 bits), item
(20 bits); [lake.md](lake.md#row-ids) has the details. So it leads back to its source, needs no sequence, is
the same when the case is loaded again, and does not fit an integer: every generated key is bigint here,
where the CDM and the imaging extension have integer or a mix. `person_id` and `care_site_id` are counted,
once for each identifier. Concepts keep the integer of their vocabulary.

A study and a series are known by their UIDs, and may be named by several cases, such as a form and a scan
of its headers. Each says what it knows in `lake.study_statements` and `lake.series_statements`; the rows of
`omop.radiology_occurrence` and `omop.radiology_image` are merged from these, and their keys lead to a case
that names them. A series that a curation made is a series like any other. A curation waits in
`lake.curations` until its source series is known; the series that it made, or aligned with, may be known
later, so they stand by UID.
"""

_OMOP54 = """\
## omop54: the same data as CDM v5.4

Every table and column of CDM v5.4, by its name and in its order, as a view on the tables above: OHDSI's
tools read v5.3 and v5.4 alone. A view holds nothing; a query through it uses the indexes of the table.
Columns that are not listed below are those of the same name in `omop` or `results`.

**Ids.** v5.4 says integer, which ends at 2,147,483,647. Ids of rows, and what refers to one, are bigint in
the views as they are in the tables, so none can overflow; concept ids, years and counts are integer. What
reads a bigint as a double, as R does, is exact up to 2^53 = 9,007,199,254,740,992: that is every row of the
cases up to number 2,097,151. Beyond that, or to be sure, R reads them whole with
`options(databaseConnectorInteger64AsNumeric = FALSE)` (package bit64). `person_id` is counted from 1, so
whatever counts or joins persons is exact in any case.

**Concepts that were not recorded.** v6.0 requires a concept where v5.4 does not, so it has 0 for both
"nothing recorded" and "recorded, without a concept". v5.4 tells them apart: where the source value is empty
as well, the views have NULL.

**Texts.** Four columns are shorter in v5.4. A text that does not fit ends with an ellipsis; `omop` has it
whole.
"""
