"""Newer: how many cases of an upload that is loaded already have another document by now."""

from collections.abc import Iterable, Iterator
from itertools import islice

from sqlalchemy import Connection, text

from etl.land import identity
from etl.plan import CasePaths
from etl.read import Record, Unreadable
from etl.receive import Upload
from etl.strict import digest

_CHUNK = 1000

#: Patient, form, and the digest of the document.
_Sent = tuple[str, str, bytes]


def newer_versions(
    connection: Connection, upload: Upload, records: Iterable[Record | Unreadable], case: CasePaths
) -> int:
    """How many cases of the upload's ``records`` have another newest document than the last one of these.

    The lake knows the documents that the upload stored. Only where it held others, which had been stored
    before, are the records read. Give it a connection outside of a transaction.
    """
    with connection.begin():
        known = connection.execute(_OF_UPLOAD, {"upload": upload.upload_id}).one()
    if not known.unchanged:
        return int(known.newer)
    newer, sent = 0, _sent(records, case)
    while chunk := list(islice(sent, _CHUNK)):
        patients, forms, digests = (list(each) for each in zip(*chunk, strict=True))
        values = {"mapping": upload.mapping, "patients": patients, "forms": forms, "digests": digests}
        with connection.begin():
            newer += connection.execute(_OF_RECORDS, values).scalar_one()
    return newer


def _sent(records: Iterable[Record | Unreadable], case: CasePaths) -> Iterator[_Sent]:
    """The last document of each case; a record that the mapping no longer takes for a case is left out."""
    last: dict[tuple[str, str], bytes] = {}
    for each in records:
        if isinstance(each, Record) and {case.patient, case.form} <= each.document.keys():
            patient, form, _ = identity(each.document, case)
            last[patient, form] = digest(each.document)
    return ((patient, form, found) for (patient, form), found in last.items())


_OF_UPLOAD = text("""
    SELECT unchanged, (
        SELECT count(*)
        FROM (
            SELECT DISTINCT ON (case_id) case_id, digest FROM lake.documents
            WHERE upload_id = :upload ORDER BY case_id, version DESC
        ) AS sent
        JOIN lake.cases USING (case_id)
        JOIN lake.documents AS newest USING (case_id, version)
        WHERE newest.digest <> sent.digest
    ) AS newer
    FROM lake.uploads WHERE upload_id = :upload
""")
_OF_RECORDS = text("""
    SELECT count(*)
    FROM unnest(CAST(:patients AS text[]), CAST(:forms AS text[]), CAST(:digests AS bytea[]))
        AS sent (patient_id, form, digest)
    JOIN lake.cases USING (patient_id, form)
    JOIN lake.documents AS newest USING (case_id, version)
    WHERE mapping = :mapping AND newest.digest <> sent.digest
""")
