"""Curations in OMOP: what they become, what they wait for, and when they go."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import Engine

from etl.curation import SAMPLES
from etl.withdraw import Remover, withdraw_patient, withdraw_upload
from tests.functional.conftest import Run
from tests.plans import PLAN
from tests.posting import app_on, figure, query
from tests.serving import served

STUDY, SOURCE, STATIC, DERIVED = "1.9", "1.9.1", "1.9.2", "1.9.3"
RUNS = "SELECT count(*) FROM omop.curation_run"
PENDING = "SELECT count(*) FROM lake.curations WHERE case_id IS NULL"
ADMIN = Remover("root")


@pytest.fixture
def client(lake_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    with served(app_on(lake_url, monkeypatch)) as client:
        yield client


def curation(name: str = "coregistration", **meta: Any) -> Any:
    """The shipped sample, about our series."""
    document = orjson.loads(SAMPLES.joinpath(f"{name}.json").read_bytes())
    named = {"source_series_uid": SOURCE} | meta
    if "static_series_uid" in document["meta"]:
        named |= {"static_series_uid": STATIC}
    return document | {"meta": document["meta"] | named}


def imaged(patient: str = "P1", series: Sequence[str] = (SOURCE, STATIC)) -> Any:
    """A case whose form names these series."""
    return figure(
        patient,
        dicom=[{"StudyInstanceUID": STUDY, "SeriesInstanceUID": uid, "Modality": "MR"} for uid in series],
    )


def curate(client: httpx.Client, document: Any, **headers: str) -> Any:
    response = client.post("/curationMeta", json=document, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def post(client: httpx.Client, document: Any, **headers: str) -> Any:
    response = client.post("/usecases", json=document, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_curation_waits_for_its_series_and_completes_with_it(client: httpx.Client, lake: Engine) -> None:
    pending = curate(client, curation())
    assert (pending["outcome"], pending["case_id"], pending["rows"]) == ("pending", None, {})
    post(client, imaged(series=[STATIC]))
    assert query(lake, RUNS) == [(0,)]
    post(client, imaged())
    assert query(lake, PENDING) == [(0,)]
    told = curate(client, curation())
    assert (told["outcome"], told["repeated"]) == ("loaded", True)
    assert told["rows"] == {"curation_run": 1, "registration_step": 3, "registration_level": 9}
    case = query(
        lake, "SELECT mapping, patient_id, form FROM lake.cases WHERE case_id = :id", id=told["case_id"]
    )
    digest = query(lake, "SELECT left(encode(digest, 'hex'), 16) FROM lake.curations")[0][0]
    assert case == [("curation", "P1", f"coregistration {digest}")]


@pytest.mark.parametrize("name", ["motion_correction", "coregistration"])
def test_appendix_b_makes_the_round_trip(client: httpx.Client, lake: Engine, name: str) -> None:
    post(client, imaged())
    document = curation(name)
    assert curate(client, document)["outcome"] == "loaded"
    assert query(lake, _WRITTEN_BACK) == [(document,)]
    assert query(lake, "SELECT DISTINCT document FROM lake.curations") == [(document,)]
    assert query(lake, "SELECT DISTINCT parameters FROM omop.curation_run") == [(document["parameters"],)]


#: The document, made of rows alone.
_WRITTEN_BACK = """
    SELECT jsonb_build_object(
        'curation_function', curation_function,
        'meta', jsonb_strip_nulls(jsonb_build_object(
            'source_series_uid', source_series_uid, 'static_series_uid', static_series_uid)),
        'parameters', jsonb_build_object('nbins', nbins, 'sampling_prop', sampling_prop,
            'registration_steps', (
                SELECT jsonb_agg(jsonb_build_object('registration_step_name', step_name, 'levels', (
                    SELECT jsonb_agg(jsonb_build_object('factor', factor, 'level_iters', level_iters,
                        'sigma', sigma) ORDER BY level_number)
                    FROM omop.registration_level AS level
                    WHERE level.registration_step_id = step.registration_step_id)) ORDER BY step_number)
                FROM omop.registration_step AS step WHERE step.curation_run_id = run.curation_run_id)))
    FROM omop.curation_run AS run
"""


def test_who_when_and_with_what_is_kept(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    said = {
        "derived_series_uid": DERIVED,
        "performed_by": "curator 7",
        "performed_at": "2022-03-01T10:00:00+01:00",
        "tool": {"name": "Curation Tool", "version": "1.2"},
    }
    curate(client, curation(**said))
    approval = curation("approval", derived_series_uid=DERIVED)
    curate(client, approval)
    assert query(
        lake,
        "SELECT derived_series_uid, performed_by, performed_at::text, tool_name, tool_version, decision"
        " FROM omop.curation_run JOIN omop.curation_approval USING (person_id, derived_series_uid)",
    ) == [
        (
            DERIVED,
            "curator 7",
            "2022-03-01 09:00:00",
            "Curation Tool",
            "1.2",
            approval["approval"]["decision"],
        )
    ]


def test_a_segmentation_becomes_features_of_its_series(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    told = curate(client, curation("segmentation"))
    assert told["rows"] == {"image_feature": 5}
    assert query(
        lake,
        "SELECT segment_number, image_feature_source_value, value_as_number::text, unit_source_value,"
        " alg_version"
        " FROM omop.image_feature JOIN omop.radiology_image ON image_id = image_occurrence_id"
        " WHERE radiology_image.series_instance_uid = :uid ORDER BY image_feature_id",
        uid=SOURCE,
    ) == [
        (1, "prostate", None, None, "1.4.2"),
        (2, "lesion", None, None, "1.4.2"),
        (1, "original_shape_MeshVolume", "45210.5", "mm3", "1.4.2"),
        (2, "original_shape_MeshVolume", "402.7", "mm3", "1.4.2"),
        (2, "original_firstorder_Entropy", "3.21", None, "1.4.2"),
    ]


def test_other_parameters_are_another_run_and_change_none(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    first = curation()
    second = first | {"parameters": first["parameters"] | {"nbins": 64}}
    for document in (first, second, first):
        curate(client, document)
    assert query(lake, "SELECT nbins FROM omop.curation_run ORDER BY curation_run_id") == [(32,), (64,)]


def test_without_its_series_a_curation_waits_again(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    for name in ("motion_correction", "segmentation"):
        curate(client, curation(name))
    assert query(lake, RUNS) == [(1,)]
    post(client, imaged(series=[STATIC]))
    assert query(lake, RUNS) + query(lake, "SELECT count(*) FROM omop.image_feature") == [(0,), (0,)]
    assert query(lake, PENDING) == [(2,)]
    post(client, imaged(series=[STATIC, SOURCE]))
    assert query(lake, RUNS) + query(lake, PENDING) == [(1,), (0,)]


def test_a_case_that_comes_again_keeps_its_curations(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    told = curate(client, curation("segmentation"))
    post(client, imaged() | {"lesionLocationBasedOn": None})
    assert curate(client, curation("segmentation"))["case_id"] == told["case_id"]
    assert query(lake, "SELECT count(*) FROM omop.image_feature WHERE image_occurrence_id IS NOT NULL") == [
        (5,)
    ]


def test_anothers_patient_gets_no_curation(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    told = curate(client, curation(), **{"X-Organisation": "uke"})
    assert told["outcome"] == "pending", "whether there is such a series is nobody's business"
    post(client, imaged() | {"lesionLocationBasedOn": None})
    assert query(lake, RUNS) == [(0,)]
    assert curate(client, curation(), **{"X-Organisation": "uke", "X-Reach": "all"})["repeated"]
    assert query(lake, PENDING) == [(1,)]


def test_an_administrators_curation_is_of_the_patients_provider(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    told = curate(client, curation(), **{"X-Organisation": "platform", "X-Reach": "all"})
    assert told["outcome"] == "loaded"
    owner = "SELECT organisation FROM lake.cases WHERE case_id = :id"
    assert query(lake, owner, id=told["case_id"]) == [("forth",)]


def test_curations_go_with_their_patient(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    curate(client, curation())
    curate(client, curation("segmentation"), **{"X-Organisation": "uke"})
    with lake.connect() as connection:
        done = withdraw_patient(connection, "P1", ADMIN)
    assert done.documents == 3
    for table in (
        "lake.curations",
        "lake.cases",
        "omop.curation_run",
        "omop.radiology_image",
        "lake.series_statements",
    ):
        assert query(lake, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert query(lake, "SELECT DISTINCT outcome FROM lake.uploads") == [("withdrawn",)]


def headers(patient: str = "P1", uid: str = SOURCE) -> Any:
    """One header in DICOM's JSON model, of nobody."""
    told = {"00080005": "ISO_IR 192", "00120062": "YES", "00120063": "basic", "00280303": "MODIFIED"}
    told |= {
        "00080060": "MR",
        "00100020": patient,
        "0020000D": STUDY,
        "0020000E": uid,
        "00080018": f"{uid}.1",
    }
    kinds = {"00100020": "LO", "00120063": "LO", "0020000D": "UI", "0020000E": "UI", "00080018": "UI"}
    return [{tag: {"vr": kinds.get(tag, "CS"), "Value": [value]} for tag, value in told.items()}]


def scan(client: httpx.Client, document: Any, **more: str) -> Any:
    content = orjson.dumps(document)
    response = client.post(
        "/studies", content=content, headers={"Content-Type": "application/dicom+json", **more}
    )
    assert response.status_code == 200, response.text
    return response.json()


def test_a_form_that_names_no_series_completes_what_waited_for_its_patient(
    client: httpx.Client, lake: Engine
) -> None:
    scan(client, headers())
    assert curate(client, curation())["outcome"] == "pending"
    post(client, figure("P1"))
    assert query(lake, RUNS) + query(lake, PENDING) == [(1,), (0,)]


def test_headers_that_were_posted_can_be_withdrawn(client: httpx.Client, lake: Engine) -> None:
    upload = scan(client, headers())["upload_id"]
    post(client, figure("P1"))
    done = client.delete(f"/uploads/{upload}")
    assert (done.status_code, done.json()["rows"]) == (200, 2), done.text
    assert query(lake, "SELECT count(*) FROM omop.radiology_image") == [(0,)]


def test_a_scan_from_the_command_line_makes_nobody_the_owner(client: httpx.Client, lake: Engine) -> None:
    scan(client, headers(), **{"X-Organisation": "", "X-Reach": "all"})
    post(client, figure("P1"))
    assert query(lake, "SELECT DISTINCT organisation FROM lake.cases") == [("forth",)]
    assert curate(client, curation())["outcome"] == "loaded"
    refused = client.post(
        "/usecases", json=figure("P1", useCaseType="1+2"), headers={"X-Organisation": "uke"}
    )
    assert refused.status_code == 409


def test_of_a_patient_whose_form_is_withdrawn_no_curation_keeps_the_identifier(
    client: httpx.Client, lake: Engine
) -> None:
    form = post(client, imaged())["upload_id"]
    curate(client, curation())
    assert client.delete(f"/uploads/{form}").status_code == 200
    assert query(lake, "SELECT count(*) FROM lake.patients") + query(lake, PENDING) == [(0,), (1,)]


def test_what_was_made_of_a_patients_series_goes_with_the_patient(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    curate(client, curation(derived_series_uid=DERIVED))
    chain = curation("motion_correction", source_series_uid=DERIVED, derived_series_uid="1.9.4")
    assert curate(client, chain)["outcome"] == "pending"
    assert curate(client, curation("segmentation", source_series_uid="1.9.4"))["outcome"] == "pending"
    others = curation("motion_correction", source_series_uid="1.7.1")
    assert curate(client, others)["outcome"] == "pending"
    assert client.delete("/patients/P1").status_code == 200
    assert query(lake, "SELECT document FROM lake.curations") == [(others,)]


def test_headers_are_not_ingested_unchecked(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "series.json"
    file.write_bytes(
        orjson.dumps({"PatientID": "P1", "StudyInstanceUID": STUDY, "SeriesInstanceUID": SOURCE})
    )
    said = run("ingest", "--mappings", "dicom", file)
    assert (said.code, "use `oncolake dicom scan`" in said.err) == (2, True)


def test_a_curations_upload_can_be_withdrawn(client: httpx.Client, lake: Engine) -> None:
    post(client, imaged())
    first = curate(client, curation())
    second = curate(client, curation(), **{"X-Organisation": "platform", "X-Reach": "all"})
    assert first["case_id"] == second["case_id"]
    with lake.connect() as connection:
        withdraw_upload(connection, first["upload_id"], PLAN, ADMIN)
    assert query(lake, RUNS) == [(1,)], "the other organisation's stays"
    with lake.connect() as connection:
        done = withdraw_upload(connection, second["upload_id"], PLAN, ADMIN)
    assert (done.documents, done.rows) == (1, 13)
    assert query(lake, RUNS) + query(lake, "SELECT count(*) FROM lake.curations") == [(0,), (0,)]
    assert query(lake, "SELECT count(*) FROM omop.radiology_image") == [(2,)]


def test_the_command_line_takes_curations_and_tells_which_wait(
    run: Run, lake: Engine, tmp_path: Path
) -> None:
    file, cases = tmp_path / "curations.ndjson", tmp_path / "cases.json"
    wrong = curation() | {"curation_function": "magic"}
    documents = (curation(), curation("segmentation"), wrong)
    file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in documents))
    cases.write_bytes(orjson.dumps(imaged()))
    first = run("ingest", "--mappings", "curation", file)
    assert f"{file}:1: coregistration, pending: its series is not known yet." in first.out
    assert f"{file}:3: $.curation_function: must be one of" in first.out
    assert first.code == 2
    second = run("ingest", cases)
    assert "2 curations had waited for a series of these." in second.out
    assert second.code == 0
    again = run("ingest", "--mappings", "curation", file)
    assert f"{file}:1: coregistration, 13 OMOP rows (case " in again.out
    assert query(lake, RUNS) == [(1,)]
