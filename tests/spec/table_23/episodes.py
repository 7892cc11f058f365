"""Episodes (Figure 14): which stage, treatment or finding makes which episode."""

from tests.spec.table_23.notation import (
    UNMET,
    Changes,
    Example,
    Line,
    Part,
    episode,
)

SURGERY, RADIOTHERAPY, SURVEILLANCE = "1+2+5+9", "1+2+6+7a+9", "1+2+8+9"
ACINAR, POSITIVE, LESION = 4161028, 200962, 4115735
DISEASE, CONFINED, INVASIVE, METASTATIC = 32533, 32942, 32943, 32944
IMAGING, FINAL = "2000-01-21", "2001-04-01"


def mri(**stage: str) -> Changes:
    return {"imagingInfo": {"stage": stage}}


def biopsy(**stage: str) -> Changes:
    return {"biopsyInfo": {"biopsyPerformed": True, "stage": stage}}


def specimen(**stage: str) -> Changes:
    return {"prostatectomyInfo": {"prostatectomyPerformed": True, "stage": stage}}


def final(**changes: str) -> Changes:
    return {"finalDiagnosis": changes}


def followed(*records: Changes) -> Changes:
    return {"followUp": list(records)}


def record(day: int, **stage: str) -> Changes:
    return {"imagingInfo": {"daysAfterBaseline": day, "stage": stage}}


def disease(of: int = LESION, end: str = FINAL, start: str = "2000-01-01") -> str:
    return episode("episode.disease", DISEASE, of, start=start, end=end)


def part(rule: str, concept: int, source: str, start: str = IMAGING, end: str = "", of: int = LESION) -> str:
    return episode(
        f"episode.{rule}", concept, of, start=start, end=end, parent="episode.disease", source=source
    )


def diseased(says: str, changes: Changes, of: int = LESION, form: str = "1+2+3") -> Example:
    """A finding that makes a disease episode, which ends with the final diagnosis, else with the MRI."""
    return Example(says, changes, (disease(of, FINAL if form == "1+2+3" else IMAGING),), form=form)


DISEASE_LINE = Line(
    "Disease Episode (32533)",
    "from the baseline to the last that is known; its object is the diagnosis",
    at=("$.cancerDiagnosis.carcinomaClass", "$.biopsyInfo.biopsyPositive"),
    rules=("episode.disease",),
    errata=(16,),
    examples=(
        diseased("a class", {"cancerDiagnosis": {"carcinomaClass": "Acinar adenocarcinoma"}}, ACINAR),
        diseased("a positive biopsy", {"biopsyInfo": {"biopsyPositive": True}}, POSITIVE),
        diseased("a prostatectomy", {}, form=SURGERY),
        *(
            diseased(f"treatment: {name}", {"treatment": {name: said}}, form=RADIOTHERAPY)
            for name, said in {
                "radiotherapyTechnique": "IMRT",
                "totalDose": 78,
                "fractionsWeek": 5,
                "doseFraction": 2,
                "hormonotherapy": True,
            }.items()
        ),
        *(diseased(f"{code} at MRI", mri(T=code)) for code in ("cT1", "cT3")),
        diseased("cN1 at MRI", mri(N="cN1")),
        *(diseased(f"{code} at biopsy", biopsy(T=code)) for code in ("cT2", "cT4")),
        *(
            Example(
                f"{code} of a specimen, though no prostatectomy is recorded",
                {"prostatectomyInfo": {"stage": {code[1]: code}}},
                problems=(
                    f"{code[1].lower()}_prostatectomy: invalid $.prostatectomyInfo.stage.{code[1]}: {UNMET}",
                ),
            )
            for code in ("pT2", "pT3", "pN1")
        ),
        diseased("cM1c at the final diagnosis", final(M="cM1c")),
        Example(
            "cN1 at the final diagnosis, and an MRI before the baseline: it begins with the MRI",
            {**final(N="cN1"), "imagingInfo": {"daysAfterBaselineMRI": -10}},
            (disease(start="1999-12-22"),),
        ),
        *(
            Example(
                f"a follow-up finds {says}",
                followed({**record(300), **finding}),
                (disease(of, "2000-10-27"),),
                form="1",
            )
            for says, finding, of in (
                ("a class", {"cancerDiagnosis": {"carcinomaClass": "Acinar adenocarcinoma"}}, POSITIVE),
                ("a positive biopsy", {"fupBiopsyNegative": False}, POSITIVE),
                ("cT2 at MRI", record(300, T="cT2"), LESION),
                ("cT3 at MRI", record(300, T="cT3"), LESION),
                ("cN1 at MRI", record(300, N="cN1"), LESION),
                ("cT1c at biopsy", biopsy(T="cT1c"), LESION),
                ("cT4 at biopsy", biopsy(T="cT4"), LESION),
            )
        ),
        Example(
            "no finding, no episode",
            {"imagingInfo": {"stage": {"T": "cT0", "N": "cN0"}}},
        ),
        Example("a negative biopsy", {"biopsyInfo": {"biopsyPerformed": True, "biopsyPositive": False}}),
    ),
)

CONFINED_LINE = Line(
    "Confined Disease (32942)",
    "T1 and T2, until it goes further or as long as the patient was followed",
    at=("$.imagingInfo.stage.T", "$.biopsyInfo.stage.T", "$.prostatectomyInfo.stage.T"),
    rules=("episode.confined",),
    errata=(40,),
    examples=(
        *(
            Example(f"{code} at MRI", mri(T=code), (part("confined", CONFINED, code, end=FINAL),))
            for code in ("cT1", "cT1a", "cT1b", "cT1c", "cT2", "cT2a", "cT2b", "cT2c")
        ),
        *(Example(f"{code} at MRI", mri(T=code)) for code in ("cTX", "cT0")),
        Example("cT1c at biopsy", biopsy(T="cT1c"), (part("confined", CONFINED, "cT1c", end=FINAL),)),
        *(
            Example(
                f"{code} in the specimen",
                specimen(T=code),
                (part("confined", CONFINED, code, end=FINAL),),
            )
            for code in ("pT2", "pT2a", "pT2b", "pT2c")
        ),
        Example(
            "the specimen goes before biopsy and MRI",
            {**specimen(T="pT2"), **biopsy(T="cT3"), **mri(T="cT3a")},
            (part("confined", CONFINED, "pT2", end=FINAL),),
        ),
        Example("cT2 at MRI, cT3 at biopsy: invasive", {**mri(T="cT2"), **biopsy(T="cT3")}),
        Example(
            "it ends where a metastasis is found",
            {**mri(T="cT2"), "finalDiagnosis": {"monthsFinalDiagnosis": 3, "M": "cM1"}},
            (part("confined", CONFINED, "cT2", end="2000-04-01"),),
        ),
        Example(
            "it ends where a follow-up finds it invasive",
            {**mri(T="cT2"), "biopsyInfo": {"biopsyPositive": False}}
            | followed(record(300), record(400, T="cT3"), record(500)),
            (part("confined", CONFINED, "cT2", end="2001-02-04"),),
            form=SURGERY,
        ),
        Example(
            "it lasts as long as the follow-up",
            mri(T="cT2") | followed(record(300), record(500, T="cT2c"), record(400)),
            (part("confined", CONFINED, "cT2", end="2001-05-15"),),
            form=SURGERY,
        ),
        Example(
            "without a follow-up it has no end",
            mri(T="cT2"),
            (part("confined", CONFINED, "cT2"),),
            form="1+2",
        ),
    ),
)


INVASIVE_LINE = Line(
    "Invasive Disease (32943)",
    "T3, T4 or N1; Figure 14: cN1 at the final diagnosis",
    at=(
        "$.imagingInfo.stage.T",
        "$.imagingInfo.stage.N",
        "$.biopsyInfo.stage.T",
        "$.prostatectomyInfo.stage.T",
        "$.prostatectomyInfo.stage.N",
        "$.finalDiagnosis.N",
        "$.followUp[*].imagingInfo.stage.T",
        "$.followUp[*].imagingInfo.stage.N",
        "$.followUp[*].biopsyInfo.stage.T",
    ),
    rules=("episode.invasive", "episode.invasive_final", "episode.invasive_follow_up"),
    errata=(40,),
    examples=(
        *(
            Example(f"{code} at MRI", mri(T=code), (part("invasive", INVASIVE, code),))
            for code in ("cT3", "cT3a", "cT3b", "cT4")
        ),
        Example("cN1 at MRI", mri(T="cT2", N="cN1"), (part("invasive", INVASIVE, "cN1"),)),
        Example(
            "cT3 of a biopsy and pT3 of a prostatectomy that were not performed",
            {
                "biopsyInfo": {"biopsyPerformed": None, "stage": {"T": "cT3"}},
                "prostatectomyInfo": {"prostatectomyPerformed": False, "stage": {"T": "pT3"}},
            },
            problems=(
                f"t_biopsy: invalid $.biopsyInfo.stage.T: {UNMET}",
                f"t_prostatectomy: invalid $.prostatectomyInfo.stage.T: {UNMET}",
            ),
        ),
        Example(
            "cT3 at a follow-up's biopsy: on its day, not the MRI's",
            followed(
                {
                    **record(400),
                    "biopsyInfo": {"biopsyPerformed": True, "daysAfterBaseline": 500, "stage": {"T": "cT3"}},
                }
            ),
            (part("invasive_follow_up[0]", INVASIVE, "cT3", "2001-05-15", of=POSITIVE),),
            form=SURVEILLANCE,
        ),
        Example("cT3 at biopsy", biopsy(T="cT3"), (part("invasive", INVASIVE, "cT3"),)),
        *(
            Example(
                f"{code} in the specimen",
                {**specimen(T=code), **mri(T="cT2")},
                (part("invasive", INVASIVE, code),),
            )
            for code in ("pT3", "pT3a", "pT3b", "pT4")
        ),
        Example("pN1 in the specimen", specimen(N="pN1"), (part("invasive", INVASIVE, "pN1"),)),
        Example(
            "cN1 at MRI, where the specimen goes before the T of biopsy and MRI",
            {**specimen(T="pT2"), **biopsy(T="cT3"), **mri(T="cT3", N="cN1")},
            (part("invasive", INVASIVE, "cN1"),),
        ),
        Example("pN0 goes before cN1 at MRI", {**specimen(N="pN0"), **mri(N="cN1")}),
        Example(
            "cN1 at the final diagnosis",
            final(N="cN1"),
            (part("invasive_final", INVASIVE, "cN1", start=FINAL),),
        ),
        Example(
            "invasive already at MRI: once",
            {**mri(T="cT3"), **final(N="cN1")},
            (part("invasive", INVASIVE, "cT3"),),
        ),
        *(
            Example(
                f"a follow-up finds {says}",
                followed(record(300, T="cT2"), found, record(500, T="cT4")),
                (part("invasive_follow_up[1]", INVASIVE, source, start=start, of=LESION),),
                form=SURGERY,
            )
            for says, found, source, start in (
                ("cT3a at MRI", record(400, T="cT3a"), "cT3a", "2001-02-04"),
                ("cN1 at MRI", record(400, N="cN1"), "cN1", "2001-02-04"),
                ("cT3 at biopsy, dated as the MRI", record(400) | biopsy(T="cT3"), "cT3", "2001-02-04"),
                (
                    "cT4 at a biopsy with a date",
                    {"biopsyInfo": {**biopsy(T="cT4")["biopsyInfo"], "daysAfterBaseline": 410}},
                    "cT4",
                    "2001-02-14",
                ),
            )
        ),
        Example(
            "the earliest of follow-ups in whatever order",
            followed(record(500, T="cT4"), record(400, T="cT3"), record(300, T="cT2"), record(400, N="cN1")),
            (part("invasive_follow_up[1]", INVASIVE, "cT3", start="2001-02-04"),),
            form=SURGERY,
        ),
        Example(
            "invasive already at baseline: once",
            mri(T="cT3") | followed(record(400, T="cT3")),
            (part("invasive", INVASIVE, "cT3"),),
            form=SURGERY,
        ),
    ),
)

METASTATIC_LINE = Line(
    "Metastatic Disease (32944)",
    "Figure 14: cM1 at the final diagnosis",
    at=("$.finalDiagnosis.M",),
    rules=("episode.metastatic",),
    examples=(
        *(
            Example(code, final(M=code), (part("metastatic", METASTATIC, code, start=FINAL),))
            for code in ("cM1", "cM1a", "cM1b", "cM1c")
        ),
        *(Example(code, final(M=code)) for code in ("cM0", "MX")),
    ),
)

EPISODES = Part(
    "Episodes (Figure 14)", __name__, (DISEASE_LINE, CONFINED_LINE, INVASIVE_LINE, METASTATIC_LINE)
)
