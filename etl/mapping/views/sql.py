"""The SQL of a view: one pass over each table, one group for each row of the view.

What a column needs to know of a row is in the row's id: the case, the rule and the item. So the rows of all
rules are put under each other and grouped, and no two tables are joined. Which of a person's cases has the
newest document is no part of ids: views of persons take it from ``omop.loaded_case``.
"""

from collections.abc import Mapping

from etl.identity import CASE_SHIFT
from etl.mapping.views.bind import PHASE, RESEARCH, BoundView, output_names
from etl.mapping.views.columns import aggregates, goes_by_newest, joins, shown
from etl.mapping.views.comments import comments
from etl.mapping.views.rows import rows
from etl.mapping.views.write import among, indented, listed, quoted

#: Of every case the place of its document in the order in which they came. Joined by the case alone: with the
#: person too, PostgreSQL would expect hardly a row.
_DOCUMENTS = f"""
  LEFT JOIN (SELECT case_id, document_id FROM omop.loaded_case) AS loaded
    ON loaded.case_id = row_id >> {CASE_SHIFT}"""  # noqa: S608 - a number of ours


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
    found = f"{_inner(rows(view, numbers))} AS row{_DOCUMENTS if goes_by_newest(view) else ''}"
    alone = [numbers[name] for name in view.never_alone]
    having = f"\nHAVING NOT bool_and({among('rule', alone)})" if alone else ""
    return f"SELECT {listed(keys + groups)}\n  FROM {found}\n GROUP BY {', '.join(keys)}{having}"  # noqa: S608


def _keys(view: BoundView) -> list[str]:
    if view.of_person:
        return ["person_id"]
    phases = [PHASE] if len(view.scopes) > 1 else []
    return ["person_id", "case_id", *phases, *(name for _, name in view.levels)]


def _inner(select: str) -> str:
    return f"(\n{indented(select, 8)}\n       )"
