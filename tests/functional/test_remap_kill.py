"""Ten kills: whenever a remap dies, each case has the rows of one mapping whole, and a re-run completes."""

import os
import random
import time
import traceback
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

import etl.remap
from etl.ingest import ingest
from etl.plan import Plan
from etl.remap import remap
from etl.setup import prepare
from omop_schema.database import make_engine
from tests import remaps
from tests.functional.test_kill import clone, read, was_killed_after

KILLS = 10
CASES = 120
SEED = 20261121

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a child must share the warm parent")


def child(url: str, plan: Plan) -> int:
    """Start a remap in a process of its own; returns its id."""
    if process := os.fork():
        return process
    try:
        remap(make_engine(url), plan)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(3)


def cases(tmp_path: Path) -> Path:
    """Two forms of each patient, so that persons have cases of both mappings if ever a kill parts them."""
    documents = [
        {**document, "id": f"{document['id']}-{number}"}
        for number in range(CASES // 12)
        for document in remaps.documents()
    ]
    return remaps.write_documents(tmp_path / "cases.ndjson", *documents)


def plans(engine: Engine) -> dict[str, set[str]]:
    """Which versions of the mapping made the rows of a person."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT patient_id, array_agg(DISTINCT plan) FROM lake.cases GROUP BY 1")
        )
        return {patient: set(found) for patient, found in rows}


def test_kills_leave_every_person_with_one_mapping_and_a_rerun_completes(
    server_url: str, template_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etl.remap, "BATCH", 5)
    file = cases(tmp_path)
    folders = [remaps.write(tmp_path / name) for name in ("one", "other")]
    for edit in ("value map fixed", "rule renamed", "person changed", "dates changed"):
        remaps.EDITS[edit](folders[1])
    randomness = random.Random(SEED)
    with clone(server_url, template_database) as (url, engine):
        made = [prepare(engine, folder) for folder in folders]
        assert ingest(engine, made[0], [file], "t").loaded.cases == CASES
        content = {}
        for plan in reversed(made):
            start = time.monotonic()
            assert remap(engine, plan).cases == CASES
            taken = time.monotonic() - start
            content[plan.digest] = read(engine).content
        kills = partly = rounds = 0
        while kills < KILLS:
            plan = made[(rounds + 1) % 2]
            while True:
                engine.dispose()
                killed = was_killed_after(randomness.uniform(0, taken), child(url, plan))
                found, by = read(engine).content, plans(engine)
                assert all(len(digests) == 1 for digests in by.values())
                assert found == {patient: content[digest][patient] for patient, (digest,) in by.items()}
                partly += len({digest for (digest,) in by.values()}) == 2
                kills += killed
                if not killed or kills % 3 == 0:
                    break
            remap(engine, plan)
            assert read(engine).content == content[plan.digest]
            rounds += 1
    assert partly, "no kill came between two batches"
