/*
name: uc3
title: "Use case 3: metastatic cancer"
description: >-
  Metastatic prostate cancer (D4.4, eCRF Form 1+2+3): men whose metastases were found within half a year of the MRI.
  uc3_comparators are men at high risk without. A diagnosis without a date is taken at the form's word.
parameters:
  max_days:
    type: integer
    default: 183
    minimum: 0
    description: Days from the MRI within which the final diagnosis has to be
steps:
  form: A form that serves use case 3
  confirmed: Cancer confirmed at pathology, or a lesion graded there
  metastatic: "Metastases: stage M1, or their sites"
  early: Found soon enough after the MRI
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, isup_grade, is_metastatic, metastatic_days, last_date
      FROM research.patient
     WHERE '3' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer OR isup_grade IS NOT NULL
), metastatic AS (
    SELECT * FROM confirmed WHERE is_metastatic
), mri AS (
    SELECT person_id, max(visit_start_date) - DATE '2000-01-01' AS days
      FROM omop.visit_occurrence
     WHERE visit_concept_id = 2000000009 -- Baseline Visit - Imaging
     GROUP BY person_id
), early AS (
    SELECT metastatic.subject_id, metastatic.last_date
      FROM metastatic
      LEFT JOIN mri ON mri.person_id = metastatic.subject_id
     WHERE (metastatic.metastatic_days - coalesce(mri.days, 0) > :max_days) IS NOT TRUE
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM early;
