"""Writes: ``POST /usecases`` and ``POST /curationMeta``, as D4.4 4.2.1 has them.

The body is read here, in the event loop; what the database does is done in a thread. Landing commits before
anything is answered, so 200 and 202 mean that the document is safe.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api.http.access import Writing, saw
from api.http.answers import Curated, Rehearsed, Stored, Violation
from api.http.bodies import Body, received
from api.http.errors import NOT_COVERED, ApiError
from api.http.lake import Lake, Shared
from api.http.principal import Access
from api.http.queries import refuse_unknown
from api.http.watch import Metrics
from api.http.write_examples import CURATION_BODY, CURATION_RESPONSES, USECASE_BODY, USECASE_RESPONSES
from etl.curation import Curation, curate
from etl.land import FOREIGN, Rejection
from etl.plan import IMPLAUSIBLE, Plan
from etl.post import Posted, post
from etl.receive import KeyReused, Sender
from etl.rehearse import rehearse
from etl.validate import Validator

router = APIRouter(tags=["Writing"])

_Result = TypeVar("_Result")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Of this client's choosing: the same key and body get the first answer again",
        pattern=r'^("[!#-\[\]-~]{1,200}"|[!#-\[\]-~]{1,200})$',
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]
Validate = Annotated[
    Literal["only"] | None, Query(description="only: answer what would happen, and store nothing")
]


@router.post(
    "/usecases",
    summary="Store the case of a patient",
    responses=USECASE_RESPONSES,
    openapi_extra=USECASE_BODY,
)
async def post_usecase(
    request: Request, access: Writing, lake: Shared, key: IdempotencyKey = None, validate: Validate = None
) -> Response:
    """Land a case document, or an array of them, then transform and load it.

    The same bytes again are the same upload, and get the same answer with ``repeated``.
    """
    refuse_unknown(request)
    sender = sender_of(access)
    async with received(request) as body:
        if validate:
            return await run_in_threadpool(foretell, lake, lake.plan, lake.validator, body, sender)
        return await run_in_threadpool(store, request, lake, lake.plan, lake.validator, body, sender, key)


@router.post(
    "/curationMeta",
    summary="Store how a derived image series was made",
    responses=CURATION_RESPONSES,
    openapi_extra=CURATION_BODY,
)
async def post_curation(
    request: Request, access: Writing, lake: Shared, key: IdempotencyKey = None
) -> Response:
    """Land what the curation tool says of a motion correction or a coregistration (D4.4, Appendix B)."""
    refuse_unknown(request)
    sender = sender_of(access)
    async with received(request) as body:
        return await run_in_threadpool(_curate, request, lake, body, sender, key)


def sender_of(access: Access) -> Sender:
    """Whose what is sent will be. Raises ApiError 403 where the token does not tell."""
    principal = access.principal
    if access.reach != "all" and principal.organisation is None:
        raise ApiError(
            403,
            "the token names no organisation that the case could belong to; ask the identity provider for it",
            denial="the token names no organisation",
        )
    return Sender(principal.subject, principal.organisation, access.reach == "all")


def _stored(lake: Lake, work: Callable[[Connection], _Result]) -> _Result:
    try:
        with lake.connection() as connection:
            return work(connection)
    except KeyReused as reused:
        raise ApiError(422, f"{reused}; send another request with a key of its own") from None


def store(
    request: Request,
    lake: Lake,
    plan: Plan,
    validator: Validator,
    body: Body,
    sender: Sender,
    key: str | None,
) -> Response:
    """Land and load documents of the plan's mapping, and answer. Raises ApiError 400, 409 or 422."""
    posted = _stored(
        lake,
        lambda connection: post(
            connection,
            plan,
            validator,
            body.stream,
            body.source,
            sender,
            _bare(key),
            curation_plan=lake.curation_plan,
        ),
    )
    saw(request, upload_id=posted.upload_id)
    _count(request, posted)
    if not (posted.cases or posted.withdrawn):
        raise _refusal(posted.foreign, posted.violations, posted.upload_id)
    return _answer(Stored.of(posted), 200 if posted.whole else 202)


def foretell(lake: Lake, plan: Plan, validator: Validator, body: Body, sender: Sender) -> Response:
    """What ``store`` would do. Raises ApiError 400 or 409."""
    with lake.connection() as connection:
        rehearsal = rehearse(connection, plan, validator, body.stream, sender)
    if not rehearsal.cases:
        raise _refusal(rehearsal.foreign, rehearsal.violations)
    return _answer(Rehearsed.of(rehearsal), 200)


def _curate(request: Request, lake: Lake, body: Body, sender: Sender, key: str | None) -> Response:
    done = _stored(
        lake,
        lambda connection: curate(
            connection, lake.curation_plan, body.stream, body.source, sender, _bare(key)
        ),
    )
    saw(request, upload_id=done.upload_id)
    metrics: Metrics = request.app.state.metrics
    if not done.repeated:
        metrics.uploaded("loaded" if isinstance(done, Curation) else "rejected")
    if not isinstance(done, Curation):
        raise _refusal(False, done.violations, done.upload_id)
    if done.changed:
        metrics.loaded(Counter(done.rows), Counter(each.kind for each in done.problems + done.warnings))
    return _answer(Curated.of(done), 200)


def _bare(key: str | None) -> str | None:
    """The key without the quotes that the draft (a Structured Field string) has around it."""
    return key.strip('"') if key else None


def _count(request: Request, posted: Posted) -> None:
    metrics: Metrics = request.app.state.metrics
    kinds: Counter[str] = Counter()
    for (_, kind), count in posted.loaded.problems.items():
        kinds[kind] += count
    if not posted.repeated:
        metrics.uploaded(posted.outcome)
    # Also of a repeat: it loads what could not be loaded before.
    warnings = Counter({IMPLAUSIBLE: posted.loaded.warnings.total()})
    metrics.loaded(posted.loaded.rows, kinds + warnings)


def _refusal(foreign: bool, violations: Sequence[Rejection], upload_id: int | None = None) -> ApiError:
    upload: dict[str, Any] = {} if upload_id is None else {"upload_id": upload_id}
    if foreign:
        return ApiError(409, f"{FOREIGN}; nothing was stored", denial=NOT_COVERED, **upload)
    found = [Violation.of(each).model_dump() for each in violations]
    return ApiError(
        400, "not a valid document, and not stored; 'violations' says why", **upload, violations=found
    )


def _answer(content: BaseModel, status: int) -> Response:
    return JSONResponse(content.model_dump(mode="json"), status, headers={"Cache-Control": "no-store"})
