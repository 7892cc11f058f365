"""What generated code calls: dates and text, the parts that are not worth writing out for every rule."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import orjson

from etl.mapping.paths import quoted
from omop_schema.copy_text import escape

Report = Callable[[int | None, str, str, str], None]

_LAST_DAY = date.max.toordinal()
_MONTHS = 12


class _Days(dict[int, str]):
    """ISO dates by ordinal, made when first asked for: a lake holds few different days."""

    def __missing__(self, ordinal: int) -> str:
        text = date.fromordinal(ordinal).isoformat()
        if len(self) < 100_000:
            self[ordinal] = text
        return text


_DAYS = _Days()


def ordinal(text: str | None) -> int | None:
    """The day number of an ISO date; None without one, and for what no calendar has, like the year 0000.

    A schema may let such a date through: JSON Schema's format "date" does.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        return None


def days_after(start: str | None, days: int | None) -> str | None:
    """The date so many days later; None when either is unknown or the calendar ends.

    JSON Schema counts 20.0 as an integer, so days may be a whole float.
    """
    first = ordinal(start)
    if first is None or days is None:
        return None
    day = first + int(days)
    return _DAYS[day] if 1 <= day <= _LAST_DAY else None


def months_after(start: str | None, months: int | None) -> str | None:
    """The same day so many months later, or the month's last day when it has no such day."""
    if start is None or months is None:
        return None
    first = date.fromisoformat(start)
    year, month = divmod(first.year * _MONTHS + first.month - 1 + int(months), _MONTHS)
    if not date.min.year <= year <= date.max.year:
        return None
    for day in (first.day, 30, 29, 28):
        try:
            return date(year, month + 1, day).isoformat()
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def years_after(start: str | None, years: int | None) -> str | None:
    """The same day so many years later; 28 February stands in for a 29th."""
    return months_after(start, None if years is None else years * _MONTHS)


def moved(text: str | None, shift: int | None) -> str | None:
    """A real date moved by so many days; None when it is unknown, has no anchor, or leaves the calendar."""
    real = ordinal(text)
    if real is None or shift is None:
        return None
    day = real + shift
    return _DAYS[day] if 1 <= day <= _LAST_DAY else None


def as_recorded(text: str | None) -> str | None:
    """A date as it is recorded; None when it is unknown, or no calendar has it."""
    day = ordinal(text)
    return None if day is None else _DAYS[day]


def instant(text: str, rule: int, path: str, problem: Report) -> str | None:
    """A time with its zone (RFC 3339) as PostgreSQL writes it, in UTC; None, and a problem, for none."""
    try:
        when = datetime.fromisoformat(text.upper())
        utc = when if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        problem(rule, "invalid", path, "not a time that a calendar has")
        return None
    return utc.replace(tzinfo=None).isoformat(" ")


def as_json(part: Any) -> str:
    """A part of the document as JSON, in COPY's encoding; an object without the keys that are null."""
    if isinstance(part, dict):
        part = {key: value for key, value in part.items() if value is not None}
    return escape(orjson.dumps(part).decode())


def joined(items: list[Any], by: str) -> str:
    """The items as one text; what is not recorded is left out, and a whole number has no decimals."""
    return by.join(
        str(int(one)) if isinstance(one, float) and one.is_integer() else str(one)
        for one in items
        if one is not None
    )


def used_below(part: Any, path: str, problem: Report) -> None:
    """Report every value that is recorded in a part of the document, which stands at ``path``, as used."""
    if isinstance(part, dict):
        for key, child in part.items():
            used_below(child, f"{path}.{quoted(key)}", problem)
    elif isinstance(part, list):
        for index, child in enumerate(part):
            used_below(child, f"{path}[{index}]", problem)
    elif part is not None:
        problem(None, "used", path, "")


def cut(text: str, length: int, column: str, rule: int, path: str, problem: Report) -> str:
    """Text cut to its column, escaped; a cut is a problem."""
    if len(text) > length:
        problem(rule, "truncated", path, f"longer than the {length} characters of '{column}'")
        text = text[:length]
    return escape(text)


def overflow(path: str, capacity: int, count: int) -> OverflowError:
    """More items than a row id has room for."""
    return OverflowError(f"{path} has {count} items; a row id has room for {capacity}")
