"""``omop54.cdm_source``: a release that nobody dated has one day for good, not today's."""

from alembic import op

from omop_schema import omop54

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

VIEW = "cdm_source"


def upgrade() -> None:
    """Replace the view, by the list as it is today, and say what its dates are."""
    columns = omop54.views()[VIEW]
    created = omop54.create(VIEW, columns).replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)
    said = [
        f"COMMENT ON COLUMN {omop54.SCHEMA}.{VIEW}.{each.name} IS '{each.note}'"
        for each in columns
        if each.name in ("source_release_date", "cdm_release_date")
    ]
    for statement in (created, *said):
        op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def downgrade() -> None:
    """A report that was made since says the new day."""
    raise NotImplementedError("there is no way back from revision '0013'; restore a backup instead")
