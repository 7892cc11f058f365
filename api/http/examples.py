"""Examples for the OpenAPI document: one of every status that a route answers with."""

from http import HTTPStatus
from typing import Any

from api.http.errors import MEDIA_TYPE

_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence: what, and what to do next"},
    },
}
_DETAILS = {
    400: "send one Authorization header",
    401: "send a token of the identity provider: Authorization: Bearer",
    403: "this needs the scope metadata:read, which the token lacks; ask the identity provider for it",
    404: "there is nothing here that you may read",
    409: "the upload is still being read: try again when it is finished",
    422: "a parameter cannot be used; 'errors' names it",
    503: "the database cannot be used now; try again later",
}
_CHALLENGES = {400: 'Bearer realm="oncolake", error="invalid_request"', 401: 'Bearer realm="oncolake"'}
_MEMBERS: dict[int, dict[str, Any]] = {
    422: {"errors": [{"in": ["query", "limit"], "reason": "Input should be greater than or equal to 1"}]}
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route refuses, for its ``responses``: problem documents, each with an example."""
    return {status: _refusal(status) for status in statuses}


def _refusal(status: int) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    example = {"title": title, "status": status, "detail": _DETAILS[status], **_MEMBERS.get(status, {})}
    said: dict[str, Any] = {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": _PROBLEM_SCHEMA, "example": example}},
    }
    if status in _CHALLENGES:
        said["headers"] = {
            "WWW-Authenticate": {"schema": {"type": "string"}, "example": _CHALLENGES[status]},
        }
    if status == 503:
        said["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "example": 5}}
    return said
