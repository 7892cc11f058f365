"""Who may: the dependencies that stand before every route.

Each verifies the token, asks the policy, writes the decision down, and gives the route an Access. A read is
written down between the route and its response, so that nobody sees a patient without a row that says so; a
write before the route begins, so that no case lands unrecorded, and once more with what it was about.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.http.audit import action_of, saw, sights
from api.http.errors import ApiError
from api.http.lake import Lake
from api.http.policy import Action, Policy
from api.http.principal import Access, Principal
from api.http.tokens import REALM, Verifier, one_header
from etl.audit import Decision, Sight, record
from omop_schema.database import DatabaseError

__all__ = ["Guard", "Reading", "Removing", "Writing", "may_read", "may_remove", "may_write", "saw"]

_LOG = logging.getLogger("oncolake.http")
#: Describes the header in the OpenAPI document; the verifier reads the header itself.
_SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    bearerFormat="JWT",
    description="A token of the identity provider, for this audience (docs/api.md)",
)
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]


@dataclass(frozen=True, slots=True)
class Guard:
    """What decides on access, shared by every request."""

    verifier: Verifier
    policy: Policy

    def identify(self, headers: Sequence[str]) -> Principal:
        """The bearer of the request's token. Raises ApiError 400, 401 or 503."""
        return self.verifier.principal(one_header(headers))

    def admit(self, principal: Principal, scope: str, action: Action) -> Access:
        """What the policy lets the principal do. Raises ApiError 403 or 503."""
        access = Access(principal, self.policy.reach(principal, scope, action))
        if access.reach == "none":
            raise _refusal(principal, scope, action)
        return access


def _refusal(principal: Principal, scope: str, action: Action) -> ApiError:
    detail = (
        f"no role of this token may {action}; ask the platform for one that may"
        if scope in principal.scopes
        else f"this needs the scope {scope}, which the token lacks; ask the identity provider for it"
    )
    challenge = f'Bearer realm="{REALM}", error="insufficient_scope", scope="{scope}"'
    return ApiError(403, detail, headers={"WWW-Authenticate": challenge})


def _guarded(scope: str, action: Action) -> Callable[[Request, _Bearer], Iterator[Access]]:
    """A dependency that lets through whom the policy lets ``action``."""

    def guard(request: Request, _: _Bearer) -> Iterator[Access]:
        access = _decide(request, scope, action)
        allowed = _decision(request, scope, access.principal, f"reach {access.reach}", allowed=True)
        if action != "read":
            # The commit that follows, of the write itself, makes this one durable too.
            _write(request, allowed, durable=False)
        ending = allowed
        try:
            yield access
        except ApiError as error:
            if error.denial:
                ending = replace(allowed, allowed=False, reason=f"{error.denial}: {error.status}")
            raise
        finally:
            seen = sights(request)
            if action == "read":
                # Nobody gets to see a patient whose row the disk does not have.
                patients = any(each.person_id is not None for each in seen)
                _write(request, ending, seen, durable=patients)
            elif seen or ending is not allowed:
                _write_after(request, ending, seen, durable=action == "withdraw")

    return guard


def _decide(request: Request, scope: str, action: Action) -> Access:
    """The access of the request's bearer; a refusal is written down, and raised."""
    guard: Guard = request.app.state.guard
    principal = None
    try:
        principal = guard.identify(request.headers.getlist("Authorization"))
        return guard.admit(principal, scope, action)
    except ApiError as error:
        refused = _decision(request, scope, principal, error.detail, allowed=False)
        try:
            _write(request, refused, durable=False)
        except DatabaseError as away:
            # Nothing is revealed by a refusal: the client gets it, the log keeps that it has no row.
            logged_id = request.state.logged_id
            _LOG.warning("request %s was refused without a row in lake.audit: %s", logged_id, away)
        raise


def _decision(
    request: Request, scope: str, principal: Principal | None, reason: str, *, allowed: bool
) -> Decision:
    return Decision(
        request_id=request.state.request_id,
        subject=principal.subject if principal else None,
        organisation=principal.organisation if principal else None,
        action=action_of(request),
        scope=scope,
        allowed=allowed,
        reason=reason,
    )


def _write(request: Request, decision: Decision, seen: Sequence[Sight] = (), *, durable: bool) -> None:
    lake: Lake = request.app.state.lake
    with lake.connection() as connection:
        record(connection, decision, seen, durable=durable)


def _write_after(request: Request, decision: Decision, seen: Sequence[Sight], *, durable: bool) -> None:
    """What a write was about, besides its decision, which has its row. The write itself is done."""
    try:
        _write(request, decision, seen, durable=durable)
    except DatabaseError as away:
        logged_id = request.state.logged_id
        _LOG.warning("what request %s wrote has no row in lake.audit: %s", logged_id, away)


may_read = _guarded("metadata:read", "read")
may_write = _guarded("metadata:write", "write")
may_remove = _guarded("metadata:write", "withdraw")

#: Who reads; list and item show what the access covers. Named apart so that tests can put others in place.
Reading = Annotated[Access, Depends(may_read, scope="function")]
#: Who posts; what is posted belongs to the principal's organisation. What it was about is written down
#: when the client has its answer, which it does not wait for.
Writing = Annotated[Access, Depends(may_write, scope="request")]
#: Who withdraws; only what the access covers.
Removing = Annotated[Access, Depends(may_remove, scope="function")]
