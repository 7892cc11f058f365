"""The views on images that hold for every disease. Migration 0005 creates them.

Migrations that have run must stay as they were: to change a view, add a constant here and a migration. Views
of a disease are in its mapping folder, see ``etl.research``.
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

#: plpgsql, because PostgreSQL calls it ten times as fast as the same in SQL. A word begins after a space.
WEIGHTING = """
CREATE FUNCTION research.weighting(modality text, description text, protocol text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    said text COLLATE "C" :=
        translate(lower(concat(' ', description, ' ', protocol, ' ') COLLATE "C"), '_-=./,()', '        ');
BEGIN
    RETURN CASE
        WHEN modality <> 'MR' THEN NULL
        WHEN said LIKE '% loc %' OR said LIKE '% locali%' OR said LIKE '% scout%' OR said LIKE '% survey%'
            THEN NULL
        WHEN said LIKE '% adc%' OR said LIKE '% apparent diff%' THEN 'ADC'
        WHEN said LIKE '% dw%' OR said LIKE '% diff%' OR said LIKE '% trace%'
            OR said LIKE '% b%' AND said ~ ' b ?[0-9]{2,4} ' THEN 'DWI'
        WHEN said LIKE '% dce%' OR said LIKE '% dyn%' OR said LIKE '% perf%' OR said LIKE '% twist%'
            OR said LIKE '% disco%' OR said LIKE '% tricks%' THEN 'DCE'
        WHEN said LIKE '% t2%' AND said NOT LIKE '% t2*%' AND said NOT LIKE '% t2 *%'
            AND said NOT LIKE '% t2star%' AND said NOT LIKE '% t2 star%' THEN 'T2w'
        WHEN said LIKE '% t1%' OR said LIKE '% lava%' OR said LIKE '% vibe%' OR said LIKE '% thrive%'
            THEN 'T1w'
    END;
END
$$;
COMMENT ON FUNCTION research.weighting(text, text, text) IS
    'T2w, T1w, DWI, ADC or DCE, by the words of a series'' description and protocol; NULL: they do not tell, '
    'it is a localizer, or no MR';
"""

PLANE = """
CREATE FUNCTION research.plane(known text, description text, protocol text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    said text COLLATE "C" :=
        translate(lower(concat(' ', description, ' ', protocol, ' ') COLLATE "C"), '_-=./,()', '        ');
BEGIN
    RETURN CASE
        WHEN known IS NOT NULL THEN known
        WHEN said LIKE '% ax %' OR said LIKE '% axial%' OR said LIKE '% tra %' OR said LIKE '% trans%'
            THEN 'axial'
        WHEN said LIKE '% cor %' OR said LIKE '% coronal%' THEN 'coronal'
        WHEN said LIKE '% sag %' OR said LIKE '% sagit%' THEN 'sagittal'
    END;
END
$$;
COMMENT ON FUNCTION research.plane(text, text, text) IS
    'The plane that is known from the header, else that of the words of a series'' description and protocol';
"""

#: How many series say what, so that PostgreSQL plans for as many rows as there will be.
SERIES_WORDS = """
CREATE STATISTICS research.series_words (mcv)
    ON research.weighting(modality, series_description, protocol_name),
       research.plane(acquisition_plane, series_description, protocol_name),
       magnetic_field_strength
  FROM omop.radiology_image;
"""

#: These walk from one series through indexes. Their cost lets PostgreSQL ask them last, and only of the
#: series that everything else in a query has left. To plan anew for each would take longer than they do.
CURATION = """
CREATE FUNCTION research.verdict(series_uid text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000 SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (SELECT decision = 'approved'
              FROM omop.curation_approval
             WHERE derived_series_uid = series_uid
             ORDER BY decided_at DESC NULLS LAST, curation_approval_id DESC
             LIMIT 1);
END
$$;
COMMENT ON FUNCTION research.verdict(text) IS
    'Whether the newest decision on a series approved it; NULL: nobody decided on it';

CREATE FUNCTION research.stems_from(series_uid text, what text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000 SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN EXISTS (
        WITH RECURSIVE walked (uid, what) AS (
            SELECT series_uid, NULL::text
            UNION
            SELECT run.source_series_uid, run.curation_function
              FROM walked JOIN omop.curation_run AS run ON run.derived_series_uid = walked.uid
        )
        SELECT FROM walked WHERE walked.what = stems_from.what);
END
$$;
COMMENT ON FUNCTION research.stems_from(text, text) IS
    'Whether a run of this function made the series, or one that it was made from';

CREATE FUNCTION research.led_to(series_uid text, what text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 2000 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    walked text[] := ARRAY[series_uid];
    uid text;
    place integer := 1;
BEGIN
    WHILE place <= cardinality(walked) LOOP
        uid := walked[place];
        IF what = 'approval' THEN
            IF EXISTS (SELECT FROM omop.curation_approval AS made
                        WHERE made.source_series_uid = uid AND research.verdict(made.derived_series_uid)) THEN
                RETURN true;
            END IF;
        ELSIF EXISTS (SELECT FROM omop.curation_run AS run
                       WHERE run.source_series_uid = uid AND run.curation_function = what
                         AND research.verdict(run.derived_series_uid) IS NOT FALSE) THEN
            RETURN true;
        END IF;
        walked := walked || ARRAY(
            SELECT derived_series_uid::text FROM omop.curation_run
             WHERE source_series_uid = uid AND derived_series_uid <> ALL (walked));
        -- The headers are the last to be asked: that takes longest.
        IF place = cardinality(walked) THEN
            walked := walked || ARRAY(
                SELECT series_instance_uid::text FROM omop.radiology_image
                 WHERE attributes -> 'ReferencedSeriesUIDs' ?| walked AND series_instance_uid <> ALL (walked)
                   AND (SELECT true FROM omop.curation_run
                         WHERE derived_series_uid = series_instance_uid LIMIT 1) IS NULL);
        END IF;
        place := place + 1;
    END LOOP;
    RETURN false;
END
$$;
COMMENT ON FUNCTION research.led_to(text, text) IS
    'Whether this function was run on the series, or on what was made from it, and the outcome not rejected; '
    'approval: whether an outcome was approved';
"""

#: The same of all series at once, each asked for a query's columns only. As functions, they are computed once
#: and hashed, however many rows PostgreSQL thinks that a recursion gives. ``@> '[]'``, which only arrays are,
#: is answered by the index on the references. Migration 0008 creates them.
CURATED = """
CREATE FUNCTION research.verdicts() RETURNS TABLE (series_uid text, approved boolean)
LANGUAGE sql STABLE PARALLEL SAFE COST 1000000 SET jit = off AS $$
    SELECT DISTINCT ON (derived_series_uid) derived_series_uid, decision = 'approved'
      FROM omop.curation_approval
     ORDER BY derived_series_uid, decided_at DESC NULLS LAST, curation_approval_id DESC
$$;
COMMENT ON FUNCTION research.verdicts() IS
    'Every series that somebody decided on, and whether the newest decision approved it';

CREATE FUNCTION research.stems_from(what text) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE COST 1000000 SET jit = off AS $$
    WITH RECURSIVE made (uid) AS (
        SELECT derived_series_uid::text
          FROM omop.curation_run
         WHERE curation_function = what AND derived_series_uid IS NOT NULL
        UNION
        SELECT run.derived_series_uid::text
          FROM made JOIN omop.curation_run AS run ON run.source_series_uid = made.uid
         WHERE run.derived_series_uid IS NOT NULL
    )
    SELECT uid FROM made
$$;
COMMENT ON FUNCTION research.stems_from(text) IS
    'Every series that a run of this function made, or that was made from one of those';

CREATE FUNCTION research.led_to(what text) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE COST 1000000 SET jit = off AS $$
    WITH RECURSIVE verdict AS MATERIALIZED (
        SELECT series_uid, approved FROM research.verdicts()
    ), step (made, origin) AS MATERIALIZED (
        SELECT derived_series_uid::text, source_series_uid::text
          FROM omop.curation_run
         WHERE derived_series_uid IS NOT NULL
        UNION
        SELECT series_instance_uid, origin
          FROM omop.radiology_image
         CROSS JOIN LATERAL jsonb_array_elements_text(attributes -> 'ReferencedSeriesUIDs') AS origin
         WHERE attributes -> 'ReferencedSeriesUIDs' @> '[]'
           AND NOT EXISTS (SELECT FROM omop.curation_run WHERE derived_series_uid = series_instance_uid)
    ), led (uid) AS (
        (
            SELECT source_series_uid::text
              FROM omop.curation_run LEFT JOIN verdict ON series_uid = derived_series_uid
             WHERE curation_function = what AND approved IS NOT FALSE
            UNION
            SELECT source_series_uid
              FROM omop.curation_approval JOIN verdict ON series_uid = derived_series_uid
             WHERE what = 'approval' AND approved
        )
        UNION
        SELECT origin FROM led JOIN step ON made = uid
    )
    SELECT uid FROM led
$$;
COMMENT ON FUNCTION research.led_to(text) IS
    'Every series on which this function was run, or on what was made from it, and the outcome not rejected; '
    'approval: of which an outcome was approved';
"""
