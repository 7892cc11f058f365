"""Table 23, parts "Imaging Info" and "Biopsy Info"."""

from tests.spec.table_23.notation import (
    CONDITION,
    NO_MRI_DATE,
    PROCEDURE,
    UNMET,
    Changes,
    Example,
    Line,
    Part,
    Visit,
    condition,
    event,
    procedure,
    visit,
)

IMAGING = Part(
    "Imaging Info",
    __name__,
    (
        Line(
            "daysAfterBaselineMRI",
            "procedure_date of the MRI",
            at=("$.imagingInfo.daysAfterBaselineMRI",),
            rules=("mri", "visit.imaging"),
            errata=(21,),
            examples=tuple(
                Example(
                    f"{days} days",
                    {"imagingInfo": {"daysAfterBaselineMRI": days, "MRIPositive": None}},
                    (
                        visit("visit.imaging", 2000000009, day, "baseline - MRI"),
                        procedure("mri", 36714087, "MRI", Visit("visit.imaging", day)),
                        event(PROCEDURE, "mri"),
                    ),
                    form="1+2+5+9",
                )
                for days, day in ((20, "2000-01-21"), (-10, "1999-12-22"), (0, "2000-01-01"))
            ),
        ),
        Line(
            "MRI positive",
            "Multiparametric MRI of prostate 36714087",
            at=("$.imagingInfo.MRIPositive",),
            rules=("mri",),
            examples=(
                *(
                    Example(
                        str(positive),
                        {"imagingInfo": {"MRIPositive": positive}},
                        (procedure("mri", 36714087, "MRI"),),
                    )
                    for positive in (True, False)
                ),
                Example("no MRI", {"imagingInfo": None}, form="1"),
                *(
                    Example(
                        f"{positive}, without a date",
                        {"imagingInfo": {"MRIPositive": positive}},
                        problems=(
                            f"mri: invalid $.imagingInfo.MRIPositive: {NO_MRI_DATE}",
                            f"mri_result: invalid $.imagingInfo.MRIPositive: {NO_MRI_DATE}",
                        ),
                        form="1",
                    )
                    for positive in (True, False)
                ),
            ),
        ),
        Line(
            "(MRI positive: the result)",
            "true: MRI scan abnormal 4059669; false: MRI scan normal 4058339",
            at=("$.imagingInfo.MRIPositive",),
            rules=("mri_result",),
            examples=(
                Example(
                    "true",
                    {"imagingInfo": {"MRIPositive": True}},
                    (condition("mri_result", 4059669, "MRI positive"), event(CONDITION, "mri_result")),
                    form="1+2+8+9",
                ),
                Example(
                    "false",
                    {"imagingInfo": {"MRIPositive": False}},
                    (condition("mri_result", 4058339, "MRI negative"), event(CONDITION, "mri_result")),
                    form="1+2+8+9",
                ),
                Example("not recorded", {"imagingInfo": {"MRIPositive": None}}, form="1+2+5+9"),
            ),
        ),
    ),
)

BIOPSY_TYPES = {"Ultrasound": 4082629, "Fusion": 37206816, "In-Bore": 2000000005}


def biopsy(**changes: object) -> Changes:
    return {"biopsyInfo": changes}


BIOPSY = Part(
    "Biopsy Info",
    __name__,
    (
        Line(
            "biopsyperformed",
            "Biopsy of prostate 4278515",
            at=("$.biopsyInfo.biopsyPerformed",),
            rules=("biopsy",),
            examples=(
                Example("true", biopsy(biopsyPerformed=True), (procedure("biopsy", 4278515, "Biopsy"),)),
                Example(
                    "true, and there is a disease",
                    biopsy(biopsyPerformed=True, biopsyPositive=True),
                    (procedure("biopsy", 4278515, "Biopsy"), event(PROCEDURE, "biopsy")),
                ),
                Example("false", biopsy(biopsyPerformed=False)),
                Example("not recorded", biopsy(biopsyPerformed=None)),
                Example(
                    "without the date of an MRI",
                    biopsy(biopsyPerformed=True),
                    problems=(f"biopsy: invalid $.biopsyInfo.biopsyPerformed: {NO_MRI_DATE}",),
                    form="1",
                ),
            ),
        ),
        Line(
            "biopsyPositive",
            "positive: Biopsy result abnormal 4013824; negative: Biopsy result normal 4012811",
            at=("$.biopsyInfo.biopsyPositive",),
            rules=("biopsy_result",),
            examples=(
                Example(
                    "true",
                    biopsy(biopsyPositive=True),
                    (
                        condition("biopsy_result", 4013824, "Biopsy positive"),
                        event(CONDITION, "biopsy_result"),
                    ),
                ),
                Example(
                    "false",
                    biopsy(biopsyPositive=False),
                    (condition("biopsy_result", 4012811, "Biopsy negative"),),
                ),
                Example("not recorded", biopsy(biopsyPositive=None)),
            ),
        ),
        Line(
            "biopsyType",
            "the type in place of Biopsy of prostate: 4082629, 37206816, 2000000005",
            at=("$.biopsyInfo.biopsyType",),
            rules=("biopsy",),
            errata=(11,),
            maps={"biopsy_type": BIOPSY_TYPES},
            examples=(
                *(
                    Example(
                        kind,
                        biopsy(biopsyPerformed=True, biopsyType=kind),
                        (procedure("biopsy", concept, kind),),
                    )
                    for kind, concept in BIOPSY_TYPES.items()
                ),
                Example(
                    "a type of a biopsy that was not performed",
                    biopsy(biopsyPerformed=False, biopsyType="Fusion"),
                    problems=(f"biopsy: invalid $.biopsyInfo.biopsyType: {UNMET}",),
                ),
            ),
        ),
    ),
)
