"""What Alembic looks at: our schemas of tables, and its own table among ours."""

import re
from collections.abc import MutableMapping
from typing import Any

from sqlalchemy import Index, Table
from sqlalchemy.schema import SchemaItem

from omop_schema import LAKE, OMOP, RESULTS

#: What the comment of a table or view that a mapping makes ends with.
_OF_MAPPING = re.compile(r" \(mapping .*\)\Z")


def is_ours(name: str | None, kind: str, _parents: MutableMapping[Any, Any]) -> bool:
    """Whether Alembic compares this; another program's schema in the same database is not our business."""
    return kind != "schema" or name in {LAKE, OMOP, RESULTS}


def is_compared(
    item: SchemaItem, _name: str | None, _kind: str, _reflected: bool, other: SchemaItem | None
) -> bool:
    """Whether Alembic tells two things of one name apart; PostgreSQL spells expressions in its own way.

    An index of an expression that is missing is told still. Tables that follow from a mapping are no model.
    """
    if isinstance(item, Table) and other is None and _OF_MAPPING.search(item.comment or ""):
        return False
    return not (isinstance(item, Index) and not item.columns and other is not None)


#: Options for every migration context, so that upgrade, comparison and autogenerate see the same.
SCOPE: dict[str, Any] = {
    "version_table_schema": LAKE,
    "include_schemas": True,
    "include_name": is_ours,
    "include_object": is_compared,
    "compare_type": True,
    "compare_server_default": True,
}
