"""Judge one value: is it empty of meaning, may it stay, or does it still tell who somebody is?"""

from collections.abc import Callable
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any, NamedTuple

from pydicom.datadict import dictionary_VR, keyword_for_tag

from etl.dicom.policy import Entry, Policy, policy
from etl.dicom.tags import shown

_BLANKS = " \0\t\r\n"
_DATES = frozenset({"DA", "DT", "TM"})
#: Values of other types are numbers or bytes in binary.
_TEXTS = frozenset({"AE", "AS", "CS", "DS", "IS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})


class State(IntEnum):
    """What became of a tag of the profile, from the best to the worst."""

    EMPTY = 1
    DUMMY = 2
    """A value that stands for nobody, or another UID."""
    KEPT = 3
    """A value that may stay under an option of the profile, such as a moved date."""
    LEFT = 4


class Claims(NamedTuple):
    """What a header says of itself."""

    patient: str
    moved: bool
    """Dates and times are not the real ones."""


Verdict = tuple[State, str]
"""And why, where the value may not be there."""
_Judge = Callable[[str, Claims], Verdict]


class Role:
    """How to look at a tag. There is one for each tag and VR; it is the same for all headers."""

    __slots__ = ("action", "entry", "judge", "keyword", "private", "sequence", "tag", "uid")

    def __init__(self, number: int, entry: Entry | None, vr: str) -> None:
        self.private = (number >> 16) % 2 == 1
        self.entry = entry
        self.action = entry.action if entry else ""
        self.tag = entry.tag if entry else f"({number >> 16:04X},xxxx)" if self.private else shown(number)
        self.keyword = "" if self.private else keyword_for_tag(number) or (entry.name if entry else "")
        self.uid = vr == "UI"
        self.sequence = vr == "SQ" and not self.private
        self.judge = _judge(number, vr, policy())


@cache
def role_of(number: int, vr: str | None) -> Role | None:
    """How to look at a tag with the VR that the file says, if it says one; None: it tells nothing."""
    if (number >> 16) % 2:
        return Role(number, None, "UN")
    entry, actual = policy().entry(number), _actual(number, vr)
    if entry is None and actual != "SQ" and actual not in _DATES:
        return None
    return Role(number, entry, actual)


def verdict(role: Role, value: Any, claims: Claims) -> Verdict:
    """What to say of a value, as it stands in the file or decoded."""
    if isinstance(value, bytes) and not role.uid:
        return _remembered(role, value, claims)
    return _verdict(role, text_of(value), claims)


@lru_cache(maxsize=20_000)
def _remembered(role: Role, value: bytes, claims: Claims) -> Verdict:
    """Most values of a series are the same, but for UIDs."""
    return _verdict(role, text_of(value), claims)


def _verdict(role: Role, text: str, claims: Claims) -> Verdict:
    return role.judge(text, claims) if text else (State.EMPTY, "")


def text_of(value: Any) -> str:
    """A value as text, several joined by ``\\``, without blanks around; for values in ASCII."""
    if isinstance(value, bytes):
        return value.decode("latin-1").strip(_BLANKS)
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return "\\".join(text_of(each) for each in value).strip("\\")
    return str(value).strip(_BLANKS)


def stands_for_nobody(text: str, claims: Claims) -> bool:
    """Whether every value of a text is a dummy, the patient's pseudonym, or a UID that DICOM gives."""
    return all(_is_dummy(each.strip(" ^=\0"), claims) for each in text.split("\\"))


def _is_dummy(text: str, claims: Claims) -> bool:
    rules = policy()
    return (
        not text
        or text == claims.patient
        or rules.dummy_texts.fullmatch(text) is not None
        or text.startswith(rules.known)
    )


def _actual(number: int, vr: str | None) -> str:
    if vr is not None and vr != "UN":
        return vr
    try:
        return dictionary_VR(number).split(" or ")[0]
    except KeyError:
        return "UN"


def _judge(number: int, vr: str, rules: Policy) -> _Judge:
    if vr == "UI":
        return _judge_uid
    if vr in _DATES:
        return _judge_dates(rules, vr, number in rules.never_moved)
    if number in rules.cleaned:
        return _judge_description
    if number in rules.kept:
        return _keep
    return _judge_text if vr in _TEXTS else _judge_binary


def _judge_uid(text: str, claims: Claims) -> Verdict:
    for uid in text.split("\\"):
        if uid.startswith(policy().roots):
            return State.LEFT, f"a UID under the root of {policy().maker(uid)}: it was not replaced"
    return State.DUMMY, ""


def _judge_dates(rules: Policy, vr: str, never: bool) -> _Judge:
    dummies = rules.dummy_times if vr == "TM" else rules.dummy_dates

    def judge(text: str, claims: Claims) -> Verdict:
        if all(dummies.fullmatch(each.strip()) for each in text.split("\\")):
            return State.DUMMY, ""
        if never:
            return State.LEFT, "a date or time of the patient"
        if claims.moved:
            return State.KEPT, ""
        return State.LEFT, "a date or time, and nothing says that they were moved"

    return judge


def _judge_description(text: str, claims: Claims) -> Verdict:
    if stands_for_nobody(text, claims):
        return State.DUMMY, ""
    for what, pattern in policy().telling.items():
        if pattern.search(text):
            return State.LEFT, f"holds what looks like {what}"
    return State.KEPT, ""


def _keep(text: str, claims: Claims) -> Verdict:
    return State.KEPT, ""


def _judge_text(text: str, claims: Claims) -> Verdict:
    return (State.DUMMY, "") if stands_for_nobody(text, claims) else (State.LEFT, "a value is left")


def _judge_binary(text: str, claims: Claims) -> Verdict:
    return (State.LEFT, "a value is left") if text.strip("0\\.") else (State.DUMMY, "")
