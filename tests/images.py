"""Studies and series written straight into the tables, for tests of what reads them."""

import json
from typing import Any

from sqlalchemy import Connection, text

_PERSON = text("""
    WITH known AS (INSERT INTO lake.patients (patient_id) VALUES (:patient) RETURNING person_id),
    written AS (
        INSERT INTO lake.cases (mapping, patient_id, form, person_id, organisation, version)
        SELECT 'prostate', :patient, '1', person_id, :organisation, 1 FROM known)
    INSERT INTO omop.person (person_id, gender_concept_id, year_of_birth, race_concept_id,
        ethnicity_concept_id, person_source_value, gender_source_concept_id, race_source_concept_id,
        ethnicity_source_concept_id)
    SELECT person_id, 8507, 1930, 0, 0, :patient, 0, 0, 0 FROM known
    RETURNING person_id
""")


def add_person(connection: Connection, patient: str, organisation: str | None) -> int:
    """A patient with a case of that organisation."""
    values = {"patient": patient, "organisation": organisation}
    return int(connection.execute(_PERSON, values).scalar_one())


def add_study(connection: Connection, key: int, person_id: int, uid: str, **columns: Any) -> None:
    """A study; ``columns`` are its own by name, ``attributes`` a dictionary."""
    zeros = ("device_concept_id", "radiology_modality_concept_id", "radiology_protocol_concept_id")
    given = {"radiology_occurrence_id": key, "person_id": person_id, "study_instance_uid": uid}
    _insert(connection, "radiology_occurrence", given | dict.fromkeys(zeros, 0) | columns)


def add_series(connection: Connection, key: int, study: int, uid: str, **columns: Any) -> None:
    """A series of the study with that key, which it takes person and UID from."""
    found = connection.execute(
        text("SELECT person_id, study_instance_uid FROM omop.radiology_occurrence WHERE"
             " radiology_occurrence_id = :study"),
        {"study": study},
    ).one()  # fmt: skip
    given = {
        "image_id": key,
        "radiology_occurrence_id": study,
        "series_instance_uid": uid,
        "radiology_phase_concept_id": 0,
        "modality_concept_id": 0,
        **found._mapping,
    }
    _insert(connection, "radiology_image", given | columns)


def _insert(connection: Connection, table: str, columns: dict[str, Any]) -> None:
    values = {name: json.dumps(each) if isinstance(each, dict) else each for name, each in columns.items()}
    names = ", ".join(values)
    marks = ", ".join(f"CAST(:{each} AS jsonb)" if each == "attributes" else f":{each}" for each in values)
    connection.execute(text(f"INSERT INTO omop.{table} ({names}) VALUES ({marks})"), values)
