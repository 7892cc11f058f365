"""docs/api.md: its addresses are the service's, and its example is what the service answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.posting import app_on
from tests.serving import served

ROOT = Path(__file__).parents[2]
PAGE = ROOT.joinpath("docs", "api.md").read_text(encoding="utf-8")
#: "`GET /uploads/{id}`"; a placeholder may have a space where the program has an underscore.
ADDRESS = re.compile(r"`(GET|POST|DELETE) (/[^`\s?]*(?:\{[^}]*\}[^`\s?]*)?)[`?]")


@pytest.fixture
def client(lake_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    with served(app_on(lake_url, monkeypatch)) as client:
        yield client


def test_every_request_is_in_the_page_and_no_other(client: httpx.Client) -> None:
    told = {(method, path.replace(" ", "_")) for method, path in ADDRESS.findall(PAGE)}
    described = client.get("/openapi.json").raise_for_status().json()["paths"]
    there = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert told - {("GET", "/openapi.json")} == there


def test_the_example_of_a_post_is_what_the_service_answers(client: httpx.Client) -> None:
    (answer,) = re.findall(r"-F data_file=@case\.json \S+\n(\{.+?\})\n\$", PAGE, re.DOTALL)
    (case,) = re.findall(r"\]\(\.\./(mappings/prostate/samples/\S+)\), D4\.4's own", PAGE)
    document = ROOT.joinpath(case).read_bytes()
    response = client.post("/usecases", files={"data_file": ("case.json", document)})
    assert (response.status_code, response.json()) == (200, json.loads(answer))


def test_every_metric_is_in_the_page_and_no_other(client: httpx.Client) -> None:
    told = set(re.findall(r"^\| `(oncolake_\w+)` \|", PAGE, re.MULTILINE))
    said = client.get("/metrics").raise_for_status().text
    there = re.findall(r"^# TYPE (\w+) (\w+)$", said, re.MULTILINE)
    assert told == {name for name, _ in there if not name.endswith("_created")}
