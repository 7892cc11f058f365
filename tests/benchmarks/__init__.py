"""Benchmarks: each measures a stage as a ratio to the least work of the same result, in the same run.

``python -m tests.benchmarks [NAME...]`` runs them. Each is a function of a Setting and returns a Report.
"""

from collections.abc import Callable

from tests.benchmarks import (
    access,
    curated,
    dicomweb,
    feed,
    ingest,
    posts,
    quality,
    read,
    reingest,
    remap,
    scan,
    search,
    transform,
    vocabulary,
)
from tests.benchmarks.measure import Report, Setting

BENCHMARKS: dict[str, Callable[[Setting], Report]] = {
    "transform": transform.measure,
    "read": read.measure,
    "ingest": ingest.measure,
    "reingest": reingest.measure,
    "remap": remap.measure,
    "vocabulary": vocabulary.measure,
    "search": search.measure,
    "posts": posts.measure,
    "access": access.measure,
    "feed": feed.measure,
    "dicomweb": dicomweb.measure,
    "scan": scan.measure,
    "curated": curated.measure,
    "quality": quality.measure,
}
