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


def find(connection: Connection, viewer: Viewer, search: Search) -> list[Found]:
    """The page that the search asks for, of what the viewer may see; one short transaction."""
    values = {"organisation": viewer.organisation, "limit": search.limit, "offset": search.offset}
    for each in search.criteria:
        values |= each.values
    with connection.begin():
        connection.execute(_QUICKLY)
        if not (narrow := viewer.everything or _is_narrow(connection, search)):
            connection.execute(_MINE_FIRST)
        rows = connection.execute(_statement(viewer, search, narrow), values).all()
    return [Found(row[0], row[1:]) for row in rows]


def _is_narrow(connection: Connection, search: Search) -> bool:
    """Whether one criterion alone leaves few studies or series, of whomever."""
    if any(each.few for each in search.criteria):
        return True
    connection.execute(_BY_INDEX)
    narrow = any(_fits_few(connection, each) for each in search.criteria if each.single)
    connection.execute(_BY_ANY)
    return narrow


def _fits_few(connection: Connection, criterion: Criterion) -> bool:
    source = _TABLES[criterion.attribute.level]
    some = f"SELECT FROM {source} WHERE {criterion.sql} LIMIT {_FEW + 1}"
    statement = f"SELECT count(*) FROM ({some}) AS fit"  # noqa: S608 - our own words
    return int(connection.execute(text(statement), criterion.values).scalar_one()) <= _FEW


def _statement(viewer: Viewer, search: Search, narrow: bool) -> TextClause:
    key = _KEYS[search.level]
    needed = " ".join(each.sql for each in search.criteria)
    source = _tables(search.level, needed)
    conditions = [each.sql for each in search.criteria]
    if not viewer.everything:
        if narrow:
            conditions.append(_OWNED.format(search.level))
        else:
            source += f" JOIN ({_MINE}) AS mine ON mine.radiology_occurrence_id = {key[0]}"
    where = " AND ".join(conditions) or "true"
    told = ", ".join(f"{each.sql} AS v{number}" for number, each in enumerate(search.told))
    order = ", ".join(f"{each} DESC" for each in key)
    return text(
        f"WITH page AS (SELECT {', '.join(key)} FROM {source} WHERE {where}"  # noqa: S608 - our own words
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
# Found first, newest first, where much may fit that is others'.
_MINE = """
    SELECT radiology_occurrence_id FROM omop.radiology_occurrence
    WHERE person_id IN (SELECT person_id FROM lake.cases WHERE organisation = :organisation)
    ORDER BY radiology_occurrence_id DESC OFFSET 0
"""
#: So many are looked through for one's own; to see whether more fit takes as long as to find as many.
_FEW = 1000
# A statement is compiled for longer than it runs.
_QUICKLY = text("SET TRANSACTION READ ONLY; SET LOCAL jit = off")
# The first that fit may be the last of a table.
_BY_INDEX, _BY_ANY = text("SET LOCAL enable_seqscan = off"), text("SET LOCAL enable_seqscan = on")
# To go through one's own studies: other joins let everybody's pass by until a page is full of one's own.
_MINE_FIRST = text("SET LOCAL enable_mergejoin = off; SET LOCAL enable_hashjoin = off")
