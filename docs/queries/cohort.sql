-- Patients by the highest PI-RADS score of their lesions: how many, their mean PSA at baseline, and in how many
-- the cancer had spread to lymph nodes or bone by the final diagnosis.
WITH scored AS (
    SELECT person_id, max(value_as_number)::int AS pi_rads
      FROM omop.measurement
     WHERE measurement_concept_id = 2000000004      -- PI-RADS score
     GROUP BY person_id
), psa AS (
    SELECT person_id, avg(value_as_number) AS psa   -- a patient with two forms has two baselines
      FROM omop.measurement
     WHERE measurement_concept_id = 44793131        -- Total PSA level
       AND measurement_date = DATE '2000-01-01'     -- the baseline
     GROUP BY person_id
), spread AS (
    SELECT person_id,
           bool_or(measurement_concept_id = 36769243) AS nodes,   -- Distant spread to lymph node
           bool_or(measurement_concept_id = 36769301) AS bone     -- Metastasis to bone
      FROM omop.measurement
     GROUP BY person_id
)
SELECT pi_rads AS "PI-RADS",
       count(*) AS patients,
       round(avg(psa), 1) AS "mean PSA (ng/mL)",
       count(*) FILTER (WHERE nodes) AS "lymph nodes",
       count(*) FILTER (WHERE bone) AS bone
  FROM scored
  LEFT JOIN psa USING (person_id)
  JOIN spread USING (person_id)
 GROUP BY pi_rads
 ORDER BY pi_rads;
