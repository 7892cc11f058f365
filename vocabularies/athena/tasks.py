"""Running statements that depend on each other on several connections side by side."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from threading import Condition, Thread

import psycopg2
from sqlalchemy import Connection

#: Two cores copy and build almost twice as fast as one; more connections than that were not faster.
CONNECTIONS = 2
_LOOK = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """Work in a transaction of its own, once the tasks named in ``after`` are done."""

    name: str
    work: Callable[[Connection], None]
    after: frozenset[str] = frozenset()


class _Board:
    """What is waiting, what is done, and what went wrong first. Guarded by its condition."""

    def __init__(self, tasks: Iterable[Task]) -> None:
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
            self.changed.notify_all()


def run_tasks(
    connect: Callable[[], Connection], tasks: Sequence[Task], done: Callable[[str], None] = lambda name: None
) -> None:
    """Run the tasks, in their order as far as ``after`` allows, each in a transaction that is committed.

    ``done`` is told each task's name, in the thread that ran it. When one fails the statements of the others
    are cancelled, and its error is raised once nothing runs any more; so is KeyboardInterrupt.
    """
    board = _Board(tasks)
    with ExitStack() as held:
        connections = [held.enter_context(connect()) for _ in range(CONNECTIONS)]
        threads = [Thread(target=_work, args=(board, each, done), daemon=True) for each in connections]
        for thread in threads:
            thread.start()
        try:
            _wait(threads, board)
        except BaseException as interrupt:
            board.fail(interrupt)
        if board.failure is not None:
            _cancel(connections, threads)
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
        except BaseException as error:
            board.fail(error)
            return
        done(task.name)
        board.finish(task)


def _cancel(connections: Iterable[Connection], threads: Iterable[Thread]) -> None:
    raw = [each.connection.dbapi_connection for each in connections]
    for thread in threads:
        while thread.is_alive():
            for each in raw:
                with suppress(psycopg2.Error):
                    each.cancel()  # type: ignore[union-attr]
            thread.join(_LOOK)
