"""What conditions on a row may need beside it: the person's life, periods of observation, the visit.

Each is grouped by its key, so that a key that is there twice does not count a row twice.
"""

from etl.quality.check import Join

#: ``p.born``, ``p.died`` (dates, or NULL) and ``p.gender``. Of a birth of which the month is known, the 1st.
LIFE = Join(
    "p",
    """LEFT JOIN (
        SELECT person_id, min(death_datetime)::date AS died, min(gender_concept_id) AS gender,
            min(coalesce(birth_datetime::date, CASE WHEN year_of_birth BETWEEN 1 AND 9999 THEN make_date(
                year_of_birth,
                CASE WHEN month_of_birth BETWEEN 1 AND 12 THEN month_of_birth ELSE 1 END,
                CASE WHEN month_of_birth IS NOT NULL AND day_of_birth BETWEEN 1 AND 28
                    THEN day_of_birth ELSE 1 END) END)) AS born
        FROM omop.person GROUP BY person_id) AS p ON p.person_id = r.person_id""",
)
#: ``o.observed``: all days of the person's observation periods, as a multirange.
PERIOD = Join(
    "o",
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
    """LEFT JOIN (
        SELECT visit_occurrence_id, min(person_id) AS person_id, min(visit_start_datetime)::date AS first,
            max(visit_end_datetime)::date AS last
        FROM omop.visit_occurrence GROUP BY visit_occurrence_id) AS v
        ON v.visit_occurrence_id = r.visit_occurrence_id""",
)
