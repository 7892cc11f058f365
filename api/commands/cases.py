"""Commands about case documents: ingest, coverage, sample."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Engine

from api.edited import told_of_cases, told_of_views
from api.shared import (
    BadInput,
    Format,
    FormatOption,
    MappingsOption,
    account,
    cell,
    database,
    err,
    fits,
    mapping_folder,
    out,
    plural,
    print_counts,
    print_failures,
)
from etl import ingest as stages
from etl.coverage import COLUMNS, FATES, Coverage, Tally
from etl.coverage import coverage as read_coverage
from etl.curation import Curation
from etl.curation_files import CuratedFiles, curate_files
from etl.images import HEADERS
from etl.ingest import FileResult, Summary
from etl.land import Rejection
from etl.read import BadPaths, BadSetting, files, limit
from etl.sample import sample as make_sample
from etl.setup import CURATION_MAPPING, Prepared, prepare, prepared, preview
from etl.status import outdated

app = typer.Typer()
SHOWN_REASONS = 20
VALUE_COLUMNS = ("path", "value", "count")


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="JSON or NDJSON files, or folders.")],
    mappings: MappingsOption = None,
) -> None:
    """Land case files in the lake and load them into OMOP.

    The same file again changes nothing; a changed case replaces its rows. Stopped half-way, run it again.
    Exit code 0: all stored; 1: some cases or values were not, and the report says which; 2: bad input.

    \b
    Example:
      oncolake ingest cases/
      oncolake sample 100 > cases.ndjson && oncolake ingest cases.ndjson
    """
    try:
        limit()
        found = files(paths)
    except (BadPaths, BadSetting) as error:
        raise BadInput(str(error)) from None
    with database() as engine:
        ready = prepared(engine, mapping_folder(mappings))
        plan = ready.plan
        if plan.mapping == HEADERS:
            raise BadInput("headers are checked for what identifies somebody: use `oncolake dicom scan`")
        if plan.case.series is not None:
            curated = curate_files(engine, plan, found, account())
            _print_curated(curated)
            _print_views(engine, ready, mappings)
            raise typer.Exit(curated.exit_code)
        with _progress(found) as report:
            curations = partial(prepare, engine, CURATION_MAPPING)
            summary = stages.ingest(engine, plan, found, account(), report, curations)
        with engine.connect() as connection:
            earlier = outdated(connection, plan)
        _print_summary(summary)
        if earlier:
            err.print(told_of_cases(earlier, mappings), markup=False)
        _print_views(engine, ready, mappings)
    raise typer.Exit(summary.exit_code)


@contextmanager
def _progress(found: list[Path]) -> Iterator[Callable[[stages.Progress], None] | None]:
    """A progress bar over the bytes of all files, on a terminal only."""
    if not err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("reading", total=sum(map(_size, found)))
        done: dict[str, stages.Progress] = {}

        def report(one: stages.Progress) -> None:
            done[one.source] = one
            cases = sum(each.cases for each in done.values())
            read = sum(each.bytes for each in done.values())
            bar.update(task, completed=read, description=plural(cases, "case"), refresh=True)

        yield report


def _size(file: Path) -> int:
    """The file's bytes; 0 if it is gone by now, which its own line of the report will say."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _print_curated(curated: CuratedFiles) -> None:
    for source, line, done in curated.records:
        place = f"{source}:{line}" if line else source
        if isinstance(done, Curation):
            out.print(f"{place}: {done.curation_function}, {_became(done)}.", markup=False)
            continue
        for reason in (done,) if isinstance(done, Rejection) else done.violations[:SHOWN_REASONS]:
            out.print(f"{place}: {reason.path}: {reason.reason}", markup=False)
    print_failures(curated.left_over.failures, "is landed but not loaded")
    if curated.left_over.cases:
        waited = plural(curated.left_over.cases, "curation")
        out.print(f"{waited} had waited, and {'is' if curated.left_over.cases == 1 else 'are'} loaded now.")


def _became(done: Curation) -> str:
    if done.case_id is None:
        return "pending: its series is not known yet"
    if not done.loaded:
        return f"not loaded (case {done.case_id})"
    problems = f", {plural(len(done.problems), 'problem')}" if done.problems else ""
    problems += f", {plural(len(done.warnings), 'warning')}" if done.warnings else ""
    return f"{plural(sum(done.rows.values()), 'OMOP row')}{problems} (case {done.case_id})"


def _print_summary(summary: Summary) -> None:
    for file in summary.files:
        out.print(_sentence(file), markup=False)
        for rejection in file.rejections[:SHOWN_REASONS]:
            place = f"{file.source}:{rejection.line}" if rejection.line else file.source
            out.print(f"  {place}: {rejection.path}: {rejection.reason}", markup=False)
        if len(file.rejections) > SHOWN_REASONS:
            more = len(file.rejections) - SHOWN_REASONS
            place = f"by upload_id {file.upload_id} and position in the file"
            out.print(f"  ... and {more:,} more: lake.violations has them, {place}")
    if summary.left_over.cases:
        out.print(f"{plural(summary.left_over.cases, 'case')} landed earlier and loaded now.")
    if summary.completed.cases:
        out.print(f"{plural(summary.completed.cases, 'curation')} had waited for a series of these.")
    loaded = summary.loaded
    print_failures(loaded.failures, "is landed but not loaded")
    print_counts(loaded)


def _print_views(engine: Engine, ready: Prepared, mappings: Path | None) -> None:
    """Say where scientists would look at these cases through views of another version of the mapping."""
    with engine.connect() as connection:
        if told := told_of_views(connection, ready, mappings):
            err.print(told, markup=False)


def _sentence(file: FileResult) -> str:
    if file.outcome == "already loaded":
        known = f"{file.source}: already loaded, as upload {file.upload_id}; nothing to do."
        have = "has a newer version, which stays" if file.newer == 1 else "have newer versions, which stay"
        return f"{known} {file.newer:,} of its cases {have}." if file.newer else known
    if file.upload_id is None:
        return f"{file.source}: {file.outcome}."
    parts = [f"{file.stored:,} stored"]
    parts += [f"{file.unchanged:,} unchanged"] if file.unchanged else []
    parts += [f"{file.rejected:,} rejected"] if file.rejected else []
    return f"{file.source}: {plural(file.cases, 'case')}, {', '.join(parts)} (upload {file.upload_id})."


@app.command()
def coverage(
    mappings: MappingsOption = None,
    form: FormatOption = Format.TABLE,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Also show the most frequent values without a concept.")
    ] = False,
) -> None:
    """Account for every value in the lake, by its place in the form.

    Each value is mapped, mapped to concept 0 (unmapped), a problem, ignored on purpose, or unused.

    \b
    Example:
      oncolake coverage --format csv > coverage.csv
    """
    with database() as engine:
        plan = preview(engine, mapping_folder(mappings))
        with engine.connect() as connection:
            found = read_coverage(connection, plan, show_values=show_values)
    match form:
        case Format.TABLE:
            out.print(_coverage_table(found))
            if show_values:
                out.print(_values_table(found))
        case Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerows(
                [COLUMNS, *found.rows()] if not show_values else [VALUE_COLUMNS, *found.value_rows()]
            )
        case Format.JSON:
            print(json.dumps(_coverage_json(found), indent=2, ensure_ascii=False))


def _coverage_table(found: Coverage) -> Table:
    title = f"{plural(found.total.total, 'value')} in {plural(found.cases, 'case')}, what needs a look first"
    table = Table(title=title, title_justify="left", show_footer=True)
    _add_counts(table, found)
    if fits(table):
        return table
    narrow = Table(title=title, title_justify="left", show_footer=True)
    _add_fates(narrow, found)
    return narrow


def _add_counts(table: Table, found: Coverage) -> None:
    """A column for each count."""
    total = found.total
    footer = ("all", f"{total.total:,}", *(f"{count:,}" for count in total.counts))
    for name, foot in zip(COLUMNS, footer, strict=True):
        table.add_column(name, justify="left" if name == "path" else "right", footer=foot, no_wrap=True)
    table.add_column("mapped %", justify="right", footer=f"{total.percent('mapped'):.1f}", no_wrap=True)
    for place, row in zip(found.places, found.rows(), strict=True):
        cells = (f"{one:,}" if isinstance(one, int) else cell(one) for one in row)
        table.add_row(*cells, f"{place.tally.percent('mapped'):.1f}")


def _add_fates(table: Table, found: Coverage) -> None:
    """The counts in words, each on a line, for a terminal that is too narrow for columns."""
    table.add_column("path", footer="all", overflow="fold")
    table.add_column("values", footer=_fates(found.total), justify="right", no_wrap=True)
    for place in found.places:
        table.add_row(cell(place.pattern), _fates(place.tally))


def _fates(tally: Tally) -> str:
    counts = zip(FATES, tally.counts, strict=True)
    return "\n".join(f"{count:,} {fate}" for fate, count in counts if count)


def _values_table(found: Coverage) -> Table:
    table = Table(title="Values without a concept", title_justify="left")
    for name in VALUE_COLUMNS:
        table.add_column(name, justify="right" if name == "count" else "left", overflow="fold")
    for path, value, count in found.value_rows():
        table.add_row(cell(path), cell(value), f"{count:,}")
    return table


def _coverage_json(found: Coverage) -> dict[str, object]:
    places = [
        {
            **dict(zip(COLUMNS, row, strict=True)),
            **({"unmapped_values": dict(place.unmapped_values)} if place.unmapped_values else {}),
        }
        for place, row in zip(found.places, found.rows(), strict=True)
    ]
    return {"mapping": found.mapping, "cases": found.cases, "places": places}


@app.command()
def sample(
    count: Annotated[int, typer.Argument(metavar="N", min=0, help="How many cases.")],
    seed: Annotated[
        int, typer.Option(help="Another seed gives other patients; the shipped samples are seed 0.")
    ] = 1,
) -> None:
    """Write synthetic cases as NDJSON: realistic in shape, of nobody.

    \b
    Example:
      oncolake sample 1000 --seed 7 > cases.ndjson
    """
    for case in make_sample(count, seed):
        sys.stdout.write(json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n")
