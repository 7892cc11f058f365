"""Views and functions as the database has them, for docs/schema.md."""

from itertools import groupby

from sqlalchemy import Connection, text

from omop_schema.describe import Function, Named, View


def read_views(connection: Connection) -> list[View]:
    """The views of schemas ``omop`` and ``research``, by name."""
    rows = connection.execute(_VIEWS).all()
    return [
        View(name, comment, tuple(Named(row.column, row.type, row.meaning) for row in columns))
        for (name, comment), columns in groupby(rows, key=lambda row: (row.name, row.comment))
    ]


def read_functions(connection: Connection) -> list[Function]:
    """The functions of our schemas, by name."""
    return [Function(*row) for row in connection.execute(_FUNCTIONS)]


# The mapping and the digest that a view's comment ends with are told by the database itself.
_VIEWS = text(r"""
    SELECT view.oid::regclass::text AS name,
           regexp_replace(obj_description(view.oid, 'pg_class'), ' \(mapping .*\)$', '') AS comment,
           attname AS column, replace(replace(format_type(atttypid, atttypmod),
               'character varying', 'varchar'), ' without time zone', '') AS type,
           coalesce(col_description(view.oid, attnum), '') AS meaning
      FROM pg_class AS view
      JOIN pg_attribute ON attrelid = view.oid
     WHERE relkind = 'v' AND relnamespace::regnamespace::text IN ('omop', 'research') AND attnum > 0
     ORDER BY view.oid::regclass::text COLLATE "C", attnum
""")
_FUNCTIONS = text("""
    SELECT format('%s.%s(%s)', pronamespace::regnamespace, proname, pg_get_function_identity_arguments(oid))
               COLLATE "C" AS call,
           pg_get_function_result(oid), coalesce(obj_description(oid, 'pg_proc'), '')
      FROM pg_proc
     WHERE pronamespace::regnamespace::text IN ('lake', 'omop', 'research')
     ORDER BY call
""")
