"""The views on images, in ``omop`` and in the new schema ``research``."""

from alembic import op
from sqlalchemy import text

from migrations import series, views

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

VIEWS = (
    views.IMAGE_OCCURRENCE,
    views.CAME_FROM,
    views.BECAME,
    views.IMAGE_LINEAGE,
    series.WEIGHTING,
    series.PLANE,
    series.SERIES_WORDS,
    series.CURATION,
)


def upgrade() -> None:
    """Create the views, the schema of those for scientists, and what they are read by."""
    op.create_index(
        op.f("ix_image_feature_segmentation_series_uid"),
        "image_feature",
        ["segmentation_series_uid"],
        unique=False,
        schema="omop",
        postgresql_where=text("segmentation_series_uid IS NOT NULL"),
    )
    op.create_index(
        "ix_radiology_image_references",
        "radiology_image",
        [text("(attributes -> 'ReferencedSeriesUIDs')")],
        schema="omop",
        postgresql_using="gin",
    )
    op.execute("CREATE SCHEMA research")
    op.execute("COMMENT ON SCHEMA research IS 'Views for scientists; oncolake init makes those of a disease'")
    for view in VIEWS:
        # A colon or a percent sign is no parameter here.
        op.get_bind().exec_driver_sql(view, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Once there is something in it, what looks at it should stay."""
    raise NotImplementedError("there is no way back from revision '0005'; restore a backup instead")
