"""The analysis table of a cohort: a row for each period of a person, with all that the view of patients says.

Rows are of single persons, so nothing is masked: it is for whoever may read them anyway.
"""

import json
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text

from etl.cohorts.errors import CohortError
from etl.cohorts.known import Run, find_run
from etl.cohorts.table_one import TableOne, read_table_one
from etl.setup import DEFAULT_MAPPING, SHIPPED

if TYPE_CHECKING:
    import pandas as pd

#: The columns of results.cohort that every table begins with, after the person.
_PERIOD = {"cohort_start_date": "First day in the cohort", "cohort_end_date": "Last day in the cohort"}
#: What stands between the items of a list in CSV.
_BETWEEN = ";"
#: PostgreSQL's types, as information_schema calls them, and pandas' that take their NULLs too.
_DTYPES = {
    "smallint": "Int16",
    "integer": "Int32",
    "bigint": "Int64",
    "numeric": "Float64",
    "double precision": "Float64",
    "boolean": "boolean",
    "date": "datetime64[s]",
    "text": "category",
    "character varying": "category",
}


def dataframe(engine: Engine, name: str, folder: Traversable | None = None) -> "pd.DataFrame":
    """The analysis table of a cohort that was run: nullable integers and floats, categories, dates.

    ``attrs`` holds what each column means (``columns``), and of the cohort its ``name``, ``title``,
    ``parameters`` and ``ran_at``. ``folder`` is the mapping folder, if it is none of those shipped. Raises
    CohortError.
    """
    with engine.connect() as connection:
        run = find_run(connection, name)
        return table_of(connection, run, read_table_one(folder or SHIPPED.get(run.mapping, DEFAULT_MAPPING)))


def table_of(connection: Connection, run: Run, table: TableOne) -> "pd.DataFrame":
    """The analysis table of a run, see ``dataframe``. Raises CohortError when there is no such view."""
    import pandas as pd

    found = {row.name: row for row in connection.execute(_COLUMNS, {"view": table.view})}
    if table.person not in found:
        raise CohortError(f"there is no {table.view} with a column '{table.person}': run `oncolake init`")
    columns = [name for name in found if name != table.person]
    rows = connection.execute(text(_query(table, columns)), {"id": run.definition_id}).all()
    names = [table.person, *_PERIOD, *columns]
    kinds = {**{name: row.type for name, row in found.items()}, **dict.fromkeys(_PERIOD, "date")}
    by_column = zip(*rows, strict=True) if rows else ([] for _ in names)
    frame = pd.DataFrame(
        {name: _series(list(values), kinds[name]) for name, values in zip(names, by_column, strict=True)}
    )
    comments = {name: row.comment for name, row in found.items() if row.comment}
    frame.attrs = {
        "name": run.name,
        "title": run.definition.header.title,
        "parameters": dict(run.parameters),
        "ran_at": run.ran_at.isoformat(timespec="seconds"),
        "columns": {name: {**_PERIOD, **comments}.get(name, "") for name in names},
    }
    return frame


def write_parquet(frame: "pd.DataFrame", file: Path) -> None:
    """Write Parquet; what a column means stands in its field's metadata, as ``description``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = pa.Table.from_pandas(frame, preserve_index=False)
    meanings: Mapping[str, str] = frame.attrs["columns"]
    fields = [field.with_metadata({"description": meanings[field.name]}) for field in made.schema]
    about = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in frame.attrs.items()
    }
    own = {f"oncolake.{key}": value for key, value in about.items() if key != "columns"}
    pq.write_table(made.cast(pa.schema(fields, {**(made.schema.metadata or {}), **own})), file)


def write_csv(frame: "pd.DataFrame", file: Any) -> None:
    """Write CSV, with the items of a list between semicolons, to a path or an open file."""
    flat = frame.copy()
    for name in flat.columns:
        if flat[name].dtype == object:
            flat[name] = [None if each is None else _BETWEEN.join(map(str, each)) for each in flat[name]]
    flat.to_csv(file, index=False, lineterminator="\n")


def write_pickle(frame: "pd.DataFrame", file: Path) -> None:
    """Write what ``pandas.read_pickle`` gives back as it is, ``attrs`` and all."""
    frame.to_pickle(file)


def _series(values: list[Any], kind: str) -> "pd.Series[Any]":
    import pandas as pd

    if kind in ("numeric", "double precision"):
        values = [None if value is None else float(value) for value in values]
    return pd.Series(values, dtype=_DTYPES.get(kind, "object"))


def _query(table: TableOne, columns: list[str]) -> str:
    said = "".join(f', seen."{name}"' for name in columns)
    # The view is made for all patients at once: made for each member, it would take hours.
    return (
        f"WITH seen AS MATERIALIZED (SELECT * FROM {table.view}) "
        f"SELECT subject_id, cohort_start_date, cohort_end_date{said} FROM results.cohort "
        f'LEFT JOIN seen ON seen."{table.person}" = subject_id '
        "WHERE cohort_definition_id = :id ORDER BY subject_id, cohort_start_date"
    )


_COLUMNS = text("""
    SELECT column_name AS name, data_type AS type,
           col_description(to_regclass(:view), CAST(ordinal_position AS integer)) AS comment
      FROM information_schema.columns
     WHERE table_schema || '.' || table_name = :view
     ORDER BY ordinal_position
""")
