"""Ingest of a file again with one case changed. Floor: ingest of a file that holds that one case alone."""

from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from sqlalchemy import Engine, text

from etl import ingest as stages
from etl.plan import Plan
from etl.setup import prepare
from tests.benchmarks.cases import Document, documents, raw_lines
from tests.benchmarks.databases import fresh, template
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed
from tests.benchmarks.stages import watched

CASES = 2000


def measure(setting: Setting) -> Report:
    cases = documents(setting.cases or CASES)
    changed = len(cases) // 2
    versions = count(1)
    with TemporaryDirectory() as folder, template(setting.server_url) as name:
        file = Path(folder) / "cases.ndjson"
        with fresh(setting.server_url, name) as engine:
            plan = prepare(engine)
            _take(engine, plan, file, cases)

            def all_of_them() -> Taken:
                _change(cases[changed], next(versions))
                return _take(engine, plan, file, cases)

            def the_one() -> Taken:
                _change(cases[changed], next(versions))
                return _take(engine, plan, file, [cases[changed]])

            with watched() as found:
                seconds = all_of_them().seconds
            the_one()
            return Report("reingest", alternate(all_of_them, the_one, setting.pairs), found.notes(seconds))


def _change(case: Document, version: int) -> None:
    """Give the case a gland volume that it never had, so that each of its documents is a new one."""
    case["clinicalBaselineData"]["prostateVolume"] = 20 + version / 10


def _take(engine: Engine, plan: Plan, file: Path, cases: list[Document]) -> Taken:
    file.write_bytes(b"".join(raw_lines(cases)))
    seconds, summary = timed(lambda: stages.ingest(engine, plan, [file], "benchmark"))
    made = f"{summary.stored} stored; {orjson.dumps(summary.loaded.rows).decode()}; {_in_omop(engine)} in all"
    return Taken(seconds, len(cases), summary.loaded.rows.total(), made)


def _in_omop(engine: Engine) -> int:
    """Measurements in the database: replacing a case leaves them as many as they were."""
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM omop.measurement")).scalar_one()
