"""Standardized metadata of OMOP CDM v6.0.0: what the database says about itself."""

from sqlalchemy import Column, Date, DateTime, String, Table, Text

from omop_schema.base import OMOP, metadata
from omop_schema.columns import concept_id

cdm_source = Table(
    "cdm_source",
    metadata,
    Column("cdm_source_name", String(255), nullable=False),
    Column("cdm_source_abbreviation", String(25)),
    Column("cdm_holder", String(255)),
    Column("source_description", Text),
    Column("source_documentation_reference", String(255)),
    Column("cdm_etl_reference", String(255)),
    Column("source_release_date", Date),
    Column("cdm_release_date", Date),
    Column("cdm_version", String(10)),
    Column("vocabulary_version", String(20)),
    schema=OMOP,
    comment="What this database holds, who holds it and which versions made it; one row",
)

metadata_table = Table(
    "metadata",
    metadata,
    concept_id("metadata_concept_id"),
    concept_id("metadata_type_concept_id"),
    Column("name", String(250), nullable=False),
    Column("value_as_string", Text),
    concept_id("value_as_concept_id", nullable=True, linked=False),
    Column("metadata_date", Date),
    Column("metadata_datetime", DateTime),
    schema=OMOP,
    comment="Facts about the database itself, as name and value",
)
