/*
name: uc7b
title: "Use case 7b: quality of life after prostatectomy"
description: >-
  Side effects of radical prostatectomy (D4.4, chapter 2): men who had one and answered EPIC-26, or questions 52 to
  55 of EORTC QLQ-PR25. The period begins at the MRI's date, as the treatment does.
steps:
  form: A form that serves use case 7b
  confirmed: Cancer confirmed at pathology, or a lesion graded there
  operated: A radical prostatectomy
  answered: An EPIC-26 score, or an answer to one of the questions
*/
WITH mri AS (
    SELECT person_id, max(visit_start_date) AS day
      FROM omop.visit_occurrence
     WHERE visit_concept_id = 2000000009 -- Baseline Visit - Imaging
     GROUP BY person_id
), answers AS (
    SELECT DISTINCT person_id
      FROM omop.observation
     WHERE observation_concept_id BETWEEN 2000000034 AND 2000000037 -- EORTC QLQ-PR25, Q52 to Q55
), form AS (
    SELECT person_id AS subject_id, has_cancer, isup_grade, has_prostatectomy, epic26,
           coalesce(mri.day, DATE '2000-01-01') AS first_day, last_date
      FROM research.patient
      LEFT JOIN mri USING (person_id)
     WHERE '7b' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer OR isup_grade IS NOT NULL
), operated AS (
    SELECT * FROM confirmed WHERE has_prostatectomy
), answered AS (
    SELECT * FROM operated WHERE epic26 IS NOT NULL OR subject_id IN (SELECT person_id FROM answers)
)
SELECT subject_id, first_day AS cohort_start_date, last_date AS cohort_end_date
  FROM answered;
