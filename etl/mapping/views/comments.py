"""What is said of a view's columns: what they are, the unit, and where they stand in the form."""

from collections.abc import Iterator, Mapping

from etl.mapping import bound, walk
from etl.mapping.compile import rules_of
from etl.mapping.paths import ITEM, Segments, json_path, resolve
from etl.mapping.views.bind import BoundColumn, BoundView, output_names
from etl.plan import Rule

#: Fields that a comment names; the page of the mapping has them all.
_MOST = 8


def comments(view: BoundView, numbers: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """The columns of a view, each with its comment; the keys say by their names what they are."""
    rules = {rule.name: rule for rule in rules_of(view.mapping, numbers)}
    for column in view.columns:
        said = _comment(view, column, rules)
        for name in output_names(column):
            if name.endswith(("_concept", "_concepts")):
                yield name, f"Name of {name.replace('_concept', '_concept_id')}"
            else:
                yield name, said


def _comment(view: BoundView, column: BoundColumn, rules: Mapping[str, Rule]) -> str:
    paths = column.told.fields or _sources(column, rules)
    fields = tuple(dict.fromkeys(map(_written, paths)))
    says = column.told.says or _title(view, column, rules)
    more = ", ..." if len(fields) > _MOST else ""
    return f"{says}: {', '.join(fields[:_MOST])}{more}" if fields else says


def _sources(column: BoundColumn, rules: Mapping[str, Rule]) -> Iterator[str]:
    """The places that the column's rows come from; whether there is a row depends on their conditions."""
    for rule in column.rules:
        asked = dict.fromkeys(json_path(one.segments) for one in walk.sources(rule.when))
        yield from asked if asked and column.takes == ("found",) else rules[rule.name].sources


def _title(view: BoundView, column: BoundColumn, rules: Mapping[str, Rule]) -> str:
    """What the JSON Schema calls the field, with its unit."""
    path = next(_sources(column, rules))
    facts = resolve(view.mapping.folder.schema, _segments(path))
    title = facts.title if facts and facts.title else column.name
    unit = "" if "(" in title else _unit(view, column)
    return f"{title}, {unit}" if unit else title


def _unit(view: BoundView, column: BoundColumn) -> str:
    units = {rule.columns.get("unit_concept_id") for rule in column.rules}
    unit = units.pop() if len(units) == 1 and "number" in column.takes else None
    names = {use.concept: use.name for use in view.mapping.concepts}
    return (names.get(int(unit.value)) or "") if isinstance(unit, bound.Constant) else ""


def _written(path: str) -> str:
    """As people write it: ``lesions.diam1``."""
    return path.removeprefix("$.").replace("[*]", "").replace('"', "")


def _segments(path: str) -> Segments:
    parts = path.removeprefix("$").replace("[*]", f".{ITEM}").split(".")
    return tuple(part.strip('"') for part in parts if part)
