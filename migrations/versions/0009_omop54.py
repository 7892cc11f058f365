"""Schema ``omop54``: the data as CDM v5.4, for OHDSI's tools.

The views are made of the list in ``omop_schema/omop54.csv`` as it is today. A later migration that changes it
makes the schema anew; where the list then needs what only comes after this revision, this one is left empty.
"""

from alembic import op

from omop_schema import omop54

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the schema and its views."""
    for statement in omop54.statements():
        # A colon is no parameter here.
        op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Once there is something in it, what looks at it should stay."""
    raise NotImplementedError("there is no way back from revision '0009'; restore a backup instead")
