"""The synthetic cases: valid, consistent within themselves, correlated across cases, and reproducible."""

import json
from collections.abc import Iterable, Iterator
from datetime import date
from importlib import resources
from itertools import islice, pairwise
from math import log, pi
from statistics import correlation, mean, median
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.mapping.paths import ITEM, Segments, json_path, leaves
from etl.sample import sample, sample_case

Case = dict[str, Any]

PROSTATE = resources.files("mappings") / "prostate"
SCHEMA = json.loads((PROSTATE / "ecrf.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)
FORMS = SCHEMA["properties"]["useCaseType"]["enum"]
COHORT = list(sample(6000, seed=7))
BY_FORM = {form: [case for case in COHORT if case["useCaseType"] == form] for form in FORMS}
WITH_LESIONS = [case for case in COHORT if "lesions" in case]
METASTATIC = BY_FORM["1+2+3"]
NEGATIVE, RADIATED, WATCHED = BY_FORM["1"], BY_FORM["1+2+6+7a+9"], BY_FORM["1+2+8+9"]
OPERATED = BY_FORM["1+2+5+9"] + BY_FORM["1+2+5+7b+9"]

any_case = st.builds(sample_case, st.integers(0, 10**9), st.integers(-(2**64), 2**64))


def psa_at_baseline(case: Case) -> float:
    return next(test["totalPSAvalue"] for test in case["clinicalBaselineData"]["psa"] if test["baseline"])


def baseline(case: Case) -> date:
    return next(
        date.fromisoformat(t["psadate"]) for t in case["clinicalBaselineData"]["psa"] if t["baseline"]
    )


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
    lesions = case.get("lesions", [])
    volumes = [lesion["volume"] for lesion in lesions if lesion["volume"] is not None]
    gland = case["clinicalBaselineData"]["prostateVolume"]
    assert gland is None or sum(volumes) < gland * 1000
    for lesion in lesions:
        first, second, volume = lesion["diam1"], lesion["diam2"], lesion["volume"]
        assert second <= first
        if volume is not None:
            assert 0.8 * second**3 * pi / 6 - 1 <= volume <= first * second * second * pi / 6 + 1


def test_one_lesion_is_the_index_lesion_and_none_is_worse() -> None:
    for case in WITH_LESIONS:
        index = index_lesion(case)
        grade = index["gleason1"] + index["gleason2"]
        assert all(lesion["diam1"] <= index["diam1"] for lesion in case["lesions"])
        assert all(lesion["gleason1"] + lesion["gleason2"] <= grade for lesion in case["lesions"])


@given(any_case)
def test_a_lesion_lies_in_one_zone_of_one_side(case: Case) -> None:
    lesions = case.get("lesions", [])
    for lesion in lesions:
        sectors = lesion["location"]
        assert sectors
        assert len({sector[1:4] for sector in sectors}) == 1
        assert len(set(sectors)) == len(sectors)


@given(any_case)
def test_lesions_have_coordinates_when_they_share_a_sector(case: Case) -> None:
    lesions = case.get("lesions", [])
    for lesion in lesions:
        others = [set(other["location"]) for other in lesions if other is not lesion]
        shared = any(other & set(lesion["location"]) for other in others)
        assert [lesion[axis] is not None for axis in "XYZ"] == [shared] * 3
        if shared:
            assert (lesion["X"] > 0) == (lesion["location"][0][1] == "L")


@given(any_case)
def test_pi_rads_is_of_visible_lesions_and_5_when_large(case: Case) -> None:
    lesions = case.get("lesions", [])
    for lesion in lesions:
        assert (lesion["PI-RADS"] is None) == (lesion["MRIVisible"] is False)
        if lesion["diam1"] >= 15:
            assert lesion["PI-RADS"] in {4, 5}
    if lesions:
        assert case["imagingInfo"]["MRIPositive"] is any(lesion["MRIVisible"] for lesion in lesions)


def test_cancer_is_confirmed_at_biopsy_or_prostatectomy() -> None:
    for case in WITH_LESIONS:
        biopsy, surgery = case.get("biopsyInfo", {}), case.get("prostatectomyInfo", {})
        assert biopsy.get("biopsyPositive") or surgery.get("prostatectomyPerformed")
        if biopsy and not biopsy["biopsyPerformed"]:
            assert (biopsy["biopsyPositive"], biopsy["biopsyType"]) == (None, None)
        if surgery and not surgery["prostatectomyPerformed"]:
            assert (surgery["RPmethod"], surgery["nerveSparing"]) == (None, None)
            assert surgery["stage"] == {"T": None, "N": None}


NODAL = {"Lymph nodes", "Retroperitoneum"}
ORGANS = {
    "Liver", "Lung", "Brain", "Digestive system", "Retroperitoneum", "Kidney and adrenal gland", "Other"
}  # fmt: skip


def test_metastasis_sites_fit_the_m_stage() -> None:
    for case in METASTATIC:
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


def test_the_final_diagnosis_does_not_precede_the_mri() -> None:
    for case in METASTATIC:
        months = case["finalDiagnosis"]["monthsFinalDiagnosis"]
        reached = date(2000 + months // 12, months % 12 + 1, 1)
        assert (reached - date(2000, 1, 1)).days >= case["imagingInfo"]["daysAfterBaselineMRI"]


@given(st.integers(), st.integers(0, 30), st.integers(0, 30))
def test_a_longer_sample_starts_with_the_shorter(seed: int, short: int, more: int) -> None:
    assert list(islice(sample(short + more, seed), short)) == list(sample(short, seed))


def test_another_seed_makes_another_sample() -> None:
    assert [case["patientID"] for case in sample(5, 1)] != [case["patientID"] for case in sample(5, 2)]
    assert list(sample(5, 1)) != list(sample(5, 2))


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="count is -1"):
        sample(-1)


def test_a_patient_has_a_form_once() -> None:
    assert len({(case["patientID"], case["useCaseType"]) for case in COHORT}) == len(COHORT)


def test_some_patients_have_two_forms_that_agree_on_the_patient() -> None:
    cases: dict[str, list[Case]] = {}
    for case in COHORT:
        cases.setdefault(case["patientID"], []).append(case)
    twice = [both for both in cases.values() if len(both) > 1]
    assert {len(both) for both in twice} == {2}
    assert 0.05 < len(twice) / len(cases) < 0.15
    for first, second in twice:
        assert first["useCaseType"] != second["useCaseType"]
        for shared in ("site", "clinicalBaselineData", "familyHistory", "imagingInfo", "lesions", "dicom"):
            assert first.get(shared) == second.get(shared) or shared not in first.keys() & second.keys()
    assert {first["useCaseType"] for first, _ in twice} == set(FORMS)


def test_every_form_appears_as_often_as_in_a_registry() -> None:
    shares = {form: len(cases) / len(COHORT) for form, cases in BY_FORM.items()}
    assert min(shares.values()) > 0.08
    assert max(shares.values()) < 0.25
    assert {case["useCaseType"] for case in sample(42)} == set(FORMS)


def filled(node: object, at: Segments = ()) -> set[Segments]:
    """The places of all values that are recorded."""
    if isinstance(node, dict):
        return {place for key, child in node.items() for place in filled(child, (*at, key))}
    if isinstance(node, list):
        return {place for child in node for place in filled(child, (*at, ITEM))}
    return set() if node is None else {at}


def test_every_field_of_the_schema_is_filled_in_some_case() -> None:
    places = {place for case in sample(2000) for place in filled(case)}
    every = {place for place, _ in leaves(SCHEMA)}
    assert len(every) > 100
    assert [json_path(place) for place in sorted(every - places)] == []


def values(node: object, at: Segments = ()) -> Iterator[tuple[Segments, Any]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from values(child, (*at, key))
    elif isinstance(node, list):
        for child in node:
            yield from values(child, (*at, ITEM))
    else:
        yield at, node


def test_every_choice_of_the_schema_is_made_in_some_case() -> None:
    made: dict[Segments, set[Any]] = {}
    for case in COHORT:
        for place, value in values(case):
            made.setdefault(place, set()).add(value)
    for place, facts in leaves(SCHEMA):
        if facts.enum is not None and not {"T", "N"} & set(place):  # stages are drawn as precise as they are
            assert set(facts.enum) <= made[place], json_path(place)


def test_psa_rises_with_the_t_stage() -> None:
    by_stage: dict[str, list[float]] = {}
    for case in WITH_LESIONS:
        stage = case["imagingInfo"]["stage"]["T"] or "none"
        by_stage.setdefault(stage[:3], []).append(psa_at_baseline(case))
    assert (
        median(by_stage["cT1"]) < median(by_stage["cT2"]) < median(by_stage["cT3"]) < median(by_stage["cT4"])
    )


def test_severity_shows_in_all_that_follows_from_it() -> None:
    psa = [psa_at_baseline(case) for case in METASTATIC]
    index = [index_lesion(case) for case in METASTATIC]
    grade = [lesion["gleason1"] + lesion["gleason2"] for lesion in index]
    assert rank_correlation(zip(psa, grade, strict=True)) > 0.3
    assert rank_correlation(zip(psa, (lesion["diam1"] for lesion in index), strict=True)) > 0.2
    months = [case["finalDiagnosis"]["monthsFinalDiagnosis"] for case in METASTATIC]
    assert rank_correlation(zip(grade, months, strict=True)) < -0.1


def test_the_free_ratio_falls_as_total_psa_rises() -> None:
    tests = [test for case in COHORT for test in case["clinicalBaselineData"]["psa"] if test["freePSAvalue"]]
    assert rank_correlation((test["totalPSAvalue"], test["ratioPSAvalue"]) for test in tests) < -0.3


def test_psa_rises_with_prostate_volume_beyond_severity() -> None:
    cases = [case for case in COHORT if case["clinicalBaselineData"]["prostateVolume"]]
    pairs = ((case["clinicalBaselineData"]["prostateVolume"], psa_at_baseline(case)) for case in cases)
    assert correlation(*zip(*((log(a), log(b)) for a, b in pairs), strict=True)) > 0.05


def test_lesions_of_pi_rads_5_are_larger() -> None:
    lesions = [lesion for case in WITH_LESIONS for lesion in case["lesions"]]
    sizes = {score: [les["diam1"] for les in lesions if les["PI-RADS"] == score] for score in (3, 4, 5)}
    assert mean(sizes[5]) > mean(sizes[4]) + 3
    assert mean(sizes[5]) > mean(sizes[3]) + 3


def test_most_lesions_are_peripheral() -> None:
    zones = [lesion["location"][0][2:4] for case in WITH_LESIONS for lesion in case["lesions"]]
    assert 0.66 < zones.count("PZ") / len(zones) < 0.74


def test_bone_is_the_most_frequent_metastasis() -> None:
    sites = [site for case in METASTATIC for site in case["finalDiagnosis"]["metastasis"] or ()]
    assert max(set(sites), key=sites.count) == "Bone"
    metastatic = [case["finalDiagnosis"]["M"].startswith("cM1") for case in METASTATIC]
    assert mean(metastatic) > 0.95


def test_severity_differs_by_form() -> None:
    psa = {form: median(map(psa_at_baseline, cases)) for form, cases in BY_FORM.items()}
    assert max(psa, key=psa.__getitem__) == "1+2+3"
    assert psa["1+2+8+9"] < psa["1+2+5+9"] < psa["1+2+6+7a+9"] < psa["1+2+3"]
    assert psa["1"] < 10
    for case in WATCHED:
        assert case["imagingInfo"]["stage"]["T"] in {"cT1c", "cT1", "cT2a", "cT2", None}
        assert (index_lesion(case)["gleason1"], index_lesion(case)["gleason2"]) in {(3, 3), (3, 4)}


def follow_up_psa(case: Case) -> list[float]:
    return [test["totalPSAvalue"] for record in case["followUp"] for test in record.get("psa", [])]


def test_follow_up_comes_after_the_baseline_in_order_of_date() -> None:
    for case in COHORT:
        last = max(test["psadate"] for test in case["clinicalBaselineData"]["psa"])
        dates = [t["psadate"] for r in case.get("followUp", []) for t in r.get("psa", []) if t["psadate"]]
        assert all(earlier < later for earlier, later in pairwise([last, *dates]))


def test_a_follow_up_test_may_lack_its_date_but_not_the_first_of_its_record() -> None:
    dated = [
        [test["psadate"] is not None for test in record["psa"]]
        for case in COHORT
        for record in case.get("followUp", [])
        if record.get("psa")
    ]
    assert all(first for first, *_ in dated)
    assert not all(all(record) for record in dated)


def test_a_negative_finding_is_confirmed_after_a_year_often_without_a_date() -> None:
    for case in NEGATIVE:
        (record,) = case["followUp"]
        confirmed = [record[key] for key in ("fupPSANormalRange", "fupMRINegative", "fupBiopsyNegative")]
        assert any(value is not None for value in confirmed)
        assert record["fupMRINegative"] is not False
        assert record["fupBiopsyNegative"] is not False
        for test in record.get("psa", []):
            if test["psadate"]:
                assert (date.fromisoformat(test["psadate"]) - baseline(case)).days >= 365
        for part in ("imagingInfo", "biopsyInfo"):
            assert (record.get(part, {}).get("daysAfterBaseline") or 365) >= 365
    assert 0.4 < mean("psa" not in case["followUp"][0] for case in NEGATIVE) < 0.8
    assert not any("lesions" in case or "cancerDiagnosis" in case for case in NEGATIVE)


def test_psa_after_prostatectomy_is_below_a_tenth_until_a_relapse() -> None:
    for case in OPERATED:
        (record,) = case["followUp"]
        psa = follow_up_psa(case)
        assert case["prostatectomyInfo"]["prostatectomyPerformed"] is True
        assert record["biochemicalRelapse"] is any(a >= 0.2 and b >= 0.2 for a, b in pairwise(psa))
        if not record["biochemicalRelapse"]:
            assert max(psa) < 0.1
        else:
            assert psa[-1] > psa[-2] > psa[0] * 0.9
    relapses = [case["followUp"][0]["biochemicalRelapse"] for case in OPERATED]
    assert 0.12 < mean(relapses) < 0.4


def test_psa_after_radiotherapy_falls_and_rises_by_2_at_a_relapse() -> None:
    for case in RADIATED:
        psa = follow_up_psa(case)
        rises = [round(psa[later] - min(psa[: later + 1]), 2) for later in range(len(psa))]
        assert case["followUp"][0]["biochemicalRelapse"] is (max(rises) >= 2)
    assert median(follow_up_psa(case)[0] for case in RADIATED) > 2 * median(
        min(follow_up_psa(case)) for case in RADIATED
    )
    relapses = [case["followUp"][0]["biochemicalRelapse"] for case in RADIATED]
    assert 0.12 < mean(relapses) < 0.4


def test_relapse_is_of_the_severe() -> None:
    for cases in (OPERATED, RADIATED):
        grade = {True: [], False: []}  # type: dict[bool, list[int]]
        for case in cases:
            lesion = index_lesion(case)
            grade[case["followUp"][0]["biochemicalRelapse"]].append(lesion["gleason1"] + lesion["gleason2"])
        assert mean(grade[True]) > mean(grade[False]) + 0.1


def test_the_follow_up_after_treatment_has_a_baseline_of_its_own() -> None:
    for case in OPERATED + RADIATED:
        ((first, *others),) = [record["psa"] for record in case["followUp"]]
        assert first["baseline"] is True
        assert not any(test["baseline"] for test in others)


def test_invasion_agrees_with_the_pathological_stage() -> None:
    for case in OPERATED:
        t, invasion = case["prostatectomyInfo"]["stage"]["T"], case["invasionInfo"]
        beyond, vesicles = invasion["extraProstaticExtension"], invasion["seminalVesicalInvasion"]
        assert vesicles in ({None, True} if t in {"pT3b", "pT4"} else {None, False})
        assert beyond in {"pT2": {None, False}, "pT3a": {None, True}}.get(
            t[:3] if t[2] == "2" else t, {None, True, False}
        )
        if beyond is not None:
            levels = {"L3F", "L3E", "LX", None} if beyond else {"L0", "L1", "L2", "LX", None}
            assert invasion["wheelerRanking"] in levels
    involved = {
        beyond: mean(
            case["invasionInfo"]["resectionMarginsStatus"] == "involved"
            for case in OPERATED
            if case["invasionInfo"]["extraProstaticExtension"] is beyond
        )
        for beyond in (True, False)
    }
    assert involved[True] > involved[False] + 0.1


def test_doses_are_whole_numbers_of_fractions_and_toxicity_is_mild() -> None:
    grades = []
    for case in RADIATED:
        treatment = case["treatment"]
        total, fraction = treatment["totalDose"], treatment["doseFraction"]
        if total is not None and fraction is not None:
            assert total / fraction == pytest.approx(round(total / fraction))
            assert (total < 45) == (fraction > 5)
        if treatment["radiotherapyTechnique"] == "HSR":
            assert total is None or 36 <= total <= 42.7
        grades += [value for key, value in treatment.items() if "Tox" in key and value is not None]
    assert set(grades) == {0, 1, 2, 3, 4}
    assert mean(grade <= 1 for grade in grades) > 0.75


def test_quality_of_life_is_better_with_nerves_spared_and_worse_with_age() -> None:
    asked = [case for case in BY_FORM["1+2+5+7b+9"] if case["qualityOfLife"]["epic26"] is not None]
    spared: dict[bool, list[float]] = {True: [], False: []}
    for case in asked:
        if case["prostatectomyInfo"]["nerveSparing"] is not None:
            spared[case["prostatectomyInfo"]["nerveSparing"]].append(case["qualityOfLife"]["epic26"])
    assert mean(spared[True]) > mean(spared[False]) + 3
    age = ((case["clinicalBaselineData"]["age"], case["qualityOfLife"]["epic26"]) for case in asked)
    assert rank_correlation(age) < -0.1
    answered = [case["qualityOfLife"] for case in asked if None not in case["qualityOfLife"].values()]
    assert rank_correlation((one["epic26"], one["EORTC_Q53"]) for one in answered) < -0.3
    assert rank_correlation((one["epic26"], one["EORTC_Q52"]) for one in answered) > 0.3


def test_surveillance_has_a_record_a_year() -> None:
    counts = [len(case["followUp"]) for case in WATCHED]
    assert (min(counts), max(counts)) == (1, 6)
    for case in WATCHED:
        days = [record["imagingInfo"]["daysAfterBaseline"] for record in case["followUp"]]
        assert all(later - earlier >= 300 for earlier, later in pairwise(day for day in days if day))
        for record in case["followUp"]:
            scan, biopsy = record["imagingInfo"], record["biopsyInfo"]
            assert (record["fupMRINegative"] is None) is not scan["MRIPerformed"]
            assert (record["fupBiopsyNegative"] is None) is not biopsy["biopsyPerformed"]
            assert all(
                day is None or day > 300 for day in (scan["daysAfterBaseline"], biopsy["daysAfterBaseline"])
            )
            if not scan["MRIPerformed"]:
                assert (scan["likelihoodOfProgression"], scan["daysAfterBaseline"]) == (None, None)


def test_progression_ends_surveillance_and_upgrades_now_and_then() -> None:
    likelihoods = [
        [record["imagingInfo"]["likelihoodOfProgression"] for record in case["followUp"]] for case in WATCHED
    ]
    assert {value for case in likelihoods for value in case} == {None, 1, 2, 3, 4, 5}
    assert all(value in {None, 1, 2, 3} for case in likelihoods for value in case[:-1])
    upgraded = []
    for case in WATCHED:
        index = index_lesion(case)
        grades = [
            lesion["gleason1"] + lesion["gleason2"]
            for record in case["followUp"]
            for lesion in record["lesions"]
            if lesion["indexLesion"] and lesion["gleason1"]
        ]
        upgraded.append(any(grade > index["gleason1"] + index["gleason2"] for grade in grades))
    assert 0.03 < mean(upgraded) < 0.3


@given(any_case)
def test_a_biopsy_of_the_follow_up_is_negative_or_graded(case: Case) -> None:
    for record in case.get("followUp", []):
        graded = [lesion["gleason1"] for lesion in record.get("lesions", []) if lesion["gleason1"]]
        assert bool(graded) == (record.get("fupBiopsyNegative") is False)


def test_images_are_the_series_of_one_examination() -> None:
    with_images = [case for case in COHORT if "dicom" in case]
    assert 0.2 < len(with_images) / len(COHORT) < 0.4
    series_ids = {}
    for case in with_images:
        series = case["dicom"]
        assert 2 <= len(series) <= 7
        assert len({one["StudyInstanceUID"] for one in series}) == 1
        assert len({(one["Manufacturer"], one["ManufacturerModelName"]) for one in series}) == 1
        for one in series:
            assert one["SeriesInstanceUID"].startswith("2.25.")
            assert 100 < one["Rows"] * one["PixelSpacing"][0] < 400
            assert series_ids.setdefault(one["SeriesInstanceUID"], case["patientID"]) == case["patientID"]


def test_every_site_sends_cases_and_gaps_occur() -> None:
    assert {case["site"] for case in COHORT} == {"FORTH", "NCI", "IPC", "FPO", "HULAFE"}
    assert 0.3 < mean("familyHistory" in case for case in COHORT) < 0.7
    assert 0.02 < mean(case["clinicalBaselineData"]["DRE"] is None for case in COHORT) < 0.08


def test_the_samples_file_is_what_the_generator_makes() -> None:
    """To renew it: write each case of sample(42) as one line of compact JSON."""
    lines = (json.dumps(case, separators=(",", ":")) + "\n" for case in sample(42))
    assert (PROSTATE / "samples" / "cases.ndjson").read_text(encoding="utf-8") == "".join(lines)
