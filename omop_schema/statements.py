"""What each case says of studies and series (schema ``lake``).

A study or series may be named by several cases: the form that names it and the scan of its headers. Each
says something of it; ``omop.radiology_occurrence`` and ``omop.radiology_image`` hold what follows from all.
"""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import BigInteger, Column, Index, Table

from omop_schema.base import LAKE, metadata
from omop_schema.imaging import radiology_image, radiology_occurrence

#: What is not said by any case, but follows from all of them.
FOLLOWS = frozenset({"radiology_occurrence_id", "image_total_count", "count_of_series"})


def _statements(name: str, table: Table, key: str, uid: str, comment: str) -> Table:
    """A table with the columns of another, which refers to nothing: the links are made in that one."""
    first = Column(key, BigInteger, primary_key=True, autoincrement=False, comment="Case, rule and item")
    rest = [
        Column(each.name, each.type, nullable=each.name not in ("person_id", uid, "study_instance_uid"))
        for each in table.columns
        if each.name != key and each.name not in FOLLOWS
    ]
    indexes = (Index(None, "person_id", uid), Index(None, uid))
    return Table(name, metadata, first, *rest, *indexes, schema=LAKE, comment=comment)


study_statements = _statements(
    "study_statements",
    radiology_occurrence,
    "radiology_occurrence_id",
    "study_instance_uid",
    "What each case says of an imaging study",
)
series_statements = _statements(
    "series_statements",
    radiology_image,
    "image_id",
    "series_instance_uid",
    "What each case says of an image series",
)

#: What tells which of the statements are on the same study or series.
UIDS: Mapping[str, str] = MappingProxyType(
    {"radiology_occurrence": "study_instance_uid", "radiology_image": "series_instance_uid"}
)
#: Where the rows of cases are kept that OMOP holds merged, by the OMOP table that rules write to.
STATEMENTS: Mapping[str, Table] = MappingProxyType(
    {"radiology_occurrence": study_statements, "radiology_image": series_statements}
)
