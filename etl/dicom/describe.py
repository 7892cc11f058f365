"""Describe: what is kept of a header, as the attributes of a series document.

Attributes of multi-frame objects stand in functional groups (PS3.3, C.7.6.16): those that all frames share,
then those of the frames.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from etl.dicom.elements import Elements, Memory, undecoded
from etl.dicom.schema import item_keywords
from etl.dicom.tags import Tag, kept_tags
from etl.dicom.values import listed, natural, several
from etl.dicom.vr import readable

_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_REFERENCED_SERIES, _SOURCE_IMAGES, _DERIVATION = 0x00081115, 0x00082112, 0x00089124
#: A study's other series, where an object refers to instances of them; it holds further _REFERENCED_SERIES.
_OTHER_STUDIES = 0x00081200
_EXAMINED_STUDIES, _EXAMINED_SERIES = 0x30060012, 0x30060014
_FRAMES_OF_REFERENCE = 0x30060010
#: How far a slice's normal may lean before its plane is oblique: the cosine of 37 degrees.
_UPRIGHT = 0.8
_VALUES: Memory[list[Any] | None] = Memory()
_PLANES = ("sagittal", "coronal", "axial")


def describe(dataset: Dataset, elements: Elements) -> dict[str, Any]:
    """The kept attributes that the header has, by keyword, and AcquisitionPlane."""
    found = {}
    groups = list(_functional_groups(dataset, elements))
    for number, tag in kept_tags().items():
        holders = [dataset] if number in elements else [group for group in groups if number in group]
        if (value := _attribute(holders, tag)) is not None:
            found[tag.keyword] = value
    if plane := plane_of(found.get("ImageOrientationPatient", ())):
        found["AcquisitionPlane"] = plane
    return found


def collected(dataset: Dataset, elements: Elements) -> dict[str, list[Any]]:
    """Only the attributes whose values are collected over a series."""
    found = {}
    multi_frame = _SHARED in elements or _PER_FRAME in elements
    for tag in _collected_tags():
        if multi_frame:
            groups = (dataset, *_functional_groups(dataset, elements))
            value = _attribute([holder for holder in groups if tag.number in holder], tag)
        else:
            value = _collected(dataset, elements.get(tag.number), tag)
        if value is not None:
            found[tag.keyword] = value
    return found


@cache
def _collected_tags() -> tuple[Tag, ...]:
    return tuple(tag for tag in kept_tags().values() if tag.collect)


def _collected(dataset: Dataset, element: Any, tag: Tag) -> list[Any] | None:
    if element is None:
        return None
    if (key := undecoded(element)) is None:
        return _as_list(_attribute([dataset], tag))
    return _VALUES.get(key, lambda: _as_list(_attribute([dataset], tag)))


def _as_list(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) else None


def sources_of(dataset: Dataset, elements: Elements) -> tuple[set[str], set[str]]:
    """Series and instances that the header names as its sources or subject, by UID."""
    series: set[str] = set()
    instances: set[str] = set()
    _add_sources(dataset, elements, series, instances)
    for group in _functional_groups(dataset, elements):
        _add_sources(group, group, series, instances)
    return series, instances


def plane_of(orientation: Iterable[float]) -> str | None:
    """The plane of slices whose rows and columns point so: six cosines, towards left, back and head."""
    cosines = list(orientation)
    if len(cosines) != 6:
        return None
    (ax, ay, az), (bx, by, bz) = cosines[:3], cosines[3:]
    normal = [abs(ay * bz - az * by), abs(az * bx - ax * bz), abs(ax * by - ay * bx)]
    length = sum(each * each for each in normal) ** 0.5
    if not length:
        return None
    most = max(normal)
    return _PLANES[normal.index(most)] if most / length >= _UPRIGHT else "oblique"


def _attribute(holders: list[Dataset], tag: Tag) -> Any:
    if not holders:
        return None
    if tag.collect:
        values = (each for holder in holders for each in several(tag.vr, _value(holder, tag.number)))
        return sorted(set(values)) or None
    value = _value(holders[0], tag.number)
    if tag.items:
        return _items(value or (), item_keywords(tag.items)) or None
    if tag.many:
        return several(tag.vr, value) or None
    one = list(listed(value))
    # Several values where DICOM allows one are a text with backslashes in it.
    return natural(tag.vr, one[0] if len(one) == 1 else "\\".join(map(str, one)))


def _value(holder: Dataset, number: int) -> Any:
    """The value; None if it is not of the dictionary's VR or cannot be decoded: as good as not there."""
    try:
        element = holder[number]
        value = element.value
    except (ValueError, TypeError, LookupError, NotImplementedError):
        return None
    return None if isinstance(value, bytes) or not readable(element.VR, number) else value


def _items(sequence: Iterable[Dataset], keywords: tuple[str, ...]) -> list[dict[str, str]]:
    items = ({key: _text_of(item, key) for key in keywords} for item in sequence)
    whole = ({key: value for key, value in item.items() if value is not None} for item in items)
    return [item for item in whole if item]


def _text_of(item: Dataset, keyword: str) -> Any:
    value = _value(item, tag_for_keyword(keyword) or 0)
    return natural("UI" if keyword.endswith("UID") else "LO", value)


def _functional_groups(dataset: Dataset, elements: Elements) -> Iterator[Dataset]:
    """The macros of the functional groups, those of all frames first."""
    for number in (_SHARED, _PER_FRAME):
        if number not in elements:
            continue
        for frame in dataset[number].value or ():
            for macro in frame:
                if macro.VR == "SQ":
                    yield from macro.value or ()


def _add_sources(dataset: Dataset, there: Any, series: set[str], instances: set[str]) -> None:
    for number in (_SOURCE_IMAGES, _DERIVATION):
        if number in there:
            for item in dataset[number].value or ():
                _add_instances(item, instances)
    for number in (_REFERENCED_SERIES, _OTHER_STUDIES, _FRAMES_OF_REFERENCE):
        if number in there:
            for item in dataset[number].value or ():
                _add_series(item, series)


def _add_instances(item: Dataset, instances: set[str]) -> None:
    if uid := natural("UI", item.get("ReferencedSOPInstanceUID")):
        instances.add(uid)
    for inner in item.get("SourceImageSequence") or ():
        _add_instances(inner, instances)


def _add_series(item: Dataset, series: set[str]) -> None:
    if uid := natural("UI", item.get("SeriesInstanceUID")):
        series.add(uid)
    for number in (_REFERENCED_SERIES, _EXAMINED_STUDIES, _EXAMINED_SERIES):
        if number in item:
            for inner in item[number].value or ():
                _add_series(inner, series)
