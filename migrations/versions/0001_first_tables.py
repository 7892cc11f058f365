"""The first tables: the lakehouse, OMOP CDM v6.0.0 with the oncology extension, and lineage."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import CreateSchema

from migrations.lineage import LINEAGE, LOCATE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LAKE = "lake"
OMOP = "omop"

_MARKS = r"[!-/:-@[-`{-~\t\u00a0\u00ab\u00ae\u00b7\u00bb\u2010-\u2027\u2122]"
_TIER = """
    CASE WHEN invalid_reason IS NOT NULL THEN 'D' WHEN standard_concept = 'S' THEN 'S' ELSE 'V' END
    || CAST(width_bucket(length(concept_name), CAST('{17,25,33,49}' AS integer[])) AS text)
"""
_CONCEPT_TOKENS = f"""
    array_to_tsvector(string_to_array(replace(
        {_TIER} || '^' || ltrim(regexp_replace(lower(concept_name), '{_MARKS}', ' ', 'g')),
        ' ', ' ' || {_TIER}), ' ') || ARRAY[{_TIER} || '=d' || domain_id, {_TIER} || '=v' || vocabulary_id])
"""
_SYNONYM_TOKENS = f"""
    array_to_tsvector(array_remove(string_to_array(
        '^' || ltrim(regexp_replace(lower(left(concept_synonym_name, 500)), '{_MARKS}', ' ', 'g')), ' '), '')
    || ARRAY['#' || CAST(width_bucket(length(concept_synonym_name),
        CAST('{{9,13,17,21,25,29,33,37,41,49,65,97}}' AS integer[])) AS text)])
"""


def upgrade() -> None:
    """Create both schemas' tables; schema ``lake`` stands already, with Alembic's own table in it."""
    op.execute(CreateSchema(OMOP, if_not_exists=True))
    _create_lake()
    _create_vocabulary()
    _create_health_system()
    _create_clinical()
    _create_economics()
    _create_derived()
    _create_oncology()
    _create_results()
    _create_metadata()
    op.execute(LOCATE)
    op.execute(LINEAGE)


def downgrade() -> None:
    """There is no way back from the first tables."""
    raise NotImplementedError("Nothing comes before revision '0001': drop the database instead")


def _links(table: str, deferrable: bool = False, **targets: str) -> list[ForeignKeyConstraint]:
    """Foreign keys from columns of ``table`` to ``schema.table.column``."""
    initially = "IMMEDIATE" if deferrable else None
    return [
        ForeignKeyConstraint(
            [column],
            [target],
            name=f"fk_{table}_{column}",
            deferrable=deferrable or None,
            initially=initially,
        )
        for column, target in targets.items()
    ]


def _concepts(table: str, *columns: str, deferrable: bool = False) -> list[ForeignKeyConstraint]:
    return _links(table, deferrable, **dict.fromkeys(columns, "omop.concept.concept_id"))


def _index(table: str, *columns: str) -> None:
    """One index for each of the columns."""
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column], schema=OMOP)


def _index_if_set(table: str, *columns: str) -> None:
    """One index for each of the columns, of the rows where it holds a value."""
    for column in columns:
        where = text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], schema=OMOP, postgresql_where=where)


def _full_text(name: str, table: str, tokens: str) -> None:
    op.create_index(
        name,
        table,
        [text(f"({tokens})")],
        schema=OMOP,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )


def _create_lake() -> None:
    op.create_table(
        "patients",
        Column("person_id", BigInteger, Identity(always=True), nullable=False),
        Column("patient_id", Text, nullable=False),
        PrimaryKeyConstraint("person_id", name="pk_patients"),
        UniqueConstraint("patient_id", name="uq_patients_patient_id"),
        schema=LAKE,
        comment="The person_id that each patient identifier was given, once",
    )
    op.create_table(
        "rules",
        Column("rule_id", SmallInteger, nullable=False, autoincrement=False, comment="12 bits of a row id"),
        Column("mapping", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column(
            "each_path",
            Text,
            nullable=False,
            comment="JSON path of the items, one [*] a level; $ if one a case",
        ),
        PrimaryKeyConstraint("rule_id", name="pk_rules"),
        UniqueConstraint("mapping", "name", "each_path", name="uq_rules_mapping_name_each_path"),
        CheckConstraint("rule_id BETWEEN 1 AND 4095", name=op.f("ck_rules_rule_id")),
        schema=LAKE,
        comment="The rule register: numbers are given once and never reused",
    )
    op.create_table(
        "plan_rules",
        Column("plan", Text, nullable=False, comment="Digest of the mapping"),
        Column("rule_id", SmallInteger, nullable=False),
        Column("sources", ARRAY(Text), nullable=False, comment="JSON paths the rule reads"),
        Column("target", Text, nullable=False, comment="The OMOP table"),
        Column("file", Text, nullable=False),
        Column("line", Integer, nullable=False),
        PrimaryKeyConstraint("plan", "rule_id", name="pk_plan_rules"),
        *_links("plan_rules", rule_id="lake.rules.rule_id"),
        schema=LAKE,
        comment="What each rule was in each version of its mapping: lineage stays true when rules change",
    )
    op.create_table(
        "sites",
        Column("care_site_id", BigInteger, Identity(always=True), nullable=False),
        Column("site", Text, nullable=False),
        PrimaryKeyConstraint("care_site_id", name="pk_sites"),
        UniqueConstraint("site", name="uq_sites_site"),
        schema=LAKE,
        comment="The care_site_id that each clinical site was given, once",
    )
    op.create_table(
        "uploads",
        Column("upload_id", BigInteger, Identity(always=True), nullable=False),
        Column("received_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        Column("finished_at", DateTime(timezone=True)),
        Column("uploader", Text, nullable=False, comment="Who sent it: an account name or a token's subject"),
        Column("source", Text, nullable=False, comment="The file's path, or the request's part name"),
        Column("mapping", Text, nullable=False),
        Column("bytes", BigInteger, nullable=False),
        Column("sha256", LargeBinary, nullable=False),
        Column("outcome", Text, server_default=text("'received'"), nullable=False),
        Column("cases", Integer, server_default=text("0"), nullable=False, comment="Case documents read"),
        Column("stored", Integer, server_default=text("0"), nullable=False, comment="New case versions"),
        Column(
            "unchanged",
            Integer,
            server_default=text("0"),
            nullable=False,
            comment="Already stored as they are",
        ),
        Column(
            "rejected", Integer, server_default=text("0"), nullable=False, comment="Not valid, not stored"
        ),
        Column("rows", BigInteger, server_default=text("0"), nullable=False, comment="OMOP rows written"),
        Column("problems", Integer, server_default=text("0"), nullable=False),
        PrimaryKeyConstraint("upload_id", name="pk_uploads"),
        UniqueConstraint("sha256", "mapping", name="uq_uploads_sha256_mapping"),
        CheckConstraint(
            "outcome IN ('received', 'loaded', 'partial', 'rejected')", name=op.f("ck_uploads_outcome")
        ),
        schema=LAKE,
        comment="The upload log: every file or request that was ever sent",
    )
    op.create_table(
        "cases",
        Column(
            "case_id", Integer, Identity(always=True), nullable=False, comment="High 31 bits of its row ids"
        ),
        Column("mapping", Text, nullable=False),
        Column("patient_id", Text, nullable=False),
        Column("form", Text, nullable=False),
        Column("person_id", BigInteger, nullable=False),
        Column("care_site_id", BigInteger),
        Column("version", Integer, nullable=False, comment="The newest document"),
        Column(
            "loaded_version", Integer, comment="The document its OMOP rows come from; NULL: not loaded yet"
        ),
        Column("loaded_at", DateTime(timezone=True)),
        Column("plan", Text, comment="Digest of the mapping that made its rows"),
        Column("person", JSONB, comment="What its rows say of the person: column to value"),
        Column("first_date", Date, comment="Earliest date among its rows"),
        Column("last_date", Date, comment="Latest date among its rows"),
        PrimaryKeyConstraint("case_id", name="pk_cases"),
        UniqueConstraint("patient_id", "mapping", "form", name="uq_cases_patient_id_mapping_form"),
        *_links("cases", person_id="lake.patients.person_id", care_site_id="lake.sites.care_site_id"),
        schema=LAKE,
        comment="One form of one patient; the unit that is loaded or replaced whole",
    )
    op.create_index(
        "ix_cases_pending",
        "cases",
        ["case_id"],
        schema=LAKE,
        postgresql_where=text("loaded_version IS NULL OR loaded_version <> version"),
    )
    op.create_index("ix_cases_person_id", "cases", ["person_id"], schema=LAKE)
    op.create_table(
        "violations",
        Column("violation_id", BigInteger, Identity(always=True), nullable=False),
        Column("upload_id", BigInteger, nullable=False),
        Column("position", Integer, nullable=False, comment="Which record of the upload, from 1"),
        Column("path", Text, nullable=False, comment="JSON path of the offending place"),
        Column("reason", Text, nullable=False, comment="What is wrong; never the value"),
        PrimaryKeyConstraint("violation_id", name="pk_violations"),
        *_links("violations", upload_id="lake.uploads.upload_id"),
        schema=LAKE,
        comment="Why a document was rejected",
    )
    op.create_index("ix_violations_upload_id", "violations", ["upload_id"], schema=LAKE)
    op.create_table(
        "documents",
        Column("document_id", BigInteger, Identity(always=True), nullable=False),
        Column("case_id", Integer, nullable=False),
        Column("version", Integer, nullable=False),
        Column("upload_id", BigInteger, nullable=False),
        Column("position", Integer, nullable=False, comment="Which record of the upload, from 1"),
        Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the canonical document"),
        Column("document", JSONB, nullable=False),
        Column("landed_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        PrimaryKeyConstraint("document_id", name="pk_documents"),
        UniqueConstraint("case_id", "version", name="uq_documents_case_id_version"),
        *_links("documents", case_id="lake.cases.case_id", upload_id="lake.uploads.upload_id"),
        schema=LAKE,
        comment="Case documents as submitted, every version",
    )
    op.create_index("ix_documents_upload_id", "documents", ["upload_id"], schema=LAKE)
    op.create_table(
        "problems",
        Column("problem_id", BigInteger, Identity(always=True), nullable=False),
        Column("case_id", Integer, nullable=False),
        Column("version", Integer, nullable=False),
        Column("rule_id", SmallInteger, comment="NULL: not of one rule"),
        Column("kind", Text, nullable=False),
        Column("path", Text, nullable=False, comment="JSON path of the value"),
        Column("reason", Text, nullable=False, comment="What is wrong; never the value"),
        PrimaryKeyConstraint("problem_id", name="pk_problems"),
        CheckConstraint(
            "kind IN ('unmapped', 'invalid', 'truncated', 'disagrees')", name=op.f("ck_problems_kind")
        ),
        *_links("problems", case_id="lake.cases.case_id", rule_id="lake.rules.rule_id"),
        schema=LAKE,
        comment="Values of loaded cases that did not arrive as a concept, or not at all",
    )
    op.create_index("ix_problems_case_id", "problems", ["case_id"], schema=LAKE)


def _create_vocabulary() -> None:
    op.create_table(
        "concept",
        Column("concept_id", Integer, nullable=False, autoincrement=False),
        Column("concept_name", String(255), nullable=False),
        Column("domain_id", String(20), nullable=False),
        Column("vocabulary_id", String(20), nullable=False),
        Column("concept_class_id", String(20), nullable=False),
        Column("standard_concept", String(1)),
        Column("concept_code", String(50), nullable=False),
        Column("valid_start_date", Date, nullable=False),
        Column("valid_end_date", Date, nullable=False),
        Column("invalid_reason", String(1)),
        PrimaryKeyConstraint("concept_id", name="pk_concept"),
        schema=OMOP,
        comment='Every term of every vocabulary; 0 is "no matching concept"',
    )
    _index("concept", "domain_id", "vocabulary_id", "concept_class_id", "concept_code")
    _full_text("ix_concept_search", "concept", _CONCEPT_TOKENS)
    op.create_table(
        "vocabulary",
        Column("vocabulary_id", String(20), nullable=False),
        Column("vocabulary_name", String(255), nullable=False),
        Column("vocabulary_reference", String(255)),
        Column("vocabulary_version", String(255)),
        Column("vocabulary_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("vocabulary_id", name="pk_vocabulary"),
        *_concepts("vocabulary", "vocabulary_concept_id", deferrable=True),
        schema=OMOP,
        comment="Where concepts come from: SNOMED, LOINC, NCIt, our own",
    )
    op.create_table(
        "domain",
        Column("domain_id", String(20), nullable=False),
        Column("domain_name", String(255), nullable=False),
        Column("domain_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("domain_id", name="pk_domain"),
        *_concepts("domain", "domain_concept_id", deferrable=True),
        schema=OMOP,
        comment="What kind of thing a concept is, and so which table takes it",
    )
    op.create_table(
        "concept_class",
        Column("concept_class_id", String(20), nullable=False),
        Column("concept_class_name", String(255), nullable=False),
        Column("concept_class_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("concept_class_id", name="pk_concept_class"),
        *_concepts("concept_class", "concept_class_concept_id", deferrable=True),
        schema=OMOP,
        comment="Finer kinds of concepts within a vocabulary",
    )
    op.create_table(
        "relationship",
        Column("relationship_id", String(20), nullable=False),
        Column("relationship_name", String(255), nullable=False),
        Column("is_hierarchical", String(1), nullable=False),
        Column("defines_ancestry", String(1), nullable=False),
        Column("reverse_relationship_id", String(20), nullable=False),
        Column("relationship_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("relationship_id", name="pk_relationship"),
        *_concepts("relationship", "relationship_concept_id", deferrable=True),
        *_links("relationship", reverse_relationship_id="omop.relationship.relationship_id", deferrable=True),
        schema=OMOP,
        comment="The kinds of links between two concepts, each with its reverse",
    )
    op.create_table(
        "concept_relationship",
        Column("concept_id_1", Integer, nullable=False, autoincrement=False),
        Column("concept_id_2", Integer, nullable=False, autoincrement=False),
        Column("relationship_id", String(20), nullable=False),
        Column("valid_start_date", Date, nullable=False),
        Column("valid_end_date", Date, nullable=False),
        Column("invalid_reason", String(1)),
        PrimaryKeyConstraint(
            "concept_id_1", "concept_id_2", "relationship_id", name="pk_concept_relationship"
        ),
        *_concepts("concept_relationship", "concept_id_1", "concept_id_2"),
        *_links("concept_relationship", relationship_id="omop.relationship.relationship_id"),
        schema=OMOP,
        comment='Links between two concepts, such as "Maps to"',
    )
    _index("concept_relationship", "concept_id_2", "relationship_id")
    op.create_table(
        "concept_synonym",
        Column("concept_id", Integer, nullable=False),
        Column("concept_synonym_name", String(1000), nullable=False),
        Column("language_concept_id", Integer, nullable=False),
        *_concepts("concept_synonym", "concept_id", "language_concept_id"),
        schema=OMOP,
        comment="Other names of concepts, in any language",
    )
    _index("concept_synonym", "concept_id")
    _full_text("ix_concept_synonym_search", "concept_synonym", _SYNONYM_TOKENS)
    op.create_table(
        "concept_ancestor",
        Column("ancestor_concept_id", Integer, nullable=False, autoincrement=False),
        Column("descendant_concept_id", Integer, nullable=False, autoincrement=False),
        Column("min_levels_of_separation", Integer, nullable=False),
        Column("max_levels_of_separation", Integer, nullable=False),
        PrimaryKeyConstraint("ancestor_concept_id", "descendant_concept_id", name="pk_concept_ancestor"),
        *_concepts("concept_ancestor", "ancestor_concept_id", "descendant_concept_id"),
        schema=OMOP,
        comment="Every hierarchy flattened: who is above whom, and how far",
    )
    _index("concept_ancestor", "descendant_concept_id")
    op.create_table(
        "source_to_concept_map",
        Column("source_code", String(50), nullable=False),
        Column("source_concept_id", Integer, nullable=False),
        Column("source_vocabulary_id", String(20), nullable=False),
        Column("source_code_description", String(255)),
        Column("target_concept_id", Integer, nullable=False, autoincrement=False),
        Column("target_vocabulary_id", String(20), nullable=False),
        Column("valid_start_date", Date, nullable=False),
        Column("valid_end_date", Date, nullable=False),
        Column("invalid_reason", String(1)),
        PrimaryKeyConstraint(
            "source_vocabulary_id",
            "target_concept_id",
            "source_code",
            "valid_end_date",
            name="pk_source_to_concept_map",
        ),
        *_concepts("source_to_concept_map", "target_concept_id"),
        *_links(
            "source_to_concept_map",
            source_vocabulary_id="omop.vocabulary.vocabulary_id",
            target_vocabulary_id="omop.vocabulary.vocabulary_id",
        ),
        schema=OMOP,
        comment="Source values and the concepts that stand for them: the value maps of the mappings",
    )
    _index("source_to_concept_map", "source_code", "target_concept_id", "target_vocabulary_id")
    op.create_table(
        "drug_strength",
        Column("drug_concept_id", Integer, nullable=False, autoincrement=False),
        Column("ingredient_concept_id", Integer, nullable=False, autoincrement=False),
        Column("amount_value", Numeric),
        Column("amount_unit_concept_id", Integer),
        Column("numerator_value", Numeric),
        Column("numerator_unit_concept_id", Integer),
        Column("denominator_value", Numeric),
        Column("denominator_unit_concept_id", Integer),
        Column("box_size", Integer),
        Column("valid_start_date", Date, nullable=False),
        Column("valid_end_date", Date, nullable=False),
        Column("invalid_reason", String(1)),
        PrimaryKeyConstraint("drug_concept_id", "ingredient_concept_id", name="pk_drug_strength"),
        *_concepts(
            "drug_strength",
            "drug_concept_id",
            "ingredient_concept_id",
            "amount_unit_concept_id",
            "numerator_unit_concept_id",
            "denominator_unit_concept_id",
        ),
        schema=OMOP,
        comment="How much of each ingredient a drug product contains",
    )
    _index("drug_strength", "ingredient_concept_id")
    op.create_table(
        "attribute_definition",
        Column("attribute_definition_id", Integer, nullable=False),
        Column("attribute_name", String(255), nullable=False),
        Column("attribute_description", Text),
        Column("attribute_type_concept_id", Integer, nullable=False),
        Column("attribute_syntax", Text),
        schema=OMOP,
        comment="Definitions of derived attributes; unused here",
    )
    # These close the circle, so all tables of it must stand.
    op.create_foreign_key(
        "fk_concept_domain_id",
        "concept",
        "domain",
        ["domain_id"],
        ["domain_id"],
        source_schema=OMOP,
        referent_schema=OMOP,
        deferrable=True,
        initially="IMMEDIATE",
    )
    op.create_foreign_key(
        "fk_concept_vocabulary_id",
        "concept",
        "vocabulary",
        ["vocabulary_id"],
        ["vocabulary_id"],
        source_schema=OMOP,
        referent_schema=OMOP,
        deferrable=True,
        initially="IMMEDIATE",
    )
    op.create_foreign_key(
        "fk_concept_concept_class_id",
        "concept",
        "concept_class",
        ["concept_class_id"],
        ["concept_class_id"],
        source_schema=OMOP,
        referent_schema=OMOP,
        deferrable=True,
        initially="IMMEDIATE",
    )


def _create_health_system() -> None:
    op.create_table(
        "location",
        Column("location_id", BigInteger, nullable=False, autoincrement=False),
        Column("address_1", String(50)),
        Column("address_2", String(50)),
        Column("city", String(50)),
        Column("state", String(2)),
        Column("zip", String(9)),
        Column("county", String(20)),
        Column("country", String(100)),
        Column("location_source_value", String(50)),
        Column("latitude", Numeric),
        Column("longitude", Numeric),
        PrimaryKeyConstraint("location_id", name="pk_location"),
        schema=OMOP,
        comment="Addresses",
    )
    op.create_table(
        "care_site",
        Column("care_site_id", BigInteger, nullable=False, autoincrement=False),
        Column("care_site_name", String(255)),
        Column("place_of_service_concept_id", Integer, nullable=False),
        Column("location_id", BigInteger),
        Column("care_site_source_value", String(50)),
        Column("place_of_service_source_value", String(50)),
        PrimaryKeyConstraint("care_site_id", name="pk_care_site"),
        *_concepts("care_site", "place_of_service_concept_id"),
        *_links("care_site", location_id="omop.location.location_id"),
        schema=OMOP,
        comment="Clinical sites: where care was given",
    )
    op.create_table(
        "location_history",
        Column("location_history_id", BigInteger, nullable=False, autoincrement=False),
        Column("location_id", BigInteger, nullable=False),
        Column("relationship_type_concept_id", Integer, nullable=False),
        Column("domain_id", String(50), nullable=False),
        Column("entity_id", BigInteger, nullable=False),
        Column("start_date", Date, nullable=False),
        Column("end_date", Date),
        PrimaryKeyConstraint("location_history_id", name="pk_location_history"),
        *_concepts("location_history", "relationship_type_concept_id"),
        schema=OMOP,
        comment="Who was at which location, and when",
    )
    op.create_table(
        "provider",
        Column("provider_id", BigInteger, nullable=False, autoincrement=False),
        Column("provider_name", String(255)),
        Column("npi", String(20)),
        Column("dea", String(20)),
        Column("specialty_concept_id", Integer, nullable=False),
        Column("care_site_id", BigInteger),
        Column("year_of_birth", Integer),
        Column("gender_concept_id", Integer, nullable=False),
        Column("provider_source_value", String(50)),
        Column("specialty_source_value", String(50)),
        Column("specialty_source_concept_id", Integer),
        Column("gender_source_value", String(50)),
        Column("gender_source_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("provider_id", name="pk_provider"),
        *_concepts(
            "provider",
            "specialty_concept_id",
            "gender_concept_id",
            "specialty_source_concept_id",
            "gender_source_concept_id",
        ),
        *_links("provider", care_site_id="omop.care_site.care_site_id"),
        schema=OMOP,
        comment="Who gave the care",
    )


def _create_clinical() -> None:
    op.create_table(
        "fact_relationship",
        Column("domain_concept_id_1", Integer, nullable=False),
        Column("fact_id_1", BigInteger, nullable=False),
        Column("domain_concept_id_2", Integer, nullable=False),
        Column("fact_id_2", BigInteger, nullable=False),
        Column("relationship_concept_id", Integer, nullable=False),
        *_concepts(
            "fact_relationship", "domain_concept_id_1", "domain_concept_id_2", "relationship_concept_id"
        ),
        schema=OMOP,
        comment="Links between any two rows",
    )
    _index("fact_relationship", "domain_concept_id_1", "domain_concept_id_2", "relationship_concept_id")
    op.create_table(
        "person",
        Column("person_id", BigInteger, nullable=False, autoincrement=False),
        Column("gender_concept_id", Integer, nullable=False),
        Column("year_of_birth", Integer, nullable=False),
        Column("month_of_birth", Integer),
        Column("day_of_birth", Integer),
        Column("birth_datetime", DateTime),
        Column("death_datetime", DateTime),
        Column("race_concept_id", Integer, nullable=False),
        Column("ethnicity_concept_id", Integer, nullable=False),
        Column("location_id", BigInteger),
        Column("provider_id", BigInteger),
        Column("care_site_id", BigInteger),
        Column("person_source_value", String(50)),
        Column("gender_source_value", String(50)),
        Column("gender_source_concept_id", Integer, nullable=False),
        Column("race_source_value", String(50)),
        Column("race_source_concept_id", Integer, nullable=False),
        Column("ethnicity_source_value", String(50)),
        Column("ethnicity_source_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("person_id", name="pk_person"),
        *_concepts(
            "person",
            "gender_concept_id",
            "race_concept_id",
            "ethnicity_concept_id",
            "gender_source_concept_id",
            "race_source_concept_id",
            "ethnicity_source_concept_id",
        ),
        *_links(
            "person",
            location_id="omop.location.location_id",
            provider_id="omop.provider.provider_id",
            care_site_id="omop.care_site.care_site_id",
        ),
        schema=OMOP,
        comment="Who: one row for each patient",
    )
    op.create_table(
        "observation_period",
        Column("observation_period_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("observation_period_start_date", Date, nullable=False),
        Column("observation_period_end_date", Date, nullable=False),
        Column("period_type_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("observation_period_id", name="pk_observation_period"),
        *_concepts("observation_period", "period_type_concept_id"),
        *_links("observation_period", person_id="omop.person.person_id"),
        schema=OMOP,
        comment="When a person was watched, so that absence of a record means something",
    )
    _index("observation_period", "person_id")
    op.create_table(
        "specimen",
        Column("specimen_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("specimen_concept_id", Integer, nullable=False),
        Column("specimen_type_concept_id", Integer, nullable=False),
        Column("specimen_date", Date),
        Column("specimen_datetime", DateTime, nullable=False),
        Column("quantity", Numeric),
        Column("unit_concept_id", Integer),
        Column("anatomic_site_concept_id", Integer, nullable=False),
        Column("disease_status_concept_id", Integer, nullable=False),
        Column("specimen_source_id", String(50)),
        Column("specimen_source_value", String(50)),
        Column("unit_source_value", String(50)),
        Column("anatomic_site_source_value", String(50)),
        Column("disease_status_source_value", String(50)),
        PrimaryKeyConstraint("specimen_id", name="pk_specimen"),
        *_concepts(
            "specimen",
            "specimen_concept_id",
            "specimen_type_concept_id",
            "unit_concept_id",
            "anatomic_site_concept_id",
            "disease_status_concept_id",
        ),
        *_links("specimen", person_id="omop.person.person_id"),
        schema=OMOP,
        comment="Samples taken from a person",
    )
    _index("specimen", "person_id", "specimen_concept_id")
    op.create_table(
        "visit_occurrence",
        Column("visit_occurrence_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("visit_concept_id", Integer, nullable=False),
        Column("visit_start_date", Date),
        Column("visit_start_datetime", DateTime, nullable=False),
        Column("visit_end_date", Date),
        Column("visit_end_datetime", DateTime, nullable=False),
        Column("visit_type_concept_id", Integer, nullable=False),
        Column("provider_id", BigInteger),
        Column("care_site_id", BigInteger),
        Column("visit_source_value", String(50)),
        Column("visit_source_concept_id", Integer, nullable=False),
        Column("admitted_from_concept_id", Integer, nullable=False),
        Column("admitted_from_source_value", String(50)),
        Column("discharge_to_source_value", String(50)),
        Column("discharge_to_concept_id", Integer, nullable=False),
        Column("preceding_visit_occurrence_id", BigInteger),
        PrimaryKeyConstraint("visit_occurrence_id", name="pk_visit_occurrence"),
        *_concepts(
            "visit_occurrence",
            "visit_concept_id",
            "visit_type_concept_id",
            "visit_source_concept_id",
            "discharge_to_concept_id",
        ),
        *_links(
            "visit_occurrence",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            care_site_id="omop.care_site.care_site_id",
            preceding_visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
        ),
        schema=OMOP,
        comment="Contacts with the clinic: the dated anchors that other rows hang on",
    )
    _index("visit_occurrence", "person_id", "visit_concept_id")
    _index_if_set("visit_occurrence", "preceding_visit_occurrence_id")
    op.create_table(
        "visit_detail",
        Column("visit_detail_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("visit_detail_concept_id", Integer, nullable=False),
        Column("visit_detail_start_date", Date),
        Column("visit_detail_start_datetime", DateTime, nullable=False),
        Column("visit_detail_end_date", Date),
        Column("visit_detail_end_datetime", DateTime, nullable=False),
        Column("visit_detail_type_concept_id", Integer, nullable=False),
        Column("provider_id", BigInteger),
        Column("care_site_id", BigInteger),
        Column("discharge_to_concept_id", Integer, nullable=False),
        Column("admitted_from_concept_id", Integer, nullable=False),
        Column("admitted_from_source_value", String(50)),
        Column("visit_detail_source_value", String(50)),
        Column("visit_detail_source_concept_id", Integer, nullable=False),
        Column("discharge_to_source_value", String(50)),
        Column("preceding_visit_detail_id", BigInteger),
        Column("visit_detail_parent_id", BigInteger),
        Column("visit_occurrence_id", BigInteger, nullable=False),
        PrimaryKeyConstraint("visit_detail_id", name="pk_visit_detail"),
        *_concepts(
            "visit_detail",
            "visit_detail_concept_id",
            "visit_detail_type_concept_id",
            "discharge_to_concept_id",
            "visit_detail_source_concept_id",
        ),
        *_links(
            "visit_detail",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            care_site_id="omop.care_site.care_site_id",
            preceding_visit_detail_id="omop.visit_detail.visit_detail_id",
            visit_detail_parent_id="omop.visit_detail.visit_detail_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
        ),
        schema=OMOP,
        comment="Parts of a visit",
    )
    _index("visit_detail", "person_id", "visit_detail_concept_id", "visit_occurrence_id")
    _index_if_set("visit_detail", "preceding_visit_detail_id", "visit_detail_parent_id")
    op.create_table(
        "condition_occurrence",
        Column("condition_occurrence_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("condition_concept_id", Integer, nullable=False),
        Column("condition_start_date", Date),
        Column("condition_start_datetime", DateTime, nullable=False),
        Column("condition_end_date", Date),
        Column("condition_end_datetime", DateTime),
        Column("condition_type_concept_id", Integer, nullable=False),
        Column("condition_status_concept_id", Integer, nullable=False),
        Column("stop_reason", String(20)),
        Column("provider_id", BigInteger),
        Column("visit_occurrence_id", BigInteger),
        Column("visit_detail_id", BigInteger),
        Column("condition_source_value", String(50)),
        Column("condition_source_concept_id", Integer, nullable=False),
        Column("condition_status_source_value", String(50)),
        PrimaryKeyConstraint("condition_occurrence_id", name="pk_condition_occurrence"),
        *_concepts(
            "condition_occurrence",
            "condition_concept_id",
            "condition_type_concept_id",
            "condition_status_concept_id",
            "condition_source_concept_id",
        ),
        *_links(
            "condition_occurrence",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
            visit_detail_id="omop.visit_detail.visit_detail_id",
        ),
        schema=OMOP,
        comment="Diagnoses, signs and findings of disease",
    )
    _index("condition_occurrence", "person_id", "condition_concept_id", "visit_occurrence_id")
    _index_if_set("condition_occurrence", "visit_detail_id")
    op.create_table(
        "device_exposure",
        Column("device_exposure_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("device_concept_id", Integer, nullable=False),
        Column("device_exposure_start_date", Date),
        Column("device_exposure_start_datetime", DateTime, nullable=False),
        Column("device_exposure_end_date", Date),
        Column("device_exposure_end_datetime", DateTime),
        Column("device_type_concept_id", Integer, nullable=False),
        Column("unique_device_id", String(50)),
        Column("quantity", Integer),
        Column("provider_id", BigInteger),
        Column("visit_occurrence_id", BigInteger),
        Column("visit_detail_id", BigInteger),
        Column("device_source_value", String(100)),
        Column("device_source_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("device_exposure_id", name="pk_device_exposure"),
        *_concepts(
            "device_exposure", "device_concept_id", "device_type_concept_id", "device_source_concept_id"
        ),
        *_links(
            "device_exposure",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
            visit_detail_id="omop.visit_detail.visit_detail_id",
        ),
        schema=OMOP,
        comment="Devices and implants used",
    )
    _index("device_exposure", "person_id", "device_concept_id", "visit_occurrence_id")
    _index_if_set("device_exposure", "visit_detail_id")
    op.create_table(
        "drug_exposure",
        Column("drug_exposure_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("drug_concept_id", Integer, nullable=False),
        Column("drug_exposure_start_date", Date),
        Column("drug_exposure_start_datetime", DateTime, nullable=False),
        Column("drug_exposure_end_date", Date),
        Column("drug_exposure_end_datetime", DateTime, nullable=False),
        Column("verbatim_end_date", Date),
        Column("drug_type_concept_id", Integer, nullable=False),
        Column("stop_reason", String(20)),
        Column("refills", Integer),
        Column("quantity", Numeric),
        Column("days_supply", Integer),
        Column("sig", Text),
        Column("route_concept_id", Integer, nullable=False),
        Column("lot_number", String(50)),
        Column("provider_id", BigInteger),
        Column("visit_occurrence_id", BigInteger),
        Column("visit_detail_id", BigInteger),
        Column("drug_source_value", String(50)),
        Column("drug_source_concept_id", Integer, nullable=False),
        Column("route_source_value", String(50)),
        Column("dose_unit_source_value", String(50)),
        PrimaryKeyConstraint("drug_exposure_id", name="pk_drug_exposure"),
        *_concepts(
            "drug_exposure",
            "drug_concept_id",
            "drug_type_concept_id",
            "route_concept_id",
            "drug_source_concept_id",
        ),
        *_links(
            "drug_exposure",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
            visit_detail_id="omop.visit_detail.visit_detail_id",
        ),
        schema=OMOP,
        comment="Drugs given or prescribed",
    )
    _index("drug_exposure", "person_id", "drug_concept_id", "visit_occurrence_id")
    _index_if_set("drug_exposure", "visit_detail_id")
    op.create_table(
        "measurement",
        Column("measurement_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("measurement_concept_id", Integer, nullable=False),
        Column("measurement_date", Date),
        Column("measurement_datetime", DateTime, nullable=False),
        Column("measurement_time", String(10)),
        Column("measurement_type_concept_id", Integer, nullable=False),
        Column("operator_concept_id", Integer),
        Column("value_as_number", Numeric),
        Column("value_as_concept_id", Integer),
        Column("unit_concept_id", Integer),
        Column("range_low", Numeric),
        Column("range_high", Numeric),
        Column("provider_id", BigInteger),
        Column("visit_occurrence_id", BigInteger),
        Column("visit_detail_id", BigInteger),
        Column("measurement_source_value", String(50)),
        Column("measurement_source_concept_id", Integer, nullable=False),
        Column("unit_source_value", String(50)),
        Column("value_source_value", String(50)),
        Column("modifier_of_event_id", BigInteger),
        Column("modifier_of_field_concept_id", Integer),
        PrimaryKeyConstraint("measurement_id", name="pk_measurement"),
        *_concepts(
            "measurement",
            "measurement_concept_id",
            "measurement_type_concept_id",
            "operator_concept_id",
            "value_as_concept_id",
            "unit_concept_id",
            "measurement_source_concept_id",
            "modifier_of_field_concept_id",
        ),
        *_links(
            "measurement",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
            visit_detail_id="omop.visit_detail.visit_detail_id",
        ),
        schema=OMOP,
        comment="Results of examinations, as number or concept; modifiers of other rows too",
    )
    _index("measurement", "person_id", "measurement_concept_id", "visit_occurrence_id")
    _index_if_set("measurement", "visit_detail_id", "modifier_of_event_id")
    op.create_table(
        "note",
        Column("note_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("note_event_id", BigInteger),
        Column("note_event_field_concept_id", Integer, nullable=False),
        Column("note_date", Date),
        Column("note_datetime", DateTime, nullable=False),
        Column("note_type_concept_id", Integer, nullable=False),
        Column("note_class_concept_id", Integer, nullable=False),
        Column("note_title", String(250)),
        Column("note_text", Text),
        Column("encoding_concept_id", Integer, nullable=False),
        Column("language_concept_id", Integer, nullable=False),
        Column("provider_id", BigInteger),
        Column("visit_occurrence_id", BigInteger),
        Column("visit_detail_id", BigInteger),
        Column("note_source_value", String(50)),
        PrimaryKeyConstraint("note_id", name="pk_note"),
        *_concepts(
            "note",
            "note_type_concept_id",
            "note_class_concept_id",
            "encoding_concept_id",
            "language_concept_id",
        ),
        *_links(
            "note",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
            visit_detail_id="omop.visit_detail.visit_detail_id",
        ),
        schema=OMOP,
        comment="Free text about a person",
    )
    _index("note", "person_id", "note_type_concept_id", "visit_occurrence_id")
    _index_if_set("note", "note_event_id", "visit_detail_id")
    op.create_table(
        "observation",
        Column("observation_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("observation_concept_id", Integer, nullable=False),
        Column("observation_date", Date),
        Column("observation_datetime", DateTime, nullable=False),
        Column("observation_type_concept_id", Integer, nullable=False),
        Column("value_as_number", Numeric),
        Column("value_as_string", String(60)),
        Column("value_as_concept_id", Integer),
        Column("qualifier_concept_id", Integer),
        Column("unit_concept_id", Integer),
        Column("provider_id", BigInteger),
        Column("visit_occurrence_id", BigInteger),
        Column("visit_detail_id", BigInteger),
        Column("observation_source_value", String(50)),
        Column("observation_source_concept_id", Integer, nullable=False),
        Column("unit_source_value", String(50)),
        Column("qualifier_source_value", String(50)),
        Column("observation_event_id", BigInteger),
        Column("obs_event_field_concept_id", Integer, nullable=False),
        Column("value_as_datetime", DateTime),
        PrimaryKeyConstraint("observation_id", name="pk_observation"),
        *_concepts(
            "observation",
            "observation_concept_id",
            "observation_type_concept_id",
            "value_as_concept_id",
            "qualifier_concept_id",
            "unit_concept_id",
            "observation_source_concept_id",
        ),
        *_links(
            "observation",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
            visit_detail_id="omop.visit_detail.visit_detail_id",
        ),
        schema=OMOP,
        comment="Facts that fit no other table, such as family history",
    )
    _index("observation", "person_id", "observation_concept_id", "visit_occurrence_id")
    _index_if_set("observation", "visit_detail_id", "observation_event_id")
    op.create_table(
        "procedure_occurrence",
        Column("procedure_occurrence_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("procedure_concept_id", Integer, nullable=False),
        Column("procedure_date", Date),
        Column("procedure_datetime", DateTime, nullable=False),
        Column("procedure_type_concept_id", Integer, nullable=False),
        Column("modifier_concept_id", Integer, nullable=False),
        Column("quantity", Integer),
        Column("provider_id", BigInteger),
        Column("visit_occurrence_id", BigInteger),
        Column("visit_detail_id", BigInteger),
        Column("procedure_source_value", String(50)),
        Column("procedure_source_concept_id", Integer, nullable=False),
        Column("modifier_source_value", String(50)),
        PrimaryKeyConstraint("procedure_occurrence_id", name="pk_procedure_occurrence"),
        *_concepts(
            "procedure_occurrence",
            "procedure_concept_id",
            "procedure_type_concept_id",
            "modifier_concept_id",
            "procedure_source_concept_id",
        ),
        *_links(
            "procedure_occurrence",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
            visit_detail_id="omop.visit_detail.visit_detail_id",
        ),
        schema=OMOP,
        comment="What was done to a person",
    )
    _index("procedure_occurrence", "person_id", "procedure_concept_id", "visit_occurrence_id")
    _index_if_set("procedure_occurrence", "visit_detail_id")
    op.create_table(
        "survey_conduct",
        Column("survey_conduct_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("survey_concept_id", Integer, nullable=False),
        Column("survey_start_date", Date),
        Column("survey_start_datetime", DateTime),
        Column("survey_end_date", Date),
        Column("survey_end_datetime", DateTime, nullable=False),
        Column("provider_id", BigInteger),
        Column("assisted_concept_id", Integer, nullable=False),
        Column("respondent_type_concept_id", Integer, nullable=False),
        Column("timing_concept_id", Integer, nullable=False),
        Column("collection_method_concept_id", Integer, nullable=False),
        Column("assisted_source_value", String(50)),
        Column("respondent_type_source_value", String(100)),
        Column("timing_source_value", String(100)),
        Column("collection_method_source_value", String(100)),
        Column("survey_source_value", String(100)),
        Column("survey_source_concept_id", Integer, nullable=False),
        Column("survey_source_identifier", String(100)),
        Column("validated_survey_concept_id", Integer, nullable=False),
        Column("validated_survey_source_value", String(100)),
        Column("survey_version_number", String(20)),
        Column("visit_occurrence_id", BigInteger),
        Column("visit_detail_id", BigInteger),
        Column("response_visit_occurrence_id", BigInteger),
        PrimaryKeyConstraint("survey_conduct_id", name="pk_survey_conduct"),
        *_concepts(
            "survey_conduct",
            "survey_concept_id",
            "assisted_concept_id",
            "respondent_type_concept_id",
            "timing_concept_id",
            "collection_method_concept_id",
            "survey_source_concept_id",
            "validated_survey_concept_id",
        ),
        *_links(
            "survey_conduct",
            person_id="omop.person.person_id",
            provider_id="omop.provider.provider_id",
            visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
            visit_detail_id="omop.visit_detail.visit_detail_id",
            response_visit_occurrence_id="omop.visit_occurrence.visit_occurrence_id",
        ),
        schema=OMOP,
        comment="Questionnaires that a person answered, one row each time",
    )
    _index("survey_conduct", "person_id", "survey_concept_id", "visit_occurrence_id")
    _index_if_set("survey_conduct", "visit_detail_id", "response_visit_occurrence_id")
    op.create_table(
        "note_nlp",
        Column("note_nlp_id", BigInteger, nullable=False, autoincrement=False),
        Column("note_id", BigInteger, nullable=False),
        Column("section_concept_id", Integer, nullable=False),
        Column("snippet", String(250)),
        Column("offset", String(250)),
        Column("lexical_variant", String(250), nullable=False),
        Column("note_nlp_concept_id", Integer, nullable=False),
        Column("nlp_system", String(250)),
        Column("nlp_date", Date, nullable=False),
        Column("nlp_datetime", DateTime),
        Column("term_exists", String(1)),
        Column("term_temporal", String(50)),
        Column("term_modifiers", String(2000)),
        Column("note_nlp_source_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("note_nlp_id", name="pk_note_nlp"),
        *_concepts("note_nlp", "section_concept_id", "note_nlp_concept_id", "note_nlp_source_concept_id"),
        *_links("note_nlp", note_id="omop.note.note_id"),
        schema=OMOP,
        comment="Terms found in notes by a language processor",
    )
    _index("note_nlp", "note_id", "note_nlp_concept_id")


def _create_economics() -> None:
    op.create_table(
        "payer_plan_period",
        Column("payer_plan_period_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("contract_person_id", BigInteger),
        Column("payer_plan_period_start_date", Date, nullable=False),
        Column("payer_plan_period_end_date", Date, nullable=False),
        Column("payer_concept_id", Integer, nullable=False),
        Column("plan_concept_id", Integer, nullable=False),
        Column("contract_concept_id", Integer, nullable=False),
        Column("sponsor_concept_id", Integer, nullable=False),
        Column("stop_reason_concept_id", Integer, nullable=False),
        Column("payer_source_value", String(50)),
        Column("payer_source_concept_id", Integer, nullable=False),
        Column("plan_source_value", String(50)),
        Column("plan_source_concept_id", Integer, nullable=False),
        Column("contract_source_value", String(50)),
        Column("contract_source_concept_id", Integer, nullable=False),
        Column("sponsor_source_value", String(50)),
        Column("sponsor_source_concept_id", Integer, nullable=False),
        Column("family_source_value", String(50)),
        Column("stop_reason_source_value", String(50)),
        Column("stop_reason_source_concept_id", Integer, nullable=False),
        PrimaryKeyConstraint("payer_plan_period_id", name="pk_payer_plan_period"),
        *_concepts(
            "payer_plan_period",
            "payer_concept_id",
            "plan_concept_id",
            "contract_concept_id",
            "sponsor_concept_id",
            "stop_reason_concept_id",
            "payer_source_concept_id",
            "plan_source_concept_id",
            "contract_source_concept_id",
            "sponsor_source_concept_id",
            "stop_reason_source_concept_id",
        ),
        *_links(
            "payer_plan_period", person_id="omop.person.person_id", contract_person_id="omop.person.person_id"
        ),
        schema=OMOP,
        comment="When a person was insured, by whom, on which plan",
    )
    _index_if_set("payer_plan_period", "payer_plan_period_id", "contract_person_id")
    _index("payer_plan_period", "person_id")
    op.create_table(
        "cost",
        Column("cost_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("cost_event_id", BigInteger, nullable=False),
        Column("cost_event_field_concept_id", Integer, nullable=False),
        Column("cost_concept_id", Integer, nullable=False),
        Column("cost_type_concept_id", Integer, nullable=False),
        Column("currency_concept_id", Integer, nullable=False),
        Column("cost", Numeric),
        Column("incurred_date", Date, nullable=False),
        Column("billed_date", Date),
        Column("paid_date", Date),
        Column("revenue_code_concept_id", Integer, nullable=False),
        Column("drg_concept_id", Integer, nullable=False),
        Column("cost_source_value", String(50)),
        Column("cost_source_concept_id", Integer, nullable=False),
        Column("revenue_code_source_value", String(50)),
        Column("drg_source_value", String(3)),
        Column("payer_plan_period_id", BigInteger),
        PrimaryKeyConstraint("cost_id", name="pk_cost"),
        *_concepts(
            "cost",
            "cost_concept_id",
            "cost_type_concept_id",
            "currency_concept_id",
            "revenue_code_concept_id",
            "drg_concept_id",
            "cost_source_concept_id",
        ),
        *_links(
            "cost",
            person_id="omop.person.person_id",
            payer_plan_period_id="omop.payer_plan_period.payer_plan_period_id",
        ),
        schema=OMOP,
        comment="What an event cost",
    )
    _index("cost", "person_id")
    _index_if_set("cost", "payer_plan_period_id")


def _create_derived() -> None:
    op.create_table(
        "condition_era",
        Column("condition_era_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("condition_concept_id", Integer, nullable=False),
        Column("condition_era_start_datetime", DateTime, nullable=False),
        Column("condition_era_end_datetime", DateTime, nullable=False),
        Column("condition_occurrence_count", Integer),
        PrimaryKeyConstraint("condition_era_id", name="pk_condition_era"),
        *_concepts("condition_era", "condition_concept_id"),
        *_links("condition_era", person_id="omop.person.person_id"),
        schema=OMOP,
        comment="Spans in which a person had a condition, derived from condition_occurrence",
    )
    _index("condition_era", "person_id", "condition_concept_id")
    op.create_table(
        "dose_era",
        Column("dose_era_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("drug_concept_id", Integer, nullable=False),
        Column("unit_concept_id", Integer, nullable=False),
        Column("dose_value", Numeric, nullable=False),
        Column("dose_era_start_datetime", DateTime, nullable=False),
        Column("dose_era_end_datetime", DateTime, nullable=False),
        PrimaryKeyConstraint("dose_era_id", name="pk_dose_era"),
        *_concepts("dose_era", "drug_concept_id", "unit_concept_id"),
        *_links("dose_era", person_id="omop.person.person_id"),
        schema=OMOP,
        comment="Spans in which a person took an ingredient at a constant dose",
    )
    _index("dose_era", "person_id", "drug_concept_id")
    op.create_table(
        "drug_era",
        Column("drug_era_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("drug_concept_id", Integer, nullable=False),
        Column("drug_era_start_datetime", DateTime, nullable=False),
        Column("drug_era_end_datetime", DateTime, nullable=False),
        Column("drug_exposure_count", Integer),
        Column("gap_days", Integer),
        PrimaryKeyConstraint("drug_era_id", name="pk_drug_era"),
        *_concepts("drug_era", "drug_concept_id"),
        *_links("drug_era", person_id="omop.person.person_id"),
        schema=OMOP,
        comment="Spans in which a person took an ingredient, derived from drug_exposure",
    )
    _index("drug_era", "person_id", "drug_concept_id")


def _create_oncology() -> None:
    op.create_table(
        "concept_numeric",
        Column("concept_id", Integer, nullable=False, autoincrement=False),
        Column("value_as_number", Numeric),
        Column("unit_concept_id", Integer),
        Column("operator_concept_id", Integer),
        PrimaryKeyConstraint("concept_id", name="pk_concept_numeric"),
        *_concepts("concept_numeric", "concept_id", "unit_concept_id", "operator_concept_id"),
        schema=OMOP,
        comment="Concepts that mean a number, and that number",
    )
    op.create_table(
        "episode",
        Column("episode_id", BigInteger, nullable=False, autoincrement=False),
        Column("person_id", BigInteger, nullable=False),
        Column("episode_concept_id", Integer, nullable=False),
        Column("episode_start_datetime", DateTime, nullable=False),
        Column("episode_end_datetime", DateTime),
        Column("episode_parent_id", BigInteger),
        Column("episode_number", Integer),
        Column("episode_object_concept_id", Integer, nullable=False),
        Column("episode_type_concept_id", Integer, nullable=False),
        Column("episode_source_value", String(50)),
        Column("episode_source_concept_id", Integer),
        PrimaryKeyConstraint("episode_id", name="pk_episode"),
        *_concepts(
            "episode",
            "episode_concept_id",
            "episode_object_concept_id",
            "episode_type_concept_id",
            "episode_source_concept_id",
        ),
        *_links("episode", person_id="omop.person.person_id", episode_parent_id="omop.episode.episode_id"),
        schema=OMOP,
        comment="Phases of a disease and its treatment: the course, its extents, the regimens",
    )
    _index("episode", "person_id", "episode_concept_id")
    _index_if_set("episode", "episode_parent_id")
    op.create_table(
        "episode_event",
        Column("episode_id", BigInteger, nullable=False, autoincrement=False),
        Column("event_id", BigInteger, nullable=False, autoincrement=False),
        Column("episode_event_field_concept_id", Integer, nullable=False, autoincrement=False),
        PrimaryKeyConstraint(
            "episode_id", "event_id", "episode_event_field_concept_id", name="pk_episode_event"
        ),
        *_concepts("episode_event", "episode_event_field_concept_id"),
        *_links("episode_event", episode_id="omop.episode.episode_id"),
        schema=OMOP,
        comment="The rows that make up an episode; the field concept says in which table a row is",
    )
    op.create_index(
        "ix_episode_event_event_id_episode_event_field_concept_id",
        "episode_event",
        ["event_id", "episode_event_field_concept_id"],
        schema=OMOP,
    )


def _create_results() -> None:
    op.create_table(
        "cohort_definition",
        Column("cohort_definition_id", Integer, nullable=False, autoincrement=False),
        Column("cohort_definition_name", String(255), nullable=False),
        Column("cohort_definition_description", Text),
        Column("definition_type_concept_id", Integer, nullable=False),
        Column("cohort_definition_syntax", Text),
        Column("subject_concept_id", Integer, nullable=False),
        Column("cohort_initiation_date", Date),
        PrimaryKeyConstraint("cohort_definition_id", name="pk_cohort_definition"),
        *_concepts("cohort_definition", "definition_type_concept_id", "subject_concept_id"),
        schema=OMOP,
        comment="What each cohort means and how it was drawn",
    )
    op.create_table(
        "cohort",
        Column("cohort_definition_id", BigInteger, nullable=False, autoincrement=False),
        Column("subject_id", BigInteger, nullable=False, autoincrement=False),
        Column("cohort_start_date", Date, nullable=False),
        Column("cohort_end_date", Date, nullable=False),
        PrimaryKeyConstraint(
            "cohort_definition_id", "subject_id", "cohort_start_date", "cohort_end_date", name="pk_cohort"
        ),
        *_links("cohort", cohort_definition_id="omop.cohort_definition.cohort_definition_id"),
        schema=OMOP,
        comment="Who belongs to which cohort, and when",
    )
    _index("cohort", "subject_id")


def _create_metadata() -> None:
    op.create_table(
        "cdm_source",
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
    op.create_table(
        "metadata",
        Column("metadata_concept_id", Integer, nullable=False),
        Column("metadata_type_concept_id", Integer, nullable=False),
        Column("name", String(250), nullable=False),
        Column("value_as_string", Text),
        Column("value_as_concept_id", Integer),
        Column("metadata_date", Date),
        Column("metadata_datetime", DateTime),
        *_concepts("metadata", "metadata_concept_id", "metadata_type_concept_id"),
        schema=OMOP,
        comment="Facts about the database itself, as name and value",
    )
