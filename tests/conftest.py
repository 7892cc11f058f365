"""Databases for the tests, always on a real PostgreSQL: the embedded one, or ONCOLAKE_DATABASE_URL's server.

On that server the suite only makes, and drops, databases named ``oncolake_test_...``.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from omop_schema.database import SETTING, make_engine
from omop_schema.embedded import Server

# Shells have jobs in the background ignore Ctrl-C, with all that they start; tests of it would wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A home folder that the embedded server's account can reach, also when root runs the tests."""
    parent = Path(tempfile.mkdtemp(prefix="oncolake-test-"))
    parent.chmod(0o711)
    try:
        yield parent / "home"
    finally:
        Server(parent / "home").stop()
        shutil.rmtree(parent)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An ONCOLAKE_HOME not yet made, and no ONCOLAKE_DATABASE_URL; its server ends with the test."""
    with temporary_home() as folder:
        monkeypatch.setenv("ONCOLAKE_HOME", str(folder))
        monkeypatch.delenv(SETTING, raising=False)
        yield folder


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A database on the server under test from which others can be created."""
    if named := os.environ.get(SETTING, "").strip():
        yield named
        return
    with temporary_home() as folder, Server(folder).attached() as server:
        with connected(server.url("postgres")) as connection:
            # The data does not outlive the tests: no need to wait for the disk.
            connection.execute(text("ALTER SYSTEM SET fsync = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        yield server.url("postgres")


@contextmanager
def connected(url: str) -> Iterator:
    """A connection outside any transaction, as CREATE DATABASE needs."""
    engine = make_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def new_database(server_url: str, template: str = "template0") -> Iterator[str]:
    """The address of a fresh database, dropped afterwards whoever is still connected."""
    name = f"oncolake_test_{uuid4().hex[:12]}"
    with connected(server_url) as connection:
        encoding = "ENCODING 'UTF8'" if template == "template0" else ""
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {encoding}'))
    try:
        yield str(make_url(server_url).set(database=name).render_as_string(hide_password=False))
    finally:
        with connected(server_url) as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


@contextmanager
def engine_on(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """The address of an empty database of its own."""
    with new_database(server_url) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on an empty database."""
    with engine_on(database_url) as engine:
        yield engine


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """The name of an initialised database, as ``oncolake init`` leaves it; cloned by ``lake_url``."""
    from etl.setup import initialise

    with new_database(server_url) as url:
        with engine_on(url) as engine:
            initialise(engine)
        yield str(make_url(url).database)


@pytest.fixture
def lake_url(server_url: str, template_database: str) -> Iterator[str]:
    """The address of an initialised database of its own: tables, starter concepts and rules."""
    with new_database(server_url, template_database) as url:
        yield url


@pytest.fixture
def lake(lake_url: str) -> Iterator[Engine]:
    """An engine on an initialised database."""
    with engine_on(lake_url) as engine:
        yield engine


@pytest.fixture
def oncolake_env(lake_url: str) -> dict[str, str]:
    """The environment for a subprocess that works on ``lake_url``."""
    return {**os.environ, SETTING: lake_url}
