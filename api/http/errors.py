"""Errors as clients see them: RFC 9457 problem documents, the same for every route."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from omop_schema.database import DatabaseError

MEDIA_TYPE = "application/problem+json"
#: Seconds after which a client may try again when the database is away.
RETRY_AFTER = 5
#: The denial of what belongs to another organisation.
NOT_COVERED = "reach own does not cover it"

_LOG = logging.getLogger("oncolake.http")
#: What the framework refuses with a word alone.
_NEXT_STEPS = {
    404: "there is no such address: GET /openapi.json lists those that there are",
    405: "this address does not take this method: GET /openapi.json lists those that it takes",
}


class ApiError(Exception):
    """A refusal: the status, a sentence that says what and what next, and members of its own.

    ``denial``: why the access does not reach what was asked for, if that is the cause. It is for the audit
    trail alone: the client must not learn from it what is there.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        denial: str | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.members = status, detail, headers, members
        self.denial = denial


def problem_document(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    """A problem document. The title is the status's own; ``members`` are for programs to read."""
    content = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Make problem documents of everything that routes raise; what is not foreseen tells nothing."""

    @app.exception_handler(ApiError)
    async def refuse(_: Request, error: ApiError) -> JSONResponse:
        return problem_document(error.status, error.detail, error.headers, **error.members)

    @app.exception_handler(HTTPException)
    async def refuse_route(_: Request, error: HTTPException) -> JSONResponse:
        detail = _NEXT_STEPS.get(error.status_code, str(error.detail))
        return problem_document(error.status_code, detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def refuse_parameters(_: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not repeated: it may be a patient's identifier.
        faults = [{"in": list(map(str, one["loc"])), "reason": one["msg"]} for one in error.errors()]
        return problem_document(422, "a parameter cannot be used; 'errors' names it", errors=faults)

    @app.exception_handler(DatabaseError)
    async def away(_: Request, error: DatabaseError) -> JSONResponse:
        if type(error) is DatabaseError:
            # It refused a statement of ours, and would again.
            _LOG.error("%s", error)
            return problem_document(500, "a fault of oncolake; its log has the time and the kind of it")
        _LOG.warning("%s", error)
        return problem_document(
            503, "the database cannot be used now; try again later", {"Retry-After": str(RETRY_AFTER)}
        )

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> JSONResponse:
        # The error's own words may hold a value of a document.
        route = getattr(request.scope.get("route"), "path_format", "(no such route)")
        _LOG.error("%s %s failed: %s", request.method, route, type(error).__name__)
        # The one answer that is made outside of every middleware.
        headers = {"X-Request-ID": request.state.request_id}
        return problem_document(500, "a fault of oncolake; its log has the time and the kind of it", headers)
