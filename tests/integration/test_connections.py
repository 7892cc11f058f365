"""What the service's connections are set to: how long they wait for locks, statements and silent peers."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from api.http.lake import Lake
from api.http.settings import read_settings
from etl.feed import snapshot
from omop_schema.database import SETTING, make_engine
from omop_schema.embedded import Server


@pytest.fixture
def opened(lake: Engine, lake_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    monkeypatch.setenv(SETTING, lake_url)
    with Lake.opened(read_settings(issuer="https://aai.example.org", connections=3)) as found:
        yield found


def show(connection: Connection, name: str) -> str:
    return str(connection.execute(text(f"SHOW {name}")).scalar_one())


def test_every_connection_of_the_service_waits_for_locks_for_a_bounded_time(opened: Lake) -> None:
    with opened.connection() as one, opened.connection() as two, opened.connection() as three:
        for connection in (one, two, three):
            assert (show(connection, "lock_timeout"), show(connection, "statement_timeout")) == ("8s", "0")
            connection.rollback()
    with opened.connection() as connection, connection.begin():
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <>"
                " pg_backend_pid() AND datname = current_database() AND application_name = 'oncolake'"
            )
        )
    with opened.connection() as one, opened.connection() as two:
        assert {show(each, "lock_timeout") for each in (one, two)} == {"8s"}, "new ones too"


def test_a_page_takes_no_longer_than_a_client_waits_and_a_load_as_long_as_it_needs(opened: Lake) -> None:
    with opened.connection() as connection:
        with snapshot(connection):
            assert show(connection, "statement_timeout") == "20s"
        assert show(connection, "statement_timeout") == "0"


def test_the_kernel_is_told_to_probe_the_servers_machine(home: Path) -> None:
    settings = {"tcp_user_timeout": "60000"}
    with Server(home).attached(tcp=True) as server:
        engine = make_engine(server.tcp_url(), settings)
        try:
            with engine.connect() as connection:
                driver = connection.connection.dbapi_connection
                with socket.socket(fileno=os.dup(driver.fileno())) as line:  # type: ignore[union-attr]
                    assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                    options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
                    found = [
                        line.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                        for name in options
                        if hasattr(socket, name)
                    ]
                    assert found == [30, 10, 3, 60000][: len(found)]
        finally:
            engine.dispose()
