"""Schema ``omop54``: the same data as OMOP CDM v5.4, which OHDSI's tools read, as views on the v6.0 tables.

``omop54.csv`` lists every column of v5.4 in its order, with the type that it is presented in, whether v5.4
requires it, and where it comes from: a column of the same name, or an SQL expression and what it means. The
views are made from that list. A change of it needs a migration that makes them anew (``statements``).
"""

import csv
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from omop_schema.base import OMOP, RESULTS, metadata

SCHEMA = "omop54"

#: Days without a record of the condition after which another era begins (CDM v5.4, CONDITION_ERA).
_GAP = 30

#: One row for each era of a person and condition: records that overlap, or follow within the gap. It asks for
#: nothing but person and condition, so that PostgreSQL reads those alone which a query asks for.
_CONDITION_ERAS = f"""(
    SELECT min(condition_occurrence_id) AS condition_era_id, person_id, condition_concept_id,
           min(first_day) AS condition_era_start_date, max(last_day) AS condition_era_end_date,
           count(*) AS condition_occurrence_count
      FROM (
        SELECT *, count(*) FILTER (WHERE first_day > reached + {_GAP}) OVER (
                    PARTITION BY person_id, condition_concept_id ORDER BY first_day, condition_occurrence_id
               ) AS era
          FROM (
            SELECT *, max(last_day) OVER (
                        PARTITION BY person_id, condition_concept_id
                        ORDER BY first_day, condition_occurrence_id
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                   ) AS reached
              FROM (
                SELECT condition_occurrence_id, person_id, condition_concept_id, first_day,
                       greatest(first_day, condition_end_date, condition_end_datetime::date) AS last_day
                  FROM {OMOP}.condition_occurrence
                 CROSS JOIN LATERAL (
                    SELECT coalesce(condition_start_date, condition_start_datetime::date) AS first_day
                 ) AS began
                 WHERE condition_concept_id <> 0
              ) AS span
          ) AS told
      ) AS numbered
     GROUP BY person_id, condition_concept_id, era
) AS cdm"""  # noqa: S608 - names of our own tables

#: 32891: cause of death, a status of a condition. The last one stands; v5.4 has one cause a person.
_DEATHS = f"""{OMOP}.person AS cdm
  LEFT JOIN LATERAL (
    SELECT condition_concept_id, condition_source_value, condition_source_concept_id
      FROM {OMOP}.condition_occurrence AS held
     WHERE held.person_id = cdm.person_id AND condition_status_concept_id = 32891
     ORDER BY condition_start_datetime DESC, condition_occurrence_id DESC LIMIT 1
  ) AS cause ON true
 WHERE cdm.death_datetime IS NOT NULL"""  # noqa: S608

#: What a view reads, where that is not the table of its name.
_FROM = {
    "death": _DEATHS,
    "condition_era": _CONDITION_ERAS,
    "cost": (
        f"{OMOP}.cost AS cdm LEFT JOIN {OMOP}.concept AS event"
        " ON event.concept_id = cdm.cost_event_field_concept_id"
    ),
}
_COMMENTS = {
    "death": "Persons of whom a death is known",
    "condition_era": (
        f"Spans in which a person had a condition: occurrences that overlap or follow within {_GAP} days; "
        "computed from condition_occurrence, without concept 0"
    ),
}


class Field(NamedTuple):
    """A column of CDM v5.4."""

    view: str
    name: str
    type: str
    """In PostgreSQL: that of v5.4, but bigint for the key of a table and what refers to one."""
    required: bool
    source: str
    """An SQL expression on ``cdm``, the v6.0 table; empty for its column of the same name."""
    note: str
    """What the expression means."""


@cache
def fields() -> tuple[Field, ...]:
    """Every column of v5.4, table by table."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Field(
                row["view"], row["column"], row["type"], row["required"] == "yes", row["source"], row["note"]
            )
            for row in csv.DictReader(lines)
        )


def views() -> dict[str, tuple[Field, ...]]:
    """The columns of each view."""
    return {view: tuple(columns) for view, columns in groupby(fields(), key=lambda one: one.view)}


def statements() -> Iterator[str]:
    """What makes the schema with its views; it must not be there."""
    yield f"CREATE SCHEMA {SCHEMA}"
    yield f"COMMENT ON SCHEMA {SCHEMA} IS 'The same data as OMOP CDM v5.4: views on schema {OMOP}'"
    for view, columns in views().items():
        yield create(view, columns)
        yield f"COMMENT ON VIEW {SCHEMA}.{view} IS {_quoted(comment(view))}"
        for each in columns:
            if each.note:
                yield f'COMMENT ON COLUMN {SCHEMA}.{view}."{each.name}" IS {_quoted(each.note)}'


def create(view: str, columns: tuple[Field, ...]) -> str:
    """The statement that creates a view."""
    listed = ",\n       ".join(map(_selected, columns))
    return f"CREATE VIEW {SCHEMA}.{view} AS\nSELECT {listed}\n  FROM {_from(view)}"


def comment(view: str) -> str:
    """What a view holds, in a line."""
    return _COMMENTS.get(view) or f"{table(view)} as CDM v5.4 has it"


def table(view: str) -> str:
    """The v6.0 table of that name, with its schema; v6.0 has none for ``death``."""
    schema = RESULTS if f"{RESULTS}.{view}" in metadata.tables else OMOP
    return f"{schema}.{view}"


def _from(view: str) -> str:
    return _FROM.get(view) or f"{table(view)} AS cdm"


def _selected(field: Field) -> str:
    if not field.source:
        return f'cdm."{field.name}"'
    return f'({field.source})::{field.type} AS "{field.name}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
