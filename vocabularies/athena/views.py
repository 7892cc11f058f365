"""Views that read the vocabulary tables: taken down for the swap, and put up again on the new tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from omop_schema import OMOP
from vocabularies.athena.layout import TABLES

#: Every view above the tables, at any remove, the nearest first.
_READERS = """
    WITH RECURSIVE reader (oid, level) AS (
        SELECT held.oid, 0 FROM pg_class AS held
        WHERE relnamespace = CAST(:schema AS regnamespace) AND relname = ANY (:names)
        UNION
        SELECT ev_class, level + 1
        FROM reader
        JOIN pg_depend ON refobjid = reader.oid AND refclassid = 'pg_class'::regclass
        JOIN pg_rewrite ON pg_rewrite.oid = objid AND classid = 'pg_rewrite'::regclass
                       AND ev_class <> reader.oid
    )
    SELECT oid, max(level) AS level FROM reader WHERE level > 0 GROUP BY oid
"""

_VIEWS = text(f"""
    SELECT view.oid::regclass::text, relkind = 'v' AND NOT relhastriggers AS plain,
           rtrim(pg_get_viewdef(view.oid), ';'), coalesce(array_to_string(reloptions, ', '), ''),
           quote_ident(pg_get_userbyid(relowner)), quote_literal(obj_description(view.oid, 'pg_class')),
           ARRAY(SELECT format('GRANT %s ON %s TO %s%s', privilege_type, view.oid::regclass, grantees.name,
                               CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
                 FROM aclexplode(relacl) CROSS JOIN LATERAL (
                     SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
                 ) AS grantees (name)
                 WHERE grantee <> relowner),
           ARRAY(SELECT format('COMMENT ON COLUMN %s.%I IS %L', view.oid::regclass, attname, description)
                 FROM pg_description JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
                 WHERE objoid = view.oid AND classoid = 'pg_class'::regclass AND objsubid > 0)
    FROM ({_READERS}) AS reader JOIN pg_class AS view USING (oid)
    ORDER BY level, 1
""")


@dataclass(frozen=True, slots=True)
class View:
    """A view as it stands, and what it takes to make it again."""

    name: str
    plain: bool
    """Whether the rest is all there is to it: not a materialized view, nor one with triggers."""
    definition: str
    options: str
    owner: str
    comment: str | None
    grants: Sequence[str]
    column_comments: Sequence[str]

    def statements(self) -> Iterator[str]:
        """What makes it again."""
        options = f" WITH ({self.options})" if self.options else ""
        yield f"CREATE VIEW {self.name}{options} AS {self.definition}"
        yield f"ALTER VIEW {self.name} OWNER TO {self.owner}"
        yield from self.grants
        if self.comment:
            yield f"COMMENT ON VIEW {self.name} IS {self.comment}"
        yield from self.column_comments


def read_views(connection: Connection) -> list[View]:
    """The views that read the vocabulary tables, those that others read first."""
    given = {"schema": OMOP, "names": [table.name for table in TABLES]}
    return [View(*row) for row in connection.execute(_VIEWS, given)]
