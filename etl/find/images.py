"""Images: a page of the studies or series that fit every criterion, newest study first.

The page is found by keys alone, and only then is it told what is asked of it. The order is that of the
studies' keys, also for series: so whatever a study or a series is searched by, an index has the rows of one
value in that order, and a page ends as soon as it is full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text

from etl.find.attributes import Attribute, Level
from etl.find.criteria import Criterion
from etl.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, and what is to be told of it."""

    level: Level
    criteria: tuple[Criterion, ...]
    told: tuple[Attribute, ...]
    limit: int
    offset: int


class Found(NamedTuple):
    """A study or series: whose it is, and the values of the attributes that were asked for, in that order."""

    person_id: int
    values: Sequence[Any]


def find(connection: Connection, reader: Viewer, search: Search) -> list[Found]:
    """The page that the search asks for, of what the reader may see; one short transaction."""
    values = {"organisation": reader.organisation, "limit": search.limit, "offset": search.offset}
    for each in search.criteria:
        values |= each.values
    with connection.begin():
        connection.execute(_QUICKLY)
        rows = connection.execute(_statement(reader, search), values).all()
    return [Found(row[0], row[1:]) for row in rows]


def _statement(reader: Viewer, search: Search) -> TextClause:
    conditions = [each.sql for each in search.criteria]
    if not reader.everything:
        conditions.append(_OWNED.format(search.level))
    needed = " ".join(each.sql for each in search.criteria)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    told = ", ".join(f"{each.sql} AS v{number}" for number, each in enumerate(search.told))
    key = _KEYS[search.level]
    order = ", ".join(f"{each} DESC" for each in key)
    return text(
        f"WITH page AS (SELECT {', '.join(key)} FROM {_tables(search.level, needed)} {where}"  # noqa: S608
        f" ORDER BY {order} LIMIT :limit OFFSET :offset)"
        f" SELECT {search.level}.person_id, {told} FROM page JOIN ({_tables(search.level, _WHOLE)})"
        f" ON page.{key[-1].partition('.')[2]} = {key[-1]} ORDER BY {order}"
    )


def _tables(level: Level, needed: str) -> str:
    """The level's own table, and those of the others that are needed."""
    found = _TABLES[level]
    for name, join in _JOINS[level].items():
        if f"{name}." in needed:
            found += f" JOIN {join}"
    return found


_TABLES: dict[Level, str] = {
    "study": "omop.radiology_occurrence AS study",
    "series": "omop.radiology_image AS series",
}
_KEYS: dict[Level, tuple[str, ...]] = {
    "study": ("study.radiology_occurrence_id",),
    "series": ("series.radiology_occurrence_id", "series.image_id"),
}
_STUDY = (
    "omop.radiology_occurrence AS study ON study.radiology_occurrence_id = series.radiology_occurrence_id"
)
_JOINS: dict[Level, dict[str, str]] = {
    "study": {"person": "omop.person AS person ON person.person_id = study.person_id"},
    "series": {
        "study": _STUDY,
        "person": "omop.person AS person ON person.person_id = series.person_id",
    },
}
_WHOLE = "study. person."
_OWNED = (
    "EXISTS (SELECT FROM lake.cases"
    " WHERE cases.person_id = {}.person_id AND cases.organisation = :organisation)"
)
# A statement is compiled for longer than it runs.
_QUICKLY = text("SET TRANSACTION READ ONLY; SET LOCAL jit = off")
