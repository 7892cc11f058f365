"""The checker: what it finds, where, and how it says so. Each case changes one thing in a correct folder."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from etl.mapping.check import check as check_folder
from etl.mapping.compile import read_mapping
from etl.mapping.findings import KINDS, Finding, MappingError, errors
from tests import mini
from tests.mini import GRADES, MAPPING, SCHEMA, SECTION
from vocabularies.concepts import Concept, ConceptFileError, shipped

ITEMS = "  items: not needed here\n"
GRADED = "value: {from: grade, via: grade}"
RULES = "scan:\n  table"
LATER = "later: {concept: 91 Part, object: 50 Finding, start: baseline}"


def rule(text: str) -> tuple[str, str, str]:
    """A change that adds a rule."""
    return SECTION, RULES, f"extra: {text}\n{RULES}"


def measurement(text: str) -> tuple[str, str, str]:
    return rule(f"{{table: measurement, concept: 60 Size, visit: start, {text}}}")


def check(folder: Traversable, concepts: Mapping[int, Concept]) -> list[Finding]:
    """The findings against a vocabulary of these concepts."""

    def look_up(ids: Iterable[int]) -> Mapping[int, Concept]:
        return {one: concepts[one] for one in ids if one in concepts}

    mapping, found = check_folder(folder, look_up)
    assert (mapping is None) == bool(errors(found))
    return found


@dataclass(frozen=True)
class Case:
    """A change to the folder, and the one finding that follows from it."""

    kind: str
    says: str
    change: tuple[str, str, str]
    message: str
    at: tuple[str, str] | None = None
    """The file and a text on the line of the finding; else where the change is."""


CASES = [
    # -- reading
    Case(
        "unreadable",
        "tab indentation",
        (SECTION, "  table: procedure_occurrence", "\ttable: procedure_occurrence"),
        "not YAML: found character '\\t' that cannot start any token",
    ),
    Case(
        "unreadable",
        "an unclosed brace",
        (SECTION, "number: size, unit: 80 millimeter}", "number: size"),
        "not YAML: expected ',' or '}', but got ':'",
        (SECTION, "graded:"),
    ),
    Case(
        "unreadable",
        "a key twice",
        (SECTION, "  episode: whole", "  visit: start"),
        'not YAML: found duplicate key "visit"',
    ),
    Case(
        "unreadable",
        "brackets without end",
        (SECTION, "scan:\n", f"deep: {'[' * 2000}\nscan:\n"),
        "nested too deeply",
    ),
    Case(
        "unreadable",
        "a control character",
        (SECTION, "40 Scan", "40 \x01Scan"),
        "not YAML:",
        (SECTION, "scan:"),
    ),
    Case(
        "unreadable",
        "a section without a file",
        (MAPPING, "use_cases: [1], sections: [main]", "use_cases: [1], sections: [main, mian]"),
        "there is no file 'mian.yaml'",
        ("mian.yaml", ""),
    ),
    Case(
        "unreadable",
        "no JSON Schema",
        (MAPPING, "schema: case.schema.json", "schema: cases.schema.json"),
        "there is no file 'cases.schema.json'",
    ),
    Case(
        "unreadable",
        "a JSON Schema that is not JSON",
        (SCHEMA, '  "type": "object",\n  "required"', '  "type": "object"\n  "required"'),
        "not JSON: Expecting ',' delimiter",
        (SCHEMA, '"required"'),
    ),
    Case(
        "unreadable",
        "a value map with a column too few",
        (GRADES, "high,High grade,71,High", "high,71,High"),
        "3 fields where the header has 4",
    ),
    Case(
        "unreadable",
        "a value map with a code twice",
        (GRADES, "high,High grade,71,High", "low,High grade,71,High"),
        "'source_code' 'low' is on line 2 already",
    ),
    Case(
        "bad-shape",
        "an unknown word",
        (SECTION, "when: flag", "wenn: flag"),
        "'scan.wenn': there is no word 'wenn'; did you mean 'when'?",
    ),
    Case(
        "bad-shape",
        "a word in the mapping",
        (MAPPING, "title: A tiny mapping", "title: A tiny mapping\nsauce: mine"),
        "'sauce': there is no word 'sauce'; did you mean 'source'?",
        (MAPPING, "sauce"),
    ),
    Case("bad-shape", "a rule's name", (SECTION, "graded:", "Graded-1:"), "'Graded-1.[key]'"),
    Case(
        "bad-shape",
        "an expression deep inside",
        (SECTION, GRADED, "value: {first: [{from: grade, via: grade, vie: x}]}"),
        "'graded.value.first.first.0.lookup.vie'",
    ),
    Case(
        "bad-shape",
        "an empty file",
        (SECTION, mini.FILES[SECTION], "# nothing yet\n"),
        "the file is empty",
        (SECTION, "#"),
    ),
    Case(
        "bad-shape", "a list of no dates", measurement("date: []"), "'extra.date.list' needs at least 1 item"
    ),
    Case(
        "bad-shape",
        "a rule that is like no other and has no table",
        rule("{concept: 60 Size, number: size, visit: start}"),
        "'extra.table' is missing",
    ),
    Case(
        "bad-shape",
        "a nested row without a concept",
        measurement("rows: {more: {table: measurement}}"),
        "'extra.rows.more.concept' is missing",
    ),
    Case(
        "bad-shape",
        "like, and the concept taken away",
        rule("{like: graded, concept: null}"),
        "'extra.concept' is missing",
    ),
    Case(
        "bad-shape",
        "like, and the table of a nested row taken away",
        rule("{like: scan, rows: {size: {table: null}}}"),
        "'extra.rows.size.table' is missing",
    ),
    Case(
        "bad-shape",
        "like in a nested row",
        measurement("rows: {more: {like: graded}}"),
        "only a rule at the top of a section can be like another: write this row's own words",
    ),
    Case(
        "bad-shape",
        "like in a nested row of a rule that is like another",
        rule("{like: scan, rows: {size: {like: graded}}}"),
        "only a rule at the top of a section can be like another: write this row's own words",
    ),
    Case(
        "bad-shape",
        "of in a nested row",
        measurement("number: score, rows: {more: {table: measurement, concept: 60 Size, of: extra}}"),
        "'extra.more' is recorded of the row above it: leave out 'of', or write it at the top",
    ),
    Case(
        "bad-shape",
        "a sum of one number",
        (SECTION, "number: count", "number: {sum: [count]}"),
        "'counted.number.sum.sum' needs at least 2 items",
    ),
    Case(
        "bad-shape",
        "some without where",
        (SECTION, "when: flag", "when: {some: items}"),
        "'scan.when.some.where' is missing",
    ),
    Case(
        "bad-shape",
        "an empty group",
        (MAPPING, "ignore:\n", "groups: {bad: []}\nignore:\n"),
        "'groups.bad' needs at least 1 item",
    ),
    Case(
        "bad-schema",
        "a JSON Schema that is no object",
        (SCHEMA, mini.FILES[SCHEMA], "[]"),
        "a JSON Schema must be an object",
        (SCHEMA, "["),
    ),
    Case(
        "bad-schema",
        "a $ref to nowhere",
        (SCHEMA, '{"type": ["object", "null"]', '{"$ref": "#/$defs/part", "type": ["object", "null"]'),
        "there is no '#/$defs/part' in this file",
        (SCHEMA, "{"),
    ),
    Case(
        "bad-schema",
        "a type that is none",
        (SCHEMA, '"age": {"type": "integer"}', '"age": {"type": "intiger"}'),
        "no JSON Schema (2020-12): $.properties.age.type: 'intiger' is not valid",
        (SCHEMA, "{"),
    ),
    Case(
        "bad-schema",
        "a pattern that is none",
        (SCHEMA, '"maxLength": 20}', '"maxLength": 20, "pattern": "("}'),
        "no JSON Schema (2020-12): $.properties.id.pattern: '(' is not a 'regex'",
        (SCHEMA, "{"),
    ),
    Case(
        "bad-schema",
        "a $ref to itself",
        (SCHEMA, '"age": {"type": "integer"}', '"age": {"$ref": "#/properties/age"}'),
        "'#/properties/age' leads back to itself",
        (SCHEMA, "{"),
    ),
    Case(
        "bad-schema",
        "a $ref to what holds it",
        (SCHEMA, '"flag": {"type": ["boolean", "null"]}}}', '"flag": {"$ref": "#/properties/part"}}}'),
        "'#/properties/part' leads back to itself",
        (SCHEMA, "{"),
    ),
    Case(
        "unreadable",
        "a JSON Schema without end",
        (SCHEMA, mini.FILES[SCHEMA], "[" * 200_000),
        "nested too deeply",
        (SCHEMA, "["),
    ),
    Case(
        "bad-shape",
        "accepting what nothing can make right",
        (MAPPING, "ignore:\n", "accept: [{finding: unknown-concept, concept: 9, why: it is new}]\nignore:\n"),
        "'accept.0.finding': Input should be 'invalid-concept', 'wrong-domain', 'other-name'",
    ),
    Case(
        "unused-file",
        "a section that no form has",
        ("more.yaml", "", "later: {}\n"),
        "no form in mapping.yaml has this section",
        ("more.yaml", "later"),
    ),
    # -- paths
    Case(
        "unknown-path",
        "a path",
        (SECTION, "number: size", "number: sice"),
        "'sice' is not in '$'; did you mean 'size'?",
    ),
    Case(
        "unknown-path",
        "a path like no other",
        (SECTION, "number: size", "number: part.zzz"),
        "'zzz' is not in '$.part'; known: flag",
    ),
    Case(
        "unknown-path",
        "a path below a leaf",
        (SECTION, "number: size", "number: size.x"),
        "'x' is not in '$.size'; known: nothing",
    ),
    Case(
        "unknown-path",
        "in a condition",
        (SECTION, "when: flag", "when: {any: [grade, {not: flagg}]}"),
        "'flagg' is not in '$'; did you mean 'flag'?",
    ),
    Case(
        "unknown-path",
        "in a list of values",
        (SECTION, "when: flag", "when: {all: [{path: flog, in: [true]}]}"),
        "'flog' is not in '$'",
    ),
    Case(
        "unknown-path",
        "in a template",
        (SECTION, '"{word}"', '"{wort}"'),
        "'wort' is not in '$'; did you mean 'word'?",
    ),
    Case(
        "unknown-path", "in each", measurement("each: itens"), "'itens' is not in '$'; did you mean 'items'?"
    ),
    Case(
        "unknown-path",
        "in a date",
        (MAPPING, "baseline + days days", "baseline + dais days"),
        "'dais' is not in '$'; did you mean 'days'?",
    ),
    Case(
        "unknown-path",
        "in a map",
        (SECTION, GRADED, "value: {from: grad, via: grade}"),
        "'grad' is not in '$'; did you mean 'grade'?",
    ),
    Case(
        "unknown-path",
        "ignored",
        (MAPPING, "  part: not needed", "  parts: not needed"),
        "'parts' is not in '$'; did you mean 'part'?",
    ),
    Case("unknown-path", "of the baseline", (MAPPING, "date: day}", "date: dai}"), "'dai' is not in '$'"),
    Case(
        "unknown-path",
        "of the baseline's list",
        (MAPPING, "date: day}", "each: itens, date: on}"),
        "'itens' is not in '$'",
    ),
    Case(
        "unknown-path",
        "of the age",
        (MAPPING, "age: age", "age: aged"),
        "'aged' is not in '$'; did you mean 'age'?",
    ),
    Case("unknown-path", "of the patient", (MAPPING, "patient: id", "patient: idd"), "'idd' is not in '$'"),
    Case(
        "unknown-path",
        "of a list in some",
        (SECTION, "when: flag", "when: {any: [flag, {some: itens, where: flag}]}"),
        "'itens' is not in '$'; did you mean 'items'?",
    ),
    Case(
        "unknown-path",
        "where: in an item of some",
        (SECTION, "when: flag", "when: {any: [flag, {some: items, where: {not: flagg}}]}"),
        "'flagg' is not in '$.items[*]'; did you mean 'flag'?",
    ),
    Case(
        "unknown-path",
        "in a sum",
        (SECTION, "number: count", "number: {sum: [count, cuont]}"),
        "'cuont' is not in '$'; did you mean 'count'?",
    ),
    Case(
        "unknown-path",
        "in a date by condition",
        measurement("date: [{when: flagg, is: baseline}, baseline]"),
        "'flagg' is not in '$'; did you mean 'flag'?",
    ),
    Case(
        "unknown-path",
        "in the earliest of dates",
        measurement("date: {earliest: [baseline, dais]}"),
        "'dais' is not in '$'",
    ),
    Case(
        "unknown-path",
        "in what a rule has from the one it is like",
        rule("{like: graded, each: items, value: {from: grad, via: grade}}"),
        "'grad' is not in '$.items[*]'; did you mean 'grade'?",
    ),
    Case(
        "unknown-path",
        "in a word that a rule has from the one it is like",
        rule("{like: counted, each: items, of: null}"),
        "'count' is not in '$.items[*]'",
    ),
    Case(
        "unknown-path",
        "in a nested row that a rule has from the one it is like",
        rule("{like: scan, each: 'items[*].tags', when: null}"),
        "in 'extra.size', which has this from here: 'size' is not in",
        (SECTION, "size: {table"),
    ),
    Case(
        "unmapped-path",
        "a leaf that nobody reads",
        (MAPPING, "  text: not needed here\n", ""),
        "'$.text' is neither mapped nor in 'ignore'",
        (SCHEMA, '"text": {"type"'),
    ),
    Case(
        "ignored-path",
        "a leaf that is mapped",
        (MAPPING, "  part: not needed", "  size: not needed\n  part: not needed"),
        "'size' is in 'ignore', but '$.size' is mapped",
    ),
    Case(
        "ignored-path",
        "an object whose leaf is mapped",
        (SECTION, "when: flag", "when: {any: [flag, part.flag]}"),
        "'part' is in 'ignore', but '$.part.flag' is mapped",
        (MAPPING, "  part:"),
    ),
    # -- maps
    Case(
        "unused-map",
        "a value map that no rule uses",
        ("value_maps/other.csv", "", mini.FILES[GRADES]),
        "no rule uses the value map 'other'",
        ("value_maps/other.csv", "source_code"),
    ),
    Case(
        "unmapped-value",
        "a code that the value map does not have",
        (GRADES, "high,High grade,71,High\n", ""),
        "'high' of '$.grade' is not in grade",
        (SECTION, GRADED),
    ),
    Case(
        "unmapped-value",
        "a code that the inline map does not have",
        (SECTION, GRADED, "value: {from: grade, map: {low: 70 Low}}"),
        "'high' of '$.grade' is not in map",
    ),
    Case(
        "unmapped-value",
        "false",
        (SECTION, GRADED, f"{GRADED}\n  source_value: {{from: flag, map: {{true: T}}}}"),
        "'False' of '$.flag' is not in map",
        (SECTION, "source_value"),
    ),
    Case(
        "unmapped-value",
        "a form",
        (SCHEMA, '"enum": ["A", "B"]', '"enum": ["A", "B", "C"]'),
        "form 'C' of 'form' is not in 'forms'",
        (MAPPING, "forms:"),
    ),
    Case(
        "unused-value",
        "a code that is never recorded",
        (SECTION, GRADED, "value: {from: grade, map: {low: 70 Low, high: 71 High, mid: 70 Low}}"),
        "'mid' is never recorded at 'grade'",
    ),
    Case(
        "unused-value",
        "asked for in a condition",
        (SECTION, "when: flag", "when: {any: [flag, {path: grade, in: [low, mid]}]}"),
        "'mid' is never recorded at 'grade'",
    ),
    Case(
        "wrong-type",
        "true asked of an integer",
        (SECTION, "when: flag", "when: {any: [flag, {path: count, in: [1, true]}]}"),
        "'$.count' is integer, which true is not",
    ),
    Case(
        "wrong-type",
        "1 asked of a boolean",
        (SECTION, "when: flag", "when: {any: [flag, {path: ill, in: [true, 1]}]}"),
        "'$.ill' is boolean, which 1 is not",
    ),
    Case(
        "wrong-type",
        "text asked of integers that the schema lists",
        (SECTION, "when: flag", "when: {any: [flag, {path: score, in: [1, '2']}]}"),
        "'$.score' is integer, which \"2\" is not",
    ),
    Case(
        "wrong-type",
        "a number asked of a text",
        (SECTION, "when: flag", "when: {any: [flag, {path: word, in: [1]}]}"),
        "'$.word' is string, which 1 is not",
    ),
    Case(
        "unused-value",
        "of a group, at no place that is asked for it",
        (MAPPING, "ignore:\n", "groups: {bad: [high, top]}\nignore:\n"),
        "'top' is never recorded where 'bad' is asked for",
    ),
    Case(
        "unused-name",
        "a group",
        (MAPPING, "ignore:\n", "groups: {bad: [high]}\nignore:\n"),
        "no condition asks for the group 'bad'",
    ),
    Case(
        "unused-name",
        "a definition",
        (MAPPING, "ignore:\n", "define: {bad: 50 Finding}\nignore:\n"),
        "nothing uses the definition 'bad'",
    ),
    Case(
        "unused-value",
        "of a group, where none can be recorded",
        (SECTION, "when: flag", "when: {any: [flag, {path: grade, in: bad}]}"),
        "no value of 'bad' is ever recorded at 'grade'",
    ),
    Case(
        "unused-value",
        "a form",
        (MAPPING, "  B: {title", "  C: {title: Form C, use_cases: [], sections: [main]}\n  B: {title"),
        "form 'C' is never recorded at 'form'",
    ),
    # -- tables and columns
    Case(
        "unknown-table",
        "no table of the CDM",
        (SECTION, "table: procedure_occurrence", "table: procedures"),
        "rules cannot write to 'procedures'; known: procedure_occurrence, drug_exposure",
    ),
    Case(
        "unknown-table",
        "a table of the CDM that is not written by rules",
        (SECTION, "table: procedure_occurrence", "table: location"),
        "rules cannot write to 'location'",
    ),
    Case(
        "unknown-table",
        "the table of visits",
        rule("{table: visit_occurrence, each: items, concept: 20 Start, date: baseline}"),
        "rules cannot write to 'visit_occurrence': its rows are the 'visits' or 'episodes' of mapping.yaml",
    ),
    Case(
        "unknown-table",
        "the table of episodes",
        rule("{table: episode, each: items, concept: 91 Part, date: baseline}"),
        "rules cannot write to 'episode': its rows are the 'visits' or 'episodes' of mapping.yaml",
    ),
    Case(
        "unknown-table",
        "of defaults",
        (MAPPING, "ignore:\n", "defaults:\n  notes: {}\nignore:\n"),
        "rules cannot write to 'notes'",
        (MAPPING, "notes:"),
    ),
    Case(
        "unknown-column", "of set", measurement("set: {colour: word}"), "measurement has no column 'colour'"
    ),
    Case(
        "unknown-column",
        "of defaults",
        (MAPPING, "ignore:\n", "defaults:\n  note: {colour: red}\nignore:\n"),
        "note has no column 'colour'",
        (MAPPING, "  note:"),
    ),
    Case(
        "unknown-column",
        "of a short word",
        (SECTION, "  when: flag\n", "  when: flag\n  number: size\n"),
        "procedure_occurrence has no column for 'number'",
        (SECTION, "  number: size"),
    ),
    Case(
        "missing-column",
        "a row without a date",
        rule("{table: measurement, concept: 60 Size, number: size}"),
        "the row has no date: give it a 'visit' or a 'date'",
    ),
    Case(
        "missing-column",
        "an age that may be missing",
        (SCHEMA, '"required": ["id", "form", "age"]', '"required": ["id", "form"]'),
        "'$.age' may be missing, but person.year_of_birth needs it",
        (MAPPING, "person:"),
    ),
    Case(
        "missing-column",
        "a patient that may be missing",
        (SCHEMA, '"required": ["id", "form", "age"]', '"required": ["form", "age"]'),
        "'id' may be missing, but person needs it",
        (MAPPING, "case:"),
    ),
    # -- plausible numbers
    Case(
        "bad-range",
        "of no number",
        rule("{table: measurement, concept: 60 Size, visit: start, when: flag, plausible: {why: because}}"),
        "'plausible' is of the rule's 'number', and it has none: say which 'path' it is of",
    ),
    Case(
        "bad-range",
        "of a path that the row does not hold",
        measurement("number: size, plausible: {path: count, low: 0, why: because}"),
        "the rule's row does not hold '$.count': give its range elsewhere",
    ),
    Case(
        "bad-range",
        "that ends before it begins",
        measurement("number: size, plausible: {low: 2, high: 1.5, why: because}"),
        "no number is from 2 to 1.5: 'low' is above 'high'",
    ),
    Case(
        "bad-range",
        "of a number that bounds itself",
        measurement("number: size, plausible: {high: size, why: because}"),
        "the number is compared with itself",
    ),
    Case(
        "bad-range",
        "of a person's path",
        (MAPPING, "age: age", "age: age, plausible: {path: count, why: because}"),
        "a person's 'plausible' is of the 'age'",
    ),
    Case(
        "wide-range",
        "above what the schema lists",
        measurement("number: score, plausible: {low: 1, high: 2.5, why: because}"),
        "'high' is 2.5, but the schema allows nothing beyond 2",
    ),
    Case(
        "wide-range",
        "below what the schema lists",
        measurement("number: score, plausible: {low: 0, high: 2, why: because}"),
        "'low' is 0, but the schema allows nothing beyond 1",
    ),
    Case(
        "wrong-type",
        "a text as a bound",
        measurement("number: size, plausible: {high: word, why: because}"),
        "'$.word' is string, this needs integer or number",
    ),
    Case(
        "unknown-path",
        "as a bound",
        measurement("number: size, plausible: [{low: 0, why: because}, {high: cuont, why: because}]"),
        "'cuont' is not in '$'; did you mean 'count'?",
    ),
    Case(
        "bad-shape",
        "a bound that is true",
        measurement("number: size, plausible: {high: true, why: because}"),
        "'extra.plausible.one.high.integer': Input should be a valid integer",
    ),
    Case(
        "bad-shape",
        "a bound that is no number",
        measurement("number: size, plausible: {high: .nan, why: because}"),
        "'extra.plausible.one.high.number': Input should be a finite number",
    ),
    Case(
        "bad-shape",
        "a range without a reason",
        measurement("number: size, plausible: {low: 0}"),
        "'extra.plausible.one.why' is missing",
    ),
    # -- types
    Case(
        "wrong-type",
        "a text for a number",
        (SECTION, "number: size", "number: word"),
        "'$.word' is string, this needs integer or number",
    ),
    Case(
        "wrong-type",
        "a number for an integer",
        measurement("set: {provider_id: size}"),
        "'$.size' is number, this needs integer",
    ),
    Case(
        "wrong-type",
        "a text looked up for an integer",
        measurement("set: {provider_id: {from: word}}"),
        "'$.word' is string, this needs integer",
    ),
    Case(
        "wrong-type",
        "half a provider",
        measurement("set: {provider_id: 1.5}"),
        "'provider_id' is integer, not '1.5'",
    ),
    Case(
        "wrong-type",
        "a text in a map of numbers",
        measurement("when: flag, set: {range_low: {from: flag, map: {true: a, false: 2}}}"),
        "'range_low' is number, not 'a'",
    ),
    Case(
        "wrong-type",
        "a list for a single value",
        (SECTION, "when: flag", "when: {path: items, in: [1]}"),
        "'$.items' is not a single value",
    ),
    Case(
        "wrong-type",
        "an object for a code",
        (SECTION, GRADED, "value: {from: part, via: grade}"),
        "'$.part' is not a single value",
    ),
    Case("wrong-type", "each of no list", measurement("each: part"), "'$.part' is not a list"),
    Case(
        "wrong-type",
        "a list from which no item is chosen",
        measurement("number: 'items[*].size'"),
        "'$.items[*].size' is in a list; say which item with 'each'",
    ),
    Case(
        "wrong-type",
        "another list's item",
        measurement("each: items, number: '$.items[*].subs[*].size'"),
        "'$.items[*].subs[*].size' is in a list",
    ),
    Case(
        "wrong-type",
        "@ without an item",
        measurement("when: '@'"),
        "'@' is the whole document; say which item with 'each'",
    ),
    Case(
        "wrong-type",
        "a list that is not inside the item",
        measurement("each: items, rows: {more: {table: measurement, concept: 60 Size, each: $.items}}"),
        "'$.items' is not inside '$.items[*]', where this rule stands",
    ),
    Case(
        "wrong-type",
        "no concept",
        (SECTION, "concept: 40 Scan", "concept: Scan"),
        "no concept in 'procedure_concept_id': write 'id name'",
    ),
    Case(
        "wrong-type",
        "a concept's number alone",
        (SECTION, "concept: 40 Scan", "concept: 40"),
        "a number alone in 'procedure_concept_id': write 'id name'",
    ),
    Case(
        "wrong-type",
        "no concept in a map",
        (SECTION, GRADED, "value: {from: grade, map: {low: 70 Low, high: High}}"),
        "no concept in 'value_as_concept_id'",
    ),
    Case(
        "wrong-type",
        "a code without a map",
        (SECTION, GRADED, "value: {from: grade}"),
        "'value_as_concept_id' needs a concept: add 'via' or 'map'",
    ),
    Case(
        "wrong-type",
        "a value map for a text",
        (SECTION, GRADED, "value: {from: grade, via: grade}\n  source_value: {from: grade, via: grade}"),
        "a value map gives concepts, 'measurement_source_value' is text",
        (SECTION, "  source_value"),
    ),
    Case(
        "wrong-type",
        "a date by its column",
        measurement("set: {measurement_time: a, measurement_date: 2000}"),
        "'measurement_date' is written for you and cannot be set",
    ),
    Case(
        "wrong-type",
        "a real date in a date column",
        rule(
            "{table: drug_exposure, concept: 85 Pill, visit: start,"
            " set: {verbatim_end_date: {from: other_day}}}"
        ),
        "'verbatim_end_date' is a date: use the word 'date' or 'end'",
    ),
    Case(
        "wrong-type",
        "an id",
        measurement("set: {measurement_id: count}"),
        "'measurement_id' is written for you and cannot be set",
    ),
    Case(
        "wrong-type",
        "a date that is no date",
        (MAPPING, "date: baseline}", "date: word}"),
        "'word' has no 'format: date' in the schema",
    ),
    Case(
        "wrong-type",
        "days that are not whole",
        (MAPPING, "baseline + days days", "baseline + size days"),
        "'$.size' is number, this needs integer",
    ),
    Case(
        "wrong-type",
        "a constant text longer than its column",
        (SECTION, GRADED, f"{GRADED}\n  source_value: {'x' * 51}"),
        f"'{'x' * 51}' is longer than the 50 characters of 'measurement_source_value'",
        (SECTION, "  source_value"),
    ),
    Case(
        "wrong-type",
        "a text of a map longer than its column",
        measurement(
            f"when: flag, source_value: {{first: [{{when: flag, is:"
            f" {{from: grade, map: {{low: {'x' * 51}, high: y}}}}}}]}}"
        ),
        f"'{'x' * 51}' is longer than the 50 characters",
    ),
    Case(
        "wrong-type",
        "a row of a row that cannot be one",
        (
            SECTION,
            "size: {table: measurement, concept: 60 Size, number: size, unit: 80 millimeter}",
            "seen: {table: condition_occurrence, concept: 50 Finding, when: size}",
        ),
        "a row of condition_occurrence cannot be recorded of a row of procedure_occurrence",
    ),
    Case(
        "wrong-type",
        "a row of a table without a field concept",
        rule(
            "{table: specimen, concept: 86 Blood, visit: start,"
            " rows: {more: {table: measurement, concept: 60 Size}}}"
        ),
        "a row of measurement cannot be recorded of a row of specimen",
    ),
    Case(
        "wrong-type",
        "of such a row",
        rule(
            "{table: condition_occurrence, concept: 50 Finding, visit: start}\n"
            "more: {table: condition_occurrence, concept: 50 Finding, visit: start, of: extra}"
        ),
        "a row of condition_occurrence cannot be recorded of a row of condition_occurrence",
        (SECTION, "more:"),
    ),
    Case(
        "wrong-type",
        "an event that cannot be one",
        rule("{table: specimen, concept: 86 Blood, visit: start, episode: whole}"),
        "rows of specimen cannot be episode events",
    ),
    Case(
        "wrong-type",
        "a visit looked up",
        rule("{table: measurement, concept: 60 Size, visit: {from: grade, map: {low: start, high: scan}}}"),
        "a visit is named, not looked up",
    ),
    Case(
        "wrong-type",
        "a visit of each item, outside the list",
        measurement("rows: {more: {table: measurement, concept: 60 Size, visit: entry}}"),
        "visit 'entry' is one for each '$.items[*]', and this is not inside it",
    ),
    Case(
        "wrong-type",
        "its date, outside the list",
        measurement("date: [entry, baseline]"),
        "visit 'entry' is one for each '$.items[*]'",
    ),
    Case(
        "wrong-type",
        "a patient that is no text",
        (MAPPING, "patient: id", "patient: age"),
        "'$.age' is integer, this needs string",
    ),
    Case(
        "wrong-type",
        "a patient that is not at the top",
        (MAPPING, "patient: id", "patient: part.name"),
        "'part.name' must be a top-level key of the document",
    ),
    Case(
        "wrong-type",
        "an age that is a text",
        (MAPPING, "age: age", "age: word"),
        "'$.word' is string, this needs integer or number",
    ),
    Case(
        "wrong-type",
        "some of no list",
        (SECTION, "when: flag", "when: {any: [flag, {some: part, where: flag}]}"),
        "'$.part' is not a list",
    ),
    Case(
        "wrong-type",
        "some of a single value",
        (SECTION, "when: flag", "when: {any: [flag, {some: word, where: flag}]}"),
        "'$.word' is not a list",
    ),
    Case(
        "wrong-type",
        "some of the lists of every item",
        (SECTION, "when: flag", "when: {any: [flag, {some: 'items[*].subs', where: size}]}"),
        "'$.items[*].subs' is in a list; ask of that list with a 'some' around it",
    ),
    Case(
        "wrong-type",
        "where: another item than that of some",
        measurement("each: items, when: {some: tags, where: '$.items[*].subs[*].size'}"),
        "'$.items[*].subs[*].size' is in a list",
    ),
    Case(
        "wrong-type",
        "a sum of numbers that are not whole",
        (SECTION, "number: count", "number: {sum: [count, size]}"),
        "'$.size' is number, this needs integer",
    ),
    Case(
        "wrong-type",
        "a visit of each item as the date of an episode of the case",
        (MAPPING, "start: baseline, when: ill}", "start: entry, when: ill}"),
        "visit 'entry' is one for each '$.items[*]', and this is not inside it",
        (MAPPING, "start: entry"),
    ),
    Case(
        "wrong-type",
        "a visit of each item, as a date by condition",
        measurement("date: [{when: flag, is: entry}, baseline]"),
        "visit 'entry' is one for each '$.items[*]'",
    ),
    Case(
        "too-long",
        "a text that may be too long",
        measurement("when: text, source_value: '{text}'"),
        "'$.text' may be longer than the 50 of 'measurement_source_value'",
    ),
    Case(
        "too-long",
        "a code that is too long",
        measurement("when: long, source_value: {first: [{from: long}, none]}"),
        "'$.long' may be longer than the 50 of 'measurement_source_value'",
    ),
    Case(
        "long-key",
        "a patient that may be too long",
        (SCHEMA, '"maxLength": 20}', '"maxLength": 51}'),
        "'id' may be longer than the 50 characters of a patient: set maxLength in the schema",
        (MAPPING, "case:"),
    ),
    Case(
        "long-key",
        "a patient of any length",
        (SCHEMA, ', "maxLength": 20}', "}"),
        "'id' may be longer than the 50 characters of a patient",
        (MAPPING, "case:"),
    ),
    Case(
        "long-key",
        "a form of any length",
        (SCHEMA, '"form": {"type": "string", "enum": ["A", "B"]}', '"form": {"type": "string"}'),
        "'form' may be longer than the 255 characters of a form",
        (MAPPING, "case:"),
    ),
    Case(
        "long-key",
        "a site of any length",
        (MAPPING, "case: {patient: id, form: form}", "case: {patient: id, form: form, site: text}"),
        "'text' may be longer than the 255 characters of a site",
    ),
    # -- references
    Case(
        "broken-reference",
        "visit",
        (SECTION, "visit: scan", "visit: scann"),
        "no visit 'scann'; known: start, scan",
    ),
    Case(
        "broken-reference",
        "visit, in an alternative",
        (SECTION, "visit: scan", "visit: {first: [{when: flag, is: scann}, start]}"),
        "no visit 'scann'",
    ),
    Case(
        "broken-reference",
        "visit that comes later",
        (MAPPING, "date: baseline}", "date: [scan, baseline]}"),
        "no earlier visit 'scan'; known: none",
    ),
    Case(
        "broken-reference",
        "visit that a date counts from",
        (MAPPING, "date: baseline + days days}", "date: scan + days days}"),
        "no earlier visit 'scan'; known: start",
    ),
    Case(
        "broken-reference",
        "via",
        (SECTION, GRADED, "value: {from: grade, via: grades}"),
        "no value map 'grades'; known: grade",
    ),
    Case(
        "broken-reference",
        "episode",
        (SECTION, "episode: whole", "episode: hole"),
        "no episode 'hole'; known: whole",
    ),
    Case(
        "broken-reference",
        "an episode's parent",
        (MAPPING, "start: baseline, when: ill}", "start: baseline, when: ill, parent: whole}"),
        "no earlier episode 'whole'; known: none",
    ),
    Case(
        "broken-reference",
        "of",
        (SECTION, "of: scan", "of: scann"),
        "no earlier rule 'scann'; known: graded, scan, scan.size",
    ),
    Case(
        "broken-reference", "of a later rule", (SECTION, "of: scan", "of: scored"), "no earlier rule 'scored'"
    ),
    Case(
        "broken-reference",
        "in what an episode is about",
        (MAPPING, "object: 50 Finding", "object: {use: finding}"),
        "no definition 'finding'; known: none",
    ),
    Case(
        "broken-reference",
        "use",
        (SECTION, "concept: 40 Scan", "concept: {use: findings}"),
        "no definition 'findings'; known: none",
    ),
    Case(
        "broken-reference",
        "group",
        (SECTION, "when: flag", "when: {any: [flag, {path: grade, in: bed}]}"),
        "no group 'bed'; known: bad",
    ),
    Case(
        "broken-reference",
        "group, of none",
        (SECTION, "when: flag", "when: {any: [flag, {path: grade, in: bad}]}"),
        "no group 'bad'; known: none",
    ),
    Case(
        "broken-reference",
        "like",
        rule("{like: grated}"),
        "no rule 'grated' at the top of a section; known: scan, graded, counted, scored, remark",
    ),
    Case(
        "broken-reference",
        "like a nested row",
        rule("{like: scan.size}"),
        "no rule 'scan.size' at the top of a section; known: scan,",
    ),
    Case(
        "broken-reference",
        "like itself",
        rule("{like: extra}"),
        "'extra' is like another rule itself: name 'extra', and what differs from it",
    ),
    Case(
        "broken-reference",
        "like a rule that is like another",
        rule("{like: copy}\ncopy: {like: graded}"),
        "'copy' is like another rule itself: name 'graded', and what differs from it",
    ),
    Case(
        "broken-reference",
        "a row to leave out",
        rule("{like: scan, rows: {sice: null}}"),
        "there is no row 'sice' to leave out",
    ),
    Case(
        "broken-reference",
        "a row to leave out of a rule that is like no other",
        measurement("number: size, rows: {more: null}"),
        "there is no row 'more' to leave out",
    ),
    Case(
        "broken-reference",
        "a later episode as the start of one",
        (
            MAPPING,
            "start: baseline, when: ill}",
            "start: later, when: ill}\n  " + LATER,
        ),
        "no earlier episode 'later'; known: none",
    ),
    Case(
        "broken-reference",
        "a later episode as the end of one",
        (
            MAPPING,
            "start: baseline, when: ill}",
            "start: baseline, end: [other_day, later], when: ill}\n  " + LATER,
        ),
        "no earlier episode 'later'; known: none",
    ),
    Case(
        "broken-reference",
        "a later episode, asked for",
        (
            MAPPING,
            "start: baseline, when: ill}",
            "start: baseline, when: {any: [ill, {episode: later}]}}\n  " + LATER,
        ),
        "no earlier episode 'later'; known: none",
    ),
    Case(
        "broken-reference",
        "an episode in a condition",
        (SECTION, "when: flag", "when: {any: [flag, {episode: hole}]}"),
        "no episode 'hole'; known: whole",
    ),
    Case(
        "broken-reference",
        "an episode as the date of a visit",
        (MAPPING, "baseline + days days", "whole + days days"),
        "visits come before the episode 'whole': ask what the episode itself asks",
    ),
    Case(
        "broken-reference",
        "an episode in the condition of a visit",
        (
            MAPPING,
            "date: baseline + days days}",
            "date: baseline + days days, when: {not: {episode: whole}}}",
        ),
        "visits come before the episode 'whole': ask what the episode itself asks",
    ),
    Case(
        "broken-reference",
        "an episode in what the person is",
        (MAPPING, "gender: 30 Female", "gender: {when: {episode: whole}, is: 30 Female}"),
        "the person's columns come before the episode 'whole'",
    ),
    Case(
        "broken-reference",
        "an episode in the condition of the baseline",
        (MAPPING, "date: day}", "date: day, when: {episode: whole}}"),
        "the baseline's date and condition come before the episode 'whole'",
    ),
    Case(
        "duplicate-rule",
        "in two sections",
        (MAPPING, "use_cases: [1], sections: [main]", "use_cases: [1], sections: [main, more]"),
        "'graded' is already in main.yaml:9",
        ("more.yaml", "graded"),
    ),
    Case(
        "duplicate-rule",
        "an episode named like a visit",
        (
            MAPPING,
            "  whole: {concept",
            "  scan: {concept: 91 Part, object: 50 Finding, start: baseline}\n  whole: {concept",
        ),
        "'scan' is a visit too, and a date could be either: give one another name",
    ),
    Case(
        "duplicate-rule",
        "a visit named baseline, on another day",
        (
            MAPPING,
            "  scan: {concept",
            "  baseline: {concept: 21 Scan visit, date: other_day}\n  scan: {concept",
        ),
        "a date 'baseline' is not this visit's: give it another name",
    ),
    Case(
        "duplicate-rule",
        "a visit named baseline, which a case may not have",
        (
            MAPPING,
            "  scan: {concept",
            "  baseline: {concept: 21 Scan visit, date: baseline, when: flag}\n  scan: {concept",
        ),
        "a date 'baseline' is not this visit's: give it another name",
    ),
    Case(
        "duplicate-rule",
        "an episode named baseline, which a case may not have",
        (
            MAPPING,
            "  whole: {concept",
            "  baseline: {concept: 91 Part, object: 50 Finding, start: baseline, when: ill}\n"
            "  whole: {concept",
        ),
        "a date 'baseline' is not this episode's: give it another name",
    ),
    # -- items
    Case(
        "too-many-items",
        "a list without maxItems",
        (SCHEMA, '"type": ["array", "null"],\n      "maxItems": 20', '"type": ["array", "null"]'),
        "'$.items' allows any number of items, row ids have room for 1048576: set maxItems",
        (SECTION, "extra"),
    ),
    Case(
        "too-many-items",
        "a maxItems beyond an id's room",
        (
            SCHEMA,
            '"tags": {"type": ["array", "null"], "maxItems": 20',
            '"tags": {"type": ["array", "null"], "maxItems": 1025',
        ),
        "'$.items[*].tags' allows 1025 items, row ids have room for 1024: set maxItems",
        (SECTION, "extra"),
    ),
    Case(
        "too-many-items",
        "four lists deep",
        measurement("each: 'items[*].subs[*].marks[*].deep', number: '@'"),
        "'extra' stands in more than 3 nested lists",
    ),
    # -- concepts
    Case(
        "unknown-concept",
        "a concept of no vocabulary",
        (SECTION, "concept: 40 Scan", "concept: 41 Scan"),
        "concept 41 'Scan' is not in the vocabulary",
    ),
    Case(
        "unknown-concept",
        "of a value map",
        (GRADES, "71,High", "72,High"),
        "concept 72 'High' is not in the vocabulary",
    ),
    Case(
        "unknown-concept",
        "of the person",
        (MAPPING, "gender: 30 Female", "gender: 31 Male"),
        "concept 31 'Male' is not in the vocabulary",
    ),
    Case(
        "unknown-concept",
        "of every row's type",
        (MAPPING, "type: 10 Form", "type: 11 Form"),
        "concept 11 'Form' is not in the vocabulary",
    ),
    Case(
        "other-name",
        "a slip in a name",
        (SECTION, "concept: 40 Scan", "concept: 40 Skan"),
        "concept 40 is 'Scan' in the vocabulary, not 'Skan'",
    ),
    Case(
        "other-name",
        "in a value map",
        (GRADES, "71,High", "71,Hi"),
        "concept 71 is 'High' in the vocabulary, not 'Hi'",
    ),
    Case(
        "wrong-domain",
        "of a row",
        (SECTION, "concept: 40 Scan", "concept: 50 Finding"),
        "concept 50 'Finding' has domain Condition;"
        " procedure_occurrence.procedure_concept_id takes Procedure",
    ),
    Case(
        "wrong-domain",
        "of a unit",
        (SECTION, "unit: 80 millimeter", "unit: 70 Low"),
        "concept 70 'Low' has domain Meas Value; measurement.unit_concept_id takes Unit",
    ),
    Case(
        "wrong-domain",
        "of a type",
        (MAPPING, "type: 10 Form", "type: 70 Low"),
        "concept 70 'Low' has domain Meas Value; (every table).type_concept_id takes Type Concept",
    ),
]

Change = tuple[str, str, str]
ENTRY = (MAPPING, "episodes:\n", "  entry: {concept: 20 Start, each: items, date: on}\nepisodes:\n")


MAP_USED_ELSEWHERE = (
    SECTION,
    "remark:",
    "again: {table: measurement, concept: 61 Grade, value: {via: grade, from: grade}, visit: start}\nremark:",
)


def of_items(text: str, *ignored: str) -> tuple[Change, ...]:
    """A rule for the items, and what of them is ignored then."""
    left_out = "".join(f"  items[*].{name}: not needed here\n" for name in ignored)
    return measurement(text), (MAPPING, ITEMS, left_out)


#: What a case needs beside its one change.
PREPARED: Mapping[str, Change | tuple[Change, ...]] = {
    "a list without maxItems": of_items("each: items, number: size", "grade", "flag", "on", "tags", "subs"),
    "a maxItems beyond an id's room": of_items(
        "each: 'items[*].tags', source_value: '{@}'", "grade", "flag", "on", "size", "subs"),
    "four lists deep": (
        MAPPING, ITEMS,
        "".join(f"  items[*].{name}: not needed here\n" for name in
                ("grade", "flag", "on", "size", "tags", "subs[*].size", "subs[*].marks[*].size"))),
    **dict.fromkeys(
        ("a code that the inline map does not have", "a code that is never recorded", "no concept in a map",
         "a code without a map", "via"), MAP_USED_ELSEWHERE),
    "a text that may be too long": (MAPPING, "  text: not needed here\n", ""),
    "a site of any length": (MAPPING, "  text: not needed here\n", ""),
    "a patient that is not at the top": (
        SCHEMA, '"part": {"type": ["object", "null"], "properties": {',
        '"part": {"type": ["object", "null"], "properties": {"name": {"type": "string"}, '),
    **dict.fromkeys(("a visit of each item, outside the list", "its date, outside the list"), ENTRY),
    "a code that is too long": (MAPPING, "  long: not needed here\n", ""),
    "a visit of each item as the date of an episode of the case": ENTRY,
    "a visit of each item, as a date by condition": ENTRY,
    "of a group, where none can be recorded": (MAPPING, "ignore:\n", "groups: {bad: [mid, top]}\nignore:\n"),
    "of a group, at no place that is asked for it": (
        SECTION, "when: flag", "when: {any: [flag, {path: grade, in: bad}]}"),
    "a visit named baseline, on another day": (MAPPING, "  other_day: not needed here\n", ""),
    "group": (MAPPING, "ignore:\n", "groups: {bad: [low]}\nignore:\n"),
}  # fmt: skip

#: Kinds that follow from more than one change of the folder; each has a test of its own below.
APART = {"invalid-concept", "not-standard", "placeholder", "two-names", "long-map-name", "unused-accept"}
#: Of cohorts, see tests/unit/test_cohort_check.py.
COHORTS = {"bad-cohort"}


def make(folder: Path, file: str, old: str, new: str) -> None:
    """Change a file of the folder, or write one that is not there."""
    if file in mini.FILES:
        mini.change(folder, file, old, new)
    else:
        folder.joinpath(file).write_text(new)


def place(folder: Path, case: Case) -> tuple[str, int]:
    if case.at is None:
        file, old, _ = case.change
        before, _, _ = mini.FILES[file].partition(old)
        return file, before.count("\n") + 1
    file, text = case.at
    return file, mini.line_of(folder, file, text) if folder.joinpath(file).exists() else 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.says}")
def test_one_change_gives_one_finding(tmp_path: Path, case: Case) -> None:
    mini.write(tmp_path)
    if case.says == "in two sections":
        more = "graded: {table: measurement, concept: 60 Size, number: size, visit: start}\n"
        tmp_path.joinpath("more.yaml").write_text(more)
    prepared = PREPARED.get(case.says, ())
    for change in (*((prepared,) if prepared and isinstance(prepared[0], str) else prepared), case.change):
        make(tmp_path, *change)
    found = check(tmp_path, mini.CONCEPTS)
    assert [(one.kind, one.severity) for one in found] == [(case.kind, KINDS[case.kind][0])], found
    assert (found[0].file, found[0].line) == place(tmp_path, case)
    assert found[0].message.startswith(case.message)


def test_every_kind_of_finding_has_a_test() -> None:
    assert {case.kind for case in CASES} | APART | COHORTS == set(KINDS)
    assert len({(case.kind, case.says) for case in CASES}) == len(CASES)


def test_a_correct_folder_has_no_findings(tmp_path: Path) -> None:
    assert check(mini.write(tmp_path), mini.CONCEPTS) == []


def test_the_shipped_prostate_mapping_has_no_errors() -> None:
    folder = files("mappings") / "prostate"
    assert [(one.file, one.kind, one.severity) for one in check(folder, shipped(folder))] == [
        ("biopsy.yaml", "placeholder", "note"),
    ]


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("invalid-concept", {"invalid_reason": "D"}, "concept 40 'Scan' is deprecated (invalid_reason D)"),
        ("invalid-concept", {"invalid_reason": "U"}, "concept 40 'Scan' is deprecated (invalid_reason U)"),
        ("not-standard", {"standard_concept": None}, "concept 40 'Scan' is not a standard concept"),
        ("not-standard", {"standard_concept": "C"}, "concept 40 'Scan' is not a standard concept"),
    ],
)
def test_what_the_vocabulary_says_against_a_concept(
    tmp_path: Path, kind: str, changes: dict[str, str | None], message: str
) -> None:
    mini.write(tmp_path)
    concepts = {**mini.CONCEPTS, 40: replace(mini.CONCEPTS[40], **changes)}  # type: ignore[arg-type]
    line = mini.line_of(tmp_path, SECTION, "40 Scan")
    assert check(tmp_path, concepts) == [Finding(SECTION, line, kind, message, KINDS[kind][0])]


def test_not_standard_is_only_a_warning() -> None:
    assert KINDS["not-standard"][0] == "warning"


def test_placeholders_are_one_note_at_the_first_of_them(tmp_path: Path) -> None:
    mini.write(tmp_path)
    stand_in = {
        number: replace(mini.CONCEPTS[number], vocabulary_id="Placeholder", standard_concept=None)
        for number in (40, 60, 80)
    }
    line = mini.line_of(tmp_path, SECTION, "40 Scan")
    message = "3 concepts are placeholders until an Athena vocabulary is loaded"
    assert check(tmp_path, {**mini.CONCEPTS, **stand_in}) == [
        Finding(SECTION, line, "placeholder", message, "note")
    ]


def test_a_concept_that_is_named_twice_differently(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), GRADES, "71,High", "70,High")
    found = [one for one in check(tmp_path, mini.CONCEPTS) if one.kind == "two-names"]
    assert found == [
        Finding(GRADES, 3, "two-names", "concept 70 is 'High' here and 'Low' in value_maps/grade.csv:2")
    ]
    assert found[0].severity == "error"


def test_a_name_may_be_left_out_for_0_only(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), MAPPING, "gender: 30 Female", "gender: 0")
    assert check(tmp_path, {**mini.CONCEPTS, 0: mini.concept(0, "No matching concept", "Metadata")}) == []


def test_a_form_may_be_any_text_when_the_schema_lists_none(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), SCHEMA, ', "enum": ["A", "B"]', ', "maxLength": 255')
    assert check(tmp_path, mini.CONCEPTS) == []


ACCEPT = "accept: [{finding: wrong-domain, concept: 50, why: it is a finding}]\nignore:\n"


def test_an_accepted_finding_is_a_note_that_says_why(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), SECTION, "concept: 40 Scan", "concept: 50 Finding")
    before = check(tmp_path, mini.CONCEPTS)
    mini.change(tmp_path, MAPPING, "ignore:\n", ACCEPT)
    assert check(tmp_path, mini.CONCEPTS) == [
        replace(before[0], severity="note", message=f"{before[0].message}; accepted: it is a finding")
    ]


def test_accepting_one_finding_of_a_concept_accepts_no_other(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), SECTION, "concept: 40 Scan", "concept: 50 Fynding")
    mini.change(tmp_path, MAPPING, "ignore:\n", ACCEPT)
    found = {one.kind: one.severity for one in check(tmp_path, mini.CONCEPTS)}
    assert found == {"wrong-domain": "note", "other-name": "error", "two-names": "error"}


@pytest.mark.parametrize("finding", ["other-name", "not-standard"])
def test_accepting_a_finding_that_is_not_there_is_told(tmp_path: Path, finding: str) -> None:
    accept = f"accept:\n  - {{finding: {finding}, concept: 40, why: it is so}}\nignore:\n"
    mini.change(mini.write(tmp_path), MAPPING, "ignore:\n", accept)
    line, message = (
        mini.line_of(tmp_path, MAPPING, "- {finding"),
        f"there is no finding '{finding}' of concept 40",
    )
    assert check(tmp_path, mini.CONCEPTS) == [Finding(MAPPING, line, "unused-accept", message, "warning")]


def test_accepting_what_athena_may_yet_say_of_a_placeholder_is_not_told(tmp_path: Path) -> None:
    accept = "accept: [{finding: not-standard, concept: 40, why: it is so}]\nignore:\n"
    mini.change(mini.write(tmp_path), MAPPING, "ignore:\n", accept)
    stand_in = replace(mini.CONCEPTS[40], vocabulary_id="Placeholder", standard_concept=None)
    assert [one.kind for one in check(tmp_path, {**mini.CONCEPTS, 40: stand_in})] == ["placeholder"]


def test_a_value_maps_name_has_to_fit_a_vocabulary_id(tmp_path: Path) -> None:
    mini.write(tmp_path)
    for name in ("a" * 15, "b" * 16):
        tmp_path.joinpath(f"value_maps/{name}.csv").write_text(mini.FILES[GRADES])
    found = [one for one in check(tmp_path, mini.CONCEPTS) if one.kind != "unused-map"]
    message = f"'mini.{'b' * 16}' has 21 characters, a vocabulary_id 20: shorten the file's name"
    assert found == [Finding(f"value_maps/{'b' * 16}.csv", 1, "long-map-name", message)]


def test_a_value_map_that_no_rule_uses_is_held_to_the_vocabulary(tmp_path: Path) -> None:
    unused = mini.write(tmp_path) / "value_maps" / "other.csv"
    unused.write_text(mini.FILES[GRADES].replace("70,Low", "79,Low").replace("71,High", "71,Hi"))
    found = [
        (one.line, one.kind) for one in check(tmp_path, mini.CONCEPTS) if one.file == "value_maps/other.csv"
    ]
    assert found == [(1, "unused-map"), (2, "unknown-concept"), (3, "other-name"), (3, "two-names")]


def test_a_value_map_of_a_rule_that_is_not_understood_is_used(tmp_path: Path) -> None:
    mini.change(
        mini.write(tmp_path), SECTION, "table: measurement\n  concept: 61", "table: metering\n  concept: 61"
    )
    mini.change(tmp_path, GRADES, "71,High", "72,High")
    assert [one.kind for one in check(tmp_path, mini.CONCEPTS)] == ["unknown-table", "unknown-concept"]


def test_what_is_wrong_with_the_concepts_file_is_told_with_everything_else(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), SECTION, "number: count", "number: cuont")

    def look_up(ids: set[int]) -> Mapping[int, Concept]:
        raise ConceptFileError("concepts.csv", [(2, "'concept_name' is empty")])

    found = [(one.file, one.line, one.kind) for one in check_folder(tmp_path, look_up).findings]
    assert found == [("concepts.csv", 2, "unreadable"), (SECTION, 14, "unknown-path")]


def test_all_findings_are_told_at_once(tmp_path: Path) -> None:
    mini.write(tmp_path)
    mini.change(tmp_path, SECTION, "number: count", "number: cuont")
    mini.change(tmp_path, SECTION, "concept: 40 Scan", "concept: 41 Scan")
    mini.change(tmp_path, SECTION, "episode: whole", "episode: hole")
    mini.change(tmp_path, GRADES, "71,High", "71,Hi")
    mini.change(tmp_path, MAPPING, "start: baseline, when: ill", "start: baseline, when: il")
    found = check(tmp_path, mini.CONCEPTS)
    assert found == sorted(found)
    assert [(one.file, one.kind) for one in found] == [
        (SECTION, "unknown-concept"),
        (SECTION, "broken-reference"),
        (SECTION, "unknown-path"),
        (MAPPING, "unknown-path"),
        (GRADES, "other-name"),
    ]


def test_every_file_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    mini.write(tmp_path)
    tmp_path.joinpath(SECTION).write_bytes(b"scan: \xff\n")
    tmp_path.joinpath(SCHEMA).write_text("{")
    tmp_path.joinpath(GRADES).write_text("wrong\n")
    found = check(tmp_path, mini.CONCEPTS)
    assert [(one.file, one.line, one.kind) for one in found] == [
        (SCHEMA, 1, "unreadable"),
        (SECTION, 1, "unreadable"),
        (GRADES, 1, "unreadable"),
    ]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.write_bytes(b"name: \xe9\n"), "cannot be read: UnicodeDecodeError"),
        (lambda file: file.unlink(), "there is no file 'mapping.yaml'"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be read: IsADirectoryError"),
    ],
)
def test_a_mapping_file_that_cannot_be_read(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(mini.write(tmp_path) / MAPPING)
    found = check(tmp_path, mini.CONCEPTS)
    assert [(one.file, one.line, one.kind) for one in found] == [(MAPPING, 1, "unreadable")]
    assert found[0].message.startswith(message)


def test_a_mapping_with_errors_is_not_compiled(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), SECTION, "number: size", "number: sice")
    with pytest.raises(MappingError, match="the mapping has 1 error") as caught:
        read_mapping(tmp_path)
    assert [one.kind for one in caught.value.findings] == ["unknown-path"]


def test_warnings_alone_do_not_stop_a_mapping(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), *measurement("when: text, source_value: '{text}'"))
    mini.change(tmp_path, MAPPING, "  text: not needed here\n", "")
    found = check(tmp_path, mini.CONCEPTS)
    assert found and errors(found) == []
    assert read_mapping(tmp_path)


def test_a_finding_is_one_line_with_its_place() -> None:
    finding = Finding("main.yaml", 3, "unknown-path", "'a' is not in '$'", "error")
    assert str(finding) == "main.yaml:3: error: 'a' is not in '$' [unknown-path]"


def test_the_check_does_not_need_every_concept_of_the_vocabulary(tmp_path: Path) -> None:
    concepts: dict[int, Concept] = {}
    found = check(mini.write(tmp_path), concepts)
    assert {one.kind for one in found} == {"unknown-concept"}


def test_a_visit_that_always_is_on_the_day_of_the_baseline_may_have_its_name(tmp_path: Path) -> None:
    visit = "  baseline: {concept: 21 Scan visit, date: baseline}\n  scan: {concept"
    mini.change(mini.write(tmp_path), MAPPING, "  scan: {concept", visit)
    assert check(tmp_path, mini.CONCEPTS) == []


def test_of_a_group_the_values_that_the_place_cannot_hold_are_left_out(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), MAPPING, "ignore:\n", "groups: {bad: [x, high]}\nignore:\n")
    mini.change(tmp_path, MAPPING, "  long: not needed here\n", "")
    both = "{path: grade, in: bad}, {path: long, in: bad}"
    mini.change(tmp_path, SECTION, "when: flag", f"when: {{any: [flag, {both}]}}")
    assert check(tmp_path, mini.CONCEPTS) == []


def test_what_is_wrong_with_a_rule_is_told_once_however_many_are_like_it(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), SECTION, "number: size", "number: sice")
    mini.change(
        tmp_path, SECTION, RULES, f"before: {{like: scan}}\nagain: {{like: scan, when: null}}\n{RULES}"
    )
    with pytest.raises(MappingError) as caught:
        read_mapping(tmp_path)
    assert [(one.line, one.message) for one in caught.value.findings] == [
        (10, "'sice' is not in '$'; did you mean 'size'?")
    ]


def test_a_visit_or_episode_with_a_finding_is_not_unknown_to_those_that_name_it(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), MAPPING, "concept: 20 Start", "concept: Start")
    mini.change(tmp_path, MAPPING, "date: baseline + days days}", "date: start + days days}")
    mini.change(tmp_path, MAPPING, "concept: 90 Whole", "concept: Whole")
    later = "when: ill}\n  part: {concept: 91 Part, object: 50 Finding, start: whole, parent: whole}"
    mini.change(tmp_path, MAPPING, "when: ill}", later)
    assert [one.message for one in check(tmp_path, mini.CONCEPTS) if one.severity == "error"] == [
        "no concept in 'visit_concept_id': write 'id name'",
        "no concept in 'episode_concept_id': write 'id name'",
    ]


def test_an_episodes_date_is_found_on_its_own_line(tmp_path: Path) -> None:
    mini.write(tmp_path)
    block = (
        "  part:\n    concept: 91 Part\n    object: 50 Finding\n    parent: later\n"
        "    start: [later, baseline]\n    end: {latest: [later]}\n    when: {episode: later}\n"
        "  later: {concept: 91 Part, object: 50 Finding, start: baseline}\nignore:\n"
    )
    mini.change(tmp_path, MAPPING, "ignore:\n", block)
    first = mini.line_of(tmp_path, MAPPING, "    parent: later")
    found = check(tmp_path, mini.CONCEPTS)
    assert {one.message for one in found} == {"no earlier episode 'later'; known: whole"}
    assert [one.line for one in found] == [first, first + 1, first + 2, first + 3]
