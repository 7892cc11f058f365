/*
name: uc9
title: "Use case 9: choice of treatment"
description: >-
  Selection of the best treatment at the baseline MRI (D4.4, chapter 2): men with cancer and an MRI whose treatment is
  known to be prostatectomy, radiotherapy or active surveillance.
parameters:
  option:
    type: text
    default: any
    choices: [any, prostatectomy, radiotherapy, surveillance]
    description: The treatment; a man who had two of them is in both
steps:
  form: A form that serves use case 9
  confirmed: Cancer confirmed at pathology
  imaged: An MRI at baseline
  treated: The treatment that was asked for
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, mri_days, is_mri_positive,
           has_prostatectomy, has_radiotherapy, is_in_active_surveillance, last_date
      FROM research.patient
     WHERE '9' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
), imaged AS (
    SELECT * FROM confirmed WHERE mri_days IS NOT NULL OR is_mri_positive IS NOT NULL
), treated AS (
    SELECT *
      FROM imaged
     WHERE (:option IN ('any', 'prostatectomy') AND has_prostatectomy)
        OR (:option IN ('any', 'radiotherapy') AND has_radiotherapy)
        OR (:option IN ('any', 'surveillance') AND is_in_active_surveillance)
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM treated;
