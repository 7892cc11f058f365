"""What OMOP holds of studies and series, merged from what cases say of them."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from etl.identity import pack
from etl.images import contenders, store_images

RULE = 7
"""Any rule of the mapping that is set up."""
FORM, SCAN, OTHER, LATER_SCAN = 1, 2, 3, 4
"""Cases: of the form and of scans of person 1, and of a form of person 2."""


@pytest.fixture
def connection(lake: Engine):
    """A transaction with two persons and their cases; nothing of it stays."""
    with lake.connect() as connection, connection.begin() as transaction:
        connection.execute(text(_PERSONS))
        yield connection
        transaction.rollback()


_PERSONS = """
    INSERT INTO lake.patients (person_id, patient_id) OVERRIDING SYSTEM VALUE VALUES (1, 'P1'), (2, 'P2');
    INSERT INTO omop.person (person_id, gender_concept_id, year_of_birth, race_concept_id,
        ethnicity_concept_id, gender_source_concept_id, race_source_concept_id, ethnicity_source_concept_id)
    VALUES (1, 0, 1930, 0, 0, 0, 0, 0), (2, 0, 1931, 0, 0, 0, 0, 0);
    INSERT INTO lake.cases (case_id, mapping, patient_id, form, person_id, version, loaded_version)
    OVERRIDING SYSTEM VALUE
    VALUES (1, 'prostate', 'P1', '1', 1, 1, 1), (2, 'dicom', 'P1', '1.9.1', 1, 1, 1),
        (3, 'prostate', 'P2', '1', 2, 1, 1), (4, 'dicom', 'P1', '1.9.2', 1, 1, 1)
"""


def say(connection: Connection, table: str, row_id: int, person: int, **columns: Any) -> None:
    """One statement of a case."""
    key = "image_id" if table == "series_statements" else "radiology_occurrence_id"
    values = {key: row_id, "person_id": person, **columns}
    names = ", ".join(values)
    connection.execute(
        text(f"INSERT INTO lake.{table} ({names}) VALUES ({', '.join(f':{one}' for one in values)})"), values
    )


def study(connection: Connection, case: int, item: int = 0, person: int = 1, **columns: Any) -> int:
    row_id = pack(case, RULE, item)
    columns.setdefault("study_instance_uid", "1.9")
    say(connection, "study_statements", row_id, person, **columns)
    return row_id


def series(connection: Connection, case: int, item: int = 0, person: int = 1, **columns: Any) -> int:
    row_id = pack(case, RULE, item)
    columns = {"study_instance_uid": "1.9", "series_instance_uid": "1.9.1"} | columns
    say(connection, "series_statements", row_id, person, **columns)
    return row_id


def rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(statement))]


STUDIES = "SELECT radiology_occurrence_id, study_instance_uid FROM omop.radiology_occurrence ORDER BY 2"
SERIES = "SELECT image_id, series_instance_uid FROM omop.radiology_image ORDER BY 2"


def test_headers_go_before_the_form_except_for_days_and_links(connection):
    first = study(connection, FORM, radiology_occurrence_date="2000-01-21", study_description="form")
    study(connection, SCAN, radiology_occurrence_date="2003-03-03", study_description="header")
    series(connection, FORM, modality="CT", image_slice_thickness=5, modality_concept_id=0)
    series(connection, SCAN, modality="MR", magnetic_field_strength=3)
    store_images(connection, [1])
    found = "radiology_occurrence_id, radiology_occurrence_date::text, study_description, count_of_series"
    assert rows(connection, f"SELECT {found}, device_concept_id FROM omop.radiology_occurrence") == [
        (first, "2000-01-21", "header", 1, 0)
    ]
    found = "modality, image_slice_thickness, magnetic_field_strength, modality_concept_id"
    assert rows(connection, f"SELECT {found}, radiology_occurrence_id FROM omop.radiology_image") == [
        ("MR", 5, 3, 0, first)
    ]


def test_a_study_is_what_its_first_series_were(connection):
    study(connection, SCAN, study_description="scanned")
    study(connection, LATER_SCAN, study_description="derived", accession_number="7")
    store_images(connection, [1])
    found = "SELECT study_description, accession_number FROM omop.radiology_occurrence"
    assert rows(connection, found) == [("scanned", "7")]


MRI, LATER_MRI = 9, 10
LINKED = "SELECT radiology_occurrence_date::text, visit_occurrence_id FROM omop.radiology_occurrence"


@pytest.fixture
def visits(connection: Connection) -> Connection:
    """With the visits of two examinations."""
    for visit in (MRI, LATER_MRI):
        connection.execute(text(_VISIT), {"visit": visit})
    return connection


def test_a_study_hangs_on_no_visit_of_another_day(visits):
    study(visits, FORM, 0, radiology_occurrence_date="2001-02-04")
    study(visits, FORM, 1, radiology_occurrence_date="2000-01-21", visit_occurrence_id=MRI)
    store_images(visits, [1])
    assert rows(visits, LINKED) == [("2001-02-04", None)]


def test_a_study_hangs_on_the_first_visit_of_its_day(visits):
    study(visits, FORM, 0, radiology_occurrence_date="2001-02-04")
    study(visits, FORM, 1, radiology_occurrence_date="2000-01-21", visit_occurrence_id=MRI)
    study(visits, FORM, 2, radiology_occurrence_date="2001-02-04", visit_occurrence_id=LATER_MRI)
    study(visits, SCAN, radiology_occurrence_date="2000-01-21")
    store_images(visits, [1])
    assert rows(visits, LINKED) == [("2001-02-04", LATER_MRI)]


def test_a_day_that_a_form_gives_a_series_goes_before_that_of_a_visit(visits):
    study(visits, FORM, 0, radiology_occurrence_date="2000-01-21", visit_occurrence_id=MRI)
    study(visits, FORM, 1, radiology_occurrence_date="2001-02-04", visit_occurrence_id=LATER_MRI)
    series(visits, FORM, 0)
    series(visits, FORM, 1, series_instance_uid="1.9.2", series_date="2001-02-04")
    series(visits, SCAN, 0, series_date="2000-01-21")
    store_images(visits, [1])
    assert rows(visits, LINKED) == [("2001-02-04", LATER_MRI)]


def test_a_visit_without_a_day_is_the_studys(visits):
    study(visits, FORM, visit_occurrence_id=MRI)
    study(visits, SCAN, radiology_occurrence_date="2003-03-03")
    store_images(visits, [1])
    assert rows(visits, LINKED) == [("2003-03-03", MRI)]


def test_a_series_that_the_form_gives_no_day_has_its_studys(connection):
    study(connection, FORM, radiology_occurrence_date="2001-02-04")
    days = {"1.9.1": (None, "2019-05-05"), "1.9.2": ("2001-02-03", "2019-05-06"), "1.9.3": (None, None)}
    for item, (uid, (day, header)) in enumerate(days.items()):
        series(connection, FORM, item, series_instance_uid=uid, series_date=day)
        series(connection, SCAN, item, series_instance_uid=uid, series_date=header)
    series(connection, SCAN, 3, series_instance_uid="1.9.4", series_date="2019-05-07")
    store_images(connection, [1])
    found = rows(
        connection, "SELECT series_date::text FROM omop.radiology_image ORDER BY series_instance_uid"
    )
    assert found == [("2001-02-04",), ("2001-02-03",), ("2001-02-04",), ("2019-05-07",)]


def test_a_series_has_its_headers_day_where_the_form_gives_its_study_none(connection):
    study(connection, FORM)
    study(
        connection,
        SCAN,
        radiology_occurrence_date="2019-05-04",
        radiology_occurrence_datetime="2019-05-04 10:00",
    )
    days = {"1.9.1": ("2019-05-05", "2019-05-05 11:30"), "1.9.2": (None, None)}
    for item, (uid, (day, moment)) in enumerate(days.items()):
        series(connection, FORM, item, series_instance_uid=uid)
        series(connection, SCAN, item, series_instance_uid=uid, series_date=day, series_datetime=moment)
    store_images(connection, [1])
    found = "SELECT series_date::text, series_datetime::text FROM omop.radiology_image ORDER BY image_id"
    assert rows(connection, found) == [
        ("2019-05-05", "2019-05-05 11:30:00"),
        ("2019-05-04", "2019-05-04 10:00:00"),
    ]


def test_a_study_counts_its_series_and_images(connection):
    study(connection, FORM)
    study(connection, FORM, 1)
    series(connection, FORM, image_count=24)
    series(connection, FORM, 1, image_count=60, series_instance_uid="1.9.2")
    store_images(connection, [1])
    counts = "SELECT count_of_series, image_total_count FROM omop.radiology_occurrence"
    assert rows(connection, counts) == [(2, 84)]


def test_a_study_has_the_attributes_of_studies_and_its_series_the_rest(connection):
    said = {
        "PatientSex": "M", "StudyTime": "10:15:00", "TimezoneOffsetFromUTC": "+0200", "Modality": "MR",
        "AcquisitionPlane": "axial", "PatientPosition": "FFS", "DeidentificationMethod": ["basic"],
    }  # fmt: skip
    for case in (SCAN, LATER_SCAN):
        attributes = json.dumps(said | {"EchoTime": case})
        study(connection, case, attributes=attributes)
        series(connection, case, series_instance_uid=f"1.9.{case}", attributes=attributes)
    store_images(connection, [1])
    of_study = {"PatientSex", "StudyTime", "TimezoneOffsetFromUTC", "DeidentificationMethod"}
    of_series = {"TimezoneOffsetFromUTC", "Modality", "AcquisitionPlane", "PatientPosition", "EchoTime"}
    ((found,),) = rows(connection, "SELECT attributes FROM omop.radiology_occurrence")
    assert found == {key: said[key] for key in of_study}
    both = rows(connection, "SELECT attributes FROM omop.radiology_image ORDER BY series_instance_uid")
    assert [(set(each), each["EchoTime"]) for (each,) in both] == [
        (of_series, SCAN),
        (of_series, LATER_SCAN),
    ]


def test_merging_twice_changes_nothing(connection):
    study(connection, FORM)
    series(connection, FORM, attributes='{"Modality": "MR"}')
    store_images(connection, [1])
    before = rows(connection, "SELECT xmin::text, image_id FROM omop.radiology_image")
    connection.execute(text("SAVEPOINT again"))
    store_images(connection, [1])
    assert rows(connection, "SELECT xmin::text, image_id FROM omop.radiology_image") == before


def test_a_row_keeps_its_id_while_its_statement_stands(connection):
    study(connection, SCAN)
    scanned = series(connection, SCAN)
    store_images(connection, [1])
    study(connection, FORM)
    formed = series(connection, FORM)
    store_images(connection, [1])
    assert formed < scanned
    assert rows(connection, SERIES) == [(scanned, "1.9.1")]
    connection.execute(text("DELETE FROM lake.series_statements WHERE image_id = :id"), {"id": scanned})
    store_images(connection, [1])
    assert rows(connection, SERIES) == [(formed, "1.9.1")]


def test_series_that_change_places_change_ids(connection):
    study(connection, FORM)
    ids = [series(connection, FORM, item, series_instance_uid=f"1.9.{item}") for item in (0, 1)]
    store_images(connection, [1])
    feature(connection, "1.9.0")
    connection.execute(
        text("UPDATE lake.series_statements SET series_instance_uid = '1.9.' || 1 - (image_id & 1)")
    )
    store_images(connection, [1])
    assert rows(connection, SERIES) == [(ids[1], "1.9.0"), (ids[0], "1.9.1")]
    assert rows(connection, "SELECT image_occurrence_id FROM omop.image_feature") == [(ids[1],)]


def feature(connection: Connection, uid: str) -> None:
    connection.execute(
        text(
            "INSERT INTO omop.image_feature (image_feature_id, person_id, image_feature_concept_id,"
            " image_feature_type_concept_id, series_instance_uid) VALUES (5, 1, 0, 0, :uid)"
        ),
        {"uid": uid},
    )


def test_what_nobody_speaks_of_any_more_goes(connection):
    study(connection, FORM)
    series(connection, FORM)
    store_images(connection, [1])
    connection.execute(text("DELETE FROM lake.series_statements; DELETE FROM lake.study_statements"))
    store_images(connection, [1])
    assert rows(connection, STUDIES) == rows(connection, SERIES) == []


def test_images_wait_for_their_person(connection):
    study(connection, SCAN, person=2)
    scanned = series(connection, SCAN, person=2)
    connection.execute(text("DELETE FROM omop.person WHERE person_id = 2"))
    store_images(connection, [2])
    assert rows(connection, SERIES) == []
    connection.execute(text("UPDATE omop.person SET person_id = 2"))
    store_images(connection, [2])
    assert rows(connection, SERIES) == [(scanned, "1.9.1")]


PROBLEMS = "SELECT case_id, kind, reason FROM lake.problems ORDER BY case_id, reason"


def test_another_patients_series_is_not_taken_and_told(connection):
    study(connection, FORM)
    first = series(connection, FORM)
    store_images(connection, [1])
    study(connection, OTHER, person=2)
    theirs = series(connection, OTHER, person=2)
    for _ in range(2):
        store_images(connection, [2])
        assert rows(connection, SERIES) == [(first, "1.9.1")]
        assert rows(connection, PROBLEMS) == [
            (3, "invalid", f"{uid} is that of another patient; nothing of it was stored")
            for uid in ("series_instance_uid", "study_instance_uid")
        ]
    assert contenders(connection, [1]) == [2]
    connection.execute(text("DELETE FROM lake.series_statements WHERE person_id = 1"))
    connection.execute(text("DELETE FROM lake.study_statements WHERE person_id = 1"))
    store_images(connection, [1])
    assert rows(connection, SERIES) == [(theirs, "1.9.1")]
    assert rows(connection, PROBLEMS) == []


def test_of_two_in_one_batch_the_first_has_it(connection):
    study(connection, OTHER, person=2)
    series(connection, OTHER, person=2)
    study(connection, FORM)
    first = series(connection, FORM)
    for _ in range(2):
        store_images(connection, [1, 2])
        assert rows(connection, SERIES) == [(first, "1.9.1")]
        assert {case for case, *_ in rows(connection, PROBLEMS)} == {OTHER}
    connection.execute(text("DELETE FROM omop.radiology_image; DELETE FROM omop.radiology_occurrence"))
    store_images(connection, [2])
    store_images(connection, [1, 2])
    assert rows(connection, "SELECT person_id FROM omop.radiology_image") == [(2,)], "whose it is, it stays"


def test_links_are_cleared_with_the_rows_they_lead_to(connection):
    connection.execute(text(_VISIT), {"visit": MRI})
    study(connection, FORM, visit_occurrence_id=MRI)
    store_images(connection, [1])
    linked = "SELECT visit_occurrence_id FROM omop.radiology_occurrence"
    assert rows(connection, linked) == [(MRI,)]
    connection.execute(text("DELETE FROM omop.visit_occurrence"))
    assert rows(connection, linked) == [(None,)]


_VISIT = """
    INSERT INTO omop.visit_occurrence (visit_occurrence_id, person_id, visit_concept_id, visit_start_datetime,
        visit_end_datetime, visit_type_concept_id, visit_source_concept_id, admitted_from_concept_id,
        discharge_to_concept_id)
    VALUES (:visit, 1, 0, '2000-01-21', '2000-01-21', 0, 0, 0, 0)
"""
