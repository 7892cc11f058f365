"""The application: one lake, one mapping, one policy, and the routes."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from api.http import dicomweb, dicomweb_post, reads, removals, watch, writes
from api.http.access import Guard
from api.http.audit import RequestIds
from api.http.errors import add_handlers
from api.http.framing import OneReading
from api.http.lake import Lake
from api.http.log import Logged
from api.http.policy import Policy
from api.http.serving import end_with_parent
from api.http.settings import Settings, read_settings
from api.http.tokens import Verifier
from api.http.watch import Metrics, Watched


def create_app(settings: Settings) -> FastAPI:
    """The service. Its database is opened, and its mapping compiled, when it starts.

    Starting raises DatabaseError, MappingError, NotInitialised or SettingsError.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.guard = Guard(Verifier(settings), Policy(settings))
        with Lake.opened(settings) as lake:
            app.state.lake = lake
            app.state.metrics.watch(lake.engine)
            yield

    app = FastAPI(
        title="Oncolake",
        version=version("oncolake"),
        summary="Clinical case forms (eCRF JSON) in, traceable OMOP CDM v6.0 rows out.",
        lifespan=lifespan,
        redirect_slashes=False,
        # They would run scripts of another site where people paste their tokens.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.include_router(dicomweb.router)
    app.include_router(dicomweb_post.router)
    app.include_router(reads.router)
    app.include_router(removals.router)
    app.include_router(watch.router)
    app.include_router(writes.router)
    app.add_middleware(OneReading)
    app.add_middleware(RequestIds)
    app.add_middleware(Watched, metrics=app.state.metrics)
    add_handlers(app)
    return app


def from_environment() -> Logged:
    """The service as each worker process makes it: by the environment's settings, with its log around it."""
    end_with_parent()
    app = create_app(read_settings())
    # All that is there by now stays: no request has to wait while it is looked through for garbage.
    gc.collect()
    gc.freeze()
    return Logged(app)
