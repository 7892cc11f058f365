"""The query of a search (D4.4 5.1, Tables 12 and 15): parameters as clients write them, made a search."""

import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

from pydicom.datadict import tag_for_keyword

from api.http.errors import ApiError
from etl.find.attributes import Attribute, Level, known
from etl.find.criteria import BadCriterion, Criterion, criterion
from etl.find.images import Search

#: The most that a page may hold, and what it holds unless the client says so.
MOST, USUAL = 200, 100
_LAST = 2**63 - 1
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
#: What may be repeated to the client: anything else could be a patient's.
_WORD = re.compile(r"[A-Za-z]{1,64}")
_OURS = frozenset({"includefield", "limit", "offset", "fuzzymatching"})

Parameters = Sequence[tuple[str, str]]


def read_query(parameters: Parameters, level: Level, within: str | None = None) -> Search:
    """The search that is asked for, of all studies or series or of one study's. Raises ApiError 400."""
    looked_for = [pair for pair in parameters if pair[0] not in _OURS]
    fuzzy = _switch(parameters, "fuzzymatching")
    criteria = [_criterion(name, value, level, fuzzy) for name, value in looked_for]
    if within is not None:
        criteria.append(_within(within))
    _refuse_repeats(criteria)
    return Search(
        level,
        tuple(criteria),
        tuple(_told(parameters, level, criteria, whole=within is None)),
        _number(parameters, "limit", USUAL, 1, MOST),
        _number(parameters, "offset", 0, 0, None),
    )


def _refuse(detail: str) -> NoReturn:
    raise ApiError(400, detail)


def _criterion(name: str, value: str, level: Level, fuzzy: bool) -> Criterion:
    attribute = _attribute(name, level)
    if attribute is None or attribute.match is None:
        _refuse(f"{_shown(name)} is not among the attributes that {_PLACES[level]} can be searched by")
    try:
        return criterion(attribute, value, fuzzy=fuzzy)
    except BadCriterion as bad:
        _refuse(f"{attribute.keyword} {bad}")


def _within(study: str) -> Criterion:
    """The study of the path, which the query may narrow but not widen."""
    try:
        found = criterion(known("study")["StudyInstanceUID"], study, name="study")
    except BadCriterion:
        found = None
    if found is None or found.values["study"] != [study]:
        _refuse("the study of the path must be a UID")
    return found


def _refuse_repeats(criteria: Iterable[Criterion]) -> None:
    seen: set[str] = set()
    for each in criteria:
        if not seen.isdisjoint(each.values):
            _refuse(f"{each.attribute.keyword} is there twice; one value of an attribute can be searched for")
        seen |= each.values.keys()


def _told(
    parameters: Parameters, level: Level, criteria: Iterable[Criterion], *, whole: bool
) -> list[Attribute]:
    """The attributes to tell: the usual ones, those that are named, and those that are searched by."""
    fields = [name.strip() for key, value in parameters if key == "includefield" for name in value.split(",")]
    named = [_attribute(name, level) for name in fields if name != "all" and _exists(name)]
    levels = {level, "study"} if whole else {level}
    usual = {"always", "all"} if "all" in fields else {"always"}
    found = {each.tag: each for each in known(level).values() if each.level in levels and each.told in usual}
    found |= {each.tag: each for each in named if each is not None}
    return list((found | {each.attribute.tag: each.attribute for each in criteria}).values())


def _attribute(name: str, level: Level) -> Attribute | None:
    return known(level).get(name.upper() if _TAG.fullmatch(name) else name)


def _exists(name: str) -> bool:
    """Whether DICOM has such an attribute; what it has and the lake has not is left out of the answer."""
    if _TAG.fullmatch(name) or (_WORD.fullmatch(name) and tag_for_keyword(name) is not None):
        return True
    _refuse(f"includefield: {_shown(name)} is no attribute; write its keyword or its eight digits, or all")


def _shown(name: str) -> str:
    return f"'{name}'" if _TAG.fullmatch(name) or _WORD.fullmatch(name) else "what the query names"


def _one(parameters: Parameters, name: str) -> str | None:
    values = [value for key, value in parameters if key == name]
    if len(values) > 1:
        _refuse(f"{name} is there twice")
    return values[0] if values else None


def _switch(parameters: Parameters, name: str) -> bool:
    given = _one(parameters, name) or "false"
    if given.lower() not in {"true", "false"}:
        _refuse(f"{name} must be true or false")
    return given.lower() == "true"


def _number(parameters: Parameters, name: str, usual: int, least: int, most: int | None) -> int:
    given = _one(parameters, name)
    if given is None:
        return usual
    whole = re.fullmatch(r"[0-9]+", given) is not None
    # Nothing lies beyond the last number that PostgreSQL can count to.
    number = (int(given) if len(given) < 19 else _LAST) if whole else -1
    if number < least or (most is not None and number > most):
        _refuse(f"{name} must be a whole number " + (f"from {least} to {most}" if most else "from 0"))
    return number


_PLACES: dict[Level, str] = {"study": "studies", "series": "series"}
