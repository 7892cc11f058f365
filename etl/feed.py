"""Feed: pages of what the lake holds, found by their keys, for those who may see them.

A page is found by its keys alone (no OFFSET, no count), through an index, so that it costs the same in a
small and in a large lake, and what arrives meanwhile shifts nothing. Who may not see a row does not find it:
the owner is in every WHERE. Documents are read last, when it is known that they are wanted.

Every function works in the caller's transaction, which ``snapshot`` begins.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy import Connection, TextClause, text

from etl.plan import IMPLAUSIBLE
from etl.viewer import OWNED, Viewer

#: Greater than every key: where a feed begins that goes from new to old.
END = 2**63 - 1
#: What the documents of one page may weigh together, as JSON text; the first is always taken.
PAGE_BYTES = 8_000_000


class LoggedUpload(NamedTuple):
    """A line of the upload log. Where it came from is left out: a file's name may hold a patient's."""

    upload_id: int
    received_at: datetime
    finished_at: datetime | None
    organisation: str | None
    mapping: str
    outcome: str
    bytes: int
    cases: int
    stored: int
    unchanged: int
    rejected: int
    rows: int
    problems: int
    warnings: int

    @property
    def key(self) -> int:
        return self.upload_id


class DocumentVersion(NamedTuple):
    """A document version, without the document: all that tells whether anything about it changed."""

    key: int
    """By which its feed goes."""
    document_id: int
    case_id: int
    person_id: int
    upload_id: int
    position: int
    mapping: str
    form: str
    version: int
    newest: int
    """The newest version of the case."""
    loaded_version: int | None
    loaded_at: datetime | None
    landed_at: datetime
    problems: int
    warnings: int
    size: int
    """Bytes of the document as JSON text."""

    @property
    def outcome(self) -> str:
        """``loaded``, ``pending``, or ``replaced`` by a newer document."""
        if self.version == self.loaded_version:
            return "loaded"
        return "pending" if self.version == self.newest else "replaced"


class KeptCuration(NamedTuple):
    """A document of the curation tool, without the document."""

    key: int
    upload_id: int
    curation_function: str
    landed_at: datetime
    size: int


Row = TypeVar("Row", LoggedUpload, DocumentVersion, KeptCuration)


class Page(NamedTuple, Generic[Row]):
    """Rows in the feed's order, and the key to go on after: None where there is nothing more."""

    rows: Sequence[Row]
    after: int | None


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """One moment of the lake, for all reads of a page; nothing can be written in it, or take long."""
    with connection.begin():
        connection.execute(_SNAPSHOT)
        yield


def newest_uploads(connection: Connection, viewer: Viewer, before: int, limit: int) -> Page[LoggedUpload]:
    """Uploads below ``before``, newest first, withdrawn ones included."""
    values = {**viewer._asdict(), "before": before, "limit": limit + 1}
    statement = _EVERY_UPLOAD if viewer.everything else _OWN_UPLOADS
    return _page([LoggedUpload(*row) for row in connection.execute(statement, values)], limit)


def find_upload(connection: Connection, viewer: Viewer, upload_id: int) -> LoggedUpload | None:
    """The upload, unless there is none that the viewer may see."""
    found = connection.execute(_UPLOAD, {**viewer._asdict(), "upload": upload_id}).one_or_none()
    return None if found is None else LoggedUpload(*found)


def documents_of_upload(
    connection: Connection, viewer: Viewer, upload_id: int, after: int, limit: int
) -> Page[DocumentVersion]:
    """The document versions that an upload brought, above ``after``, in its order."""
    values = {**viewer._asdict(), "upload": upload_id, "after": after, "limit": limit + 1}
    return _page([DocumentVersion(*row) for row in connection.execute(_OF_UPLOAD, values)], limit)


def curations_of_upload(connection: Connection, upload_id: int, after: int, limit: int) -> Page[KeptCuration]:
    """The documents of the curation tool that an upload brought; ``find_upload`` tells who may see them."""
    values = {"upload": upload_id, "after": after, "limit": limit + 1}
    return _page([KeptCuration(*row) for row in connection.execute(_CURATIONS, values)], limit)


def documents_of_patient(
    connection: Connection, viewer: Viewer, patient_id: str, before: int, limit: int
) -> Page[DocumentVersion]:
    """Every version of every document of a patient, below ``before``, newest first."""
    values = {**viewer._asdict(), "patient": patient_id, "before": before, "limit": limit + 1}
    return _page([DocumentVersion(*row) for row in connection.execute(_OF_PATIENT, values)], limit)


def documents_of_forms(
    connection: Connection, viewer: Viewer, mapping: str, forms: Sequence[str], before: int, limit: int
) -> Page[DocumentVersion]:
    """The newest document of each case of these forms, below case ``before``, newest case first.

    A case that gets a new document while somebody pages keeps its place: it comes once, neither twice nor
    not at all.
    """
    given = {"mapping": mapping, "forms": list(forms), "before": before, "limit": limit + 1}
    statement = _OF_EVERY_FORM if viewer.everything else _OF_OWN_FORMS
    rows = connection.execute(statement, {**viewer._asdict(), **given})
    return _page([DocumentVersion(*row) for row in rows], limit)


def contents(connection: Connection, entries: Sequence[DocumentVersion]) -> dict[int, str]:
    """The documents as JSON text, by document_id."""
    ids = [each.document_id for each in entries]
    return _texts(connection, _DOCUMENTS, ids)


def curated(connection: Connection, entries: Sequence[KeptCuration]) -> dict[int, str]:
    """The documents of the curation tool as JSON text, by key."""
    return _texts(connection, _CURATED, [each.key for each in entries])


def _page(found: Sequence[Row], limit: int) -> Page[Row]:
    """The first ``limit`` rows, or as many of them as weigh no more than a page may."""
    room, taken = PAGE_BYTES, 0
    for each in found[:limit]:
        room -= 0 if isinstance(each, LoggedUpload) else each.size
        if room < 0 and taken:
            break
        taken += 1
    return Page(found[:taken], found[taken - 1].key if taken < len(found) else None)


def _texts(connection: Connection, statement: TextClause, ids: Sequence[int]) -> dict[int, str]:
    if not ids:
        return {}
    return {row[0]: row[1] for row in connection.execute(statement, {"ids": list(ids)})}


# Without statistics the planner would read whole tables, and compile a statement for longer than it runs.
_SNAPSHOT = text("""
    SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off;
    SET LOCAL statement_timeout = '20s'
""")
# The comparisons of rows below say no more than "=" would, but keep the planner from walking down the primary
# key past a million rows of others: with "=" every column before the last is constant, and needs no order.
_LOG = ", ".join(LoggedUpload._fields)
_EVERY_UPLOAD = text(
    f"SELECT {_LOG} FROM lake.uploads WHERE upload_id < :before ORDER BY upload_id DESC LIMIT :limit"  # noqa: S608
)
_OWN_UPLOADS = text(
    f"SELECT {_LOG} FROM lake.uploads"  # noqa: S608
    " WHERE (organisation, upload_id) < (:organisation, :before) AND organisation >= :organisation"
    " ORDER BY organisation DESC, upload_id DESC LIMIT :limit"
)
_UPLOAD = text(f"SELECT {_LOG} FROM lake.uploads WHERE upload_id = :upload AND {OWNED}")  # noqa: S608


#: Of a row of lake.problems: it is but a warning.
_IS_WARNING = f"problems.kind = '{IMPLAUSIBLE}'"


def _told(which: str) -> str:
    """How many rows of lake.problems a version has that are ``which``."""
    return (
        "(SELECT count(*) FROM lake.problems WHERE (problems.case_id, problems.version)"  # noqa: S608
        f" = (cases.case_id, documents.version) AND {which})"
    )


def _entries(key: str, source: str) -> TextClause:
    return text(
        f"SELECT {key}, documents.document_id, cases.case_id, person_id, upload_id, position, mapping, form,"  # noqa: S608
        " documents.version, cases.version, loaded_version, loaded_at, landed_at,"
        f" {_told(f'NOT {_IS_WARNING}')}, {_told(_IS_WARNING)}, document_bytes FROM {source}"
    )


def _of_forms(columns: str, values: str) -> TextClause:
    """Of each form a page, and of those the page: no index gives several forms in the order of cases."""
    descending = ", ".join(f"{each.strip()} DESC" for each in columns.split(","))
    return _entries(
        "cases.case_id",
        f"""(SELECT case_id FROM unnest(CAST(:forms AS text[])) AS wanted (name) CROSS JOIN LATERAL (
                SELECT case_id FROM lake.cases
                WHERE ({columns}, case_id) < ({values}, :before) AND ({columns}) >= ({values})
                ORDER BY {descending}, case_id DESC LIMIT :limit) AS newest
            ORDER BY case_id DESC LIMIT :limit) AS page
        JOIN lake.cases USING (case_id)
        JOIN lake.documents ON (documents.case_id, documents.version) = (cases.case_id, cases.version)
        ORDER BY page.case_id DESC""",  # noqa: S608
    )


_OF_EVERY_FORM = _of_forms("mapping, form", ":mapping, wanted.name")
_OF_OWN_FORMS = _of_forms("organisation, mapping, form", ":organisation, :mapping, wanted.name")
_OF_UPLOAD = _entries(
    "document_id",
    f"""lake.documents JOIN lake.cases USING (case_id)
    WHERE (upload_id, document_id) > (:upload, :after) AND upload_id <= :upload AND {OWNED}
    ORDER BY upload_id, document_id LIMIT :limit""",
)
_OF_PATIENT = _entries(
    "document_id",
    f"""(SELECT * FROM lake.cases WHERE patient_id = :patient AND {OWNED} OFFSET 0) AS cases
    CROSS JOIN LATERAL (
        SELECT * FROM lake.documents WHERE case_id = cases.case_id AND document_id < :before OFFSET 0
    ) AS documents
    ORDER BY document_id DESC LIMIT :limit""",  # noqa: S608
)
_CURATIONS = text("""
    SELECT curation_id, upload_id, curation_function, landed_at, document_bytes
    FROM lake.curations WHERE upload_id = :upload AND curation_id > :after
    ORDER BY curation_id LIMIT :limit
""")
_DOCUMENTS = text("SELECT document_id, document::text FROM lake.documents WHERE document_id = ANY(:ids)")
_CURATED = text("SELECT curation_id, document::text FROM lake.curations WHERE curation_id = ANY(:ids)")
