"""Standardized vocabularies of OMOP CDM v6.0.0.

``concept`` and the small tables of its domain, vocabulary, class and relationships refer to each other in a
circle. Those foreign keys are deferrable: a load says ``SET CONSTRAINTS ALL DEFERRED`` and brings the tables
in any order.
"""

from sqlalchemy import Column, Date, Integer, Numeric, PrimaryKeyConstraint, String, Table, Text

from omop_schema.base import OMOP, metadata
from omop_schema.columns import code, concept_id
from omop_schema.search import CONCEPT_TOKENS, SYNONYM_TOKENS, token_index

concept = Table(
    "concept",
    metadata,
    Column("concept_id", Integer, primary_key=True, autoincrement=False),
    Column("concept_name", String(255), nullable=False),
    code("domain_id", "domain", index=True, deferrable=True),
    code("vocabulary_id", "vocabulary", index=True, deferrable=True),
    code("concept_class_id", "concept_class", index=True, deferrable=True),
    Column("standard_concept", String(1)),
    Column("concept_code", String(50), nullable=False, index=True),
    Column("valid_start_date", Date, nullable=False),
    Column("valid_end_date", Date, nullable=False),
    Column("invalid_reason", String(1)),
    token_index("ix_concept_search", CONCEPT_TOKENS),
    schema=OMOP,
    comment='Every term of every vocabulary; 0 is "no matching concept"',
)

vocabulary = Table(
    "vocabulary",
    metadata,
    Column("vocabulary_id", String(20), primary_key=True),
    Column("vocabulary_name", String(255), nullable=False),
    Column("vocabulary_reference", String(255)),
    Column("vocabulary_version", String(255)),
    concept_id("vocabulary_concept_id", deferrable=True),
    schema=OMOP,
    comment="Where concepts come from: SNOMED, LOINC, NCIt, our own",
)

domain = Table(
    "domain",
    metadata,
    Column("domain_id", String(20), primary_key=True),
    Column("domain_name", String(255), nullable=False),
    concept_id("domain_concept_id", deferrable=True),
    schema=OMOP,
    comment="What kind of thing a concept is, and so which table takes it",
)

concept_class = Table(
    "concept_class",
    metadata,
    Column("concept_class_id", String(20), primary_key=True),
    Column("concept_class_name", String(255), nullable=False),
    concept_id("concept_class_concept_id", deferrable=True),
    schema=OMOP,
    comment="Finer kinds of concepts within a vocabulary",
)

relationship = Table(
    "relationship",
    metadata,
    Column("relationship_id", String(20), primary_key=True),
    Column("relationship_name", String(255), nullable=False),
    Column("is_hierarchical", String(1), nullable=False),
    Column("defines_ancestry", String(1), nullable=False),
    code("reverse_relationship_id", "relationship", deferrable=True),
    concept_id("relationship_concept_id", deferrable=True),
    schema=OMOP,
    comment="The kinds of links between two concepts, each with its reverse",
)

concept_relationship = Table(
    "concept_relationship",
    metadata,
    concept_id("concept_id_1", primary_key=True),
    concept_id("concept_id_2", primary_key=True, index=True),
    code("relationship_id", "relationship", primary_key=True, index=True),
    Column("valid_start_date", Date, nullable=False),
    Column("valid_end_date", Date, nullable=False),
    Column("invalid_reason", String(1)),
    schema=OMOP,
    comment='Links between two concepts, such as "Maps to"',
)

concept_synonym = Table(
    "concept_synonym",
    metadata,
    concept_id("concept_id", index=True),
    Column("concept_synonym_name", String(1000), nullable=False),
    concept_id("language_concept_id"),
    token_index("ix_concept_synonym_search", SYNONYM_TOKENS),
    schema=OMOP,
    comment="Other names of concepts, in any language",
)

concept_ancestor = Table(
    "concept_ancestor",
    metadata,
    concept_id("ancestor_concept_id", primary_key=True),
    concept_id("descendant_concept_id", primary_key=True, index=True),
    Column("min_levels_of_separation", Integer, nullable=False),
    Column("max_levels_of_separation", Integer, nullable=False),
    schema=OMOP,
    comment="Every hierarchy flattened: who is above whom, and how far",
)

source_to_concept_map = Table(
    "source_to_concept_map",
    metadata,
    Column("source_code", String(50), nullable=False, index=True),
    concept_id("source_concept_id", linked=False),
    code("source_vocabulary_id", "vocabulary"),
    Column("source_code_description", String(255)),
    concept_id("target_concept_id", index=True),
    code("target_vocabulary_id", "vocabulary", index=True),
    Column("valid_start_date", Date, nullable=False),
    Column("valid_end_date", Date, nullable=False),
    Column("invalid_reason", String(1)),
    PrimaryKeyConstraint("source_vocabulary_id", "target_concept_id", "source_code", "valid_end_date"),
    schema=OMOP,
    comment="Source values and the concepts that stand for them: the value maps of the mappings",
)

drug_strength = Table(
    "drug_strength",
    metadata,
    concept_id("drug_concept_id", primary_key=True),
    concept_id("ingredient_concept_id", primary_key=True, index=True),
    Column("amount_value", Numeric),
    concept_id("amount_unit_concept_id", nullable=True),
    Column("numerator_value", Numeric),
    concept_id("numerator_unit_concept_id", nullable=True),
    Column("denominator_value", Numeric),
    concept_id("denominator_unit_concept_id", nullable=True),
    Column("box_size", Integer),
    Column("valid_start_date", Date, nullable=False),
    Column("valid_end_date", Date, nullable=False),
    Column("invalid_reason", String(1)),
    schema=OMOP,
    comment="How much of each ingredient a drug product contains",
)

attribute_definition = Table(
    "attribute_definition",
    metadata,
    Column("attribute_definition_id", Integer, nullable=False),
    Column("attribute_name", String(255), nullable=False),
    Column("attribute_description", Text),
    concept_id("attribute_type_concept_id", linked=False),
    Column("attribute_syntax", Text),
    schema=OMOP,
    comment="Definitions of derived attributes; unused here",
)
