"""The mapping language, plausible numbers: what is warned of, and that it is loaded all the same."""

from pathlib import Path

import pytest

from etl.coverage import cover
from etl.mapping.compile import read_mapping
from etl.mapping.show import show
from etl.plan import Bound, CaseKey, Plausible, Problem
from etl.transform import transform
from tests import mini
from tests.language import Case, compiled, every, fates, holds, one

WHY = "why: it is told"
SIZE = "r: implausible $.size: not plausible, below 0 or above 9.5 millimeter: it is told"
BETWEEN = one(f"number: size, unit: 80 millimeter, plausible: {{low: 0, high: 9.5, {WHY}}}")
OF_ITEMS = f"""\
r:
  each: others
  table: measurement
  concept: 60 Size
  visit: start
  number: first
  plausible: {{low: 0, high: second, {WHY}}}
s: {{each: others, table: measurement, concept: 61 Grade, number: second, visit: start}}
like: {{like: r, each: others}}
"""
SCHEMA_SIZE = '"size": {"type": ["number", "null"]},\n    "word"'


def measured(size: object) -> tuple[str, ...]:
    return (f"measurement r 60 value_as_number={size} unit_concept_id=80 value_source_value={size}",)


CASES = [
    Case("within the bounds", BETWEEN, {"size": 5}, measured(5)),
    Case("on the lower bound", BETWEEN, {"size": 0}, measured(0)),
    Case("on the upper bound", BETWEEN, {"size": 9.5}, measured(9.5)),
    Case("below, and loaded as it is", BETWEEN, {"size": -0.1}, measured(-0.1), (SIZE,)),
    Case("above, and loaded as it is", BETWEEN, {"size": 1e6}, measured(1e6), (SIZE,)),
    Case("not recorded", BETWEEN, {"size": None}),
    Case(
        "only a lower bound",
        one(f"number: size, plausible: {{low: 2, {WHY}}}"),
        {"size": 1},
        ("measurement r 60 value_as_number=1 value_source_value=1",),
        ("r: implausible $.size: not plausible, below 2: it is told",),
    ),
    Case(
        "only an upper bound",
        one(f"number: size, plausible: {{high: 2, {WHY}}}"),
        {"size": 3},
        ("measurement r 60 value_as_number=3 value_source_value=3",),
        ("r: implausible $.size: not plausible, above 2: it is told",),
    ),
    Case(
        "no bound at all: every number is plausible",
        one(f"number: size, plausible: {{{WHY}}}"),
        {"size": 3},
        ("measurement r 60 value_as_number=3 value_source_value=3",),
    ),
    Case(
        "another number as the bound",
        one(f"number: size, plausible: {{high: count, {WHY}}}"),
        {"size": 3.5, "count": 3},
        ("measurement r 60 value_as_number=3.5 value_source_value=3.5",),
        ("r: implausible $.size: not plausible, above 'count': it is told",),
    ),
    Case(
        "another number that is not recorded is no bound",
        one(f"number: size, plausible: {{low: 0, high: count, {WHY}}}"),
        {"size": 3.5},
        ("measurement r 60 value_as_number=3.5 value_source_value=3.5",),
    ),
    Case(
        "but the bound beside it is",
        one(f"number: size, plausible: {{low: 4, high: count, {WHY}}}"),
        {"size": 3.5},
        ("measurement r 60 value_as_number=3.5 value_source_value=3.5",),
        ("r: implausible $.size: not plausible, below 4 or above 'count': it is told",),
    ),
    Case(
        "several ranges, each with its reason",
        one(f"number: size, plausible: [{{low: 0, {WHY}}}, {{high: count, why: it is a part of it}}]"),
        {"size": -1, "count": -2},
        ("measurement r 60 value_as_number=-1 value_source_value=-1",),
        (
            "r: implausible $.size: not plausible, below 0: it is told",
            "r: implausible $.size: not plausible, above 'count': it is a part of it",
        ),
    ),
    Case(
        "a sum",
        f"r: {{each: others, table: measurement, concept: 60 Size, visit: start,"
        f" number: {{sum: [first, second]}}, plausible: {{low: 2, high: 10, {WHY}}}}}",
        {"others": [{"first": 5, "second": 6}, {"first": 5, "second": 5}, {"second": 11}]},
        (
            "measurement r[0] 60 value_as_number=11 value_source_value=5+6",
            "measurement r[1] 60 value_as_number=10 value_source_value=5+5",
        ),
        (
            "r: implausible $.others[0].first: not plausible, below 2 or above 10: it is told",
            "r: invalid $.others[2].second: recorded, but the condition of its rule does not hold",
        ),
    ),
    Case(
        "in each item by its own bound, and in a rule that is like it",
        OF_ITEMS,
        {"others": [{"first": 1, "second": 2}, {"first": 3, "second": 2}]},
        (
            "measurement r[0] 60 value_as_number=1 value_source_value=1",
            "measurement s[0] 61 value_as_number=2 value_source_value=2",
            "measurement like[0] 60 value_as_number=1 value_source_value=1",
            "measurement r[1] 60 value_as_number=3 value_source_value=3",
            "measurement s[1] 61 value_as_number=2 value_source_value=2",
            "measurement like[1] 60 value_as_number=3 value_source_value=3",
        ),
        (
            "r: implausible $.others[1].first: not plausible, below 0 or above 'second': it is told",
            "like: implausible $.others[1].first: not plausible, below 0 or above 'second': it is told",
        ),
    ),
    Case(
        "of a path that is in a text",
        f"r: {{table: note, concept: 95 Remark, text: 'of {{count}}', visit: start,"
        f" plausible: {{path: count, low: 1, {WHY}}}}}",
        {"count": 0},
        ("note r 95 note_text='of 0' language_concept_id=30",),
        ("r: implausible $.count: not plausible, below 1: it is told",),
    ),
    Case(
        "of a column that is set, where it is recorded",
        one(f"number: size, set: {{provider_id: count}}, plausible: {{path: count, low: 1, {WHY}}}"),
        {"size": 1},
        ("measurement r 60 value_as_number=1 value_source_value=1",),
    ),
    Case(
        "no row, no warning",
        one(f"when: flag, number: size, plausible: {{high: 2, {WHY}}}"),
        {"size": 3},
        (),
        ("r: invalid $.size: recorded, but the condition of its rule does not hold",),
    ),
    Case(
        "a rule that is like it, without its range",
        BETWEEN + "\nq: {like: r, plausible: null}",
        {"size": 10},
        (*measured(10), measured(10)[0].replace(" r ", " q ")),
        (SIZE,),
    ),
]


@every(CASES)
def test_a_rule_and_a_document_give_exactly_these_rows_and_warnings(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


def test_an_age_is_judged_as_recorded_and_asked_for_as_a_year_of_birth(tmp_path: Path) -> None:
    ages = f"age: age, plausible: {{low: 18, high: 110, {WHY}}}"
    plan = compiled(tmp_path, one("number: size"), {"age: age": ages})
    reason = "not plausible, below 18 or above 110 years: it is told"
    for age, told in ((17, True), (18, False), (110, False), (110.5, False), (111, True)):
        found = transform(plan, {**mini.BARE, "age": int(age)}, CaseKey(1, 9, None))
        assert found.problems == ()
        assert found.warnings == ((Problem(None, "implausible", "$.age", reason),) if told else ())
    (asked,) = plan.plausible
    assert (asked.rule, asked.name, asked.table, asked.column) == (None, "person", "person", "year_of_birth")
    assert (asked.low, asked.high, asked.reason) == (1890, 1982, reason)


def test_the_plan_has_every_range_with_what_queries_need(tmp_path: Path) -> None:
    plan = compiled(tmp_path, OF_ITEMS + BETWEEN.replace("r: {", "q: {"), {})
    numbers = {rule.name: rule.number for rule in plan.rules}
    first, like, size = plan.plausible
    assert size == Plausible(
        rule=numbers["q"],
        name="q",
        file="main.yaml",
        line=10,
        path="$.size",
        table="measurement",
        column="value_as_number",
        concept_id=60,
        unit_concept_id=80,
        low=0,
        high=9.5,
        low_of=None,
        high_of=None,
        why="it is told",
        reason=SIZE.removeprefix("r: implausible $.size: "),
    )
    other = Bound("$.others[*].second", numbers["s"], "measurement")
    assert (first.low, first.low_of, first.high, first.high_of) == (0, None, None, other)
    assert (like.rule, like.high_of, like.line) == (numbers["like"], other, 9), "where the rule stands"


@pytest.mark.parametrize(
    ("range_", "column"),
    [("path: count, low: 1", "provider_id"), ("path: mixed", None), ("low: 1", "value_as_number")],
)
def test_the_plan_names_the_column_that_holds_the_number(
    tmp_path: Path, range_: str, column: str | None
) -> None:
    rule = one(f"number: size, set: {{provider_id: count}}, plausible: {{{range_}, {WHY}}}")
    if column is None:
        rule = rule.replace("mixed", "score").replace(
            "visit: start,", "visit: start, source_value: 'of {score}',"
        )
    (found,) = compiled(tmp_path, rule, {}).plausible
    assert (found.table, found.column) == ("measurement", column)


def test_no_code_asks_what_the_schema_ensures(tmp_path: Path) -> None:
    limited = SCHEMA_SIZE.replace('"null"]', '"null"], "minimum": 0, "exclusiveMaximum": 20')
    mini.write(tmp_path, section=f"r: {{table: measurement, concept: 60 Size, number: size, visit: start,"
        f" plausible: {{low: 0, high: 9, {WHY}}}}}\n")  # fmt: skip
    mini.change(tmp_path, mini.SCHEMA, SCHEMA_SIZE, limited)
    code = mini.plan(tmp_path).code
    assert "if v_size > 9:" in code
    mini.change(tmp_path, mini.SECTION, "high: 9", "high: 20")
    plan = mini.plan(tmp_path)
    assert "implausible" not in plan.code
    assert [(one.low, one.high) for one in plan.plausible] == [(0, 20)], "queries ask all the same"


def test_an_implausible_value_counts_as_mapped_and_a_bound_is_no_use_of_it(tmp_path: Path) -> None:
    plan = compiled(tmp_path, one(f"number: size, plausible: {{high: count, {WHY}}}"), {})
    assert fates(plan, {"size": 3, "count": 2}) == {"$.size": "mapped", "$.count": "unused"}
    assert len(list(cover(plan, {**mini.BARE, "size": 3}))) == len(mini.BARE) + 1


def test_the_document_tells_the_ranges(tmp_path: Path) -> None:
    compiled(tmp_path, OF_ITEMS, {"age: age": f"age: age, plausible: {{low: 18, {WHY}}}"})
    document = show(read_mapping(tmp_path))
    assert document.count("plausible 0 to `others[*].second`: it is told") == 2
    assert "2000 - age<br>plausible from 18: it is told" in document
