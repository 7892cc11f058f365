"""Follow-up: after a negative finding, after prostatectomy, after radiotherapy."""

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

from etl.sample import draws, later_shape
from etl.sample.course import DAYS_PER_MONTH, Course
from etl.sample.psa import doubling, follow_up_tests

Json = dict[str, Any]


def after_negative(rng: Random, course: Course) -> list[Json]:
    """One record, at least a year later; often nothing but what was confirmed, without any date."""
    record: Json = {
        confirms: True if rng.random() < share else None for confirms, share in later_shape.CONFIRMED.items()
    }
    record["fupPSANormalRange"] = record["fupPSANormalRange"] and rng.random() >= later_shape.PSA_NOT_NORMAL
    if not any(record.values()):
        record["fupMRINegative"] = True
    if rng.random() < later_shape.DATED:
        record |= _dated(
            rng, course, mri=bool(record["fupMRINegative"]), biopsy=bool(record["fupBiopsyNegative"])
        )
    return [record]


def _dated(rng: Random, course: Course, *, mri: bool, biopsy: bool) -> Json:
    """The tests behind a record that says what was confirmed."""
    day = course.diagnosed + draws.days_within(rng, later_shape.A_YEAR_OR_MORE)
    expected = doubling(course.psa, later_shape.SLOW_DOUBLING)
    found: Json = {"psa": follow_up_tests(rng, course, [day], expected, free=later_shape.FOLLOW_UP_FREE)}
    stage: Json = {"T": None, "N": None}
    if mri:
        seen = day + draws.days_within(rng, (0, 60))
        found["imagingInfo"] = {
            "MRIPerformed": True,
            "daysAfterBaseline": draws.or_gap(rng, seen),
            "likelihoodOfProgression": None,
            "stage": stage,
        }
    if biopsy:
        taken = day + draws.days_within(rng, (60, 120))
        found["biopsyInfo"] = {
            "biopsyPerformed": True,
            "daysAfterBaseline": draws.or_gap(rng, taken),
            "biopsyType": draws.or_gap(rng, draws.pick(rng, course.site.biopsies)),
            "stage": {"T": None},
        }
    return found


def after_surgery(rng: Random, course: Course) -> list[Json]:
    """PSA below 0.1 ng/mL, and doubling from a relapse on."""
    residual = later_shape.PSA_AFTER_SURGERY.draw(rng)
    odds = later_shape.SURGERY_RELAPSE + later_shape.RELAPSE_BY_SEVERITY * course.severity
    days = _control_days(rng, course)
    rise = _rise(rng, course, days, odds)
    tests = follow_up_tests(rng, course, days, lambda day: residual + later_shape.RELAPSE_PSA * rise(day))
    return [_controls(tests, _twice_above(tests))]


def after_radiotherapy(rng: Random, course: Course) -> list[Json]:
    """PSA halves to its nadir, and doubles from a relapse on."""
    nadir = later_shape.PSA_NADIR.draw(rng, course.severity)
    odds = later_shape.RADIATION_RELAPSE + later_shape.RELAPSE_BY_SEVERITY * course.severity
    days = _control_days(rng, course)
    rise = _rise(rng, course, days, odds)

    falling = doubling(max(course.psa - nadir, 0), -later_shape.FALL_HALF_LIFE)

    def expected(day: int) -> float:
        left = falling(day - course.diagnosed)
        return nadir + left + later_shape.PHOENIX_RISE * rise(day)

    tests = follow_up_tests(rng, course, days, expected)
    return [_controls(tests, _above_nadir(tests))]


def _control_days(rng: Random, course: Course) -> list[int]:
    """Days of the PSA tests after treatment, ascending."""
    treated = course.diagnosed + draws.days_within(rng, later_shape.DAYS_TO_TREATMENT)
    days = [treated + draws.days_within(rng, later_shape.FIRST_CONTROL)]
    for _ in range(rng.randint(*later_shape.CONTROLS) - 1):
        days.append(days[-1] + draws.days_within(rng, later_shape.CONTROL_EVERY))
    return days


def _rise(rng: Random, course: Course, days: list[int], odds: float) -> Callable[[int], float]:
    """The rise of PSA by day, in units of the threshold: nothing, or past 1 at the last test but one."""
    if not draws.happens(rng, odds):
        return lambda day: 0.0
    months = later_shape.RELAPSE_DOUBLING_MONTHS.draw(rng, course.severity)
    since = doubling(later_shape.RELAPSE_FOUND_AT, months * DAYS_PER_MONTH)
    return lambda day: since(day - days[-2])


def _controls(tests: list[Json], relapse: bool) -> Json:
    return {
        "biochemicalRelapse": relapse,
        "psa": [test | {"baseline": position == 0} for position, test in enumerate(tests)],
    }


def _twice_above(tests: list[Json]) -> bool:
    """The definition of relapse after prostatectomy."""
    above = [test["totalPSAvalue"] >= later_shape.RELAPSE_PSA for test in tests]
    return any(first and second for first, second in pairwise(above))


def _above_nadir(tests: list[Json]) -> bool:
    """The Phoenix definition of relapse after radiotherapy: a rise over the lowest value before."""
    totals = [test["totalPSAvalue"] for test in tests]
    nadirs = (min(totals[: position + 1]) for position in range(len(totals)))
    return any(
        round(total - nadir, 2) >= later_shape.PHOENIX_RISE
        for total, nadir in zip(totals, nadirs, strict=True)
    )
