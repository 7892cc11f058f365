"""What was done to series, of all series at once."""

from alembic import op

from migrations import series

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the functions that the views of diseases ask."""
    # A colon or a percent sign is no parameter here.
    op.get_bind().exec_driver_sql(series.CURATED, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Views of diseases ask them."""
    raise NotImplementedError("there is no way back from revision '0008'; restore a backup instead")
