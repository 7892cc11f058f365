"""Source paths and what the JSON Schema says of them."""

from typing import Any

import pytest

from etl.mapping.paths import (
    Facts,
    absolute,
    broken_references,
    json_path,
    leaves,
    lists_above,
    recursive_references,
    resolve,
    suggestion,
)  # fmt: skip

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "list", "part"],
    "properties": {
        "id": {"type": "string", "maxLength": 9, "title": "Id"},
        "maybe": {"type": ["string", "null"]},
        "part": {"$ref": "#/$defs/part"},
        "either": {"anyOf": [{"$ref": "#/$defs/code"}, {"type": "null"}], "title": "Either"},
        "one": {"oneOf": [{"type": "null"}, {"type": "integer"}]},
        "two": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "fixed": {"const": "x"},
        "any": True,
        "list": {
            "type": "array",
            "maxItems": 3,
            "items": {"type": "object", "required": ["a"],
                      "properties": {"a": {"type": "number"}, "b b": {"type": "boolean"}}},
        },
        "none": {"type": "array", "items": False},
        "day": {"type": "string", "format": "date"},
    },
    "$defs": {
        "part": {"type": "object", "required": ["x"],
                 "properties": {"x": {"type": "integer"}, "c": {"$ref": "#/$defs/code"}}},
        "code": {"type": ["string", "null"], "enum": ["p", "q", None]},
    },
}  # fmt: skip
STRING, INTEGER = frozenset({"string"}), frozenset({"integer"})


@pytest.mark.parametrize(
    ("path", "scope", "segments"),
    [
        ("a", (), ("a",)),
        ("a.b", (), ("a", "b")),
        ("a", ("list", "[*]"), ("list", "[*]", "a")),
        ("@", ("list", "[*]"), ("list", "[*]")),
        ("$.a.b", ("list", "[*]"), ("a", "b")),
        ("$.list[*].a", (), ("list", "[*]", "a")),
        ("list[*].deep[*]", (), ("list", "[*]", "deep", "[*]")),
    ],
)
def test_a_path_starts_at_the_item_or_at_the_document(
    path: str, scope: tuple[str, ...], segments: tuple[str, ...]
) -> None:
    assert absolute(path, scope) == segments


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        ((), "$"),
        (("lesions", "[*]", "diam1"), "$.lesions[*].diam1"),
        (("lesions", "[*]", "PI-RADS"), '$.lesions[*]."PI-RADS"'),
        (("a b", 'q"\\'), '$."a b"."q\\"\\\\"'),
        (("1st",), '$."1st"'),
    ],
)
def test_json_paths_quote_what_is_no_identifier(segments: tuple[str, ...], path: str) -> None:
    assert json_path(segments) == path


def test_lists_above_a_place_outermost_first() -> None:
    assert lists_above(("a", "[*]", "b", "c", "[*]", "d")) == (("a", "[*]"), ("a", "[*]", "b", "c", "[*]"))


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        ("id", Facts(STRING, max_length=9, title="Id")),
        ("maybe", Facts(STRING, required=False)),
        ("part.x", Facts(INTEGER)),
        ("part.c", Facts(STRING, enum=("p", "q"), required=False)),
        ("either", Facts(STRING, enum=("p", "q"), title="Either", required=False)),
        ("one", Facts(INTEGER, required=False)),
        ("two", Facts(frozenset(), required=False)),
        ("fixed", Facts(frozenset(), enum=("x",), required=False)),
        ("list", Facts(frozenset({"array"}), max_items=3)),
        ("list[*].a", Facts(frozenset({"number"}))),
        ("list[*].b b", Facts(frozenset({"boolean"}), required=False)),
        ("day", Facts(STRING, format="date", required=False)),
        ("nothing", None),
        ("id.x", None),
        ("part[*]", None),
        ("none[*]", None),
        ("any", None),
    ],
)
def test_what_the_schema_says_of_a_place(path: str, facts: Facts | None) -> None:
    assert resolve(SCHEMA, absolute(path, ())) == facts


def test_leaves_in_the_schemas_order() -> None:
    assert [json_path(one) for one, _ in leaves(SCHEMA)] == [
        "$.id",
        "$.maybe",
        "$.part.x",
        "$.part.c",
        "$.either",
        "$.one",
        "$.two",
        "$.fixed",
        "$.list[*].a",
        '$.list[*]."b b"',
        "$.day",
    ]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("ide", "'ide' is not in '$'; did you mean 'id'?"),
        ("part.y", "'y' is not in '$.part'; known: x, c"),
        ("list[*].aa", "'aa' is not in '$.list[*]'; did you mean 'a'?"),
        ("id.x.y", "'x' is not in '$.id'; known: nothing"),
        ("id", ""),
    ],
)
def test_a_suggestion_names_the_first_step_that_leads_nowhere(path: str, says: str) -> None:
    assert suggestion(SCHEMA, absolute(path, ())) == says


@pytest.mark.parametrize(
    ("facts", "length", "fits"),
    [
        (Facts(STRING, max_length=9), 9, True),
        (Facts(STRING, max_length=10), 9, False),
        (Facts(STRING), 9, False),
        (Facts(STRING), None, True),
        (Facts(STRING, enum=("abc", "d")), 3, True),
        (Facts(STRING, enum=("abcd", "d")), 3, False),
        (Facts(STRING, enum=()), 0, True),
        (Facts(frozenset()), 9, False),
        (Facts(INTEGER), 24, True),
        (Facts(INTEGER), 23, False),
    ],
)
def test_whether_every_value_fits_a_column(facts: Facts, length: int | None, fits: bool) -> None:
    assert facts.fits(length) is fits


@pytest.mark.parametrize(
    ("reference", "broken"),
    [
        ("#/$defs/a", []),
        ("#/$defs/b", ["#/$defs/b"]),
        ("#/$defs/a/type", ["#/$defs/a/type"]),
        ("https://example.org/schema", ["https://example.org/schema"]),
    ],
)
def test_references_that_do_not_lead_to_a_schema(reference: str, broken: list[str]) -> None:
    schema = {"allOf": [{"properties": {"x": {"$ref": reference}}}], "$defs": {"a": {"type": "string"}}}
    assert list(broken_references(schema)) == broken


@pytest.mark.parametrize(
    ("a", "b", "recursive"),
    [
        ({"type": "string"}, {"$ref": "#/$defs/a"}, []),
        ({"$ref": "#/$defs/a"}, {"type": "string"}, ["#/$defs/a"]),
        (
            {"properties": {"x": {"$ref": "#/$defs/b"}}},
            {"items": {"$ref": "#/$defs/a"}},
            ["#/$defs/a", "#/$defs/b"],
        ),
        ({"items": {"$ref": "#/$defs/b"}}, {"items": {"$ref": "#/$defs/b/items"}}, ["#/$defs/b/items"]),
    ],
)
def test_references_that_lead_back_to_themselves(a: dict, b: dict, recursive: list[str]) -> None:
    schema = {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": a, "b": b}}
    assert sorted(recursive_references(schema)) == recursive
