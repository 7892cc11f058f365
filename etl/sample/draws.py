"""How the synthetic cases draw: distributions that severity moves, and choices by share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")

#: Share of values that clinics leave out.
GAP = 0.05


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal value: its middle at severity 0, what a unit of severity adds, its own spread, its bounds."""

    middle: float
    severity: float
    spread: float
    low: float
    high: float

    def draw(self, rng: Random, severity: float = 0.0, shift: float = 0.0) -> float:
        """One value, moved by ``shift`` besides severity, cut at the bounds."""
        value = rng.gauss(self.middle + self.severity * severity + shift, self.spread)
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Like Normal, for values over orders of magnitude: severity and spread are those of the logarithm."""

    middle: float
    severity: float
    spread: float
    low: float
    high: float

    def draw(self, rng: Random, severity: float = 0.0, shift: float = 0.0) -> float:
        """One value, its logarithm moved by ``shift`` besides severity, cut at the bounds."""
        value = exp(rng.gauss(log(self.middle) + self.severity * severity + shift, self.spread))
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Grades(Generic[T]):
    """Ordered grades, mild to severe: a score is cut at the bounds, so severity moves the shares."""

    grades: tuple[T, ...]
    bounds: tuple[float, ...]

    def at(self, score: float) -> T:
        """The grade that a score falls into."""
        return self.grades[sum(score > bound for bound in self.bounds)]


def pick(rng: Random, shares: Mapping[T, float]) -> T:
    """One of the keys, as often as its share says; shares need not add up to 1."""
    return rng.choices(tuple(shares), tuple(shares.values()))[0]


def pick_count(rng: Random, shares: tuple[float, ...]) -> int:
    """0, 1, 2 ..., as often as the share at that place says."""
    return rng.choices(range(len(shares)), shares)[0]


def one_of(rng: Random, choices: Sequence[T]) -> T:
    """One of these, each as often."""
    return choices[int(rng.random() * len(choices))]


def days_within(rng: Random, bounds: tuple[float, float]) -> int:
    """A whole number of days between two bounds."""
    return round(rng.uniform(*bounds))


def happens(rng: Random, log_odds: float) -> bool:
    """True at these odds (logistic)."""
    return rng.random() < 1 / (1 + exp(-log_odds))


def unspecific(rng: Random, stage: str, share: float) -> str:
    """The stage, without its subclass letter in this share of cases."""
    return stage[:3] if rng.random() < share else stage


def or_gap(rng: Random, value: T, share: float = GAP) -> T | None:
    """The value, or None in this share of cases."""
    return None if rng.random() < share else value
