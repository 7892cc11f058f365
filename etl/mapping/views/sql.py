"""The SQL of a view: one pass over each table, one group for each row of the view.

All that a column needs to know of a row is in the row's id: the case, the rule and the item. So the rows of
all rules are put under each other and grouped, and no two tables are joined.
"""

from collections.abc import Mapping

from etl.mapping.views.bind import PHASE, RESEARCH, BoundView, output_names
from etl.mapping.views.columns import aggregates, joins, shown
from etl.mapping.views.comments import comments
from etl.mapping.views.rows import rows
from etl.mapping.views.write import indented, listed, quoted


def statements(view: BoundView, numbers: Mapping[str, int]) -> list[str]:
    """CREATE OR REPLACE VIEW, and COMMENT ON for the view and its columns, for these rule numbers."""
    name = f"{RESEARCH}.{view.name}"
    return [
        f"CREATE OR REPLACE VIEW {name} AS\n{_select(view, numbers)}",
        f"COMMENT ON VIEW {name} IS {quoted(view.told.title)}",
        *(f"COMMENT ON COLUMN {name}.{column} IS {quoted(said)}" for column, said in comments(view, numbers)),
    ]


def _select(view: BoundView, numbers: Mapping[str, int]) -> str:
    keys = _keys(view)
    fields = [f"told.{key}" for key in keys]
    joined: list[str] = []
    for column in view.columns:
        fields += shown(view, column)
        joined += joins(column)
    told = f"SELECT {listed(fields)}\n  FROM {_inner(_grouped(view, numbers))} AS told" + "".join(joined)  # noqa: S608
    if all(column.rules for column in view.columns):
        return told
    # What is computed from columns needs them one level down.
    above = [*keys]
    for column in view.columns:
        above += output_names(column) if column.rules else [f"{column.told.sql} AS {column.name}"]
    return f"SELECT {listed(above)}\n  FROM {_inner(told)} AS told"  # noqa: S608


def _grouped(view: BoundView, numbers: Mapping[str, int]) -> str:
    keys = _keys(view)
    groups = [one for column in view.columns for one in aggregates(view, column, numbers)]
    found = _inner(rows(view, numbers))
    return f"SELECT {listed(keys + groups)}\n  FROM {found} AS row\n GROUP BY {', '.join(keys)}"  # noqa: S608


def _keys(view: BoundView) -> list[str]:
    if view.of_person:
        return ["person_id"]
    phases = [PHASE] if len(view.scopes) > 1 else []
    return ["person_id", "case_id", *phases, *(name for _, name in view.levels)]


def _inner(select: str) -> str:
    return f"(\n{indented(select, 8)}\n       )"
