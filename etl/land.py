"""Land: valid documents into the lakehouse, as submitted, in batches that are stored whole or not at all.

Every function here runs transactions of its own: give it a connection outside of one. Two ingests may land
the same cases at the same time: rows are always inserted and locked in the same order, and the last one to
come sees what the others stored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from etl.owner import is_anothers, is_nobodys
from etl.plan import CaseKey, CasePaths, Document
from etl.read import Record
from etl.receive import Upload
from etl.strict import digest, member
from omop_schema.copy_text import escape, line
from omop_schema.database import copy

#: Why a document of a patient who is another organisation's is refused; it tells nothing of that one.
FOREIGN = "this patient identifier is another provider's"


class Rejection(NamedTuple):
    """Why a record of an upload is not stored: one reason of maybe several, never with a value of it.

    The line is for people who have the file before them. ``lake.violations`` keeps the position alone: it
    finds the record in whatever way its file was broken into lines.
    """

    position: int
    line: int
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Landed:
    """A case document that the lakehouse holds for good."""

    position: int
    key: CaseKey
    version: int
    """The newest version of the case: this document, unless another one has replaced it since."""
    document: Document
    upload_id: int
    """The upload that the newest version came with."""
    changed: bool
    """Whether this landing stored a new version."""
    pending: bool
    """Whether the OMOP rows are still to be made from this document."""


def identity(document: Document, case: CasePaths) -> tuple[str, str, str | None]:
    """Patient, form and site of a valid document."""
    assert case.patient is not None and case.form is not None, "a case of a series is told by its loader"
    site = None if case.site is None else document.get(case.site)
    return str(document[case.patient]), str(document[case.form]), None if site is None else str(site)


def land(
    connection: Connection,
    upload: Upload,
    records: Sequence[Record],
    case: CasePaths,
    rejections: Sequence[Rejection] = (),
) -> list[Landed]:
    """Store a batch of valid records, no two of the same case, and log the rejections. Committed on return.

    A case gets a new version only where its document differs from the newest one stored, and was not stored
    from this very place of this upload before. A record whose patient is another organisation's is logged
    as rejected, and nothing of it is stored: it has no Landed, and ``foreign`` finds it.
    """
    with connection.begin():
        _log(connection, upload, rejections)
        if not records:
            return []
        _take_in(connection, records, case)
        values = {
            "mapping": upload.mapping,
            "upload": upload.upload_id,
            "organisation": upload.organisation,
            "everywhere": upload.everywhere,
        }
        refused = set(connection.execute(_REFUSE_FOREIGN, values).scalars())
        _log(
            connection,
            upload,
            [foreign_rejection(each, case) for each in records if each.position in refused],
        )
        changed = set(connection.execute(_INSERT_DOCUMENTS, values).scalars())
        stored = connection.execute(_STORED, values).all()
    connection.info[_ANALYSED] = len(records)
    documents = {record.position: record.document for record in records}
    return [_landed(row, documents[row.position], row.case_id in changed) for row in stored]


def foreign(records: Iterable[Record], landed: Iterable[Landed], case: CasePaths) -> list[Rejection]:
    """The rejections that ``land`` logged besides those it was given: of records that did not land."""
    positions = {each.position for each in landed}
    return [foreign_rejection(each, case) for each in records if each.position not in positions]


def foreign_rejection(record: Record, case: CasePaths) -> Rejection:
    """Why a record whose patient is another organisation's is not stored."""
    assert case.patient is not None, "a case of a series is told by its loader"
    return Rejection(record.position, record.line, member("$", case.patient, (case.patient,)), FOREIGN)


def _landed(row: Row[Any], document: Document, changed: bool) -> Landed:
    return Landed(
        position=row.position,
        key=CaseKey(row.case_id, row.person_id, row.care_site_id),
        version=row.version,
        document=document,
        upload_id=row.upload_id,
        changed=changed,
        pending=row.pending,
    )


def _take_in(connection: Connection, records: Sequence[Record], case: CasePaths) -> None:
    connection.execute(_CREATE_INCOMING)
    copy(connection, "incoming", _INCOMING, (_incoming(record, case) for record in records))
    _analyse(connection, len(records))


def _analyse(connection: Connection, records: int) -> None:
    """Tell the planner how many rows came in: without it, it reads all cases to find the few.

    What it knows outlasts the transaction, so a connection that lands batches of one size is told once.
    """
    if connection.info.pop(_ANALYSED, None) != records:
        connection.execute(_ANALYSE)


def _log(connection: Connection, upload: Upload, rejections: Sequence[Rejection]) -> None:
    if rejections:
        lines = (line(upload.upload_id, each.position, each.path, each.reason) for each in rejections)
        copy(connection, "lake.violations", ("upload_id", "position", "path", "reason"), lines)


def _incoming(record: Record, case: CasePaths) -> str:
    start = line(record.position, *identity(record.document, case), digest(record.document))
    return f"{start[:-1]}\t{escape(record.raw.decode())}\n"


_INCOMING = ("position", "patient_id", "form", "site", "digest", "document")
_CREATE_INCOMING = text("""
    CREATE TEMPORARY TABLE IF NOT EXISTS incoming
        (position integer, patient_id text, form text, site text, digest bytea, document text)
    ON COMMIT DELETE ROWS
""")
_ANALYSE = text("ANALYZE incoming (patient_id, form, site)")
_ANALYSED = "rows of incoming when it was last analysed"
# Each string is one round trip; its statements run one after the other, each seeing what the last one did.
# Whoever lands or loads a case locks its patient first, so the cases of a locked patient stay as they are.
# Known rows are left out before ON CONFLICT sees them: a conflict uses up a number, and those are scarce.
_REFUSE_FOREIGN = text(f"""
    INSERT INTO lake.patients (patient_id)
    SELECT DISTINCT patient_id FROM incoming
    WHERE NOT EXISTS (SELECT FROM lake.patients AS known WHERE known.patient_id = incoming.patient_id)
    ORDER BY patient_id
    ON CONFLICT DO NOTHING;

    SELECT FROM incoming JOIN lake.patients USING (patient_id)
    ORDER BY person_id FOR NO KEY UPDATE OF patients;

    DELETE FROM incoming WHERE NOT :everywhere AND {is_anothers("incoming.patient_id")}
    RETURNING position
""")  # noqa: S608
# A new case of a known patient belongs to the patient's organisation, whoever sends it.
# An upload that is processed again must not bring back a document that has been replaced since.
# A document that is the newest already is kept as a repeat, for the day when the first one is withdrawn.
_INSERT_DOCUMENTS = text(f"""
    INSERT INTO lake.sites (site)
    SELECT DISTINCT site FROM incoming
    WHERE site IS NOT NULL AND NOT EXISTS (SELECT FROM lake.sites AS known WHERE known.site = incoming.site)
    ORDER BY site
    ON CONFLICT DO NOTHING;

    INSERT INTO lake.cases (mapping, patient_id, form, person_id, care_site_id, organisation, version)
    SELECT :mapping, patient_id, form, person_id, care_site_id,
        CASE WHEN owner.is_known THEN owner.organisation ELSE :organisation END, 1
    FROM incoming JOIN lake.patients USING (patient_id) LEFT JOIN lake.sites USING (site)
    LEFT JOIN LATERAL (
        SELECT organisation, true AS is_known FROM lake.cases AS known
        WHERE known.patient_id = incoming.patient_id AND NOT {is_nobodys("known")}
        ORDER BY case_id LIMIT 1) AS owner ON true
    WHERE NOT EXISTS (
        SELECT FROM lake.cases AS known
        WHERE (known.patient_id, known.mapping, known.form) = (incoming.patient_id, :mapping, incoming.form))
    ORDER BY patient_id, form
    ON CONFLICT DO NOTHING;

    UPDATE lake.cases AS scanned SET organisation = owner.organisation
    FROM incoming JOIN lake.cases AS owner
        ON (owner.patient_id, owner.mapping, owner.form) = (incoming.patient_id, :mapping, incoming.form)
    WHERE CAST(:organisation AS text) IS NOT NULL AND owner.organisation IS NOT NULL
        AND scanned.patient_id = incoming.patient_id AND {is_nobodys("scanned")};

    WITH sent AS (
        SELECT cases.case_id, coalesce(newest.version + 1, 1) AS version, incoming.position, incoming.digest,
            incoming.document, newest.digest IS DISTINCT FROM incoming.digest AS differs
        FROM incoming JOIN lake.cases USING (patient_id, form)
        LEFT JOIN lake.documents AS newest
            ON (newest.case_id, newest.version) = (cases.case_id, cases.version)
        WHERE cases.mapping = :mapping
            AND NOT EXISTS (
                SELECT FROM lake.documents AS same
                WHERE (same.case_id, same.upload_id, same.position, same.digest)
                    = (cases.case_id, :upload, incoming.position, incoming.digest))
            AND NOT EXISTS (
                SELECT FROM lake.repeats AS same
                WHERE (same.case_id, same.upload_id, same.position, same.digest)
                    = (cases.case_id, :upload, incoming.position, incoming.digest))
        ORDER BY incoming.position
    ), numbered AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('lake.documents', 'document_id')) AS document_id, sent.*
        FROM sent
    ), repeated AS (
        INSERT INTO lake.repeats (document_id, case_id, upload_id, position, digest)
        SELECT document_id, case_id, :upload, position, digest FROM numbered WHERE NOT differs
    )
    INSERT INTO lake.documents (document_id, case_id, version, upload_id, position, digest, document)
    OVERRIDING SYSTEM VALUE
    SELECT document_id, case_id, version, :upload, position, digest, CAST(document AS jsonb)
    FROM numbered WHERE differs
    RETURNING case_id
""")  # noqa: S608
_STORED = text("""
    UPDATE lake.cases SET version = documents.version, care_site_id = sites.care_site_id
    FROM incoming LEFT JOIN lake.sites USING (site), lake.documents
    WHERE (cases.patient_id, cases.mapping, cases.form) = (incoming.patient_id, :mapping, incoming.form)
        AND (documents.case_id, documents.version) = (cases.case_id, cases.version + 1);

    SELECT incoming.position, cases.case_id, person_id, care_site_id, cases.version, documents.upload_id,
        documents.digest = incoming.digest AND cases.loaded_version IS DISTINCT FROM cases.version AS pending
    FROM incoming JOIN lake.cases USING (patient_id, form) JOIN lake.documents USING (case_id, version)
    WHERE mapping = :mapping ORDER BY incoming.position
""")
