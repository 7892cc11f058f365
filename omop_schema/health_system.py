"""Standardized health system data of OMOP CDM v6.0.0."""

from sqlalchemy import BigInteger, Column, Date, Integer, Numeric, String, Table

from omop_schema.base import OMOP, metadata
from omop_schema.columns import concept_id, key, link, source_value

location = Table(
    "location",
    metadata,
    key("location_id"),
    Column("address_1", String(50)),
    Column("address_2", String(50)),
    Column("city", String(50)),
    Column("state", String(2)),
    Column("zip", String(9)),
    Column("county", String(20)),
    Column("country", String(100)),
    source_value("location_source_value"),
    Column("latitude", Numeric),
    Column("longitude", Numeric),
    schema=OMOP,
    comment="Addresses",
)

location_history = Table(
    "location_history",
    metadata,
    key("location_history_id"),
    Column("location_id", BigInteger, nullable=False),
    concept_id("relationship_type_concept_id"),
    Column("domain_id", String(50), nullable=False),
    Column("entity_id", BigInteger, nullable=False),
    Column("start_date", Date, nullable=False),
    Column("end_date", Date),
    schema=OMOP,
    comment="Who was at which location, and when",
)

care_site = Table(
    "care_site",
    metadata,
    key("care_site_id"),
    Column("care_site_name", String(255)),
    concept_id("place_of_service_concept_id"),
    link("location_id", "location"),
    source_value("care_site_source_value"),
    source_value("place_of_service_source_value"),
    schema=OMOP,
    comment="Clinical sites: where care was given",
)

provider = Table(
    "provider",
    metadata,
    key("provider_id"),
    Column("provider_name", String(255)),
    Column("npi", String(20)),
    Column("dea", String(20)),
    concept_id("specialty_concept_id"),
    link("care_site_id", "care_site"),
    Column("year_of_birth", Integer),
    concept_id("gender_concept_id"),
    source_value("provider_source_value"),
    source_value("specialty_source_value"),
    concept_id("specialty_source_concept_id", nullable=True),
    source_value("gender_source_value"),
    concept_id("gender_source_concept_id"),
    schema=OMOP,
    comment="Who gave the care",
)
