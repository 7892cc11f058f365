/*
name: uc6
title: "Use case 6: after radiotherapy"
description: >-
  Response to radiation therapy (D4.4, chapter 2): men who had one and whose follow-up says whether there was a
  biochemical relapse. Treatments have no date of their own: the period begins at the MRI's.
parameters:
  min_days:
    type: integer
    default: 0
    minimum: 0
    description: Days that are known from then on, at least, unless there was a relapse
steps:
  form: A form that serves use case 6
  confirmed: Cancer confirmed at pathology
  irradiated: "Radiotherapy: its technique, dose or toxicity"
  followed: Biochemical relapse or not is known, and long enough
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, has_radiotherapy, is_relapsed,
           DATE '2000-01-01' + coalesce(mri_days, 0) AS first_day, last_date
      FROM research.patient
     WHERE '6' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
), irradiated AS (
    SELECT * FROM confirmed WHERE has_radiotherapy
), followed AS (
    SELECT *
      FROM irradiated
     WHERE is_relapsed OR (NOT is_relapsed AND last_date - first_day >= :min_days)
)
SELECT subject_id, first_day AS cohort_start_date, last_date AS cohort_end_date
  FROM followed;
