"""What a vocabulary says against the concepts that a mapping uses."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from etl.mapping.concept_use import ConceptUse
from etl.mapping.findings import Finding, Objection, finding
from etl.mapping.folder import Folder, Place
from etl.mapping.tables import COLUMN_DOMAINS, TARGETS
from vocabularies.concepts import CONCEPTS, VALUE_MAPS, Concept, ConceptFileError

#: Gives the concepts of these ids that a vocabulary knows. Raises ConceptFileError about the folder's file.
LookUp = Callable[[set[int]], Mapping[int, Concept]]

UNKNOWN = "is not in the vocabulary"


class Against(NamedTuple):
    """What the vocabulary has to say against one use of a concept."""

    kind: Objection
    use: ConceptUse
    says: str
    """The rest of a sentence that begins with the concept."""

    @property
    def message(self) -> str:
        # Where the name is what is wrong, it comes last.
        of = f"concept {self.use.concept}" if self.kind == "other-name" else named(self.use)
        return f"{of} {self.says}"


def vocabulary_findings(
    folder: Folder, uses: tuple[ConceptUse, ...], look_up: LookUp, *, whole: bool
) -> Iterator[Finding]:
    """Every finding about concepts; ``whole`` says that all uses are known, so that none is hidden."""
    every = every_use(folder, uses)
    try:
        concepts = look_up({use.concept for use in every})
    except ConceptFileError as error:
        yield from (_finding("unreadable", Place(CONCEPTS, line or 1), told) for line, told in error.lines)
        return
    yield from _two_names(every)
    found = [one for use in every for one in objections(use, concepts.get(use.concept))]
    yield from _unknown(every, concepts)
    yield from _judged(folder, found)
    yield from _placeholders(every, concepts)
    if whole:
        yield from _accepted_for_nothing(folder, found, concepts)


def every_use(folder: Folder, uses: Iterable[ConceptUse]) -> tuple[ConceptUse, ...]:
    """These uses of rules, and every target of every value map: all are loaded, with a rule or without."""
    mapped = (
        ConceptUse(
            row.target_concept_id,
            row.target_concept_name or None,
            Place(f"{VALUE_MAPS}/{name}.csv", row.line),
            "source_to_concept_map",
            "target_concept_id",
        )
        for name, value_map in folder.value_maps.items()
        for row in value_map.rows
    )
    return tuple(dict.fromkeys((*uses, *mapped)))


def objections(use: ConceptUse, concept: Concept | None) -> Iterator[Against]:
    """What the vocabulary has against this use of the concept; nothing against one that it does not know."""
    if concept is None or concept.concept_id == 0:
        return
    if use.name is not None and use.name != concept.concept_name:
        yield Against("other-name", use, f"is '{concept.concept_name}' in the vocabulary, not '{use.name}'")
    if not concept.valid:
        yield Against("invalid-concept", use, f"is deprecated (invalid_reason {concept.invalid_reason})")
    domains = _domains(use)
    if domains and concept.domain_id not in domains:
        where, want = f"{use.table}.{use.column}", " or ".join(sorted(domains))
        yield Against("wrong-domain", use, f"has domain {concept.domain_id}; {where} takes {want}")
    if concept.standard_concept != "S" and not concept.placeholder:
        yield Against("not-standard", use, "is not a standard concept")


def accepted(folder: Folder) -> Mapping[tuple[Objection, int], str]:
    """Why the mapping accepts a finding of a concept."""
    return {(one.finding, one.concept): one.why for one in folder.mapping.accept}


def named(use: ConceptUse) -> str:
    """The concept as sentences about it begin."""
    return f"concept {use.concept} '{use.name}'" if use.name else f"concept {use.concept}"


def _unknown(uses: Iterable[ConceptUse], concepts: Mapping[int, Concept]) -> Iterator[Finding]:
    for use in uses:
        if use.concept not in concepts:
            yield _finding("unknown-concept", use.place, f"{named(use)} {UNKNOWN}")


def _judged(folder: Folder, found: Iterable[Against]) -> Iterator[Finding]:
    reasons = accepted(folder)
    for one in found:
        why, place = reasons.get((one.kind, one.use.concept)), one.use.place
        if why is None:
            yield _finding(one.kind, place, one.message)
        else:
            yield Finding(place.file, place.line, one.kind, f"{one.message}; accepted: {why}", "note")


def _accepted_for_nothing(
    folder: Folder, found: Iterable[Against], concepts: Mapping[int, Concept]
) -> Iterator[Finding]:
    there = {(one.kind, one.use.concept) for one in found}
    for index, one in enumerate(folder.mapping.accept):
        concept = concepts.get(one.concept)
        # What Athena says of a placeholder is not known yet.
        if (one.finding, one.concept) not in there and not (concept and concept.placeholder):
            place = folder.mapping_file.place("accept", index)
            message = f"there is no finding '{one.finding}' of concept {one.concept}"
            yield _finding("unused-accept", place, message)


def _placeholders(uses: Iterable[ConceptUse], concepts: Mapping[int, Concept]) -> Iterator[Finding]:
    found: dict[int, Place] = {}
    for use in uses:
        if use.concept != 0 and use.concept in concepts and concepts[use.concept].placeholder:
            found.setdefault(use.concept, use.place)
    if found:
        first = min(found.values(), key=lambda one: (one.file, one.line))
        message = f"{len(found)} concepts are placeholders until an Athena vocabulary is loaded"
        yield _finding("placeholder", first, message)


def _domains(use: ConceptUse) -> frozenset[str]:
    target = TARGETS.get(use.table)
    if target is not None and use.column == target.concept_column:
        return target.domains
    return COLUMN_DOMAINS.get(use.column, frozenset())


def _two_names(uses: Iterable[ConceptUse]) -> Iterator[Finding]:
    first: dict[int, ConceptUse] = {}
    for use in uses:
        if use.name is None:
            continue
        other = first.setdefault(use.concept, use)
        if other.name != use.name:
            where = f"{other.place.file}:{other.place.line}"
            yield _finding(
                "two-names",
                use.place,
                f"concept {use.concept} is '{use.name}' here and '{other.name}' in {where}",
            )


def _finding(kind: str, place: Place, message: str) -> Finding:
    return finding(kind, place.file, place.line, message)
