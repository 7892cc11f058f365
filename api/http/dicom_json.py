"""The DICOM JSON model (PS3.18, F): attributes and their values as DICOM clients read them."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from etl.find.attributes import Attribute

Element = dict[str, Any]
Dataset = dict[str, Element]

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def datasets(attributes: Sequence[Attribute], rows: Sequence[Sequence[Any]]) -> list[Dataset]:
    """Studies or series, each with these attributes; one without a value has its representation alone.

    The values are as the lake has them: natural JSON, a date or a number; a list where there are several.
    """
    places = sorted((each.tag, place) for place, each in enumerate(attributes))
    tags = [tag for tag, _ in places]
    columns = list(zip(*rows, strict=True))
    elements = [_Column(attributes[place].vr).elements(columns[place]) for _, place in places if columns]
    return [dict(zip(tags, row, strict=True)) for row in zip(*elements, strict=True)]


class _Column(dict[Any, Element]):
    """Elements by value: those of a page repeat, as its series are of few studies."""

    def __init__(self, vr: str) -> None:
        super().__init__()
        self._vr = vr
        self._lists: dict[int, Element] = {}

    def __missing__(self, value: Any) -> Element:
        self[value] = found = element(self._vr, value)
        return found

    def elements(self, values: Sequence[Any]) -> list[Element]:
        """One for each value; ``values`` keep the lists among them alive, which are known by identity."""
        return [self._of_list(value) if isinstance(value, list) else self[value] for value in values]

    def _of_list(self, value: list[Any]) -> Element:
        if (found := self._lists.get(id(value))) is None:
            self._lists[id(value)] = found = element(self._vr, value)
        return found


def element(vr: str, value: Any) -> Element:
    """One attribute."""
    if value is None or value == "":
        return {"vr": vr}
    write = _WRITE.get(vr, str)
    if not isinstance(value, list):
        return {"vr": vr, "Value": [write(value)]}
    values = [None if each is None or each == "" else write(each) for each in value]
    return {"vr": vr} if all(each is None for each in values) else {"vr": vr, "Value": values}


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value()
        return int(value) if whole else float(value)
    return value if isinstance(value, int | float) else str(value)


def _name(name: Any) -> dict[str, str] | None:
    found = {group: part for group, part in zip(_GROUPS, str(name).split("="), strict=False) if part}
    return found or None


def _item(item: Mapping[str, Any]) -> Dataset:
    """An item of a sequence, by keyword in the lake and by tag here; what DICOM does not know is left out."""
    found = {}
    for keyword, value in item.items():
        tag = tag_for_keyword(keyword)
        if tag is not None:
            found[f"{tag:08X}"] = element(dictionary_VR(tag), value)
    return dict(sorted(found.items()))


_WRITE: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"), _number),
    "DA": lambda day: str(day).replace("-", ""),
    "PN": _name,
    "SQ": _item,
    "TM": lambda time: str(time).replace(":", ""),
}
