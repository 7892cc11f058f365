"""Curation: what tools say of image series, checked and kept as submitted, then loaded as ``complete`` does.

The same document is kept once for each organisation: a function that was run again with the same parameters
gave the same series (D4.4 5.6).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, BinaryIO

import orjson
from sqlalchemy import Connection, text

from etl.complete import complete
from etl.gather import rejections
from etl.ingest import MOST_SHOWN
from etl.land import Rejection
from etl.persist import persist
from etl.plan import CaseKey, Plan
from etl.post import CaseProblem, made_of
from etl.read import Record, limit, read
from etl.receive import Sender, Upload, claimed, fingerprint, receive
from etl.setup import CURATION_MAPPING
from etl.strict import digest
from etl.validate import Validator

#: What the upload log has in the place of a mapping.
MAPPING = "curationMeta"
SCHEMA = CURATION_MAPPING.joinpath("curation.schema.json")
#: Both functions as D4.4's Appendix B shows them.
SAMPLES = CURATION_MAPPING.joinpath("samples")

#: First half of the advisory lock that keeps two equal documents apart; the second is of the digest.
_LOCK_SPACE = 0x6F6E6375


@dataclass(frozen=True, slots=True)
class Curation:
    """A curation document that the lakehouse holds for good."""

    upload_id: int
    curation_id: int
    curation_function: str
    """``motion_correction``, ``coregistration``, ``approval`` or ``segmentation``."""
    changed: bool
    """Whether this stored it; otherwise it was there already, from another upload."""
    repeated: bool
    """Whether these bytes came before."""
    case_id: int | None = None
    """None: pending, until the series that it is about is known."""
    loaded: bool = False
    """Whether its rows are made. If not, and it is a case, the next ingest of curations makes them."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """By OMOP table."""
    problems: tuple[CaseProblem, ...] = ()
    warnings: tuple[CaseProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class NoCuration:
    """A request that is no curation document, and not stored."""

    upload_id: int
    violations: tuple[Rejection, ...]
    """The first 1,000 reasons."""
    repeated: bool
    """Whether these bytes came before, and were refused."""


def curate(
    connection: Connection,
    plan_of: Callable[[], Plan],
    stream: BinaryIO,
    source: str,
    sender: Sender,
    key: str | None = None,
) -> Curation | NoCuration:
    """Land one curation document, and load it if its series is known; ``plan_of`` gives the Plan for that.

    What it says is stored is safe; the same post again stores nothing twice. The connection must be outside a
    transaction. Raises KeyReused, BadSetting, or DatabaseError.
    """
    limit()

    def once() -> Curation | NoCuration:
        # Once more where the earlier upload of these bytes was withdrawn just before it was claimed.
        while (done := _curate(connection, stream, source, sender, key)) is None:
            pass
        if isinstance(done, NoCuration):
            return done
        complete(connection, plan_of, curation=done.curation_id)
        return _tell(connection, plan_of, done, stream)

    return persist(once)


def _tell(connection: Connection, plan_of: Callable[[], Plan], done: Curation, stream: BinaryIO) -> Curation:
    """The curation with what became of it."""
    with connection.begin():
        row = connection.execute(_FIND, {"curation": done.curation_id}).one_or_none()
    if row is None:
        return done
    stream.seek(0)
    document = next(each.document for each in read(stream) if isinstance(each, Record))
    key = CaseKey(row.case_id, row.person_id, None)
    rows, problems, warnings = made_of(plan_of(), document, key, row.case_id)
    told = replace(done, case_id=row.case_id, loaded=row.loaded)
    return replace(told, rows=rows, problems=problems, warnings=warnings) if row.loaded else told


def _curate(
    connection: Connection, stream: BinaryIO, source: str, sender: Sender, key: str | None
) -> Curation | NoCuration | None:
    stream.seek(0)
    upload = receive(connection, MAPPING, source, sender, fingerprint(stream), key)
    with claimed(connection, upload) as current:
        stream.seek(0)
        return None if current.outcome == "withdrawn" else _store(connection, upload, current, stream)


@cache
def validator() -> Validator:
    """The validator of curation documents, made ready once."""
    return Validator(orjson.loads(SCHEMA.read_bytes()))


def _store(
    connection: Connection, upload: Upload, current: Upload, stream: BinaryIO
) -> Curation | NoCuration:
    found = list(read(stream, known=validator().names))
    reasons = [reason for each in found for reason in rejections(each, validator())][:MOST_SHOWN]
    if len(found) > 1:
        reasons = [Rejection(1, 1, "$", "must be one document, not an array of several")]
    if reasons:
        _reject(connection, current, len(found), reasons)
        return NoCuration(current.upload_id, tuple(reasons), repeated=upload.outcome == "rejected")
    (record,) = found
    assert isinstance(record, Record)
    values = _values(current, record)
    repeated = "loaded" in (upload.outcome, current.outcome)
    with connection.begin():
        stored = connection.execute(_STORE, values).one()
    function = record.document["curation_function"]
    return Curation(current.upload_id, stored.curation_id, function, stored.changed, repeated)


def _reject(connection: Connection, upload: Upload, documents: int, reasons: list[Rejection]) -> None:
    rows = [{"upload": upload.upload_id, **each._asdict()} for each in reasons]
    with connection.begin():
        connection.execute(_LOG, rows)
        connection.execute(_REJECT, {"upload": upload.upload_id, "documents": documents})


def _values(upload: Upload, record: Record) -> dict[str, Any]:
    meta, known_by = record.document["meta"], digest(record.document)
    return {
        "space": _LOCK_SPACE,
        "half": int.from_bytes(known_by[:4], "big", signed=True),
        "upload": upload.upload_id,
        "organisation": upload.organisation,
        "function": record.document["curation_function"],
        "source": meta["source_series_uid"],
        "static": meta.get("static_series_uid"),
        "everywhere": upload.everywhere,
        "digest": known_by,
        "document": record.raw.decode(),
    }


# One round trip; each statement sees what the last one did. The first waits for withdrawals, and they for it,
# as with landing: what names a patient comes either before one, and goes with the patient, or after it.
_STORE = text("""
    LOCK TABLE lake.patients IN ROW SHARE MODE;

    SELECT pg_advisory_xact_lock(:space, :half);

    INSERT INTO lake.curations
        (upload_id, curation_function, source_series_uid, static_series_uid, everywhere, digest, document)
    SELECT :upload, :function, :source, :static, :everywhere, :digest, CAST(:document AS jsonb)
    WHERE NOT EXISTS (
        SELECT FROM lake.curations AS known JOIN lake.uploads USING (upload_id)
        WHERE source_series_uid = :source AND digest = :digest
            AND organisation IS NOT DISTINCT FROM :organisation);

    UPDATE lake.uploads
    SET outcome = 'loaded', finished_at = now(), cases = 1, rejected = 0,
        stored = kept.stored, unchanged = 1 - kept.stored
    FROM (SELECT count(*) AS stored FROM lake.curations WHERE upload_id = :upload) AS kept
    WHERE upload_id = :upload;

    SELECT curation_id, upload_id = :upload AS changed
    FROM lake.curations JOIN lake.uploads USING (upload_id)
    WHERE source_series_uid = :source AND digest = :digest
        AND organisation IS NOT DISTINCT FROM :organisation
    ORDER BY curation_id LIMIT 1
""")
_FIND = text("""
    SELECT case_id, person_id, loaded_version IS NOT NULL AS loaded
    FROM lake.curations JOIN lake.cases USING (case_id) WHERE curation_id = :curation
""")
_LOG = text("""
    INSERT INTO lake.violations (upload_id, position, path, reason)
    VALUES (:upload, :position, :path, :reason)
""")
_REJECT = text("""
    UPDATE lake.uploads
    SET outcome = 'rejected', finished_at = now(), cases = :documents, rejected = :documents,
        stored = 0, unchanged = 0
    WHERE upload_id = :upload
""")
