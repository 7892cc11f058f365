"""The JSON Schema of the prostate case: what it takes, what it rejects and where."""

import copy
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from etl.validate import Validator, Violation

PROSTATE = resources.files("mappings") / "prostate"
SCHEMA: dict[str, Any] = json.loads((PROSTATE / "ecrf.schema.json").read_text(encoding="utf-8"))
FIGURE_13: dict[str, Any] = json.loads((PROSTATE / "samples" / "figure-13.json").read_text(encoding="utf-8"))
CASES = [json.loads(line) for line in (PROSTATE / "samples" / "cases.ndjson").read_text("utf-8").splitlines()]

PYTHON = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
RUST = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)

Path = tuple[str | int, ...]
GONE = object()

PSA: Path = ("clinicalBaselineData", "psa")
#: Figure 13 with every section present, those of other forms too, so that every key can be changed.
FULL = FIGURE_13 | {
    "familyHistory": {
        "relativePCa": "yes",
        "relativePCaAge": 68,
        "relativeBCa": "no",
        "relativeBCaAge": None,
        "relativeAggressiveCancer": "unknown",
        "relativeAggressiveCancerAge": None,
    },
    "invasionInfo": {
        "resectionMarginsStatus": "involved",
        "extraProstaticExtension": True,
        "wheelerRanking": "L2",
        "perineuralInvasion": True,
        "seminalVesicalInvasion": False,
    },
    "treatment": {
        "radiotherapyTechnique": "IMRT",
        "hormonotherapy": True,
        "totalDose": 78,
        "fractionsWeek": 5,
        "doseFraction": 2,
        "rectalToxAcute": 1,
        "rectalToxChronic": 0,
        "genitourinaryToxAcute": 2,
        "genitourinaryToxChronic": 1,
    },
    "qualityOfLife": {"epic26": 85, "EORTC_Q52": 2, "EORTC_Q53": 1, "EORTC_Q54": 1, "EORTC_Q55": 3},
    "followUp": [
        {
            "fupPSANormalRange": True,
            "fupMRINegative": True,
            "fupBiopsyNegative": False,
            "biochemicalRelapse": False,
            "psa": [
                {
                    "totalPSAvalue": 0.1,
                    "freePSAvalue": 0.01,
                    "ratioPSAvalue": 10,
                    "psadate": "2022-10-01",
                    "baseline": True,
                }
            ],
            "imagingInfo": {
                "MRIPerformed": True,
                "daysAfterBaseline": 400,
                "likelihoodOfProgression": 2,
                "stage": {"T": "cT2a", "N": "cN0"},
            },
            "biopsyInfo": {
                "biopsyPerformed": True,
                "daysAfterBaseline": 420,
                "biopsyType": "In-Bore",
                "stage": {"T": "cT2a"},
            },
            "cancerDiagnosis": {"carcinomaClass": "Acinar adenocarcinoma"},
            "lesions": copy.deepcopy(FIGURE_13["lesions"]),
        }
    ],
    "dicom": [
        {
            "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": "1.2.3.4",
            "Modality": "MR",
            "SeriesDescription": "Ax T2",
            "Manufacturer": "SIEMENS",
            "ManufacturerModelName": "Skyra",
            "MagneticFieldStrength": 3,
            "SliceThickness": 3,
            "PixelSpacing": [0.5, 0.5],
            "Rows": 512,
            "Columns": 512,
            "NumberOfInstances": 24,
            "daysAfterBaseline": 20,
        }
    ],
}
FOLLOW_UP: Path = ("followUp", 0)
SERIES: Path = ("dicom", 0)


def changed(document: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    """A copy of the document with one value set, or taken out when the value is GONE."""
    document = copy.deepcopy(document)
    node: Any = document
    for part in path[:-1]:
        node = node[part]
    if value is GONE:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return document


def paths_of_errors(document: dict[str, Any]) -> set[Path]:
    """Where the document is wrong; both validators must agree."""
    found = {tuple(error.absolute_path) for error in PYTHON.iter_errors(document)}
    assert {tuple(error.instance_path) for error in RUST.iter_errors(document)} == found
    return found


def test_it_is_a_valid_2020_12_schema_that_needs_no_network() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema_rs.meta.validate(SCHEMA)
    assert SCHEMA["$id"] == "urn:oncolake:prostate:ecrf"
    references = [node["$ref"] for _, node in nodes(SCHEMA) if "$ref" in node]
    assert references
    assert all(reference.startswith("#/$defs/") for reference in references)


@pytest.mark.parametrize("document", [FIGURE_13, FULL, *CASES], ids=lambda document: document["patientID"])
def test_every_sample_is_valid(document: dict[str, Any]) -> None:
    assert paths_of_errors(document) == set()


def test_figure_13_is_what_the_screen_shows() -> None:
    assert (FIGURE_13["patientID"], FIGURE_13["useCaseType"]) == ("PCa-268768370567", "1+2+3")
    assert FIGURE_13["clinicalBaselineData"]["age"] == 74
    assert FIGURE_13["clinicalBaselineData"]["psa"][0]["totalPSAvalue"] == 7.2
    assert FIGURE_13["imagingInfo"] == {
        "daysAfterBaselineMRI": 20,
        "MRIPositive": True,
        "stage": {"T": "cT2a", "N": None},
    }
    (lesion,) = FIGURE_13["lesions"]
    assert {key: value for key, value in lesion.items() if value is not None} == {
        "location": ["MRPZpl"],
        "PI-RADS": 3,
        "gleason1": 2,
        "gleason2": 3,
        "indexLesion": True,
    }
    assert FIGURE_13["finalDiagnosis"]["metastasis"] == ["Retroperitoneum"]
    assert FIGURE_13["finalDiagnosis"]["imagingType"] == ["MRI"]


SURGERY = {"prostatectomyPerformed": True}
#: The sections of the smallest valid case of each form.
SMALLEST: dict[str, dict[str, Any]] = {
    "1": {"followUp": [{}]},
    "1+2": {
        "imagingInfo": {"daysAfterBaselineMRI": 0, "MRIPositive": False},
        "biopsyInfo": {},
        "lesions": [{}],
    },
    "1+2+3": {
        "imagingInfo": {"daysAfterBaselineMRI": 0, "MRIPositive": False},
        "biopsyInfo": {},
        "lesions": [{}],
        "finalDiagnosis": {"monthsFinalDiagnosis": 0, "M": "MX"},
    },
    "1+2+5+9": {
        "imagingInfo": {"daysAfterBaselineMRI": 0},
        "prostatectomyInfo": SURGERY,
        "lesions": [{}],
        "followUp": [{}],
    },
    "1+2+6+7a+9": {
        "imagingInfo": {"daysAfterBaselineMRI": 0},
        "lesions": [{}],
        "treatment": {},
        "followUp": [{}],
    },
    "1+2+5+7b+9": {
        "imagingInfo": {"daysAfterBaselineMRI": 0},
        "prostatectomyInfo": SURGERY,
        "lesions": [{}],
        "qualityOfLife": {},
        "followUp": [{}],
    },
    "1+2+8+9": {
        "imagingInfo": {"daysAfterBaselineMRI": 0, "MRIPositive": False},
        "biopsyInfo": {"biopsyPositive": True},
        "lesions": [{}],
        "followUp": [{}],
    },
}


def smallest(form: str) -> dict[str, Any]:
    return {
        "patientID": "1",
        "useCaseType": form,
        "site": "A",
        "clinicalBaselineData": {"age": 18, "psa": [{"baseline": True, "psadate": "2020-02-29"}]},
    } | SMALLEST[form]


def test_every_form_of_d4_4_is_known() -> None:
    assert SCHEMA["properties"]["useCaseType"]["enum"] == list(SMALLEST)
    assert set(SMALLEST) == {"1", "1+2", "1+2+3", "1+2+5+9", "1+2+6+7a+9", "1+2+5+7b+9", "1+2+8+9"}


@pytest.mark.parametrize("form", SMALLEST)
def test_the_smallest_case_is_valid(form: str) -> None:
    assert paths_of_errors(smallest(form)) == set()


@pytest.mark.parametrize("form", SMALLEST)
def test_nothing_may_be_taken_from_the_smallest_case(form: str) -> None:
    for path in places(smallest(form)):
        errors = paths_of_errors(changed(smallest(form), path, GONE))
        assert path[:-1] in errors, path
        assert paths_of_errors(changed(smallest(form), path, None)) >= {path}, path


@pytest.mark.parametrize("form", SMALLEST)
def test_a_form_may_hold_the_sections_of_every_other(form: str) -> None:
    every = FULL | SMALLEST[form] | {"useCaseType": form}
    assert paths_of_errors(every) == set()


EMPTY_LESIONS = (("lesions",), [])
EMPTY_FOLLOW_UP = (("followUp",), [])
NO_SURGERY = (("prostatectomyInfo", "prostatectomyPerformed"), False)
#: What a form does not take although the schema of its place does.
REJECTED_BY_FORM: list[tuple[str, Path, object]] = [
    ("1", *EMPTY_FOLLOW_UP),
    ("1+2", *EMPTY_LESIONS),
    ("1+2+3", *EMPTY_LESIONS),
    ("1+2+5+9", *EMPTY_LESIONS),
    ("1+2+5+9", *EMPTY_FOLLOW_UP),
    ("1+2+5+9", *NO_SURGERY),
    ("1+2+6+7a+9", *EMPTY_LESIONS),
    ("1+2+6+7a+9", *EMPTY_FOLLOW_UP),
    ("1+2+5+7b+9", *EMPTY_LESIONS),
    ("1+2+5+7b+9", *EMPTY_FOLLOW_UP),
    ("1+2+5+7b+9", *NO_SURGERY),
    ("1+2+8+9", *EMPTY_LESIONS),
    ("1+2+8+9", *EMPTY_FOLLOW_UP),
    ("1+2+8+9", ("biopsyInfo", "biopsyPositive"), False),
]


@pytest.mark.parametrize(("form", "path", "value"), REJECTED_BY_FORM)
def test_what_a_form_does_not_take_is_found_where_it_is(form: str, path: Path, value: object) -> None:
    assert paths_of_errors(changed(smallest(form), path, value)) == {path}


def test_form_1_2_takes_a_biopsy_or_a_prostatectomy_and_asks_for_the_biopsy() -> None:
    neither = changed(smallest("1+2"), ("biopsyInfo",), GONE)
    assert paths_of_errors(neither | {"prostatectomyInfo": {}}) == set()
    assert paths_of_errors(neither | {"prostatectomyInfo": {}, "biopsyInfo": None}) == set()
    assert paths_of_errors(neither | {"prostatectomyInfo": None}) == {()}
    assert Validator(SCHEMA).violations(neither) == (Violation("$", "'biopsyInfo' is missing"),)


VALID = [
    (("patientID",), "Ä 1 / b"),
    (("patientID",), "x" * 50),
    ((*PSA, 0, "totalPSAvalue"), 0),
    ((*PSA, 0, "totalPSAvalue"), 10000),
    (("clinicalBaselineData", "age"), 110),
    (("clinicalBaselineData", "prostateVolume"), 1000),
    (("imagingInfo", "daysAfterBaselineMRI"), -3650),
    (("lesions", 0, "location"), SCHEMA["$defs"]["sector"]["enum"]),
    (("lesions", 0, "location"), []),
    (("lesions", 0, "X"), -12.5),
    (("lesions",), [{}] * 100),
    (("finalDiagnosis", "metastasis"), []),
    (("finalDiagnosis", "metastasisOther"), "x" * 50),
    (("finalDiagnosis", "monthsFinalDiagnosis"), 600),
    (("treatment", "totalDose"), 200),
    (("treatment", "totalDose"), 0.5),
    (("treatment", "doseFraction"), 50),
    (("treatment", "fractionsWeek"), 1),
    (("treatment", "fractionsWeek"), 14),
    (("treatment", "rectalToxAcute"), 5),
    (("qualityOfLife", "epic26"), 0),
    (("qualityOfLife", "epic26"), 100),
    (("qualityOfLife", "epic26"), 62.5),
    (("followUp",), []),
    (("followUp",), [{}] * 100),
    ((*FOLLOW_UP, "psa"), []),
    ((*FOLLOW_UP, "psa"), [{}] * 1000),
    ((*FOLLOW_UP, "psa"), [{"baseline": True}, {"baseline": False}, {"baseline": None}, {}]),
    ((*FOLLOW_UP, "psa", 0, "psadate"), GONE),
    ((*FOLLOW_UP, "imagingInfo", "daysAfterBaseline"), 0),
    ((*FOLLOW_UP, "imagingInfo", "daysAfterBaseline"), 36500),
    ((*FOLLOW_UP, "biopsyInfo", "daysAfterBaseline"), 36500),
    ((*FOLLOW_UP, "imagingInfo", "likelihoodOfProgression"), 5),
    ((*FOLLOW_UP, "lesions"), [{}] * 100),
    (("dicom",), []),
    ((*SERIES, "StudyInstanceUID"), "1." * 31 + "10"),
    ((*SERIES, "StudyInstanceUID"), "2"),
    ((*SERIES, "Modality"), "RTSTRUCT"),
    ((*SERIES, "SeriesDescription"), "x" * 64),
    ((*SERIES, "Rows"), 65535),
    ((*SERIES, "daysAfterBaseline"), -3650),
]


@pytest.mark.parametrize(("path", "value"), VALID)
def test_values_at_the_edge_are_taken(path: Path, value: object) -> None:
    assert paths_of_errors(changed(FULL, path, value)) == set()


#: One change to a valid case each: where, to what, and where the error must be (None: at the change itself).
INVALID: list[tuple[Path, object, Path | None]] = [
    (("patientID",), GONE, ()),
    (("patientID",), None, None),
    (("patientID",), "", None),
    (("patientID",), " PCa-1", None),
    (("patientID",), "PCa-1 ", None),
    (("patientID",), "PCa-1\n", None),
    (("patientID",), "PCa\u00001", None),
    (("patientID",), "PCa\u00851", None),
    (("patientID",), "x" * 51, None),
    (("patientID",), 268768370567, None),
    (("site",), "", None),
    (("site",), GONE, ()),
    (("site",), "x" * 51, None),
    (("useCaseType",), "1+2+4", None),
    (("useCaseType",), GONE, ()),
    (("clinicalBaselineData",), GONE, ()),
    (("clinicalBaselineData",), None, None),
    (("unheardOf",), 1, ()),
    (("clinicalBaselineData", "unheardOf"), 1, ("clinicalBaselineData",)),
    (("imagingInfo", "stage", "M"), "cM0", ("imagingInfo", "stage")),
    (("clinicalBaselineData", "age"), 17, None),
    (("clinicalBaselineData", "age"), 111, None),
    (("clinicalBaselineData", "age"), 74.5, None),
    (("clinicalBaselineData", "age"), "74", None),
    (("clinicalBaselineData", "age"), GONE, ("clinicalBaselineData",)),
    (("clinicalBaselineData", "DRE"), "Positive", None),
    (("clinicalBaselineData", "prostateVolume"), 0, None),
    (("clinicalBaselineData", "prostateVolume"), 1000.1, None),
    (PSA, [], None),
    (PSA, GONE, ("clinicalBaselineData",)),
    (PSA, [{"baseline": True, "psadate": "2021-07-11"}] * 2, None),
    ((*PSA, 0, "baseline"), False, PSA),
    ((*PSA, 0, "psadate"), None, None),
    ((*PSA, 0, "psadate"), GONE, (*PSA, 0)),
    ((*PSA, 0, "psadate"), "11/7/2021", None),
    ((*PSA, 0, "psadate"), "2021-7-11", None),
    ((*PSA, 0, "psadate"), "2021-02-29", None),
    ((*PSA, 0, "psadate"), "0021-07-11", None),
    ((*PSA, 0, "psadate"), "2021-07-11T00:00:00", None),
    ((*PSA, 0, "psadate"), "2021-07-11\n", None),
    ((*PSA, 0, "psadate"), "２０２１-07-11", None),
    ((*PSA, 0, "totalPSAvalue"), -0.1, None),
    ((*PSA, 0, "totalPSAvalue"), 10001, None),
    ((*PSA, 0, "totalPSAvalue"), "7,2", None),
    ((*PSA, 0, "ratioPSAvalue"), 101, None),
    (("familyHistory", "relativePCa"), True, None),
    (("familyHistory", "relativePCaAge"), 121, None),
    (("imagingInfo",), None, None),
    (("imagingInfo",), GONE, ()),
    (("imagingInfo", "daysAfterBaselineMRI"), None, None),
    (("imagingInfo", "daysAfterBaselineMRI"), 3651, None),
    (("imagingInfo", "MRIPositive"), None, None),
    (("imagingInfo", "MRIPositive"), GONE, ("imagingInfo",)),
    (("imagingInfo", "stage", "T"), "pT2", None),
    (("imagingInfo", "stage", "N"), "pN1", None),
    (("biopsyInfo",), GONE, ()),
    (("biopsyInfo", "biopsyType"), "fusion", None),
    (("biopsyInfo", "stage", "T"), "T2", None),
    (("prostatectomyInfo", "RPmethod"), "Open", None),
    (("prostatectomyInfo", "nerveSparing"), "yes", None),
    (("prostatectomyInfo", "stage", "T"), "cT2", None),
    (("prostatectomyInfo", "stage", "N"), "cN0", None),
    (("cancerDiagnosis", "carcinomaClass"), "Carcinoma", None),
    (("lesions",), [], None),
    (("lesions",), GONE, ()),
    (("lesions",), [{}] * 101, None),
    (("lesions", 0), None, None),
    (("lesions", 0, "PI-RADS"), 0, None),
    (("lesions", 0, "PI-RADS"), 6, None),
    (("lesions", 0, "gleason1"), 6, None),
    (("lesions", 0, "gleason2"), 3.5, None),
    (("lesions", 0, "diam1"), -1, None),
    (("lesions", 0, "X"), "left", None),
    (("lesions", 0, "location", 0), "BRPZpm", None),
    (("lesions", 0, "location"), ["MRPZpl", "MRPZpl"], None),
    (("lesionLocationBasedOn",), "MRI", None),
    (("finalDiagnosis",), None, None),
    (("finalDiagnosis", "monthsFinalDiagnosis"), None, None),
    (("finalDiagnosis", "monthsFinalDiagnosis"), -1, None),
    (("finalDiagnosis", "monthsFinalDiagnosis"), 601, None),
    (("finalDiagnosis", "M"), None, None),
    (("finalDiagnosis", "M"), GONE, ("finalDiagnosis",)),
    (("finalDiagnosis", "M"), "M1", None),
    (("finalDiagnosis", "N"), "pN1", None),
    (("finalDiagnosis", "metastasis"), ["Bone", "Bone"], None),
    (("finalDiagnosis", "metastasis", 0), "Spleen", None),
    (("finalDiagnosis", "metastasisOther"), "x" * 51, None),
    (("finalDiagnosis", "metastasisOther"), "a\u0000b", None),
    (("finalDiagnosis", "imagingType"), ["MRI", "X-ray"], ("finalDiagnosis", "imagingType", 1)),
    (("invasionInfo", "resectionMarginsStatus"), "positive", None),
    (("invasionInfo", "extraProstaticExtension"), "yes", None),
    (("invasionInfo", "wheelerRanking"), "L3", None),
    (("invasionInfo", "unheardOf"), 1, ("invasionInfo",)),
    (("treatment", "radiotherapyTechnique"), "VMAT", None),
    (("treatment", "hormonotherapy"), 1, None),
    (("treatment", "totalDose"), 0, None),
    (("treatment", "totalDose"), 200.5, None),
    (("treatment", "fractionsWeek"), 0, None),
    (("treatment", "fractionsWeek"), 15, None),
    (("treatment", "fractionsWeek"), 4.5, None),
    (("treatment", "doseFraction"), 0, None),
    (("treatment", "doseFraction"), 51, None),
    (("treatment", "rectalToxAcute"), 6, None),
    (("treatment", "rectalToxChronic"), -1, None),
    (("treatment", "genitourinaryToxAcute"), 1.5, None),
    (("treatment", "genitourinaryToxChronic"), "1", None),
    (("treatment", "unheardOf"), 1, ("treatment",)),
    (("qualityOfLife", "epic26"), 101, None),
    (("qualityOfLife", "epic26"), -1, None),
    (("qualityOfLife", "EORTC_Q52"), 0, None),
    (("qualityOfLife", "EORTC_Q53"), 5, None),
    (("qualityOfLife", "EORTC_Q54"), "1", None),
    (("qualityOfLife", "unheardOf"), 1, ("qualityOfLife",)),
    (("followUp",), {}, None),
    (("followUp",), [{}] * 101, None),
    (("followUp", 0), None, None),
    ((*FOLLOW_UP, "unheardOf"), 1, FOLLOW_UP),
    ((*FOLLOW_UP, "fupMRINegative"), "no", None),
    ((*FOLLOW_UP, "psa"), [{"baseline": True}] * 2, None),
    ((*FOLLOW_UP, "psa"), [{}] * 1001, None),
    ((*FOLLOW_UP, "psa", 0, "psadate"), "1.10.2022", None),
    ((*FOLLOW_UP, "psa", 0, "totalPSAvalue"), -1, None),
    ((*FOLLOW_UP, "psa", 0, "baseline"), "yes", None),
    ((*FOLLOW_UP, "imagingInfo", "MRIPerformed"), "yes", None),
    ((*FOLLOW_UP, "imagingInfo", "daysAfterBaseline"), -1, None),
    ((*FOLLOW_UP, "imagingInfo", "daysAfterBaseline"), 36501, None),
    ((*FOLLOW_UP, "imagingInfo", "likelihoodOfProgression"), 0, None),
    ((*FOLLOW_UP, "imagingInfo", "likelihoodOfProgression"), 6, None),
    ((*FOLLOW_UP, "imagingInfo", "stage", "T"), "pT2", None),
    ((*FOLLOW_UP, "imagingInfo", "stage", "M"), "cM0", (*FOLLOW_UP, "imagingInfo", "stage")),
    ((*FOLLOW_UP, "imagingInfo", "MRIPositive"), True, (*FOLLOW_UP, "imagingInfo")),
    ((*FOLLOW_UP, "biopsyInfo", "daysAfterBaseline"), 0.5, None),
    ((*FOLLOW_UP, "biopsyInfo", "biopsyType"), "MRI", None),
    ((*FOLLOW_UP, "biopsyInfo", "stage", "N"), "cN0", (*FOLLOW_UP, "biopsyInfo", "stage")),
    ((*FOLLOW_UP, "cancerDiagnosis", "carcinomaClass"), "Carcinoma", None),
    ((*FOLLOW_UP, "lesions"), [{}] * 101, None),
    ((*FOLLOW_UP, "lesions", 0, "gleason1"), 0, None),
    (("dicom",), [FULL["dicom"][0]] * 1001, None),
    ((*SERIES, "unheardOf"), 1, SERIES),
    ((*SERIES, "StudyInstanceUID"), GONE, SERIES),
    ((*SERIES, "SeriesInstanceUID"), GONE, SERIES),
    ((*SERIES, "SeriesInstanceUID"), "", None),
    ((*SERIES, "SeriesInstanceUID"), "1.", None),
    ((*SERIES, "SeriesInstanceUID"), "1..2", None),
    ((*SERIES, "SeriesInstanceUID"), "1.2a", None),
    ((*SERIES, "SeriesInstanceUID"), "1.2\n", None),
    ((*SERIES, "SeriesInstanceUID"), "1" * 65, None),
    ((*SERIES, "Modality"), "mr", None),
    ((*SERIES, "Modality"), "M" * 17, None),
    ((*SERIES, "Modality"), "MR\n", None),
    ((*SERIES, "SeriesDescription"), "x" * 65, None),
    ((*SERIES, "SeriesDescription"), "a\u0000b", None),
    ((*SERIES, "Manufacturer"), "", None),
    ((*SERIES, "ManufacturerModelName"), " Skyra", None),
    ((*SERIES, "MagneticFieldStrength"), 0, None),
    ((*SERIES, "SliceThickness"), 0, None),
    ((*SERIES, "PixelSpacing"), [0.5], None),
    ((*SERIES, "PixelSpacing"), [0.5] * 3, None),
    ((*SERIES, "PixelSpacing", 1), 0, None),
    ((*SERIES, "Rows"), 0, None),
    ((*SERIES, "Columns"), 65536, None),
    ((*SERIES, "NumberOfInstances"), 0, None),
    ((*SERIES, "daysAfterBaseline"), -3651, None),
]


@pytest.mark.parametrize(("path", "value", "where"), INVALID)
def test_one_wrong_value_is_found_where_it_is(path: Path, value: object, where: Path | None) -> None:
    assert paths_of_errors(changed(FULL, path, value)) == {path if where is None else where}


REQUIRED: set[Path] = {
    ("patientID",),
    ("useCaseType",),
    ("site",),
    ("clinicalBaselineData",),
    ("clinicalBaselineData", "age"),
    PSA,
    (*PSA, 0),
    (*PSA, 0, "psadate"),
    (*PSA, 0, "baseline"),
    ("imagingInfo",),
    ("imagingInfo", "daysAfterBaselineMRI"),
    ("imagingInfo", "MRIPositive"),
    ("biopsyInfo",),
    ("lesions",),
    ("lesions", 0),
    ("lesions", 0, "location", 0),
    ("finalDiagnosis",),
    ("finalDiagnosis", "monthsFinalDiagnosis"),
    ("finalDiagnosis", "M"),
    ("finalDiagnosis", "metastasis", 0),
    ("finalDiagnosis", "imagingType", 0),
    FOLLOW_UP,
    (*FOLLOW_UP, "psa", 0),
    (*FOLLOW_UP, "lesions", 0),
    (*FOLLOW_UP, "lesions", 0, "location", 0),
    SERIES,
    (*SERIES, "StudyInstanceUID"),
    (*SERIES, "SeriesInstanceUID"),
    (*SERIES, "PixelSpacing", 0),
    (*SERIES, "PixelSpacing", 1),
}


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """The path of every value below the document's root."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def test_everything_but_the_required_may_be_null() -> None:
    rejected = {path for path in places(FULL) if paths_of_errors(changed(FULL, path, None))}
    assert rejected == REQUIRED


def nodes(schema: object, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object inside the schema, with its path."""
    if isinstance(schema, dict):
        yield path, schema
        for key, child in schema.items():
            yield from nodes(child, (*path, key))
    elif isinstance(schema, list):
        for position, child in enumerate(schema):
            yield from nodes(child, (*path, position))


def conditional(path: Path) -> bool:
    """Whether the node says when or for which form something is required, and not what a field is."""
    return any(part in {"if", "then", "contains"} or str(part).startswith("needs") for part in path)


FIELDS = [
    (path, node)
    for path, node in nodes(SCHEMA)
    if len(path) > 1 and path[-2] in {"properties", "$defs"} and not conditional(path)
]


def test_every_field_has_words_for_a_screen() -> None:
    bare = [path for path, node in FIELDS if "$ref" not in node and not {"title", "description"} <= set(node)]
    assert len(FIELDS) > 150
    assert bare == []


def test_every_requirement_is_one_of_a_form() -> None:
    needs = {f"#/$defs/{name}" for name in SCHEMA["$defs"] if name.startswith("needs")}
    used = {node["$ref"] for _, node in nodes(SCHEMA) if "$ref" in node}
    assert needs
    assert needs <= used
    assert len(SCHEMA["allOf"]) == len(SMALLEST)


def test_every_object_is_closed_and_every_list_bounded() -> None:
    shapes = [(path, node) for path, node in nodes(SCHEMA) if "type" in node and not conditional(path)]
    objects = [node for _, node in shapes if "object" in node["type"] and "properties" in node]
    arrays = [node for _, node in shapes if "array" in node["type"] and "items" in node]
    assert len(objects) > 15
    assert all(node["additionalProperties"] is False for node in objects)
    assert {node["maxItems"] for node in arrays} == {1000, 100, 36, 9, 8, 2}


def test_the_sectors_are_the_36_of_pi_rads() -> None:
    zones = {
        "B": ["AS", "TZa", "TZp", "CZ", "PZa", "PZpl"],
        "M": ["AS", "TZa", "TZp", "PZa", "PZpl", "PZpm"],
        "A": ["AS", "TZa", "TZp", "PZa", "PZpl", "PZpm"],
    }
    expected = {level + side + zone for level in zones for side in "LR" for zone in zones[level]}
    sectors = SCHEMA["$defs"]["sector"]["enum"]
    assert (set(sectors), len(sectors)) == (expected, 36)
