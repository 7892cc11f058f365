-- The patients of the prostate forms, one row each. `oncolake init` creates it.
-- What forms record once is in research.patient_record, which follows from the mapping: here it stands together with
-- lesions, follow-ups and OMOP's own row of the person. Persons of whom no such form tells are no rows.
CREATE OR REPLACE VIEW research.patient AS
SELECT person.person_id,
       site.care_site_name AS site,
       told.forms,
       served.use_cases,
       period.observation_period_start_date AS first_date,
       period.observation_period_end_date AS last_date,
       2000 - person.year_of_birth AS age,
       told.psa,
       told.psa_free,
       told.psa_ratio,
       round(told.psa / told.prostate_volume, 3) AS psa_density,
       told.prostate_volume,
       told.dre,
       told.family_prostate_cancer,
       told.family_breast_cancer,
       told.family_aggressive_cancer,
       told.mri_days,
       told.is_mri_positive,
       told.has_biopsy,
       told.biopsy_type,
       told.biopsy_type_concept_id,
       told.biopsy_type_concept,
       told.is_biopsy_positive,
       told.has_prostatectomy,
       told.prostatectomy_method,
       told.prostatectomy_method_concept_id,
       told.prostatectomy_method_concept,
       told.is_nerve_sparing,
       told.clinical_t,
       told.clinical_t_concept_id,
       told.clinical_t_concept,
       told.clinical_n,
       told.clinical_n_concept_id,
       told.clinical_n_concept,
       told.clinical_m,
       told.clinical_m_concept_id,
       told.clinical_m_concept,
       told.pathological_t,
       told.pathological_t_concept_id,
       told.pathological_t_concept,
       told.pathological_n,
       told.pathological_n_concept_id,
       told.pathological_n_concept,
       coalesce(lesion.counted[2], 0)::integer AS lesions,
       lesion.worst[4]::integer AS gleason1,
       (lesion.worst[3] - lesion.worst[4])::integer AS gleason2,
       lesion.worst[3]::integer AS gleason_score,
       lesion.worst[2]::integer AS isup_grade,
       lesion.scored[2]::integer AS pi_rads,
       told.disease_concept_ids,
       told.disease_concepts,
       told.margins,
       told.is_extraprostatic,
       told.wheeler_ranking,
       told.is_perineural,
       told.is_in_seminal_vesicle,
       coalesce(
           array_remove(told.disease_concept_ids, 4115735) <> '{}' -- Lesion of prostate
           OR lesion.worst IS NOT NULL
           OR told.pathological_t NOT IN ('pTX', 'pT0')
           OR told.pathological_n = 'pN1', false) AS has_cancer,
       metastatic.is_metastatic,
       CASE WHEN metastatic.is_metastatic THEN told.final_diagnosis_days END AS metastatic_days,
       told.metastases,
       array_remove(ARRAY[
           CASE WHEN told.has_prostatectomy THEN 'prostatectomy' END,
           CASE WHEN told.has_radiotherapy THEN 'radiotherapy' END,
           CASE WHEN told.has_hormonotherapy THEN 'hormonotherapy' END], NULL) AS treatments,
       told.has_radiotherapy,
       told.radiotherapy,
       told.radiotherapy_concept_id,
       told.radiotherapy_concept,
       told.total_dose,
       told.dose_fraction,
       told.fractions_week,
       told.has_hormonotherapy,
       coalesce('8' = ANY (served.use_cases), false) AS is_in_active_surveillance,
       told.rectal_toxicity_acute,
       told.rectal_toxicity_chronic,
       told.genitourinary_toxicity_acute,
       told.genitourinary_toxicity_chronic,
       told.epic26,
       told.eortc_q52,
       told.eortc_q53,
       told.eortc_q54,
       told.eortc_q55,
       coalesce(followed.records, 0)::integer AS follow_ups,
       followed.last_days AS last_follow_up_days,
       followed.is_relapsed,
       followed.relapse_days,
       followed.progression AS likelihood_of_progression
  FROM omop.person AS person
  JOIN research.patient_record AS told ON told.person_id = person.person_id
  LEFT JOIN omop.care_site AS site ON site.care_site_id = person.care_site_id
  LEFT JOIN omop.observation_period AS period ON period.person_id = person.person_id
  LEFT JOIN (
        -- Two forms tell of the same lesions, so that those of one count. Each an array that begins with the place
        -- of the document, so that the newest that knows is the highest.
        SELECT by_case.person_id,
               max(ARRAY[document_id, lesions]) AS counted,
               max(ARRAY[document_id, pi_rads]) FILTER (WHERE pi_rads IS NOT NULL) AS scored,
               max(document_id || worst) FILTER (WHERE worst IS NOT NULL) AS worst
          FROM (
                SELECT person_id,
                       case_id,
                       count(*) AS lesions,
                       max(pi_rads)::bigint AS pi_rads,
                       max(ARRAY[isup_grade, gleason_score, gleason1]::bigint[])
                           FILTER (WHERE isup_grade IS NOT NULL) AS worst
                  FROM research.lesion
                 WHERE phase = 'baseline'
                 GROUP BY person_id, case_id
               ) AS by_case
          JOIN omop.loaded_case USING (case_id)
         GROUP BY by_case.person_id
       ) AS lesion ON lesion.person_id = person.person_id
  LEFT JOIN (
        -- What one form tells of the course, another does not take back.
        SELECT person_id,
               count(*) AS records,
               max(days) AS last_days,
               bool_or(is_relapsed) AS is_relapsed,
               min(days) FILTER (WHERE is_relapsed) AS relapse_days,
               max(likelihood_of_progression)::integer AS progression
          FROM research.follow_up
         GROUP BY person_id
       ) AS followed ON followed.person_id = person.person_id
 CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT use_case ORDER BY use_case) AS use_cases
          FROM unnest(told.forms) AS form
         CROSS JOIN LATERAL string_to_table(form, '+') AS use_case
       ) AS served
 CROSS JOIN LATERAL (
        SELECT CASE
               WHEN told.has_metastasis OR told.clinical_m_any && ARRAY['cM1', 'cM1a', 'cM1b', 'cM1c'] THEN true
               WHEN 'cM0' = ANY (told.clinical_m_any) THEN false
               END AS is_metastatic
       ) AS metastatic;

COMMENT ON VIEW research.patient IS
    'Patients of the prostate forms, one row each. Of each column the newest document that records it';
COMMENT ON COLUMN research.patient.site IS 'site, of the newest document';
COMMENT ON COLUMN research.patient.use_cases IS 'Those that the patient''s forms serve, such as {1,2,3}: useCaseType';
COMMENT ON COLUMN research.patient.first_date IS
    'Start of the observation period: the first date of all forms, counted from 2000-01-01, the baseline PSA';
COMMENT ON COLUMN research.patient.last_date IS 'End of the observation period: the last date of all forms';
COMMENT ON COLUMN research.patient.age IS
    'Years at baseline, of the newest document: clinicalBaselineData.age';
COMMENT ON COLUMN research.patient.psa_density IS
    'ng/mL for each mL of the gland: clinicalBaselineData.psa.totalPSAvalue, clinicalBaselineData.prostateVolume';
COMMENT ON COLUMN research.patient.lesions IS 'Lesions at baseline, of the newest document that has any: lesions';
COMMENT ON COLUMN research.patient.gleason1 IS
    'Primary pattern of the worst lesion at baseline, by grade group, then score, of the newest document that '
    'grades any: lesions.gleason1';
COMMENT ON COLUMN research.patient.gleason2 IS 'Secondary pattern of the same lesion: lesions.gleason2';
COMMENT ON COLUMN research.patient.gleason_score IS 'Sum of the two patterns';
COMMENT ON COLUMN research.patient.isup_grade IS
    'Grade group of the same lesion, 1 to 5: up to 6, 3+4, 4+3, 8, 9 or 10. Follow-ups are in research.lesion';
COMMENT ON COLUMN research.patient.pi_rads IS 'The highest of the lesions at baseline, of the newest document that scores any: lesions.PI-RADS';
COMMENT ON COLUMN research.patient.has_cancer IS
    'Pathology confirms it: a carcinoma class or positive biopsy, at baseline or in a follow-up, a Gleason score or '
    'a stage of the specimen at baseline, in any form. false: none does';
COMMENT ON COLUMN research.patient.is_metastatic IS
    'cM1 or a site of metastasis, in any form. A site goes before cM0. false: cM0. NULL: MX, or not recorded: '
    'finalDiagnosis.M, finalDiagnosis.metastasis, finalDiagnosis.metastasisOther';
COMMENT ON COLUMN research.patient.metastatic_days IS
    'Days from the baseline PSA to the final diagnosis that found metastases: finalDiagnosis.monthsFinalDiagnosis';
COMMENT ON COLUMN research.patient.treatments IS
    'prostatectomy, radiotherapy, hormonotherapy, as far as any form records them: prostatectomyInfo, treatment';
COMMENT ON COLUMN research.patient.is_in_active_surveillance IS 'A form of use case 8 is filled in. false: none is: useCaseType';
COMMENT ON COLUMN research.patient.follow_ups IS 'Follow-up records that say something, of all forms together: followUp';
COMMENT ON COLUMN research.patient.last_follow_up_days IS 'Days from the baseline PSA to the last of them: followUp';
COMMENT ON COLUMN research.patient.is_relapsed IS
    'Biochemical relapse in any follow-up record of any form. false: those that say anything say no. NULL: none '
    'says: followUp.biochemicalRelapse';
COMMENT ON COLUMN research.patient.relapse_days IS
    'Days from the baseline PSA to the first record with a relapse, of any form, by the record''s latest date';
COMMENT ON COLUMN research.patient.likelihood_of_progression IS
    'The highest of any follow-up MRI, 1 to 5: followUp.imagingInfo.likelihoodOfProgression';
