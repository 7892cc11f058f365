"""Drawing a cohort: its query, run read-only as the reader, with a time limit, on one snapshot.

A role that was set can be reset by whoever runs a query. So the query runs in a function of the reader's own,
with the reader's rights (SECURITY DEFINER): there PostgreSQL lets nobody change role or session. The function
is made in the schema of temporary things, and is gone with the transaction, which is rolled back.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Any, NamedTuple, cast

import psycopg2
from psycopg2.extensions import connection as Session
from psycopg2.extensions import encodings
from sqlalchemy import Connection, CursorResult, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from etl.cohorts.allowed import SCHEMAS
from etl.cohorts.definition import COLUMNS, Definition
from etl.cohorts.errors import CohortError
from etl.cohorts.header import Value
from etl.cohorts.state import data_state
from etl.reader_role import READER

#: Seconds that a query may take.
TIMEOUT = 60

#: PostgreSQL's numbers of the types that the columns may have.
_INTEGERS, _DATES = (20, 21, 23), (1082,)
_WANTED = dict(zip(COLUMNS, (("integer", _INTEGERS), ("date", _DATES), ("date", _DATES)), strict=True))


class Period(NamedTuple):
    """A row of the cohort: both days belong to it."""

    subject_id: int
    start: date
    end: date


class Drawn(NamedTuple):
    """What a query gave."""

    periods: tuple[Period, ...]
    reached: Mapping[int, int]
    """How many steps kept each person."""
    state: str
    """Digest of the data's state, see ``data_state``."""
    as_reader: bool
    """Whether it ran with the rights of the reader; otherwise with those of this user."""

    @property
    def persons(self) -> int:
        """How many persons are in the cohort."""
        return len({each.subject_id for each in self.periods})


def draw(
    engine: Engine, definition: Definition, values: Mapping[str, Value], timeout: float = TIMEOUT
) -> Drawn:
    """Run the query of a cohort; nothing is written.

    Raises CohortError when PostgreSQL refuses it, when it takes longer than ``timeout`` seconds, and when its
    rows are no cohort: see ``check_periods`` and ``check_steps``. Other errors of the driver pass.
    """
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        state = data_state(connection)
        as_reader = _confine(connection, definition, timeout)
        _check_columns(connection, definition, values)
        rows = [tuple(row) for row in _run(connection, definition, values, _everything(definition), _ROWS)]
        connection.rollback()
    periods = [Period(*row[1:]) for row in rows if row[0] == 0]
    reached = _reached(definition, ((row[0], row[1]) for row in rows if row[0] > 0))
    check_periods(definition.file, periods)
    check_steps(definition, reached, {each.subject_id for each in periods})
    return Drawn(tuple(sorted(periods)), reached, state, as_reader)


def check_periods(file: str, periods: Iterable[Period]) -> None:
    """Raise CohortError, which names the rule, unless the rows are periods of persons that do not overlap."""
    found = list(periods)
    if any(value is None for each in found for value in each):
        raise CohortError(f"{file}: a row of the SELECT has a NULL; each needs {', '.join(COLUMNS)}")
    if any(each.start > each.end for each in found):
        raise CohortError(
            f"{file}: cohort_end_date is before cohort_start_date in a row; swap or filter them"
        )
    for _, own in groupby(sorted(found), key=lambda each: each.subject_id):
        if any(one.end >= following.start for one, following in pairwise(own)):
            raise CohortError(
                f"{file}: two rows of one subject overlap; give each subject one row, or merge them"
            )


def check_steps(definition: Definition, reached: Mapping[int, int], members: set[int]) -> None:
    """Raise CohortError unless the persons of the last step are those of the cohort."""
    last = {person for person, steps in reached.items() if steps == len(definition.steps)}
    if last != members:
        raise CohortError(
            f"{definition.file}: its persons are not those of its last step, '{definition.steps[-1]}'; take "
            "them from that step, or add a step for what leaves some out"
        )


def _reached(definition: Definition, rows: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The number of steps that kept each person. Each step keeps some of those of the one before."""
    reached: dict[int, int] = {}
    for step, person in sorted(rows, key=lambda row: row[0]):
        if person is None:
            raise CohortError(f"{definition.file}: step '{definition.steps[step - 1]}' has a NULL subject_id")
        if reached.get(person, 0) != step - 1:
            raise CohortError(
                f"{definition.file}: step '{definition.steps[step - 1]}' has persons that the step before"
                " does not keep; take each step from the one before"
            )
        reached[person] = step
    return reached


def _everything(definition: Definition) -> str:
    """Rows of the cohort as step 0, then the persons of each step: one statement, so each CTE runs once."""
    head, tail, _ = definition.query
    subject, start, end = COLUMNS
    parts = [
        f"SELECT 0 AS step, CAST({subject} AS bigint) AS {subject}, {start}, {end} FROM ({tail}\n) AS drawn"
    ]
    parts += [
        f"SELECT DISTINCT {number}, subject_id, NULL::date, NULL::date FROM {step}"
        for number, step in enumerate(definition.steps, 1)
    ]
    return head + " UNION ALL ".join(parts)


def _confine(connection: Connection, definition: Definition, timeout: float) -> bool:
    """Make the functions that run the query, of the reader if that can be, and let nothing be written.

    Returns whether they are the reader's.
    """
    limit = str(max(1, int(timedelta(seconds=timeout) / timedelta(milliseconds=1))))
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL ROLE {READER}"))
        as_reader = True
    except DBAPIError as error:
        # No such role, or not for this user: then nothing but the checks of the file keeps it from the lake.
        if _code(error) not in ("42501", "42704", "22023"):
            raise
        as_reader = False
    connection.execute(_SETTINGS, {"limit": limit})
    try:
        connection.execute(_FUNCTIONS)
    except DBAPIError as error:
        if _code(error) != "42501":
            raise
        raise CohortError(
            f"{definition.file}: {READER} may make no temporary function to run the query in; let an"
            f" administrator run GRANT TEMPORARY ON DATABASE ... TO {READER}"
        ) from None
    connection.execute(text("SET TRANSACTION READ ONLY"))
    return as_reader


def _code(error: DBAPIError) -> str:
    return getattr(error.orig, "pgcode", None) or ""


def _check_columns(connection: Connection, definition: Definition, values: Mapping[str, Value]) -> None:
    head, tail, _ = definition.query
    query = f"{head}SELECT * FROM ({tail}\n) AS drawn"
    _run(connection, definition, values, query, _OPEN)
    types = {each[0]: each[1] for each in connection.execute(_DESCRIBE).cursor.description}
    connection.execute(_CLOSE)
    if set(types) != set(COLUMNS):
        raise CohortError(
            f"{definition.file}: the columns are {', '.join(types)}; they must be {', '.join(COLUMNS)}"
        )
    for column, (kind, allowed) in _WANTED.items():
        if types[column] not in allowed:
            raise CohortError(f"{definition.file}: {column} is no {kind}; cast it: CAST(... AS {kind})")


def _run(
    connection: Connection,
    definition: Definition,
    values: Mapping[str, Value],
    query: str,
    function: TextClause,
) -> CursorResult[Any]:
    """Run a query, whose values the driver binds, by one of the functions."""
    driver = cast("Session", connection.connection.dbapi_connection)
    with driver.cursor() as cursor:
        bound = cursor.mogrify(query, dict(values)).decode(encodings[driver.encoding])
    try:
        return connection.execute(function, {"query": bound})
    except DBAPIError as error:
        if isinstance(error.orig, psycopg2.Error) and (told := _told(error.orig, definition)):
            raise CohortError(told) from None
        raise


def _told(error: psycopg2.Error, definition: Definition) -> str | None:
    """The refusal in words, where the query is at fault; its DETAIL and quoted values are left out."""
    code = error.pgcode or ""
    if code == "57014":
        return (
            f"{definition.file}: it took longer than allowed; narrow the query, or allow more with --timeout"
        )
    if code == "42501":
        return f"{definition.file}: {_message(error)}: a cohort may read schemas {', '.join(SCHEMAS)}"
    if code == "25006":
        return f"{definition.file}: it tries to write; a cohort only reads"
    if code[:2] in _AT_FAULT:
        return f"{definition.file}:{_line(error, definition)}: PostgreSQL refuses it: {_message(error)}"
    return None


def _line(error: psycopg2.Error, definition: Definition) -> int:
    position, query = error.diag.internal_position, error.diag.internal_query
    if position is None or query is None:
        return definition.query.line
    # What is put in front of the SELECT adds no line.
    return definition.query.line + query[: int(position) - 1].count("\n")


def _message(error: psycopg2.Error) -> str:
    message = error.diag.message_primary or "it gives no reason"
    if error.diag.internal_position is None and (error.pgcode or "")[:2] != "42":
        # It arose while rows were read, so what stands in quotes can be a row's value.
        message = re.sub(r'["„“”«»‹›].*["„“”«»‹›]', '"..."', message, flags=re.DOTALL)
    return " ".join(message.split())


#: Classes of PostgreSQL's codes that the query is at fault for.
_AT_FAULT = ("0A", "21", "22", "25", "2F", "39", "42", "44", "54", "P0")
_SETTINGS = text("""
    SELECT set_config('statement_timeout', :limit, true), set_config('search_path', 'pg_catalog', true),
           set_config('standard_conforming_strings', 'on', true)
""")
_FUNCTIONS = text("""
    CREATE FUNCTION pg_temp.oncolake_rows(query text) RETURNS SETOF record
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'BEGIN RETURN QUERY EXECUTE query; END';
    CREATE FUNCTION pg_temp.oncolake_columns(query text) RETURNS refcursor
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'DECLARE opened refcursor DEFAULT ''oncolake_columns'';
        BEGIN OPEN opened FOR EXECUTE query; RETURN opened; END'
""")
_ROWS = text("""
    SELECT step, subject_id, cohort_start_date, cohort_end_date
      FROM pg_temp.oncolake_rows(:query)
        AS drawn (step integer, subject_id bigint, cohort_start_date date, cohort_end_date date)
""")
_OPEN = text("SELECT pg_temp.oncolake_columns(:query)")
# None of its rows is read: that would be outside of the function.
_DESCRIBE = text("FETCH FORWARD 0 FROM oncolake_columns")
_CLOSE = text("CLOSE oncolake_columns")
