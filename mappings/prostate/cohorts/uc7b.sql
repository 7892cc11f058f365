/*
name: uc7b
title: "Use case 7b: quality of life after prostatectomy"
description: >-
  Side effects of radical prostatectomy (D4.4, chapter 2): men who had one and answered EPIC-26, or questions 52 to
  55 of EORTC QLQ-PR25. The period begins at the MRI's date, as the treatment does.
steps:
  form: A form that serves use case 7b
  confirmed: Cancer confirmed at pathology
  operated: A radical prostatectomy
  answered: An EPIC-26 score, or an answer to one of the questions
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, has_prostatectomy,
           epic26, eortc_q52, eortc_q53, eortc_q54, eortc_q55,
           DATE '2000-01-01' + coalesce(mri_days, 0) AS first_day, last_date
      FROM research.patient
     WHERE '7b' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
), operated AS (
    SELECT * FROM confirmed WHERE has_prostatectomy
), answered AS (
    SELECT * FROM operated WHERE num_nonnulls(epic26, eortc_q52, eortc_q53, eortc_q54, eortc_q55) > 0
)
SELECT subject_id, first_day AS cohort_start_date, last_date AS cohort_end_date
  FROM answered;
