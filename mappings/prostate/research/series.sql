-- Image series with the clinical context of their patients. `oncolake init` creates it.
-- What is said of a patient is computed for all patients at once, and only where a query names its columns.
CREATE OR REPLACE VIEW research.series AS
SELECT series.person_id,
       site.care_site_name AS site,
       2000 - person.year_of_birth AS age,
       psa.psa,
       lesion.gleason1,
       lesion.gleason2,
       lesion.gleason1 + lesion.gleason2 AS gleason_score,
       lesion.isup_grade,
       stage.clinical_t,
       form.use_cases,
       series.image_id,
       series.study_instance_uid,
       series.series_instance_uid,
       study.radiology_occurrence_date AS study_date,
       coalesce(series.series_date, study.radiology_occurrence_date) AS series_date,
       series.modality,
       series.series_description,
       series.protocol_name,
       research.weighting(series.modality, series.series_description, series.protocol_name) AS weighting,
       research.plane(series.acquisition_plane, series.series_description, series.protocol_name) AS plane,
       series.magnetic_field_strength AS field_strength,
       CASE jsonb_typeof(series.attributes #> '{PixelSpacing,0}')
            WHEN 'number' THEN (series.attributes #>> '{PixelSpacing,0}')::numeric
       END AS pixel_spacing,
       series.image_slice_thickness AS slice_thickness,
       series.image_count,
       series.series_instance_uid IN (SELECT research.stems_from('motion_correction')) AS is_motion_corrected,
       series.series_instance_uid IN (SELECT research.stems_from('coregistration')) AS is_coregistered,
       CASE
            WHEN series.series_instance_uid IN (SELECT series_uid FROM research.verdicts() WHERE approved) THEN true
            WHEN series.series_instance_uid IN (SELECT series_uid FROM research.verdicts()) THEN false
       END AS is_approved,
       series.series_instance_uid IN (SELECT research.led_to('motion_correction')) AS has_motion_correction,
       series.series_instance_uid IN (SELECT research.led_to('coregistration')) AS has_coregistration,
       series.series_instance_uid IN (SELECT research.led_to('approval')) AS has_approval,
       coalesce(feature.features, 0) AS features
  FROM omop.radiology_image AS series
  JOIN omop.radiology_occurrence AS study USING (radiology_occurrence_id)
  JOIN omop.person AS person ON person.person_id = series.person_id
  LEFT JOIN omop.care_site AS site ON site.care_site_id = person.care_site_id
  LEFT JOIN (
        SELECT DISTINCT ON (measurement.person_id) measurement.person_id, value_as_number AS psa
          FROM omop.measurement
          JOIN omop.visit_occurrence USING (visit_occurrence_id)
         WHERE measurement_concept_id = 44793131 -- Total PSA level
           AND visit_concept_id = 2000000007 -- Baseline Visit
           AND value_as_number IS NOT NULL
         ORDER BY measurement.person_id, measurement_id DESC
       ) AS psa ON psa.person_id = series.person_id
  LEFT JOIN (
        SELECT DISTINCT ON (main.person_id)
               main.person_id,
               main.value_as_number::integer AS gleason1,
               next.value_as_number::integer AS gleason2,
               graded.isup_grade
          FROM omop.measurement AS main
          JOIN omop.measurement AS next USING (modifier_of_event_id) -- of the same lesion
         CROSS JOIN LATERAL (
                SELECT CASE
                       WHEN main.value_as_number + next.value_as_number <= 6 THEN 1
                       WHEN main.value_as_number + next.value_as_number = 8 THEN 4
                       WHEN main.value_as_number + next.value_as_number >= 9 THEN 5
                       WHEN main.value_as_number <= 3 THEN 2
                       ELSE 3
                       END AS isup_grade) AS graded
         WHERE main.measurement_concept_id = 4293445 -- Primary Gleason pattern
           AND next.measurement_concept_id = 4297948 -- Secondary Gleason pattern
           AND main.value_as_number + next.value_as_number IS NOT NULL
         ORDER BY main.person_id, graded.isup_grade DESC,
                  main.value_as_number + next.value_as_number DESC, main.value_as_number DESC
       ) AS lesion ON lesion.person_id = series.person_id
  LEFT JOIN (
        SELECT measurement.person_id,
               max(source_code COLLATE "C") FILTER (WHERE source_code <> 'cTX') AS clinical_t
          FROM omop.measurement
          JOIN omop.source_to_concept_map
            ON target_concept_id = measurement_concept_id AND source_vocabulary_id = 'prostate.tnm_t'
          JOIN omop.visit_occurrence USING (visit_occurrence_id)
         WHERE visit_concept_id = 2000000009 -- Baseline Visit - Imaging
           AND target_concept_id <> 0
         GROUP BY measurement.person_id
       ) AS stage ON stage.person_id = series.person_id
  LEFT JOIN (
        SELECT person_id, array_agg(DISTINCT use_case ORDER BY use_case) AS use_cases
          FROM omop.note
         CROSS JOIN LATERAL string_to_table(note_text, '+') AS use_case
         WHERE note_title = 'useCaseType'
         GROUP BY person_id
       ) AS form ON form.person_id = series.person_id
  LEFT JOIN (
        SELECT series_instance_uid, count(*) AS features
          FROM omop.image_feature
         GROUP BY series_instance_uid
       ) AS feature ON feature.series_instance_uid = series.series_instance_uid;

COMMENT ON VIEW research.series IS
    'Image series of the prostate forms with the clinical context of their patients, one row a series';
COMMENT ON COLUMN research.series.site IS 'site';
COMMENT ON COLUMN research.series.age IS 'Years at baseline: clinicalBaselineData.age';
COMMENT ON COLUMN research.series.psa IS
    'ng/mL at baseline: clinicalBaselineData.psa.totalPSAvalue. With several forms, of the newest case';
COMMENT ON COLUMN research.series.gleason1 IS
    'Primary pattern of the lesion with the highest grade, at baseline or in a follow-up: lesions.gleason1';
COMMENT ON COLUMN research.series.gleason2 IS 'Secondary pattern of the same lesion: lesions.gleason2';
COMMENT ON COLUMN research.series.gleason_score IS 'Sum of the two patterns';
COMMENT ON COLUMN research.series.isup_grade IS
    'Grade group, 1 to 5: up to 6, 3+4, 4+3, 8, 9 or 10. So 4+3 or more is 3 or more';
COMMENT ON COLUMN research.series.clinical_t IS
    'The highest that MRI or biopsy gave at baseline: imagingInfo.stage.T, biopsyInfo.stage.T. cTX does not count';
COMMENT ON COLUMN research.series.use_cases IS 'Those that the patient''s forms serve: useCaseType, such as {1,2,3}';
COMMENT ON COLUMN research.series.image_id IS 'Key of radiology_image';
COMMENT ON COLUMN research.series.study_date IS
    'Counted from 2000-01-01, the day of the baseline PSA, where a form says it, else the moved date of the header';
COMMENT ON COLUMN research.series.series_date IS 'The study''s, where the series has none';
COMMENT ON COLUMN research.series.weighting IS
    'T2w, T1w, DWI, ADC or DCE, by the words of description and protocol (D4.4 5.6). NULL: they do not tell';
COMMENT ON COLUMN research.series.plane IS
    'axial, coronal, sagittal or oblique: from the header, else by the words of description and protocol';
COMMENT ON COLUMN research.series.field_strength IS 'T';
COMMENT ON COLUMN research.series.pixel_spacing IS 'mm between rows';
COMMENT ON COLUMN research.series.slice_thickness IS 'mm';
COMMENT ON COLUMN research.series.image_count IS 'Instances in the series';
COMMENT ON COLUMN research.series.is_motion_corrected IS 'Made by a motion correction, or from a series that was';
COMMENT ON COLUMN research.series.is_coregistered IS 'Made by a co-registration, or from a series that was';
COMMENT ON COLUMN research.series.is_approved IS 'The newest decision on this series. NULL: nobody decided on it';
COMMENT ON COLUMN research.series.has_motion_correction IS
    'It, or what was made from it, was motion corrected, and the outcome not rejected';
COMMENT ON COLUMN research.series.has_coregistration IS
    'It, or what was made from it, was co-registered to another series, and the outcome not rejected';
COMMENT ON COLUMN research.series.has_approval IS 'A series made from it, at any remove, was approved';
COMMENT ON COLUMN research.series.features IS 'Segments, measurements and results that are known of it'
