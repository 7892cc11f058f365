"""What PostgreSQL's catalogue says about a database's tables, to compare before and after."""

from sqlalchemy import Engine, text

_SCHEMAS = "nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND nspname NOT LIKE 'pg_temp%'"

_QUERIES = {
    "relations": f"""
        SELECT c.oid::regclass::text, relkind, relpersistence, relowner::regrole::text, reloptions,
               relrowsecurity, obj_description(c.oid, 'pg_class'), coalesce(spcname, ''),
               ARRAY(SELECT acl::text FROM unnest(relacl) AS acl ORDER BY 1)
        FROM pg_class AS c JOIN pg_namespace ON pg_namespace.oid = relnamespace
        LEFT JOIN pg_tablespace ON pg_tablespace.oid = reltablespace WHERE {_SCHEMAS}
    """,
    "columns": f"""
        SELECT c.oid::regclass::text, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
               attstorage, attacl::text, attidentity, pg_get_expr(adbin, adrelid),
               col_description(c.oid, attnum), attcollation::regcollation::text
        FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE {_SCHEMAS} AND attnum > 0 AND NOT attisdropped
    """,
    "constraints": f"""
        SELECT conrelid::regclass::text, conname, contype, convalidated, condeferrable, condeferred,
               pg_get_constraintdef(con.oid), obj_description(con.oid, 'pg_constraint'),
               conindid::regclass::text
        FROM pg_constraint AS con JOIN pg_namespace ON pg_namespace.oid = connamespace WHERE {_SCHEMAS}
    """,
    "indexes": f"""
        SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid, indisready, indisprimary,
               indisclustered, indisreplident
        FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
        JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE {_SCHEMAS}
    """,
    "triggers": f"""
        SELECT tgrelid::regclass::text, tgfoid::regproc::text, tgtype, tgenabled, tgdeferrable,
               tginitdeferred, con.conname, CASE WHEN tgisinternal THEN '' ELSE pg_get_triggerdef(t.oid) END
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        LEFT JOIN pg_constraint AS con ON con.oid = tgconstraint WHERE {_SCHEMAS}
    """,
    "views": f"SELECT schemaname, viewname, viewowner, definition FROM pg_views WHERE {_SCHEMAS}".replace(
        "nspname", "schemaname"
    ),
    "functions": f"""
        SELECT p.oid::regprocedure::text, prosrc FROM pg_proc AS p
        JOIN pg_namespace ON pg_namespace.oid = pronamespace WHERE {_SCHEMAS}
    """,
    "schemas": f"SELECT nspname, nspacl::text FROM pg_namespace WHERE {_SCHEMAS}",
}


def catalogue(engine: Engine) -> dict[str, list[tuple]]:
    """Every table, column, constraint, index, trigger, view and function, by name and definition."""
    with engine.connect() as connection:
        return {
            name: sorted(tuple(map(str, row)) for row in connection.execute(text(query)))
            for name, query in _QUERIES.items()
        }
