"""Standardized health economics of OMOP CDM v6.0.0."""

from sqlalchemy import BigInteger, Column, Date, Numeric, Table

from omop_schema.base import OMOP, metadata
from omop_schema.columns import concept_id, key, link, person_id, source_value, sparse_index

payer_plan_period = Table(
    "payer_plan_period",
    metadata,
    key("payer_plan_period_id"),
    person_id(),
    link("contract_person_id", "person"),
    Column("payer_plan_period_start_date", Date, nullable=False),
    Column("payer_plan_period_end_date", Date, nullable=False),
    concept_id("payer_concept_id"),
    concept_id("plan_concept_id"),
    concept_id("contract_concept_id"),
    concept_id("sponsor_concept_id"),
    concept_id("stop_reason_concept_id"),
    source_value("payer_source_value"),
    concept_id("payer_source_concept_id"),
    source_value("plan_source_value"),
    concept_id("plan_source_concept_id"),
    source_value("contract_source_value"),
    concept_id("contract_source_concept_id"),
    source_value("sponsor_source_value"),
    concept_id("sponsor_source_concept_id"),
    source_value("family_source_value"),
    source_value("stop_reason_source_value"),
    concept_id("stop_reason_source_concept_id"),
    sparse_index("payer_plan_period_id"),
    sparse_index("contract_person_id"),
    schema=OMOP,
    comment="When a person was insured, by whom, on which plan",
)

cost = Table(
    "cost",
    metadata,
    key("cost_id"),
    person_id(),
    Column("cost_event_id", BigInteger, nullable=False),
    concept_id("cost_event_field_concept_id", linked=False),
    concept_id("cost_concept_id"),
    concept_id("cost_type_concept_id"),
    concept_id("currency_concept_id"),
    Column("cost", Numeric),
    Column("incurred_date", Date, nullable=False),
    Column("billed_date", Date),
    Column("paid_date", Date),
    concept_id("revenue_code_concept_id"),
    concept_id("drg_concept_id"),
    source_value("cost_source_value"),
    concept_id("cost_source_concept_id"),
    source_value("revenue_code_source_value"),
    source_value("drg_source_value", 3),
    link("payer_plan_period_id", "payer_plan_period"),
    sparse_index("payer_plan_period_id"),
    schema=OMOP,
    comment="What an event cost",
)
