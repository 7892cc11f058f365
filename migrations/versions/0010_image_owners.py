"""Indexes for the search of images: whole names of persons, whose a study is, and what modalities it has."""

from alembic import op
from sqlalchemy import text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OMOP, LAKE = "omop", "lake"
STUDY = "radiology_occurrence"
#: Name and keyword: the rows of one whole name in the order of their keys.
NAMES = (
    ("ix_radiology_occurrence_patient_name", "PatientName"),
    ("ix_radiology_occurrence_referring_name", "ReferringPhysicianName"),
)


def upgrade() -> None:
    """Create the indexes; two take the places of those that had less in them."""
    for name, keyword in NAMES:
        bare = rf"regexp_replace(normalize(attributes ->> '{keyword}', NFKD), '[\u0300-\u036f]', '', 'g')"
        cut = f"left(lower({bare}), 500)"
        op.create_index(name, STUDY, [text(f"({cut})"), text(f"{STUDY}_id")], schema=OMOP)
    op.drop_index("ix_radiology_occurrence_person_id", table_name=STUDY, schema=OMOP)
    op.create_index(
        "ix_radiology_occurrence_person", STUDY, ["person_id", "radiology_occurrence_id"], schema=OMOP
    )
    op.drop_index("ix_radiology_image_study", table_name="radiology_image", schema=OMOP)
    op.create_index(
        "ix_radiology_image_study",
        "radiology_image",
        ["radiology_occurrence_id", "image_id"],
        schema=OMOP,
        postgresql_include=["modality"],
    )
    op.create_index("ix_cases_owner", "cases", ["organisation", "person_id"], schema=LAKE)


def downgrade() -> None:
    """There is no way back from the tables before it either."""
    raise NotImplementedError("there is no way back from revision '0010'; restore a backup instead")
