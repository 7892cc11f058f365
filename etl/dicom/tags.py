"""The allow-list: which attributes of a header are kept, at which level, and why.

It is data: mappings/dicom/tags.yaml.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydicom.datadict import dictionary_description, dictionary_VM, dictionary_VR, tag_for_keyword
from ruamel.yaml import YAML

#: The folder of the mapping that series documents are cases of.
FOLDER = files("mappings").joinpath("dicom")
TAGS = FOLDER.joinpath("tags.yaml")
LEVELS = ("study", "series", "instance")


@dataclass(frozen=True, slots=True)
class Tag:
    """An attribute that is kept. Number, VR and multiplicity are those of DICOM's data dictionary (PS3.6)."""

    keyword: str
    level: str
    """``study`` or ``series``; ``instance`` is of both."""
    why: str
    number: int
    vr: str
    many: bool
    """Whether it is a list: DICOM allows several values, or those of all instances are collected."""
    collect: bool = False
    """Whether the values of all instances of a series are listed."""
    items: str | None = None
    """What is kept inside a sequence: ``code`` or ``reference``; None for what is no sequence."""

    @property
    def name(self) -> str:
        """DICOM's name of the attribute, such as ``Patient's Name``."""
        return dictionary_description(self.number)


@cache
def kept_tags() -> Mapping[int, Tag]:
    """Every attribute that is kept, by its number, in the order of tags.yaml."""
    return {tag.number: tag for tag in _read(YAML(typ="safe").load(TAGS.read_bytes()))}


@cache
def keywords(*levels: str) -> tuple[str, ...]:
    """The keywords of the attributes that are kept at one of these levels, as tags.yaml has them."""
    return tuple(tag.keyword for tag in kept_tags().values() if tag.level in levels)


def shown(number: int) -> str:
    """A tag's number as DICOM writes it: ``(0010,0020)``."""
    return f"({number >> 16:04X},{number & 0xFFFF:04X})"


def _read(written: Mapping[str, Any]) -> Iterator[Tag]:
    for level in LEVELS:
        for keyword, told in written[level].items():
            yield _tag(keyword, level, **told)


def _tag(keyword: str, level: str, why: str, collect: bool = False, items: str | None = None) -> Tag:
    number = tag_for_keyword(keyword)
    if number is None:
        raise ValueError(f"tags.yaml: DICOM's dictionary has no attribute '{keyword}'")
    vr = dictionary_VR(number)
    if (vr == "SQ") != (items in ("code", "reference")):
        raise ValueError(
            f"tags.yaml: '{keyword}' needs items 'code' or 'reference' if it is a sequence, else none"
        )
    many = collect or dictionary_VM(number) != "1" or vr == "SQ"
    return Tag(keyword, level, why, number, vr.split(" or ")[0], many, collect, items)
