"""The radiology extension: studies, series and what was found in them.

``radiology_occurrence`` and ``radiology_image`` follow R-CDM (OHDSI Radiology-CDM), ``image_feature``
follows the OHDSI imaging extension. Each was extended: R-CDM knows no UID, and a feature has its value beside
it. What R-CDM requires and a de-identified header seldom has (a date, a folder, a window) may be NULL.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from omop_schema.base import OMOP, metadata
from omop_schema.columns import concept_id, key, link, person_id, source_value, sparse_index
from omop_schema.image_search import day, names, ordered, plain, whole_names

#: A DICOM UID has at most 64 characters (PS3.5, 9).
UID = String(64)


def _link_while_there(name: str, table: str) -> Column[int]:
    """A reference to a row of a case: it is cleared with that row, and made anew with the case."""
    target = ForeignKey(f"{OMOP}.{table}.{table}_id", ondelete="SET NULL")
    return Column(name, BigInteger, target)


radiology_occurrence = Table(
    "radiology_occurrence",
    metadata,
    key("radiology_occurrence_id"),
    Column("radiology_occurrence_date", Date),
    Column("radiology_occurrence_datetime", DateTime),
    link("person_id", "person", nullable=False),
    _link_while_there("condition_occurrence_id", "condition_occurrence"),
    concept_id("device_concept_id"),
    concept_id("radiology_modality_concept_id"),
    concept_id("radiology_protocol_concept_id"),
    concept_id("person_position_concept_id", nullable=True),
    Column("image_total_count", Integer, comment="Images in all series of the study that are known"),
    concept_id("anatomic_site_concept_id", nullable=True),
    Column("radiology_comment", String(2048)),
    Column("image_dosage_unit_concept", String(4)),
    Column("dosage_value_as_number", Integer),
    Column("image_exposure_time_unit_concept", String(4)),
    Column("image_exposure_time", Numeric),
    _link_while_there("visit_occurrence_id", "visit_occurrence"),
    Column("radiology_dirpath", String(255)),
    # Beyond R-CDM
    _link_while_there("procedure_occurrence_id", "procedure_occurrence"),
    Column("study_instance_uid", UID, nullable=False, unique=True),
    Column("study_description", String(255)),
    Column("accession_number", String(64)),
    Column("count_of_series", Integer, comment="Series of the study that are known"),
    Column("attributes", JSONB, comment="The study's DICOM attributes that were kept, by keyword"),
    *map(sparse_index, ("condition_occurrence_id", "visit_occurrence_id", "procedure_occurrence_id")),
    # Whose a study is, without the table
    Index("ix_radiology_occurrence_person", "person_id", "radiology_occurrence_id"),
    # What studies are searched by, newest first
    *(
        ordered(f"ix_radiology_occurrence_{name}", sql, "radiology_occurrence_id")
        for name, sql in (
            ("accession", plain("accession_number")),
            ("birth", day("PatientBirthDate")),
            ("date", "radiology_occurrence_date"),
            ("description", plain("study_description")),
        )
    ),
    whole_names("ix_radiology_occurrence_patient_name", "PatientName", "radiology_occurrence_id"),
    whole_names(
        "ix_radiology_occurrence_referring_name", "ReferringPhysicianName", "radiology_occurrence_id"
    ),
    # Beginnings of names
    names("ix_radiology_occurrence_patient", "PatientName"),
    names("ix_radiology_occurrence_referring", "ReferringPhysicianName"),
    schema=OMOP,
    comment="Imaging studies (R-CDM), one row for each Study Instance UID",
)

radiology_image = Table(
    "radiology_image",
    metadata,
    key("image_id"),
    Column(
        "radiology_occurrence_id",
        BigInteger,
        ForeignKey(f"{OMOP}.radiology_occurrence.radiology_occurrence_id", onupdate="CASCADE"),
        nullable=False,
    ),
    person_id(),
    Column("image_type", String(255), comment="DICOM's Image Type, such as ORIGINAL\\PRIMARY"),
    concept_id("radiology_phase_concept_id"),
    Column("image_no", Integer, comment="DICOM's Series Number"),
    Column("phase_total_no", Integer, comment="Volumes in the series (DWI, DCE)"),
    Column("image_resolution_rows", Integer),
    Column("image_resolution_columns", Integer),
    Column("image_window_level_center", String(255)),
    Column("image_window_level_width", String(255)),
    Column("image_slice_thickness", Numeric, comment="mm"),
    Column("image_filepath", String(255)),
    # Beyond R-CDM
    Column("series_instance_uid", UID, nullable=False, unique=True),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("frame_of_reference_uid", UID, index=True),
    Column("series_date", Date),
    Column("series_datetime", DateTime),
    Column("modality", String(64)),
    concept_id("modality_concept_id"),
    Column("series_description", String(255)),
    Column("protocol_name", String(255)),
    concept_id("anatomic_site_concept_id", nullable=True),
    Column("body_part_examined", String(64)),
    Column("laterality", String(64)),
    Column("image_count", Integer, comment="Instances in the series"),
    Column("manufacturer", String(255)),
    Column("manufacturer_model_name", String(255)),
    Column("magnetic_field_strength", Numeric, comment="T"),
    Column("repetition_time", Numeric, comment="ms"),
    Column("echo_time", Numeric, comment="ms"),
    Column("acquisition_plane", String(16), comment="axial, coronal, sagittal or oblique"),
    Column("mr_acquisition_type", String(64), comment="2D or 3D"),
    Column("attributes", JSONB, comment="The series' DICOM attributes that were kept, by keyword"),
    # What came from a series, by the headers that name it
    Index(
        "ix_radiology_image_references",
        text("(attributes -> 'ReferencedSeriesUIDs')"),
        postgresql_using="gin",
    ),
    # What series are searched by, those of the newest study first
    Index(
        "ix_radiology_image_study",
        "radiology_occurrence_id",
        "image_id",
        postgresql_include=["modality"],
    ),
    *(
        ordered(f"ix_radiology_image_{name}", sql, "radiology_occurrence_id", "image_id")
        for name, sql in (
            ("modality", plain("modality")),
            ("model", plain("manufacturer_model_name")),
            ("step", day("PerformedProcedureStepStartDate")),
        )
    ),
    schema=OMOP,
    comment="Image series (R-CDM), one row for each Series Instance UID, derived series too",
)

image_feature = Table(
    "image_feature",
    metadata,
    key("image_feature_id"),
    person_id(),
    Column(
        "image_occurrence_id",
        BigInteger,
        ForeignKey(f"{OMOP}.radiology_image.image_id", onupdate="CASCADE"),
        index=True,
        comment="The series: radiology_image.image_id, found by the Series Instance UID",
    ),
    concept_id("image_feature_event_field_concept_id", nullable=True),
    Column("image_feature_event_id", BigInteger),
    concept_id("image_feature_concept_id", index=True),
    concept_id("image_feature_type_concept_id"),
    concept_id("image_finding_concept_id", nullable=True),
    Column("image_finding_id", BigInteger),
    concept_id("anatomic_site_concept_id", nullable=True),
    Column("alg_system", Text, comment="The algorithm or tool"),
    Column("alg_datetime", DateTime, comment="When it ran"),
    # Beyond the imaging extension
    Column(
        "series_instance_uid",
        UID,
        ForeignKey(f"{OMOP}.radiology_image.series_instance_uid"),
        nullable=False,
        index=True,
    ),
    Column("segmentation_series_uid", UID, comment="The series that holds the segmentation object"),
    Column("segment_number", Integer),
    Column("alg_type", String(16), comment="MANUAL, SEMIAUTOMATIC or AUTOMATIC"),
    Column("alg_version", String(64)),
    Column("alg_parameters", JSONB),
    source_value("image_feature_source_value", 255),
    Column("value_as_number", Numeric),
    concept_id("value_as_concept_id", nullable=True),
    concept_id("unit_concept_id", nullable=True),
    source_value("unit_source_value"),
    sparse_index("segmentation_series_uid"),
    schema=OMOP,
    comment="What was found in a series: segments, measurements, radiomics, results of algorithms",
)
