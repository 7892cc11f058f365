"""How far a load is, on a terminal: a bar for each file, and one for the work after reading."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from api.shared import err
from vocabularies.athena.load import Quiet, Watcher


@contextmanager
def watching() -> Iterator[Watcher]:
    """Bars on standard error while the context lasts; nothing where that is no terminal."""
    if not err.is_terminal:
        yield Quiet()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        yield _Bars(bars)


class _Rate(TextColumn):
    """``1,234,567 rows, 400,000 rows/s`` of a file, ``12 of 45`` of anything else."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        rows = task.fields.get("rows")
        if rows is None:
            return Text(f"{task.completed:,.0f} of {task.total or 0:,.0f}")
        rate = f", {rows / task.elapsed:,.0f} rows/s" if task.elapsed else ""
        return Text(f"{rows:,} rows{rate}")


class _Bars:
    """Draws what a load tells. Called from its threads."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._lock = Lock()

    def reading(self, file: str, done: int, size: int, rows: int) -> None:
        task = self._task(file, size, rows)
        self._bars.update(task, completed=done, total=size, rows=rows)
        if done >= size:
            self._bars.stop_task(task)

    def step(self, phase: str, done: int, total: int) -> None:
        if phase == "examining" and done == 0:
            # The files are read once more, so their bars begin again.
            with self._lock:
                for task in self._tasks.values():
                    self._bars.remove_task(task)
                self._tasks.clear()
        self._bars.update(self._task(phase, total), completed=done, total=total)

    def _task(self, name: str, total: int, rows: int | None = None) -> TaskID:
        with self._lock:
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=total, rows=rows)
            return self._tasks[name]
