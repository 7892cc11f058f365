"""The audit trail of a request: its id, what it saw, and when that is written down."""

import re
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etl.audit import Sight

REQUEST_ID = "X-Request-ID"
#: What the log has in the place of an id that the client chose.
NOT_LOGGED = "-"
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Gives every request an id, the client's own where it is usable, and says it in the response.

    A client's own may name a patient: only lake.audit keeps it. The log has ``logged_id``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = _given_id(Headers(scope=scope))
        request_id = given or str(uuid4())
        logged_id = NOT_LOGGED if given else request_id
        scope.setdefault("state", {}).update(request_id=request_id, logged_id=logged_id, seen={})

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        await self.app(scope, receive, answer)


def _given_id(headers: Headers) -> str | None:
    given = headers.getlist(REQUEST_ID)
    return given[0] if len(given) == 1 and _USABLE.fullmatch(given[0]) else None


def saw(request: Request, person_id: int | None = None, upload_id: int | None = None) -> None:
    """Note that this request reads, makes or withdraws something of a person, or an upload.

    Call it before the route returns: the rows are written between the route and its response, so that
    nobody gets to see a patient without a row that says so. Asking twice for the same is one row.
    """
    request.state.seen[Sight(person_id, upload_id)] = None


def sights(request: Request) -> list[Sight]:
    """What ``saw`` was told of in this request, in that order."""
    return list(request.state.seen)


def action_of(request: Request) -> str:
    """The method and the route, such as ``GET /uploads/{id}``."""
    route = request.scope.get("route")
    return f"{request.method} {getattr(route, 'path_format', '?')}"
