/*
name: uc4
title: "Use case 4: radiology and pathology of one lesion"
description: >-
  Radiologic - histopathologic correlation (D4.4, chapter 2): men with a lesion that both the MRI and pathology tell
  of. No form names use case 4: whoever has such a lesion is in it.
parameters:
  specimen:
    type: text
    default: any
    choices: [any, Biopsy, Prostatectomy]
    description: What location and Gleason score of the lesions are based on
steps:
  imaged: An MRI at baseline
  examined: "Pathology at baseline: a biopsy or a prostatectomy"
  correlated: A lesion that is seen on MRI, or has a PI-RADS score, and has a Gleason score of that specimen
*/
WITH imaged AS (
    SELECT person_id AS subject_id, has_biopsy, has_prostatectomy, last_date
      FROM research.patient
     WHERE mri_days IS NOT NULL OR is_mri_positive IS NOT NULL
), examined AS (
    SELECT * FROM imaged WHERE has_biopsy OR has_prostatectomy
), specimen AS (
    SELECT person_id
      FROM omop.note
     WHERE note_title = 'lesionLocationBasedOn' AND note_text = :specimen
), correlated AS (
    SELECT *
      FROM examined
     WHERE subject_id IN (SELECT person_id
                            FROM research.lesion
                           WHERE phase = 'baseline'
                             AND (is_visible OR pi_rads IS NOT NULL)
                             AND gleason_score IS NOT NULL)
       AND (:specimen = 'any' OR subject_id IN (SELECT person_id FROM specimen))
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM correlated;
