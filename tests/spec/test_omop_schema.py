"""The tables of schema ``omop`` against what OMOP CDM v6.0.0 and its oncology extension declare."""

import pytest
from sqlalchemy import BigInteger, Column, Float, String, Table
from sqlalchemy.dialects import postgresql

from omop_schema import LAKE, OMOP, RESULTS, metadata, oncology, results

#: The official PostgreSQL DDL, table by table: columns, NOT NULL columns, foreign keys, primary key.
#: vocabulary has one NOT NULL less than there: Athena leaves vocabulary_reference empty.
CDM = [
    ("concept", 10, 8, 3, "concept_id"),
    ("vocabulary", 5, 3, 1, "vocabulary_id"),
    ("domain", 3, 3, 1, "domain_id"),
    ("concept_class", 3, 3, 1, "concept_class_id"),
    ("concept_relationship", 6, 5, 3, "concept_id_1 concept_id_2 relationship_id"),
    ("relationship", 6, 6, 2, "relationship_id"),
    ("concept_synonym", 3, 3, 2, ""),
    ("concept_ancestor", 4, 4, 2, "ancestor_concept_id descendant_concept_id"),
    ("source_to_concept_map", 9, 7, 3, "source_code source_vocabulary_id target_concept_id valid_end_date"),
    ("drug_strength", 12, 4, 5, "drug_concept_id ingredient_concept_id"),
    ("attribute_definition", 5, 3, 0, ""),
    ("cdm_source", 10, 1, 0, ""),
    ("metadata", 7, 3, 2, ""),
    ("person", 19, 8, 9, "person_id"),
    ("observation_period", 5, 5, 2, "observation_period_id"),
    ("specimen", 15, 7, 6, "specimen_id"),
    ("visit_occurrence", 17, 9, 8, "visit_occurrence_id"),
    ("visit_detail", 19, 10, 10, "visit_detail_id"),
    ("procedure_occurrence", 14, 7, 8, "procedure_occurrence_id"),
    ("drug_exposure", 23, 8, 8, "drug_exposure_id"),
    ("device_exposure", 15, 6, 7, "device_exposure_id"),
    ("condition_occurrence", 16, 7, 8, "condition_occurrence_id"),
    ("measurement", 20, 6, 10, "measurement_id"),
    ("note", 16, 8, 8, "note_id"),
    ("note_nlp", 14, 7, 4, "note_nlp_id"),
    ("observation", 21, 7, 10, "observation_id"),
    ("survey_conduct", 25, 10, 12, "survey_conduct_id"),
    ("fact_relationship", 5, 5, 3, ""),
    ("location", 11, 1, 0, "location_id"),
    ("location_history", 7, 6, 1, "location_history_id"),
    ("care_site", 6, 2, 2, "care_site_id"),
    ("provider", 13, 4, 5, "provider_id"),
    ("payer_plan_period", 21, 14, 12, "payer_plan_period_id"),
    ("cost", 18, 11, 8, "cost_id"),
    ("drug_era", 7, 5, 2, "drug_era_id"),
    ("dose_era", 7, 7, 3, "dose_era_id"),
    ("condition_era", 6, 5, 2, "condition_era_id"),
]
ONCOLOGY_COLUMNS = ("modifier_of_event_id", "modifier_of_field_concept_id")
#: What R-CDM and the OHDSI imaging extension declare, in their order; ours have more columns.
IMAGING = {
    "radiology_occurrence": "radiology_occurrence_id radiology_occurrence_date radiology_occurrence_datetime"
    " person_id condition_occurrence_id device_concept_id radiology_modality_concept_id"
    " radiology_protocol_concept_id person_position_concept_id image_total_count anatomic_site_concept_id"
    " radiology_comment image_dosage_unit_concept dosage_value_as_number image_exposure_time_unit_concept"
    " image_exposure_time visit_occurrence_id radiology_dirpath",
    "radiology_image": "image_id radiology_occurrence_id person_id image_type radiology_phase_concept_id"
    " image_no phase_total_no image_resolution_rows image_resolution_columns image_window_level_center"
    " image_window_level_width image_slice_thickness image_filepath",
    "image_feature": "image_feature_id person_id image_occurrence_id image_feature_event_field_concept_id"
    " image_feature_event_id image_feature_concept_id image_feature_type_concept_id image_finding_concept_id"
    " image_finding_id anatomic_site_concept_id alg_system alg_datetime",
}
CURATION = {"curation_run", "registration_step", "registration_level", "curation_approval"}
EXTENSIONS = {
    "episode",
    "episode_event",
    "concept_numeric",
    *IMAGING,
    *CURATION,
}
COHORTS = {"cohort", "cohort_definition"}
#: Ours: how a cohort came about.
COHORT_RUNS = {"cohort_run", "cohort_step"}
#: Tables whose rows are deleted by id range when a case is loaded again, or whose rows a person owns.
EVENT_TABLES = {table.name for table in metadata.tables.values() if "person_id" in table.c}


def omop(name: str) -> Table:
    schema = RESULTS if name in COHORTS else OMOP
    return metadata.tables[f"{schema}.{name}"]


@pytest.mark.parametrize("name", IMAGING)
def test_imaging_tables_begin_with_what_their_extensions_declare(name: str) -> None:
    declared = IMAGING[name].split()
    assert [column.name for column in omop(name).columns if column.name in declared] == declared
    assert {"study_instance_uid", "series_instance_uid"} & set(omop(name).columns.keys())


def official(name: str) -> list[Column]:
    return [column for column in omop(name).columns if column.name not in ONCOLOGY_COLUMNS]


def foreign_keys():
    return [key for table in metadata.tables.values() for key in table.foreign_keys]


def leading_columns(table: Table) -> set[str]:
    keys = [table.primary_key, *table.indexes]
    return {next(iter(key.columns)).name for key in keys if len(key.columns)}


def ddl_type(column: Column) -> str:
    return column.type.compile(postgresql.dialect()).lower().removesuffix(" without time zone")


@pytest.mark.parametrize(("table", "columns", "not_null", "links", "key"), CDM, ids=[row[0] for row in CDM])
def test_table_has_the_shape_of_the_cdm(table, columns, not_null, links, key):
    found = official(table)
    assert len(found) == columns
    assert sum(not column.nullable for column in found) == not_null
    assert sum(len(column.foreign_keys) for column in found) == links
    assert {column.name for column in omop(table).primary_key} == set(key.split())


def test_every_table_of_the_cdm_and_its_extensions_and_no_other():
    tables = {table.name for table in metadata.tables.values() if table.schema == OMOP}
    assert tables == {row[0] for row in CDM} | EXTENSIONS
    assert len(CDM) == 37
    assert sum(len(omop(row[0]).columns) for row in CDM) == 423 + len(ONCOLOGY_COLUMNS)
    assert {
        table.name for table in metadata.tables.values() if table.schema == RESULTS
    } == COHORTS | COHORT_RUNS
    assert {table.schema for table in metadata.tables.values()} == {OMOP, LAKE, RESULTS}


@pytest.mark.parametrize(
    ("table", "column", "type_", "nullable"),
    [
        ("concept", "concept_id", "integer", False),
        ("concept", "concept_name", "varchar(255)", False),
        ("concept", "standard_concept", "varchar(1)", True),
        ("concept_synonym", "concept_synonym_name", "varchar(1000)", False),
        ("vocabulary", "vocabulary_reference", "varchar(255)", True),
        ("drug_strength", "amount_value", "numeric", True),
        ("person", "person_id", "bigint", False),
        ("person", "birth_datetime", "timestamp", True),
        ("person", "care_site_id", "bigint", True),
        ("person", "ethnicity_source_concept_id", "integer", False),
        ("visit_occurrence", "visit_end_datetime", "timestamp", False),
        ("visit_occurrence", "preceding_visit_occurrence_id", "bigint", True),
        ("visit_detail", "visit_occurrence_id", "bigint", False),
        ("procedure_occurrence", "procedure_date", "date", True),
        ("device_exposure", "device_source_value", "varchar(100)", True),
        ("measurement", "value_as_number", "numeric", True),
        ("measurement", "measurement_time", "varchar(10)", True),
        ("measurement", "visit_occurrence_id", "bigint", True),
        ("measurement", "modifier_of_event_id", "bigint", True),
        ("measurement", "modifier_of_field_concept_id", "integer", True),
        ("observation", "value_as_string", "varchar(60)", True),
        ("observation", "obs_event_field_concept_id", "integer", False),
        ("note", "note_text", "text", True),
        ("note_nlp", "offset", "varchar(250)", True),
        ("location", "state", "varchar(2)", True),
        ("cost", "drg_source_value", "varchar(3)", True),
        ("metadata", "metadata_datetime", "timestamp", True),
        ("episode", "episode_parent_id", "bigint", True),
        ("episode", "episode_start_datetime", "timestamp", False),
        ("cohort", "subject_id", "bigint", False),
    ],
)
def test_column_has_the_type_of_the_cdm(table, column, type_, nullable):
    found = omop(table).c[column]
    assert (ddl_type(found), found.nullable) == (type_, nullable)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("cohort", "cohort_definition_id subject_id cohort_start_date cohort_end_date"),
        (
            "cohort_definition",
            "cohort_definition_id cohort_definition_name cohort_definition_description"
            " definition_type_concept_id cohort_definition_syntax subject_concept_id cohort_initiation_date",
        ),
        (
            "episode",
            "episode_id person_id episode_concept_id episode_start_datetime episode_end_datetime"
            " episode_parent_id episode_number episode_object_concept_id episode_type_concept_id"
            " episode_source_value episode_source_concept_id",
        ),
        ("episode_event", "episode_id event_id episode_event_field_concept_id"),
        ("concept_numeric", "concept_id value_as_number unit_concept_id operator_concept_id"),
        (
            "observation_period",
            "observation_period_id person_id observation_period_start_date observation_period_end_date"
            " period_type_concept_id",
        ),
        (
            "source_to_concept_map",
            "source_code source_concept_id source_vocabulary_id source_code_description target_concept_id"
            " target_vocabulary_id valid_start_date valid_end_date invalid_reason",
        ),
    ],
)
def test_columns_stand_in_order(table, names):
    assert omop(table).columns.keys() == names.split()


def test_modifier_columns_come_after_the_official_ones():
    assert tuple(omop("measurement").columns.keys()[-2:]) == ONCOLOGY_COLUMNS


def test_episode_event_is_keyed_by_all_its_columns():
    assert oncology.episode_event.primary_key.columns.keys() == oncology.episode_event.columns.keys()


def test_cohorts_are_keyed_as_in_the_results_ddl():
    assert results.cohort.primary_key.columns.keys() == results.cohort.columns.keys()
    assert results.cohort_definition.primary_key.columns.keys() == ["cohort_definition_id"]


def test_every_reference_to_a_bigint_key_is_bigint():
    wide = [key for key in foreign_keys() if isinstance(key.column.type, BigInteger)]
    assert len(wide) > 60
    assert [str(key.parent) for key in wide if not isinstance(key.parent.type, BigInteger)] == []


def test_every_reference_has_the_type_of_its_target():
    widened = {"cohort.cohort_definition_id"}  # BIGINT to INTEGER in the official results DDL
    differ = {
        f"{key.parent.table.name}.{key.parent.name}"
        for key in foreign_keys()
        if ddl_type(key.parent) != ddl_type(key.column)
    }
    assert differ == widened


def test_survey_conduct_refers_to_visit_occurrence():
    for name in ("visit_occurrence_id", "response_visit_occurrence_id"):
        assert [key.column for key in omop("survey_conduct").c[name].foreign_keys] == [
            omop("visit_occurrence").c.visit_occurrence_id
        ]


def test_no_column_can_lose_digits_or_has_text_without_a_stated_length():
    for table in (table for table in metadata.tables.values() if table.schema != LAKE):
        for column in table.columns:
            assert not isinstance(column.type, Float), str(column)
            assert ddl_type(column) != "varchar", str(column)
            if isinstance(column.type, String) and column.type.length:
                assert 1 <= column.type.length <= 2048, str(column)


def test_no_key_is_drawn_from_a_sequence():
    for table in (table for table in metadata.tables.values() if table.schema != LAKE):
        assert table.autoincrement_column is None, table.name


def test_deleting_an_event_never_scans_a_table_that_refers_to_it():
    unindexed = {
        str(key.parent)
        for key in foreign_keys()
        if key.column.table.schema == OMOP
        and key.column.table.name in EVENT_TABLES | {"note"}
        and key.parent.name not in leading_columns(key.parent.table)
    }
    assert unindexed == set()


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("concept", "concept_id concept_code vocabulary_id domain_id concept_class_id"),
        ("concept_relationship", "concept_id_1 concept_id_2 relationship_id"),
        ("concept_ancestor", "ancestor_concept_id descendant_concept_id"),
        ("concept_synonym", "concept_id"),
        (
            "source_to_concept_map",
            "source_vocabulary_id target_vocabulary_id target_concept_id source_code",
        ),
        ("drug_strength", "drug_concept_id ingredient_concept_id"),
        ("visit_occurrence", "person_id visit_concept_id preceding_visit_occurrence_id"),
        ("condition_occurrence", "person_id condition_concept_id visit_occurrence_id visit_detail_id"),
        ("procedure_occurrence", "person_id procedure_concept_id visit_occurrence_id visit_detail_id"),
        ("measurement", "person_id measurement_concept_id visit_occurrence_id modifier_of_event_id"),
        ("observation", "person_id observation_concept_id visit_occurrence_id observation_event_id"),
        ("note", "person_id note_type_concept_id visit_occurrence_id note_event_id"),
        ("episode", "person_id episode_concept_id episode_parent_id"),
        ("episode_event", "episode_id event_id"),
        ("cohort", "cohort_definition_id subject_id"),
    ],
)
def test_columns_that_queries_start_from_lead_an_index(table, columns):
    assert set(columns.split()) <= leading_columns(omop(table))


def test_only_the_circle_of_vocabulary_tables_can_wait_for_the_commit():
    circle = {"concept", "vocabulary", "domain", "concept_class", "relationship"}
    deferrable = [key for key in foreign_keys() if key.deferrable]
    assert {key.parent.table.name for key in deferrable} == circle
    assert {key.initially for key in deferrable} == {"IMMEDIATE"}
    assert all(key.deferrable for key in foreign_keys() if key.parent.table.name in circle)


def test_every_table_explains_itself_in_one_line():
    for table in metadata.tables.values():
        assert table.comment, table.name
        assert "\n" not in table.comment
        assert len(table.comment) <= 100, table.name


def test_every_name_fits_postgresql():
    tables = metadata.tables.values()
    names = [item.name for table in tables for item in (*table.indexes, *table.constraints)]
    assert len(names) > 300
    assert [name for name in names if not name or len(name) > 63] == []
