"""Asking another service for a small JSON document: with a deadline, a size limit and no redirects."""

import time
import urllib.request
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import orjson

#: Seconds for connecting and for each pause; all of it may take twice as long.
PAUSE = 3.0
MAX_BYTES = 256 * 1024
_PIECE = 16 * 1024


class FetchError(Exception):
    """There is no document to be had; the message says of which address, and why."""


def is_safe(url: str) -> bool:
    """Whether nobody between us and the address can change what it says: https, or this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    )


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def fetch(url: str, body: object = None, pause: float | None = None) -> Any:
    """The JSON at ``url``, which must be http or https; with ``body``, what it answers to this JSON.

    ``pause``: seconds in place of PAUSE. Raises FetchError.
    """
    pause = PAUSE if pause is None else pause
    sent = None if body is None else orjson.dumps(body)
    headers = {"Accept": "application/json", "User-Agent": "oncolake"}
    if sent is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, sent, headers)
    deadline = time.monotonic() + 2 * pause
    try:
        with _opener(url).open(request, timeout=pause) as answer:
            content = _read(answer, url, deadline, pause)
    except HTTPError as error:
        # The error is the answer, with its connection.
        error.close()
        raise FetchError(f"'{url}' answers with status {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise FetchError(f"'{url}' cannot be reached ({type(error).__name__})") from error
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise FetchError(f"'{url}' does not answer in JSON") from error


def _read(answer: Any, url: str, deadline: float, pause: float) -> bytes:
    content = b""
    while piece := answer.read1(_PIECE):
        content += piece
        if len(content) > MAX_BYTES:
            raise FetchError(f"'{url}' answers with more than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise FetchError(f"'{url}' does not finish its answer in {2 * pause:g} s")
    return content


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the address that was checked is the one that is asked."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(url: str) -> urllib.request.OpenerDirector:
    # What runs on this machine is not behind the proxy that the environment names.
    here = [urllib.request.ProxyHandler({})] if _is_loopback(urlsplit(url).hostname) else []
    return urllib.request.build_opener(_Stay, *here)
