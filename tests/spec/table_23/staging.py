"""Table 23, part "Stage-TNM": at MRI, biopsy, prostatectomy, final diagnosis and follow-ups."""

from tests.spec.table_23.notation import (
    FINAL,
    MRI,
    UNMET,
    Changes,
    Example,
    Line,
    Part,
    Visit,
    measured,
)

FIRST_MRI = Visit("visit.follow_up_imaging[0]", "2000-10-27")
FIRST_BIOPSY = Visit("visit.follow_up_biopsy[0]", "2000-11-06")
FIRST_RECORD = Visit("visit.follow_up[0]", "2000-06-01")
SECOND_MRI = Visit("visit.follow_up_imaging[1]", "2001-02-04")
SECOND_BIOPSY = Visit("visit.follow_up_biopsy[1]", "2001-02-14")
SURVEILLANCE = "1+2+8+9"


def prostatectomy(**stage: object) -> Changes:
    return {"prostatectomyInfo": {"prostatectomyPerformed": True, "stage": stage}}


def staged_record(day: int, **stage: str) -> Changes:
    """A follow-up with an MRI of this stage, and ten days later a biopsy with cT1c."""
    return {
        "imagingInfo": {"daysAfterBaseline": day, "stage": stage},
        "biopsyInfo": {"biopsyPerformed": True, "daysAfterBaseline": day + 10, "stage": {"T": "cT1c"}},
    }


CLINICAL_T = {
    "cTX": 1538985, "cT0": 1538044, "cT1": 1538812, "cT1a": 1538366, "cT1b": 1538219, "cT1c": 1538775,
    "cT2": 1538375, "cT2a": 1539231, "cT2b": 1538566, "cT2c": 1538629, "cT3": 1538400, "cT3a": 1539253,
    "cT3b": 1539229, "cT4": 1538855,
}  # fmt: skip
#: D4.4 prints no pathological T: erratum 13.
PATHOLOGICAL_T = {
    "pTX": 35919862, "pT0": 35919508, "pT2": 35919074, "pT2a": 35919867, "pT2b": 35919739, "pT2c": 35919904,
    "pT3": 35919081, "pT3a": 35919839, "pT3b": 35919018, "pT4": 35919919,
}  # fmt: skip
PATHOLOGICAL_N = {"pNX": 1537945, "pN0": 1538383, "pN1": 1538914}
#: D4.4 prints no clinical N: erratum 13.
CLINICAL_N = {"cNX": 35919166, "cN0": 35919626, "cN1": 35919638}
M = {"cM0": 1538822, "cM1": 1538290, "cM1a": 1539119, "cM1b": 1538995, "cM1c": 1538321, "MX": 4110284}


def t_row(rule: str, code: str, of: str, at: Visit = MRI) -> str:
    source = "T_" + rule.partition("[")[0].rpartition("t_")[2].replace("mri", "MRI")
    return measured(rule, CLINICAL_T[code], source=source, recorded=code, of=of, at=at)


def specimen_row(code: str, of: str = "prostatectomy") -> str:
    """A pathological T: TNM Path T, with the code as its value."""
    value = PATHOLOGICAL_T[code]
    return measured("t_prostatectomy", 35918889, value=value, source="T_prostatectomy", recorded=code, of=of)


def n_row(rule: str, code: str, source: str, of: str, at: Visit = MRI) -> str:
    """A clinical N: TNM Clin N, with the code as its value."""
    return measured(rule, 35918746, value=CLINICAL_N[code], source=source, recorded=code, of=of, at=at)


STAGE_T = Line(
    "T",
    "cTX to cT4: one concept each",
    at=(
        "$.imagingInfo.stage.T",
        "$.biopsyInfo.stage.T",
        "$.prostatectomyInfo.stage.T",
        "$.followUp[*].imagingInfo.stage.T",
        "$.followUp[*].biopsyInfo.stage.T",
    ),
    rules=("t_mri", "t_biopsy", "t_prostatectomy", "follow_up_t_mri", "follow_up_t_biopsy"),
    errata=(13,),
    maps={"tnm_t": CLINICAL_T, "tnm_pt": PATHOLOGICAL_T},
    examples=(
        *(
            Example(f"{code} at MRI", {"imagingInfo": {"stage": {"T": code}}}, (t_row("t_mri", code, "mri"),))
            for code in CLINICAL_T
        ),
        Example(
            "cT1c at biopsy",
            {"biopsyInfo": {"biopsyPerformed": True, "stage": {"T": "cT1c"}}},
            (t_row("t_biopsy", "cT1c", "biopsy"),),
        ),
        *(
            Example(f"{code} at prostatectomy", prostatectomy(T=code), (specimen_row(code),))
            for code in PATHOLOGICAL_T
        ),
        Example(
            "at the MRI and biopsy of two follow-ups, recorded of their own",
            {"followUp": [staged_record(300, T="cT2"), staged_record(400, T="cT2a", N="cN1")]},
            (
                t_row("follow_up_t_mri[0]", "cT2", "follow_up_mri[0]", FIRST_MRI),
                t_row("follow_up_t_mri[1]", "cT2a", "follow_up_mri[1]", SECOND_MRI),
                t_row("follow_up_t_biopsy[0]", "cT1c", "follow_up_biopsy[0]", FIRST_BIOPSY),
                t_row("follow_up_t_biopsy[1]", "cT1c", "follow_up_biopsy[1]", SECOND_BIOPSY),
            ),
            form=SURVEILLANCE,
        ),
        Example(
            "without dates of their own they have the record's",
            {
                "followUp": [
                    {
                        "psa": [{"psadate": "2020-06-01"}],
                        "imagingInfo": {"MRIPerformed": True, "stage": {"T": "cT2", "N": "cN1"}},
                        "biopsyInfo": {"biopsyPerformed": True, "stage": {"T": "cT1c"}},
                    }
                ]
            },
            (
                t_row("follow_up_t_mri[0]", "cT2", "follow_up_mri[0]", FIRST_RECORD),
                t_row("follow_up_t_biopsy[0]", "cT1c", "follow_up_biopsy[0]", FIRST_RECORD),
            ),
            form=SURVEILLANCE,
        ),
        Example("not recorded", {"imagingInfo": {"stage": {"T": None}}, "biopsyInfo": {"stage": None}}),
        Example(
            "no row of a follow-up's MRI that was not performed",
            {"followUp": [{"imagingInfo": {"MRIPerformed": False, "stage": {"T": "cT2"}}}]},
            problems=(f"follow_up_t_mri: invalid $.followUp[0].imagingInfo.stage.T: {UNMET}",),
            form=SURVEILLANCE,
        ),
        Example(
            "no row of a biopsy and a prostatectomy that were not performed",
            {
                "biopsyInfo": {"biopsyPerformed": False, "stage": {"T": "cT1c"}},
                "prostatectomyInfo": {"prostatectomyPerformed": False, "stage": {"T": "pT2"}},
            },
            problems=(
                f"t_biopsy: invalid $.biopsyInfo.stage.T: {UNMET}",
                f"t_prostatectomy: invalid $.prostatectomyInfo.stage.T: {UNMET}",
            ),
        ),
    ),
)

STAGE_N = Line(
    "N",
    "pNX, pN0 and pN1: one concept each",
    at=(
        "$.prostatectomyInfo.stage.N",
        "$.imagingInfo.stage.N",
        "$.followUp[*].imagingInfo.stage.N",
    ),
    rules=("n_prostatectomy", "n_mri", "follow_up_n_mri"),
    errata=(13,),
    maps={"tnm_pn": PATHOLOGICAL_N, "tnm_cn": CLINICAL_N},
    examples=(
        *(
            Example(
                f"{code} at prostatectomy",
                prostatectomy(N=code),
                (
                    measured(
                        "n_prostatectomy",
                        concept,
                        source="N_prostatectomy",
                        recorded=code,
                        of="prostatectomy",
                    ),
                ),
            )
            for code, concept in PATHOLOGICAL_N.items()
        ),
        *(
            Example(
                f"{code} at MRI",
                {"imagingInfo": {"stage": {"N": code}}},
                (n_row("n_mri", code, "N_MRI", "mri"),),
            )
            for code in CLINICAL_N
        ),
        Example(
            "cN1 at the MRI of the second of two follow-ups",
            {"followUp": [staged_record(300), staged_record(400, N="cN1")]},
            (n_row("follow_up_n_mri[1]", "cN1", "N_MRI", "follow_up_mri[1]", SECOND_MRI),),
            form=SURVEILLANCE,
        ),
        Example(
            "no row of a follow-up's MRI that was not performed",
            {"followUp": [{"imagingInfo": {"MRIPerformed": False, "stage": {"N": "cN1"}}}]},
            problems=(f"follow_up_n_mri: invalid $.followUp[0].imagingInfo.stage.N: {UNMET}",),
            form=SURVEILLANCE,
        ),
        Example(
            "no row of a prostatectomy that was not performed",
            {"prostatectomyInfo": {"prostatectomyPerformed": False, "stage": {"N": "pN1"}}},
            problems=(f"n_prostatectomy: invalid $.prostatectomyInfo.stage.N: {UNMET}",),
        ),
        Example("not recorded", prostatectomy(N=None)),
    ),
)

STAGE_M = Line(
    "M",
    "cM0 to cM1c: one concept each; MX: TNM Prostate tumor staging 4110284 with value MX category 4098852",
    at=("$.finalDiagnosis.M",),
    rules=("m_diagnosis",),
    maps={"tnm_m": M},
    examples=(
        *(
            Example(
                code,
                {"finalDiagnosis": {"M": code, "imagingType": ["MRI"]}},
                (
                    measured(
                        "m_diagnosis",
                        concept,
                        value=4098852 if code == "MX" else 0,
                        source="M_diagnosis",
                        recorded=code,
                        of="final_imaging[0]",
                        at=FINAL,
                    ),
                ),
            )
            for code, concept in M.items()
        ),
        Example(
            "without imaging it is recorded of nothing",
            {},
            (measured("m_diagnosis", 1538822, source="M_diagnosis", recorded="cM0", at=FINAL),),
        ),
    ),
)

STAGE_TNM = Part("Stage-TNM", __name__, (STAGE_T, STAGE_N, STAGE_M))
