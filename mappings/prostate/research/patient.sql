-- The patients of the prostate forms, one row each. `oncolake init` creates it.
CREATE OR REPLACE VIEW research.patient AS
SELECT person.person_id,
       site.care_site_name AS site,
       form.forms,
       form.use_cases,
       period.observation_period_start_date AS first_date,
       period.observation_period_end_date AS last_date,
       2000 - person.year_of_birth AS age,
       told.psa,
       told.psa_free,
       told.psa_ratio,
       told.psa / told.prostate_volume AS psa_density,
       told.prostate_volume,
       result.dre,
       result.is_mri_positive,
       done.biopsy_concept_id IS NOT NULL AS has_biopsy,
       done.biopsy_concept_id,
       biopsy.concept_name AS biopsy_concept,
       result.is_biopsy_positive,
       done.prostatectomy_concept_id IS NOT NULL AS has_prostatectomy,
       done.prostatectomy_concept_id,
       prostatectomy.concept_name AS prostatectomy_concept,
       clinical_t.code AS clinical_t,
       told.clinical_t_concept_id,
       clinical_t.name AS clinical_t_concept,
       clinical_n.code AS clinical_n,
       told.clinical_n_concept_id,
       clinical_n.name AS clinical_n_concept,
       clinical_m.code AS clinical_m,
       told.clinical_m_concept_id,
       clinical_m.name AS clinical_m_concept,
       pathological_t.code AS pathological_t,
       told.pathological_t_concept_id,
       pathological_t.name AS pathological_t_concept,
       pathological_n.code AS pathological_n,
       told.pathological_n_concept_id,
       pathological_n.name AS pathological_n_concept,
       coalesce(lesion.lesions, 0) AS lesions,
       lesion.gleason1,
       lesion.gleason2,
       lesion.gleason1 + lesion.gleason2 AS gleason_score,
       lesion.isup_grade,
       lesion.pi_rads,
       coalesce(course.has_cancer, false) AS has_cancer,
       CASE WHEN clinical_m.code LIKE 'cM1%' OR told.metastases IS NOT NULL THEN true
            WHEN clinical_m.code = 'cM0' THEN false
       END AS is_metastatic,
       CASE WHEN clinical_m.code LIKE 'cM1%' OR told.metastases IS NOT NULL THEN told.final_diagnosis_days
       END AS metastatic_days,
       told.metastases,
       array_remove(ARRAY[
           CASE WHEN done.prostatectomy_concept_id IS NOT NULL THEN 'prostatectomy' END,
           CASE WHEN done.radiotherapy_concept_id IS NOT NULL THEN 'radiotherapy' END,
           CASE WHEN done.has_hormonotherapy THEN 'hormonotherapy' END,
           CASE WHEN '8' = ANY (form.use_cases) THEN 'active surveillance' END], NULL) AS treatments,
       coalesce('8' = ANY (form.use_cases), false) AS is_in_active_surveillance,
       done.radiotherapy_concept_id,
       radiotherapy.concept_name AS radiotherapy_concept,
       told.total_dose,
       told.rectal_toxicity_acute,
       told.rectal_toxicity_chronic,
       told.genitourinary_toxicity_acute,
       told.genitourinary_toxicity_chronic,
       relapse.is_relapsed,
       relapse.relapse_days,
       coalesce(followed.follow_ups, 0) AS follow_ups,
       told.epic26
  FROM omop.person AS person
  LEFT JOIN omop.care_site AS site ON site.care_site_id = person.care_site_id
  LEFT JOIN omop.observation_period AS period ON period.person_id = person.person_id
  LEFT JOIN (
        SELECT person_id, array_agg(DISTINCT note_text ORDER BY note_text) AS forms,
               array_agg(DISTINCT use_case ORDER BY use_case) AS use_cases
          FROM omop.note
         CROSS JOIN LATERAL string_to_table(note_text, '+') AS use_case
         WHERE note_title = 'useCaseType'
         GROUP BY person_id
       ) AS form ON form.person_id = person.person_id
  LEFT JOIN (
        SELECT measurement.person_id,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 44793131 AND visit_concept_id = 2000000007))[2] AS psa,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 4194418 AND visit_concept_id = 2000000007))[2] AS psa_free,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 4215704 AND visit_concept_id = 2000000007))[2] AS psa_ratio,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 2000000022))[2] AS prostate_volume,
               (max(ARRAY[measurement_id, measurement_concept_id]) FILTER (
                    WHERE measurement_source_value = 'T_MRI' AND visit_concept_id = 2000000009))[2]::integer
                    AS clinical_t_concept_id,
               (max(ARRAY[measurement_id, value_as_concept_id]) FILTER (
                    WHERE measurement_source_value = 'N_MRI' AND visit_concept_id = 2000000009))[2]::integer
                    AS clinical_n_concept_id,
               (max(ARRAY[measurement_id, measurement_concept_id]) FILTER (
                    WHERE measurement_source_value = 'M_diagnosis'))[2]::integer AS clinical_m_concept_id,
               (max(ARRAY[measurement_id, value_as_concept_id]) FILTER (
                    WHERE measurement_source_value = 'T_prostatectomy'))[2]::integer
                    AS pathological_t_concept_id,
               (max(ARRAY[measurement_id, measurement_concept_id]) FILTER (
                    WHERE measurement_source_value = 'N_prostatectomy'))[2]::integer
                    AS pathological_n_concept_id,
               array_agg(DISTINCT concept_name::text ORDER BY concept_name::text) FILTER (
                    WHERE measurement_source_value = 'metastasis') AS metastases,
               (max(measurement_date) FILTER (
                    WHERE measurement_source_value = 'M_diagnosis') - DATE '2000-01-01') AS final_diagnosis_days,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 35918606))[2] AS total_dose,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 2000000023))[2]::integer AS rectal_toxicity_acute,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 2000000024))[2]::integer AS rectal_toxicity_chronic,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 2000000025))[2]::integer AS genitourinary_toxicity_acute,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 2000000026))[2]::integer AS genitourinary_toxicity_chronic,
               (max(ARRAY[measurement_id, value_as_number]) FILTER (
                    WHERE measurement_concept_id = 2000000033))[2] AS epic26
          FROM omop.measurement
          JOIN omop.visit_occurrence USING (visit_occurrence_id)
          LEFT JOIN omop.concept ON concept_id = measurement_concept_id
         GROUP BY measurement.person_id
       ) AS told ON told.person_id = person.person_id
  LEFT JOIN (
        SELECT condition_occurrence.person_id,
               CASE (max(ARRAY[condition_occurrence_id, condition_concept_id]) FILTER (
                    WHERE condition_concept_id IN (43531580, 40483554)))[2]
                    WHEN 43531580 THEN 'positive' WHEN 40483554 THEN 'negative' END AS dre,
               (max(ARRAY[condition_occurrence_id, condition_concept_id]) FILTER (
                    WHERE condition_concept_id IN (4059669, 4058339) AND visit_concept_id = 2000000009))[2]
                    = 4059669 AS is_mri_positive,
               (max(ARRAY[condition_occurrence_id, condition_concept_id]) FILTER (
                    WHERE condition_concept_id IN (4013824, 4012811) AND visit_concept_id = 2000000009))[2]
                    = 4013824 AS is_biopsy_positive
          FROM omop.condition_occurrence
          JOIN omop.visit_occurrence USING (visit_occurrence_id)
         GROUP BY condition_occurrence.person_id
       ) AS result ON result.person_id = person.person_id
  LEFT JOIN (
        SELECT procedure_occurrence.person_id,
               (max(ARRAY[procedure_occurrence_id, procedure_concept_id]) FILTER (
                    WHERE procedure_concept_id IN (4082629, 37206816, 2000000005, 4278515)
                      AND visit_concept_id = 2000000009))[2]::integer AS biopsy_concept_id,
               (max(ARRAY[procedure_occurrence_id, procedure_concept_id]) FILTER (
                    WHERE procedure_concept_id IN (4276520, 46270921, 44809585, 4338373, 2003983, 4235738)))[2]
                    ::integer AS prostatectomy_concept_id,
               (max(ARRAY[procedure_occurrence_id, procedure_concept_id]) FILTER (
                    WHERE procedure_concept_id IN (40480519, 45956251, 45911882, 44809885, 3169882)))[2]
                    ::integer AS radiotherapy_concept_id,
               bool_or(procedure_concept_id = 35803407) AS has_hormonotherapy
          FROM omop.procedure_occurrence
          JOIN omop.visit_occurrence USING (visit_occurrence_id)
         GROUP BY procedure_occurrence.person_id
       ) AS done ON done.person_id = person.person_id
  LEFT JOIN (
        SELECT person_id, count(DISTINCT modifier_of_event_id)::integer AS lesions,
               max(pi_rads)::integer AS pi_rads,
               (max(worst))[4]::integer AS gleason1, (max(worst))[3]::integer - (max(worst))[4]::integer AS gleason2,
               (max(worst))[1]::integer AS isup_grade
          FROM (
                SELECT person_id, modifier_of_event_id, pi_rads,
                       CASE WHEN first + second IS NOT NULL THEN ARRAY[
                            CASE WHEN first + second <= 6 THEN 1
                                 WHEN first + second = 8 THEN 4
                                 WHEN first + second >= 9 THEN 5
                                 WHEN first <= 3 THEN 2
                                 ELSE 3
                            END, 0, first + second, first] END AS worst
                  FROM (
                        SELECT measurement.person_id, modifier_of_event_id,
                               max(value_as_number) FILTER (WHERE measurement_concept_id = 4293445) AS first,
                               max(value_as_number) FILTER (WHERE measurement_concept_id = 4297948) AS second,
                               max(value_as_number) FILTER (WHERE measurement_concept_id = 2000000004) AS pi_rads
                          FROM omop.measurement
                          JOIN omop.visit_occurrence USING (visit_occurrence_id)
                         WHERE visit_concept_id = 2000000009 AND modifier_of_field_concept_id = 1147127
                         GROUP BY measurement.person_id, modifier_of_event_id
                       ) AS one
               ) AS graded
         GROUP BY person_id
       ) AS lesion ON lesion.person_id = person.person_id
  LEFT JOIN (
        SELECT person_id, true AS has_cancer
          FROM omop.episode
         WHERE episode_concept_id = 32533 AND episode_object_concept_id <> 4115735
         GROUP BY person_id
       ) AS course ON course.person_id = person.person_id
  LEFT JOIN (
        SELECT person_id, bool_or(value_as_concept_id = 4181412) AS is_relapsed,
               min(observation_date) FILTER (WHERE value_as_concept_id = 4181412) - DATE '2000-01-01' AS relapse_days
          FROM omop.observation
         WHERE observation_concept_id = 2000001001
         GROUP BY person_id
       ) AS relapse ON relapse.person_id = person.person_id
  LEFT JOIN (
        SELECT person_id, count(*)::integer AS follow_ups
          FROM omop.visit_occurrence
         WHERE visit_concept_id = 2000000010 AND visit_source_value = 'follow-up'
         GROUP BY person_id
       ) AS followed ON followed.person_id = person.person_id
  LEFT JOIN omop.concept AS biopsy ON biopsy.concept_id = done.biopsy_concept_id
  LEFT JOIN omop.concept AS prostatectomy ON prostatectomy.concept_id = done.prostatectomy_concept_id
  LEFT JOIN omop.concept AS radiotherapy ON radiotherapy.concept_id = done.radiotherapy_concept_id
  LEFT JOIN (SELECT target_concept_id, max(source_code) AS code, max(source_code_description) AS name
               FROM omop.source_to_concept_map WHERE source_vocabulary_id = 'prostate.tnm_t' GROUP BY 1)
       AS clinical_t ON clinical_t.target_concept_id = told.clinical_t_concept_id
  LEFT JOIN (SELECT target_concept_id, max(source_code) AS code, max(source_code_description) AS name
               FROM omop.source_to_concept_map WHERE source_vocabulary_id = 'prostate.tnm_cn' GROUP BY 1)
       AS clinical_n ON clinical_n.target_concept_id = told.clinical_n_concept_id
  LEFT JOIN (SELECT target_concept_id, max(source_code) AS code, max(source_code_description) AS name
               FROM omop.source_to_concept_map WHERE source_vocabulary_id = 'prostate.tnm_m' GROUP BY 1)
       AS clinical_m ON clinical_m.target_concept_id = told.clinical_m_concept_id
  LEFT JOIN (SELECT target_concept_id, max(source_code) AS code, max(source_code_description) AS name
               FROM omop.source_to_concept_map WHERE source_vocabulary_id = 'prostate.tnm_pt' GROUP BY 1)
       AS pathological_t ON pathological_t.target_concept_id = told.pathological_t_concept_id
  LEFT JOIN (SELECT target_concept_id, max(source_code) AS code, max(source_code_description) AS name
               FROM omop.source_to_concept_map WHERE source_vocabulary_id = 'prostate.tnm_pn' GROUP BY 1)
       AS pathological_n ON pathological_n.target_concept_id = told.pathological_n_concept_id;

COMMENT ON VIEW research.patient IS 'Patients of the prostate forms, one row each';
