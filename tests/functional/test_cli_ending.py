"""How the command line ends when something outside of it goes wrong."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

ONCOLAKE = Path(sys.executable).with_name("oncolake")


def test_version_is_the_packages(oncolake_env: dict[str, str]) -> None:
    ran = subprocess.run(
        [ONCOLAKE, "--version"], env=oncolake_env, capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("oncolake 0.")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(
    "arguments", [("sample", "5"), ("sample", "5000"), ("map", "show"), ("status",)], ids=" ".join
)
def test_output_to_a_full_disk_is_said_so(oncolake_env: dict[str, str], arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [ONCOLAKE, *arguments],
            env=oncolake_env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (2, "oncolake: cannot read or write: No space left on device\n")


def test_ctrl_c_says_that_nothing_is_lost_and_the_next_run_finishes(
    oncolake_env: dict[str, str], lake: Engine, tmp_path: Path
) -> None:
    many = tmp_path / "many.ndjson"
    with many.open("w") as file:
        subprocess.run([ONCOLAKE, "sample", "6000"], env=oncolake_env, stdout=file, check=True)
    ingest = [ONCOLAKE, "ingest", str(many)]
    running = subprocess.Popen(
        ingest, env=oncolake_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not stored(lake):
        assert running.poll() is None, "it ended before the first batch was stored"
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, "run the same command again" in said) == (130, True), said
    assert "Traceback" not in said
    again = subprocess.run(ingest, env=oncolake_env, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    count = [ONCOLAKE, "sql", "--format", "plain", "SELECT count(*) FROM lake.cases WHERE loaded_version = 1"]
    ran = subprocess.run(count, env=oncolake_env, capture_output=True, text=True, check=True)
    assert ran.stdout == "6000\n"


def stored(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT EXISTS (SELECT FROM lake.documents)")))
