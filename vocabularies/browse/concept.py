"""One concept with all that the vocabulary says about it: ``oncolake vocab show``."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from vocabularies.concepts import Concept, lookup


class UnknownConcept(Exception):
    """No concept of the database has this id."""


@dataclass(frozen=True, slots=True)
class Synonym:
    """Another name of the concept."""

    name: str
    language: str


@dataclass(frozen=True, slots=True)
class Related:
    """A concept at the other end of a relationship or above in a hierarchy."""

    concept_id: int
    concept_name: str
    vocabulary_id: str
    standard_concept: str | None
    invalid_reason: str | None
    """Of the relationship where there is one, else of the concept."""
    levels: int | None = None
    """Fewest steps up to it, of an ancestor."""


@dataclass(frozen=True, slots=True)
class Group:
    """Related concepts of one kind; ``count`` of them, some of which may not be listed."""

    name: str
    count: int
    related: tuple[Related, ...]


@dataclass(frozen=True, slots=True)
class SourceCode:
    """A row of SOURCE_TO_CONCEPT_MAP that points to the concept."""

    source_vocabulary_id: str
    source_code: str
    source_code_description: str | None
    valid_start_date: date
    valid_end_date: date
    invalid_reason: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """All about one concept."""

    concept: Concept
    synonyms: tuple[Synonym, ...]
    relationships: tuple[Group, ...]
    """By relationship, those that name a replacement first."""
    ancestors: Group
    """Nearest first, without the concept itself."""
    descendants: int
    source_codes: tuple[SourceCode, ...]
    source_code_count: int


_SYNONYMS = text("""
    SELECT concept_synonym_name, coalesce(concept_name, language_concept_id::text)
    FROM omop.concept_synonym AS synonym LEFT JOIN omop.concept ON concept.concept_id = language_concept_id
    WHERE synonym.concept_id = :id ORDER BY 2, 1
""")
_RELATIONSHIPS = text("""
    SELECT relationship_id, count, concept_id, concept_name, vocabulary_id, standard_concept, link_invalid
    FROM (
        SELECT relationship_id, concept.*, link.invalid_reason AS link_invalid,
               count(*) OVER (PARTITION BY relationship_id) AS count,
               row_number() OVER (PARTITION BY relationship_id
                   ORDER BY link.invalid_reason IS NOT NULL, concept_name, concept_id) AS place
        FROM omop.concept_relationship AS link JOIN omop.concept ON concept_id = concept_id_2
        WHERE concept_id_1 = :id) AS linked
    WHERE place <= :most
    ORDER BY relationship_id <> 'Maps to', relationship_id <> 'Concept replaced by', relationship_id, place
""")
_ANCESTORS = text("""
    SELECT count(*) OVER (), concept_id, concept_name, vocabulary_id, standard_concept, invalid_reason,
           min_levels_of_separation
    FROM omop.concept_ancestor JOIN omop.concept ON concept_id = ancestor_concept_id
    WHERE descendant_concept_id = :id AND ancestor_concept_id <> :id
    ORDER BY min_levels_of_separation, concept_name, concept_id LIMIT :most
""")
_DESCENDANTS = text("""
    SELECT count(*) FROM omop.concept_ancestor
    WHERE ancestor_concept_id = :id AND descendant_concept_id <> :id
""")
_SOURCE_CODES = text("""
    SELECT count(*) OVER (), source_vocabulary_id, source_code, source_code_description, valid_start_date,
           valid_end_date, invalid_reason
    FROM omop.source_to_concept_map WHERE target_concept_id = :id
    ORDER BY invalid_reason IS NOT NULL, source_vocabulary_id, source_code, valid_end_date LIMIT :most
""")


def show(connection: Connection, concept_id: int, most: int | None = None) -> Shown:
    """All about a concept, with at most ``most`` of a kind listed (None: all), and each kind counted.

    Raises UnknownConcept.
    """
    concept = lookup(connection, [concept_id]).get(concept_id)
    if concept is None:
        raise UnknownConcept(
            f"there is no concept {concept_id} in this database; `oncolake vocab search` finds concepts by "
            "name or code, and `oncolake vocab load` brings vocabularies"
        )
    given = {"id": concept_id, "most": 2**31 - 1 if most is None else most}
    above = connection.execute(_ANCESTORS, given).all()
    codes = connection.execute(_SOURCE_CODES, given).all()
    return Shown(
        concept=concept,
        synonyms=tuple(Synonym(*row) for row in connection.execute(_SYNONYMS, {"id": concept_id})),
        relationships=_groups(connection, given),
        ancestors=Group("ancestors", above[0][0] if above else 0, tuple(Related(*row[1:]) for row in above)),
        descendants=connection.execute(_DESCENDANTS, {"id": concept_id}).scalar_one(),
        source_codes=tuple(SourceCode(*row[1:]) for row in codes),
        source_code_count=codes[0][0] if codes else 0,
    )


def _groups(connection: Connection, given: dict[str, int]) -> tuple[Group, ...]:
    counts: dict[str, int] = {}
    related: dict[str, list[Related]] = {}
    for name, count, *other in connection.execute(_RELATIONSHIPS, given):
        counts[name] = count
        related.setdefault(name, []).append(Related(*other))
    return tuple(Group(name, counts[name], tuple(found)) for name, found in related.items())
