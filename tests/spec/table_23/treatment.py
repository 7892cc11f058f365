"""Table 23, parts "Treatment Regimen" and "QoL questionnaire"."""

from tests.spec.table_23.notation import (
    MEASUREMENT,
    PROCEDURE,
    Changes,
    Example,
    Line,
    Part,
    Visit,
    episode,
    event,
    measured,
    observed,
    procedure,
    visit,
)

RADIOTHERAPY, QUALITY_OF_LIFE = "1+2+6+7a+9", "1+2+5+7b+9"
REGIMEN = 32531
NO_TECHNIQUE = 0

TECHNIQUES = {"IMRT": 40480519, "IGRT": 45956251, "3D CRT": 45911882, "HSR": 44809885, "Other": 3169882}
GRADES = {"1": 2000000027, "2": 2000000028, "3": 2000000029, "4": 2000000030, "5": 2000000031}


def treatment(**changes: object) -> Changes:
    return {"treatment": changes}


def regimen(name: str, concept: int, source: str) -> tuple[str, ...]:
    """The procedure, the episode whose object is the treatment, and that the one is the other's event."""
    return (
        procedure(name, concept, source),
        episode(
            f"episode.{name}",
            REGIMEN,
            concept,
            start="2000-01-21",
            parent="episode.disease",
            source=source,
        ),
        event(PROCEDURE, name, f"episode.{name}"),
    )


def dose_line(field: str, name: str, rule: str, d4_4: str, concept: int, unit: int, *errata: int) -> Line:
    row = f"radiotherapy.{rule}"
    said = {"number": 2.5 if unit == 9519 else 5, "unit": unit, "source": name, "of": "radiotherapy"}
    return Line(
        field,
        d4_4,
        at=(f"$.treatment.{name}",),
        rules=(row,),
        form=RADIOTHERAPY,
        errata=(*errata, 39),
        examples=(
            Example(
                "recorded of the radiotherapy",
                treatment(radiotherapyTechnique="IMRT", **{name: said["number"]}),
                (measured(row, concept, **said), event(MEASUREMENT, row, "episode.radiotherapy")),
            ),
            Example("not recorded", treatment(radiotherapyTechnique="IMRT", **{name: None})),
        ),
    )


def toxicity_line(field: str, rule: str, d4_4: str, concept: int, *errata: int) -> Line:
    def row(grade: int, value: int, of: str) -> str:
        return measured(rule, concept, number=grade, value=value, source=field, of=of)

    return Line(
        field,
        f"{d4_4} {concept}",
        at=(f"$.treatment.{field}",),
        rules=(rule,),
        form=RADIOTHERAPY,
        errata=(*errata, 34),
        maps={"rtog_grade": GRADES},
        examples=(
            *(
                Example(
                    f"grade {grade}",
                    treatment(radiotherapyTechnique="HSR", **{field: int(grade)}),
                    (
                        row(int(grade), value, "radiotherapy"),
                        event(MEASUREMENT, rule, "episode.radiotherapy"),
                    ),
                )
                for grade, value in {"0": 0, **GRADES}.items()
            ),
            Example(
                "without a technique it tells of a radiotherapy all the same",
                treatment(**{field: 2}),
                (row(2, 2000000028, "radiotherapy"), event(MEASUREMENT, rule, "episode.radiotherapy")),
            ),
            Example("not recorded", treatment(**{field: None})),
        ),
    )


TREATMENT = Part(
    "Treatment Regimen",
    __name__,
    (
        Line(
            "Radiotherapy technique",
            "40480519, 45956251, 45911882, 44809885, other 3169882: Treatment Regimen, Episode, Procedure",
            at=("$.treatment.radiotherapyTechnique",),
            rules=("radiotherapy", "episode.radiotherapy"),
            form=RADIOTHERAPY,
            errata=(12, 34, 39),
            maps={"rt_method": TECHNIQUES},
            examples=(
                *(
                    Example(
                        technique,
                        treatment(radiotherapyTechnique=technique),
                        regimen("radiotherapy", concept, technique),
                    )
                    for technique, concept in TECHNIQUES.items()
                ),
                *(
                    Example(
                        f"{dose} tells that there was radiotherapy, of unknown technique",
                        treatment(**{dose: 5}),
                        regimen("radiotherapy", NO_TECHNIQUE, "Radiotherapy"),
                    )
                    for dose in ("totalDose", "fractionsWeek", "doseFraction")
                ),
                Example("not recorded", treatment(radiotherapyTechnique=None)),
            ),
        ),
        Line(
            "Hormonotherapy",
            "Hormonotherapy 35803407: Treatment Regimen, Episode, Procedure",
            at=("$.treatment.hormonotherapy",),
            rules=("hormonotherapy", "episode.hormonotherapy"),
            form=RADIOTHERAPY,
            errata=(34, 39),
            examples=(
                Example(
                    "true",
                    treatment(hormonotherapy=True),
                    regimen("hormonotherapy", 35803407, "Hormonotherapy"),
                ),
                Example("false", treatment(hormonotherapy=False)),
                Example("not recorded", treatment(hormonotherapy=None)),
            ),
        ),
        dose_line("Total dose", "totalDose", "total_dose", "Total dose 35918606, Gray 9519", 35918606, 9519),
        dose_line(
            "fractionsWeek",
            "fractionsWeek",
            "fractions_week",
            "Phase I Number of Fractions 35918481, per week 44777559",
            35918481,
            44777559,
            20,
        ),
        dose_line(
            "doseFraction",
            "doseFraction",
            "dose_fraction",
            "Phase I Dose per Fraction 35918531, Gray 9519",
            35918531,
            9519,
        ),
        toxicity_line(
            "rectalToxAcute",
            "rectal_tox_acute",
            "RTOG/EORTC rectal acute radiation morbidity score",
            2000000023,
            5,
        ),
        toxicity_line(
            "rectalToxChronic",
            "rectal_tox_chronic",
            "RTOG/EORTC rectal chronic radiation morbidity score",
            2000000024,
            5,
        ),
        toxicity_line(
            "genitourinaryToxAcute",
            "genitourinary_tox_acute",
            "RTOG/EORTC genitourinary acute radiation morbidity score",
            2000000025,
            5,
        ),
        toxicity_line(
            "genitourinaryToxChronic",
            "genitourinary_tox_chronic",
            "RTOG/EORTC genitourinary acute radiation morbidity score",
            2000000026,
            4,
            5,
        ),
    ),
)

AT_MRI = Visit("visit.questionnaire", "2000-01-21")
AT_FOLLOW_UP = Visit("visit.questionnaire", "2001-02-04")
FOLLOW_UP: Changes = {
    "followUp": [{}, {"imagingInfo": {"daysAfterBaseline": 400}}, {"imagingInfo": {"daysAfterBaseline": 300}}]
}
ANSWERS = {1: "not at all", 2: "a little", 3: "quite a bit", 4: "very much"}


def questionnaire(**changes: object) -> Changes:
    return {"qualityOfLife": changes}


def visited(at: Visit) -> str:
    return visit("visit.questionnaire", 2000000010, at.day, "questionnaire")


def question_line(field: str, rule: str, concept: int, question: str) -> Line:
    def rows(answer: int, at: Visit) -> tuple[str, str]:
        said = observed(rule, concept, number=answer, text=ANSWERS[answer], source=field, at=at)
        return visited(at), said

    return Line(
        field,
        f"{question} {concept}",
        at=(f"$.qualityOfLife.{field}",),
        rules=(rule, "visit.questionnaire"),
        form=QUALITY_OF_LIFE,
        errata=(22, 35),
        examples=(
            *(
                Example(f"{answer}: {text}", questionnaire(**{field: answer}), rows(answer, AT_MRI))
                for answer, text in ANSWERS.items()
            ),
            Example(
                "at the follow-up's latest date",
                {**questionnaire(**{field: 4}), **FOLLOW_UP},
                rows(4, AT_FOLLOW_UP),
            ),
            Example("not recorded", questionnaire(**{field: None})),
        ),
    )


QUALITY = Part(
    "QoL questionnaire",
    __name__,
    (
        Line(
            "epic26",
            "EPIC-26 2000000033",
            at=("$.qualityOfLife.epic26",),
            rules=("epic26", "visit.questionnaire"),
            form=QUALITY_OF_LIFE,
            errata=(35,),
            examples=(
                *(
                    Example(
                        f"{score}, without a follow-up's date: the MRI's",
                        questionnaire(epic26=score),
                        (visited(AT_MRI), measured("epic26", 2000000033, number=score, at=AT_MRI)),
                    )
                    for score in (0, 88.5, 100)
                ),
                Example(
                    "at the follow-up's latest date",
                    {**questionnaire(epic26=88), **FOLLOW_UP},
                    (visited(AT_FOLLOW_UP), measured("epic26", 2000000033, number=88, at=AT_FOLLOW_UP)),
                ),
                Example("not recorded", questionnaire(epic26=None)),
            ),
        ),
        question_line("EORTC_Q52", "eortc_q52", 2000000034, "To what extent was sex enjoyable for you?"),
        question_line(
            "EORTC_Q53",
            "eortc_q53",
            2000000035,
            "Did you have difficulty getting or maintaining an erection?",
        ),
        question_line(
            "EORTC_Q54",
            "eortc_q54",
            2000000036,
            "Did you have ejaculation problems (e.g. dry ejaculation)?",
        ),
        question_line(
            "EORTC_Q55",
            "eortc_q55",
            2000000037,
            "Have you felt uncomfortable about being sexually intimate?",
        ),
    ),
)
