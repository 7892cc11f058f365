"""The numbers behind the synthetic cases of ``etl.sample``.

They come from general clinical knowledge (textbook orders of magnitude for metastatic prostate cancer), not
from any data set. Severity is a standard normal score: 0 is the typical case, 1 a standard deviation worse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import exp, log
from random import Random
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal value: its middle at severity 0, what a unit of severity adds, its own spread, its bounds."""

    middle: float
    severity: float
    spread: float
    low: float
    high: float

    def draw(self, rng: Random, severity: float = 0.0) -> float:
        """One value, cut at the bounds."""
        value = rng.gauss(self.middle + self.severity * severity, self.spread)
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Like Normal, for values over orders of magnitude: severity and spread are those of the logarithm."""

    middle: float
    severity: float
    spread: float
    low: float
    high: float

    def draw(self, rng: Random, severity: float = 0.0, shift: float = 0.0) -> float:
        """One value, its logarithm moved by ``shift`` besides severity, cut at the bounds."""
        value = exp(rng.gauss(log(self.middle) + self.severity * severity + shift, self.spread))
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Grades(Generic[T]):
    """Ordered grades, mild to severe: a score is cut at the bounds, so severity moves the shares."""

    grades: tuple[T, ...]
    bounds: tuple[float, ...]

    def at(self, score: float) -> T:
        """The grade that a score falls into."""
        return self.grades[sum(score > bound for bound in self.bounds)]


def pick(rng: Random, shares: Mapping[T, float]) -> T:
    """One of the keys, as often as its share says; shares need not add up to 1."""
    return rng.choices(tuple(shares), tuple(shares.values()))[0]


def pick_count(rng: Random, shares: tuple[float, ...]) -> int:
    """0, 1, 2 ..., as often as the share at that place says."""
    return rng.choices(range(len(shares)), shares)[0]


def happens(rng: Random, log_odds: float) -> bool:
    """True at these odds (logistic)."""
    return rng.random() < 1 / (1 + exp(-log_odds))


def unspecific(rng: Random, stage: str, share: float) -> str:
    """The stage, without its subclass letter in this share of cases."""
    return stage[:3] if rng.random() < share else stage


def or_gap(rng: Random, value: T, share: float | None = None) -> T | None:
    """The value, or None in this share of cases (by default GAP)."""
    return None if rng.random() < (GAP if share is None else share) else value


class Site(NamedTuple):
    """A clinical site: whether it asks for family history, and the shares of its biopsies."""

    name: str
    asks_family: float
    biopsies: dict[str, float]


# Synthetic habits under real acronyms of the consortium.
SITES = (
    Site("FORTH", 0.3, {"Ultrasound": 0.45, "Fusion": 0.50, "In-Bore": 0.05}),
    Site("NCI", 0.8, {"Ultrasound": 0.70, "Fusion": 0.30}),
    Site("IPC", 0.6, {"Ultrasound": 0.25, "Fusion": 0.70, "In-Bore": 0.05}),
    Site("FPO", 0.5, {"Ultrasound": 0.30, "Fusion": 0.45, "In-Bore": 0.25}),
    Site("HULAFE", 0.4, {"Ultrasound": 0.55, "Fusion": 0.45}),
)

# Metastatic disease is found in the early seventies. Glands grow with age.
AGE = Normal(71, 1.5, 7, 42, 96)
VOLUME_ML = LogNormal(42, 0, 0.33, 15, 220)
VOLUME_PER_YEAR = 0.01

# PSA with metastases: tens of ng/mL, a tail to thousands; a larger gland leaks more (power of the volume).
# Free PSA below 10 % speaks for cancer, above 25 % against it. Doubling within months speaks for metastasis.
PSA = LogNormal(30, 0.9, 0.7, 1, 2000)
PSA_BY_VOLUME = 0.4
FREE_PERCENT = Normal(12, -2.5, 3.5, 2, 40)
DOUBLING_MONTHS = LogNormal(9, -0.5, 0.5, 2, 60)
ASSAY_DOUBLINGS = 0.04  # a PSA assay repeats within a few per cent
EARLIER_TESTS, DAYS_BETWEEN_EARLIER = (0.30, 0.30, 0.20, 0.12, 0.08), (60, 240)  # chance of 0, 1, 2 ... tests
LATER_TESTS, DAYS_BETWEEN_LATER = (0.70, 0.25, 0.05), (25, 60)
FIRST_BASELINE, BASELINE_DAYS = date(2016, 1, 1), 2190

# Metastatic disease is mostly locally advanced and high grade. T1 is by definition not palpable.
GRADE_NOISE = 0.6
T_STAGE = Grades(
    ("cT1c", "cT2a", "cT2b", "cT2c", "cT3a", "cT3b", "cT4"), (-2.0, -1.25, -0.8, -0.25, 0.45, 1.3)
)
GLEASON = Grades(
    ((3, 3), (3, 4), (4, 3), (4, 4), (3, 5), (5, 3), (4, 5), (5, 4), (5, 5)),
    (-2.2, -1.3, -0.6, 0.2, 0.25, 0.3, 1.1, 1.8),
)
PALPABLE = {"1": 0.05, "2": 0.50, "3": 0.80, "4": 0.95}
NODES, NODES_BY_SEVERITY, NODES_ON_MRI = 0.2, 0.9, 0.8  # log odds of cN1; share of it that MRI shows
UNSPECIFIC_T, UNSPECIFIC_M = 0.06, 0.10  # "cT3" where "cT3a" was meant

# Prostate cancer goes to bone first, then to nodes outside the pelvis; organs come late. Share, and effect of
# severity on its logarithm. cM0 and MX: nodal disease that a site counts as metastatic, or M not yet settled.
M_STAGE = {
    "cM1a": (0.22, -0.4),
    "cM1b": (0.60, 0),
    "cM1c": (0.12, 0.6),
    "MX": (0.015, -0.5),
    "cM0": (0.01, -0.8),
}
ORGANS = {
    "Liver": 0.33,
    "Lung": 0.40,
    "Brain": 0.04,
    "Digestive system": 0.05,
    "Retroperitoneum": 0.10,
    "Kidney and adrenal gland": 0.08,
    "Other": 0.06,
}
SECOND_ORGAN, ALSO_BONE, ALSO_NODES, RETROPERITONEAL_NODES = 0.25, 0.70, 0.45, 0.25
OTHER_SITES = ("Peritoneum", "Pleura", "Skin", "Penis")

# Staging: CT and bone scan by habit, PET where there is one.
MODALITIES = {"MRI": 0.35, "CT": 0.55, "choline-PET": 0.08, "fluciclovine-PET": 0.03, "PSMA-PET": 0.35}
BONE_MODALITIES = {"SPECT-CT": 0.08, "NaF-PET": 0.04, "Bone scan": 0.65}
IMAGED = 0.96
MONTHS = LogNormal(2.5, -0.3, 0.6, 0, 18)
MRI_DAYS = LogNormal(25, 0, 0.6, 2, 180)
MRI_FIRST = 0.06

# Lesions. Volumes are ellipsoids. PI-RADS 5 starts at 15 mm or at growth through the capsule, by definition.
LESIONS = (0.55, 0.27, 0.13, 0.05)  # chance of 1, 2, 3, 4
LESIONS_BY_SEVERITY = 0.3
DIAMETER_MM = LogNormal(20, 0.3, 0.25, 5, 90)
LARGEST_IN_GLAND = 0.75  # of the diameter of a ball of the gland's volume
OTHER_DIAMETER, SECOND_DIAMETER, THIRD_DIAMETER = (0.25, 0.60), (0.60, 0.95), (0.80, 1.00)
SMALLEST_MM, VISIBLE_FROM_MM, VISIBLE_SMALL = 3, 8, 0.75
PI_RADS_5_FROM_MM, PI_RADS_5_READ = 15, 0.93
PI_RADS = Grades((2, 3, 4), (-1.3, -0.2))
MM_PER_SECTOR = 18

# About 70 % of prostate cancers arise in the peripheral zone. Each zone's sectors of one side form a path of
# neighbours, and a lesion covers a stretch of it. "?" is the side.
ZONES = {
    ("B?PZa", "B?PZpl", "M?PZpl", "M?PZa", "A?PZa", "A?PZpl", "A?PZpm", "M?PZpm"): 0.70,
    ("B?TZp", "B?TZa", "M?TZa", "M?TZp", "A?TZp", "A?TZa"): 0.22,
    ("B?AS", "M?AS", "A?AS"): 0.05,
    ("B?CZ",): 0.03,
}
LEVEL_HEIGHT = {"B": 0.6, "M": 0.0, "A": -0.6}  # of the gland's radius

CARCINOMA = {
    "Acinar adenocarcinoma": 0.92,
    "Ductal adenocarcinoma": 0.03,
    "Intraductal carcinoma": 0.02,
    "Mucinous adenocarcinoma": 0.01,
    "Neuroendocrine carcinoma": 0.01,
    "Small cell carcinoma": 0.006,
    "Other": 0.004,
}

# Surgery is rare once metastasis is known; where it was done, it confirms a cancer that a biopsy missed.
OPERATED, BIOPSY_BEFORE_SURGERY, BIOPSY_FINDS, NERVES_SPARED = 0.08, 0.85, 0.95, 0.6
RP_METHOD = {
    "Radical retropubic": 0.30,
    "Robot assisted laparoscopic": 0.45,
    "Laparoscopic": 0.18,
    "Radical perineal": 0.04,
    "Other": 0.03,
}

RELATIVES = {"relativePCa": 0.15, "relativeBCa": 0.10, "relativeAggressiveCancer": 0.06}
RELATIVE_UNKNOWN = 0.12
RELATIVE_AGE = Normal(66, 0, 9, 35, 95)

# Shares of values that clinics leave out: any, free PSA, a lesion's volume, the T stage at biopsy.
GAP, FREE_PSA_GAP, VOLUME_GAP, BIOPSY_T_GAP = 0.05, 0.35, 0.15, 0.6

# Patient numbers: k -> (k * MULTIPLIER + offset) mod PATIENTS is one to one, as MULTIPLIER is prime to 10.
PATIENTS, MULTIPLIER = 10**12, 618_033_988_749
