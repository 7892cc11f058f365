"""What Alembic looks at: our two schemas, and its own table among ours."""

from collections.abc import MutableMapping
from typing import Any

from omop_schema import LAKE, OMOP


def is_ours(name: str | None, kind: str, _parents: MutableMapping[Any, Any]) -> bool:
    """Whether Alembic compares this; another program's schema in the same database is not our business."""
    return kind != "schema" or name in {LAKE, OMOP}


#: Options for every migration context, so that upgrade, comparison and autogenerate see the same.
SCOPE: dict[str, Any] = {
    "version_table_schema": LAKE,
    "include_schemas": True,
    "include_name": is_ours,
    "compare_type": True,
    "compare_server_default": True,
}
