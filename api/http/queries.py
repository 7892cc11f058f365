"""Queries: what changes the lake is not done when it asks for something that is not known.

A misspelt ``validate=only`` that is left out would store what was only to be checked.
"""

from fastapi import Request
from fastapi.routing import APIRoute

from api.http.errors import ApiError


def refuse_unknown(request: Request) -> None:
    """Raises ApiError 400 where the query names a parameter that the route does not have.

    Call it before anything is read or done. What was sent is not repeated: it may be a patient's identifier.
    """
    route: APIRoute = request.scope["route"]
    known = [each.alias for each in route.dependant.query_params]
    if request.query_params.keys() <= set(known):
        return
    names = " and ".join(f"'{each}'" for each in known)
    takes = f"{names} alone" if known else "none"
    raise ApiError(
        400, f"a query parameter is not known, and nothing was done: of those this address takes {takes}"
    )
