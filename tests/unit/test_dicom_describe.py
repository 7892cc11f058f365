"""What is kept of a header, as natural JSON."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from etl.dicom.check import check
from etl.dicom.describe import collected, describe, plane_of, sources_of
from etl.dicom.elements import elements_of
from etl.dicom.headers import Header, read_header
from etl.dicom.sources import quietly
from etl.dicom.values import natural
from tests.dicoms import code, content, header, item, uid

PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"


def described(dataset: Dataset) -> dict[str, Any]:
    return describe(dataset, elements_of(dataset))


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DA", "20000315", "2000-03-15"),
        ("DA", "2000.03.15", "2000-03-15"),
        ("DA", "20000230", None),
        ("DA", "2000", None),
        ("TM", "101530", "10:15:30"),
        ("TM", "1015", "10:15:00"),
        ("TM", "10", "10:00:00"),
        ("TM", "10:15:30", "10:15:30"),
        ("TM", "101530.25", "10:15:30.25"),
        ("TM", "251530", None),
        ("DS", "3.0", 3),
        ("DS", "0.625", 0.625),
        ("DS", "nan", None),
        ("DS", "three", None),
        ("IS", "12", 12),
        ("IS", "1.5", None),
        ("IS", "-2147483648", -2147483648),
        ("IS", "2147483648", None),
        ("US", 65535, 65535),
        ("US", 65536, None),
        ("US", -1, None),
        ("SS", -32769, None),
        ("UL", 4294967295, 4294967295),
        ("UL", 4294967296, None),
        ("FD", 1e300, 1e300),
        ("UI", "1.2.3", "1.2.3"),
        ("UI", "1.2.x", None),
        ("AS", "066Y", "066Y"),
        ("AS", "66", None),
        ("PN", "ANON^^^", "ANON"),
        ("LO", " two\r\nlines ", "two lines"),
        ("LO", "", None),
        ("SH", None, None),
    ],
)
def test_values_are_natural(vr: str, value: Any, expected: Any) -> None:
    found = natural(vr, value)
    assert found == expected
    assert type(found) is type(expected)


def test_a_header_becomes_the_attributes_that_are_kept() -> None:
    dataset = header(
        ProcedureCodeSequence=[code("P5-0900C", "MRI of prostate", "SRT")], ImageComments="dropped"
    )
    found = described(dcmread(BytesIO(content(dataset))))
    assert found["StudyDate"] == "2000-03-15"
    assert found["SeriesTime"] == "10:16:01.250000"
    assert found["PixelSpacing"] == [0.625, 0.625]
    assert found["ImageType"] == ["ORIGINAL", "PRIMARY", "M", "ND"]
    assert found["SoftwareVersions"] == ["syngo MR E11"]
    assert found["RepetitionTime"] == 5660
    assert found["AcquisitionPlane"] == "axial"
    assert found["AcquisitionMatrix"] == [0, 320, 256, 0]
    assert found["ProcedureCodeSequence"] == [
        {"CodeValue": "P5-0900C", "CodingSchemeDesignator": "SRT", "CodeMeaning": "MRI of prostate"}
    ]
    assert not {"ImageComments", "AccessionNumber", "InstanceNumber", "SOPInstanceUID"} & set(found)


@pytest.mark.parametrize(
    ("cosines", "plane"),
    [
        ([1, 0, 0, 0, 1, 0], "axial"),
        ([1, 0, 0, 0, 0, -1], "coronal"),
        ([0, 1, 0, 0, 0, -1], "sagittal"),
        ([1, 0, 0, 0, 0.94, 0.34], "axial"),
        ([1, 0, 0, 0, 0.707, 0.707], "oblique"),
        ([1, 0, 0], None),
        ([0, 0, 0, 0, 0, 0], None),
    ],
)
def test_the_plane_of_the_slices(cosines: list[float], plane: str | None) -> None:
    assert plane_of(cosines) == plane


def _multi_frame() -> Dataset:
    dataset = header(PixelSpacing=None, ImageOrientationPatient=None)
    dataset.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.5], SliceThickness=3.5)],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])],
        )
    ]
    derived = item(SourceImageSequence=[item(ReferencedSOPInstanceUID=uid(9, 9, 9))])
    dataset.PerFrameFunctionalGroupsSequence = [
        item(MRDiffusionSequence=[item(DiffusionBValue=float(b))], DerivationImageSequence=[derived])
        for b in (800, 0, 800)
    ]
    return dataset


def test_attributes_of_multi_frame_images_come_from_the_functional_groups() -> None:
    dataset = _multi_frame()
    found = described(dataset)
    assert found["PixelSpacing"] == [0.5, 0.5]
    assert found["AcquisitionPlane"] == "sagittal"
    assert collected(dataset, elements_of(dataset))["DiffusionBValue"] == [0, 800]
    assert sources_of(dataset, elements_of(dataset)) == (set(), {uid(9, 9, 9)})


def test_series_and_instances_that_a_header_came_from() -> None:
    dataset = header(
        SourceImageSequence=[item(ReferencedSOPInstanceUID=uid(1, 3, 1))],
        ReferencedImageSequence=[item(ReferencedSOPInstanceUID=uid(1, 7, 1))],
        ReferencedSeriesSequence=[item(SeriesInstanceUID=uid(1, 3))],
        StudiesContainingOtherReferencedInstancesSequence=[
            item(ReferencedSeriesSequence=[item(SeriesInstanceUID=uid(2, 4))])
        ],
    )
    assert sources_of(dataset, elements_of(dataset)) == ({uid(1, 3), uid(2, 4)}, {uid(1, 3, 1)})


def test_the_structures_of_a_plan_refer_to_the_series_they_are_drawn_in() -> None:
    dataset = header(
        ReferencedFrameOfReferenceSequence=[
            item(
                RTReferencedStudySequence=[
                    item(RTReferencedSeriesSequence=[item(SeriesInstanceUID=uid(1, 1))])
                ]
            )
        ]
    )
    assert sources_of(dataset, elements_of(dataset))[0] == {uid(1, 1)}


def test_a_value_that_cannot_be_decoded_is_not_there() -> None:
    dataset = dcmread(BytesIO(content(header()).replace(b"0.625\\0.625", b"0.625\\O.625")))
    with quietly():
        found = described(dataset)
    assert "PixelSpacing" not in found
    assert found["Rows"] == 320


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm"])
def test_a_header_of_pydicom_says_the_same_in_every_transfer_syntax(name: str) -> None:
    file = get_testdata_file(name)
    assert isinstance(file, str)
    with quietly():
        found = described(dcmread(file, stop_before_pixels=True))
    assert (found["Modality"], found["Rows"], found["EchoTime"]) == ("MR", 64, 240)
    assert found["PixelSpacing"] == [0.3125, 0.3125]


def _told(header_: Header) -> tuple[Any, ...]:
    elements = elements_of(header_.dataset)
    found = check(header_.dataset, elements, header_.meta)
    return describe(header_.dataset, elements), found, sources_of(header_.dataset, elements)


def test_headers_are_read_as_dcmread_reads_them() -> None:
    compared = quick = 0
    for file in sorted(path for path in PYDICOM.rglob("*") if path.is_file()):
        with quietly():
            try:
                floor = Header(dcmread(file, stop_before_pixels=True))
            except InvalidDicomError:
                continue
            with file.open("rb") as stream:
                ours = read_header(stream)
            assert list(elements_of(ours.dataset)) == list(elements_of(floor.dataset)), file
            assert _told(ours) == _told(floor), file
        compared += 1
        quick += ours.meta is not None
    assert compared > 150
    assert 100 < quick < compared
