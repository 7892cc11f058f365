"""The prostate mapping beyond Figure 14: what other fillings of form 1+2+3 become.

Each case changes Figure 13's document and lists every row that the named rules make of it, as ``tests.mini``
shows them: rows on 2000-01-01 at concept, link and value; NULL, 0 and types left out.
"""

import copy
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest

from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.plan import CaseKey
from etl.transform import transform
from tests import mini

PROSTATE = files("mappings") / "prostate"
PLAN = compile_plan(mapping := read_mapping(PROSTATE), provisional_numbers(mapping))
FIGURE_13: dict[str, Any] = json.loads((PROSTATE / "samples" / "figure-13.json").read_text(encoding="utf-8"))
VALID = jsonschema_rs.validator_for(PLAN.schema, validate_formats=True)

MRI = "visit_occurrence_id=visit.imaging"
FINAL = "visit_occurrence_id=visit.final_diagnosis"
OF_LESION = "modifier_of_event_id=lesion[0] modifier_of_field_concept_id=1147127"
OF_FINAL = "modifier_of_event_id=final_imaging[0] modifier_of_field_concept_id=1147082"
EVENT = "episode_event {} episode_id=episode.disease event_id={}"

Section = dict[str, Any] | None


UNMET = "recorded, but the condition of its rule does not hold"


@dataclass(frozen=True)
class Case:
    """A filling of the form, and all that some rules make of it."""

    says: str
    changes: dict[str, Any]
    """By section; a dict is merged into the section, anything else replaces it."""
    rules: tuple[str, ...]
    rows: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def filled(changes: dict[str, Any]) -> dict[str, Any]:
    document = copy.deepcopy(FIGURE_13)
    for section, change in changes.items():
        if isinstance(change, dict) and section in document:
            document[section] = {**document[section], **change}
        else:
            document[section] = change
    return document


def procedure(name: str, concept: int, source: str, visit: str = MRI, day: str = "2000-01-21") -> str:
    return (
        f"procedure_occurrence {name} {concept} procedure_date={day} {visit} procedure_source_value={source}"
    )


def lesion(**recorded: Any) -> dict[str, Any]:
    return {**dict.fromkeys(FIGURE_13["lesions"][0]), **recorded}


def measured(name: str, concept: int, rest: str) -> str:
    return f"measurement {name} {concept} measurement_date=2000-01-21 {rest}"


CASES = [
    Case(
        "a biopsy of unknown type",
        {"biopsyInfo": {"biopsyType": None}},
        ("biopsy",),
        (procedure("biopsy", 4278515, "Biopsy"), EVENT.format(1147082, "biopsy")),
    ),
    Case(
        "an in-bore biopsy with its stage",
        {"biopsyInfo": {"biopsyType": "In-Bore", "stage": {"T": "cT1c"}}},
        ("biopsy", "t_biopsy"),
        (
            procedure("biopsy", 2000000005, "In-Bore"),
            measured(
                "t_biopsy",
                1538775,
                f"{MRI} measurement_source_value=T_biopsy value_source_value=cT1c"
                " modifier_of_event_id=biopsy modifier_of_field_concept_id=1147082",
            ),
            EVENT.format(1147082, "biopsy"),
        ),
    ),
    Case(
        "no biopsy, though a type is given",
        {"biopsyInfo": {"biopsyPerformed": False}},
        ("biopsy", "t_biopsy"),
        problems=(f"biopsy: invalid $.biopsyInfo.biopsyType: {UNMET}",),
    ),
    Case(
        "a negative biopsy",
        {"biopsyInfo": {"biopsyPositive": False}},
        ("biopsy_result",),
        (
            f"condition_occurrence biopsy_result 4012811 condition_start_date=2000-01-21 {MRI}"
            " condition_source_value='Biopsy negative'",
            EVENT.format(1147127, "biopsy_result"),
        ),
    ),
    # -- the diagnosis: carcinoma class, else a positive biopsy, else a lesion (D4.4 4.2.1)
    Case(
        "no carcinoma class, a positive biopsy",
        {"cancerDiagnosis": None},
        ("lesion", "episode.disease", "episode.metastatic"),
        (
            f"condition_occurrence lesion[0] 200962 condition_start_date=2000-01-21 {MRI}"
            " condition_source_value='Biopsy positive'",
            "episode episode.disease 32533 episode_end_datetime=2001-04-01 episode_object_concept_id=200962",
            "episode episode.metastatic 32944 episode_start_datetime=2001-04-01"
            " episode_parent_id=episode.disease"
            " episode_object_concept_id=200962 episode_source_value=cM1",
            EVENT.format(1147127, "lesion[0]"),
        ),
    ),
    Case(
        "no carcinoma class, no positive biopsy: a lesion, and the stage tells that there is a disease",
        {"cancerDiagnosis": {"carcinomaClass": None}, "biopsyInfo": {"biopsyPositive": False}},
        ("lesion", "episode.disease", "episode.metastatic"),
        (
            f"condition_occurrence lesion[0] 4115735 condition_start_date=2000-01-21 {MRI}",
            "episode episode.disease 32533 episode_end_datetime=2001-04-01 episode_object_concept_id=4115735",
            "episode episode.metastatic 32944 episode_start_datetime=2001-04-01"
            " episode_parent_id=episode.disease episode_object_concept_id=4115735 episode_source_value=cM1",
            EVENT.format(1147127, "lesion[0]"),
        ),
    ),
    Case(
        "a carcinoma class without a concept of its own is a malignant neoplasm of the prostate",
        {"cancerDiagnosis": {"carcinomaClass": "Small cell carcinoma"}},
        ("lesion", "episode.disease"),
        (
            f"condition_occurrence lesion[0] 200962 condition_start_date=2000-01-21 {MRI}"
            " condition_source_value='Small cell carcinoma'",
            "episode episode.disease 32533 episode_end_datetime=2001-04-01 episode_object_concept_id=200962",
            EVENT.format(1147127, "lesion[0]"),
        ),
    ),
    # -- prostatectomy
    Case(
        "a prostatectomy with method, nerve sparing and stage",
        {
            "prostatectomyInfo": {
                "prostatectomyPerformed": True,
                "RPmethod": "Robot assisted laparoscopic",
                "nerveSparing": True,
                "stage": {"T": "pT2c", "N": "pN1"},
            }
        },
        ("prostatectomy", "t_prostatectomy", "n_prostatectomy", "nerve_sparing"),
        (
            procedure("prostatectomy", 46270921, "'Robot assisted laparoscopic'"),
            procedure("nerve_sparing", 2000000003, "nerveSparing"),
            measured(
                "t_prostatectomy",
                35918889,
                f"value_as_concept_id=35919904 {MRI} measurement_source_value=T_prostatectomy"
                " value_source_value=pT2c"
                " modifier_of_event_id=prostatectomy modifier_of_field_concept_id=1147082",
            ),
            measured(
                "n_prostatectomy",
                1538914,
                f"{MRI} measurement_source_value=N_prostatectomy"
                " value_source_value=pN1 modifier_of_event_id=prostatectomy"
                " modifier_of_field_concept_id=1147082",
            ),
            EVENT.format(1147082, "prostatectomy"),
            EVENT.format(1147082, "nerve_sparing"),
        ),
    ),
    Case(
        "a prostatectomy of unknown method",
        {"prostatectomyInfo": {"prostatectomyPerformed": True}},
        ("prostatectomy", "nerve_sparing"),
        (procedure("prostatectomy", 4235738, "Prostatectomy"), EVENT.format(1147082, "prostatectomy")),
    ),
    Case(
        "a prostatectomy alone begins the disease episode",
        {
            "prostatectomyInfo": {"prostatectomyPerformed": True},
            "cancerDiagnosis": None,
            "biopsyInfo": {"biopsyPositive": None},
        },
        ("episode.disease",),
        ("episode episode.disease 32533 episode_end_datetime=2001-04-01 episode_object_concept_id=4115735",),
    ),
    # -- stages and episodes
    Case(
        "cT3a on MRI: invasive from imaging on, once",
        {"imagingInfo": {"stage": {"T": "cT3a", "N": "cN1"}}},
        ("t_mri", "n_mri", "episode.confined", "episode.invasive", "episode.invasive_final"),
        (
            measured(
                "t_mri",
                1539253,
                f"{MRI} measurement_source_value=T_MRI value_source_value=cT3a"
                " modifier_of_event_id=mri modifier_of_field_concept_id=1147082",
            ),
            measured(
                "n_mri",
                35918746,
                f"value_as_concept_id=35919638 {MRI} measurement_source_value=N_MRI"
                " value_source_value=cN1 modifier_of_event_id=mri modifier_of_field_concept_id=1147082",
            ),
            "episode episode.invasive 32943 episode_start_datetime=2000-01-21"
            " episode_parent_id=episode.disease"
            " episode_object_concept_id=4161028 episode_source_value=cT3a",
        ),
    ),
    Case(
        "no stage on MRI and N0: neither confined nor invasive",
        {"imagingInfo": {"stage": None}, "finalDiagnosis": {"N": "cN0"}},
        ("t_mri", "n_mri", "episode.confined", "episode.invasive", "episode.invasive_final"),
    ),
    Case(
        "cN0 is a clinical N with the value cN0",
        {"finalDiagnosis": {"N": "cN0"}},
        ("n_diagnosis",),
        (
            "measurement n_diagnosis 35918746 measurement_date=2001-04-01 value_as_concept_id=35919626"
            f" {FINAL} measurement_source_value=N_diagnosis"
            f" value_source_value=cN0 {OF_FINAL}",
        ),
    ),
    Case(
        "MX is a staging with the value MX, and no metastatic episode",
        {"finalDiagnosis": {"M": "MX"}},
        ("m_diagnosis", "episode.metastatic"),
        (
            f"measurement m_diagnosis 4110284 measurement_date=2001-04-01 value_as_concept_id=4098852 {FINAL}"
            f" measurement_source_value=M_diagnosis value_source_value=MX {OF_FINAL}",
        ),
    ),
    Case(
        "cM0: no metastatic episode",
        {"finalDiagnosis": {"M": "cM0", "metastasis": None}},
        ("m_diagnosis", "metastasis", "episode.metastatic"),
        (
            f"measurement m_diagnosis 1538822 measurement_date=2001-04-01 {FINAL}"
            " measurement_source_value=M_diagnosis"
            f" value_source_value=cM0 {OF_FINAL}",
        ),
    ),
    # -- PSA
    Case(
        "PSA before and after baseline: visits of their own, dates kept apart by as many days",
        {
            "clinicalBaselineData": {
                "psa": [
                    {
                        "totalPSAvalue": 5,
                        "freePSAvalue": 1.5,
                        "ratioPSAvalue": 30,
                        "psadate": "2021-06-30",
                        "baseline": False,
                    },
                    {"totalPSAvalue": 7.2, "psadate": "2021-07-11", "baseline": True},
                    {"totalPSAvalue": 8, "psadate": "2022-07-11", "baseline": False},
                    {"totalPSAvalue": 9, "psadate": None, "baseline": False},
                ]
            }
        },
        ("visit.psa", "psa_total", "psa_free", "psa_ratio"),
        (
            "visit_occurrence visit.psa[0] 2000000008 visit_start_date=1999-12-21 visit_source_value=PSA",
            "visit_occurrence visit.psa[2] 2000000008 visit_start_date=2000-12-31 visit_source_value=PSA",
            "measurement psa_total[0] 44793131 measurement_date=1999-12-21 value_as_number=5"
            " unit_concept_id=8842"
            " visit_occurrence_id=visit.psa[0] measurement_source_value='PSA Total' value_source_value=5",
            "measurement psa_free[0] 4194418 measurement_date=1999-12-21 value_as_number=1.5"
            " unit_concept_id=8842"
            " visit_occurrence_id=visit.psa[0] measurement_source_value='PSA Free' value_source_value=1.5",
            "measurement psa_ratio[0] 4215704 measurement_date=1999-12-21 value_as_number=30"
            " unit_concept_id=8554"
            " visit_occurrence_id=visit.psa[0] measurement_source_value='PSA Ratio' value_source_value=30",
            "measurement psa_total[1] 44793131 value_as_number=7.2 unit_concept_id=8842"
            " visit_occurrence_id=visit.baseline measurement_source_value='PSA Total' value_source_value=7.2",
            "measurement psa_total[2] 44793131 measurement_date=2000-12-31 value_as_number=8"
            " unit_concept_id=8842"
            " visit_occurrence_id=visit.psa[2] measurement_source_value='PSA Total' value_source_value=8",
        ),
        ("psa_total: invalid $.clinicalBaselineData.psa[3].totalPSAvalue: none of its visits has a date",),
    ),
    Case(
        "the prostate's volume",
        {"clinicalBaselineData": {"prostateVolume": 45}},
        ("prostate_volume",),
        (
            "measurement prostate_volume 2000000022 value_as_number=45 unit_concept_id=8587"
            " visit_occurrence_id=visit.baseline measurement_source_value=prostateVolume"
            " value_source_value=45",
        ),
    ),
    Case(
        "a negative DRE",
        {"clinicalBaselineData": {"DRE": "negative"}},
        ("dre", "dre_result"),
        (
            "procedure_occurrence dre 4254766 visit_occurrence_id=visit.baseline procedure_source_value=DRE",
            "condition_occurrence dre_result 40483554 visit_occurrence_id=visit.baseline"
            " condition_source_value='DRE negative'",
        ),
    ),
    Case("no DRE", {"clinicalBaselineData": {"DRE": None}}, ("dre", "dre_result")),
    # -- imaging
    Case(
        "a negative MRI before baseline",
        {"imagingInfo": {"daysAfterBaselineMRI": -10, "MRIPositive": False}},
        ("visit.imaging", "mri", "mri_result"),
        (
            "visit_occurrence visit.imaging 2000000009 visit_start_date=1999-12-22"
            " visit_source_value='baseline - MRI'",
            f"procedure_occurrence mri 36714087 procedure_date=1999-12-22 {MRI} procedure_source_value=MRI",
            f"condition_occurrence mri_result 4058339 condition_start_date=1999-12-22 {MRI}"
            " condition_source_value='MRI negative'",
            EVENT.format(1147082, "mri"),
            EVENT.format(1147127, "mri_result"),
        ),
    ),
    Case(
        "no final imaging, though modalities are ticked: stages link to nothing",
        {"finalDiagnosis": {"imagingPerformed": False, "imagingType": ["CT", "MRI"]}},
        ("final_imaging", "n_diagnosis"),
        (
            f"measurement n_diagnosis 35918746 measurement_date=2001-04-01 value_as_concept_id=35919638"
            f" {FINAL}"
            " measurement_source_value=N_diagnosis value_source_value=cN1",
        ),
        (
            f"final_imaging: invalid $.finalDiagnosis.imagingType[0]: {UNMET}",
            f"final_imaging: invalid $.finalDiagnosis.imagingType[1]: {UNMET}",
        ),
    ),
    Case(
        "modalities are ticked and nobody said that imaging was performed",
        {"finalDiagnosis": {"imagingPerformed": None, "imagingType": ["MRI"]}},
        ("final_imaging",),
        (
            procedure("final_imaging[0]", 36714087, "imgModMRI", FINAL, "2001-04-01"),
            EVENT.format(1147082, "final_imaging[0]"),
        ),
    ),
    Case(
        "several modalities: stages link to the first",
        {"finalDiagnosis": {"imagingType": ["Bone scan", "MRI"]}},
        ("final_imaging", "n_diagnosis"),
        (
            f"procedure_occurrence final_imaging[0] 0 procedure_date=2001-04-01 {FINAL}"
            " procedure_source_value='imgModBone scan'",
            procedure("final_imaging[1]", 36714087, "imgModMRI", FINAL, "2001-04-01"),
            f"measurement n_diagnosis 35918746 measurement_date=2001-04-01 value_as_concept_id=35919638"
            f" {FINAL}"
            f" measurement_source_value=N_diagnosis value_source_value=cN1 {OF_FINAL}",
            EVENT.format(1147082, "final_imaging[0]"),
            EVENT.format(1147082, "final_imaging[1]"),
        ),
        ("final_imaging: unmapped $.finalDiagnosis.imagingType[0]: no concept for this value in 'img_type'",),
    ),
    # -- lesions
    Case(
        "everything that a lesion can have",
        {
            "lesions": [
                lesion(
                    diam1=12,
                    diam2=8.5,
                    volume=400,
                    location=["MRPZpl", "MRPZpm"],
                    X=0,
                    Y=-1.5,
                    Z=2,
                    MRIVisible=True,
                    indexLesion=False,
                )
            ]
        },
        (
            "lesion.diam1",
            "lesion.diam2",
            "lesion.volume",
            "lesion.location",
            "lesion.x",
            "lesion.y",
            "lesion.z",
            "lesion.mri_visible",
            "lesion.index_lesion",
            "lesion.gleason1",
            "lesion.pi_rads",
        ),
        (
            measured(
                "lesion.diam1[0]",
                4245121,
                f"value_as_number=12 unit_concept_id=8588 {MRI} value_source_value=12 {OF_LESION}",
            ),
            measured(
                "lesion.diam2[0]",
                4245121,
                f"value_as_number=8.5 unit_concept_id=8588 {MRI} value_source_value=8.5 {OF_LESION}",
            ),
            measured(
                "lesion.volume[0]",
                4121185,
                f"value_as_number=400 unit_concept_id=8686 {MRI} value_source_value=400 {OF_LESION}",
            ),
            measured(
                "lesion.location[0][0]",
                4135405,
                f"value_as_concept_id=37396929 {MRI} value_source_value=MRPZpl {OF_LESION}",
            ),
            measured(
                "lesion.location[0][1]",
                4135405,
                f"value_as_concept_id=37396931 {MRI} value_source_value=MRPZpm {OF_LESION}",
            ),
            measured(
                "lesion.x[0]",
                36770647,
                f"value_as_number=0 value_as_concept_id=4223576 {MRI} value_source_value=0 {OF_LESION}",
            ),
            measured(
                "lesion.y[0]",
                36770647,
                f"value_as_number=-1.5 value_as_concept_id=4227659 {MRI} value_source_value=-1.5 {OF_LESION}",
            ),
            measured(
                "lesion.z[0]",
                36770647,
                f"value_as_number=2 value_as_concept_id=4221919 {MRI} value_source_value=2 {OF_LESION}",
            ),
            f"observation lesion.mri_visible[0] 2000000002 observation_date=2000-01-21"
            f" value_as_concept_id=4181412 {MRI}"
            " observation_source_value=MRIVisible observation_event_id=lesion[0]"
            " obs_event_field_concept_id=1147127",
        ),
    ),
    Case(
        "a lesion that the MRI does not show, found at biopsy",
        {"lesions": [lesion(), lesion(MRIVisible=False)], "lesionLocationBasedOn": "Biopsy"},
        ("lesion", "lesion.mri_visible", "lesion_location_based_on"),
        (
            *(
                f"condition_occurrence lesion[{n}] 4161028 condition_start_date=2000-01-21 {MRI}"
                " condition_source_value='Acinar adenocarcinoma'"
                for n in (0, 1)
            ),
            f"observation lesion.mri_visible[1] 2000000002 observation_date=2000-01-21"
            f" value_as_concept_id=4132135 {MRI}"
            " observation_source_value=MRIVisible observation_event_id=lesion[1]"
            " obs_event_field_concept_id=1147127",
            "note lesion_location_based_on 706391 note_date=2000-01-21 note_title=lesionLocationBasedOn"
            " note_text=Biopsy"
            f" encoding_concept_id=32678 language_concept_id=4180186 {MRI}",
            EVENT.format(1147127, "lesion[0]"),
            EVENT.format(1147127, "lesion[1]"),
        ),
    ),
    # -- metastasis
    Case(
        "several metastases, one of them in words",
        {"finalDiagnosis": {"metastasis": ["Bone", "Other"], "metastasisOther": "Tes\\tis"}},
        ("metastasis", "metastasis_other"),
        (
            f"measurement metastasis[0] 36769301 measurement_date=2001-04-01 {FINAL}"
            f" value_source_value=Bone {OF_FINAL}",
            f"measurement metastasis[1] 36769180 measurement_date=2001-04-01 {FINAL}"
            f" value_source_value=Other {OF_FINAL}",
            f"measurement metastasis_other 36769180 measurement_date=2001-04-01 {FINAL}"
            f" measurement_source_value='Tes\\\\tis' {OF_FINAL}",
        ),
    ),
    # -- family history
    Case(
        "family history with ages",
        {
            "familyHistory": {
                "relativePCa": "yes",
                "relativePCaAge": 68,
                "relativeBCa": "no",
                "relativeBCaAge": None,
                "relativeAggressiveCancer": "unknown",
                "relativeAggressiveCancerAge": 50,
            }
        },
        (
            "relative_pca",
            "relative_pca.relative_pca_age",
            "relative_bca",
            "relative_bca.relative_bca_age",
            "relative_aggressive",
            "relative_aggressive.relative_aggressive_age",
        ),
        (
            "observation relative_pca 4167217 value_as_concept_id=4163261 visit_occurrence_id=visit.baseline"
            " observation_source_value='relativePCa yes'",
            "observation relative_bca 4051104 value_as_concept_id=4112853 visit_occurrence_id=visit.baseline"
            " observation_source_value='relativeBCa no'",
            "observation relative_aggressive 4236282 value_as_concept_id=2000000006"
            " visit_occurrence_id=visit.baseline"
            " observation_source_value='relativeAggressiveCancer unknown'",
            "note relative_pca.relative_pca_age 706391 note_event_id=relative_pca"
            " note_event_field_concept_id=1147165"
            " note_title=age note_text=68 encoding_concept_id=32678 language_concept_id=4180186"
            " visit_occurrence_id=visit.baseline",
            "note relative_aggressive.relative_aggressive_age 706391 note_event_id=relative_aggressive"
            " note_event_field_concept_id=1147165 note_title=age note_text=50 encoding_concept_id=32678"
            " language_concept_id=4180186 visit_occurrence_id=visit.baseline",
        ),
    ),
    Case(
        "an age of a relative of whom nothing is known",
        {"familyHistory": {"relativePCaAge": 68}},
        ("relative_pca", "relative_pca.relative_pca_age"),
        problems=(f"relative_pca.relative_pca_age: invalid $.familyHistory.relativePCaAge: {UNMET}",),
    ),
    # -- contradictions
    Case(
        "nerves spared in a prostatectomy that was not performed",
        {"prostatectomyInfo": {"prostatectomyPerformed": False, "nerveSparing": True, "RPmethod": "Other"}},
        ("prostatectomy", "nerve_sparing"),
        problems=(f"prostatectomy: invalid $.prostatectomyInfo.RPmethod: {UNMET}",),
    ),
    Case(
        "an MRI before the baseline: the course of the disease begins with it",
        {"imagingInfo": {"daysAfterBaselineMRI": -10}},
        ("episode.disease", "episode.confined"),
        (
            "episode episode.disease 32533 episode_start_datetime=1999-12-22 episode_end_datetime=2001-04-01"
            " episode_object_concept_id=4161028",
            "episode episode.confined 32942 episode_start_datetime=1999-12-22 episode_end_datetime=2001-04-01"
            " episode_parent_id=episode.disease episode_object_concept_id=4161028 episode_source_value=cT2a",
        ),
    ),
    Case(
        "an MRI after the final diagnosis: no episode ends before it starts",
        {"imagingInfo": {"daysAfterBaselineMRI": 500}, "finalDiagnosis": {"monthsFinalDiagnosis": 1}},
        ("episode.disease", "episode.metastatic", "episode.confined"),
        (
            "episode episode.disease 32533 episode_end_datetime=2001-05-15 episode_object_concept_id=4161028",
            "episode episode.metastatic 32944 episode_start_datetime=2001-05-15"
            " episode_parent_id=episode.disease episode_object_concept_id=4161028 episode_source_value=cM1",
            "episode episode.confined 32942 episode_start_datetime=2001-05-15 episode_end_datetime=2001-05-15"
            " episode_parent_id=episode.disease episode_object_concept_id=4161028 episode_source_value=cT2a",
        ),
    ),
    # -- nothing recorded
    Case(
        "sections that are null yield nothing",
        {"familyHistory": None, "prostatectomyInfo": None, "cancerDiagnosis": None},
        ("relative_pca", "prostatectomy", "nerve_sparing"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_what_the_form_becomes(case: Case) -> None:
    document = filled(case.changes)
    VALID.validate(document)
    result = mini.show(PLAN, transform(PLAN, document, CaseKey(1, 1, None)))
    assert [row for row in result.rows if of(row, case.rules)] == list(case.rows)
    assert [one for one in result.problems if one.partition(":")[0] in case.rules] == list(case.problems)


def of(row: str, rules: tuple[str, ...]) -> bool:
    """Whether one of the rules made the row, or the event that it is."""
    words = row.split()
    name = words[1] if words[0] != "episode_event" else words[-1].removeprefix("event_id=")
    return name.partition("[")[0] in rules


def test_the_least_that_is_valid_becomes_a_person_three_visits_and_little_more() -> None:
    least = {
        "patientID": "P", "useCaseType": "1+2+3", "site": "FORTH",
        "clinicalBaselineData": {"age": 50, "psa": [{"baseline": True, "psadate": "2020-02-29"}]},
        "imagingInfo": {"daysAfterBaselineMRI": 0, "MRIPositive": False},
        "biopsyInfo": {},
        "lesions": [{}],
        "finalDiagnosis": {"monthsFinalDiagnosis": 0, "M": "cM0"},
    }  # fmt: skip
    VALID.validate(least)
    result = mini.show(PLAN, transform(PLAN, least, CaseKey(1, 1, None)))
    assert [" ".join(row.split()[:3]) for row in result.rows] == [
        "visit_occurrence visit.baseline 2000000007",
        "visit_occurrence visit.imaging 2000000009",
        "visit_occurrence visit.final_diagnosis 2000000010",
        "procedure_occurrence mri 36714087",
        "condition_occurrence mri_result 4058339",
        "condition_occurrence lesion[0] 4115735",
        "measurement m_diagnosis 1538822",
        "note use_case_type 706391",
    ]
    assert result.problems == []
