"""Images of follow-ups, from the form to ``omop.image_occurrence``: the MRI that they were made in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from etl.explain import explain
from etl.ingest import ingest
from etl.setup import DEFAULT_MAPPING, DICOM_MAPPING, prepare
from tests.conftest import engine_on, new_database

#: By study: the days of its series. The MRIs were on the days 20, 400 and 700.
STUDIES: dict[str, list[int | None]] = {
    "baseline": [20, 20],
    "second": [None, 700, 700],
    "first": [400],
    "undated": [None, None],
    "other": [None, 500],
    "scanned": [700],
}


def uid(study: str) -> str:
    return f"2.25.{list(STUDIES).index(study) + 1}"


CASE: dict[str, Any] = {
    "patientID": "P1",
    "useCaseType": "1+2+8+9",
    "site": "FORTH",
    "clinicalBaselineData": {"age": 70, "psa": [{"psadate": "2020-01-01", "baseline": True}]},
    "imagingInfo": {"daysAfterBaselineMRI": 20, "MRIPositive": True},
    "biopsyInfo": {"biopsyPositive": True},
    "lesions": [{}],
    "followUp": [{"imagingInfo": {"MRIPerformed": True, "daysAfterBaseline": day}} for day in (400, 700)],
    "dicom": [
        {
            "StudyInstanceUID": uid(study),
            "SeriesInstanceUID": f"{uid(study)}.{item + 1}",
            "Modality": "MR",
            "daysAfterBaseline": day,
        }
        for study, days in STUDIES.items()
        for item, day in enumerate(days)
    ],
}
#: What the headers of one series say; their days are not the form's.
SCAN = {
    "PatientID": "P1",
    "StudyInstanceUID": uid("scanned"),
    "SeriesInstanceUID": f"{uid('scanned')}.1",
    "Modality": "MR",
    "StudyDate": "2017-03-04",
    "SeriesDate": "2017-03-04",
}
BASELINE, FIRST, SECOND = "2000-01-21", "2001-02-04", "2001-12-01"


@pytest.fixture(scope="module")
def loaded(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """The case and the scan; tests only read."""
    folder: Path = tmp_path_factory.mktemp("follow_up_images")
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        for mapping, document in ((DEFAULT_MAPPING, CASE), (DICOM_MAPPING, SCAN)):
            file = folder / "documents.json"
            file.write_text(json.dumps([document]))
            summary = ingest(engine, prepare(engine, mapping), [file], "tests")
            assert (summary.stored, summary.exit_code) == (1, 0)
        yield engine


@pytest.mark.parametrize(
    ("study", "days", "visit", "procedure"),
    [
        ("baseline", [BASELINE, BASELINE], "imaging", "mri"),
        ("first", [FIRST], "follow_up_imaging[0]", "follow_up_mri[0]"),
        ("second", [SECOND] * 3, "follow_up_imaging[1]", "follow_up_mri[1]"),
        ("undated", [BASELINE, BASELINE], "imaging", "mri"),
        ("other", ["2001-05-15"] * 2, None, None),
        ("scanned", [SECOND], "follow_up_imaging[1]", "follow_up_mri[1]"),
    ],
)
def test_a_series_is_of_the_mri_of_its_study(
    loaded: Engine, study: str, days: list[str], visit: str | None, procedure: str | None
) -> None:
    with loaded.connect() as connection:
        found = connection.execute(text(_FOUND), {"study": uid(study)}).all()
        assert [one.day for one in found] == days
        made = {tuple(_made(connection, *row) for row in (one.visit, one.procedure)) for one in found}
    assert made == {(visit and f"visit.{visit}", procedure)}


_FOUND = """
    SELECT image_occurrence_date::text AS day, ARRAY['visit_occurrence', visit_occurrence_id::text] AS visit,
           ARRAY['procedure_occurrence', procedure_occurrence_id::text] AS procedure
      FROM omop.image_occurrence WHERE image_study_uid = :study ORDER BY image_series_uid
"""


def _made(connection: Connection, table: str, row_id: str | None) -> str | None:
    """The rule that made a row, and the place of its item."""
    if row_id is None:
        return None
    found = explain(connection, table, int(row_id))
    return found.rule + found.item_path.removeprefix("$").removeprefix(".followUp")


def test_a_study_is_explained_by_what_gave_it_its_day(loaded: Engine) -> None:
    with loaded.connect() as connection:
        rows = connection.execute(text(_STUDIES)).all()
        found = {study: explain(connection, "radiology_occurrence", row_id) for study, row_id in rows}
    assert {one: (told.rule, told.item_path) for one, told in found.items()} == {
        uid("baseline"): ("study", "$.dicom[0]"),
        uid("second"): ("study", "$.dicom[3]"),
        uid("first"): ("study", "$.dicom[5]"),
        uid("undated"): ("study_without_day", "$.dicom[6]"),
        uid("other"): ("study", "$.dicom[9]"),
        uid("scanned"): ("study", "$.dicom[10]"),
    }


_STUDIES = "SELECT study_instance_uid, radiology_occurrence_id FROM omop.radiology_occurrence"
