"""Settle: what the cases of an upload are without it.

The documents of a case came one after the other, and ``document_id`` tells the order, over documents and
repeats alike. Without some of them, the rest are what they would have been: a document that differs from the
one before it is a version, and one that says the same is a repeat. What is left keeps its number and place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from etl.delete import delete_persons, delete_rows
from etl.images import contenders, count_images, release_curations, store_images
from etl.load import Counts, load_later
from etl.make import PERSON, Failure
from etl.persons import store_disagreements, store_observation_periods, store_persons
from etl.pick import newest
from etl.plan import Plan
from etl.validate import Validator


class NeedsMapping(Exception):
    """Cases of another mapping fall back, and only that mapping can load them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the cases of an upload."""

    documents: int
    rows: int
    vanished: int
    fallen_back: int
    failures: tuple[Failure, ...]


def settle(connection: Connection, upload_id: int, mapping: str, plan: Plan) -> Settled:
    """Remove the documents of an upload and what was made of them, and load what stands in their place.

    Give it the caller's transaction, in which nothing lands or loads beside it. Raises NeedsMapping,
    RowsRefused, and the driver's errors.
    """
    values: dict[str, object] = {"upload": upload_id, "site": plan.case.site}
    connection.execute(_REMAINING, values)
    touched = connection.execute(_TOUCHED, values).all()
    gone = [each.case_id for each in touched if not each.stays]
    lost = [each.case_id for each in touched if each.stays and each.lost]
    documents = connection.execute(_COUNT, values).scalar_one()
    persons = sorted({each.person_id for each in touched})
    leaving = connection.execute(_LEAVING, {"persons": persons, "gone": gone}).scalars().all()
    staying = sorted({*persons} - {*leaving})
    if staying and plan.mapping != mapping:
        raise NeedsMapping(
            f"the upload is of mapping '{mapping}', and cases of it have other documents, which only that "
            f"mapping can load: `oncolake withdraw --upload {upload_id} --mappings DIR`"
        )
    others = contenders(connection, persons)
    images = count_images(connection, staying)
    rows = release_curations(connection, connection.execute(_CURATED, {"persons": leaving}).scalars().all())
    rows += delete_persons(connection, leaving) + delete_rows(connection, [*gone, *lost])
    values |= {"gone": gone, "lost": lost, "leaving": leaving, "persons": staying}
    for statement in _SETTLE:
        connection.execute(statement, values)
    counts = _load(connection, plan, lost)
    connection.execute(_NOT_LOADED, values)
    _settle_persons(connection, plan, staying)
    store_images(connection, others)
    rows += max(0, images - count_images(connection, staying))
    return Settled(documents, rows, len(gone), len(lost), counts.failures)


def _load(connection: Connection, plan: Plan, cases: Sequence[int]) -> Counts:
    counts, validator = Counts(), Validator(plan.schema)
    for batch in newest(connection, cases):
        counts += load_later(connection, plan, validator, batch)
    return counts


def _settle_persons(connection: Connection, plan: Plan, persons: Sequence[int]) -> None:
    """What cases share: the person's row, disagreements and the observation period, of what is loaded now."""
    loaded = set(connection.execute(_LOADED, {"persons": list(persons)}).scalars())
    delete_persons(connection, sorted({*persons} - loaded))
    connection.execute(_FORGET_DISAGREEMENTS, {"persons": list(persons)})
    said = store_persons(connection, plan.columns[PERSON], loaded)
    store_disagreements(connection, said.values(), ())
    store_images(connection, persons)
    store_observation_periods(connection, persons)


# All that was sent to the upload's cases, without the upload, and what each is then.
_REMAINING = text("""
    CREATE TEMPORARY TABLE remaining ON COMMIT DROP AS
    WITH touched AS (
        SELECT case_id FROM lake.documents WHERE upload_id = :upload
        UNION SELECT case_id FROM lake.repeats WHERE upload_id = :upload
    ), sent AS (
        SELECT document_id, case_id, version, upload_id, position, digest, landed_at
        FROM touched JOIN lake.documents USING (case_id)
        UNION ALL
        SELECT document_id, case_id, NULL, upload_id, position, digest, landed_at
        FROM touched JOIN lake.repeats USING (case_id)
    )
    SELECT *, digest IS DISTINCT FROM lag(digest) OVER (PARTITION BY case_id ORDER BY document_id) AS differs
    FROM sent WHERE upload_id <> :upload;
    ANALYZE remaining
""")
# Lost is a case whose rows come from a document that goes, or that becomes a repeat.
_TOUCHED = text("""
    SELECT case_id, person_id,
        EXISTS (SELECT FROM remaining WHERE remaining.case_id = cases.case_id) AS stays,
        EXISTS (
            SELECT FROM lake.documents
            WHERE (documents.case_id, documents.version, upload_id)
                = (cases.case_id, cases.loaded_version, :upload))
        OR EXISTS (
            SELECT FROM remaining
            WHERE (remaining.case_id, remaining.version) = (cases.case_id, cases.loaded_version)
                AND NOT differs) AS lost
    FROM lake.cases
    WHERE case_id IN (
        SELECT case_id FROM lake.documents WHERE upload_id = :upload
        UNION SELECT case_id FROM lake.repeats WHERE upload_id = :upload)
    ORDER BY case_id
""")
_COUNT = text("SELECT count(*) FROM lake.documents WHERE upload_id = :upload")
# Curations do not keep a person: without its series they are nobody's.
_LEAVING = text("""
    SELECT person_id FROM unnest(CAST(:persons AS bigint[])) AS known (person_id)
    WHERE NOT EXISTS (
        SELECT FROM lake.cases
        WHERE cases.person_id = known.person_id AND mapping <> 'curation'
            AND case_id <> ALL(CAST(:gone AS integer[])))
    ORDER BY person_id
""")
_CURATED = text("""
    SELECT case_id FROM lake.cases
    WHERE person_id = ANY(CAST(:persons AS bigint[])) AND mapping = 'curation' ORDER BY case_id
""")
# A repeat takes the place of the first document that said the same, which is the last version before it.
_PROMOTE = text("""
    WITH promoted AS (
        SELECT remaining.*, (
            SELECT first.document_id FROM lake.documents AS first
            WHERE first.case_id = remaining.case_id AND first.document_id < remaining.document_id
            ORDER BY first.document_id DESC LIMIT 1) AS first
        FROM remaining WHERE differs AND version IS NULL
    ), replaced AS (
        DELETE FROM lake.documents USING promoted WHERE documents.document_id = promoted.first
        RETURNING promoted.document_id, promoted.case_id, documents.version, promoted.upload_id,
            promoted.position, promoted.digest, documents.document, promoted.landed_at
    )
    INSERT INTO lake.documents
        (document_id, case_id, version, upload_id, position, digest, document, landed_at)
    OVERRIDING SYSTEM VALUE SELECT * FROM replaced
""")
_DEMOTE = text("""
    WITH demoted AS (
        DELETE FROM lake.documents USING remaining
        WHERE documents.document_id = remaining.document_id AND NOT differs
        RETURNING documents.*
    )
    INSERT INTO lake.repeats (document_id, case_id, upload_id, position, digest, landed_at)
    SELECT document_id, case_id, upload_id, position, digest, landed_at FROM demoted
""")
_SETTLE = (
    _PROMOTE,
    _DEMOTE,
    text("""
        DELETE FROM lake.repeats
        WHERE upload_id = :upload OR document_id IN (SELECT document_id FROM remaining WHERE differs)
    """),
    text("DELETE FROM lake.documents WHERE upload_id = :upload"),
    text("""
        UPDATE lake.uploads
        SET stored = counted.stored, unchanged = cases - rejected - counted.stored
        FROM (
            SELECT upload_id, (
                SELECT count(*) FROM lake.documents WHERE documents.upload_id = moved.upload_id) AS stored
            FROM remaining AS moved WHERE differs = (version IS NULL) GROUP BY upload_id) AS counted
        WHERE uploads.upload_id = counted.upload_id AND outcome <> 'received'
    """),
    text("""
        DELETE FROM lake.problems
        WHERE case_id = ANY(CAST(:gone AS integer[])) OR case_id = ANY(CAST(:lost AS integer[]))
    """),
    text("DELETE FROM lake.cases WHERE case_id = ANY(CAST(:gone AS integer[]))"),
    text("DELETE FROM lake.patients WHERE person_id = ANY(CAST(:leaving AS bigint[]))"),
    text("""
        INSERT INTO lake.sites (site)
        SELECT DISTINCT site
        FROM remaining JOIN lake.documents USING (document_id)
        CROSS JOIN LATERAL (SELECT document ->> CAST(:site AS text) AS site) AS said
        WHERE site IS NOT NULL AND NOT EXISTS (SELECT FROM lake.sites AS known WHERE known.site = said.site)
        ORDER BY site
    """),
    text("""
        UPDATE lake.cases SET version = newest.version, care_site_id = (
            SELECT care_site_id FROM lake.sites WHERE site = newest.document ->> CAST(:site AS text))
        FROM lake.documents AS newest
        WHERE newest.document_id = (
            SELECT max(document_id) FROM lake.documents AS each WHERE each.case_id = cases.case_id)
            AND cases.case_id IN (SELECT case_id FROM remaining)
    """),
    # The patient is whose first document is left; a scan from the command line is nobody's.
    text("""
        UPDATE lake.cases SET organisation = first.organisation
        FROM (
            SELECT DISTINCT ON (person_id) person_id, uploads.organisation
            FROM lake.cases JOIN lake.documents USING (case_id) JOIN lake.uploads USING (upload_id)
            WHERE person_id = ANY(CAST(:persons AS bigint[])) AND cases.mapping <> 'curation'
            ORDER BY person_id, cases.mapping = 'dicom' AND uploads.organisation IS NULL, document_id
        ) AS first
        WHERE cases.person_id = first.person_id
            AND cases.organisation IS DISTINCT FROM first.organisation
    """),
    # As if loaded, by no plan: its upload has counted the rows already.
    text("""
        UPDATE lake.cases
        SET loaded_version = version, loaded_at = NULL, plan = NULL, person = NULL,
            first_date = NULL, last_date = NULL
        WHERE case_id = ANY(CAST(:lost AS integer[]))
    """),
)
_NOT_LOADED = text("""
    UPDATE lake.cases SET loaded_version = NULL
    WHERE case_id = ANY(CAST(:lost AS integer[])) AND plan IS NULL
""")
_LOADED = text("""
    SELECT DISTINCT person_id FROM lake.cases
    WHERE person_id = ANY(CAST(:persons AS bigint[])) AND loaded_version IS NOT NULL AND person IS NOT NULL
""")
_FORGET_DISAGREEMENTS = text("""
    DELETE FROM lake.problems USING lake.cases
    WHERE problems.case_id = cases.case_id AND kind = 'disagrees'
        AND person_id = ANY(CAST(:persons AS bigint[]))
""")
