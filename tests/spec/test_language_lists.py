"""The mapping language, word by word: rules that ask about, link to or repeat what stands in lists."""

from pathlib import Path

import pytest

from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.plan import CaseKey
from etl.transform import decode, transform
from tests import mini
from tests.language import Case, compiled, every, fates, holds, one, traced

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
    Case(
        "of: an item without such a row is recorded of nothing",
        "a: {table: procedure_occurrence, each: items, concept: 40 Scan, when: flag, visit: start}\n"
        "r: {table: measurement, each: items, concept: 60 Size, visit: start, of: a}",
        {"items": [{"flag": True}, {"flag": False}, {"flag": True}]},
        (
            "procedure_occurrence a[0] 40",
            "procedure_occurrence a[2] 40",
            "measurement r[0] 60 modifier_of_event_id=a[0] modifier_of_field_concept_id=1147082",
            "measurement r[1] 60",
            "measurement r[2] 60 modifier_of_event_id=a[2] modifier_of_field_concept_id=1147082",
        ),
    ),
    Case(
        "of, across two lists of one item: the first row of the same item",
        "a: {table: procedure_occurrence, each: 'items[*].subs', concept: 40 Scan, when: size,"
        " visit: start}\n"
        "r: {table: measurement, each: 'items[*].tags', concept: 60 Size, visit: start, of: a}",
        {
            "items": [
                {"subs": [{}, {"size": 1}, {"size": 2}], "tags": ["x"]},
                {"subs": [{}], "tags": ["y"]},
                {"subs": [{"size": 3}], "tags": ["z", "z"]},
            ]
        },
        (
            "procedure_occurrence a[0][1] 40",
            "procedure_occurrence a[0][2] 40",
            "procedure_occurrence a[2][0] 40",
            "measurement r[0][0] 60 modifier_of_event_id=a[0][1] modifier_of_field_concept_id=1147082",
            "measurement r[1][0] 60",
            "measurement r[2][0] 60 modifier_of_event_id=a[2][0] modifier_of_field_concept_id=1147082",
            "measurement r[2][1] 60 modifier_of_event_id=a[2][0] modifier_of_field_concept_id=1147082",
        ),
    ),
    Case(
        "of, from an item to rows in a list of it, and from a list of it to the item's row",
        "a: {table: procedure_occurrence, each: 'items[*].subs', concept: 40 Scan, visit: start}\n"
        "b: {table: condition_occurrence, each: items, concept: 50 Finding, when: flag, visit: start}\n"
        "r: {table: measurement, each: items, concept: 60 Size, visit: start, of: a}\n"
        "s: {table: measurement, each: 'items[*].subs', concept: 60 Size, visit: start, of: b}",
        {"items": [{}, {"flag": True, "subs": [{}, {}]}]},
        (
            "procedure_occurrence a[1][0] 40",
            "procedure_occurrence a[1][1] 40",
            "condition_occurrence b[1] 50",
            "measurement r[0] 60",
            "measurement r[1] 60 modifier_of_event_id=a[1][0] modifier_of_field_concept_id=1147082",
            "measurement s[1][0] 60 modifier_of_event_id=b[1] modifier_of_field_concept_id=1147127",
            "measurement s[1][1] 60 modifier_of_event_id=b[1] modifier_of_field_concept_id=1147127",
        ),
    ),
    Case(
        "of, from items to a row of the case, and to the first row of another list",
        "a: {table: procedure_occurrence, concept: 40 Scan, visit: start}\n"
        "b: {table: procedure_occurrence, each: others, concept: 40 Scan, when: flag, visit: start}\n"
        "r: {table: measurement, each: items, concept: 60 Size, visit: start, of: a}\n"
        "s: {table: measurement, each: items, concept: 60 Size, visit: start, of: b}",
        {"items": [{}, {}], "others": [{}, {"flag": True}, {"flag": True}]},
        (
            "procedure_occurrence a 40",
            "procedure_occurrence b[1] 40",
            "procedure_occurrence b[2] 40",
            "measurement r[0] 60 modifier_of_event_id=a modifier_of_field_concept_id=1147082",
            "measurement s[0] 60 modifier_of_event_id=b[1] modifier_of_field_concept_id=1147082",
            "measurement r[1] 60 modifier_of_event_id=a modifier_of_field_concept_id=1147082",
            "measurement s[1] 60 modifier_of_event_id=b[1] modifier_of_field_concept_id=1147082",
        ),
    ),
    Case(
        "of one rule from the case and from its items: each has its first",
        "a: {table: procedure_occurrence, each: items, concept: 40 Scan, visit: start}\n"
        "r: {table: measurement, each: items, concept: 60 Size, visit: start, of: a}\n"
        "s: {table: observation, concept: 97 Seen, visit: start, of: a}",
        {"items": [{}, {}]},
        (
            "procedure_occurrence a[0] 40",
            "procedure_occurrence a[1] 40",
            "measurement r[0] 60 modifier_of_event_id=a[0] modifier_of_field_concept_id=1147082",
            "measurement r[1] 60 modifier_of_event_id=a[1] modifier_of_field_concept_id=1147082",
            "observation s 97 observation_event_id=a[0] obs_event_field_concept_id=1147082",
        ),
    ),
    Case(
        "of a nested row, three lists deep",
        "a: {table: procedure_occurrence, each: 'items[*].subs', concept: 40 Scan, visit: start,"
        " rows: {b: {table: measurement, each: marks, concept: 60 Size, number: size}}}\n"
        "r: {table: measurement, each: 'items[*].subs[*].marks', concept: 61 Grade, of: a.b, visit: start}",
        {"items": [{"subs": [{}, {"marks": [{}, {"size": 1}]}]}]},
        (
            "procedure_occurrence a[0][0] 40",
            "procedure_occurrence a[0][1] 40",
            "measurement a.b[0][1][1] 60 value_as_number=1 value_source_value=1"
            " modifier_of_event_id=a[0][1] modifier_of_field_concept_id=1147082",
            "measurement r[0][1][0] 61",
            "measurement r[0][1][1] 61 modifier_of_event_id=a.b[0][1][1]"
            " modifier_of_field_concept_id=1147138",
        ),
    ),
    # ---- like
    Case(
        "like: all words but those it says itself",
        "a: {table: measurement, concept: 60 Size, number: size, unit: 80 millimeter, visit: start,"
        " when: flag, episode: whole, set: {range_low: 1}}\n"
        "r: {like: a, each: items, concept: 61 Grade, set: {range_high: 2}}",
        {"ill": True, "flag": True, "size": 1, "items": [{"size": 2, "flag": True}, {"size": 3}]},
        (
            "measurement a 60 value_as_number=1 unit_concept_id=80 range_low=1 value_source_value=1",
            "measurement r[0] 61 value_as_number=2 unit_concept_id=80 range_high=2 value_source_value=2",
            "episode episode.whole 90 episode_object_concept_id=50",
            "episode_event 1147138 episode_id=episode.whole event_id=a",
            "episode_event 1147138 episode_id=episode.whole event_id=r[0]",
        ),
        ("r: invalid $.items[1].size: recorded, but the condition of its rule does not hold",),
    ),
    Case(
        "like: null takes a word away",
        "a: {table: measurement, concept: 60 Size, number: size, visit: scan, when: flag, of: b,"
        " source_value: a size}\n"
        "b: {table: procedure_occurrence, concept: 40 Scan, visit: start}\n".replace(", of: b", "")
        + "r: {like: a, when: null, visit: null, source_value: null, date: baseline}",
        {"size": 1},
        (
            "procedure_occurrence b 40",
            "measurement r 60 value_as_number=1 value_source_value=1",
        ),
    ),
    Case(
        "like: nested rows changed, left out and added, those of the other first",
        "a: {table: condition_occurrence, concept: 50 Finding, when: flag, visit: start, rows: {"
        " size: {table: measurement, concept: 60 Size, number: size},"
        " grade: {table: measurement, concept: 61 Grade, value: {from: grade, via: grade}},"
        " seen: {table: observation, concept: 97 Seen, text: seen}}}\n"
        "r: {like: a, when: null, rows: {added: {table: observation, concept: 97 Seen},"
        " grade: null, size: {unit: 80 millimeter}}}",
        {"size": 1, "grade": "low"},
        (
            "condition_occurrence r 50",
            "measurement r.size 60 value_as_number=1 unit_concept_id=80 value_source_value=1"
            " modifier_of_event_id=r modifier_of_field_concept_id=1147127",
            "observation r.seen 97 value_as_string=seen observation_event_id=r"
            " obs_event_field_concept_id=1147127",
            "observation r.added 97 observation_event_id=r obs_event_field_concept_id=1147127",
        ),
        ("a.grade: invalid $.grade: recorded, but the condition of its rule does not hold",),
    ),
    Case(
        "like: rows nested in nested rows",
        "a: {table: condition_occurrence, concept: 50 Finding, when: flag, visit: start, rows: {"
        " b: {table: measurement, concept: 60 Size, rows: {"
        " c: {table: measurement, concept: 61 Grade}, d: {table: measurement, concept: 61 Grade}}}}}\n"
        "r: {like: a, when: null, rows: {b: {concept: 61 Grade, rows: {c: null, d: {number: size},"
        " e: {table: observation, concept: 97 Seen}}}}}",
        {"size": 1},
        (
            "condition_occurrence r 50",
            "measurement r.b 61 modifier_of_event_id=r modifier_of_field_concept_id=1147127",
            "measurement r.b.d 61 value_as_number=1 value_source_value=1 modifier_of_event_id=r.b"
            " modifier_of_field_concept_id=1147138",
            "observation r.b.e 97 observation_event_id=r.b obs_event_field_concept_id=1147138",
        ),
    ),
    Case(
        "like: nested rows with lists of their own follow the item",
        "a: {table: condition_occurrence, each: 'items[*].subs', concept: 50 Finding, visit: start, rows: {"
        " size: {table: measurement, concept: 60 Size, number: size}}}\n"
        "r: {like: a, each: others, rows: {sizes: {each: part.sizes, table: measurement, concept: 60 Size,"
        " number: '@'}}}",
        {"others": [{"size": 1, "part": {"sizes": [2, 3]}}]},
        (
            "condition_occurrence r[0] 50",
            *(
                f"measurement r.{name} 60 value_as_number={value} value_source_value={value}"
                " modifier_of_event_id=r[0] modifier_of_field_concept_id=1147127"
                for name, value in (("size[0]", 1), ("sizes[0][0]", 2), ("sizes[0][1]", 3))
            ),
        ),
    ),
    Case(
        "like a rule that comes later, which names its own rows",
        "r: {like: a, number: count}\na: {table: measurement, concept: 60 Size, number: size, visit: start}",
        {"size": 1, "count": 2},
        (
            "measurement r 60 value_as_number=2 value_source_value=2",
            "measurement a 60 value_as_number=1 value_source_value=1",
        ),
    ),
    # ---- groups
    Case(
        "in: a group",
        one("when: {path: grade, in: bad}"),
        {"grade": "high"},
        ("measurement r 60",),
        mapping={"define:\n": "groups: {bad: [high, top]}\ndefine:\n"},
    ),
    Case(
        "in: a group that the value is not of",
        one("when: {path: grade, in: bad}"),
        {"grade": "low"},
        mapping={"define:\n": "groups: {bad: [high, top]}\ndefine:\n"},
    ),
    Case(
        "in: a group of numbers and true",
        "r: {table: measurement, concept: 60 Size, visit: start,"
        " when: {all: [{path: score, in: some_of}, {path: count, in: some_of}, {path: flag, in: some_of}]}}",
        {"score": 2, "count": 7, "flag": True},
        ("measurement r 60",),
        mapping={"define:\n": "groups: {some_of: [2, 7, true]}\ndefine:\n"},
    ),
    Case(
        "in: true of a group is not the number 1",
        one("when: {path: count, in: some_of}"),
        {"count": 1},
        mapping={"define:\n": "groups: {some_of: [2, 7, true]}\ndefine:\n"},
    ),
]


@every(CASES)
def test_a_rule_and_a_document_give_exactly_these_rows(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


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
