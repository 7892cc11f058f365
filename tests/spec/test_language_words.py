"""The mapping language, word by word: a rule, a document, and exactly the rows that follow.

Rows are shown as ``tests.mini`` shows them. The mapping's visits are ``start`` (2000-01-01), ``scan``
(``days`` later) and ``entry`` (one for each of ``items`` that has a date); the episode is ``whole``.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.plan import CaseKey
from etl.transform import decode, transform
from tests import mini

MAPPING = """\
name: mini
title: A tiny mapping
schema: case.schema.json
case: {patient: id, form: form}
type: 10 Form
baseline: {is: 2000-01-01, date: day}
person: {gender: 30 Female, age: age}
forms:
  A: {title: Form A, use_cases: [1], sections: [main]}
  B: {title: Form B, use_cases: [2], sections: [main]}
visits:
  start: {concept: 20 Start, date: baseline}
  scan: {concept: 21 Scan visit, date: baseline + days days}
  entry: {concept: 21 Scan visit, each: items, date: on}
episodes:
  whole: {concept: 90 Whole, object: 50 Finding, start: baseline, when: ill}
define:
  finding: {first: [{when: $.flag, is: 50 Finding}, 51 No finding]}
defaults:
  note: {language_concept_id: 30 Female}
"""


@dataclass(frozen=True)
class Case:
    """One line of the specification."""

    says: str
    rule: str
    document: Mapping[str, Any]
    rows: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)


def one(rule: str) -> str:
    return f"r: {{table: measurement, concept: 60 Size, visit: start, {rule}}}"


def note(rule: str) -> str:
    return f"r: {{table: note, concept: 95 Remark, visit: start, {rule}}}"


TABS = repr("\t" * 50)
NO_DATE = "no date within the calendar follows from it"
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
        (
            "r: invalid $.word: 'measurement_source_value' has nothing for this value in 'map'",
            "r: invalid $.word: 'measurement_source_value' has nothing for this value in 'map'",
        ),
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
    # ---- visit
    Case(
        "a visit without a date takes its rows with it",
        "r: {table: measurement, concept: 60 Size, number: size, visit: scan}",
        {"size": 1, "days": None},
        (),
        ("r: invalid $.size: its visit 'scan' has no date",),
    ),
    Case(
        "a visit beyond the calendar",
        "r: {table: measurement, concept: 60 Size, number: size, visit: scan}",
        {"size": 1, "days": 10**9},
        (),
        (f"visit.scan: invalid $.days: {NO_DATE}", "r: invalid $.size: its visit 'scan' has no date"),
    ),
    Case(
        "days may be negative, and a whole float",
        "r: {table: measurement, concept: 60 Size, visit: scan}",
        {"days": -31.0},
        (
            "visit_occurrence visit.scan 21 visit_start_date=1999-12-01",
            "measurement r 60 measurement_date=1999-12-01 visit_occurrence_id=visit.scan",
        ),
    ),
    Case(
        "a visit for each item",
        "r: {table: measurement, each: items, concept: 60 Size, number: size, visit: entry}",
        {"items": [{"size": 1, "on": "2020-06-15"}, {"size": 2}, {"size": 3, "on": "2021-06-15"}]},
        (
            "visit_occurrence visit.entry[0] 21",
            "visit_occurrence visit.entry[2] 21 visit_start_date=2000-12-31",
            "measurement r[0] 60 value_as_number=1 visit_occurrence_id=visit.entry[0] value_source_value=1",
            "measurement r[2] 60 measurement_date=2000-12-31 value_as_number=3"
            " visit_occurrence_id=visit.entry[2]"
            " value_source_value=3",
        ),
        ("r: invalid $.items[1].size: its visit 'entry' has no date",),
    ),
    Case(
        "a visit by condition",
        "r: {table: measurement, each: items, concept: 60 Size, number: size,"
        " visit: {first: [{when: flag, is: start}, entry]}}",
        {"items": [{"size": 1, "flag": True}, {"size": 2, "on": "2020-06-14"}, {"size": 3}]},
        (
            "visit_occurrence visit.entry[1] 21 visit_start_date=1999-12-31",
            "measurement r[0] 60 value_as_number=1 value_source_value=1",
            "measurement r[1] 60 measurement_date=1999-12-31 value_as_number=2"
            " visit_occurrence_id=visit.entry[1]"
            " value_source_value=2",
        ),
        ("r: invalid $.items[2].size: none of its visits has a date",),
    ),
    # ---- date, end
    Case(
        "a date instead of a visit",
        "r: {table: measurement, concept: 60 Size, date: baseline}",
        {},
        ("measurement r 60",),
    ),
    Case(
        "a real date moves with the baseline",
        "r: {table: measurement, concept: 60 Size, date: other_day}",
        {"other_day": "2020-06-01"},
        ("measurement r 60 measurement_date=1999-12-18",),
    ),
    Case(
        "a date of a row beside its visit",
        one("number: size, date: other_day"),
        {"size": 1, "other_day": "2020-06-20"},
        ("measurement r 60 measurement_date=2000-01-06 value_as_number=1 value_source_value=1",),
    ),
    Case(
        "... falls back on the visit's date",
        one("number: size, date: other_day"),
        {"size": 1},
        ("measurement r 60 value_as_number=1 value_source_value=1",),
    ),
    Case(
        "a date of its own, and no such visit",
        "r: {table: measurement, concept: 60 Size, visit: scan, date: other_day}",
        {"other_day": "2020-06-15"},
        ("measurement r 60",),
    ),
    Case(
        "no date at all",
        "r: {table: measurement, concept: 60 Size, number: size, date: other_day}",
        {"size": 1},
        (),
        ("r: invalid $.size: the row has no date",),
    ),
    Case(
        "no baseline, no real date",
        "r: {table: measurement, concept: 60 Size, number: size, date: other_day}",
        {"size": 1, "day": None, "other_day": "2020-06-15"},
        (),
        ("r: invalid $.size: the row has no date", "r: invalid $.other_day: the row has no date"),
    ),
    Case(
        "no date, and every value of the rows recorded of it is told",
        """
        r:
          each: items
          table: condition_occurrence
          concept: 50 Lump
          date: $.other_day
          rows:
            size: {table: measurement, concept: 60 Size, number: size}
            tag: {each: tags, table: observation, concept: 70 Remark, text: "{@}"}
        """,
        {"items": [{"size": 1, "tags": ["x", "y"]}, {"size": None}]},
        (),
        (
            "r: invalid $.items[0]: the row has no date",
            "r.size: invalid $.items[0].size: the row has no date",
            "r.tag: invalid $.items[0].tags[0]: the row has no date",
            "r.tag: invalid $.items[0].tags[1]: the row has no date",
            "r: invalid $.items[1]: the row has no date",
        ),
    ),
    Case(
        "a list of dates: the first that is known",
        "r: {table: measurement, concept: 60 Size, date: [other_day, scan, baseline]}",
        {"days": 1},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-02",
            "measurement r 60 measurement_date=2000-01-02",
        ),
    ),
    Case(
        "months later: the month's last day stands in",
        "r: {table: measurement, concept: 60 Size, date: other_day + count months}",
        {"other_day": "2020-07-15", "count": 1},
        ("measurement r 60 measurement_date=2000-02-29",),
    ),
    Case(
        "years later",
        "r: {table: measurement, concept: 60 Size, date: baseline + count years}",
        {"count": -1},
        ("measurement r 60 measurement_date=1999-01-01",),
    ),
    Case(
        "days after a visit, and then months",
        "r: {table: measurement, concept: 60 Size, date: scan + count days + score months}",
        {"days": 1, "count": 2, "score": 1},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-02",
            "measurement r 60 measurement_date=2000-02-04",
        ),
    ),
    Case(
        "a condition ends",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: other_day}",
        {"other_day": "2020-06-18"},
        ("condition_occurrence r 50 condition_end_date=2000-01-04",),
    ),
    Case(
        "a condition that has not ended",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: other_day}",
        {},
        ("condition_occurrence r 50",),
    ),
    Case(
        "the end may be the date of an item's visit",
        "r: {table: condition_occurrence, each: items,"
        " concept: 50 Finding, visit: start, end: [entry, baseline + $.days days]}",
        {"items": [{"on": "2020-06-16"}, {}], "days": 5},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-06",
            "visit_occurrence visit.entry[0] 21 visit_start_date=2000-01-02",
            "condition_occurrence r[0] 50 condition_end_date=2000-01-02",
            "condition_occurrence r[1] 50 condition_end_date=2000-01-06",
        ),
    ),
    Case(
        "an end before the start is left out, and told",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: other_day}",
        {"other_day": "2020-06-14"},
        ("condition_occurrence r 50",),
        ("r: invalid $.other_day: the end lies before the start",),
    ),
    Case(
        "an end before the start, by way of a visit",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: scan}",
        {"days": -1},
        ("visit_occurrence visit.scan 21 visit_start_date=1999-12-31", "condition_occurrence r 50"),
        ("r: invalid $.days: the end lies before the start",),
    ),
    Case(
        "an end before the start, in a table that requires an end",
        "r: {table: drug_exposure, concept: 40 Scan, visit: start, end: other_day}",
        {"other_day": "2020-06-14"},
        ("drug_exposure r 40",),
        ("r: invalid $.other_day: the end lies before the start",),
    ),
    Case(
        "the earliest and the latest of the dates that are known",
        "r: {table: condition_occurrence, concept: 50 Finding,"
        " date: {earliest: [other_day, scan]}, end: {latest: [baseline, scan, other_day]}}",
        {"other_day": "2020-06-18", "days": 1},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-02",
            "condition_occurrence r 50 condition_start_date=2000-01-02 condition_end_date=2000-01-04",
        ),
    ),
    Case(
        "the earliest of dates of which none is known",
        "r: {table: condition_occurrence, concept: 50 Finding, date: {earliest: [other_day, scan]}}",
        {},
        (),
        ("r: invalid $: the row has no date",),
    ),
    Case(
        "names that look alike are not mixed up",
        "a: {table: procedure_occurrence, concept: 40 Scan, visit: scan, when: flag}\n"
        "r: {table: measurement, concept: 60 Size, number: size, visit: scan_date, of: a}",
        {"flag": True, "size": 1, "days": 3},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-04",
            "visit_occurrence visit.scan_date 21",
            "procedure_occurrence a 40 procedure_date=2000-01-04 visit_occurrence_id=visit.scan",
            "measurement r 60 value_as_number=1 visit_occurrence_id=visit.scan_date value_source_value=1"
            " modifier_of_event_id=a modifier_of_field_concept_id=1147082",
        ),
        mapping={"  entry:": "  scan_date: {concept: 21 Scan visit, date: baseline}\n  entry:"},
    ),
    Case(
        "a drug without an end ends when it starts, for the table requires one",
        "r: {table: drug_exposure, concept: 40 Scan, visit: start}",
        {},
        ("drug_exposure r 40",),
    ),
    Case(
        "a device",
        "r: {table: device_exposure, concept: 40 Scan, visit: start}",
        {},
        ("device_exposure r 40",),
    ),
    Case(
        "a specimen has no visit column",
        "r: {table: specimen, concept: 40 Scan, visit: start}",
        {},
        ("specimen r 40",),
    ),
    # ---- episode
    Case(
        "an event of an episode",
        one("episode: whole"),
        {"ill": True},
        (
            "measurement r 60",
            "episode episode.whole 90 episode_object_concept_id=50",
            "episode_event 1147138 episode_id=episode.whole event_id=r",
        ),
    ),
    Case("no episode, no event", one("episode: whole"), {"ill": False}, ("measurement r 60",)),
    Case(
        "an episode within an episode, with an end",
        one("number: size"),
        {"ill": True, "days": 2},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-03",
            "episode episode.whole 90 episode_end_datetime=2000-01-03 episode_object_concept_id=50",
            "episode episode.inner 91 episode_start_datetime=2000-01-03 episode_parent_id=episode.whole"
            " episode_object_concept_id=51",
        ),
        mapping={
            "start: baseline, when: ill}": "start: baseline, end: scan, when: ill}\n"
            "  inner: {concept: 91 Part, object: 51 No finding, start: scan, parent: whole}"
        },
    ),
    Case(
        "an episode whose parent is not there, and without a start",
        one("number: size"),
        {"days": 2},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-03",
            "episode episode.inner 91 episode_start_datetime=2000-01-03 episode_object_concept_id=51",
        ),
        mapping={
            "start: baseline, when: ill}": "start: baseline, when: ill}\n"
            "  inner: {concept: 91 Part, object: 51 No finding, start: scan, parent: whole}\n"
            "  late: {concept: 91 Part, object: 51 No finding, start: other_day}"
        },
    ),
]


def compiled(folder: Path, rule: str, mapping: Mapping[str, str]) -> mini.Plan:
    mini.write(folder, mapping=MAPPING, section=rule + "\n")
    for old, new in mapping.items():
        mini.change(folder, mini.MAPPING, old, new)
    head = "source_code,source_code_description,target_concept_id,target_concept_name\n"
    for name, rows in {
        "scores": "1,one,70,Low\n2,two,71,High\n",
        "flags": "true,yes,70,Low\nfalse,no,71,High\n",
        "gaps": "low,low,0,No matching concept\nhigh,high,71,High\n",
    }.items():
        folder.joinpath("value_maps", f"{name}.csv").write_text(head + rows)
    return mini.plan(folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_a_rule_and_a_document_give_exactly_these_rows(tmp_path: Path, case: Case) -> None:
    result = mini.run(compiled(tmp_path, case.rule, case.mapping), case.document)
    assert result.rows == list(case.rows)
    assert result.problems == list(case.problems)


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.says for case in CASES}) == len(CASES)


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
    ("baseline", "document", "moved"),
    [
        ("{is: 2000-01-01, date: day}", {"day": "2020-06-15"}, "2000-01-06"),
        ("{is: 1999-12-31, date: day}", {"day": "2020-06-15"}, "2000-01-05"),
        ("{is: 2000-01-01, each: items, when: flag, date: on}",
         {"items": [{"on": "2020-01-01"}, {"on": "2020-06-15", "flag": True}]}, "2000-01-06"),
        ("{is: 2000-01-01, each: items, when: $.flag, date: $.day}",
         {"items": [{}], "flag": True, "day": "2020-06-15"}, "2000-01-06"),
        ("{is: 2000-01-01, each: 'items[*].subs', when: size, date: $.day}",
         {"items": [{"subs": [{"size": 1}]}], "day": "2020-06-15"}, "2000-01-06"),
    ],
)  # fmt: skip
def test_the_real_baseline_is_read_from_where_it_stands(
    tmp_path: Path, baseline: str, document: dict[str, Any], moved: str
) -> None:
    rule = "r: {table: measurement, concept: 60 Size, date: other_day}"
    plan = compiled(tmp_path, rule, {"{is: 2000-01-01, date: day}": baseline})
    result = mini.run(plan, {"day": None, **document}, other_day="2020-06-20")
    assert [row for row in result.rows if row.startswith("measurement")] == [
        f"measurement r 60 measurement_date={moved}"
    ]


def test_without_a_real_baseline_days_still_count(tmp_path: Path) -> None:
    rule = "r: {table: measurement, concept: 60 Size, visit: scan}"
    plan = compiled(
        tmp_path, rule, {"{is: 2000-01-01, date: day}": "{is: 2000-01-01}", "date: on}": "date: $.day}"}
    )
    assert (
        mini.run(plan, {"days": 1})
        .rows[-1]
        .endswith("measurement_date=2000-01-02 visit_occurrence_id=visit.scan")
    )


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
