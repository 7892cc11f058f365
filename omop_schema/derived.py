"""Standardized derived elements of OMOP CDM v6.0.0."""

from sqlalchemy import Column, DateTime, Integer, Numeric, Table

from omop_schema.base import OMOP, metadata
from omop_schema.columns import concept_id, key, person_id

drug_era = Table(
    "drug_era",
    metadata,
    key("drug_era_id"),
    person_id(),
    concept_id("drug_concept_id", index=True),
    Column("drug_era_start_datetime", DateTime, nullable=False),
    Column("drug_era_end_datetime", DateTime, nullable=False),
    Column("drug_exposure_count", Integer),
    Column("gap_days", Integer),
    schema=OMOP,
    comment="Spans in which a person took an ingredient, derived from drug_exposure",
)

dose_era = Table(
    "dose_era",
    metadata,
    key("dose_era_id"),
    person_id(),
    concept_id("drug_concept_id", index=True),
    concept_id("unit_concept_id"),
    Column("dose_value", Numeric, nullable=False),
    Column("dose_era_start_datetime", DateTime, nullable=False),
    Column("dose_era_end_datetime", DateTime, nullable=False),
    schema=OMOP,
    comment="Spans in which a person took an ingredient at a constant dose",
)

condition_era = Table(
    "condition_era",
    metadata,
    key("condition_era_id"),
    person_id(),
    concept_id("condition_concept_id", index=True),
    Column("condition_era_start_datetime", DateTime, nullable=False),
    Column("condition_era_end_datetime", DateTime, nullable=False),
    Column("condition_occurrence_count", Integer),
    schema=OMOP,
    comment="Spans in which a person had a condition, derived from condition_occurrence",
)
