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
  confirmed: Cancer confirmed at pathology, or a lesion graded there
  irradiated: "Radiotherapy: its technique, dose or toxicity"
  followed: Biochemical relapse or not is known, and long enough
*/
WITH mri AS (
    SELECT person_id, max(visit_start_date) AS day
      FROM omop.visit_occurrence
     WHERE visit_concept_id = 2000000009 -- Baseline Visit - Imaging
     GROUP BY person_id
), regimen AS (
    SELECT DISTINCT person_id
      FROM omop.episode
     WHERE episode_concept_id = 32531                 -- Treatment Regimen
       AND episode_object_concept_id <> 35803407      -- Hormonotherapy
), form AS (
    SELECT person_id AS subject_id, has_cancer, isup_grade, is_relapsed,
           coalesce(mri.day, DATE '2000-01-01') AS first_day, last_date
      FROM research.patient
      LEFT JOIN mri USING (person_id)
     WHERE '6' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer OR isup_grade IS NOT NULL
), irradiated AS (
    SELECT * FROM confirmed WHERE subject_id IN (SELECT person_id FROM regimen)
), followed AS (
    SELECT *
      FROM irradiated
     WHERE is_relapsed OR (NOT is_relapsed AND last_date - first_day >= :min_days)
)
SELECT subject_id, first_day AS cohort_start_date, last_date AS cohort_end_date
  FROM followed;
