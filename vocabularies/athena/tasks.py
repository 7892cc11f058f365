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
        workers = [_Worker(board, each, done) for each in opened]
        try:
            for worker in workers:
                worker.start()
            _wait(workers, board)
        except BaseException as interrupt:
            board.fail(interrupt)
        if board.failure is not None:
            _cancel(drivers, workers)
            raise board.failure


class _Worker(Thread):
    """Takes tasks as long as there are any."""

    def __init__(self, board: _Board, connection: Connection, done: Callable[[str], None]) -> None:
        super().__init__(daemon=True)
        self._board, self._connection, self._done = board, connection, done
        # ``join`` and ``is_alive`` will not do: interrupted, ``join`` takes a running thread for ended.
        self._ended = Event()

    def run(self) -> None:
        try:
            while (task := self._board.take()) is not None:
                with self._connection.begin():
                    task.work(self._connection)
                self._done(task.name)
                self._board.finish(task)
        except BaseException as error:
            self._board.fail(error)
        finally:
            self._ended.set()

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.ident is not None and not self._ended.is_set()

    def look(self) -> None:
        """Wait a little for its end."""
        self._ended.wait(_LOOK)


def _wait(workers: Iterable[_Worker], board: _Board) -> None:
    for worker in workers:
        while worker.running and board.failure is None:
            worker.look()


def _cancel(drivers: Iterable[DBAPIConnection | None], workers: Iterable[_Worker]) -> None:
    for worker in workers:
        while worker.running:
            for each in drivers:
                with suppress(psycopg2.Error):
                    each.cancel()  # type: ignore[union-attr]
            worker.look()
