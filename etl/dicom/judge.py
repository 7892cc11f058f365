"""Judge one value: is it empty of meaning, may it stay, or does it still tell who somebody is?"""

import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any, NamedTuple

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from etl.dicom.policy import Entry, Policy, policy
from etl.dicom.schema import item_keywords
from etl.dicom.tags import kept_tags, shown
from etl.dicom.vr import TEXTS, dictionary_vr, same

_BLANKS = " \0\t\r\n"
_DATES = frozenset({"DA", "DT", "TM"})
_NAME = "a name"
_ODD = "not of the type that DICOM gives it (PS3.6)"
_PATIENT_ID = 0x00100020
_DATE_SIGNS, _UID_SIGNS = frozenset("0123456789.:+-\\ "), frozenset("0123456789.\\ \0")


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

    __slots__ = ("action", "entry", "judge", "keyword", "odd", "private", "sequence", "tag", "uid")

    def __init__(self, number: int, entry: Entry | None, vr: str, said: str | None) -> None:
        self.private = (number >> 16) % 2 == 1
        self.entry = entry
        self.action = entry.action if entry else ""
        self.tag = entry.tag if entry else f"({number >> 16:04X},xxxx)" if self.private else shown(number)
        self.keyword = "" if self.private else keyword_for_tag(number) or (entry.name if entry else "")
        self.uid = vr == "UI"
        self.sequence = "SQ" in (vr, said) and not self.private
        #: Why it is odd that the file has this VR; empty if it is not.
        self.odd = "" if entry is None or said is None or same(said, number) else _ODD
        self.judge = _judge_odd if self.odd else _judge(number, vr, entry, policy())


@lru_cache(maxsize=100_000)
def role_of(number: int, vr: str | None) -> Role | None:
    """How to look at a tag with the VR that the file says, if it says one; None: it tells nothing.

    It is the dictionary's VR that counts: what a file says of itself proves nothing.
    """
    if (number >> 16) % 2:
        return Role(number, None, "UN", None)
    entry, actual = policy().entry(number), dictionary_vr(number, vr)
    watched = "SQ" in (actual, vr) or actual in _DATES or number in kept_texts()
    return Role(number, entry, actual, vr) if entry is not None or watched else None


@cache
def kept_texts() -> frozenset[int]:
    """Tags that are kept and hold text, those of the items of sequences included."""
    kept = {tag.number for tag in kept_tags().values() if tag.vr in TEXTS}
    return frozenset(kept | {tag_for_keyword(each) or 0 for each in item_keywords("code")})


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
    if len(text) > rules.longest_dummy:
        return False
    return (
        not text
        or text == claims.patient
        or rules.dummy_texts.fullmatch(text) is not None
        or text.startswith(rules.known)
    )


def _judge(number: int, vr: str, entry: Entry | None, rules: Policy) -> _Judge:
    if vr == "UI":
        return _judge_uid
    if vr in _DATES:
        return _judge_dates(rules, vr, number in rules.never_moved)
    if number == _PATIENT_ID:
        return _judge_kept({**_telling(rules, number), _NAME: rules.names}, rules.longest_kept)
    if number in rules.kept or entry is None:
        return _judge_kept(_telling(rules, number), rules.longest_kept)
    return _judge_text if vr in TEXTS else _judge_binary


def _telling(rules: Policy, number: int) -> dict[str, re.Pattern[str]]:
    excused = rules.excused.get(number, ())
    return {what: pattern for what, pattern in rules.telling.items() if what not in excused}


def _judge_odd(text: str, claims: Claims) -> Verdict:
    return State.LEFT, _ODD


def _judge_uid(text: str, claims: Claims) -> Verdict:
    if not _UID_SIGNS.issuperset(text):
        return State.LEFT, "no UID"
    for uid in text.split("\\"):
        if uid.startswith(policy().roots):
            return State.LEFT, f"a UID under the root of {policy().maker(uid)}: it was not replaced"
    return State.DUMMY, ""


def _judge_dates(rules: Policy, vr: str, never: bool) -> _Judge:
    dummies = rules.dummy_times if vr == "TM" else rules.dummy_dates

    def judge(text: str, claims: Claims) -> Verdict:
        if not _DATE_SIGNS.issuperset(text):
            return State.LEFT, "no date or time"
        if all(dummies.fullmatch(each.strip()) for each in text.split("\\")):
            return State.DUMMY, ""
        if never:
            return State.LEFT, "a date or time of the patient"
        if claims.moved:
            return State.KEPT, ""
        return State.LEFT, "a date or time, and nothing says that they were moved"

    return judge


def _judge_kept(telling: Mapping[str, re.Pattern[str]], longest: int) -> _Judge:
    """Of a text that may stay: none of what it may not hold, nor more than can be looked through."""

    def judge(text: str, claims: Claims) -> Verdict:
        if len(text) > longest:
            return State.LEFT, f"a text of more than {longest} characters"
        for what, pattern in telling.items():
            if pattern.search(text):
                return State.LEFT, f"holds what looks like {what}"
        return (State.DUMMY, "") if stands_for_nobody(text, claims) else (State.KEPT, "")

    return judge


def _judge_text(text: str, claims: Claims) -> Verdict:
    return (State.DUMMY, "") if stands_for_nobody(text, claims) else (State.LEFT, "a value is left")


def _judge_binary(text: str, claims: Claims) -> Verdict:
    return (State.LEFT, "a value is left") if text.strip("0\\.") else (State.DUMMY, "")
