"""The radiology extension, curation, and what cases say of images."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and let a curation name the case that its rows are of."""
    _create_radiology_occurrence()
    _create_radiology_image()
    _create_image_feature()
    _create_curation_run()
    _create_registration_step()
    _create_registration_level()
    _create_curation_approval()
    _create_study_statements()
    _create_series_statements()
    _extend_curations()


def downgrade() -> None:
    """What was said of images must not be forgotten."""
    raise NotImplementedError("there is no way back from revision '0003'; restore a backup instead")


def _create_radiology_occurrence() -> None:
    op.create_table(
        "radiology_occurrence",
        sa.Column("radiology_occurrence_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("radiology_occurrence_date", sa.Date(), nullable=True),
        sa.Column("radiology_occurrence_datetime", sa.DateTime(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("condition_occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("device_concept_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("radiology_modality_concept_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("radiology_protocol_concept_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_position_concept_id", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column(
            "image_total_count",
            sa.Integer(),
            nullable=True,
            comment="Images in all series of the study that are known",
        ),
        sa.Column("anatomic_site_concept_id", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("radiology_comment", sa.String(length=2048), nullable=True),
        sa.Column("image_dosage_unit_concept", sa.String(length=4), nullable=True),
        sa.Column("dosage_value_as_number", sa.Integer(), nullable=True),
        sa.Column("image_exposure_time_unit_concept", sa.String(length=4), nullable=True),
        sa.Column("image_exposure_time", sa.Numeric(), nullable=True),
        sa.Column("visit_occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("radiology_dirpath", sa.String(length=255), nullable=True),
        sa.Column("procedure_occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_description", sa.String(length=255), nullable=True),
        sa.Column("accession_number", sa.String(length=64), nullable=True),
        sa.Column(
            "count_of_series", sa.Integer(), nullable=True, comment="Series of the study that are known"
        ),
        sa.Column(
            "attributes",
            JSONB,
            nullable=True,
            comment="The study's DICOM attributes that were kept, by keyword",
        ),
        sa.ForeignKeyConstraint(
            ["anatomic_site_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_radiology_occurrence_anatomic_site_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["condition_occurrence_id"],
            ["omop.condition_occurrence.condition_occurrence_id"],
            name=op.f("fk_radiology_occurrence_condition_occurrence_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["device_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_radiology_occurrence_device_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["omop.person.person_id"], name=op.f("fk_radiology_occurrence_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_position_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_radiology_occurrence_person_position_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["procedure_occurrence_id"],
            ["omop.procedure_occurrence.procedure_occurrence_id"],
            name=op.f("fk_radiology_occurrence_procedure_occurrence_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["radiology_modality_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_radiology_occurrence_radiology_modality_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["radiology_protocol_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_radiology_occurrence_radiology_protocol_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["visit_occurrence_id"],
            ["omop.visit_occurrence.visit_occurrence_id"],
            name=op.f("fk_radiology_occurrence_visit_occurrence_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("radiology_occurrence_id", name=op.f("pk_radiology_occurrence")),
        sa.UniqueConstraint("study_instance_uid", name=op.f("uq_radiology_occurrence_study_instance_uid")),
        schema="omop",
        comment="Imaging studies (R-CDM), one row for each Study Instance UID",
    )
    op.create_index(
        op.f("ix_radiology_occurrence_condition_occurrence_id"),
        "radiology_occurrence",
        ["condition_occurrence_id"],
        unique=False,
        schema="omop",
        postgresql_where=sa.text("condition_occurrence_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_radiology_occurrence_person_id"),
        "radiology_occurrence",
        ["person_id"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_radiology_occurrence_procedure_occurrence_id"),
        "radiology_occurrence",
        ["procedure_occurrence_id"],
        unique=False,
        schema="omop",
        postgresql_where=sa.text("procedure_occurrence_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_radiology_occurrence_visit_occurrence_id"),
        "radiology_occurrence",
        ["visit_occurrence_id"],
        unique=False,
        schema="omop",
        postgresql_where=sa.text("visit_occurrence_id IS NOT NULL"),
    )


def _create_radiology_image() -> None:
    op.create_table(
        "radiology_image",
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("radiology_occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "image_type",
            sa.String(length=255),
            nullable=True,
            comment="DICOM's Image Type, such as ORIGINAL\\PRIMARY",
        ),
        sa.Column("radiology_phase_concept_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_no", sa.Integer(), nullable=True, comment="DICOM's Series Number"),
        sa.Column("phase_total_no", sa.Integer(), nullable=True, comment="Volumes in the series (DWI, DCE)"),
        sa.Column("image_resolution_rows", sa.Integer(), nullable=True),
        sa.Column("image_resolution_columns", sa.Integer(), nullable=True),
        sa.Column("image_window_level_center", sa.String(length=255), nullable=True),
        sa.Column("image_window_level_width", sa.String(length=255), nullable=True),
        sa.Column("image_slice_thickness", sa.Numeric(), nullable=True, comment="mm"),
        sa.Column("image_filepath", sa.String(length=255), nullable=True),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("frame_of_reference_uid", sa.String(length=64), nullable=True),
        sa.Column("series_date", sa.Date(), nullable=True),
        sa.Column("series_datetime", sa.DateTime(), nullable=True),
        sa.Column("modality", sa.String(length=64), nullable=True),
        sa.Column("modality_concept_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("series_description", sa.String(length=255), nullable=True),
        sa.Column("protocol_name", sa.String(length=255), nullable=True),
        sa.Column("anatomic_site_concept_id", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("body_part_examined", sa.String(length=64), nullable=True),
        sa.Column("laterality", sa.String(length=64), nullable=True),
        sa.Column("image_count", sa.Integer(), nullable=True, comment="Instances in the series"),
        sa.Column("manufacturer", sa.String(length=255), nullable=True),
        sa.Column("manufacturer_model_name", sa.String(length=255), nullable=True),
        sa.Column("magnetic_field_strength", sa.Numeric(), nullable=True, comment="T"),
        sa.Column("repetition_time", sa.Numeric(), nullable=True, comment="ms"),
        sa.Column("echo_time", sa.Numeric(), nullable=True, comment="ms"),
        sa.Column(
            "acquisition_plane",
            sa.String(length=16),
            nullable=True,
            comment="axial, coronal, sagittal or oblique",
        ),
        sa.Column("mr_acquisition_type", sa.String(length=64), nullable=True, comment="2D or 3D"),
        sa.Column(
            "attributes",
            JSONB,
            nullable=True,
            comment="The series' DICOM attributes that were kept, by keyword",
        ),
        sa.ForeignKeyConstraint(
            ["anatomic_site_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_radiology_image_anatomic_site_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["modality_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_radiology_image_modality_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["omop.person.person_id"], name=op.f("fk_radiology_image_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["radiology_occurrence_id"],
            ["omop.radiology_occurrence.radiology_occurrence_id"],
            name=op.f("fk_radiology_image_radiology_occurrence_id"),
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["radiology_phase_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_radiology_image_radiology_phase_concept_id"),
        ),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_radiology_image")),
        sa.UniqueConstraint("series_instance_uid", name=op.f("uq_radiology_image_series_instance_uid")),
        schema="omop",
        comment="Image series (R-CDM), one row for each Series Instance UID, derived series too",
    )
    op.create_index(
        op.f("ix_radiology_image_frame_of_reference_uid"),
        "radiology_image",
        ["frame_of_reference_uid"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_radiology_image_person_id"), "radiology_image", ["person_id"], unique=False, schema="omop"
    )
    op.create_index(
        op.f("ix_radiology_image_radiology_occurrence_id"),
        "radiology_image",
        ["radiology_occurrence_id"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_radiology_image_study_instance_uid"),
        "radiology_image",
        ["study_instance_uid"],
        unique=False,
        schema="omop",
    )


def _create_image_feature() -> None:
    op.create_table(
        "image_feature",
        sa.Column("image_feature_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "image_occurrence_id",
            sa.BigInteger(),
            nullable=True,
            comment="The series: radiology_image.image_id, found by the Series Instance UID",
        ),
        sa.Column("image_feature_event_field_concept_id", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("image_feature_event_id", sa.BigInteger(), nullable=True),
        sa.Column("image_feature_concept_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_feature_type_concept_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_finding_concept_id", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("image_finding_id", sa.BigInteger(), nullable=True),
        sa.Column("anatomic_site_concept_id", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("alg_system", sa.Text(), nullable=True, comment="The algorithm or tool"),
        sa.Column("alg_datetime", sa.DateTime(), nullable=True, comment="When it ran"),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column(
            "segmentation_series_uid",
            sa.String(length=64),
            nullable=True,
            comment="The series that holds the segmentation object",
        ),
        sa.Column("segment_number", sa.Integer(), nullable=True),
        sa.Column(
            "alg_type", sa.String(length=16), nullable=True, comment="MANUAL, SEMIAUTOMATIC or AUTOMATIC"
        ),
        sa.Column("alg_version", sa.String(length=64), nullable=True),
        sa.Column("alg_parameters", JSONB, nullable=True),
        sa.Column("image_feature_source_value", sa.String(length=255), nullable=True),
        sa.Column("value_as_number", sa.Numeric(), nullable=True),
        sa.Column("value_as_concept_id", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("unit_concept_id", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("unit_source_value", sa.String(length=50), nullable=True),
        sa.ForeignKeyConstraint(
            ["anatomic_site_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_image_feature_anatomic_site_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["image_feature_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_image_feature_image_feature_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["image_feature_event_field_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_image_feature_image_feature_event_field_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["image_feature_type_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_image_feature_image_feature_type_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["image_finding_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_image_feature_image_finding_concept_id"),
        ),
        sa.ForeignKeyConstraint(
            ["image_occurrence_id"],
            ["omop.radiology_image.image_id"],
            name=op.f("fk_image_feature_image_occurrence_id"),
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["omop.person.person_id"], name=op.f("fk_image_feature_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["series_instance_uid"],
            ["omop.radiology_image.series_instance_uid"],
            name=op.f("fk_image_feature_series_instance_uid"),
        ),
        sa.ForeignKeyConstraint(
            ["unit_concept_id"], ["omop.concept.concept_id"], name=op.f("fk_image_feature_unit_concept_id")
        ),
        sa.ForeignKeyConstraint(
            ["value_as_concept_id"],
            ["omop.concept.concept_id"],
            name=op.f("fk_image_feature_value_as_concept_id"),
        ),
        sa.PrimaryKeyConstraint("image_feature_id", name=op.f("pk_image_feature")),
        schema="omop",
        comment="What was found in a series: segments, measurements, radiomics, results of algorithms",
    )
    op.create_index(
        op.f("ix_image_feature_image_feature_concept_id"),
        "image_feature",
        ["image_feature_concept_id"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_image_feature_image_occurrence_id"),
        "image_feature",
        ["image_occurrence_id"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_image_feature_person_id"), "image_feature", ["person_id"], unique=False, schema="omop"
    )
    op.create_index(
        op.f("ix_image_feature_series_instance_uid"),
        "image_feature",
        ["series_instance_uid"],
        unique=False,
        schema="omop",
    )


def _create_curation_run() -> None:
    op.create_table(
        "curation_run",
        sa.Column("curation_run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "curation_function",
            sa.String(length=32),
            nullable=False,
            comment="motion_correction or coregistration",
        ),
        sa.Column("source_series_uid", sa.String(length=64), nullable=False),
        sa.Column(
            "static_series_uid", sa.String(length=64), nullable=True, comment="The series it was aligned with"
        ),
        sa.Column(
            "derived_series_uid", sa.String(length=64), nullable=True, comment="The series that it made"
        ),
        sa.Column("performed_by", sa.String(length=255), nullable=True),
        sa.Column("performed_at", sa.DateTime(), nullable=True, comment="When the tool ran, in UTC"),
        sa.Column("tool_name", sa.String(length=255), nullable=True),
        sa.Column("tool_version", sa.String(length=64), nullable=True),
        sa.Column(
            "nbins", sa.Integer(), nullable=True, comment="Bins of the histograms for mutual information"
        ),
        sa.Column(
            "sampling_prop", sa.Numeric(), nullable=True, comment="Proportion of the voxels that was sampled"
        ),
        sa.Column(
            "parameters",
            JSONB,
            nullable=False,
            comment="All parameters, as submitted",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["omop.person.person_id"], name=op.f("fk_curation_run_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["source_series_uid"],
            ["omop.radiology_image.series_instance_uid"],
            name=op.f("fk_curation_run_source_series_uid"),
        ),
        sa.PrimaryKeyConstraint("curation_run_id", name=op.f("pk_curation_run")),
        schema="omop",
        comment="Runs of a curation function on a series",
    )
    op.create_index(
        op.f("ix_curation_run_derived_series_uid"),
        "curation_run",
        ["derived_series_uid"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_curation_run_person_id"), "curation_run", ["person_id"], unique=False, schema="omop"
    )
    op.create_index(
        op.f("ix_curation_run_source_series_uid"),
        "curation_run",
        ["source_series_uid"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_curation_run_static_series_uid"),
        "curation_run",
        ["static_series_uid"],
        unique=False,
        schema="omop",
    )


def _create_registration_step() -> None:
    op.create_table(
        "registration_step",
        sa.Column("registration_step_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("curation_run_id", sa.BigInteger(), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=False, comment="Order in the run, from 1"),
        sa.Column("step_name", sa.String(length=32), nullable=False, comment="translation, rigid or affine"),
        sa.ForeignKeyConstraint(
            ["curation_run_id"],
            ["omop.curation_run.curation_run_id"],
            name=op.f("fk_registration_step_curation_run_id"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["omop.person.person_id"], name=op.f("fk_registration_step_person_id")
        ),
        sa.PrimaryKeyConstraint("registration_step_id", name=op.f("pk_registration_step")),
        schema="omop",
        comment="The transforms of a run, in the order in which they were fitted",
    )
    op.create_index(
        op.f("ix_registration_step_curation_run_id"),
        "registration_step",
        ["curation_run_id"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_registration_step_person_id"),
        "registration_step",
        ["person_id"],
        unique=False,
        schema="omop",
    )


def _create_registration_level() -> None:
    op.create_table(
        "registration_level",
        sa.Column("registration_level_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("registration_step_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "level_number", sa.Integer(), nullable=False, comment="Order in the step, from 1: coarse to fine"
        ),
        sa.Column("factor", sa.Numeric(), nullable=False, comment="Shrink factor"),
        sa.Column("level_iters", sa.Integer(), nullable=False, comment="Most iterations"),
        sa.Column("sigma", sa.Numeric(), nullable=False, comment="Sigma of the Gaussian, in voxels"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["omop.person.person_id"], name=op.f("fk_registration_level_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["registration_step_id"],
            ["omop.registration_step.registration_step_id"],
            name=op.f("fk_registration_level_registration_step_id"),
        ),
        sa.PrimaryKeyConstraint("registration_level_id", name=op.f("pk_registration_level")),
        schema="omop",
        comment="The levels of the image pyramid of a step",
    )
    op.create_index(
        op.f("ix_registration_level_person_id"),
        "registration_level",
        ["person_id"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_registration_level_registration_step_id"),
        "registration_level",
        ["registration_step_id"],
        unique=False,
        schema="omop",
    )


def _create_curation_approval() -> None:
    op.create_table(
        "curation_approval",
        sa.Column("curation_approval_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("source_series_uid", sa.String(length=64), nullable=False),
        sa.Column(
            "derived_series_uid", sa.String(length=64), nullable=False, comment="The series that was judged"
        ),
        sa.Column("decision", sa.String(length=16), nullable=False, comment="approved or rejected"),
        sa.Column("decided_by", sa.String(length=255), nullable=True),
        sa.Column("decided_at", sa.DateTime(), nullable=True, comment="In UTC"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["omop.person.person_id"], name=op.f("fk_curation_approval_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["source_series_uid"],
            ["omop.radiology_image.series_instance_uid"],
            name=op.f("fk_curation_approval_source_series_uid"),
        ),
        sa.PrimaryKeyConstraint("curation_approval_id", name=op.f("pk_curation_approval")),
        schema="omop",
        comment="What people decided on derived series; the newest decision counts",
    )
    op.create_index(
        op.f("ix_curation_approval_derived_series_uid"),
        "curation_approval",
        ["derived_series_uid"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_curation_approval_person_id"),
        "curation_approval",
        ["person_id"],
        unique=False,
        schema="omop",
    )
    op.create_index(
        op.f("ix_curation_approval_source_series_uid"),
        "curation_approval",
        ["source_series_uid"],
        unique=False,
        schema="omop",
    )


def _create_study_statements() -> None:
    op.create_table(
        "study_statements",
        sa.Column(
            "radiology_occurrence_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Case, rule and item",
        ),
        sa.Column("radiology_occurrence_date", sa.Date(), nullable=True),
        sa.Column("radiology_occurrence_datetime", sa.DateTime(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("condition_occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("device_concept_id", sa.Integer(), nullable=True),
        sa.Column("radiology_modality_concept_id", sa.Integer(), nullable=True),
        sa.Column("radiology_protocol_concept_id", sa.Integer(), nullable=True),
        sa.Column("person_position_concept_id", sa.Integer(), nullable=True),
        sa.Column("anatomic_site_concept_id", sa.Integer(), nullable=True),
        sa.Column("radiology_comment", sa.String(length=2048), nullable=True),
        sa.Column("image_dosage_unit_concept", sa.String(length=4), nullable=True),
        sa.Column("dosage_value_as_number", sa.Integer(), nullable=True),
        sa.Column("image_exposure_time_unit_concept", sa.String(length=4), nullable=True),
        sa.Column("image_exposure_time", sa.Numeric(), nullable=True),
        sa.Column("visit_occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("radiology_dirpath", sa.String(length=255), nullable=True),
        sa.Column("procedure_occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_description", sa.String(length=255), nullable=True),
        sa.Column("accession_number", sa.String(length=64), nullable=True),
        sa.Column("attributes", JSONB, nullable=True),
        sa.PrimaryKeyConstraint("radiology_occurrence_id", name=op.f("pk_study_statements")),
        schema="lake",
        comment="What each case says of an imaging study",
    )
    op.create_index(
        op.f("ix_study_statements_person_id_study_instance_uid"),
        "study_statements",
        ["person_id", "study_instance_uid"],
        unique=False,
        schema="lake",
    )
    op.create_index(
        op.f("ix_study_statements_study_instance_uid"),
        "study_statements",
        ["study_instance_uid"],
        unique=False,
        schema="lake",
    )


def _create_series_statements() -> None:
    op.create_table(
        "series_statements",
        sa.Column(
            "image_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Case, rule and item"
        ),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("image_type", sa.String(length=255), nullable=True),
        sa.Column("radiology_phase_concept_id", sa.Integer(), nullable=True),
        sa.Column("image_no", sa.Integer(), nullable=True),
        sa.Column("phase_total_no", sa.Integer(), nullable=True),
        sa.Column("image_resolution_rows", sa.Integer(), nullable=True),
        sa.Column("image_resolution_columns", sa.Integer(), nullable=True),
        sa.Column("image_window_level_center", sa.String(length=255), nullable=True),
        sa.Column("image_window_level_width", sa.String(length=255), nullable=True),
        sa.Column("image_slice_thickness", sa.Numeric(), nullable=True),
        sa.Column("image_filepath", sa.String(length=255), nullable=True),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("frame_of_reference_uid", sa.String(length=64), nullable=True),
        sa.Column("series_date", sa.Date(), nullable=True),
        sa.Column("series_datetime", sa.DateTime(), nullable=True),
        sa.Column("modality", sa.String(length=64), nullable=True),
        sa.Column("modality_concept_id", sa.Integer(), nullable=True),
        sa.Column("series_description", sa.String(length=255), nullable=True),
        sa.Column("protocol_name", sa.String(length=255), nullable=True),
        sa.Column("anatomic_site_concept_id", sa.Integer(), nullable=True),
        sa.Column("body_part_examined", sa.String(length=64), nullable=True),
        sa.Column("laterality", sa.String(length=64), nullable=True),
        sa.Column("image_count", sa.Integer(), nullable=True),
        sa.Column("manufacturer", sa.String(length=255), nullable=True),
        sa.Column("manufacturer_model_name", sa.String(length=255), nullable=True),
        sa.Column("magnetic_field_strength", sa.Numeric(), nullable=True),
        sa.Column("repetition_time", sa.Numeric(), nullable=True),
        sa.Column("echo_time", sa.Numeric(), nullable=True),
        sa.Column("acquisition_plane", sa.String(length=16), nullable=True),
        sa.Column("mr_acquisition_type", sa.String(length=64), nullable=True),
        sa.Column("attributes", JSONB, nullable=True),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_series_statements")),
        schema="lake",
        comment="What each case says of an image series",
    )
    op.create_index(
        op.f("ix_series_statements_person_id_series_instance_uid"),
        "series_statements",
        ["person_id", "series_instance_uid"],
        unique=False,
        schema="lake",
    )
    op.create_index(
        op.f("ix_series_statements_series_instance_uid"),
        "series_statements",
        ["series_instance_uid"],
        unique=False,
        schema="lake",
    )


def _extend_curations() -> None:
    op.add_column(
        "curations",
        sa.Column(
            "everywhere",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="Whether its sender may post to patients of any organisation",
        ),
        schema="lake",
    )
    op.add_column(
        "curations",
        sa.Column(
            "case_id",
            sa.Integer(),
            nullable=True,
            comment="The case that its rows are of; NULL: its series is not known yet",
        ),
        schema="lake",
    )
    op.alter_column(
        "curations",
        "curation_function",
        existing_type=sa.TEXT(),
        comment="motion_correction, segmentation, ...",
        existing_comment="motion_correction or coregistration",
        existing_nullable=False,
        schema="lake",
    )
    op.alter_column(
        "curations",
        "source_series_uid",
        existing_type=sa.TEXT(),
        comment="The DICOM series it is about",
        existing_comment="The DICOM series it was made from",
        existing_nullable=False,
        schema="lake",
    )
    op.create_index(op.f("ix_curations_case_id"), "curations", ["case_id"], unique=False, schema="lake")
    op.create_foreign_key(
        op.f("fk_curations_case_id"),
        "curations",
        "cases",
        ["case_id"],
        ["case_id"],
        source_schema="lake",
        referent_schema="lake",
    )
