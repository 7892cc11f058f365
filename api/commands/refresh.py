"""The command refresh: the lake by section, up to the newest documents."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from api.shared import MappingsOption, database, err, mapping_folder, out, plural
from etl.mapping.compile import read_mapping
from etl.sections.refresh import refresh as stage
from etl.setup import require_current

app = typer.Typer()


@app.command()
def refresh(mappings: MappingsOption = None) -> None:
    """Bring the tables of the form's sections, lake.prostate_lesions and so on, up to the newest documents.

    Only cases that changed are taken, each whole; readers and uploads do not wait for it. After a change of
    the form's schema the tables are made anew beside the old ones, and all wait for the moment in which they
    are swapped. Stopped half-way, run it again: it does what is left. What is withdrawn is gone from the
    tables without it.

    \b
    Example:
      oncolake refresh
    """
    mapping = read_mapping(mapping_folder(mappings))
    with database() as engine:
        require_current(engine)
        with _progress() as report:
            done = stage(engine, mapping, report)
    tables = plural(done.tables, "table")
    if done.rebuilt:
        out.print(f"{tables} made, with {plural(done.cases, 'case')}.")
    else:
        out.print(f"{plural(done.cases, 'case')} taken; {tables} with {plural(done.of, 'case')}.")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar over the cases, on a terminal only."""
    if not err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("cases", total=None)

        def report(done: int, total: int) -> None:
            told = f"{done:,} of {plural(total, 'case')}"
            bar.update(task, completed=done, total=total, description=told, refresh=True)

        yield report
