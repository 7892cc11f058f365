"""The bodies and answers of the writes as the OpenAPI document shows them: one example of every status."""

from http import HTTPStatus
from importlib.resources.abc import Traversable
from types import UnionType
from typing import Any

import orjson
from pydantic import BaseModel

from api.http.answers import Curated, Rehearsed, Stored
from api.http.bodies import PART
from api.http.errors import MEDIA_TYPE
from api.http.examples import refusals
from etl.curation import SAMPLES
from etl.setup import DEFAULT_MAPPING

_VIOLATION = {"record": 1, "path": "$.clinicalBaselineData.age", "reason": "must be an integer"}
_UID = {"record": 1, "path": "$.meta", "reason": "'static_series_uid' is missing"}
_PROBLEM = {
    "path": "$.finalDiagnosis.N",
    "rule": "n_diagnosis",
    "kind": "invalid",
    "reason": "the form has no section 'final_diagnosis'",
    "case_id": 43,
}
_WARNING = {
    "path": "$.clinicalBaselineData.psa[0].freePSAvalue",
    "rule": "psa_free",
    "kind": "implausible",
    "reason": "not plausible, above 'totalPSAvalue': free PSA is a part of total PSA",
    "case_id": 43,
}
_CASE: dict[str, Any] = {
    "record": 1,
    "form": "1+2+3",
    "rows": {"person": 1, "visit_occurrence": 7, "measurement": 12},
    "problems": [],
    "warnings": [],
    "case_id": 43,
    "person_id": 41,
    "version": 1,
    "newest_version": 1,
    "changed": True,
    "loaded": True,
    "waiting": False,
    "failure": None,
}
_STORED: dict[str, Any] = {
    "upload_id": 7,
    "outcome": "loaded",
    "repeated": False,
    "cases": [_CASE],
    "violations": [],
}
_REHEARSED = {
    "outcome": "loaded",
    "cases": [{name: _CASE[name] for name in ("record", "form", "rows", "problems", "warnings")}],
    "violations": [],
}
_CURATED = {
    "upload_id": 8,
    "curation_id": 3,
    "curation_function": "coregistration",
    "outcome": "loaded",
    "changed": True,
    "repeated": False,
    "case_id": 44,
    "rows": {"curation_run": 1, "registration_step": 3, "registration_level": 9},
    "problems": [],
    "warnings": [],
}
_DETAILS = {
    400: "not a valid document, and not stored; 'violations' says why",
    408: "the body did not arrive within 30 seconds; send it again",
    409: "this patient identifier is another provider's; nothing was stored",
    413: "the body is larger than 20000000 bytes, the most that is taken (ONCOLAKE_MAX_BODY_BYTES)",
    415: "Content-Encoding must be identity: send the body as it is",
}


_MEMBERS: dict[int, dict[str, Any]] = {400: {"upload_id": 9}, 409: {"upload_id": 9}}


def _body(title: str, sample: Traversable) -> dict[str, Any]:
    form = {
        "type": "object",
        "required": [PART],
        "properties": {PART: {"type": "string", "format": "binary", "description": title}},
    }
    document = {
        "schema": {"type": "object", "description": title},
        "example": orjson.loads(sample.read_bytes()),
    }
    content = {"multipart/form-data": {"schema": form}, "application/json": document}
    return {"requestBody": {"required": True, "content": content}}


def _answer(model: type[BaseModel] | UnionType, description: str, **examples: Any) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in examples.items()}
    return {
        "model": model,
        "description": description,
        "content": {"application/json": {"examples": named}},
    }


def _refusals(violation: dict[str, Any], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents of the writes: what is common to all routes, and what is their own."""
    found = refusals(401, 403, 422, 503)
    for status in statuses:
        title = HTTPStatus(status).phrase
        members = {**_MEMBERS.get(status, {}), **({"violations": [violation]} if status == 400 else {})}
        example = {"title": title, "status": status, "detail": _DETAILS[status], **members}
        found[status] = {"description": title, "content": {MEDIA_TYPE: {"example": example}}}
    return found


USECASE_BODY = _body(
    "A case document (mappings/prostate/ecrf.schema.json), or an array of them",
    DEFAULT_MAPPING.joinpath("samples", "figure-13.json"),
)
CURATION_BODY = _body(
    "A curation document (mappings/curation/curation.schema.json)",
    SAMPLES.joinpath("coregistration.json"),
)
USECASE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _answer(
        Stored | Rehearsed,
        "All is stored; or, with validate=only, what would be",
        stored=_STORED,
        warned={**_STORED, "cases": [{**_CASE, "warnings": [_WARNING]}]},
        rehearsed=_REHEARSED,
    ),
    202: _answer(
        Stored,
        "Landed for good, but some values, rows or documents could not be used",
        lost={**_STORED, "cases": [{**_CASE, "problems": [_PROBLEM]}]},
        partial={**_STORED, "outcome": "partial", "violations": [{**_VIOLATION, "record": 2}]},
    ),
    **_refusals(_VIOLATION, 400, 408, 409, 413, 415),
}
CURATION_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _answer(Curated, "It is stored", stored=_CURATED),
    **_refusals(_UID, 400, 408, 413, 415),
}
