"""What is wrong with a bundle: a Finding is a place and a sentence; a Report counts any number of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]

#: Every kind of finding, with its severity and what it means. Errors keep the whole bundle out.
KINDS: dict[str, tuple[Severity, str]] = {
    "missing-file": ("error", "One of the nine files is not there."),
    "bad-header": ("error", "The first line does not name the table's columns."),
    "ragged-line": ("error", "The line has more or fewer cells than the header."),
    "bad-encoding": ("error", "The line is not UTF-8, or holds a NUL or a lone carriage return."),
    "bad-integer": ("error", "Not a whole number that fits the column."),
    "bad-number": ("error", "Not a decimal number."),
    "bad-date": ("error", "Not a date written yyyymmdd."),
    "empty-cell": ("error", "A column that needs a value has none."),
    "too-long": ("error", "The text is longer than the column."),
    "duplicate-key": ("error", "An earlier line has the same key."),
    "unknown-code": ("error", "Another file of the bundle does not have the code."),
    "custom-only": ("error", "CONCEPT.csv has custom concepts alone: `oncolake vocab add` takes its files."),
    "clash": ("error", "The bundle and this database's own concepts disagree."),
    "concept-in-use": ("error", "The data use a concept that the bundle does not have."),
    "unknown-concept": ("warning", "CONCEPT.csv does not have the concept; the row is left out."),
    "unknown-label": (
        "warning",
        "CONCEPT.csv does not have the concept that describes the row; it is set to 0.",
    ),
    "unnamed-concept": ("warning", "A CPT4 concept whose name is still blank; the row is left out."),
    "lost-link": (
        "warning",
        "A custom concept is linked to a concept that the bundle does not have; the link goes.",
    ),
    "older-bundle": ("warning", "The loaded vocabulary is newer than the bundle."),
    "named-elsewhere": ("note", "A CPT4 concept that CONCEPT.csv has with its name; that row is loaded."),
}
#: Findings about a row that is not loaded though the bundle is.
LEFT_OUT = frozenset({"unknown-concept", "unnamed-concept", "named-elsewhere"})

#: Findings of a group that are kept to be shown.
SHOWN = 5


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong with a bundle. ``line`` is 0 where it is about the whole file."""

    file: str
    line: int
    kind: str
    message: str
    about: str = ""
    """What findings of one kind are told apart by, such as the vocabulary that is not in the bundle."""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind][0]

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.severity}: {self.message} [{self.kind}]"


class Group(NamedTuple):
    """Findings that are counted together."""

    file: str
    kind: str
    about: str


class Report:
    """Findings as they are found: all of them counted, and told to ``each``, the first few of a kind kept."""

    def __init__(self, each: Callable[[Finding], None] | None = None) -> None:
        self._each = each
        self.counts: Counter[Group] = Counter()
        self.first: dict[Group, list[Finding]] = {}
        """The first findings of each group, ``SHOWN`` at most."""

    def add(self, kind: str, file: str, line: int, message: str, about: str = "") -> None:
        """Take a finding in."""
        found = Finding(file, line, kind, message, about)
        group = Group(file, kind, about)
        self.counts[group] += 1
        kept = self.first.setdefault(group, [])
        if len(kept) < SHOWN:
            kept.append(found)
        if self._each is not None:
            self._each(found)

    def severities(self) -> Counter[Severity]:
        """How many findings of each severity."""
        found: Counter[Severity] = Counter()
        for group, count in self.counts.items():
            found[KINDS[group.kind][0]] += count
        return found

    def refuses(self, strict: bool) -> bool:
        """Whether the bundle must not be loaded: for an error, or with ``strict`` a warning."""
        found = self.severities()
        return bool(found["error"] or (strict and found["warning"]))

    def left_out(self, file: str) -> int:
        """Rows of a file that are not loaded."""
        return sum(
            count for group, count in self.counts.items() if group.file == file and group.kind in LEFT_OUT
        )
