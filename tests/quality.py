"""A loaded database for the tests of quality checks, and running checks on it."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from etl.curation_files import curate_files
from etl.ingest import ingest
from etl.quality.generate import checks_of
from etl.quality.result import Report, Result
from etl.quality.run import run
from etl.quality.thresholds import read_thresholds
from etl.sample import sample
from etl.setup import CURATION_MAPPING, DEFAULT_MAPPING, prepare

CASES = 120


def fill(engine: Engine, folder: Path) -> None:
    """Sample cases, and what was marked and moved in some of their series."""
    documents = list(sample(CASES))
    cases, curations = folder / "cases.ndjson", folder / "curations.ndjson"
    cases.write_text("\n".join(map(json.dumps, documents)))
    assert ingest(engine, prepare(engine), [cases], "tests").exit_code < 2
    series = [one["SeriesInstanceUID"] for each in documents for one in each.get("dicom") or []]
    curations.write_text("\n".join(map(json.dumps, _curations(series[::4]))))
    assert curate_files(engine, prepare(engine, CURATION_MAPPING), [curations], "tests").exit_code < 2


def _curations(series: Iterable[str]) -> Iterator[dict[str, Any]]:
    for uid in series:
        feature = {"name": "original_shape_MeshVolume", "value": 402.7, "unit": "mm3"}
        yield {
            "curation_function": "segmentation",
            "meta": {"source_series_uid": uid},
            "algorithm": {"type": "MANUAL"},
            "segments": [{"number": 1, "label": "prostate", "features": [feature]}],
        }
        step = {"registration_step_name": "rigid", "levels": [{"factor": 1, "level_iters": 10, "sigma": 0}]}
        yield {
            "curation_function": "motion_correction",
            "meta": {"source_series_uid": uid},
            "parameters": {"registration_steps": [step], "nbins": 32, "sampling_prop": 0.1},
        }


def check(engine: Engine, tables: Iterable[str] = (), **options: Any) -> Report:
    """Run the checks, of these tables or all, by the shipped thresholds."""
    every = checks_of(engine, DEFAULT_MAPPING)
    some = [one for one in every if not tables or one.table in tables]
    limits = read_thresholds(DEFAULT_MAPPING.joinpath("quality.yaml"), every)
    return run(engine, some, limits, **options)


def result(report: Report, wanted: str) -> Result:
    """The result of the check of that id."""
    return next(one for one in report.results if one.check.id == wanted)


def change(engine: Engine, *statements: str) -> None:
    """Change the tables as an outsider would who goes past every foreign key."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for one in statements:
            connection.exec_driver_sql(one, execution_options={"no_parameters": True})
