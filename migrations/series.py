"""What the views of diseases ask of series: how they look, by their words, and what was done to them.

Migrations that have run must stay as they were: to change a function, add a constant here and a migration.
Migration 0005 creates all of them but the last.
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
