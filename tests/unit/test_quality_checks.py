"""Quality checks as they are made: their names, ids and sources; thresholds; the shapes of their reports."""

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl.mapping.bound import Alternatives, Constant, Guarded, Position, Translate
from etl.mapping.compile import provisional_numbers, read_mapping
from etl.quality.cdm import tables
from etl.quality.check import KINDS, Check, Declared, Found, Plain, Rows, plain_rows
from etl.quality.count import failing, queries
from etl.quality.dqd import overview, results_json
from etl.quality.generate import all_checks
from etl.quality.limits import Limits, Numbers, beyond, constants, origins, widest
from etl.quality.offline import make_offline
from etl.quality.result import Report, Result
from etl.quality.thresholds import (
    ThresholdError,
    Thresholds,
    default_thresholds,
    is_over,
    least,
    read_thresholds,
)
from etl.quality.values import Numbered, ranges
from etl.setup import DEFAULT_MAPPING, SHIPPED
from omop_schema.vocabulary import concept

CHECKS = tuple(
    all_checks([Numbered(one, provisional_numbers(one)) for one in map(read_mapping, SHIPPED.values())])
)
BY_ID = {one.id: one for one in CHECKS}
#: OHDSI's check types that are made here; the others of KINDS are ours.
OHDSI = {
    *("cdmTable", "cdmField", "cdmDatatype", "isRequired", "isPrimaryKey", "isForeignKey", "fkDomain"),
    *("isStandardValidConcept", "standardConceptRecordCompleteness", "sourceConceptRecordCompleteness"),
    *("sourceValueCompleteness", "measureValueCompleteness", "measurePersonCompleteness"),
    *("measureObservationPeriodOverlap", "plausibleValueLow", "plausibleValueHigh", "plausibleAfterBirth"),
    *("plausibleBeforeDeath", "plausibleStartBeforeEnd", "withinVisitDates", "plausibleGender"),
    "plausibleUnitConceptIds",
}


def test_every_check_has_an_id_of_its_own() -> None:
    assert [one for one, count in Counter(one.id for one in CHECKS).items() if count > 1] == []


def test_there_are_checks_of_every_kind_and_ohdsis_have_its_names() -> None:
    assert {one.name for one in CHECKS} == set(KINDS)
    assert {name for name, kind in KINDS.items() if not kind.ours} == OHDSI


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_check_says_what_it_counts_and_where_it_is_from(name: str) -> None:
    one = next(each for each in CHECKS if each.name == name)
    assert one.origin
    assert "{" not in one.description
    assert "None" not in one.description
    assert one.kind.category in {"Conformance", "Completeness", "Plausibility"}
    assert one.kind.context in {"Verification", "Validation"}


def test_every_table_is_checked_but_the_vocabularys() -> None:
    assert {one.table for one in CHECKS} == {one.name for one in tables()}
    assert concept not in tables()


@pytest.mark.parametrize(
    ("check", "sql", "origin"),
    [
        ("field_isrequired_person_year_of_birth", "r.year_of_birth IS NULL", "CDM v6.0.0"),
        (
            "field_fkdomain_episode_episode_concept_id",
            "c.domain_id NOT IN ('Episode')",
            "extension of the CDM",
        ),
        (
            "concept_plausiblevaluehigh_measurement_value_as_number_2000000033",
            "> 100",
            "ecrf.schema.json $.qualityOfLife",
        ),
        (
            "concept_plausiblevaluelow_measurement_value_as_number_4293445",
            "< 1",
            "ecrf.schema.json $.lesions[*].gleason1",
        ),
        ("concept_extraordinaryvalue_measurement_value_as_number_44793131_8842", "> 5000", "clinical.yaml:"),
        ("field_plausiblevaluelow_person_year_of_birth", "< 1890", "ecrf.schema.json $.clinicalBaseline"),
        ("concept_unitrequired_measurement_unit_concept_id_44793131", "coalesce", "clinical.yaml:"),
        ("concept_valueofmapping_measurement_value_as_concept_id_36768810", "4181412", "invasion.yaml:"),
        ("field_valueofmapping_person_gender_concept_id_prostate", "NOT IN (8507)", "mapping.yaml:"),
        ("table_onebaselinevisit_visit_occurrence_prostate", "2000000007", "mapping.yaml:"),
        ("field_rowlineage_measurement_measurement_id", "lake.plan_rules", "row ids"),
    ],
)
def test_a_check_is_made_from_its_source(check: str, sql: str, origin: str) -> None:
    one = BY_ID[check]
    assert sql in next(iter(queries((one,)))).sql
    assert origin in one.origin


def bounds(check: str) -> tuple[float | None, float | None]:
    test = BY_ID[check].test
    assert isinstance(test, Rows)
    assert test.plain is not None
    return test.plain.low, test.plain.high


def test_what_is_impossible_and_what_is_extraordinary_are_two_checks() -> None:
    psa = "measurement_value_as_number_44793131_8842"
    assert bounds(f"concept_plausiblevaluelow_{psa}") == (0, None)
    assert bounds(f"concept_plausiblevaluehigh_{psa}") == (None, 10_000)
    # 0 is the end of both ranges.
    assert bounds(f"concept_extraordinaryvalue_{psa}") == (None, 5_000)
    assert "concept_extraordinaryvalue_measurement_value_as_number_4293445" not in BY_ID
    assert beyond(Limits(1, 5, "a", "b"), Limits(1, None, "c", "d")) == Limits(None, 5, "a", "b")


def test_a_number_that_the_schema_does_not_limit_has_to_be_finite() -> None:
    feature = "field_plausiblevaluehigh_image_feature_value_as_number"
    assert bounds(feature) == (None, sys.float_info.max)
    assert BY_ID[feature].description.endswith("value_as_number is infinite or not a number")


def test_a_number_without_a_unit_is_taken_for_one_in_the_only_unit() -> None:
    one = next(
        iter(queries((BY_ID["concept_plausiblevaluehigh_measurement_value_as_number_44793131_8842"],)))
    )
    assert "coalesce(r.unit_concept_id, 0) IN (0, 8842)" in one.sql


def test_of_several_units_each_has_its_range_and_what_has_none_the_widest() -> None:
    rule = next(one for one in read_mapping(DEFAULT_MAPPING).rules if one.name == "psa_total")

    def of(unit: int | None, high: float) -> Numbers:
        limits = Limits(0, high, "x", "x")
        return Numbers(rule, "value_as_number", frozenset({1}), unit, limits, limits)

    def highs(*filled: Numbers) -> dict[int | None, tuple[str, float | None]]:
        tests = {one.unit: one.test for one in ranges(filled, {}) if one.name == "plausibleValueHigh"}
        return {
            unit: (test.among.removeprefix("r.value_as_number IS NOT NULL AND r.measurement_concept_id = 1"),
                   test.plain.high)
            for unit, test in tests.items() if isinstance(test, Rows) and test.plain
        }  # fmt: skip

    own = {7: (" AND r.unit_concept_id = 7", 5), 8: (" AND r.unit_concept_id = 8", 50)}
    none = " AND coalesce(r.unit_concept_id, 0) IN (0)"
    assert highs(of(7, 5), of(8, 50)) == own | {None: (none, 50)}
    assert highs(of(7, 5), of(8, 50), of(None, 9)) == own | {None: (none, 9)}
    assert highs(of(None, 9)) == {None: ("", 9)}


@pytest.mark.parametrize("percent", [0.1, 0.29, 1, 5.7, 33.3, 57, 64.1, 99.9])
def test_a_check_at_its_threshold_passes_by_our_count_and_by_great_expectations(percent: float) -> None:
    among, violated = 10_000, round(100 * percent)
    assert not is_over(percent, violated, among)
    assert is_over(percent, violated + 1, among)
    # As Great Expectations compares it.
    assert (among - violated) / among >= least(percent)
    assert (among - violated - 1) / among < least(percent)


def test_nothing_wrong_is_never_over_and_something_of_nothing_is() -> None:
    assert not is_over(0, 0, 0)
    assert is_over(99, 1, 0)


def test_free_psa_is_compared_with_the_total_of_the_same_sample() -> None:
    one = next(each for each in CHECKS if each.name == "plausibleAgainst" and each.concept == 4194418)
    assert isinstance(one.test, Found)
    assert "totalPSAvalue" in one.description


@pytest.mark.parametrize("limit", [0, 3])
def test_rows_are_named_by_their_own_key(limit: int) -> None:
    sql = failing(BY_ID["field_isrequired_note_note_datetime"], limit)
    assert sql is not None
    assert sql.startswith("SELECT DISTINCT r.note_id AS id FROM omop.note AS r")
    assert sql.endswith(f"LIMIT {limit}")
    assert failing(BY_ID["table_cdmtable_note"], limit) is None


def test_checks_of_one_table_share_a_scan() -> None:
    some = [one for one in CHECKS if one.table == "measurement" and isinstance(one.test, Rows)]
    without = [one for one in some if isinstance(one.test, Rows) and not one.test.joins]
    assert len(list(queries(without))) == 1
    assert len(list(queries(some))) <= 4
    counted = [check.id for one in queries(CHECKS) for check in one.checks]
    assert len(counted) == len(set(counted)) == sum(not isinstance(one.test, Declared) for one in CHECKS)


def test_a_plain_rule_is_a_condition() -> None:
    assert plain_rows("x", Plain(low=0, high=5)).violated == "r.x < 0 OR r.x > 5"
    assert plain_rows("x", Plain(allowed=(1, 2))).violated == "r.x NOT IN (1, 2)"
    assert plain_rows("x", Plain(required=True)) == Rows("r.x IS NULL", plain=Plain(required=True))
    assert plain_rows("x", Plain(no_later_than="y")).among == "r.x IS NOT NULL AND r.y IS NOT NULL"


def test_the_values_of_an_expression() -> None:
    first = Translate(source=None, name="", table=(("a", 1), ("b", 2)))  # type: ignore[arg-type]
    assert constants(Alternatives((first, Guarded(None, Constant(3))))) == {1, 2, 3}  # type: ignore[arg-type]
    assert constants(Alternatives((first, Position()))) is None


def test_limits_hold_for_all_that_write_a_number() -> None:
    one, other = Limits(0, 5, "a.yaml 1", "a.yaml 1"), Limits(-1, None, "a.yaml 2", "b.yaml 2")
    assert widest([one, other]) == Limits(-1, None, "a.yaml 1, 2", "a.yaml 1, b.yaml 2")
    assert origins(["a", "a", "b"]) == "a, b"


def thresholds(folder: Path, content: str) -> Thresholds:
    path = folder / "quality.yaml"
    path.write_text(content)
    return read_thresholds(path, CHECKS)


def test_the_last_override_about_a_check_counts(tmp_path: Path) -> None:
    found = thresholds(
        tmp_path,
        "defaults: {isRequired: 1.5}\n"
        "overrides:\n"
        "  - {check: isRequired, threshold: 2, why: because of this}\n"
        "  - {check: isRequired, table: note, threshold: 3, why: because of that}\n"
        "  - {id: field_isforeignkey_note_person_id, threshold: 4, why: for a reason}\n"
        "  - {concept: 44793131, threshold: 5, why: for a reason}\n",
    )
    assert found.of(BY_ID["field_isrequired_person_person_id"]) == 2
    assert found.of(BY_ID["field_isrequired_note_note_id"]) == 3
    assert found.why(BY_ID["field_isrequired_note_note_id"]) == "because of that"
    assert found.of(BY_ID["field_isforeignkey_note_person_id"]) == 4
    assert found.of(BY_ID["concept_unitrequired_measurement_unit_concept_id_44793131"]) == 5
    assert found.of(BY_ID["field_isprimarykey_note_note_id"]) == 0
    assert Thresholds(defaults={"isRequired": 1.5}).of(BY_ID["field_isrequired_note_note_id"]) == 1.5


def test_a_mapping_without_thresholds_has_those_by_check() -> None:
    found = default_thresholds()
    assert found.of(BY_ID["field_measurevaluecompleteness_note_note_title"]) == 100
    assert found.of(BY_ID["table_measurepersoncompleteness_observation_period"]) == 100
    assert found.of(BY_ID["field_isrequired_note_note_id"]) == 0
    assert found.of(BY_ID["field_plausiblevaluehigh_note_note_date"]) == 0


def test_few_extraordinary_values_are_allowed_and_no_impossible_ones() -> None:
    found = read_thresholds(DEFAULT_MAPPING.joinpath("quality.yaml"), CHECKS)
    by_name = {name: {found.of(one) for one in CHECKS if one.name == name} for name in KINDS}
    assert by_name["extraordinaryValue"] == by_name["plausibleAgainst"] == {1}
    strict = {"plausibleValueLow", "plausibleValueHigh", "plausibleAfterBirth", "plausibleStartBeforeEnd"}
    assert [by_name[one] for one in sorted(strict | {"withinObservationPeriod"})] == [{0}] * 5
    some = [one for one in CHECKS if found.of(one) == 5]
    assert [one.id for one in some] == [
        "field_standardconceptrecordcompleteness_episode_episode_object_concept_id",
        "field_standardconceptrecordcompleteness_procedure_occurrence_procedure_concept_id",
    ]
    assert found.of(BY_ID["field_standardconceptrecordcompleteness_measurement_unit_concept_id"]) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("default: {}\n", "quality.yaml:1: 'default': Extra inputs are not permitted"),
        ("defaults: {isRequired: 101}\n", "quality.yaml:1: 'defaults.isRequired': Input should be less than"),
        ("defaults:\n  isrequired: 1\n", "quality.yaml:2: there is no check 'isrequired'"),
        ("overrides:\n- {threshold: 1, why: whatever}\n", "quality.yaml:2: say what it is about"),
        (
            "overrides:\n- {table: nope, threshold: 1, why: whatever}\n",
            "quality.yaml:2: there is no such check",
        ),
        ("overrides:\n- {table: note, threshold: 1}\n", "quality.yaml:2: 'overrides.0.why': Field required"),
        ("overrides: [\n", "not YAML"),
        ("a: 1\na: 2\n", "quality.yaml:2: not YAML"),
        ("- 1\n", "quality.yaml:1: 'file'"),
    ],
)
def test_a_slip_in_the_thresholds_is_named_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ThresholdError) as raised:
        thresholds(tmp_path, content)
    assert message in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ThresholdError, match="cannot be read: FileNotFoundError"):
        read_thresholds(tmp_path / "none.yaml", CHECKS)


def test_the_shipped_thresholds_are_about_checks_that_there_are() -> None:
    assert read_thresholds(DEFAULT_MAPPING.joinpath("quality.yaml"), CHECKS).overrides


def report() -> Report:
    one, other, third = (
        BY_ID[name]
        for name in (
            "concept_plausiblevaluehigh_measurement_value_as_number_44793131_8842",
            "field_isrequired_person_person_id",
            "field_isrequired_specimen_person_id",
        )
    )
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    results = (
        Result(one, "failed", 1, 5, 50, (7, 8), seconds=0.25),
        Result(other, "passed", 0, 0, 50),
        Result(third, "not applicable", 0, reason="Table specimen is empty."),
        Result(BY_ID["field_isprimarykey_person_person_id"], "error", 0, reason="it took too long"),
    )
    return Report(
        results, now, now.replace(second=9), {"cdm_source_name": "Ours", "source_description": None}
    )


def test_results_are_in_the_shape_of_the_dashboard() -> None:
    told = json.loads(results_json(report()))
    assert list(told) == [
        *("startTimestamp", "endTimestamp", "executionTime", "executionTimeSeconds"),
        *("CheckResults", "Metadata", "Overview"),
    ]
    assert (told["startTimestamp"], told["executionTime"]) == (["2026-01-02 03:04:05"], ["4 secs"])
    assert told["Metadata"] == [{"cdmSourceName": "Ours", "dqdVersion": "2.8.4"}]
    failed, passed, silent, error = told["CheckResults"]
    assert {name: failed[name] for name in ("checkName", "checkLevel", "cdmTableName", "cdmFieldName")} == {
        "checkName": "plausibleValueHigh",
        "checkLevel": "CONCEPT",
        "cdmTableName": "MEASUREMENT",
        "cdmFieldName": "VALUE_AS_NUMBER",
    }
    assert (failed["conceptId"], failed["unitConceptId"]) == ("44793131", "8842")
    assert (failed["numViolatedRows"], failed["pctViolatedRows"], failed["numDenominatorRows"]) == (
        5,
        0.1,
        50,
    )
    assert "Rows of measurement: 7, 8." in failed["notesValue"]
    assert failed["notesValue"].endswith("Go on with: oncolake explain measurement 7")
    statuses = [tuple(one[name] for name in ("failed", "passed", "isError", "notApplicable")) for one in
                (failed, passed, silent, error)]  # fmt: skip
    assert statuses == [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0)]
    assert (silent["notApplicableReason"], error["error"]) == ("Table specimen is empty.", "it took too long")
    assert "error" not in failed
    assert "conceptId" not in passed


def test_the_overview_counts_by_category() -> None:
    numbers = overview(report())
    assert (numbers["countTotal"], numbers["countThresholdFailed"], numbers["countErrorFailed"]) == (4, 1, 1)
    assert (numbers["countTotalConformance"], numbers["countPassedConformance"]) == (3, 1)
    assert (numbers["countFailedPlausibility"], numbers["percentFailed"]) == (1, 25.0)


def test_errors_come_first_then_what_most_rows_break() -> None:
    assert [one.status for one in report().failed] == ["error", "failed"]


def test_a_row_that_no_rule_made_is_not_explained() -> None:
    one = Check("isRequired", "FIELD", "care_site", Rows("FALSE"), "x", "care_site_id")
    assert Result(one, "failed", 0, 1, 1, (3,)).explained is None
    of_person = Check("useCaseNote", "TABLE", "note", Rows("FALSE"), "x", witness=("person", "person_id"))
    assert Result(of_person, "failed", 0, 1, 1, (3,)).explained == "oncolake explain person 3"


def test_pages_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = (
        '<html><head><title>x</title><link rel="stylesheet" href="https://a.example/a.css">'
        '<script src="https://a.example/a.js" integrity="x"></script><style>a { background: '
        "url('https://a.example/a.png') }</style></head><body><img class='x' src=\"https://a.example/i.png\">"
        '<img src="static/own.png"><script>kept()</script><a href="other.html">on</a></body></html>'
    )
    (tmp_path / "deep").mkdir()
    (tmp_path / "static").mkdir()
    (tmp_path / "deep" / "index.html").write_text(page)
    make_offline(tmp_path)
    made = (tmp_path / "deep" / "index.html").read_text()
    assert "a.example" not in made
    assert "static/own.png" not in made
    assert "kept()" in made
    assert 'href="other.html"' in made
    assert made.index("Content-Security-Policy") < made.index("<title>")
    assert not (tmp_path / "static").exists()
