"""Value representations: which one a tag has, whatever a file says, and which can be read as another."""

from functools import lru_cache

from pydicom.datadict import dictionary_VR

#: Those of text; values of others are numbers, UIDs, dates and times, or bytes.
TEXTS = frozenset({"AE", "AS", "CS", "DS", "IS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_STRINGS = TEXTS | {"DA", "DT", "TM", "UI"}
_NUMBERS = frozenset({"DS", "IS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
UNKNOWN = "UN"
#: The least and the greatest of whole numbers (PS3.5, 6.2). Those of text have the range of SL.
RANGES = {
    "IS": (-(2**31), 2**31 - 1),
    "SL": (-(2**31), 2**31 - 1),
    "UL": (0, 2**32 - 1),
    "SS": (-(2**15), 2**15 - 1),
    "US": (0, 2**16 - 1),
}


def dictionary_vr(number: int, said: str | None) -> str:
    """The VR of DICOM's dictionary (PS3.6); the file's where that leaves a choice or lacks the tag."""
    choice = _choice(number)
    if not choice:
        return said or UNKNOWN
    return said if said in choice else choice[0]


def same(said: str, number: int) -> bool:
    """Whether a file's VR of a tag is the dictionary's, or UN, which any may be sent as."""
    choice = _choice(number)
    return not choice or said == UNKNOWN or not set(said.split(" or ")).isdisjoint(choice)


def readable(said: str, number: int) -> bool:
    """Whether a value decoded by the file's VR is what the dictionary's asks for: text, or a number."""
    if same(said, number):
        return True
    return any({said, vr} <= kind for vr in _choice(number) for kind in (_STRINGS, _NUMBERS))


@lru_cache(maxsize=100_000)
def _choice(number: int) -> tuple[str, ...]:
    try:
        return tuple(dictionary_VR(number).split(" or "))
    except KeyError:
        return ()
