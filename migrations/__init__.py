"""Brings a database to the tables this program works with, and says how far it is.

It needs no ``alembic.ini`` and no current directory: the scripts are found beside this file, in a checkout
and in a wheel alike.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from migrations.scope import SCOPE
from omop_schema import metadata

#: Names the advisory lock that an upgrade holds; any number will do as long as it never changes.
LOCK = 0x6F6E636F6C616B65

#: How long to wait for another upgrade, for a table in use, and for one statement.
WAIT_FOR_UPGRADE, WAIT_FOR_TABLE, WAIT_FOR_STATEMENT = "10min", "10s", "30min"

StateName = Literal["empty", "older", "current", "newer"]


class NewerDatabase(Exception):
    """The database is at a revision that this program does not know."""

    def __init__(self, have: str, want: str) -> None:
        super().__init__(
            f"The database is at revision '{have}', but this program knows only up to '{want}': "
            "update oncolake"
        )
        self.have = have
        self.want = want


@dataclass(frozen=True, slots=True)
class State:
    """How far a database is. ``have`` is None when it is empty; ``want`` is the newest revision we know."""

    name: StateName
    have: str | None
    want: str


def state(engine: Engine) -> State:
    """Compare the database's revision with ours. It changes nothing."""
    with engine.connect() as connection:
        return _state(connection)


@cache
def newest() -> str:
    """The newest revision that this program knows."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision, all or nothing; does nothing when it is there.

    Two upgrades at once are safe: the second waits for the first. Raises NewerDatabase.
    """
    with _only_upgrade(engine) as connection:
        found = _state(connection)
        connection.rollback()
        if found.name == "newer":
            raise NewerDatabase(str(found.have), found.want)
        if found.name != "current":
            command.upgrade(_config(connection), "head")


def differences(engine: Engine) -> list[Any]:
    """Where an upgraded database and the tables of ``omop_schema`` disagree; empty when they agree."""
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=SCOPE), metadata))


@contextmanager
def _only_upgrade(engine: Engine) -> Iterator[Connection]:
    """A connection that holds the upgrade lock, with the timeouts of a migration.

    It is taken out of the pool, so that its end also ends the lock and the timeouts, whatever happened.
    """
    with engine.connect() as connection:
        connection.detach()
        connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_UPGRADE}'"))
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_TABLE}'"))
        connection.execute(text(f"SET statement_timeout = '{WAIT_FOR_STATEMENT}'"))
        connection.commit()
        yield connection


def _state(connection: Connection) -> State:
    scripts = ScriptDirectory.from_config(_config())
    known = {script.revision for script in scripts.walk_revisions()}
    want = str(scripts.get_current_head())
    have = MigrationContext.configure(connection, opts=SCOPE).get_current_revision()
    return State(_name(have, want, known), have, want)


def _name(have: str | None, want: str, known: Collection[str]) -> StateName:
    if have is None:
        return "empty"
    if have == want:
        return "current"
    return "older" if have in known else "newer"


def _config(connection: Connection | None = None) -> Config:
    # A percent sign in the path would be read as an interpolation.
    here = str(Path(__file__).parent).replace("%", "%%")
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", here)
    return config
