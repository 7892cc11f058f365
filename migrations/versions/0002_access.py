"""Who sent what, who looked at it, and what was withdrawn; curation metadata."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LAKE = "lake"


def upgrade() -> None:
    """Extend the upload log, the cases and the documents, and create the new tables."""
    _extend_uploads()
    op.add_column(
        "cases", Column("organisation", Text, comment="Whose it is: that of its first upload"), schema=LAKE
    )
    op.add_column("documents", _document_bytes(), schema=LAKE)
    _create_keys()
    _index_pages()
    _create_repeats()
    _create_curations()
    _create_withdrawals()
    _create_audit()


def downgrade() -> None:
    """Who sent what and what was withdrawn must not be forgotten."""
    raise NotImplementedError("there is no way back from revision '0002'; restore a backup instead")


def _extend_uploads() -> None:
    op.add_column(
        "uploads",
        Column("organisation", Text, comment="Whose it is; NULL: sent from the command line"),
        schema=LAKE,
    )
    op.alter_column("uploads", "mapping", comment="The mapping, or curationMeta", schema=LAKE)
    op.drop_constraint("uq_uploads_sha256_mapping", "uploads", schema=LAKE)
    op.create_index(
        "uq_uploads_bytes",
        "uploads",
        ["sha256", "mapping", "organisation"],
        unique=True,
        schema=LAKE,
        postgresql_where=text("outcome <> 'withdrawn'"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_uploads_organisation", "uploads", ["organisation", "upload_id"], schema=LAKE)
    op.drop_constraint(op.f("ck_uploads_outcome"), "uploads", schema=LAKE)
    op.create_check_constraint(
        op.f("ck_uploads_outcome"),
        "uploads",
        "outcome IN ('received', 'loaded', 'partial', 'rejected', 'withdrawn')",
        schema=LAKE,
    )


def _document_bytes() -> Column[int]:
    size = Computed("octet_length(document::text)", persisted=True)
    return Column("document_bytes", Integer, size, nullable=False, comment="Of the document as JSON text")


def _create_keys() -> None:
    op.create_table(
        "idempotency_keys",
        Column("uploader", Text, nullable=False, comment="Whose key it is: a token's subject"),
        Column("idempotency_key", Text, nullable=False, comment="As sent, without its quotes"),
        Column("upload_id", BigInteger, nullable=False),
        Column("received_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        PrimaryKeyConstraint("uploader", "idempotency_key", name="pk_idempotency_keys"),
        ForeignKeyConstraint(["upload_id"], ["lake.uploads.upload_id"], name="fk_idempotency_keys_upload_id"),
        schema=LAKE,
        comment="The Idempotency-Keys of requests, each with the upload that its bytes are",
    )
    op.create_index("ix_idempotency_keys_upload_id", "idempotency_keys", ["upload_id"], schema=LAKE)


def _index_pages() -> None:
    """Let pages of an upload, a form or an organisation be read in order, without sorting all of it."""
    for table, key in (("documents", "document_id"), ("violations", "violation_id")):
        op.drop_index(f"ix_{table}_upload_id", table, schema=LAKE)
        op.create_index(f"ix_{table}_upload_id", table, ["upload_id", key], schema=LAKE)
    op.create_index("ix_cases_form", "cases", ["mapping", "form", "case_id"], schema=LAKE)
    op.create_index(
        "ix_cases_organisation", "cases", ["organisation", "mapping", "form", "case_id"], schema=LAKE
    )


def _create_repeats() -> None:
    op.create_table(
        "repeats",
        Column(
            "document_id",
            BigInteger,
            autoincrement=False,
            nullable=False,
            comment="Its place in the order in which documents came, among those of lake.documents",
        ),
        Column("case_id", Integer, nullable=False),
        Column("upload_id", BigInteger, nullable=False),
        Column("position", Integer, nullable=False, comment="Which record of the upload, from 1"),
        Column("digest", LargeBinary, nullable=False, comment="That of the newest document when it came"),
        Column("landed_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        PrimaryKeyConstraint("document_id", name="pk_repeats"),
        ForeignKeyConstraint(["case_id"], ["lake.cases.case_id"], name="fk_repeats_case_id"),
        ForeignKeyConstraint(["upload_id"], ["lake.uploads.upload_id"], name="fk_repeats_upload_id"),
        schema=LAKE,
        comment="Documents that came again unchanged: where the first is withdrawn, the next takes its place",
    )
    for column in ("case_id", "upload_id"):
        op.create_index(f"ix_repeats_{column}", "repeats", [column], schema=LAKE)


def _create_curations() -> None:
    op.create_table(
        "curations",
        Column("curation_id", BigInteger, Identity(always=True), nullable=False),
        Column("upload_id", BigInteger, nullable=False),
        Column("curation_function", Text, nullable=False, comment="motion_correction or coregistration"),
        Column("source_series_uid", Text, nullable=False, comment="The DICOM series it was made from"),
        Column("static_series_uid", Text, comment="The series it was registered to; coregistration alone"),
        Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the canonical document"),
        Column("document", JSONB, nullable=False),
        Column("landed_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        _document_bytes(),
        PrimaryKeyConstraint("curation_id", name="pk_curations"),
        ForeignKeyConstraint(["upload_id"], ["lake.uploads.upload_id"], name="fk_curations_upload_id"),
        schema=LAKE,
        comment="What the curation tool sent of derived series, as submitted (D4.4 5.6, Appendix B)",
    )
    for column in ("upload_id", "source_series_uid"):
        op.create_index(f"ix_curations_{column}", "curations", [column], schema=LAKE)


def _create_withdrawals() -> None:
    op.create_table(
        "withdrawals",
        Column("withdrawal_id", BigInteger, Identity(always=True), nullable=False),
        Column("withdrawn_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        Column("withdrawn_by", Text, nullable=False, comment="A token's subject, or an account name"),
        Column("organisation", Text, comment="Whose it was"),
        Column(
            "person_id", BigInteger, comment="The number of the person; NULL where an upload was withdrawn"
        ),
        Column("upload_id", BigInteger, comment="The upload; NULL where a patient was withdrawn"),
        Column("documents", Integer, nullable=False, comment="Document versions removed"),
        Column("rows", BigInteger, nullable=False, comment="OMOP rows removed"),
        PrimaryKeyConstraint("withdrawal_id", name="pk_withdrawals"),
        CheckConstraint("num_nonnulls(person_id, upload_id) = 1", name=op.f("ck_withdrawals_subject")),
        schema=LAKE,
        comment="Tombstones: that something was removed, when and by whom, and nothing of what it said",
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        Column("audit_id", BigInteger, Identity(always=True), nullable=False),
        Column("at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        Column("request_id", Text, nullable=False),
        Column("subject", Text, comment="Who asked; NULL without a valid token"),
        Column("organisation", Text),
        Column("action", Text, nullable=False, comment="The method and the route, such as GET /uploads/{id}"),
        Column("scope", Text, nullable=False, comment="The scope that the action needs"),
        Column("allowed", Boolean, nullable=False),
        Column("reason", Text, nullable=False, comment="Why it was decided so"),
        Column("person_id", BigInteger, comment="The person who was read or withdrawn"),
        Column("upload_id", BigInteger, comment="The upload that was read, made or withdrawn"),
        PrimaryKeyConstraint("audit_id", name="pk_audit"),
        schema=LAKE,
        comment="Every decision on access, and every read of a patient: who, what, when; no payload",
    )
    for column in ("at", "person_id"):
        op.create_index(f"ix_audit_{column}", "audit", [column], schema=LAKE)
