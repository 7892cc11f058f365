"""What a value may hold, whatever type its file gives it, and how long looking at it takes."""

import subprocess
import sys
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset

from etl.dicom.check import Checked, check
from etl.dicom.describe import describe
from etl.dicom.elements import elements_of
from etl.dicom.policy import policy
from etl.dicom.sources import from_json, quietly
from tests.dicoms import code, content, header, item

DATES, PATIENT, BODY = "19570325", "(0010,0010)", "(0018,0015)"


def checked(dataset: Dataset) -> Checked:
    with quietly():
        return check(dataset, elements_of(dataset))


def read(dataset: FileDataset) -> FileDataset:
    return dcmread(BytesIO(content(dataset)), stop_before_pixels=True)


def tags(dataset: Dataset) -> set[str]:
    return {finding.tag for finding in checked(dataset).findings}


def sent_as(keyword: str, vr: str, value: str) -> FileDataset:
    """A header whose file has the text's bytes under another VR."""
    dataset = header(**{keyword: None})
    with quietly():
        element = DataElement(keyword, "LT", value)
        dataset.add(element)
        # Long and short VRs differ in how the length is written: both of these are short.
        whole = content(dataset)
    number = element.tag
    start = number.group.to_bytes(2, "little") + number.element.to_bytes(2, "little")
    assert whole.count(start + b"LT") == 1
    return dcmread(BytesIO(whole.replace(start + b"LT", start + vr.encode())), stop_before_pixels=True)


@pytest.mark.parametrize("vr", ["UI", "TM", "DA", "DT", "IS", "DS", "AS", "US", "CS", "LO"])
@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientName", "Smith^Jo"), ("AccessionNumber", "A4711 17"), ("PatientBirthDate", DATES)],
)
def test_the_type_that_a_file_claims_excuses_nothing(keyword: str, value: str, vr: str) -> None:
    dataset = sent_as(keyword, vr, value)
    found = checked(dataset)
    odd = keyword != "PatientBirthDate" or vr != "DA"
    assert {finding.keyword for finding in found.findings} == {keyword}
    assert any("type" in finding.why for finding in found.findings) is odd
    assert value not in repr(found)


@pytest.mark.parametrize("vr", ["UI", "TM", "DA", "LO", "US", "SQ"])
def test_nor_does_the_one_of_the_json_model(vr: str) -> None:
    value: list[Any] = {"US": [DATES], "SQ": [{"00100010": {"vr": "LO", "Value": ["Smith^John"]}}]}.get(
        vr, ["Smith^John"]
    )
    plain = header().to_json_dict()
    with quietly():
        found = checked(from_json({**plain, "00100010": {"vr": vr, "Value": value}}).dataset)
    assert PATIENT in {finding.tag for finding in found.findings}


def test_a_sequence_that_is_none_is_refused() -> None:
    plain = header().to_json_dict()
    text = {"vr": "LO", "Value": ["Smith^John"]}
    for tag, shown in (("00400275", "(0040,0275)"), ("00081032", "(0008,1032)")):
        with quietly():
            assert tags(from_json({**plain, tag: text}).dataset) == {shown}


def test_a_value_of_an_unknown_type_is_read_by_the_dictionary() -> None:
    assert checked(sent_as("PatientName", "US", "")).findings == set()
    dataset = sent_as("BodyPartExamined", "US", "PROSTATE")
    with quietly():
        assert "BodyPartExamined" not in describe(dataset, elements_of(dataset))
    assert tags(sent_as("BodyPartExamined", "US", DATES)) == {BODY}
    short = sent_as("BodyPartExamined", "LO", "PROSTATE")
    assert describe(short, elements_of(short))["BodyPartExamined"] == "PROSTATE"


@pytest.mark.parametrize(
    "values",
    [
        {"PatientName": "Anonsmith^1234567"},
        {"PatientName": "ANON12345"},
        {"PatientName": "ANON" * 100},
        {"PatientID": "Smith^John", "PatientName": "Smith^John"},
        {"PatientID": "Smith John"},
        {"PatientID": "Smith, John"},
        {"PatientID": "19570325-1234567"},
        {"PatientID": "1957-03-25"},
        {"PatientID": "a@b.de"},
        {"PatientSex": "Herr Mueller"},
        {"SeriesInstanceUID": "Smith^John"},
        {"StudyDate": "Smith"},
        {"BodyPartExamined": "Herr Mueller 1957-03-25 a@b.de"},
        {"DeidentificationMethod": "by Dr. Smith 1957-03-25"},
        {"SequenceName": "for a@b.de"},
        {"ReceiveCoilName": "PID 123456"},
        {"SoftwareVersions": ["E11", "Dr. Smith"]},
        {"ImageType": ["ORIGINAL", "25MAR1957"]},
        {"DerivationDescription": "a" * 2049},
        *({"StudyDescription": f"MPMRI {text}"} for text in
          ("12/25/1957", "25/03/57", "25MAR1957", "25MAR57", "25. Mar. 1957", "March 25, 1957", "2019_07_14",
           "dr. smith", "DR SMITH", "Dr.Smith", "Ms Smith", "Mr. Smith", "PID 123456", "mrn: 4711",
           "patient no 4711")),
    ],
    ids=lambda values: str(values)[:60],
)  # fmt: skip
def test_what_tells_of_somebody_is_refused(values: dict[str, Any]) -> None:
    with quietly():
        dataset = header(**values)
        found = checked(read(dataset))
    assert {finding.keyword for finding in found.findings} >= {next(iter(values))}
    assert not any(str(value) in repr(found.findings) for value in values.values())


@pytest.mark.parametrize(
    ("sequence", "items"),
    [
        ("ProcedureCodeSequence", [code("P5-0900C", "MRI for Dr. Smith", "SRT")]),
        ("AnatomicRegionsInStudyCodeSequence", [code("41216001", "Prostate 25.03.1957", "SCT")]),
        ("SharedFunctionalGroupsSequence", [item(MRReceiveCoilSequence=[item(ReceiveCoilName="a@b.de")])]),
    ],
)
def test_texts_in_sequences_are_looked_through(sequence: str, items: list[Dataset]) -> None:
    assert tags(read(header(**{sequence: items}))) <= {"(0008,0104)", "(0018,1250)"}
    assert tags(read(header(**{sequence: items})))


@pytest.mark.parametrize(
    "values",
    [
        {"SoftwareVersions": ["27", "LX", "MR Software release:DV25.0_R02_1549.b"]},
        {"SoftwareVersions": "453561454581 06.708 [2010/06/30]-07:41:13"},
        {"SeriesDescription": "t2_tse_tra_512"},
        {"SeriesDescription": "ep2d_diff_b50_400_800"},
        {"SeriesDescription": "TE 80 ms TR 5000"},
        {"StudyDescription": "PROSTATE^ROUTINE"},
        {"StudyDescription": "MR Prostate"},
        {"ProtocolName": "DR 5 mm"},
        {"SequenceName": "*ep_b50t"},
        {"ScanOptions": ["FAST_GEMS", "EDR_GEMS", "FILTERED_GEMS"]},
        {"DeidentificationMethod": "Per DICOM PS 3.15 AnnexE. Details in 0012,0064"},
        {"PatientID": "PCa-108153055412988229293021524681292525958"},
        {"PatientID": "PCa 001"},
        {"PatientName": "ANON^Anonymous 0017"},
        {"ProcedureCodeSequence": [code("41216001", "Prostate", "SCT")]},
        {"PatientSex": "O"},
    ],
    ids=str,
)
def test_what_scanners_write_passes(values: dict[str, Any]) -> None:
    with quietly():
        assert checked(read(header(**values))).findings == set()


@pytest.mark.parametrize("root", ["1.3.12.2.1107", "2.16.840.1.113662", "1.2.752.24", "1.3.46.423632"])
def test_roots_of_makers(root: str) -> None:
    assert tags(read(header(SeriesInstanceUID=f"{root}.5.7"))) == {"(0020,000E)"}
    assert tags(read(header(SeriesInstanceUID=f"{root}1.5.7"))) == set()


#: What the patterns are made of; repeated, a text that they nearly match.
PIECES = (
    *("ANON", "ANONYM", "ANONYMOUS ", "ANON^", "ANON-_", "0", "00.", "0101", "1", "X", "M", " ", "^ ", "\\"),
    *(
        "12/",
        "1/1/",
        "1.",
        "1957-",
        "1957_03_",
        "MAR",
        "1MAR",
        "1 JAN ",
        "JANA",
        "Dr. ",
        "Mr ",
        "PAT ",
        "PAT.",
    ),
    *("PID -", "@", "a@", "@a.", "a@a", "a.", ", ", "a, ", "a ,a"),
)


def look() -> None:
    """Let every pattern look at texts that are long and nearly match."""
    rules = policy()
    patterns = (*rules.telling.values(), rules.names, rules.dummy_dates, rules.dummy_times, rules.dummy_texts)
    for piece, end in product(PIECES, "!@\n"):
        text = (piece * 20_000)[:20_000] + end
        for pattern in patterns:
            pattern.search(text)
            pattern.fullmatch(text)


def test_no_text_keeps_a_pattern_busy() -> None:
    """It takes two seconds; with two ways to match one text, longer than the age of the world."""
    command = [sys.executable, "-m", "tests.unit.test_dicom_judge"]
    subprocess.run(command, cwd=Path(__file__).parents[2], timeout=200, check=True)


if __name__ == "__main__":
    look()
