-- Patients by highest PI-RADS score of a lesion: how many, their mean PSA at baseline, and how many had
-- a confirmed distant metastasis.
WITH scored AS (
    SELECT person_id, max(value_as_number)::int AS pi_rads
      FROM omop.measurement
     WHERE measurement_concept_id = 2000000004              -- PI-RADS score
     GROUP BY person_id
), psa AS (
    SELECT person_id, value_as_number AS psa
      FROM omop.measurement
     WHERE measurement_concept_id = 44793131                -- Total PSA level
       AND measurement_date = DATE '2000-01-01'             -- the baseline
), metastatic AS (
    SELECT DISTINCT person_id FROM omop.episode WHERE episode_concept_id = 32944  -- Metastatic Disease
)
SELECT pi_rads AS "PI-RADS",
       count(*) AS patients,
       round(avg(psa), 1) AS "mean PSA (ng/mL)",
       count(metastatic.person_id) AS metastatic
  FROM scored
  JOIN psa USING (person_id)
  LEFT JOIN metastatic USING (person_id)
 GROUP BY pi_rads
 ORDER BY pi_rads;
