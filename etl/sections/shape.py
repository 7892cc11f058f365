"""From a JSON Schema to tables: one for each section of the form, and one for each list of objects in it."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from etl.mapping.paths import Schema, followed, quoted

#: Columns that every table begins with.
KEYS = ("case_id", "version", "patient_id", "form", "site")
#: The table of what stands in no section.
WHOLE = "case"
#: Characters of a name in PostgreSQL.
_LONGEST = 63
_INT4 = 2**31 - 1
_PLAIN = {frozenset({"number"}): "numeric", frozenset({"boolean"}): "boolean"}
#: What JSON Schema calls the types of an enumeration's values.
_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


class SectionsError(Exception):
    """Tables of sections that cannot be made, or kept up."""


class Field(NamedTuple):
    """A column, and where its values stand."""

    name: str
    path: tuple[str, ...]
    """Keys from the item of the table's list, or from the section."""
    type: str
    """As PostgreSQL has it, such as ``integer`` or ``text[]``."""
    comment: str


@dataclass(frozen=True, slots=True)
class Section:
    """A table: one row for each document that has the section, or for each item of its innermost list."""

    name: str
    comment: str
    path: tuple[str, ...]
    """Keys from the document's root to the section."""
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Each list that holds the items: the column with the place in it, and the keys that lead there from the
    item of the list before, or from the root."""
    fields: tuple[Field, ...] = field(default=())

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(column for column, _ in self.lists)


def sections(schema: Schema, mapping: str, known: Iterable[str | None] = ()) -> tuple[Section, ...]:
    """The tables of a mapping's documents, by its name and JSON Schema: first that of the whole case.

    Names are the form's keys in small letters: as PostgreSQL reads them where nobody quotes them. ``known``
    are the document's keys whose values every table has as patient_id, form and site. Raises SectionsError
    for a schema that would need one name twice, or one that is too long.
    """
    found = [_distinct(each) for each in _sections(schema, mapping, {*known})]
    _require_names(found)
    return tuple(found)


def _distinct(section: Section) -> Section:
    """The section, with a line behind the names of columns that would be those of its keys."""
    taken = {*KEYS, *section.numbers}
    fields = tuple(one._replace(name=f"{one.name}_") if one.name in taken else one for one in section.fields)
    return replace(section, fields=fields)


def _sections(schema: Schema, mapping: str, known: Container[str | None]) -> Iterator[Section]:
    top = {key: followed(schema, node) for key, node in schema.get("properties", {}).items()}
    flat = {key: node for key, node in top.items() if not _has_fields(node) and not _is_list(schema, node)}
    whole = tuple(
        one for key, node in flat.items() if key not in known for one in _fields(schema, node, (key,))
    )
    yield Section(f"{mapping}_{WHOLE}", _comment("$", schema), (), fields=whole)
    for key, node in top.items():
        if key not in flat:
            yield from _of(schema, node, _Place(mapping, (key,), (), (key,)))


class _Place(NamedTuple):
    """Where the walk is."""

    mapping: str
    keys: tuple[str, ...]
    """All keys from the root, lists' among them."""
    lists: tuple[tuple[str, tuple[str, ...]], ...]
    ahead: tuple[str, ...]
    """Keys from the innermost item, or from the root."""

    @property
    def name(self) -> str:
        return "_".join((self.mapping, *map(_small, self.keys)))


def _of(schema: Schema, node: Schema, at: _Place) -> Iterator[Section]:
    """The table of a section, then those of the lists in it."""
    if _is_list(schema, node):
        item = followed(schema, node["items"])
        at = at._replace(lists=(*at.lists, (f"{_small(at.keys[-1])}_number", at.ahead)), ahead=())
        yield Section(at.name, _comment(_written(at), node), (), at.lists, tuple(_fields(schema, item, ())))
        yield from _lists(schema, item, at)
    else:
        fields = tuple(_fields(schema, node, ()))
        yield Section(at.name, _comment(_written(at), node), at.ahead, at.lists, fields)
        yield from _lists(schema, node, at)


def _lists(schema: Schema, node: Schema, at: _Place) -> Iterator[Section]:
    for key, child in node.get("properties", {}).items():
        below = followed(schema, child)
        there = at._replace(keys=(*at.keys, key), ahead=(*at.ahead, key))
        if _is_list(schema, below):
            yield from _of(schema, below, there)
        elif _has_fields(below):
            yield from _lists(schema, below, there)


def _fields(schema: Schema, node: Schema, path: tuple[str, ...]) -> Iterator[Field]:
    """The columns of a node: itself when it is a value, else what it holds, but for lists of objects."""
    if _is_list(schema, node):
        return
    if _has_fields(node):
        for key, child in node["properties"].items():
            yield from _fields(schema, followed(schema, child), (*path, key))
    else:
        name = "_".join(map(_small, path)) or "value"
        yield Field(name, path, _type(schema, node), _comment(".".join(map(quoted, path)), node))


def _type(schema: Schema, node: Schema) -> str:
    types = _types(node)
    if types == {"array"} and isinstance(node.get("items"), Mapping):
        each = _type(schema, followed(schema, node["items"]))
        return f"{each}[]" if each in ("text", "numeric", "integer", "bigint") else "jsonb"
    if types == {"integer"}:
        return _whole(node)
    if types == {"string"}:
        return "date" if node.get("format") == "date" else "text"
    return _PLAIN.get(frozenset(types), "jsonb")


def _whole(node: Schema) -> str:
    """The smallest type that has room for every whole number that the schema allows."""
    listed = [one for one in node.get("enum", ()) if one is not None]
    low = min(listed) if listed else node.get("minimum", node.get("exclusiveMinimum"))
    high = max(listed) if listed else node.get("maximum", node.get("exclusiveMaximum"))
    if low is None or high is None:
        return "numeric"
    most = max(abs(low), abs(high))
    return "integer" if most <= _INT4 else "bigint" if most < 2**63 else "numeric"


def _types(node: Schema) -> set[str]:
    """The types that it may have besides null; those of its enumeration, where it names none."""
    types = node.get("type")
    if types is None:
        values = node.get("enum", (node["const"],) if "const" in node else ())
        return {_TYPES.get(type(one), "object") for one in values if one is not None}
    return {*([types] if isinstance(types, str) else types)} - {"null"}


def _has_fields(node: Schema) -> bool:
    """Whether it is an object whose keys are known."""
    return _types(node) <= {"object"} and bool(node.get("properties"))


def _is_list(schema: Schema, node: Schema) -> bool:
    """Whether it is a list of objects, which has a table of its own."""
    if _types(node) != {"array"} or not isinstance(node.get("items"), Mapping):
        return False
    item = followed(schema, node["items"])
    return _has_fields(item)


def _small(key: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_") or "_"


def _written(at: _Place) -> str:
    return ".".join(map(quoted, at.keys))


def _comment(path: str, node: Mapping[str, Any]) -> str:
    """What the schema calls it and says of it, and where it stands."""
    said = ". ".join(str(node[word]).rstrip(".") for word in ("title", "description") if node.get(word))
    return f"{said}: {path}" if said else path


def _require_names(found: list[Section]) -> None:
    tables: dict[str, Section] = {}
    for section in found:
        if section.name in tables:
            raise SectionsError(
                f"two sections of the form would be table lake.{section.name}: rename one in the schema"
            )
        tables[section.name] = section
        columns: set[str] = {*KEYS, *section.numbers}
        for one in (section.name, *section.numbers, *(each.name for each in section.fields)):
            if len(one.encode()) > _LONGEST:
                raise SectionsError(
                    f"'{one}' is a longer name than the {_LONGEST} bytes that PostgreSQL has for it"
                )
        for each in section.fields:
            if each.name in columns:
                message = f"two keys of the form would be column {each.name} of lake.{section.name}"
                raise SectionsError(f"{message}: rename one in the schema")
            columns.add(each.name)
