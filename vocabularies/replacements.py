"""What takes the place of concepts that are deprecated or not standard, as the vocabulary's links say."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text

from vocabularies.concepts import HEADER, LAST_ID, Concept

MAPS_TO = "Maps to"
#: Links to what means the same.
SAME = (MAPS_TO, "Concept replaced by", "Concept same_as to")
#: Links to what may mean the same, or something wider; OMOP's own refreshes prefer them in this order.
ALIKE = ("Concept alt_to to", "Concept poss_eq to", "Concept was_a to")
#: Any concept that has this too is more than its "Maps to" says.
WITH_VALUE = "Maps to value"


class Replacement(NamedTuple):
    """A valid standard concept that can stand in for another."""

    concept: Concept
    by: str
    """The relationship that leads there; of a chain, the least sure one."""
    with_value: bool
    """The replaced concept also has a "Maps to value": the replacement is only a part of what it says."""

    @property
    def same(self) -> bool:
        """Whether it means the same, as far as the vocabulary says."""
        return self.by in SAME and not self.with_value


# UNION leaves out what was reached before, so circles end. A valid standard concept is where a chain ends.
# What replaces a concept counts only for deprecated ones: a valid concept's links of that kind are history.
_REPLACEMENTS = text(f"""
    WITH RECURSIVE link (relationship_id, rank) AS (
        SELECT * FROM unnest(CAST(:links AS text[])) WITH ORDINALITY
    ), reached (start, concept_id, rank) AS (
        SELECT start, start, CAST(0 AS bigint) FROM unnest(CAST(:ids AS integer[])) AS given (start)
        UNION
        SELECT start, related.concept_id_2, greatest(reached.rank, link.rank)
          FROM reached
          JOIN omop.concept here ON here.concept_id = reached.concept_id
          JOIN omop.concept_relationship related ON related.concept_id_1 = reached.concept_id
          JOIN link USING (relationship_id)
         WHERE related.invalid_reason IS NULL
           AND (here.invalid_reason IS NOT NULL OR here.standard_concept IS DISTINCT FROM 'S')
           AND (here.invalid_reason IS NOT NULL OR relationship_id = '{MAPS_TO}')
    ), found AS (
        SELECT start, concept_id, min(rank) AS rank, min(min(rank)) OVER (PARTITION BY start) AS best
          FROM reached JOIN omop.concept USING (concept_id)
         WHERE concept_id <> start AND invalid_reason IS NULL AND standard_concept = 'S'
         GROUP BY start, concept_id
    )
    SELECT start, relationship_id,
           EXISTS (SELECT FROM omop.concept_relationship
                    WHERE concept_id_1 = start AND relationship_id = '{WITH_VALUE}'
                      AND invalid_reason IS NULL) AS with_value,
           {", ".join(f"concept.{name}" for name in HEADER)}
      FROM found JOIN link USING (rank) JOIN omop.concept USING (concept_id)
     WHERE rank = best
     ORDER BY start, concept_id
""")  # noqa: S608 - constants of this package


def replacements(connection: Connection, ids: Iterable[int]) -> Mapping[int, tuple[Replacement, ...]]:
    """The standard concepts that these lead to, by the id of each that leads anywhere, in one statement.

    Chains are followed to their end, over links that are valid. Of several ways only the surest count:
    "Maps to" before what replaces a deprecated concept. More than one replacement is a split: each is a part.
    """
    wanted = sorted({one for one in ids if one <= LAST_ID})
    rows = connection.execute(_REPLACEMENTS, {"ids": wanted, "links": [*SAME, *ALIKE]})
    found: dict[int, tuple[Replacement, ...]] = {}
    for start, by, with_value, *columns in rows:
        found[start] = (*found.get(start, ()), Replacement(Concept(*columns), by, with_value))
    return found
