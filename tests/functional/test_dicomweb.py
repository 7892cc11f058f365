"""Search of images over HTTP: every attribute, every parameter and every status of D4.4 5.1."""

import gc
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from fastapi import FastAPI
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.valuerep import PersonName
from sqlalchemy import Engine, event, text

from api.http.app import create_app, from_environment
from api.http.settings import read_settings
from etl.find.attributes import ATTRIBUTES
from omop_schema.database import SETTING
from tests.conftest import connected, engine_on, new_database
from tests.images import add_person, add_series, add_study
from tests.serving import served
from tests.tokens import Issuer

UKE, FORTH, HERS = "uke.example.org", "forth.example.org", "nobody.example.org"
WADO = "https://pacs.example.org/dicom-web"
#: Studies, newest first, and series in the order in which searches give them.
STUDIES = ["1.2.4", "1.2.3", "1.2.2", "1.2.1"]
SERIES = ["1.2.4.1", "1.2.3.1", "1.2.2.1", "1.2.1.3", "1.2.1.2", "1.2.1.1"]


class Search(NamedTuple):
    """The service on a lake with four studies of three patients and two organisations."""

    client: httpx.Client
    app: FastAPI
    engine: Engine
    issuer: Issuer

    def get(self, address: str, organisation: str | None = UKE, role: str = "modellers", **more: Any) -> Any:
        headers = self.issuer.headers([role], organisation=organisation) | more.pop("headers", {})
        return self.client.get(address, headers=headers, **more)

    def found(self, address: str, **more: Any) -> list[dict[str, Any]]:
        response = self.get(address, **more)
        if response.status_code == 204:
            assert response.content == b""
            return []
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == "application/dicom+json"
        return response.json()

    def studies(self, query: str, **more: Any) -> list[str]:
        return [value(each, "StudyInstanceUID") for each in self.found(f"/studies?{query}", **more)]

    def series(self, query: str, path: str = "/series", **more: Any) -> list[str]:
        return [value(each, "SeriesInstanceUID") for each in self.found(f"{path}?{query}", **more)]


def tag(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"


def value(dataset: dict[str, Any], keyword: str) -> Any:
    """The only value of an attribute; None where it has none."""
    element = dataset[tag(keyword)]
    assert element["vr"] == dictionary_VR(tag_for_keyword(keyword)).split(" or ")[0]
    (found,) = element.get("Value", [None])
    return found


def fill(engine: Engine) -> None:
    """Three patients: one with two studies; one with a name in Greek; one of another organisation."""
    with engine.begin() as connection:
        asa = add_person(connection, "PCa-1", UKE)
        nikos = add_person(connection, "PCa-2", UKE)
        john = add_person(connection, "pca-3 Ä", FORTH)
        headers = {"PatientName": "Ångström^Åsa", "PatientBirthDate": "1930-02-01", "StudyTime": "10:11:12.5"}
        headers |= {"ReferringPhysicianName": "Müller^Jürgen^^Dr", "PatientSex": "M", "PatientAge": "070Y"}
        region = {"CodeValue": "41216001", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Prostate"}
        add_study(
            connection, 100, asa, "1.2.1", radiology_occurrence_date="2000-01-21", accession_number="A-1",
            study_description="MRI Prostate", count_of_series=3, image_total_count=60,
            attributes=headers | {"AnatomicRegionsInStudyCodeSequence": [region]},
        )  # fmt: skip
        add_study(
            connection, 200, asa, "1.2.2", radiology_occurrence_date="2001-06-30", accession_number="A-2",
            study_description="MRI Prostate follow-up", attributes=headers | {"StudyTime": "08:00:00"},
        )  # fmt: skip
        add_study(
            connection, 300, nikos, "1.2.3", radiology_occurrence_date="2000-01-01",
            attributes={"PatientName": "ΠΑΠΑΔΌΠΟΥΛΟΣ^ΝΊΚΟΣ", "ReferringPhysicianName": "O'Hara^Scarlett"},
        )  # fmt: skip
        add_study(
            connection, 400, john, "1.2.4", radiology_occurrence_date="2000-03-31",
            attributes={"PatientName": "John^Doe", "PatientBirthDate": "1931-01-01"},
        )  # fmt: skip
        add_series(
            connection, 7, 100, "1.2.1.1", modality="MR", manufacturer_model_name="Skyra", image_no=3,
            series_description="T2 axial", image_count=24, magnetic_field_strength=3,
            image_type="ORIGINAL\\PRIMARY",
            attributes={"PerformedProcedureStepStartDate": "2000-01-21", "DiffusionBValue": [0, 800.5],
                        "PixelSpacing": [0.5, 0.5], "SeriesTime": "10:12:00"},
        )  # fmt: skip
        add_series(
            connection, 8, 100, "1.2.1.2", modality="MR", manufacturer_model_name="Skyra", image_count=20,
            magnetic_field_strength=1.5, attributes={"PerformedProcedureStepStartDate": "2000-01-22"},
        )  # fmt: skip
        add_series(connection, 9, 100, "1.2.1.3", modality="SEG", image_count=16)
        add_series(connection, 3, 200, "1.2.2.1", modality="MR", manufacturer_model_name="Achieva")
        add_series(connection, 2, 300, "1.2.3.1", modality="CT")
        add_series(connection, 1, 400, "1.2.4.1", modality="MR")


@pytest.fixture(scope="module")
def search(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Search]:
    issuer = Issuer()
    settings = issuer.settings(tmp_path_factory.mktemp("keys"))
    with (
        new_database(server_url, template_database) as url,
        engine_on(url) as engine,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(SETTING, url)
        fill(engine)
        app = create_app(read_settings(**settings, wado_root=WADO))
        with served(app) as client:
            yield Search(client, app, engine, issuer)


#: Every attribute of Table 13 for studies: a query, and the studies that it finds.
OF_STUDIES = [
    ("StudyInstanceUID=1.2.1", ["1.2.1"]),
    ("StudyInstanceUID=1.2.1,1.2.3", ["1.2.3", "1.2.1"]),
    ("StudyInstanceUID=1.2.1%5C1.2.9", ["1.2.1"]),
    ("StudyInstanceUID=1.2", []),
    ("PatientName=ångström^åsa", ["1.2.2", "1.2.1"]),
    ("PatientName=ANGSTROM^ASA", ["1.2.2", "1.2.1"]),
    ("PatientName=Παπαδοπουλοσ^Νικοσ", ["1.2.3"]),
    ("PatientName=Åsa", []),
    ("PatientID=PCa-1", ["1.2.2", "1.2.1"]),
    ("PatientID=pca-1", ["1.2.2", "1.2.1"]),
    ("PatientID=PCA-3 ä", ["1.2.4"]),
    ("PatientID=PCA-3 a", []),
    ("PatientID=PCa", []),
    ("PatientBirthDate=19300201", ["1.2.2", "1.2.1"]),
    ("PatientBirthDate=19300202-19311231", ["1.2.4"]),
    ("PatientBirthDate=-19310101", ["1.2.4", "1.2.2", "1.2.1"]),
    ("AccessionNumber=a-2", ["1.2.2"]),
    ("ReferringPhysicianName=MULLER^jurgen^^DR", ["1.2.2", "1.2.1"]),
    ("ReferringPhysicianName=o'hara^scarlett", ["1.2.3"]),
    ("StudyDate=20000121", ["1.2.1"]),
    ("StudyDate=20000101-20000331", ["1.2.4", "1.2.3", "1.2.1"]),
    ("StudyDate=20000122-", ["1.2.4", "1.2.2"]),
    ("StudyDate=-20000101", ["1.2.3"]),
    ("StudyDate=20010101-20000101", []),
    ("StudyDescription=mri prostate", ["1.2.1"]),
]
#: And for series.
OF_SERIES = [
    ("SeriesInstanceUID=1.2.1.2", ["1.2.1.2"]),
    ("SeriesInstanceUID=1.2.1.1,1.2.4.1", ["1.2.4.1", "1.2.1.1"]),
    ("Modality=mr", ["1.2.4.1", "1.2.2.1", "1.2.1.2", "1.2.1.1"]),
    ("Modality=SEG", ["1.2.1.3"]),
    ("PerformedProcedureStepStartDate=20000122", ["1.2.1.2"]),
    ("PerformedProcedureStepStartDate=20000101-20001231", ["1.2.1.2", "1.2.1.1"]),
    ("ManufacturerModelName=SKYRA", ["1.2.1.2", "1.2.1.1"]),
    ("Modality=MR&ManufacturerModelName=Achieva&PatientID=PCa-1", ["1.2.2.1"]),
]


@pytest.mark.parametrize(("query", "studies"), OF_STUDIES)
def test_studies_are_found_by_every_attribute(search: Search, query: str, studies: list[str]) -> None:
    assert search.studies(query) == studies
    keyword, _, rest = query.partition("=")
    assert search.studies(f"{tag(keyword)}={rest}") == studies
    assert search.studies(f"{tag(keyword).lower()}={rest}") == studies


@pytest.mark.parametrize(("query", "studies"), OF_STUDIES)
def test_series_are_found_by_every_attribute_of_studies(
    search: Search, query: str, studies: list[str]
) -> None:
    wanted = [each for each in SERIES if each.rpartition(".")[0] in studies]
    assert search.series(query) == wanted
    within = [each for each in wanted if each.startswith("1.2.1.")]
    assert search.series(query, "/studies/1.2.1/series") == within


@pytest.mark.parametrize(("query", "series"), OF_SERIES)
def test_series_are_found_by_every_attribute(search: Search, query: str, series: list[str]) -> None:
    assert search.series(query) == series
    keyword, _, rest = query.partition("=")
    assert search.series(f"{tag(keyword)}={rest}") == series


def test_every_attribute_of_table_13_is_among_these() -> None:
    of_studies = {query.partition("=")[0] for query, _ in OF_STUDIES}
    of_series = {query.partition("=")[0] for query, _ in OF_SERIES}
    searched = {each.keyword: each.level for each in ATTRIBUTES if each.match}
    assert searched == dict.fromkeys(of_studies, "study") | dict.fromkeys(of_series, "series")
    assert len(searched) == 12


@pytest.mark.parametrize(
    ("name", "studies"),
    [
        *((each, ["1.2.4"]) for each in ("joh", "do", "jo do", "Doe", "John Doe", "doe john", "JOHN^DOE")),
        ("ohn", []),
        ("jo smith", []),
        ("Ang", ["1.2.2", "1.2.1"]),
        ("åsa ÅNG", ["1.2.2", "1.2.1"]),
        ("παπα", ["1.2.3"]),
        ("^", []),
        ("\u0301", []),
        ("' & '", []),
    ],
)
def test_beginnings_of_names_are_enough_where_fuzzy(search: Search, name: str, studies: list[str]) -> None:
    assert search.studies(f"PatientName={quote(name)}&fuzzymatching=true") == studies


def test_fuzzy_is_for_both_names_and_for_nothing_else(search: Search) -> None:
    assert search.studies("ReferringPhysicianName=mul&fuzzymatching=TRUE") == ["1.2.2", "1.2.1"]
    assert search.studies("ReferringPhysicianName=o'h&fuzzymatching=true") == ["1.2.3"]
    assert search.studies("ReferringPhysicianName=mul&fuzzymatching=false") == []
    assert search.studies("StudyDescription=MRI&fuzzymatching=true") == []


def test_without_criteria_everything_comes_newest_study_first(search: Search) -> None:
    assert search.studies("") == STUDIES
    assert search.series("") == SERIES
    assert search.series("", "/studies/1.2.1/series") == SERIES[3:]


@pytest.mark.parametrize("size", [1, 2, 3, 200])
def test_pages_make_the_whole(search: Search, size: int) -> None:
    for ask, whole in ((search.studies, STUDIES), (search.series, SERIES)):
        pages = [ask(f"limit={size}&offset={offset}") for offset in range(0, len(whole), size)]
        assert list(chain.from_iterable(pages)) == whole
        assert ask(f"limit={size}&offset={len(whole)}") == []
    assert search.studies(f"offset={'9' * 40}") == []


def test_a_study_has_the_attributes_of_table_16(search: Search) -> None:
    (study,) = search.found("/studies?AccessionNumber=A-1")
    assert study == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080020": {"vr": "DA", "Value": ["20000121"]},
        "00080030": {"vr": "TM", "Value": ["101112.5"]},
        "00080050": {"vr": "SH", "Value": ["A-1"]},
        "00080056": {"vr": "CS"},
        "00080061": {"vr": "CS", "Value": ["MR", "SEG"]},
        "00080090": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jürgen^^Dr"}]},
        "00080201": {"vr": "SH"},
        "00081190": {"vr": "UR", "Value": [f"{WADO}/studies/1.2.1"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Ångström^Åsa"}]},
        "00100020": {"vr": "LO", "Value": ["PCa-1"]},
        "00100030": {"vr": "DA", "Value": ["19300201"]},
        "00100040": {"vr": "CS", "Value": ["M"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.1"]},
        "00200010": {"vr": "SH"},
        "00201206": {"vr": "IS", "Value": [3]},
        "00201208": {"vr": "IS", "Value": [60]},
    }


def test_a_series_of_a_study_has_the_attributes_of_table_17(search: Search) -> None:
    (series,) = search.found("/studies/1.2.1/series?SeriesInstanceUID=1.2.1.1")
    assert series == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080060": {"vr": "CS", "Value": ["MR"]},
        "00080201": {"vr": "SH"},
        "0008103E": {"vr": "LO", "Value": ["T2 axial"]},
        "00081190": {"vr": "UR", "Value": [f"{WADO}/studies/1.2.1/series/1.2.1.1"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.1"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.1.1"]},
        "00201209": {"vr": "IS", "Value": [24]},
        "00400244": {"vr": "DA", "Value": ["20000121"]},
        "00400245": {"vr": "TM"},
        "00400275": {"vr": "SQ"},
    }


def test_among_all_series_each_has_the_attributes_of_its_study_too(search: Search) -> None:
    (study,) = search.found("/studies?AccessionNumber=A-1")
    (series,) = search.found("/studies/1.2.1/series?SeriesInstanceUID=1.2.1.1")
    assert search.found("/series?SeriesInstanceUID=1.2.1.1") == [dict(sorted((study | series).items()))]


def test_attributes_come_in_the_order_of_their_tags(search: Search) -> None:
    for address in ("/studies?includefield=all", "/series?includefield=Rows&Modality=MR"):
        for each in search.found(address):
            assert list(each) == sorted(each)
            assert "00081190" in each


def test_fields_can_be_added(search: Search) -> None:
    usual = search.found("/studies/1.2.1/series?SeriesInstanceUID=1.2.1.1")[0]

    def added(fields: str) -> dict[str, Any]:
        (found,) = search.found(f"/studies/1.2.1/series?SeriesInstanceUID=1.2.1.1&{fields}")
        assert {name: found.pop(name) for name in usual} == usual
        return found

    assert added("includefield=MagneticFieldStrength,00180050") == {
        "00180050": {"vr": "DS"},
        "00180087": {"vr": "DS", "Value": [3]},
    }
    assert added("includefield=ImageType&includefield=PixelSpacing") == {
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]},
        "00280030": {"vr": "DS", "Value": [0.5, 0.5]},
    }
    assert added("includefield=DiffusionBValue") == {"00189087": {"vr": "FD", "Value": [0, 800.5]}}
    assert added("includefield=StudyDescription") == {"00081030": {"vr": "LO", "Value": ["MRI Prostate"]}}
    assert set(added("includefield=all&includefield=Rows")) == {
        *map(tag, ("SeriesDate", "SeriesTime", "SeriesNumber", "Laterality", "Rows"))
    }
    # DICOM has these and the lake has not; a private one may mean anything.
    assert added("includefield=PixelData,00091001,60003000") == {}


def test_all_fields_of_studies_are_those_of_table_19(search: Search) -> None:
    usual, every = (
        search.found(f"/studies?AccessionNumber=A-1{more}")[0] for more in ("", "&includefield=all")
    )
    assert {name: every[name] for name in usual} == usual
    regions = every[tag("AnatomicRegionsInStudyCodeSequence")]
    assert regions == {
        "vr": "SQ",
        "Value": [
            {
                "00080100": {"vr": "SH", "Value": ["41216001"]},
                "00080102": {"vr": "SH", "Value": ["SCT"]},
                "00080104": {"vr": "LO", "Value": ["Prostate"]},
            }
        ],
    }
    assert value(every, "StudyDescription") == "MRI Prostate"
    assert value(every, "PatientAge") == "070Y"
    assert set(every) - set(usual) == {
        *("00081030", "00080063", "00081032", "00081060", "00081080", "00081110"),
        *("00101010", "00101020", "00101030", "00102180", "001021B0"),
    }


def test_what_is_searched_by_is_told(search: Search) -> None:
    (found,) = search.found("/studies?StudyDescription=MRI prostate")
    assert value(found, "StudyDescription") == "MRI Prostate"
    (found,) = search.found(
        "/studies/1.2.1/series?SeriesInstanceUID=1.2.1.1&ManufacturerModelName=skyra&PatientID=PCa-1"
    )
    assert (value(found, "ManufacturerModelName"), value(found, "PatientID")) == ("Skyra", "PCa-1")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=0", "limit must be a whole number from 1 to 200"),
        ("limit=201", "limit must be"),
        ("limit=-1", "limit must be"),
        ("limit=ten", "limit must be"),
        ("limit=", "limit must be"),
        ("limit=٣", "limit must be"),
        ("limit=1&limit=2", "limit is there twice"),
        ("offset=-1", "offset must be a whole number from 0"),
        ("offset=1.5", "offset must be"),
        ("fuzzymatching=perhaps", "fuzzymatching must be true or false"),
        ("Modality=MR", "'Modality' is not among the attributes that studies can be searched by"),
        ("PatientSex=M", "'PatientSex' is not among"),
        ("TimezoneOffsetFromUTC=%2B0100", "'TimezoneOffsetFromUTC' is not among"),
        ("00080201=%2B0100", "'00080201' is not among"),
        ("NoSuchThing=1", "'NoSuchThing' is not among"),
        ("PCa-268768370567=1", "what the query names is not among"),
        ("PatientID=PCa*", "PatientID cannot be searched by with wildcards"),
        ("PatientName=J?hn", "PatientName cannot be searched by with wildcards"),
        ("PatientID=", "PatientID has no value"),
        ("PatientID=%00", "PatientID has a value that it can never have"),
        ("StudyDate=2000", "StudyDate must be a day as yyyymmdd"),
        ("StudyDate=20000230", "StudyDate must be a day"),
        ("StudyDate=2000-01-21", "StudyDate must be a day"),
        ("StudyDate=-", "StudyDate has a range without an end"),
        ("StudyInstanceUID=abc", "StudyInstanceUID must be a UID"),
        (f"StudyInstanceUID={'1' * 65}", "StudyInstanceUID must be a UID"),
        ("PatientID=1&00100020=2", "PatientID is there twice"),
        ("StudyDate=20000101&StudyDate=20000102", "StudyDate is there twice"),
        ("includefield=NoSuchThing", "includefield: 'NoSuchThing' is no attribute"),
        ("includefield=", "includefield: what the query names is no attribute"),
    ],
)
def test_what_cannot_be_searched_for_is_400(search: Search, query: str, said: str) -> None:
    response = search.get(f"/studies?{query}")
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert response.json()["detail"].startswith(said)


def test_a_study_of_the_path_is_one_uid(search: Search) -> None:
    for study in ("x", "1.2.1,1.2.2", "1.2.1%5C1.2.2", "%00", "1.2.1 ", "'--"):
        assert search.get(f"/studies/{study}/series").status_code == 400
    assert search.get("/studies/1.2.99/series").status_code == 204


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/dicom+json", 200),
        ("Application/DICOM+JSON; charset=utf-8", 200),
        ("text/html, application/dicom+json;q=0.5", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("application/json", 406),
        ('multipart/related; type="application/dicom+xml"', 406),
        ("application/dicom+json;q=0", 406),
        ("nonsense", 406),
    ],
)
def test_what_is_accepted(search: Search, accept: str, status: int) -> None:
    assert search.get("/studies", headers={"Accept": accept}).status_code == status


def test_without_a_token_or_the_scope_there_is_nothing(search: Search) -> None:
    for address in ("/studies", "/series", "/studies/1.2.1/series", "/studies?limit=0"):
        assert search.client.get(address).status_code == 401
        assert search.get(address, role="users").status_code == 403
        headers = search.issuer.headers(["modellers"], scope="metadata:write")
        assert search.client.get(address, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("role", "organisation", "studies"),
    [
        ("admins", None, STUDIES),
        ("data-providers", UKE, STUDIES[1:]),
        ("data-providers", FORTH, STUDIES[:1]),
        ("data-providers", HERS, []),
        ("data-providers", None, []),
    ],
)
def test_who_finds_what(search: Search, role: str, organisation: str | None, studies: list[str]) -> None:
    who: dict[str, Any] = {"role": role, "organisation": organisation}
    assert search.studies("", **who) == studies
    series = [each for each in SERIES if each.rpartition(".")[0] in studies]
    assert search.series("", **who) == series
    for study in STUDIES:
        within = [each for each in series if each.startswith(f"{study}.")]
        assert search.series("", f"/studies/{study}/series", **who) == within
        assert search.studies(f"StudyInstanceUID={study}", **who) == [
            each for each in studies if each == study
        ]


@pytest.mark.parametrize("few", [0, 1, 1000])
def test_providers_find_their_own_however_many_fit(
    search: Search, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.find.images._FEW", few)
    for organisation, own in ((UKE, STUDIES[1:]), (FORTH, STUDIES[:1])):
        who: dict[str, Any] = {"role": "data-providers", "organisation": organisation}
        for query, studies in OF_STUDIES:
            assert search.studies(query, **who) == [each for each in studies if each in own], query
        for query, series in OF_SERIES:
            found = [each for each in series if each.rpartition(".")[0] in own]
            assert search.series(query, **who) == found, query


@pytest.mark.parametrize(
    ("query", "own_first"),
    [
        ("PatientName=john^DOE", False),
        ("PatientName=angstrom^asa", True),
        ("PatientBirthDate=19310101", False),
        ("PatientBirthDate=19300201", True),
        ("PatientBirthDate=19310101-19310101", False),
        ("AccessionNumber=a-1", False),
        ("PatientName=angstrom^asa&AccessionNumber=a-1", False),
        ("PatientName=angstrom^asa&PatientBirthDate=19300201", True),
        ("PatientID=PCa-1", False),
        ("StudyInstanceUID=1.2.1,1.2.2", False),
    ],
)
def test_what_many_have_is_looked_for_among_ones_own(
    search: Search, query: str, own_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.find.images._FEW", 1)
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    try:
        for address in ("/studies", "/series"):
            seen.clear()
            search.found(f"{address}?{query}", role="data-providers")
            assert any("AS mine" in each for each in seen) == own_first
    finally:
        event.remove(Engine, "before_cursor_execute", see)


@pytest.fixture
def more(search: Search) -> Iterator[None]:
    """Three newer studies without series, and an older one that has one; two have long names."""
    long = "Zoë^" + "x" * 600
    names = {901: "Zoë", 902: f"{long}a", 903: f"{long}b", 90: "ZOE"}
    with search.engine.begin() as connection:
        person = add_person(connection, "PCa-9", UKE)
        for key, name in names.items():
            add_study(connection, key, person, f"1.2.{key}", attributes={"PatientName": name})
        add_series(connection, 90, 90, "1.2.90.1", modality="MR")
    yield
    with search.engine.begin() as connection:
        for statement in _FORGET:
            connection.execute(statement, {"person": person})


_FORGET = [
    text(f"DELETE FROM {table} WHERE person_id = :person")
    for table in (
        "omop.radiology_image",
        "omop.radiology_occurrence",
        "omop.person",
        "lake.cases",
        "lake.patients",
    )
]


@pytest.mark.usefixtures("more")
@pytest.mark.parametrize("role", ["admins", "data-providers"])
def test_a_page_of_series_is_full_where_newer_studies_have_none(search: Search, role: str) -> None:
    for query in ("PatientName=zoe&limit=1", "PatientName=zo&fuzzymatching=true&limit=1"):
        assert search.series(query, role=role) == ["1.2.90.1"]
        assert search.series(f"{query}&offset=1", role=role) == []
        assert search.series(f"{query}&offset={2**63 - 1}", role=role) == []
    assert search.series("limit=1", role=role) == (SERIES if role == "admins" else SERIES[1:])[:1]


@pytest.mark.usefixtures("more")
def test_names_differ_also_where_an_index_does_not_tell(search: Search) -> None:
    for role in ("admins", "data-providers"):
        for end, study in (("a", "1.2.902"), ("B", "1.2.903")):
            assert search.studies(f"PatientName=ZOE^{'X' * 600}{end}", role=role) == [study]
        assert search.studies(f"PatientName=zoe^{'x' * 600}", role=role) == []
        assert search.studies(f"PatientName=zoe^{'x' * 495}", role=role) == []
        assert search.studies("PatientName=zoë", role=role) == ["1.2.901", "1.2.90"]


def test_every_patient_of_a_page_is_in_the_audit_trail(search: Search) -> None:
    def seen(address: str) -> list[tuple[Any, ...]]:
        request = {"X-Request-ID": f"audit-{address.count('limit')}-{len(address)}"}
        search.get(address, headers=request)
        with search.engine.connect() as connection:
            rows = connection.execute(_AUDIT, {"request": request["X-Request-ID"]})
            return [tuple(row) for row in rows]

    assert seen("/studies") == [("GET /studies", True, each) for each in ("PCa-1", "PCa-2", "pca-3 Ä")]
    assert seen("/series?limit=1") == [("GET /series", True, "pca-3 Ä")]
    assert seen("/studies/1.2.1/series") == [("GET /studies/{study}/series", True, "PCa-1")]
    assert seen("/studies/1.2.99/series?limit=1") == [("GET /studies/{study}/series", True, None)]


_AUDIT = text("""
    SELECT action, allowed, patient_id FROM lake.audit LEFT JOIN lake.patients USING (person_id)
    WHERE request_id = :request ORDER BY patient_id
""")
ATTACKS = [
    "'",
    "' OR '1'='1",
    "'); DROP TABLE omop.person; --",
    '{"$gt": 0}',
    "\\",
    "\\'; SELECT 1; --",
    "%s%(x)s:patientid",
    "a' & 'b':*",
    "!!('",
    "\x00",
    "\ufffe",
    "\u202e",
    "9" * 40,
    "-",
    "x" * 5000,
    "<script>",
]


def test_a_dicomweb_client_finds_reads_and_pages(search: Search) -> None:
    """What is sent can be read by others: here dicomweb-client, and pydicom."""
    client = DICOMwebClient(str(search.client.base_url), headers=search.issuer.headers(["modellers"]))
    studies = client.search_for_studies(fields=["StudyDescription"], search_filters={"PatientID": "PCa-1"})
    read = [Dataset.from_json(each) for each in studies]
    assert [each.StudyInstanceUID for each in read] == ["1.2.2", "1.2.1"]
    assert read[1].StudyDescription == "MRI Prostate"
    assert read[1].PatientName == PersonName("Ångström^Åsa")
    assert read[1].StudyDate == "20000121"
    assert read[1].ModalitiesInStudy == ["MR", "SEG"]
    series = client.search_for_series(
        "1.2.1", fields=["all", "PixelSpacing"], search_filters={"Modality": "MR"}
    )
    assert [Dataset.from_json(each).SeriesInstanceUID for each in series] == ["1.2.1.2", "1.2.1.1"]
    assert Dataset.from_json(series[1]).PixelSpacing == [0.5, 0.5]
    every = client.search_for_series(limit=2, get_remaining=True, fields=["all"])
    assert [Dataset.from_json(each).SeriesInstanceUID for each in every] == SERIES
    fuzzy = client.search_for_studies(fuzzymatching=True, search_filters={"PatientName": "jo do"})
    assert [Dataset.from_json(each).RetrieveURL for each in fuzzy] == [f"{WADO}/studies/1.2.4"]
    assert client.search_for_studies(search_filters={"StudyDate": "19990101-19991231"}) == []
    with pytest.raises(requests.HTTPError, match="400"):
        client.search_for_studies(limit=201)


def test_attacks_find_nothing_in_any_parameter(search: Search) -> None:
    names = [each.keyword for each in ATTRIBUTES if each.match]
    for attack in map(quote, ATTACKS):
        for fuzzy in ("", "&fuzzymatching=true"):
            for name in names:
                response = search.get(f"/series?{name}={attack}{fuzzy}")
                assert response.status_code in {204, 400}, (name, attack, response.text)
        for name in ("limit", "fuzzymatching", "includefield", attack):
            response = search.get(f"/series?{name}={attack}")
            assert response.status_code == 400, (name, attack, response.text)
        assert search.get(f"/series?offset={attack}").status_code in {204, 400}
        response = search.get(f"/studies/{attack}/series")
        assert response.status_code in {204, 400, 404}, (attack, response.text)
    assert search.studies("") == STUDIES


def test_a_database_that_is_away_is_told(search: Search, server_url: str) -> None:
    name = search.engine.url.database
    with connected(server_url) as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        try:
            connection.execute(_TERMINATE, {"name": name})
            for address in ("/studies", "/series", "/studies/1.2.1/series"):
                response = search.get(address)
                assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        finally:
            connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    search.engine.dispose()
    assert search.studies("") == STUDIES


_TERMINATE = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")


def test_tags_and_representations_are_those_of_dicom() -> None:
    for each in ATTRIBUTES:
        assert each.tag == tag(each.keyword)
        assert each.vr == dictionary_VR(tag_for_keyword(each.keyword)).split(" or ")[0]


def test_a_worker_keeps_what_it_starts_with_out_of_the_search_for_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONCOLAKE_ISSUER", "https://aai.example.org")
    gc.unfreeze()
    try:
        from_environment()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
