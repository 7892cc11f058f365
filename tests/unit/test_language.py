"""The language's shapes, and the JSON Schemas that editors use."""

import json
from importlib.resources import files
from typing import Any, Literal, get_args

import jsonschema
import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from etl.mapping.language import MAPPING, SECTION, json_schema
from etl.mapping.phrases import AllOf, AnyOf, Choice, First, IsOneOf, Lookup, Not, Use

Part = Literal["mapping", "section"]
MAPPINGS = files("mappings")


def rule(**words: Any) -> dict[str, Any]:
    return {"table": "measurement", "concept": "1 One", **words}


@pytest.mark.parametrize(
    ("written", "shape"),
    [
        ("1 One", str),
        (0, int),
        (1.5, float),
        ({"from": "a"}, Lookup),
        ({"via": "m"}, Lookup),
        ({"map": {"a": 1}}, Lookup),
        ({"first": ["a"]}, First),
        ({"when": "a", "is": "b"}, Choice),
        ({"use": "d"}, Use),
        (Lookup(via="m"), Lookup),
        (Use(use="d"), Use),
    ],
)
def test_expressions(written: Any, shape: type) -> None:
    assert type(SECTION.validate_python({"r": rule(value=written)})["r"].value) is shape


@pytest.mark.parametrize(
    ("written", "shape"),
    [
        ("a.b", str),
        ({"path": "a", "in": [1]}, IsOneOf),
        ({"not": "a"}, Not),
        ({"any": ["a"]}, AnyOf),
        ({"all": ["a", {"not": "b"}]}, AllOf),
        (Not.model_validate({"not": "a"}), Not),
    ],
)
def test_conditions(written: Any, shape: type) -> None:
    assert type(SECTION.validate_python({"r": rule(when=written)})["r"].when) is shape


@pytest.mark.parametrize(
    "written",
    [
        rule(colour="red"),
        rule(value={"from": "a", "is": "b"}),
        rule(value={"first": []}),
        rule(value=None, number=""),
        rule(when={"path": "a"}),
        rule(when={"path": "a", "in": []}),
        rule(when={"any": []}),
        rule(rows={"Upper": rule()}),
        rule(rows={"a.b": rule()}),
        "text",
    ],
)
def test_what_is_no_rule(written: Any) -> None:
    with pytest.raises(ValidationError):
        SECTION.validate_python({"r": written})


def test_an_empty_lookup_is_the_item_itself() -> None:
    assert SECTION.validate_python({"r": rule(value={})})["r"].value == Lookup(**{"from": "@"})


@pytest.mark.parametrize("name", ["a", "a1_b", "x" * 50])
def test_names(name: str) -> None:
    assert name in SECTION.validate_python({name: rule()})


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a b", "a.b", "x" * 51, "a\n"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        SECTION.validate_python({name: rule()})


def test_true_and_1_are_two_keys_of_a_map() -> None:
    read = SECTION.validate_python({"r": rule(value={"from": "a", "map": {True: "1 One", "true": "2 Two"}})})
    assert [type(key) for key in read["r"].value.map] == [bool, str]


@pytest.mark.parametrize("part", get_args(Part))
def test_the_json_schema_beside_the_mappings_is_the_languages(part: Part) -> None:
    written = MAPPINGS.joinpath(f"{part}.schema.json").read_text(encoding="utf-8")
    assert written == json.dumps(json_schema(part), indent=2) + "\n", f"write it anew: {part}.schema.json"


@pytest.mark.parametrize("part", get_args(Part))
def test_the_shipped_mapping_fits_the_json_schema(part: Part) -> None:
    schema = json_schema(part)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    files = (one.name for one in (MAPPINGS / "prostate").iterdir())
    names = sorted(one for one in files if one.endswith(".yaml") and one != "quality.yaml")
    for name in names:
        if (name == "mapping.yaml") == (part == "mapping"):
            data = YAML(typ="safe").load((MAPPINGS / "prostate" / name).read_text(encoding="utf-8"))
            found = [one.message for one in validator.iter_errors(json.loads(json.dumps(data, default=str)))]
            assert found == [], name


def test_every_yaml_file_names_its_schema_for_editors() -> None:
    for file in (MAPPINGS / "prostate").iterdir():
        # Thresholds are no part of the mapping language.
        if file.name.endswith(".yaml") and file.name != "quality.yaml":
            first = file.read_text(encoding="utf-8").splitlines()[0]
            part = "mapping" if file.name == "mapping.yaml" else "section"
            assert first == f"# yaml-language-server: $schema=../{part}.schema.json", file.name


def test_the_mapping_needs_what_every_case_needs() -> None:
    with pytest.raises(ValidationError) as caught:
        MAPPING.validate_python({})
    missing = {one["loc"][0] for one in caught.value.errors() if one["type"] == "missing"}
    assert missing == {"name", "title", "schema", "case"}


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Use(use="a").use = "b"  # type: ignore[misc]
