"""Counting checks in SQL: checks of one table share one scan, those of its concepts one look at its values.

Only counts leave the database, and on request the ids of some rows that break a check.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, text

from etl.quality.cdm import key_of
from etl.quality.check import Check, Found, Join, Rows, Values
from omop_schema import OMOP, metadata

_Item = TypeVar("_Item")
#: Conditions in one SELECT: PostgreSQL takes 1,664 columns, and a plan of so many is slow to make.
_AT_ONCE = 400
#: Columns of one GROUPING SETS; GROUPING() takes 31.
_SETS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Query:
    """One statement, and the checks that it counts."""

    sql: str
    """Its one row has, for each check, the violated rows and the denominator."""
    checks: tuple[Check, ...]
    weight: int = 0
    """Roughly what it takes; the heaviest begin first."""


def queries(checks: Iterable[Check], keyed: Container[str] = ()) -> Iterator[Query]:
    """The statements that count these checks. Declared ones are not counted: the catalogue says it all.

    ``keyed`` are the tables whose primary key PostgreSQL holds.
    """
    rows: dict[tuple[str, tuple[Join, ...]], list[tuple[Check, Rows]]] = defaultdict(list)
    values: dict[str, list[tuple[Check, Values]]] = defaultdict(list)
    for check in checks:
        match check.test:
            case Rows() as test:
                rows[(check.table, test.joins)].append((check, test))
            case Values() as test:
                values[check.table].append((check, test))
            case Found(found, among):
                yield Query(f"SELECT (SELECT count(*) FROM ({found}) AS found), ({among})", (check,))  # noqa: S608
    for (table, joins), tests in rows.items():
        for some in _parts(tests, _AT_ONCE):
            yield _scan(table, joins, some, keyed)
    for table, looked_up in values.items():
        columns = list(dict.fromkeys(check.column for check, _ in looked_up))
        for few in _parts(columns, _SETS_AT_ONCE):
            yield _look_up(table, few, [one for one in looked_up if one[0].column in few])


def keyed_tables(connection: Connection) -> frozenset[str]:
    """The tables of ``omop`` whose primary key PostgreSQL holds."""
    return frozenset(connection.execute(_KEYED).scalars())


def failing(check: Check, limit: int) -> str | None:
    """A query for the ids of rows that break a check, the first ones by id; None where no row does."""
    key = key_of(metadata.tables[f"{OMOP}.{check.table}"]).name
    source = f"{OMOP}.{check.table} AS r"
    match check.test:
        case Found(rows):
            return f"SELECT DISTINCT id FROM ({rows}) AS found ORDER BY id LIMIT {limit:d}"  # noqa: S608
        case Rows(violated, among, joins):
            joined = " ".join((source, *(join.sql for join in joins)))
            where = f"({among}) AND ({violated})"
        case Values(violated, among):
            value = f"r.{check.column}"
            joined = f"{source} CROSS JOIN LATERAL (SELECT {value} AS value) AS held"
            joined += " LEFT JOIN omop.concept AS c ON c.concept_id = held.value"
            where = f"({among}) AND ({violated})"
        case _:
            return None
    return f"SELECT DISTINCT r.{key} AS id FROM {joined} WHERE {where} ORDER BY id LIMIT {limit:d}"  # noqa: S608


def _scan(
    table: str, joins: tuple[Join, ...], tests: Sequence[tuple[Check, Rows]], keyed: Container[str]
) -> Query:
    """All conditions on one table's rows that need the same beside them."""
    columns = [f"count(*) FILTER (WHERE ({one.among}) AND ({one.violated}))" for _, one in tests]
    counted = list(dict.fromkeys((*columns, *(_denominator(one) for _, one in tests))))
    source = " ".join((f"{OMOP}.{table} AS r", *(_joined(join, keyed) for join in joins)))
    named = ", ".join(f"{sql} AS n{place}" for place, sql in enumerate(counted))
    wanted = ", ".join(
        f"n{counted.index(violated)}, n{counted.index(_denominator(one))}"
        for violated, (_, one) in zip(columns, tests, strict=True)
    )
    sql = f"SELECT {wanted} FROM (SELECT {named} FROM {source}) AS counted"  # noqa: S608
    return Query(sql, tuple(check for check, _ in tests), len(tests) + 20 * len(joins))


def _joined(join: Join, keyed: Container[str]) -> str:
    return join.keyed if join.keyed and join.table in keyed else join.sql


def _denominator(test: Rows) -> str:
    return "count(*)" if test.among == "TRUE" else f"count(*) FILTER (WHERE {test.among})"


def _look_up(table: str, columns: Sequence[str | None], tests: Sequence[tuple[Check, Values]]) -> Query:
    """Count how often each concept stands in each column, in one scan, then look the few concepts up."""
    names = [str(one) for one in columns]
    # GROUPING has a bit for each column, the first the highest; 0 marks the column that was grouped by.
    every = 2 ** len(names) - 1
    place = {name: every - 2 ** (len(names) - 1 - index) for index, name in enumerate(names)}
    value = f"coalesce({', '.join(names)}, NULL)"
    sets = ", ".join(f"({name})" for name in names)
    counted = (
        f"SELECT grouping({', '.join(names)}) AS place, {value} AS value, count(*) AS number"  # noqa: S608
        f" FROM {OMOP}.{table} GROUP BY GROUPING SETS ({sets})"
    )
    wanted = []
    for check, test in tests:
        here = f"place = {place[str(check.column)]} AND ({test.among})"
        wanted.append(f"coalesce(sum(number) FILTER (WHERE {here} AND ({test.violated})), 0)::bigint")
        wanted.append(f"coalesce(sum(number) FILTER (WHERE {here}), 0)::bigint")
    sql = (
        f"WITH counted AS MATERIALIZED ({counted}) SELECT {', '.join(wanted)} FROM counted"  # noqa: S608
        " LEFT JOIN omop.concept AS c ON c.concept_id = counted.value"
    )
    return Query(sql, tuple(check for check, _ in tests), 10 * len(names))


def _parts(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


_KEYED = text("""
    SELECT relname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE relnamespace = 'omop'::regnamespace AND contype = 'p' AND convalidated
""")
