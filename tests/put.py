"""A small Athena vocabulary beside the starter concepts, for tests that need one in the database."""

import json

from sqlalchemy import Connection, text

from tests.bundles import HEADERS, Tables

_KEYS = {
    "CONCEPT": "concept_id",
    "VOCABULARY": "vocabulary_id",
    "DOMAIN": "domain_id",
    "CONCEPT_CLASS": "concept_class_id",
    "RELATIONSHIP": "relationship_id",
}


def put(connection: Connection, tables: Tables) -> None:
    """Bring the rows of a bundle in as they are, in place of those that have their keys."""
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    for name, rows in tables.items():
        columns, key = HEADERS[name], _KEYS.get(name)
        given = [dict(zip(columns, (cell or None for cell in row), strict=True)) for row in rows]
        sets = ", ".join(f"{column} = excluded.{column}" for column in columns)
        clash = f"ON CONFLICT ({key}) DO UPDATE SET {sets}" if key else ""
        source = f"SELECT * FROM jsonb_populate_recordset(NULL::omop.{name}, CAST(:rows AS jsonb))"
        connection.execute(text(f"INSERT INTO omop.{name} {source} {clash}"), {"rows": json.dumps(given)})
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
