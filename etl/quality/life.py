"""What conditions on a row may need beside it: the person's life, periods of observation, the visit.

Each is grouped by its key, so that a key that is there twice does not count a row twice. Where PostgreSQL
holds the primary key, it cannot be there twice, and no grouping is needed.
"""

from etl.quality.check import Join

#: A date of birth that there is, even where its parts make none.
_BORN = """
    coalesce(birth_datetime::date, CASE WHEN year_of_birth BETWEEN 1 AND 9999 THEN make_date(
        year_of_birth,
        CASE WHEN month_of_birth BETWEEN 1 AND 12 THEN month_of_birth ELSE 1 END,
        CASE WHEN month_of_birth IS NOT NULL AND day_of_birth BETWEEN 1 AND 28 THEN day_of_birth ELSE 1 END
    ) END)
"""
#: ``p.born``, ``p.died`` (dates, or NULL) and ``p.gender``. Of a birth of which the month is known, the 1st.
LIFE = Join(
    "p",
    "person",
    f"""LEFT JOIN (
        SELECT person_id, min(death_datetime)::date AS died, min(gender_concept_id) AS gender,
            min({_BORN}) AS born
        FROM omop.person GROUP BY person_id) AS p ON p.person_id = r.person_id""",  # noqa: S608
    f"""LEFT JOIN (
        SELECT person_id, death_datetime::date AS died, gender_concept_id AS gender, {_BORN} AS born
        FROM omop.person) AS p ON p.person_id = r.person_id""",  # noqa: S608
)
#: ``o.observed``: all days of the person's observation periods, as a multirange.
PERIOD = Join(
    "o",
    "observation_period",
    """LEFT JOIN (
        SELECT person_id, range_agg(
            daterange(observation_period_start_date, observation_period_end_date, '[]')) AS observed
        FROM omop.observation_period
        WHERE observation_period_start_date <= observation_period_end_date
        GROUP BY person_id) AS o ON o.person_id = r.person_id""",
)
#: ``v.first``, ``v.last`` and ``v.person_id`` of the row's visit.
VISIT = Join(
    "v",
    "visit_occurrence",
    """LEFT JOIN (
        SELECT visit_occurrence_id, min(person_id) AS person_id, min(visit_start_datetime)::date AS first,
            max(visit_end_datetime)::date AS last
        FROM omop.visit_occurrence GROUP BY visit_occurrence_id) AS v
        ON v.visit_occurrence_id = r.visit_occurrence_id""",
    """LEFT JOIN (
        SELECT visit_occurrence_id, person_id, visit_start_datetime::date AS first,
            visit_end_datetime::date AS last
        FROM omop.visit_occurrence) AS v ON v.visit_occurrence_id = r.visit_occurrence_id""",
)
