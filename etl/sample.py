"""Synthetic prostate cases, form 1+2+3: realistic in shape, of nobody.

A latent severity of the disease is drawn first; age, PSA, stage, lesions and metastasis follow from it, so
the values of a case correlate as they do in a clinic. The numbers are in ``etl.sample_shape``.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from math import ceil, exp, log, pi
from random import Random
from typing import Any, NamedTuple

from etl import sample_shape as shape

Json = dict[str, Any]

DAYS_PER_MONTH = 30.44


class Course(NamedTuple):
    """The truth of one case, that its sections record parts of."""

    severity: float
    site: shape.Site
    age: int
    volume: float
    """Of the gland, mL."""
    t: str
    nodes: bool
    m: str
    grade: float
    """Score of the index lesion, cut into Gleason patterns."""
    operated: bool
    mri_day: int
    """Days from baseline."""


def sample(count: int, seed: int = 0) -> Iterator[Json]:
    """``count`` synthetic cases, valid for mappings/prostate/ecrf.schema.json.

    Case k depends on ``seed`` and k alone: a longer sample starts with the shorter one.
    Raises ValueError when ``count`` is negative.
    """
    if count < 0:
        raise ValueError(f"count is {count}; ask for 0 cases or more")
    return (sample_case(position, seed) for position in range(count))


def sample_case(position: int, seed: int = 0) -> Json:
    """The case at ``position`` (from 0) of ``sample(..., seed)``; its patientID is unique in that sample."""
    rng = Random(f"{seed}/{position}")
    course = _course(rng)
    lesions = _lesions(rng, course)
    case: Json = {
        "patientID": _patient_id(position, seed),
        "useCaseType": "1+2+3",
        "site": course.site.name,
        "clinicalBaselineData": _clinical(rng, course),
    }
    if rng.random() < course.site.asks_family:
        case["familyHistory"] = _family_history(rng)
    case["imagingInfo"] = _imaging(rng, course, positive=any(lesion["MRIVisible"] for lesion in lesions))
    case["biopsyInfo"] = _biopsy(rng, course)
    case["prostatectomyInfo"] = _prostatectomy(rng, course)
    case["cancerDiagnosis"] = {"carcinomaClass": shape.or_gap(rng, shape.pick(rng, shape.CARCINOMA))}
    case["lesions"] = lesions
    case["lesionLocationBasedOn"] = shape.or_gap(rng, "Prostatectomy" if course.operated else "Biopsy")
    case["finalDiagnosis"] = _final_diagnosis(rng, course)
    return case


def _patient_id(position: int, seed: int) -> str:
    offset = Random(f"{seed}").randrange(shape.PATIENTS)
    return f"PCa-{(position * shape.MULTIPLIER + offset) % shape.PATIENTS:012}"


def _course(rng: Random) -> Course:
    severity = rng.gauss(0, 1)
    age = round(shape.AGE.draw(rng, severity))
    older = shape.VOLUME_PER_YEAR * (age - shape.AGE.middle)
    m = shape.pick(rng, {m: share * exp(effect * severity) for m, (share, effect) in shape.M_STAGE.items()})
    mri_day = round(shape.MRI_DAYS.draw(rng))
    return Course(
        severity=severity,
        site=shape.SITES[int(rng.random() * len(shape.SITES))],
        age=age,
        volume=shape.VOLUME_ML.draw(rng, shift=older),
        t=shape.T_STAGE.at(rng.gauss(severity, shape.GRADE_NOISE)),
        nodes=m == "cM0" or shape.happens(rng, shape.NODES + shape.NODES_BY_SEVERITY * severity),
        m=m,
        grade=rng.gauss(severity, shape.GRADE_NOISE),
        operated=rng.random() < shape.OPERATED * exp(-severity / 2),
        mri_day=-mri_day if rng.random() < shape.MRI_FIRST else mri_day,
    )


def _clinical(rng: Random, course: Course) -> Json:
    palpable = rng.random() < shape.PALPABLE[course.t[2]]
    return {
        "age": course.age,
        "DRE": shape.or_gap(rng, "positive" if palpable else "negative"),
        "prostateVolume": shape.or_gap(rng, round(course.volume, 1)),
        "psa": _psa_tests(rng, course),
    }


def _psa_tests(rng: Random, course: Course) -> list[Json]:
    """PSA tests in order of date: they double at the tumour's pace, through the baseline's value."""
    larger = shape.PSA_BY_VOLUME * log(course.volume / shape.VOLUME_ML.middle)
    baseline = shape.PSA.draw(rng, course.severity, shift=larger)
    percent = shape.FREE_PERCENT.draw(rng, course.severity)
    doubling_days = shape.DOUBLING_MONTHS.draw(rng, course.severity) * DAYS_PER_MONTH
    start = shape.FIRST_BASELINE + timedelta(days=int(rng.random() * shape.BASELINE_DAYS))
    return [
        _psa_test(rng, baseline * 2 ** (day / doubling_days), percent, start, day) for day in _psa_days(rng)
    ]


def _psa_days(rng: Random) -> list[int]:
    """Days of the PSA tests from the baseline's, ascending, 0 among them."""
    days = [0]
    for _ in range(shape.pick_count(rng, shape.EARLIER_TESTS)):
        days.insert(0, days[0] - round(rng.uniform(*shape.DAYS_BETWEEN_EARLIER)))
    for _ in range(shape.pick_count(rng, shape.LATER_TESTS)):
        days.append(days[-1] + round(rng.uniform(*shape.DAYS_BETWEEN_LATER)))
    return days


def _psa_test(rng: Random, expected: float, percent: float, start: date, day: int) -> Json:
    total = max(round(expected * 2 ** rng.gauss(0, shape.ASSAY_DOUBLINGS), 1), 0.1)
    free = round(total * percent / 100, 2)
    measured = rng.random() >= shape.FREE_PSA_GAP
    return {
        "totalPSAvalue": total,
        "freePSAvalue": free if measured else None,
        "ratioPSAvalue": round(100 * free / total, 1) if measured else None,
        "psadate": (start + timedelta(days=day)).isoformat(),
        "baseline": day == 0,
    }


def _family_history(rng: Random) -> Json:
    history: Json = {}
    for relative, yes in shape.RELATIVES.items():
        unknown = shape.RELATIVE_UNKNOWN
        answer = shape.pick(rng, {"yes": yes, "unknown": unknown, "no": 1 - yes - unknown})
        age = round(shape.RELATIVE_AGE.draw(rng))
        history[relative] = answer
        history[f"{relative}Age"] = shape.or_gap(rng, age) if answer == "yes" else None
    return history


def _imaging(rng: Random, course: Course, *, positive: bool) -> Json:
    seen = course.nodes and rng.random() < shape.NODES_ON_MRI
    return {
        "daysAfterBaselineMRI": course.mri_day,
        "MRIPositive": positive,
        "stage": {
            "T": shape.or_gap(rng, shape.unspecific(rng, course.t, shape.UNSPECIFIC_T)),
            "N": shape.or_gap(rng, "cN1" if seen else "cN0"),
        },
    }


def _biopsy(rng: Random, course: Course) -> Json:
    """Cancer is confirmed at biopsy or at prostatectomy: without the latter, the biopsy is positive."""
    performed = not course.operated or rng.random() < shape.BIOPSY_BEFORE_SURGERY
    if not performed:
        return {"biopsyPerformed": False, "biopsyPositive": None, "biopsyType": None, "stage": {"T": None}}
    return {
        "biopsyPerformed": True,
        "biopsyPositive": not course.operated or rng.random() < shape.BIOPSY_FINDS,
        "biopsyType": shape.or_gap(rng, shape.pick(rng, course.site.biopsies)),
        "stage": {"T": shape.or_gap(rng, course.t, shape.BIOPSY_T_GAP)},
    }


def _prostatectomy(rng: Random, course: Course) -> Json:
    stage: Json = {"T": None, "N": None}
    if not course.operated:
        return {"prostatectomyPerformed": False, "RPmethod": None, "nerveSparing": None, "stage": stage}
    confined = course.t[2] in "12"
    # There is no pT1: a removed tumour that nobody felt is a pT2.
    stage["T"] = "pT2" if course.t == "cT1c" else course.t.replace("c", "p", 1)
    stage["N"] = shape.or_gap(rng, "pN1" if course.nodes else "pN0")
    return {
        "prostatectomyPerformed": True,
        "RPmethod": shape.or_gap(rng, shape.pick(rng, shape.RP_METHOD)),
        "nerveSparing": shape.or_gap(rng, confined and rng.random() < shape.NERVES_SPARED),
        "stage": stage,
    }


def _lesions(rng: Random, course: Course) -> list[Json]:
    """One to four lesions; the index lesion is the largest and of the highest grade, at any position."""
    more = exp(shape.LESIONS_BY_SEVERITY * course.severity)
    count = 1 + shape.pick_count(rng, tuple(share * more**extra for extra, share in enumerate(shape.LESIONS)))
    largest = 2 * shape.LARGEST_IN_GLAND * _gland_radius(course)
    diameter = min(shape.DIAMETER_MM.draw(rng, course.severity), largest)
    lesions = []
    for _ in range(1, count):
        smaller = diameter * rng.uniform(*shape.OTHER_DIAMETER)
        milder = course.grade - abs(rng.gauss(0, 1))
        lesions.append(_lesion(rng, course, smaller, milder, index=False))
    position = int(rng.random() * count)
    lesions.insert(position, _lesion(rng, course, diameter, course.grade, index=True))
    _tell_apart(rng, lesions, _gland_radius(course))
    return lesions


def _gland_radius(course: Course) -> float:
    """Radius in mm of a ball of the gland's volume."""
    return float((course.volume * 1000 * 3 / (4 * pi)) ** (1 / 3))


def _lesion(rng: Random, course: Course, diameter: float, grade: float, *, index: bool) -> Json:
    first = max(round(diameter), shape.SMALLEST_MM)
    second = max(round(first * rng.uniform(*shape.SECOND_DIAMETER)), 1)
    volume = round(pi / 6 * first * second * second * rng.uniform(*shape.THIRD_DIAMETER))
    visible = first >= shape.VISIBLE_FROM_MM or rng.random() < shape.VISIBLE_SMALL
    outgrown = index and course.t[2] in "34"
    gleason = shape.GLEASON.at(grade)
    return {
        "diam1": first,
        "diam2": second,
        "volume": shape.or_gap(rng, volume, shape.VOLUME_GAP),
        "location": _sectors(rng, first),
        "X": None,
        "Y": None,
        "Z": None,
        "PI-RADS": _pi_rads(rng, course.severity, first, outgrown=outgrown) if visible else None,
        "gleason1": gleason[0],
        "gleason2": gleason[1],
        "MRIVisible": visible,
        "indexLesion": index,
    }


def _pi_rads(rng: Random, severity: float, diameter: int, *, outgrown: bool) -> int:
    if outgrown or diameter >= shape.PI_RADS_5_FROM_MM:
        return 5 if rng.random() < shape.PI_RADS_5_READ else 4
    return shape.PI_RADS.at(rng.gauss(severity, 1))


def _sectors(rng: Random, diameter: int) -> list[str]:
    """Neighbouring PI-RADS sectors of one zone and side, more of them the larger the lesion."""
    path = shape.pick(rng, shape.ZONES)
    side = "L" if rng.random() < 0.5 else "R"
    reach = min(1 + diameter // shape.MM_PER_SECTOR, len(path))
    start = int(rng.random() * (len(path) - reach + 1))
    return [sector.replace("?", side) for sector in path[start : start + reach]]


def _tell_apart(rng: Random, lesions: list[Json], radius: float) -> None:
    """Lesions that share a sector need coordinates (the form says so); X left, Y back, Z head, in mm."""
    for lesion in lesions:
        others = {sector for other in lesions if other is not lesion for sector in other["location"]}
        if not others.isdisjoint(lesion["location"]):
            level, side, *zone = lesion["location"][0]
            front = zone == ["A", "S"] or zone[-1] == "a"
            lesion["X"] = round((1 if side == "L" else -1) * radius * rng.uniform(0.1, 0.7), 1)
            lesion["Y"] = round((-1 if front else 1) * radius * rng.uniform(0.1, 0.7), 1)
            lesion["Z"] = round(radius * (shape.LEVEL_HEIGHT[level] + rng.uniform(-0.2, 0.2)), 1)


def _final_diagnosis(rng: Random, course: Course) -> Json:
    sites = _metastasis(rng, course.m)
    imaged = rng.random() < shape.IMAGED
    # The diagnosis cannot come before the MRI that it rests on.
    months = max(round(shape.MONTHS.draw(rng, course.severity)), ceil(course.mri_day / DAYS_PER_MONTH))
    other = shape.OTHER_SITES[int(rng.random() * len(shape.OTHER_SITES))]
    return {
        "monthsFinalDiagnosis": months,
        "N": "cN1" if course.nodes else "cN0",
        "M": shape.unspecific(rng, course.m, shape.UNSPECIFIC_M),
        "metastasis": None if course.m == "MX" else sites,
        "metastasisOther": other if "Other" in sites else None,
        "imagingPerformed": imaged,
        "imagingType": _modalities(rng, bone="Bone" in sites) if imaged else [],
    }


def _metastasis(rng: Random, m: str) -> list[str]:
    """Sites of metastasis that fit the M stage, in the order of the form; none for cM0 and MX."""
    if m == "cM1a":
        return ["Lymph nodes"] + ["Retroperitoneum"] * (rng.random() < shape.RETROPERITONEAL_NODES)
    bone = m == "cM1b" or (m == "cM1c" and rng.random() < shape.ALSO_BONE)
    nodes = m in {"cM1b", "cM1c"} and rng.random() < shape.ALSO_NODES
    organs = set()
    if m == "cM1c":
        organs.add(shape.pick(rng, shape.ORGANS))
        if rng.random() < shape.SECOND_ORGAN:
            organs.add(shape.pick(rng, shape.ORGANS))
    return ["Bone"] * bone + ["Lymph nodes"] * nodes + [organ for organ in shape.ORGANS if organ in organs]


def _modalities(rng: Random, *, bone: bool) -> list[str]:
    shares = shape.MODALITIES | (shape.BONE_MODALITIES if bone else {})
    return [modality for modality, share in shares.items() if rng.random() < share] or ["CT"]
