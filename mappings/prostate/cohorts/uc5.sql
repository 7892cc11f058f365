/*
name: uc5
title: "Use case 5: after radical prostatectomy"
description: >-
  Risk of recurrence after radical prostatectomy (D4.4, chapter 2): men who had one and whose follow-up says whether
  there was a biochemical relapse. Treatments have no date of their own: the period begins at the MRI's.
parameters:
  min_days:
    type: integer
    default: 0
    minimum: 0
    description: Days that are known from then on, at least, unless there was a relapse
steps:
  form: A form that serves use case 5
  confirmed: Cancer confirmed at pathology
  operated: A radical prostatectomy
  followed: Biochemical relapse or not is known, and long enough
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, has_prostatectomy, is_relapsed,
           DATE '2000-01-01' + coalesce(mri_days, 0) AS first_day, last_date
      FROM research.patient
     WHERE '5' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
), operated AS (
    SELECT * FROM confirmed WHERE has_prostatectomy
), followed AS (
    SELECT *
      FROM operated
     WHERE is_relapsed OR (NOT is_relapsed AND last_date - first_day >= :min_days)
)
SELECT subject_id, first_day AS cohort_start_date, last_date AS cohort_end_date
  FROM followed;
