"""What of a rule's rows a column of a view reads, and which words of the form its concepts stand for."""

from typing import Literal, NamedTuple

from etl.mapping import bound, walk
from etl.mapping.views.language import Take

#: What concepts may be taken from.
CODED: tuple[Literal["concept", "value"], ...] = ("concept", "value")


class Codes(NamedTuple):
    """The form's own words, in the order of their map, each with the concept that it became."""

    take: Literal["concept", "value"]
    """Where the concepts are."""
    raw: bool
    """Whether the rows hold the words too, as recorded."""
    words: tuple[tuple[bound.Key, int | str], ...]


def slot(rule: bound.BoundRule, take: Take) -> str | None:
    """The column of a rule's table that ``take`` reads."""
    target = rule.target
    match take:
        case "concept":
            return target.concept_column
        case "value":
            return "episode_object_concept_id" if target.table == "episode" else target.column("value")
        case "number" | "text":
            return target.column(take)
        case "id" | "found" | "count":
            return target.id_column
        case "days" | "date":
            return next((one for one in target.dates("start") if one.endswith("_date")), None)
    return None


def codes_of(rules: tuple[bound.BoundRule, ...]) -> Codes | None:
    """What the form's words became, where that can be told from the rows: the same for all the rules."""
    found = {_of_rule(rule) for rule in rules}
    return found.pop() if len(found) == 1 else None


def _of_rule(rule: bound.BoundRule) -> Codes | None:
    raw = rule.columns.get(rule.target.column("raw_value") or "")
    for take in CODED:
        node = rule.columns.get(slot(rule, take) or "")
        tables = {one.table for one in walk.conditions(node, bound.Translate)}
        if len(tables) != 1:
            continue
        (words,) = tables
        if isinstance(raw, bound.Raw) and all(isinstance(word, str) for word, _ in words):
            return Codes(take, True, words)
        targets = [target for _, target in words]
        others = {one.value for one in walk.conditions(node, bound.Constant)}
        if len(set(targets)) == len(targets) and not others & {*targets}:
            return Codes(take, False, words)
    return None
