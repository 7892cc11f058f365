"""The documents that other property tests draw: valid, and everywhere that the schema lets them go."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import find, given, seed, settings

from etl.mapping.paths import ITEM, Segments, json_path, leaves
from tests.strategies import cases, nodes

SCHEMA = json.loads((resources.files("mappings") / "prostate" / "ecrf.schema.json").read_text("utf-8"))
FORMS = SCHEMA["properties"]["useCaseType"]["enum"]
RUST = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)
PYTHON = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
Document = dict[str, Any]


def drawn(schema: dict[str, Any], examples: int, runs: int = 1) -> list[Any]:
    """Documents of a schema. Those of one run resemble each other: Hypothesis varies what it has drawn."""
    documents: list[Any] = []

    @settings(max_examples=examples, database=None, deadline=None)
    @given(cases(schema))
    def collect(document: Any) -> None:
        documents.append(document)

    for run in range(runs):
        seed(run)(collect)()
    return documents


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return drawn(SCHEMA, 40, runs=15)


def places(node: object, at: Segments = ()) -> Iterator[tuple[Segments, object]]:
    yield at, node
    children: Any = node.items() if isinstance(node, dict) else ()
    if isinstance(node, list):
        children = ((ITEM, child) for child in node)
    for key, child in children:
        yield from places(child, (*at, key))


@settings(max_examples=100, deadline=None)
@given(cases(SCHEMA))
def test_a_document_is_valid(document: Document) -> None:
    assert [error.instance_path for error in RUST.iter_errors(document)] == []
    assert PYTHON.is_valid(document)


def test_every_form_is_drawn(documents: list[Document]) -> None:
    counts = Counter(document["useCaseType"] for document in documents)
    assert set(counts) == set(FORMS)
    assert min(counts.values()) > len(documents) / len(FORMS) / 4


def test_every_field_is_recorded(documents: list[Document]) -> None:
    recorded = {place for document in documents for place, value in places(document) if value is not None}
    assert [json_path(place) for place, _ in leaves(SCHEMA) if place not in recorded] == []


OBJECTS = [node for node in nodes(SCHEMA) if "additionalProperties" in node]


@pytest.mark.parametrize("node", OBJECTS, ids=lambda node: ",".join(list(node["properties"])[:2]))
def test_every_optional_field_is_null_and_absent(node: dict[str, Any]) -> None:
    schema = {key: node[key] for key in node.keys() - {"allOf"}} | {
        "type": "object",
        "$defs": SCHEMA["$defs"],
    }
    found = drawn(schema, 40, runs=5)
    for name, field in node["properties"].items():
        assert all(name in each for each in found) is (name in node.get("required", ())), name
        nullable = jsonschema_rs.is_valid(field | {"$defs": SCHEMA["$defs"]}, None)
        assert any(each.get(name, "absent") is None for each in found) is nullable, name


UNUSUAL = {
    "days before the baseline": lambda d: ((d.get("imagingInfo") or {}).get("daysAfterBaselineMRI") or 0) < 0,
    "a section foreign to the form": lambda d: d["useCaseType"] == "1" and d.get("treatment"),
    "a null section": lambda d: None in d.values(),
    "an empty list": lambda d: d.get("dicom") == [],
    "a record without anything": lambda d: {} in (d.get("followUp") or ()),
    "several records": lambda d: len(d.get("followUp") or ()) > 2,
    "a follow-up baseline without a date": lambda d: any(
        test.get("baseline") and not test.get("psadate")
        for record in d.get("followUp") or ()
        for test in record.get("psa") or ()
    ),
    "a date of the last century": lambda d: any(
        (test.get("psadate") or "").startswith("19") for test in d["clinicalBaselineData"]["psa"]
    ),
    "no prostatectomy with a stage, a method or nerves spared": lambda d: (
        (surgery := d.get("prostatectomyInfo") or {}).get("prostatectomyPerformed") is False
        and any(surgery.get(key) for key in ("RPmethod", "nerveSparing", "stage"))
    ),
    "an integer written as 74.0": lambda d: isinstance(d["clinicalBaselineData"]["age"], float),
    "a patient not in ASCII": lambda d: not d["patientID"].isascii(),
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_unusual_documents_are_drawn(what: str, documents: list[Document]) -> None:
    assert any(UNUSUAL[what](document) for document in documents)


BASELINE = {"type": "object", "required": ["b"], "properties": {"b": {"const": True}}}
ITEMS = {"type": "object", "additionalProperties": False, "properties": {"b": {"type": ["boolean", "null"]}}}
DRAWN: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({"type": "integer", "minimum": 2, "maximum": 3}, [2, 3], []),
    ({"type": ["integer", "null"], "enum": [1, 2, None]}, [1, 2, None], []),
    ({"allOf": [{"enum": [1, True, "a"]}, {"enum": [True, "a"]}, {"type": "boolean"}]}, [True], [1, "a"]),
    ({"allOf": [{"type": "number", "minimum": 0}, {"type": "integer", "maximum": 0}]}, [0], []),
    (
        {"$ref": "#/$defs/x", "type": "string", "$defs": {"x": {"type": ["string", "null"], "maxLength": 0}}},
        [""],
        [None],
    ),
    (
        {
            "type": "array",
            "items": ITEMS,
            "maxItems": 2,
            "contains": BASELINE,
            "minContains": 0,
            "maxContains": 1,
        },
        [[], [{"b": True}], [{"b": False}, {"b": True}], [{"b": None}], [{}, {}]],
        [[{"b": True}, {"b": True}]],
    ),
    (
        {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "minItems": 1},
        [["a"], ["b", "a"]],
        [[], ["a", "a"]],
    ),
    (
        {
            "type": "object",
            "properties": {"a": {"enum": [1, 2]}, "b": {"enum": ["x", None]}},
            "if": {"required": ["a"], "properties": {"a": {"const": 1}}},
            "then": {"required": ["b"], "properties": {"b": {"type": "string"}}},
            "else": {"properties": {"b": {"type": "null"}}},
        },
        [{"a": 1, "b": "x"}, {"a": 2}, {"a": 2, "b": None}, {}],
        [{"a": 1}, {"a": 2, "b": "x"}],
    ),
]


@pytest.mark.parametrize(("schema", "some", "never"), DRAWN)
def test_a_small_schema_yields_all_that_is_valid_and_nothing_else(
    schema: dict[str, Any], some: list[Any], never: list[Any]
) -> None:
    valid = jsonschema_rs.Draft202012Validator(schema)
    found = drawn(schema, 60, runs=6)
    assert all(valid.is_valid(value) for value in found)
    written = {json.dumps(value) for value in found}
    assert {json.dumps(value) for value in some} <= written
    assert not {json.dumps(value) for value in never} & written


@pytest.mark.parametrize(
    ("schema", "word"),
    [({"properties": {"a": {"anyOf": [{}]}}}, "'anyOf'"), ({"type": "string", "format": "time"}, "'time'")],
)
def test_a_schema_that_needs_more_is_refused(schema: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(word)):
        find(cases(schema), lambda _: True)
