"""Cohorts move to the schema ``results``, where OHDSI's tools look for them."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the schema, and move the two tables with their rows, keys, indexes and grants."""
    op.execute("CREATE SCHEMA results")
    op.execute("COMMENT ON SCHEMA results IS 'Cohorts: who is in them, and what they mean'")
    for table in ("cohort_definition", "cohort"):
        op.execute(f"ALTER TABLE omop.{table} SET SCHEMA results")


def downgrade() -> None:
    """Queries that look for cohorts in the new place would not find them in the old one."""
    raise NotImplementedError("there is no way back from revision '0006'; restore a backup instead")
