"""What the check goes by: the confidentiality profile, and our reading of it.

profile.csv is DICOM PS3.15, Table E.1-1; deidentification.yaml says what stands for nobody and what may stay.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from pydicom.datadict import tag_for_keyword
from ruamel.yaml import YAML

from etl.dicom.tags import FOLDER

PROFILE = FOLDER.joinpath("profile.csv")
POLICY = FOLDER.joinpath("deidentification.yaml")


class Entry(NamedTuple):
    """A row of the profile."""

    tag: str
    """``(0010,0010)``, or a range such as ``(60xx,3000)``."""
    keyword: str
    """Empty where DICOM's dictionary here has none."""
    name: str
    action: str
    """D dummy, Z empty or dummy, X removed, U another UID; ``X/Z`` where the tag's type decides."""
    options: Mapping[int, str]
    """What the profile's options say of the tag, by their code: K it may stay, C it may stay when cleaned."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The profile, and what counts as empty of meaning, as moved, or as telling."""

    profile: Mapping[str, Entry]
    """Rows by their tag."""
    kept: frozenset[int]
    """Tags of the profile whose value may stay."""
    never_moved: frozenset[int]
    """Dates and times that may not stay, moved or not."""
    modified: frozenset[str]
    moved_option: str
    dummy_dates: re.Pattern[str]
    dummy_times: re.Pattern[str]
    dummy_texts: re.Pattern[str]
    telling: Mapping[str, re.Pattern[str]]
    """What a text may not hold, by what it looks like."""
    names: re.Pattern[str]
    """What a Patient ID may not hold besides."""
    excused: Mapping[int, frozenset[str]]
    """What a text may hold all the same, by its tag."""
    longest_dummy: int
    longest_kept: int
    makers: Mapping[str, str]
    """Makers by the root of their UIDs, with a dot behind it."""
    roots: tuple[str, ...]
    """The roots alone."""
    known: tuple[str, ...]
    """Roots of UIDs that say nothing of anybody, with a dot behind."""

    def entry(self, number: int) -> Entry | None:
        """The profile's row for a tag, ranges included."""
        group, element = number >> 16, number & 0xFFFF
        exact = self.profile.get(f"({group:04X},{element:04X})")
        return exact or self._range(group >> 8, f"{element:04X}")

    def maker(self, uid: str) -> str:
        """Whose root a UID is under; empty if it is none of theirs."""
        return next((maker for root, maker in self.makers.items() if uid.startswith(root)), "")

    def _range(self, high: int, element: str) -> Entry | None:
        return self.profile.get(f"({high:02X}xx,{element})") or self.profile.get(f"({high:02X}xx,xxxx)")


@cache
def policy() -> Policy:
    """The policy that comes with Oncolake."""
    written = YAML(typ="safe").load(POLICY.read_bytes())
    kept, dates, dummies = written["kept"], written["dates"], written["dummies"]
    makers = dict(_roots(written["roots"]))
    return Policy(
        profile={entry.tag: entry for entry in _profile()},
        kept=_numbers(kept),
        never_moved=_numbers(dates["never"]),
        modified=frozenset(dates["modified"]),
        moved_option=str(dates["option"]),
        dummy_dates=_any(dummies["dates"]),
        dummy_times=_any(dummies["times"]),
        dummy_texts=_any(dummies["texts"]),
        telling={what: re.compile(pattern, re.IGNORECASE) for what, pattern in written["telling"].items()},
        names=re.compile(written["names"]),
        excused=dict(_excused(written["excused"], written["telling"])),
        longest_dummy=written["longest"]["dummy"],
        longest_kept=written["longest"]["kept"],
        makers=makers,
        roots=tuple(makers),
        known=tuple(f"{root}." for root in written["known"]),
    )


def _profile() -> Iterator[Entry]:
    for row in csv.DictReader(PROFILE.read_text(encoding="utf-8").splitlines()):
        pairs = (option.split("=") for option in row["options"].split())
        options = {int(code): what for code, what in pairs}
        yield Entry(row["tag"], row["keyword"], row["name"], row["action"], options)


def _numbers(keywords: Iterable[str]) -> frozenset[int]:
    numbers = {keyword: tag_for_keyword(keyword) for keyword in keywords}
    if unknown := [keyword for keyword, number in numbers.items() if number is None]:
        raise ValueError(f"deidentification.yaml: DICOM's dictionary has no attribute '{unknown[0]}'")
    return frozenset(number for number in numbers.values() if number is not None)


def _excused(
    written: Mapping[str, Iterable[str]], telling: Iterable[str]
) -> Iterator[tuple[int, frozenset[str]]]:
    for keyword, what in written.items():
        if unknown := set(what) - set(telling):
            raise ValueError(
                f"deidentification.yaml: {keyword} is excused from '{min(unknown)}', which is not told"
            )
        yield from ((number, frozenset(what)) for number in _numbers([keyword]))


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


def _roots(written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for maker, roots in written.items():
        yield from ((f"{root}.", maker) for root in roots)
