"""Delete: rows that cases loaded before, by their ranges of ids, rows of persons who withdraw, and cases."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, Table, TextClause, text

from etl.identity import case_range
from omop_schema import OMOP, RESULTS, metadata
from omop_schema.refusals import translated_rows
from omop_schema.statements import STATEMENTS

#: Rows that are not of one case; their ids come from landing.
SHARED = frozenset({"person", "observation_period", "care_site", "location", "location_history", "provider"})


class EventTable(NamedTuple):
    """Where the rows of cases are, and the column of their packed ids."""

    name: str
    """The OMOP table that rules write to."""
    kept: Table
    """That table, or the one of the lake where statements are kept that OMOP holds merged."""
    key: str


def delete_rows(connection: Connection, cases: Sequence[int]) -> int:
    """Delete every row of these cases, and say how many of OMOP's; no other row is looked at.

    What they said of studies and series goes too; ``store_images`` then makes OMOP's rows of what is left.
    Raises RowsRefused when rows of others refer to one of them.
    """
    if not cases:
        return 0
    ranges = [case_range(case_id) for case_id in cases]
    values = {"first": [first for first, _ in ranges], "last": [last for _, last in ranges]}
    # The planner cannot tell how short the ranges are, and would rather read whole tables.
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    deleted = 0
    for table, statement in _deletions().items():
        with translated_rows(table):
            gone = connection.execute(statement, values).rowcount
            deleted += 0 if table in STATEMENTS else gone
    connection.execute(text("SET LOCAL enable_seqscan = DEFAULT"))
    return deleted


def delete_persons(connection: Connection, persons: Sequence[int]) -> int:
    """Delete every OMOP row of these persons, whoever made it, and say how many.

    Rows of other tools go too: terms found in the notes, eras, cohorts that the persons are in. Raises
    RowsRefused when something that is not a person's refers to one of the rows.
    """
    deleted = 0
    if persons:
        connection.execute(_DETACH_CONTRACTS, {"persons": list(persons)})
        for table, statement in _person_deletions():
            with translated_rows(table):
                deleted += connection.execute(statement, {"persons": list(persons)}).rowcount
    return deleted


def delete_cases(connection: Connection, cases: Sequence[int]) -> None:
    """Delete cases from the lake, with their documents and problems. Their rows must be gone."""
    for statement in _DELETE_CASES:
        connection.execute(statement, {"cases": list(cases)})


def delete_care_sites(connection: Connection) -> None:
    """Delete the clinical sites that no case is of any more, unless rows of other tools refer to them."""
    unused = connection.execute(_UNUSED_SITES).scalars().all()
    if unused:
        connection.execute(_care_site_deletion(), {"sites": list(unused)})
        connection.execute(_DELETE_SITES, {"sites": list(unused)})


@cache
def event_tables() -> tuple[EventTable, ...]:
    """Every table that holds rows of cases, referenced tables first.

    Not only those of today's mapping: an older one may have written others.
    """
    tables = [table for table in metadata.sorted_tables if table.schema == OMOP and table.name not in SHARED]
    found = []
    for table in tables:
        key = next(iter(table.primary_key.columns), None)
        if table.name == "fact_relationship":
            found.append(EventTable(table.name, table, "fact_id_1"))
        elif key is not None and isinstance(key.type, BigInteger):
            found.append(EventTable(table.name, STATEMENTS.get(table.name, table), key.name))
    return tuple(found)


@cache
def _deletions() -> dict[str, TextClause]:
    return {
        name: text(
            f"DELETE FROM {kept.fullname} AS old"  # noqa: S608 - names of our own tables
            " USING unnest(CAST(:first AS bigint[]), CAST(:last AS bigint[])) AS gone (first, last)"
            f" WHERE old.{key} BETWEEN gone.first AND gone.last"
        )
        for name, kept, key in reversed(event_tables())
    }


@cache
def _person_deletions() -> tuple[tuple[str, TextClause], ...]:
    """Referring tables first, the persons themselves last."""
    tables = [table for table in reversed(metadata.sorted_tables) if table.schema in (OMOP, RESULTS)]
    found = [(table, condition) for table in tables for condition in _of_persons(table)]
    return tuple(
        (table.name, text(f"DELETE FROM {table.fullname} WHERE {condition}"))  # noqa: S608 - our own tables
        for table, condition in found
    )


def _of_persons(table: Table) -> Iterator[str]:
    """Conditions on the rows of a table that are of ``:persons``."""
    if table.name in _NAMED_OTHERWISE:
        yield _NAMED_OTHERWISE[table.name]
    elif "person_id" in table.columns:
        yield "person_id = ANY(:persons)"
    else:
        for key in table.foreign_keys:
            owner = key.column.table
            if "person_id" in owner.columns:
                mine = f"SELECT {key.column.name} FROM {OMOP}.{owner.name} WHERE person_id = ANY(:persons)"  # noqa: S608
                yield f"{key.parent.name} IN ({mine})"


_PERSONS = "SELECT concept_id FROM omop.concept WHERE lower(concept_name) IN ('person', 'patient')"
#: Tables whose rows name a person by another column than ``person_id``.
_NAMED_OTHERWISE = {
    "cohort": (
        "subject_id = ANY(:persons) AND (SELECT subject_concept_id FROM results.cohort_definition AS defined"  # noqa: S608
        f" WHERE defined.cohort_definition_id = cohort.cohort_definition_id) IN (SELECT 0 UNION {_PERSONS})"
    ),
    "location_history": "upper(domain_id) = 'PERSON' AND entity_id = ANY(:persons)",
    "fact_relationship": (
        f"fact_id_1 = ANY(:persons) AND domain_concept_id_1 IN ({_PERSONS})"
        f" OR fact_id_2 = ANY(:persons) AND domain_concept_id_2 IN ({_PERSONS})"
    ),
}
_DETACH_CONTRACTS = text(
    "UPDATE omop.payer_plan_period SET contract_person_id = NULL"
    " WHERE contract_person_id = ANY(:persons) AND person_id <> ALL(:persons)"
)


@cache
def _care_site_deletion() -> TextClause:
    uses = [
        f" AND NOT EXISTS (SELECT FROM {OMOP}.{table.name} WHERE {key.parent.name} = care_site.care_site_id)"
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if table.schema == OMOP and key.column.table.name == "care_site"
    ]
    return text(f"DELETE FROM {OMOP}.care_site WHERE care_site_id = ANY(:sites)" + "".join(uses))  # noqa: S608


_DELETE_CASES = tuple(
    text(f"DELETE FROM lake.{table} WHERE case_id = ANY(CAST(:cases AS integer[]))")  # noqa: S608
    for table in ("problems", "repeats", "documents", "cases")
)
_UNUSED_SITES = text("""
    SELECT care_site_id FROM lake.sites
    WHERE NOT EXISTS (SELECT FROM lake.cases WHERE cases.care_site_id = sites.care_site_id)
""")
_DELETE_SITES = text("""
    DELETE FROM lake.sites WHERE care_site_id = ANY(:sites)
        AND NOT EXISTS (SELECT FROM omop.care_site AS used WHERE used.care_site_id = sites.care_site_id)
""")
