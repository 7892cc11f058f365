"""Putting source codes into SOURCE_TO_CONCEPT_MAP, in place of what their vocabularies had there before."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, text

from omop_schema.copy_text import line
from omop_schema.database import copy
from vocabularies.concepts import PLACEHOLDER
from vocabularies.custom.usagi import MapRow
from vocabularies.text_table import Problem


class Replaced(NamedTuple):
    """How the rows of the given source vocabularies differ from those before."""

    added: int
    changed: int
    kept: int
    removed: int


_FIELDS = [field.name for field in fields(MapRow)]
_values = attrgetter(*_FIELDS)
_STAGE = text("""
    CREATE TEMPORARY TABLE given_map ON COMMIT DROP AS
    SELECT held.*, 0 AS line, NULL::text AS target_name
      FROM omop.source_to_concept_map AS held WITH NO DATA
""")
_UNKNOWN = text("""
    SELECT line, target_concept_id FROM given_map LEFT JOIN omop.concept ON concept_id = target_concept_id
     WHERE concept_id IS NULL ORDER BY line
""")
_DOUBTFUL = text("""
    SELECT line, concept.*, target_name, target_vocabulary_id
      FROM given_map JOIN omop.concept ON concept_id = target_concept_id
     WHERE target_concept_id <> 0 AND given_map.invalid_reason IS NULL
       AND (concept.invalid_reason IS NOT NULL OR concept_name <> target_name
            OR vocabulary_id <> :placeholder
               AND (standard_concept IS DISTINCT FROM 'S' OR vocabulary_id <> target_vocabulary_id))
     ORDER BY line
""").bindparams(placeholder=PLACEHOLDER)
_UNKNOWN_SOURCES = text("""
    SELECT line, source_concept_id FROM given_map LEFT JOIN omop.concept ON concept_id = source_concept_id
     WHERE source_concept_id <> 0 AND concept_id IS NULL ORDER BY line
""")
_TARGET_VOCABULARIES = text("""
    UPDATE given_map SET target_vocabulary_id = vocabulary_id
      FROM omop.concept WHERE concept_id = target_concept_id
""")
_COMPARED = text("""
    SELECT count(*) FILTER (WHERE held.source_code IS NULL) AS added,
           count(*) FILTER (WHERE differs) AS changed,
           count(*) FILTER (WHERE NOT differs) AS kept,
           count(*) FILTER (WHERE given.source_code IS NULL) AS removed
      FROM given_map AS given
      FULL JOIN (SELECT * FROM omop.source_to_concept_map WHERE source_vocabulary_id = ANY (:names)) AS held
           USING (source_vocabulary_id, source_code, target_concept_id, valid_end_date)
      LEFT JOIN LATERAL (
           SELECT ROW(given.source_concept_id, given.source_code_description, given.target_vocabulary_id,
                      given.valid_start_date, given.invalid_reason)
                  IS DISTINCT FROM
                  ROW(held.source_concept_id, held.source_code_description, held.target_vocabulary_id,
                      held.valid_start_date, held.invalid_reason) AS differs
            WHERE given.source_code IS NOT NULL AND held.source_code IS NOT NULL) AS compared ON true
""")
_REPLACE = (
    text("DELETE FROM omop.source_to_concept_map WHERE source_vocabulary_id = ANY (:names)"),
    text("""
        INSERT INTO omop.source_to_concept_map
            (source_code, source_concept_id, source_vocabulary_id, source_code_description, target_concept_id,
             target_vocabulary_id, valid_start_date, valid_end_date, invalid_reason)
        SELECT source_code, source_concept_id, source_vocabulary_id, source_code_description,
               target_concept_id, target_vocabulary_id, valid_start_date, valid_end_date, invalid_reason
          FROM given_map
    """),
)
#: Two loads at a time would each delete what they see and then insert the same keys.
_LOCK = text("LOCK TABLE omop.source_to_concept_map IN SHARE ROW EXCLUSIVE MODE")
_VOCABULARIES = text("""
    INSERT INTO omop.vocabulary (vocabulary_id, vocabulary_name, vocabulary_reference, vocabulary_concept_id)
    SELECT name, name || ' source codes', 'Oncolake', 0 FROM unnest(CAST(:names AS text[])) AS given (name)
    ON CONFLICT (vocabulary_id) DO NOTHING
""")


def stage(connection: Connection, rows: Iterable[MapRow]) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Hold the rows against the loaded vocabulary; they stay in a temporary table for ``replace``.

    Returns what makes them unfit to load, a target that is not there, and what is doubtful about them: a
    target that is deprecated, not standard, or described otherwise than the file does.
    """
    connection.execute(_STAGE)
    copy(connection, "given_map", _FIELDS, (line(*_values(row)) for row in rows))
    unknown = [
        Problem(line, f"target concept {target} is not in the vocabulary; load the one that it belongs to")
        for line, target in connection.execute(_UNKNOWN)
    ]
    doubts = [
        Problem(row["line"], doubt)
        for row in connection.execute(_DOUBTFUL).mappings()
        for doubt in _doubts(row)
    ]
    sources = [
        Problem(line, f"source concept {source} is not in the vocabulary")
        for line, source in connection.execute(_UNKNOWN_SOURCES)
    ]
    connection.execute(_TARGET_VOCABULARIES)
    return tuple(unknown), tuple(sorted([*doubts, *sources]))


def replace(connection: Connection, vocabularies: Iterable[str]) -> Replaced:
    """Put the staged rows in place of all earlier rows of these source vocabularies."""
    names = {"names": sorted(set(vocabularies))}
    connection.execute(_LOCK)
    connection.execute(_VOCABULARIES, names)
    counts = Replaced(*connection.execute(_COMPARED, names).one())
    for statement in _REPLACE:
        connection.execute(statement, names if ":names" in statement.text else {})
    connection.execute(text("DROP TABLE given_map"))
    return counts


def _doubts(row: RowMapping) -> Iterator[str]:
    target = f"target concept {row['concept_id']} '{row['concept_name']}'"
    held, given = row["vocabulary_id"], row["target_vocabulary_id"]
    if row["invalid_reason"]:
        yield f"{target} is deprecated (invalid_reason {row['invalid_reason']})"
    elif row["standard_concept"] != "S" and held != PLACEHOLDER:
        yield f"{target} is not a standard concept"
    if row["target_name"] and row["target_name"] != row["concept_name"]:
        yield f"{target} is '{row['target_name']}' in the file"
    if given and held not in (given, PLACEHOLDER):
        yield f"{target} belongs to '{held}', not to '{given}'"
