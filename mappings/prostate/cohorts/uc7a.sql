/*
name: uc7a
title: "Use case 7a: toxicity after radiotherapy"
description: >-
  Side effects of radiation therapy (D4.4, chapter 2): men who had one and whose rectal or genitourinary toxicity is
  recorded, acute or chronic, as RTOG/EORTC grades. The period begins at the MRI's date, as the treatment does.
steps:
  form: A form that serves use case 7a
  confirmed: Cancer confirmed at pathology
  irradiated: "Radiotherapy: its technique, dose or toxicity"
  graded: A toxicity grade, 0 among them
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, has_radiotherapy,
           rectal_toxicity_acute, rectal_toxicity_chronic,
           genitourinary_toxicity_acute, genitourinary_toxicity_chronic,
           DATE '2000-01-01' + coalesce(mri_days, 0) AS first_day, last_date
      FROM research.patient
     WHERE '7a' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
), irradiated AS (
    SELECT * FROM confirmed WHERE has_radiotherapy
), graded AS (
    SELECT *
      FROM irradiated
     WHERE num_nonnulls(rectal_toxicity_acute, rectal_toxicity_chronic,
                        genitourinary_toxicity_acute, genitourinary_toxicity_chronic) > 0
)
SELECT subject_id, first_day AS cohort_start_date, last_date AS cohort_end_date
  FROM graded;
