"""The custom vocabulary of D4.4, Table 24: 38 concepts, with the corrections that ERRATA.md lists."""

from datetime import date
from importlib.resources import files

import pytest

from vocabularies.concepts import FIRST_CUSTOM_ID, Concept, read_concepts

TABLE_24 = {
    "Index Lesion": "Observation/Study Variable",
    "Lesion Visible on MRI": "Observation/Study Variable",
    "Nerve-sparing prostatectomy": "Procedure/Study Variable",
    "PI-RADS score": "Measurement/Oncology Variable",
    "In-Bore Biopsy": "Procedure/Study Variable",
    "Aggressive Cancer": "Condition/Study Variable",
    "Baseline Visit": "Visit/Visit",
    "PSA Visit": "Visit/Visit",
    "Baseline Visit - Imaging": "Visit/Visit",
    "Follow-Up Visit": "Visit/Visit",
    "Follow-Up Visit - Baseline": "Visit/Visit",
    "Follow-Up Visit - PSA": "Visit/Visit",
    "Follow-Up Visit - Biopsy": "Visit/Visit",
    "Follow-Up Visit - Imaging": "Visit/Visit",
    # The answers to Wheeler ranking: Table 24 prints Measurement, see ERRATA.md 7.
    "L0": "Meas Value/Oncology Variable",
    "L1": "Meas Value/Oncology Variable",
    "L2": "Meas Value/Oncology Variable",
    "L3F": "Meas Value/Oncology Variable",
    "L3E": "Meas Value/Oncology Variable",
    "LX": "Meas Value/Oncology Variable",
    "Wheeler Ranking": "Measurement/Oncology Variable",
    "Prostate Volume": "Measurement/Study Variable",
    "RTOG/EORTC rectal acute radiation morbidity score": "Measurement/Oncology Variable",
    "RTOG/EORTC rectal chronic radiation morbidity score": "Measurement/Oncology Variable",
    "RTOG/EORTC genitourinary acute radiation morbidity score": "Measurement/Oncology Variable",
    "RTOG/EORTC genitourinary chronic radiation morbidity score": "Measurement/Oncology Variable",
    "Grade 1": "Meas Value/Oncology Variable",
    "Grade 2": "Meas Value/Oncology Variable",
    "Grade 3": "Meas Value/Oncology Variable",
    "Grade 4": "Meas Value/Oncology Variable",
    "Grade 5": "Meas Value/Oncology Variable",
    "Grade 5 again": "Meas Value/Oncology Variable",
    "Expanded Prostate cancer Index Composite score (EPIC-26)": "Measurement/Study Variable",
    "Q52. To what extent was sex enjoyable for you?": "Observation/Study Variable",
    "Q53. Did you have difficulty getting or maintaining an erection?": "Observation/Study Variable",
    "Q54. Did you have ejaculation problems (e.g. dry ejaculation)?": "Observation/Study Variable",
    "Q55. Have you felt uncomfortable about being sexually intimate?": "Observation/Study Variable",
    "EORTC Quality of Life Questionnaire-PR25": "Measurement/Study Variable",
}
SECOND_GRADE_5 = FIRST_CUSTOM_ID + 32


@pytest.fixture(scope="module")
def custom() -> list[Concept]:
    return [one for one in read_concepts(files("mappings") / "prostate" / "concepts.csv") if one.custom]


def test_ids_and_codes_count_from_one_to_38(custom: list[Concept]) -> None:
    assert [(one.concept_id, one.concept_code) for one in custom] == [
        (FIRST_CUSTOM_ID + number, str(number)) for number in range(1, 39)
    ]


def test_names_domains_and_classes_are_those_of_the_table(custom: list[Concept]) -> None:
    assert [(one.concept_name, f"{one.domain_id}/{one.concept_class_id}") for one in custom] == [
        (name.removesuffix(" again"), kind) for name, kind in TABLE_24.items()
    ]


def test_all_belong_to_procanceri(custom: list[Concept]) -> None:
    assert {one.vocabulary_id for one in custom} == {"PROCANCERI"}


def test_all_but_the_second_grade_5_are_standard_and_valid_for_good(custom: list[Concept]) -> None:
    usable = [one for one in custom if one.concept_id != SECOND_GRADE_5]
    assert {
        (one.standard_concept, one.valid_start_date, one.valid_end_date, one.valid) for one in usable
    } == {("S", date(1970, 1, 1), date(2099, 12, 31), True)}


def test_the_second_grade_5_keeps_its_id_and_cannot_be_used(custom: list[Concept]) -> None:
    [second] = [one for one in custom if one.concept_id == SECOND_GRADE_5]
    assert (second.concept_name, second.standard_concept, second.invalid_reason) == ("Grade 5", None, "D")
    assert not second.valid
