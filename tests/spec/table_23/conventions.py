"""What D4.4 asks for beside Table 23: visits and dates of follow-ups, and the screens' other fields."""

from tests.spec.table_23.imaging import BIOPSY_TYPES
from tests.spec.table_23.notation import (
    ABSENT,
    CONDITION,
    NO_DATE,
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
    observed,
    procedure,
    visit,
)

CONTROL, RELAPSE, SURVEILLANCE = "1", "1+2+5+9", "1+2+8+9"


def followed(*records: Changes) -> Changes:
    return {"followUp": list(records)}


def psa(*days: str | None, baseline: str = "") -> Changes:
    return {"psa": [{"psadate": day, "baseline": day == baseline} for day in days]}


def mri(day: int | None, **more: object) -> Changes:
    return {"imagingInfo": {"daysAfterBaseline": day, **more}}


def biopsy(day: int | None = None, **more: object) -> Changes:
    return {"biopsyInfo": {"biopsyPerformed": True, "daysAfterBaseline": day, **more}}


def latest(item: int, day: str) -> str:
    return visit(f"visit.follow_up[{item}]", 2000000010, day, "follow-up")


FOLLOW_UP_VISIT = Line(
    "Follow-up Visit (2000000010)",
    "no dates of exams or procedures",
    at=("$.followUp[*]",),
    rules=("visit.follow_up",),
    form=SURVEILLANCE,
    errata=(32, 33),
    examples=(
        Example("form 1: one year after baseline", followed({}), (latest(0, "2001-01-01"),), form=CONTROL),
        Example(
            "form 1, with a date: that date",
            followed(psa("2020-06-01")),
            (latest(0, "2000-06-01"),),
            form=CONTROL,
        ),
        Example("other forms: no date, no visit", followed({})),
        Example(
            "the latest date of each record",
            followed(
                {**mri(300), **biopsy(310), **psa("2020-06-01")},
                {**mri(400), **biopsy()},
                {},
                psa("2021-06-01", "2022-06-01", baseline="2021-06-01"),
            ),
            (latest(0, "2000-11-06"), latest(1, "2001-02-04"), latest(3, "2002-06-01")),
        ),
    ),
)

VISITS = Part(
    "Study visits of follow-ups (section 4.2.1)",
    __name__,
    (
        FOLLOW_UP_VISIT,
        Line(
            "Follow-Up Visit - Baseline (2000000011)",
            "the baseline PSA of a follow-up",
            at=("$.followUp[*].psa[*].baseline",),
            rules=("visit.follow_up_baseline",),
            form=SURVEILLANCE,
            examples=(
                Example(
                    "each record has its own; without a date there is no visit",
                    followed(
                        psa("2020-06-01", "2020-09-01", baseline="2020-06-01"),
                        psa("2021-09-01", "2021-06-01", baseline="2021-06-01"),
                        {"psa": [{"baseline": True}]},
                    ),
                    (
                        visit(
                            "visit.follow_up_baseline[0][0]", 2000000011, "2000-06-01", "follow-up baseline"
                        ),
                        visit(
                            "visit.follow_up_baseline[1][1]", 2000000011, "2001-06-01", "follow-up baseline"
                        ),
                    ),
                ),
            ),
        ),
        Line(
            "Follow-Up Visit - PSA (2000000012)",
            "any other PSA of a follow-up",
            at=("$.followUp[*].psa[*].psadate",),
            rules=("visit.follow_up_psa",),
            form=SURVEILLANCE,
            examples=(
                Example(
                    "a series; without a date there is no visit",
                    followed(psa("2020-06-01", "2020-09-01", None, baseline="2020-06-01"), psa("2021-09-01")),
                    (
                        visit("visit.follow_up_psa[0][1]", 2000000012, "2000-09-01", "follow-up - PSA"),
                        visit("visit.follow_up_psa[1][0]", 2000000012, "2001-09-01", "follow-up - PSA"),
                    ),
                ),
            ),
        ),
        Line(
            "Follow-Up Visit - Biopsy (2000000013)",
            "the dated biopsy of a follow-up",
            at=("$.followUp[*].biopsyInfo.daysAfterBaseline",),
            rules=("visit.follow_up_biopsy",),
            form=SURVEILLANCE,
            examples=(
                Example(
                    "with a date, without one",
                    followed(biopsy(310), biopsy()),
                    (visit("visit.follow_up_biopsy[0]", 2000000013, "2000-11-06", "follow-up - biopsy"),),
                    (f"follow_up_biopsy: invalid $.followUp[1].biopsyInfo.biopsyPerformed: {NO_DATE}",),
                ),
            ),
        ),
        Line(
            "Follow-Up Visit - Imaging (2000000014)",
            "the dated MRI of a follow-up",
            at=("$.followUp[*].imagingInfo.daysAfterBaseline",),
            rules=("visit.follow_up_imaging",),
            form=SURVEILLANCE,
            examples=(
                Example(
                    "with a date, without one",
                    followed(mri(None, MRIPerformed=True), mri(300)),
                    (visit("visit.follow_up_imaging[1]", 2000000014, "2000-10-27", "follow-up - MRI"),),
                    (f"follow_up_mri: invalid $.followUp[0].imagingInfo.MRIPerformed: {NO_DATE}",),
                ),
            ),
        ),
    ),
)

AT_MRI = Visit("visit.follow_up_imaging[0]", "2000-10-27")
AT_BIOPSY = Visit("visit.follow_up_biopsy[0]", "2000-11-06")
AT_RECORD = Visit("visit.follow_up[0]", "2000-06-01")


def imaged(at: Visit) -> tuple[str, ...]:
    return procedure("follow_up_mri[0]", 36714087, "MRI", at), event(PROCEDURE, "follow_up_mri[0]")


def taken(at: Visit, concept: int = 4278515, source: str = "Biopsy") -> tuple[str, ...]:
    return (
        procedure("follow_up_biopsy[0]", concept, source, at),
        event(PROCEDURE, "follow_up_biopsy[0]"),
    )


MRI_OF_RECORD = Line(
    "MRI",
    "the follow-up's MRI, as the baseline's",
    at=("$.followUp[*].imagingInfo.MRIPerformed", "$.followUp[*].imagingInfo.daysAfterBaseline"),
    rules=("follow_up_mri",),
    form=SURVEILLANCE,
    examples=(
        Example("a date", followed(mri(300)), imaged(AT_MRI)),
        Example("performed, with a date", followed(mri(300, MRIPerformed=True)), imaged(AT_MRI)),
        Example(
            "performed, without a date: the record's",
            followed({**mri(None, MRIPerformed=True), **psa("2020-06-01")}),
            imaged(AT_RECORD),
        ),
        Example("not performed", followed({**mri(None, MRIPerformed=False), **psa("2020-06-01")})),
        Example("not performed, though it has a date", followed(mri(300, MRIPerformed=False))),
        Example(
            "performed, in a record without any date",
            followed(mri(None, MRIPerformed=True)),
            problems=(f"follow_up_mri: invalid $.followUp[0].imagingInfo.MRIPerformed: {NO_DATE}",),
        ),
    ),
)

BIOPSY_OF_RECORD = Line(
    "Biopsy",
    "the follow-up's biopsy, as the baseline's; a date that is missing is the follow-up MRI's",
    at=("$.followUp[*].biopsyInfo.biopsyPerformed", "$.followUp[*].biopsyInfo.biopsyType"),
    rules=("follow_up_biopsy",),
    form=SURVEILLANCE,
    errata=(33,),
    examples=(
        Example("with a date of its own", followed({**mri(300), **biopsy(310)}), taken(AT_BIOPSY)),
        Example("without one: the MRI's", followed({**mri(300), **biopsy()}), taken(AT_MRI)),
        Example(
            "the MRI is the record's own, not another record's",
            followed({**psa("2020-06-01"), **biopsy()}, mri(300)),
            taken(AT_RECORD),
        ),
        Example(
            "in a record without any date",
            followed(biopsy(), mri(300)),
            problems=(f"follow_up_biopsy: invalid $.followUp[0].biopsyInfo.biopsyPerformed: {NO_DATE}",),
        ),
        *(
            Example(kind, followed(biopsy(310, biopsyType=kind)), taken(AT_BIOPSY, concept, kind))
            for kind, concept in BIOPSY_TYPES.items()
        ),
        Example(
            "not performed, though a type is recorded",
            followed({"biopsyInfo": {"biopsyPerformed": False, "biopsyType": "Fusion"}}),
            problems=(f"follow_up_biopsy: invalid $.followUp[0].biopsyInfo.biopsyType: {UNMET}",),
        ),
    ),
)


def classed(carcinoma: str) -> Changes:
    return {"cancerDiagnosis": {"carcinomaClass": carcinoma}}


def found(item: str, concept: int, source: str, at: Visit = AT_MRI) -> str:
    return condition(f"follow_up_lesion{item}", concept, source, at)


ACINAR, POSITIVE = "Acinar adenocarcinoma", {"biopsyPositive": True}
CLASS = "$.followUp[0].cancerDiagnosis.carcinomaClass"
LESIONS_OF_RECORD = Line(
    "Lesions",
    "a condition each; its concept is the record's class, else its positive biopsy, else the baseline's",
    at=(
        "$.followUp[*].lesions[*]",
        "$.followUp[*].cancerDiagnosis.carcinomaClass",
        "$.followUp[*].fupBiopsyNegative",
    ),
    rules=("follow_up_lesion", "follow_up_lesion.diam1"),
    form=RELAPSE,
    errata=(42,),
    examples=(
        Example(
            "each record's own class; what is measured of a lesion is linked to that lesion",
            followed(
                {**mri(300), **classed(ACINAR), "lesions": [{}, {"diam1": 4}]},
                {**mri(400), "fupBiopsyNegative": False, "lesions": [{"diam1": 5}]},
                {**mri(500), "fupBiopsyNegative": True, "lesions": [{}]},
            ),
            (
                found("[0][0]", 4161028, ACINAR),
                found("[0][1]", 4161028, ACINAR),
                found("[1][0]", 200962, "Biopsy positive", Visit("visit.follow_up_imaging[1]", "2001-02-04")),
                found("[2][0]", 4115735, "lesion", Visit("visit.follow_up_imaging[2]", "2001-05-15")),
                *(
                    measured(
                        f"follow_up_lesion.diam1{item}",
                        4245121,
                        number=number,
                        unit=8588,
                        of=f"follow_up_lesion{item}",
                        at=at,
                    )
                    for item, number, at in (
                        ("[0][1]", 4, AT_MRI),
                        ("[1][0]", 5, Visit("visit.follow_up_imaging[1]", "2001-02-04")),
                    )
                ),
                *(
                    event(CONDITION, f"follow_up_lesion{item}")
                    for item in ("[0][0]", "[0][1]", "[1][0]", "[2][0]")
                ),
            ),
        ),
        Example(
            "a class without a concept of its own",
            followed({**mri(300), **classed("Other"), "lesions": [{}]}),
            (found("[0][0]", 200962, "Other"), event(CONDITION, "follow_up_lesion[0][0]")),
        ),
        Example(
            "a negative biopsy, although there is a class at baseline",
            {**classed(ACINAR), **followed({**mri(300), "fupBiopsyNegative": True, "lesions": [{}]})},
            (found("[0][0]", 4115735, "lesion"), event(CONDITION, "follow_up_lesion[0][0]")),
        ),
        Example(
            "neither, and a class at baseline: that class",
            {**classed(ACINAR), **followed({**mri(300), "lesions": [{}]})},
            (found("[0][0]", 4161028, ACINAR), event(CONDITION, "follow_up_lesion[0][0]")),
        ),
        Example(
            "neither, and a positive biopsy at baseline",
            {"biopsyInfo": POSITIVE, **followed({**mri(300), "lesions": [{}]})},
            (found("[0][0]", 200962, "Biopsy positive"), event(CONDITION, "follow_up_lesion[0][0]")),
        ),
        Example(
            "without an MRI's date: the biopsy's",
            followed({**biopsy(310), "lesions": [{}]}),
            (found("[0][0]", 4115735, "lesion", AT_BIOPSY), event(CONDITION, "follow_up_lesion[0][0]")),
        ),
        Example(
            "without either: the record's",
            followed({**psa("2020-06-01"), "lesions": [{}]}),
            (found("[0][0]", 4115735, "lesion", AT_RECORD), event(CONDITION, "follow_up_lesion[0][0]")),
        ),
    ),
)

PROGRESSION = Line(
    "Likelihood of progression",
    "on the screen of use case 8 only",
    at=("$.followUp[*].imagingInfo.likelihoodOfProgression",),
    rules=("likelihood_of_progression",),
    form=SURVEILLANCE,
    errata=(36,),
    examples=(
        *(
            Example(
                f"{number}, recorded of the follow-up's MRI",
                followed(mri(300, likelihoodOfProgression=number)),
                (
                    measured(
                        "likelihood_of_progression[0]",
                        2000001002,
                        number=number,
                        source="likelihoodOfProgression",
                        of="follow_up_mri[0]",
                        at=AT_MRI,
                    ),
                ),
            )
            for number in (1, 5)
        ),
        Example("not recorded", followed(mri(300, likelihoodOfProgression=None))),
    ),
)

RELAPSED = Line(
    "Biochemical relapse",
    "on the screens of use cases 5 and 6 only",
    at=("$.followUp[*].biochemicalRelapse",),
    rules=("biochemical_relapse",),
    form=RELAPSE,
    errata=(36,),
    examples=(
        *(
            Example(
                str(answer),
                followed({**psa("2020-06-01"), "biochemicalRelapse": answer}),
                (
                    observed(
                        "biochemical_relapse[0]",
                        2000001001,
                        value=concept,
                        source="biochemicalRelapse",
                        at=AT_RECORD,
                    ),
                ),
            )
            for answer, concept in ((True, PRESENT), (False, ABSENT))
        ),
        Example("not recorded", followed({**psa("2020-06-01"), "biochemicalRelapse": None})),
        Example(
            "in a record without any date",
            followed({"biochemicalRelapse": True}),
            problems=(
                "biochemical_relapse: invalid $.followUp[0].biochemicalRelapse:"
                " its visit 'follow_up' has no date",
            ),
        ),
    ),
)

RECORDS = Part(
    "Follow-up records (sections 4.2.1 and 5.3.2)",
    __name__,
    (MRI_OF_RECORD, BIOPSY_OF_RECORD, LESIONS_OF_RECORD, PROGRESSION, RELAPSED),
)
