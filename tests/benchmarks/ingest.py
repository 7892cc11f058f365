"""Ingest from an NDJSON file into a fresh database. Floor: plain COPY of the same documents and encoded rows.

The floor's OMOP tables are the same, with every constraint and index in place; its documents go into a table
like ``lake.documents``. Both start from a clone of one initialised database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from sqlalchemy import Connection, text

from etl import ingest as stages
from etl.land import identity
from etl.plan import CaseKey, Plan
from etl.setup import prepare
from etl.strict import digest
from etl.transform import transform
from omop_schema import OMOP, metadata
from omop_schema.copy_text import line
from omop_schema.database import copy
from omop_schema.statements import STATEMENTS
from tests.benchmarks.cases import documents, ndjson
from tests.benchmarks.databases import fingerprint, fresh, template
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed
from tests.benchmarks.stages import watched

CASES = 2000
FLOOR_DOCUMENTS = "lake.floor_documents"
DOCUMENT = ("case_id", "version", "upload_id", "position", "digest", "document")
#: Rows that both sides write and no rule makes, or that several cases share.
UNCOUNTED = ("care_site", "person", "observation_period")
#: Counted by neither side: cases of one patient in two batches may speak of one series, which is one row.
MERGED = tuple(STATEMENTS)


@dataclass(frozen=True, slots=True)
class Encoded:
    """All that the floor copies: columns and lines by table, in an order that keeps foreign keys."""

    documents: list[str]
    tables: dict[str, tuple[tuple[str, ...], list[str]]]


def measure(setting: Setting) -> Report:
    count = setting.cases or CASES
    with TemporaryDirectory() as folder, template(setting.server_url) as name:
        file = Path(folder) / "cases.ndjson"
        file.write_bytes(ndjson(count))
        encoded, notes = _rehearse(setting.server_url, name, file, count)
        ours = partial(_ingest, setting.server_url, name, file)
        floor = partial(_copy, setting.server_url, name, encoded)
        return Report("ingest", alternate(ours, floor, setting.pairs), notes)


def _rehearse(server_url: str, name: str, file: Path, count: int) -> tuple[Encoded, tuple[str, ...]]:
    """Ingest once, watched: tells the stages and which numbers the cases get, always the same."""
    with fresh(server_url, name) as engine:
        plan = prepare(engine)
        with watched() as found:
            seconds, _ = timed(lambda: stages.ingest(engine, plan, [file], "benchmark"))
        with engine.connect() as connection:
            return encode(connection, plan, count), found.notes(seconds)


def encode(connection: Connection, plan: Plan, count: int) -> Encoded:
    """What the floor copies of so many cases that an ingest has loaded: it gives them the same numbers."""
    statement = text("SELECT patient_id, form, case_id, person_id, care_site_id FROM lake.cases")
    keys = {(patient, form): CaseKey(*key) for patient, form, *key in connection.execute(statement)}
    lines, rows, persons = [], plan.empty_rows(), {}
    for position, document in enumerate(documents(count), 1):
        key = keys[identity(document, plan.case)[:2]]
        raw = orjson.dumps(document).decode()
        lines.append(line(key.case_id, 1, 1, position, digest(document), raw))
        for table, more in transform(plan, document, key).rows.items():
            rows[table] += more
        # The last document of a person decides.
        persons[key.person_id] = rows["person"][-1]
    events = {
        # What OMOP holds merged, the floor gets as it is in the end.
        table: _dumped(connection, table) if table in STATEMENTS else (columns, rows[table])
        for table, columns in plan.columns.items()
    }
    columns, _ = events.pop("person")
    person = {"person": (columns, list(persons.values()))}
    period = {"observation_period": _dumped(connection, "observation_period")}
    return Encoded(lines, {"care_site": _dumped(connection, "care_site")} | person | period | events)


def _dumped(connection: Connection, table: str) -> tuple[tuple[str, ...], list[str]]:
    """The rows of a table that no transform makes, as COPY text."""
    columns = tuple(metadata.tables[f"{OMOP}.{table}"].columns.keys())
    file = StringIO()
    with connection.connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {OMOP}.{table} ({', '.join(columns)}) TO STDOUT", file)
    return columns, file.getvalue().splitlines(keepends=True)


def _ingest(server_url: str, name: str, file: Path) -> Taken:
    with fresh(server_url, name) as engine:
        plan = prepare(engine)
        seconds, summary = timed(lambda: stages.ingest(engine, plan, [file], "benchmark"))
        rows = counted(summary.loaded.rows)
        with engine.connect() as connection:
            return Taken(seconds, summary.stored, rows, fingerprint(connection, "lake.documents"))


def _copy(server_url: str, name: str, encoded: Encoded) -> Taken:
    with fresh(server_url, name) as engine, engine.connect() as connection:
        with connection.begin():
            connection.execute(text(f"CREATE TABLE {FLOOR_DOCUMENTS} (LIKE lake.documents INCLUDING ALL)"))
        seconds, rows = timed(lambda: _copy_all(connection, encoded))
        return Taken(seconds, len(encoded.documents), rows, fingerprint(connection, FLOOR_DOCUMENTS))


def counted(rows: Mapping[str, int]) -> int:
    """Of so many rows by table, those of one case each."""
    return sum(number for table, number in rows.items() if table not in (*UNCOUNTED, *MERGED))


def _copy_all(connection: Connection, encoded: Encoded) -> int:
    """Everything, committed; returns the number of rows that a plan makes, as an ingest counts them."""
    with connection.begin():
        copy(connection, FLOOR_DOCUMENTS, DOCUMENT, encoded.documents)
        taken = {
            table: copy(connection, f"{OMOP}.{table}", columns, lines)
            for table, (columns, lines) in encoded.tables.items()
            if lines
        }
    return counted(taken)
