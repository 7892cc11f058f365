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
    SELECT patient.person_id AS subject_id, has_biopsy, has_prostatectomy, last_date
      FROM research.patient AS patient
     WHERE EXISTS (SELECT FROM omop.visit_occurrence AS visit
                    WHERE visit.person_id = patient.person_id
                      AND visit.visit_concept_id = 2000000009) -- Baseline Visit - Imaging
), examined AS (
    SELECT subject_id, last_date FROM imaged WHERE has_biopsy OR has_prostatectomy
), specimen AS (
    SELECT person_id
      FROM omop.note
     WHERE note_title = 'lesionLocationBasedOn' AND note_text = :specimen
), graded AS (
    SELECT person_id, modifier_of_event_id AS lesion_id
      FROM omop.measurement
     WHERE measurement_concept_id IN (4293445, 4297948) -- Primary, Secondary Gleason pattern
     GROUP BY person_id, modifier_of_event_id
    HAVING count(DISTINCT measurement_concept_id) = 2
), seen AS (
    SELECT modifier_of_event_id AS lesion_id
      FROM omop.measurement
     WHERE measurement_concept_id = 2000000004 -- PI-RADS score
    UNION
    SELECT observation_event_id
      FROM omop.observation
     WHERE observation_concept_id = 2000000002 -- Lesion Visible on MRI
       AND value_as_concept_id = 4181412       -- Present
), correlated AS (
    SELECT subject_id, last_date
      FROM examined
     WHERE EXISTS (SELECT FROM graded
                     JOIN seen USING (lesion_id)
                     JOIN omop.condition_occurrence AS lesion ON condition_occurrence_id = lesion_id
                     JOIN omop.visit_occurrence AS visit USING (visit_occurrence_id)
                    WHERE graded.person_id = examined.subject_id
                      AND visit.visit_concept_id = 2000000009)
       AND (:specimen = 'any' OR subject_id IN (SELECT person_id FROM specimen))
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM correlated;
