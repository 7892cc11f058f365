"""A tiny mapping folder for tests, written from strings, so that each test changes one thing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from etl.identity import positions, unpack
from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.mapping.tables import TARGETS, Target
from etl.plan import CaseKey, Plan
from etl.transform import Result, decode, transform
from vocabularies.concepts import Concept

MAPPING, SECTION, SCHEMA, GRADES = "mapping.yaml", "main.yaml", "case.schema.json", "value_maps/grade.csv"

_SCHEMA = """\
{
  "type": "object",
  "required": ["id", "form", "age"],
  "properties": {
    "id": {"type": "string", "maxLength": 20},
    "form": {"type": "string", "enum": ["A", "B"]},
    "age": {"type": "integer"},
    "day": {"type": ["string", "null"], "format": "date"},
    "days": {"type": ["integer", "null"]},
    "other_day": {"type": ["string", "null"], "format": "date"},
    "flag": {"type": ["boolean", "null"]},
    "ill": {"type": ["boolean", "null"]},
    "grade": {"type": ["string", "null"], "enum": ["low", "high", null]},
    "score": {"type": ["integer", "null"], "enum": [1, 2, null]},
    "count": {"type": ["integer", "null"]},
    "size": {"type": ["number", "null"]},
    "word": {"type": ["string", "null"], "maxLength": 50},
    "text": {"type": ["string", "null"]},
    "mixed": {"type": ["string", "number", "null"], "maxLength": 10},
    "odd name": {"type": ["string", "null"], "enum": ["a\\\\b", "c\\td", null]},
    "long": {"type": ["string", "null"], "enum": ["x", "LONG", null]},
    "part": {"type": ["object", "null"], "properties": {"flag": {"type": ["boolean", "null"]}}},
    "items": {
      "type": ["array", "null"],
      "maxItems": 20,
      "items": {
        "type": "object",
        "properties": {
          "grade": {"type": ["string", "null"], "enum": ["low", "high", null]},
          "size": {"type": ["number", "null"]},
          "flag": {"type": ["boolean", "null"]},
          "on": {"type": ["string", "null"], "format": "date"},
          "tags": {"type": ["array", "null"], "maxItems": 20, "items": {"type": "string", "maxLength": 50}},
          "subs": {
            "type": ["array", "null"],
            "maxItems": 20,
            "items": {
              "type": "object",
              "properties": {
                "size": {"type": ["number", "null"]},
                "marks": {
                  "type": ["array", "null"],
                  "maxItems": 20,
                  "items": {
                    "type": "object",
                    "properties": {
                      "size": {"type": ["number", "null"]},
                      "deep": {"type": ["array", "null"], "maxItems": 2, "items": {"type": "number"}}
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
""".replace("LONG", "y" * 60)

_MAPPING = """\
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
episodes:
  whole: {concept: 90 Whole, object: 50 Finding, start: baseline, when: ill}
ignore:
  other_day: not needed here
  text: not needed here
  mixed: not needed here
  odd name: not needed here
  long: not needed here
  part: not needed here
  items: not needed here
"""

_SECTION = """\
scan:
  table: procedure_occurrence
  concept: 40 Scan
  when: flag
  visit: scan
  episode: whole
  rows:
    size: {table: measurement, concept: 60 Size, number: size, unit: 80 millimeter}
graded:
  table: measurement
  concept: 61 Grade
  value: {from: grade, via: grade}
  visit: start
counted: {table: measurement, concept: 60 Size, number: count, visit: start, of: scan}
scored: {table: measurement, concept: 60 Size, number: score, visit: start}
remark: {table: note, concept: 95 Remark, title: word, text: "{word}", visit: start}
"""

_GRADES = """\
source_code,source_code_description,target_concept_id,target_concept_name
low,Low grade,70,Low
high,High grade,71,High
"""

FILES = {MAPPING: _MAPPING, SECTION: _SECTION, SCHEMA: _SCHEMA, GRADES: _GRADES}
#: A document with nothing but what every case must have.
BARE: dict[str, Any] = {"id": "P1", "form": "A", "age": 60, "day": "2020-06-15"}


def concept(number: int, name: str, domain: str, **changes: Any) -> Concept:
    """A standard concept, valid for ever."""
    values: dict[str, Any] = {
        "vocabulary_id": "Mini",
        "concept_class_id": "Mini",
        "standard_concept": "S",
        "concept_code": str(number),
        "valid_start_date": date(1970, 1, 1),
        "valid_end_date": date(2099, 12, 31),
        "invalid_reason": None,
        **changes,
    }
    return Concept(number, name, domain, **values)


CONCEPTS: Mapping[int, Concept] = {
    number: concept(number, name, domain)
    for number, name, domain in (
        (0, "No matching concept", "Metadata"),
        (10, "Form", "Type Concept"),
        (20, "Start", "Visit"),
        (21, "Scan visit", "Visit"),
        (30, "Female", "Gender"),
        (40, "Scan", "Procedure"),
        (50, "Finding", "Condition"),
        (51, "No finding", "Condition"),
        (60, "Size", "Measurement"),
        (61, "Grade", "Measurement"),
        (70, "Low", "Meas Value"),
        (71, "High", "Meas Value"),
        (80, "millimeter", "Unit"),
        (85, "Pill", "Drug"),
        (86, "Blood", "Specimen"),
        (90, "Whole", "Episode"),
        (91, "Part", "Episode"),
        (95, "Remark", "Note"),
        (97, "Seen", "Observation"),
    )
}


def write(folder: Path, **files: str) -> Path:
    """Write the mapping folder; ``mapping``, ``section``, ``schema`` or ``grades`` replace a file."""
    names = {"mapping": MAPPING, "section": SECTION, "schema": SCHEMA, "grades": GRADES}
    for name, text in {**FILES, **{names[key]: text for key, text in files.items()}}.items():
        folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(name).write_text(text, encoding="utf-8")
    return folder


def change(folder: Path, file: str, old: str, new: str) -> Path:
    """Replace the one place of a file that reads ``old``."""
    text = folder.joinpath(file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    folder.joinpath(file).write_text(text.replace(old, new), encoding="utf-8")
    return folder


def line_of(folder: Path, file: str, text: str) -> int:
    """The line, from 1, of the first line that holds the text."""
    lines = folder.joinpath(file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def plan(folder: Path) -> Plan:
    """The compiled folder."""
    mapping = read_mapping(folder)
    return compile_plan(mapping, provisional_numbers(mapping))


@dataclass(frozen=True)
class Shown:
    """What a case became, as text: one line for each row and each problem, in order."""

    rows: list[str]
    problems: list[str]


def run(compiled: Plan, document: Mapping[str, Any], **changes: Any) -> Shown:
    """Transform BARE with these keys added; the row of the visit 'start' is not shown."""
    result = show(compiled, transform(compiled, {**BARE, **document, **changes}, CaseKey(7, 3, None)))
    return Shown(
        [row for row in result.rows if not row.startswith("visit_occurrence visit.start ")], result.problems
    )


def show(compiled: Plan, result: Result) -> Shown:
    """A result in words; the person's row is not shown."""
    names = {rule.number: (rule.name, rule.each_path.count("[*]")) for rule in compiled.rules}
    rows = [
        shown(compiled, names, table, line)
        for table, lines in result.rows.items()
        for line in lines
        if table != "person"
    ]
    problems = [f"{names[one.rule or 0][0]}: {one.kind} {one.path}: {one.reason}" for one in result.told]
    return Shown(rows, problems)


def shown(compiled: Plan, names: Mapping[int, tuple[str, int]], table: str, line: str) -> str:
    """A row as ``table name concept column=value ...``: ids by their rule and position, defaults left out.

    Left out: NULL, 0, the person, the type concept, datetimes (the date says it), 2000-01-01, the visit
    'start', and a source value that is the rule's name.
    """
    row = {
        column: symbol(names, int(value)) if refers(column) else value
        for column, value in decode(compiled, table, line).items()
        if value is not None
    }
    target = TARGETS.get(table)
    name = row.pop(target.id_column if target else f"{table}_id", "")
    main = row.pop(_own_concept(target, row), "")
    said = [
        f"{column}={_quoted(value)}" for column, value in row.items() if not _default(column, value, name)
    ]
    return " ".join(filter(None, (table, name, main, *said)))


def _own_concept(target: Target | None, row: Mapping[str, str]) -> str:
    """The column of the concept that says what a row is; the first in a table that rules do not write to."""
    if target is not None:
        return target.concept_column or ""
    return next((column for column in row if column.endswith("_concept_id")), "")


def symbol(names: Mapping[int, tuple[str, int]], row_id: int) -> str:
    """A row id as ``rule`` or ``rule[position][position]``."""
    origin = unpack(row_id)
    name, depth = names[origin.rule]
    return name + "".join(f"[{one}]" for one in positions(origin.item, depth))


def refers(column: str) -> bool:
    """Whether a column holds the id of a generated row."""
    return column.endswith("_id") and not column.endswith("concept_id") and column != "person_id"


def _default(column: str, value: str, name: str) -> bool:
    own = name.partition("[")[0].rpartition(".")[2]
    return (
        column == "person_id"
        or column.endswith("type_concept_id")
        or (value == "0" and column.endswith("concept_id"))
        or (column.endswith("_datetime") and not column.startswith(("episode", "alg")))
        or column == "visit_end_date"
        or value.startswith("2000-01-01")
        or value == "visit.start"
        or (column.endswith("source_value") and value == own)
    )


def _quoted(value: str) -> str:
    date_only = value.removesuffix(" 00:00:00")
    return repr(date_only) if not date_only or any(c in date_only for c in " \t\n\r\\") else date_only


def as_schema(folder: Path) -> dict[str, Any]:
    """The folder's JSON Schema."""
    schema: dict[str, Any] = json.loads(folder.joinpath(SCHEMA).read_text(encoding="utf-8"))
    return schema
