"""The words of a YAML file as they are written: where each stands, and how to write another in its place."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from etl.mapping.folder import Keys

_MERGE = "tag:yaml.org,2002:merge"
#: An anchor or a tag in front of a value.
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_BLOCK = re.compile(r"([|>][^\r\n]*(?:\r\n|\r|\n)\s*)(.*?)(\s*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is written as one piece of text."""

    start: int
    end: int
    """Its characters in the file's text: from ``start`` to before ``end``."""
    style: str | None
    """The character it begins with, unless it is plain."""
    flow: bool
    """Inside brackets or braces."""


def scalars(text: str) -> Mapping[Keys, Scalar]:
    """Every scalar of a YAML file by its keys from the root; one with an alias or '<<' under all its keys."""
    yaml = YAML(typ="rt")
    root = yaml.compose(text)
    flow = dict(_flows(root, flow=False))
    return {
        keys: _scalar(text, node, flow=flow[id(node)])
        for keys, node in _nodes(root, (), yaml.constructor)
        if isinstance(node, ScalarNode)
    }


def rewritten(written: str, scalar: Scalar, value: str) -> str:
    """How ``value`` is written in place of a scalar: quoted as that was, or as little as it needs."""
    match scalar.style:
        case "|" | ">":
            block = _BLOCK.fullmatch(written)
            return block[1] + value + block[3] if block else written
        case "'" if value.isprintable():
            return _single_quoted(value)
        case None if _plain(value, flow=scalar.flow):
            return value
        case None if '"' in value or "\\" in value:
            return _single_quoted(value) if value.isprintable() else _double_quoted(value)
    return _double_quoted(value)


def _flows(node: Node, *, flow: bool) -> Iterator[tuple[int, bool]]:
    """Whether each node, by its identity, is written in flow style; an alias is where its anchor is."""
    seen: set[int] = set()
    waiting = [(node, flow)]
    while waiting:
        one, inside = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield id(one), inside
        if isinstance(one, (MappingNode, SequenceNode)):
            below = inside or bool(one.flow_style)
            parts = (part for item in one.value for part in (item if isinstance(item, tuple) else (item,)))
            waiting.extend((part, below) for part in reversed(list(parts)))


def _nodes(node: Node, keys: Keys, constructor: Any) -> Iterator[tuple[Keys, Node]]:
    yield keys, node
    if isinstance(node, MappingNode):
        for key, value in _pairs(node, constructor).items():
            yield from _nodes(value, (*keys, key), constructor)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from _nodes(value, (*keys, index), constructor)


def _pairs(node: MappingNode, constructor: Any) -> dict[Any, Node]:
    """Key and value of each pair; what '<<' brings gives way to what stands here itself."""
    own: dict[Any, Node] = {}
    merged: dict[Any, Node] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            for one in value.value if isinstance(value, SequenceNode) else [value]:
                merged = _pairs(one, constructor) | merged
        else:
            own[constructor.construct_object(key, deep=True)] = value
    return merged | own


def _scalar(text: str, node: ScalarNode, *, flow: bool) -> Scalar:
    start, end = node.start_mark.index, node.end_mark.index
    properties = _PROPERTIES.match(text, start, end)
    return Scalar(properties.end() if properties else start, end, node.style, flow)


def _plain(value: str, *, flow: bool) -> bool:
    """Whether YAML reads the bare text as itself."""
    written, read = (f"[{value}, 0]", [value, 0]) if flow else (f"- {value}\n", [value])
    try:
        return bool(YAML(typ="safe", pure=True).load(written) == read)
    except (YAMLError, ValueError):
        return False


def _single_quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _double_quoted(value: str) -> str:
    # JSON's strings are YAML's too.
    return json.dumps(value, ensure_ascii=not value.isprintable())
