"""Cohorts on the screen and in files: attrition, table one, two cohorts side by side."""

import csv
import errno
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table

from api.shared import BadInput, cell, err, out, plural
from etl.cohorts import mask
from etl.cohorts.compare import Compared
from etl.cohorts.definition import Definition
from etl.cohorts.known import LastRun, Listed, Run
from etl.cohorts.render import Line, counted, legend, legend_of_differences, lines, merged
from etl.cohorts.store import Ran
from etl.cohorts.summary import Step, Summary, attrition
from etl.reader_role import READER


def print_list(found: Sequence[Listed], below: int) -> None:
    """The cohorts that there are, with the last run of each."""
    table = Table()
    for name in ("cohort", "title", "parameters"):
        table.add_column(name, overflow="fold")
    table.add_column("last run", no_wrap=True)
    table.add_column("persons", justify="right")
    for each in found:
        ran, persons = "", ""
        if each.run:
            ran = f"{each.run.ran_at:%Y-%m-%d %H:%M}{_doubt(each.run)}"
            persons = counted(mask.single(each.run.persons, below))
        said = ", ".join(f"{name}={value}" for name, value in each.parameters.items())
        title = f"! {each.problem}" if each.problem else each.title
        table.add_row(*map(cell, (each.name, title, said, ran, persons)))
    out.print(table)
    if any(each.run for each in found):
        print_legend(below)


def _doubt(run: LastRun) -> str:
    if run.is_current is False:
        return ", data changed"
    return ", reads other cohorts" if run.reads_cohorts else ""


def warn_of_changes(ran: Run) -> None:
    """Tell where a cohort may be out of date."""
    if ran.is_current is False:
        why = "and the data changed since"
    elif ran.definition.reads_cohorts:
        why = "and whether the cohorts that it reads changed since cannot be told"
    else:
        return
    err.print(
        f"{ran.name} was run {ran.ran_at:%Y-%m-%d %H:%M}, {why}: `oncolake cohort run` draws it anew.",
        markup=False,
    )


def print_ran(definition: Definition, ran: Ran, below: int, steps: bool) -> None:
    """How many persons a run gave; with ``steps``, its attrition."""
    persons = mask.single(ran.drawn.persons, below)
    those = plural(persons, "person") if persons is not None else f"{counted(None)} persons"
    out.print(f"{ran.name}: {those} (cohort definition {ran.definition_id}).", markup=False)
    if not ran.drawn.as_reader:
        err.print(
            f"It ran with your own rights: this user may not act as {READER}, or `oncolake init` made none."
        )
    if steps:
        reached = list(ran.drawn.reached.values())
        counts = [sum(each >= step for each in reached) for step in range(1, len(definition.steps) + 1)]
        out.print(
            _attrition_table([_step_row(each) for each in attrition(definition.header.steps, counts, below)])
        )


def _step_row(step: Step) -> tuple[str, str, str, str]:
    return step.name, step.keeps, counted(step.persons), "" if step.dropped is None else f"{step.dropped:,}"


def _attrition_table(rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title="Attrition", title_justify="left")
    table.add_column("step", no_wrap=True)
    table.add_column("keeps", overflow="fold")
    table.add_column("persons", justify="right")
    table.add_column("fewer", justify="right")
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def print_summary(summary: Summary) -> None:
    """Description, attrition and table one of a cohort."""
    ran, header = summary.run, summary.run.definition.header
    out.print(f"{ran.name}: {header.title}", style="bold", markup=False)
    out.print(header.description, markup=False)
    for name, value in ran.parameters.items():
        out.print(f"{name} = {value}: {header.parameters[name].description}", markup=False)
    out.print(f"Run {ran.ran_at:%Y-%m-%d %H:%M %Z}, cohort definition {ran.definition_id}.")
    out.print(_attrition_table(map(_step_row, summary.attrition)))
    table = Table(title="Table one", title_justify="left")
    table.add_column("", overflow="fold")
    table.add_column(cell(ran.name), justify="right")
    table.add_row("Persons", counted(summary.persons))
    for line in lines(summary):
        table.add_row(*map(cell, (f"  {line.level}" if line.level else line.variable, line.value)))
    out.print(table)
    print_legend(summary.below)


def print_compared(found: Compared) -> None:
    """Two cohorts side by side."""
    names = [each.run.name for each in (found.first, found.second)]
    for each in (found.first, found.second):
        out.print(f"{each.run.name}: {each.run.definition.header.title}", markup=False)
    table = Table(title="Persons", title_justify="left", show_header=False)
    for row in _overlap(found):
        table.add_row(*map(cell, row[:2]))
    out.print(table)
    table = Table(title="Table one", title_justify="left")
    table.add_column("", overflow="fold")
    for heading in (*names, "SMD"):
        table.add_column(cell(heading), justify="right", overflow="fold")
    for variable, level, values, apart in merged(found):
        table.add_row(*map(cell, (variable or f"  {level}", *values, apart)))
    out.print(table)
    out.print(legend_of_differences(found), markup=False)
    print_legend(found.first.below)


def compared_rows(found: Compared) -> Iterable[Sequence[str]]:
    """Table one of both, then the persons that they share, as rows of variable, level, values and SMD."""
    for variable, level, values, apart in merged(found):
        yield variable, level, *values, apart
    for row in _overlap(found):
        yield "Persons", *row


def _overlap(found: Compared) -> list[tuple[str, str, str, str]]:
    first, second = found.first.run.name, found.second.run.name
    return [
        ("in both", counted(found.both), "", ""),
        (f"in {first} alone", counted(found.first_alone), "", ""),
        (f"in {second} alone", counted(found.second_alone), "", ""),
    ]


def print_legend(below: int) -> None:
    """What a masked count means, if any is."""
    if below:
        out.print(legend(below), markup=False)


SHOW_COLUMNS = (
    "part",
    "name",
    "level",
    "persons",
    "percent",
    "median",
    "lower_quartile",
    "upper_quartile",
    "masked",
)


def show_rows(summary: Summary) -> Iterable[Sequence[object]]:
    """Attrition and table one as rows of SHOW_COLUMNS."""
    for step in summary.attrition:
        yield "attrition", step.name, "", step.persons, None, None, None, None, step.persons is None
    yield "table one", "Persons", "", summary.persons, None, None, None, None, summary.persons is None
    for line in lines(summary):
        yield _csv_line(line)


def _csv_line(line: Line) -> Sequence[object]:
    low, middle, high = (round(each, 6) for each in line.quartiles) if line.quartiles else (None,) * 3
    percent = None if line.percent is None else round(line.percent, 1)
    return "table one", line.variable, line.level, line.count, percent, middle, low, high, line.is_masked


def refuse_file(option: str, file: Path | None) -> None:
    """Raise BadInput where a file cannot be written; what it holds stays."""
    if file is None:
        return
    if str(file) == "-":
        raise BadInput(f"{option} - is no file: leave it out to write to the standard output")
    try:
        if file.is_dir():
            raise BadInput(f"{option} {file} is a folder: name a file in it")
        if not file.parent.is_dir():
            raise BadInput(f"{option} {file}: there is no folder '{file.parent}'; make it, or name another")
        _try_to_write(file)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadInput(f"{option} {file} cannot be written: {why}; name another") from None


def _try_to_write(file: Path) -> None:
    """Raise OSError where it cannot be. Rights alone do not tell of every file system."""
    if file.is_file():
        file.open("ab").close()
    elif not file.exists():
        # Where a link leads nowhere, writing makes what it names.
        made = file.resolve()
        made.open("xb").close()
        made.unlink()
    # A pipe that is opened and closed has ended for who reads it.
    elif not os.access(file, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_rows(rows: Iterable[Sequence[object]], to: Path | None) -> None:
    """Write CSV to a file, or to the standard output; the first row has the names of the columns."""
    if to is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
        return
    with to.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    err.print(f"Written: {to}", markup=False)


def write_text(content: str, to: Path | None) -> None:
    """Write a text to a file, or to the standard output."""
    if to is None:
        print(content, end="")
        return
    to.write_text(content, encoding="utf-8")
    err.print(f"Written: {to}", markup=False)
