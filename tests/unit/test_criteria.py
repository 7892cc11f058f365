"""What a search looks for in an attribute: as conditions, or as the reason why it cannot."""

import pytest

from etl.find.attributes import ATTRIBUTES, known
from etl.find.criteria import BadCriterion, criterion


def values(keyword: str, value: str) -> dict[str, object]:
    return criterion(known("series")[keyword], value).values


@pytest.mark.parametrize(
    ("keyword", "value", "parameters"),
    [
        ("StudyInstanceUID", "1.2", {"studyinstanceuid": ["1.2"]}),
        ("StudyInstanceUID", "1.2, 1.3\\1.4", {"studyinstanceuid": ["1.2", "1.3", "1.4"]}),
        ("PatientID", " P1 ", {"patientid": "P1"}),
        ("StudyDate", "20000121", {"studydate": "2000-01-21"}),
        ("StudyDate", "20000121-20000229", {"studydate_first": "2000-01-21", "studydate_last": "2000-02-29"}),
        ("StudyDate", "-20000121", {"studydate_last": "2000-01-21"}),
        ("StudyDate", "20000121-", {"studydate_first": "2000-01-21"}),
    ],
)
def test_a_value_becomes_parameters(keyword: str, value: str, parameters: dict[str, object]) -> None:
    assert values(keyword, value) == parameters


@pytest.mark.parametrize(
    "value", ["'; DROP TABLE omop.person", "1.2' OR '1'='1", "a*", "20000101-20000102-3"]
)
def test_no_value_is_ever_part_of_the_sql(value: str) -> None:
    for each in ATTRIBUTES:
        if each.match is None:
            continue
        for fuzzy in (False, True):
            try:
                assert value not in criterion(each, value, fuzzy=fuzzy).sql
            except BadCriterion as bad:
                assert value not in str(bad)


@pytest.mark.parametrize("keyword", ["PatientSex", "SeriesDescription", "Rows", "TimezoneOffsetFromUTC"])
def test_most_attributes_cannot_be_searched_by(keyword: str) -> None:
    with pytest.raises(BadCriterion, match="cannot be searched by"):
        criterion(known("series")[keyword], "x")


def test_studies_know_nothing_of_series() -> None:
    assert {each.level for each in known("study").values()} == {"study"}
    assert {each.level for each in known("series").values()} == {"study", "series"}
    assert known("series")["0020000D"] is known("series")["StudyInstanceUID"]
    assert known("series")["DiffusionBValue"].told == "named"
