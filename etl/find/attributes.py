"""The DICOM attributes that studies and series are searched by, and that a search tells.

Source: D4.4 5.1, Tables 13 and 16 to 20; what is told of counts and addresses is from PS3.18, 10.6.3.
Table 16 prints ReferringPhysicianName as (0009,0090); it is (0008,0090), as DICOM (PS3.6) has it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple

from etl.dicom.tags import kept_tags
from omop_schema.image_search import day

Level = Literal["study", "series"]
#: Whether an attribute is told always, with ``includefield=all`` too, or only when it is named.
Told = Literal["always", "all", "named"]


class Match(NamedTuple):
    """How an attribute is looked for."""

    kind: Literal["uid", "text", "name", "date"]
    sql: str
    """What is compared: a column, or the text or the date that an index has."""
    few: bool = False
    """Whether one value has few studies, in a lake however large; de-identification has dummies for many."""


class Attribute(NamedTuple):
    """A DICOM attribute, and where it stands."""

    keyword: str
    tag: str
    """Group and element: eight hexadecimal digits in capitals."""
    vr: str
    """Value representation (PS3.5, 6.2)."""
    level: Level
    told: Told
    sql: str
    """Its value: text, number, date, time or JSON, of the tables ``study``, ``series`` and ``person``."""
    match: Match | None = None
    """None: it cannot be searched by."""
    json: bool = False
    """Whether the value is JSON."""


_Row = tuple[str, str, str, str | None, Match | None]


def _at(level: Level, told: Told, *rows: _Row) -> list[Attribute]:
    return [
        Attribute(
            keyword,
            tag,
            vr,
            level,
            told,
            sql or f"{level}.attributes -> '{keyword}'",
            match,
            sql in (None, _MODALITIES, _TYPES),
        )
        for keyword, tag, vr, sql, match in rows
    ]


def _common() -> list[_Row]:
    """What every dataset has: whatever the files were in, the answer is in UTF-8 (PS3.18, F.2)."""
    return [
        ("SpecificCharacterSet", "00080005", "CS", "'ISO_IR 192'", None),
        ("TimezoneOffsetFromUTC", "00080201", "SH", None, None),
    ]


def _date(table: Level, keyword: str) -> Match:
    return Match("date", day(keyword).replace("attributes", f"{table}.attributes"))


def _name(keyword: str) -> Match:
    return Match("name", f"study.attributes ->> '{keyword}'")


def _text(sql: str, few: bool = False) -> Match:
    return Match("text", sql, few)


_MODALITIES = (
    "(SELECT jsonb_agg(DISTINCT modality ORDER BY modality) FROM omop.radiology_image AS within"
    " WHERE within.radiology_occurrence_id = study.radiology_occurrence_id AND modality IS NOT NULL)"
)
_STUDY_UID, _SERIES_UID = "study.study_instance_uid", "series.series_instance_uid"
_ACCESSION, _DESCRIPTION = "study.accession_number", "study.study_description"
_PATIENT, _MODEL = "person.person_source_value", "series.manufacturer_model_name"
_TYPES = r"coalesce(series.attributes -> 'ImageType', to_jsonb(string_to_array(series.image_type, '\')))"

#: Keyword, tag, value representation, where it stands unless among the attributes by its keyword, and how it
#: is looked for.
ATTRIBUTES: tuple[Attribute, ...] = (
    # Table 16
    *_at(
        "study",
        "always",
        *_common(),
        ("StudyDate", "00080020", "DA", "study.radiology_occurrence_date",
            Match("date", "study.radiology_occurrence_date")),
        ("StudyTime", "00080030", "TM", None, None),
        ("AccessionNumber", "00080050", "SH", _ACCESSION, _text(_ACCESSION)),
        ("InstanceAvailability", "00080056", "CS", None, None),
        ("ModalitiesInStudy", "00080061", "CS", _MODALITIES, None),
        ("ReferringPhysicianName", "00080090", "PN", None, _name("ReferringPhysicianName")),
        ("PatientName", "00100010", "PN", None, _name("PatientName")),
        ("PatientID", "00100020", "LO", _PATIENT, _text(_PATIENT, few=True)),
        ("PatientBirthDate", "00100030", "DA", None, _date("study", "PatientBirthDate")),
        ("PatientSex", "00100040", "CS", None, None),
        ("StudyInstanceUID", "0020000D", "UI", _STUDY_UID, Match("uid", _STUDY_UID, few=True)),
        ("StudyID", "00200010", "SH", None, None),
        ("NumberOfStudyRelatedSeries", "00201206", "IS", "study.count_of_series", None),
        ("NumberOfStudyRelatedInstances", "00201208", "IS", "study.image_total_count", None),
    ),
    # Table 19
    *_at(
        "study",
        "all",
        ("AnatomicRegionsInStudyCodeSequence", "00080063", "SQ", None, None),
        ("StudyDescription", "00081030", "LO", _DESCRIPTION, _text(_DESCRIPTION)),
        ("ProcedureCodeSequence", "00081032", "SQ", None, None),
        ("NameOfPhysiciansReadingStudy", "00081060", "PN", None, None),
        ("AdmittingDiagnosesDescription", "00081080", "LO", None, None),
        ("ReferencedStudySequence", "00081110", "SQ", None, None),
        ("PatientAge", "00101010", "AS", None, None),
        ("PatientSize", "00101020", "DS", None, None),
        ("PatientWeight", "00101030", "DS", None, None),
        ("Occupation", "00102180", "SH", None, None),
        ("AdditionalPatientHistory", "001021B0", "LT", None, None),
    ),
    # Table 17
    *_at(
        "series",
        "always",
        *_common(),
        ("Modality", "00080060", "CS", "series.modality", _text("series.modality")),
        ("SeriesDescription", "0008103E", "LO", "series.series_description", None),
        ("SeriesInstanceUID", "0020000E", "UI", _SERIES_UID, Match("uid", _SERIES_UID, few=True)),
        ("NumberOfSeriesRelatedInstances", "00201209", "IS", "series.image_count", None),
        ("PerformedProcedureStepStartDate", "00400244", "DA", None,
            _date("series", "PerformedProcedureStepStartDate")),
        ("PerformedProcedureStepStartTime", "00400245", "TM", None, None),
        ("RequestAttributesSequence", "00400275", "SQ", None, None),
    ),
    # Table 20
    *_at(
        "series",
        "all",
        ("SeriesDate", "00080021", "DA", "series.series_date", None),
        ("SeriesTime", "00080031", "TM", None, None),
        ("SeriesNumber", "00200011", "IS", "series.image_no", None),
        ("Laterality", "00200060", "CS", "series.laterality", None),
    ),
    # What else has a column
    *_at(
        "series",
        "named",
        ("ImageType", "00080008", "CS", _TYPES, None),
        ("Manufacturer", "00080070", "LO", "series.manufacturer", None),
        ("ManufacturerModelName", "00081090", "LO", _MODEL, _text(_MODEL)),
        ("BodyPartExamined", "00180015", "CS", "series.body_part_examined", None),
        ("MRAcquisitionType", "00180023", "CS", "series.mr_acquisition_type", None),
        ("SliceThickness", "00180050", "DS", "series.image_slice_thickness", None),
        ("RepetitionTime", "00180080", "DS", "series.repetition_time", None),
        ("EchoTime", "00180081", "DS", "series.echo_time", None),
        ("MagneticFieldStrength", "00180087", "DS", "series.magnetic_field_strength", None),
        ("ProtocolName", "00181030", "LO", "series.protocol_name", None),
        ("FrameOfReferenceUID", "00200052", "UI", "series.frame_of_reference_uid", None),
        ("Rows", "00280010", "US", "series.image_resolution_rows", None),
        ("Columns", "00280011", "US", "series.image_resolution_columns", None),
        ("PixelSpacing", "00280030", "DS", None, None),
    ),
)  # fmt: skip


@cache
def known(level: Level) -> Mapping[str, Attribute]:
    """What a search of this level can tell, by keyword and by tag; of series, what their studies have too."""
    kept = [
        Attribute(
            tag.keyword,
            f"{tag.number:08X}",
            tag.vr,
            here,
            "named",
            f"{here}.attributes -> '{tag.keyword}'",
            json=True,
        )
        for tag in kept_tags().values()
        for here in ("study", "series")
        if tag.level in (here, "instance")
    ]
    levels = ("study",) if level == "study" else ("series", "study")
    found: dict[str, Attribute] = {}
    for here in levels:
        for each in (*ATTRIBUTES, *kept):
            if each.level == here:
                found.setdefault(each.keyword, each)
                found.setdefault(each.tag, each)
    return found
