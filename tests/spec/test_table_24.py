"""The custom vocabulary of D4.4, Table 24, corrected as ERRATA.md says, and the rules that use it."""

from datetime import date
from importlib.resources import files

import pytest

from etl.mapping.compile import read_mapping
from tests.spec.table_24 import TABLE_24, Row, rules_by_concept
from vocabularies.concepts import FIRST_CUSTOM_ID, Concept, read_concepts

PROSTATE = files("mappings") / "prostate"
NUMBERED = list(enumerate(TABLE_24, FIRST_CUSTOM_ID + 1))
SECOND_GRADE_5 = FIRST_CUSTOM_ID + 32
#: Of ours, not of D4.4: ERRATA.md 36.
OWN = {2000001001: "Biochemical relapse", 2000001002: "Likelihood of progression on MRI"}


@pytest.fixture(scope="module")
def custom() -> list[Concept]:
    return [one for one in read_concepts(PROSTATE / "concepts.csv") if one.custom]


@pytest.fixture(scope="module")
def printed(custom: list[Concept]) -> list[Concept]:
    return [one for one in custom if one.vocabulary_id == "PROCANCERI"]


@pytest.fixture(scope="module")
def used() -> dict[int, tuple[str, ...]]:
    return dict(rules_by_concept(read_mapping(PROSTATE)))


def test_ids_and_codes_count_from_one_to_38(printed: list[Concept]) -> None:
    assert [(one.concept_id, one.concept_code) for one in printed] == [
        (FIRST_CUSTOM_ID + number, str(number)) for number in range(1, 39)
    ]


def test_names_domains_and_classes_are_those_of_the_table(printed: list[Concept]) -> None:
    assert [(one.concept_name, one.domain_id, one.concept_class_id) for one in printed] == [
        (row.name, row.domain, row.concept_class) for row in TABLE_24
    ]


def test_every_other_custom_concept_is_of_a_vocabulary_of_ours(custom: list[Concept]) -> None:
    others = [one for one in custom if one.vocabulary_id != "PROCANCERI"]
    assert {one.concept_id: one.concept_name for one in others} == OWN
    assert {one.vocabulary_id for one in others} == {"ONCOLAKE"}


def test_all_but_the_second_grade_5_are_standard_and_valid_for_good(custom: list[Concept]) -> None:
    usable = [one for one in custom if one.concept_id != SECOND_GRADE_5]
    assert {
        (one.standard_concept, one.valid_start_date, one.valid_end_date, one.valid) for one in usable
    } == {("S", date(1970, 1, 1), date(2099, 12, 31), True)}


def test_the_second_grade_5_keeps_its_id_and_cannot_be_used(printed: list[Concept]) -> None:
    [second] = [one for one in printed if one.concept_id == SECOND_GRADE_5]
    assert (second.concept_name, second.standard_concept, second.invalid_reason) == ("Grade 5", None, "D")
    assert not second.valid


@pytest.mark.parametrize(("concept", "row"), NUMBERED, ids=[f"{n} {row.name}" for n, row in NUMBERED])
def test_the_mapping_uses_the_concept_in_these_rules(
    used: dict[int, tuple[str, ...]], concept: int, row: Row
) -> None:
    assert used.get(concept, ()) == row.rules
    assert bool(row.rules) != bool(row.unused)


def test_no_other_custom_concept_is_used(used: dict[int, tuple[str, ...]]) -> None:
    named = {concept for concept, _ in NUMBERED} | set(OWN)
    assert {concept for concept in used if concept > FIRST_CUSTOM_ID} <= named
