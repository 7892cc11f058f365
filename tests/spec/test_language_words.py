"""The mapping language, word by word: what a row says, when it is written, and what is recorded of it."""

import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.plan import CaseKey
from etl.transform import decode, transform
from tests import mini
from tests.language import MAPPING, Case, compiled, every, holds, note, one

TABS = repr("\t" * 50)
ITEM = {"grade": "low", "size": 1.5, "flag": True, "on": "2020-06-16", "tags": ["a", "b"]}

CASES = [
    # ---- number, value, unit
    Case(
        "a number and its unit",
        one("number: size, unit: 80 millimeter"),
        {"size": 1.5},
        ("measurement r 60 value_as_number=1.5 unit_concept_id=80 value_source_value=1.5",),
    ),
    Case("a number not recorded yields nothing", one("number: size, unit: 80 millimeter"), {"size": None}),
    Case("a number left out yields nothing", one("number: size"), {}),
    Case(
        "0 is a number",
        one("number: size"),
        {"size": 0},
        ("measurement r 60 value_as_number=0 value_source_value=0",),
    ),
    Case(
        "a float in powers of ten",
        one("number: size"),
        {"size": 1e3},
        ("measurement r 60 value_as_number=1000.0 value_source_value=1000.0",),
    ),
    Case(
        "a float that Python writes with an exponent",
        one("number: size"),
        {"size": 1e-7},
        ("measurement r 60 value_as_number=1e-07 value_source_value=1e-07",),
    ),
    Case(
        "a value by value map",
        one("value: {from: grade, via: grade}"),
        {"grade": "high"},
        ("measurement r 60 value_as_concept_id=71 value_source_value=high",),
    ),
    Case("a value not recorded yields nothing", one("value: {from: grade, via: grade}"), {"grade": None}),
    Case("a constant value does not make a row of its own", one("number: size, value: 70 Low"), {}),
    Case(
        "a constant value goes with the number",
        one("number: size, value: 70 Low"),
        {"size": 2},
        ("measurement r 60 value_as_number=2 value_as_concept_id=70 value_source_value=2",),
    ),
    Case(
        "number or value: either makes the row, the number is the raw value",
        one("number: size, value: {from: grade, via: grade}"),
        {"grade": "low"},
        ("measurement r 60 value_as_concept_id=70",),
    ),
    # ---- sums
    Case(
        "a sum of whole numbers, recorded as they were added",
        one("number: {sum: [count, days]}, unit: 80 millimeter"),
        {"count": 3, "days": 0},
        (
            "visit_occurrence visit.scan 21",
            "measurement r 60 value_as_number=3 unit_concept_id=80 value_source_value=3+0",
        ),
    ),
    Case(
        "a sum with a number that is not recorded is none, and the others are told",
        one("number: {sum: [count, days, score]}"),
        {"count": 3, "score": 2, "days": None},
        (),
        (
            "r: invalid $.count: recorded, but the condition of its rule does not hold",
            "r: invalid $.score: recorded, but the condition of its rule does not hold",
        ),
    ),
    Case("a sum of nothing", one("number: {sum: [count, score]}"), {"count": None}),
    Case(
        "a sum in a nested row of an item",
        "r: {table: condition_occurrence, each: others, concept: 50 Finding, visit: start, rows: {"
        " total: {table: measurement, concept: 60 Size, number: {sum: [first, second]}}}}",
        {"others": [{"first": 3, "second": 4}, {"first": 4, "second": 3.0}, {"first": 5}]},
        (
            "condition_occurrence r[0] 50",
            "condition_occurrence r[1] 50",
            "condition_occurrence r[2] 50",
            "measurement r.total[0] 60 value_as_number=7 value_source_value=3+4"
            " modifier_of_event_id=r[0] modifier_of_field_concept_id=1147127",
            "measurement r.total[1] 60 value_as_number=7.0 value_source_value=4+3.0"
            " modifier_of_event_id=r[1] modifier_of_field_concept_id=1147127",
        ),
        ("r.total: invalid $.others[2].first: recorded, but the condition of its rule does not hold",),
    ),
    Case(
        "a sum where there is no column for the raw value is the source value",
        "r: {table: observation, each: others, concept: 97 Seen, visit: start,"
        " number: {sum: [$.count, first]}}",
        {"count": 1, "others": [{"first": 2}]},
        ("observation r[0] 97 value_as_number=3 observation_source_value=1+2",),
    ),
    # ---- maps
    Case(
        "a concept by inline map",
        "r: {table: condition_occurrence, visit: start,"
        " concept: {from: flag, map: {true: 50 Finding, false: 51 No finding}}}",
        {"flag": False},
        ("condition_occurrence r 51 condition_source_value=false",),
    ),
    Case(
        "a concept whose code is not recorded yields nothing",
        "r: {table: condition_occurrence, visit: start,"
        " concept: {from: flag, map: {true: 50 Finding, false: 51 No finding}}}",
        {"flag": None},
    ),
    Case(
        "a text by inline map",
        one("number: size, source_value: {from: grade, map: {low: 'L\t', high: H}}"),
        {"size": 1, "grade": "low"},
        ("measurement r 60 value_as_number=1 measurement_source_value='L\\t' value_source_value=1",),
    ),
    Case(
        "a text by inline map, its code not recorded",
        one("number: size, source_value: {from: grade, map: {low: L, high: H}}"),
        {"size": 1},
        ("measurement r 60 value_as_number=1 value_source_value=1",),
    ),
    Case(
        "a text by inline map that does not know the value is left out and reported",
        one("when: word, source_value: {from: word, map: {known: K}}"),
        {"word": "new"},
        ("measurement r 60",),
        ("r: invalid $.word: 'measurement_source_value' has nothing for this value in 'map'",),
    ),
    Case(
        "... and the next alternative stands in",
        one("when: word, source_value: {first: [{from: word, map: {known: K}}, other]}"),
        {"word": "new"},
        ("measurement r 60 measurement_source_value=other",),
        ("r: invalid $.word: 'measurement_source_value' has nothing for this value in 'map'",),
    ),
    Case(
        "a number by inline map",
        one("when: grade, set: {value_as_number: {from: grade, map: {low: 1, high: 2}}}"),
        {"grade": "high"},
        ("measurement r 60 value_as_number=2",),
    ),
    Case(
        "an integer's codes in a value map",
        one("value: {from: score, via: scores}"),
        {"score": 2},
        ("measurement r 60 value_as_concept_id=71 value_source_value=2",),
    ),
    Case(
        "20.0 is the integer 20 for a map",
        one("value: {from: score, via: scores}"),
        {"score": 2.0},
        ("measurement r 60 value_as_concept_id=71 value_source_value=2.0",),
    ),
    Case(
        "a boolean's codes in a value map",
        one("value: {from: flag, via: flags}"),
        {"flag": True},
        ("measurement r 60 value_as_concept_id=70 value_source_value=true",),
    ),
    Case(
        "a code with concept 0 loads and is reported",
        one("value: {from: grade, via: gaps}"),
        {"grade": "low"},
        ("measurement r 60 value_source_value=low",),
        ("r: unmapped $.grade: no concept for this value in 'gaps'",),
    ),
    Case(
        "a code that the map does not have loads as 0 and is reported",
        one("value: {from: word, via: grade}"),
        {"word": "new"},
        ("measurement r 60 value_source_value=new",),
        ("r: unmapped $.word: no concept for this value in 'grade'",),
    ),
    Case(
        "a text that two maps may know, and neither does",
        one(
            "when: word, source_value: {first: [{when: flag, is: {from: word, map: {a: A}}},"
            " {from: word, map: {b: B}}]}"
        ),
        {"word": "c", "flag": True},
        ("measurement r 60",),
        ("r: invalid $.word: 'measurement_source_value' has nothing for this value in 'map'",),
    ),
    Case(
        "a map that does not know the value is reported, also when the next one does",
        one("when: word, source_value: {first: [{from: word, map: {b: B}}, {from: word, map: {c: C}}]}"),
        {"word": "c"},
        ("measurement r 60 measurement_source_value=C",),
        ("r: invalid $.word: 'measurement_source_value' has nothing for this value in 'map'",),
    ),
    # ---- when, not, any, all, in
    Case("when: a true boolean", one("when: flag"), {"flag": True}, ("measurement r 60",)),
    Case("when: a false boolean", one("when: flag"), {"flag": False}),
    Case("when: anything recorded", one("when: size"), {"size": 0}, ("measurement r 60",)),
    Case("when: nothing recorded", one("when: size"), {"size": None}),
    Case("when: an object that is given", one("when: part"), {"part": {}}, ("measurement r 60",)),
    Case("when: a list with items", one("when: items"), {"items": [{}]}, ("measurement r 60",)),
    Case("when: an empty list", one("when: items"), {"items": []}),
    Case(
        "when: a path into an object", one("when: part.flag"), {"part": {"flag": True}}, ("measurement r 60",)
    ),
    Case("when: a path into an object that is null", one("when: part.flag"), {"part": None}),
    Case("not", one("when: {not: flag}"), {"flag": None}, ("measurement r 60",)),
    Case("not, and it holds", one("when: {not: flag}"), {"flag": True}),
    Case("in: one value", one("when: {path: grade, in: [low]}"), {"grade": "low"}, ("measurement r 60",)),
    Case("in: another value", one("when: {path: grade, in: [low]}"), {"grade": "high"}),
    Case(
        "in: several", one("when: {path: grade, in: [low, high]}"), {"grade": "high"}, ("measurement r 60",)
    ),
    Case("in: not recorded", one("when: {path: grade, in: [low, high]}"), {}),
    Case("in: false is not the same as not recorded", one("when: {path: flag, in: [false]}"), {"flag": None}),
    Case("any", one("when: {any: [flag, grade]}"), {"grade": "low"}, ("measurement r 60",)),
    Case("any of none", one("when: {any: [flag, grade]}"), {}),
    Case("all", one("when: {all: [flag, grade]}"), {"flag": True, "grade": "low"}, ("measurement r 60",)),
    Case("not quite all", one("when: {all: [flag, grade]}"), {"grade": "low"}),
    Case(
        "nested",
        one("when: {any: [{all: [flag, grade]}, {not: {any: [flag, {path: grade, in: [high]}]}}]}"),
        {"grade": "low"},
        ("measurement r 60",),
    ),
    # ---- each
    Case(
        "each item a row, numbered by its place",
        "r: {table: measurement, each: items, concept: 60 Size, number: size, visit: start}",
        {"items": [{"size": 1}, {"size": None}, {"size": 3}]},
        (
            "measurement r[0] 60 value_as_number=1 value_source_value=1",
            "measurement r[2] 60 value_as_number=3 value_source_value=3",
        ),
    ),
    Case(
        "an empty list yields nothing",
        "r: {table: measurement, each: items, concept: 60 Size, visit: start}",
        {"items": []},
    ),
    Case(
        "a list that is null yields nothing",
        "r: {table: measurement, each: items, concept: 60 Size, visit: start}",
        {"items": None},
    ),
    Case(
        "an item without anything to ask for is a row",
        "r: {table: measurement, each: items, concept: 60 Size, visit: start}",
        {"items": [{}]},
        ("measurement r[0] 60",),
    ),
    Case(
        "@ is the item itself",
        "r: {table: measurement, each: 'items[*].tags', concept: 60 Size,"
        " source_value: 'tag {@}', visit: start}",
        {"items": [{"tags": ["x"]}, {}, {"tags": ["y", "z"]}]},
        (
            "measurement r[0][0] 60 measurement_source_value='tag x'",
            "measurement r[2][0] 60 measurement_source_value='tag y'",
            "measurement r[2][1] 60 measurement_source_value='tag z'",
        ),
    ),
    Case(
        "$. reads from the document inside an item",
        "r: {table: measurement, each: items, concept: 60 Size, number: $.size, when: flag, visit: start}",
        {"size": 9, "items": [{"flag": True}, {"flag": False}]},
        ("measurement r[0] 60 value_as_number=9 value_source_value=9",),
    ),
    Case(
        "three lists deep",
        "r: {table: measurement, each: 'items[*].subs[*].marks', concept: 60 Size,"
        " number: size, visit: start}",
        {"items": [{}, {"subs": [{}, {"marks": [{}, {"size": 4}]}]}]},
        ("measurement r[1][1][1] 60 value_as_number=4 value_source_value=4",),
    ),
    # ---- rows
    Case(
        "a measurement of a condition is its modifier",
        "r: {table: condition_occurrence, each: items, concept: 50 Finding, visit: start,"
        " rows: {size: {table: measurement, concept: 60 Size, number: size}}}",
        {"items": [{"size": 1}, {"size": 2}]},
        (
            "condition_occurrence r[0] 50",
            "condition_occurrence r[1] 50",
            "measurement r.size[0] 60 value_as_number=1 value_source_value=1 modifier_of_event_id=r[0]"
            " modifier_of_field_concept_id=1147127",
            "measurement r.size[1] 60 value_as_number=2 value_source_value=2 modifier_of_event_id=r[1]"
            " modifier_of_field_concept_id=1147127",
        ),
    ),
    Case(
        "an observation of a procedure",
        "r: {table: procedure_occurrence, concept: 40 Scan, visit: start,"
        " rows: {seen: {table: observation, concept: 97 Seen}}}",
        {},
        (
            "procedure_occurrence r 40",
            "observation r.seen 97 observation_event_id=r obs_event_field_concept_id=1147082",
        ),
    ),
    Case(
        "a note of an observation of a drug",
        "r: {table: drug_exposure, concept: 40 Scan, visit: start,"
        " rows: {seen: {table: observation, concept: 97 Seen,"
        " rows: {said: {table: note, concept: 95 Remark, text: '{word}'}}}}}",
        {"word": "w"},
        (
            "drug_exposure r 40",
            "observation r.seen 97 observation_event_id=r obs_event_field_concept_id=1147094",
            "note r.seen.said 95 note_event_id=r.seen note_event_field_concept_id=1147165 note_text=w"
            " language_concept_id=30",
        ),
    ),
    Case(
        "a measurement of a measurement",
        one("number: size, rows: {more: {table: measurement, concept: 61 Grade}}"),
        {"size": 1},
        (
            "measurement r 60 value_as_number=1 value_source_value=1",
            "measurement r.more 61 modifier_of_event_id=r modifier_of_field_concept_id=1147138",
        ),
    ),
    Case(
        "no row, no rows of it",
        one("number: size, rows: {more: {table: measurement, concept: 61 Grade}}"),
        {},
    ),
    Case(
        "a nested list below an item",
        "r: {table: condition_occurrence, each: items, concept: 50 Finding, visit: entry,"
        " rows: {tag: {each: tags, table: observation, concept: 97 Seen, text: '{@}'}}}",
        {"items": [{}, ITEM]},
        (
            "visit_occurrence visit.entry[1] 21 visit_start_date=2000-01-02",
            "condition_occurrence r[1] 50 condition_start_date=2000-01-02 visit_occurrence_id=visit.entry[1]",
            "observation r.tag[1][0] 97 observation_date=2000-01-02 value_as_string=a"
            " visit_occurrence_id=visit.entry[1] observation_event_id=r[1]"
            " obs_event_field_concept_id=1147127",
            "observation r.tag[1][1] 97 observation_date=2000-01-02 value_as_string=b"
            " visit_occurrence_id=visit.entry[1] observation_event_id=r[1]"
            " obs_event_field_concept_id=1147127",
        ),
        ("r: invalid $.items[0]: its visit 'entry' has no date",),
    ),
    Case(
        "a nested row with a visit of its own",
        one("rows: {more: {table: measurement, concept: 61 Grade, visit: scan}}"),
        {"days": 3},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-04",
            "measurement r 60",
            "measurement r.more 61 measurement_date=2000-01-04 visit_occurrence_id=visit.scan"
            " modifier_of_event_id=r modifier_of_field_concept_id=1147138",
        ),
    ),
    # ---- first, use, when/is
    Case(
        "first: the first that yields something",
        "r: {table: condition_occurrence, visit: start,"
        " concept: {first: [{when: flag, is: 50 Finding},"
        " {from: grade, map: {low: 51 No finding, high: 50 Finding}}]}}",
        {"grade": "low"},
        ("condition_occurrence r 51 condition_source_value=low",),
    ),
    Case(
        "first: none yields anything",
        "r: {table: condition_occurrence, visit: start,"
        " concept: {first: [{when: flag, is: 50 Finding},"
        " {from: grade, map: {low: 51 No finding, high: 50 Finding}}]}}",
        {},
    ),
    Case(
        "use: a definition, read from where the rule is",
        "r: {table: condition_occurrence, each: items, visit: start, concept: {use: finding}}",
        {"flag": True, "items": [{}]},
        ("condition_occurrence r[0] 50",),
    ),
    Case(
        "use: its last alternative",
        "r: {table: condition_occurrence, visit: start, concept: {use: finding}}",
        {},
        ("condition_occurrence r 51",),
    ),
    # ---- title, text, source_value, templates
    Case(
        "a note's title and text, and the table's defaults",
        note("title: 'Remark on {word}', text: '{word}!'"),
        {"word": "it"},
        ("note r 95 note_title='Remark on it' note_text=it! language_concept_id=30",),
    ),
    Case(
        "a text whose value is not recorded yields nothing",
        note("title: T, text: '{word} {grade}'"),
        {"word": "it"},
        problems=("r: invalid $.word: recorded, but the condition of its rule does not hold",),
    ),
    Case(
        "a constant text is a row",
        note("text: always"),
        {},
        ("note r 95 note_text=always language_concept_id=30",),
    ),
    Case(
        "an observation's text",
        "r: {table: observation, concept: 97 Seen, visit: start, text: '{word}'}",
        {"word": "it"},
        ("observation r 97 value_as_string=it",),
    ),
    Case(
        "a template of number, boolean and code",
        note("text: '{size} {flag} {grade}'"),
        {"size": 1.5, "flag": False, "grade": "low"},
        ("note r 95 note_text='1.5 false low' language_concept_id=30",),
    ),
    Case(
        "a template of codes with characters that COPY reserves",
        note("text: '{odd name}'"),
        {"odd name": "a\\b"},
        ("note r 95 note_text='a\\\\b' language_concept_id=30",),
    ),
    Case(
        "tab, newline, carriage return and backslash in a value",
        note("text: 'Said: {text}'"),
        {"text": "a\tb\nc\rd\\N"},
        ("note r 95 note_text='Said: a\\tb\\nc\\rd\\\\N' language_concept_id=30",),
    ),
    Case(
        "\\N as a value is not NULL",
        note("text: '{text}'"),
        {"text": "\\N"},
        ("note r 95 note_text='\\\\N' language_concept_id=30",),
    ),
    Case(
        "an empty text",
        note("text: '{text}'"),
        {"text": ""},
        ("note r 95 note_text='' language_concept_id=30",),
    ),
    Case(
        "braces, quotes, tab and newline written in the mapping",
        'r: {table: note, concept: 95 Remark, visit: start, text: "{}\\t\\"q\\"\\n\\\\ {text}"}',
        {"text": "é"},
        ("note r 95 note_text='{}\\t\"q\"\\n\\\\ é' language_concept_id=30",),
    ),
    Case(
        "... with a value that needs no escaping",
        'r: {table: note, concept: 95 Remark, visit: start, text: "{}\\t\\"q\\"\\n\\\\ {size}"}',
        {"size": 1},
        ("note r 95 note_text='{}\\t\"q\"\\n\\\\ 1' language_concept_id=30",),
    ),
    Case(
        "text or number, as it comes",
        note("text: '{mixed}'"),
        {"mixed": 3},
        ("note r 95 note_text=3 language_concept_id=30",),
    ),
    Case(
        "text or number as a source value",
        one("when: mixed, source_value: {from: mixed}"),
        {"mixed": 3},
        ("measurement r 60 measurement_source_value=3",),
    ),
    Case(
        "a source value from a path",
        one("when: word, source_value: {from: word}"),
        {"word": "w"},
        ("measurement r 60 measurement_source_value=w",),
    ),
    Case("a source value not recorded", one("source_value: {from: word}"), {}, ("measurement r 60",)),
    Case(
        "without a column for the raw value, the source value is the code",
        "r: {table: observation, concept: 97 Seen, value: {from: grade, via: grade}, visit: start}",
        {"grade": "low"},
        ("observation r 97 value_as_concept_id=70 observation_source_value=low",),
    ),
    Case(
        "a text longer than its column is cut and reported",
        one("when: text, source_value: {from: text}"),
        {"text": "x" * 60},
        (f"measurement r 60 measurement_source_value={'x' * 50}",),
        ("r: truncated $.text: longer than the 50 characters of 'measurement_source_value'",),
    ),
    Case(
        "a template longer than its column is cut and reported",
        one("when: word, source_value: 'Word: {word}'"),
        {"word": "x" * 50},
        (f"measurement r 60 measurement_source_value='Word: {'x' * 44}'",),
        ("r: truncated $.word: longer than the 50 characters of 'measurement_source_value'",),
    ),
    Case(
        "a code longer than its column is cut and reported",
        one("when: long, source_value: {from: long}"),
        {"long": "y" * 60},
        (f"measurement r 60 measurement_source_value={'y' * 50}",),
        ("r: truncated $.long: longer than the 50 characters of 'measurement_source_value'",),
    ),
    Case(
        "a cut counts characters, then escapes",
        one("when: text, source_value: {from: text}"),
        {"text": "\t" * 51},
        (f"measurement r 60 measurement_source_value={TABS}",),
        ("r: truncated $.text: longer than the 50 characters of 'measurement_source_value'",),
    ),
    # ---- set
    Case(
        "set: columns by their real names",
        "r: {table: procedure_occurrence, concept: 40 Scan, visit: start,"
        " set: {quantity: count, modifier_source_value: 'm{size}', modifier_concept_id: 70 Low}}",
        {"count": 3, "size": 1},
        ("procedure_occurrence r 40 modifier_concept_id=70 quantity=3 modifier_source_value=m1",),
    ),
    Case(
        "set: 3.0 is an integer, so it is written as one",
        "r: {table: procedure_occurrence, concept: 40 Scan, visit: start, set: {quantity: count}}",
        {"count": 3.0},
        ("procedure_occurrence r 40 quantity=3",),
    ),
    Case(
        "set: nothing recorded leaves NULL",
        "r: {table: procedure_occurrence, concept: 40 Scan, visit: start, set: {quantity: count}}",
        {},
        ("procedure_occurrence r 40",),
    ),
    Case(
        "set: a constant number",
        one("set: {range_low: 1.5, range_high: 2}"),
        {},
        ("measurement r 60 range_low=1.5 range_high=2",),
    ),
    Case(
        "set: a concept that must not be NULL is 0 when nothing is known",
        one("set: {measurement_source_concept_id: {when: flag, is: 61 Grade}}"),
        {},
        ("measurement r 60",),
    ),
    Case(
        "set wins over defaults",
        note("text: t, set: {language_concept_id: 70 Low}"),
        {},
        ("note r 95 note_text=t language_concept_id=70",),
    ),
]


@every(CASES)
def test_a_rule_and_a_document_give_exactly_these_rows(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


def test_a_person_is_a_row_of_the_id_it_was_given(tmp_path: Path) -> None:
    plan = compiled(tmp_path, one("number: size"), {})
    for site, written in ((5, "5"), (None, None)):
        rows = transform(plan, {**mini.BARE, "age": 74.0}, CaseKey(1, 9, site)).rows["person"]
        assert [decode(plan, "person", line) for line in rows] == [
            {
                "person_id": "9",
                "gender_concept_id": "30",
                "year_of_birth": "1926",
                "race_concept_id": "0",
                "ethnicity_concept_id": "0",
                "care_site_id": written,
                "person_source_value": "P1",
                "gender_source_concept_id": "0",
                "race_source_concept_id": "0",
                "ethnicity_source_concept_id": "0",
            }
        ]


def test_a_person_without_a_known_gender_has_concept_0(tmp_path: Path) -> None:
    known = {"gender: 30 Female": "gender: {when: flag, is: 30 Female}"}
    plan = compiled(tmp_path, one("number: size"), known)
    for flag, gender in ((True, "30"), (None, "0")):
        rows = transform(plan, {**mini.BARE, "flag": flag}, CaseKey(1, 9, None)).rows["person"]
        assert decode(plan, "person", rows[0])["gender_concept_id"] == gender


def test_value_maps_may_have_any_file_name(tmp_path: Path) -> None:
    mini.write(
        tmp_path, mapping=MAPPING, section=one("value: {from: grade, via: grade-of the ²lesion}") + "\n"
    )
    tmp_path.joinpath(mini.GRADES).rename(tmp_path / "value_maps" / "grade-of the ²lesion.csv")
    assert mini.run(mini.plan(tmp_path), {"grade": "low"}).rows == [
        "measurement r 60 value_as_concept_id=70 value_source_value=low"
    ]


@pytest.mark.parametrize(
    ("each", "document", "message"),
    [
        ("items[*].tags", {"items": [{}, {"tags": ["x"] * 1025}]},
         "$.items[1].tags has 1025 items; a row id has room for 1024"),
        ("items[*].subs", {"items": [{}] * 1025}, "$.items has 1025 items; a row id has room for 1024"),
        ("items[*].subs[*].marks", {"items": [{"subs": [{"marks": [{}] * 65}]}]},
         "$.items[0].subs[0].marks has 65 items; a row id has room for 64"),
    ],
)  # fmt: skip
def test_more_items_than_a_row_id_has_room_for_stop_the_case(
    tmp_path: Path, each: str, document: dict[str, Any], message: str
) -> None:
    plan = compiled(
        tmp_path, f"r: {{table: measurement, each: '{each}', concept: 60 Size, visit: start}}", {}
    )
    with pytest.raises(OverflowError) as caught:
        mini.run(plan, document)
    assert str(caught.value) == message


def test_a_rule_number_beyond_a_row_ids_room_is_refused(tmp_path: Path) -> None:
    mapping = read_mapping(mini.write(tmp_path))
    numbers = provisional_numbers(mapping)
    with pytest.raises(OverflowError, match="rule number 4096 is outside 1 to 4095"):
        compile_plan(mapping, {**numbers, "scan": 4096})


@pytest.mark.parametrize("case_id", [0, 2**31])
def test_a_case_id_beyond_a_row_ids_room_is_refused(tmp_path: Path, case_id: int) -> None:
    with pytest.raises(OverflowError, match=f"case_id {case_id} is outside 1 to 2147483647"):
        transform(mini.plan(mini.write(tmp_path)), mini.BARE, CaseKey(case_id, 1, None))


def test_postgresql_reads_the_lines_back_as_the_texts_they_hold(tmp_path: Path, engine: Engine) -> None:
    texts = [
        "plain",
        "tab\tnewline\nreturn\r",
        "back\\slash \\N \\. \\t",
        "\\N",
        "",
        "é\u2028ß🙂",
        "'\";--",
        "{x}",
    ]
    rule = "r: {table: note, each: 'items[*].tags', concept: 95 Remark, text: '{@}', visit: start}"
    plan = compiled(tmp_path, rule, {})
    result = transform(plan, {**mini.BARE, "items": [{"tags": texts}]}, CaseKey(1, 1, None))
    lines, columns = result.rows["note"], ", ".join(plan.columns["note"])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE copied ({', '.join(f'{c} text' for c in plan.columns['note'])})"
        )
        cursor = connection.connection.cursor()
        cursor.copy_expert(f"COPY copied ({columns}) FROM STDIN", io.StringIO("".join(lines)))
        found = (
            connection.exec_driver_sql(f"SELECT {columns} FROM copied ORDER BY note_id::bigint")
            .mappings()
            .all()
        )
    assert [row["note_text"] for row in found] == texts
    assert [dict(row) for row in found] == [decode(plan, "note", line) for line in lines]
