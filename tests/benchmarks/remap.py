"""Remap of loaded cases. Floor: deleting the same rows, and plain COPY of the new ones, in one transaction.

Both start from a clone of one loaded database, with every constraint and index in place. The mapping differs
in its digest only, so that every case is made anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, text

from etl import ingest as stages
from etl.foresee import foresee
from etl.plan import Plan
from etl.remap import remap
from etl.setup import prepare
from omop_schema import OMOP
from omop_schema.database import copy
from tests.benchmarks.cases import ndjson
from tests.benchmarks.databases import fingerprint, fresh, template
from tests.benchmarks.ingest import UNCOUNTED, Encoded, counted, encode
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed

CASES = 2000


def measure(setting: Setting) -> Report:
    count = setting.cases or CASES
    with loaded(setting.server_url, count) as (name, plan, encoded):
        ours = partial(_remap, setting.server_url, name, replace(plan, digest="another"))
        floor = partial(_replace, setting.server_url, name, encoded)
        pairs = alternate(ours, floor, setting.pairs)
        return Report("remap", pairs, (_preview(setting.server_url, name),))


@contextmanager
def loaded(server_url: str, count: int) -> Iterator[tuple[str, Plan, Encoded]]:
    """The name of a database that holds so many cases, their plan, and its rows as COPY text."""
    with TemporaryDirectory() as folder, template(server_url) as name, fresh(server_url, name) as engine:
        file = Path(folder) / "cases.ndjson"
        file.write_bytes(ndjson(count))
        plan = prepare(engine)
        stages.ingest(engine, plan, [file], "benchmark")
        with engine.connect() as connection:
            encoded = encode(connection, plan, count)
        engine.dispose()
        yield str(engine.url.database), plan, encoded


def _remap(server_url: str, name: str, plan: Plan) -> Taken:
    with fresh(server_url, name) as engine:
        seconds, counts = timed(lambda: remap(engine, plan))
        rows = counted(counts.rows)
        with engine.connect() as connection:
            return Taken(seconds, counts.cases, rows, fingerprint(connection, "lake.documents"))


def _replace(server_url: str, name: str, encoded: Encoded) -> Taken:
    with fresh(server_url, name) as engine, engine.connect() as connection:
        seconds, rows = timed(lambda: _replace_all(connection, encoded))
        return Taken(seconds, len(encoded.documents), rows, fingerprint(connection, "lake.documents"))


def _replace_all(connection: Connection, encoded: Encoded) -> int:
    """Every row that is of one case deleted and copied again, committed; returns how many."""
    tables = {name: rows for name, rows in encoded.tables.items() if name not in UNCOUNTED}
    with connection.begin():
        for table in reversed(tables):
            connection.execute(text(f"DELETE FROM {OMOP}.{table}"))
        taken = {
            table: copy(connection, f"{OMOP}.{table}", columns, lines)
            for table, (columns, lines) in tables.items()
            if lines
        }
    return counted(taken)


def _preview(server_url: str, name: str) -> str:
    with fresh(server_url, name) as engine:
        seconds, impact = timed(lambda: foresee(engine, every=True))
    return f"the preview of the same {impact.cases:,} cases: {seconds:.3f} s"
