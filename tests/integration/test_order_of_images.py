"""Which MRI a study is of, whatever came first and however the rules are numbered."""

import json
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from etl.explain import explain
from etl.ingest import ingest
from etl.setup import DEFAULT_MAPPING, prepare
from tests.conftest import engine_on, new_database

BASELINE, FOLLOW_UP = "2000-01-21", "2001-02-04"
_COMMON: dict[str, Any] = {
    "site": "FORTH",
    "clinicalBaselineData": {"age": 70, "psa": [{"psadate": "2020-01-01", "baseline": True}]},
    "imagingInfo": {"daysAfterBaselineMRI": 20, "MRIPositive": True},
    "biopsyInfo": {"biopsyPositive": True},
    "lesions": [{}],
}


def named(**days: int | None) -> list[dict[str, Any]]:
    """Series of the study, by the day that the form gives each."""
    numbers = {"first": 1, "second": 2}
    return [
        {"Modality": "MR", "SeriesInstanceUID": numbers[name], "daysAfterBaseline": day}
        for name, day in days.items()
    ]


def early(**days: int | None) -> dict[str, Any]:
    """The form of the baseline."""
    return {**_COMMON, "useCaseType": "1+2", "dicom": named(**days)}


def late(**days: int | None) -> dict[str, Any]:
    """The form with a follow-up, which has an MRI on day 400."""
    follow_up = [{"imagingInfo": {"MRIPerformed": True, "daysAfterBaseline": 400}}]
    return {**_COMMON, "useCaseType": "1+2+8+9", "followUp": follow_up, "dicom": named(**days)}


@pytest.fixture(scope="module")
def lake(server_url: str, template_database: str) -> Iterator[Engine]:
    """A database for all tests; each has a patient of its own."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        yield engine


_NUMBERS = count(1)


@pytest.fixture
def patient() -> str:
    """A patient's number, which is the end of the study's UID too."""
    return str(next(_NUMBERS))


@pytest.fixture(params=["shipped", "renamed"])
def mapping(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The mapping, also with its first rule of studies under a new name, which has the highest number."""
    if request.param == "shipped":
        return Path(str(DEFAULT_MAPPING))
    folder = Path(shutil.copytree(str(DEFAULT_MAPPING), tmp_path / "mapping"))
    file = folder / "dicom.yaml"
    written = file.read_text(encoding="utf-8")
    for old, new in (("\nstudy:\n", "\nstudy_of_day:\n"), ("like: study\n", "like: study_of_day\n")):
        assert written.count(old) == 1
        written = written.replace(old, new)
    file.write_text(written, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "forms",
    [
        [late(first=None, second=400)],
        [early(first=None), late(first=400)],
        [late(first=400), early(first=None)],
        [early(first=None), late(second=400)],
        [late(second=400), early(first=None)],
    ],
    ids=["one form", "undated first", "dated first", "undated first, of another", "dated first, of another"],
)
def test_a_study_is_of_the_day_of_the_series_that_has_one(
    lake: Engine, tmp_path: Path, patient: str, mapping: Path, forms: list[dict[str, Any]]
) -> None:
    for form in forms:
        load(lake, mapping, tmp_path, patient, form)
    assert study(lake, patient) == (FOLLOW_UP, "visit.follow_up_imaging", "follow_up_mri")
    assert days(lake, patient) == {FOLLOW_UP}


def test_a_study_is_of_the_baseline_only_as_long_as_no_form_gives_it_a_day(
    lake: Engine, tmp_path: Path, patient: str, mapping: Path
) -> None:
    for day, told in (
        (None, (BASELINE, "visit.imaging", "mri")),
        (400, (FOLLOW_UP, "visit.follow_up_imaging", "follow_up_mri")),
        (500, ("2001-05-15", None, None)),
    ):
        for form in (early(first=None), late(first=day)):
            load(lake, mapping, tmp_path, patient, form)
        assert (study(lake, patient), days(lake, patient)) == (told, {told[0]})


def load(engine: Engine, mapping: Path, folder: Path, patient: str, form: dict[str, Any]) -> None:
    uid = f"2.25.{patient}"
    images = [
        {**one, "StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.{one['SeriesInstanceUID']}"}
        for one in form["dicom"]
    ]
    file = folder / "form.json"
    file.write_text(json.dumps([{**form, "patientID": patient, "dicom": images}]))
    assert ingest(engine, prepare(engine, mapping), [file], "tests").exit_code == 0


def study(engine: Engine, patient: str) -> tuple[str | None, ...]:
    """Its day, and the rules that made its visit and its procedure."""
    with engine.connect() as connection:
        ((day, *links),) = connection.execute(text(_STUDY), {"patient": patient}).all()
        tables = ("visit_occurrence", "procedure_occurrence")
        rules = [
            None if row_id is None else explain(connection, table, row_id).rule
            for table, row_id in zip(tables, links, strict=True)
        ]
    return (day, *rules)


def days(engine: Engine, patient: str) -> set[str]:
    """Those of its series."""
    with engine.connect() as connection:
        return set(connection.execute(text(_DAYS), {"patient": patient}).scalars())


_STUDY = """
    SELECT radiology_occurrence_date::text, visit_occurrence_id, procedure_occurrence_id
    FROM omop.radiology_occurrence JOIN omop.person USING (person_id) WHERE person_source_value = :patient
"""
_DAYS = """
    SELECT series_date::text
    FROM omop.radiology_image JOIN omop.person USING (person_id) WHERE person_source_value = :patient
"""
