"""Check: does a header still tell who the patient is? By the confidentiality profile, and as we read it.

A finding names a tag and what is wrong with it, never the value.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from etl.dicom.elements import Elements, Memory, elements_of, undecoded
from etl.dicom.judge import Claims, Role, State, role_of, stands_for_nobody, text_of, verdict
from etl.dicom.policy import policy
from etl.dicom.tags import shown


class Finding(NamedTuple):
    """A tag by which a header identifies somebody, or may. It never holds the value."""

    tag: str
    """``(0010,0010)``; of private tags the group: ``(0029,xxxx)``."""
    keyword: str
    """DICOM's keyword; empty for private tags."""
    action: str
    """The profile's action code; empty for what the profile does not list."""
    why: str


class Checked(NamedTuple):
    """What the check found in one header."""

    states: dict[str, State]
    """The worst state of each tag of the profile that is there, those in sequences included."""
    findings: set[Finding]


SERIES_UID, PATIENT_ID = 0x0020000E, 0x00100020
_IDENTITY_REMOVED, _METHOD_CODES, _MODIFIED, _BURNED_IN = 0x00120062, 0x00120064, 0x00280303, 0x00280301
_PRIVATE = "private: nobody knows what it holds"
#: Asking an enumeration for its member takes longer than all else that is done with most values.
_LEFT = State.LEFT
_SEQUENCES: Memory[Checked] = Memory()


def check(dataset: Dataset, elements: Elements, meta: Elements | None = None) -> Checked:
    """What of a header still identifies the patient, sequences included.

    ``meta`` is the file meta information; without it, it is looked for in the dataset.
    """
    checked = Checked({}, set())
    claims = _claims(dataset, elements)
    if meta is None:
        meta = elements_of(getattr(dataset, "file_meta", None) or Dataset())
    _look(dataset, meta, claims, checked)
    _look(dataset, elements, claims, checked)
    if SERIES_UID in elements and told(elements, _IDENTITY_REMOVED).upper() != "YES":
        checked.findings.add(_plain(_IDENTITY_REMOVED, "is not YES"))
    if told(elements, _BURNED_IN).upper() == "YES":
        checked.findings.add(_plain(_BURNED_IN, "is YES: text stands in the pixels"))
    return checked


def told(elements: Elements, number: int) -> str:
    """An attribute's value as text, several joined by ``\\``; "" if it is not there. For ASCII."""
    element = elements.get(number)
    return "" if element is None else text_of(element.value)


def _claims(dataset: Dataset, elements: Elements) -> Claims:
    rules = policy()
    moved = told(elements, _MODIFIED).upper() in rules.modified
    if not moved and _METHOD_CODES in elements:
        codes = {str(item.get("CodeValue", "")) for item in dataset[_METHOD_CODES].value or ()}
        moved = rules.moved_option in codes
    return Claims(told(elements, PATIENT_ID), moved)


def _look(dataset: Dataset, elements: Elements, claims: Claims, checked: Checked) -> None:
    for number, role in _roles(tuple(elements), tuple(element.VR for element in elements.values())):
        if role.private:
            checked.findings.add(Finding(role.tag, "", "", _PRIVATE))
        elif role.sequence:
            _add(checked, _inside(dataset, number, elements[number], role, claims))
        else:
            _note(checked, role, *verdict(role, elements[number].value, claims))


@lru_cache(maxsize=1000)
def _roles(numbers: tuple[int, ...], vrs: tuple[str | None, ...]) -> tuple[tuple[int, Role], ...]:
    """The tags to look at, of all that a header has. Headers of a series have the same ones."""
    roles = ((number, role_of(number, vr)) for number, vr in zip(numbers, vrs, strict=True))
    return tuple((number, role) for number, role in roles if role is not None)


def _inside(dataset: Dataset, number: int, element: Any, role: Role, claims: Claims) -> Checked:
    """What is found in a sequence. Those of a series are mostly the same, byte by byte."""
    key = undecoded(element)
    if key is None:
        return _look_inside(dataset[number].value, role, claims)
    return _SEQUENCES.get((key, claims), lambda: _look_inside(dataset[number].value, role, claims))


def _look_inside(value: Any, role: Role, claims: Claims) -> Checked:
    checked = Checked({}, set())
    items = value if isinstance(value, Sequence) else ()
    if value and (role.odd or not isinstance(value, Sequence)):
        _note(checked, role, State.LEFT, role.odd or "a sequence that cannot be looked into")
    for item in items:
        _look(item, elements_of(item), claims, checked)
    # A reference to other instances may stay: its UIDs are looked at one by one.
    if role.entry is not None and "U" in role.action:
        _note(checked, role, State.DUMMY if items else State.EMPTY, "")
    elif role.entry is not None:
        worst = max((_worst(item, claims) for item in items), default=State.EMPTY)
        _note(checked, role, worst, "it holds more than dummies" if worst is State.LEFT else "")
    return checked


def _add(checked: Checked, found: Checked) -> None:
    checked.findings.update(found.findings)
    for tag, state in found.states.items():
        if state > checked.states.get(tag, 0):
            checked.states[tag] = state


def _worst(item: Dataset, claims: Claims) -> State:
    """The worst that stands in an item that should not be there, whatever its tags are."""
    return max((_leaf(item, *each, claims) for each in elements_of(item).items()), default=State.EMPTY)


def _leaf(item: Dataset, number: int, element: Any, claims: Claims) -> State:
    role = role_of(number, element.VR)
    if role is not None and role.sequence:
        value = item[number].value
        if value and not isinstance(value, Sequence):
            return State.LEFT
        return max((_worst(inner, claims) for inner in value or ()), default=State.EMPTY)
    if role is not None and role.entry is not None:
        return verdict(role, element.value, claims)[0]
    text = text_of(element.value)
    if not text:
        return State.EMPTY
    return State.DUMMY if stands_for_nobody(text, claims) else State.LEFT


def _note(checked: Checked, role: Role, state: State, why: str) -> None:
    if role.entry is not None and state > checked.states.get(role.tag, 0):
        checked.states[role.tag] = state
    if state is _LEFT:
        checked.findings.add(Finding(role.tag, role.keyword, role.action, why))


def _plain(number: int, why: str) -> Finding:
    return Finding(shown(number), keyword_for_tag(number), "", why)
