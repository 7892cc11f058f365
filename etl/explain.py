"""Explaining a row: from its id back to the case, the upload, the rule and the place in the form."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, column, func, select, table, text

from etl.mapping.tables import TARGETS
from omop_schema.base import OMOP

_LINEAGE = text("SELECT * FROM lake.lineage(:row_id)")
_CASES = text(
    """
    SELECT case_id, form, loaded_version AS version, upload_id, source, documents.position
      FROM lake.cases
      JOIN lake.documents USING (case_id)
      JOIN lake.uploads USING (upload_id)
     WHERE cases.person_id = :row_id AND documents.version = cases.loaded_version
     ORDER BY document_id DESC
    """
)


class NotExplained(Exception):
    """There is nothing to explain under that table and id."""


@dataclass(frozen=True, slots=True)
class CaseOrigin:
    """A case, and the place in an upload that its rows come from."""

    case_id: int
    form: str
    version: int
    upload_id: int
    source: str
    position: int
    """Which record of the upload, from 1."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where one row comes from."""

    table: str
    row_id: int
    case: CaseOrigin
    rule: str
    file: str
    line: int
    item_path: str
    """The item of the form that the row stands for; ``$`` is the whole form."""
    paths: tuple[str, ...]
    """JSON paths of the values that the rule reads, the telling ones first."""


def explain(connection: Connection, table_name: str, row_id: int) -> Explanation:
    """Where a generated row comes from. Raises NotExplained, saying what to look for instead."""
    _require_row(connection, table_name, row_id)
    row = connection.execute(_LINEAGE, {"row_id": row_id}).mappings().one_or_none()
    if row is None or row["target"] != table_name:
        raise NotExplained(
            f"{table_name} {row_id} was made by no mapping rule: its id leads to no loaded case"
        )
    case = CaseOrigin(
        row["case_id"], row["form"], row["version"], row["upload_id"], row["source"], row["position"]
    )
    return Explanation(
        table_name, row_id, case, row["rule"], row["file"], row["line"], row["item_path"], tuple(row["paths"])
    )


def explain_person(connection: Connection, person_id: int) -> tuple[CaseOrigin, ...]:
    """The cases that speak of a person, newest document first: the first one decides the person's columns."""
    rows = connection.execute(_CASES, {"row_id": person_id}).mappings()
    found = tuple(CaseOrigin(**row) for row in rows)
    if not found:
        raise NotExplained(f"no loaded case speaks of person {person_id}")
    return found


def _require_row(connection: Connection, table_name: str, row_id: int) -> None:
    target = TARGETS.get(table_name)
    if target is None:
        known = ", ".join(["person", *TARGETS])
        raise NotExplained(f"rows of '{table_name}' have no lineage of their own; known: {known}")
    rows = table(table_name, column(target.id_column), schema=OMOP)
    query = select(func.count()).select_from(rows).where(rows.c[target.id_column] == bindparam("row_id"))
    if not connection.scalar(query, {"row_id": row_id}):
        raise NotExplained(f"there is no {table_name} with {target.id_column} {row_id}")
