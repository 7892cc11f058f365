-- Image series with the clinical context of their patients. `oncolake init` creates it.
-- What is said of a patient is what research.patient says. It is asked only where a query names such a column.
CREATE OR REPLACE VIEW research.series AS
SELECT series.person_id,
       site.care_site_name AS site,
       2000 - person.year_of_birth AS age,
       patient.psa,
       patient.gleason1,
       patient.gleason2,
       patient.gleason_score,
       patient.isup_grade,
       patient.clinical_t,
       patient.use_cases,
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
        -- One row a patient as it is, which PostgreSQL has to see to leave it out where no column of it is named.
        SELECT DISTINCT ON (person_id) * FROM research.patient ORDER BY person_id
       ) AS patient ON patient.person_id = series.person_id
  LEFT JOIN (
        SELECT series_instance_uid, count(*) AS features
          FROM omop.image_feature
         GROUP BY series_instance_uid
       ) AS feature ON feature.series_instance_uid = series.series_instance_uid;

COMMENT ON VIEW research.series IS
    'Image series of the prostate forms with the clinical context of their patients, one row a series';
COMMENT ON COLUMN research.series.site IS 'site, of the newest document';
COMMENT ON COLUMN research.series.age IS 'Years at baseline, of the newest document: clinicalBaselineData.age';
COMMENT ON COLUMN research.series.isup_grade IS
    'Grade group of the patient''s worst lesion at baseline, 1 to 5, as in research.patient. So 4+3 or more is 3 or more';
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
