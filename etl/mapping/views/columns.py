"""The columns of a view: what a group says of each, and how the view shows it."""

from collections.abc import Iterator, Mapping

from etl.mapping import bound
from etl.mapping.views.bind import BoundColumn, BoundView
from etl.mapping.views.codes import Codes, slot
from etl.mapping.views.language import Take
from etl.mapping.views.write import among, case, quoted

#: What the newest row is known by: the document that its case was loaded from, and then its own id.
_DOCUMENT = "coalesce(document_id, 0)"
#: A text that sorts as the two do: ids are never negative.
_AS_TEXT = f"(lpad({_DOCUMENT}::text, 19, '0') || lpad(row_id::text, 19, '0')) COLLATE \"C\""


def aggregates(view: BoundView, column: BoundColumn, numbers: Mapping[str, int]) -> Iterator[str]:
    """What the group says of a column: one field for each thing that it takes.

    None of them orders the rows: one that did would have PostgreSQL sort all of them.
    """
    where = _where(column, numbers)
    for take in column.takes:
        yield f"{_aggregate(view, column, take, where)} AS {column.held(take)}"


def _aggregate(view: BoundView, column: BoundColumn, take: Take, where: str) -> str:
    match take:
        case "found":
            return f"count(*) FILTER (WHERE {where}) > 0"
        case "count":
            return f"(count(*) FILTER (WHERE {where}))::integer"
    said = _said(column, take)
    if column.pick in ("highest", "lowest") or (column.pick == "newest" and not view.of_person):
        return f"{'min' if column.pick == 'lowest' else 'max'}({said}) FILTER (WHERE {where})"
    kept = f"FILTER (WHERE {where} AND {said} IS NOT NULL)"
    if column.pick == "all":
        return f"array_agg({said}) {kept}"
    if _textual(column, take):
        return f'(max(ARRAY[{_AS_TEXT}, {said}::text]) {kept})[2] COLLATE "default"'
    return f"(max(ARRAY[{_DOCUMENT}, row_id, {said}]) {kept})[3]"


def goes_by_newest(view: BoundView) -> bool:
    """Whether a column asks which document is the newest."""
    picked = (one for one in view.columns if one.pick == "newest")
    return view.of_person and any({*one.takes} - {"found", "count"} for one in picked)


def _where(column: BoundColumn, numbers: Mapping[str, int]) -> str:
    rules = among("rule", (numbers[rule.name] for rule in column.rules))
    if not column.visits:
        return rules
    return f"{rules} AND {among('visit', (numbers[name] for name in column.visits))}"


def _said(column: BoundColumn, take: Take) -> str:
    """What one row brings, as the group compares it."""
    match take:
        case "id":
            return "row_id"
        case "days":
            return "date"
        case "code" | "concept" | "value" if column.ranked:
            codes = _codes(column)
            words = [
                (word if codes.raw else target, place) for place, (word, target) in enumerate(codes.words)
            ]
            return case("raw" if codes.raw else codes.take, words)
        case "code":
            codes = _codes(column)
            return "raw" if codes.raw else codes.take
    return take


def _textual(column: BoundColumn, take: Take) -> bool:
    return take in ("text", "date", "days") or (take == "code" and _codes(column).raw)


def _codes(column: BoundColumn) -> Codes:
    assert column.codes is not None, "the binder lets no column take a code that has none"
    return column.codes


def shown(view: BoundView, column: BoundColumn) -> Iterator[str]:
    """The fields of the view that a column becomes; none where it is computed from others."""
    for take in column.takes:
        held = f"told.{column.held(take)}"
        if column.pick == "all":
            yield from _shown_all(column, take, held)
            continue
        match take:
            case "concept" | "value":
                yield f"{_concept(column, held)}::integer AS {column.name}_concept_id"
                yield f"named_{column.name}.concept_name AS {column.name}_concept"
            case "code":
                yield f"{_word(column, held)} AS {column.name}"
            case "number":
                yield f"{held}::{_type(column)} AS {column.name}"
            case "days":
                yield f"{held}::date - {quoted(_baseline(view))}::date AS {column.name}"
            case "id" | "date":
                yield f"{held}::{'bigint' if take == 'id' else 'date'} AS {column.name}"
            case _:
                yield f"{held} AS {column.name}"


def joins(column: BoundColumn) -> Iterator[str]:
    """What brings the name of a column's concept."""
    for take in column.takes:
        if take in ("concept", "value") and column.pick != "all":
            held = _concept(column, f"told.{column.held(take)}")
            name = f"named_{column.name}"
            yield f"\n  LEFT JOIN omop.concept AS {name} ON {name}.concept_id = {held}"


def _shown_all(column: BoundColumn, take: Take, held: str) -> Iterator[str]:
    name, each = column.name, f"unnest({held}) AS one"
    match take:
        case "concept" | "value":
            yield _distinct("one::integer", each, f"{name}_concept_ids")
            join = f"{each} JOIN omop.concept ON concept_id = one"
            yield _distinct("concept_name::text", join, f"{name}_concepts")
        case "code":
            yield _distinct(_word(column, "one"), each, name)
        case "number":
            yield _distinct(f"one::{_type(column)}", each, name)
        case _:
            yield _distinct("one", each, name)


def _distinct(what: str, source: str, name: str) -> str:
    return f"(SELECT array_agg(DISTINCT {what} ORDER BY {what}) FROM {source}) AS {name}"  # noqa: S608


def _word(column: BoundColumn, held: str) -> str:
    codes = _codes(column)
    if column.ranked:
        return case(held, ((place, word) for place, (word, _) in enumerate(codes.words)))
    return held if codes.raw else case(held, ((target, word) for word, target in codes.words))


def _concept(column: BoundColumn, held: str) -> str:
    if not column.ranked:
        return held
    return case(held, ((place, target) for place, (_, target) in enumerate(_codes(column).words)))


def _type(column: BoundColumn) -> str:
    types = {kind for rule in column.rules for kind in _types(rule)}
    return "integer" if types == {"integer"} else "numeric"


def _types(rule: bound.BoundRule) -> frozenset[str]:
    node = rule.columns.get(slot(rule, "number") or "")
    if isinstance(node, bound.Sum):
        return frozenset({"integer"})
    return node.source.facts.types if isinstance(node, bound.Raw) else frozenset({"number"})


def _baseline(view: BoundView) -> str:
    baseline = view.mapping.told.baseline
    return baseline.is_.isoformat() if baseline else "1970-01-01"
