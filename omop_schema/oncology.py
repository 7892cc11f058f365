"""The oncology extension in the names of its v6.0 edition; ``measurement`` holds its two modifier columns."""

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, Numeric, PrimaryKeyConstraint, Table

from omop_schema.base import OMOP, metadata
from omop_schema.columns import concept_id, key, link, person_id, source_value, sparse_index

episode = Table(
    "episode",
    metadata,
    key("episode_id"),
    person_id(),
    concept_id("episode_concept_id", index=True),
    Column("episode_start_datetime", DateTime, nullable=False),
    Column("episode_end_datetime", DateTime),
    link("episode_parent_id", "episode"),
    Column("episode_number", Integer),
    concept_id("episode_object_concept_id"),
    concept_id("episode_type_concept_id"),
    source_value("episode_source_value"),
    concept_id("episode_source_concept_id", nullable=True),
    sparse_index("episode_parent_id"),
    schema=OMOP,
    comment="Phases of a disease and its treatment: the course, its extents, the regimens",
)

episode_event = Table(
    "episode_event",
    metadata,
    link("episode_id", "episode", nullable=False),
    Column("event_id", BigInteger, nullable=False),
    concept_id("episode_event_field_concept_id"),
    PrimaryKeyConstraint("episode_id", "event_id", "episode_event_field_concept_id"),
    Index(None, "event_id", "episode_event_field_concept_id"),
    schema=OMOP,
    comment="The rows that make up an episode; the field concept says in which table a row is",
)

concept_numeric = Table(
    "concept_numeric",
    metadata,
    concept_id("concept_id", primary_key=True),
    Column("value_as_number", Numeric),
    concept_id("unit_concept_id", nullable=True),
    concept_id("operator_concept_id", nullable=True),
    schema=OMOP,
    comment="Concepts that mean a number, and that number",
)
