"""A DICOM value as natural JSON: numbers as numbers, dates and times as ISO 8601 writes them."""

import math
import re
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from typing import Any

from etl.dicom.vr import RANGES

_DATE = re.compile(r"([0-9]{4})[.-]?([0-9]{2})[.-]?([0-9]{2})")
_TIME = re.compile(r"([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(\.[0-9]{1,6})?)?)?")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
#: Above it a double no longer holds every whole number.
_EXACT = 2**53


def natural(vr: str, value: Any) -> Any:
    """One value of the VR, or None if there is none or it is not what the VR asks for."""
    if value is None or value == "":
        return None
    convert: Callable[[Any], Any] = _CONVERTERS.get(vr, _text)
    return convert(value)


def several(vr: str, value: Any) -> list[Any]:
    """The values of an attribute that may have several: without blanks, and none if one is wrong."""
    given = [each for each in listed(value) if each is not None and str(each).strip()]
    found = [natural(vr, each) for each in given]
    return [] if None in found else found


def listed(value: Any) -> Iterable[Any]:
    """The values that pydicom gives of an attribute, however many there are."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) or hasattr(value, "append") else (value,)


def _text(value: Any) -> str | None:
    return _CONTROLS.sub(" ", str(value)).strip() or None


def _name(value: Any) -> str | None:
    text = _text(value)
    return (text.strip("^= ") or None) if text else None


def _integer(low: int, high: int, value: Any) -> int | None:
    number = _number(value)
    return number if isinstance(number, int) and low <= number <= high else None


def _number(value: Any) -> int | float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _date(value: Any) -> str | None:
    match = _DATE.fullmatch(str(value).strip())
    try:
        return date(*map(int, match.groups())).isoformat() if match else None
    except ValueError:
        return None


def _time(value: Any) -> str | None:
    match = _TIME.fullmatch(str(value).strip())
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return f"{hours:02}:{minutes:02}:{seconds:02}{match[4] or ''}"


def _uid(value: Any) -> str | None:
    text = str(value).strip(" \0")
    return text if re.fullmatch(r"[0-9]+(\.[0-9]+)*", text) and len(text) <= 64 else None


def _age(value: Any) -> str | None:
    text = str(value).strip().upper()
    return text if re.fullmatch("[0-9]{3}[DWMY]", text) else None


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("DS", "FL", "FD"), _number),
    **{vr: partial(_integer, *bounds) for vr, bounds in RANGES.items()},
    "DA": _date,
    "TM": _time,
    "UI": _uid,
    "AS": _age,
    "PN": _name,
}
