"""Rows of images and curation, put straight into the tables."""

from typing import Any

from sqlalchemy import Connection, insert, text

from omop_schema.curation import curation_approval, curation_run
from omop_schema.imaging import image_feature, radiology_image, radiology_occurrence

_PERSON = text("""
    INSERT INTO omop.person (person_id, year_of_birth, gender_concept_id, race_concept_id,
        ethnicity_concept_id, gender_source_concept_id, race_source_concept_id, ethnicity_source_concept_id)
    VALUES (:person, 1930, 8507, 0, 0, 0, 0, 0)
""")


class Images:
    """Writes rows with ids that count up; a series is named by its UID."""

    def __init__(self, connection: Connection, person_id: int = 1) -> None:
        self.connection = connection
        self.person_id = person_id
        self.last = 1000 * person_id
        connection.execute(_PERSON, {"person": person_id})

    def study(self, uid: str, **values: Any) -> int:
        """A study; returns its key."""
        row = {
            "radiology_occurrence_id": self._next(),
            "person_id": self.person_id,
            "study_instance_uid": uid,
        }
        zero = dict.fromkeys(
            ("device_concept_id", "radiology_modality_concept_id", "radiology_protocol_concept_id"), 0
        )
        self.connection.execute(insert(radiology_occurrence).values(**zero, **row, **values))
        return int(row["radiology_occurrence_id"])

    def series(self, study: int, uid: str, *, references: Any = None, **values: Any) -> int:
        """A series; returns its key."""
        row = {
            "image_id": self._next(),
            "radiology_occurrence_id": study,
            "person_id": self.person_id,
            "series_instance_uid": uid,
            "study_instance_uid": f"study of {uid}",
            "radiology_phase_concept_id": 0,
            "modality_concept_id": 0,
            "modality": "MR",
        }
        if references is not None:
            row["attributes"] = {"ReferencedSeriesUIDs": references}
        self.connection.execute(insert(radiology_image).values(**row | values))
        return int(row["image_id"])

    def run(self, function: str, source: str, *, static: str | None = None, made: str | None = None) -> None:
        """A curation run."""
        self.connection.execute(
            insert(curation_run).values(
                curation_run_id=self._next(),
                person_id=self.person_id,
                curation_function=function,
                source_series_uid=source,
                static_series_uid=static,
                derived_series_uid=made,
                parameters={},
            )
        )

    def decide(self, source: str, made: str, decision: str, at: Any = None) -> None:
        """A decision on a derived series."""
        self.connection.execute(
            insert(curation_approval).values(
                curation_approval_id=self._next(),
                person_id=self.person_id,
                source_series_uid=source,
                derived_series_uid=made,
                decision=decision,
                decided_at=at,
            )
        )

    def feature(self, series: str, **values: Any) -> None:
        """Something found in a series."""
        self.connection.execute(
            insert(image_feature).values(
                image_feature_id=self._next(),
                person_id=self.person_id,
                series_instance_uid=series,
                image_feature_concept_id=0,
                image_feature_type_concept_id=0,
                **values,
            )
        )

    def _next(self) -> int:
        self.last += 1
        return self.last
