"""Source paths: what they mean, and what the JSON Schema says stands there."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

#: Names from the document's root; ``ITEM`` stands for "each item of this list".
Segments = tuple[str, ...]
ITEM = "[*]"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
Schema = Mapping[str, Any]
#: The longest text of a double: -1.7976931348623157e+308
_NUMBER_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Facts:
    """What the schema says of one place."""

    types: frozenset[str]
    enum: tuple[str | int | bool, ...] | None = None
    max_length: int | None = None
    max_items: int | None = None
    format: str | None = None
    title: str = ""
    low: float | None = None
    """The least number that can stand here, or what all are above; None: the schema sets no limit."""
    high: float | None = None
    """The greatest, or what all are below."""
    required: bool = True
    """Whether every valid document records something here."""

    @property
    def leaf(self) -> bool:
        return not self.types & {"object", "array"}

    @property
    def longest(self) -> int | None:
        """Characters of the longest text that a value is written as; None: the schema sets no limit."""
        if self.enum is not None:
            return max((len(str(one)) for one in self.enum), default=0)
        return self.max_length if "string" in self.types or not self.types else _NUMBER_LENGTH

    def typed(self, value: str | int | bool) -> bool:
        """Whether a value is of a type that stands here. True is no number, and 1 no text."""
        kinds = {bool: {"boolean"}, int: {"integer", "number"}, str: {"string"}}[type(value)]
        return not self.types or bool(self.types & kinds)

    def allows(self, value: str | int | bool) -> bool:
        """Whether a value can stand here."""
        # Python takes True for 1, JSON does not.
        listed = self.enum is None or (type(value), value) in {(type(one), one) for one in self.enum}
        return listed and self.typed(value)

    def fits(self, length: int | None) -> bool:
        """Whether every value fits a text column of so many characters."""
        return length is None or (self.longest is not None and self.longest <= length)


def absolute(path: str, scope: Segments) -> Segments:
    """The segments of a path as written in a rule whose items are at ``scope``."""
    if path.startswith("$."):
        return _split(path[2:])
    if path == "@":
        return scope
    return (*scope, *_split(path))


def _split(path: str) -> Segments:
    return tuple(part for name in path.split(".") for part in (_with_items(name)))


def _with_items(name: str) -> Segments:
    stem = name.removesuffix(ITEM)
    return (stem,) if stem == name else (stem, ITEM)


def json_path(segments: Segments) -> str:
    """The path as SQL/JSON writes it: ``$.lesions[*].diam1``, ``$."PI-RADS"``."""
    parts = (part if part == ITEM else f".{quoted(part)}" for part in segments)
    return "$" + "".join(parts)


def quoted(name: str) -> str:
    """A key as one step of a path, in quotes when it is no identifier."""
    return name if _IDENTIFIER.match(name) else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def depth(segments: Segments) -> int:
    """How many lists hold a place."""
    return segments.count(ITEM)


def item_scope(segments: Segments) -> Segments:
    """The innermost list item that holds a place; () for the case."""
    last = max((index for index, part in enumerate(segments) if part == ITEM), default=-1)
    return segments[: last + 1]


def lists_above(segments: Segments) -> tuple[Segments, ...]:
    """The lists that hold a place, outermost first, each with its ``[*]``."""
    return tuple(segments[: index + 1] for index, part in enumerate(segments) if part == ITEM)


def resolve(schema: Schema, segments: Segments) -> Facts | None:
    """What stands at the segments, or None when the schema has no such place."""
    node, required = schema, True
    for part in segments:
        above = _deref(schema, node)
        below = _step(above, part)
        if below is None:
            return None
        node = below
        present = part == ITEM or part in above.get("required", ())
        required = required and present and "null" not in _types(_deref(schema, node))
    return replace(_facts(_deref(schema, node)), required=required)


def suggestion(schema: Schema, segments: Segments) -> str:
    """The first name that does not exist and what it could be, for a message."""
    for length in range(1, len(segments) + 1):
        if resolve(schema, segments[:length]) is None:
            known = _names(schema, segments[: length - 1])
            near = difflib.get_close_matches(segments[length - 1], known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known) or 'nothing'}"
            where = json_path(segments[: length - 1])
            return f"'{segments[length - 1]}' is not in '{where}'{hint}"
    return ""


def leaves(schema: Schema) -> Iterator[tuple[Segments, Facts]]:
    """Every leaf that a document can have, in the schema's order."""
    yield from _leaves(schema, schema, ())


def _leaves(root: Schema, node: Schema, at: Segments) -> Iterator[tuple[Segments, Facts]]:
    if not isinstance(node, Mapping):
        return
    node = _deref(root, node)
    if _facts(node).leaf:
        yield at, _facts(node)
    for name, child in node.get("properties", {}).items():
        yield from _leaves(root, child, (*at, name))
    if "items" in node:
        yield from _leaves(root, node["items"], (*at, ITEM))


def _names(schema: Schema, segments: Segments) -> list[str]:
    node = schema
    for part in segments:
        node = _step(_deref(schema, node), part) or {}
    return list(_deref(schema, node).get("properties", {}))


def _step(node: Schema, part: str) -> Schema | None:
    found = node.get("items") if part == ITEM else node.get("properties", {}).get(part)
    return found if isinstance(found, Mapping) else None


def broken_references(schema: Schema) -> Iterator[str]:
    """Every $ref of a schema that does not lead to a place in it; only local ones are followed."""
    for reference in _references(schema):
        if not isinstance(_target(schema, reference), Mapping):
            yield reference


def recursive_references(schema: Schema) -> Iterator[str]:
    """Every $ref that leads back to itself, so that a document has no deepest place."""
    after = {one: set(_references(_target(schema, one))) for one in dict.fromkeys(_references(schema))}
    for reference in after:
        reached: set[str] = set()
        ahead = [reference]
        while ahead:
            found = after[ahead.pop()] - reached
            reached |= found
            ahead += found
        if reference in reached:
            yield reference


def _target(schema: Schema, reference: str) -> Any:
    node: Any = schema
    for key in reference.removeprefix("#/").split("/"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _deref(root: Schema, node: Schema) -> Schema:
    """Follow local references and the non-null branch of anyOf/oneOf; merge what stands beside them."""
    if "$ref" in node:
        target: Any = root
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**_deref(root, target), **beside}
    for key in ("anyOf", "oneOf"):
        branches = [one for one in node.get(key, ()) if one.get("type") != "null"]
        if len(branches) == 1 and len(branches) < len(node[key]):
            beside = {name: value for name, value in node.items() if name != key}
            return {**_deref(root, branches[0]), **beside}
    return node


def _types(node: Schema) -> frozenset[str]:
    types = node.get("type", ())
    return frozenset([types] if isinstance(types, str) else types)


def _facts(node: Schema) -> Facts:
    enum = node.get("enum", (node["const"],) if "const" in node else None)
    return Facts(
        types=_types(node) - {"null"},
        enum=None if enum is None else tuple(value for value in enum if value is not None),
        max_length=node.get("maxLength"),
        max_items=node.get("maxItems"),
        format=node.get("format"),
        title=node.get("title", ""),
        low=_end(node, max, "minimum", "exclusiveMinimum"),
        high=_end(node, min, "maximum", "exclusiveMaximum"),
    )


def _end(node: Schema, strictest: Callable[[Iterable[float]], float], *words: str) -> float | None:
    """The limit of numbers that these words set, or that the listed values have."""
    limits = [node[word] for word in words if word in node]
    listed = node.get("enum", (node["const"],) if "const" in node else ())
    if numbers := [one for one in listed if isinstance(one, (int, float)) and not isinstance(one, bool)]:
        limits.append(min(numbers) if strictest is max else max(numbers))
    return strictest(limits) if limits else None


def followed(root: Schema, node: Schema) -> Schema:
    """What a node of a schema says once its references, and the one branch that is not null, are followed."""
    return _deref(root, node)
