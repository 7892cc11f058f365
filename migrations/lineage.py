"""SQL functions that say where an OMOP row comes from. Migration 0001 creates them.

Migrations that have run must stay as they were: to change a function, add a constant here and a migration.
"""

#: ``lake.locate('$.a[*].b[*]', 5 << 10 | 7, 2)`` is ``$.a[5].b[7]``; widths as in ``etl.identity``.
#: Each call of regexp_replace fills the first star that is left; stars deeper than ``depth`` stay.
LOCATE = r"""
CREATE FUNCTION lake.locate(path text, item integer, depth integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE depth
        WHEN 0 THEN path
        WHEN 1 THEN regexp_replace(path, '\[\*\]', format('[%s]', item))
        WHEN 2 THEN regexp_replace(regexp_replace(path,
            '\[\*\]', format('[%s]', item >> 10)),
            '\[\*\]', format('[%s]', item & 1023))
        WHEN 3 THEN regexp_replace(regexp_replace(regexp_replace(path,
            '\[\*\]', format('[%s]', item >> 13)),
            '\[\*\]', format('[%s]', item >> 6 & 127)),
            '\[\*\]', format('[%s]', item & 63))
    END
$$;
COMMENT ON FUNCTION lake.locate(text, integer, integer) IS
    'A JSON path with the list positions of a row''s item in place of its stars; NULL beyond depth 3';
"""

#: An id is case (31 bits), rule (12 bits), item (20 bits): see ``etl.identity``.
LINEAGE = """
CREATE FUNCTION lake.lineage(row_id bigint) RETURNS TABLE (
    case_id integer, patient_id text, form text, version integer, upload_id bigint, source text,
    "position" integer, rule text, target text, file text, line integer, item_path text, paths text[])
LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 1 AS $$
    SELECT
        c.case_id, c.patient_id, c.form, d.version, d.upload_id, u.source,
        d."position", r.name, made.target, made.file, made.line,
        lake.locate(r.each_path, id.item, depth.stars),
        ARRAY(
            SELECT lake.locate(s.path, id.item, depth.stars)
            FROM unnest(made.sources) WITH ORDINALITY AS s (path, place)
            ORDER BY s.place)
    FROM (SELECT
        (row_id >> 32)::integer AS case_id,
        (row_id >> 20 & 4095)::smallint AS rule_id,
        (row_id & 1048575)::integer AS item) AS id
    JOIN lake.cases AS c ON c.case_id = id.case_id
    JOIN lake.documents AS d ON d.case_id = c.case_id AND d.version = c.loaded_version
    JOIN lake.uploads AS u ON u.upload_id = d.upload_id
    JOIN lake.rules AS r ON r.rule_id = id.rule_id
    JOIN lake.plan_rules AS made ON (made.plan, made.rule_id) = (c.plan, r.rule_id)
    CROSS JOIN LATERAL (
        SELECT (length(r.each_path) - length(replace(r.each_path, '[*]', ''))) / 3 AS stars) AS depth
$$;
COMMENT ON FUNCTION lake.lineage(bigint) IS
    'Which case, upload, rule and JSON paths made the OMOP row with this id; no row for ids of no case';
"""
