/*
name: uc7a
title: "Use case 7a: toxicity after radiotherapy"
description: >-
  Side effects of radiation therapy (D4.4, chapter 2): men who had one and whose rectal or genitourinary toxicity is
  recorded, acute or chronic, as RTOG/EORTC grades. The period begins at the MRI's date, as the treatment does.
steps:
  form: A form that serves use case 7a
  confirmed: Cancer confirmed at pathology, or a lesion graded there
  irradiated: "Radiotherapy: its technique, dose or toxicity"
  graded: A toxicity grade, 0 among them
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
    SELECT person_id AS subject_id, has_cancer, isup_grade,
           coalesce(rectal_toxicity_acute, rectal_toxicity_chronic,
                    genitourinary_toxicity_acute, genitourinary_toxicity_chronic) AS toxicity,
           coalesce(mri.day, DATE '2000-01-01') AS first_day, last_date
      FROM research.patient
      LEFT JOIN mri USING (person_id)
     WHERE '7a' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer OR isup_grade IS NOT NULL
), irradiated AS (
    SELECT * FROM confirmed WHERE subject_id IN (SELECT person_id FROM regimen)
), graded AS (
    SELECT * FROM irradiated WHERE toxicity IS NOT NULL
)
SELECT subject_id, first_day AS cohort_start_date, last_date AS cohort_end_date
  FROM graded;
