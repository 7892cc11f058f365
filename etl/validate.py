"""Validate: a case document against the JSON Schema, with every violation named and no value told.

The compiled validator only says yes or no. The messages come from one source: the standard, slow validator
finds the violations, and the words are written here from the schema alone, because its own words hold values.
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from typing import Any, cast

import jsonschema
import jsonschema_rs
import orjson
from jsonschema.exceptions import ValidationError

from etl.plan import Plan
from etl.strict import counted, member

MOST = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a document is not valid. ``reason`` never holds a value of the document."""

    path: str
    reason: str


class Validator:
    """A JSON Schema (Draft 2020-12, formats asserted) made ready once, for many documents."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises jsonschema.SchemaError when ``schema`` is no JSON Schema."""
        plain = orjson.loads(orjson.dumps(dict(schema)))
        jsonschema.Draft202012Validator.check_schema(plain)
        self._fast = jsonschema_rs.Draft202012Validator(plain, validate_formats=True)
        self._explaining = jsonschema.Draft202012Validator(plain, format_checker=_formats())
        #: Every key that the schema names. No other key of a document is told: it may be a patient's value.
        self.names = frozenset(_keys(plain))

    def violations(self, document: Mapping[str, Any]) -> tuple[Violation, ...]:
        """Every violation, ordered by path: none when valid, else at most 100 and how many more there are."""
        if self._fast.is_valid(document):
            return ()
        every = [
            each for error in self._explaining.iter_errors(document) for each in _explain(error, self.names)
        ]
        unique = sorted(dict.fromkeys(every), key=lambda pair: _order(pair[0]))
        found = tuple(Violation(_path(place, self.names), reason) for place, reason in unique[:MOST])
        if len(unique) > MOST:
            return (*found, Violation("$", f"... and {len(unique) - MOST} more"))
        return found or (Violation("$", "is not valid, but the two validators disagree: please report this"),)


_OF_PLANS: dict[str, Validator] = {}


def validator_of(plan: Plan) -> Validator:
    """The validator of a plan's documents, made ready once a process: it takes longer than a post may."""
    known = _OF_PLANS.get(plan.digest)
    return known or _OF_PLANS.setdefault(plan.digest, Validator(plan.schema))


def _formats() -> jsonschema.FormatChecker:
    """The standard validator's formats, and the times with a zone, which it leaves to others."""
    checker = jsonschema.FormatChecker()
    times = jsonschema_rs.Draft202012Validator({"format": "date-time"}, validate_formats=True)
    known = jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers
    checker.checkers = {**known, "date-time": (times.is_valid, ())}
    return checker


_Place = tuple[str | int, ...]


def _keys(schema: Any) -> Iterator[str]:
    """Every key that a schema names."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _keys(inner)


def _explain(error: ValidationError, known: Container[str]) -> Iterator[tuple[_Place, str]]:
    """The place and the reason of each violation that an error stands for."""
    place = tuple(error.absolute_path)
    keyword, wanted = error.validator, cast("Any", error.validator_value)
    schema, instance = cast("Any", error.schema), cast("Any", error.instance)
    if keyword == "required":
        missing = [key for key in wanted if key not in instance]
        yield from ((place, f"'{key}' is missing") for key in missing)
    elif keyword == "dependentRequired":
        for key, needed in wanted.items():
            missing = [each for each in needed if key in instance and each not in instance]
            yield from ((place, f"'{each}' is missing: '{key}' needs it") for each in missing)
    elif keyword == "additionalProperties":
        yield from ((place, reason) for reason in _unknown(instance, schema, known))
    else:
        yield place, _reason(str(keyword), wanted, schema)


def _extras(instance: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    patterns = schema.get("patternProperties", ())
    extras = [key for key in instance if key not in schema.get("properties", ())]
    return [key for key in extras if not any(re.search(pattern, key) for pattern in patterns)]


def _unknown(instance: Mapping[str, Any], schema: Mapping[str, Any], known: Container[str]) -> Iterator[str]:
    order = {key: number for number, key in enumerate(instance, 1)}
    properties = schema.get("properties", ())
    # A document may have a great many keys, and long ones: what is longer than this is close to none.
    longest = 3 * max(map(len, properties), default=0)
    for key in _extras(instance, schema):
        shown = (
            f"unknown key '{key}'"
            if key in known
            else f"an unknown key (the {counted(order[key])} of this object)"
        )
        near = get_close_matches(key, properties, n=1) if order[key] <= MOST and len(key) <= longest else []
        yield shown + (f"; did you mean '{near[0]}'?" if near else "")


def _reason(keyword: str, wanted: Any, schema: Any) -> str:
    if schema is False:
        return "holds something that is not allowed here"
    if keyword in ("contains", "minContains", "maxContains"):
        return _contains(schema)
    if keyword in _WORDS:
        return _WORDS[keyword](wanted)
    return f"breaks the schema's rule '{keyword}'"


def _contains(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minContains", 1), schema.get("maxContains")
    if most is None:
        count = f"at least {least}"
    else:
        count = f"exactly {least}" if least == most else f"{least} to {most}"
    return f"must hold {count} {_plural('item', most or least)} {_which(schema['contains'])}"


def _which(item: Any) -> str:
    """The kind of item that a ``contains`` asks for: in the schema's own words if it has any."""
    words = item if isinstance(item, Mapping) else {}
    for key in ("title", "description", "$comment"):
        if key in words:
            return f"of the kind: {words[key]}"
    constants = {key: sub["const"] for key, sub in words.get("properties", {}).items() if "const" in sub}
    if constants:
        return "with " + " and ".join(f"'{key}' {_json(value)}" for key, value in constants.items())
    return "of the kind that 'contains' describes"


def _type(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return "must be " + " or ".join(_ARTICLES.get(name, name) for name in names)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else noun + "s"


def _counted(words: str, noun: str) -> Callable[[int], str]:
    return lambda count: f"{words} {count} {_plural(noun, count)}"


_ARTICLES = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
}

_WORDS: Mapping[str, Callable[[Any], str]] = {
    "type": _type,
    "enum": lambda wanted: "must be one of: " + ", ".join(map(_json, wanted)),
    "const": lambda wanted: f"must be {_json(wanted)}",
    "minimum": lambda wanted: f"must be at least {wanted}",
    "maximum": lambda wanted: f"must be at most {wanted}",
    "exclusiveMinimum": lambda wanted: f"must be more than {wanted}",
    "exclusiveMaximum": lambda wanted: f"must be less than {wanted}",
    "multipleOf": lambda wanted: f"must be a multiple of {wanted}",
    "minLength": _counted("must have at least", "character"),
    "maxLength": _counted("must have at most", "character"),
    "minItems": _counted("must have at least", "item"),
    "maxItems": _counted("must have at most", "item"),
    "minProperties": _counted("must have at least", "key"),
    "maxProperties": _counted("must have at most", "key"),
    "pattern": lambda wanted: f"must match the pattern {wanted}",
    "format": lambda wanted: f"must be a valid {wanted}",
    "uniqueItems": lambda _: "must not hold the same item twice",
    "not": lambda _: "must not be like this",
    "anyOf": lambda wanted: f"fits none of the {len(wanted)} alternatives",
    "oneOf": lambda wanted: f"must fit exactly one of the {len(wanted)} alternatives",
    "propertyNames": lambda _: "has a key that is not allowed",
}


def _path(place: _Place, known: Container[str]) -> str:
    return reduce(lambda path, key: member(path, key, known), place, "$")


def _order(place: _Place) -> tuple[tuple[int, str], ...]:
    """Sorts by path, list positions by number."""
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in place)
