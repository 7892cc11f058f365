"""What the checker says: a Finding is a severity, a place and a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]

#: What the vocabulary can say against a concept; a mapping may accept it, with a reason.
Objection = Literal["invalid-concept", "wrong-domain", "other-name", "not-standard"]

#: Every kind of finding, with its severity and what it means.
KINDS: dict[str, tuple[Severity, str]] = {
    "unreadable": ("error", "A file of the mapping is missing or does not parse."),
    "bad-shape": ("error", "Not a shape of the mapping language."),
    "bad-schema": ("error", "Not a JSON Schema, or one with a reference that leads nowhere or in a circle."),
    "unused-file": ("warning", "No form uses the section file."),
    "unknown-path": ("error", "The case document has no such place."),
    "unmapped-value": ("error", "The schema allows a value that the map does not translate."),
    "unused-value": (
        "warning",
        "A map, a condition or a group names a value that the schema does not allow.",
    ),
    "unmapped-path": ("error", "A leaf of the case document is neither mapped nor ignored."),
    "ignored-path": ("warning", "A path is mapped and ignored; coverage counts it as ignored."),
    "unused-map": ("warning", "No rule uses the value map."),
    "unused-name": ("warning", "Nothing uses the group or the definition."),
    "long-map-name": ("error", "'MAPPING.MAP' is longer than a vocabulary_id."),
    "unknown-table": ("error", "The CDM has no such table, or it holds no clinical events."),
    "unknown-column": ("error", "The table has no such column."),
    "missing-column": ("error", "A column that must not be NULL is left empty."),
    "wrong-type": ("error", "The value does not fit the column."),
    "too-long": ("warning", "The schema allows a longer text than the column holds; it would be cut."),
    "long-key": ("error", "The schema allows a longer patient, form or site than there is room for."),
    "broken-reference": ("error", "No visit, value map, episode, rule, group or definition of that name."),
    "duplicate-rule": ("error", "Two rules have one name, or a date could be either of two."),
    "too-many-items": ("error", "The schema allows more items than a row id has room for."),
    "bad-range": ("error", "A plausible range is of no number of the rule, or ends before it begins."),
    "wide-range": ("note", "A plausible range reaches beyond what the schema allows."),
    "unknown-concept": ("error", "The vocabulary has no such concept."),
    "invalid-concept": ("error", "The concept is deprecated or replaced."),
    "wrong-domain": ("error", "The concept's domain belongs to another table or column."),
    "other-name": ("error", "The vocabulary knows the concept under another name."),
    "two-names": ("error", "The mapping gives one concept two names."),
    "not-standard": ("warning", "The concept is not a standard concept."),
    "unused-accept": ("warning", "There is no such finding to accept."),
    "bad-cohort": (
        "error",
        "A cohort, or table one, is refused; the mapping can be used, the cohort cannot.",
    ),
    "placeholder": ("note", "The concept is a placeholder until an Athena vocabulary is loaded."),
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing the checker has to say, and where."""

    file: str
    line: int
    kind: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.severity}: {self.message} [{self.kind}]"


def finding(kind: str, file: str, line: int, message: str) -> Finding:
    """A finding with its kind's severity."""
    return Finding(file, line, kind, message, KINDS[kind][0])


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Those that stop a mapping from being used."""
    return [one for one in findings if one.severity == "error"]


class MappingError(Exception):
    """A mapping that cannot be used; ``findings`` says why, all of it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings))
        count = len(errors(self.findings))
        super().__init__(f"the mapping has {count} error{'s' * (count != 1)}; mend them and run it again")
