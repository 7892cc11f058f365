"""Table 23, part "Lesion Info": the lesions at baseline, and those of follow-up records."""

from tests.spec.table_23.notation import (
    ABSENT,
    MRI,
    PRESENT,
    Changes,
    Example,
    Line,
    Part,
    Visit,
    measured,
    noted,
    observed,
)

#: D4.4 prints the codes with their concepts; 37399019 for ALPZa is erratum 17.
SECTORS = {
    "BLAS": 37396905, "BRAS": 37396904, "BLTZa": 37396909, "BRTZa": 37396908, "BLTZp": 37396910,
    "BRTZp": 37399562, "BLCZ": 37396912, "BRCZ": 37396911, "BLPZa": 37396915, "BRPZa": 37399563,
    "BLPZpl": 37396917, "BRPZpl": 37396916, "MLAS": 37396920, "MRAS": 37396919, "MLTZa": 37396923,
    "MRTZa": 37396922, "MLTZp": 37396925, "MRTZp": 37396924, "MLPZa": 37396928, "MRPZa": 37396927,
    "MLPZpl": 37396930, "MRPZpl": 37396929, "MLPZpm": 37396932, "MRPZpm": 37396931, "ALAS": 37396934,
    "ARAS": 37396933, "ALTZa": 37396938, "ARTZa": 37396937, "ALTZp": 37396940, "ARTZp": 37396939,
    "ALPZa": 37399019, "ARPZa": 37399567, "ALPZpl": 37396944, "ARPZpl": 37396943, "ALPZpm": 37396945,
    "ARPZpm": 37399568,
}  # fmt: skip
#: A lesion seen at a follow-up MRI on day 400.
FOLLOW_UP = Visit("visit.follow_up_imaging[0]", "2001-02-04")
SURVEILLANCE = "1+2+8+9"


def lesions(*items: Changes, **others: object) -> Changes:
    return {"lesions": list(items), **others}


def followed(*items: Changes) -> Changes:
    return {"followUp": [{"imagingInfo": {"daysAfterBaseline": 400}, "lesions": list(items)}]}


def measured_line(
    field: str,
    d4_4: str,
    rule: str,
    concept: int,
    number: float,
    *errata: int,
    name: str = "",
    unit: int = 0,
    value: int = 0,
) -> Line:
    """A number of a lesion: a measurement recorded of the lesion, at baseline and at follow-up alike."""

    def row(above: str, item: str, said: float, at: Visit) -> str:
        made = f"{above}.{rule}{item}"
        return measured(made, concept, number=said, unit=unit, value=value, of=above + item, at=at)

    name = name or field
    quoted = f'"{name}"' if "-" in name else name
    return Line(
        field,
        d4_4,
        at=(f"$.lesions[*].{quoted}", f"$.followUp[*].lesions[*].{quoted}"),
        rules=(f"lesion.{rule}", f"follow_up_lesion.{rule}"),
        errata=errata,
        examples=(
            Example(
                "of the second lesion",
                lesions({name: None}, {name: number}),
                (row("lesion", "[1]", number, MRI),),
            ),
            Example(
                "of a follow-up's lesion",
                followed({name: number}),
                (row("follow_up_lesion", "[0][0]", number, FOLLOW_UP),),
                form=SURVEILLANCE,
            ),
        ),
    )


def location_row(above: str, lesion: str, item: int, code: str, at: Visit = MRI) -> str:
    return measured(
        f"{above}.location{lesion}[{item}]",
        4135405,
        value=SECTORS[code],
        recorded=code,
        of=above + lesion,
        at=at,
    )


LOCATION = Line(
    "location",
    "Site of lesion 4135405, value: one of 36 sectors",
    at=("$.lesions[*].location[*]", "$.followUp[*].lesions[*].location[*]"),
    rules=("lesion.location", "follow_up_lesion.location"),
    errata=(17, 18),
    maps={"lesion_site": SECTORS},
    examples=(
        *(
            Example(code, lesions({"location": [code]}), (location_row("lesion", "[0]", 0, code),))
            for code in SECTORS
        ),
        Example(
            "several sectors of several lesions",
            lesions({"location": ["BLAS", "BRAS"]}, {"location": []}, {"location": ["ARPZpm"]}),
            (
                location_row("lesion", "[0]", 0, "BLAS"),
                location_row("lesion", "[0]", 1, "BRAS"),
                location_row("lesion", "[2]", 0, "ARPZpm"),
            ),
        ),
        Example(
            "of a follow-up's lesion",
            followed({"location": ["MRPZpl"]}),
            (location_row("follow_up_lesion", "[0][0]", 0, "MRPZpl", FOLLOW_UP),),
            form=SURVEILLANCE,
        ),
    ),
)

SCORE_AT_BIOPSY = lesions({"gleason1": 3, "gleason2": 4}, lesionLocationBasedOn="Biopsy")
GLEASON_SCORE = Line(
    "(Gleason's score, without a field)",
    "Gleason's Score on Prostatectomy/Autopsy 35918021, many concepts as values",
    at=("$.lesions[*].gleason1", "$.lesions[*].gleason2", "$.lesionLocationBasedOn"),
    rules=("lesion.gleason_score",),
    errata=(19, 37),
    examples=(
        Example(
            "of the specimen",
            lesions(
                {"gleason1": 3, "gleason2": 4},
                {"gleason1": 5, "gleason2": None},
                {"gleason1": 4, "gleason2": 4},
                lesionLocationBasedOn="Prostatectomy",
            ),
            (
                measured("lesion.gleason_score[0]", 35918021, number=7, recorded="3+4", of="lesion[0]"),
                measured("lesion.gleason_score[2]", 35918021, number=8, recorded="4+4", of="lesion[2]"),
            ),
        ),
        Example("of a biopsy there is none", SCORE_AT_BIOPSY),
        Example("where the location is based on nothing known", lesions({"gleason1": 3, "gleason2": 4})),
    ),
)

MRI_VISIBLE = Line(
    "MRIVisible",
    "MRI_visible 2000000002, connected to the lesion",
    at=("$.lesions[*].MRIVisible", "$.followUp[*].lesions[*].MRIVisible"),
    rules=("lesion.mri_visible", "follow_up_lesion.mri_visible"),
    examples=(
        Example(
            "true, false, not recorded",
            lesions({"MRIVisible": True}, {"MRIVisible": False}, {"MRIVisible": None}),
            tuple(
                observed(
                    f"lesion.mri_visible[{item}]",
                    2000000002,
                    value=answer,
                    source="MRIVisible",
                    of=f"lesion[{item}]",
                )
                for item, answer in enumerate((PRESENT, ABSENT))
            ),
        ),
        Example(
            "of a follow-up's lesion",
            followed({"MRIVisible": False}),
            (
                observed(
                    "follow_up_lesion.mri_visible[0][0]",
                    2000000002,
                    value=ABSENT,
                    source="MRIVisible",
                    of="follow_up_lesion[0][0]",
                    at=FOLLOW_UP,
                ),
            ),
            form=SURVEILLANCE,
        ),
    ),
)

INDEX_LESION = Line(
    "indexLesion",
    "index lesion 2000000001, connected to the lesion",
    at=("$.lesions[*].indexLesion", "$.followUp[*].lesions[*].indexLesion"),
    rules=("lesion.index_lesion", "follow_up_lesion.index_lesion"),
    examples=(
        Example(
            "false, true, not recorded",
            lesions({"indexLesion": False}, {"indexLesion": True}, {"indexLesion": None}),
            (observed("lesion.index_lesion[1]", 2000000001, source="indexlesion", of="lesion[1]"),),
        ),
        Example(
            "of a follow-up's lesion",
            followed({}, {"indexLesion": True}),
            (
                observed(
                    "follow_up_lesion.index_lesion[0][1]",
                    2000000001,
                    source="indexlesion",
                    of="follow_up_lesion[0][1]",
                    at=FOLLOW_UP,
                ),
            ),
            form=SURVEILLANCE,
        ),
    ),
)

BASED_ON = Line(
    "prostatectomyBasedLocation",
    "a note lesionLocationBasedOn: Biopsy or Prostatectomy",
    at=("$.lesionLocationBasedOn",),
    rules=("lesion_location_based_on",),
    examples=(
        *(
            Example(
                text,
                {"lesionLocationBasedOn": text},
                (noted("lesion_location_based_on", "lesionLocationBasedOn", text),),
            )
            for text in ("Biopsy", "Prostatectomy")
        ),
        Example("not recorded", {"lesionLocationBasedOn": None}),
    ),
)

LESIONS = Part(
    "Lesion Info",
    __name__,
    (
        measured_line(
            "diam1", "Lesion size, greatest dimension 4245121, 8588 mm", "diam1", 4245121, 12.5, 9, unit=8588
        ),
        measured_line(
            "diam2", "Lesion size, additional dimension 4245121, 8588 mm", "diam2", 4245121, 0, 9, unit=8588
        ),
        measured_line("volume", "Tumor volume 4121185, 8686 mm3", "volume", 4121185, 850, unit=8686),
        LOCATION,
        *(
            measured_line(
                f"X, Y, Z: {axis}",
                f"overlapping lesion 36770647, value {axis.lower()} {concept}",
                axis.lower(),
                36770647,
                -4.5,
                name=axis,
                value=concept,
            )
            for axis, concept in (("X", 4223576), ("Y", 4227659), ("Z", 4221919))
        ),
        measured_line("PI-RADS", "PI-RADS score 2000000004", "pi_rads", 2000000004, 4),
        measured_line("gleason1", "Primary Gleason pattern 4293445", "gleason1", 4293445, 3, 14),
        measured_line("gleason2", "Secondary Gleason pattern 4297948", "gleason2", 4297948, 4, 14),
        GLEASON_SCORE,
        MRI_VISIBLE,
        INDEX_LESION,
        BASED_ON,
    ),
)
