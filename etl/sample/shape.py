"""The numbers behind the synthetic cases: forms, sites, and what is found at baseline.

They come from general clinical knowledge (textbook orders of magnitude for prostate cancer), not from any
data set. Severity is one scale for all forms: 0 is the typical metastatic case, 1 a standard deviation worse;
a cancer that surgery or radiotherapy can cure lies around -1.5, one under surveillance around -2.3.
"""

from datetime import date
from itertools import accumulate
from math import inf
from typing import NamedTuple

from etl.sample.draws import Grades, LogNormal, Normal


class Form(NamedTuple):
    """A form's patients: their share of the cases, their severity, and how they differ besides."""

    share: float
    severity: tuple[float, float]
    """Middle and spread."""
    age_shift: float = 0
    """Years, besides severity."""
    psa_shift: float = 0
    """Of the logarithm of PSA, besides severity."""
    nodes_shift: float = 0
    """Of the log odds of cN1, besides severity."""
    worst: float = inf
    """The highest score of stage and grade that the form takes."""
    metastatic: bool = False
    operated: float = 0
    """Share with prostatectomy at severity 0; 1 when the form is about prostatectomy."""
    again: str = "1+2"
    """The other form of a patient of this form who has two."""


SURGERY_AGAIN = ("1+2+5+9", "1+2+5+7b+9")
FORMS = {
    "1": Form(0.15, (-2.6, 0.3), age_shift=-3, psa_shift=0.6, nodes_shift=-9, worst=-1.3),
    "1+2": Form(0.20, (-1.3, 0.7), age_shift=-1, nodes_shift=-2, operated=0.25, again=SURGERY_AGAIN[0]),
    "1+2+3": Form(0.12, (0, 1), metastatic=True, operated=0.08),
    "1+2+5+9": Form(
        0.15, (-1.5, 0.5), age_shift=-4, nodes_shift=-2.5, worst=1.2, operated=1, again=SURGERY_AGAIN[1]
    ),
    "1+2+6+7a+9": Form(0.13, (-1.1, 0.6), age_shift=2, nodes_shift=-2),
    "1+2+5+7b+9": Form(
        0.10, (-1.6, 0.5), age_shift=-5, nodes_shift=-2.5, worst=1.2, operated=1, again=SURGERY_AGAIN[0]
    ),
    "1+2+8+9": Form(
        0.15, (-2.3, 0.3), age_shift=-1, psa_shift=0.2, nodes_shift=-9, worst=-1.35, again=SURGERY_AGAIN[0]
    ),
}
# Shares of one, added up; multiples of the step, modulo 1, fill the unit interval evenly.
FORM = Grades(tuple(FORMS), tuple(accumulate(form.share for form in FORMS.values()))[:-1])
FORM_STEP = 2**0.5 - 1
# Of this many cases in a row, the last is the second form of one of the patients before it.
CASES_PER_SECOND_FORM = 12


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

# Metastatic disease is found in the early seventies, curable disease earlier. Glands grow with age.
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
FIRST_BASELINE, BASELINE_DAYS = date(2013, 1, 1), 2190

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
UPSTAGED = 0.7  # pathology finds more than the MRI; added to the score of T
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
    "Other": 0.12,
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
BIOPSY_BEFORE_SURGERY, BIOPSY_FINDS, NERVES_SPARED = 0.85, 0.95, 0.6
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

# Shares of values that clinics leave out: free PSA, a lesion's volume, the T stage at biopsy.
FREE_PSA_GAP, VOLUME_GAP, BIOPSY_T_GAP = 0.35, 0.15, 0.6

# Patient numbers: k -> (k * MULTIPLIER + offset) mod PATIENTS is one to one, as MULTIPLIER is prime to 10.
PATIENTS, MULTIPLIER = 10**12, 618_033_988_749
