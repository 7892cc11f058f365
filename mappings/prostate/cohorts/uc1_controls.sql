/*
name: uc1_controls
title: "Use case 1: negative controls"
description: >-
  Men without prostate cancer (D4.4, eCRF Form 1): none confirmed at pathology, and confirmed negative, by a biopsy
  at baseline or by MRI, biopsy or PSA at least a year later, with nothing found then. Treatments that no form records
  are taken for none: form 1 does not ask for them.
parameters:
  min_days:
    type: integer
    default: 365
    minimum: 0
    description: Days from the baseline PSA after which a follow-up counts
steps:
  form: A form that serves use case 1
  no_cancer: No cancer at pathology, and no prostatectomy or radiotherapy recorded
  confirmed_negative: Negative at a biopsy, or in a follow-up late enough
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, has_prostatectomy, has_radiotherapy, is_biopsy_positive,
           last_date
      FROM research.patient
     WHERE '1' = ANY (use_cases)
), no_cancer AS (
    SELECT *
      FROM form
     WHERE NOT has_cancer AND NOT has_prostatectomy AND NOT has_radiotherapy
), later AS (
    SELECT person_id,
           bool_or(is_psa_normal OR is_mri_negative OR is_biopsy_negative) AS is_negative,
           bool_or(NOT is_mri_negative OR NOT is_biopsy_negative) AS is_positive
      FROM research.follow_up
     WHERE days >= :min_days
     GROUP BY person_id
), confirmed_negative AS (
    SELECT no_cancer.*
      FROM no_cancer
      LEFT JOIN later ON later.person_id = no_cancer.subject_id
     WHERE (NOT is_biopsy_positive OR is_negative) AND is_positive IS NOT TRUE
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM confirmed_negative;
