"""The ETL document of a small mapping made for it: each form of words, and text that is not markup."""

import json
import re
from pathlib import Path

import pytest

from etl.mapping.compile import read_mapping
from etl.mapping.show import show
from etl.mapping.show.words import code, plain

SCHEMA = {
    "type": "object",
    "required": ["id", "form", "age"],
    "properties": {
        "id": {"type": "string", "maxLength": 50, "title": "Patient | pseudonym"},
        "form": {"type": "string", "enum": ["F"]},
        "age": {"type": "integer"},
        "a": {"type": ["boolean", "null"]},
        "b": {"enum": ["x", "y|z", None], "type": ["string", "null"]},
        "n": {"type": ["number", "null"]},
        "day": {"type": ["string", "null"], "format": "date"},
        "days": {"type": ["integer", "null"]},
        "more": {"type": ["integer", "null"]},
        "many": {"enum": list("abcdefghi"), "type": "string"},
        "list": {
            "type": "array",
            "maxItems": 9,
            "items": {
                "type": "object",
                "title": "Entry",
                "properties": {
                    "p": {"type": ["boolean", "null"]},
                    "q q": {"type": ["number", "null"]},
                    "deep": {"type": "array", "maxItems": 9, "items": {"type": "string", "maxLength": 9}},
                },
            },
        },
        "rest": {"type": "object", "properties": {"note": {"type": "string"}}},
    },
}
MAPPING = """\
name: tiny
title: A *tiny* form
schema: schema.json
case: {patient: id, form: form}
type: 32809 Case Report Form
baseline: {is: 2001-02-03, date: day, when: a}
person: {gender: {first: [{from: b, map: {x: 8507 MALE, "y|z": 8532 FEMALE}}, 0]}, age: age}
forms:
  F: {title: The form, use_cases: [1], sections: [one, two]}
  G: {title: Another, use_cases: [2, 7a], sections: [one]}
visits:
  first: {concept: 5 Visit, date: [day, baseline + days days]}
  entry: {concept: 5 Visit, each: list, date: $.day}
define:
  outcome: {first: [{when: a, is: 6 Good}, 7 Bad]}
  per_item: {when: p, is: 8 Inside}
ignore: {rest: "kept | for later"}
defaults:
  note: {encoding_concept_id: 32678 UTF-8, language_concept_id: 4180186 English language}
episodes:
  start: {concept: 17 Start, object: 6 Good, each: list, when: p, start: entry, end: first + 1 years}
groups: {good: [1, 2]}
accept:
  - {finding: wrong-domain, concept: 6, why: meant so}
"""
ONE = """\
plain:
  table: observation
  concept: {use: outcome}
  when: {any: [{all: [a, {not: n}]}, {not: {path: b, in: [x, "y|z"]}}, list, {not: {any: [a, n]}}]}
  visit: first
  comment: Ask the *site*
numbered:
  table: measurement
  concept: 9 Number
  number: n
  unit: 8588 millimeter
  source_value: "n | {n}"
  date: day + days months
  visit: first
  set: {range_low: 0, measurement_time: "12:00"}
item:
  each: list
  table: condition_occurrence
  concept: {first: [{use: per_item}, 10 Outside]}
  source_value: {from: $.many}
  visit: first
  end: first
  rows:
    inner: {each: deep, table: observation, concept: 11 Inner, text: "{@}"}
    odd: {table: measurement, concept: 12 Odd, number: q q}
later:
  table: measurement
  concept: {when: n, is: 13 Later}
  of: item
  date: baseline
asking:
  table: observation
  concept: 14 Asking
  when: {all: [{some: list, where: {any: [p, {path: "q q", in: good}]}}, {not: {some: list, where: p}},
    {some: list, where: {some: deep, where: "@"}}]}
  visit: first
per_entry:
  each: list
  like: numbered
  number: {sum: [$.days, $.more]}
  when: {episode: start}
  source_value: null
  date: [{when: p, is: $.day}, start + 3 months, baseline]
  end: {latest: [entry, first]}
  visit: null
of_item:
  each: list
  table: observation
  concept: 15 Of item
  date: {earliest: [entry, start]}
  when: {not: {episode: start}}
  of: item
  episode: start
of_all: {table: observation, concept: 16 Of all, date: {earliest: [entry, baseline]}}
same:
  table: observation
  concept: 18 Same
  date: day
  visit: {same_day: [first, entry]}
  of: {same_visit: [plain, asking]}
same_or_first: {like: same, visit: {first: [{same_day: [entry]}, first]}, of: {same_visit: [item]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.joinpath("schema.json").write_text(json.dumps(SCHEMA))
    tmp_path.joinpath("mapping.yaml").write_text(MAPPING)
    tmp_path.joinpath("one.yaml").write_text(ONE)
    tmp_path.joinpath("two.yaml").write_text("{}")
    return tmp_path


@pytest.fixture
def text(folder: Path) -> str:
    return show(read_mapping(folder))


def rule(text: str, name: str) -> list[str]:
    """The cells of a rule's line."""
    (line,) = [line for line in text.split("\n") if re.search(rf"\| `{name}`<br>`\w+\.yaml:", line)]
    return line.replace(r"\|", "\0").removeprefix("| ").removesuffix(" |").split(" | ")


SOURCE, TYPE, CONDITION, CONCEPT, COLUMNS, UNIT, WHEN, OF, RULE, COMMENT = range(10)

CELLS = [
    (
        "plain",
        CONDITION,
        "when (`a` is true and `n` is not recorded)<br>or `b` is not one of x, y\0z<br>or `list` has items"
        "<br>or not (`a` is true or `n` is recorded)",
    ),
    ("plain", CONCEPT, "[definition outcome](#named-definitions)"),
    ("plain", RULE, "`plain`<br>`one.yaml:1`"),
    ("plain", COMMENT, r"Ask the \*site\*"),
    ("numbered", COMMENT, ""),
    ("plain", WHEN, "visit `first`"),
    ("numbered", SOURCE, "`$.n`"),
    ("numbered", TYPE, "number"),
    ("numbered", CONDITION, "when `n` is recorded"),
    ("numbered", UNIT, "8588 millimeter"),
    ("numbered", WHEN, "`day`, moved with the baseline + `days` months<br>visit `first`"),
    (
        "numbered",
        COLUMNS,
        "`measurement.measurement_concept_id`<br>`value_as_number`, `value_source_value` = `n` as recorded"
        '<br>`measurement_source_value` = `n \0 {n}`<br>`range_low` = 0<br>`measurement_time` = "12:00"',
    ),
    ("item", SOURCE, "`$.list[*].p`"),
    ("item", CONDITION, "for each item of `list`"),
    ("item", CONCEPT, "first of: (1) [definition per_item](#named-definitions); (2) 10 Outside"),
    ("item", WHEN, "visit `first`<br>until date of visit `first`"),
    (
        "item.inner",
        CONDITION,
        "for each item of `list[*].deep`<br>when `list[*].deep[*]` is recorded",
    ),
    ("item.inner", OF, "its `item`"),
    ("item.odd", SOURCE, '`$.list[*]."q q"`'),
    ("item.odd", CONDITION, 'when `list[*]."q q"` is recorded'),
    ("later", CONDITION, "when `n` is recorded"),
    ("later", CONCEPT, "13 Later when `n` is recorded"),
    ("later", OF, "the first `item`, if any"),
    ("later", WHEN, "baseline"),
    (
        "asking",
        CONDITION,
        'when (`list[*].p` is true or `list[*]."q q"` is [good](#groups)) for some item of `list`'
        "<br>and `list[*].p` is true for no item of `list`"
        "<br>and `list[*].deep[*]` is recorded for some item of `list[*].deep` for some item of `list`",
    ),
    ("per_entry", SOURCE, "`$.list[*]` Entry<br>`$.days`<br>`$.more`"),
    (
        "per_entry",
        COLUMNS,
        "`measurement.measurement_concept_id`<br>`value_as_number` = `days` + `more`<br>"
        '`measurement_source_value` = "per_entry"<br>'
        "`value_source_value` = `{days}+{more}`<br>`range_low` = 0<br>"
        '`measurement_time` = "12:00"',
    ),
    (
        "per_entry",
        CONDITION,
        "for each item of `list`<br>when the case has episode `start`<br>"
        "and when `days` is recorded and `more` is recorded",
    ),
    ("per_entry", UNIT, "8588 millimeter"),
    (
        "per_entry",
        WHEN,
        "first known of: when `list[*].p` is true: `day`, moved with the baseline; "
        "start of episode `start` + 3 months; baseline<br>"
        "until latest of date of visit `entry`, date of visit `first`",
    ),
    ("of_item", CONDITION, "for each item of `list`<br>when the case has no episode `start`"),
    ("of_item", OF, "the first `item` of its item, if any<br>event of `episode.start`"),
    ("of_item", WHEN, "earliest of date of visit `entry`, start of episode `start`"),
    ("of_all", WHEN, "earliest of dates of visit `entry`, baseline"),
    (
        "same",
        WHEN,
        "`day`, moved with the baseline<br>visit `first` or else `entry`, if on the row's own day",
    ),
    ("same", OF, "the first `plain` or else `asking` at the same visit, if any"),
    (
        "same_or_first",
        WHEN,
        "`day`, moved with the baseline<br>visit first of: (1) `entry`, if on the row's own day; (2) `first`",
    ),
    ("same_or_first", OF, "the first `item` at the same visit, if any"),
    (
        "episode.start",
        CONDITION,
        "once, for the item of `list` with the earliest start<br>when `list[*].p` is true",
    ),
    ("episode.start", WHEN, "date of visit `entry`<br>until date of visit `first` + 1 years"),
    ("visit.first", WHEN, "first known of: `day`, moved with the baseline; baseline + `days` days"),
]


@pytest.mark.parametrize(("name", "cell", "want"), CELLS)
def test_a_rule_in_words(text, name, cell, want):
    assert rule(text, name)[cell] == want


def test_definitions_are_spelled_out_also_those_of_items(text):
    assert "| outcome | first of: (1) 6 Good when `a` is true; (2) 7 Bad | `mapping.yaml:15` |" in text
    assert "| per_item | 8 Inside when `list[*].p` is true | `mapping.yaml:16` |" in text


def test_conventions_are_told(text):
    assert "The date at `day` where `a` is true becomes 2001-02-03;" in text
    assert "Every `*_type_concept_id` is 32809 Case Report Form." in text
    assert "`encoding_concept_id` 32678 UTF-8, `language_concept_id` 4180186 English language." in text
    assert "`person.gender_concept_id` | first of: (1) `b`: x: 8507 MALE; y\\|z: 8532 FEMALE; (2) 0 |" in text
    assert "`person.year_of_birth` | 2001 - age |" in text


def test_what_is_left_out_or_accepted_stands_with_its_reason(text):
    assert "| `$.rest` | kept \\| for later |" in text
    assert "| wrong-domain | 6 Good | meant so |" in text
    assert "| `$.rest.note` | text | left out on purpose |" in text


def test_forms_name_their_use_cases_and_link_to_their_sections(text):
    assert "| `F` | The form | 1 | [one](#section-one)<br>[two](#section-two) |" in text
    assert "| `G` | Another | 2, 7a | [one](#section-one) |" in text
    assert "## Section two\n\nNone.\n" in text


def test_types_name_few_values_and_count_many(text):
    fields = text.split("## Appendix: every field")[1]
    assert "| `$.b` | one of: x, y\\|z |" in fields
    assert "| `$.many` | one of 9 codes |" in fields
    assert "| `$.day` | date |" in fields
    assert "| `$.a` | true or false |" in fields


def test_a_field_that_nothing_reads_stands_out(folder):
    schema = json.loads(folder.joinpath("schema.json").read_text())
    schema["properties"]["extra"] = {"type": "string", "title": "Extra"}
    folder.joinpath("schema.json").write_text(json.dumps(schema))
    assert "| `$.extra` Extra | text | **nothing** |" in show(read_mapping(folder))


def test_the_errata_are_the_last_appendix_where_there_are_any(folder, text):
    assert "errata" not in text.lower()
    folder.joinpath("ERRATA.md").write_text("# Errata of X\n\nWhy.\n\n## Slips\n\n| a | b |\n")
    shown = show(read_mapping(folder))
    assert "in the [errata](#appendix-errata)." in shown
    assert shown.endswith("\n## Appendix: errata\n\nWhy.\n\n### Slips\n\n| a | b |\n")


def test_the_same_mapping_gives_the_same_text(folder, text):
    assert show(read_mapping(folder)) == text
    assert text.endswith(("|\n", ".\n"))
    assert not text.endswith("\n\n")


def test_the_document_names_the_mappings_digest(folder, text):
    assert read_mapping(folder).folder.digest in text


def test_without_a_real_baseline_recorded_dates_are_unknown(folder):
    mapping = MAPPING.replace("{is: 2001-02-03, date: day, when: a}", "{is: 2001-02-03}")
    folder.joinpath("mapping.yaml").write_text(mapping)
    assert "The baseline is 2001-02-03. No real date stands for it" in show(read_mapping(folder))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a_b", "a_b"),
        ("_a_", r"\_a\_"),
        ("<b> & [c](d)", r"\<b> \& \[c\](d)"),
        ("two\nlines", "two lines"),
        ("1*2", r"1\*2"),
    ],
)
def test_plain_text_is_no_markup(text, want):
    assert plain(text) == want


@pytest.mark.parametrize(
    ("text", "want"), [("a*b", "`a*b`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("a\nb", "`a b`")]
)
def test_code_holds_its_text(text, want):
    assert code(text) == want
