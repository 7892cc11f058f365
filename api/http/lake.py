"""What every request shares: the database, the compiled mapping and the validator."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine

from api.http.settings import Settings, SettingsError
from etl.complete import CURATION
from etl.images import HEADERS
from etl.plan import Plan
from etl.setup import CURATION_MAPPING, DEFAULT_MAPPING, DICOM_MAPPING, Prepared, prepare, prepared
from etl.validate import Validator
from omop_schema.database import database_url, describe, make_engine, translated

#: Milliseconds after which a request that the server's machine does not acknowledge is given up. Not for
#: every engine: a long COPY may rightly wait for a lock with its line full.
_LINK = {"tcp_user_timeout": "60000"}
#: How long a lock of somebody else is waited for; ``persist`` tries again after that.
_SESSION = {"lock_timeout": "8s"}


@dataclass(frozen=True, slots=True)
class Lake:
    """The open lake. Building one is for ``opened``."""

    engine: Engine
    ready: Prepared
    """The mapping of the disease."""
    validator: Validator
    curation_plan: Callable[[], Plan]
    """The Plan of curations, compiled when it is first asked for."""
    dicom_plan: Callable[[], Plan]
    """The Plan of scanned headers, likewise."""

    @classmethod
    @contextmanager
    def opened(cls, settings: Settings) -> Iterator["Lake"]:
        """The lake of this process, with its own pool of connections."""
        with database_url() as url:
            engine = make_engine(
                url,
                _LINK,
                _SESSION,
                pool_size=settings.connections,
                max_overflow=0,
                pool_timeout=settings.connection_seconds,
                pool_pre_ping=True,
            )
            try:
                with translated(describe(url)):
                    ready = prepared(engine, settings.mappings or DEFAULT_MAPPING)
                plan = ready.plan
                if plan.mapping in (HEADERS, CURATION):
                    raise SettingsError(
                        f"ONCOLAKE_MAPPINGS: '{plan.mapping}' maps no forms of a disease; name one that does"
                    )
                annexes = (
                    cache(partial(prepare, engine, each)) for each in (CURATION_MAPPING, DICOM_MAPPING)
                )
                yield cls(engine, ready, Validator(plan.schema), *annexes)
            finally:
                engine.dispose()

    @property
    def plan(self) -> Plan:
        """The Plan of the disease."""
        return self.ready.plan

    def plan_of(self, mapping: str | None) -> Plan:
        """The Plan of a mapping of this name, as far as the service has it; the disease's otherwise."""
        return self.dicom_plan() if mapping == HEADERS else self.plan

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection outside of any transaction. Whatever the database refuses is a DatabaseError."""
        with translated(describe(self.engine.url)), self.engine.connect() as connection:
            yield connection


def _lake(request: Request) -> Lake:
    lake: Lake = request.app.state.lake
    return lake


Shared = Annotated[Lake, Depends(_lake)]
