"""Land: valid documents into the lakehouse, as submitted, in batches that are stored whole or not at all.

Every function here runs transactions of its own: give it a connection outside of one. Two ingests may land
the same cases at the same time: rows are always inserted and locked in the same order, and the last one to
come sees what the others stored.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from sqlalchemy import Connection, text

from etl.plan import CaseKey, CasePaths, Document
from etl.read import Record
from etl.strict import digest
from omop_schema.copy_text import escape, line
from omop_schema.database import copy

_CHUNK = 1 << 20
#: First half of the advisory lock that one ingest of an upload holds; the second is the upload.
_LOCK_SPACE = 0x6F6E636F


class Fingerprint(NamedTuple):
    """What tells whether the same bytes came before."""

    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """One file or request in the upload log, and what has become of it so far."""

    upload_id: int
    mapping: str
    outcome: str
    """``received``, ``loaded``, ``partial`` or ``rejected``."""


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


def fingerprint(stream: BinaryIO) -> Fingerprint:
    """Size and SHA-256 of all that the stream holds, read in pieces."""
    sha256, size = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        sha256.update(chunk)
        size += len(chunk)
    return Fingerprint(size, sha256.digest())


def receive(connection: Connection, mapping: str, source: str, uploader: str, print_: Fingerprint) -> Upload:
    """The upload of these bytes to this mapping: the earlier one if they came before. Committed on return."""
    values = {"mapping": mapping, "source": source, "uploader": uploader, **print_._asdict()}
    with connection.begin():
        found = connection.execute(_FIND_UPLOAD, values).one_or_none()
        if found is None:
            connection.execute(_INSERT_UPLOAD, values)
            found = connection.execute(_FIND_UPLOAD, values).one()
    return Upload(found.upload_id, mapping, found.outcome)


@contextmanager
def claimed(connection: Connection, upload: Upload) -> Iterator[Upload]:
    """The upload as it is now, kept from other ingests until the block ends or the connection breaks.

    Unless it is loaded already, its log starts afresh: what was rejected before will be read again.
    """
    lock = {"space": _LOCK_SPACE, "upload": upload.upload_id}
    with connection.begin():
        connection.execute(_LOCK_UPLOAD, lock)
    try:
        with connection.begin():
            outcome = connection.execute(_OUTCOME, lock).scalar_one()
            if outcome != "loaded":
                connection.execute(_FORGET_VIOLATIONS, lock)
        yield Upload(upload.upload_id, upload.mapping, outcome)
    finally:
        if _is_alive(connection):
            connection.rollback()
            with connection.begin():
                connection.execute(_UNLOCK_UPLOAD, lock)


def _is_alive(connection: Connection) -> bool:
    """False once the server is gone, and the lock with it."""
    driver = connection.connection.dbapi_connection if not connection.invalidated else None
    return driver is not None and not driver.closed


def finish(connection: Connection, upload: Upload, outcome: str, *, cases: int, rejected: int) -> None:
    """Write the outcome to the log; ``stored`` counts what this upload stored over all its runs."""
    with connection.begin():
        connection.execute(
            _FINISH,
            {"upload": upload.upload_id, "outcome": outcome, "cases": cases, "rejected": rejected},
        )


def identity(document: Document, case: CasePaths) -> tuple[str, str, str | None]:
    """Patient, form and site of a valid document."""
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
    from this very place of this upload before.
    """
    with connection.begin():
        _log(connection, upload, rejections)
        if not records:
            return []
        connection.execute(_CREATE_INCOMING)
        copy(connection, "incoming", _INCOMING, (_incoming(record, case) for record in records))
        connection.execute(_ANALYSE)
        values = {"mapping": upload.mapping, "upload": upload.upload_id}
        for statement in (_INSERT_SITES, _INSERT_PATIENTS, _INSERT_CASES, _LOCK_CASES):
            connection.execute(statement, values)
        changed = set(connection.execute(_INSERT_DOCUMENTS, values).scalars())
        connection.execute(_NEW_VERSIONS, values)
        stored = connection.execute(_STORED, values).all()
    documents = {record.position: record.document for record in records}
    return [
        Landed(
            position=row.position,
            key=CaseKey(row.case_id, row.person_id, row.care_site_id),
            version=row.version,
            document=documents[row.position],
            upload_id=row.upload_id,
            changed=row.case_id in changed,
            pending=row.pending,
        )
        for row in stored
    ]


def _log(connection: Connection, upload: Upload, rejections: Sequence[Rejection]) -> None:
    if rejections:
        lines = (line(upload.upload_id, each.position, each.path, each.reason) for each in rejections)
        copy(connection, "lake.violations", ("upload_id", "position", "path", "reason"), lines)


def _incoming(record: Record, case: CasePaths) -> str:
    start = line(record.position, *identity(record.document, case), digest(record.document))
    return f"{start[:-1]}\t{escape(record.raw.decode())}\n"


_FIND_UPLOAD = text(
    "SELECT upload_id, outcome FROM lake.uploads WHERE sha256 = :sha256 AND mapping = :mapping"
)
_INSERT_UPLOAD = text(
    "INSERT INTO lake.uploads (mapping, source, uploader, bytes, sha256)"
    " VALUES (:mapping, :source, :uploader, :size, :sha256) ON CONFLICT DO NOTHING"
)
_LOCK_UPLOAD = text("SELECT pg_advisory_lock(:space, CAST(:upload AS integer))")
_UNLOCK_UPLOAD = text("SELECT pg_advisory_unlock(:space, CAST(:upload AS integer))")
_OUTCOME = text("SELECT outcome FROM lake.uploads WHERE upload_id = :upload")
_FORGET_VIOLATIONS = text("DELETE FROM lake.violations WHERE upload_id = :upload")
_FINISH = text("""
    UPDATE lake.uploads SET outcome = :outcome, finished_at = now(), cases = :cases, rejected = :rejected,
        stored = documents.stored, unchanged = :cases - :rejected - documents.stored
    FROM (SELECT count(*) AS stored FROM lake.documents WHERE upload_id = :upload) AS documents
    WHERE upload_id = :upload
""")

_INCOMING = ("position", "patient_id", "form", "site", "digest", "document")
_CREATE_INCOMING = text("""
    CREATE TEMPORARY TABLE IF NOT EXISTS incoming
        (position integer, patient_id text, form text, site text, digest bytea, document text)
    ON COMMIT DELETE ROWS
""")
# Without it the planner knows nothing of the rows just filled in, and reads all cases to find the few.
_ANALYSE = text("ANALYZE incoming (patient_id, form, site)")
# Known rows are left out before ON CONFLICT sees them: a conflict uses up a number, and those are scarce.
_INSERT_SITES = text("""
    INSERT INTO lake.sites (site)
    SELECT DISTINCT site FROM incoming
    WHERE site IS NOT NULL AND NOT EXISTS (SELECT FROM lake.sites AS known WHERE known.site = incoming.site)
    ORDER BY site
    ON CONFLICT DO NOTHING
""")
_INSERT_PATIENTS = text("""
    INSERT INTO lake.patients (patient_id)
    SELECT DISTINCT patient_id FROM incoming
    WHERE NOT EXISTS (SELECT FROM lake.patients AS known WHERE known.patient_id = incoming.patient_id)
    ORDER BY patient_id
    ON CONFLICT DO NOTHING
""")
_INSERT_CASES = text("""
    INSERT INTO lake.cases (mapping, patient_id, form, person_id, care_site_id, version)
    SELECT :mapping, patient_id, form, person_id, care_site_id, 1
    FROM incoming JOIN lake.patients USING (patient_id) LEFT JOIN lake.sites USING (site)
    WHERE NOT EXISTS (
        SELECT FROM lake.cases AS known
        WHERE (known.patient_id, known.mapping, known.form) = (incoming.patient_id, :mapping, incoming.form))
    ORDER BY patient_id, form
    ON CONFLICT DO NOTHING
""")
_LOCK_CASES = text("""
    SELECT FROM incoming JOIN lake.cases USING (patient_id, form)
    WHERE mapping = :mapping ORDER BY case_id FOR NO KEY UPDATE OF cases
""")
# An upload that is processed again must not bring back a document that has been replaced since.
_INSERT_DOCUMENTS = text("""
    INSERT INTO lake.documents (case_id, version, upload_id, position, digest, document)
    SELECT cases.case_id, coalesce(newest.version + 1, 1), :upload, incoming.position, incoming.digest,
        CAST(incoming.document AS jsonb)
    FROM incoming JOIN lake.cases USING (patient_id, form)
    LEFT JOIN lake.documents AS newest ON (newest.case_id, newest.version) = (cases.case_id, cases.version)
    WHERE cases.mapping = :mapping AND newest.digest IS DISTINCT FROM incoming.digest
        AND NOT EXISTS (
            SELECT FROM lake.documents AS same
            WHERE (same.case_id, same.upload_id, same.position, same.digest)
                = (cases.case_id, :upload, incoming.position, incoming.digest))
    ORDER BY incoming.position
    RETURNING case_id
""")
_NEW_VERSIONS = text("""
    UPDATE lake.cases SET version = documents.version, care_site_id = sites.care_site_id
    FROM incoming LEFT JOIN lake.sites USING (site), lake.documents
    WHERE (cases.patient_id, cases.mapping, cases.form) = (incoming.patient_id, :mapping, incoming.form)
        AND (documents.case_id, documents.version) = (cases.case_id, cases.version + 1)
""")
_STORED = text("""
    SELECT incoming.position, cases.case_id, person_id, care_site_id, cases.version, documents.upload_id,
        documents.digest = incoming.digest AND cases.loaded_version IS DISTINCT FROM cases.version AS pending
    FROM incoming JOIN lake.cases USING (patient_id, form) JOIN lake.documents USING (case_id, version)
    WHERE mapping = :mapping ORDER BY incoming.position
""")
