/*
name: uc1
title: "Use case 1: cancer confirmed"
description: >-
  Detection of prostate cancer (D4.4, chapter 2): men whose cancer pathology confirmed. uc1_controls are the men
  without. The period runs from the baseline PSA to the last thing known.
steps:
  form: A form that serves use case 1
  confirmed: Cancer confirmed at pathology
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, last_date
      FROM research.patient
     WHERE '1' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM confirmed;
