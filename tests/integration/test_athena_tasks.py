"""Statements side by side: their order, and what becomes of the others when one fails."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier, Event, Lock

import psycopg2
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from tests.conftest import engine_on
from vocabularies.athena.session import connect
from vocabularies.athena.tasks import CONNECTIONS, Task, run_tasks

SLEEP = text("SELECT pg_sleep(60)")


@pytest.fixture(scope="module")
def engine(server_url: str) -> Iterator[Engine]:
    with engine_on(server_url) as engine:
        yield engine


class Log:
    """What tasks did, in the order they did it."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._lock = Lock()

    def note(self, name: str) -> None:
        with self._lock:
            self.names.append(name)

    def task(self, name: str, *after: str) -> Task:
        return Task(name, lambda connection: self.note(name), frozenset(after))


def run(engine: Engine, *tasks: Task, done: Callable[[str], None] = lambda name: None) -> None:
    run_tasks(partial(connect, engine), tasks, done)


def failing(error: BaseException) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        raise error

    return work


def open_connections(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'oncolake vocab load'")
        )


def test_a_task_waits_for_those_it_comes_after(engine: Engine) -> None:
    log, told = Log(), []
    tasks = [
        log.task("d", "b", "c"),
        log.task("b", "a"),
        log.task("c", "a"),
        log.task("a"),
        log.task("e", "d"),
    ]
    run(engine, *tasks, done=told.append)
    assert sorted(log.names) == sorted(told) == list("abcde")
    assert log.names[0] == "a"
    assert log.names[3:] == ["d", "e"]


def test_no_task_is_no_work(engine: Engine) -> None:
    run(engine)


def test_tasks_run_side_by_side(engine: Engine) -> None:
    # Each waits for the other, so one after the other they would never end.
    meeting = Barrier(CONNECTIONS, timeout=20)
    run(
        engine,
        *(Task(str(number), lambda connection: meeting.wait() and None) for number in range(CONNECTIONS)),
    )


def test_each_task_is_a_transaction_that_the_next_one_sees(engine: Engine) -> None:
    create, drop = text("CREATE TABLE public.side_by_side (x int)"), text("DROP TABLE public.side_by_side")
    run(
        engine,
        Task("drop", lambda connection: connection.execute(drop) and None, frozenset({"create"})),
        Task("create", lambda connection: connection.execute(create) and None),
    )


def test_a_failure_cancels_the_others_and_nothing_follows_it(engine: Engine) -> None:
    log = Log()
    began = time.monotonic()
    with pytest.raises(ValueError, match="first"):
        run(
            engine,
            Task("slow", lambda connection: connection.execute(SLEEP) and None),
            Task("bad", failing(ValueError("first"))),
            log.task("next"),
            log.task("after", "bad"),
        )
    assert time.monotonic() - began < 20
    assert log.names == []
    assert open_connections(engine) == 0


def test_the_first_error_wins(engine: Engine) -> None:
    failed = Event()

    def second(connection: Connection) -> None:
        failed.wait(20)
        time.sleep(0.2)
        raise ValueError("second")

    def first(connection: Connection) -> None:
        failed.set()
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        run(engine, Task("second", second), Task("first", first))


def test_an_error_of_the_database_is_told_as_it_is(engine: Engine) -> None:
    broken = text("SELECT 1 / 0")
    with pytest.raises(DBAPIError) as refused:
        run(engine, Task("broken", lambda connection: connection.execute(broken) and None))
    assert isinstance(refused.value.orig, psycopg2.errors.DivisionByZero)


def test_a_failed_task_leaves_nothing_behind(engine: Engine) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE public.left_behind (x int)"))
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        run(engine, Task("late", work))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('public.left_behind')")) is None


def test_a_finished_task_is_told_before_those_that_follow_begin(engine: Engine) -> None:
    log = Log()
    run(engine, log.task("second", "first"), log.task("first"), done=lambda name: log.note(f"{name} done"))
    assert log.names == ["first", "first done", "second", "second done"]
