"""The allow-list, the schema made of it, and the confidentiality profile as data."""

import json

import pytest
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from ruamel.yaml import YAML

from etl.dicom.policy import policy
from etl.dicom.schema import lines, schema
from etl.dicom.tags import FOLDER, TAGS, kept_tags, keywords, shown

#: D4.4's Tables 13, 16, 17, 19 and 20 at study and series level, but for what a search adds by itself.
D44 = {
    *("StudyInstanceUID", "PatientName", "PatientID", "PatientBirthDate", "AccessionNumber"),
    *("ReferringPhysicianName", "StudyDate", "StudyDescription", "SeriesInstanceUID", "Modality"),
    *("PerformedProcedureStepStartDate", "ManufacturerModelName", "SpecificCharacterSet", "StudyTime"),
    *(
        "TimezoneOffsetFromUTC",
        "PatientSex",
        "StudyID",
        "SeriesDescription",
        "PerformedProcedureStepStartTime",
    ),
    *("RequestAttributesSequence", "AnatomicRegionsInStudyCodeSequence", "ProcedureCodeSequence"),
    *("NameOfPhysiciansReadingStudy", "AdmittingDiagnosesDescription", "ReferencedStudySequence"),
    *("PatientAge", "PatientSize", "PatientWeight", "Occupation", "AdditionalPatientHistory"),
    *("SeriesNumber", "Laterality", "SeriesDate", "SeriesTime"),
}
#: D4.4's Figure 23, as the standard has it. There, the referring physician is X, the station's name X/Z/U,
#: and UIDs of classes, which are nobody's, are U.
FIGURE_23 = {
    "(0008,0018)": "U",
    "(0008,0020)": "Z",
    "(0008,0021)": "X/D",
    "(0008,0022)": "X/Z",
    "(0008,0023)": "Z/D",
    "(0008,0030)": "Z",
    "(0008,0031)": "X/D",
    "(0008,0032)": "X/Z",
    "(0008,0033)": "Z/D",
    "(0008,0050)": "Z",
    "(0008,0090)": "Z",
    "(0008,1010)": "X/Z/D",
    "(0008,1030)": "X",
    "(0008,103E)": "X",
    "(0008,1050)": "X",
    "(0008,1140)": "X/Z/U*",
    "(0008,1155)": "U",
}


def test_the_schema_is_made_of_the_list() -> None:
    written = FOLDER.joinpath("series.schema.json").read_text(encoding="utf-8")
    assert written == "".join(f"{line}\n" for line in lines())
    assert json.loads(written) == schema()


def test_every_attribute_of_the_document_is_kept_or_left_out_with_a_reason() -> None:
    left_out = YAML(typ="safe").load(TAGS.read_bytes())["left_out"]
    kept = {tag.keyword for tag in kept_tags().values()}
    assert D44 - kept == set(left_out)
    assert all(left_out.values())
    for keyword in left_out:
        assert "X" in policy().profile[shown(tag_for_keyword(keyword) or 0)].action


def test_attributes_of_patient_and_study_modules_are_of_the_study() -> None:
    """PS3.3: Patient (C.7.1.1), General Study (C.7.2.1), Patient Study (C.7.2.2), SOP Common (C.12.1)."""
    study, series, instance = (set(keywords(level)) for level in ("study", "series", "instance"))
    assert study | series | instance == {tag.keyword for tag in kept_tags().values()}
    assert {each for each in study | series if each.startswith(("Patient", "Study", "Deid"))} - study == {
        "PatientPosition"
    }
    assert instance == {
        "SpecificCharacterSet",
        "TimezoneOffsetFromUTC",
        "LongitudinalTemporalInformationModified",
    }
    assert {"SeriesInstanceUID", "Modality", "ProtocolName", "EchoTime"} <= series


def test_every_kept_attribute_has_a_reason_and_its_number() -> None:
    for number, tag in kept_tags().items():
        assert tag.why
        assert keyword_for_tag(number) == tag.keyword
        assert (number >> 16) % 2 == 0


def test_what_the_profile_wants_removed_is_kept_under_an_option_or_moved() -> None:
    rules = policy()
    for number, tag in kept_tags().items():
        entry = rules.entry(number)
        if entry is not None and "U" not in entry.action and "Z" not in entry.action:
            assert number in rules.kept or entry.options.get(113107) == "C", tag.keyword


def test_what_may_stay_is_allowed_by_the_option_that_is_named() -> None:
    kept = YAML(typ="safe").load(FOLDER.joinpath("deidentification.yaml").read_bytes())["kept"]
    for keyword, told in kept.items():
        entry = policy().entry(tag_for_keyword(keyword) or 0)
        assert entry is not None
        assert keyword == "PatientID" or entry.options[told["option"]] in "CK"


def test_the_profile_is_whole() -> None:
    profile = policy().profile
    assert len(profile) == 655
    assert set("/".join(entry.action for entry in profile.values()).split("/")) == {"D", "Z", "X", "U", "U*"}
    assert {tag: profile[tag].action for tag in FIGURE_23} == FIGURE_23
    for tag, entry in profile.items():
        number = None if "xx" in tag else int(tag[1:5] + tag[6:10], 16)
        assert entry.name
        assert number is None or keyword_for_tag(number) == entry.keyword


@pytest.mark.parametrize(
    ("number", "tag"),
    [
        (0x60003000, "(60xx,3000)"),
        (0x601E4000, "(60xx,4000)"),
        (0x50020005, "(50xx,xxxx)"),
        (0x00100010, "(0010,0010)"),
        (0x60000010, None),
        (0x00280010, None),
    ],
)
def test_ranges_of_the_profile(number: int, tag: str | None) -> None:
    entry = policy().entry(number)
    assert (entry and entry.tag) == tag


def test_curations_name_series_by_the_uids_that_scans_have() -> None:
    curation = json.loads(
        FOLDER.joinpath("..", "curation", "curation.schema.json").read_text(encoding="utf-8")
    )
    ours = schema()["properties"]["SeriesInstanceUID"]
    theirs = curation["$defs"]["uid"]
    assert (theirs["pattern"], theirs["maxLength"]) == (ours["pattern"], ours["maxLength"])
