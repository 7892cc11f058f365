"""A small mapping made by hand: every stage around the transform can be tried without the mapping language.

A case is ``{patient, form, site, age, values: [{day, psa}], text, problems, item, concept}``. The last three
make the transform report problems, number a row beyond its room, or name a concept.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Engine, text

from etl.identity import pack
from etl.plan import CasePaths, Document, Plan, Rows, Rule
from omop_schema.copy_text import escape

VISIT, PSA, NOTE = 3001, 3002, 3003
BASELINE = date(2000, 1, 1)

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["patient", "form", "age"],
    "properties": {
        "patient": {"type": "string", "maxLength": 50},
        "form": {"type": "string"},
        "site": {"type": ["string", "null"]},
        "age": {"type": "integer"},
        "values": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"day": {"type": "integer"}, "psa": {"type": "number"}},
                "required": ["day", "psa"],
            },
        },
        "text": {"type": ["string", "null"]},
        "problems": {"type": "array"},
        "item": {"type": "integer"},
        "concept": {"type": "integer"},
    },
}

COLUMNS = {
    "person": (
        "person_id",
        "gender_concept_id",
        "year_of_birth",
        "race_concept_id",
        "ethnicity_concept_id",
        "care_site_id",
        "person_source_value",
        "gender_source_concept_id",
        "race_source_concept_id",
        "ethnicity_source_concept_id",
    ),
    "visit_occurrence": (
        "visit_occurrence_id",
        "person_id",
        "visit_concept_id",
        "visit_start_date",
        "visit_start_datetime",
        "visit_end_datetime",
        "visit_type_concept_id",
        "visit_source_concept_id",
        "admitted_from_concept_id",
        "discharge_to_concept_id",
    ),
    "measurement": (
        "measurement_id",
        "person_id",
        "measurement_concept_id",
        "measurement_date",
        "measurement_datetime",
        "measurement_type_concept_id",
        "value_as_number",
        "visit_occurrence_id",
        "measurement_source_concept_id",
    ),
    "note": (
        "note_id",
        "person_id",
        "note_event_field_concept_id",
        "note_datetime",
        "note_type_concept_id",
        "note_class_concept_id",
        "note_text",
        "encoding_concept_id",
        "language_concept_id",
    ),
}

RULES = tuple(
    Rule(number, name, each_path, (), target, "by hand", 1)
    for number, name, each_path, target in [
        (VISIT, "visit", "$.values[*]", "visit_occurrence"),
        (PSA, "psa", "$.values[*]", "measurement"),
        (NOTE, "note", "$", "note"),
    ]
)


def run(
    document: Document,
    case_id: int,
    person_id: int,
    care_site_id: int | None,
    rows: Rows,
    problem: Callable[[int | None, str, str, str], None],
) -> tuple[str, str]:
    site = r"\N" if care_site_id is None else care_site_id
    born, patient = 2000 - document["age"], escape(document["patient"])
    rows["person"].append(f"{person_id}\t0\t{born}\t0\t0\t{site}\t{patient}\t0\t0\t0\n")
    days = []
    for item, value in enumerate(document.get("values", [])):
        day = BASELINE + timedelta(value["day"])
        visit = pack(case_id, VISIT, item)
        rows["visit_occurrence"].append(f"{visit}\t{person_id}\t0\t{day}\t{day}\t{day}\t32809\t0\t0\t0\n")
        rows["measurement"].append(
            f"{pack(case_id, PSA, document.get('item', item))}\t{person_id}\t{document.get('concept', 0)}"
            f"\t{day}\t{day}\t32809\t{value['psa']}\t{visit}\t0\n"
        )
        days.append(day.isoformat())
    if document.get("text"):
        rows["note"].append(
            f"{pack(case_id, NOTE)}\t{person_id}\t0\t2000-01-01\t32809\t0\t{escape(document['text'])}\t0\t0\n"
        )
    for kind in document.get("problems", []):
        problem(PSA, kind, "$.values", "made by hand")
    return min(days, default=""), max(days, default="")


PLAN = Plan(
    mapping="mini",
    digest="0" * 64,
    schema=SCHEMA,
    case=CasePaths("patient", "form", "site"),
    rules=RULES,
    columns=COLUMNS,
    ignored={},
    code="",
    run=run,
    trace=run,
)


def renewed(plan: Plan, **changes: Any) -> Plan:
    """The same mapping with other files behind it."""
    return replace(plan, digest="1" * 64, **changes)


def install(engine: Engine, plan: Plan = PLAN) -> None:
    """Register the rules of a plan made by hand."""
    with engine.begin() as connection:
        for rule in plan.rules:
            connection.execute(
                text(
                    "INSERT INTO lake.rules (rule_id, mapping, name, each_path)"
                    " VALUES (:number, :mapping, :name, :each_path)"
                ),
                {
                    "number": rule.number,
                    "mapping": plan.mapping,
                    "name": rule.name,
                    "each_path": rule.each_path,
                },
            )


def case(patient: str = "P1", form: str = "A", **more: Any) -> dict[str, Any]:
    """A case of three measurements."""
    values = [{"day": day, "psa": day + 0.5} for day in (0, 20, 400)]
    return {"patient": patient, "form": form, "site": "FORTH", "age": 70, "values": values, **more}


def lines(*documents: dict[str, Any]) -> bytes:
    """Documents as an ndjson file."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in documents)
