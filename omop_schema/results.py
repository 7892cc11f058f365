"""Results of OMOP CDM v6.0.0, cohorts, in the schema ``results`` where OHDSI's tools look for them."""

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Integer, String, Table, Text

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
