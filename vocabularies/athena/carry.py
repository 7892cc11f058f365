"""Bringing over what a bundle does not hold: our own concepts, and placeholders that it does not replace.

Our own are the custom concepts, ids from 2,000,000,000 on, with their vocabularies, and the vocabularies of
the value maps. They are carried into staging before its foreign keys are checked, because rows of a bundle
may name a placeholder, and once more in the swap, for what was added or changed in between.
"""

from sqlalchemy import Connection, Table, text

from omop_schema import OMOP, metadata
from vocabularies.athena.findings import Report
from vocabularies.athena.layout import TABLES, file_of
from vocabularies.athena.references import concept_columns
from vocabularies.athena.twins import SCHEMA
from vocabularies.concepts import FIRST_CUSTOM_ID, PLACEHOLDER

_OURS = f"(concept_id >= {FIRST_CUSTOM_ID} OR vocabulary_id = '{PLACEHOLDER}')"

_OUR_VOCABULARIES = f"""
    SELECT vocabulary_id FROM {OMOP}.concept WHERE concept_id >= {FIRST_CUSTOM_ID}
    UNION SELECT source_vocabulary_id FROM {OMOP}.source_to_concept_map
    UNION SELECT target_vocabulary_id FROM {OMOP}.source_to_concept_map
    UNION SELECT vocabulary_id FROM {OMOP}.vocabulary WHERE vocabulary_concept_id >= {FIRST_CUSTOM_ID}
"""

_CONCEPT_CLASHES = text(f"""
    SELECT concept_id, held.concept_name, held.vocabulary_id, staged.concept_name, staged.vocabulary_id
    FROM {SCHEMA}.concept AS staged JOIN {OMOP}.concept AS held USING (concept_id)
    WHERE concept_id >= {FIRST_CUSTOM_ID} AND ROW(staged.*) IS DISTINCT FROM ROW(held.*)
    ORDER BY concept_id
""")

_VOCABULARY_CLASHES = text(f"""
    SELECT vocabulary_id, held.vocabulary_name, staged.vocabulary_name
    FROM {SCHEMA}.vocabulary AS staged JOIN {OMOP}.vocabulary AS held USING (vocabulary_id)
    WHERE vocabulary_id IN (SELECT vocabulary_id FROM {OMOP}.concept WHERE concept_id >= {FIRST_CUSTOM_ID})
      AND EXISTS (SELECT FROM {SCHEMA}.concept AS other
                  WHERE other.vocabulary_id = staged.vocabulary_id AND other.concept_id < {FIRST_CUSTOM_ID})
    ORDER BY vocabulary_id
""")

_CARRY_CONCEPTS = text(f"""
    INSERT INTO {SCHEMA}.concept AS staged SELECT * FROM {OMOP}.concept AS held WHERE {_OURS}
    ON CONFLICT (concept_id) DO UPDATE SET
        concept_name = excluded.concept_name, domain_id = excluded.domain_id,
        vocabulary_id = excluded.vocabulary_id, concept_class_id = excluded.concept_class_id,
        standard_concept = excluded.standard_concept, concept_code = excluded.concept_code,
        valid_start_date = excluded.valid_start_date, valid_end_date = excluded.valid_end_date,
        invalid_reason = excluded.invalid_reason
    WHERE (staged.concept_id >= {FIRST_CUSTOM_ID} OR staged.vocabulary_id = '{PLACEHOLDER}')
      AND staged IS DISTINCT FROM excluded
""")

#: A code that the carried concepts need, described by concept 0 where its own concept is not in the bundle.
_CARRY_CODE = """
    INSERT INTO {schema}.{table}
    SELECT {columns} FROM {omop}.{table} AS held
    WHERE ({table}_id IN (SELECT {table}_id FROM {schema}.concept WHERE {ours}){more})
    ON CONFLICT ({table}_id) DO NOTHING
"""

#: Tables whose rows link two concepts, by the columns that name these. Drug strengths also name their units.
_PAIRS = {
    "concept_relationship": ("concept_id_1", "concept_id_2"),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id"),
    "drug_strength": ("drug_concept_id", "ingredient_concept_id"),
}


def _pair(table: str) -> str:
    """The rows of such a table that link custom concepts."""
    one, other = _PAIRS[table]
    return f"SELECT * FROM {OMOP}.{table} WHERE {one} >= {FIRST_CUSTOM_ID} OR {other} >= {FIRST_CUSTOM_ID}"


def _named(table: str) -> str:
    """Every concept that a row ``held`` of the table names."""
    columns = ", ".join(f"(held.{one.name})" for one in concept_columns(metadata.tables[f"{OMOP}.{table}"]))
    return f"(VALUES {columns}) AS named (concept_id)"


def _carry_pair(table: str) -> str:
    """Brings over those rows of which every concept is there."""
    return f"""
        INSERT INTO {SCHEMA}.{table} SELECT held.* FROM ({_pair(table)}) AS held
        WHERE NOT EXISTS (
            SELECT FROM {_named(table)} LEFT JOIN {SCHEMA}.concept AS staged USING (concept_id)
            WHERE named.concept_id IS NOT NULL AND staged.concept_id IS NULL)
        ON CONFLICT DO NOTHING
    """


_CARRY_LINKED = (
    text(f"""
        INSERT INTO {SCHEMA}.relationship
        SELECT relationship_id, relationship_name, is_hierarchical, defines_ancestry, reverse_relationship_id,
               0
        FROM {OMOP}.relationship
        WHERE relationship_id IN (
            SELECT unnest(ARRAY[relationship_id, reverse_relationship_id]) FROM {OMOP}.relationship
            WHERE relationship_id IN (
                SELECT relationship_id FROM {OMOP}.concept_relationship
                WHERE concept_id_1 >= {FIRST_CUSTOM_ID} OR concept_id_2 >= {FIRST_CUSTOM_ID}))
        ON CONFLICT (relationship_id) DO NOTHING
    """),
    *(text(_carry_pair(table)) for table in _PAIRS),
    text(f"""
        INSERT INTO {SCHEMA}.concept_synonym
        SELECT held.concept_id, concept_synonym_name, coalesce(language.concept_id, 0)
        FROM {OMOP}.concept_synonym AS held
        LEFT JOIN {SCHEMA}.concept AS language ON language.concept_id = language_concept_id
        WHERE held.concept_id >= {FIRST_CUSTOM_ID}
        EXCEPT SELECT * FROM {SCHEMA}.concept_synonym WHERE concept_id >= {FIRST_CUSTOM_ID}
    """),
)


def tell_clashes(connection: Connection, report: Report) -> None:
    """Report where the bundle has a concept or vocabulary of ours otherwise."""
    for concept, ours, our_vocabulary, theirs, their_vocabulary in connection.execute(_CONCEPT_CLASHES):
        message = (
            f"concept {concept} is '{theirs}' of {their_vocabulary} in the bundle and '{ours}' of "
            f"{our_vocabulary} here; renumber or change one of them"
        )
        report.add("clash", "CONCEPT.csv", 0, message)
    for vocabulary, ours, theirs in connection.execute(_VOCABULARY_CLASHES):
        message = (
            f"vocabulary '{vocabulary}' is '{theirs}' in the bundle and '{ours}', one of our own, here; "
            "give ours another name"
        )
        report.add("clash", "VOCABULARY.csv", 0, message)


def tell_lost_links(connection: Connection, report: Report) -> None:
    """Report what links our concepts to others that are not staged; those links cannot be carried over."""
    for table in _PAIRS:
        for count, concept, vocabulary in connection.execute(text(_lost(table))):
            message = (
                f"{count} rows of {table} link custom concepts to concept {concept} of {vocabulary}, which "
                f"the bundle does not have; choose {vocabulary} too when you download"
            )
            report.add("lost-link", file_of(table), 0, message, vocabulary)


def _lost(table: str) -> str:
    """Counts those rows by each concept of theirs that is not there."""
    return f"""
        SELECT count(*), lost.concept_id, lost.vocabulary_id
        FROM ({_pair(table)}) AS held CROSS JOIN LATERAL {_named(table)}
        JOIN {OMOP}.concept AS lost ON lost.concept_id = named.concept_id
        WHERE NOT EXISTS (SELECT FROM {SCHEMA}.concept AS staged WHERE staged.concept_id = lost.concept_id)
        GROUP BY lost.concept_id, lost.vocabulary_id ORDER BY lost.concept_id
    """


def carry(connection: Connection) -> None:
    """Bring over concepts with what describes them; their keys in staging must stand. It may be repeated."""
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    connection.execute(_CARRY_CONCEPTS)
    for table in TABLES[1:4]:
        more = f" OR vocabulary_id IN ({_OUR_VOCABULARIES})" if table.name == "vocabulary" else ""
        statement = _CARRY_CODE.format(
            schema=SCHEMA, omop=OMOP, table=table.name, columns=_with_label_zero(table), ours=_OURS, more=more
        )
        connection.execute(text(statement))


def carry_linked(connection: Connection) -> None:
    """Bring over relationships, ancestors, drug strengths and synonyms of custom concepts."""
    for statement in _CARRY_LINKED:
        connection.execute(statement)


def _with_label_zero(table: Table) -> str:
    label = f"{table.name}_concept_id"
    known = f"coalesce((SELECT concept_id FROM {SCHEMA}.concept WHERE concept_id = {label}), 0)"
    return ", ".join(known if column.name == label else column.name for column in table.columns)
