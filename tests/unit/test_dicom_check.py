"""The check of one header: every kind of violation is named, no value is told, and a clean header passes."""

from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ImplicitVRLittleEndian

from etl.dicom.check import Checked, check
from etl.dicom.elements import elements_of
from etl.dicom.judge import State
from etl.dicom.sources import from_json, quietly
from tests.dicoms import CANARY, VIOLATIONS, Violate, code, content, header, item


def checked(dataset: Dataset) -> Checked:
    return check(dataset, elements_of(dataset))


def read(dataset: FileDataset) -> FileDataset:
    return dcmread(BytesIO(content(dataset)), stop_before_pixels=True)


def tags(found: Checked) -> set[str]:
    return {finding.tag for finding in found.findings}


def test_a_clean_header_passes_with_the_state_of_each_tag() -> None:
    found = checked(read(header()))
    assert found.findings == set()
    assert {tag for tag, state in found.states.items() if state is State.EMPTY} == {
        *("(0008,0050)", "(0008,0090)", "(0010,0030)", "(0020,0010)")
    }
    assert found.states["(0010,0010)"] is State.DUMMY
    assert found.states["(0008,0020)"] is State.KEPT


@pytest.mark.parametrize("way", ["file", "implicit", "json"])
@pytest.mark.parametrize(
    ("violate", "expected"), [each[1:] for each in VIOLATIONS], ids=[v[0] for v in VIOLATIONS]
)
def test_every_violation_is_named_without_its_value(way: str, violate: Violate, expected: set[str]) -> None:
    dataset = header()
    violate(dataset)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if way == "implicit":
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    if way == "json":
        expected = expected - {"(0002,0003)"}
        found = checked(from_json(dataset.to_json_dict()).dataset)
    else:
        found = checked(read(dataset))
    assert tags(found) == expected
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    "values",
    [
        {"PatientName": "P00001"},
        {"PatientName": "P00001^"},
        {"PatientName": "ANON^ANON"},
        {"PatientName": "Anonymized"},
        {"PatientName": "anonymous 17"},
        {"PatientName": ""},
        {"PatientBirthDate": "19000101"},
        {"PatientBirthDate": "19700101", "PatientBirthTime": "000000"},
        {"AccessionNumber": "0000000"},
        {"AccessionNumber": "XXXX"},
        {"InstitutionName": "REMOVED"},
        {"StudyDescription": "abdomen^liver"},
        {"SeriesDescription": "ep2d_diff_b50_800_1400_ADC"},
        {"ReferringPhysicianName": "DUMMY"},
        {"LongitudinalTemporalInformationModified": "REMOVED"},
        {"RequestAttributesSequence": []},
        {"RequestAttributesSequence": [item(RequestedProcedureID="")]},
        {"RequestAttributesSequence": [item(RequestedProcedureID="ANON")]},
    ],
    ids=str,
)
def test_what_stands_for_nobody_passes(values: dict[str, Any]) -> None:
    assert checked(read(header(**values))).findings == set()


def test_moved_dates_may_be_told_by_the_method_code_alone() -> None:
    told = header(LongitudinalTemporalInformationModified=None)
    assert checked(read(told)).findings == set()
    full = header(LongitudinalTemporalInformationModified="UNMODIFIED")
    full.DeidentificationMethodCodeSequence = [code("113100"), code("113106")]
    assert "(0008,0020)" in tags(checked(read(full)))


def test_a_birth_date_is_never_a_moved_date() -> None:
    found = checked(read(header(PatientBirthDate="19600101")))
    assert {(each.tag, each.why) for each in found.findings} == {
        ("(0010,0030)", "a date or time of the patient")
    }


def test_the_same_sequence_is_judged_by_what_each_header_claims() -> None:
    dated = [item(ScheduledProcedureStepStartDate="20190714")]
    moved = header(ReferencedStudySequence=dated)
    other = header(ReferencedStudySequence=dated, LongitudinalTemporalInformationModified=None)
    other.DeidentificationMethodCodeSequence = [code("113100")]
    assert checked(read(moved)).findings == set()
    assert "(0040,0002)" in tags(checked(read(other)))
    assert checked(read(moved)).findings == set()


def test_references_may_stay_with_other_uids() -> None:
    reference = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.4", ReferencedSOPInstanceUID="2.25.17")
    reference.PurposeOfReferenceCodeSequence = [code("121311", "Localizer")]
    found = checked(read(header(ReferencedImageSequence=[reference])))
    assert found.findings == set()
    assert found.states["(0008,1140)"] is State.DUMMY


def test_a_dicomdir_needs_no_statement_and_may_hold_no_name() -> None:
    directory = Dataset()
    directory.DirectoryRecordSequence = [item(PatientName=f"{CANARY}^Ada", PatientID="4711")]
    found = checked(directory)
    assert tags(found) == {"(0010,0010)"}
    assert CANARY not in repr(found)


def test_a_value_that_stands_elsewhere_is_a_value() -> None:
    plain = header().to_json_dict()
    with quietly():
        found = checked(
            from_json({**plain, "00420011": {"vr": "OB", "BulkDataURI": "https://example.org/1"}}).dataset
        )
        text = checked(
            from_json({**plain, "00204000": {"vr": "LT", "BulkDataURI": "https://example.org/2"}}).dataset
        )
    assert tags(found) == {"(0042,0011)"}
    assert tags(text) == {"(0020,4000)"}
