"""The DICOM JSON model (PS3.18, F): attributes and their values as DICOM clients read them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from etl.find.attributes import Attribute

Dataset = dict[str, dict[str, Any]]

_NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def dataset(told: Iterable[tuple[Attribute, Any]]) -> Dataset:
    """A study or series; an attribute without a value has its representation alone."""
    found = {attribute.tag: element(attribute.vr, value) for attribute, value in told}
    return dict(sorted(found.items()))


def element(vr: str, value: Any) -> dict[str, Any]:
    """One attribute. ``value`` is as the lake has it: natural JSON, a date, a number; a list of several."""
    values = [_value(vr, each) for each in (value if isinstance(value, list) else [value])]
    if all(each in (None, "") for each in values):
        return {"vr": vr}
    return {"vr": vr, "Value": values}


def _value(vr: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if vr == "SQ":
        return _item(value)
    if vr == "PN":
        return _name(str(value))
    if vr in _NUMBERS:
        return _number(value)
    plain = value.isoformat() if isinstance(value, date) else str(value)
    return plain.replace({"DA": "-", "TM": ":"}.get(vr, "\0"), "")


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value()
        return int(value) if whole else float(value)
    return value if isinstance(value, int | float) else str(value)


def _name(name: str) -> dict[str, str] | None:
    groups: Sequence[str] = name.split("=")
    found = {group: part for group, part in zip(_GROUPS, groups, strict=False) if part}
    return found or None


def _item(item: Mapping[str, Any]) -> Dataset:
    """An item of a sequence, by keyword in the lake and by tag here; what DICOM does not know is left out."""
    found = {}
    for keyword, value in item.items():
        tag = tag_for_keyword(keyword)
        if tag is not None:
            found[f"{tag:08X}"] = element(dictionary_VR(tag), value)
    return dict(sorted(found.items()))
