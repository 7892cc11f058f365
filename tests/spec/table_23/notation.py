"""The words in which Table 23's specification is written: lines, examples, the smallest cases, and rows.

Rows read as ``tests.mini`` shows them: ``table rule concept column=value ...``, where ids stand by their rule
and position, and NULL, 0, types and 2000-01-01 are left out. The functions below write such a row from what
it says; without ``at`` it hangs on the visit of the baseline MRI and has its date.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from omop_schema import metadata

Changes = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """A filling of the form, and all that the line's rules make of it."""

    says: str
    changes: Changes
    """By section: an object is merged into that of the smallest case, anything else replaces it."""
    rows: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """All problems of the case."""
    form: str = ""
    """Other than the line's form."""


@dataclass(frozen=True)
class Line:
    """One line of Table 23."""

    field: str
    """As D4.4 prints it; in brackets, our words for a line whose field is left empty there."""
    d4_4: str
    """What D4.4 maps it to, in a few words."""
    at: tuple[str, ...]
    """The fields of the case document."""
    rules: tuple[str, ...]
    """The rules of the mapping that the line became."""
    examples: tuple[Example, ...]
    errata: tuple[int, ...] = ()
    """The rows of ERRATA.md that say how the mapping departs from the line."""
    form: str = "1+2+3"
    maps: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Value maps, whole: the concept of every code, 0 where D4.4 prints none."""


@dataclass(frozen=True)
class Part:
    """A part of Table 23, with its lines in D4.4's order."""

    title: str
    told_in: str
    """The module with the lines."""
    lines: tuple[Line, ...]


class Visit(NamedTuple):
    """A visit that rows hang on, and its date."""

    name: str
    day: str


BASELINE = Visit("visit.baseline", "2000-01-01")
MRI = Visit("visit.imaging", "2000-01-21")
FINAL = Visit("visit.final_diagnosis", "2001-04-01")

PRESENT, ABSENT = 4181412, 4132135
CONDITION, PROCEDURE, OBSERVATION, MEASUREMENT = 1147127, 1147082, 1147165, 1147138
#: The key's concept of rows that others are recorded of; procedures are not listed.
KEYS = {
    "lesion": CONDITION,
    "follow_up_lesion": CONDITION,
    "relative_pca": OBSERVATION,
    "relative_bca": OBSERVATION,
    "relative_aggressive": OBSERVATION,
}
UNMET = "recorded, but the condition of its rule does not hold"
NO_DATE = "none of its visits has a date"
NO_MRI_DATE = "its visit 'imaging' has no date"

_MRI = {"daysAfterBaselineMRI": 20}
_PROSTATECTOMY = {"prostatectomyPerformed": True}
_SMALLEST: dict[str, Changes] = {
    "1": {"followUp": [{}]},
    "1+2": {"imagingInfo": {**_MRI, "MRIPositive": True}, "biopsyInfo": {}, "lesions": [{}]},
    "1+2+3": {
        "imagingInfo": {**_MRI, "MRIPositive": True},
        "biopsyInfo": {},
        "lesions": [{}],
        "finalDiagnosis": {"monthsFinalDiagnosis": 15, "M": "cM0"},
    },
    "1+2+5+9": {
        "imagingInfo": _MRI,
        "prostatectomyInfo": _PROSTATECTOMY,
        "lesions": [{}],
        "followUp": [{}],
    },
    "1+2+6+7a+9": {"imagingInfo": _MRI, "lesions": [{}], "treatment": {}, "followUp": [{}]},
    "1+2+5+7b+9": {
        "imagingInfo": _MRI,
        "prostatectomyInfo": _PROSTATECTOMY,
        "lesions": [{}],
        "qualityOfLife": {},
        "followUp": [{}],
    },
    "1+2+8+9": {
        "imagingInfo": {**_MRI, "MRIPositive": True},
        "biopsyInfo": {"biopsyPositive": True},
        "lesions": [{}],
        "followUp": [{}],
    },
}


def document(form: str, changes: Changes) -> Changes:
    """The smallest case of a form, changed. Its baseline is 2020-01-01, so 2020 becomes the year 2000."""
    smallest: Changes = {
        "patientID": "P1",
        "useCaseType": form,
        "site": "FORTH",
        "clinicalBaselineData": {"age": 70, "psa": [{"baseline": True, "psadate": "2020-01-01"}]},
        **deepcopy(_SMALLEST[form]),
    }
    return _merged(smallest, changes)


def _merged(one: Changes, other: Changes) -> Changes:
    both = dict(one)
    for key, value in other.items():
        old = one.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def visit(rule: str, concept: int, day: str, source: str) -> str:
    """A row of visit_occurrence."""
    return _row("visit_occurrence", rule, concept, visit_start_date=day, visit_source_value=source)


def procedure(rule: str, concept: int, source: str, at: Visit = MRI) -> str:
    """A row of procedure_occurrence."""
    return _row(
        "procedure_occurrence",
        rule,
        concept,
        procedure_date=at.day,
        visit_occurrence_id=at.name,
        procedure_source_value=source,
    )


def condition(rule: str, concept: int, source: str, at: Visit = MRI) -> str:
    """A row of condition_occurrence."""
    return _row(
        "condition_occurrence",
        rule,
        concept,
        condition_start_date=at.day,
        visit_occurrence_id=at.name,
        condition_source_value=source,
    )


def measured(
    rule: str,
    concept: int,
    *,
    number: float | None = None,
    value: int = 0,
    unit: int = 0,
    source: str = "",
    recorded: object = None,
    of: str = "",
    at: Visit = MRI,
) -> str:
    """A row of measurement; its value_source_value is the number, or what was ``recorded`` instead."""
    return _row(
        "measurement",
        rule,
        concept,
        measurement_date=at.day,
        value_as_number=number,
        value_as_concept_id=value,
        unit_concept_id=unit,
        visit_occurrence_id=at.name,
        measurement_source_value=source,
        value_source_value=number if recorded is None else recorded,
        modifier_of_event_id=of,
        modifier_of_field_concept_id=_key(of),
    )


def observed(
    rule: str,
    concept: int,
    *,
    number: float | None = None,
    text: str = "",
    value: int = 0,
    source: str = "",
    of: str = "",
    at: Visit = MRI,
) -> str:
    """A row of observation."""
    return _row(
        "observation",
        rule,
        concept,
        observation_date=at.day,
        value_as_number=number,
        value_as_string=text,
        value_as_concept_id=value,
        visit_occurrence_id=at.name,
        observation_source_value=source,
        observation_event_id=of,
        obs_event_field_concept_id=_key(of),
    )


def noted(rule: str, title: str, text: object, of: str = "", at: Visit = MRI) -> str:
    """A row of note."""
    return _row(
        "note",
        rule,
        706391,
        note_event_id=of,
        note_event_field_concept_id=_key(of),
        note_date=at.day,
        note_title=title,
        note_text=text,
        encoding_concept_id=32678,
        language_concept_id=4180186,
        visit_occurrence_id=at.name,
    )


def episode(
    rule: str, concept: int, of: int, *, start: str, end: str = "", parent: str = "", source: str = ""
) -> str:
    """A row of episode, whose object is the concept ``of``."""
    return _row(
        "episode",
        rule,
        concept,
        episode_start_datetime=start,
        episode_end_datetime=end,
        episode_parent_id=parent,
        episode_object_concept_id=of,
        episode_source_value=source,
    )


def study(rule: str, modality: int, *, at: Visit | None, day: str, of: str) -> str:
    """A row of radiology_occurrence: what is said of the study 1.2."""
    return _row(
        "radiology_occurrence",
        rule,
        "",
        radiology_occurrence_date=day or (at and at.day),
        radiology_modality_concept_id=modality,
        visit_occurrence_id=at and at.name,
        procedure_occurrence_id=of,
        study_instance_uid="1.2",
    )


def series(rule: str, uid: str, concept: int, whole: str, *, day: str, **said: object) -> str:
    """A row of radiology_image: what is said of a series of the study 1.2, its columns in their order."""
    columns = {
        "series_instance_uid": uid,
        "study_instance_uid": "1.2",
        "series_date": day,
        "modality_concept_id": concept,
        "attributes": whole,
        **said,
    }
    order = metadata.tables["omop.radiology_image"].columns.keys()
    return _row("radiology_image", rule, "", **{name: columns[name] for name in order if name in columns})


def event(key: int, row: str, of: str = "episode.disease") -> str:
    """A row of episode_event: the row is an event of the episode."""
    return f"episode_event {key} episode_id={of} event_id={row}"


def unmapped(rule: str, path: str, value_map: str) -> str:
    """The problem of a value that its value map has no concept for."""
    return f"{rule}: unmapped {path}: no concept for this value in '{value_map}'"


def no_concept(rule: str, path: str, value_map: str, concept: int) -> tuple[str, ...]:
    """The same when the concept is 0, otherwise no problem."""
    return () if concept else (unmapped(rule, path, value_map),)


def _key(of: str) -> int:
    return KEYS.get(of.partition("[")[0], PROCEDURE) if of else 0


def _row(table: str, rule: str, concept: int | str, **columns: object) -> str:
    own = rule.partition("[")[0].rpartition(".")[2]
    said = [f"{name}={_quoted(str(value))}" for name, value in columns.items() if _says(name, value, own)]
    return " ".join(filter(None, (table, rule, str(concept), *said)))


def _says(column: str, value: object, own: str) -> bool:
    zero = value == 0 and column.endswith("concept_id")
    named = value == own and column.endswith("source_value")
    return value not in {None, "", "2000-01-01"} and not zero and not named


def _quoted(value: str) -> str:
    return repr(value) if " " in value else value
