"""What the tests of the mapping language share: a mapping, a rule, a document, and the rows that follow.

Rows are shown as ``tests.mini`` shows them. The mapping's visits are ``start`` (2000-01-01), ``scan``
(``days`` later) and ``entry`` (one for each of ``items`` that has a date); the episode is ``whole``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from etl.coverage import cover
from etl.plan import Plan
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


#: More places of the case; the items of ``others`` hold more of everything than those of ``items``.
OTHERS = """\
    "at": {"type": ["string", "null"], "format": "date-time"},
    "whole": {
      "type": ["object", "null"],
      "properties": {
        "word": {"type": ["string", "null"]},
        "odd key": {"type": ["integer", "null"]},
        "words": {"type": ["array", "null"], "maxItems": 9, "items": {"type": ["string", "null"]}},
        "numbers": {"type": ["array", "null"], "maxItems": 9, "items": {"type": ["number", "null"]}}
      }
    },
    "others": {
      "type": ["array", "null"],
      "maxItems": 20,
      "items": {
        "type": "object",
        "properties": {
          "flag": {"type": ["boolean", "null"]},
          "on": {"type": ["string", "null"], "format": "date"},
          "size": {"type": ["number", "null"]},
          "first": {"type": ["integer", "null"]},
          "second": {"type": ["integer", "null"]},
          "part": {
            "type": ["object", "null"],
            "properties": {
              "flag": {"type": ["boolean", "null"]},
              "sizes": {"type": ["array", "null"], "maxItems": 20, "items": {"type": "number"}}
            }
          }
        }
      }
    },
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


def compiled(folder: Path, rule: str, mapping: Mapping[str, str], **sections: str) -> Plan:
    """The folder of MAPPING with these rules, changes of the mapping, and more sections."""
    mini.write(folder, mapping=MAPPING, section=rule + "\n")
    mini.change(
        folder,
        mini.SCHEMA,
        '    "items": {\n      "type": ["array"',
        OTHERS + '    "items": {\n      "type": ["array"',
    )
    for old, new in mapping.items():
        mini.change(folder, mini.MAPPING, old, new)
    for name, rules in sections.items():
        folder.joinpath(f"{name}.yaml").write_text(rules)
    head = "source_code,source_code_description,target_concept_id,target_concept_name\n"
    for name, rows in {
        "scores": "1,one,70,Low\n2,two,71,High\n",
        "flags": "true,yes,70,Low\nfalse,no,71,High\n",
        "gaps": "low,low,0,No matching concept\nhigh,high,71,High\n",
    }.items():
        folder.joinpath("value_maps", f"{name}.csv").write_text(head + rows)
    return mini.plan(folder)


def every(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """The test is run for each case, under its name."""
    listed = list(cases)
    assert len({case.says for case in listed}) == len(listed), "every case has a name of its own"
    return pytest.mark.parametrize("case", listed, ids=lambda case: case.says)


def holds(folder: Path, case: Case) -> None:
    """Exactly these rows and problems follow from the rule and the document, traced or not."""
    plan = compiled(folder, case.rule, case.mapping)
    result = mini.run(plan, case.document)
    assert result.rows == list(case.rows)
    assert result.problems == list(case.problems)
    assert traced(plan, case.document) == result


def traced(plan: Plan, document: Mapping[str, Any]) -> mini.Shown:
    """What the tracing twin of the plan gives, without what it tells of the values it used."""

    def trace(*arguments: Any) -> tuple[str, str]:
        *others, problem = arguments
        return plan.trace(*others, lambda *told: None if told[1] == "used" else problem(*told))

    return mini.run(replace(plan, run=trace), document)


def fates(plan: Plan, document: Mapping[str, Any]) -> dict[str, str]:
    """What coverage says of each value, without those that every case of the tests has."""
    leaves = cover(plan, {**mini.BARE, **document})
    return {leaf.path: leaf.fate for leaf in leaves if leaf.path.removeprefix("$.") not in mini.BARE}
