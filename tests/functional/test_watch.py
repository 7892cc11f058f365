"""Watching: without a token, without a patient, and true when the database is not what it should be."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import orjson
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

import migrations
from api.http.app import create_app
from api.http.settings import read_settings
from api.http.watch import FOLDER, Metrics
from etl.curation import SAMPLES
from omop_schema.database import SETTING
from tests.posting import figure
from tests.serving import served
from tests.tokens import Issuer


class Service(NamedTuple):
    client: httpx.Client
    app: FastAPI
    engine: Engine
    issuer: Issuer


@pytest.fixture
def service(
    lake_url: str, lake: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    monkeypatch.setenv(SETTING, lake_url)
    monkeypatch.delenv(FOLDER, raising=False)
    issuer = Issuer()
    app = create_app(read_settings(**issuer.settings(tmp_path)))
    with served(app) as client:
        yield Service(client, app, lake, issuer)


def samples(said: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample: its name and the values of its labels, by label."""
    return {
        (one.name, tuple(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(said)
        for one in family.samples
    }


def metrics(service: Service) -> dict[tuple[str, tuple[str, ...]], float]:
    response = service.client.get("/metrics").raise_for_status()
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return samples(response.text)


def test_it_lives_and_is_ready(service: Service) -> None:
    assert service.client.get("/healthz").json() == {"status": "alive"}
    ready = service.client.get("/readyz")
    digest = service.app.state.lake.plan.digest[:12]
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "version": migrations.newest(), "mapping": "prostate", "digest": digest},
    )
    assert service.client.head("/healthz").status_code == service.client.head("/readyz").status_code == 200


def test_it_is_not_ready_for_tables_of_another_version(service: Service) -> None:
    with service.engine.begin() as connection:
        connection.execute(text("UPDATE lake.alembic_version SET version_num = '0001'"))
    refused = service.client.get("/readyz")
    assert refused.status_code == 503
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
    assert "version 0001" in refused.json()["detail"]
    assert service.client.get("/healthz").status_code == 200


def test_it_is_ready_again_once_the_database_is_back(service: Service) -> None:
    with service.engine.begin() as connection:
        connection.execute(text("ALTER SCHEMA lake RENAME TO elsewhere"))
    refused = service.client.get("/readyz")
    assert (refused.status_code, refused.json()["detail"]) == (
        503,
        "not ready: the database cannot be used now",
    )
    assert service.client.get("/healthz").status_code == 200
    with service.engine.begin() as connection:
        connection.execute(text("ALTER SCHEMA elsewhere RENAME TO lake"))
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert service.client.get("/readyz").status_code == 200


def test_requests_are_counted_by_route_and_never_by_what_was_asked(service: Service) -> None:
    headers = service.issuer.headers(["modellers"])
    for address in ("/patients/PCa-SECRET", "/patients/PCa-SECRET-2", "/uploads/4711", "/feed.json"):
        service.client.get(address, headers=headers)
    service.client.get("/feed.json")
    service.client.get("/PCa-SECRET")
    service.client.request("PCA-SECRET", "/feed.json")
    said = service.client.get("/metrics").text
    assert "SECRET" not in said
    assert "4711" not in said
    found = samples(said)
    requests = {labels: count for (name, labels), count in found.items() if name == "oncolake_requests_total"}
    assert requests == {
        ("GET", "/patients/{patientID}", "404"): 2,
        ("GET", "/uploads/{id}", "404"): 1,
        ("GET", "/feed.json", "200"): 1,
        ("GET", "/feed.json", "401"): 1,
        ("GET", "none", "404"): 1,
        ("other", "/feed.json", "405"): 1,
    }
    assert found["oncolake_request_seconds_count", ("GET", "/feed.json")] == 2
    assert 0 < found["oncolake_request_seconds_sum", ("GET", "/feed.json")] < 60


def test_uploads_rows_and_problems_are_counted(service: Service) -> None:
    counts: Metrics = service.app.state.metrics
    counts.uploaded("loaded")
    counts.loaded({"measurement": 12, "person": 1}, {})
    counts.uploaded("loaded")
    counts.loaded({"measurement": 3}, {"unmapped": 2})
    counts.uploaded("rejected")
    found = metrics(service)
    assert found["oncolake_uploads_total", ("loaded",)] == 2
    assert found["oncolake_uploads_total", ("rejected",)] == 1
    assert found["oncolake_rows_total", ("measurement",)] == 15
    assert found["oncolake_problems_total", ("unmapped",)] == 2


def test_the_same_bytes_again_are_counted_as_no_other_upload(service: Service) -> None:
    headers = service.issuer.headers()
    for path, document in (
        ("/usecases", figure("P1")),
        ("/usecases", {"no": "case"}),
        ("/curationMeta", orjson.loads(SAMPLES.joinpath("coregistration.json").read_bytes())),
        ("/curationMeta", {"no": "curation"}),
    ):
        first, again = (service.client.post(path, json=document, headers=headers) for _ in range(2))
        assert first.json()["upload_id"] == again.json()["upload_id"]
    found = metrics(service)
    assert found["oncolake_uploads_total", ("loaded",)] == 2
    assert found["oncolake_uploads_total", ("rejected",)] == 2
    with service.engine.connect() as connection:
        written = connection.execute(text("SELECT count(*) FROM omop.measurement")).scalar_one()
    assert found["oncolake_rows_total", ("measurement",)] == written > 0


def test_connections_in_use_are_told(service: Service) -> None:
    assert metrics(service)["oncolake_connections_in_use", ()] == 0
    with service.app.state.lake.connection(), service.app.state.lake.connection():
        assert metrics(service)["oncolake_connections_in_use", ()] == 2
    assert metrics(service)["oncolake_connections_in_use", ()] == 0


def test_two_applications_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.uploaded("loaded")
    assert ("oncolake_uploads_total", ("loaded",)) in samples(one.text().decode())
    assert ("oncolake_uploads_total", ("loaded",)) not in samples(other.text().decode())


def test_workers_that_share_a_folder_answer_for_all(tmp_path: Path) -> None:
    worker = textwrap.dedent("""
        import os, signal, sys
        from api.http.watch import Metrics
        metrics = Metrics()
        metrics.uploaded("loaded")
        metrics.loaded({"measurement": 5}, {})
        metrics.answered("GET", "/feed.json", "200", 0.01)
        metrics._connections.set(3)
        if sys.argv[1] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        print(metrics.text().decode())
    """)
    environment = {**os.environ, FOLDER: str(tmp_path)}

    def run(how: str) -> str:
        command = [sys.executable, "-c", worker, how]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    assert run("killed") == ""
    assert run("killed") == ""
    found = samples(run("asked"))
    assert found["oncolake_uploads_total", ("loaded",)] == 3
    assert found["oncolake_rows_total", ("measurement",)] == 15
    assert found["oncolake_request_seconds_count", ("GET", "/feed.json")] == 3
    # What killed workers held in use is free again.
    assert found["oncolake_connections_in_use", ()] == 3


def test_watching_needs_no_token_in_the_document_either(service: Service) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    for path in ("/healthz", "/readyz", "/metrics"):
        assert "security" not in paths[path]["get"]
        for response in paths[path]["get"]["responses"].values():
            assert all("example" in content for content in response["content"].values())
    assert "security" in paths["/feed.json"]["get"]
