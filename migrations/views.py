"""The views on images that hold for every disease. Migration 0005 creates them.

Migrations that have run must stay as they were: to change a view, add a constant here and a migration. Views
of a disease are in its mapping folder, see ``etl.research``; what they ask of series is in ``series``.
"""

#: A series as the OHDSI imaging extension defines it, in its order. Its integers are bigint here.
IMAGE_OCCURRENCE = """
CREATE VIEW omop.image_occurrence AS
SELECT series.image_id AS image_occurrence_id,
       series.person_id,
       study.visit_occurrence_id,
       study.procedure_occurrence_id,
       NULL::text AS wadors_uri,
       series.image_filepath::text AS local_path,
       coalesce(series.series_date, study.radiology_occurrence_date) AS image_occurrence_date,
       series.study_instance_uid::varchar(250) AS image_study_uid,
       series.series_instance_uid::varchar(250) AS image_series_uid,
       series.modality_concept_id,
       coalesce(series.anatomic_site_concept_id, study.anatomic_site_concept_id) AS anatomic_site_concept_id
  FROM omop.radiology_image AS series
  JOIN omop.radiology_occurrence AS study USING (radiology_occurrence_id);
COMMENT ON VIEW omop.image_occurrence IS
    'Image series as the OHDSI imaging extension has them: radiology_image with its study';
COMMENT ON COLUMN omop.image_occurrence.image_occurrence_id IS 'radiology_image.image_id';
COMMENT ON COLUMN omop.image_occurrence.procedure_occurrence_id IS
    'Of the study; NULL until a form names the study, though the extension requires it';
COMMENT ON COLUMN omop.image_occurrence.wadors_uri IS
    'NULL: the address of the image store is a setting of the service, which gives it as RetrieveURL';
COMMENT ON COLUMN omop.image_occurrence.image_occurrence_date IS
    'Of the series, else of the study; NULL where neither is known, though the extension requires it';
"""

#: A run is the best witness of what a series came from; its header is asked where no run is known. UNION,
#: since the same may be said twice. One SELECT, so that PostgreSQL puts it in the place of its call.
CAME_FROM = """
CREATE FUNCTION omop.came_from(series_uid text) RETURNS TABLE (origin_uid text, via text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2 AS $$
    SELECT source_series_uid, 'source'
      FROM omop.curation_run WHERE derived_series_uid = series_uid
    UNION
    SELECT static_series_uid, 'static'
      FROM omop.curation_run WHERE derived_series_uid = series_uid AND static_series_uid IS NOT NULL
    UNION
    SELECT series_instance_uid, 'segmented'
      FROM omop.image_feature WHERE segmentation_series_uid = series_uid
    UNION
    SELECT origin, 'referenced'
      FROM omop.radiology_image
     CROSS JOIN LATERAL jsonb_array_elements_text(attributes -> 'ReferencedSeriesUIDs') AS origin
     WHERE series_instance_uid = series_uid AND jsonb_typeof(attributes -> 'ReferencedSeriesUIDs') = 'array'
       AND NOT EXISTS (SELECT FROM omop.curation_run WHERE derived_series_uid = series_uid)
$$;
COMMENT ON FUNCTION omop.came_from(text) IS
    'The series that one was made from directly, and how that is known: source, static (it was aligned with '
    'that), segmented, or referenced (by its header, asked where no curation run made it)';
"""

#: The same from the other end. LIMIT keeps PostgreSQL from joining all runs: it expects too many rows here.
BECAME = """
CREATE FUNCTION omop.became(series_uid text) RETURNS TABLE (derived_uid text, via text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 2 AS $$
    SELECT derived_series_uid, 'source'
      FROM omop.curation_run WHERE source_series_uid = series_uid AND derived_series_uid IS NOT NULL
    UNION
    SELECT derived_series_uid, 'static'
      FROM omop.curation_run WHERE static_series_uid = series_uid AND derived_series_uid IS NOT NULL
    UNION
    SELECT segmentation_series_uid, 'segmented'
      FROM omop.image_feature WHERE series_instance_uid = series_uid AND segmentation_series_uid IS NOT NULL
    UNION
    SELECT series_instance_uid, 'referenced'
      FROM omop.radiology_image
     WHERE attributes -> 'ReferencedSeriesUIDs' ? series_uid
       AND (SELECT true FROM omop.curation_run WHERE derived_series_uid = series_instance_uid LIMIT 1) IS NULL
$$;
COMMENT ON FUNCTION omop.became(text) IS 'The series that were made from one directly, and how that is known';
"""

#: It walks from each series by itself, through indexes: what is not asked for costs nothing.
IMAGE_LINEAGE = """
CREATE VIEW omop.image_lineage AS
SELECT series.person_id,
       series.series_instance_uid::text AS series_instance_uid,
       walk.ancestor_uid,
       walk.steps,
       walk.path,
       walk.via,
       NOT EXISTS (SELECT FROM omop.came_from(walk.ancestor_uid)) AS is_original
  FROM omop.radiology_image AS series
 CROSS JOIN LATERAL (
    WITH RECURSIVE walked (ancestor_uid, steps, path, via) AS (
        SELECT series.series_instance_uid::text, 0, ARRAY[series.series_instance_uid::text], NULL::text
        UNION ALL
        SELECT origin.origin_uid, steps + 1, path || origin.origin_uid, origin.via
          FROM walked
         CROSS JOIN LATERAL omop.came_from(walked.ancestor_uid) AS origin
         WHERE origin.origin_uid <> ALL (path)
    )
    SELECT * FROM walked
 ) AS walk;
COMMENT ON VIEW omop.image_lineage IS
    'Every series with itself and each of its ancestors, back to the scanner; a row for each way there';
COMMENT ON COLUMN omop.image_lineage.ancestor_uid IS 'Known in radiology_image or not';
COMMENT ON COLUMN omop.image_lineage.steps IS '0: the series itself';
COMMENT ON COLUMN omop.image_lineage.path IS 'The UIDs from the series to the ancestor, both included';
COMMENT ON COLUMN omop.image_lineage.via IS
    'What the last step is known by: a curation run (source, or static: aligned with it), a feature '
    '(segmented), or the header (referenced)';
COMMENT ON COLUMN omop.image_lineage.is_original IS 'Whether the ancestor came from nothing that is known';
"""
