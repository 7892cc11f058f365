"""Which patient and form a case is, and its sections put together."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from etl.sample import baseline, follow_up, shape, treatment
from etl.sample.course import Course, after_surgery, draw_course
from etl.sample.images import images
from etl.sample.lesions import lesions
from etl.sample.surveillance import surveillance

Json = dict[str, Any]

EVERY = frozenset(shape.FORMS)
CANCER = EVERY - {"1"}
#: About prostatectomy; they do not ask for the biopsy.
SURGERY = frozenset({"1+2+5+9", "1+2+5+7b+9"})


class Section(NamedTuple):
    """A top-level key of the case document, the forms that fill it, and what draws it; None leaves it out."""

    key: str
    forms: frozenset[str]
    draw: Callable[[Random, Course], Any]


SECTIONS = (
    Section("clinicalBaselineData", EVERY, baseline.clinical),
    Section("familyHistory", EVERY, baseline.family_history),
    Section("imagingInfo", CANCER, baseline.imaging),
    Section("biopsyInfo", CANCER - SURGERY, baseline.biopsy),
    Section("prostatectomyInfo", SURGERY | {"1+2", "1+2+3"}, baseline.prostatectomy),
    Section("cancerDiagnosis", CANCER, baseline.cancer_diagnosis),
    Section("lesions", CANCER, baseline.lesions),
    Section("lesionLocationBasedOn", CANCER, baseline.specimen),
    Section("invasionInfo", SURGERY, treatment.invasion),
    Section("treatment", frozenset({"1+2+6+7a+9"}), treatment.radiotherapy),
    Section("qualityOfLife", frozenset({"1+2+5+7b+9"}), treatment.quality_of_life),
    Section("finalDiagnosis", frozenset({"1+2+3"}), baseline.final_diagnosis),
    Section("followUp", frozenset({"1"}), follow_up.after_negative),
    Section("followUp", SURGERY, follow_up.after_surgery),
    Section("followUp", frozenset({"1+2+6+7a+9"}), follow_up.after_radiotherapy),
    Section("followUp", frozenset({"1+2+8+9"}), surveillance),
    Section("dicom", EVERY, images),
)


def sample(count: int, seed: int = 0) -> Iterator[Json]:
    """``count`` synthetic cases, valid for mappings/prostate/ecrf.schema.json.

    Case k depends on ``seed`` and k alone: a longer sample starts with the shorter one. Some patients have
    two cases, of two forms. Raises ValueError when ``count`` is negative.
    """
    if count < 0:
        raise ValueError(f"count is {count}; ask for 0 cases or more")
    return (sample_case(position, seed) for position in range(count))


def sample_case(position: int, seed: int = 0) -> Json:
    """The case at ``position`` (from 0) of ``sample(..., seed)``; no other has its patient and form."""
    number, again = _patient(position, seed)
    draw = _streams(number, seed)
    form = _form(number, seed)
    course = draw_course(draw("course"), shape.FORMS[form])
    if again:
        form = shape.FORMS[form].again
    if form in SURGERY:
        course = after_surgery(draw("surgery"), course)
    course = course._replace(lesions=tuple(lesions(draw("lesions"), course)))
    drawn = {part.key: part.draw(draw(part.key), course) for part in SECTIONS if form in part.forms}
    head = {"patientID": _patient_id(number, seed), "useCaseType": form, "site": course.site.name}
    return head | {key: section for key, section in drawn.items() if section is not None}


def _patient(position: int, seed: int) -> tuple[int, bool]:
    """The number of the case's patient, and whether it is the patient's second form."""
    block, place = divmod(position, shape.CASES_PER_SECOND_FORM)
    patients = shape.CASES_PER_SECOND_FORM - 1
    again = place == patients
    if again:
        place = Random(f"{seed}/again/{block}").randrange(patients)
    return block * patients + place, again


def _form(patient: int, seed: int) -> str:
    """The patient's first form: evenly spread, so that a short sample has all of them too."""
    start = Random(f"{seed}/form").random()
    return shape.FORM.at((start + patient * shape.FORM_STEP) % 1)


def _streams(patient: int, seed: int) -> Callable[[str], Random]:
    """Random numbers of their own for each thing drawn, so that a patient's two forms tell the same."""
    return lambda name: Random(f"{seed}/{patient}/{name}")


def _patient_id(number: int, seed: int) -> str:
    offset = Random(f"{seed}").randrange(shape.PATIENTS)
    return f"PCa-{(number * shape.MULTIPLIER + offset) % shape.PATIENTS:012}"
