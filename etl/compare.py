"""Compare: what a plan would make of cases with what OMOP holds of them, as sets in temporary tables.

Values are compared as PostgreSQL stores them, column by column: 7.20 is 7.2. All of it happens in the
caller's transaction, which is to be rolled back. No table of the lake or of OMOP is written to.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, Table, TextClause, text

from etl.delete import SHARED, EventTable, event_tables
from etl.identity import CASE_SHIFT, ITEM_BITS, MAX_RULE, case_range
from etl.make import PERSON, Failure, Made, statements
from etl.mapping.tables import EPISODE_EVENT, TARGETS
from etl.persons import hold_statements
from etl.plan import Plan
from omop_schema import OMOP
from omop_schema.copy_text import line
from omop_schema.database import copy
from omop_schema.refusals import RowsRefused, translated_rows
from omop_schema.statements import STATEMENTS


class RowKind(NamedTuple):
    """What rows that differ have in common."""

    change: str
    """``added``, ``changed`` or ``removed``."""
    table: str
    rule: int | None
    """The rule's number; None where rows are not of one rule."""
    concept: int
    """The row's own concept, as it would be; of a removed row as it is."""
    columns: tuple[str, ...]
    """Of a changed row: the columns that differ."""


class ProblemKind(NamedTuple):
    """What problems that come or go have in common."""

    change: str
    """``added`` or ``removed``."""
    rule: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Differences:
    """How many rows and problems differ, in how many cases, and the cases that could not be compared."""

    cases: int = 0
    rows: Counter[RowKind] = field(default_factory=Counter)
    problems: Counter[ProblemKind] = field(default_factory=Counter)
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: "Differences") -> "Differences":
        return Differences(
            self.cases + other.cases,
            self.rows + other.rows,
            self.problems + other.problems,
            self.failures + other.failures,
        )


def hold(connection: Connection, plan: Plan) -> None:
    """Make the temporary tables for what ``compare`` keeps of all batches."""
    connection.execute(_CREATE_KEPT)
    hold_statements(connection, plan.columns[PERSON], ())


def compare(connection: Connection, plan: Plan, made: Sequence[Made]) -> Differences:
    """Compare a batch of cases, and keep what it says of persons for ``compare_persons``.

    Where rows do not fit their columns, halves are tried, until the cases at fault stand alone: failures.
    """
    if not made:
        return Differences()
    try:
        with connection.begin_nested():
            hold_statements(connection, plan.columns[PERSON], statements(made))
            copy(connection, "foreseen_case", _CASE, _case_lines(made))
            return _compare(connection, plan, made)
    except RowsRefused as refused:
        if len(made) == 1:
            return Differences(failures=(Failure(made[0].key.case_id, str(refused)),))
    half = len(made) // 2
    return compare(connection, plan, made[:half]) + compare(connection, plan, made[half:])


def _compare(connection: Connection, plan: Plan, made: Sequence[Made]) -> Differences:
    # Rolled back, because only so the tables' files go before the transaction ends.
    with connection.begin_nested() as batch:
        _hold_batch(connection, plan, made)
        _compare_batch(connection, plan, made)
        found = _found(connection)
        batch.rollback()
    return found


def _hold_batch(connection: Connection, plan: Plan, made: Sequence[Made]) -> None:
    connection.execute(_CREATE)
    copy(connection, "foreseen_problem", _PROBLEM, _problem_lines(made))
    for table in _written(plan):
        lines = (one for each in made for one in each.result.rows[table])
        kept = STATEMENTS[table].fullname if table in STATEMENTS else f"{OMOP}.{table}"
        connection.execute(text(f"CREATE TEMPORARY TABLE foreseen_{table} (LIKE {kept})"))
        with translated_rows(table):
            copy(connection, f"foreseen_{table}", plan.columns[table], lines)


def _compare_batch(connection: Connection, plan: Plan, made: Sequence[Made]) -> None:
    cases = [each.key.case_id for each in made]
    ranges = [case_range(case_id) for case_id in cases]
    values = {"first": [first for first, _ in ranges], "last": [last for _, last in ranges]}
    # As in deleting: the planner cannot tell how short the ranges are.
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    for events in event_tables():
        connection.execute(_comparison(events, events.name in plan.columns), values)
    connection.execute(text("SET LOCAL enable_seqscan = DEFAULT"))
    connection.execute(_COMPARE_PROBLEMS, {"cases": cases})


def _written(plan: Plan) -> list[str]:
    """The tables of the plan's rows that are of one case."""
    return [table for table in plan.columns if table not in SHARED]


def _case_lines(made: Sequence[Made]) -> Iterator[str]:
    for each in made:
        dates = each.result.first_date or None, each.result.last_date or None
        yield line(each.key.case_id, each.landed.version, *dates)


def _problem_lines(made: Sequence[Made]) -> Iterator[str]:
    for each in made:
        for problem in each.result.told:
            yield line(each.key.case_id, problem.rule, problem.kind, problem.path)


def _found(connection: Connection) -> Differences:
    cases: int = connection.execute(_COUNT_CASES).scalar_one()
    rows = {
        RowKind(row.change, row.omop_table, row.rule_id, row.concept_id, tuple(row.columns)): row.number
        for row in connection.execute(_COUNT_ROWS)
    }
    problems = {
        ProblemKind(row.change, row.rule_id, row.kind): row.number
        for row in connection.execute(_COUNT_PROBLEMS)
    }
    return Differences(cases, Counter(rows), Counter(problems))


@cache
def _comparison(events: EventTable, written: bool) -> TextClause:
    """Put the rows of a table that differ into ``row_difference``; ``written``: the plan has rows for it."""
    name, table, key = events
    rows = f"SELECT old.* FROM {table.fullname} AS old JOIN {_RANGES} ON old.{key} BETWEEN first AND last"  # noqa: S608
    if not written:
        return text(_insert(events, "'removed'", "old", "'{}'") + f" FROM ({rows}) AS old")
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key] or names
    is_new, is_gone = f"old.{key} IS NULL", f"new.{key} IS NULL"
    change = f"CASE WHEN {is_new} THEN 'added' WHEN {is_gone} THEN 'removed' ELSE 'changed' END"
    differing = ", ".join(f"CASE WHEN old.{one} IS DISTINCT FROM new.{one} THEN '{one}' END" for one in names)
    columns = f"CASE WHEN {is_new} OR {is_gone} THEN '{{}}' ELSE array_remove(ARRAY[{differing}], NULL) END"
    return text(
        _insert(events, change, "new", columns)
        + f" FROM ({rows}) AS old FULL JOIN foreseen_{name} AS new"
        + f" ON {' AND '.join(f'new.{one} = old.{one}' for one in keys)}"
        + f" WHERE {is_new} OR {is_gone} OR ROW(old.*) IS DISTINCT FROM ROW(new.*)"
    )


def _insert(events: EventTable, change: str, side: str, columns: str) -> str:
    """The statement up to its FROM; of a row that there is on both sides, the new one tells."""
    name, table, key = events
    concept = _own_concept(name, table)

    def one(column: str) -> str:
        return f"old.{column}" if side == "old" else f"coalesce(new.{column}, old.{column})"

    # An event of an episode is written by the rule of the event.
    maker = "event_id" if name == EPISODE_EVENT else key
    return (
        "INSERT INTO row_difference (case_id, change, omop_table, rule_id, concept_id, columns)"
        f" SELECT {one(key)} >> {CASE_SHIFT}, {change}, '{name}',"
        f" {one(maker)} >> {ITEM_BITS} & {MAX_RULE}, {one(concept) if concept else 0}, {columns}"
    )


def _own_concept(name: str, table: Table) -> str | None:
    """The column that says what a row is, if a concept does."""
    own = TARGETS[name].concept_column if name in TARGETS else None
    if own is not None and own in table.columns:
        return own
    return next((column.name for column in table.columns if column.name.endswith("_concept_id")), None)


_RANGES = "unnest(CAST(:first AS bigint[]), CAST(:last AS bigint[])) AS range (first, last)"
_CASE = ("case_id", "version", "first_date", "last_date")
_PROBLEM = ("case_id", "rule_id", "kind", "path")
_CREATE_KEPT = text("""
    CREATE TEMPORARY TABLE foreseen_case (case_id integer, version integer, first_date date, last_date date)
""")
_CREATE = text("""
    CREATE TEMPORARY TABLE foreseen_problem (case_id integer, rule_id smallint, kind text, path text);
    CREATE TEMPORARY TABLE row_difference (case_id integer, change text, omop_table text, rule_id smallint,
        concept_id integer, columns text[]);
    CREATE TEMPORARY TABLE problem_difference (case_id integer, change text, rule_id smallint, kind text);
""")
_COMPARE_PROBLEMS = text("""
    WITH had AS (
        SELECT case_id, rule_id, kind, path FROM lake.problems
        WHERE case_id = ANY(CAST(:cases AS integer[])) AND kind <> 'disagrees')
    INSERT INTO problem_difference (case_id, change, rule_id, kind)
    SELECT case_id, 'removed', rule_id, kind
    FROM (TABLE had EXCEPT ALL TABLE foreseen_problem) AS gone
    UNION ALL SELECT case_id, 'added', rule_id, kind
    FROM (TABLE foreseen_problem EXCEPT ALL TABLE had) AS come
""")
_COUNT_CASES = text("""
    SELECT count(*)
    FROM (SELECT case_id FROM row_difference UNION SELECT case_id FROM problem_difference) AS each
""")
_COUNT_ROWS = text("""
    SELECT change, omop_table, rule_id, concept_id, columns, count(*) AS number FROM row_difference
    GROUP BY change, omop_table, rule_id, concept_id, columns
""")
_COUNT_PROBLEMS = text("""
    SELECT change, rule_id, kind, count(*) AS number FROM problem_difference GROUP BY change, rule_id, kind
""")
