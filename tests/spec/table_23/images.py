"""The series that come with a case: not in Table 23; D4.4 4.2 has them in an extension of the CDM."""

from importlib.resources import files
from typing import Any

import orjson

from tests.spec.table_23.notation import MRI, Changes, Example, Line, Part, Visit, series, study, unmapped
from vocabularies.concepts import read_value_map

MODALITIES = read_value_map(files("mappings") / "prostate" / "value_maps" / "modality.csv").targets
MR = 4013636


def images(*items: Changes, **changes: Any) -> Changes:
    """A case with these series of one study."""
    return {"dicom": [{**ids(item), **one} for item, one in enumerate(items)], **changes}


def ids(item: int) -> Changes:
    return {"StudyInstanceUID": "1.2", "SeriesInstanceUID": f"1.2.{item}"}


def rows(
    item: int, one: Changes, at: Visit | None = MRI, day: str = "", of: str = "mri", **said: Any
) -> tuple[str, str]:
    """The study's and the series' row of an item."""
    modality = MODALITIES.get(one.get("Modality", ""), 0)
    whole = orjson.dumps({**ids(item), **one}).decode()
    rule = "study" if "daysAfterBaseline" in one else "study_without_day"
    own = (day or (at and at.day) or "") if rule == "study" else ""
    return (
        study(f"{rule}[{item}]", modality, at=at, day=day, of=of),
        series(f"series[{item}]", f"1.2.{item}", modality, whole, day=own, **said),
    )


FULL = {
    "Modality": "MR",
    "SeriesDescription": "T2 TSE axial",
    "Manufacturer": "SIEMENS",
    "ManufacturerModelName": "Skyra",
    "MagneticFieldStrength": 3,
    "AcquisitionPlane": "axial",
    "SliceThickness": 3.5,
    "PixelSpacing": [0.5, 0.5],
    "Rows": 512,
    "Columns": 384,
    "NumberOfInstances": 24,
}
AT_MRI = {"daysAfterBaseline": 20}
LATER = {"daysAfterBaseline": 400}
LATER_DAY = "2001-02-04"
NO_MRI: Changes = {"imagingInfo": None}


def followed(says: str, record: int, *days: int) -> Example:
    """A series at a follow-up: the records' MRIs were on these days, and it hangs on that of one of them."""
    records = [{"imagingInfo": {"daysAfterBaseline": day}} for day in days]
    at = Visit(f"visit.follow_up_imaging[{record}]", LATER_DAY)
    found = rows(0, LATER, at=at, of=f"follow_up_mri[{record}]")
    return Example(says, images(LATER, followUp=records), found, form="1+2+8+9")


FOLLOWED = (
    followed("the day of a follow-up MRI", 1, 300, 400, 500),
    followed("the day of two follow-up MRIs: the first of the list", 0, 400, 400),
    Example(
        "the day of both MRIs: the baseline's",
        images(AT_MRI, followUp=[{"imagingInfo": AT_MRI}]),
        rows(0, AT_MRI),
        form="1+2+8+9",
    ),
    Example(
        "the day of a follow-up, but no MRI",
        images(LATER, followUp=[{"imagingInfo": {**LATER, "MRIPerformed": False}}]),
        rows(0, LATER, at=Visit("visit.follow_up_imaging[0]", LATER_DAY), of=""),
        form="1+2+8+9",
    ),
    Example(
        "the day of a follow-up biopsy",
        images(LATER, followUp=[{"biopsyInfo": LATER}]),
        rows(0, LATER, at=None, day=LATER_DAY, of=""),
        form="1+2+8+9",
    ),
)

SERIES = Part(
    "Series of images",
    __name__,
    (
        Line(
            "(dicom)",
            "radiology image metadata, after R-CDM",
            at=(
                "$.dicom[*].StudyInstanceUID",
                "$.dicom[*].SeriesInstanceUID",
                "$.dicom[*].daysAfterBaseline",
            ),
            rules=("study", "study_without_day", "series"),
            errata=(44, 45),
            maps={"modality": MODALITIES},
            examples=(
                Example(
                    "all that is recorded",
                    images(FULL),
                    rows(
                        0,
                        FULL,
                        image_resolution_rows=512,
                        image_resolution_columns=384,
                        image_slice_thickness=3.5,
                        modality="MR",
                        series_description="T2 TSE axial",
                        image_count=24,
                        manufacturer="SIEMENS",
                        manufacturer_model_name="Skyra",
                        magnetic_field_strength=3,
                        acquisition_plane="axial",
                    ),
                ),
                Example("two series of a study", images({}, {}), (*rows(0, {}), *rows(1, {}))),
                Example("the day of the MRI", images(AT_MRI), rows(0, AT_MRI)),
                Example(
                    "a day of its own, without an MRI",
                    images(LATER),
                    rows(0, LATER, at=None, day=LATER_DAY, of=""),
                ),
                *FOLLOWED,
                Example(
                    "with a day and without",
                    images(LATER, {}),
                    (*rows(0, LATER, at=None, day=LATER_DAY, of=""), *rows(1, {})),
                ),
                Example("no MRI, no date", images({}, **NO_MRI), rows(0, {}, at=None, of=""), form="1"),
                Example(
                    "no MRI, a day of its own",
                    images(LATER, **NO_MRI),
                    rows(0, LATER, at=None, day=LATER_DAY, of=""),
                    form="1",
                ),
                *(
                    Example(
                        name,
                        images({"Modality": name}),
                        rows(0, {"Modality": name}, modality=name),
                        ()
                        if concept
                        else tuple(
                            unmapped(rule, "$.dicom[0].Modality", "modality")
                            for rule in ("study_without_day", "series")
                        ),
                    )
                    for name, concept in MODALITIES.items()
                ),
                Example("no series", {"dicom": []}),
                Example("images that are not recorded", {"dicom": None}),
            ),
        ),
    ),
)
