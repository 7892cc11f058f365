"""Results of OMOP CDM v6.0.0, cohorts, in the schema ``results`` where OHDSI's tools look for them.

The last two tables are ours: how a cohort came about.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from omop_schema.base import RESULTS, metadata
from omop_schema.columns import concept_id

cohort = Table(
    "cohort",
    metadata,
    Column(
        "cohort_definition_id",
        BigInteger,
        ForeignKey(f"{RESULTS}.cohort_definition.cohort_definition_id"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("subject_id", BigInteger, primary_key=True, autoincrement=False, index=True),
    Column("cohort_start_date", Date, primary_key=True),
    Column("cohort_end_date", Date, primary_key=True),
    schema=RESULTS,
    comment="Who belongs to which cohort, and when",
)

cohort_definition = Table(
    "cohort_definition",
    metadata,
    Column("cohort_definition_id", Integer, primary_key=True, autoincrement=False),
    Column("cohort_definition_name", String(255), nullable=False),
    Column("cohort_definition_description", Text),
    concept_id("definition_type_concept_id"),
    Column("cohort_definition_syntax", Text),
    concept_id("subject_concept_id"),
    Column("cohort_initiation_date", Date),
    schema=RESULTS,
    comment="What each cohort means and how it was drawn",
)

cohort_run = Table(
    "cohort_run",
    metadata,
    Column(
        "cohort_definition_id",
        Integer,
        ForeignKey(cohort_definition.c.cohort_definition_id),
        primary_key=True,
        autoincrement=False,
    ),
    Column("mapping", Text, nullable=False, comment="The mapping folder that it came with, or was run for"),
    Column("cohort_name", Text, nullable=False, comment="As its file says, without parameters"),
    Column("parameters", JSONB, nullable=False, comment="Every parameter with its value, as text"),
    Column("ran_at", DateTime(timezone=True), nullable=False),
    Column("data_state", Text, nullable=False, comment="Digest of which versions of cases were loaded then"),
    schema=RESULTS,
    comment="The last run of each cohort that `oncolake cohort run` made",
)

cohort_step = Table(
    "cohort_step",
    metadata,
    Column(
        "cohort_definition_id",
        Integer,
        ForeignKey(cohort_run.c.cohort_definition_id),
        primary_key=True,
        autoincrement=False,
    ),
    Column("person_id", BigInteger, primary_key=True, autoincrement=False, index=True),
    Column("steps", SmallInteger, nullable=False, comment="How many of its steps kept the person"),
    schema=RESULTS,
    comment="How far each person came in each cohort: what its attrition counts",
)
