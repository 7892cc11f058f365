"""Radiotherapy, what pathology says of a removed prostate, and the quality of life after it."""

from random import Random
from typing import Any

from etl.sample import draws, later_shape
from etl.sample.course import Course

Json = dict[str, Any]


def invasion(rng: Random, course: Course) -> Json:
    """Invasion as the pathological stage has it: beyond the prostate from pT3, in the vesicles from pT3b."""
    stage = course.pathological_t[2:]
    vesicles = stage in {"3b", "4"}
    beyond = stage == "3a" or (vesicles and rng.random() < later_shape.BEYOND_WITH_VESICLES)
    wheeler = later_shape.WHEELER_BEYOND if beyond else later_shape.WHEELER_CONFINED
    margins = later_shape.MARGINS_INVOLVED[stage[0]]
    perineural = later_shape.PERINEURAL + later_shape.PERINEURAL_BY_SEVERITY * course.severity
    return {
        "resectionMarginsStatus": draws.or_gap(
            rng, "involved" if draws.happens(rng, margins) else "uninvolved"
        ),
        "extraProstaticExtension": draws.or_gap(rng, beyond),
        "wheelerRanking": draws.or_gap(rng, draws.pick(rng, wheeler)),
        "perineuralInvasion": draws.or_gap(rng, draws.happens(rng, perineural)),
        "seminalVesicalInvasion": draws.or_gap(rng, vesicles),
    }


def radiotherapy(rng: Random, course: Course) -> Json:
    """Dose by technique; toxicity mostly mild, and worse in all organs of a frail patient."""
    technique = draws.pick(rng, later_shape.TECHNIQUES)
    regimen = draws.pick(rng, later_shape.REGIMENS[technique])
    hormones = later_shape.HORMONES + later_shape.HORMONES_BY_SEVERITY * course.severity
    frailty = rng.gauss(0, 1)

    def grade(grades: draws.Grades[int]) -> int | None:
        return draws.or_gap(rng, grades.at((frailty + rng.gauss(0, 1)) / 2**0.5))

    return {
        "radiotherapyTechnique": draws.or_gap(rng, technique),
        "hormonotherapy": draws.or_gap(rng, draws.happens(rng, hormones)),
        "totalDose": draws.or_gap(rng, regimen.total),
        "fractionsWeek": draws.or_gap(rng, regimen.week),
        "doseFraction": draws.or_gap(rng, regimen.fraction),
        "rectalToxAcute": grade(later_shape.ACUTE),
        "rectalToxChronic": grade(later_shape.CHRONIC),
        "genitourinaryToxAcute": grade(later_shape.ACUTE),
        "genitourinaryToxChronic": grade(later_shape.CHRONIC),
    }


def quality_of_life(rng: Random, course: Course) -> Json:
    """Answers that follow one sexual and urinary function: better with nerves spared, worse with age."""
    function = rng.gauss(
        later_shape.FUNCTION_SPARED * course.spared
        + later_shape.FUNCTION_PER_YEAR * (course.age - later_shape.FUNCTION_AGE),
        later_shape.FUNCTION_SPREAD,
    )

    def answer(grades: draws.Grades[int]) -> int | None:
        return draws.or_gap(rng, grades.at(rng.gauss(function, later_shape.ANSWER_NOISE)))

    return {
        "epic26": draws.or_gap(rng, round(later_shape.EPIC26.draw(rng, function))),
        "EORTC_Q52": answer(later_shape.ENJOYABLE),
        "EORTC_Q53": answer(later_shape.DIFFICULTY),
        "EORTC_Q54": answer(later_shape.DRY),
        "EORTC_Q55": answer(later_shape.UNCOMFORTABLE),
    }
