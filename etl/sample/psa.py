"""PSA tests, of the baseline and of a follow-up."""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from etl.sample import draws, later_shape, shape
from etl.sample.course import Course

Json = dict[str, Any]


def baseline_tests(rng: Random, course: Course) -> list[Json]:
    """PSA tests in order of date: they double at the tumour's pace, through the baseline's value."""
    expected = doubling(course.psa, course.doubling_days)
    return [
        _test(rng, course, expected(day), free=rng.random() >= shape.FREE_PSA_GAP)
        | {"psadate": course.on(day).isoformat(), "baseline": day == 0}
        for day in course.psa_days
    ]


def follow_up_tests(
    rng: Random, course: Course, days: Iterable[int], expected: Callable[[int], float], *, free: float = 0
) -> list[Json]:
    """Tests on these days, of the expected values; ``free`` is the share that measures free PSA too.

    The first has its date, so that a record of the follow-up is never without any.
    """
    no_date = later_shape.FOLLOW_UP_NO_DATE
    return [
        _test(rng, course, expected(day), free=rng.random() < free)
        | {"psadate": draws.or_gap(rng, course.on(day).isoformat(), no_date if position else 0)}
        for position, day in enumerate(days)
    ]


def doubling(value: float, days: float) -> Callable[[int], float]:
    """PSA by day, ``value`` on day 0 and twice as much so many days later."""
    return lambda day: float(value * 2 ** (day / days))


def _test(rng: Random, course: Course, expected: float, *, free: bool) -> Json:
    digits = 1 if expected >= 1 else 2
    total = max(round(expected * 2 ** rng.gauss(0, shape.ASSAY_DOUBLINGS), digits), 0.01)
    unbound = round(total * course.free_percent / 100, 2)
    return {
        "totalPSAvalue": total,
        "freePSAvalue": unbound if free else None,
        "ratioPSAvalue": round(100 * unbound / total, 1) if free else None,
    }
