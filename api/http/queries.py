"""Queries: what asks for something that is not known is not answered as if it had not.

A misspelt ``validate=only`` that is left out would store what was only to be checked, a misspelt ``form``
would answer with the cases of all forms.
"""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.http.errors import ApiError


def refuse_unknown(request: Request) -> None:
    """Raises ApiError 400 where the query names a parameter that the route does not have.

    Call it before anything is read or done. What was sent is not repeated: it may be a patient's identifier.
    """
    route: APIRoute = request.scope["route"]
    known = list(_parameters(route.dependant))
    if request.query_params.keys() <= set(known):
        return
    names = ", ".join(f"'{each}'" for each in known)
    takes = f"{names} alone" if known else "none"
    raise ApiError(
        400, f"a query parameter is not known, and nothing was done: of those this address takes {takes}"
    )


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from _parameters(each)
