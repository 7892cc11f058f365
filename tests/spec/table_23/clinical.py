"""Table 23, parts "Clinical BaselineData" and "Family History"."""

from tests.spec.table_23.notation import (
    BASELINE,
    NO_DATE,
    UNMET,
    Changes,
    Example,
    Line,
    Part,
    Visit,
    condition,
    measured,
    noted,
    observed,
    procedure,
    visit,
)

FORMS = ("1", "1+2", "1+2+3", "1+2+5+9", "1+2+6+7a+9", "1+2+5+7b+9", "1+2+8+9")
BEFORE, AFTER = Visit("visit.psa[0]", "1999-12-12"), Visit("visit.psa[2]", "2000-03-01")


def baseline_psa(**values: float) -> Changes:
    return clinical(psa=[{"baseline": True, "psadate": "2020-01-01", **values}])


def psa_series(name: str, *values: float) -> Changes:
    """A test 20 days before the baseline, the baseline's, one on 1 March, one without date."""
    days = ("2019-12-12", "2020-01-01", "2020-03-01", None)
    return clinical(
        psa=[
            {"baseline": day == "2020-01-01", "psadate": day, name: value}
            for day, value in zip(days, values, strict=True)
        ]
    )


def clinical(**changes: object) -> Changes:
    return {"clinicalBaselineData": changes}


def psa_line(name: str, d4_4: str, rule: str, concept: int, unit: int, source: str) -> Line:
    def row(item: int, number: float, at: Visit) -> str:
        return measured(f"{rule}[{item}]", concept, number=number, unit=unit, source=source, at=at)

    return Line(
        name,
        d4_4,
        at=(f"$.clinicalBaselineData.psa[*].{name}",),
        rules=(rule,),
        examples=(
            Example("at baseline", baseline_psa(**{name: 7.2}), (row(0, 7.2, BASELINE),)),
            Example("0 is a value", baseline_psa(**{name: 0}), (row(0, 0, BASELINE),)),
            Example(
                "before, at and after baseline; without a date there is no row",
                psa_series(name, 5, 7.2, 8.25, 9),
                (row(0, 5, BEFORE), row(1, 7.2, BASELINE), row(2, 8.25, AFTER)),
                (f"{rule}: invalid $.clinicalBaselineData.psa[3].{name}: {NO_DATE}",),
            ),
            Example("not recorded", baseline_psa()),
        ),
    )


CLINICAL = Part(
    "Clinical BaselineData",
    __name__,
    (
        Line(
            "patientID",
            "person_source_value",
            at=("$.patientID",),
            rules=("person",),
            examples=(
                Example(
                    "as submitted",
                    {"patientID": "Pca-268768370567"},
                    ("person 8507 year_of_birth=1930 person_source_value=Pca-268768370567",),
                ),
            ),
        ),
        Line(
            "age",
            "year_of_birth: baseline - age",
            at=("$.clinicalBaselineData.age",),
            rules=("person",),
            examples=tuple(
                Example(
                    f"{age} years",
                    clinical(age=age),
                    (f"person 8507 year_of_birth={born} person_source_value=P1",),
                )
                for age, born in ((74, 1926), (18, 1982), (110, 1890))
            ),
        ),
        Line(
            "DRE",
            "Digital examination of rectum 4254766",
            at=("$.clinicalBaselineData.DRE",),
            rules=("dre",),
            examples=(
                *(
                    Example(answer, clinical(DRE=answer), (procedure("dre", 4254766, "DRE", BASELINE),))
                    for answer in ("negative", "positive")
                ),
                Example("not recorded", clinical(DRE=None)),
            ),
        ),
        Line(
            "DRE negative",
            "On rectal examination of prostate no abnormality detected 40483554",
            at=("$.clinicalBaselineData.DRE",),
            rules=("dre_result",),
            examples=(
                Example(
                    "negative",
                    clinical(DRE="negative"),
                    (condition("dre_result", 40483554, "DRE negative", BASELINE),),
                ),
            ),
        ),
        Line(
            "DRE positive",
            "On rectal examination of prostate abnormality detected 43531580",
            at=("$.clinicalBaselineData.DRE",),
            rules=("dre_result",),
            examples=(
                Example(
                    "positive",
                    clinical(DRE="positive"),
                    (condition("dre_result", 43531580, "DRE positive", BASELINE),),
                ),
                Example("not recorded", clinical(DRE=None)),
            ),
        ),
        psa_line(
            "totalPSAvalue", "Total PSA level 44793131, 8842 ng/mL", "psa_total", 44793131, 8842, "PSA Total"
        ),
        psa_line(
            "freePSAvalue",
            "Free prostate specific antigen level 4194418, 8842 ng/mL",
            "psa_free",
            4194418,
            8842,
            "PSA Free",
        ),
        psa_line(
            "ratioPSAvalue", "Free:total PSA ratio 4215704, 8554 %", "psa_ratio", 4215704, 8554, "PSA Ratio"
        ),
        Line(
            "baseline",
            "true: Baseline Visit 2000000007; false: PSA visit 2000000008",
            at=("$.clinicalBaselineData.psa[*].baseline", "$.clinicalBaselineData.psa[*].psadate"),
            rules=("visit.baseline", "visit.psa"),
            examples=(
                Example("true", {}, (visit("visit.baseline", 2000000007, "2000-01-01", "baseline"),)),
                Example(
                    "true once, false before and after it, false without a date",
                    psa_series("totalPSAvalue", 5, 7.2, 8.25, 9),
                    (
                        visit("visit.baseline", 2000000007, "2000-01-01", "baseline"),
                        visit("visit.psa[0]", 2000000008, "1999-12-12", "PSA"),
                        visit("visit.psa[2]", 2000000008, "2000-03-01", "PSA"),
                    ),
                    (f"psa_total: invalid $.clinicalBaselineData.psa[3].totalPSAvalue: {NO_DATE}",),
                ),
            ),
        ),
        Line(
            "prostateVolume",
            "Prostate Volume 2000000022, mm3 - 8587",
            at=("$.clinicalBaselineData.prostateVolume",),
            rules=("prostate_volume",),
            errata=(2,),
            examples=(
                Example(
                    "45 mL",
                    clinical(prostateVolume=45),
                    (
                        measured(
                            "prostate_volume",
                            2000000022,
                            number=45,
                            unit=8587,
                            source="prostateVolume",
                            at=BASELINE,
                        ),
                    ),
                ),
                Example("not recorded", clinical(prostateVolume=None)),
            ),
        ),
        Line(
            "useCaseType",
            "a note",
            at=("$.useCaseType",),
            rules=("use_case_type",),
            examples=tuple(
                Example(
                    f"form {form}",
                    {},
                    (noted("use_case_type", "useCaseType", form, at=BASELINE),),
                    form=form,
                )
                for form in FORMS
            ),
        ),
    ),
)

FAMILY = {"yes": 4167217, "no": 4051104, "unknown": 4236282}


def relative_line(field: str, rule: str, cancer: int, words: str, printed: str) -> Line:
    return Line(
        printed,
        f"yes 4167217, no 4051104, unknown 4236282; value {cancer} {words}",
        at=(f"$.familyHistory.{field}",),
        rules=(rule,),
        maps={"family": FAMILY},
        examples=(
            *(
                Example(
                    answer,
                    {"familyHistory": {field: answer}},
                    (observed(rule, concept, value=cancer, source=f"{field} {answer}", at=BASELINE),),
                )
                for answer, concept in FAMILY.items()
            ),
            Example("not recorded", {"familyHistory": {field: None}}),
            Example("no family history at all", {"familyHistory": None}),
        ),
    )


def relative_age_line(printed: str, field: str, age: str, rule: str, *errata: int) -> Line:
    note = f"{rule}.{rule}_age"
    return Line(
        printed,
        'a note titled "age"',
        at=(f"$.familyHistory.{age}",),
        rules=(note,),
        errata=errata,
        examples=(
            Example(
                "68 years",
                {"familyHistory": {field: "yes", age: 68}},
                (noted(note, "age", 68, of=rule, at=BASELINE),),
            ),
            Example("not recorded", {"familyHistory": {field: "yes", age: None}}),
            Example(
                "without the relative there is nothing it could be an age of",
                {"familyHistory": {age: 68}},
                problems=(f"{note}: invalid $.familyHistory.{age}: {UNMET}",),
            ),
        ),
    )


FAMILY_HISTORY = Part(
    "Family History",
    __name__,
    (
        relative_line("relativePCa", "relative_pca", 4163261, "Malignant tumor of prostate", "relativePCA"),
        relative_line("relativeBCa", "relative_bca", 4112853, "Malignant tumour of breast", "relativeBCa"),
        relative_line(
            "relativeAggressiveCancer",
            "relative_aggressive",
            2000000006,
            "Aggressive Cancer",
            "relativeAggressiveCancer",
        ),
        relative_age_line("relativePCAage", "relativePCa", "relativePCaAge", "relative_pca"),
        relative_age_line("relativeBCaAge", "relativeBCa", "relativeBCaAge", "relative_bca"),
        relative_age_line(
            "relativeAggressiveCancer (the second)",
            "relativeAggressiveCancer",
            "relativeAggressiveCancerAge",
            "relative_aggressive",
            8,
        ),
    ),
)
