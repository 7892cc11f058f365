"""Withdrawal: ``DELETE`` of a patient, or of an upload, for admins and the provider whose it is.

What is not the remover's is not there: it is answered as what never was.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from api.http.access import Removing, saw
from api.http.audit import REQUEST_ID
from api.http.errors import NOT_COVERED, ApiError
from api.http.examples import refusals
from api.http.lake import Shared
from api.http.principal import Access
from api.http.queries import refuse_unknown
from etl.complete import complete
from etl.withdraw import (
    NotThere,
    NotWithdrawn,
    NotYours,
    NotYoursAlone,
    Remover,
    Withdrawn,
    mapping_of,
    withdraw_patient,
    withdraw_upload,
)
from omop_schema.copy_text import storable

router = APIRouter(tags=["Withdrawal"])

_NOT_THERE = "there is nothing here that you may withdraw"


class NotLoaded(BaseModel):
    """A case that fell back to an earlier document, which could not be loaded: the case is pending."""

    case_id: int = Field(examples=[43])
    reason: str = Field(examples=["the mapping fails on it: ValueError"])


class Removed(BaseModel):
    """What a withdrawal removed; the tombstone in the log says the same."""

    documents: int = Field(description="Versions of documents", examples=[2])
    rows: int = Field(description="OMOP rows", examples=[61])
    cases: int = Field(description="Cases of which nothing is left", examples=[1])


class RemovedPatient(Removed):
    """What was removed with a patient."""

    person_id: int = Field(description="The number that the patient had; it is not given again", examples=[7])


class RemovedUpload(Removed):
    """What was removed with an upload, and what took its place."""

    upload_id: int = Field(description="The number of the upload; it is not given again", examples=[17])
    fallen_back: int = Field(description="Cases that have the rows of another document now", examples=[1])
    not_loaded: list[NotLoaded] = Field(description="Those of them that could not be loaded", examples=[[]])


def _responses(**removed: Any) -> dict[int | str, dict[str, Any]]:
    gone = {"description": "It is gone", "content": {"application/json": {"example": removed}}}
    return {200: gone, **refusals(400, 401, 403, 404, 409, 422, 503)}


_PATIENT = _responses(documents=2, rows=61, cases=1, person_id=7)
_UPLOAD = _responses(documents=3, rows=61, cases=2, upload_id=17, fallen_back=1, not_loaded=[])


@router.delete("/patients/{patientID:path}", summary="Withdraw a patient", responses=_PATIENT)
def remove_patient(
    request: Request,
    access: Removing,
    lake: Shared,
    patient_id: Annotated[
        str,
        Path(
            alias="patientID",
            description="The identifier as uploaded, percent-encoded",
            examples=["PCa-268768370567"],
        ),
    ],
) -> RemovedPatient:
    """Remove every document, row and mention of a patient (GDPR, article 17); a tombstone stays."""
    refuse_unknown(request)
    if not storable(patient_id):
        raise ApiError(404, _NOT_THERE)
    if patient_id and patient_id.lower() in (request.headers.get(REQUEST_ID) or "").lower():
        raise ApiError(400, "this request's X-Request-ID names the patient and would be kept: send another")
    try:
        with lake.connection() as connection:
            done = withdraw_patient(connection, patient_id, _remover(access))
    except (NotThere, NotWithdrawn) as error:
        raise _refusal(error) from None
    saw(request, person_id=done.person_id)
    return RemovedPatient(person_id=done.person_id or 0, **_counts(done))


@router.delete("/uploads/{id}", summary="Withdraw an upload", responses=_UPLOAD)
def remove_upload(
    request: Request,
    access: Removing,
    lake: Shared,
    upload_id: Annotated[
        int, Path(alias="id", ge=1, le=2**63 - 1, description="The number of the upload", examples=[17])
    ],
) -> RemovedUpload:
    """Remove what an upload brought, as if it had never come. Its cases fall back to what is left of them."""
    refuse_unknown(request)
    try:
        with lake.connection() as connection:
            plan = lake.plan_of(mapping_of(connection, upload_id))
            done = withdraw_upload(connection, upload_id, plan, _remover(access))
            complete(connection, lake.curation_plan)
    except (NotThere, NotWithdrawn) as error:
        raise _refusal(error) from None
    saw(request, upload_id=upload_id)
    failures = [NotLoaded(case_id=each.case_id, reason=each.reason) for each in done.failures]
    return RemovedUpload(
        upload_id=upload_id, fallen_back=done.fallen_back, not_loaded=failures, **_counts(done)
    )


def _remover(access: Access) -> Remover:
    return Remover(access.principal.subject, access.principal.organisation, access.reach == "all")


def _counts(done: Withdrawn) -> dict[str, int]:
    return {"documents": done.documents, "rows": done.rows, "cases": done.cases}


def _refusal(error: NotThere | NotWithdrawn) -> ApiError:
    denial = NOT_COVERED if isinstance(error, NotYours | NotYoursAlone) else None
    if isinstance(error, NotWithdrawn):
        return ApiError(409, str(error), denial=denial)
    return ApiError(404, _NOT_THERE, denial=denial)
