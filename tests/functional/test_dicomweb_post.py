"""Headers posted in DICOM's JSON model: checked, stored by series, and found by a search."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from tests.conftest import engine_on, new_database
from tests.dicoms import CANARY, header, uid
from tests.posting import app_on, figure, query
from tests.serving import served

TYPE = {"Content-Type": "application/dicom+json"}


@pytest.fixture(scope="module")
def url(server_url: str, template_database: str) -> Iterator[str]:
    with new_database(server_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch, served(app_on(url, patch)) as client:
        yield client


@pytest.fixture
def lake(url: str) -> Iterator[Engine]:
    with engine_on(url) as engine:
        yield engine


def dataset(*numbers: int, **changes: Any) -> dict[str, Any]:
    return header(*numbers, **changes).to_json_dict()


def post(client: httpx.Client, *datasets: dict[str, Any], address: str = "/studies", **headers: str) -> Any:
    return client.post(address, content=json.dumps(datasets).encode(), headers=TYPE | headers)


def series_of(client: httpx.Client, study: int) -> list[tuple[str, int]]:
    response = client.get(f"/studies/{uid(study)}/series")
    found = response.json() if response.status_code == 200 else []
    return [(each["0020000E"]["Value"][0], each["00201209"]["Value"][0]) for each in found]


def test_headers_are_found_once_the_patient_is_known(client: httpx.Client) -> None:
    headers = [dataset(1, series, instance) for series in (1, 2) for instance in (1, 2, 3)]
    sent = post(client, *headers)
    assert sent.status_code == 200, sent.text
    stored = sent.json()
    assert [each["form"] for each in stored["cases"]] == [uid(1, 1), uid(1, 2)]
    assert all(each["loaded"] and not each["problems"] for each in stored["cases"])
    assert [each["waiting"] for each in stored["cases"]] == [True, True]
    assert series_of(client, 1) == []
    form = client.post("/usecases", json=figure("P00001"))
    assert (form.status_code, form.json()["cases"][0]["waiting"]) == (200, False)
    assert sorted(series_of(client, 1)) == [(uid(1, 1), 3), (uid(1, 2), 3)]
    (study,) = client.get("/studies", params={"PatientID": "p00001", "StudyInstanceUID": uid(1)}).json()
    assert study["00201206"]["Value"] == [2]
    assert study["00201208"]["Value"] == [6]
    assert study["00080030"]["Value"] == ["101530"]
    assert (
        client.get("/studies", params={"PatientID": "P00001"}, headers={"X-Organisation": "uke"}).status_code
        == 204
    )
    again = post(client, *headers).json()
    assert again["repeated"]
    # All but that nothing waits any more.
    assert [each.pop("waiting") for one in (again, stored) for each in one["cases"]] == [False] * 2 + [
        True
    ] * 2
    assert again | {"repeated": False} == stored


def test_a_dataset_alone_is_a_post_too(client: httpx.Client) -> None:
    assert client.post("/usecases", json=figure("P00002")).status_code == 200
    response = client.post("/studies", content=json.dumps(dataset(2, 1)).encode(), headers=TYPE)
    assert response.status_code == 200, response.text
    assert series_of(client, 2) == [(uid(2, 1), 1)]
    # The series is now what the newer post says.
    assert post(client, dataset(2, 1, 1), dataset(2, 1, 2)).status_code == 200
    assert series_of(client, 2) == [(uid(2, 1), 2)]


def test_what_still_identifies_somebody_is_refused_whole(client: httpx.Client, lake: Engine) -> None:
    before = query(lake, "SELECT count(*) FROM lake.uploads")
    bad = [dataset(3, 1, each, PatientName=f"{CANARY}^Anna", PatientAddress=CANARY) for each in (1, 2)]
    response = post(client, dataset(3, 2), *bad)
    assert response.status_code == 400
    found = {each["keyword"]: each for each in response.json()["findings"]}
    assert set(found) == {"PatientName", "PatientAddress"}
    assert found["PatientName"]["tag"] == "(0010,0010)"
    assert found["PatientName"]["headers"] == 2
    assert CANARY not in response.text
    assert query(lake, "SELECT count(*) FROM lake.uploads") == before


def test_what_would_happen_is_told_without_storing(client: httpx.Client, lake: Engine) -> None:
    before = query(lake, "SELECT count(*) FROM lake.uploads")
    response = post(client, dataset(4, 1), address="/studies?validate=only")
    assert (response.status_code, response.json()["outcome"]) == (200, "loaded")
    assert query(lake, "SELECT count(*) FROM lake.uploads") == before
    assert (
        post(client, dataset(4, 1, PatientName=CANARY), address="/studies?validate=only").status_code == 400
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no case document"),
        (b"[]", "holds no case document"),
        (b"{", ""),
        (b"[1]", ""),
        (b'[{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]', ""),
        (b'[{"nonsense": {"vr": "UI"}}]', ""),
        (b'[{"00100020": 7}]', ""),
        (b'[{"00100020": {"vr": "ZZ", "Value": [{}]}}]', ""),
    ],
)
def test_what_is_no_header_is_refused(client: httpx.Client, content: bytes, said: str) -> None:
    response = client.post("/studies", content=content, headers=TYPE)
    assert response.status_code == 400, response.text
    faults = response.json()["violations"]
    assert all(each["record"] == 1 and said in each["reason"] for each in faults)
    assert faults


def test_instances_of_one_series_belong_together(client: httpx.Client) -> None:
    response = post(client, dataset(5, 1, 1), dataset(5, 1, 2, PatientID="P00099"))
    assert response.status_code == 400
    assert "send what belongs together" in response.json()["detail"]


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/dicom", "multipart/related", "application/dicom+json, x", ""],
)
def test_only_dicom_json_is_taken(client: httpx.Client, media_type: str) -> None:
    response = client.post("/studies", content=b"[]", headers={"Content-Type": media_type})
    assert response.status_code == 415


def test_another_providers_patient_is_refused(client: httpx.Client) -> None:
    assert client.post("/usecases", json=figure("P00006")).status_code == 200
    response = post(client, dataset(6, 1), **{"X-Organisation": "uke"})
    assert response.status_code == 409
    assert series_of(client, 6) == []


def test_a_key_is_of_one_post(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "k1"}
    assert post(client, dataset(7, 1), **key).status_code == 200
    assert post(client, dataset(7, 1), **key).json()["repeated"]
    assert post(client, dataset(7, 2), **key).status_code == 422
