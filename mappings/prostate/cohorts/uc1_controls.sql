/*
name: uc1_controls
title: "Use case 1: negative controls"
description: >-
  Men without prostate cancer (D4.4, eCRF Form 1): none confirmed at pathology, and confirmed negative, by a biopsy
  at baseline or by MRI, biopsy or PSA at least a year later, with nothing found then.
parameters:
  min_days:
    type: integer
    default: 365
    minimum: 0
    description: Days from the baseline PSA after which a follow-up counts
steps:
  form: A form that serves use case 1
  no_cancer: No cancer at pathology, no lesion graded there, and no treatment of one
  confirmed_negative: Negative at a biopsy, or in a follow-up late enough
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, isup_grade, treatments, is_biopsy_positive, last_date
      FROM research.patient
     WHERE '1' = ANY (use_cases)
), no_cancer AS (
    SELECT subject_id, is_biopsy_positive, last_date
      FROM form
     WHERE NOT has_cancer AND isup_grade IS NULL AND treatments = '{}'
), later AS (
    SELECT found.person_id,
           bool_or(found.condition_concept_id IN (
               4013978,       -- PSA normal
               4058339,       -- MRI scan normal
               4012811        -- Biopsy result normal
           )) AS is_negative,
           bool_or(found.condition_concept_id IN (
               4059669,       -- MRI scan abnormal
               4013824        -- Biopsy result abnormal
           )) AS is_positive
      FROM omop.condition_occurrence AS found
      JOIN omop.visit_occurrence AS visit USING (visit_occurrence_id)
     WHERE visit.visit_concept_id IN (
               2000000010,    -- Follow-Up Visit
               2000000013,    -- Follow-Up Visit - Biopsy
               2000000014     -- Follow-Up Visit - Imaging
           )
       AND found.condition_start_date - DATE '2000-01-01' >= :min_days
     GROUP BY found.person_id
), confirmed_negative AS (
    SELECT no_cancer.subject_id, no_cancer.last_date
      FROM no_cancer
      LEFT JOIN later ON later.person_id = no_cancer.subject_id
     WHERE (NOT no_cancer.is_biopsy_positive OR later.is_negative) AND later.is_positive IS NOT TRUE
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM confirmed_negative;
