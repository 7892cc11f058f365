"""The ready views: what they say of cases made by hand, every column of it."""

import json
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from importlib.resources import files
from io import BytesIO
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine, text

from etl.ingest import ingest_stream
from etl.receive import Sender
from etl.setup import prepare
from etl.validate import Validator
from etl.withdraw import Remover, withdraw_patient
from tests.conftest import engine_on, new_database

BARE = {
    "useCaseType": "1+2+3", "site": "FORTH",
    "clinicalBaselineData": {"age": 70, "psa": [{"psadate": "2021-07-11", "baseline": True}]},
    "imagingInfo": {"daysAfterBaselineMRI": 0, "MRIPositive": False},
    "biopsyInfo": {"biopsyPerformed": True, "biopsyPositive": False},
    "lesions": [{}],
    "finalDiagnosis": {"monthsFinalDiagnosis": 1, "M": "MX"},
}  # fmt: skip
#: Every section, with a value at every place that a view shows.
FULL = {
    "patientID": "full", "useCaseType": "1+2+5+7b+9", "site": "FORTH",
    "clinicalBaselineData": {
        "age": 74, "DRE": "positive", "prostateVolume": 40.0,
        "psa": [
            {"totalPSAvalue": 5.5, "psadate": "2021-07-01", "baseline": False},
            {"totalPSAvalue": 7.2, "freePSAvalue": 2.3, "ratioPSAvalue": 31.9, "psadate": "2021-07-11",
            "baseline": True},
        ],
    },
    "familyHistory": {"relativePCa": "yes", "relativeBCa": "no", "relativeAggressiveCancer": "unknown"},
    "imagingInfo": {"daysAfterBaselineMRI": 20, "MRIPositive": True, "stage": {"T": "cT2a", "N": "cN0"}},
    "biopsyInfo": {"biopsyPerformed": True, "biopsyPositive": True, "biopsyType": "Fusion",
    "stage": {"T": "cT2c"}},
    "prostatectomyInfo": {
        "prostatectomyPerformed": True, "RPmethod": "Laparoscopic", "nerveSparing": True,
        "stage": {"T": "pT3a", "N": "pN1"},
    },
    "cancerDiagnosis": {"carcinomaClass": "Acinar adenocarcinoma"},
    "lesions": [
        {"diam1": 12, "diam2": 8, "volume": 400, "location": ["MRPZpl", "ALAS"], "X": 1, "Y": 2.5, "Z": -3,
         "PI-RADS": 5, "gleason1": 3, "gleason2": 4, "MRIVisible": True, "indexLesion": True},
        {"PI-RADS": 3, "gleason1": 4, "gleason2": 3, "MRIVisible": False},
        {"gleason1": 5},
    ],
    "lesionLocationBasedOn": "Prostatectomy",
    "invasionInfo": {
        "resectionMarginsStatus": "involved", "extraProstaticExtension": True, "wheelerRanking": "L2",
        "perineuralInvasion": False, "seminalVesicalInvasion": True,
    },
    "treatment": {
        "radiotherapyTechnique": "IMRT", "hormonotherapy": True, "totalDose": 78, "fractionsWeek": 5,
        "doseFraction": 2,
        "rectalToxAcute": 1, "rectalToxChronic": 0, "genitourinaryToxAcute": 2, "genitourinaryToxChronic": 3,
    },
    "qualityOfLife": {"epic26": 85.5, "EORTC_Q52": 2, "EORTC_Q53": 1, "EORTC_Q54": 4, "EORTC_Q55": 3},
    "finalDiagnosis": {
        "monthsFinalDiagnosis": 3, "N": "cN1", "M": "cM1b", "metastasis": ["Bone", "Liver"],
        "imagingPerformed": True,
        "imagingType": ["MRI"],
    },
    "followUp": [
        {
            "fupPSANormalRange": True, "biochemicalRelapse": False,
            "psa": [{"totalPSAvalue": 0.1, "psadate": "2022-07-11", "baseline": True}],
        },
        {
            "fupPSANormalRange": False, "fupMRINegative": False, "fupBiopsyNegative": True,
            "biochemicalRelapse": True,
            "psa": [
                {"totalPSAvalue": 0.9, "freePSAvalue": 0.2, "ratioPSAvalue": 22.2, "psadate": "2023-07-11"},
                {"totalPSAvalue": 1.4, "psadate": "2023-01-11"},
            ],
            "imagingInfo": {
                "MRIPerformed": True, "daysAfterBaseline": 700, "likelihoodOfProgression": 4,
                "stage": {"T": "cT3b", "N": "cN1"},
            },
            "biopsyInfo": {
                "biopsyPerformed": True, "daysAfterBaseline": 710, "biopsyType": "In-Bore",
                "stage": {"T": "cT2"},
            },
            "lesions": [{"diam1": 5, "PI-RADS": 4, "gleason1": 4, "gleason2": 4, "location": ["BLAS"]}],
        },
        {"biochemicalRelapse": True, "imagingInfo": {"MRIPerformed": True, "daysAfterBaseline": 900,
        "likelihoodOfProgression": 2}},
    ],
}  # fmt: skip


def bare(patient: str, **changes: Any) -> dict[str, Any]:
    return deepcopy(BARE) | {"patientID": patient} | changes


def two_forms() -> list[dict[str, Any]]:
    """The older case knows more; where both know, the newer one counts."""
    older = deepcopy(FULL) | {"patientID": "two"}
    newer = bare("two", useCaseType="1+2", site="HULAFE")
    newer["clinicalBaselineData"] = {
        "age": 75, "psa": [{"totalPSAvalue": 9.9, "psadate": "2021-07-11", "baseline": True}],
        "DRE": "negative",
    }  # fmt: skip
    newer["imagingInfo"]["stage"] = {"T": "cT1c", "N": None}
    newer["lesions"] = [{"PI-RADS": 2, "gleason1": 4, "gleason2": 5}]
    newer["biopsyInfo"]["biopsyPositive"] = True
    del newer["finalDiagnosis"]
    return [older, newer]


#: Form 1 has no dates in its follow-up.
NEGATIVE = {
    "patientID": "negative", "useCaseType": "1", "site": "FORTH",
    "clinicalBaselineData": {"age": 60, "psa": [{"totalPSAvalue": 3, "psadate": "2020-01-01",
    "baseline": True}]},
    "followUp": [{"fupPSANormalRange": True, "fupMRINegative": True}],
}  # fmt: skip


def a_series(patient: str) -> list[dict[str, Any]]:
    uid = f"2.25.{sum(map(ord, patient))}"
    return [
        {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1", "Modality": "MR", "daysAfterBaseline": 1}
    ]


def course(
    form: str, site: str, psa: float, lesions: list[dict[str, Any]], *records: dict[str, Any]
) -> dict[str, Any]:
    """A form with these follow-up records."""
    return bare("", useCaseType=form, site=site, lesions=lesions, followUp=list(records)) | {
        "clinicalBaselineData": {
            "age": int(psa) + 50,
            "psa": [{"totalPSAvalue": psa, "psadate": "2021-07-11", "baseline": True}],
        },
        "biopsyInfo": {"biopsyPerformed": True, "biopsyPositive": True},
        "prostatectomyInfo": {"prostatectomyPerformed": True},
    }


#: One tells of a relapse; the other ends earlier, says that there was none, and grades and scores no lesion.
COURSE_OPERATED = course(
    "1+2+5+9", "FORTH", 5.0, [{"gleason1": 4, "gleason2": 3, "PI-RADS": 4}, {"gleason1": 3}],
    {"biochemicalRelapse": True, "psa": [{"totalPSAvalue": 0.5, "psadate": "2022-07-11"}]},
    {"biochemicalRelapse": True, "psa": [{"totalPSAvalue": 1.5, "psadate": "2023-07-11"}]},
)  # fmt: skip
COURSE_WATCHED = course(
    "1+2+8+9", "HULAFE", 8.0, [{"gleason1": 5}],
    {"biochemicalRelapse": False, "psa": [{"totalPSAvalue": 0.1, "psadate": "2022-01-11"}]},
)  # fmt: skip


def final(**changes: Any) -> dict[str, Any]:
    return {"finalDiagnosis": {"monthsFinalDiagnosis": 1, **changes}}


def following(*records: dict[str, Any]) -> dict[str, Any]:
    return {"useCaseType": "1", "followUp": list(records), "lesions": [], "finalDiagnosis": {}}


#: Patients of whom one thing is said, by their names.
STATED = {
    name: bare(name, dicom=a_series(name), **said)
    for name, said in {
        "one pattern": {"lesions": [{"gleason1": 3}, {"gleason2": 5}, {"gleason1": 3, "gleason2": 3}]},
        "only one pattern": {"lesions": [{"gleason1": 3}]},
        "MX in words": final(M="MX", metastasisOther="skin"),
        "M0 and a site": final(M="cM0", metastasis=["Bone"]),
        "M0": final(M="cM0"),
        "empty record": following({}),
        "empty and not": following({}, {"fupMRINegative": True}),
        "only a date": following({"psa": [{"psadate": "2022-07-11"}]}),
        "cTX": {"imagingInfo": {"daysAfterBaselineMRI": 0, "MRIPositive": False, "stage": {"T": "cTX"}}},
        "no to all": {
            "biopsyInfo": {"biopsyPerformed": False}, "prostatectomyInfo": {"prostatectomyPerformed": False},
        },
    }.items()
}  # fmt: skip


def load_together(engine: Engine, *documents: dict[str, Any]) -> None:
    """As one upload, in this order."""
    plan = prepare(engine)
    stream = BytesIO(b"\n".join(map(orjson.dumps, documents)))
    with engine.connect() as connection:
        result = ingest_stream(
            connection, plan, Validator(plan.schema), stream, documents[0]["patientID"],
            Sender("tester", None), lines=True,
        )  # fmt: skip
    assert result.outcome == "loaded", result.rejections


def load(engine: Engine, *documents: dict[str, Any]) -> None:
    plan = prepare(engine)
    for number, document in enumerate(documents):
        stream, sender = BytesIO(orjson.dumps(document)), Sender("tester", None)
        with engine.connect() as connection:
            result = ingest_stream(
                connection, plan, Validator(plan.schema), stream, f"{number}", sender, lines=True
            )
        assert result.outcome == "loaded", result


@pytest.fixture(scope="module")
def views(server_url: str, template_database: str) -> Iterator[Engine]:
    """A database with the cases of this page; tests only read."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        every = [
            FULL | {"patientID": f"full {form}", "useCaseType": form, "dicom": a_series(form)}
            for form in BY_FORM
        ]
        load(engine, *every, bare("bare"), NEGATIVE, *two_forms())
        # One upload gives its cases their numbers in the order of its forms: 1+2+5+9 comes before 1+2+8+9.
        for patient, forms in (
            ("course", (COURSE_OPERATED, COURSE_WATCHED)), ("back", (COURSE_WATCHED, COURSE_OPERATED)),
        ):  # fmt: skip
            said = {"patientID": patient, "dicom": a_series(patient)}
            load_together(engine, *(form | said for form in forms))
        load_together(engine, *STATED.values())
        yield engine


def rows(engine: Engine, view: str, patient: str) -> list[dict[str, Any]]:
    query = text(
        f"SELECT {view}.* FROM research.{view} JOIN omop.person USING (person_id)"
        " WHERE person_source_value = :patient"
    )
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(query, {"patient": patient}).mappings()]
    for row in found:
        del row["person_id"]
    return found


FULL_PATIENT = {
    "site": "FORTH", "forms": ["1+2+5+7b+9"], "use_cases": ["1", "2", "5", "7b", "9"],
    "first_date": "1999-12-22", "last_date": "2002-06-19", "age": 74,
    "psa": 7.2, "psa_free": 2.3, "psa_ratio": 31.9, "psa_density": 0.18, "prostate_volume": 40.0,
    "dre": "positive",
    "family_prostate_cancer": "yes", "family_breast_cancer": "no", "family_aggressive_cancer": "unknown",
    "mri_days": 20, "is_mri_positive": True, "has_biopsy": True, "biopsy_type": "Fusion",
    "biopsy_type_concept_id": 37206816, "biopsy_type_concept": "MRI-US fusion guided prostate biopsy",
    "is_biopsy_positive": True, "has_prostatectomy": True, "prostatectomy_method": "Laparoscopic",
    "prostatectomy_method_concept_id": 44809585, "prostatectomy_method_concept": "Laparoscopic prostatectomy",
    "is_nerve_sparing": True,
    "clinical_t": "cT2c", "clinical_t_concept_id": 1538629,
    "clinical_t_concept": "Prostate Cancer cT2c TNM Finding by AJCC/UICC 8th edition",
    "clinical_n": "cN1", "clinical_n_concept_id": 35919638, "clinical_n_concept": "cN1",
    "clinical_m": "cM1b", "clinical_m_concept_id": 1538995,
    "clinical_m_concept": "Prostate Cancer cM1b TNM Finding by AJCC/UICC 8th edition",
    "pathological_t": "pT3a", "pathological_t_concept_id": 35919839, "pathological_t_concept": "pT3a",
    "pathological_n": "pN1", "pathological_n_concept_id": 1538914,
    "pathological_n_concept": "Prostate Cancer pN1 TNM Finding by AJCC/UICC 8th edition",
    "lesions": 3, "gleason1": 4, "gleason2": 3, "gleason_score": 7, "isup_grade": 3, "pi_rads": 5,
    "disease_concept_ids": [4161028], "disease_concepts": ["Acinar adenocarcinoma"],
    "margins": "involved", "is_extraprostatic": True, "wheeler_ranking": "L2", "is_perineural": False,
    "is_in_seminal_vesicle": True, "has_cancer": True, "is_metastatic": True, "metastatic_days": 91,
    "metastases": ["Bone", "Liver"], "treatments": ["prostatectomy", "radiotherapy", "hormonotherapy"],
    "has_radiotherapy": True, "radiotherapy": "IMRT", "radiotherapy_concept_id": 40480519,
    "radiotherapy_concept": "IMRT - intensity modulated radiation therapy", "total_dose": 78,
    "dose_fraction": 2,
    "fractions_week": 5, "has_hormonotherapy": True, "is_in_active_surveillance": False,
    "rectal_toxicity_acute": 1, "rectal_toxicity_chronic": 0, "genitourinary_toxicity_acute": 2,
    "genitourinary_toxicity_chronic": 3, "epic26": 85.5, "eortc_q52": 2, "eortc_q53": 1, "eortc_q54": 4,
    "eortc_q55": 3, "follow_ups": 3, "last_follow_up_days": 900, "is_relapsed": True, "relapse_days": 730,
    "likelihood_of_progression": 4,
}  # fmt: skip
#: What only forms with these sections say.
FINAL = (
    "clinical_m", "clinical_m_concept_id", "clinical_m_concept", "is_metastatic", "metastatic_days",
    "metastases",
)  # fmt: skip
TREATMENT = (
    "radiotherapy", "radiotherapy_concept_id", "radiotherapy_concept", "total_dose", "dose_fraction",
    "fractions_week", "rectal_toxicity_acute", "rectal_toxicity_chronic", "genitourinary_toxicity_acute",
    "genitourinary_toxicity_chronic",
)  # fmt: skip
QUALITY = ("epic26", "eortc_q52", "eortc_q53", "eortc_q54", "eortc_q55")
FOLLOWED = ("last_follow_up_days", "is_relapsed", "relapse_days", "likelihood_of_progression")
NO_TREATMENT = dict.fromkeys(TREATMENT) | {
    "has_radiotherapy": False, "has_hormonotherapy": False, "treatments": ["prostatectomy"],
}  # fmt: skip
NO_FINAL = dict.fromkeys(FINAL) | {
    "clinical_n": "cN0", "clinical_n_concept_id": 35919626, "clinical_n_concept": "cN0",
}  # fmt: skip
#: One document on three forms, each of which fills other sections.
BY_FORM = {
    "1+2+5+7b+9": NO_TREATMENT | NO_FINAL,
    "1+2+6+7a+9": NO_FINAL | dict.fromkeys(QUALITY) | {"use_cases": ["1", "2", "6", "7a", "9"]},
    "1+2+3": NO_TREATMENT | dict.fromkeys((*QUALITY, *FOLLOWED)) | {
        "use_cases": ["1", "2", "3"], "follow_ups": 0, "last_date": "2000-04-01",
    },
}  # fmt: skip
#: What is never NULL.
NOTHING = {
    "has_biopsy": False, "has_prostatectomy": False, "is_nerve_sparing": False, "lesions": 0,
    "has_cancer": False,
    "treatments": [], "has_radiotherapy": False, "has_hormonotherapy": False,
    "is_in_active_surveillance": False,
    "follow_ups": 0,
}  # fmt: skip


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row with numbers as floats, and dates as text."""
    cells = ((name, float(one) if isinstance(one, Decimal) else one) for name, one in row.items())
    return {name: one.isoformat() if hasattr(one, "isoformat") else one for name, one in cells}


@pytest.mark.parametrize("form", BY_FORM)
def test_a_patient_with_everything_that_a_form_asks(views: Engine, form: str) -> None:
    (row,) = rows(views, "patient", f"full {form}")
    assert plain(row) == FULL_PATIENT | BY_FORM[form] | {"forms": [form]}


def test_a_patient_with_next_to_nothing(views: Engine) -> None:
    (row,) = rows(views, "patient", "bare")
    known = {
        "site": "FORTH", "forms": ["1+2+3"], "use_cases": ["1", "2", "3"], "age": 70,
        "first_date": "2000-01-01",
        "last_date": "2000-02-01", "mri_days": 0, "is_mri_positive": False, "has_biopsy": True,
        "biopsy_type_concept_id": 4278515, "biopsy_type_concept": "Biopsy of prostate",
        "is_biopsy_positive": False,
        "lesions": 1, "clinical_m": "MX", "clinical_m_concept_id": 4110284,
        "clinical_m_concept": "TNM Prostate tumor staging",
    }  # fmt: skip
    assert {name: one for name, one in plain(row).items() if one is not None} == NOTHING | known


def test_a_man_without_cancer(views: Engine) -> None:
    (row,) = rows(views, "patient", "negative")
    known = {
        "site": "FORTH", "forms": ["1"], "use_cases": ["1"], "age": 60, "psa": 3.0,
        "first_date": "2000-01-01",
        "last_date": "2001-01-01", "follow_ups": 1, "last_follow_up_days": 366,
    }  # fmt: skip
    assert {name: one for name, one in plain(row).items() if one is not None} == NOTHING | known


def test_of_two_forms_the_newest_case_that_knows_counts(views: Engine) -> None:
    (row,) = rows(views, "patient", "two")
    newer = {
        "site": "HULAFE", "age": 75, "forms": ["1+2", "1+2+5+7b+9"], "psa": 9.9, "psa_density": 0.248,
        "dre": "negative", "mri_days": 0, "is_mri_positive": False, "biopsy_type": None,
        "biopsy_type_concept_id": 4278515, "biopsy_type_concept": "Biopsy of prostate", "lesions": 1,
        "pi_rads": 2, "gleason1": 4,
        "gleason2": 5, "gleason_score": 9, "isup_grade": 5,
        "disease_concept_ids": [200962, 4161028],
        "disease_concepts": ["Acinar adenocarcinoma", "Primary malignant neoplasm of prostate"],
    }  # fmt: skip
    assert plain(row) == FULL_PATIENT | NO_TREATMENT | NO_FINAL | newer


@pytest.mark.parametrize(("patient", "newest"), [("course", COURSE_WATCHED), ("back", COURSE_OPERATED)])
def test_of_two_forms_in_one_upload_the_last_document_is_the_newest(
    views: Engine, patient: str, newest: dict[str, Any]
) -> None:
    (row,) = rows(views, "patient", patient)
    baseline = newest["clinicalBaselineData"]
    expected = (newest["site"], baseline["age"], baseline["psa"][0]["totalPSAvalue"], len(newest["lesions"]))
    assert (row["site"], row["age"], float(row["psa"]), row["lesions"]) == expected


@pytest.mark.parametrize("patient", ["course", "back"])
def test_what_one_form_tells_of_the_course_another_does_not_take_back(views: Engine, patient: str) -> None:
    (row,) = rows(views, "patient", patient)
    assert (row["is_relapsed"], row["relapse_days"], row["last_follow_up_days"], row["follow_ups"]) == (
        True, 365, 730, 3,
    )  # fmt: skip
    assert (row["gleason1"], row["gleason2"], row["isup_grade"], row["pi_rads"]) == (4, 3, 3, 4)
    assert row["has_cancer"]


@pytest.mark.parametrize(
    ("patient", "grades", "worst"),
    [("one pattern", [None, None, 1], (3, 3, 1)), ("only one pattern", [None], (None, None, None))],
)
def test_a_lesion_with_one_pattern_has_no_grade(
    views: Engine, patient: str, grades: list[int | None], worst: tuple[int | None, ...]
) -> None:
    found = sorted(rows(views, "lesion", patient), key=lambda row: row["lesion_number"])
    assert [row["isup_grade"] for row in found] == grades
    (row,) = rows(views, "patient", patient)
    assert (row["gleason1"], row["gleason2"], row["isup_grade"]) == worst
    assert row["has_cancer"] is (worst[0] is not None)


@pytest.mark.parametrize(
    ("patient", "metastatic", "days"),
    [("MX in words", True, 31), ("M0 and a site", True, 31), ("M0", False, None)],
)
def test_a_site_of_metastasis_tells_also_in_words(
    views: Engine, patient: str, metastatic: bool, days: int | None
) -> None:
    (row,) = rows(views, "patient", patient)
    assert (row["is_metastatic"], row["metastatic_days"]) == (metastatic, days)


@pytest.mark.parametrize(
    ("patient", "records", "days"),
    [("empty record", 0, None), ("empty and not", 1, 366), ("only a date", 1, 365)],
)
def test_a_record_that_says_nothing_is_none(
    views: Engine, patient: str, records: int, days: int | None
) -> None:
    (row,) = rows(views, "patient", patient)
    assert (row["follow_ups"], row["last_follow_up_days"]) == (records, days)
    assert len(rows(views, "follow_up", patient)) == records


def test_no_and_not_recorded_are_both_false_and_comments_say_so(views: Engine) -> None:
    (said,) = rows(views, "patient", "no to all")
    (silent,) = rows(views, "patient", "negative")
    for column in ("has_biopsy", "has_prostatectomy"):
        assert (said[column], silent[column]) == (False, False)
    query = text(
        "SELECT attrelid::regclass || '.' || attname, col_description(attrelid, attnum)"
        " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'research'::regnamespace AND relkind = 'v' AND attname LIKE 'has\\_%'"
        " AND relname <> 'series'"
    )
    with views.connect() as connection:
        comments = dict(connection.execute(query).all())  # type: ignore[arg-type]
    assert len(comments) > 10
    assert [name for name, one in comments.items() if " false: " not in f" {one}"] == []


def test_a_person_of_another_mapping_alone_is_no_patient(lake: Engine) -> None:
    load(lake, bare("bare"))
    with lake.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO omop.person SELECT (jsonb_populate_record(person,"
                " jsonb_build_object('person_id', person_id + 1000))).* FROM omop.person"
            )
        )
    with lake.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM research.patient")).scalar_one() == 1


def test_series_say_of_patients_what_patients_do(views: Engine) -> None:
    """Of every patient who has any, grades of follow-ups and unknown stages among them."""
    shared = "psa, gleason1, gleason2, gleason_score, isup_grade, clinical_t, use_cases, site, age"
    differ = text(
        f"SELECT person_id, {shared} FROM research.series"
        f" EXCEPT SELECT person_id, {shared} FROM research.patient"
    )
    with views.connect() as connection:
        assert (
            connection.execute(text("SELECT count(DISTINCT person_id) FROM research.series")).scalar_one() > 3
        )
        assert connection.execute(differ).all() == []


def test_lesions(views: Engine) -> None:
    found = rows(views, "lesion", "full 1+2+5+7b+9")
    ids = [row.pop("lesion_id") for row in found]
    cases = {row.pop("case_id") for row in found}
    assert len(set(ids)) == 4 and {one >> 32 for one in ids} == cases
    empty = dict.fromkeys(
        ("diameter", "diameter_across", "volume", "locations", "x", "y", "z", "pi_rads", "gleason1",
        "gleason2",
         "gleason_score", "isup_grade", "is_visible", "follow_up_number")
    ) | {"phase": "baseline", "days": 20, "is_index": False, "diagnosis_concept_id": 4161028,
         "diagnosis_concept": "Acinar adenocarcinoma"}  # fmt: skip
    graded = {"gleason_score": 7, "isup_grade": 2}
    expected = [
        empty | graded | {
            "lesion_number": 1, "diameter": 12, "diameter_across": 8, "volume": 400, "x": 1, "y": 2.5,
            "z": -3,
            "locations": ["ALAS", "MRPZpl"], "pi_rads": 5, "gleason1": 3, "gleason2": 4, "is_visible": True,
            "is_index": True,
        },
        empty | {"lesion_number": 2, "pi_rads": 3, "gleason1": 4, "gleason2": 3, "gleason_score": 7,
        "isup_grade": 3,
                 "is_visible": False},
        empty | {"lesion_number": 3, "gleason1": 5},
        empty | {
            "lesion_number": 1, "phase": "follow-up", "follow_up_number": 2, "days": 700, "diameter": 5,
            "locations": ["BLAS"], "pi_rads": 4, "gleason1": 4, "gleason2": 4, "gleason_score": 8,
            "isup_grade": 4,
            "diagnosis_concept_id": 4115735, "diagnosis_concept": "Lesion of prostate",
        },
    ]  # fmt: skip
    order = sorted(map(plain, found), key=lambda row: (row["phase"], row["lesion_number"]))
    assert order == expected


def test_psa_tests(views: Engine) -> None:
    found = [
        (row["phase"], row["follow_up_number"], row["test_number"], row["days"], row["is_baseline"],
        row["total"],
         row["free"], row["ratio"], row["date"])
        for row in map(plain, rows(views, "psa", "full 1+2+5+7b+9"))
    ]  # fmt: skip
    assert sorted(found, key=lambda row: row[3]) == [
        ("baseline", None, 1, -10, False, 5.5, None, None, "1999-12-22"),
        ("baseline", None, 2, 0, True, 7.2, 2.3, 31.9, "2000-01-01"),
        ("follow-up", 1, 1, 365, False, 0.1, None, None, "2000-12-31"),
        ("follow-up", 2, 2, 549, False, 1.4, None, None, "2001-07-03"),
        ("follow-up", 2, 1, 730, False, 0.9, 0.2, 22.2, "2001-12-31"),
    ]
    assert rows(views, "psa", "bare") == [], "the baseline test has a date, and no value"


def test_follow_ups(views: Engine) -> None:
    found = sorted(
        map(plain, rows(views, "follow_up", "full 1+2+5+7b+9")), key=lambda row: row["follow_up_number"]
    )
    for row in found:
        del row["case_id"], row["relapse_id"]
    empty = dict.fromkeys(found[0]) | {"has_mri": False, "has_biopsy": False, "lesions": 0, "psa_values": 0}
    assert found == [
        empty | {"follow_up_number": 1, "days": 365, "is_psa_normal": True, "psa": 0.1, "psa_values": 1,
                 "psa_days": 365,
                 "is_relapsed": False},
        empty | {
            "follow_up_number": 2, "days": 730, "mri_days": 700, "biopsy_days": 710, "is_psa_normal": False,
            "psa": 1.4, "psa_values": 2, "psa_days": 730, "is_relapsed": True,
            "has_mri": True, "is_mri_negative": False,
            "likelihood_of_progression": 4, "has_biopsy": True, "biopsy_type": "In-Bore",
            "biopsy_type_concept_id": 2000000005, "biopsy_type_concept": "In-Bore Biopsy",
            "is_biopsy_negative": True,
            "t_mri": "cT3b", "t_mri_concept_id": 1539229,
            "t_mri_concept": "Prostate Cancer cT3b TNM Finding by AJCC/UICC 8th edition",
            "n_mri": "cN1", "n_mri_concept_id": 35919638, "n_mri_concept": "cN1",
            "t_biopsy": "cT2", "t_biopsy_concept_id": 1538375,
            "t_biopsy_concept": "Prostate Cancer cT2 TNM Finding by AJCC/UICC 8th edition",
            "diagnosis_concept_id": 4115735, "diagnosis_concept": "Lesion of prostate", "lesions": 1,
        },
        empty | {"follow_up_number": 3, "days": 900, "mri_days": 900, "is_relapsed": True, "has_mri": True,
                 "likelihood_of_progression": 2},
    ]  # fmt: skip


def test_quality_of_life(views: Engine) -> None:
    (row,) = map(plain, rows(views, "quality_of_life", "full 1+2+5+7b+9"))
    del row["case_id"]
    assert row == {
        "days": 900, "epic26": 85.5, "eortc_q52": 2, "eortc_q52_answer": "a little", "eortc_q53": 1,
        "eortc_q53_answer": "not at all", "eortc_q54": 4, "eortc_q54_answer": "very much", "eortc_q55": 3,
        "eortc_q55_answer": "quite a bit",
    }  # fmt: skip
    assert rows(views, "quality_of_life", "bare") == []


def test_every_column_says_what_it_is(views: Engine) -> None:
    silent = text(
        "SELECT attrelid::regclass || '.' || attname FROM pg_attribute"
        " JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'research'::regnamespace AND relkind = 'v' AND relname <> 'series'"
        " AND col_description(attrelid, attnum) IS NULL"
        " AND attname NOT IN ('person_id', 'case_id', 'phase', 'follow_up_number', 'lesion_number',"
        " 'test_number')"
    )
    with views.connect() as connection:
        assert connection.execute(silent).scalars().all() == []


def test_fields_that_comments_name_are_the_forms(views: Engine) -> None:
    """What follows the last colon of a comment are places of the form."""
    schema = json.loads((files("mappings") / "prostate" / "ecrf.schema.json").read_text())
    comments = text(
        "SELECT col_description(attrelid, attnum) FROM pg_attribute"
        " WHERE attrelid IN ('research.patient'::regclass, 'research.lesion'::regclass) AND attnum > 0"
    )
    with views.connect() as connection:
        said = [each for each in connection.execute(comments).scalars() if each and ": " in each]
    fields = {one.strip() for each in said for one in each.rsplit(": ", 1)[1].split(",")} - {"..."}
    named = {one for one in fields if one and "." in one and " " not in one}
    assert len(named) > 50
    for one in named:
        node = schema
        for key in one.split("."):
            node = _below(schema, node)["properties"][key]


def _below(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node or "items" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node["items"]
    return node


def test_a_withdrawn_patient_is_gone_at_once(lake: Engine) -> None:
    load(lake, bare("bare"), NEGATIVE)
    with lake.connect() as connection:
        withdraw_patient(connection, "bare", Remover("admin"))
    with lake.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM research.patient")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM research.patient_record")).scalar_one() == 1


def test_one_person_is_looked_up_through_indexes(views: Engine) -> None:
    """A query for a person reads no table whole: PostgreSQL takes the condition down to each."""
    query = "EXPLAIN (FORMAT JSON) SELECT * FROM research.{} WHERE person_id = 1"
    large = {
        "measurement",
        "condition_occurrence",
        "observation",
        "procedure_occurrence",
        "note",
        "visit_occurrence",
    }
    with views.begin() as connection:
        # With these few rows it would read all of them, if it could.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        for view in ("patient", "patient_record", "lesion", "psa", "follow_up", "quality_of_life"):
            plan = connection.execute(text(query.format(view))).scalar_one()
            whole = [
                one["Relation Name"] for one in _nodes(plan[0]["Plan"]) if one["Node Type"] == "Seq Scan"
            ]
            assert not large & {*whole}, view


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)
