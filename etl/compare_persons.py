"""Compare what cases share as loading would leave it with what is there: persons, observation periods, care
sites and disagreements. It follows from what ``compare`` kept of all batches, in the same transaction.
"""

from collections import Counter

from sqlalchemy import Connection, TextClause, text

from etl.compare import Differences, ProblemKind, RowKind
from etl.make import PERSON
from etl.persons import ECRF
from etl.plan import Plan


def compare_persons(connection: Connection, plan: Plan) -> Differences:
    """The differences in rows and problems that are not of one case; they count no cases."""
    for statement in _HOLD:
        connection.execute(statement)
    rows = Counter(
        {
            RowKind(row.change, table, None, row.concept_id, tuple(row.columns)): row.number
            for table, statement in (
                (PERSON, _persons(plan.columns[PERSON])),
                ("observation_period", _PERIODS),
                ("care_site", _CARE_SITES),
            )
            for row in connection.execute(statement)
        }
    )
    gone, come = connection.execute(_DISAGREEMENTS).one()
    problems = {ProblemKind("removed", None, _DISAGREES): gone, ProblemKind("added", None, _DISAGREES): come}
    return Differences(rows=rows, problems=+Counter(problems))


def _persons(columns: tuple[str, ...]) -> TextClause:
    differing = ", ".join(
        f"CASE WHEN said.{one} IS DISTINCT FROM known.{one} THEN '{one}' END" for one in columns
    )
    said, known = (", ".join(f"{side}.{one}" for one in columns) for side in ("said", "known"))
    return text(
        "SELECT CASE WHEN known.person_id IS NULL THEN 'added' ELSE 'changed' END AS change,"  # noqa: S608
        " said.gender_concept_id AS concept_id,"
        f" CASE WHEN known.person_id IS NULL THEN '{{}}' ELSE array_remove(ARRAY[{differing}], NULL) END"
        " AS columns, count(*) AS number"
        " FROM deciding_case AS deciding CROSS JOIN LATERAL jsonb_populate_record(CAST(NULL AS omop.person),"
        " deciding.person || jsonb_build_object('person_id', deciding.person_id)) AS said"
        " LEFT JOIN omop.person AS known ON known.person_id = deciding.person_id"
        f" WHERE known.person_id IS NULL OR ROW({said}) IS DISTINCT FROM ROW({known})"
        " GROUP BY 1, 2, 3"
    )


_DISAGREES = "disagrees"
_HOLD = (
    text("ANALYZE foreseen_case"),
    text("ANALYZE statements"),
    text("""
        CREATE TEMPORARY TABLE case_after AS
        SELECT cases.case_id, cases.person_id, coalesce(foreseen_case.version, loaded_version) AS version,
            CASE WHEN foreseen_case.case_id IS NULL THEN cases.first_date ELSE foreseen_case.first_date END,
            CASE WHEN foreseen_case.case_id IS NULL THEN cases.last_date ELSE foreseen_case.last_date END,
            CASE WHEN foreseen_case.case_id IS NULL THEN cases.person
                ELSE jsonb_strip_nulls(to_jsonb(statements) - 'case_id' - 'person_id') END AS person
        FROM lake.cases LEFT JOIN foreseen_case USING (case_id) LEFT JOIN statements USING (case_id)
        WHERE coalesce(foreseen_case.version, loaded_version) IS NOT NULL AND cases.person_id IN (
            SELECT each.person_id FROM lake.cases AS each JOIN foreseen_case USING (case_id))
    """),
    text("ANALYZE case_after"),
    text("""
        CREATE TEMPORARY TABLE deciding_case AS
        SELECT DISTINCT ON (person_id) person_id, case_after.case_id, person
        FROM case_after JOIN lake.documents USING (case_id, version)
        WHERE person IS NOT NULL
        ORDER BY person_id, document_id DESC
    """),
)
_PERIODS = text("""
    SELECT CASE WHEN observation_period_id IS NULL THEN 'added' WHEN first IS NULL THEN 'removed'
        ELSE 'changed' END AS change, CAST(:concept AS integer) AS concept_id,
        CASE WHEN observation_period_id IS NULL OR first IS NULL THEN '{}' ELSE array_remove(ARRAY[
            CASE WHEN first <> observation_period_start_date THEN 'observation_period_start_date' END,
            CASE WHEN last <> observation_period_end_date THEN 'observation_period_end_date' END], NULL)
        END AS columns, count(*) AS number
    FROM (SELECT person_id, min(first_date) AS first, max(last_date) AS last
          FROM case_after GROUP BY person_id HAVING bool_or(person IS NOT NULL)) AS found
    LEFT JOIN omop.observation_period AS known ON observation_period_id = found.person_id
    WHERE (first, last) IS DISTINCT FROM (observation_period_start_date, observation_period_end_date)
    GROUP BY 1, 3
""").bindparams(concept=ECRF)
_CARE_SITES = text("""
    SELECT 'added' AS change, 0 AS concept_id, CAST('{}' AS text[]) AS columns, count(*) AS number
    FROM (SELECT DISTINCT care_site_id FROM lake.cases JOIN foreseen_case USING (case_id)
          EXCEPT SELECT care_site_id FROM omop.care_site) AS new
    WHERE care_site_id IS NOT NULL HAVING count(*) > 0
""")
_DISAGREEMENTS = text("""
    WITH had AS (
        SELECT case_id, substring(reason FROM '^person[.]([a-z_]+):') AS said
        FROM lake.problems JOIN case_after USING (case_id) WHERE kind = 'disagrees'
    ), has AS (
        SELECT other.case_id, said
        FROM deciding_case AS deciding JOIN case_after AS other USING (person_id)
        CROSS JOIN LATERAL jsonb_object_keys(other.person || deciding.person) AS said
        WHERE other.person -> said IS DISTINCT FROM deciding.person -> said
    )
    SELECT (SELECT count(*) FROM (TABLE had EXCEPT TABLE has) AS gone),
        (SELECT count(*) FROM (TABLE has EXCEPT TABLE had) AS come)
""")
