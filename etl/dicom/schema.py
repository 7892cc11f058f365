"""The JSON Schema of a series document, made of the allow-list.

``python -m etl.dicom.schema > mappings/dicom/series.schema.json`` writes it.
"""

import json
from collections.abc import Iterator
from typing import Any

from etl.dicom.tags import Tag, kept_tags, shown
from etl.dicom.vr import RANGES

#: Longest PatientID: it becomes person_source_value.
_PATIENT = 50
#: DICOM's own limits are broken too often to refuse a series for them, but no text is endless.
_LONGEST = {
    "AE": 64,
    "CS": 64,
    "SH": 64,
    "LO": 255,
    "PN": 255,
    "LT": 10240,
    "ST": 2048,
    "UC": 2048,
    "UT": 10240,
}
_NO_CONTROLS = r"^(?![\s\S]*[\u0000-\u001f\u007f-\u009f])\S([\s\S]*\S)?$"
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,6})?(?![\s\S])"
_FORMATS: dict[str, dict[str, Any]] = {
    "UI": {"type": "string", "maxLength": 64, "pattern": r"^[0-9]+(\.[0-9]+)*(?![\s\S])"},
    "DA": {"type": "string", "format": "date"},
    "TM": {"type": "string", "pattern": _TIME},
    "AS": {"type": "string", "pattern": r"^[0-9]{3}[DWMY](?![\s\S])"},
}
_NUMBERS = ("DS", "FL", "FD")
_ITEMS = {
    "code": ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"),
    "reference": ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
}
_DERIVED: dict[str, dict[str, Any]] = {
    "NumberOfInstances": {
        "title": "Number of images",
        "description": "Instances of the series that were found, as DICOM's Number of Series Related "
        "Instances (0020,1209).",
        "type": "integer",
        "minimum": 1,
        "maximum": 1_000_000,
    },
    "AcquisitionPlane": {
        "title": "Plane",
        "description": "The plane of the slices, computed from ImageOrientationPatient.",
        "enum": ["axial", "coronal", "sagittal", "oblique"],
    },
    "ReferencedSeriesUIDs": {
        "title": "Series it came from",
        "description": "Series that this one refers to as its source or its subject.",
        "type": "array",
        "maxItems": 1000,
        "items": {
            "title": "Series Instance UID",
            "description": "Unique identifier of a series.",
            **_FORMATS["UI"],
        },
    },
}


def item_keywords(kind: str) -> tuple[str, ...]:
    """What is kept of each item of a sequence of the kind ``code`` or ``reference``."""
    return _ITEMS[kind]


def schema() -> dict[str, Any]:
    """The JSON Schema (Draft 2020-12)."""
    properties = {tag.keyword: _property(tag) for tag in kept_tags().values()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:oncolake:dicom:series",
        "$comment": "Written by etl.dicom.schema of tags.yaml. Keys are DICOM keywords; three are ours.",
        "title": "Image series",
        "description": "What is kept of the headers of one DICOM series of one patient.",
        "type": "object",
        "additionalProperties": False,
        "required": ["PatientID", "StudyInstanceUID", "SeriesInstanceUID"],
        "properties": properties | _DERIVED,
    }


def _property(tag: Tag) -> dict[str, Any]:
    told = {"title": tag.name, "description": f"{shown(tag.number)}: {tag.why}."}
    if tag.items:
        return told | {"type": "array", "maxItems": 100, "items": _item(tag)}
    if tag.many:
        return told | {"type": "array", "maxItems": 10000, "items": {**told, **_value(tag)}}
    return told | _value(tag)


def _item(tag: Tag) -> dict[str, Any]:
    assert tag.items
    kind = _FORMATS["UI"] if tag.items == "reference" else _text("LO")
    told = {
        key: {"title": key, "description": f"Of an item of {tag.name}.", **kind} for key in _ITEMS[tag.items]
    }
    title = {"title": "Item", "description": f"An item of {tag.name}."}
    return title | {"type": "object", "additionalProperties": False, "properties": told}


def _value(tag: Tag) -> dict[str, Any]:
    if tag.keyword == "PatientID":
        return {"type": "string", "minLength": 1, "maxLength": _PATIENT, "pattern": _NO_CONTROLS}
    if tag.vr in RANGES:
        return {"type": "integer", "minimum": RANGES[tag.vr][0], "maximum": RANGES[tag.vr][1]}
    if tag.vr in _NUMBERS:
        return {"type": "number"}
    return _FORMATS.get(tag.vr) or _text(tag.vr)


def _text(vr: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": _LONGEST[vr], "pattern": _NO_CONTROLS}


def lines() -> Iterator[str]:
    """The schema as the lines of its file."""
    yield from json.dumps(schema(), indent=2, ensure_ascii=False).splitlines()


if __name__ == "__main__":
    print(*lines(), sep="\n")
