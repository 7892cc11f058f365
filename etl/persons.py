"""Rows that cases share: one person and observation period over all forms of a patient, one care site a site.

What each loaded case says of its person is kept with the case. The newest loaded document decides the row of
the person, and a case that says otherwise has a problem. Both follow from what is loaded, in whatever order.
"""

from collections.abc import Container, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, TextClause, text

from omop_schema.database import copy
from omop_schema.refusals import translated_rows


class Disagreement(NamedTuple):
    """A loaded case that says otherwise of its person than the case that decides."""

    case_id: int
    upload_id: int
    """The upload that the case was loaded from."""
    column: str


def store_sites(connection: Connection, care_sites: Iterable[int | None]) -> None:
    """A care site for each of these sites of the lakehouse."""
    known = sorted({each for each in care_sites if each is not None})
    connection.execute(_INSERT_CARE_SITES, {"sites": known})


def hold_statements(connection: Connection, columns: tuple[str, ...], lines: Iterable[str]) -> None:
    """Put what cases say of their persons in the temporary table ``statements``, until the transaction ends.

    Each line is a row in COPY's text format: the case_id, then the ``columns`` of the person. Raises
    RowsRefused when a value does not fit its column.
    """
    connection.execute(_CREATE_STATEMENTS)
    with translated_rows("person"):
        copy(connection, "statements", ("case_id", *columns), lines)


def store_persons(
    connection: Connection, columns: tuple[str, ...], persons: Iterable[int]
) -> dict[int, list[int]]:
    """Let the newest loaded document of each person decide the row.

    Returns by person the loaded cases, newest document first: the first one decides. Raises RowsRefused
    when a person row breaks a constraint.
    """
    found: dict[int, list[int]] = {}
    for row in connection.execute(_LOADED, {"persons": sorted(set(persons))}):
        found.setdefault(row.person_id, []).append(row.case_id)
    with translated_rows("person"):
        connection.execute(_upsert(columns), {"cases": [first for first, *_ in found.values()]})
    return found


def store_disagreements(
    connection: Connection, loaded: Iterable[Sequence[int]], cases: Container[int]
) -> list[Disagreement]:
    """Write the problems of kind ``disagrees`` anew; ``loaded`` are the lists of ``store_persons``.

    Returns those of ``cases``, and those of other cases that agreed in the column before.
    """
    shared = [each for each in loaded if len(each) > 1]
    if not shared:
        return []
    every = [case_id for each in shared for case_id in each]
    before = set(connection.execute(_DELETE_DISAGREEMENTS, {"cases": every}).all())
    rows = connection.execute(_INSERT_DISAGREEMENTS, {"cases": [first for first, *_ in shared]}).all()
    return [
        Disagreement(*row) for row in rows if row.case_id in cases or (row.case_id, row.said) not in before
    ]


def store_observation_periods(connection: Connection, persons: Iterable[int]) -> None:
    """One for each person, from the first to the last date of all the person's loaded cases; none without."""
    values = {"persons": sorted(set(persons)), "type": ECRF}
    connection.execute(_OBSERVATION_PERIODS, values)


@cache
def _upsert(columns: tuple[str, ...]) -> TextClause:
    names = ", ".join(columns)
    new = ", ".join(f"excluded.{name}" for name in columns)
    old = ", ".join(f"known.{name}" for name in columns)
    return text(
        f"INSERT INTO omop.person AS known ({names})"  # noqa: S608 - names of our own columns
        f" SELECT {', '.join(f'said.{name}' for name in columns)} FROM lake.cases,"
        " jsonb_populate_record(CAST(NULL AS omop.person),"
        " person || jsonb_build_object('person_id', cases.person_id)) AS said"
        " WHERE case_id = ANY(CAST(:cases AS integer[])) ORDER BY said.person_id"
        f" ON CONFLICT (person_id) DO UPDATE SET ({names}) = ROW ({new})"
        f" WHERE ({old}) IS DISTINCT FROM ({new})"
    )


#: Concept "Case Report Form": how observation periods are known.
ECRF = 32809

_INSERT_CARE_SITES = text("""
    INSERT INTO omop.care_site
        (care_site_id, care_site_name, place_of_service_concept_id, care_site_source_value)
    SELECT care_site_id, left(site, 255), 0, left(site, 50) FROM lake.sites
    WHERE care_site_id = ANY(CAST(:sites AS bigint[])) ORDER BY care_site_id
    ON CONFLICT DO NOTHING
""")
_CREATE_STATEMENTS = text(
    "CREATE TEMPORARY TABLE IF NOT EXISTS statements (case_id integer, LIKE omop.person)"
    " ON COMMIT DELETE ROWS"
)
_LOADED = text("""
    SELECT person_id, cases.case_id
    FROM lake.cases
    JOIN lake.documents ON (documents.case_id, documents.version) = (cases.case_id, cases.loaded_version)
    WHERE person_id = ANY(CAST(:persons AS bigint[])) AND person IS NOT NULL
    ORDER BY person_id, document_id DESC
""")
# A disagreement is known by its case and its column, which is what the reason begins with.
_DELETE_DISAGREEMENTS = text("""
    DELETE FROM lake.problems WHERE case_id = ANY(CAST(:cases AS integer[])) AND kind = 'disagrees'
    RETURNING case_id, substring(reason FROM '^person[.]([a-z_]+):')
""")
_INSERT_DISAGREEMENTS = text("""
    WITH found AS (
        SELECT other.case_id, other.loaded_version, said, deciding.case_id AS deciding
        FROM lake.cases AS deciding JOIN lake.cases AS other USING (person_id)
        CROSS JOIN LATERAL jsonb_object_keys(other.person || deciding.person) AS said
        WHERE deciding.case_id = ANY(CAST(:cases AS integer[]))
            AND other.loaded_version IS NOT NULL AND other.person <> deciding.person
            AND other.person -> said IS DISTINCT FROM deciding.person -> said
    ), written AS (
        INSERT INTO lake.problems (case_id, version, kind, path, reason)
        SELECT case_id, loaded_version, 'disagrees', '$', 'person.' || said || ': case ' || deciding
            || ' says otherwise; its document is newer and decides'
        FROM found ORDER BY case_id, said
    )
    SELECT found.case_id, upload_id, said
    FROM found JOIN lake.documents ON (documents.case_id, documents.version)
        = (found.case_id, found.loaded_version)
    ORDER BY found.case_id, said
""")
_OBSERVATION_PERIODS = text("""
    DELETE FROM omop.observation_period WHERE observation_period_id = ANY(:persons) AND NOT EXISTS (
        SELECT FROM lake.cases WHERE cases.person_id = observation_period.person_id
            AND loaded_version IS NOT NULL AND first_date IS NOT NULL);

    INSERT INTO omop.observation_period AS known (observation_period_id, person_id,
        observation_period_start_date, observation_period_end_date, period_type_concept_id)
    SELECT person_id, person_id, min(first_date), max(last_date), :type
    FROM lake.cases JOIN omop.person USING (person_id)
    WHERE person_id = ANY(:persons) AND loaded_version IS NOT NULL
    GROUP BY person_id HAVING min(first_date) IS NOT NULL ORDER BY person_id
    ON CONFLICT (observation_period_id) DO UPDATE
    SET observation_period_start_date = excluded.observation_period_start_date,
        observation_period_end_date = excluded.observation_period_end_date
    WHERE (known.observation_period_start_date, known.observation_period_end_date)
        <> (excluded.observation_period_start_date, excluded.observation_period_end_date)
""")
