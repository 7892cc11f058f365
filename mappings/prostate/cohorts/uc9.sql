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
  confirmed: Cancer confirmed at pathology, or a lesion graded there
  imaged: An MRI at baseline
  treated: The treatment that was asked for
*/
WITH mri AS (
    SELECT DISTINCT person_id
      FROM omop.visit_occurrence
     WHERE visit_concept_id = 2000000009 -- Baseline Visit - Imaging
), regimen AS (
    SELECT DISTINCT person_id
      FROM omop.episode
     WHERE episode_concept_id = 32531                 -- Treatment Regimen
       AND episode_object_concept_id <> 35803407      -- Hormonotherapy
), form AS (
    SELECT person_id AS subject_id, has_cancer, isup_grade, has_prostatectomy, is_in_active_surveillance, last_date
      FROM research.patient
     WHERE '9' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer OR isup_grade IS NOT NULL
), imaged AS (
    SELECT * FROM confirmed WHERE subject_id IN (SELECT person_id FROM mri)
), treated AS (
    SELECT *
      FROM imaged
     WHERE (:option IN ('any', 'prostatectomy') AND has_prostatectomy)
        OR (:option IN ('any', 'radiotherapy') AND subject_id IN (SELECT person_id FROM regimen))
        OR (:option IN ('any', 'surveillance') AND is_in_active_surveillance)
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM treated;
