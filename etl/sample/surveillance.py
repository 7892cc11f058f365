"""Active surveillance: a follow-up record a year, until the cancer progresses or the data end."""

from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

from etl.sample import draws, later_shape, shape
from etl.sample.course import Course
from etl.sample.lesions import later
from etl.sample.psa import doubling, follow_up_tests

Json = dict[str, Any]


class Year(NamedTuple):
    """One record to be: its number from 0, its days, and whether the cancer has progressed in it."""

    number: int
    begin: int
    end: int
    progressed: bool


def surveillance(rng: Random, course: Course) -> list[Json]:
    """The records in order of time; progression ends them."""
    return [_record(rng, course, year) for year in _years(rng, course)]


def _years(rng: Random, course: Course) -> list[Year]:
    count = 1 + draws.pick_count(rng, later_shape.YEARS)
    lengths = [draws.days_within(rng, later_shape.RECORD_EVERY) for _ in range(count)]
    ends = list(accumulate(lengths, initial=course.diagnosed))
    years = []
    for number in range(count):
        progressed = rng.random() < later_shape.PROGRESSION_A_YEAR
        years.append(Year(number, ends[number], ends[number + 1], progressed))
        if progressed:
            break
    return years


def _record(rng: Random, course: Course, year: Year) -> Json:
    seen = year.progressed or rng.random() < _mri_share(year)
    taken = rng.random() < _biopsy_share(year)
    missed = taken and not year.progressed and rng.random() < later_shape.BIOPSY_MISSES
    graded = taken and not missed
    found = later(rng, course, year.number + 1, progressed=year.progressed, graded=graded)
    visible = seen and any(lesion["MRIVisible"] for lesion in found)
    tests = _psa(rng, course, year)
    return {
        "fupPSANormalRange": _normal(course, tests),
        "fupMRINegative": not visible if seen else None,
        "fupBiopsyNegative": missed if taken else None,
        "psa": tests,
        "imagingInfo": _imaging(rng, course, year) if seen else _NO_MRI,
        "biopsyInfo": _biopsy(rng, course, year) if taken else _NO_BIOPSY,
        "cancerDiagnosis": {"carcinomaClass": draws.or_gap(rng, course.carcinoma) if graded else None},
        "lesions": found if visible or graded else [],
    }


_NO_MRI: Json = {
    "MRIPerformed": False,
    "daysAfterBaseline": None,
    "likelihoodOfProgression": None,
    "stage": {"T": None, "N": None},
}
_NO_BIOPSY: Json = {
    "biopsyPerformed": False,
    "daysAfterBaseline": None,
    "biopsyType": None,
    "stage": {"T": None},
}


def _mri_share(year: Year) -> float:
    return later_shape.MRI_LATER if year.number else later_shape.MRI_FIRST_YEAR


def _biopsy_share(year: Year) -> float:
    if year.progressed:
        return later_shape.BIOPSY_ON_PROGRESSION
    return later_shape.BIOPSY_LATER if year.number else later_shape.BIOPSY_FIRST_YEAR


def _psa(rng: Random, course: Course, year: Year) -> list[Json]:
    count = draws.pick_count(rng, later_shape.PSA_TESTS_A_YEAR)
    step = (year.end - year.begin) / (count + 1)
    days = [round(year.begin + step * (number + rng.uniform(0.8, 1.2))) for number in range(1, count + 1)]
    expected = doubling(course.psa, max(course.doubling_days, later_shape.SURVEILLANCE_DOUBLING))
    return follow_up_tests(rng, course, days, expected, free=later_shape.FOLLOW_UP_FREE)


def _normal(course: Course, tests: list[Json]) -> bool | None:
    """Whether the last value is normal or stable; None without a test."""
    limit = max(later_shape.NORMAL_RANGE, later_shape.STABLE_RISE * course.psa)
    return tests[-1]["totalPSAvalue"] <= limit if tests else None


def _imaging(rng: Random, course: Course, year: Year) -> Json:
    likelihood = later_shape.PROGRESSED_LIKELIHOOD if year.progressed else later_shape.STABLE_LIKELIHOOD
    return {
        "MRIPerformed": True,
        "daysAfterBaseline": draws.or_gap(rng, year.end),
        "likelihoodOfProgression": draws.or_gap(rng, draws.pick(rng, likelihood)),
        "stage": {"T": draws.or_gap(rng, _stage(course, year)), "N": draws.or_gap(rng, "cN0")},
    }


def _biopsy(rng: Random, course: Course, year: Year) -> Json:
    day = year.end + draws.days_within(rng, later_shape.DAYS_TO_BIOPSY)
    return {
        "biopsyPerformed": True,
        "daysAfterBaseline": draws.or_gap(rng, day),
        "biopsyType": draws.or_gap(rng, draws.pick(rng, course.site.biopsies)),
        "stage": {"T": draws.or_gap(rng, _stage(course, year), shape.BIOPSY_T_GAP)},
    }


def _stage(course: Course, year: Year) -> str:
    """T of the year: one grade up when the cancer has progressed."""
    grades = shape.T_STAGE.grades
    return grades[min(grades.index(course.t) + year.progressed, len(grades) - 1)]
