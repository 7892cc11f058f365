"""Images: a page of the studies or series that fit every criterion, newest study first.

The page is found by keys alone, and only then is it told what is asked of it. The order is that of the
studies' keys, also for series: so whatever a study or a series is searched by, an index has the rows of one
value in that order, and a page ends as soon as it is full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
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
    with connection.begin():
        connection.execute(_QUICKLY)
        keys = _page(connection, viewer, search)
        return _tell(connection, search, keys) if keys else []


def _page(connection: Connection, viewer: Viewer, search: Search) -> list[int]:
    """The keys of the page, in whichever way finds them soonest."""
    values = {"organisation": viewer.organisation, "limit": search.limit, "offset": search.offset}
    for each in search.criteria:
        values |= each.values
    if most := _worth_a_look(viewer, search):
        looked, page = connection.execute(_newest(viewer, search, most), values).one()
        if looked <= most or len(page) == search.limit:
            return list(page)
    if viewer.everything:
        return _keys(connection, _everybodys(search), values)
    if not most and _is_narrow(connection, search):
        return _keys(connection, _everybodys(search, _OWNED), values)
    connection.execute(_MINE_FIRST)
    return _keys(connection, _mine(search), values)


def _worth_a_look(viewer: Viewer, search: Search) -> int:
    """How many of the newest that fit may well have the page among them; 0: other ways are better.

    They may be others', or have no series. Everybody's page is found as soon without it, but for names: to
    pass by studies whose names do not fit takes longer than to have an index find those that do.
    """
    if len(search.criteria) > 1 or any(each.few for each in search.criteria):
        return 0
    if not viewer.everything:
        return _FEW
    match = search.criteria[0].attribute.match if search.criteria else None
    by_name = search.level == "series" and match is not None and match.kind == "name"
    return min(search.limit + search.offset, _FEW) if by_name else 0


def _keys(connection: Connection, statement: TextClause, values: dict[str, Any]) -> list[int]:
    return list(connection.execute(statement, values).scalars())


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


def _everybodys(search: Search, more: str = "true") -> TextClause:
    """The keys of what fits, and ``more`` besides."""
    key, fitting = _KEYS[search.level][-1], _fitting(search.level, search.criteria)
    return text(
        f"SELECT {key} {fitting} AND {more.format(search.level)}{_order(search.level)}"
        " LIMIT :limit OFFSET :offset"
    )


def _newest(viewer: Viewer, search: Search, most: int) -> TextClause:
    """How many of the newest that fit were looked through, at most one more, and the page among them.

    Of a series these are studies, unless it is a series' own attribute that is looked for.
    """
    level = search.criteria[0].attribute.level if search.criteria else "study"
    names = [each.partition(".")[2] for each in _KEYS[level]]
    series = "" if level == search.level else f" JOIN {_TABLES['series']} USING ({names[0]})"
    page = [each.partition(".")[2] for each in _KEYS[search.level]]
    order = ", ".join(f"{each} DESC" for each in page)
    seen = "true" if viewer.everything else _OWNED.format("newest")
    return text(
        f"WITH newest AS MATERIALIZED (SELECT {', '.join(_KEYS[level])}, {level}.person_id"  # noqa: S608
        f" {_fitting(level, search.criteria)}{_order(level)} LIMIT {most + 1})"
        f" SELECT (SELECT count(*) FROM newest), ARRAY(SELECT {page[-1]} FROM newest{series}"
        f" WHERE {seen} ORDER BY {order} LIMIT :limit OFFSET :offset)"
    )


def _mine(search: Search) -> TextClause:
    """The keys of what fits among one's own studies: they are found first, newest first."""
    keys = _KEYS[search.level]
    mine = f"JOIN ({_MINE}) AS mine ON mine.radiology_occurrence_id = {keys[0]}"
    return text(
        f"SELECT {keys[-1]} {_fitting(search.level, search.criteria, mine)}{_order(search.level)}"
        " LIMIT :limit OFFSET :offset"
    )


def _tell(connection: Connection, search: Search, keys: Sequence[int]) -> list[Found]:
    """What is asked of these studies or series."""
    rows = connection.execute(_telling(search), {"keys": keys}).all()
    persons, *columns = zip(*rows, strict=True)
    values = [
        _read(column) if each.json else column for each, column in zip(search.told, columns, strict=True)
    ]
    return [Found(person, row) for person, row in zip(persons, zip(*values, strict=True), strict=True)]


def _telling(search: Search) -> TextClause:
    """What is asked of the ``keys``. A study is told once, however many of its series are."""
    told = [f"CAST({each.sql} AS text)" if each.json else each.sql for each in search.told]
    source, key = _tables(search.level, " ".join(told)), _KEYS[search.level]
    within = ""
    if search.level == "series":
        studies = [f"{each} AS v{place}" for place, each in enumerate(told) if "study." in each]
        told = [f"study.v{place}" if "study." in each else each for place, each in enumerate(told)]
        within = _STUDIES.format(", ".join([_KEYS["study"][0], *studies]))
        source = source.replace(_TABLES["study"], "told AS study")
    return text(
        f"{within}SELECT {search.level}.person_id, {', '.join(told)} FROM {source}"  # noqa: S608
        f" WHERE {key[-1]} = ANY(:keys){_order(search.level)}"
    )


def _read(column: Sequence[str | None]) -> list[Any]:
    """The values of JSON texts. Those of a page repeat, as its series are of few studies."""
    values = {each: None if each is None else orjson.loads(each) for each in set(column)}
    return [values[each] for each in column]


def _fitting(level: Level, criteria: Sequence[Criterion], more: str = "") -> str:
    """FROM and WHERE of what fits, with ``more`` joined."""
    needed = " AND ".join(each.sql for each in criteria)
    return f"FROM {_tables(level, needed)} {more} WHERE {needed or 'true'}"


def _order(level: Level) -> str:
    return " ORDER BY " + ", ".join(f"{each} DESC" for each in _KEYS[level])


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
_STUDIES = """
    WITH told AS MATERIALIZED (SELECT {} FROM omop.radiology_occurrence AS study
        WHERE radiology_occurrence_id IN (SELECT radiology_occurrence_id FROM omop.radiology_image
            WHERE image_id = ANY(:keys)))
"""
_OWNED = "{}.person_id IN (SELECT person_id FROM lake.cases WHERE organisation = :organisation)"
# The persons are in order, so that the index of their studies is gone through from its one end to the other.
_MINE = """
    SELECT theirs.radiology_occurrence_id
    FROM (SELECT DISTINCT person_id FROM lake.cases WHERE organisation = :organisation
        ORDER BY person_id OFFSET 0) AS patient
    JOIN omop.radiology_occurrence AS theirs USING (person_id)
    ORDER BY theirs.radiology_occurrence_id DESC OFFSET 0
"""
#: So many are looked through for one's own before one's own are looked through.
_FEW = 2000
# A statement is compiled for longer than it runs. Pages of an index are mostly in memory, and names take
# longer to compare than PostgreSQL thinks: else it goes through all studies for a name that many have.
_QUICKLY = text("""
    SET TRANSACTION READ ONLY;
    SET LOCAL jit = off;
    SET LOCAL random_page_cost = 1.1;
    SET LOCAL cpu_operator_cost = 0.025
""")
# The first that fit may be the last of a table.
_BY_INDEX, _BY_ANY = text("SET LOCAL enable_seqscan = off"), text("SET LOCAL enable_seqscan = on")
# To go through one's own studies: other joins let everybody's pass by until a page is full of one's own.
_MINE_FIRST = text("SET LOCAL enable_mergejoin = off; SET LOCAL enable_hashjoin = off")
