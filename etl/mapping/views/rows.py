"""The rows that a view is made of: those of all its rules, under each other, each with its item."""

from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise

from etl.identity import CASE_SHIFT, ITEM_BITS, LEVEL_BITS, MAX_RULE
from etl.mapping import bound
from etl.mapping.paths import ITEM, Segments, depth
from etl.mapping.views.bind import PHASE, BoundView
from etl.mapping.views.codes import slot
from etl.mapping.views.language import Take
from etl.mapping.views.write import among, by_number, listed, quoted

#: What a row brings to its group, with the type of all rows.
_SLOTS: dict[Take, str] = {
    "number": "numeric", "concept": "bigint", "value": "bigint", "text": "text", "date": "date",
}  # fmt: skip


def rows(view: BoundView, numbers: Mapping[str, int]) -> str:
    """A SELECT of every row that a column of the view comes from, table by table."""
    rules = list({rule.name: rule for column in view.columns for rule in column.rules}.values())
    rules.sort(key=lambda rule: rule.target.table)
    parts = (_table(view, list(each), numbers) for _, each in groupby(rules, lambda rule: rule.target.table))
    return "\nUNION ALL\n".join(parts)


def _table(view: BoundView, rules: list[bound.BoundRule], numbers: Mapping[str, int]) -> str:
    target = rules[0].target
    rule = _rule_of(target.id_column)
    visit, raw = target.column("visit"), target.column("raw_value")
    fields = [
        "person_id",
        f"{target.id_column} AS row_id",
        f"{rule} AS rule",
        f"{_rule_of(visit) if visit else 'NULL::bigint'} AS visit",
        *(f"{slot(rules[0], take) or 'NULL'}::{kind} AS {take}" for take, kind in _SLOTS.items()),
        f"{raw or 'NULL'}::text AS raw",
        *_places(view, rules, numbers),
    ]
    where = among(f"({rule})", (numbers[one.name] for one in rules))
    return f"SELECT {listed(fields)}\n  FROM omop.{target.table}\n WHERE {where}"  # noqa: S608 - our own names


def _rule_of(column: str) -> str:
    return f"{column} >> {ITEM_BITS} & {MAX_RULE}"


def _places(view: BoundView, rules: list[bound.BoundRule], numbers: Mapping[str, int]) -> Iterator[str]:
    """The case and the item of the view's row that a row belongs to."""
    if view.of_person:
        return
    key = rules[0].target.id_column
    yield f"{key} >> {CASE_SHIFT} AS case_id"
    rule = _rule_of(key)
    if len(view.scopes) > 1:
        phases = ((quoted(view.scopes[_scope(view, one)]), numbers[one.name]) for one in rules)
        yield f"{by_number(rule, phases)} AS {PHASE}"
    for level, name in view.levels:
        places = ((_place(_scope(view, one), one, level), numbers[one.name]) for one in rules)
        yield f"({by_number(rule, places)})::integer AS {name}"


def _scope(view: BoundView, rule: bound.BoundRule) -> Segments:
    """The list of the view's rows that the rule's items are in."""
    return max((one for one in view.scopes if rule.scope[: len(one)] == one), key=len)


def _place(scope: Segments, rule: bound.BoundRule, level: str) -> str:
    """The place in the list of this key, from 1."""
    keys = [part for part, after in pairwise(scope) if after == ITEM]
    if level not in keys:
        return "NULL"
    bits, at = LEVEL_BITS[depth(rule.scope)], keys.index(level)
    shift = sum(bits[at + 1 :])
    item = f"{rule.target.id_column} >> {shift}" if shift else rule.target.id_column
    return f"({item} & {2 ** bits[at] - 1}) + 1"
