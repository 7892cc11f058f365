"""Forget: a patient and uploads leave the lake, all but their numbers. A part of ``withdraw``.

Every function works in the caller's transaction, in which nothing lands.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from etl.delete import delete_cases
from etl.images import release_curations
from etl.receive import claim_idle


def forget_patient(connection: Connection, cases: Sequence[int], said: Mapping[str, object]) -> int:
    """Delete what the lake holds of a patient and its cases; returns how many documents that were.

    ``said`` are ``patient``, ``person`` and the ``series`` that the cases spoke of, and of the remover
    ``remover``, its organisation, and whether it may ``everywhere``. The rows of the cases must be gone.
    Uploads that brought nothing else are closed, and others of them are ``partial``.
    """
    values = {**said, "cases": list(cases)}
    uploads = set(connection.execute(_UPLOADS_OF_CASES, values).scalars())
    documents = connection.execute(_COUNT_DOCUMENTS, values).scalar_one()
    curations = connection.execute(_FORGET_CURATIONS, values).scalars().all()
    uploads |= set(curations)
    delete_cases(connection, cases)
    for statement in (_FORGET_PATIENT, *_FORGET_NAME):
        connection.execute(statement, {**values, "uploads": sorted(uploads)})
    _release(connection, sorted(uploads))
    return int(documents) + len(curations)


def forget_curations(connection: Connection, upload_id: int) -> tuple[int, int]:
    """Delete the curations that an upload brought, and say how many they were and how many rows went.

    A case that another upload's curation is of as well stays, as that one's.
    """
    values = {"upload": upload_id}
    connection.execute(_HAND_OVER, values)
    rows = release_curations(connection, connection.execute(_CURATED_ALONE, values).scalars().all())
    return connection.execute(_FORGET_CURATIONS_OF_UPLOAD, values).rowcount, rows


def _release(connection: Connection, uploads: Sequence[int]) -> None:
    """Let the bytes of uploads be sent again that do not hold any more all that they brought.

    One that a landing works on just now is never closed: more of it may come.
    """
    idle = claim_idle(connection, uploads)
    emptied = connection.execute(_EMPTIED, {"uploads": list(idle)}).scalars().all()
    close(connection, emptied)
    connection.execute(_NOT_WHOLE, {"uploads": list(uploads)})


def close(connection: Connection, uploads: Sequence[int]) -> None:
    """Make uploads withdrawn ones: of what they were called, said and rejected nothing is left."""
    for statement in _CLOSE:
        connection.execute(statement, {"uploads": list(uploads)})


_UPLOADS_OF_CASES = text("""
    SELECT upload_id FROM lake.documents WHERE case_id = ANY(CAST(:cases AS integer[]))
    UNION SELECT upload_id FROM lake.repeats WHERE case_id = ANY(CAST(:cases AS integer[]))
    ORDER BY upload_id
""")
# The document of a curation's case is that of the curation.
_COUNT_DOCUMENTS = text("""
    SELECT count(*) FROM lake.documents JOIN lake.cases USING (case_id)
    WHERE case_id = ANY(CAST(:cases AS integer[])) AND mapping <> 'curation'
""")
_FORGET_CURATIONS = text("""
    DELETE FROM lake.curations USING lake.uploads
    WHERE curations.upload_id = uploads.upload_id
        AND (case_id = ANY(CAST(:cases AS integer[]))
            OR (case_id IS NULL AND CAST(:series AS text[])
                && ARRAY[source_series_uid, static_series_uid, document #>> '{meta,derived_series_uid}'])
            OR ((:everywhere OR uploads.organisation = :remover)
                AND jsonb_path_exists(document, '$.** ? (@ == $id)', jsonb_build_object('id', :patient))))
    RETURNING curations.upload_id
""")
_HAND_OVER = text("""
    UPDATE lake.documents SET upload_id = heir.upload_id
    FROM (
        SELECT DISTINCT ON (case_id) case_id, upload_id FROM lake.curations
        WHERE upload_id <> :upload
            AND case_id IN (SELECT case_id FROM lake.curations WHERE upload_id = :upload)
        ORDER BY case_id, curation_id) AS heir
    WHERE documents.case_id = heir.case_id AND documents.upload_id = :upload
""")
_CURATED_ALONE = text("""
    SELECT DISTINCT case_id FROM lake.curations JOIN lake.documents USING (case_id)
    WHERE curations.upload_id = :upload AND documents.upload_id = :upload ORDER BY case_id
""")
_FORGET_CURATIONS_OF_UPLOAD = text("DELETE FROM lake.curations WHERE upload_id = :upload")
_FORGET_PATIENT = text("DELETE FROM lake.patients WHERE person_id = :person")


def _names(column: str) -> str:
    """Whether a text holds the patient's identifier, between what is no letter or digit."""
    part = "concat(' ', regexp_replace(lower({}), '[^[:alnum:]]+', ' ', 'g'), ' ')"
    return (
        f"(strpos(lower({column}), lower(:patient)) > 0"
        f" AND strpos({part.format(column)}, {part.format(':patient')}) > 0)"
    )


# Names of files and requests are the sender's, and may hold the identifier. A provider's reach no further
# than its own: what names a word of another's would be gone.
_FORGET_NAME = (
    text(f"""
        UPDATE lake.uploads SET source = ''
        WHERE (upload_id = ANY(CAST(:uploads AS bigint[])) AND strpos(lower(source), lower(:patient)) > 0)
            OR ((:everywhere OR organisation = :remover) AND {_names("source")})
    """),  # noqa: S608
    text(f"""
        DELETE FROM lake.idempotency_keys USING lake.uploads
        WHERE idempotency_keys.upload_id = uploads.upload_id
            AND ((uploads.upload_id = ANY(CAST(:uploads AS bigint[]))
                    AND strpos(lower(idempotency_key), lower(:patient)) > 0)
                OR ((:everywhere OR organisation = :remover) AND {_names("idempotency_key")}))
    """),  # noqa: S608
    text(f"""
        UPDATE lake.audit SET request_id = ''
        WHERE (:everywhere OR person_id = :person OR organisation = :remover) AND {_names("request_id")}
    """),  # noqa: S608
)
_EMPTIED = text("""
    SELECT upload_id FROM lake.uploads
    WHERE upload_id = ANY(CAST(:uploads AS bigint[])) AND rejected = 0
        AND NOT EXISTS (SELECT FROM lake.documents WHERE documents.upload_id = uploads.upload_id)
        AND NOT EXISTS (SELECT FROM lake.repeats WHERE repeats.upload_id = uploads.upload_id)
        AND NOT EXISTS (SELECT FROM lake.curations WHERE curations.upload_id = uploads.upload_id)
    ORDER BY upload_id
""")
_NOT_WHOLE = text("""
    UPDATE lake.uploads SET outcome = 'partial'
    WHERE upload_id = ANY(CAST(:uploads AS bigint[])) AND outcome IN ('loaded', 'received')
""")
# The digest would tell whether somebody's guess of what it said is right.
_CLOSE = (
    text("DELETE FROM lake.violations WHERE upload_id = ANY(CAST(:uploads AS bigint[]))"),
    text("""
        UPDATE lake.uploads SET outcome = 'withdrawn', source = '', sha256 = '',
            finished_at = coalesce(finished_at, now())
        WHERE upload_id = ANY(CAST(:uploads AS bigint[]))
    """),
    # Now that nobody may give them another.
    text("DELETE FROM lake.idempotency_keys WHERE upload_id = ANY(CAST(:uploads AS bigint[]))"),
)
