"""What lists look like in the OpenAPI document: schemas, headers and an example of each."""

from typing import Any

from api.http.examples import refusals
from api.http.feeds import MEDIA_TYPE, VERSION

_BASE = "https://metadata.example.org"
_REFUSALS = refusals(400, 401, 403, 404, 422, 503)
_HEADERS: dict[str, Any] = {
    "ETag": {"schema": {"type": "string"}, "example": 'W/"6b1f0c6e0d7f4a2e9d1c3b5a79682413"'},
    "Cache-Control": {"schema": {"type": "string"}, "example": "private, no-cache"},
    "Vary": {"schema": {"type": "string"}, "example": "Authorization"},
}
_UNCHANGED: dict[str, Any] = {"description": "The client has this page (If-None-Match)", "headers": _HEADERS}

_FEED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["version", "title", "feed_url", "items"],
    "properties": {
        "version": {"const": VERSION},
        "title": {"type": "string"},
        "feed_url": {"type": "string", "format": "uri"},
        "next_url": {"type": "string", "format": "uri", "description": "The next page, if there is one"},
        "expired": {"const": True, "description": "The upload was withdrawn"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "url", "title", "content_text", "date_published", "tags", "_oncolake"],
                "properties": {
                    "id": {"type": "string"},
                    "url": {"type": "string", "format": "uri"},
                    "date_published": {"type": "string", "format": "date-time"},
                    "date_modified": {"type": "string", "format": "date-time"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "_oncolake": {"type": "object"},
                },
            },
        },
    },
}
_DOCUMENT: dict[str, Any] = {
    "id": "oncolake:document:23",
    "url": f"{_BASE}/uploads/17#record-1",
    "title": "Case 17, form 1+2+3, version 2",
    "content_text": "Version 2 of case 17 is loaded: 63 OMOP rows, 1 problem.",
    "date_published": "2026-03-01T09:30:00.000Z",
    "date_modified": "2026-03-01T09:30:00.120Z",
    "tags": ["form 1+2+3", "use case 1", "use case 2", "use case 3", "loaded"],
    "_oncolake": {
        "document_id": 23,
        "upload_id": 17,
        "record": 1,
        "case_id": 17,
        "person_id": 12,
        "mapping": "prostate",
        "form": "1+2+3",
        "use_cases": ["1", "2", "3"],
        "version": 2,
        "newest_version": 2,
        "outcome": "loaded",
        "rows": {"visit_occurrence": 9, "condition_occurrence": 5, "measurement": 49},
        "problems": 1,
        "warnings": 0,
        "document": {"patientID": "PCa-268768370567", "useCaseType": "1+2+3"},
    },
}
_ABOUT = {
    "upload_id": 17,
    "mapping": "prostate",
    "outcome": "partial",
    "organisation": "uke.example.org",
    "bytes": 8412,
    "cases": 2,
    "stored": 1,
    "unchanged": 0,
    "rejected": 1,
    "rows": 63,
    "problems": 1,
    "warnings": 0,
    "problems_url": f"{_BASE}/uploads/17/problems",
}
_UPLOAD_ITEM = {
    "id": "oncolake:upload:17",
    "url": f"{_BASE}/uploads/17",
    "title": "Upload 17: partial",
    "content_text": "2 documents: 1 stored, 1 rejected; 63 OMOP rows, 1 problem.",
    "date_published": "2026-03-01T09:30:00.000Z",
    "date_modified": "2026-03-01T09:30:00.120Z",
    "tags": ["prostate", "partial"],
    "_oncolake": _ABOUT,
    "authors": [{"name": "uke.example.org"}],
}
_PROBLEMS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["upload_id", "outcome", "problems"],
    "properties": {
        "upload_id": {"type": "integer"},
        "outcome": {"enum": ["received", "loaded", "partial", "rejected", "withdrawn"]},
        "next_url": {"type": "string", "format": "uri"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kind", "record", "case_id", "version", "rule", "path", "reason"],
                "properties": {
                    "kind": {
                        "enum": ["violation", "unmapped", "invalid", "truncated", "disagrees", "implausible"]
                    },
                    "record": {"type": "integer", "description": "Which record of the upload, from 1"},
                    "case_id": {"type": ["integer", "null"]},
                    "version": {"type": ["integer", "null"]},
                    "rule": {"type": ["string", "null"]},
                    "path": {"type": "string", "description": "JSON path of the value"},
                    "reason": {
                        "type": "string",
                        "description": "What is wrong, or not plausible; never the value",
                    },
                },
            },
        },
    },
}
_PROBLEMS_EXAMPLE = {
    "upload_id": 17,
    "outcome": "partial",
    "problems": [
        {
            "kind": "violation",
            "record": 2,
            "case_id": None,
            "version": None,
            "rule": None,
            "path": "$.clinicalBaselineData.age",
            "reason": "must be an integer",
        },
        {
            "kind": "unmapped",
            "record": 1,
            "case_id": 17,
            "version": 2,
            "rule": "lesion.location",
            "path": "$.lesions[0].location[0]",
            "reason": "the value map 'lesion_site' has no such code",
        },
    ],
}


def _listed(description: str, media_type: str, schema: Any, example: Any) -> dict[int | str, dict[str, Any]]:
    found = {
        "description": description,
        "headers": _HEADERS,
        "content": {media_type: {"schema": schema, "example": example}},
    }
    return {200: found, 304: _UNCHANGED, **_REFUSALS}


def _feed(title: str, path: str, item: dict[str, Any], **more: Any) -> dict[int | str, dict[str, Any]]:
    told = {"version": VERSION, "title": f"Oncolake: {title}", "feed_url": f"{_BASE}{path}", "language": "en"}
    return _listed("A page of a JSON Feed 1.1", MEDIA_TYPE, _FEED_SCHEMA, {**told, **more, "items": [item]})


#: ``responses`` of the routes that answer with a feed, each with an example of its own.
NEWEST = _feed(
    "newest uploads", "/feed.json", _UPLOAD_ITEM, next_url=f"{_BASE}/feed.json?cursor=AAAAAAAAABGIRqD_dqc"
)
UPLOAD = _feed("upload 17", "/uploads/17", _DOCUMENT, _oncolake=_ABOUT)
PATIENT = _feed("one patient", "/patients/PCa-268768370567", _DOCUMENT)
USE_CASE = _feed(
    "use case 3", "/usecases/3", _DOCUMENT, next_url=f"{_BASE}/usecases/3?cursor=AAAAAAAAABGlmOIqC0c"
)
#: ``responses`` of the list of an upload's problems.
PROBLEMS = _listed(
    "A page of violations and problems", "application/json", _PROBLEMS_SCHEMA, _PROBLEMS_EXAMPLE
)
