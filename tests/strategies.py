"""Hypothesis strategies made from a JSON Schema: valid documents that no clinic and no sampler would send.

Of JSON Schema (Draft 2020-12) it knows what the case documents need, and refuses a schema that needs more.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache, reduce
from math import ceil, floor
from typing import Any

import jsonschema_rs
from hypothesis import reject
from hypothesis import strategies as st

Schema = Mapping[str, Any]
Json = dict[str, Any]
MORE_ITEMS = 3
KINDS = ("null", "boolean", "integer", "number", "string", "array", "object")
LOW, HIGH = ("minimum", "exclusiveMinimum", "minLength"), ("maximum", "exclusiveMaximum", "maxLength")
SCALAR = {*LOW, *HIGH, "pattern", "format"}
KEYWORDS = SCALAR | {
    "$schema", "$id", "$comment", "$defs", "$ref", "title", "description", "allOf", "if", "then", "else",
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "minItems",
    "maxItems", "uniqueItems", "contains", "minContains", "maxContains",
}  # fmt: skip


def cases(schema: Schema) -> st.SearchStrategy[Any]:
    """Valid documents of a JSON Schema: any field null or absent, any section in any form, short lists.

    Raises ValueError when the schema has a keyword that this module does not know.
    """
    for node in nodes(schema):
        if unknown := node.keys() - KEYWORDS:
            raise ValueError(f"no strategy for the keyword {min(unknown)!r}: teach it to tests/strategies.py")

    return st.composite(lambda draw: _Drawing(schema, draw).value([schema]))()


def nodes(schema: Schema) -> Iterator[Schema]:
    """The schema and every schema in it."""
    yield schema
    inner = [schema[word] for word in ("if", "then", "else", "items", "contains") if word in schema]
    for word in ("properties", "$defs"):
        inner += schema.get(word, {}).values()
    for each in [*inner, *schema.get("allOf", ())]:
        yield from nodes(each)


class _Drawing:
    """One document being drawn. A value has to satisfy all of the schemas that speak of its place."""

    def __init__(self, root: Schema, draw: st.DrawFn) -> None:
        self.root, self.draw = root, draw

    def value(self, schemas: Iterable[Schema]) -> Any:
        """A value that satisfies them all."""
        parts = list(self.flat(schemas))
        choices = [part.get("enum", [part.get("const")]) for part in parts if {"enum", "const"} & part.keys()]
        if choices:
            fits = [one for one in choices[0] if all(_valid(part, one) for part in parts)]
            return self.draw(_choice(_key(_weighted(fits, None))))
        kind = self.draw(_choice(_key(_weighted(_kinds(parts), "null"))))
        if kind == "object":
            return self.object(parts)
        return self.array(parts) if kind == "array" else self.draw(_scalars(kind, _key(_bounds(parts))))

    def flat(self, schemas: Iterable[Schema]) -> Iterator[Schema]:
        """The schemas without $ref and allOf: each of them has to hold."""
        for schema in schemas:
            yield {key: below for key, below in schema.items() if key not in {"$ref", "allOf"}}
            yield from self.flat(schema.get("allOf", ()))
            if "$ref" in schema:
                steps = schema["$ref"].removeprefix("#/").split("/")
                yield from self.flat([reduce(lambda above, step: above[step], steps, self.root)])

    def object(self, parts: list[Schema]) -> Json:
        """What a condition asks about is drawn before what it decides."""
        made: Json = {}
        decided: set[str] = set()
        conditions = [part for part in parts if "if" in part]
        while conditions:
            condition = conditions.pop(0)
            self.members(parts, condition["if"].get("properties", {}), made, decided)
            branch = condition.get("then" if _valid(condition["if"], made) else "else", {})
            more = list(self.flat([branch]))
            parts = parts + more
            conditions += [part for part in more if "if" in part]
        names = {name: None for part in parts for name in part.get("properties", {})}
        self.members(parts, names, made, decided)
        return made

    def members(self, parts: list[Schema], names: Iterable[str], made: Json, decided: set[str]) -> None:
        """Draw these properties, as far as they are not decided yet; absent is a decision too."""
        for name in [name for name in names if name not in decided]:
            decided.add(name)
            if any(name in part.get("required", ()) for part in parts) or self.draw(st.booleans()):
                about = [part["properties"][name] for part in parts if name in part.get("properties", {})]
                made[name] = self.value(about)

    def array(self, parts: list[Schema]) -> list[Any]:
        """Items that ``contains`` counts, as many as it asks for, then others; in any order."""
        least = max(part.get("minItems", 0) for part in parts)
        most = min(least + MORE_ITEMS, *(part.get("maxItems", least + MORE_ITEMS) for part in parts))
        items = [part["items"] for part in parts if "items" in part]
        counting = [part for part in parts if "contains" in part]
        made = []
        for part in counting:
            few = part.get("minContains", 1)
            for _ in range(self.draw(st.integers(few, min(part.get("maxContains", few + 1), few + 1)))):
                made.append(self.value([*items, part["contains"]]))
        while len(made) < least or (len(made) < most and self.draw(st.booleans())):
            item = self.value(items)
            if any(_valid(part["contains"], item) for part in counting):
                break
            made.append(item)
        if any(part.get("uniqueItems") for part in parts):
            made = list({_key(item): item for item in made}.values())
        if not least <= len(made) <= most:
            reject()
        return self.draw(st.permutations(made))


def _kinds(parts: list[Schema]) -> list[str]:
    """The JSON types that every part allows; a number may be an integer."""
    kinds = set(KINDS)
    for part in parts:
        if "type" in part:
            types = {part["type"]} if isinstance(part["type"], str) else set(part["type"])
            kinds &= types | ({"integer"} if "number" in types else set())
    return [kind for kind in KINDS if kind in kinds]


def _weighted(choices: list[Any], null: Any) -> list[Any]:
    """null about once in five: documents are neither all null nor without nulls."""
    values = [one for one in choices if one != null]
    nulls = max(len(values) // 4, 1) if len(values) < len(choices) else 0
    return [null] * nulls + values * (4 if len(values) == 1 else 1)


def _key(value: Any) -> str:
    """Equal for equal JSON values; true is not 1."""
    return json.dumps(value, sort_keys=True)


def _bounds(parts: list[Schema]) -> Json:
    """What the parts say of a scalar; of two bounds, the tighter."""
    bounds: Json = {}
    for part in parts:
        for word in part.keys() & SCALAR:
            bounds[word] = (max if word in LOW else min)(part[word], bounds.get(word, part[word]))
    return bounds


@cache
def _choice(written: str) -> st.SearchStrategy[Any]:
    """One of a list that is written as JSON, so that the strategy can be cached."""
    return st.sampled_from(json.loads(written))


@cache
def _scalars(kind: str, written: str) -> st.SearchStrategy[Any]:
    """Values of a type within the bounds, which are written as JSON too."""
    bounds = json.loads(written)
    if kind in {"null", "boolean"}:
        return st.none() if kind == "null" else st.booleans()
    drawn = _strings(bounds) if kind == "string" else _numbers(kind, bounds)
    return drawn.filter(lambda value: _valid(bounds, value))


def _numbers(kind: str, bounds: Schema) -> st.SearchStrategy[Any]:
    low = max((bounds[word] for word in LOW if word in bounds), default=-(2**53))
    high = min((bounds[word] for word in HIGH if word in bounds), default=2**53)
    if kind == "number":
        return st.floats(low, high)
    whole = st.integers(ceil(low), floor(high))
    return st.one_of(whole, whole, whole.map(float))  # 74.0 is an integer, says JSON Schema


def _strings(bounds: Schema) -> st.SearchStrategy[str]:
    if bounds.get("format", "date") != "date":
        raise ValueError(f"no strategy for the format {bounds['format']!r}: teach it to tests/strategies.py")
    if "format" in bounds:
        return st.dates(date(1900, 1, 1), date(2099, 12, 31)).map(date.isoformat)
    letters = st.characters(exclude_categories=["Cc", "Cs"])
    if "pattern" in bounds:
        return st.from_regex(bounds["pattern"], fullmatch=True, alphabet=letters)
    return st.text(letters, min_size=bounds.get("minLength", 0), max_size=bounds.get("maxLength"))


def _valid(schema: Schema, value: Any) -> bool:
    return _validator(_key(dict(schema))).is_valid(value)


@cache
def _validator(written: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(written), validate_formats=True)
