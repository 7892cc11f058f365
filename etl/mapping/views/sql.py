"""The SQL of a view: one pass over each table, one group for each row of the view.

What a column needs to know of a row is in the row's id: the case, the rule and the item. So the rows of all
rules are put under each other and grouped, and no two tables are joined. Which of a person's cases has the
newest document is no part of ids: views of persons take it from ``omop.loaded_case``.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from etl.identity import CASE_SHIFT
from etl.mapping.views.bind import PHASE, RESEARCH, BoundColumn, BoundView, output_names
from etl.mapping.views.columns import aggregates, goes_by_newest, joins, shown
from etl.mapping.views.comments import comments
from etl.mapping.views.rows import rows
from etl.mapping.views.write import BETWEEN, among, indented, listed, quoted

#: Of every case the place of its document in the order in which they came. Joined by the case alone: with the
#: person too, PostgreSQL would expect hardly a row.
_DOCUMENTS = f"""
  LEFT JOIN (SELECT case_id, document_id FROM omop.loaded_case) AS loaded
    ON loaded.case_id = row_id >> {CASE_SHIFT}"""  # noqa: S608 - a number of ours
_SELECT = "SELECT "


class Expression(NamedTuple):
    """Where what a column is computed by stands in the statement that makes its view."""

    start: int
    """Characters of the statement before it."""
    end: int
    column: str
    line: int
    """Of the view's file."""


class ViewSql(NamedTuple):
    """What makes a view."""

    statements: tuple[str, ...]
    expressions: tuple[Expression, ...]
    """In the first statement."""


def view_sql(view: BoundView, numbers: Mapping[str, int]) -> ViewSql:
    """The statements of a view, and where in them the expressions of its file stand."""
    return ViewSql(tuple(statements(view, numbers)), tuple(_expressions(view)))


def statements(view: BoundView, numbers: Mapping[str, int]) -> list[str]:
    """CREATE OR REPLACE VIEW, and COMMENT ON for the view and its columns, for these rule numbers."""
    name = f"{RESEARCH}.{view.name}"
    return [
        f"{_head(view)}{_select(view, numbers)}",
        f"COMMENT ON VIEW {name} IS {quoted(view.told.title)}",
        *(f"COMMENT ON COLUMN {name}.{column} IS {quoted(said)}" for column, said in comments(view, numbers)),
    ]


def _expressions(view: BoundView) -> Iterator[Expression]:
    start = len(_head(view)) + len(_SELECT)
    for field, column in _computed(view):
        if column:
            yield Expression(start, start + len(field), column.name, column.line)
        start += len(field) + len(BETWEEN)


def _head(view: BoundView) -> str:
    return f"CREATE OR REPLACE VIEW {RESEARCH}.{view.name} AS\n"


def _select(view: BoundView, numbers: Mapping[str, int]) -> str:
    fields = [f"told.{key}" for key in _keys(view)]
    joined: list[str] = []
    for column in view.columns:
        fields += shown(view, column)
        joined += joins(column)
    told = f"{_SELECT}{listed(fields)}\n  FROM {_inner(_grouped(view, numbers))} AS told" + "".join(joined)
    if all(column.rules for column in view.columns):
        return told
    above = listed(field for field, _ in _computed(view))
    return f"{_SELECT}{above}\n  FROM {_inner(told)} AS told"


def _computed(view: BoundView) -> Iterator[tuple[str, BoundColumn | None]]:
    """The fields of a view with columns that are computed from others, each of those with its column.

    They need the others one level down.
    """
    for key in _keys(view):
        yield key, None
    for column in view.columns:
        if column.rules:
            yield from ((name, None) for name in output_names(column))
        else:
            yield f"{column.told.sql} AS {column.name}", column


def _grouped(view: BoundView, numbers: Mapping[str, int]) -> str:
    keys = _keys(view)
    groups = [one for column in view.columns for one in aggregates(view, column, numbers)]
    found = f"{_inner(rows(view, numbers))} AS row{_DOCUMENTS if goes_by_newest(view) else ''}"
    alone = [numbers[name] for name in view.never_alone]
    having = f"\nHAVING NOT bool_and({among('rule', alone)})" if alone else ""
    return f"{_SELECT}{listed(keys + groups)}\n  FROM {found}\n GROUP BY {', '.join(keys)}{having}"


def _keys(view: BoundView) -> list[str]:
    if view.of_person:
        return ["person_id"]
    phases = [PHASE] if len(view.scopes) > 1 else []
    return ["person_id", "case_id", *phases, *(name for _, name in view.levels)]


def _inner(select: str) -> str:
    return f"(\n{indented(select, 8)}\n       )"
