"""Indexes for the search of images."""

from alembic import op
from sqlalchemy import text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OMOP = "omop"
STUDY, SERIES = ("radiology_occurrence_id",), ("radiology_occurrence_id", "image_id")
#: Name, table, expression and key: the rows of one value in the order of their keys.
ORDERED = (
    ("ix_person_source", "person", "lower(person_source_value)", ("person_id",)),
    ("ix_radiology_occurrence_accession", "radiology_occurrence", "lower(accession_number)", STUDY),
    (
        "ix_radiology_occurrence_birth",
        "radiology_occurrence",
        "left(attributes ->> 'PatientBirthDate', 10)",
        STUDY,
    ),
    ("ix_radiology_occurrence_date", "radiology_occurrence", "radiology_occurrence_date", STUDY),
    ("ix_radiology_occurrence_description", "radiology_occurrence", "lower(study_description)", STUDY),
    ("ix_radiology_image_modality", "radiology_image", "lower(modality)", SERIES),
    ("ix_radiology_image_model", "radiology_image", "lower(manufacturer_model_name)", SERIES),
    (
        "ix_radiology_image_step",
        "radiology_image",
        "left(attributes ->> 'PerformedProcedureStepStartDate', 10)",
        SERIES,
    ),
)
#: Name and keyword: the words of a person's name.
NAMES = (
    ("ix_radiology_occurrence_patient", "PatientName"),
    ("ix_radiology_occurrence_referring", "ReferringPhysicianName"),
)


def upgrade() -> None:
    """Create the indexes; one takes the place of that of the study alone."""
    op.drop_index("ix_radiology_image_radiology_occurrence_id", table_name="radiology_image", schema=OMOP)
    op.create_index("ix_radiology_image_study", "radiology_image", list(SERIES), schema=OMOP)
    for name, table, expression, key in ORDERED:
        op.create_index(name, table, [text(f"({expression})"), *map(text, key)], schema=OMOP)
    for name, keyword in NAMES:
        plain = rf"regexp_replace(normalize(attributes ->> '{keyword}', NFKD), '[\u0300-\u036f]', '', 'g')"
        parts = rf"regexp_split_to_array(left(lower({plain}), 500), '[\s^=]+')"
        words = f"array_to_tsvector(array_remove({parts}, ''))"
        op.create_index(
            name, "radiology_occurrence", [text(f"({words})")], schema=OMOP, postgresql_using="gin"
        )


def downgrade() -> None:
    """There is no way back from the tables before it either."""
    raise NotImplementedError("there is no way back from revision '0004'; restore a backup instead")
