"""What the vocabulary says of each concept of a mapping, and which change of the mapping follows from it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from itertools import groupby

from etl.mapping.bind import bind
from etl.mapping.bind.expressions import CONCEPT
from etl.mapping.concept_use import ConceptUse
from etl.mapping.findings import KINDS, MappingError, Severity, errors
from etl.mapping.folder import Folder, Place, read_folder
from etl.mapping.objections import UNKNOWN, LookUp, accepted, every_use, objections
from vocabularies.concepts import Concept, cdm_concepts
from vocabularies.replacements import Replacement

#: Gives the standard concepts that can stand in for those of these ids.
Replace = Callable[[set[int]], Mapping[int, tuple[Replacement, ...]]]

#: Worst first.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
WAITING = "is a placeholder until its Athena vocabulary is loaded"
_STALE = ("invalid-concept", "not-standard")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is said of a concept; ``says`` is the rest of a sentence that begins with it."""

    kind: str
    says: str
    severity: Severity
    accepted: str | None = None
    """Why the mapping accepts it; a note then."""

    def __str__(self) -> str:
        return self.says if self.accepted is None else f"{self.says}; accepted: {self.accepted}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A replacement, and what speaks against writing it without asking."""

    replacement: Replacement
    warnings: tuple[str, ...]

    @property
    def concept(self) -> Concept:
        return self.replacement.concept


@dataclass(frozen=True, slots=True)
class Entry:
    """One concept that the mapping uses, with something said of it."""

    concept_id: int
    name: str
    """As the mapping names it, where it is first named."""
    said: tuple[Said, ...]
    places: tuple[Place, ...]
    """Where it is written."""
    candidates: tuple[Candidate, ...] = ()
    change: Concept | None = None
    """The concept to write in all its places: another one, or the same under the vocabulary's name."""
    remark: str | None = None
    """Why nothing is to be written, where there was something to mend."""

    @property
    def severity(self) -> Severity:
        return min((one.severity for one in self.said), key=SEVERITIES.index)

    @property
    def waiting(self) -> bool:
        """Whether nothing is said but that its Athena vocabulary is still to come."""
        return {one.kind for one in self.said} == {"placeholder"}


def review(path: Traversable, look_up: LookUp, replace_by: Replace) -> list[Entry]:
    """An entry for each concept that something is said of, the worst first, then by id.

    Raises MappingError when the folder cannot be read or its rules not understood, as concepts would be
    missing then; and ConceptFileError about ``concepts.csv``.
    """
    folder = read_folder(path)
    mapping, findings, uses = bind(folder)
    if mapping is None:
        raise MappingError(errors(findings))
    reviewer = _Reviewer(folder, every_use(folder, uses), look_up)
    entries = _settled(reviewer.entries(replace_by), reviewer.names())
    return sorted(entries, key=lambda one: (SEVERITIES.index(one.severity), one.concept_id))


class _Reviewer:
    def __init__(self, folder: Folder, uses: tuple[ConceptUse, ...], look_up: LookUp) -> None:
        by_id = groupby(sorted(uses, key=lambda one: one.concept), key=lambda one: one.concept)
        self.uses = {concept_id: tuple(group) for concept_id, group in by_id}
        self.look_up = look_up
        self.concepts = look_up(set(self.uses))
        self.accepted = accepted(folder)
        self.lines = {one.name: one.lines for one in (folder.mapping_file, *folder.section_files.values())}

    def names(self) -> Mapping[int, set[str]]:
        """What the mapping calls each concept."""
        return {number: {use.name for use in uses if use.name} for number, uses in self.uses.items()}

    def entries(self, replace_by: Replace) -> list[Entry]:
        said = {number: tuple(dict.fromkeys(self._said(number))) for number in self.uses}
        stale = {number for number, found in said.items() if _open(found) & {*_STALE}}
        found = replace_by(stale) if stale else {}
        known = self.look_up({one.concept.concept_id for group in found.values() for one in group})
        return [self._entry(number, one, found.get(number, ()), known) for number, one in said.items() if one]

    def _said(self, number: int) -> Iterator[Said]:
        concept = self.concepts.get(number)
        if concept is None:
            yield _said("unknown-concept", UNKNOWN)
        elif concept.placeholder and number != 0:
            yield _said("placeholder", WAITING)
        for one in (one for use in self.uses[number] for one in objections(use, concept)):
            why = self.accepted.get((one.kind, number))
            said = _said(one.kind, one.says)
            yield said if why is None else replace(said, severity="note", accepted=why)

    def _entry(
        self,
        number: int,
        said: tuple[Said, ...],
        found: tuple[Replacement, ...],
        known: Mapping[int, Concept],
    ) -> Entry:
        uses = self.uses[number]
        places = {use.place for use in uses if self._written(use)}
        candidates = tuple(Candidate(one, tuple(_warnings(one, uses, known))) for one in found)
        entry = Entry(
            number,
            next((use.name for use in uses if use.name), ""),
            said,
            tuple(sorted(places, key=lambda one: (one.file, one.line))),
            candidates,
        )
        concept = self.concepts.get(number)
        return entry if concept is None else _decided(entry, concept)

    def _written(self, use: ConceptUse) -> bool:
        """A rule that is like another has concepts that are written in that one only."""
        return use.place.file not in self.lines or use.keys in self.lines[use.place.file]


def _said(kind: str, says: str) -> Said:
    return Said(kind, says, KINDS[kind][0])


def _open(said: tuple[Said, ...]) -> set[str]:
    return {one.kind for one in said if one.accepted is None}


def _warnings(one: Replacement, uses: tuple[ConceptUse, ...], known: Mapping[int, Concept]) -> Iterator[str]:
    concept = one.concept
    if one.with_value:
        yield "is only a part of it: there is a 'Maps to value' too"
    elif not one.same:
        yield f"is only like it, by '{one.by}'"
    against = (found for use in uses for found in objections(use, concept) if found.kind == "wrong-domain")
    yield from dict.fromkeys(found.says for found in against)
    if concept.concept_id not in known:
        yield "is not in this mapping's concepts.csv"
    if reason := _unwritable(concept):
        yield reason


def _unwritable(concept: Concept) -> str | None:
    """Why the mapping language could not say a concept by its name in the vocabulary."""
    written = CONCEPT.match(f"{concept.concept_id} {concept.concept_name}")
    if written is None or written[2] != concept.concept_name:
        return "has a name that a mapping cannot hold"
    return None


def _decided(entry: Entry, concept: Concept) -> Entry:
    """The entry with its change, or with the remark why there is none."""
    told = _open(entry.said)
    # Who accepts that a concept is deprecated keeps it.
    stale = "invalid-concept" in told if not concept.valid else "not-standard" in told
    remark = None
    if stale:
        if len(entry.candidates) == 1 and not entry.candidates[0].warnings:
            return replace(entry, change=entry.candidates[0].concept)
        remark = _why_no_replacement(entry.candidates)
    if "other-name" in told and concept.valid:
        doubt = _doubt(entry, concept, told)
        if doubt is None:
            return replace(entry, change=concept, remark=remark)
        remark = doubt if remark is None else f"{remark}; {doubt}"
    return replace(entry, remark=remark)


def _why_no_replacement(candidates: tuple[Candidate, ...]) -> str:
    if not candidates:
        return "the vocabulary names no replacement"
    if len(candidates) > 1:
        return "several replacements: choose, or split the rule"
    return "its replacement is not just another name for it: decide yourself"


def _doubt(entry: Entry, concept: Concept, told: set[str]) -> str | None:
    """Why another name may mean a slip in the id, or a file of ours, and is not to be written."""
    if concept.placeholder or concept.custom:
        return "the name is that of concepts.csv: mend the one that is wrong"
    if concept.concept_id in cdm_concepts():
        return "Oncolake comes with this concept under the mapping's name"
    if "wrong-domain" in told or not _words(entry.name) & _words(concept.concept_name):
        return "the name says something else: is the id right?"
    return _unwritable(concept)


def _words(name: str) -> set[str]:
    return set(re.findall(r"\w+", name.casefold()))


def _settled(entries: list[Entry], names: Mapping[int, set[str]]) -> Iterator[Entry]:
    """The entries, without changes to a concept that the mapping would then have under two names."""
    renamed = {one.concept_id for one in entries if one.change and one.change.concept_id == one.concept_id}
    for one in entries:
        new = one.change
        clash = (
            new and new.concept_id not in renamed and names.get(new.concept_id, set()) - {new.concept_name}
        )
        if new and clash:
            remark = f"{new.concept_id} is in the mapping already, as '{min(clash)}': mend that first"
            yield replace(one, change=None, remark=remark)
        else:
            yield one
