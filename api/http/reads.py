"""Reading: uploads, patients and use cases as JSON Feed, and the problems of an upload.

What the reader may not see is not there: a list leaves it out, and an item of it is unknown, with the words
and the work of one that never was. Every person of a page is told to the audit before the page is sent.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from api.http.access import saw
from api.http.errors import NOT_COVERED, ApiError
from api.http.feeds import about_upload, answer, curation_item, document_item, upload_item
from api.http.lake import Shared
from api.http.listed import NEWEST, PATIENT, PROBLEMS, UPLOAD, USE_CASE
from api.http.pages import Asked, Paged, json_bytes
from etl import curation, feed
from etl.count import rows_by_table
from etl.plan import Plan
from etl.troubles import Place, persons, troubles
from etl.viewer import is_anothers_patient, is_anothers_upload
from omop_schema.copy_text import storable

router = APIRouter(tags=["Reading"])

_UploadId = Annotated[
    int, Path(alias="id", ge=1, le=feed.END, description="The number of the upload", examples=[17])
]
_PatientId = Annotated[
    str,
    Path(
        alias="patientID",
        description="The identifier as uploaded, percent-encoded",
        examples=["PCa-268768370567"],
    ),
]
_UseCase = Annotated[
    str,
    Path(description="1 to 9, one of the mapping's such as `7a`, or a form such as `1+2+3`", examples=["3"]),
]
_Form = Annotated[str | None, Query(max_length=200, description="Of these forms, the one of this name")]


@router.get("/feed.json", summary="Newest uploads", responses=NEWEST, response_class=Response)
@router.head("/feed.json", include_in_schema=False)
def read_newest(asked: Paged, lake: Shared) -> Response:
    """The newest uploads, without their documents."""
    asked = asked.of("feed.json")
    (before,) = asked.key(feed.END)
    with lake.connection() as connection, feed.snapshot(connection):
        page = feed.newest_uploads(connection, asked.viewer, before, asked.limit)
    tag = asked.tag(page)
    items = [upload_item(asked, each) for each in page.rows]
    return asked.unchanged(tag) or answer(asked, tag, "Oncolake: newest uploads", items, page.after)


@router.get("/uploads/{id}", summary="Documents of an upload", responses=UPLOAD, response_class=Response)
@router.head("/uploads/{id}", include_in_schema=False)
def read_upload(request: Request, asked: Paged, lake: Shared, upload_id: _UploadId) -> Response:
    """The documents that an upload brought, in its order: each as it was then."""
    asked = asked.of("uploads", upload_id)
    (after,) = asked.key(0)
    with lake.connection() as connection, feed.snapshot(connection):
        upload = _upload(connection, asked, upload_id)
        saw(request, upload_id=upload_id)
        if upload.mapping == curation.MAPPING:
            return _curations(connection, asked, upload, after)
        page = feed.documents_of_upload(connection, asked.viewer, upload_id, after, asked.limit)
        return _documents(
            request, connection, lake.plan, asked, page, f"Oncolake: upload {upload_id}", upload
        )


@router.get(
    "/patients/{patientID:path}", summary="Documents of a patient", responses=PATIENT, response_class=Response
)
@router.head("/patients/{patientID:path}", include_in_schema=False)
def read_patient(request: Request, asked: Paged, lake: Shared, patient_id: _PatientId) -> Response:
    """Every version of every document of a patient, newest first."""
    asked = asked.of("patients", patient_id)
    (before,) = asked.key(feed.END)
    if not storable(patient_id):
        raise _not_there(anothers=False)
    with lake.connection() as connection, feed.snapshot(connection):
        page = feed.documents_of_patient(connection, asked.viewer, patient_id, before, asked.limit)
        if not page.rows:
            raise _not_there(is_anothers_patient(connection, asked.viewer, patient_id))
        return _documents(request, connection, lake.plan, asked, page, "Oncolake: one patient")


@router.get(
    "/usecases/{use_case:path}", summary="Cases of a use case", responses=USE_CASE, response_class=Response
)
@router.head("/usecases/{use_case:path}", include_in_schema=False)
def read_use_case(
    request: Request, asked: Paged, lake: Shared, use_case: _UseCase, form: _Form = None
) -> Response:
    """The newest document of every case that serves a use case, newest case first."""
    asked = asked.of("usecases", use_case)
    forms = [each for each in _forms(lake.plan, use_case) if form in (None, each)]
    (before,) = asked.key(feed.END)
    with lake.connection() as connection, feed.snapshot(connection):
        page = feed.documents_of_forms(
            connection, asked.viewer, lake.plan.mapping, forms, before, asked.limit
        )
        kind = "form" if use_case in lake.plan.forms and use_case not in _NUMBERS else "use case"
        return _documents(request, connection, lake.plan, asked, page, f"Oncolake: {kind} {use_case}")


@router.get(
    "/uploads/{id}/problems", summary="Problems of an upload", responses=PROBLEMS, response_class=Response
)
@router.head("/uploads/{id}/problems", include_in_schema=False)
def read_problems(request: Request, asked: Paged, lake: Shared, upload_id: _UploadId) -> Response:
    """Why records of an upload were rejected, and which values of the others did not arrive."""
    asked = asked.of("uploads", upload_id, "problems")
    place = Place(*asked.key(*Place()))
    with lake.connection() as connection, feed.snapshot(connection):
        upload = _upload(connection, asked, upload_id)
        saw(request, upload_id=upload_id)
        found, after = troubles(connection, asked.viewer, upload_id, place, asked.limit)
        for person_id in persons(connection, found):
            saw(request, person_id=person_id, upload_id=upload_id)
    tag = asked.tag(upload.outcome, found, after)
    listed = {
        "upload_id": upload_id,
        "outcome": upload.outcome,
        "problems": [each._asdict() for each in found],
        **({"next_url": asked.page_after(*after)} if after else {}),
    }
    return asked.unchanged(tag) or asked.answer(json_bytes(listed), "application/json", tag)


_NUMBERS = frozenset("123456789")


def _not_there(anothers: bool) -> ApiError:
    """The same for what is another's as for what never was; lake.audit keeps which of the two it is."""
    denial = NOT_COVERED if anothers else None
    return ApiError(404, "there is nothing here that you may read", denial=denial)


def _upload(connection: Connection, asked: Asked, upload_id: int) -> feed.LoggedUpload:
    upload = feed.find_upload(connection, asked.viewer, upload_id)
    if upload is None:
        raise _not_there(is_anothers_upload(connection, asked.viewer, upload_id))
    return upload


def _forms(plan: Plan, use_case: str) -> Sequence[str]:
    """The forms that serve a use case; ``7`` has 7a and 7b. Raises ApiError 404 where there is none such."""
    serving = [
        form
        for form, served in plan.forms.items()
        if any(
            each == use_case or (use_case in _NUMBERS and each.rstrip("abc") == use_case) for each in served
        )
    ]
    if serving or use_case in _NUMBERS:
        return serving
    if use_case in plan.forms:
        return [use_case]
    raise ApiError(404, "there is no such use case or form; ask for 1 to 9, or for a form as '1%2B2%2B3'")


def _documents(
    request: Request,
    connection: Connection,
    plan: Plan,
    asked: Asked,
    page: feed.Page[feed.DocumentVersion],
    title: str,
    upload: feed.LoggedUpload | None = None,
) -> Response:
    for person_id in dict.fromkeys(each.person_id for each in page.rows):
        saw(request, person_id=person_id)
    tag = asked.tag(plan.digest, page, upload)
    if unchanged := asked.unchanged(tag):
        return unchanged
    rows, documents = rows_by_table(connection, page.rows), feed.contents(connection, page.rows)
    items = [
        document_item(asked, plan, each, rows.get(each.document_id, {}), documents[each.document_id])
        for each in page.rows
    ]
    about = about_upload(asked, upload) if upload else None
    withdrawn = upload is not None and upload.outcome == "withdrawn"
    return answer(asked, tag, title, items, page.after, about, expired=withdrawn)


def _curations(connection: Connection, asked: Asked, upload: feed.LoggedUpload, after: int) -> Response:
    page = feed.curations_of_upload(connection, upload.upload_id, after, asked.limit)
    tag = asked.tag(page, upload)
    if unchanged := asked.unchanged(tag):
        return unchanged
    documents = feed.curated(connection, page.rows)
    items = [curation_item(asked, each, documents[each.key]) for each in page.rows]
    about = about_upload(asked, upload)
    title = f"Oncolake: upload {upload.upload_id}"
    return answer(asked, tag, title, items, page.after, about, expired=upload.outcome == "withdrawn")
