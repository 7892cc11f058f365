"""Running statements that depend on each other on several connections side by side."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from threading import Condition, Event, Thread

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection

#: Two cores copy and build almost twice as fast as one; more connections than that were not faster.
CONNECTIONS = 2
_LOOK = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """Work in a transaction of its own, once the tasks named in ``after`` are done."""

    name: str
    work: Callable[[Connection], None]
    after: frozenset[str] = frozenset()


class Stopped(Exception):
    """Ends work that nobody needs any more, because other work failed."""


class _Board:
    """What is waiting, what is done, and what went wrong first. Guarded by its condition."""

    def __init__(self, tasks: Iterable[Task], stop: Event) -> None:
        self._stop = stop
        self.changed = Condition()
        self.failure: BaseException | None = None
        self._waiting = list(tasks)
        self._done: set[str] = set()

    def take(self) -> Task | None:
        """The first task that is ready, when there is one; None at the end or after a failure."""
        with self.changed:
            while self._waiting and self.failure is None:
                ready = next((task for task in self._waiting if task.after <= self._done), None)
                if ready is not None:
                    self._waiting.remove(ready)
                    return ready
                self.changed.wait()
            return None

    def finish(self, task: Task) -> None:
        with self.changed:
            self._done.add(task.name)
            self.changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self.changed:
            self.failure = self.failure or error
            self._stop.set()
            self.changed.notify_all()


def run_tasks(
    connect: Callable[[], Connection],
    tasks: Sequence[Task],
    done: Callable[[str], None] = lambda name: None,
    *,
    connections: int = CONNECTIONS,
    stop: Event | None = None,
) -> None:
    """Run the tasks, in their order as far as ``after`` allows, each in a transaction that is committed.

    ``done`` is told each task's name, in the thread that ran it. When one fails, ``stop`` is set, for work
    that is not in a statement, and the statements of the others are cancelled; its error is raised once
    nothing runs any more. So is KeyboardInterrupt.
    """
    board = _Board(tasks, stop or Event())
    with ExitStack() as held:
        opened = [held.enter_context(connect()) for _ in range(connections)]
        # Once a connection is lost it cannot be asked for these.
        drivers = [each.connection.dbapi_connection for each in opened]
        threads = [Thread(target=_work, args=(board, each, done), daemon=True) for each in opened]
        try:
            for thread in threads:
                thread.start()
            _wait(threads, board)
        except BaseException as interrupt:
            board.fail(interrupt)
        if board.failure is not None:
            _cancel(drivers, threads)
            raise board.failure


def _wait(threads: Iterable[Thread], board: _Board) -> None:
    for thread in threads:
        while thread.is_alive() and board.failure is None:
            thread.join(_LOOK)


def _work(board: _Board, connection: Connection, done: Callable[[str], None]) -> None:
    while (task := board.take()) is not None:
        try:
            with connection.begin():
                task.work(connection)
            done(task.name)
        except BaseException as error:
            board.fail(error)
            return
        board.finish(task)


def _cancel(drivers: Iterable[DBAPIConnection | None], threads: Iterable[Thread]) -> None:
    for thread in threads:
        while thread.is_alive():
            for each in drivers:
                with suppress(psycopg2.Error):
                    each.cancel()  # type: ignore[union-attr]
            thread.join(_LOOK)
