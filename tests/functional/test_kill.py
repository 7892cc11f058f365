"""Fifty kills: whenever an ingest dies, each case is in OMOP whole or not at all, and a re-run completes.

The parent is warm and its children are forked, so that a kill costs milliseconds; it is a real SIGKILL of a
process with a database connection of its own.
"""

import os
import random
import signal
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from sqlalchemy import BigInteger, Connection, Engine, TextClause, select, text

import etl.ingest
from etl.delete import event_tables
from etl.identity import unpack
from etl.plan import Plan
from etl.sample import sample
from etl.setup import prepare
from etl.strict import digest
from omop_schema import clinical
from omop_schema.database import make_engine
from tests.conftest import engine_on, new_database

KILLS = 50
CASES = 150
SEED = 20261121

Content = dict[str, list[tuple[Any, ...]]]
"""Every OMOP row of a patient, with ids written as what they stand for."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a child must share the warm parent")


class Lake(NamedTuple):
    """What one snapshot of a database holds."""

    content: Content
    loaded: dict[str, bytes]
    """The digest of the document that each loaded case's rows should come from, by patient."""


def read(engine: Engine) -> Lake:
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        patients = _pairs(connection, text("SELECT person_id, patient_id FROM lake.patients"))
        cases = _pairs(connection, text("SELECT case_id, patient_id FROM lake.cases"))
        sites = _pairs(connection, text("SELECT care_site_id, site FROM lake.sites"))
        loaded = connection.execute(
            text(
                "SELECT patient_id, digest FROM lake.cases JOIN lake.documents"
                " ON (documents.case_id, documents.version) = (cases.case_id, loaded_version)"
            )
        )
        by_patient = {patient: bytes(sha256) for patient, sha256 in loaded}
        content: Content = defaultdict(list)
        for table in (clinical.person, clinical.observation_period, *(each.kept for each in event_tables())):
            names = [_namer(column, cases, patients, sites) for column in table.c]
            for row in connection.execute(select(table)):
                named = [name(value) for name, value in zip(names, row, strict=True)]
                content[_patient(table.name, named)].append((table.name, *named))
    return Lake({patient: sorted(rows, key=repr) for patient, rows in content.items()}, by_patient)


def _pairs(connection: Connection, statement: TextClause) -> dict[Any, Any]:
    return {row[0]: row[1] for row in connection.execute(statement)}


def _namer(
    column: Any, cases: dict[int, str], patients: dict[int, str], sites: dict[int, str]
) -> Callable[[Any], Any]:
    """What to write instead of a column's values: numbers given by sequences differ from run to run."""
    if column.name in ("person_id", "observation_period_id"):
        return patients.__getitem__
    if column.name == "care_site_id":
        return sites.get
    if isinstance(column.type, BigInteger):
        return lambda value: value if value is None else (cases[unpack(value).case_id], *unpack(value)[1:])
    return lambda value: value


def _patient(table: str, named: list[Any]) -> str:
    """Whose row it is: the first two columns hold a packed id or the person."""
    return str(named[0][0] if isinstance(named[0], tuple) else named[0])


def write(folder: Path, number: int, documents: list[dict[str, Any]]) -> Path:
    """A file of these documents; blank lines make its bytes differ from those of other numbers."""
    file = folder / f"{number}.ndjson"
    file.write_bytes(b"\n".join(map(orjson.dumps, documents)) + b"\n" * (number + 1))
    return file


def child(url: str, plan: Plan, file: Path) -> int:
    """Start an ingest in a process of its own; returns its id."""
    if process := os.fork():
        return process
    try:
        etl.ingest.ingest(make_engine(url), plan, [file], "killed")
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(3)


def was_killed_after(seconds: float, process: int) -> bool:
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def changed(document: dict[str, Any]) -> dict[str, Any]:
    """The same case with other values and fewer rows."""
    baseline = {**document["clinicalBaselineData"], "age": document["clinicalBaselineData"]["age"] - 1}
    fewer = {"lesions": document["lesions"][:1]} if document.get("lesions") else {}
    return {**document, "clinicalBaselineData": baseline, **fewer}


@contextmanager
def clone(server_url: str, template: str) -> Iterator[tuple[str, Engine]]:
    with new_database(server_url, template) as url, engine_on(url) as engine:
        yield url, engine


def clean_run(server_url: str, template: str, file: Path) -> tuple[Content, float]:
    """What an undisturbed ingest makes, and how long it takes."""
    with clone(server_url, template) as (_, engine):
        plan = prepare(engine)
        start = time.monotonic()
        etl.ingest.ingest(engine, plan, [file], "undisturbed")
        taken = time.monotonic() - start
        return read(engine).content, taken


def test_fifty_kills_leave_whole_cases_and_a_rerun_completes(
    server_url: str, template_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etl.ingest, "BATCH", 10)
    one_form_each = {case["patientID"]: case for case in sample(2 * CASES, seed=1)}
    first = list(one_form_each.values())[:CASES]
    versions = [first, [changed(document) for document in first]]
    clean = [
        clean_run(server_url, template_database, write(tmp_path, 1000 + number, documents))
        for number, documents in enumerate(versions)
    ]
    expected = {
        digest(document): content[document["patientID"]]
        for documents, (content, _) in zip(versions, clean, strict=True)
        for document in documents
    }
    assert len(expected) == 2 * CASES
    randomness = random.Random(SEED)
    kills = rounds = 0
    with clone(server_url, template_database) as (url, engine):
        plan = prepare(engine)
        while kills < KILLS or rounds < 4:
            content, taken = clean[rounds % 2]
            file = write(tmp_path, rounds, versions[rounds % 2])
            while True:
                engine.dispose()
                killed = was_killed_after(randomness.uniform(0, taken), child(url, plan, file))
                found = read(engine)
                assert found.content == {
                    patient: expected[sha256] for patient, sha256 in found.loaded.items()
                }
                assert len(found.loaded) == CASES or rounds == 0, "a case that was loaded once is gone"
                kills += killed
                if not killed or kills % 5 == 0:
                    break
            etl.ingest.ingest(engine, plan, [file], "re-run")
            assert read(engine).content == content
            rounds += 1
    assert kills >= KILLS
