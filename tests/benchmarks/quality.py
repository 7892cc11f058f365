"""Every quality check of a loaded database. Floor: one count of the rows of each table, in one scan each."""

from functools import partial

from sqlalchemy import Connection, Engine, text

from etl.quality.cdm import tables
from etl.quality.check import Check
from etl.quality.generate import checks_of
from etl.quality.result import Report as Quality
from etl.quality.run import run
from etl.quality.thresholds import Thresholds, read_thresholds
from etl.setup import DEFAULT_MAPPING
from tests.benchmarks.databases import fresh
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed
from tests.benchmarks.remap import loaded

CASES = 5000


def measure(setting: Setting) -> Report:
    count = setting.cases or CASES
    with loaded(setting.server_url, count) as (name, _, _), fresh(setting.server_url, name) as engine:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        seconds, checks = timed(lambda: checks_of(engine, DEFAULT_MAPPING))
        made = f"making the checks, which is not among the pairs: {seconds:.3f} s"
        limits = read_thresholds(DEFAULT_MAPPING.joinpath("quality.yaml"), checks)
        ours, floor = partial(_ours, engine, checks, limits, count), partial(_floor, engine, count)
        pairs = alternate(ours, floor, setting.pairs)
        return Report("quality", pairs, (made, _told(run(engine, checks, limits))))


def _ours(engine: Engine, checks: tuple[Check, ...], limits: Thresholds, count: int) -> Taken:
    seconds, report = timed(lambda: run(engine, checks, limits))
    # The denominator of this check is all rows of a table.
    rows = {one.check.table: one.among for one in report.results if one.check.name == "isPrimaryKey"}
    return _taken(seconds, count, rows)


def _floor(engine: Engine, count: int) -> Taken:
    with engine.connect() as connection:
        seconds, rows = timed(lambda: _count(connection))
    return _taken(seconds, count, rows)


def _count(connection: Connection) -> dict[str, int]:
    keyed = [one for one in tables() if one.primary_key.columns]
    return {
        one.name: connection.execute(text(f"SELECT count(*) FROM {one.fullname}")).scalar_one()
        for one in keyed
    }


def _taken(seconds: float, count: int, rows: dict[str, int]) -> Taken:
    there = {table: number for table, number in sorted(rows.items()) if number}
    made = "; ".join(f"{table} {number}" for table, number in there.items())
    return Taken(seconds, count, sum(there.values()), made)


def _told(report: Quality) -> str:
    key = "field_isprimarykey_measurement_measurement_id"
    measured = next(one.among for one in report.results if one.check.id == key)
    return f"{len(report.results):,} checks, {len(report.failed)} failed; measurement has {measured:,} rows"
