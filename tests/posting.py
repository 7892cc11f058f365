"""The service on a lake of its own with somebody at the door, for tests that post to it."""

from typing import Any

import orjson
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import Engine, text

from api.http.access import may_read, may_remove, may_write
from api.http.app import create_app
from api.http.principal import Access, Principal
from api.http.settings import read_settings
from etl.setup import DEFAULT_MAPPING
from omop_schema.database import SETTING

FIGURE = orjson.loads(DEFAULT_MAPPING.joinpath("samples", "figure-13.json").read_bytes())


def app_on(url: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> FastAPI:
    """The service, which takes ``X-Organisation`` and ``X-Reach`` for what a token and the policy say."""
    monkeypatch.setenv(SETTING, url)
    app = create_app(read_settings(issuer="https://aai.example.org", **settings))
    for dependency in (may_read, may_write, may_remove):
        app.dependency_overrides[dependency] = _access
    return app


def _access(request: Request) -> Access:
    organisation = request.headers.get("X-Organisation", "forth")
    subject = request.headers.get("X-Subject", f"tool@{organisation}")
    principal = Principal(subject, organisation or None, frozenset(), frozenset())
    return Access(principal, request.headers.get("X-Reach", "own"))  # type: ignore[arg-type]


def figure(patient: str = "P1", **changes: Any) -> dict[str, Any]:
    """D4.4's Figure 13 as another patient's case."""
    return {**FIGURE, "patientID": patient, **changes}


def query(engine: Engine, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement), values)]
