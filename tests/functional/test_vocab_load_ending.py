"""How a load ends when it is interrupted, when its database goes away, and when another one runs."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from omop_schema.database import SETTING, DatabaseUnavailable
from tests.faults import (
    At,
    Picture,
    clone,
    disturb,
    ended_within,
    nothing_staged,
    picture,
    undisturbed,
    wait_until,
)
from tests.functional.conftest import Run
from vocabularies.athena.load import Quiet, load
from vocabularies.athena.session import connect
from vocabularies.athena.tasks import Task, run_tasks

ONCOLAKE = Path(sys.executable).with_name("oncolake")
#: Seconds within which a load that cannot go on must have ended.
PROMPTLY = 15

_SLEEPING = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'oncolake vocab load' AND wait_event = 'PgSleep'
""")
_END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'oncolake vocab load'
"""
_HOLDER = " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"


def end_connections(engine: Engine, more: str = "") -> None:
    with engine.connect() as connection:
        assert connection.execute(text(_END + more)).all()


def asleep(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(_SLEEPING))


@pytest.mark.parametrize(
    "statement", ["COPY concept_ancestor", "CREATE UNIQUE INDEX", "VALIDATE CONSTRAINT", "DROP TABLE"]
)
def test_ctrl_c_ends_the_load_and_leaves_nothing(
    server_url: str, old_lake: str, generated: Path, statement: str
) -> None:
    with clone(server_url, old_lake) as (url, engine):
        before = picture(engine)
        disturb(engine, statement, "PERFORM pg_sleep(100)")
        running = subprocess.Popen(
            [ONCOLAKE, "vocab", "load", str(generated)],
            env={**os.environ, SETTING: url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_until(lambda: asleep(engine) or running.poll() is not None)
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=PROMPTLY)
        finally:
            running.kill()
            running.communicate()
        assert (running.returncode, "oncolake: stopped" in said) == (130, True), said
        assert "Traceback" not in said
        assert picture(engine) == before
        assert nothing_staged(engine)


@pytest.mark.parametrize("what", ["work", "done"])
def test_interrupted_or_failing_tasks_leave_no_thread_and_no_statement(lake: Engine, what: str) -> None:
    def sleep(connection: Connection) -> None:
        connection.execute(text("SELECT pg_sleep(100)"))

    def interrupt(_: object) -> None:
        if what == "done":
            raise KeyboardInterrupt
        wait_until(lambda: asleep(lake))
        # It reaches the main thread while that waits for this one.
        os.kill(os.getpid(), signal.SIGINT)

    tasks = [
        Task("sleep", sleep),
        Task("interrupt", interrupt if what == "work" else lambda connection: None),
    ]
    threads = threading.active_count()
    with ended_within(PROMPTLY), pytest.raises(KeyboardInterrupt):
        run_tasks(partial(connect, lake), tasks, interrupt if what == "done" else lambda name: None)
    wait_until(lambda: threading.active_count() == threads, seconds=5)
    assert not asleep(lake)


def test_a_read_that_nobody_needs_any_more_ends_with_its_block(lake: Engine, generated: Path) -> None:
    """A statement that is cancelled while it is sent rows would take them all to the end."""
    seen: list[int] = []

    class Failing(Quiet):
        def reading(self, file: str, done: int, size: int, rows: int) -> None:
            if file == "CONCEPT_ANCESTOR.csv":
                wait_until(lambda: bool(seen))
                raise ValueError("a task failed")
            if file == "CONCEPT_RELATIONSHIP.csv":
                seen.append(done)
                time.sleep(0.5)

    with pytest.raises(ValueError, match="a task failed"):
        load(lake, generated, watcher=Failing())
    assert max(seen) < (generated / "CONCEPT_RELATIONSHIP.csv").stat().st_size
    assert nothing_staged(lake)


@pytest.mark.parametrize(
    "point",
    [("CONCEPT_ANCESTOR.csv", 300_000), ("staging", 1), ("staging", 20), ("staging", 44), ("swapping", 0)],
    ids=str,
)
def test_a_lost_database_is_said_at_once_and_the_next_load_works(
    server_url: str, old_lake: str, loaded: Picture, generated: Path, point: tuple[str, int]
) -> None:
    with clone(server_url, old_lake) as (_, engine):
        before, threads = picture(engine), threading.active_count()
        watcher = At(lambda: end_connections(engine), *point)
        with ended_within(PROMPTLY), pytest.raises(DatabaseUnavailable, match="try again"):
            load(engine, generated, watcher=watcher)
        wait_until(lambda: threading.active_count() == threads, seconds=5)
        assert picture(engine) == before
        assert load(engine, generated).loaded
        assert picture(engine) == loaded
        assert nothing_staged(engine)


def test_a_lost_database_while_a_faulty_bundle_is_looked_at(
    server_url: str, old_lake: str, generated: Path, tmp_path: Path
) -> None:
    for file in generated.iterdir():
        tmp_path.joinpath(file.name).write_bytes(file.read_bytes())
    with tmp_path.joinpath("CONCEPT.csv").open("a") as concept:
        concept.write("ragged\n")
    with clone(server_url, old_lake) as (_, engine):
        before = picture(engine)
        watcher = At(lambda: end_connections(engine), "examining", 3)
        with ended_within(PROMPTLY), pytest.raises(DatabaseUnavailable, match="try again"):
            load(engine, tmp_path, watcher=watcher)
        assert picture(engine) == before


def test_a_load_that_no_longer_keeps_others_out_does_not_swap(
    server_url: str, old_lake: str, generated: Path
) -> None:
    with clone(server_url, old_lake) as (_, engine):
        before = picture(engine)
        watcher = At(lambda: end_connections(engine, _HOLDER), "staging", 5)
        with pytest.raises(DatabaseUnavailable):
            load(engine, generated, watcher=watcher)
        assert picture(engine) == before


def test_of_two_loads_the_second_is_refused_and_the_first_completes(
    run: Run, lake: Engine, generated: Path
) -> None:
    half_way, goes_on = threading.Event(), threading.Event()
    first: list[bool] = []

    def hold() -> None:
        half_way.set()
        assert goes_on.wait(60)

    def load_first() -> None:
        first.append(load(lake, generated, watcher=At(hold, "staging", 9)).loaded)

    thread = threading.Thread(target=load_first, daemon=True)
    thread.start()
    assert half_way.wait(60)
    try:
        for _ in range(2):
            second = run("vocab", "load", generated)
            assert second.code == 2
            assert second.err.startswith("oncolake: another vocabulary load has been running since 2")
            assert "wait for it, or end it and try again" in second.err
    finally:
        goes_on.set()
        thread.join(60)
    assert first == [True]
    picture(lake)
    assert run("vocab", "load", generated).code == 0


@pytest.mark.parametrize(
    "statement",
    [
        "COPY concept_synonym",
        "CREATE UNIQUE INDEX",
        "VALIDATE CONSTRAINT",
        "ADD CONSTRAINT",
        "DROP TABLE",
        "SET SCHEMA omop",
        "DROP SCHEMA vocabulary_staging CASCADE",
    ],
)
def test_a_full_disk_at_any_step_is_said_so_and_leaves_the_old_vocabulary(
    run: Run, lake: Engine, generated: Path, statement: str
) -> None:
    before = picture(lake)
    disturb(lake, statement, "RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'")
    ended = run("vocab", "load", generated)
    assert ended.code == 3
    assert "its disk is full; free some space and try again: nothing half done was kept" in ended.err
    assert picture(lake) == before
    assert nothing_staged(lake)
    undisturbed(lake)
    assert load(lake, generated).loaded
