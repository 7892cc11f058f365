"""Curation metadata over HTTP: both functions of D4.4's Appendix B, and what is wrong with others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import Engine, text

from etl.curation import SAMPLES
from tests.posting import app_on, query
from tests.serving import served


def sample(name: str = "coregistration") -> Any:
    return orjson.loads(SAMPLES.joinpath(f"{name}.json").read_bytes())


@pytest.fixture
def client(lake_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    with served(app_on(lake_url, monkeypatch)) as client:
        yield client


def send(client: httpx.Client, document: Any, **headers: str) -> httpx.Response:
    content = document if isinstance(document, bytes) else orjson.dumps(document)
    return client.post(
        "/curationMeta", content=content, headers={"Content-Type": "application/json", **headers}
    )


@pytest.mark.parametrize("name", ["motion_correction", "coregistration"])
def test_both_functions_are_kept_as_submitted(client: httpx.Client, lake: Engine, name: str) -> None:
    content = SAMPLES.joinpath(f"{name}.json").read_bytes()
    response = client.post("/curationMeta", files={"data_file": ("c.json", content)})
    assert response.status_code == 200, response.text
    body, meta = response.json(), sample(name)["meta"]
    assert (body["curation_function"], body["changed"], body["repeated"]) == (name, True, False)
    assert query(
        lake,
        "SELECT curation_id, upload_id, curation_function, source_series_uid, static_series_uid, document"
        " FROM lake.curations",
    ) == [
        (
            body["curation_id"],
            body["upload_id"],
            name,
            meta["source_series_uid"],
            meta.get("static_series_uid"),
            sample(name),
        )
    ]
    assert query(lake, "SELECT mapping, outcome, cases, stored, source, organisation FROM lake.uploads") == [
        ("curationMeta", "loaded", 1, 1, "data_file", "forth")
    ]
    again = client.post("/curationMeta", files={"data_file": ("c.json", content)})
    assert (again.status_code, again.json()) == (200, {**body, "repeated": True})


def test_the_same_document_is_kept_once_for_an_organisation(client: httpx.Client, lake: Engine) -> None:
    first = send(client, sample()).json()
    second = send(client, orjson.dumps(sample(), option=orjson.OPT_INDENT_2)).json()
    assert second == {**first, "upload_id": second["upload_id"], "changed": False}
    assert second["upload_id"] != first["upload_id"]
    other = send(client, sample(), **{"X-Organisation": "uke"}).json()
    assert other["changed"], "whether another provider sent it is nobody's business"
    assert query(lake, "SELECT count(*) FROM lake.curations") == [(2,)]
    assert query(lake, "SELECT stored, unchanged FROM lake.uploads ORDER BY upload_id") == [
        (1, 0),
        (0, 1),
        (1, 0),
    ]


def test_many_at_once_keep_one(client: httpx.Client, lake: Engine) -> None:
    texts = [orjson.dumps(sample()) + b" " * (number % 4) for number in range(16)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda content: send(client, content), texts))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["curation_id"] for each in answers}) == 1
    assert query(lake, "SELECT count(*) FROM lake.curations") == [(1,)]
    assert query(lake, "SELECT count(*) FROM lake.uploads") == [(4,)]


def test_withdrawn_bytes_are_a_new_upload(client: httpx.Client, lake: Engine) -> None:
    first = send(client, sample()).json()
    with lake.begin() as connection:
        connection.execute(text("DELETE FROM lake.curations"))
        connection.execute(text("UPDATE lake.uploads SET outcome = 'withdrawn'"))
    again = send(client, sample()).json()
    assert (again["changed"], again["repeated"]) == (True, False)
    assert again["upload_id"] != first["upload_id"]


def changed(path: str, value: Any, name: str = "coregistration") -> Any:
    """A sample with another value at a path of keys and numbers; ``...`` takes it out."""
    document = place = sample(name)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


LEVEL = "parameters.registration_steps.0.levels.0"


@pytest.mark.parametrize(
    ("document", "path", "reason"),
    [
        (changed("curation_function", "denoising"), "$.curation_function", "must be one of"),
        (changed("curation_function", ...), "$", "'curation_function' is missing"),
        (changed("meta.static_series_uid", ...), "$.meta", "'static_series_uid' is missing"),
        (
            changed("meta.static_series_uid", "1.2", "motion_correction"),
            "$.meta",
            "unknown key 'static_series_uid'",
        ),
        (changed("meta.source_series_uid", "1.2." + "3" * 61), "$.meta.source_series_uid", "64 characters"),
        (changed("meta.source_series_uid", "1..2"), "$.meta.source_series_uid", "pattern"),
        (changed("meta.source_series_uid", "1.2\n"), "$.meta.source_series_uid", "pattern"),
        (changed("meta.source_series_uid", "Secret"), "$.meta.source_series_uid", "pattern"),
        (changed("parameters.registration_steps", []), "$.parameters.registration_steps", "at least 1 item"),
        (changed(f"{LEVEL}.factor", 0), "$.parameters.registration_steps[0].levels[0].factor", "at least 1"),
        (
            changed(f"{LEVEL}.level_iters", 1.5),
            "$.parameters.registration_steps[0].levels[0].level_iters",
            "an integer",
        ),
        (changed(f"{LEVEL}.sigma", -1), "$.parameters.registration_steps[0].levels[0].sigma", "at least 0"),
        (
            changed("parameters.registration_steps.1.registration_step_name", "elastic"),
            "$.parameters.registration_steps[1].registration_step_name",
            "must be one of",
        ),
        (changed("parameters.nbins", 1), "$.parameters.nbins", "at least 2"),
        (changed("parameters.nbins", ...), "$.parameters", "'nbins' is missing"),
        (changed("parameters.sampling_prop", 0), "$.parameters.sampling_prop", "more than 0"),
        (changed("parameters.sampling_prop", 1.1), "$.parameters.sampling_prop", "at most 1"),
        (changed("parameters.extra", 1), "$.parameters", "an unknown key (the 4th of this object)"),
        ([sample(), sample()], "$", "must be one document"),
        (b"{", "$", "is not JSON"),
        (b"", "$", "holds no"),
    ],
)
def test_what_is_no_curation_document_is_refused(
    client: httpx.Client, lake: Engine, document: Any, path: str, reason: str
) -> None:
    response = send(client, document)
    assert response.status_code == 400, response.text
    body = response.json()
    (violation,) = body["violations"]
    assert violation["path"] == path
    assert reason in violation["reason"]
    assert "Secret" not in response.text
    assert query(lake, "SELECT upload_id, outcome, rejected, stored FROM lake.uploads") == [
        (body["upload_id"], "rejected", 2 if isinstance(document, list) else 1, 0)
    ]
    assert query(lake, "SELECT path, reason FROM lake.violations") == [(path, violation["reason"])]
    assert query(lake, "SELECT count(*) FROM lake.curations") == [(0,)]
    assert send(client, document).json() == body
