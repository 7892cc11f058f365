"""The tiny mapping on a database, cases for it, edits of it, and what the database then holds."""

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, text

from omop_schema import OMOP, metadata
from tests import mini
from tests.mini import GRADES, MAPPING, SCHEMA, SECTION
from vocabularies.concepts import CONCEPTS, HEADER

UNKNOWN = "0,No matching concept"
SCORED = "scored: {table: measurement, concept: 60 Size, number: score, visit: start}\n"


def write(folder: Path) -> Path:
    """The tiny mapping with its concepts as placeholders; its value map knows no concept for ``high``."""
    folder.mkdir(parents=True, exist_ok=True)
    mini.write(folder, grades=mini.FILES[GRADES].replace("71,High", UNKNOWN))
    write_concepts(folder, {each.concept_id: each.concept_name for each in mini.CONCEPTS.values()})
    return folder


def write_concepts(folder: Path, names: Mapping[int, str]) -> None:
    domains = {each.concept_id: each.domain_id for each in mini.CONCEPTS.values()}
    with folder.joinpath(CONCEPTS).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(
            (one, name, domains.get(one, "Measurement"), *("",) * 7) for one, name in names.items() if one
        )


def documents() -> list[dict[str, Any]]:
    """Twelve cases of eight persons; four persons have two forms, which agree or not."""
    found = []
    for number in range(12):
        patient, form = f"P{number % 8}", "AB"[number // 8]
        found.append(
            {
                **mini.BARE,
                "id": patient,
                "form": form,
                "age": 60 + number % 8 + (number == 9),
                "days": number * 3 or None,
                "flag": number % 3 == 0,
                "ill": number % 2 == 0,
                "grade": (None, "low", "high")[number % 3],
                "score": (1, 2, None)[number % 3],
                "count": number or None,
                "size": 7.2 if number == 3 else number + 0.5,
                "word": None if number % 4 else f"tab\t and \\ {number}",
            }
        )
    return found


def write_documents(file: Path, *some: Mapping[str, Any]) -> Path:
    file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in some or documents()))
    return file


def _changed(*edits: tuple[str, str, str]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for file, old, new in edits:
            mini.change(folder, file, old, new)

    return edit


def _ignored(path: str) -> tuple[str, str, str]:
    return MAPPING, "ignore:\n", f"ignore:\n  {path}: not needed here\n"


EDITS: Mapping[str, Callable[[Path], None]] = {
    "nothing": _changed((MAPPING, "title: A tiny mapping", "title: The tiny mapping")),
    "value map fixed": _changed((GRADES, UNKNOWN, "71,High")),
    "rule added": _changed((SECTION, SCORED, SCORED + SCORED.replace("scored", "newcomer"))),
    "rule removed": _changed((SECTION, SCORED, ""), _ignored("score")),
    "rule renamed": _changed((SECTION, "scored:", "rated:")),
    "rule that others refer to renamed": _changed(
        (SECTION, "scan:\n  table", "scanned:\n  table"), (SECTION, "of: scan}", "of: scanned}")
    ),
    "column changed": _changed((SECTION, ", unit: 80 millimeter", "")),
    "number read elsewhere": _changed((SECTION, "number: count", "number: size"), _ignored("count")),
    "table changed": _changed(
        (SECTION, SCORED, "scored: {table: observation, concept: 97 Seen, number: score, visit: start}\n")
    ),
    "concept changed": _changed(
        (SECTION, "concept: 60 Size, number: score", "concept: 61 Grade, number: score")
    ),
    "last use of a table removed": _changed(
        (
            SECTION,
            'remark: {table: note, concept: 95 Remark, title: word, text: "{word}", visit: start}\n',
            "",
        ),
        _ignored("word"),
    ),
    "dates changed": _changed((MAPPING, "date: baseline + days days", "date: baseline"), _ignored("days")),
    "rule without an episode": _changed((SECTION, "  episode: whole\n", "")),
    "person changed": _changed((MAPPING, "gender: 30 Female", "gender: {when: flag, is: 30 Female}")),
    "schema narrowed": _changed(
        (SCHEMA, '"age": {"type": "integer"}', '"age": {"type": "integer", "maximum": 66}'),
        (GRADES, UNKNOWN, "71,High"),
    ),
}

_TABLES = [
    each
    for each in metadata.sorted_tables
    if each.schema == OMOP
    and each.name
    not in ("concept", "vocabulary", "domain", "concept_class", "cdm_source", "source_to_concept_map")
]

Rows = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


def rows(connection: Connection) -> Rows:
    """All rows of OMOP that a mapping can make, by table and key."""
    return {
        table.name: {
            tuple(row[key.name] for key in table.primary_key): dict(row)
            for row in connection.execute(table.select()).mappings()
        }
        for table in _TABLES
    }


def problems(connection: Connection) -> Counter[tuple[Any, ...]]:
    """All problems: case, rule's name, kind, path, reason."""
    statement = text(
        "SELECT case_id, coalesce(name, 'person'), kind, path, reason"
        " FROM lake.problems LEFT JOIN lake.rules USING (rule_id)"
    )
    return Counter(map(tuple, connection.execute(statement)))


def lake(engine: Engine) -> dict[str, Any]:
    """All that follows from the documents and the mapping."""
    with engine.connect() as connection:
        cases = connection.execute(
            text(
                "SELECT case_id, version, loaded_version, plan, person, first_date, last_date"
                " FROM lake.cases ORDER BY 1"
            )
        )
        return {
            "rows": rows(connection),
            "problems": problems(connection),
            "cases": [tuple(row) for row in cases],
        }


def untouched(engine: Engine) -> dict[str, list[str]]:
    """Every row of both schemas with its place and transaction: equal only if none was written."""
    row = "concat(ctid, ' ', xmin, ' ', xmax, ' ', each)"
    with engine.connect() as connection:
        return {
            name: sorted(connection.scalars(text(f"SELECT {row} FROM {name} AS each")))
            for name in (f"{table.schema}.{table.name}" for table in metadata.sorted_tables)
        }
