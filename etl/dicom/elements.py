"""Elements of a header as they stand in the file, not decoded, and a memory of what was made of them.

Decoding is slow, and the headers of a series hold the same values again and again.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

#: The elements of a header by the tag's number; a plain dict is much faster to ask than a Dataset.
Elements = Mapping[int, Any]
Made = TypeVar("Made")

_LONGEST = 4096
_MOST = 10_000


def elements_of(dataset: Dataset) -> dict[int, Any]:
    """The elements as they stand in the file, by number."""
    return dict(zip(map(int, dataset.keys()), dataset.values(), strict=True))


def undecoded(element: Any) -> Hashable | None:
    """What an element's meaning depends on, but for the character set; None if it is decoded, or long."""
    if not isinstance(element, RawDataElement) or element.value is None or len(element.value) > _LONGEST:
        return None
    return (int(element.tag), element.VR, element.is_implicit_VR, element.is_little_endian, element.value)


class Memory(Generic[Made]):
    """What was made of the same thing before, as far as memory is set aside for it."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Made] = {}

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What the key stands for; ``make`` makes it the first time. It must not be changed afterwards."""
        if key in self._made:
            return self._made[key]
        if len(self._made) >= _MOST:
            self._made.clear()
        made = self._made[key] = make()
        return made
