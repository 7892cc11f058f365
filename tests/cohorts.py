"""Cohorts of the nine use cases, told from the case documents alone: what the database is compared with.

No SQL, and nothing of ``etl`` but the synthetic cases, of which ``spoiled`` takes things away: so every step
of every cohort leaves somebody out.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

from etl.sample import sample

Json = dict[str, Any]
Steps = list[set[str]]

CASES = 300
_T = [
    "cTX",
    "cT0",
    "cT1",
    "cT1a",
    "cT1b",
    "cT1c",
    "cT2",
    "cT2a",
    "cT2b",
    "cT2c",
    "cT3",
    "cT3a",
    "cT3b",
    "cT4",
]
_TOXICITY = ("rectalToxAcute", "rectalToxChronic", "genitourinaryToxAcute", "genitourinaryToxChronic")
_TREATMENT = ("radiotherapyTechnique", "totalDose", "fractionsWeek", "doseFraction", *_TOXICITY)


def spoiled(count: int = CASES) -> list[Json]:
    """The sample's cases, half of them without something that a step asks for; they are valid still."""
    cases: list[Json] = []
    seen: Counter[str] = Counter()
    for case in sample(count):
        form = case["useCaseType"]
        taken = [spoil for spoil, forms in _SPOILS.items() if form in forms]
        number = seen[form] % (2 * len(taken))
        seen[form] += 1
        cases.append(json.loads(json.dumps(case)))
        if number < len(taken):
            taken[number](cases[-1])
    return cases


def _grade_nothing(case: Json) -> None:
    for lesion in case["lesions"]:
        lesion["gleason1"] = None


def _confirm_nothing(case: Json) -> None:
    for lesion in case["lesions"]:
        lesion.update(gleason1=None, gleason2=None)
    case["cancerDiagnosis"]["carcinomaClass"] = None
    if "biopsyInfo" in case:
        case["biopsyInfo"]["biopsyPositive"] = None
    if "prostatectomyInfo" in case:
        case["prostatectomyInfo"]["stage"] = {"T": None, "N": None}


def _see_nothing(case: Json) -> None:
    for lesion in case["lesions"]:
        lesion.update({"MRIVisible": False, "PI-RADS": None})


def _leave_relapse_open(case: Json) -> None:
    for record in case["followUp"]:
        record["biochemicalRelapse"] = None


def _grade_no_toxicity(case: Json) -> None:
    case["treatment"].update(dict.fromkeys(_TOXICITY))


def _answer_nothing(case: Json) -> None:
    case["qualityOfLife"] = dict.fromkeys(case["qualityOfLife"])


def _treat_nothing(case: Json) -> None:
    case["treatment"] = dict.fromkeys(case["treatment"])


def _spread_nothing(case: Json) -> None:
    case["finalDiagnosis"].update(M="cM0", metastasis=None, metastasisOther=None)


def _spread_late(case: Json) -> None:
    case["finalDiagnosis"].update(monthsFinalDiagnosis=9)


def _find_something_later(case: Json) -> None:
    case["followUp"][0]["fupMRINegative"] = False


def _find_cancer_later(case: Json) -> None:
    case["followUp"][0]["fupBiopsyNegative"] = False


_SURGERY = {"1+2+5+9", "1+2+5+7b+9"}
_CANCER = {"1+2", "1+2+3", "1+2+6+7a+9", "1+2+8+9"} | _SURGERY
_SPOILS = {
    _grade_nothing: _CANCER,
    _confirm_nothing: _CANCER - {"1+2+8+9"},
    _see_nothing: _CANCER,
    _leave_relapse_open: _SURGERY | {"1+2+6+7a+9"},
    _grade_no_toxicity: {"1+2+6+7a+9"},
    _treat_nothing: {"1+2+6+7a+9"},
    _answer_nothing: {"1+2+5+7b+9"},
    _spread_nothing: {"1+2+3"},
    _spread_late: {"1+2+3"},
    _find_something_later: {"1"},
    _find_cancer_later: {"1"},
}


class Patient:
    """What the cases of one patient say; the newest case comes last, and goes before the others."""

    def __init__(self, cases: list[Json]) -> None:
        self.cases = cases

    def said(self, *path: str) -> Iterator[Any]:
        """What is recorded at this place, the newest case first."""
        for case in reversed(self.cases):
            found: Any = case
            for key in path:
                found = (found or {}).get(key)
            if found is not None:
                yield found

    def newest(self, *path: str) -> Any:
        return next(self.said(*path), None)

    def any(self, *path: str) -> bool:
        return any(found is True for found in self.said(*path))

    @property
    def use_cases(self) -> set[str]:
        return {one for case in self.cases for one in case["useCaseType"].split("+")}

    @property
    def lesions(self) -> list[Json]:
        return [lesion for found in self.said("lesions") for lesion in found]

    @property
    def follow_ups(self) -> list[Json]:
        return [record for found in self.said("followUp") for record in found]

    @property
    def grade(self) -> int | None:
        """ISUP grade group of the worst lesion."""
        pairs = [(one["gleason1"], one["gleason2"]) for one in self.lesions]
        return max((_isup(*pair) for pair in pairs if None not in pair), default=None)

    @property
    def has_cancer(self) -> bool:
        pathology = [self.newest("prostatectomyInfo", "stage", key) for key in ("T", "N")]
        return bool(
            self.newest("cancerDiagnosis", "carcinomaClass")
            or self.any("biopsyInfo", "biopsyPositive")
            or any(record.get("fupBiopsyNegative") is False for record in self.follow_ups)
            or any((record.get("cancerDiagnosis") or {}).get("carcinomaClass") for record in self.follow_ups)
            or self.grade
            or pathology[0] not in (None, "pTX", "pT0")
            or pathology[1] == "pN1"
        )

    @property
    def is_operated(self) -> bool:
        return self.any("prostatectomyInfo", "prostatectomyPerformed")

    @property
    def is_irradiated(self) -> bool:
        return any(found.get(key) is not None for found in self.said("treatment") for key in _TREATMENT)

    @property
    def has_mri(self) -> bool:
        return any(
            True for key in ("daysAfterBaselineMRI", "MRIPositive") for _ in self.said("imagingInfo", key)
        )

    @property
    def is_metastatic(self) -> bool:
        m = self.newest("finalDiagnosis", "M")
        return str(m).startswith("cM1") or any(self.said("finalDiagnosis", "metastasis"))

    @property
    def relapse(self) -> bool | None:
        found = [one.get("biochemicalRelapse") for one in self.follow_ups]
        known = [one for one in found if one is not None]
        return any(known) if known else None

    @property
    def is_high_risk(self) -> bool:
        psa = next(
            one["totalPSAvalue"] for one in self.newest("clinicalBaselineData", "psa") if one["baseline"]
        )
        stages = [*self.said("imagingInfo", "stage", "T"), *self.said("biopsyInfo", "stage", "T")]
        highest = max(stages, key=_T.index, default="cTX")
        nodes = {*self.said("imagingInfo", "stage", "N"), *self.said("finalDiagnosis", "N")}
        return bool(
            psa > 20 or (self.grade or 0) >= 4 or _T.index(highest) >= _T.index("cT2c") or "cN1" in nodes
        )

    @property
    def late_findings(self) -> tuple[bool, bool]:
        """Whether a follow-up after a year was negative, and whether one found something."""
        late = [
            record
            for case in self.cases
            for record in case.get("followUp") or []
            if _days(case, record) >= 365
        ]
        keys = ("fupPSANormalRange", "fupMRINegative", "fupBiopsyNegative")
        negative = any(record.get(key) for record in late for key in keys)
        return negative, any(record.get(key) is False for record in late for key in keys[1:])

    @property
    def months_to_metastasis(self) -> int | None:
        return self.newest("finalDiagnosis", "monthsFinalDiagnosis")


def patients(cases: Iterable[Json]) -> dict[str, Patient]:
    found: dict[str, list[Json]] = defaultdict(list)
    for case in cases:
        found[case["patientID"]].append(case)
    return {name: Patient(own) for name, own in found.items()}


def expected(known: dict[str, Patient]) -> dict[str, Steps]:
    """The patients that each step keeps, by cohort."""

    def chain(*conditions: Callable[[Patient], Any]) -> Steps:
        kept, steps = dict(known), []
        for condition in conditions:
            kept = {name: one for name, one in kept.items() if condition(one)}
            steps.append(set(kept))
        return steps

    return {name: chain(*conditions) for name, conditions in _COHORTS.items()}


def _form(number: str) -> Callable[[Patient], bool]:
    return lambda one: number in one.use_cases


def _cancer(one: Patient) -> bool:
    return one.has_cancer


def _operated(one: Patient) -> bool:
    return one.is_operated


def _irradiated(one: Patient) -> bool:
    return one.is_irradiated


def _followed(one: Patient) -> bool:
    return one.relapse is not None


def _untouched(one: Patient) -> bool:
    return not (one.has_cancer or one.is_operated or one.is_irradiated)


def _examined(one: Patient) -> bool:
    return one.is_operated or one.any("biopsyInfo", "biopsyPerformed")


def _toxic(one: Patient) -> bool:
    return any(found.get(key) is not None for found in one.said("treatment") for key in _TOXICITY)


def _answered(one: Patient) -> bool:
    return any(value is not None for found in one.said("qualityOfLife") for value in found.values())


def _is_negative(one: Patient) -> bool:
    negative, positive = one.late_findings
    return (one.newest("biopsyInfo", "biopsyPositive") is False or negative) and not positive


def _is_early(one: Patient) -> bool:
    months = one.months_to_metastasis
    if months is None:
        return True
    day = date(2000 + months // 12, months % 12 + 1, 1)
    return (day - date(2000, 1, 1)).days - (one.newest("imagingInfo", "daysAfterBaselineMRI") or 0) <= 183


def _is_correlated(lesion: Json) -> bool:
    seen = lesion["MRIVisible"] is True or lesion["PI-RADS"] is not None
    return seen and None not in (lesion["gleason1"], lesion["gleason2"])


def _isup(first: int, second: int) -> int:
    score = first + second
    if score == 7:
        return 2 if first <= 3 else 3
    return {True: 1, False: {8: 4}.get(score, 5)}[score <= 6]


def _days(case: Json, record: Json) -> int:
    """Days from the baseline to the latest date of a follow-up record; a year where form 1 has none."""
    tests = case["clinicalBaselineData"]["psa"]
    baseline = next(date.fromisoformat(one["psadate"]) for one in tests if one["baseline"])
    days = [
        (date.fromisoformat(one["psadate"]) - baseline).days
        for one in record.get("psa") or []
        if one["psadate"]
    ]
    days += [
        found["daysAfterBaseline"]
        for found in (record.get("imagingInfo"), record.get("biopsyInfo"))
        if found and found["daysAfterBaseline"] is not None
    ]
    return max(days, default=366 if case["useCaseType"] == "1" else -1)


def _treated(one: Patient) -> bool:
    return one.is_operated or one.is_irradiated or "8" in one.use_cases


_COHORTS: dict[str, tuple[Callable[[Patient], Any], ...]] = {
    "uc1": (_form("1"), _cancer),
    "uc1_controls": (_form("1"), _untouched, _is_negative),
    "uc2": (_form("2"), _cancer, lambda one: one.grade, lambda one: one.grade >= 2),
    "uc2:group=non_significant": (_form("2"), _cancer, lambda one: one.grade, lambda one: one.grade < 2),
    "uc3": (_form("3"), _cancer, lambda one: one.is_metastatic, _is_early),
    "uc3_comparators": (
        *(_form("2"), _cancer),
        *(lambda one: one.is_high_risk, lambda one: not one.is_metastatic),
    ),
    "uc4": (lambda one: one.has_mri, _examined, lambda one: any(map(_is_correlated, one.lesions))),
    "uc5": (_form("5"), _cancer, _operated, _followed),
    "uc6": (_form("6"), _cancer, _irradiated, _followed),
    "uc7a": (_form("7a"), _cancer, _irradiated, _toxic),
    "uc7b": (_form("7b"), _cancer, _operated, _answered),
    "uc8": (
        *(_form("8"), lambda one: one.newest("biopsyInfo", "biopsyPositive")),
        *(lambda one: one.follow_ups,),
    ),
    "uc9": (_form("9"), _cancer, lambda one: one.has_mri, _treated),
}
