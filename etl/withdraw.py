"""Withdraw: a patient or an upload leaves lake and OMOP in one transaction, and a tombstone stays.

The tombstone says that something was removed, when and by whom, and nothing of what it said. Numbers of
persons, cases, documents and uploads are never given again.

A withdrawal takes the lock that every landing and loading begins with, and takes it alone: so it comes after
those that have begun, and those that come after it see what is left. Nobody waits for anybody in a circle.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from etl.delete import delete_care_sites, delete_persons, delete_rows
from etl.forget import close, forget_curations, forget_patient
from etl.images import contenders, store_images
from etl.make import Failure
from etl.plan import Plan
from etl.receive import claim_idle
from etl.settle import NeedsMapping, settle
from omop_schema.refusals import RowsRefused

#: Seconds for which landings may have to queue behind a withdrawal that waits for its lock.
_PATIENCE = 2
_PAUSE = 0.2
_ATTEMPTS = 30
#: Seconds between looks whether an upload is idle.
_MOMENTS = (0.0, 0.01, 0.05, 0.2)
#: SQLSTATEs after which the same transaction may pass: no lock in time, deadlock, serialisation.
_PASSING = ("55P03", "40P01", "40001")
_T = TypeVar("_T")


class NotThere(Exception):
    """There is nothing of that name, or it is not the remover's."""


class NotYours(NotThere):
    """It is another's. Whoever asked is told no more than of what never was."""


class NotWithdrawn(Exception):
    """It cannot be withdrawn as things are; the message says why and what next. Nothing was changed."""


class NotYoursAlone(NotWithdrawn):
    """It is another's too."""


@dataclass(frozen=True, slots=True)
class Remover:
    """Who withdraws, and whose."""

    name: str
    """A token's subject or an account name."""
    organisation: str | None = None
    everywhere: bool = True
    """Whether it may withdraw what is of any organisation."""

    def covers(self, organisation: str | None) -> bool:
        """Whether what belongs to this organisation is in its reach."""
        return self.everywhere or (organisation is not None and organisation == self.organisation)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a withdrawal removed."""

    documents: int
    """Versions of case documents, and documents of the curation tool."""
    rows: int
    """OMOP rows, by whatever tool they were made."""
    cases: int
    """Cases of which nothing is left."""
    fallen_back: int = 0
    """Cases that have rows of the document now that came before, or stands in the withdrawn one's place."""
    failures: tuple[Failure, ...] = ()
    """Of those that fell back: cases whose earlier document cannot be loaded today; they are pending."""
    person_id: int | None = None
    upload_id: int | None = None


def withdraw_patient(connection: Connection, patient_id: str, remover: Remover) -> Withdrawn:
    """Remove all that is known of a patient. Give it a connection outside of a transaction.

    Uploads that brought nothing else are withdrawn with it. Others stay, as ``partial``: their bytes may be
    sent again. Raises NotThere, NotWithdrawn, and the driver's errors.
    """
    return _alone(connection, lambda: _withdraw_patient(connection, patient_id, remover))


def withdraw_upload(connection: Connection, upload_id: int, plan: Plan, remover: Remover) -> Withdrawn:
    """Remove what an upload brought, as if it had never come. Give it a connection outside of a transaction.

    Cases fall back to the document that they would have without it, and are loaded from it; those that have
    no other vanish, and with them persons. Raises NotThere, NotWithdrawn, and the driver's errors.
    """
    return _alone(connection, lambda: _withdraw_upload(connection, upload_id, plan, remover))


def mapping_of(connection: Connection, upload_id: int) -> str | None:
    """The mapping that an upload was sent to: its Plan withdraws it. None: there is no such upload."""
    with connection.begin():
        found = _upload(connection, upload_id)
    return None if found is None else str(found.mapping)


def _alone(connection: Connection, work: Callable[[], _T]) -> _T:
    """Do the work in a transaction while nothing lands or loads; again after what may pass by itself."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connection.begin():
                connection.execute(_LOCK)
                return work()
        except RowsRefused as error:
            raise NotWithdrawn(
                f"{error}; rows that another tool made refer to what is to go: delete them first"
            ) from None
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _PASSING or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE)
    raise AssertionError("the last attempt returns or raises")


def _withdraw_patient(connection: Connection, patient_id: str, remover: Remover) -> Withdrawn:
    values: dict[str, object] = {"patient": patient_id}
    person_id = connection.execute(_PERSON, values).scalar_one_or_none()
    found = connection.execute(_CASES, values).all()
    covered = [remover.covers(each.organisation) for each in found] or [remover.everywhere]
    if person_id is None:
        raise NotThere("there is no such patient")
    if not any(covered):
        raise NotYours("there is no such patient")
    if not all(covered):
        raise NotYoursAlone("other providers have cases of this patient too: ask an administrator")
    cases = [each.case_id for each in found]
    others = contenders(connection, [person_id])
    values |= {"series": connection.execute(_SERIES, {"person": person_id}).scalars().all()}
    # First what other tools made of the person: it may refer to rows of the cases.
    rows = delete_persons(connection, [person_id]) + delete_rows(connection, cases)
    values |= {"remover": remover.organisation, "everywhere": remover.everywhere}
    documents = forget_patient(connection, cases, {**values, "person": person_id})
    store_images(connection, others)
    delete_care_sites(connection)
    organisation = next((each.organisation for each in found), None)
    done = Withdrawn(documents, rows, len(cases), person_id=person_id)
    _leave_tombstone(connection, done, remover, organisation)
    return done


def _withdraw_upload(connection: Connection, upload_id: int, plan: Plan, remover: Remover) -> Withdrawn:
    found = _upload(connection, upload_id)
    if found is None:
        raise NotThere("there is no such upload")
    if not remover.covers(found.organisation):
        raise NotYours("there is no such upload")
    if not _becomes_idle(connection, upload_id):
        raise NotWithdrawn("the upload is still being read: try again when it is finished")
    if (
        not remover.everywhere
        and connection.execute(_OTHERS, {"upload": upload_id, "remover": remover.organisation}).scalar_one()
    ):
        raise NotYoursAlone("the upload holds cases of other providers too: ask an administrator")
    curations, rows = forget_curations(connection, upload_id)
    try:
        settled = settle(connection, upload_id, found.mapping, plan)
    except NeedsMapping as error:
        raise NotWithdrawn(str(error)) from None
    close(connection, [upload_id])
    delete_care_sites(connection)
    done = Withdrawn(
        settled.documents + curations,
        settled.rows + rows,
        settled.vanished,
        settled.fallen_back,
        settled.failures,
        upload_id=upload_id,
    )
    _leave_tombstone(connection, done, remover, found.organisation)
    return done


def _becomes_idle(connection: Connection, upload_id: int) -> bool:
    """Claim an upload that nobody works on.

    PostgreSQL gives up table locks a moment before advisory ones: the last withdrawal may seem to hold it.
    """
    for pause in _MOMENTS:
        time.sleep(pause)
        if idle := bool(claim_idle(connection, [upload_id])):
            break
    return idle


def _upload(connection: Connection, upload_id: int) -> Row[tuple[str, str | None]] | None:
    if not 0 < upload_id < 2**31:
        return None
    return connection.execute(_UPLOAD, {"upload": upload_id}).one_or_none()


def _leave_tombstone(
    connection: Connection, done: Withdrawn, remover: Remover, organisation: str | None
) -> None:
    values = {
        "by": remover.name,
        "organisation": organisation,
        "person": done.person_id,
        "upload": done.upload_id,
        "documents": done.documents,
        "rows": done.rows,
    }
    connection.execute(_TOMBSTONE, values)


# Landing begins with rows in this table, and loading with locks on rows of it.
_LOCK = text(f"SET LOCAL lock_timeout = '{_PATIENCE}s'; LOCK TABLE lake.patients IN EXCLUSIVE MODE")
_PERSON = text("SELECT person_id FROM lake.patients WHERE patient_id = :patient")
# The person's, and what was or will be made of them. What another person holds is that one's.
_SERIES = text("""
    WITH RECURSIVE known (uid) AS (
        (SELECT CAST(series_instance_uid AS text) FROM lake.series_statements AS said
        WHERE person_id = :person AND NOT EXISTS (
            SELECT FROM omop.radiology_image AS held
            WHERE held.series_instance_uid = said.series_instance_uid AND held.person_id <> :person)
        UNION SELECT CAST(derived_series_uid AS text) FROM omop.curation_run WHERE person_id = :person
        UNION SELECT CAST(segmentation_series_uid AS text) FROM omop.image_feature WHERE person_id = :person)
        UNION
        SELECT document #>> '{meta,derived_series_uid}'
        FROM lake.curations JOIN known ON uid IN (source_series_uid, static_series_uid)
        WHERE case_id IS NULL
    )
    SELECT uid FROM known WHERE uid IS NOT NULL
""")
_CASES = text("SELECT case_id, organisation FROM lake.cases WHERE patient_id = :patient ORDER BY case_id")
_UPLOAD = text("""
    SELECT mapping, organisation FROM lake.uploads
    WHERE upload_id = :upload AND outcome <> 'withdrawn' FOR NO KEY UPDATE
""")
# An administrator may have sent them in the name of the organisation.
_OTHERS = text("""
    SELECT EXISTS (
        SELECT FROM lake.cases
        WHERE organisation IS DISTINCT FROM :remover AND case_id IN (
            SELECT case_id FROM lake.documents WHERE upload_id = :upload
            UNION SELECT case_id FROM lake.repeats WHERE upload_id = :upload))
""")
_TOMBSTONE = text("""
    INSERT INTO lake.withdrawals (withdrawn_by, organisation, person_id, upload_id, documents, rows)
    VALUES (:by, :organisation, :person, :upload, :documents, :rows)
""")
