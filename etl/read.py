"""Read: files to records, each with its raw text and its place. A record that is no strict JSON says why."""

import os
import re
import stat
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from etl.strict import Flaw, digest, parse

__all__ = ["BadPaths", "BadSetting", "Record", "Unreadable", "digest", "files", "limit", "read", "records"]

SUFFIXES = (".json", ".ndjson", ".jsonl")
LIMIT_SETTING = "ONCOLAKE_MAX_DOCUMENT_BYTES"
_ENDINGS = ", ".join(SUFFIXES)

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_CHUNK = 1 << 20
_DEFAULT_LIMIT = 5_000_000
#: PostgreSQL takes no longer text.
_HIGHEST_LIMIT = 1_000_000_000
#: A string (without its closing quote if the buffer ends before it), or a character that gives structure.
_TOKEN = re.compile(rb'(?P<string>"(?:[^"\\]++|\\.)*+(?P<closed>")?)|[][{},]', re.DOTALL)
_STEP = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


@dataclass(frozen=True, slots=True)
class Record:
    """One case document of a file: where it stood, what was written, and what that means."""

    position: int
    """Which record of the file, from 1."""
    line: int
    """The line it starts on, from 1."""
    raw: bytes
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is not a strict JSON object. ``reason`` never holds a value of it."""

    position: int
    line: int
    path: str
    reason: str


class BadPaths(ValueError):
    """Paths that are no case files; ``reasons`` has one line for each."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


class BadSetting(ValueError):
    """A setting in the environment that cannot be used."""


def files(paths: Iterable[Path]) -> list[Path]:
    """The case files that the paths name: folders expanded recursively and sorted, hidden files skipped.

    Raises BadPaths, naming every bad path, when one does not exist, cannot be looked at, has another suffix,
    is no regular file, or is a folder without case files. Links to folders are not followed within a folder.
    """
    found: dict[Path, None] = {}
    reasons = []
    for path in paths:
        inside = list(_search(path))
        found.update(dict.fromkeys(sorted(file for file in inside if isinstance(file, Path))))
        reasons += sorted(reason for reason in inside if isinstance(reason, str))
        if not inside:
            reasons.append(f"folder '{path}' holds no file that ends in one of {_ENDINGS}")
    if reasons:
        raise BadPaths(reasons)
    return list(found)


def _search(path: Path) -> Iterator[Path | str]:
    """Every case file at or below a path, and the reasons against what is none."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield _cannot(path, error)
        return
    if stat.S_ISDIR(mode):
        yield from _search_folder(path)
    elif not _is_case_name(path.name):
        yield f"'{path}' does not end in one of {_ENDINGS}"
    else:
        yield path if stat.S_ISREG(mode) else f"'{path}' is not a regular file"


def _search_folder(folder: Path) -> Iterator[Path | str]:
    refused: list[OSError] = []
    for place, inner, names in os.walk(folder, onerror=refused.append):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            if _is_case_name(name) and not name.startswith("."):
                yield from _search(Path(place, name))
    yield from (_cannot(error.filename, error) for error in refused)


def _is_case_name(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def _cannot(path: Path | str, error: OSError) -> str:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return f"'{path}' does not exist"
    return f"'{path}' cannot be read: {error.strerror or type(error).__name__}"


def records(file: Path, *, known: Container[str] = ()) -> Iterator[Record | Unreadable]:
    """Every record of a file, in order and streamed: one document, a JSON array of them, or one a line.

    Raises OSError when the file cannot be opened or read.
    """
    with file.open("rb") as stream:
        yield from read(stream, lines=file.suffix.lower() != ".json", known=known)


def read(
    stream: BinaryIO, *, lines: bool = False, known: Container[str] = ()
) -> Iterator[Record | Unreadable]:
    """Like :func:`records`, of an open stream; ``lines`` says that it holds one document a line.

    ``known``: the keys that reasons and paths may tell; any other may be a patient's value.
    """
    position = 0
    for position, (line, text) in enumerate((_lines if lines else _document_or_array)(stream), 1):
        yield _record(position, line, text, known)
    if not position:
        yield Unreadable(1, 1, "$", "holds no case document")


def _record(position: int, line: int, text: bytes | str, known: Container[str]) -> Record | Unreadable:
    """A record of its raw text, or of the reason why there is none."""
    if isinstance(text, str):
        return Unreadable(position, line, "$", text)
    parsed = parse(text, line, known)
    if isinstance(parsed, Flaw):
        return Unreadable(position, line, parsed.path, parsed.reason)
    return Record(position, line, text, parsed)


def limit() -> int:
    """The most bytes that one document may have (``ONCOLAKE_MAX_DOCUMENT_BYTES``). Raises BadSetting."""
    setting = os.environ.get(LIMIT_SETTING, "").strip()
    if not setting:
        return _DEFAULT_LIMIT
    if re.fullmatch("[1-9][0-9]{0,9}", setting) and int(setting) <= _HIGHEST_LIMIT:
        return int(setting)
    raise BadSetting(f"{LIMIT_SETTING} must be a whole number of bytes, from 1 to {_HIGHEST_LIMIT:,}")


def _too_large(most: int) -> str:
    return f"is larger than {most} bytes, the most a document may have ({LIMIT_SETTING})"


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | str]]:
    most = limit()
    longest = most + len(_BOM) + 2
    number = 0
    while text := stream.readline(longest):
        number += 1
        content = (text.removeprefix(_BOM) if number == 1 else text).strip(_BLANK)
        if len(text) == longest or len(content) > most:
            _skip_line(stream, text)
            yield number, _too_large(most)
        elif content:
            yield number, content


def _skip_line(stream: BinaryIO, text: bytes) -> None:
    while text and not text.endswith(b"\n"):
        text = stream.readline(_CHUNK)


def _document_or_array(stream: BinaryIO) -> Iterator[tuple[int, bytes | str]]:
    most = limit()
    start = stream.read(_CHUNK).removeprefix(_BOM)
    if start.lstrip(_BLANK).startswith(b"["):
        yield from _elements(start, stream, most)
        return
    text = start + stream.read(max(most + 1 - len(start), 0))
    content = text.strip(_BLANK)
    if len(text) > most:
        yield 1, _too_large(most)
    elif content:
        yield _line_of_content(1, text), content


def _elements(start: bytes, stream: BinaryIO, most: int) -> Iterator[tuple[int, bytes | str]]:
    """The elements of a JSON array, split at the commas between them; ``start`` is what was read of it.

    The last one may be the reason why what follows was not read.
    """
    line, comma = 1, False
    for text, closing in _split(start, stream, most):
        if isinstance(text, str):
            yield line, f"{text}; nothing after it was read"
            return
        if content := text.strip(_BLANK):
            yield _line_of_content(line, text), _too_large(most) if len(content) > most else content
        elif comma or not closing:
            yield line, "is empty: a comma stands next to nothing"
        line, comma = line + text.count(b"\n"), True


def _split(start: bytes, stream: BinaryIO, most: int) -> Iterator[tuple[bytes | str, bool]]:
    """Each text between the brackets and commas of an array, and whether the closing bracket follows it."""
    buffer, begin = start, start.index(b"[") + 1
    scanned, depth = begin, 0
    while True:
        token = _TOKEN.search(buffer, scanned)
        if token is None or (token["string"] and not token["closed"]):
            scanned = (token.start() if token else len(buffer)) - begin
            buffer, begin = buffer[begin:], 0
            if len(buffer) > most:
                yield _too_large(most), False
                return
            if not (more := stream.read(_CHUNK)):
                yield "is cut off: the file ends within the array", False
                return
            buffer += more
            continue
        scanned = token.end()
        depth += _STEP.get(token[0], 0)
        if depth < 0 or (depth == 0 and token[0] == b","):
            yield buffer[begin : token.start()], depth < 0
            begin = scanned
        if depth < 0:
            if buffer[begin:].strip(_BLANK) or any(chunk.strip(_BLANK) for chunk in _chunks(stream)):
                yield "stands behind the end of the array", False
            return


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK), b"")


def _line_of_content(line: int, text: bytes) -> int:
    return line + text[: len(text) - len(text.lstrip(_BLANK))].count(b"\n")
