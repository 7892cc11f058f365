"""Strict JSON: bytes to one object, or what is wrong with them and where.

Almost every document takes the fast path (orjson). One that orjson refuses, or that holds something orjson
and JSONB would read differently, takes the careful path (the standard library's parser), which names the
place. What either path returns is what PostgreSQL gives back from JSONB.
"""

import hashlib
import json
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from etl.mapping.paths import quoted

MAX_DEPTH = 64

_LONGEST_NUMBER = 64
_INTEGERS = range(-(2**63), 2**63)
#: Numbers that orjson and JSONB may read differently: long ones, powers of ten, and minus zero. A quick look
#: also finds strings; the pattern asks that the number stands where a JSON number can.
_FLATTENED = bytes.maketrans(b"123456789.E", b"0000000000e")
_LONG_NUMBER = b"0" * 16
_MINUS_ZERO = re.compile(rb"-0(?:\.0*)?[^0-9.]")
_RISKY_NUMBER = re.compile(rb"[:\[,\s](?:-?[0-9]{16}|-?[0-9.]{40}|-?[0-9.]+[eE]|-0(?:\.0*)?[^0-9.])")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)
_DEEP = b"\n" + b"  " * MAX_DEPTH


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a text is not a strict JSON object, at which JSON path. ``reason`` never holds a value."""

    path: str
    reason: str


class _Bad(NamedTuple):
    """Stands in the parsed document for a number that is none."""

    reason: str


class _Repeating(dict[str, Any]):
    """Stands in the parsed document for an object that holds ``key``, its ``place``-th key, twice."""

    key: str
    place: int


def parse(raw: bytes, line: int = 1, known: Container[str] = ()) -> dict[str, Any] | Flaw:
    """The JSON object that ``raw`` is; ``line``: where in its file it starts; ``known``: keys to be told.

    Refused, besides what is no JSON: a key twice in one object, NaN, Infinity, numbers beyond 64 bit, NUL and
    lone surrogates in strings, and more than 64 levels of nesting.
    """
    try:
        document = orjson.loads(raw)
        suspicious = not isinstance(document, dict) or _is_suspicious(raw, document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # the latter when nested too deep
        return _careful(raw, line, known)
    return _careful(raw, line, known) if suspicious else document


def digest(document: dict[str, Any]) -> bytes:
    """SHA-256 of the canonical form: the same for two texts that differ only in white space and key order."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()


def counted(place: int) -> str:
    """A place in an object as an ordinal number: ``1st``, ``2nd``, ``11th``."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def member(path: str, key: str | int, known: Container[str] = ()) -> str:
    """The JSON path of one member: ``$.lesions[0]."PI-RADS"``, as SQL/JSON writes it.

    A key that is not ``known`` is not told, as it may be a value that went astray: ``$.*``.
    """
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{quoted(key) if key in known else '*'}"


def _is_suspicious(raw: bytes, document: dict[str, Any]) -> bool:
    if b"\\u" in raw or (_may_be_risky(raw) and _RISKY_NUMBER.search(raw)):
        return True
    # A repeated key is gone after parsing, and its colon with it.
    if raw.count(b":") != orjson.dumps(document).count(b":"):
        return True
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    return _DEEP in orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _may_be_risky(raw: bytes) -> bool:
    flattened = raw.translate(_FLATTENED)
    return b"0e" in flattened or _LONG_NUMBER in flattened or _MINUS_ZERO.search(raw) is not None


def _careful(raw: bytes, line: int, known: Container[str]) -> dict[str, Any] | Flaw:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return Flaw("$", f"is not UTF-8 at byte {error.start + 1}")
    if deep := _too_deep(text, line):
        return deep
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number
        )
    except json.JSONDecodeError as error:
        return Flaw("$", f"is not JSON at line {line + error.lineno - 1}, column {error.colno}")
    if not isinstance(document, dict):
        return Flaw("$", "must be an object")
    return next(_flaws(document, "$", known), document)


def _too_deep(text: str, line: int) -> Flaw | None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            place = line + text.count("\n", 0, token.start())
            return Flaw("$", f"is nested deeper than {MAX_DEPTH} levels at line {place}")
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) == len(pairs):
        return parsed
    repeating = _Repeating(parsed)
    names = [name for name, _ in pairs]
    repeating.key = next(name for name in parsed if names.count(name) > 1)
    repeating.place = names.index(repeating.key) + 1
    return repeating


def _constant(name: str) -> _Bad:
    return _Bad(f"{name} is not a JSON number")


def _integer(text: str) -> int | _Bad:
    if len(text) > 20 or int(text) not in _INTEGERS:
        return _Bad("is an integer beyond 64 bit")
    return int(text)


def _number(text: str) -> int | float | _Bad:
    """A number with a fraction or a power of ten, as JSONB keeps it: 1e2 is 100, and -0.0 is 0.0."""
    if len(text) > _LONGEST_NUMBER:
        return _Bad(f"is a number of more than {_LONGEST_NUMBER} characters")
    if abs(number := float(text)) == float("inf"):
        return _Bad("is a number too large for 64 bit")
    if number == 0 and Decimal(text) != 0:
        return _Bad("is a number too small for 64 bit")
    if "e" not in text.lower():
        return number + 0.0
    plain = format(Decimal(text), "f")
    return number + 0.0 if "." in plain else _integer(plain) if number else 0


def _flaws(value: Any, path: str, known: Container[str]) -> Iterator[Flaw]:
    if isinstance(value, _Bad):
        yield Flaw(path, value.reason)
    elif isinstance(value, str):
        yield from (Flaw(path, f"holds {what}") for what in _bad_characters(value))
    elif isinstance(value, dict):
        yield from _object_flaws(value, path, known)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flaws(item, member(path, index), known)


def _object_flaws(value: dict[str, Any], path: str, known: Container[str]) -> Iterator[Flaw]:
    for key in value:
        yield from (Flaw(path, f"has a key that holds {what}") for what in _bad_characters(key))
    if isinstance(value, _Repeating):
        shown = f"the key '{value.key}'" if value.key in known else f"its {counted(value.place)} key"
        yield Flaw(path, f"has {shown} twice")
    for key, inner in value.items():
        yield from _flaws(inner, member(path, key, known), known)


def _bad_characters(text: str) -> Iterator[str]:
    if "\0" in text:
        yield "the character NUL"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        yield "half a surrogate pair"
