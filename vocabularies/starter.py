"""Load the starter concepts and the value maps: enough vocabulary to work before any Athena download.

Everything runs in the caller's transaction, one statement for each table. Rows travel as one JSON parameter:
a few hundred need no COPY, and nothing has to be escaped.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from omop_schema import vocabulary as tables
from vocabularies.concepts import (
    FIRST_CUSTOM_ID,
    FIRST_DAY,
    LAST_DAY,
    PLACEHOLDER,
    VOCABULARY_ID_WIDTH,
    Concept,
    ValueMap,
    map_vocabulary,
)


class Loaded(NamedTuple):
    """What became of the concepts that were given."""

    inserted: int
    updated: int
    kept: int
    """Nothing to do: the row was the same, or is Athena's."""


class StarterError(Exception):
    """Concepts or value maps that cannot be loaded into this database."""


_STAGE = text("""
    CREATE TEMPORARY TABLE starter_concept ON COMMIT DROP AS
    SELECT * FROM jsonb_populate_recordset(NULL::omop.concept, CAST(:rows AS jsonb))
""")

_CLASHES = text("""
    SELECT held.concept_id, held.vocabulary_id, staged.vocabulary_id
    FROM starter_concept staged JOIN omop.concept held USING (concept_id)
    WHERE concept_id >= :first_custom AND held.vocabulary_id <> staged.vocabulary_id
    ORDER BY concept_id
""")

_DIFFERENCES = text("""
    SELECT held.concept_id,
           held.concept_name || ' (' || held.domain_id || ')' AS here,
           staged.concept_name || ' (' || staged.domain_id || ')' AS given
    FROM starter_concept staged JOIN omop.concept held USING (concept_id)
    WHERE held.vocabulary_id = staged.vocabulary_id AND ROW(held.*) IS DISTINCT FROM ROW(staged.*)
    ORDER BY concept_id
""")

_PARENTS = (
    text("""
        INSERT INTO omop.domain (domain_id, domain_name, domain_concept_id)
        SELECT DISTINCT domain_id, domain_id, 0 FROM starter_concept
        ON CONFLICT (domain_id) DO NOTHING
    """),
    text("""
        INSERT INTO omop.concept_class (concept_class_id, concept_class_name, concept_class_concept_id)
        SELECT DISTINCT concept_class_id, concept_class_id, 0 FROM starter_concept
        ON CONFLICT (concept_class_id) DO NOTHING
    """),
    text("""
        INSERT INTO omop.vocabulary
            (vocabulary_id, vocabulary_name, vocabulary_reference, vocabulary_concept_id)
        VALUES ('None', 'OMOP Standardized Vocabularies', 'OMOP generated', 0),
               (:placeholder, 'Placeholders until an Athena vocabulary is loaded', 'Oncolake', 0)
        ON CONFLICT (vocabulary_id) DO NOTHING
    """).bindparams(placeholder=PLACEHOLDER),
    text("""
        INSERT INTO omop.vocabulary
            (vocabulary_id, vocabulary_name, vocabulary_reference, vocabulary_concept_id)
        SELECT DISTINCT vocabulary_id, vocabulary_id || ' custom concepts', 'Oncolake', 0
        FROM starter_concept WHERE concept_id >= :first_custom
        ON CONFLICT (vocabulary_id) DO NOTHING
    """).bindparams(first_custom=FIRST_CUSTOM_ID),
)

# A row that Athena brought belongs to none of our vocabularies: the last condition leaves it as it is.
# xmax is 0 in a row that no earlier version existed of.
_UPSERT = text("""
    INSERT INTO omop.concept AS held SELECT * FROM starter_concept
    ON CONFLICT (concept_id) DO UPDATE SET
        concept_name = excluded.concept_name, domain_id = excluded.domain_id,
        concept_class_id = excluded.concept_class_id, standard_concept = excluded.standard_concept,
        concept_code = excluded.concept_code, valid_start_date = excluded.valid_start_date,
        valid_end_date = excluded.valid_end_date, invalid_reason = excluded.invalid_reason
    WHERE held IS DISTINCT FROM excluded AND held.vocabulary_id = excluded.vocabulary_id
    RETURNING held.xmax = 0
""")

_STAGE_MAPS = text("""
    CREATE TEMPORARY TABLE starter_map ON COMMIT DROP AS
    SELECT * FROM jsonb_populate_recordset(NULL::omop.source_to_concept_map, CAST(:rows AS jsonb))
""")

_WITHOUT_CONCEPT = text("""
    SELECT source_vocabulary_id, source_code, target_concept_id
    FROM starter_map LEFT JOIN omop.concept ON concept_id = target_concept_id
    WHERE concept_id IS NULL ORDER BY 1, 2
""")

_REPLACE_MAPS = (
    # Two loads at a time would each delete what they see and then insert the same keys.
    text("LOCK TABLE omop.source_to_concept_map IN SHARE ROW EXCLUSIVE MODE"),
    text("""
        INSERT INTO omop.vocabulary
            (vocabulary_id, vocabulary_name, vocabulary_reference, vocabulary_concept_id)
        SELECT name, 'Value map ' || name, 'Oncolake', 0 FROM unnest(CAST(:names AS text[])) AS given (name)
        ON CONFLICT (vocabulary_id) DO NOTHING
    """),
    text("DELETE FROM omop.source_to_concept_map WHERE source_vocabulary_id = ANY (:names)"),
    text("""
        INSERT INTO omop.source_to_concept_map
            (source_code, source_concept_id, source_vocabulary_id, source_code_description, target_concept_id,
             target_vocabulary_id, valid_start_date, valid_end_date)
        SELECT source_code, 0, source_vocabulary_id, source_code_description, target_concept_id,
               concept.vocabulary_id, starter_map.valid_start_date, starter_map.valid_end_date
        FROM starter_map JOIN omop.concept ON concept_id = target_concept_id
    """),
)


def load_starter(connection: Connection, concepts: Iterable[Concept], *, update: bool = True) -> Loaded:
    """Bring the concepts into ``omop.concept``, with the vocabularies, domains and classes they need.

    A placeholder or custom row whose text changed is updated, or refused without ``update``; a row that
    Athena brought stays as it is; none is ever removed. The keys of the vocabulary tables are checked before
    this returns. Raises StarterError when an id is given twice with different texts, when a custom id belongs
    to another vocabulary in this database, or when concept 0 is neither given nor there.
    """
    given = _by_id(concepts)
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    connection.execute(_STAGE, {"rows": _json(map(asdict, given.values()))})
    _refuse_clashes(connection)
    if not update:
        _refuse_differences(connection)
    for statement in _PARENTS:
        connection.execute(statement)
    written = connection.execute(_UPSERT).scalars().all()
    connection.execute(text("DROP TABLE starter_concept"))
    _require_no_match(connection)
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    inserted = sum(written)
    return Loaded(inserted, len(written) - inserted, len(given) - len(written))


def load_value_maps(connection: Connection, mapping: str, maps: Iterable[ValueMap]) -> int:
    """Put the value maps of a mapping into ``omop.source_to_concept_map`` and return how many rows that is.

    Each map is a vocabulary of its own, named ``mapping.map``; its earlier rows are replaced. A target's
    vocabulary is looked up, so load the maps again once Athena has replaced placeholders. Raises StarterError
    when such a name is longer than 20 characters or a target concept is not in the database.
    """
    named = {_vocabulary_id(mapping, one.name): one for one in maps}
    rows = [row for name, one in named.items() for row in _map_rows(name, one)]
    connection.execute(_STAGE_MAPS, {"rows": _json(rows)})
    _refuse_unknown_targets(connection)
    for statement in _REPLACE_MAPS:
        names = {"names": list(named)} if ":names" in statement.text else {}
        connection.execute(statement, names)
    connection.execute(text("DROP TABLE starter_map"))
    return len(rows)


def _by_id(concepts: Iterable[Concept]) -> Mapping[int, Concept]:
    given: dict[int, Concept] = {}
    for one in concepts:
        if given.setdefault(one.concept_id, one) != one:
            raise StarterError(f"concept {one.concept_id} is given twice, with different texts")
    return given


def _json(rows: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps(list(rows), default=str)


def _refuse_clashes(connection: Connection) -> None:
    clashes = connection.execute(_CLASHES, {"first_custom": FIRST_CUSTOM_ID}).all()
    if clashes:
        listed = ", ".join(f"{concept_id} ('{theirs}', not '{ours}')" for concept_id, theirs, ours in clashes)
        raise StarterError(
            f"these custom ids belong to another vocabulary here; renumber one of them: {listed}"
        )


def _refuse_differences(connection: Connection) -> None:
    different = connection.execute(_DIFFERENCES).all()
    if different:
        listed = ", ".join(
            f"{concept_id} is '{here}', not '{given}'" for concept_id, here, given in different
        )
        raise StarterError(
            f"the database describes concepts otherwise than the mapping: {listed}; to have them as in the "
            "mapping, run `oncolake init --mappings DIR`"
        )


def _require_no_match(connection: Connection) -> None:
    zero = tables.concept.c.concept_id == 0
    if connection.scalar(tables.concept.select().where(zero)) is None:
        raise StarterError(
            "concept 0 'No matching concept' is missing; load the CDM's own concepts with these"
        )


def _vocabulary_id(mapping: str, name: str) -> str:
    vocabulary_id = map_vocabulary(mapping, name)
    if len(vocabulary_id) > VOCABULARY_ID_WIDTH:
        raise StarterError(
            f"'{vocabulary_id}' is longer than a vocabulary_id, {VOCABULARY_ID_WIDTH}; shorten the map's name"
        )
    return vocabulary_id


def _map_rows(vocabulary_id: str, one: ValueMap) -> Iterable[Mapping[str, Any]]:
    for row in one.rows:
        yield {
            "source_code": row.source_code,
            "source_vocabulary_id": vocabulary_id,
            "source_code_description": row.source_code_description,
            "target_concept_id": row.target_concept_id,
            "valid_start_date": FIRST_DAY,
            "valid_end_date": LAST_DAY,
        }


def _refuse_unknown_targets(connection: Connection) -> None:
    missing = connection.execute(_WITHOUT_CONCEPT).all()
    if missing:
        listed = ", ".join(f"{target} ('{code}' of '{name}')" for name, code, target in missing)
        raise StarterError(f"these target concepts are not in the vocabulary; load them first: {listed}")
