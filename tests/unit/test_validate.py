"""Validation: every violation with its path and a reason in the schema's words, never in the document's."""

import copy
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl import validate
from etl.strict import counted
from etl.validate import Validator, Violation

SCHEMA = json.loads(files("mappings.prostate").joinpath("ecrf.schema.json").read_text("utf-8"))
PROSTATE = Validator(SCHEMA)
SAMPLE = json.loads(
    files("mappings.prostate").joinpath("samples/cases.ndjson").read_text("utf-8").splitlines()[0]
)
SECRET = "Ioannis-1947"


def check(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """Violations of a document whose key ``v`` holds ``value``."""
    validator = Validator({"type": "object", "properties": {"v": schema}})
    return [(each.path, each.reason) for each in validator.violations({"v": value})]


KEYWORDS: list[tuple[dict[str, Any], Any, str]] = [
    ({"type": "integer"}, SECRET, "must be an integer"),
    ({"type": ["integer", "null"]}, SECRET, "must be an integer or null"),
    ({"type": "boolean"}, 1, "must be true or false"),
    ({"enum": ["yes", "no", None]}, SECRET, 'must be one of: "yes", "no", null'),
    ({"const": True}, SECRET, "must be true"),
    ({"minimum": 0}, -1947, "must be at least 0"),
    ({"maximum": 5}, 1947, "must be at most 5"),
    ({"exclusiveMinimum": 0}, 0, "must be more than 0"),
    ({"exclusiveMaximum": 5}, 1947, "must be less than 5"),
    ({"multipleOf": 2}, 1947, "must be a multiple of 2"),
    ({"minLength": 20}, SECRET, "must have at least 20 characters"),
    ({"maxLength": 1}, SECRET, "must have at most 1 character"),
    ({"minItems": 2}, [SECRET], "must have at least 2 items"),
    ({"maxItems": 1}, [SECRET, 1], "must have at most 1 item"),
    ({"minProperties": 1}, {}, "must have at least 1 key"),
    ({"maxProperties": 1}, {"a": SECRET, "b": 1}, "must have at most 1 key"),
    ({"uniqueItems": True}, [SECRET, SECRET], "must not hold the same item twice"),
    ({"pattern": "^[0-9]+$"}, SECRET, "must match the pattern ^[0-9]+$"),
    ({"format": "date"}, "2021-02-30", "must be a valid date"),
    ({"format": "date"}, SECRET, "must be a valid date"),
    ({"format": "date-time"}, "2021-02-28", "must be a valid date-time"),
    ({"format": "date-time"}, "2021-02-30T10:00:00Z", "must be a valid date-time"),
    ({"format": "date-time"}, "2021-02-28T10:00:00", "must be a valid date-time"),
    ({"required": ["psa", "age"]}, {"age": SECRET}, "'psa' is missing"),
    ({"dependentRequired": {"age": ["psa"]}}, {"age": SECRET}, "'psa' is missing: 'age' needs it"),
    (
        {"properties": {"age": {}}, "additionalProperties": False},
        {"agee": SECRET},
        "an unknown key (the 1st of this object); did you mean 'age'?",
    ),
    (
        {"properties": {"age": {"properties": {"psa": {}}}}, "additionalProperties": False},
        {"psa": SECRET},
        "unknown key 'psa'",
    ),
    (
        {"patternProperties": {"^x": {}}, "additionalProperties": False},
        {"x": 2, "zx": 1},
        "an unknown key (the 2nd of this object)",
    ),
    ({"additionalProperties": False}, {"PCa-4711": 1}, "an unknown key (the 1st of this object)"),
    ({"additionalProperties": False}, {SECRET: 1}, "an unknown key (the 1st of this object)"),
    (
        {"contains": {"title": "a scan"}, "minContains": 2},
        [SECRET],
        "must hold at least 2 items of the kind: a scan",
    ),
    (
        {"contains": {"$comment": "a scan", "const": 1}},
        [SECRET],
        "must hold at least 1 item of the kind: a scan",
    ),
    ({"contains": {"const": 1}}, [SECRET], "must hold at least 1 item of the kind that 'contains' describes"),
    (
        {"contains": {"properties": {"b": {"const": True}}}, "minContains": 1, "maxContains": 2},
        [{"b": SECRET}],
        "must hold 1 to 2 items with 'b' true",
    ),
    ({"not": {"const": SECRET}}, SECRET, "must not be like this"),
    ({"anyOf": [{"type": "null"}, {"const": 1}]}, SECRET, "fits none of the 2 alternatives"),
    (
        {"oneOf": [{"type": "string"}, {"maxLength": 20}]},
        SECRET,
        "must fit exactly one of the 2 alternatives",
    ),
    ({"if": {"type": "string"}, "then": {"type": "null"}}, SECRET, "must be null"),
    ({"if": {"type": "null"}, "else": {"maxLength": 3}}, SECRET, "must have at most 3 characters"),
    ({"allOf": [{"maxLength": 3}, {"maxLength": 3}]}, SECRET, "must have at most 3 characters"),
    ({"properties": {"a": False}}, {"a": SECRET}, "holds something that is not allowed here"),
    ({"unevaluatedProperties": False}, {"a": SECRET}, "breaks the schema's rule 'unevaluatedProperties'"),
]


@pytest.mark.parametrize(("schema", "value", "reason"), KEYWORDS, ids=[reason for *_, reason in KEYWORDS])
def test_each_keyword_is_told_in_the_schemas_words(schema: dict[str, Any], value: Any, reason: str) -> None:
    ((path, told),) = check(schema, value)
    assert told == reason
    assert path == "$.v"


@pytest.mark.parametrize(
    ("schema", "value", "path"),
    [
        ({"additionalProperties": {"type": "null"}}, {f"{SECRET} Doe": 1}, "$.v.*"),
        ({"additionalProperties": {"items": {"type": "null"}}}, {SECRET + "!": [None, 1]}, "$.v.*[1]"),
        ({"patternProperties": {"1947": {"type": "null"}}}, {"01-01-1947": 1}, "$.v.*"),
        ({"additionalProperties": {"type": "null"}}, {"PCa-4711": 1}, "$.v.*"),
        ({"properties": {"PI-RADS": {"type": "null"}}}, {"PI-RADS": 1}, '$.v."PI-RADS"'),
        ({"properties": {"odd name": {"type": "null"}}}, {"odd name": 1}, '$.v."odd name"'),
    ],
)
def test_a_path_tells_no_key_but_the_schemas(schema: dict[str, Any], value: Any, path: str) -> None:
    assert check(schema, value) == [(path, "must be null")]


def test_all_violations_are_found_and_ordered_by_path() -> None:
    item = {"type": "object", "properties": {"PI-RADS": {"maximum": 5}, "x": {"type": "null"}}}
    documents = [{}] * 2 + [{"PI-RADS": 9, "x": SECRET}] + [{}] * 7 + [{"x": 1}]
    assert check({"items": item}, documents) == [
        ('$.v[2]."PI-RADS"', "must be at most 5"),
        ("$.v[2].x", "must be null"),
        ("$.v[10].x", "must be null"),
    ]


def test_at_most_100_violations_are_told_and_the_others_counted() -> None:
    found = check({"items": {"type": "null"}}, list(range(250)))
    assert len(found) == 101
    assert found[-1] == ("$", "... and 150 more")


def test_no_more_keys_are_compared_than_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(validate, "get_close_matches", lambda key, *_, n: compared.append(key) or ["age"])
    schema = {"properties": {"age": {}}, "additionalProperties": False}
    found = check(schema, {"z" * 1_000_000: 1} | {f"z{number}": 1 for number in range(1_000)})
    assert len(found) == 101
    assert (len(compared), max(map(len, compared))) == (99, 3)


def test_a_disagreement_of_the_two_validators_is_a_violation() -> None:
    # Python's "$" also matches before a last line break; the schema language's does not.
    ((path, reason),) = check({"pattern": "^a$"}, "a\n")
    assert (path, reason) == ("$", "is not valid, but the two validators disagree: please report this")


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(jsonschema.SchemaError):
        Validator({"type": "objekt"})


@given(
    st.recursive(
        st.none() | st.integers() | st.just(SECRET),
        lambda s: st.lists(s) | st.dictionaries(st.sampled_from(["age", "psa", "site", "lesions"]), s),
    )
)
def test_both_validators_agree_and_no_value_is_told(value: Any) -> None:
    document = {**SAMPLE, "clinicalBaselineData": value}
    found = PROSTATE.violations(document)
    assert bool(found) == (not jsonschema.Draft202012Validator(SCHEMA).is_valid(document))
    assert not any(SECRET in each.reason or "disagree" in each.reason for each in found)


def changed(change: Callable[[dict[str, Any]], object]) -> tuple[Violation, ...]:
    document = copy.deepcopy(SAMPLE)
    change(document)
    return PROSTATE.violations(document)


def test_the_sample_is_valid() -> None:
    assert changed(lambda document: None) == ()


def put(document: dict[str, Any], *path: str | int, value: Any) -> None:
    *parents, last = path
    inner: Any = document
    for key in parents:
        inner = inner[key]
    inner[last] = value


PSA = ("clinicalBaselineData", "psa")
BASELINE = {"totalPSAvalue": 7.2, "psadate": "2021-07-11", "baseline": True}
LAST = counted(len(SAMPLE["clinicalBaselineData"]) + 1)
BAD = [
    (("agee",), 74, "$", f"an unknown key (the {counted(len(SAMPLE) + 1)} of this object)"),
    (
        ("clinicalBaselineData", "agee"),
        74,
        "$.clinicalBaselineData",
        f"an unknown key (the {LAST} of this object); did you mean 'age'?",
    ),
    (
        ("clinicalBaselineData", "DRE"),
        SECRET,
        "$.clinicalBaselineData.DRE",
        'must be one of: "positive", "negative", null',
    ),
    (("clinicalBaselineData", "age"), "74", "$.clinicalBaselineData.age", "must be an integer"),
    (("clinicalBaselineData", "age"), 7400, "$.clinicalBaselineData.age", "must be at most 110"),
    (PSA, [], "$.clinicalBaselineData.psa", "must have at least 1 item"),
    (
        PSA,
        [{**BASELINE, "baseline": False}],
        "$.clinicalBaselineData.psa",
        "must hold exactly 1 item with 'baseline' true",
    ),
    (
        PSA,
        [BASELINE, BASELINE],
        "$.clinicalBaselineData.psa",
        "must hold exactly 1 item with 'baseline' true",
    ),
    ((*PSA, 0, "psadate"), "2021-02-30", "$.clinicalBaselineData.psa[0].psadate", "must be a valid date"),
    ((*PSA, 0, "psadate"), SECRET, "$.clinicalBaselineData.psa[0].psadate", "must be a valid date"),
    (("patientID",), "P" * 60, "$.patientID", "must have at most 50 characters"),
    (("useCaseType",), SECRET, "$.useCaseType", "must be one of:"),
    (("lesions",), None, "$.lesions", "must be an array"),
]


@pytest.mark.parametrize(("place", "value", "path", "reason"), BAD)
def test_bad_cases_name_the_place(place: tuple[str | int, ...], value: Any, path: str, reason: str) -> None:
    found = changed(lambda document: put(document, *place, value=value))
    assert [each for each in found if each.path == path and each.reason.startswith(reason)], found
    assert not any(SECRET in each.reason for each in found)


def test_5000_lesions_are_refused_in_reasonable_time() -> None:
    found = changed(lambda document: put(document, "lesions", value=document["lesions"][:1] * 5000))
    assert [each.path for each in found] == ["$.lesions"]
    assert found[0].reason.startswith("must have at most")
