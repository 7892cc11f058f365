"""Reading a body: one JSON document, plain or as the part ``data_file`` of a form, within size and time.

Whatever is refused here ends the connection: what is left of the body is not read.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from api.http.errors import ApiError
from api.http.settings import Settings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks as _Callbacks

#: The part of a form that holds the document, as D4.4 names it.
PART = "data_file"
#: What the upload log calls a document that came without a form.
BODY = "body"

#: In place of the parser's own, whose warnings hold characters of the body.
_SILENT = logging.getLogger("oncolake.http.form")
_SILENT.disabled = True
#: Bytes of a body that are kept in memory; more goes to a temporary file without a name.
_IN_MEMORY = 1 << 20
_FORM = "multipart/form-data"
_ACCEPTED = f"{_FORM} with a part {PART}, or application/json"
_PLAIN_PART = ("", "7bit", "8bit", "binary")


@dataclass(frozen=True, slots=True)
class Body:
    """A document as it arrived, and where in the request it stood."""

    stream: BinaryIO
    """Open and at its start; closed with the context that gave it."""
    source: str
    """``data_file`` or ``body``. A file's name is not kept: it may name a patient."""


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[Body]:
    """The body of a request. Raises ApiError 400 for a broken form, 408, 413 or 415."""
    settings: Settings = request.app.state.settings
    _refuse_encoding(request)
    media_type, boundary = _media_type(request)
    _refuse_length(request, settings.max_body_bytes)
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as spooled:
        stream = cast("BinaryIO", spooled)
        form = _Form(stream, boundary) if media_type == _FORM else None
        try:
            async with asyncio.timeout(settings.body_seconds):
                await _read(request, settings.max_body_bytes, form, stream)
        except TimeoutError:
            _refuse(408, f"the body did not arrive within {settings.body_seconds:g} seconds; send it again")
        except ClientDisconnect:
            _refuse(400, "the body broke off")
        if form:
            form.close()
        stream.seek(0)
        yield Body(stream, PART if form else BODY)


def _refuse(status: int, detail: str, **headers: str) -> NoReturn:
    raise ApiError(status, detail, headers={"Connection": "close", **headers})


def _refuse_encoding(request: Request) -> None:
    codings = ",".join(request.headers.getlist("Content-Encoding")).lower().split(",")
    if {coding.strip() for coding in codings} - {"", "identity"}:
        _refuse(
            415,
            "Content-Encoding must be identity: send the body as it is",
            **{"Accept-Encoding": "identity"},
        )


def _media_type(request: Request) -> tuple[str, bytes]:
    """The media type, and the boundary if it is a form."""
    given = request.headers.getlist("Content-Type")
    media_type, options = parse_options_header(given[0] if len(given) == 1 else "")
    name = media_type.decode("latin-1")
    is_json = name == "application/json" or (name.startswith("application/") and name.endswith("+json"))
    if not is_json and name != _FORM:
        _refuse(415, f"Content-Type must be {_ACCEPTED}", Accept=f"{_FORM}, application/json")
    if is_json and options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        _refuse(415, "JSON must be sent in UTF-8", Accept=f"{_FORM}, application/json")
    boundary = options.get(b"boundary", b"")
    if name == _FORM and not boundary:
        _refuse(400, f"the Content-Type {_FORM} lacks its boundary")
    return name, boundary


def _refuse_length(request: Request, most: int) -> None:
    length = request.headers.get("Content-Length", "0")
    if not (length.isascii() and length.isdigit()):
        _refuse(400, "Content-Length must be a number of bytes")
    if len(length) > 18 or int(length) > most:
        _refuse_size(most)


def _refuse_size(most: int) -> NoReturn:
    _refuse(413, f"the body is larger than {most} bytes, the most that is taken (ONCOLAKE_MAX_BODY_BYTES)")


async def _read(request: Request, most: int, form: "_Form | None", stream: BinaryIO) -> None:
    left = most
    async for chunk in request.stream():
        left -= len(chunk)
        if left < 0:
            _refuse_size(most)
        if form:
            form.feed(chunk)
        else:
            stream.write(chunk)


class _Form:
    """A form with one part ``data_file``, whose content goes to ``stream`` as it arrives."""

    def __init__(self, stream: BinaryIO, boundary: bytes) -> None:
        self._stream = stream
        self._parts = 0
        self._ended = False
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        callbacks: _Callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._check,
            "on_part_data": lambda data, start, end: self._write(data[start:end]),
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
            self._parser.logger = _SILENT
        except FormParserError:
            _refuse(400, "the boundary of the form cannot be used")

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            # The parser's own words may hold bytes of the document.
            _refuse(400, "the form is not well-formed (RFC 7578)")

    def close(self) -> None:
        """Raises ApiError when the form is not complete."""
        if not self._ended:
            _refuse(400, "the form is cut off: its closing boundary is missing")
        if self._parts != 1:
            _refuse(400, f"the form has no part named {PART}")

    def _begin(self) -> None:
        self._headers = {}

    def _header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name.clear()
        self._value.clear()

    def _check(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._parts += 1
        if disposition != b"form-data" or options.get(b"name") != PART.encode() or self._parts > 1:
            # A part that nobody reads is data that nobody stores: better to say so.
            _refuse(400, f"the form must hold one part, named {PART}, and no other")
        encoding = self._headers.get("content-transfer-encoding", "").strip().lower()
        if encoding not in _PLAIN_PART:
            _refuse(415, f"the part {PART} must be sent as it is, without a Content-Transfer-Encoding")

    def _write(self, data: bytes) -> None:
        self._stream.write(data)

    def _end(self) -> None:
        self._ended = True
