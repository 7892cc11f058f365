/*
name: uc8
title: "Use case 8: active surveillance"
description: >-
  Men under active surveillance (D4.4, chapter 2) whose cancer a biopsy confirmed, with follow-up records. Whoever was
  operated on later stays in: that is how surveillance can end.
parameters:
  min_records:
    type: integer
    default: 1
    minimum: 1
    description: Follow-up records that there are, at least
steps:
  form: A form that serves use case 8
  confirmed: Cancer confirmed at the biopsy
  followed: Enough follow-up records
*/
WITH form AS (
    SELECT person_id AS subject_id, is_biopsy_positive, follow_ups, last_date
      FROM research.patient
     WHERE '8' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE is_biopsy_positive
), followed AS (
    SELECT * FROM confirmed WHERE follow_ups >= :min_records
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM followed;
