"""The searches of images as the OpenAPI document shows them: parameters, answers and refusals."""

from http import HTTPStatus
from typing import Any

from fastapi.responses import Response

from api.http.errors import MEDIA_TYPE as PROBLEM
from api.http.examples import refusals
from api.http.write_examples import USECASE_RESPONSES
from etl.find.attributes import Attribute, Level, known

_STUDY_UID = "1.2.826.0.1.3680043.10.1561.1"
_DATASET = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
    "00080020": {"vr": "DA", "Value": ["20000121"]},
    "00080061": {"vr": "CS", "Value": ["MR"]},
    "00100010": {"vr": "PN"},
    "00100020": {"vr": "LO", "Value": ["PCa-268768370567"]},
    "0020000D": {"vr": "UI", "Value": [_STUDY_UID]},
    "00201206": {"vr": "IS", "Value": [4]},
}
_SCHEMA: dict[str, Any] = {
    "type": "array",
    "description": "Datasets in the DICOM JSON model (PS3.18, F)",
    "minItems": 1,
    "items": {
        "type": "object",
        "propertyNames": {"pattern": "^[0-9A-F]{8}$"},
        "additionalProperties": {
            "type": "object",
            "required": ["vr"],
            "properties": {"vr": {"type": "string"}, "Value": {"type": "array"}},
        },
    },
}
_HEADERS: dict[str, Any] = {
    "Cache-Control": {"schema": {"type": "string"}, "example": "private, no-cache"},
    "Vary": {"schema": {"type": "string"}, "example": "Accept, Authorization"},
}
_DETAILS = {
    400: "limit must be a whole number from 1 to 200",
    406: "searches are answered in application/dicom+json only",
}
_LOOKED_FOR = {
    "uid": "the UID, or several with commas between them",
    "text": "the whole value, in any case",
    "name": "the whole name, in any case and without regard to accents; or beginnings: see fuzzymatching",
    "date": "a day as yyyymmdd, or a range: a-b, a- or -b",
}
_PAGING: list[dict[str, Any]] = [
    {
        "name": "includefield",
        "in": "query",
        "description": "Further attributes to tell, with commas between them, or all; may be repeated",
        "schema": {"type": "array", "items": {"type": "string"}},
    },
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 100},
    },
    {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0, "default": 0}},
    {
        "name": "fuzzymatching",
        "in": "query",
        "description": "Names whose words begin with those of the value fit too",
        "schema": {"type": "boolean", "default": False},
    },
]
_STUDY = {
    "name": "study",
    "in": "path",
    "required": True,
    "description": "Study Instance UID",
    "schema": {"type": "string"},
    "example": _STUDY_UID,
}


def _parameter(attribute: Attribute) -> dict[str, Any]:
    assert attribute.match is not None
    tag = f"({attribute.tag[:4]},{attribute.tag[4:]})"
    return {
        "name": attribute.keyword,
        "in": "query",
        "description": f"{tag}, which may stand for the keyword: {_LOOKED_FOR[attribute.match.kind]}",
        "schema": {"type": "string"},
    }


def _refusal(status: int) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    example = {"title": title, "status": status, "detail": _DETAILS[status]}
    return {"description": title, "content": {PROBLEM: {"example": example}}}


def _route(summary: str, level: Level, *path: dict[str, Any]) -> dict[str, Any]:
    """What the decorator of a search takes."""
    searched = [each for each in dict.fromkeys(known(level).values()) if each.match is not None]
    content = {"application/dicom+json": {"schema": _SCHEMA, "example": [_DATASET]}}
    return {
        "summary": summary,
        "response_class": Response,
        "responses": {
            200: {"description": "What fits", "headers": _HEADERS, "content": content},
            204: {"description": "Nothing fits, or nothing more", "headers": _HEADERS},
            **refusals(401, 403, 503),
            **{status: _refusal(status) for status in _DETAILS},
        },
        "openapi_extra": {"parameters": [*path, *map(_parameter, searched), *_PAGING]},
    }


STUDIES = _route("Search for studies", "study")
SERIES = _route("Search for series", "series")
SERIES_OF_STUDY = _route("Search for the series of a study", "series", _STUDY)

_HEADER = {
    "00080060": {"vr": "CS", "Value": ["MR"]},
    "00100020": {"vr": "LO", "Value": ["PCa-268768370567"]},
    "00120062": {"vr": "CS", "Value": ["YES"]},
    "0020000D": {"vr": "UI", "Value": [_STUDY_UID]},
    "0020000E": {"vr": "UI", "Value": [f"{_STUDY_UID}.1"]},
}
_FINDING = {
    "tag": "(0010,0010)",
    "keyword": "PatientName",
    "action": "Z",
    "why": "a value that is no dummy",
    "headers": 24,
}
#: What the decorator of the post takes.
STORE: dict[str, Any] = {
    "summary": "Store the series that headers belong to",
    "responses": {
        **USECASE_RESPONSES,
        400: {
            "description": "Bad Request",
            "content": {
                PROBLEM: {
                    "example": {
                        "title": "Bad Request",
                        "status": 400,
                        "detail": "these headers still identify somebody; 'findings' lists their tags."
                        " Nothing was stored",
                        "findings": [_FINDING],
                    }
                }
            },
        },
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/dicom+json": {
                    "schema": {
                        "type": "array",
                        "description": "Headers in the DICOM JSON model (PS3.18, F), without pixels",
                        "items": {"type": "object"},
                    },
                    "example": [_HEADER],
                }
            },
        }
    },
}
