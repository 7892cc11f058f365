"""Schema ``omop54`` against the published field list of CDM v5.4: names, order, types, what is required."""

import re
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text

from omop_schema import metadata, omop54

#: CDM v5.4, table by table in its order. A star: required. i: integer, d: date, t: datetime, n: float,
#: x: varchar(MAX), a number: varchar of that length.
OFFICIAL = """\
person person_id*:i gender_concept_id*:i year_of_birth*:i month_of_birth:i day_of_birth:i birth_datetime:t
    race_concept_id*:i ethnicity_concept_id*:i location_id:i provider_id:i care_site_id:i
    person_source_value:50 gender_source_value:50 gender_source_concept_id:i race_source_value:50
    race_source_concept_id:i ethnicity_source_value:50 ethnicity_source_concept_id:i
observation_period observation_period_id*:i person_id*:i observation_period_start_date*:d
    observation_period_end_date*:d period_type_concept_id*:i
visit_occurrence visit_occurrence_id*:i person_id*:i visit_concept_id*:i visit_start_date*:d
    visit_start_datetime:t visit_end_date*:d visit_end_datetime:t visit_type_concept_id*:i provider_id:i
    care_site_id:i visit_source_value:50 visit_source_concept_id:i admitted_from_concept_id:i
    admitted_from_source_value:50 discharged_to_concept_id:i discharged_to_source_value:50
    preceding_visit_occurrence_id:i
visit_detail visit_detail_id*:i person_id*:i visit_detail_concept_id*:i visit_detail_start_date*:d
    visit_detail_start_datetime:t visit_detail_end_date*:d visit_detail_end_datetime:t
    visit_detail_type_concept_id*:i provider_id:i care_site_id:i visit_detail_source_value:50
    visit_detail_source_concept_id:i admitted_from_concept_id:i admitted_from_source_value:50
    discharged_to_source_value:50 discharged_to_concept_id:i preceding_visit_detail_id:i
    parent_visit_detail_id:i visit_occurrence_id*:i
condition_occurrence condition_occurrence_id*:i person_id*:i condition_concept_id*:i
    condition_start_date*:d condition_start_datetime:t condition_end_date:d condition_end_datetime:t
    condition_type_concept_id*:i condition_status_concept_id:i stop_reason:20 provider_id:i
    visit_occurrence_id:i visit_detail_id:i condition_source_value:50 condition_source_concept_id:i
    condition_status_source_value:50
drug_exposure drug_exposure_id*:i person_id*:i drug_concept_id*:i drug_exposure_start_date*:d
    drug_exposure_start_datetime:t drug_exposure_end_date*:d drug_exposure_end_datetime:t
    verbatim_end_date:d drug_type_concept_id*:i stop_reason:20 refills:i quantity:n days_supply:i sig:x
    route_concept_id:i lot_number:50 provider_id:i visit_occurrence_id:i visit_detail_id:i
    drug_source_value:50 drug_source_concept_id:i route_source_value:50 dose_unit_source_value:50
procedure_occurrence procedure_occurrence_id*:i person_id*:i procedure_concept_id*:i procedure_date*:d
    procedure_datetime:t procedure_end_date:d procedure_end_datetime:t procedure_type_concept_id*:i
    modifier_concept_id:i quantity:i provider_id:i visit_occurrence_id:i visit_detail_id:i
    procedure_source_value:50 procedure_source_concept_id:i modifier_source_value:50
device_exposure device_exposure_id*:i person_id*:i device_concept_id*:i device_exposure_start_date*:d
    device_exposure_start_datetime:t device_exposure_end_date:d device_exposure_end_datetime:t
    device_type_concept_id*:i unique_device_id:255 production_id:255 quantity:i provider_id:i
    visit_occurrence_id:i visit_detail_id:i device_source_value:50 device_source_concept_id:i
    unit_concept_id:i unit_source_value:50 unit_source_concept_id:i
measurement measurement_id*:i person_id*:i measurement_concept_id*:i measurement_date*:d
    measurement_datetime:t measurement_time:10 measurement_type_concept_id*:i operator_concept_id:i
    value_as_number:n value_as_concept_id:i unit_concept_id:i range_low:n range_high:n provider_id:i
    visit_occurrence_id:i visit_detail_id:i measurement_source_value:50 measurement_source_concept_id:i
    unit_source_value:50 unit_source_concept_id:i value_source_value:50 measurement_event_id:i
    meas_event_field_concept_id:i
observation observation_id*:i person_id*:i observation_concept_id*:i observation_date*:d
    observation_datetime:t observation_type_concept_id*:i value_as_number:n value_as_string:60
    value_as_concept_id:i qualifier_concept_id:i unit_concept_id:i provider_id:i visit_occurrence_id:i
    visit_detail_id:i observation_source_value:50 observation_source_concept_id:i unit_source_value:50
    qualifier_source_value:50 value_source_value:50 observation_event_id:i obs_event_field_concept_id:i
death person_id*:i death_date*:d death_datetime:t death_type_concept_id:i cause_concept_id:i
    cause_source_value:50 cause_source_concept_id:i
note note_id*:i person_id*:i note_date*:d note_datetime:t note_type_concept_id*:i note_class_concept_id*:i
    note_title:250 note_text*:x encoding_concept_id*:i language_concept_id*:i provider_id:i
    visit_occurrence_id:i visit_detail_id:i note_source_value:50 note_event_id:i
    note_event_field_concept_id:i
note_nlp note_nlp_id*:i note_id*:i section_concept_id:i snippet:250 offset:50 lexical_variant*:250
    note_nlp_concept_id:i note_nlp_source_concept_id:i nlp_system:250 nlp_date*:d nlp_datetime:t
    term_exists:1 term_temporal:50 term_modifiers:2000
specimen specimen_id*:i person_id*:i specimen_concept_id*:i specimen_type_concept_id*:i specimen_date*:d
    specimen_datetime:t quantity:n unit_concept_id:i anatomic_site_concept_id:i
    disease_status_concept_id:i specimen_source_id:50 specimen_source_value:50 unit_source_value:50
    anatomic_site_source_value:50 disease_status_source_value:50
fact_relationship domain_concept_id_1*:i fact_id_1*:i domain_concept_id_2*:i fact_id_2*:i
    relationship_concept_id*:i
location location_id*:i address_1:50 address_2:50 city:50 state:2 zip:9 county:20 location_source_value:50
    country_concept_id:i country_source_value:80 latitude:n longitude:n
care_site care_site_id*:i care_site_name:255 place_of_service_concept_id:i location_id:i
    care_site_source_value:50 place_of_service_source_value:50
provider provider_id*:i provider_name:255 npi:20 dea:20 specialty_concept_id:i care_site_id:i
    year_of_birth:i gender_concept_id:i provider_source_value:50 specialty_source_value:50
    specialty_source_concept_id:i gender_source_value:50 gender_source_concept_id:i
payer_plan_period payer_plan_period_id*:i person_id*:i payer_plan_period_start_date*:d
    payer_plan_period_end_date*:d payer_concept_id:i payer_source_value:50 payer_source_concept_id:i
    plan_concept_id:i plan_source_value:50 plan_source_concept_id:i sponsor_concept_id:i
    sponsor_source_value:50 sponsor_source_concept_id:i family_source_value:50 stop_reason_concept_id:i
    stop_reason_source_value:50 stop_reason_source_concept_id:i
cost cost_id*:i cost_event_id*:i cost_domain_id*:20 cost_type_concept_id*:i currency_concept_id:i
    total_charge:n total_cost:n total_paid:n paid_by_payer:n paid_by_patient:n paid_patient_copay:n
    paid_patient_coinsurance:n paid_patient_deductible:n paid_by_primary:n paid_ingredient_cost:n
    paid_dispensing_fee:n payer_plan_period_id:i amount_allowed:n revenue_code_concept_id:i
    revenue_code_source_value:50 drg_concept_id:i drg_source_value:3
drug_era drug_era_id*:i person_id*:i drug_concept_id*:i drug_era_start_date*:d drug_era_end_date*:d
    drug_exposure_count:i gap_days:i
dose_era dose_era_id*:i person_id*:i drug_concept_id*:i unit_concept_id*:i dose_value*:n
    dose_era_start_date*:d dose_era_end_date*:d
condition_era condition_era_id*:i person_id*:i condition_concept_id*:i condition_era_start_date*:d
    condition_era_end_date*:d condition_occurrence_count:i
episode episode_id*:i person_id*:i episode_concept_id*:i episode_start_date*:d episode_start_datetime:t
    episode_end_date:d episode_end_datetime:t episode_parent_id:i episode_number:i
    episode_object_concept_id*:i episode_type_concept_id*:i episode_source_value:50
    episode_source_concept_id:i
episode_event episode_id*:i event_id*:i episode_event_field_concept_id*:i
metadata metadata_id*:i metadata_concept_id*:i metadata_type_concept_id*:i name*:250 value_as_string:250
    value_as_concept_id:i value_as_number:n metadata_date:d metadata_datetime:t
cdm_source cdm_source_name*:255 cdm_source_abbreviation*:25 cdm_holder*:255 source_description:x
    source_documentation_reference:255 cdm_etl_reference:255 source_release_date*:d cdm_release_date*:d
    cdm_version:10 cdm_version_concept_id*:i vocabulary_version*:20
concept concept_id*:i concept_name*:255 domain_id*:20 vocabulary_id*:20 concept_class_id*:20
    standard_concept:1 concept_code*:50 valid_start_date*:d valid_end_date*:d invalid_reason:1
vocabulary vocabulary_id*:20 vocabulary_name*:255 vocabulary_reference:255 vocabulary_version:255
    vocabulary_concept_id*:i
domain domain_id*:20 domain_name*:255 domain_concept_id*:i
concept_class concept_class_id*:20 concept_class_name*:255 concept_class_concept_id*:i
concept_relationship concept_id_1*:i concept_id_2*:i relationship_id*:20 valid_start_date*:d
    valid_end_date*:d invalid_reason:1
relationship relationship_id*:20 relationship_name*:255 is_hierarchical*:1 defines_ancestry*:1
    reverse_relationship_id*:20 relationship_concept_id*:i
concept_synonym concept_id*:i concept_synonym_name*:1000 language_concept_id*:i
concept_ancestor ancestor_concept_id*:i descendant_concept_id*:i min_levels_of_separation*:i
    max_levels_of_separation*:i
source_to_concept_map source_code*:50 source_concept_id*:i source_vocabulary_id*:20
    source_code_description:255 target_concept_id*:i target_vocabulary_id*:20 valid_start_date*:d
    valid_end_date*:d invalid_reason:1
drug_strength drug_concept_id*:i ingredient_concept_id*:i amount_value:n amount_unit_concept_id:i
    numerator_value:n numerator_unit_concept_id:i denominator_value:n denominator_unit_concept_id:i
    box_size:i valid_start_date*:d valid_end_date*:d invalid_reason:1
cohort cohort_definition_id*:i subject_id*:i cohort_start_date*:d cohort_end_date*:d
cohort_definition cohort_definition_id*:i cohort_definition_name*:255 cohort_definition_description:x
    definition_type_concept_id*:i cohort_definition_syntax:x subject_concept_id*:i
    cohort_initiation_date:d
"""
TYPES = {"d": "date", "t": "timestamp without time zone", "n": "numeric", "x": "text"}


class Column(NamedTuple):
    name: str
    required: bool
    type: str


def official() -> dict[str, list[Column]]:
    tables: dict[str, list[Column]] = {}
    for line in OFFICIAL.splitlines():
        words = line.split()
        if not line.startswith(" "):
            table = words.pop(0)
        for word in words:
            name, type_ = word.split(":")
            tables.setdefault(table, []).append(Column(name.rstrip("*"), name.endswith("*"), type_))
    return tables


CDM = official()


def is_key(table: str, column: str) -> bool:
    """Whether the values are ids of rows, which v6.0 has in a bigint."""
    if "concept_id" in column or (table, column) == ("cohort_definition", "cohort_definition_id"):
        return False
    return bool(re.search(r"_id(_\d)?$", column))


def presented(table: str, column: Column) -> str:
    if column.type == "i":
        return "bigint" if is_key(table, column.name) else "integer"
    return TYPES.get(column.type) or f"character varying({column.type})"


def test_the_list_is_whole() -> None:
    assert (len(CDM), sum(map(len, CDM.values()))) == (39, 432)


def test_there_is_a_view_for_every_table_and_no_other(lake: Engine) -> None:
    with lake.connect() as connection:
        found = connection.execute(_COLUMNS).all()
    views: dict[str, list[tuple[str, str]]] = {}
    for view, column, type_ in found:
        views.setdefault(view, []).append((column, type_))
    assert views == {
        table: [(column.name, presented(table, column)) for column in columns]
        for table, columns in CDM.items()
    }


@pytest.mark.parametrize("table", CDM)
def test_the_list_of_sources_requires_what_the_cdm_requires(table: str) -> None:
    listed = {field.name: field.required for field in omop54.views()[table]}
    assert listed == {column.name: column.required for column in CDM[table]}


@pytest.mark.parametrize("table", CDM)
def test_what_is_required_cannot_be_null(table: str) -> None:
    """It is NOT NULL below, or is made of what is."""
    source = metadata.tables.get(omop54.table(table))
    for field in omop54.views()[table]:
        if field.required and not field.source:
            assert source is not None
            assert not source.c[field.name].nullable, f"{table}.{field.name}"
        elif field.required and field.source.startswith("coalesce("):
            last = field.source.removesuffix(")").split(", ")[-1]
            column = re.fullmatch(r"cdm\.(\w+)(::date)?", last)
            assert column is None or not source.c[column[1]].nullable, f"{table}.{field.name}"
        elif field.required:
            assert field.source != "NULL", f"{table}.{field.name}"


def test_what_the_views_do_not_have_is_explained() -> None:
    silent = [field for field in omop54.fields() if field.source == "NULL" and not field.note]
    assert silent == []


_COLUMNS = text("""
    SELECT relname, attname, format_type(atttypid, atttypmod)
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = 'omop54'::regnamespace AND attnum > 0
     ORDER BY relname, attnum
""")
