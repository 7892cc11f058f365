"""Coverage, its pure part: every recorded value gets exactly one fate, and the counts add up."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from etl.coverage import COLUMNS, FATES, Coverage, PlaceCoverage, Tally, cover
from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.mapping.paths import json_path, leaves
from etl.plan import Plan
from etl.sample import sample

PROSTATE = files("mappings").joinpath("prostate")
PATIENT = {
    "patientID": "P-1",
    "useCaseType": "1+2+3",
    "site": "S",
    "clinicalBaselineData": {
        "age": 70,
        "psa": [{"totalPSAvalue": 7.2, "psadate": "2021-07-11", "baseline": True}],
    },
    "imagingInfo": {"daysAfterBaselineMRI": 20},
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    mapping = read_mapping(PROSTATE)
    return compile_plan(mapping, provisional_numbers(mapping))


def case(**sections: Any) -> dict[str, Any]:
    return {**deepcopy(PATIENT), **sections}


def fates(plan: Plan, document: Mapping[str, Any]) -> dict[str, str]:
    return {leaf.path: leaf.fate for leaf in cover(plan, document)}


def values_in(node: Any) -> Iterator[Any]:
    """What counts as a value, said a second time."""
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from values_in(one)
    elif node is not None:
        yield node


CASES = [
    ("a number in a row", {}, "$.clinicalBaselineData.psa[0].totalPSAvalue", "mapped"),
    ("a date that moves all others", {}, "$.clinicalBaselineData.psa[0].psadate", "mapped"),
    ("days that date a visit", {}, "$.imagingInfo.daysAfterBaselineMRI", "mapped"),
    ("the patient", {}, "$.patientID", "mapped"),
    ("a no that leaves a row out", {"biopsyInfo": {"biopsyPerformed": False}}, "$.biopsyInfo.biopsyPerformed",
     "mapped"),
    ("a key that is no identifier", {"lesions": [{}, {"PI-RADS": 4}]}, '$.lesions[1]."PI-RADS"', "mapped"),
    ("an item of a list in a list", {"lesions": [{"location": ["MRPZpl", "BLAS"]}]},
     "$.lesions[0].location[1]", "mapped"),
    ("a code whose concept is 0", {"finalDiagnosis": {"monthsFinalDiagnosis": 3, "imagingType": ["CT"]}},
     "$.finalDiagnosis.imagingType[0]", "unmapped"),
    ("a text that is cut", {"finalDiagnosis": {"monthsFinalDiagnosis": 3, "metastasisOther": "x" * 51}},
     "$.finalDiagnosis.metastasisOther", "problem"),
    ("a text that just fits", {"finalDiagnosis": {"monthsFinalDiagnosis": 3, "metastasisOther": "x" * 50}},
     "$.finalDiagnosis.metastasisOther", "mapped"),
    ("a row without a date", {"finalDiagnosis": {"metastasisOther": "x"}},
     "$.finalDiagnosis.metastasisOther", "problem"),
    ("days beyond the calendar", {"imagingInfo": {"daysAfterBaselineMRI": 10**7}},
     "$.imagingInfo.daysAfterBaselineMRI", "problem"),
    ("a value recorded of a row without a date", {"imagingInfo": None, "lesions": [{"diam1": 5}]},
     "$.lesions[0].diam1", "problem"),
    ("a code of a row without a date",
     {"imagingInfo": None, "biopsyInfo": {"biopsyPerformed": True, "biopsyType": "Fusion"}},
     "$.biopsyInfo.biopsyType", "problem"),
    ("a no that stands outside an empty list",
     {"finalDiagnosis": {"monthsFinalDiagnosis": 3, "imagingPerformed": False}},
     "$.finalDiagnosis.imagingPerformed", "mapped"),
    ("a value recorded of nothing", {"familyHistory": {"relativePCaAge": 60}},
     "$.familyHistory.relativePCaAge", "problem"),
    ("a value whose condition does not hold",
     {"biopsyInfo": {"biopsyPerformed": False, "biopsyType": "Fusion"}},
     "$.biopsyInfo.biopsyType", "problem"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sections", "path", "fate"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_a_value_ends_as(plan, sections, path, fate):
    assert fates(plan, case(**sections))[path] == fate


def test_nulls_and_empty_sections_are_no_values(plan):
    with_gaps = case(biopsyInfo=None, familyHistory={}, lesions=[], lesionLocationBasedOn=None)
    assert list(cover(plan, with_gaps)) == list(cover(plan, case()))


def test_ignored_covers_a_place_and_all_below_it_but_no_namesake(plan):
    ignoring = replace(plan, ignored={"$.lesions": "not yet", '$.familyHistory."x"': "no such place"})
    document = case(
        lesions=[{"diam1": 5, "location": ["BLAS"], "PI-RADS": 3}],
        lesionLocationBasedOn="Biopsy",
        familyHistory={"relativePCa": "yes"},
    )
    found = fates(ignoring, document)
    assert {path for path, fate in found.items() if fate == "ignored"} == {
        "$.lesions[0].diam1",
        "$.lesions[0].location[0]",
        '$.lesions[0]."PI-RADS"',
    }


def test_the_gravest_report_of_a_value_counts_in_whatever_order_it_comes(plan):
    kinds = ["used", "unmapped", "used", "truncated", "invalid"]
    for order in (kinds, kinds[::-1]):
        for most in range(1, len(kinds) + 1):
            told = order[:most]

            def trace(document, case_id, person_id, care_site_id, rows, problem, told=told):
                for kind in told:
                    problem(1, kind, "$.site", "")
                return "", ""

            grave = {"truncated", "invalid"} & set(told)
            want = "problem" if grave else "unmapped" if "unmapped" in told else "mapped"
            assert fates(replace(plan, trace=trace), {"site": "S"}) == {"$.site": want}


def test_a_document_too_large_for_row_ids_is_a_problem_as_a_whole(plan):
    document = case(lesions=[{"location": ["BLAS"] * 5000}])
    assert set(fates(plan, document).values()) == {"problem"}


def test_every_value_of_figure_13_is_mapped(plan):
    figure = json.loads(PROSTATE.joinpath("samples", "figure-13.json").read_text())
    found = list(cover(plan, figure))
    assert {leaf.fate for leaf in found} == {"mapped"}
    assert len(found) == len(list(values_in(figure))) == 27


def test_the_fates_add_up_to_the_values_of_200_samples(plan):
    known = {json_path(segments) for segments, _ in leaves(plan.schema)}
    seen: Counter[str] = Counter()
    for document in sample(200, seed=7):
        found = list(cover(plan, document))
        assert len({leaf.path for leaf in found}) == len(found) == len(list(values_in(document)))
        assert {leaf.pattern for leaf in found} <= known
        seen.update(leaf.fate for leaf in found)
    assert set(seen) <= set(FATES)
    assert seen["unmapped"] > 0 < seen["mapped"]


def test_a_leaf_does_not_hold_the_value(plan):
    assert "P-1" not in repr(list(cover(plan, case())))


def test_a_tally_adds_up():
    tally = Tally(mapped=5, unmapped=1, problem=2, ignored=3, unused=4)
    assert (tally.total, tally.lost) == (15, 7)
    assert tally + tally == Tally(10, 2, 4, 6, 8)
    assert tally.percent("mapped") == pytest.approx(100 / 3)
    assert sum(tally.percent(fate) for fate in FATES) == pytest.approx(100)


def test_no_values_are_no_percent():
    assert [Tally().percent(fate) for fate in FATES] == [0, 0, 0, 0, 0]


def test_rows_are_plain_tuples_of_the_columns():
    places = (
        PlaceCoverage("$.b", Tally(mapped=1, unmapped=3), (("x", 2), ("y", 1))),
        PlaceCoverage("$.a", Tally(ignored=2)),
    )
    report = Coverage("prostate", 4, places)
    assert COLUMNS == ("path", "total", "mapped", "unmapped", "problem", "ignored", "unused")
    assert report.rows() == (("$.b", 4, 1, 3, 0, 0, 0), ("$.a", 2, 0, 0, 0, 2, 0))
    assert report.value_rows() == (("$.b", "x", 2), ("$.b", "y", 1))
    assert report.total == Tally(mapped=1, unmapped=3, ignored=2)


def test_a_document_the_mapping_fails_on_is_a_problem_as_a_whole(plan):
    broken = case(clinicalBaselineData={"age": "seventy", "psa": []})
    assert {leaf.fate for leaf in cover(plan, broken)} == {"problem"}
