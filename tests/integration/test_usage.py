"""Which concepts the data use, told from a real database."""

from sqlalchemy import Engine, text

from vocabularies.usage import (
    concept_columns,
    enforced_columns,
    free_columns,
    used_concepts,
    used_concepts_sql,
)

SAME_KEYS = """
    SELECT source.relname, named.attname
    FROM pg_constraint key
    JOIN pg_class source ON source.oid = key.conrelid
    JOIN pg_attribute named ON named.attrelid = key.conrelid AND named.attnum = ANY (key.conkey)
    WHERE key.contype = 'f' AND key.confrelid = 'omop.concept'::regclass
      AND source.relname <> ALL (ARRAY['concept', 'vocabulary', 'domain', 'concept_class', 'relationship',
          'concept_relationship', 'concept_synonym', 'concept_ancestor', 'drug_strength'])
"""
FREE = {
    ("attribute_definition", "attribute_type_concept_id"),
    ("cost", "cost_event_field_concept_id"),
    ("metadata", "value_as_concept_id"),
    ("note", "note_event_field_concept_id"),
    ("observation", "obs_event_field_concept_id"),
    ("source_to_concept_map", "source_concept_id"),
    ("visit_detail", "admitted_from_concept_id"),
    ("visit_occurrence", "admitted_from_concept_id"),
}


def test_every_foreign_key_of_the_database_is_known(lake: Engine) -> None:
    with lake.connect() as connection:
        keys = {tuple(row) for row in connection.execute(text(SAME_KEYS))}
    assert {(one.table, one.column) for one in enforced_columns()} == keys


def test_columns_without_a_foreign_key_are_listed_apart() -> None:
    assert {(one.table, one.column) for one in free_columns()} == FREE
    assert set(concept_columns()) == {*enforced_columns(), *free_columns()}


DATA = """
    DELETE FROM omop.source_to_concept_map;
    INSERT INTO omop.person (person_id, gender_concept_id, year_of_birth, race_concept_id,
        ethnicity_concept_id, gender_source_concept_id, race_source_concept_id, ethnicity_source_concept_id)
    SELECT number, 0, 1950, 0, 0, 0, 0, 0 FROM generate_series(1, 3) AS number;
    INSERT INTO omop.note (note_id, person_id, note_datetime, note_type_concept_id, note_class_concept_id,
        encoding_concept_id, language_concept_id, note_event_field_concept_id)
    SELECT number, number, '2000-01-01', 32809, 0, 32678, 4180186, 77 FROM generate_series(1, 3) AS number;
    INSERT INTO omop.fact_relationship VALUES (8507, 1, 8532, 2, 0)
"""


def test_used_concepts_are_named_by_table_and_column(lake: Engine) -> None:
    with lake.connect() as connection:
        connection.execute(text(DATA))
        rows = connection.execute(text(used_concepts_sql())).all()
        assert sorted(tuple(row) for row in rows) == [
            (77, "note", "note_event_field_concept_id", False),
            (8507, "fact_relationship", "domain_concept_id_1", True),
            (8532, "fact_relationship", "domain_concept_id_2", True),
            (32678, "note", "encoding_concept_id", True),
            (32809, "note", "note_type_concept_id", True),
            (4180186, "note", "language_concept_id", True),
        ]
        assert used_concepts(connection) == {77, 8507, 8532, 32678, 32809, 4180186}
