"""docs/api.md: its addresses are the service's, and its example is what the service answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.http import reads, removals, watch, writes
from api.http.app import create_app
from api.http.settings import read_settings
from omop_schema.database import SETTING
from tests.posting import app_on, figure
from tests.serving import served
from tests.tokens import Issuer

#: What a summary would be made of that nobody wrote.
FUNCTIONS = [one for module in (reads, removals, watch, writes) for one in vars(module)]
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
    client.get("/healthz").raise_for_status()  # some series begin with what they count
    said = client.get("/metrics").raise_for_status().text
    assert told == set(re.findall(r"^# TYPE (\w+) \w+$", said, re.MULTILINE))


def test_the_service_serves_no_page_of_scripts(client: httpx.Client) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert client.get(path).status_code == 404


def test_every_request_has_a_summary_of_its_own(client: httpx.Client) -> None:
    app = client.get("/openapi.json").json()
    summaries = [one["summary"] for methods in app["paths"].values() for one in methods.values()]
    made_up = {name.replace("_", " ").title() for name in FUNCTIONS}
    assert len(set(summaries)) == len(summaries)
    assert made_up.isdisjoint(summaries)


@pytest.mark.parametrize(
    ("path", "method", "sent"),
    [("/feed.json", "get", "/feed.json"), ("/uploads/{id}", "get", "/uploads/1"),
     ("/usecases", "post", "/usecases"), ("/uploads/{id}", "delete", "/uploads/1")],
)  # fmt: skip
def test_what_is_shown_of_a_missing_token_is_what_is_answered(
    lake_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, method: str, sent: str
) -> None:
    monkeypatch.setenv(SETTING, lake_url)
    with served(create_app(read_settings(**Issuer().settings(tmp_path)))) as client:
        responses = client.get("/openapi.json").json()["paths"][path][method]["responses"]
        answer = client.request(method, sent)
    shown = responses["401"]
    assert answer.json() == shown["content"]["application/problem+json"]["example"]
    assert answer.headers["WWW-Authenticate"] == shown["headers"]["WWW-Authenticate"]["example"]


def test_the_examples_are_made_as_the_answers_are(client: httpx.Client) -> None:
    upload = client.post("/usecases", json=figure("P1")).json()["upload_id"]
    paths = client.get("/openapi.json").json()["paths"]

    def shown(path: str, method: str = "get") -> Any:
        (content,) = paths[path][method]["responses"]["200"]["content"].values()
        return content["example"]

    for path, address in (
        ("/feed.json", "/feed.json"),
        ("/uploads/{id}", f"/uploads/{upload}"),
        ("/patients/{patientID}", "/patients/P1"),
        ("/usecases/{use_case}", "/usecases/3"),
    ):
        answer = client.get(address).json()
        example = shown(path)
        assert example["feed_url"].startswith("https://metadata.example.org" + path.partition("{")[0])
        assert names(example, {"next_url"}) == names(answer), path
        assert names(example["items"][0]) == names(answer["items"][0]), path
        assert names(example["items"][0]["_oncolake"]) == names(answer["items"][0]["_oncolake"]), path
        if "_oncolake" in answer:
            assert names(example["_oncolake"]) == names(answer["_oncolake"])
    for path, address in (("/uploads/{id}", f"/uploads/{upload}"), ("/patients/{patientID}", "/patients/P1")):
        assert names(shown(path, "delete")) == names(client.delete(address).json())
        client.post("/usecases", json=figure("P1"))


def names(told: dict[str, Any], besides: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment]
    return told.keys() - besides


def test_what_the_framework_refuses_has_a_next_step(client: httpx.Client) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("PUT", "/feed.json", 405)):
        answer = client.request(method, path)
        assert answer.status_code == answer.json()["status"] == status
        assert "GET /openapi.json lists those" in answer.json()["detail"]
