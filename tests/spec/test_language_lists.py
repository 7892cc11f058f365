"""The mapping language, word by word: rules that ask about, link to or repeat what stands in lists."""

from pathlib import Path

import pytest

from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.plan import CaseKey
from etl.transform import decode, transform
from tests import mini
from tests.language import MAPPING, Case, compiled, every, fates, holds, one, traced

CASES = [
    # ---- some
    Case(
        "some: one item for which it holds",
        one("when: {some: items, where: flag}"),
        {"items": [{"flag": False}, {"flag": True}, {}]},
        ("measurement r 60",),
    ),
    Case("some: no item", one("when: {some: items, where: flag}"), {"items": [{"flag": False}, {}]}),
    Case("some: an empty list", one("when: {some: items, where: {not: flag}}"), {"items": []}),
    Case("some: a list that is null", one("when: {some: items, where: {not: flag}}"), {"items": None}),
    Case("some: a list left out", one("when: {some: items, where: {not: flag}}"), {}),
    Case("not some", one("when: {not: {some: items, where: flag}}"), {"items": None}, ("measurement r 60",)),
    Case(
        "some: everything must hold for the same item",
        one("when: {some: items, where: {all: [flag, {path: grade, in: [high]}]}}"),
        {"items": [{"flag": True, "grade": "low"}, {"grade": "high"}]},
    ),
    Case(
        "some, of a list inside the own item: @ is an item of that list",
        "r: {table: measurement, each: items, concept: 60 Size, visit: start,"
        " when: {some: tags, where: {path: '@', in: [a]}}}",
        {"items": [{"tags": ["b"]}, {"tags": ["b", "a"]}, {"tags": None}, {}]},
        ("measurement r[1] 60",),
    ),
    Case(
        "some, of a list inside an object",
        "r: {table: measurement, each: others, concept: 60 Size, visit: start,"
        " when: {some: part.sizes, where: '@'}}",
        {"others": [{"part": {"sizes": [0]}}, {"part": {"sizes": []}}, {"part": None}, {}]},
        ("measurement r[0] 60",),
    ),
    Case(
        "some, of a value inside an object",
        one("when: {some: others, where: part.flag}"),
        {"others": [{"part": None}, {}, {"part": {"flag": True}}]},
        ("measurement r 60",),
    ),
    Case(
        "some, of a list of the case from inside an item of another",
        "r: {table: measurement, each: items, concept: 60 Size, visit: start,"
        " when: {all: [flag, {some: $.others, where: flag}]}}",
        {"items": [{"flag": True}, {}, {"flag": True}], "others": [{}, {"flag": True}]},
        ("measurement r[0] 60", "measurement r[2] 60"),
    ),
    Case(
        "some, of the list that the item itself is in: any of its items",
        "r: {table: measurement, each: items, concept: 60 Size, visit: start,"
        " when: {all: [{not: flag}, {some: $.items, where: flag}]}}",
        {"items": [{"flag": False}, {"flag": True}, {}]},
        ("measurement r[0] 60", "measurement r[2] 60"),
    ),
    Case(
        "some, of a list beside the own one, in the item that holds both",
        "r: {table: measurement, each: 'items[*].subs', concept: 60 Size, visit: start,"
        " when: {some: '$.items[*].tags', where: {path: '@', in: [a]}}}",
        {"items": [{"tags": ["b"], "subs": [{}]}, {"tags": ["a"], "subs": [{}, {}]}]},
        ("measurement r[1][0] 60", "measurement r[1][1] 60"),
    ),
    Case(
        "some of some",
        one("when: {some: items, where: {all: [flag, {some: subs, where: {not: size}}]}}"),
        {"items": [{"flag": True, "subs": [{"size": 1}]}, {"flag": True, "subs": [{"size": 1}, {}]}]},
        ("measurement r 60",),
    ),
    Case(
        "some of some: its items are not mixed up",
        one("when: {some: items, where: {all: [flag, {some: subs, where: {not: size}}]}}"),
        {"items": [{"flag": True, "subs": [{"size": 1}]}, {"flag": False, "subs": [{}]}]},
    ),
    Case(
        "some of some of the same list",
        one("when: {some: items, where: {all: [{not: flag}, {some: $.items, where: flag}, size]}}"),
        {"items": [{"flag": True}, {"size": 1}]},
        ("measurement r 60",),
    ),
    Case(
        "some may ask about the case and about the items around it",
        one("when: {some: items, where: {all: [$.flag, {some: subs, where: '$.items[*].flag'}]}}"),
        {
            "flag": True,
            "items": [{"flag": True}, {"flag": False, "subs": [{}]}, {"flag": True, "subs": [{}]}],
        },
        ("measurement r 60",),
    ),
    Case(
        "some, deeper than rows can be",
        "r: {table: measurement, each: 'items[*].subs[*].marks', concept: 60 Size, visit: start,"
        " when: {some: deep, where: '@'}}",
        {"items": [{"subs": [{"marks": [{}, {"deep": [1]}]}]}]},
        ("measurement r[0][0][1] 60",),
    ),
    Case(
        "some in a value, a visit, a column and a date",
        "r: {table: measurement, concept: 60 Size, value: {when: {some: items, where: flag}, is: 70 Low},"
        " visit: {first: [{when: {some: items, where: size}, is: scan}, start]},"
        " source_value: {first: [{when: {some: others, where: flag}, is: seen}, unseen]}}\n"
        "s: {table: observation, concept: 97 Seen,"
        " date: [{when: {some: others, where: flag}, is: other_day}, baseline]}",
        {"items": [{"flag": True}], "others": [{"flag": True}], "other_day": "2020-06-16", "days": 1},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-02",
            "measurement r 60 value_as_concept_id=70 measurement_source_value=seen",
            "observation s 97 observation_date=2000-01-02",
        ),
    ),
    Case(
        "what a rule without such an item would say is told",
        one("number: size, when: {some: items, where: flag}"),
        {"size": 1, "items": [{"flag": False}]},
        (),
        ("r: invalid $.size: recorded, but the condition of its rule does not hold",),
    ),
    Case(
        "no date, and an item that only a condition read is not to blame",
        "r: {table: measurement, each: items, concept: 60 Size, date: on,"
        " when: {some: $.items, where: flag}}",
        {"items": [{}, {"flag": True, "on": "2020-06-15"}]},
        ("visit_occurrence visit.entry[1] 21", "measurement r[1] 60"),
        ("r: invalid $.items[0]: the row has no date",),
    ),
    # ---- of
    Case(
        "of: the first row of another rule",
        "a: {table: procedure_occurrence, each: items, concept: 40 Scan, when: flag, visit: start}\n"
        + one("number: size, of: a"),
        {"size": 1, "items": [{}, {"flag": True}, {"flag": True}]},
        (
            "procedure_occurrence a[1] 40",
            "procedure_occurrence a[2] 40",
            "measurement r 60 value_as_number=1 value_source_value=1 modifier_of_event_id=a[1]"
            " modifier_of_field_concept_id=1147082",
        ),
    ),
    Case(
        "of: the other rule wrote nothing",
        "a: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: start}\n" + one("of: a"),
        {},
        ("measurement r 60",),
    ),
    Case(
        "of: an observation keeps its field concept at 0 when there is nothing to name",
        "a: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: start}\n"
        "r: {table: observation, concept: 97 Seen, visit: start, of: a}",
        {},
        ("observation r 97",),
    ),
]


@every(CASES)
def test_a_rule_and_a_document_give_exactly_these_rows(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


def test_a_section_is_read_for_its_forms_only(tmp_path: Path) -> None:
    both = "B: {title: Form B, use_cases: [2], sections: [main]}"
    mini.write(tmp_path, mapping=MAPPING.replace(both, both.replace("[main]", "[main, more]")))
    mini.change(tmp_path, mini.SECTION, "scan:\n", "a:\n")
    tmp_path.joinpath("main.yaml").write_text("a: {table: measurement, concept: 60 Size, visit: start}\n")
    tmp_path.joinpath("more.yaml").write_text("b: {table: measurement, concept: 60 Size, visit: start}\n")
    plan = mini.plan(tmp_path)
    assert mini.run(plan, {"form": "A"}).rows == ["measurement a 60"]
    assert mini.run(plan, {"form": "B"}).rows == ["measurement a 60", "measurement b 60"]


@pytest.mark.parametrize(
    ("known", "changed"),
    [
        ("gender: 30 Female", "gender: {when: {some: others, where: flag}, is: 30 Female}"),
        ("date: day}", "date: day, when: {some: others, where: flag}}"),
        ("date: day}", "each: others, date: $.day, when: {some: $.others, where: flag}}"),
    ],
)
def test_the_person_and_the_baseline_may_ask_about_items_that_no_rule_reads(
    tmp_path: Path, known: str, changed: str
) -> None:
    plan = compiled(tmp_path, "r: {table: measurement, concept: 60 Size, date: other_day}", {known: changed})
    document = {"others": [{"flag": False}, {"flag": True}], "other_day": "2020-06-16"}
    assert mini.run(plan, document).rows == ["measurement r 60 measurement_date=2000-01-02"]
    assert traced(plan, document) == mini.run(plan, document)
    person = transform(plan, {**mini.BARE, **document}, CaseKey(1, 9, None)).rows["person"][0]
    assert decode(plan, "person", person)["gender_concept_id"] == "30"
    assert fates(plan, document) == {
        "$.others[0].flag": "mapped",
        "$.others[1].flag": "mapped",
        "$.other_day": "mapped",
    }


def test_a_list_that_is_only_asked_about_may_have_more_items_than_ids_have_room_for(tmp_path: Path) -> None:
    plan = compiled(tmp_path, one("when: {some: items, where: {some: subs, where: size}}"), {})
    document = {"items": [{"subs": [{}] * 1024 + [{"size": 1}]}]}
    assert mini.run(plan, document).rows == ["measurement r 60"]
    assert fates(plan, document) == {"$.items[0].subs[1024].size": "mapped"}


def test_every_value_that_a_condition_on_items_reads_is_mapped(tmp_path: Path) -> None:
    rule = one("when: {some: items, where: {any: [flag, {some: subs, where: {path: size, in: [1]}}]}}")
    document = {
        "items": [{"flag": True}, {"flag": False, "subs": [{"size": 1}, {"size": None}, {"size": 2}]}]
    }
    assert fates(compiled(tmp_path, rule, {}), document) == {
        "$.items[0].flag": "mapped",
        "$.items[1].flag": "mapped",
        "$.items[1].subs[0].size": "mapped",
        "$.items[1].subs[2].size": "mapped",
    }


@pytest.mark.parametrize("number", range(20, 60))
def test_a_link_is_right_whatever_the_rules_numbers_are(tmp_path: Path, number: int) -> None:
    rules = (
        "a: {table: procedure_occurrence, each: items, concept: 40 Scan, visit: start}\n"
        "r: {table: measurement, each: items, concept: 60 Size, visit: start, of: a}\n"
        "b: {table: procedure_occurrence, concept: 40 Scan, visit: start}\n"
        "s: {table: measurement, concept: 60 Size, visit: start, of: b}"
    )
    compiled(tmp_path, rules, {})
    mapping = read_mapping(tmp_path)
    plan = compile_plan(mapping, {**provisional_numbers(mapping), "b": number})
    assert mini.run(plan, {"items": [{}]}).rows[-1] == (
        "measurement s 60 modifier_of_event_id=b modifier_of_field_concept_id=1147082"
    )
