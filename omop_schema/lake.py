"""The lakehouse: what was submitted, as submitted, and what became of it (schema ``lake``).

An *upload* is one file or request. It holds *documents*; each is one version of one *case*, and a case is
one form of one patient. Nothing here is ever overwritten: a changed document is a new version.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from omop_schema.base import LAKE, metadata

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", BigInteger, Identity(always=True), primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("finished_at", DateTime(timezone=True)),
    Column("uploader", Text, nullable=False, comment="Who sent it: an account name or a token's subject"),
    Column("organisation", Text, comment="Whose it is; NULL: sent from the command line"),
    Column("source", Text, nullable=False, comment="The file's path, or the request's part name"),
    Column("mapping", Text, nullable=False, comment="The mapping, or curationMeta"),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("outcome", Text, nullable=False, server_default=text("'received'")),
    Column("cases", Integer, nullable=False, server_default=text("0"), comment="Case documents read"),
    Column("stored", Integer, nullable=False, server_default=text("0"), comment="New case versions"),
    Column(
        "unchanged", Integer, nullable=False, server_default=text("0"), comment="Already stored as they are"
    ),
    Column("rejected", Integer, nullable=False, server_default=text("0"), comment="Not valid, not stored"),
    Column("rows", BigInteger, nullable=False, server_default=text("0"), comment="OMOP rows written"),
    Column("problems", Integer, nullable=False, server_default=text("0")),
    Column("warnings", Integer, nullable=False, server_default=text("0"), comment="Values not plausible"),
    CheckConstraint("outcome IN ('received', 'loaded', 'partial', 'rejected', 'withdrawn')", name="outcome"),
    schema=LAKE,
    comment="The upload log: every file or request that was ever sent",
)
#: The same bytes from one organisation are one upload, until it is withdrawn.
Index(
    "uq_uploads_bytes",
    uploads.c.sha256,
    uploads.c.mapping,
    uploads.c.organisation,
    unique=True,
    postgresql_where=text("outcome <> 'withdrawn'"),
    postgresql_nulls_not_distinct=True,
)
Index("ix_uploads_organisation", uploads.c.organisation, uploads.c.upload_id)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("uploader", Text, primary_key=True, comment="Whose key it is: a token's subject"),
    Column("idempotency_key", Text, primary_key=True, comment="As sent, without its quotes"),
    Column("upload_id", BigInteger, ForeignKey(uploads.c.upload_id), nullable=False, index=True),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    schema=LAKE,
    comment="The Idempotency-Keys of requests, each with the upload that its bytes are",
)

violations = Table(
    "violations",
    metadata,
    Column("violation_id", BigInteger, Identity(always=True), primary_key=True),
    Column("upload_id", BigInteger, ForeignKey(uploads.c.upload_id), nullable=False),
    Column("position", Integer, nullable=False, comment="Which record of the upload, from 1"),
    Column("path", Text, nullable=False, comment="JSON path of the offending place"),
    Column("reason", Text, nullable=False, comment="What is wrong; never the value"),
    schema=LAKE,
    comment="Why a document was rejected",
)
# With the key behind it, a page of an upload is read in order, however long the upload is.
Index("ix_violations_upload_id", violations.c.upload_id, violations.c.violation_id)

patients = Table(
    "patients",
    metadata,
    Column("person_id", BigInteger, Identity(always=True), primary_key=True),
    Column("patient_id", Text, nullable=False, unique=True),
    schema=LAKE,
    comment="The person_id that each patient identifier was given, once",
)

sites = Table(
    "sites",
    metadata,
    Column("care_site_id", BigInteger, Identity(always=True), primary_key=True),
    Column("site", Text, nullable=False, unique=True),
    schema=LAKE,
    comment="The care_site_id that each clinical site was given, once",
)

cases = Table(
    "cases",
    metadata,
    Column(
        "case_id", Integer, Identity(always=True), primary_key=True, comment="High 31 bits of its row ids"
    ),
    Column("mapping", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("person_id", BigInteger, ForeignKey(patients.c.person_id), nullable=False, index=True),
    Column("care_site_id", BigInteger, ForeignKey(sites.c.care_site_id)),
    Column("organisation", Text, comment="Whose it is: that of its first upload"),
    Column("version", Integer, nullable=False, comment="The newest document"),
    Column("loaded_version", Integer, comment="The document its OMOP rows come from; NULL: not loaded yet"),
    Column("loaded_at", DateTime(timezone=True)),
    Column("plan", Text, comment="Digest of the mapping that made its rows"),
    Column("person", JSONB, comment="What its rows say of the person: column to value"),
    Column("first_date", Date, comment="Earliest date among its rows"),
    Column("last_date", Date, comment="Latest date among its rows"),
    UniqueConstraint("patient_id", "mapping", "form"),
    schema=LAKE,
    comment="One form of one patient; the unit that is loaded or replaced whole",
)
Index(
    "ix_cases_pending",
    cases.c.case_id,
    postgresql_where=text("loaded_version IS NULL OR loaded_version <> version"),
)
# Pages of a form's cases: of everybody's, and of one organisation's.
Index("ix_cases_form", cases.c.mapping, cases.c.form, cases.c.case_id)
Index("ix_cases_organisation", cases.c.organisation, cases.c.mapping, cases.c.form, cases.c.case_id)
# Whose patients are whose.
Index("ix_cases_owner", cases.c.organisation, cases.c.person_id)


def _document_bytes() -> Column[int]:
    """What a page of documents weighs is known without reading them."""
    size = Computed("octet_length(document::text)", persisted=True)
    return Column("document_bytes", Integer, size, nullable=False, comment="Of the document as JSON text")


documents = Table(
    "documents",
    metadata,
    Column("document_id", BigInteger, Identity(always=True), primary_key=True),
    Column("case_id", Integer, ForeignKey(cases.c.case_id), nullable=False),
    Column("version", Integer, nullable=False),
    Column("upload_id", BigInteger, ForeignKey(uploads.c.upload_id), nullable=False),
    Column("position", Integer, nullable=False, comment="Which record of the upload, from 1"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the canonical document"),
    Column("document", JSONB, nullable=False),
    Column("landed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _document_bytes(),
    UniqueConstraint("case_id", "version"),
    schema=LAKE,
    comment="Case documents as submitted, every version",
)
Index("ix_documents_upload_id", documents.c.upload_id, documents.c.document_id)

repeats = Table(
    "repeats",
    metadata,
    Column(
        "document_id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Its place in the order in which documents came, among those of lake.documents",
    ),
    Column("case_id", Integer, ForeignKey(cases.c.case_id), nullable=False, index=True),
    Column("upload_id", BigInteger, ForeignKey(uploads.c.upload_id), nullable=False, index=True),
    Column("position", Integer, nullable=False, comment="Which record of the upload, from 1"),
    Column("digest", LargeBinary, nullable=False, comment="That of the newest document when it came"),
    Column("landed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    schema=LAKE,
    comment="Documents that came again unchanged: where the first is withdrawn, the next takes its place",
)

rules = Table(
    "rules",
    metadata,
    Column("rule_id", SmallInteger, primary_key=True, autoincrement=False, comment="12 bits of a row id"),
    Column("mapping", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column(
        "each_path", Text, nullable=False, comment="JSON path of the items, one [*] a level; $ if one a case"
    ),
    CheckConstraint("rule_id BETWEEN 1 AND 4095", name="rule_id"),
    UniqueConstraint("mapping", "name", "each_path"),
    schema=LAKE,
    comment="The rule register: numbers are given once and never reused",
)

plan_rules = Table(
    "plan_rules",
    metadata,
    Column("plan", Text, primary_key=True, comment="Digest of the mapping"),
    Column("rule_id", SmallInteger, ForeignKey(rules.c.rule_id), primary_key=True),
    Column("sources", ARRAY(Text), nullable=False, comment="JSON paths the rule reads"),
    Column("target", Text, nullable=False, comment="The OMOP table"),
    Column("file", Text, nullable=False),
    Column("line", Integer, nullable=False),
    schema=LAKE,
    comment="What each rule was in each version of its mapping: lineage stays true when rules change",
)

problems = Table(
    "problems",
    metadata,
    Column("problem_id", BigInteger, Identity(always=True), primary_key=True),
    Column("case_id", Integer, ForeignKey(cases.c.case_id), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("rule_id", SmallInteger, ForeignKey(rules.c.rule_id), comment="NULL: not of one rule"),
    Column("kind", Text, nullable=False),
    Column("path", Text, nullable=False, comment="JSON path of the value"),
    Column("reason", Text, nullable=False, comment="What is wrong; never the value"),
    CheckConstraint("kind IN ('unmapped', 'invalid', 'truncated', 'disagrees', 'implausible')", name="kind"),
    schema=LAKE,
    comment="Values of loaded cases that did not arrive as a concept, or not at all, or are not plausible",
)

curations = Table(
    "curations",
    metadata,
    Column("curation_id", BigInteger, Identity(always=True), primary_key=True),
    Column("upload_id", BigInteger, ForeignKey(uploads.c.upload_id), nullable=False, index=True),
    Column(
        "case_id",
        Integer,
        ForeignKey(cases.c.case_id),
        index=True,
        comment="The case that its rows are of; NULL: its series is not known yet",
    ),
    Column(
        "everywhere",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Whether its sender may post to patients of any organisation",
    ),
    Column("curation_function", Text, nullable=False, comment="motion_correction, segmentation, ..."),
    Column("source_series_uid", Text, nullable=False, index=True, comment="The DICOM series it is about"),
    Column("static_series_uid", Text, comment="The series it was registered to; coregistration alone"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the canonical document"),
    Column("document", JSONB, nullable=False),
    Column("landed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _document_bytes(),
    schema=LAKE,
    comment="What the curation tool sent of derived series, as submitted (D4.4 5.6, Appendix B)",
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("withdrawal_id", BigInteger, Identity(always=True), primary_key=True),
    Column("withdrawn_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("withdrawn_by", Text, nullable=False, comment="A token's subject, or an account name"),
    Column("organisation", Text, comment="Whose it was"),
    Column("person_id", BigInteger, comment="The number of the person; NULL where an upload was withdrawn"),
    Column("upload_id", BigInteger, comment="The upload; NULL where a patient was withdrawn"),
    Column("documents", Integer, nullable=False, comment="Document versions removed"),
    Column("rows", BigInteger, nullable=False, comment="OMOP rows removed"),
    CheckConstraint("num_nonnulls(person_id, upload_id) = 1", name="subject"),
    schema=LAKE,
    comment="Tombstones: that something was removed, when and by whom, and nothing of what it said",
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    Column("request_id", Text, nullable=False),
    Column("subject", Text, comment="Who asked; NULL without a valid token"),
    Column("organisation", Text),
    Column("action", Text, nullable=False, comment="The method and the route, such as GET /uploads/{id}"),
    Column("scope", Text, nullable=False, comment="The scope that the action needs"),
    Column("allowed", Boolean, nullable=False),
    Column("reason", Text, nullable=False, comment="Why it was decided so"),
    Column("person_id", BigInteger, index=True, comment="The person who was read or withdrawn"),
    Column("upload_id", BigInteger, comment="The upload that was read, made or withdrawn"),
    schema=LAKE,
    comment="Every decision on access, and every read of a patient: who, what, when; no payload",
)
