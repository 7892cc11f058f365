"""``POST /studies``: the headers of images in DICOM's JSON model (PS3.18, F), checked and stored by series.

A header that still identifies somebody refuses the whole post before anything is stored, with the tags and
never a value. What is stored goes the way of every case: a series is a case of the mapping ``dicom``.
"""

from dataclasses import replace
from io import BytesIO
from threading import Lock
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from api.http.access import Writing
from api.http.bodies import Body, received
from api.http.dicomweb_examples import STORE
from api.http.errors import ApiError
from api.http.lake import Lake, Shared
from api.http.queries import refuse_unknown
from api.http.writes import IdempotencyKey, Validate, foretell, sender_of, store
from etl.dicom.scan import Scanned, documents_of
from etl.read import Record, read
from etl.receive import Sender
from etl.validate import validator_of
from omop_schema.database import describe, translated

router = APIRouter(tags=["Images"])

_MEDIA_TYPE = "application/dicom+json"
#: pydicom's warnings, which hold values, are switched off for the whole process while headers are read.
_READING = Lock()


@router.post("/studies", **STORE)
async def post_headers(
    request: Request, access: Writing, lake: Shared, key: IdempotencyKey = None, validate: Validate = None
) -> Response:
    """Check headers for what identifies somebody, then land and load the series that they belong to.

    All headers of a series belong in one post: it says anew what the series is, and how many images it has.
    """
    refuse_unknown(request)
    sender = sender_of(access)
    _check_media_type(request)
    async with received(request) as body:
        return await run_in_threadpool(_store, request, lake, body, sender, key, validate is not None)


def _check_media_type(request: Request) -> None:
    given = request.headers.getlist("Content-Type")
    name, _ = parse_options_header(given[0] if len(given) == 1 else "")
    if name.decode("latin-1") != _MEDIA_TYPE:
        headers = {"Connection": "close", "Accept": _MEDIA_TYPE}
        raise ApiError(415, f"Content-Type must be {_MEDIA_TYPE}", headers=headers)


def _store(
    request: Request, lake: Lake, body: Body, sender: Sender, key: str | None, only_tell: bool
) -> Response:
    with translated(describe(lake.engine.url)):
        plan = lake.dicom_plan()
    validator = validator_of(plan)
    scanned = _scan(body)
    series = replace(body, stream=BytesIO(orjson.dumps(scanned.documents)))
    if only_tell:
        return foretell(lake, plan, validator, series, sender)
    return store(request, lake, plan, validator, series, sender, key)


def _scan(body: Body) -> Scanned:
    """The series of the headers. Raises ApiError 400 where one cannot be read or identifies somebody."""
    records = list(read(body.stream))
    datasets = [each.document for each in records if isinstance(each, Record)]
    flaws = [
        {"record": each.position, "path": each.path, "reason": each.reason}
        for each in records
        if not isinstance(each, Record)
    ]
    if flaws:
        raise _refusal("not datasets in the DICOM JSON model; 'violations' says why", violations=flaws)
    with _READING:
        scanned = documents_of(datasets)
    if scanned.unread:
        unread = [
            {"record": int(name.rpartition(" ")[2]), "path": "$", "reason": each.reason}
            for each in scanned.unread
            for name in each.names
        ]
        raise _refusal(
            "not headers of series; 'violations' says which, the first of each kind", violations=unread
        )
    if scanned.findings:
        tags = [{**each.finding._asdict(), "headers": each.files} for each in scanned.findings]
        raise _refusal("these headers still identify somebody; 'findings' lists their tags", findings=tags)
    if scanned.torn:
        raise _refusal("instances of one series name several patients or studies; send what belongs together")
    return scanned


def _refusal(detail: str, **members: Any) -> ApiError:
    return ApiError(400, f"{detail}. Nothing was stored", **members)
