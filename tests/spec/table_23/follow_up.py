"""Table 23, part "Follow-Up": the final diagnosis, and the follow-up records with their PSA tests."""

from tests.spec.table_23.notation import (
    CONDITION,
    FINAL,
    NO_DATE,
    PROCEDURE,
    UNMET,
    Changes,
    Example,
    Line,
    Part,
    Visit,
    condition,
    event,
    measured,
    procedure,
    unmapped,
    visit,
)
from tests.spec.table_23.staging import CLINICAL_N, M

CONTROL, SURVEILLANCE = "1", "1+2+8+9"
#: Form 1 asks for no dates: its follow-up is put at one year.
ONE_YEAR = Visit("visit.follow_up[0]", "2001-01-01")
#: The visits of a record with an MRI on day 300 and a biopsy on day 310, and of the record as a whole.
AT_MRI = Visit("visit.follow_up_imaging[0]", "2000-10-27")
AT_BIOPSY = Visit("visit.follow_up_biopsy[0]", "2000-11-06")
AT_LATEST = Visit("visit.follow_up[0]", "2000-11-06")
DATED: Changes = {"imagingInfo": {"daysAfterBaseline": 300}, "biopsyInfo": {"daysAfterBaseline": 310}}


def followed(*records: Changes) -> Changes:
    return {"followUp": list(records)}


def answer_line(
    field: str, rule: str, d4_4: str, answers: dict[bool, tuple[int, str]], dated: Visit, no_date: str
) -> Line:
    """A yes or no of a follow-up record: a condition, whose date depends on what the record holds."""
    true = answers[True]
    return Line(
        field,
        d4_4,
        at=(f"$.followUp[*].{field}",),
        rules=(rule,),
        errata=(32, 33),
        form=SURVEILLANCE,
        examples=(
            *(
                Example(
                    str(answer),
                    followed({**DATED, field: answer}),
                    (condition(f"{rule}[0]", concept, source, dated), event(CONDITION, f"{rule}[0]")),
                )
                for answer, (concept, source) in answers.items()
            ),
            Example(
                "on form 1, one year after baseline",
                followed({field: True}),
                (condition(f"{rule}[0]", *true, ONE_YEAR),),
                form=CONTROL,
            ),
            Example(
                "in the second of three records",
                followed({}, {**DATED, field: True}, {}),
                (
                    condition(f"{rule}[1]", *true, Visit(dated.name.replace("0", "1"), dated.day)),
                    event(CONDITION, f"{rule}[1]"),
                ),
            ),
            Example(
                "in a record without any date",
                followed({field: True}),
                problems=(f"{rule}: invalid $.followUp[0].{field}: {no_date}",),
            ),
            Example("not recorded", followed({**DATED, field: None})),
        ),
    )


SITES = {
    "Bone": 36769301,
    "Lymph nodes": 36769243,
    "Liver": 36770544,
    "Lung": 36770283,
    "Brain": 36768862,
    "Digestive system": 36769180,
    "Retroperitoneum": 36769180,
    "Kidney and adrenal gland": 36769180,
    "Other": 36769180,
}
MODALITIES = {
    "MRI": 36714087,
    **dict.fromkeys(
        ("CT", "choline-PET", "fluciclovine-PET", "PSMA-PET", "SPECT-CT", "NaF-PET", "Bone scan"), 0
    ),
}


def final(**changes: object) -> Changes:
    return {"finalDiagnosis": changes}


def imaged(item: int, modality: str) -> str:
    return procedure(f"final_imaging[{item}]", MODALITIES[modality], f"imgMod{modality}", FINAL)


def m_row(code: str, of: str = "") -> str:
    value = 4098852 if code == "MX" else 0
    return measured("m_diagnosis", M[code], value=value, source="M_diagnosis", recorded=code, of=of, at=FINAL)


def n_row(code: str, of: str = "") -> str:
    value = CLINICAL_N[code]
    return measured(
        "n_diagnosis", 35918746, value=value, source="N_diagnosis", recorded=code, of=of, at=FINAL
    )


MONTHS = Line(
    "monthsFinalDiagnosis",
    "condition_occurrence_datetime",
    at=("$.finalDiagnosis.monthsFinalDiagnosis",),
    rules=("visit.final_diagnosis",),
    errata=(21,),
    examples=tuple(
        Example(
            f"{months} months",
            final(monthsFinalDiagnosis=months),
            (visit("visit.final_diagnosis", 2000000010, day, "follow-up"),),
        )
        for months, day in ((15, "2001-04-01"), (0, "2000-01-01"), (6, "2000-07-01"))
    ),
)

DIAGNOSIS_TNM = Line(
    "diagnosisTNM",
    "as TNM above",
    at=("$.finalDiagnosis.N", "$.finalDiagnosis.M"),
    rules=("n_diagnosis", "m_diagnosis"),
    errata=(13, 15),
    maps={"tnm_cn": CLINICAL_N, "tnm_m": M},
    examples=(
        *(
            Example(
                f"{code}, recorded of the imaging",
                final(N=code, imagingType=["MRI"]),
                (n_row(code, "final_imaging[0]"), m_row("cM0", "final_imaging[0]")),
            )
            for code in CLINICAL_N
        ),
        *(Example(f"{code}, without imaging", final(M=code), (m_row(code),)) for code in M),
        Example("N not recorded", final(N=None), (m_row("cM0"),)),
    ),
)

IMAGING_PERFORMED = Line(
    "imagingPerformed",
    "as imaging above",
    at=("$.finalDiagnosis.imagingPerformed",),
    rules=("final_imaging", "final_imaging_unspecified"),
    errata=(29,),
    examples=(
        *(
            Example(
                f"{answer}, and a modality",
                final(imagingPerformed=answer, imagingType=["MRI"]),
                (imaged(0, "MRI"),),
            )
            for answer in (True, None)
        ),
        *(
            Example(
                f"true, modalities {modalities}",
                final(imagingPerformed=True, imagingType=modalities),
                (procedure("final_imaging_unspecified", 0, "imgMod", FINAL),),
            )
            for modalities in (None, [])
        ),
        Example(
            "false, though modalities are recorded",
            final(imagingPerformed=False, imagingType=["CT", "MRI"]),
            problems=tuple(
                f"final_imaging: invalid $.finalDiagnosis.imagingType[{item}]: {UNMET}" for item in (0, 1)
            ),
        ),
    ),
)

IMAGING_TYPE = Line(
    "imagingType",
    "as imaging above",
    at=("$.finalDiagnosis.imagingType[*]",),
    rules=("final_imaging",),
    errata=(29,),
    maps={"img_type": MODALITIES},
    examples=(
        *(
            Example(
                modality,
                final(imagingType=[modality]),
                (imaged(0, modality),),
                ()
                if concept
                else (unmapped("final_imaging", "$.finalDiagnosis.imagingType[0]", "img_type"),),
            )
            for modality, concept in MODALITIES.items()
        ),
        Example(
            "several, in a case with a disease",
            {**final(imagingType=["MRI", "CT"]), "biopsyInfo": {"biopsyPositive": True}},
            (
                imaged(0, "MRI"),
                imaged(1, "CT"),
                event(PROCEDURE, "final_imaging[0]"),
                event(PROCEDURE, "final_imaging[1]"),
            ),
            (unmapped("final_imaging", "$.finalDiagnosis.imagingType[1]", "img_type"),),
        ),
        Example("none", final(imagingType=[])),
    ),
)

METASTASIS = Line(
    "imgMetastasis description",
    "measurement_source_value; the measurement's concept depends on the site",
    at=("$.finalDiagnosis.metastasis[*]", "$.finalDiagnosis.metastasisOther"),
    rules=("metastasis", "metastasis_other"),
    errata=(27, 28),
    maps={"metastasis": SITES},
    examples=(
        *(
            Example(
                site,
                final(metastasis=[site], imagingType=["MRI"]),
                (measured("metastasis[0]", concept, recorded=site, of="final_imaging[0]", at=FINAL),),
            )
            for site, concept in SITES.items()
        ),
        Example(
            "several, one in words, without imaging",
            final(metastasis=["Bone", "Other"], metastasisOther="Testis"),
            (
                measured("metastasis[0]", 36769301, recorded="Bone", at=FINAL),
                measured("metastasis[1]", 36769180, recorded="Other", at=FINAL),
                measured("metastasis_other", 36769180, source="Testis", at=FINAL),
            ),
        ),
        Example(
            "in words, recorded of the imaging",
            final(metastasisOther="Testis", imagingType=["MRI"]),
            (measured("metastasis_other", 36769180, source="Testis", of="final_imaging[0]", at=FINAL),),
        ),
        Example("none", final(metastasis=[], metastasisOther=None)),
    ),
)


def psa_line(field: str, d4_4: str, rule: str, concept: int, unit: int, source: str, *errata: int) -> Line:
    def row(item: str, number: float, at: Visit) -> str:
        return measured(f"{rule}{item}", concept, number=number, unit=unit, source=source, at=at)

    def test(number: float, day: str | None = None, **more: bool) -> Changes:
        return {field: number, "psadate": day, **more}

    return Line(
        field,
        d4_4,
        at=(f"$.followUp[*].psa[*].{field}",),
        rules=(rule,),
        errata=errata,
        form=SURVEILLANCE,
        examples=(
            Example(
                "a series in two records, each with its own baseline; a test without date has the record's",
                followed(
                    {"psa": [test(5, "2020-06-01", baseline=True), test(6, "2020-09-01"), test(7)]},
                    {"psa": [test(8.5, "2021-06-01", baseline=False), test(9, "2021-03-01", baseline=True)]},
                ),
                (
                    row("[0][0]", 5, Visit("visit.follow_up_baseline[0][0]", "2000-06-01")),
                    row("[0][1]", 6, Visit("visit.follow_up_psa[0][1]", "2000-09-01")),
                    row("[0][2]", 7, Visit("visit.follow_up[0]", "2000-09-01")),
                    row("[1][0]", 8.5, Visit("visit.follow_up_psa[1][0]", "2001-06-01")),
                    row("[1][1]", 9, Visit("visit.follow_up_baseline[1][1]", "2001-03-01")),
                ),
            ),
            Example(
                "in a record without any date",
                followed({"psa": [test(5)]}),
                problems=(f"{rule}: invalid $.followUp[0].psa[0].{field}: {NO_DATE}",),
            ),
            Example("not recorded", followed({"psa": [{field: None, "psadate": "2020-06-01"}]})),
        ),
    )


PSA_DATE = Line(
    "psadate",
    "measurement_date",
    at=("$.followUp[*].psa[*].psadate",),
    rules=("visit.follow_up_psa", "visit.follow_up_baseline", "follow_up_psa_total"),
    form=SURVEILLANCE,
    examples=(
        Example(
            "keeps its distance to the baseline",
            followed(
                {
                    "psa": [
                        {"totalPSAvalue": 5, "psadate": "2019-12-12", "baseline": True},
                        {"totalPSAvalue": 6, "psadate": "2024-02-29"},
                    ]
                }
            ),
            (
                visit("visit.follow_up_baseline[0][0]", 2000000011, "1999-12-12", "follow-up baseline"),
                visit("visit.follow_up_psa[0][1]", 2000000012, "2004-02-29", "follow-up - PSA"),
                *(
                    measured(
                        f"follow_up_psa_total[0][{item}]",
                        44793131,
                        number=number,
                        unit=8842,
                        source="PSA Total",
                        at=at,
                    )
                    for item, number, at in (
                        (0, 5, Visit("visit.follow_up_baseline[0][0]", "1999-12-12")),
                        (1, 6, Visit("visit.follow_up_psa[0][1]", "2004-02-29")),
                    )
                ),
            ),
        ),
    ),
)

FOLLOW_UP = Part(
    "Follow-Up",
    __name__,
    (
        answer_line(
            "fupPSANormalRange",
            "psa_normal",
            "PSA normal 4013978, PSA abnormal 439453",
            {True: (4013978, "PSA normal"), False: (439453, "PSA abnormal")},
            AT_LATEST,
            "its visit 'follow_up' has no date",
        ),
        answer_line(
            "fupMRINegative",
            "mri_negative",
            "MRI normal 4058339, abnormal 4059669",
            {True: (4058339, "MRI negative"), False: (4059669, "MRI positive")},
            AT_MRI,
            NO_DATE,
        ),
        answer_line(
            "fupBiopsyNegative",
            "biopsy_negative",
            "Biopsy normal 4012811, abnormal 4013824",
            {True: (4012811, "Biopsy negative"), False: (4013824, "Biopsy positive")},
            AT_BIOPSY,
            NO_DATE,
        ),
        MONTHS,
        DIAGNOSIS_TNM,
        IMAGING_PERFORMED,
        IMAGING_TYPE,
        METASTASIS,
        psa_line(
            "totalPSAvalue",
            "Total PSA level 44793131, 8842 ng/mL",
            "follow_up_psa_total",
            44793131,
            8842,
            "PSA Total",
        ),
        psa_line(
            "freePSAvalue",
            "Free prostate specific antigen level 4194418, % - 8554",
            "follow_up_psa_free",
            4194418,
            8842,
            "PSA Free",
            3,
        ),
        psa_line(
            "ratioPSAvalue",
            "Free:total PSA ratio 4215704",
            "follow_up_psa_ratio",
            4215704,
            8554,
            "PSA Ratio",
            3,
        ),
        PSA_DATE,
    ),
)
