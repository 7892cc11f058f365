"""The numbers behind what comes after the diagnosis: treatment, its effects, follow-up, and images."""

from typing import NamedTuple

from etl.sample.draws import Grades, LogNormal, Normal

# Treatment starts so many days after the diagnosis.
DAYS_TO_TREATMENT = (20, 120)

# Pathology of the removed prostate. Log odds of tumour at the margin, by the digit of T.
MARGINS_INVOLVED = {"2": -2.2, "3": -0.7, "4": 1.0}
WHEELER_CONFINED = {"L0": 0.35, "L1": 0.30, "L2": 0.32, "LX": 0.03}
WHEELER_BEYOND = {"L3F": 0.40, "L3E": 0.57, "LX": 0.03}
BEYOND_WITH_VESICLES = 0.9  # pT3b without extension elsewhere is rare
PERINEURAL, PERINEURAL_BY_SEVERITY = 2.0, 1.0


class Regimen(NamedTuple):
    """How a dose is given: gray in all, gray a fraction, fractions a week."""

    total: float
    fraction: float
    week: int


TECHNIQUES = {"IMRT": 0.45, "IGRT": 0.25, "3D CRT": 0.12, "HSR": 0.14, "Other": 0.04}
REGIMENS = {
    "IMRT": {Regimen(78, 2, 5): 0.6, Regimen(76, 2, 5): 0.2, Regimen(60, 3, 5): 0.2},
    "IGRT": {Regimen(60, 3, 5): 0.5, Regimen(78, 2, 5): 0.3, Regimen(70, 2.5, 5): 0.2},
    "3D CRT": {Regimen(74, 2, 5): 0.5, Regimen(70, 2, 5): 0.3, Regimen(72, 1.8, 5): 0.2},
    "HSR": {Regimen(36.25, 7.25, 2): 0.5, Regimen(42.7, 6.1, 3): 0.3, Regimen(40, 8, 2): 0.2},
    "Other": {Regimen(66, 2.2, 5): 0.6, Regimen(74, 2, 5): 0.4},
}
HORMONES, HORMONES_BY_SEVERITY = 1.1, 1.2  # log odds
# RTOG/EORTC grades of a score: half of it the patient's frailty. Late effects are milder.
ACUTE = Grades((0, 1, 2, 3, 4), (0.0, 0.9, 2.1, 2.9))
CHRONIC = Grades((0, 1, 2, 3, 4), (0.5, 1.3, 2.3, 3.0))

# Quality of life after prostatectomy. Function is a score, better with nerves spared, worse with age.
FUNCTION_SPREAD, FUNCTION_SPARED, FUNCTION_PER_YEAR, FUNCTION_AGE = 0.8, 0.9, -0.05, 65
EPIC26 = Normal(74, 8, 9, 0, 100)  # moved by function as others are by severity
ENJOYABLE = Grades((1, 2, 3, 4), (-0.6, 0.3, 1.2))
DIFFICULTY = Grades((4, 3, 2, 1), (-0.2, 0.6, 1.4))
DRY = Grades((4, 3, 2, 1), (1.3, 1.8, 2.3))  # the rule after prostatectomy
UNCOMFORTABLE = Grades((4, 3, 2, 1), (-1.3, -0.6, 0.4))
ANSWER_NOISE = 0.5

# After prostatectomy PSA is below 0.1 ng/mL; 0.2 twice running is a relapse. Chance of relapse, as log odds.
FIRST_CONTROL = (42, 90)
CONTROL_EVERY = (80, 190)
CONTROLS = (4, 10)
PSA_AFTER_SURGERY = LogNormal(0.02, 0, 0.5, 0.01, 0.05)
SURGERY_RELAPSE, RELAPSE_BY_SEVERITY = 0.6, 1.2
RELAPSE_PSA, RELAPSE_FOUND_AT = 0.2, 1.3  # ng/mL; times the threshold when it is found
RELAPSE_DOUBLING_MONTHS = LogNormal(6, -0.3, 0.4, 2, 14)

# After radiotherapy PSA falls to a nadir; nadir + 2 ng/mL is a relapse (Phoenix).
PSA_NADIR = LogNormal(0.35, 0.2, 0.6, 0.02, 1.5)
FALL_HALF_LIFE = 55  # days
RADIATION_RELAPSE = 0.0
PHOENIX_RISE = 2.0

# Follow-up at least a year after a negative MRI or biopsy: how often each of the three confirms it, and how
# often dates are recorded.
CONFIRMED = {"fupPSANormalRange": 0.75, "fupMRINegative": 0.6, "fupBiopsyNegative": 0.35}
PSA_NOT_NORMAL = 0.08
DATED = 0.4
A_YEAR_OR_MORE = (365, 900)
SLOW_DOUBLING = 4000  # days; PSA of a benign gland

# Active surveillance: records about yearly until progression.
SURVEILLANCE_DOUBLING = 1100  # days, at least; a faster rise ends surveillance
YEARS = (0.10, 0.22, 0.24, 0.20, 0.14, 0.10)  # chance of 1, 2, 3 ... records
RECORD_EVERY = (330, 400)
PSA_TESTS_A_YEAR = (0, 0.15, 0.40, 0.30, 0.15)  # chance of 0, 1, 2 ...
MRI_FIRST_YEAR, MRI_LATER = 0.8, 0.6
BIOPSY_FIRST_YEAR, BIOPSY_LATER, BIOPSY_ON_PROGRESSION = 0.65, 0.3, 0.9
DAYS_TO_BIOPSY = (7, 60)
PROGRESSION_A_YEAR = 0.09
STABLE_LIKELIHOOD = {1: 0.04, 2: 0.16, 3: 0.80}  # PRECISE: 3 is stable, 4 and 5 are progression
PROGRESSED_LIKELIHOOD = {4: 0.65, 5: 0.35}
BIOPSY_MISSES = 0.25
GROWTH_A_YEAR, PROGRESSED_GROWTH = (0.97, 1.06), (1.2, 1.5)
UPGRADE = 0.8  # of the score of grade
NORMAL_RANGE, STABLE_RISE = 4.0, 1.25  # ng/mL, or that many times the baseline

# Follow-up tests: share that measures free PSA too, and share without a date.
FOLLOW_UP_FREE, FOLLOW_UP_NO_DATE = 0.2, 0.02

# Images: share of the cases that come with them, scanners of the sites, and the usual series.
WITH_IMAGES, IMAGE_GAP = 0.3, 0.03


class Scanner(NamedTuple):
    """An MRI scanner: DICOM's Manufacturer and Manufacturer's Model Name, and its field in tesla."""

    manufacturer: str
    model: str
    tesla: float


SCANNERS = {
    "FORTH": (Scanner("SIEMENS", "Aera", 1.5),),
    "NCI": (
        Scanner("Philips Medical Systems", "Ingenia", 3),
        Scanner("GE MEDICAL SYSTEMS", "SIGNA HDxt", 1.5),
    ),
    "IPC": (Scanner("SIEMENS", "Skyra", 3),),
    "FPO": (Scanner("GE MEDICAL SYSTEMS", "Optima MR450w", 1.5),),
    "HULAFE": (
        Scanner("Philips Medical Systems", "Achieva", 3),
        Scanner("GE MEDICAL SYSTEMS", "SIGNA Architect", 3),
    ),
}


class Protocol(NamedTuple):
    """A series of the examination."""

    description: str
    plane: str
    """Of the slices, by the scanner's axes."""
    share: float
    thickness: float
    """mm"""
    matrix: tuple[int, ...]
    view: float
    """The field of view, mm."""
    repeats: tuple[int, ...]
    """Images of a slice."""


PROTOCOLS = (
    Protocol("T2 TSE axial", "axial", 1, 3, (320, 384, 512), 200, (1,)),
    Protocol("T2 TSE sagittal", "sagittal", 0.4, 3, (320, 384), 220, (1,)),
    Protocol("T2 TSE coronal", "coronal", 0.3, 3, (320, 384), 220, (1,)),
    Protocol("T2 TSE along the rectum", "oblique", 0.1, 3, (320, 384), 200, (1,)),
    Protocol("DWI axial", "axial", 1, 3.5, (128, 160, 256), 240, (2, 3, 4)),
    Protocol("ADC", "axial", 0.9, 3.5, (128, 160, 256), 240, (1,)),
    Protocol("DCE axial", "axial", 0.6, 3, (192, 256), 260, (30, 35, 40)),
)
SLICES = (20, 30)
