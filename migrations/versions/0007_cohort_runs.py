"""How cohorts came about: the last run of each, and how many of its steps kept each person."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create two tables; cohorts that are there stay as they are, and have no run."""
    _create_runs()
    _create_steps()
    op.create_index("ix_cohort_step_person_id", "cohort_step", ["person_id"], schema="results")


def _create_runs() -> None:
    op.create_table(
        "cohort_run",
        Column("cohort_definition_id", Integer, nullable=False, autoincrement=False),
        Column(
            "mapping", Text, nullable=False, comment="The mapping folder that it came with, or was run for"
        ),
        Column("cohort_name", Text, nullable=False, comment="As its file says, without parameters"),
        Column("parameters", JSONB, nullable=False, comment="Every parameter with its value, as text"),
        Column("ran_at", DateTime(timezone=True), nullable=False),
        Column(
            "data_state", Text, nullable=False, comment="Digest of which versions of cases were loaded then"
        ),
        PrimaryKeyConstraint("cohort_definition_id", name="pk_cohort_run"),
        ForeignKeyConstraint(
            ["cohort_definition_id"],
            ["results.cohort_definition.cohort_definition_id"],
            name="fk_cohort_run_cohort_definition_id",
        ),
        schema="results",
        comment="The last run of each cohort that `oncolake cohort run` made",
    )


def _create_steps() -> None:
    op.create_table(
        "cohort_step",
        Column("cohort_definition_id", Integer, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False, autoincrement=False),
        Column("steps", SmallInteger, nullable=False, comment="How many of its steps kept the person"),
        PrimaryKeyConstraint("cohort_definition_id", "person_id", name="pk_cohort_step"),
        ForeignKeyConstraint(
            ["cohort_definition_id"],
            ["results.cohort_run.cohort_definition_id"],
            name="fk_cohort_step_cohort_definition_id",
        ),
        schema="results",
        comment="How far each person came in each cohort: what its attrition counts",
    )


def downgrade() -> None:
    """What was run would be forgotten."""
    raise NotImplementedError("there is no way back from revision '0007'; restore a backup instead")
