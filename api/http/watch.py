"""Watching: whether the process lives, whether it can serve, and what it has done, in Prometheus' format.

Nothing here needs a token, and nothing here names a patient, an organisation or a user: labels are routes,
methods, statuses, outcomes, tables and kinds. A proxy may keep the three addresses inside all the same.

One process counts in its memory. Several keep their counts in a folder, and any of them answers for all: in a
temporary one that ``serving`` makes, or in an empty one that ``PROMETHEUS_MULTIPROC_DIR`` names before.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import Engine, QueuePool, text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.errors import RETRY_AFTER, ApiError
from api.http.examples import refusals
from api.http.lake import Lake
from migrations import newest
from omop_schema.database import DatabaseError
from omop_schema.embedded.postmaster import process_exists

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

router = APIRouter(tags=["Watching"])
# A series more for each, with the moment of its first count: several workers tell none.
disable_created_metrics()  # type: ignore[no-untyped-call]

_EXAMPLE = """# HELP oncolake_uploads_total Uploads by their first outcome
# TYPE oncolake_uploads_total counter
oncolake_uploads_total{outcome="loaded"} 42.0
"""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What one application counts, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._engine: Engine | None = None
        registry, request = self.registry, ("method", "route")
        self._requests = Counter(
            "oncolake_requests", "Requests answered", (*request, "status"), registry=registry
        )
        self._seconds = Histogram(
            "oncolake_request_seconds", "Time to answer", request, buckets=_SECONDS, registry=registry
        )
        self._uploads = Counter(
            "oncolake_uploads", "Uploads by their first outcome", ("outcome",), registry=registry
        )
        self._rows = Counter("oncolake_rows", "OMOP rows written", ("table",), registry=registry)
        self._problems = Counter("oncolake_problems", "Problems by kind", ("kind",), registry=registry)
        self._connections = Gauge(
            "oncolake_connections_in_use",
            "Database connections in use",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def uploaded(self, outcome: str) -> None:
        """Count an upload that was answered for the first time: the same bytes again are no other one."""
        self._uploads.labels(outcome).inc()

    def loaded(self, rows: Mapping[str, int], problems: Mapping[str, int]) -> None:
        """Count what a request wrote into OMOP: rows by table and problems by kind."""
        for table, count in rows.items():
            self._rows.labels(table).inc(count)
        for kind, count in problems.items():
            self._problems.labels(kind).inc(count)

    def answered(self, method: str, route: str, status: str, seconds: float) -> None:
        """Count a request."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        self._look()

    def watch(self, engine: Engine) -> None:
        """Tell how many connections of this engine's pool are in use."""
        self._engine = engine

    def _look(self) -> None:
        if self._engine is not None and isinstance(self._engine.pool, QueuePool):
            self._connections.set(self._engine.pool.checkedout())

    def text(self) -> bytes:
        """The counts in Prometheus' text format: of every worker, where they share a folder."""
        self._look()
        if not os.environ.get(FOLDER):
            return generate_latest(self.registry)
        _forget_dead()
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


class Watched:
    """Counts and times every request, by the template of its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # What ends without an answer is a fault, which the outermost layer answers, or a client that left.
        status, began = "500", time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, answer)
        finally:
            # Addresses that no route has are the client's own words: none of them becomes a label.
            route = getattr(scope.get("route"), "path_format", "none")
            self.metrics.answered(scope["method"], route, status, time.perf_counter() - began)


@router.get(
    "/healthz",
    summary="Whether the process lives",
    responses={200: {"content": {"application/json": {"example": {"status": "alive"}}}}},
)
@router.head("/healthz", include_in_schema=False)
async def is_alive() -> dict[str, str]:
    """The process lives. It asks nobody else, and needs no token."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="Whether it can serve",
    responses={
        200: {
            "content": {
                "application/json": {
                    "example": {
                        "status": "ready",
                        "version": "0003",
                        "mapping": "prostate",
                        "digest": "de05c681ce62",
                    }
                }
            }
        },
        **refusals(503),
    },
)
@router.head("/readyz", include_in_schema=False)
def is_ready(request: Request) -> dict[str, str]:
    """The database is reachable and has this program's tables, and the mapping is compiled. No token."""
    lake: Lake | None = getattr(request.app.state, "lake", None)
    if lake is None:
        raise _not_ready("the service is starting")
    try:
        with lake.connection() as connection:
            have = connection.execute(_VERSION).scalar_one_or_none()
    except DatabaseError:
        raise _not_ready("the database cannot be used now") from None
    if have != newest():
        raise _not_ready(f"the database is at version {have}, this program needs {newest()}")
    return {
        "status": "ready",
        "version": have,
        "mapping": lake.plan.mapping,
        "digest": lake.plan.digest[:12],
    }


@router.get(
    "/metrics",
    summary="Counts for Prometheus",
    response_class=Response,
    responses={200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}, "example": _EXAMPLE}}}},
)
def read_metrics(request: Request) -> Response:
    """Counts in Prometheus' text format: no token, and nothing that names anybody."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


_VERSION = text("SELECT version_num FROM lake.alembic_version")


def _not_ready(reason: str) -> ApiError:
    return ApiError(503, f"not ready: {reason}", headers={"Retry-After": str(RETRY_AFTER)})


def _forget_dead() -> None:
    """Leave out the gauges of workers that were killed: what they held in use is free again."""
    for file in Path(os.environ[FOLDER]).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not process_exists(int(pid)):
            with suppress(FileNotFoundError):
                mark_process_dead(int(pid))  # type: ignore[no-untyped-call]
