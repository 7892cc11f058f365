"""Report: each tag of the profile and what became of it in a file set, like D4.4's Figures 23 to 25."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from etl.dicom.policy import policy
from etl.dicom.scan import Found, Scanned


class Line(NamedTuple):
    """A tag, and in how many headers it is in which state."""

    tag: str
    name: str
    action: str
    removed: int
    empty: int
    dummy: int
    kept: int
    left: int
    why: str
    """Why it may not be there so, if it may not."""
    example: str
    """A file where it may not be there so."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The file set as a whole (D4.4, Figure 25)."""

    headers: int
    profile: int
    """Tags that the profile lists."""
    found: int
    """Of them, those that some header has."""
    removed: int
    """Those that none has."""
    with_values: int
    empty: int
    """Those that are empty wherever they are."""
    findings: int
    """Tags that may identify somebody, those that the profile does not list included."""
    unread: int
    """Files of which no header was read: nothing is known of them."""


def report(scanned: Scanned) -> tuple[list[Line], Totals]:
    """A line for each tag that was found or may identify somebody, ordered by tag, and the totals."""
    against = defaultdict(list)
    for found in scanned.findings:
        against[found.finding.tag].append(found)
    lines = [*_listed(scanned, against), *_others(scanned, against)]
    with_values = sum(bool(tag.dummy + tag.kept + tag.left) for tag in scanned.tags)
    profile = len(policy().profile)
    totals = Totals(
        headers=scanned.headers,
        profile=profile,
        found=len(scanned.tags),
        removed=profile - len(scanned.tags),
        with_values=with_values,
        empty=len(scanned.tags) - with_values,
        findings=len(against),
        unread=scanned.unread_files,
    )
    return sorted(lines), totals


def _listed(scanned: Scanned, against: dict[str, list[Found]]) -> Iterator[Line]:
    for tag in scanned.tags:
        yield Line(*tag, *_reasons(against.get(tag.tag, [])))


def _others(scanned: Scanned, against: dict[str, list[Found]]) -> Iterator[Line]:
    """Tags that only the check knows: private ones, and those that should say that all was removed."""
    known = {tag.tag for tag in scanned.tags}
    for tag, found in against.items():
        if tag not in known:
            left = max(each.files for each in found)
            finding = found[0].finding
            yield Line(tag, finding.keyword, finding.action, 0, 0, 0, 0, left, *_reasons(found))


def _reasons(found: list[Found]) -> tuple[str, str]:
    why = "; ".join(dict.fromkeys(each.finding.why for each in found))
    return why, next((name for each in found for name in each.names), "")
