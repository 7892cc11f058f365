"""Pages: what a request for one asks, cursors that nobody has to understand, and answers that can be kept.

A cursor is the key to go on after, with a check of which list it is of: a cut, altered or borrowed one is
refused. It gives no right to anything: whose rows can be found is decided anew for every page.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import orjson
from fastapi import Depends, Query, Request
from fastapi.responses import Response

from api.http.access import Reading
from api.http.errors import ApiError
from api.http.queries import refuse_unknown
from api.http.settings import Settings
from etl.viewer import Viewer

MOST = 1000
#: Answers are for one bearer, who asks each time whether they still hold: rights and data can be withdrawn.
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}

_CHECK = 6
_HOST = re.compile(r"[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
_TAG = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a page."""

    base: str
    """The service's address, without a slash at its end."""
    query: tuple[tuple[str, str], ...]
    """What the client asked beside the cursor; every page of the list repeats it."""
    cursor: str | None
    limit: int
    viewer: Viewer
    known: frozenset[str]
    """The entity tags that the client has; ``*`` for any."""
    place: tuple[str, ...] = ()
    """The segments of the list's path."""

    def of(self, *place: object) -> "Asked":
        """The same for the list at this place."""
        return replace(self, place=tuple(map(str, place)))

    def url(self, *parts: object, **query: str) -> str:
        """An absolute address in the service; each part is one segment of its path."""
        path = "".join(f"/{quote(str(part), safe='')}" for part in parts)
        return f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")

    @property
    def address(self) -> str:
        """The list itself: its first page."""
        return self._page({})

    def page_after(self, *key: int) -> str:
        """The address of the page that goes on after this key."""
        return self._page({"cursor": _seal(self._list, key)})

    def key(self, *first: int) -> tuple[int, ...]:
        """Where the page begins: the cursor's key, or ``first`` without one. Raises ApiError 422."""
        if self.cursor is None:
            return first
        key = _unseal(self._list, self.cursor)
        if key is None or len(key) != len(first):
            raise ApiError(
                422, "the cursor is not one of this list; take next_url whole, or begin without one"
            )
        return key

    def answer(self, content: bytes, media_type: str, tag: str) -> Response:
        """The page, with what lets the client ask again for no more than whether it changed."""
        return Response(content, media_type=media_type, headers={**HEADERS, "ETag": f"W/{tag}"})

    def unchanged(self, tag: str) -> Response | None:
        """304 where the client has this page."""
        if self.known.isdisjoint({tag, "*"}):
            return None
        return Response(status_code=304, headers={**HEADERS, "ETag": f"W/{tag}"})

    def tag(self, *about: object) -> str:
        """The entity tag of a page that depends on ``about``, which must tell everything in its repr."""
        told = repr((self.base, self.place, self.query, self.limit, about)).encode()
        return f'"{hashlib.blake2b(told, digest_size=16).hexdigest()}"'

    def _page(self, more: dict[str, str]) -> str:
        return self.url(*self.place, **dict(self.query), **more)

    @property
    def _list(self) -> str:
        return repr((self.place, [pair for pair in self.query if pair[0] != "limit"]))


def _asked(
    request: Request,
    access: Reading,
    cursor: Annotated[
        str | None,
        Query(max_length=100, description="Where a page begins: part of `next_url`, not to be made"),
    ] = None,
    limit: Annotated[
        int | None,
        Query(ge=1, le=MOST, description="Items of a page, at most; documents may make it shorter"),
    ] = None,
) -> Asked:
    refuse_unknown(request)
    settings: Settings = request.app.state.settings
    kept = [(name, request.query_params[name]) for name in ("form", "limit") if name in request.query_params]
    everything = access.reach == "all"
    own = access.principal.organisation if access.reach == "own" else None
    return Asked(
        base=base_of(request, settings),
        query=tuple(kept),
        cursor=cursor,
        limit=limit or settings.page_size,
        viewer=Viewer(everything, own),
        known=_known(request.headers.getlist("If-None-Match")),
    )


Paged = Annotated[Asked, Depends(_asked)]


def base_of(request: Request, settings: Settings) -> str:
    """The service's address as clients know it: the setting, or else what the request was sent to."""
    if settings.public_url is not None:
        return str(settings.public_url).rstrip("/")
    host = request.headers.get("Host", "")
    if not _HOST.fullmatch(host):
        server = request.scope.get("server") or ("localhost", None)
        host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
    return f"{request.scope['scheme']}://{host}{request.scope.get('root_path', '')}"


def json_bytes(content: Any) -> bytes:
    """JSON as bytes; documents come as ``orjson.Fragment`` and are not parsed."""
    return orjson.dumps(content)


def _known(headers: Iterable[str]) -> frozenset[str]:
    given = ",".join(headers)
    return frozenset(_TAG.findall(given)) | ({"*"} if given.strip() == "*" else frozenset())


def _check(list_: str, key: bytes) -> bytes:
    return hashlib.blake2s(list_.encode("utf-8", "surrogatepass") + b"\0" + key, digest_size=_CHECK).digest()


def _seal(list_: str, key: Iterable[int]) -> str:
    packed = b"".join(each.to_bytes(8, "big") for each in key)
    return urlsafe_b64encode(packed + _check(list_, packed)).rstrip(b"=").decode()


def _unseal(list_: str, cursor: str) -> tuple[int, ...] | None:
    """The key, or None where the cursor was not sealed for this list."""
    try:
        sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        return None
    packed = sealed[:-_CHECK]
    key = tuple(int.from_bytes(packed[start : start + 8], "big") for start in range(0, len(packed), 8))
    if len(packed) % 8 or max(key, default=2**63) >= 2**63 or _seal(list_, key) != cursor:
        return None
    return key
