"""Checks of the values that a mapping writes: ranges, units, answers, sex; each with the lines it is from."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from etl.identity import ITEM_BITS, MAX_RULE
from etl.mapping.bound import Bound, BoundRule
from etl.mapping.plausible import plausible_of
from etl.mapping.tables import TARGETS
from etl.plan import Plausible
from etl.quality.check import Check, Condition, Found, Level, Plain, Rows, plain_rows
from etl.quality.life import LIFE
from etl.quality.limits import Limits, Numbers, age, beyond, constants, numbers, origins, widest
from omop_schema import OMOP

#: Values that a description lists one by one.
_LISTED = 8
#: No finite number is beyond it.
_MOST = sys.float_info.max


class Numbered(NamedTuple):
    """A mapping, and the numbers that its rules have in this database's ids."""

    mapping: Bound
    numbers: Mapping[str, int]


class _Column(NamedTuple):
    """A column of numbers, of the rows of one concept or of all."""

    table: str
    column: str
    concept: int | None
    number: bool
    """It can hold what is no finite number."""


class _Unit(NamedTuple):
    """The rows that a range is about, by their unit."""

    unit: int | None
    where: tuple[Condition, ...]


def value_checks(mappings: Sequence[Numbered]) -> Iterator[Check]:
    """Every check that follows from the values that rules write."""
    names = {use.concept: use.name for each in mappings for use in each.mapping.concepts if use.name}
    filled = [one for each in mappings for one in numbers(each.mapping)]
    yield from ranges(filled, names)
    yield from _units(filled, names)
    yield from _answers([each.mapping for each in mappings], names)
    for each in mappings:
        for one in plausible_of(each.mapping, each.numbers):
            yield from _against(one, names)
        years = age(each.mapping)
        if years is not None:
            column, everybody = _Column("person", "year_of_birth", None, False), _Unit(None, ())
            possible, plausible = years
            yield from _within(column, everybody, possible, names)
            yield from _believed(column, everybody, beyond(plausible, possible), names)
        yield from _genders(each.mapping, names)


def said(concept: int | None, names: Mapping[int, str]) -> str:
    """A concept with its name in the mapping."""
    return f"{concept} {names.get(concept or 0, '')}".strip()


def place(rule: BoundRule) -> str:
    """File and line of a rule."""
    return f"{rule.place.file}:{rule.place.line}"


def ranges(filled: Iterable[Numbers], names: Mapping[int, str]) -> Iterator[Check]:
    """One for each concept and unit; columns without a concept of their own are checked whole."""
    by_column: dict[_Column, dict[int | None, list[Numbers]]] = defaultdict(lambda: defaultdict(list))
    for one in filled:
        concepts = one.concepts - {0} if one.column == "value_as_number" else frozenset()
        number = one.rule.target.kind(one.column) == "number"
        for concept in (*sorted(concepts),) or (None,):
            key = _Column(one.rule.target.table, one.column, concept, number)
            by_column[key][one.unit if concept is not None else None].append(one)
    for key, by_unit in sorted(by_column.items(), key=str):
        if len(by_unit) > 1 and None not in by_unit:
            # Of a number without its unit it is not known which range is its own.
            by_unit[None] = [one for each in by_unit.values() for one in each]
        for unit, found in sorted(by_unit.items(), key=str):
            rows = _Unit(unit, _of_unit(key, unit, len(by_unit) == 1))
            possible = widest(one.possible for one in found)
            yield from _within(key, rows, possible, names)
            yield from _believed(key, rows, beyond(widest(one.plausible for one in found), possible), names)


def _of_unit(key: _Column, unit: int | None, only: bool) -> tuple[Condition, ...]:
    """The rows of the concept and unit. One without a unit is taken for the only unit that there is."""
    if key.concept is None:
        return ()
    own = _own(key.table, key.concept)
    if only and unit is None:
        return own
    return (*own, Condition("unit_concept_id", unit, or_none=only or unit is None))


def _within(key: _Column, rows: _Unit, limits: Limits, names: Mapping[int, str]) -> Iterator[Check]:
    """Whether numbers are possible. Where there is no limit, a number has to be finite still."""
    written, of = _written(key, rows, names)
    low, high = f"less than {limits.low}{written}", f"more than {limits.high}{written}"
    if key.number:
        low = "minus infinity" if limits.low is None else low
        # PostgreSQL sorts NaN above all numbers.
        high = "infinite or not a number" if limits.high is None else high
        limits = limits._replace(
            low=-_MOST if limits.low is None else limits.low,
            high=_MOST if limits.high is None else limits.high,
        )
    if limits.low is not None:
        plain = Plain(rows.where, low=limits.low)
        yield _of_column("plausibleValueLow", key, rows, plain, limits.low_origin, low + of)
    if limits.high is not None:
        plain = Plain(rows.where, high=limits.high)
        yield _of_column("plausibleValueHigh", key, rows, plain, limits.high_origin, high + of)


def _believed(key: _Column, rows: _Unit, limits: Limits, names: Mapping[int, str]) -> Iterator[Check]:
    """Whether numbers are in the mapping's plausible range, where it is narrower than what is possible."""
    written, of = _written(key, rows, names)
    ends = (("less than", limits.low, limits.low_origin), ("more than", limits.high, limits.high_origin))
    there = [(f"{word} {end}{written}", origin) for word, end, origin in ends if end is not None]
    if there:
        plain = Plain(rows.where, low=limits.low, high=limits.high)
        detail, origin = " or ".join(one for one, _ in there), origins(one for _, one in there)
        yield _of_column("extraordinaryValue", key, rows, plain, origin, detail + of)


def _written(key: _Column, rows: _Unit, names: Mapping[int, str]) -> tuple[str, str]:
    """The unit and the concept, as they stand behind a number."""
    unit = f" {names.get(rows.unit, '')}".rstrip() if rows.unit else ""
    return unit, f" ({said(key.concept, names)})" if key.concept is not None else ""


def _of_column(name: str, key: _Column, rows: _Unit, plain: Plain, origin: str, detail: str) -> Check:
    level: Level = "FIELD" if key.concept is None else "CONCEPT"
    test = plain_rows(key.column, plain)
    return Check(name, level, key.table, test, origin, key.column, key.concept, rows.unit, detail=detail)


def _own(table: str, concept: int) -> tuple[Condition, ...]:
    """That a row is of a concept."""
    return (Condition(TARGETS[table].concept_column or "", concept),)


def _units(filled: Iterable[Numbers], names: Mapping[int, str]) -> Iterator[Check]:
    units: dict[tuple[str, int], dict[int | None, str]] = defaultdict(dict)
    for one in filled:
        if "unit_concept_id" in one.rule.target.columns and one.column == "value_as_number":
            for concept in one.concepts - {0}:
                units[(one.rule.target.table, concept)].setdefault(one.unit, place(one.rule))
    for (table, concept), known in sorted(units.items()):
        own, given = _own(table, concept), sorted(one for one in known if one)
        listed = " or ".join(said(one, names) for one in given) or "none"
        origin, detail = origins(known.values()), f"{listed} ({said(concept, names)})"
        tests = {
            "plausibleUnitConceptIds": plain_rows("unit_concept_id", Plain(own, allowed=(0, *given))),
        }
        if None not in known:
            among = " AND ".join(one.sql for one in (*own, Condition("value_as_number", None)))
            tests["unitRequired"] = Rows("coalesce(r.unit_concept_id, 0) = 0", among)
        for name, test in tests.items():
            yield Check(name, "CONCEPT", table, test, origin, "unit_concept_id", concept, detail=detail)


def _answers(mappings: Sequence[Bound], names: Mapping[int, str]) -> Iterator[Check]:
    """``value_as_concept_id`` is one that some rule for the concept can give."""
    known: dict[tuple[str, int], set[int]] = defaultdict(set)
    places: dict[tuple[str, int], list[str]] = defaultdict(list)
    for rule in (one for each in mappings for one in each.every_rule()):
        if "value_as_concept_id" in rule.target.columns:
            given = constants(rule.columns.get("value_as_concept_id")) or frozenset()
            for concept in (constants(rule.concept) or frozenset()) - {0}:
                known[(rule.target.table, concept)] |= given
                places[(rule.target.table, concept)].append(place(rule))
    for (table, concept), values in sorted(known.items()):
        plain = Plain(_own(table, concept), allowed=tuple(sorted({0, *values})))
        test = plain_rows("value_as_concept_id", plain)
        told = " or ".join(said(one, names) for one in sorted(values)) or "none"
        detail = told if len(values) <= _LISTED else f"the {len(values)} concepts of its value map"
        origin = origins(places[(table, concept)])
        yield Check(
            "valueOfMapping", "CONCEPT", table, test, origin, "value_as_concept_id", concept,
            detail=f"{detail} ({said(concept, names)})",
        )  # fmt: skip


def _against(one: Plausible, names: Mapping[int, str]) -> Iterator[Check]:
    """A number that another value of the same item bounds: their ids differ by the rule alone."""
    for sign, word, other in (("<", "less than", one.low_of), (">", "more than", one.high_of)):
        if (
            other is None
            or other.rule is None
            or other.table is None
            or one.rule is None
            or one.column is None
        ):
            continue
        key = TARGETS[one.table].id_column
        source = (
            f"FROM {OMOP}.{one.table} AS r JOIN {OMOP}.{other.table} AS o"
            f" ON o.{TARGETS[other.table].id_column} = r.{key} + {other.rule - one.rule} * (1 << {ITEM_BITS})"
            f" WHERE (r.{key} >> {ITEM_BITS} & {MAX_RULE}) = {one.rule}"
        )
        lost = f"SELECT r.{key} AS id {source} AND r.{one.column} {sign} o.value_as_number"
        among = f"SELECT count(*) {source} AND r.{one.column} IS NOT NULL AND o.value_as_number IS NOT NULL"
        yield Check(
            "plausibleAgainst", "CONCEPT", one.table, Found(lost, among), f"{one.file}:{one.line}",
            one.column, one.concept_id, one.unit_concept_id, f"{one.name}_{word.split()[0]}",
            detail=f"{word} {other.path} of the same item ({said(one.concept_id, names)})",
        )  # fmt: skip


def _genders(mapping: Bound, names: Mapping[int, str]) -> Iterator[Check]:
    """A mapping that gives every person one gender speaks of diseases and procedures of that gender alone."""
    gender = constants(mapping.person.get("gender_concept_id"))
    if not gender or len(gender) != 1 or 0 in gender:
        return
    wanted = next(iter(gender))
    test = plain_rows("gender_concept_id", Plain(allowed=(wanted,)))
    told = mapping.folder.mapping_file.place("person", "gender")
    yield Check(
        "valueOfMapping", "FIELD", "person", test, f"{told.file}:{told.line}", "gender_concept_id",
        part=mapping.told.name, detail=said(wanted, names),
    )  # fmt: skip
    concepts: dict[tuple[str, int], str] = {}
    for rule in mapping.every_rule():
        if rule.target.table in {"condition_occurrence", "procedure_occurrence"}:
            for concept in (constants(rule.concept) or frozenset()) - {0}:
                concepts.setdefault((rule.target.table, concept), place(rule))
    for (table, concept), origin in sorted(concepts.items()):
        column = TARGETS[table].concept_column
        test = Rows(f"p.gender <> {wanted}", f"r.{column} = {concept} AND p.gender IS NOT NULL", (LIFE,))
        detail = f"{said(wanted, names)} ({said(concept, names)})"
        yield Check("plausibleGender", "CONCEPT", table, test, origin, column, concept, detail=detail)
