-- All T2w axial 3T series of patients with Gleason 4+3 or more whose DWI was co-registered.
SELECT person_id, age, psa, gleason1 || '+' || gleason2 AS gleason, clinical_t, series_description, series_instance_uid
  FROM research.series AS t2w
 WHERE weighting = 'T2w' AND plane = 'axial' AND field_strength = 3 AND isup_grade >= 3
   AND EXISTS (SELECT FROM research.series AS dwi
                WHERE dwi.study_instance_uid = t2w.study_instance_uid
                  AND dwi.weighting = 'DWI' AND dwi.has_coregistration)
 ORDER BY person_id, series_instance_uid
