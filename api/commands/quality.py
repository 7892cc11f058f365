"""The command ``quality``: what is wrong with the data, by whose rules, and where it came from."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from sqlalchemy import Engine

from api.shared import (
    BadInput,
    Format,
    FormatOption,
    MappingsOption,
    cell,
    database,
    err,
    mapping_folder,
    out,
    plural,
)
from etl.quality.check import KINDS, Check
from etl.quality.dqd import results_json
from etl.quality.expectations import document
from etl.quality.folder import require_ours, written_at_once
from etl.quality.generate import checks_of
from etl.quality.result import Report, Result, Status
from etl.quality.run import run
from etl.quality.thresholds import THRESHOLDS, Thresholds, default_thresholds, read_thresholds

app = typer.Typer()
WRONG = 1
_CATEGORIES = ("Conformance", "Completeness", "Plausibility")
_COLUMNS = (
    *("check", "status", "category", "subcategory", "context", "level", "table", "column", "concept", "unit"),
    *(
        "violated",
        "rows",
        "percent",
        "threshold",
        "description",
        "origin",
        "reason",
        "id_of",
        "ids",
        "explain",
    ),
)


_To = Annotated[
    Path | None,
    typer.Option(
        "--to",
        metavar="FOLDER",
        help="Write results.json (for OHDSI's DataQualityDashboard) and index.html (Great Expectations).",
    ),
]
_Limits = Annotated[
    Path | None,
    typer.Option("--thresholds", metavar="FILE", help="Thresholds instead of the mapping's quality.yaml."),
]
_Ids = Annotated[int, typer.Option(min=0, max=10_000, help="How many failing rows of each check are named.")]


@app.command("quality")
def quality(
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Only checks of this table; again for more.")
    ] = None,
    check: Annotated[
        list[str] | None, typer.Option("--check", help="Only checks of this name; again for more.")
    ] = None,
    to: _To = None,
    thresholds: _Limits = None,
    ids: _Ids = 20,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that one statement may take.")] = 300,
    form: FormatOption = Format.TABLE,
    listed: Annotated[
        bool, typer.Option("--list", help="Print the checks and their thresholds; run none.")
    ] = False,
    mappings: MappingsOption = None,
) -> None:
    """Check the data: by the CDM, by the mapping and by its JSON Schema.

    Checks are named as OHDSI's DataQualityDashboard names them. Each counts the rows that break it, in one
    read-only snapshot, and names some of them by id: `oncolake explain` leads from there to the form. It
    fails when more percent of its rows break it than quality.yaml allows. Exit code 1: a check failed.

    \b
    Example:
      oncolake quality
      oncolake quality --to quality --format csv > failed.csv
    """
    folder = mapping_folder(mappings)
    with database() as engine:
        every = checks_of(engine, folder)
        limits = _thresholds(thresholds, folder, every)
        chosen = _chosen(every, table, check)
        if listed:
            _print_checks(chosen, limits, form)
            return
        report, agreed = _checked(engine, chosen, limits, ids, timeout, to)
    _print(report, form)
    raise typer.Exit(WRONG if report.failed or not agreed else 0)


def _checked(
    engine: Engine, chosen: tuple[Check, ...], limits: Thresholds, ids: int, timeout: float, to: Path | None
) -> tuple[Report, bool]:
    """The report of these checks, written if it is to be; and whether Great Expectations agreed then."""
    if to is not None:
        require_ours(to)
    with _progress("checking") as told:
        report = run(engine, chosen, limits, ids=ids, timeout=timeout, progress=told)
    return report, to is None or _write(to, report, engine, timeout)


def _thresholds(path: Path | None, folder: Any, checks: tuple[Check, ...]) -> Thresholds:
    if path is not None:
        return read_thresholds(path, checks)
    own = folder.joinpath(THRESHOLDS)
    return read_thresholds(own, checks) if own.is_file() else default_thresholds()


def _chosen(
    checks: tuple[Check, ...], tables: list[str] | None, names: list[str] | None
) -> tuple[Check, ...]:
    for one in names or ():
        if one not in KINDS:
            raise BadInput(f"there is no check '{one}'; they are: {', '.join(KINDS)}")
    known = {one.table for one in checks}
    for one in tables or ():
        if one not in known:
            raise BadInput(f"no check is of a table '{one}'; they are of: {', '.join(sorted(known))}")
    return tuple(
        one for one in checks if (not tables or one.table in tables) and (not names or one.name in names)
    )


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; nothing in a file."""
    with Progress(
        TextColumn(what), BarColumn(), MofNCompleteColumn(), console=err, transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:  # fmt: skip
        task = progress.add_task(what, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _write(folder: Path, report: Report, engine: Engine, timeout: float) -> bool:
    """The files of ``--to``; and whether Great Expectations came to the same verdicts."""
    with written_at_once(folder) as place, _progress("writing the Data Docs") as told:
        place.joinpath("results.json").write_text(results_json(report), encoding="utf-8")
        verdicts = document(engine, report, place, timeout=timeout, progress=told)
    ours = {one.check.id: one.status for one in report.results}
    for one in verdicts:
        if one.passed != (ours[one.check] == "passed"):
            why = f": {one.error}" if one.error else ""
            err.print(
                f"{one.check}: {ours[one.check]}, but Great Expectations says otherwise{why}", markup=False
            )
    err.print(f"Written: {folder / 'results.json'} and {folder / 'index.html'}", markup=False)
    return all(one.passed == (ours[one.check] == "passed") for one in verdicts)


def _print(report: Report, form: Format) -> None:
    if form is Format.TABLE:
        _print_tables(report)
    elif form is Format.CSV:
        writer = csv.DictWriter(sys.stdout, _COLUMNS)
        writer.writeheader()
        writer.writerows({**row, "ids": " ".join(map(str, row["ids"]))} for row in map(_row, report.results))
    else:
        print(json.dumps([_row(one) for one in report.results], indent=1))


def _row(one: Result) -> dict[str, Any]:
    check, kind = one.check, one.check.kind
    values = (
        *(check.id, one.status, kind.category, kind.subcategory, kind.context, check.level, check.table),
        *(check.column, check.concept, check.unit, one.violated, one.among, round(100 * one.share, 4)),
        *(one.threshold, check.description, check.origin, one.reason, one.witness, one.ids, one.explained),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _print_tables(report: Report) -> None:
    if report.failed:
        out.print(_failures(report.failed, "Failed"))
        out.print()
    within = [one for one in report.results if one.status == "passed" and one.violated and one.ids]
    told = sorted((one for one in within if one.threshold < 100), key=lambda one: -one.violated)
    if told:
        out.print(_failures(told, "Passed, within their thresholds"))
        out.print()
    out.print(_totals(report))
    if report.placeholders:
        out.print(
            f"{plural(report.placeholders, 'concept')} are placeholders: whether they are standard is not "
            "judged before a vocabulary is loaded."
        )
    seconds = (report.ended - report.started).total_seconds()
    failed = len(report.failed)
    verdict = f"{plural(failed, 'check')} failed" if failed else "No check failed"
    out.print(f"{verdict}, of {plural(len(report.results), 'check')} in {seconds:.1f} s.")


def _failures(results: Any, title: str) -> Table:
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("what", overflow="fold", max_width=60)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("%", justify="right", no_wrap=True)
    table.add_column("allowed", justify="right", no_wrap=True)
    table.add_column("where to look", overflow="fold", max_width=50)
    for one in results:
        what = f"{one.check.description}\n{one.check.name}, from {one.check.origin}"
        rows = f"{one.violated:,}\nof {one.among:,}"
        share = f"{100 * one.share:.2f}" if one.among else "-"
        table.add_row(cell(what), cell(rows), share, f"{one.threshold:g}", cell(_where(one)))
    return table


def _where(one: Result) -> str:
    if one.status == "error":
        return one.reason or ""
    if not one.ids:
        return ""
    shown = ", ".join(map(str, one.ids[:3]))
    more = ", ..." if one.violated > 3 else ""
    return f"{one.explained or ''}\n{one.witness} {shown}{more}".strip()


def _totals(report: Report) -> Table:
    table = Table(title="Checks", title_justify="left", show_footer=True)
    table.add_column("category", footer="total")
    statuses: tuple[Status, ...] = ("passed", "failed", "error", "not applicable")
    for status in statuses:
        table.add_column(status, justify="right", footer=f"{report.counted(status):,}")
    for category in _CATEGORIES:
        table.add_row(category, *(f"{report.counted(status, category):,}" for status in statuses))
    return table


def _print_checks(checks: tuple[Check, ...], thresholds: Thresholds, form: Format) -> None:
    rows = [
        {
            "check": one.id,
            "threshold": thresholds.of(one),
            "description": one.description,
            "origin": one.origin,
        }
        for one in checks
    ]
    if form is Format.JSON:
        print(json.dumps(rows, indent=1))
    elif form is Format.CSV:
        writer = csv.DictWriter(sys.stdout, ["check", "threshold", "description", "origin"])
        writer.writeheader()
        writer.writerows(rows)
    else:
        table = Table("check", "threshold", "what is counted", "from")
        for row in rows:
            table.add_row(*(cell(value) for value in row.values()))
        out.print(table)
