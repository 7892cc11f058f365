"""What is found up to the diagnosis: PSA, family history, MRI, biopsy, prostatectomy, metastasis."""

from math import ceil
from random import Random
from typing import Any

from etl.sample import draws, shape
from etl.sample.course import DAYS_PER_MONTH, Course
from etl.sample.psa import baseline_tests

Json = dict[str, Any]


def clinical(rng: Random, course: Course) -> Json:
    """Examination and PSA."""
    palpable = rng.random() < shape.PALPABLE[course.t[2]]
    return {
        "age": course.age,
        "DRE": draws.or_gap(rng, "positive" if palpable else "negative"),
        "prostateVolume": draws.or_gap(rng, round(course.volume, 1)),
        "psa": baseline_tests(rng, course),
    }


def family_history(rng: Random, course: Course) -> Json | None:
    """Cancer in the family; None where the site does not ask."""
    if rng.random() >= course.site.asks_family:
        return None
    history: Json = {}
    for relative, yes in shape.RELATIVES.items():
        unknown = shape.RELATIVE_UNKNOWN
        answer = draws.pick(rng, {"yes": yes, "unknown": unknown, "no": 1 - yes - unknown})
        age = round(shape.RELATIVE_AGE.draw(rng))
        history[relative] = answer
        history[f"{relative}Age"] = draws.or_gap(rng, age) if answer == "yes" else None
    return history


def imaging(rng: Random, course: Course) -> Json:
    """The MRI at baseline, positive when it shows a lesion."""
    seen = course.nodes and rng.random() < shape.NODES_ON_MRI
    return {
        "daysAfterBaselineMRI": course.mri_day,
        "MRIPositive": any(lesion["MRIVisible"] for lesion in course.lesions),
        "stage": {
            "T": draws.or_gap(rng, draws.unspecific(rng, course.t, shape.UNSPECIFIC_T)),
            "N": draws.or_gap(rng, "cN1" if seen else "cN0"),
        },
    }


def biopsy(rng: Random, course: Course) -> Json:
    """Cancer is confirmed at biopsy or at prostatectomy: without the latter, the biopsy is positive."""
    performed = not course.operated or rng.random() < shape.BIOPSY_BEFORE_SURGERY
    if not performed:
        return {"biopsyPerformed": False, "biopsyPositive": None, "biopsyType": None, "stage": {"T": None}}
    return {
        "biopsyPerformed": True,
        "biopsyPositive": not course.operated or rng.random() < shape.BIOPSY_FINDS,
        "biopsyType": draws.or_gap(rng, draws.pick(rng, course.site.biopsies)),
        "stage": {"T": draws.or_gap(rng, course.t, shape.BIOPSY_T_GAP)},
    }


def prostatectomy(rng: Random, course: Course) -> Json:
    """The prostatectomy and its pathological stage, or that there was none."""
    stage: Json = {"T": None, "N": None}
    if not course.operated:
        return {"prostatectomyPerformed": False, "RPmethod": None, "nerveSparing": None, "stage": stage}
    stage["T"] = course.pathological_t
    stage["N"] = draws.or_gap(rng, "pN1" if course.nodes else "pN0")
    return {
        "prostatectomyPerformed": True,
        "RPmethod": draws.or_gap(rng, draws.pick(rng, shape.RP_METHOD)),
        "nerveSparing": draws.or_gap(rng, course.spared),
        "stage": stage,
    }


def cancer_diagnosis(rng: Random, course: Course) -> Json:
    """Diagnosis made at pathology."""
    return {"carcinomaClass": draws.or_gap(rng, course.carcinoma)}


def lesions(_rng: Random, course: Course) -> list[Json]:
    """The lesions of the course; they are drawn with it, as other sections tell of them too."""
    return list(course.lesions)


def specimen(rng: Random, course: Course) -> str | None:
    """What the location and Gleason score of the lesions are based on."""
    return draws.or_gap(rng, "Prostatectomy" if course.operated else "Biopsy")


def final_diagnosis(rng: Random, course: Course) -> Json:
    """Stage and sites of metastasis, and the imaging that showed them."""
    sites = _metastasis(rng, course.m)
    imaged = rng.random() < shape.IMAGED
    # The diagnosis cannot come before the MRI that it rests on.
    months = max(round(shape.MONTHS.draw(rng, course.severity)), ceil(course.mri_day / DAYS_PER_MONTH))
    other = draws.one_of(rng, shape.OTHER_SITES)
    return {
        "monthsFinalDiagnosis": months,
        "N": "cN1" if course.nodes else "cN0",
        "M": draws.unspecific(rng, course.m, shape.UNSPECIFIC_M),
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
        organs.add(draws.pick(rng, shape.ORGANS))
        if rng.random() < shape.SECOND_ORGAN:
            organs.add(draws.pick(rng, shape.ORGANS))
    return ["Bone"] * bone + ["Lymph nodes"] * nodes + [organ for organ in shape.ORGANS if organ in organs]


def _modalities(rng: Random, *, bone: bool) -> list[str]:
    shares = shape.MODALITIES | (shape.BONE_MODALITIES if bone else {})
    return [modality for modality, share in shares.items() if rng.random() < share] or ["CT"]
