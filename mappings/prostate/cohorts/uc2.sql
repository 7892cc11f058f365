/*
name: uc2
title: "Use case 2: cancer by Gleason grade"
description: >-
  Characterisation of cancer by its aggressiveness (D4.4, chapter 2): men with a graded cancer that is clinically
  significant, by the ISUP grade group of the worst lesion at baseline; or, with group=non_significant, that is not.
parameters:
  group:
    type: text
    default: significant
    choices: [significant, non_significant]
    description: Which side of the line
  from_grade:
    type: integer
    default: 2
    minimum: 2
    maximum: 5
    description: The lowest ISUP grade group that is significant; 2 is Gleason 3+4
steps:
  form: A form that serves use case 2
  confirmed: Cancer confirmed at pathology
  graded: A lesion has a Gleason score
  grouped: The worst grade is on the side that was asked for
*/
WITH form AS (
    SELECT person_id AS subject_id, has_cancer, isup_grade, last_date
      FROM research.patient
     WHERE '2' = ANY (use_cases)
), confirmed AS (
    SELECT * FROM form WHERE has_cancer
), graded AS (
    SELECT * FROM confirmed WHERE isup_grade IS NOT NULL
), grouped AS (
    SELECT * FROM graded WHERE (isup_grade >= :from_grade) = (:group = 'significant')
)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, last_date AS cohort_end_date
  FROM grouped;
