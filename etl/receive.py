"""Receive: the upload log, and the one request or file at a time that works on an upload.

Every function here runs transactions of its own: give it a connection outside of one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, NamedTuple

from sqlalchemy import Connection, Row, text

_CHUNK = 1 << 20
#: First half of the advisory lock that one ingest of an upload holds; the second is the upload.
_LOCK_SPACE = 0x6F6E636F


class Fingerprint(NamedTuple):
    """What tells whether the same bytes came before."""

    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and to whose patients it may add."""

    uploader: str
    """An account name or a token's subject."""
    organisation: str | None = None
    """Whose new cases are; None: sent from the command line."""
    everywhere: bool = True
    """Whether it may post to patients of any organisation, which they stay of."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file or request in the upload log, and what has become of it so far."""

    upload_id: int
    mapping: str
    outcome: str
    """``received``, ``loaded``, ``partial``, ``rejected`` or ``withdrawn``."""
    organisation: str | None = None
    everywhere: bool = True
    """Whether its sender may post to patients of other organisations."""


class KeyReused(Exception):
    """The Idempotency-Key came before, from the same sender and with another request."""


def fingerprint(stream: BinaryIO) -> Fingerprint:
    """Size and SHA-256 of all that the stream holds, read in pieces."""
    sha256, size = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        sha256.update(chunk)
        size += len(chunk)
    return Fingerprint(size, sha256.digest())


def receive(
    connection: Connection,
    mapping: str,
    source: str,
    sender: Sender,
    print_: Fingerprint,
    key: str | None = None,
) -> Upload:
    """The upload of these bytes to this mapping: the organisation's earlier one if they came before.

    ``key`` is the request's Idempotency-Key, kept with the upload also where the bytes came before. Committed
    on return, though only the next commit makes it safe from a crash of the server. Raises KeyReused.
    """
    values = {
        "mapping": mapping,
        "source": source,
        "uploader": sender.uploader,
        "organisation": sender.organisation,
        "key": key,
        **print_._asdict(),
    }
    with connection.begin():
        found = None
        while found is None:
            # Again when another connection made or withdrew the upload just after the statement began.
            found = connection.execute(_RECEIVE, values).one_or_none()
            if key is not None:
                found = _with_key(connection, found, values)
    return Upload(found.upload_id, mapping, found.outcome, sender.organisation, sender.everywhere)


def _with_key(connection: Connection, found: Row[Any] | None, values: dict[str, object]) -> Row[Any] | None:
    """The upload if the key is of it now; None where it was withdrawn just now, or is not to be seen yet."""
    upload = None if found is None else found.upload_id
    known = connection.execute(_KEEP_KEY, {**values, "upload": upload}).one_or_none()
    if known is not None and not known.same:
        raise KeyReused(f"this Idempotency-Key came before with another request (upload {known.upload_id})")
    return None if known is None else found


@contextmanager
def claimed(connection: Connection, upload: Upload) -> Iterator[Upload]:
    """The upload as it is now, kept from other ingests until the block ends or the connection breaks.

    Unless it is loaded already, its log starts afresh: what was rejected before will be read again. Where it
    is ``withdrawn`` by now, the same bytes are a new upload: receive them again.
    """
    lock = {"space": _LOCK_SPACE, "upload": upload.upload_id}
    try:
        with connection.begin():
            outcome = connection.execute(_CLAIM_UPLOAD, lock).scalar_one()
        yield replace(upload, outcome=outcome)
    finally:
        if _is_alive(connection):
            connection.rollback()
            with connection.begin():
                connection.execute(_UNLOCK_UPLOAD, lock)


def claim_idle(connection: Connection, uploads: Sequence[int]) -> set[int]:
    """Those of the uploads that nobody works on, kept so until the caller's transaction ends."""
    values = {"space": _LOCK_SPACE, "uploads": sorted(uploads)}
    return set(connection.execute(_CLAIM_IDLE, values).scalars())


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


# One round trip: the statements of one string run one after the other, each seeing what the last one did.
_RECEIVE = text("""
    SET LOCAL synchronous_commit = off;
    WITH known AS (
        SELECT upload_id, outcome FROM lake.uploads
        WHERE sha256 = :sha256 AND mapping = :mapping AND organisation IS NOT DISTINCT FROM :organisation
            AND outcome <> 'withdrawn'
    ), new AS (
        INSERT INTO lake.uploads (mapping, source, uploader, organisation, bytes, sha256)
        SELECT :mapping, :source, :uploader, :organisation, :size, :sha256
        WHERE NOT EXISTS (SELECT FROM known) AND NOT EXISTS (
            SELECT FROM lake.idempotency_keys WHERE (uploader, idempotency_key) = (:uploader, :key))
        ON CONFLICT DO NOTHING
        RETURNING upload_id, outcome
    )
    SELECT * FROM known UNION ALL SELECT * FROM new
""")
# The lock keeps the upload from being withdrawn meanwhile: a withdrawn one has no keys.
_KEEP_KEY = text("""
    INSERT INTO lake.idempotency_keys (uploader, idempotency_key, upload_id)
    SELECT :uploader, :key, upload_id FROM lake.uploads
    WHERE upload_id = :upload AND outcome <> 'withdrawn' FOR SHARE
    ON CONFLICT DO NOTHING;

    SELECT upload_id, (sha256, mapping) = (:sha256, :mapping)
        AND organisation IS NOT DISTINCT FROM :organisation AS same
    FROM lake.idempotency_keys AS kept JOIN lake.uploads USING (upload_id)
    WHERE (kept.uploader, idempotency_key) = (:uploader, :key)
""")
_CLAIM_IDLE = text("""
    SELECT upload_id FROM unnest(CAST(:uploads AS integer[])) AS asked (upload_id)
    WHERE pg_try_advisory_xact_lock(:space, upload_id)
""")
_UNLOCK_UPLOAD = text("SELECT pg_advisory_unlock(:space, CAST(:upload AS integer))")
_CLAIM_UPLOAD = text("""
    SET LOCAL synchronous_commit = off;
    SELECT pg_advisory_lock(:space, CAST(:upload AS integer));
    DELETE FROM lake.violations USING lake.uploads
    WHERE violations.upload_id = :upload AND uploads.upload_id = :upload AND outcome <> 'loaded';
    UPDATE lake.uploads SET outcome = 'received'
    WHERE upload_id = :upload AND outcome IN ('partial', 'rejected');
    SELECT outcome FROM lake.uploads WHERE upload_id = :upload
""")
# A patient who withdrew meanwhile has made it partial: these bytes are not all there any more.
_FINISH = text("""
    UPDATE lake.uploads SET finished_at = now(), cases = :cases, rejected = :rejected,
        stored = documents.stored, unchanged = :cases - :rejected - documents.stored,
        outcome = CASE WHEN outcome = 'partial' AND :outcome = 'loaded' THEN 'partial' ELSE :outcome END
    FROM (SELECT count(*) AS stored FROM lake.documents WHERE upload_id = :upload) AS documents
    WHERE upload_id = :upload
""")
