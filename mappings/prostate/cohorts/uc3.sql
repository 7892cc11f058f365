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
  confirmed: Cancer confirmed at pathology
  metastatic: "Metastases: stage M1, or their sites"
  early: Found soon enough after the MRI
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, is_metastatic, metastatic_days, mri_days, last_date
      FROM research.patient
     WHERE '3' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
), metastatic AS (
    SELECT * FROM confirmed WHERE is_metastatic
), early AS (
    SELECT * FROM metastatic WHERE (metastatic_days - coalesce(mri_days, 0) > :max_days) IS NOT TRUE
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM early;
