"""``oncolake stop`` says what became of the embedded server."""

import pytest

from omop_schema.database import SETTING
from omop_schema.embedded import Server
from tests.conftest import temporary_home
from tests.functional.conftest import Run


def test_stop_tells_a_stopped_server_from_one_in_use_and_from_none(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with temporary_home() as home:
        monkeypatch.delenv(SETTING)
        monkeypatch.setenv("ONCOLAKE_HOME", str(home))
        server = Server(home)
        assert run("stop").out == "It was not running.\n"
        with server.attached(keep=True):
            assert run("stop").out == "Other oncolake processes use it; it stops with the last of them.\n"
            assert server.running()
        assert not server.running()
        assert run("stop").out == "It was not running.\n"
        with server.attached(keep=True):
            pass
        assert run("stop").out == "Stopped.\n"
        assert not server.running()
