"""Values that arrived and are not plausible: warnings beside the problems, counted apart."""

from alembic import op
from sqlalchemy import Column, Integer, text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LAKE = "lake"
KINDS = "kind IN ('unmapped', 'invalid', 'truncated', 'disagrees', 'implausible')"


def upgrade() -> None:
    """Allow the kind, and count it for each upload; of uploads until now there are none."""
    op.drop_constraint(op.f("ck_problems_kind"), "problems", schema=LAKE, type_="check")
    op.create_check_constraint(op.f("ck_problems_kind"), "problems", KINDS, schema=LAKE)
    op.create_table_comment(
        "problems",
        "Values of loaded cases that did not arrive as a concept, or not at all, or are not plausible",
        existing_comment="Values of loaded cases that did not arrive as a concept, or not at all",
        schema=LAKE,
    )
    op.add_column(
        "uploads",
        Column("warnings", Integer, nullable=False, server_default=text("0"), comment="Values not plausible"),
        schema=LAKE,
    )


def downgrade() -> None:
    """What was warned of would be forgotten."""
    raise NotImplementedError("there is no way back from revision '0011'; restore a backup instead")
