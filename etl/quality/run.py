"""Running checks against the live database: one snapshot, read only, counts and ids alone come out."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from etl.quality.check import Check, Declared
from etl.quality.count import Query, failing, keyed_tables, queries
from etl.quality.result import Report, Result
from etl.quality.thresholds import Thresholds, is_over
from vocabularies.concepts import PLACEHOLDER

#: Checks that say something about an empty table too.
_OF_EMPTY_TABLES = frozenset({"cdmTable", "cdmField", "cdmDatatype", "measurePersonCompleteness"})
#: Checks that say something about a column without any value.
_OF_EMPTY_FIELDS = _OF_EMPTY_TABLES | {"measureValueCompleteness", "isRequired"}

#: SQLSTATE query_canceled: the statement timeout.
_TOO_LONG = "57014"
#: Per cent signs stand for themselves.
_AS_IT_IS = {"no_parameters": True}

#: Told how many of all statements are done.
Progress = Callable[[int, int], None]


class Count(NamedTuple):
    """What one statement said of a check."""

    violated: int
    among: int
    seconds: float


@dataclass(slots=True)
class _Found:
    """All that is known so far."""

    counts: dict[str, Count] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    ids: dict[str, tuple[int | str, ...]] = field(default_factory=dict)


def run(
    engine: Engine,
    checks: Sequence[Check],
    thresholds: Thresholds,
    *,
    ids: int = 20,
    timeout: float = 300,
    progress: Progress = lambda _done, _of: None,
) -> Report:
    """Count every check in one read-only snapshot, and name up to ``ids`` rows of each that is broken.

    A statement that takes more than ``timeout`` seconds, or that the database refuses, makes an error of its
    checks, and of no others.
    """
    started = datetime.now(UTC)
    with engine.connect() as connection, connection.begin():
        _prepare(connection)
        types, filled = _catalogue(connection), set(connection.execute(_filled(connection)).scalars())
        there = [one for one in checks if _is_there(one, types) and one.table in filled]
        source, keyed = _source(connection), keyed_tables(connection)
        unknown = connection.execute(_PLACEHOLDERS, {"placeholder": PLACEHOLDER}).scalar_one()
        connection.execute(_TIMEOUT, {"ms": str(max(1, int(timeout * 1000)))})
        found = _Found()
        planned = sorted(queries(there, keyed), key=lambda one: -one.weight)
        for place, query in enumerate(planned):
            _count(connection, query, found)
            progress(place + 1, len(planned))
        _name_rows(connection, there, found, ids)
    results = tuple(_result(one, found, types, filled, thresholds) for one in checks)
    return Report(results, started, datetime.now(UTC), source, unknown)


def _prepare(connection: Connection) -> None:
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    # Compiling hundreds of conditions takes longer than a scan of a million rows.
    connection.execute(text("SET LOCAL jit = off"))
    connection.execute(text("SET LOCAL work_mem = '64MB'"))


def _catalogue(connection: Connection) -> Mapping[tuple[str, str], str]:
    """The type of every column of ``omop`` that there is."""
    return {(row.name, row.column): row.type for row in connection.execute(_COLUMNS)}


def _filled(connection: Connection) -> TextClause:
    """A query for the tables that have rows."""
    names = connection.execute(_TABLES).scalars().all()
    return text(" UNION ALL ".join(f"(SELECT '{one}' FROM omop.\"{one}\" LIMIT 1)" for one in names))  # noqa: S608


def _is_there(check: Check, types: Mapping[tuple[str, str], str]) -> bool:
    if isinstance(check.test, Declared):
        return False
    columns = check.column.split("+") if check.column else []
    return all((check.table, one) in types for one in columns)


def _count(connection: Connection, query: Query, found: _Found) -> None:
    begun = time.perf_counter()
    try:
        with connection.begin_nested():
            row = connection.exec_driver_sql(query.sql, execution_options=_AS_IT_IS).one()
    except DBAPIError as error:
        _refused(connection, query, found, error)
        return
    taken = time.perf_counter() - begun
    for place, check in enumerate(query.checks):
        found.counts[check.id] = Count(row[2 * place], row[2 * place + 1], taken)


def _refused(connection: Connection, query: Query, found: _Found, error: DBAPIError) -> None:
    if error.connection_invalidated:
        raise error
    if len(query.checks) > 1 and getattr(error.orig, "pgcode", None) != _TOO_LONG:
        # One of them is at fault: each is asked for on its own.
        for check in query.checks:
            for one in queries((check,)):
                _count(connection, one, found)
        return
    found.errors.update({check.id: _refusal(error) for check in query.checks})


def _refusal(error: DBAPIError) -> str:
    """What the database refused, without its words: they may hold a value."""
    code = getattr(error.orig, "pgcode", None)
    if code == _TOO_LONG:
        return "it took too long; give it more time with --timeout"
    return f"the database refused it ({type(error.orig).__name__}, SQLSTATE {code})"


def _name_rows(connection: Connection, checks: Iterable[Check], found: _Found, limit: int) -> None:
    for check in checks:
        count = found.counts.get(check.id)
        if limit == 0 or count is None or count.violated == 0 or check.name == "measureValueCompleteness":
            continue
        sql = failing(check, limit)
        if sql is not None:
            try:
                with connection.begin_nested():
                    found.ids[check.id] = tuple(
                        connection.exec_driver_sql(sql, execution_options=_AS_IT_IS).scalars()
                    )
            except DBAPIError as error:
                found.errors[check.id] = _refusal(error)


def _result(
    check: Check,
    found: _Found,
    types: Mapping[tuple[str, str], str],
    filled: set[str],
    thresholds: Thresholds,
) -> Result:
    threshold = thresholds.of(check)
    if reason := _not_applicable(check, found, types, filled):
        return Result(check, "not applicable", threshold, reason=reason)
    if isinstance(check.test, Declared):
        wrong = int(not _declared(check, types))
        return Result(check, "failed" if wrong else "passed", threshold, wrong, 1)
    if check.id in found.errors:
        return Result(check, "error", threshold, reason=found.errors[check.id])
    count = found.counts.get(check.id, Count(0, 0, 0.0))
    failed = is_over(threshold, count.violated, count.among)
    return Result(
        check,
        "failed" if failed else "passed",
        threshold,
        count.violated,
        count.among,
        found.ids.get(check.id, ()),
        thresholds.why(check),
        count.seconds,
    )


def _declared(check: Check, types: Mapping[tuple[str, str], str]) -> bool:
    if check.column is None:
        return any(table == check.table for table, _ in types)
    known = types.get((check.table, check.column))
    wanted = check.test.type if isinstance(check.test, Declared) else None
    return known is not None and wanted in {None, known}


def _not_applicable(
    check: Check, found: _Found, types: Mapping[tuple[str, str], str], filled: set[str]
) -> str | None:
    """Why a check says nothing here, by the DataQualityDashboard's rules; None: it does."""
    if check.name == "cdmTable":
        return None
    if not any(table == check.table for table, _ in types):
        return f"Table {check.table} does not exist."
    if check.name == "cdmField":
        return None
    for column in check.column.split("+") if check.column else ():
        if (check.table, column) not in types:
            return f"Column {check.table}.{column} does not exist."
    if check.table not in filled and check.name not in _OF_EMPTY_TABLES:
        return f"Table {check.table} is empty."
    if check.id in found.errors or isinstance(check.test, Declared):
        return None
    return _nothing_to_say(check, found)


def _nothing_to_say(check: Check, found: _Found) -> str | None:
    count = found.counts.get(check.id)
    if check.name not in _OF_EMPTY_FIELDS and check.level == "FIELD":
        values = found.counts.get(f"field_measurevaluecompleteness_{check.table}_{check.column}")
        if values is not None and values.violated == values.among:
            return f"Column {check.table}.{check.column} holds no value."
    if count is not None and count.among == 0 and count.violated == 0:
        return f"There is no row of {check.table} that it is about."
    return None


def _source(connection: Connection) -> dict[str, str | None]:
    row = connection.execute(_SOURCE).mappings().first()
    return {} if row is None else {name: None if value is None else str(value) for name, value in row.items()}


_COLUMNS = text("""
    SELECT relname AS name, attname AS column, replace(replace(
        format_type(atttypid, atttypmod), ' without time zone', ''), 'character varying', 'varchar') AS type
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'omop'::regnamespace AND relkind IN ('r', 'p', 'v')
        AND attnum > 0 AND NOT attisdropped
""")
_TABLES = text("""
    SELECT relname FROM pg_class
    WHERE relnamespace = 'omop'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
""")
_TIMEOUT = text("SELECT set_config('statement_timeout', :ms, true)")
_PLACEHOLDERS = text("SELECT count(*) FROM omop.concept WHERE vocabulary_id = :placeholder")
_SOURCE = text("SELECT * FROM omop.cdm_source")
