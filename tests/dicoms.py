"""DICOM files without pixels: small, of nobody, de-identified unless a violation is asked for.

``python -m tests.dicoms FOLDER 100000`` writes that many headers.
"""

import sys
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

ROOT = "1.2.826.0.1.3680043.10.1338"
#: What must never be seen outside of the files: the values of a patient.
CANARY = "Zanzibari"
#: (description, plane's cosines, b-values) of the series of a study.
SERIES = [
    ("t2_tse_tra", [1, 0, 0, 0, 1, 0], []),
    ("t2_tse_cor", [1, 0, 0, 0, 0, -1], []),
    ("ep2d_diff_tra", [1, 0, 0, 0, 1, 0], [0.0, 500.0, 1000.0]),
    ("t1_vibe_dce_sag", [0, 1, 0, 0, 0, -1], []),
]
_INSTANCE, _NUMBER, _POSITION = "7777777777", "888888", "-999999"


def uid(*parts: int) -> str:
    return ".".join((ROOT, *map(str, parts)))


def header(study: int = 1, series: int = 1, instance: int = 1, **changes: Any) -> FileDataset:
    """One MR header; ``changes`` by keyword, None removes."""
    description, cosines, b_values = SERIES[(series - 1) % len(SERIES)]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = uid(study, series, instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        **_IDENTITY,
        **_PHYSICS,
        "PatientID": f"P{study:05}",
        "StudyInstanceUID": uid(study),
        "SeriesInstanceUID": uid(study, series),
        "SOPInstanceUID": uid(study, series, instance),
        "FrameOfReferenceUID": uid(study, 0),
        "StudyDate": "20000315",
        "SeriesDate": "20000315",
        "StudyTime": "101530",
        "SeriesTime": f"1016{series % 60:02}.250000",
        "SeriesNumber": series,
        "InstanceNumber": instance,
        "SeriesDescription": description,
        "ImageOrientationPatient": cosines,
        "ImagePositionPatient": [-90, -90, instance * 3],
        "SliceLocation": instance * 3,
    }
    if b_values:
        values["DiffusionBValue"] = b_values[(instance - 1) % len(b_values)]
    for keyword, value in (values | changes).items():
        if value is not None:
            setattr(found, keyword, value)
    return found


def code(value: str, meaning: str = "", scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def item(**values: Any) -> Dataset:
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def content(dataset: FileDataset) -> bytes:
    """The bytes of a DICOM file."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def write(path: Path, dataset: FileDataset) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(dataset))
    return path


def write_set(folder: Path, studies: int = 2, series: int = 3, instances: int = 4) -> Path:
    """A folder of studies: STUDY/SERIES/IMAGE.dcm."""
    for study in range(1, studies + 1):
        for one in range(1, series + 1):
            for instance in range(1, instances + 1):
                name = f"{study:03}/{one:03}/{instance:04}.dcm"
                write(folder / name, header(study, one, instance))
    return folder


def zipped(folder: Path, path: Path) -> Path:
    """The same files as a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return path


def generate(folder: Path, count: int, instances: int = 40) -> None:
    """Headers by the thousand: those of a series differ in UID, number and position only."""
    for number in range(-(-count // instances)):
        study, series = number // len(SERIES) + 1, number % len(SERIES) + 1
        template = _template(study, series)
        place = folder / f"{study:05}" / f"{series:02}"
        place.mkdir(parents=True, exist_ok=True)
        for instance in range(1, min(instances, count - number * instances) + 1):
            made = template
            for mark, value in ((_INSTANCE, instance), (_NUMBER, instance), (_POSITION, instance * 3)):
                width = len(mark)
                text = f"{10**9 + value}" if mark == _INSTANCE else f"{value:<{width}}"
                made = made.replace(mark.encode(), text.encode())
            (place / f"{instance:04}.dcm").write_bytes(made)


def _template(study: int, series: int) -> bytes:
    return content(
        header(
            study,
            series,
            int(_INSTANCE),
            InstanceNumber=_NUMBER,
            SliceLocation=_POSITION,
            ImagePositionPatient=[-90, -90, _POSITION],
        )
    )


_IDENTITY = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "ANON",
    "PatientBirthDate": "",
    "PatientSex": "M",
    "PatientAge": "066Y",
    "PatientWeight": 82,
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "StudyID": "",
    "StudyDescription": "Prostata^MPMRI",
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "Basic Application Confidentiality Profile",
    "DeidentificationMethodCodeSequence": Sequence([code("113100"), code("113107")]),
    "LongitudinalTemporalInformationModified": "MODIFIED",
}
_PHYSICS: dict[str, Any] = {
    "SOPClassUID": MRImageStorage,
    "Modality": "MR",
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
    "AcquisitionDate": "20000315",
    "ContentDate": "20000315",
    "AcquisitionTime": "101600.5",
    "ContentTime": "101600.5",
    "Manufacturer": "SIEMENS",
    "ManufacturerModelName": "Skyra",
    "SoftwareVersions": "syngo MR E11",
    "BodyPartExamined": "PROSTATE",
    "ProtocolName": "t2_tse_tra_p2",
    "ScanningSequence": "SE",
    "SequenceVariant": ["SK", "SP"],
    "ScanOptions": "FS",
    "MRAcquisitionType": "2D",
    "SequenceName": "tse2d1_25",
    "AngioFlag": "N",
    "SliceThickness": 3,
    "RepetitionTime": 5660,
    "EchoTime": 101,
    "NumberOfAverages": 3,
    "ImagingFrequency": 123.25,
    "ImagedNucleus": "1H",
    "EchoNumbers": 1,
    "MagneticFieldStrength": 3,
    "SpacingBetweenSlices": 3.3,
    "NumberOfPhaseEncodingSteps": 310,
    "EchoTrainLength": 25,
    "PercentSampling": 80,
    "PercentPhaseFieldOfView": 100,
    "PixelBandwidth": 200,
    "TransmitCoilName": "Body",
    "AcquisitionMatrix": [0, 320, 256, 0],
    "InPlanePhaseEncodingDirection": "ROW",
    "FlipAngle": 160,
    "VariableFlipAngleFlag": "N",
    "SAR": 1.2,
    "dBdt": 0,
    "PatientPosition": "HFS",
    "AcquisitionNumber": 1,
    "Laterality": "",
    "PositionReferenceIndicator": "",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": 320,
    "Columns": 320,
    "PixelSpacing": [0.625, 0.625],
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "SmallestImagePixelValue": 0,
    "LargestImagePixelValue": 1200,
    "WindowCenter": 450,
    "WindowWidth": 900,
    "BurnedInAnnotation": "NO",
    "LossyImageCompression": "00",
}

Violate = Callable[[FileDataset], None]


def _set(**values: Any) -> Violate:
    def violate(dataset: FileDataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return violate


def _drop(*keywords: str) -> Violate:
    def violate(dataset: FileDataset) -> None:
        for keyword in keywords:
            delattr(dataset, keyword)

    return violate


def _private(dataset: FileDataset) -> None:
    dataset.private_block(0x0029, f"{CANARY} HEADER", create=True).add_new(0x10, "LO", CANARY)


def _overlay(dataset: FileDataset) -> None:
    dataset.add_new(0x60023000, "OW", b"\1\2")


def _not_moved(dataset: FileDataset) -> None:
    _drop("LongitudinalTemporalInformationModified")(dataset)
    dataset.DeidentificationMethodCodeSequence = Sequence([code("113100")])


def _violations() -> Iterator[tuple[str, Violate, set[str]]]:
    """A name, what to do to a header, and the tags that the check must name then."""
    yield "name", _set(PatientName=f"{CANARY}^Ada"), {"(0010,0010)"}
    yield "birth date", _set(PatientBirthDate="19510714"), {"(0010,0030)"}
    yield "address", _set(PatientAddress=f"{CANARY} Road 1"), {"(0010,1040)"}
    yield "telephone", _set(PatientTelephoneNumbers="030 1234"), {"(0010,2154)"}
    yield "other ids", _set(OtherPatientIDs=f"{CANARY}1"), {"(0010,1000)"}
    yield "accession number", _set(AccessionNumber=f"{CANARY}7"), {"(0008,0050)"}
    yield "study id", _set(StudyID="4711"), {"(0020,0010)"}
    yield "physician", _set(ReferringPhysicianName=f"{CANARY}^House"), {"(0008,0090)"}
    yield "institution", _set(InstitutionName=f"{CANARY} Hospital"), {"(0008,0080)"}
    yield "station", _set(StationName=f"{CANARY}MR1"), {"(0008,1010)"}
    yield "device", _set(DeviceSerialNumber="45123"), {"(0018,1000)"}
    yield "comments", _set(ImageComments=f"seen by {CANARY}"), {"(0020,4000)"}
    yield "title in description", _set(SeriesDescription=f"t2 Dr. {CANARY}"), {"(0008,103E)"}
    yield "date in description", _set(StudyDescription="MPMRI 14.07.2019"), {"(0008,1030)"}
    yield "number in description", _set(ProtocolName="t2 123456789"), {"(0018,1030)"}
    yield "e-mail in description", _set(StudyDescription=f"for {CANARY}@example.org"), {"(0008,1030)"}
    yield "private tag", _private, {"(0029,xxxx)"}
    yield "overlay", _overlay, {"(60xx,3000)"}
    yield "burned in", _set(BurnedInAnnotation="YES"), {"(0028,0301)"}
    yield "identity not removed", _drop("PatientIdentityRemoved"), {"(0012,0062)"}
    yield "identity kept", _set(PatientIdentityRemoved="NO"), {"(0012,0062)"}
    dates = {"(0008,0020)", "(0008,0021)", "(0008,0022)", "(0008,0023)"}
    yield "dates not moved", _not_moved, dates | {tag.replace("2", "3", 1) for tag in dates}
    yield "date outside the profile", _both(_not_moved, _no_dates, _unlisted_date), {"(0044,000B)"}
    yield "study uid", _set(StudyInstanceUID="1.3.12.2.1107.5.2.19.45123.30"), {"(0020,000D)"}
    yield "instance uid", _set(SOPInstanceUID="1.2.840.113619.2.408.5.7"), {"(0008,0018)", "(0002,0003)"}
    yield "reference", _set(ReferencedImageSequence=Sequence([_instance()])), {"(0008,1155)"}
    order = Sequence([item(RequestedProcedureID=f"{CANARY}9")])
    yield "order", _set(RequestAttributesSequence=order), {"(0040,0275)", "(0040,1001)"}
    yield "nested private", _set(ProcedureCodeSequence=Sequence([_private_item()])), {"(0029,xxxx)"}


def _instance() -> Dataset:
    return item(ReferencedSOPClassUID=MRImageStorage, ReferencedSOPInstanceUID="1.3.46.670589.11.1.5")


def _private_item() -> Dataset:
    found = code("P1", "Prostate", "99TEST")
    found.private_block(0x0029, CANARY, create=True).add_new(0x01, "LO", CANARY)
    return found


def _both(*violations: Violate) -> Violate:
    def violate(dataset: FileDataset) -> None:
        for each in violations:
            each(dataset)

    return violate


def _no_dates(dataset: FileDataset) -> None:
    _drop(*(f"{what}{kind}" for what in _DATED for kind in ("Date", "Time")))(dataset)


def _unlisted_date(dataset: FileDataset) -> None:
    dataset.ProductExpirationDateTime = "20210101101010"


_DATED = ("Study", "Series", "Acquisition", "Content")
VIOLATIONS = tuple(_violations())

if __name__ == "__main__":
    generate(Path(sys.argv[1]), int(sys.argv[2]))
