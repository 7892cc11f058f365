"""Table 23, parts "Prostatectomy Info", "Stage-TNM", "Cancer Diagnosis" and "Invasion Info"."""

from tests.spec.table_23.notation import (
    ABSENT,
    CONDITION,
    PRESENT,
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
)

FOLLOW_UP = Visit("visit.follow_up_imaging[0]", "2001-02-04")
FOLLOW_UP_BIOPSY = Visit("visit.follow_up_biopsy[0]", "2001-02-14")
SURGERY, SURVEILLANCE = "1+2+5+9", "1+2+8+9"

METHODS = {
    "Radical retropubic": 4276520,
    "Robot assisted laparoscopic": 46270921,
    "Laparoscopic": 44809585,
    "Radical perineal": 4338373,
    "Other": 2003983,
}


def prostatectomy(**changes: object) -> Changes:
    return {"prostatectomyInfo": {"prostatectomyPerformed": True, **changes}}


def performed(concept: int, source: str) -> tuple[str, str]:
    return procedure("prostatectomy", concept, source), event(PROCEDURE, "prostatectomy")


PROSTATECTOMY = Part(
    "Prostatectomy Info",
    __name__,
    (
        Line(
            "prostatectomy_performed",
            "Prostatectomy 4235738",
            at=("$.prostatectomyInfo.prostatectomyPerformed",),
            rules=("prostatectomy",),
            examples=(
                Example("true", prostatectomy(), performed(4235738, "Prostatectomy")),
                Example("false", prostatectomy(prostatectomyPerformed=False)),
                Example("not recorded", {"prostatectomyInfo": None}),
            ),
        ),
        Line(
            "RPmethod",
            "the method in place of Prostatectomy: 4276520, 46270921, 44809585, 4338373, other 2003983",
            at=("$.prostatectomyInfo.RPmethod",),
            rules=("prostatectomy",),
            maps={"rp_method": METHODS},
            examples=(
                *(
                    Example(method, prostatectomy(RPmethod=method), performed(concept, method))
                    for method, concept in METHODS.items()
                ),
                Example(
                    "a method of a prostatectomy that was not performed",
                    prostatectomy(prostatectomyPerformed=False, RPmethod="Other"),
                    problems=(f"prostatectomy: invalid $.prostatectomyInfo.RPmethod: {UNMET}",),
                ),
            ),
        ),
        Line(
            "RPmethod: nerve sparing",
            "Nerve sparing is missing - 2000000003",
            at=("$.prostatectomyInfo.nerveSparing",),
            rules=("nerve_sparing",),
            errata=(10,),
            examples=(
                Example(
                    "true",
                    prostatectomy(nerveSparing=True),
                    (
                        procedure("nerve_sparing", 2000000003, "nerveSparing"),
                        event(PROCEDURE, "nerve_sparing"),
                    ),
                ),
                Example("false", prostatectomy(nerveSparing=False)),
                Example(
                    "nerves spared in a prostatectomy that was not performed",
                    prostatectomy(prostatectomyPerformed=False, nerveSparing=True),
                ),
            ),
        ),
    ),
)

#: D4.4's cell is empty; Figure 14 has the first, the others are what is true of each: erratum 19.
CLASSES = {
    "Acinar adenocarcinoma": 4161028,
    "Ductal adenocarcinoma": 200962,
    "Intraductal carcinoma": 200962,
    "Mucinous adenocarcinoma": 200962,
    "Neuroendocrine carcinoma": 200962,
    "Small cell carcinoma": 200962,
    "Other": 200962,
}


def follow_up_class(**record: object) -> Changes:
    return {
        "followUp": [
            {
                "imagingInfo": {"daysAfterBaseline": 400},
                "cancerDiagnosis": {"carcinomaClass": "Acinar adenocarcinoma"},
                **record,
            }
        ]
    }


CANCER_DIAGNOSIS = Part(
    "Cancer Diagnosis",
    __name__,
    (
        Line(
            "carcinomaClass",
            "a condition; D4.4 prints no concepts",
            at=("$.cancerDiagnosis.carcinomaClass", "$.followUp[*].cancerDiagnosis.carcinomaClass"),
            rules=("lesion", "follow_up_lesion", "follow_up_diagnosis"),
            errata=(19, 42),
            maps={"carcinoma": CLASSES},
            examples=(
                *(
                    Example(
                        f"{code}, of each lesion",
                        {"cancerDiagnosis": {"carcinomaClass": code}, "lesions": [{}, {}]},
                        (
                            condition("lesion[0]", concept, code),
                            condition("lesion[1]", concept, code),
                            event(CONDITION, "lesion[0]"),
                            event(CONDITION, "lesion[1]"),
                        ),
                    )
                    for code, concept in CLASSES.items()
                ),
                Example(
                    "no class, a positive biopsy: Primary malignant neoplasm of prostate",
                    {"biopsyInfo": {"biopsyPositive": True}},
                    (condition("lesion[0]", 200962, "Biopsy positive"), event(CONDITION, "lesion[0]")),
                ),
                Example(
                    "no class and no positive biopsy: Lesion of prostate",
                    {"biopsyInfo": {"biopsyPositive": False}},
                    (condition("lesion[0]", 4115735, "lesion"),),
                ),
                Example(
                    "of a follow-up's lesions",
                    follow_up_class(lesions=[{}, {}]),
                    (
                        condition("lesion[0]", 200962, "Biopsy positive"),
                        condition("follow_up_lesion[0][0]", 4161028, "Acinar adenocarcinoma", FOLLOW_UP),
                        condition("follow_up_lesion[0][1]", 4161028, "Acinar adenocarcinoma", FOLLOW_UP),
                        event(CONDITION, "lesion[0]"),
                        event(CONDITION, "follow_up_lesion[0][0]"),
                        event(CONDITION, "follow_up_lesion[0][1]"),
                    ),
                    form=SURVEILLANCE,
                ),
                Example(
                    "of a follow-up without lesions",
                    follow_up_class(),
                    (
                        condition("lesion[0]", 200962, "Biopsy positive"),
                        condition("follow_up_diagnosis[0]", 4161028, "Acinar adenocarcinoma", FOLLOW_UP),
                        event(CONDITION, "lesion[0]"),
                        event(CONDITION, "follow_up_diagnosis[0]"),
                    ),
                    form=SURVEILLANCE,
                ),
            ),
        ),
    ),
)


def invasion(**changes: object) -> Changes:
    return {"invasionInfo": changes}


def present_line(field: str, rule: str, d4_4: str, concept: int, *errata: int) -> Line:
    """Present or absent, recorded of the prostatectomy."""
    return Line(
        field,
        f"{d4_4}; value Present 4181412 or Absent 4132135",
        at=(f"$.invasionInfo.{field}",),
        rules=(rule,),
        form=SURGERY,
        errata=(*errata, 38),
        examples=(
            *(
                Example(
                    str(answer),
                    invasion(**{field: answer}),
                    (
                        measured(
                            rule,
                            concept,
                            value=value,
                            source=field,
                            recorded=str(answer).lower(),
                            of="prostatectomy",
                        ),
                    ),
                )
                for answer, value in ((True, PRESENT), (False, ABSENT))
            ),
            Example("not recorded", invasion(**{field: None})),
            Example(
                "without a prostatectomy it is recorded of nothing",
                invasion(**{field: True}),
                (measured(rule, concept, value=PRESENT, source=field, recorded="true"),),
                form="1+2",
            ),
        ),
    )


MARGINS = {"involved": 36768316, "uninvolved": 36770153}
WHEELER = {
    "L0": 2000000015,
    "L1": 2000000016,
    "L2": 2000000017,
    "L3F": 2000000018,
    "L3E": 2000000019,
    "LX": 2000000020,
}

INVASION = Part(
    "Invasion Info",
    __name__,
    (
        Line(
            "resectionMarginsStatus",
            "Resection Margin Involved by tumor 36768316, Uninvolved 36770153",
            at=("$.invasionInfo.resectionMarginsStatus",),
            rules=("resection_margins",),
            form=SURGERY,
            errata=(38,),
            maps={"margins": MARGINS},
            examples=(
                *(
                    Example(
                        code,
                        invasion(resectionMarginsStatus=code),
                        (
                            measured(
                                "resection_margins",
                                concept,
                                source="resectionMarginsStatus",
                                recorded=code,
                                of="prostatectomy",
                            ),
                        ),
                    )
                    for code, concept in MARGINS.items()
                ),
                Example("not recorded", invasion(resectionMarginsStatus=None)),
            ),
        ),
        present_line(
            "extraProstaticExtension",
            "extraprostatic_extension",
            "Extraprostatic Extension (EPE) 6768810",
            36768810,
            1,
        ),
        Line(
            "wheelerRanking",
            "Prostatic Capsular Invasion (PCI) level by Wheeler ranking 2000000021",
            at=("$.invasionInfo.wheelerRanking",),
            rules=("wheeler_ranking",),
            form=SURGERY,
            errata=(7, 38),
            maps={"wheeler": WHEELER},
            examples=tuple(
                Example(
                    code,
                    invasion(wheelerRanking=code),
                    (
                        measured(
                            "wheeler_ranking",
                            2000000021,
                            value=concept,
                            source="wheelerRanking",
                            recorded=code,
                            of="prostatectomy",
                        ),
                    ),
                )
                for code, concept in WHEELER.items()
            ),
        ),
        present_line("perineuralInvasion", "perineural_invasion", "Perineural Invasion 36768846", 36768846),
        present_line(
            "seminalVesicalInvasion",
            "seminal_vesical_invasion",
            "Invasion into the Seminal vesicle 36769282",
            36769282,
        ),
    ),
)
