"""The service's log: what was asked and answered, by the template of the route, never by its path.

A path may name a patient, and so may a request id that the client chose; the words of an error may hold a
value. None of them is ever logged.
"""

import logging
import time
import traceback

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.audit import NOT_LOGGED

_LOG = logging.getLogger("oncolake.access")
_FAULTS = logging.getLogger("oncolake.http")
#: Frames of a fault that are logged, the innermost ones.
_FRAMES = 8

#: Everything to stderr, a line each; uvicorn's own access log, which holds paths, is off.
CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "oncolake": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn.access": {"handlers": [], "propagate": False},
    },
}


class Logged:
    """Around the whole application: one line for each request, and of a fault the place but not the words."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except Exception as error:
            # It has been answered: whoever is above would log it with its words.
            _FAULTS.error("a fault: %s at %s", type(error).__name__, _place(error))
        finally:
            milliseconds = 1000 * (time.perf_counter() - began)
            _LOG.info("%s %s %d %.0f ms %s", *_asked(scope), status, milliseconds, _told(scope))


def _asked(scope: Scope) -> tuple[str, str]:
    method = scope["method"] if scope["method"].isalpha() else "?"
    return method, getattr(scope.get("route"), "path_format", "(no such route)")


def _told(scope: Scope) -> str:
    """Who asked, and the id of the request, under which lake.audit has more, where it was made here."""
    client = scope.get("client")
    return f"{client[0] if client else '-'} {scope.get('state', {}).get('logged_id', NOT_LOGGED)}"


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " < ".join(f"{each.filename}:{each.lineno}" for each in reversed(frames))
