"""The course of one patient's disease: the truth that the sections of a form record parts of."""

from datetime import date, timedelta
from math import exp, log, pi
from random import Random
from typing import Any, NamedTuple

from etl.sample import draws, shape

DAYS_PER_MONTH = 30.44


class Course(NamedTuple):
    """The truth of one patient at baseline. Days are counted from the baseline PSA test."""

    severity: float
    site: shape.Site
    age: int
    start: date
    """The date of the baseline PSA test."""
    volume: float
    """Of the gland, mL."""
    psa: float
    """At baseline, ng/mL."""
    free_percent: float
    doubling_days: float
    psa_days: tuple[int, ...]
    """Of the tests up to the diagnosis, ascending, 0 among them."""
    t: str
    """Clinical."""
    pathological_t: str
    """What surgery finds, or would find."""
    nodes: bool
    m: str
    grade: float
    """Score of the index lesion, cut into Gleason patterns."""
    operated: bool
    spared: bool
    """Whether surgery spared the nerves; False without surgery."""
    mri_day: int
    carcinoma: str
    lesions: tuple[dict[str, Any], ...] = ()
    """As the form has them; drawn when the rest is known."""

    @property
    def diagnosed(self) -> int:
        """The day on which the MRI and all tests before treatment are done."""
        return max(self.mri_day, *self.psa_days)

    @property
    def gland_radius(self) -> float:
        """Radius in mm of a ball of the gland's volume."""
        return float((self.volume * 1000 * 3 / (4 * pi)) ** (1 / 3))

    def on(self, day: int) -> date:
        """The date of a day."""
        return self.start + timedelta(days=day)


def draw_course(rng: Random, form: shape.Form) -> Course:
    """The course of a patient of this form."""
    severity = rng.gauss(*form.severity)
    age = round(shape.AGE.draw(rng, severity, form.age_shift))
    volume = shape.VOLUME_ML.draw(rng, shift=shape.VOLUME_PER_YEAR * (age - shape.AGE.middle))
    larger = shape.PSA_BY_VOLUME * log(volume / shape.VOLUME_ML.middle)
    extent = rng.gauss(severity, shape.GRADE_NOISE)
    t = shape.T_STAGE.at(min(extent, form.worst))
    m = _m_stage(rng, severity) if form.metastatic else "cM0"
    operated = form.operated == 1 or rng.random() < form.operated * exp(-severity / 2)
    mri_day = round(shape.MRI_DAYS.draw(rng))
    odds_of_nodes = shape.NODES + shape.NODES_BY_SEVERITY * severity + form.nodes_shift
    return Course(
        severity=severity,
        site=draws.one_of(rng, shape.SITES),
        age=age,
        start=shape.FIRST_BASELINE + timedelta(days=int(rng.random() * shape.BASELINE_DAYS)),
        volume=volume,
        psa=shape.PSA.draw(rng, severity, larger + form.psa_shift),
        free_percent=shape.FREE_PERCENT.draw(rng, severity),
        doubling_days=shape.DOUBLING_MONTHS.draw(rng, severity) * DAYS_PER_MONTH,
        psa_days=_psa_days(rng),
        t=t,
        pathological_t=_pathological(min(extent + shape.UPSTAGED, form.worst)),
        nodes=draws.happens(rng, odds_of_nodes) or (form.metastatic and m == "cM0"),
        m=m,
        grade=min(rng.gauss(severity, shape.GRADE_NOISE), form.worst),
        operated=operated,
        spared=operated and _nerves_spared(rng, t),
        mri_day=-mri_day if rng.random() < shape.MRI_FIRST else mri_day,
        carcinoma=draws.pick(rng, shape.CARCINOMA),
    )


def after_surgery(rng: Random, course: Course) -> Course:
    """The course of a patient whose other form comes before the prostatectomy."""
    return course if course.operated else course._replace(operated=True, spared=_nerves_spared(rng, course.t))


def _m_stage(rng: Random, severity: float) -> str:
    return draws.pick(
        rng, {m: share * exp(effect * severity) for m, (share, effect) in shape.M_STAGE.items()}
    )


def _pathological(score: float) -> str:
    """There is no pT1: a removed tumour that nobody felt is a pT2."""
    t = shape.T_STAGE.at(score)
    return "pT2" if t == "cT1c" else t.replace("c", "p", 1)


def _nerves_spared(rng: Random, t: str) -> bool:
    return t[2] in "12" and rng.random() < shape.NERVES_SPARED


def _psa_days(rng: Random) -> tuple[int, ...]:
    days = [0]
    for _ in range(draws.pick_count(rng, shape.EARLIER_TESTS)):
        days.insert(0, days[0] - draws.days_within(rng, shape.DAYS_BETWEEN_EARLIER))
    for _ in range(draws.pick_count(rng, shape.LATER_TESTS)):
        days.append(days[-1] + draws.days_within(rng, shape.DAYS_BETWEEN_LATER))
    return tuple(days)
