"""Rows that cases share: one person and observation period over all forms of a patient, one care site a site.

Of several forms the newest document's person wins, and disagreement is a problem.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, TextClause, text

from etl.plan import Problem
from omop_schema.database import copy
from omop_schema.refusals import translated_rows

#: Columns in which two forms of one patient must agree.
COMPARED = ("year_of_birth", "gender_concept_id", "care_site_id")


@dataclass(frozen=True, slots=True)
class PersonLine:
    """The person row that one case makes, as COPY text, and how new its document is."""

    case_id: int
    person_id: int
    document_id: int
    """Grows with the time of landing."""
    line: str


class Stored(NamedTuple):
    """The person row as stored: whose case it is from, how new that is, and the compared columns as text."""

    case_id: int
    document_id: int
    values: tuple[str | None, ...]


class Merged(NamedTuple):
    """What to store: a line for each person whose row changes hands or is renewed; problems by case."""

    lines: list[str]
    problems: dict[int, list[Problem]]


def merge(columns: Sequence[str], lines: Iterable[PersonLine], stored: Mapping[int, Stored]) -> Merged:
    """Let the newest document of each person win; ``columns`` are those of the lines.

    A case that differs from the one loaded before it gets a problem that names the column and the other case.
    """
    known = dict(stored)
    winning: dict[int, str] = {}
    problems: dict[int, list[Problem]] = {}
    for each in sorted(lines, key=lambda line: line.document_id):
        mine = Stored(each.case_id, each.document_id, _compared(columns, each.line))
        other = known.get(each.person_id, mine)
        if other.case_id != mine.case_id:
            problems[each.case_id] = _disagreements(mine, other)
        if other.document_id <= mine.document_id:
            known[each.person_id] = mine
            winning[each.person_id] = each.line
    return Merged([winning[person_id] for person_id in sorted(winning)], problems)


def _compared(columns: Sequence[str], line: str) -> tuple[str | None, ...]:
    values = dict(zip(columns, line.rstrip("\n").split("\t"), strict=True))
    return tuple(None if (value := values.get(name)) == r"\N" else value for name in COMPARED)


def _disagreements(mine: Stored, other: Stored) -> list[Problem]:
    newer = "this" if other.document_id <= mine.document_id else "the other"
    return [
        Problem(
            None,
            "disagrees",
            "$",
            f"person.{name}: case {other.case_id} differs; {newer} case is newer and wins",
        )
        for name, one, two in zip(COMPARED, mine.values, other.values, strict=True)
        if one != two
    ]


def lock_persons(connection: Connection, persons: Iterable[int]) -> None:
    """Make two loads of one person's cases take turns: the shared rows depend on both."""
    connection.execute(_LOCK_PERSONS, {"persons": sorted(set(persons))})


def store_sites(connection: Connection, care_sites: Iterable[int | None]) -> None:
    """A care site for each of these sites of the lakehouse."""
    known = sorted({each for each in care_sites if each is not None})
    connection.execute(_INSERT_CARE_SITES, {"sites": known})


def store_persons(connection: Connection, columns: tuple[str, ...], lines: Sequence[PersonLine]) -> Merged:
    """Insert or renew the person rows; returns what was stored and where cases disagree.

    Raises RowsRefused when a person row breaks a constraint.
    """
    merged = merge(columns, lines, _stored(connection, [each.person_id for each in lines]))
    connection.execute(_CREATE_NEW_PERSONS)
    with translated_rows("person"):
        copy(connection, "new_persons", columns, merged.lines)
        connection.execute(_upsert(columns))
    return merged


def _stored(connection: Connection, persons: Sequence[int]) -> dict[int, Stored]:
    rows = connection.execute(_STORED_PERSONS, {"persons": list(persons)})
    return {row.person_id: Stored(row.case_id, row.document_id, tuple(row[-len(COMPARED) :])) for row in rows}


def store_observation_periods(connection: Connection, persons: Iterable[int]) -> None:
    """One for each person, from the first to the last date of all the person's loaded cases."""
    connection.execute(_OBSERVATION_PERIODS, {"persons": sorted(set(persons)), "type": ECRF})


@cache
def _upsert(columns: tuple[str, ...]) -> TextClause:
    names = ", ".join(columns)
    new = ", ".join(f"excluded.{name}" for name in columns)
    old = ", ".join(f"known.{name}" for name in columns)
    return text(
        f"INSERT INTO omop.person AS known ({names}) SELECT {names} FROM new_persons ORDER BY person_id"  # noqa: S608
        f" ON CONFLICT (person_id) DO UPDATE SET ({names}) = ROW ({new})"
        f" WHERE ({old}) IS DISTINCT FROM ({new})"
    )


#: Concept "Case Report Form": how observation periods are known.
ECRF = 32809

_LOCK_PERSONS = text("""
    SELECT FROM lake.patients WHERE person_id = ANY(:persons) ORDER BY person_id FOR NO KEY UPDATE
""")
_INSERT_CARE_SITES = text("""
    INSERT INTO omop.care_site
        (care_site_id, care_site_name, place_of_service_concept_id, care_site_source_value)
    SELECT care_site_id, left(site, 255), 0, left(site, 50) FROM lake.sites
    WHERE care_site_id = ANY(CAST(:sites AS bigint[])) ORDER BY care_site_id
    ON CONFLICT DO NOTHING
""")
_CREATE_NEW_PERSONS = text(
    "CREATE TEMPORARY TABLE IF NOT EXISTS new_persons (LIKE omop.person) ON COMMIT DELETE ROWS"
)
# Whose values a person row holds: those of the loaded case with the newest document.
_STORED_PERSONS = text("""
    SELECT DISTINCT ON (person_id) person_id, cases.case_id, document_id,
        CAST(year_of_birth AS text), CAST(gender_concept_id AS text), CAST(person.care_site_id AS text)
    FROM omop.person
    JOIN lake.cases USING (person_id)
    JOIN lake.documents ON (documents.case_id, documents.version) = (cases.case_id, cases.loaded_version)
    WHERE person_id = ANY(CAST(:persons AS bigint[]))
    ORDER BY person_id, document_id DESC
""")
_OBSERVATION_PERIODS = text("""
    INSERT INTO omop.observation_period AS known (observation_period_id, person_id,
        observation_period_start_date, observation_period_end_date, period_type_concept_id)
    SELECT person_id, person_id, min(first_date), max(last_date), :type
    FROM lake.cases WHERE person_id = ANY(:persons) AND loaded_version IS NOT NULL
    GROUP BY person_id HAVING min(first_date) IS NOT NULL ORDER BY person_id
    ON CONFLICT (observation_period_id) DO UPDATE
    SET observation_period_start_date = excluded.observation_period_start_date,
        observation_period_end_date = excluded.observation_period_end_date
    WHERE (known.observation_period_start_date, known.observation_period_end_date)
        <> (excluded.observation_period_start_date, excluded.observation_period_end_date)
""")
