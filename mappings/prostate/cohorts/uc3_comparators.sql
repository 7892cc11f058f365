/*
name: uc3_comparators
title: "Use case 3: high risk without metastases"
description: >-
  Men with cancer at high risk at baseline, and no metastases known: what uc3 is compared with. High risk is that of
  D'Amico (PSA, grade group or clinical T), or lymph nodes on the MRI.
parameters:
  above_psa:
    type: number
    default: 20
    minimum: 0
    description: A higher PSA at baseline, in ng/mL, is high risk
  from_grade:
    type: integer
    default: 4
    minimum: 1
    maximum: 5
    description: This ISUP grade group or a higher one is high risk
  from_t:
    type: text
    default: cT2c
    choices: [cT2c, cT3, cT3a, cT3b, cT4]
    description: This clinical T or a higher one is high risk
steps:
  form: A form that serves use case 2
  confirmed: Cancer confirmed at pathology
  high_risk: High risk by PSA, grade group, clinical T or N
  no_metastases: No metastases known
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, isup_grade, psa, clinical_t, clinical_n, is_metastatic, last_date
      FROM research.patient
     WHERE '2' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
), high_risk AS (
    SELECT *
      FROM confirmed
     WHERE psa > :above_psa
        OR isup_grade >= :from_grade
        OR (clinical_t COLLATE "C" >= :from_t AND clinical_t <> 'cTX')
        OR clinical_n = 'cN1'
), no_metastases AS (
    SELECT * FROM high_risk WHERE is_metastatic IS NOT TRUE
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM no_metastases;
