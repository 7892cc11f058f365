"""How large a generated bundle is, and which concepts are above which."""

from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import ClassVar

from etl.setup import DEFAULT_MAPPING
from tests.bundles import HEADERS
from vocabularies.concepts import Concept, shipped

ENGLISH = 4180186
MILLIGRAM = 8576
#: Ids are spread up to here.
LAST_ID = 50_000_000
#: Trees of a large hierarchy, and the mean number of ancestors of a concept in it, itself not counted.
ROOTS = 40
ANCESTORS = 11


def named() -> list[Concept]:
    """Concepts that a bundle has by their real ids and names: those that Oncolake ships, and English."""
    ours = [one for one in shipped(DEFAULT_MAPPING).values() if not one.custom]
    known = {one.concept_id for one in ours}
    more = {ENGLISH: ("English language", "Language"), MILLIGRAM: ("milligram", "Unit")}
    pattern = next(one for one in ours if one.concept_id == 0)
    return [
        *ours,
        *(
            Concept(number, *name, *[getattr(pattern, field) for field in HEADERS["CONCEPT"][3:]])
            for number, name in more.items()
            if number not in known
        ),
    ]


@dataclass(frozen=True)
class Shape:
    """How large a bundle is; all that its files share follows from it."""

    concepts: int
    seed: int = 1

    #: Neighbouring concepts of one vocabulary.
    BLOCK: ClassVar[int] = 500

    def random(self, purpose: str) -> Random:
        return Random(f"{self.seed} {purpose}")

    @cached_property
    def named(self) -> list[Concept]:
        return named()

    @cached_property
    def ids(self) -> list[int]:
        """Concept ids: the named ones, then rising ones with gaps."""
        fixed = [one.concept_id for one in self.named]
        taken, random = set(fixed), self.random("ids").random
        count = max(self.concepts - len(fixed), 0)
        width = LAST_ID // max(count, 1)
        more = (1000 + width * place + int(random() * width) for place in range(count))
        return fixed + [number if number not in taken else self._beside(number, taken) for number in more]

    def _beside(self, number: int, taken: set[int]) -> int:
        """A free id next to one that is taken; the ids that would follow it may move up with it."""
        while number in taken:
            number += LAST_ID
        taken.add(number)
        return number

    @cached_property
    def blocks(self) -> list[range]:
        """Places in ``ids``, in the order of the files."""
        size = max(1, min(self.BLOCK, len(self.ids) // 2000))
        found = [range(start, min(start + size, len(self.ids))) for start in range(0, len(self.ids), size)]
        self.random("blocks").shuffle(found)
        return found

    @cached_property
    def standard(self) -> list[int]:
        """Places in ``ids`` of standard concepts, half of all, by their rank in the hierarchy."""
        return [place for block in self.blocks for place in block if is_standard(place)]

    @cached_property
    def roots(self) -> int:
        """Trees of the hierarchy."""
        return min(ROOTS, max(1, len(self.standard) // 20))

    @cached_property
    def fan_out(self) -> float:
        """Children of a concept that has any, so that there are ANCESTORS ancestors in the mean."""
        ranks = range(self.roots, len(self.standard), max(1, len(self.standard) // 1000))
        low, high = 1.05, 1000.0
        for _ in range(40):
            middle = (low * high) ** 0.5
            depth = sum(len(self._above(rank, middle)) for rank in ranks) / max(len(ranks), 1)
            low, high = (middle, high) if depth > ANCESTORS else (low, middle)
        return high

    def above(self, rank: int) -> list[int]:
        """Ranks of the ancestors, the parent first."""
        return self._above(rank, self.fan_out)

    def _above(self, rank: int, fan_out: float) -> list[int]:
        found, roots = [], self.roots
        while rank >= roots:
            rank = int((rank - roots) / fan_out)
            found.append(rank)
        return found


def is_standard(place: int) -> bool:
    """Whether the concept at this place in ``ids`` is standard: every other, in no pattern."""
    return (place * 2654435761 >> 16) & 1 == 0
