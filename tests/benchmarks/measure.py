"""Measuring: our way and the floor by turns, so that whatever slows the machine slows both."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Setting:
    """How large a benchmark is, and where it may make databases."""

    server_url: str
    cases: int | None = None
    """Case documents; None for the benchmark's own number."""
    pairs: int = 5
    concepts: int | None = None
    """Concepts of a vocabulary bundle; None for the benchmark's own number."""
    bundle: Path | None = None
    """Folder of a bundle that is there already, in place of one made for the run."""


class Taken(NamedTuple):
    """One measured run."""

    seconds: float
    documents: int
    rows: int
    """0 where the work makes no OMOP rows."""
    made: str
    """Fingerprint of what was made; the two sides of a pair have the same."""


class DifferentWork(AssertionError):
    """Our way and the floor did not make the same, so that their ratio means nothing."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark found: pairs of our run and the floor's, in the order of running."""

    name: str
    pairs: tuple[tuple[Taken, Taken], ...]
    notes: tuple[str, ...] = ()

    @property
    def ratios(self) -> list[float]:
        """Seconds of ours by seconds of the floor, pair by pair."""
        return [ours.seconds / floor.seconds for ours, floor in self.pairs]

    @property
    def ratio(self) -> float:
        """Median of the ratios."""
        return median(self.ratios)

    def per_second(self, side: int, what: str) -> float:
        """Median ``rows`` or ``documents`` a second; side 0 is ours, 1 the floor."""
        return median(getattr(pair[side], what) / pair[side].seconds for pair in self.pairs)


def alternate(
    ours: Callable[[], Taken], floor: Callable[[], Taken], pairs: int
) -> tuple[tuple[Taken, Taken], ...]:
    """Run both by turns. Raises DifferentWork when a pair did not make the same."""
    found = []
    for number in range(1, pairs + 1):
        pair = ours(), floor()
        if pair[0].made != pair[1].made or pair[0].rows != pair[1].rows:
            raise DifferentWork(f"pair {number}: {pair[0][1:]} is not {pair[1][1:]}")
        found.append(pair)
    return tuple(found)


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds that the work took, and its result; garbage of earlier work is not on its bill."""
    gc.collect()
    start = perf_counter()
    result = work()
    return perf_counter() - start, result
