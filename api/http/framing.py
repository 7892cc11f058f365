"""Framing: a request that two readers could cut in two different ways is not read at all."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.errors import problem_document


class OneReading:
    """Refuses what says its length twice, and ends its connection (RFC 9112, 6.1 and 6.3).

    A proxy that believes the other length takes the rest of the body for the next client's request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_ambiguous(Headers(scope=scope)):
            detail = "send either Content-Length or Transfer-Encoding, once"
            await problem_document(400, detail, {"Connection": "close"})(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_ambiguous(headers: Headers) -> bool:
    lengths = [*headers.getlist("Content-Length"), *headers.getlist("Transfer-Encoding")]
    return len(lengths) > 1 or any("," in each for each in lengths)
