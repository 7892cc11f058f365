"""D4.4's Table 24 as data: the custom vocabulary, and the rules that use each concept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from etl.mapping.bound import Bound, BoundRule, Constant, Translate
from etl.mapping.folder import Place
from etl.mapping.tables import Target


@dataclass(frozen=True)
class Row:
    """A row of Table 24."""

    name: str
    domain: str
    concept_class: str
    rules: tuple[str, ...] = ()
    """The rules of the mapping that use it, in the mapping's order."""
    unused: str = ""
    """Why no rule does."""
    errata: tuple[int, ...] = ()


def _lesion(rule: str) -> tuple[str, ...]:
    return f"lesion.{rule}", f"follow_up_lesion.{rule}"


STUDY, ONCOLOGY = "Study Variable", "Oncology Variable"
TOXICITY = (
    "rectal_tox_acute",
    "rectal_tox_chronic",
    "genitourinary_tox_acute",
    "genitourinary_tox_chronic",
)

#: In the table's order: the first is concept 2000000001.
TABLE_24: tuple[Row, ...] = (
    Row("Index Lesion", "Observation", STUDY, _lesion("index_lesion")),
    Row("Lesion Visible on MRI", "Observation", STUDY, _lesion("mri_visible")),
    Row("Nerve-sparing prostatectomy", "Procedure", STUDY, ("nerve_sparing",), errata=(10,)),
    Row("PI-RADS score", "Measurement", ONCOLOGY, _lesion("pi_rads"), errata=(6,)),
    Row("In-Bore Biopsy", "Procedure", STUDY, ("biopsy", "follow_up_biopsy"), errata=(11,)),
    Row("Aggressive Cancer", "Condition", STUDY, ("relative_aggressive",)),
    Row("Baseline Visit", "Visit", "Visit", ("visit.baseline",)),
    Row("PSA Visit", "Visit", "Visit", ("visit.psa",)),
    Row("Baseline Visit - Imaging", "Visit", "Visit", ("visit.imaging",)),
    Row(
        "Follow-Up Visit",
        "Visit",
        "Visit",
        ("visit.final_diagnosis", "visit.follow_up", "visit.questionnaire"),
        errata=(32, 33, 35),
    ),
    Row("Follow-Up Visit - Baseline", "Visit", "Visit", ("visit.follow_up_baseline",)),
    Row("Follow-Up Visit - PSA", "Visit", "Visit", ("visit.follow_up_psa",)),
    Row("Follow-Up Visit - Biopsy", "Visit", "Visit", ("visit.follow_up_biopsy",)),
    Row("Follow-Up Visit - Imaging", "Visit", "Visit", ("visit.follow_up_imaging",)),
    # The answers to Wheeler ranking: Table 24 prints Measurement.
    *(
        Row(level, "Meas Value", ONCOLOGY, ("wheeler_ranking",), errata=(7,))
        for level in ("L0", "L1", "L2", "L3F", "L3E", "LX")
    ),
    Row("Wheeler Ranking", "Measurement", ONCOLOGY, ("wheeler_ranking",)),
    Row("Prostate Volume", "Measurement", STUDY, ("prostate_volume",), errata=(2,)),
    *(
        Row(f"RTOG/EORTC {name} radiation morbidity score", "Measurement", ONCOLOGY, (rule,), errata=errata)
        for name, rule, errata in zip(
            ("rectal acute", "rectal chronic", "genitourinary acute", "genitourinary chronic"),
            TOXICITY,
            ((6,), (6,), (6,), (4, 6)),
            strict=True,
        )
    ),
    *(Row(f"Grade {grade}", "Meas Value", ONCOLOGY, TOXICITY, errata=(6,)) for grade in range(1, 6)),
    Row("Grade 5", "Meas Value", ONCOLOGY, unused="printed twice: 2000000031 is Grade 5", errata=(5,)),
    Row(
        "Expanded Prostate cancer Index Composite score (EPIC-26)",
        "Measurement",
        STUDY,
        ("epic26",),
        errata=(6,),
    ),
    Row("Q52. To what extent was sex enjoyable for you?", "Observation", STUDY, ("eortc_q52",), errata=(6,)),
    Row(
        "Q53. Did you have difficulty getting or maintaining an erection?",
        "Observation",
        STUDY,
        ("eortc_q53",),
        errata=(6,),
    ),
    Row(
        "Q54. Did you have ejaculation problems (e.g. dry ejaculation)?",
        "Observation",
        STUDY,
        ("eortc_q54",),
        errata=(6,),
    ),
    Row(
        "Q55. Have you felt uncomfortable about being sexually intimate?",
        "Observation",
        STUDY,
        ("eortc_q55",),
        errata=(6,),
    ),
    Row(
        "EORTC Quality of Life Questionnaire-PR25",
        "Measurement",
        STUDY,
        unused="the case document has its questions, not their score",
        errata=(6, 22),
    ),
)


def rules_by_concept(mapping: Bound) -> Mapping[int, tuple[str, ...]]:
    """The rules whose rows can hold a concept, for every number that the mapping writes."""
    found: dict[int, dict[str, None]] = {}
    for rule in mapping.every_rule():
        for concept in _written((rule.concept, rule.columns)):
            found.setdefault(concept, {})[rule.name] = None
    return {concept: tuple(names) for concept, names in found.items()}


def _written(node: Any) -> Iterator[int]:
    """Every number that an expression can yield."""
    if isinstance(node, Constant):
        yield from (node.value,) if isinstance(node.value, int) else ()
    elif isinstance(node, Translate):
        yield from (to for _, to in node.table if isinstance(to, int))
    elif isinstance(node, (tuple, Mapping)):
        for one in node.values() if isinstance(node, Mapping) else node:
            yield from _written(one)
    elif is_dataclass(node) and not isinstance(node, (BoundRule, Place, Target, type)):
        for field in fields(node):
            yield from _written(getattr(node, field.name))
