"""The synthetic cases: valid, consistent within themselves, correlated across cases, and reproducible."""

import json
from collections.abc import Iterable
from datetime import date
from importlib import resources
from itertools import islice, pairwise
from math import log, pi
from statistics import correlation, mean, median
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sample import sample, sample_case

Case = dict[str, Any]

PROSTATE = resources.files("mappings") / "prostate"
VALIDATOR = jsonschema_rs.Draft202012Validator(
    json.loads((PROSTATE / "ecrf.schema.json").read_text(encoding="utf-8")), validate_formats=True
)
COHORT = list(sample(4000, seed=7))

any_case = st.builds(sample_case, st.integers(0, 10**9), st.integers(-(2**64), 2**64))


def psa_at_baseline(case: Case) -> float:
    return next(test["totalPSAvalue"] for test in case["clinicalBaselineData"]["psa"] if test["baseline"])


def index_lesion(case: Case) -> Case:
    (lesion,) = [lesion for lesion in case["lesions"] if lesion["indexLesion"]]
    return lesion


def rank_correlation(pairs: Iterable[tuple[float, float]]) -> float:
    """Spearman's: Pearson's of the ranks (ties in order of appearance)."""
    columns = zip(*pairs, strict=True)
    return correlation(*(_ranks(column) for column in columns))


def _ranks(values: tuple[float, ...]) -> list[int]:
    ranks = [0] * len(values)
    for rank, position in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        ranks[position] = rank
    return ranks


@given(any_case)
def test_every_case_is_valid(case: Case) -> None:
    assert [error.instance_path for error in VALIDATOR.iter_errors(case)] == []


@given(any_case)
def test_free_psa_is_the_ratio_of_total_psa(case: Case) -> None:
    for test in case["clinicalBaselineData"]["psa"]:
        total, free, ratio = test["totalPSAvalue"], test["freePSAvalue"], test["ratioPSAvalue"]
        assert (free is None) == (ratio is None)
        if free is not None:
            assert 0 <= free <= total
            assert ratio == pytest.approx(100 * free / total, abs=0.051)


@given(any_case)
def test_psa_tests_are_in_order_of_date_and_rise(case: Case) -> None:
    tests = case["clinicalBaselineData"]["psa"]
    for earlier, later in pairwise(tests):
        days = (date.fromisoformat(later["psadate"]) - date.fromisoformat(earlier["psadate"])).days
        assert days >= 25
        # Doubling takes 2 months or more; the rest is the assay's spread (many deviations) and rounding.
        low, high = 0.7, 1.45 * 2 ** (days / 60)
        assert low * earlier["totalPSAvalue"] - 0.1 <= later["totalPSAvalue"]
        assert later["totalPSAvalue"] <= high * (earlier["totalPSAvalue"] + 0.05) + 0.05


@given(any_case)
def test_lesions_are_ellipsoids_that_fit_the_gland(case: Case) -> None:
    volumes = [lesion["volume"] for lesion in case["lesions"] if lesion["volume"] is not None]
    gland = case["clinicalBaselineData"]["prostateVolume"]
    assert gland is None or sum(volumes) < gland * 1000
    for lesion in case["lesions"]:
        first, second, volume = lesion["diam1"], lesion["diam2"], lesion["volume"]
        assert second <= first
        if volume is not None:
            assert 0.8 * second**3 * pi / 6 - 1 <= volume <= first * second * second * pi / 6 + 1


@given(any_case)
def test_one_lesion_is_the_index_lesion_and_none_is_worse(case: Case) -> None:
    index = index_lesion(case)
    grade = index["gleason1"] + index["gleason2"]
    assert all(lesion["diam1"] <= index["diam1"] for lesion in case["lesions"])
    assert all(lesion["gleason1"] + lesion["gleason2"] <= grade for lesion in case["lesions"])


@given(any_case)
def test_a_lesion_lies_in_one_zone_of_one_side(case: Case) -> None:
    for lesion in case["lesions"]:
        sectors = lesion["location"]
        assert sectors
        assert len({sector[1:4] for sector in sectors}) == 1
        assert len(set(sectors)) == len(sectors)


@given(any_case)
def test_lesions_have_coordinates_when_they_share_a_sector(case: Case) -> None:
    for lesion in case["lesions"]:
        others = [set(other["location"]) for other in case["lesions"] if other is not lesion]
        shared = any(other & set(lesion["location"]) for other in others)
        assert [lesion[axis] is not None for axis in "XYZ"] == [shared] * 3
        if shared:
            assert (lesion["X"] > 0) == (lesion["location"][0][1] == "L")


@given(any_case)
def test_pi_rads_is_of_visible_lesions_and_5_when_large(case: Case) -> None:
    for lesion in case["lesions"]:
        assert (lesion["PI-RADS"] is None) == (lesion["MRIVisible"] is False)
        if lesion["diam1"] >= 15:
            assert lesion["PI-RADS"] in {4, 5}
    assert case["imagingInfo"]["MRIPositive"] is any(lesion["MRIVisible"] for lesion in case["lesions"])


@given(any_case)
def test_cancer_is_confirmed_at_biopsy_or_prostatectomy(case: Case) -> None:
    biopsy, surgery = case["biopsyInfo"], case["prostatectomyInfo"]
    assert biopsy["biopsyPositive"] or surgery["prostatectomyPerformed"]
    if not biopsy["biopsyPerformed"]:
        assert (biopsy["biopsyPositive"], biopsy["biopsyType"]) == (None, None)
    if not surgery["prostatectomyPerformed"]:
        assert (surgery["RPmethod"], surgery["nerveSparing"]) == (None, None)
        assert surgery["stage"] == {"T": None, "N": None}


NODAL = {"Lymph nodes", "Retroperitoneum"}
ORGANS = {
    "Liver", "Lung", "Brain", "Digestive system", "Retroperitoneum", "Kidney and adrenal gland", "Other"
}  # fmt: skip


@settings(max_examples=400)
@given(any_case)
def test_metastasis_sites_fit_the_m_stage(case: Case) -> None:
    final = case["finalDiagnosis"]
    sites = None if final["metastasis"] is None else set(final["metastasis"])
    fits = {
        "MX": sites is None,
        "cM0": sites == set() and final["N"] == "cN1",
        "cM1": bool(sites),
        "cM1a": bool(sites) and sites <= NODAL,
        "cM1b": bool(sites) and "Bone" in sites and sites <= {"Bone", "Lymph nodes"},
        "cM1c": bool(sites) and bool(sites & ORGANS),
    }
    assert fits[final["M"]]
    assert (final["metastasisOther"] is not None) == ("Other" in (sites or ()))
    assert bool(final["imagingType"]) is final["imagingPerformed"]


@given(any_case)
def test_the_final_diagnosis_does_not_precede_the_mri(case: Case) -> None:
    days, months = case["imagingInfo"]["daysAfterBaselineMRI"], case["finalDiagnosis"]["monthsFinalDiagnosis"]
    reached = date(2000 + months // 12, months % 12 + 1, 1)
    assert (reached - date(2000, 1, 1)).days >= days


@given(st.integers(), st.integers(0, 30), st.integers(0, 30))
def test_a_longer_sample_starts_with_the_shorter(seed: int, short: int, more: int) -> None:
    assert list(islice(sample(short + more, seed), short)) == list(sample(short, seed))


def test_another_seed_makes_another_sample() -> None:
    assert [case["patientID"] for case in sample(5, 1)] != [case["patientID"] for case in sample(5, 2)]
    assert list(sample(5, 1)) != list(sample(5, 2))


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="count is -1"):
        sample(-1)


def test_patients_are_unique_within_a_sample() -> None:
    assert len({case["patientID"] for case in COHORT}) == len(COHORT)


def test_psa_rises_with_the_t_stage() -> None:
    by_stage: dict[str, list[float]] = {}
    for case in COHORT:
        stage = case["imagingInfo"]["stage"]["T"] or "none"
        by_stage.setdefault(stage[:3], []).append(psa_at_baseline(case))
    assert (
        median(by_stage["cT1"]) < median(by_stage["cT2"]) < median(by_stage["cT3"]) < median(by_stage["cT4"])
    )


def test_severity_shows_in_all_that_follows_from_it() -> None:
    psa = [psa_at_baseline(case) for case in COHORT]
    index = [index_lesion(case) for case in COHORT]
    grade = [lesion["gleason1"] + lesion["gleason2"] for lesion in index]
    assert rank_correlation(zip(psa, grade, strict=True)) > 0.3
    assert rank_correlation(zip(psa, (lesion["diam1"] for lesion in index), strict=True)) > 0.2
    months = [case["finalDiagnosis"]["monthsFinalDiagnosis"] for case in COHORT]
    assert rank_correlation(zip(grade, months, strict=True)) < -0.1


def test_the_free_ratio_falls_as_total_psa_rises() -> None:
    tests = [test for case in COHORT for test in case["clinicalBaselineData"]["psa"] if test["freePSAvalue"]]
    assert rank_correlation((test["totalPSAvalue"], test["ratioPSAvalue"]) for test in tests) < -0.3


def test_psa_rises_with_prostate_volume_beyond_severity() -> None:
    cases = [case for case in COHORT if case["clinicalBaselineData"]["prostateVolume"]]
    pairs = ((case["clinicalBaselineData"]["prostateVolume"], psa_at_baseline(case)) for case in cases)
    assert correlation(*zip(*((log(a), log(b)) for a, b in pairs), strict=True)) > 0.05


def test_lesions_of_pi_rads_5_are_larger() -> None:
    lesions = [lesion for case in COHORT for lesion in case["lesions"]]
    sizes = {score: [les["diam1"] for les in lesions if les["PI-RADS"] == score] for score in (3, 4, 5)}
    assert mean(sizes[5]) > mean(sizes[4]) + 3
    assert mean(sizes[5]) > mean(sizes[3]) + 3


def test_most_lesions_are_peripheral() -> None:
    zones = [lesion["location"][0][2:4] for case in COHORT for lesion in case["lesions"]]
    assert 0.66 < zones.count("PZ") / len(zones) < 0.74


def test_bone_is_the_most_frequent_metastasis() -> None:
    sites = [site for case in COHORT for site in case["finalDiagnosis"]["metastasis"] or ()]
    assert max(set(sites), key=sites.count) == "Bone"
    metastatic = [case["finalDiagnosis"]["M"].startswith("cM1") for case in COHORT]
    assert mean(metastatic) > 0.95


def test_every_site_sends_cases_and_gaps_occur() -> None:
    assert {case["site"] for case in COHORT} == {"FORTH", "NCI", "IPC", "FPO", "HULAFE"}
    assert 0.3 < mean("familyHistory" in case for case in COHORT) < 0.7
    assert 0.02 < mean(case["clinicalBaselineData"]["DRE"] is None for case in COHORT) < 0.08


def test_the_samples_file_is_what_the_generator_makes() -> None:
    """To renew it: write each case of sample(24) as one line of compact JSON."""
    lines = (json.dumps(case, separators=(",", ":")) + "\n" for case in sample(24))
    assert (PROSTATE / "samples" / "cases.ndjson").read_text(encoding="utf-8") == "".join(lines)
