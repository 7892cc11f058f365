"""Criteria: what a search looks for in one attribute, as SQL.

Source: D4.4 5.1, Tables 13 and 14: texts are compared without regard to case, names without regard to
accents too, days may be a range, and of names the beginnings of words may be enough.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from etl.find.attributes import Attribute
from omop_schema.copy_text import storable
from omop_schema.image_search import SEARCHED, bare, beginnings, cut, plain, words

#: A text attribute (LT) has at most as many characters.
_LONGEST = 10_240
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_UIDS = re.compile(r"[,\\]")
_RANGE = re.compile(r"[<>]=")
_DAY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")


class BadCriterion(ValueError):
    """A value that cannot be searched for. It says why, and never the value."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """An attribute, and what is looked for in it."""

    attribute: Attribute
    sql: str
    """A condition on the tables ``study``, ``series`` and ``person``."""
    values: dict[str, Any]
    """Of its parameters."""
    few: bool
    """Whether few studies fit, in a lake however large."""
    single: bool
    """Whether it is one value that is looked for: an index tells soon whether few fit."""


def criterion(attribute: Attribute, value: str, *, fuzzy: bool = False, name: str | None = None) -> Criterion:
    """The condition for one value as a client writes it. ``name`` is that of its parameter.

    Raises BadCriterion.
    """
    if attribute.match is None:
        raise BadCriterion("cannot be searched by")
    if not value.strip():
        raise BadCriterion("has no value; name it in includefield to have it told")
    if not storable(value) or len(value) > _LONGEST:
        raise BadCriterion("has a value that it can never have")
    make = {"uid": _uid, "text": _text, "name": _beginnings if fuzzy else _name, "date": _date}
    name = name or attribute.keyword.lower()
    sql, values = make[attribute.match.kind](attribute.match.sql, value.strip(), name)
    single = not fuzzy and len(values) == 1 and not _RANGE.search(sql)
    return Criterion(attribute, sql, values, attribute.match.few and single, single)


_Condition = tuple[str, dict[str, Any]]


def _uid(sql: str, value: str, name: str) -> _Condition:
    uids = [each.strip() for each in _UIDS.split(value)]
    if not all(_UID.fullmatch(each) and len(each) <= 64 for each in uids):
        raise BadCriterion("must be a UID, or several with commas between them")
    return f"{sql} = ANY(CAST(:{name} AS text[]))", {name: uids}


def _text(sql: str, value: str, name: str) -> _Condition:
    _refuse_wildcards(value)
    return f"{plain(sql)} = {plain(f'CAST(:{name} AS text)')}", {name: value}


def _name(sql: str, value: str, name: str) -> _Condition:
    """The name as it is. What of it an index has is all of it, unless it is very long."""
    _refuse_wildcards(value)
    given = f"CAST(:{name} AS text)"
    whole = f"(length({bare(given)}) < {SEARCHED} OR {bare(sql)} = {bare(given)})"
    return f"{cut(sql)} = {cut(given)} AND {whole}", {name: value}


def _beginnings(sql: str, value: str, name: str) -> _Condition:
    _refuse_wildcards(value)
    return f"{words(sql)} @@ {beginnings(f'CAST(:{name} AS text)')}", {name: value}


def _refuse_wildcards(value: str) -> None:
    if "*" in value or "?" in value:
        raise BadCriterion(
            "cannot be searched by with wildcards; fuzzymatching=true finds beginnings of names"
        )


def _date(sql: str, value: str, name: str) -> _Condition:
    first, dash, last = value.partition("-")
    if not dash:
        return f"{sql} = :{name}", {name: _day(first)}
    ends = {f"{name}_first": (">=", first), f"{name}_last": ("<=", last)}
    given = {each: (sign, _day(day)) for each, (sign, day) in ends.items() if day}
    if not given:
        raise BadCriterion("has a range without an end")
    conditions = [f"{sql} {sign} :{each}" for each, (sign, _) in given.items()]
    return " AND ".join(conditions), {each: day for each, (_, day) in given.items()}


def _day(text: str) -> str:
    parts = _DAY.fullmatch(text.strip())
    try:
        year, month, day = map(int, parts.groups() if parts else ())
        return date(year, month, day).isoformat()
    except ValueError:
        raise BadCriterion(
            "must be a day as yyyymmdd, or a range of days with a hyphen between them"
        ) from None
