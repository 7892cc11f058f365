"""Commands about DICOM headers: scan, check."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from zipfile import BadZipFile

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from api.shared import (
    BadInput,
    Format,
    FormatOption,
    account,
    cell,
    database,
    err,
    out,
    plural,
    print_counts,
    print_failures,
)
from etl.dicom.report import Line, Totals, report
from etl.dicom.scan import Scanned
from etl.dicom.scan import scan as scan_headers
from etl.dicom.sources import NotFound
from etl.dicom.store import store
from etl.images import waiting_series
from etl.ingest import FileResult
from etl.read import BadSetting

app = typer.Typer(
    name="dicom",
    help="DICOM headers: are they de-identified, and which series are there.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
#: A table needs all its rows to find its widths, and nobody reads more of them on a screen.
MOST_SHOWN = 1000
SERIES_COLUMNS = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "Modality",
    "SeriesDescription",
    "AcquisitionPlane",
    "NumberOfInstances",
)
PathArgument = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="A folder, a zip, a DICOM file, or a .json of DICOM's JSON model."),
]
ProcessesOption = Annotated[
    int | None, typer.Option("--processes", min=1, help="Processes that read; one for each core if not said.")
]


@app.command()
def scan(
    path: PathArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the series and store nothing.")] = False,
    processes: ProcessesOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Read DICOM headers, never pixels, and store what they say of studies and series.

    Only the tags of mappings/dicom/tags.yaml are kept. One header that still identifies somebody, and nothing
    of the path is stored: the tags are named, never their values. The same path again changes nothing.
    Exit code 0: all stored; 1: some files or series were not; 2: bad input, or not de-identified.

    \b
    Example:
      oncolake dicom scan study.zip --dry-run
      oncolake dicom scan images/
    """
    found = _scanned(path, processes)
    if found.findings:
        _print_report(found, form)
        err.print(f"'{path}' is not de-identified: nothing of it was stored.", markup=False)
        raise typer.Exit(2)
    _print_unread(found)
    stored, waiting = None, 0
    if not dry_run and found.documents:
        with database() as engine:
            stored = store(engine, found.documents, str(path), account())
            with engine.connect() as connection:
                waiting = waiting_series(connection, (each["SeriesInstanceUID"] for each in found.documents))
    _print_series(found, stored, waiting, form)
    if waiting:
        those = f"{plural(waiting, 'series', 'series')} {'waits' if waiting == 1 else 'wait'} in the lake"
        err.print(f"{those}: the rows told of them are in OMOP once a form of their patient is loaded.")
    whole = not (found.torn or found.broken) and (stored is None or _whole(stored))
    raise typer.Exit(0 if whole else 1)


@app.command()
def check(path: PathArgument, processes: ProcessesOption = None, form: FormatOption = Format.TABLE) -> None:
    """Say of each tag of the confidentiality profile what became of it; values are never shown.

    The profile is DICOM PS3.15, Table E.1-1. In how many headers a tag is removed, empty, a dummy, kept under
    an option of the profile, or left. Exit code 1: something is left that may identify somebody, or a DICOM
    file could not be read.

    \b
    Example:
      oncolake dicom check images/ --format csv > report.csv
    """
    found = _scanned(path, processes)
    _print_report(found, form)
    _print_unread(found)
    raise typer.Exit(1 if found.findings or found.broken else 0)


def _scanned(path: Path, processes: int | None) -> Scanned:
    try:
        with _progress() as progress:
            found = scan_headers(path, processes, progress)
    except (NotFound, BadSetting) as error:
        raise BadInput(str(error)) from None
    except BadZipFile:
        raise BadInput(f"'{path}' is a zip that is broken: pack it again") from None
    if not found.headers:
        _print_unread(found)
        raise BadInput(f"'{path}' holds no DICOM header")
    return found


@contextmanager
def _progress() -> Iterator[Callable[[int, int | None], None] | None]:
    """A progress bar over the headers, on a terminal only."""
    if not err.is_terminal:
        yield None
        return
    columns = (TextColumn("headers"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("headers", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_unread(found: Scanned) -> None:
    for each in found.unread:
        more = f" and {each.files - len(each.names):,} more" if each.files > len(each.names) else ""
        err.print(f"{each.reason}: {plural(each.files, 'file')}: {', '.join(each.names)}{more}", markup=False)
    for uid in found.torn:
        err.print(f"series {uid} is left out: its files name several patients or studies", markup=False)


def _whole(stored: FileResult) -> bool:
    return not stored.rejected and stored.loaded.whole and stored.outcome != "unreadable"


def _print_series(found: Scanned, stored: FileResult | None, waiting: int, form: Format) -> None:
    rows = [[document.get(column, "") for column in SERIES_COLUMNS] for document in found.documents]
    match form:
        case Format.TABLE:
            title = f"{plural(found.studies, 'study', 'studies')}, {plural(len(rows), 'series', 'series')}"
            title += f", {plural(found.headers, 'header')}"
            out.print(_table(title, SERIES_COLUMNS, rows))
            _print_stored(found, stored)
        case Format.CSV:
            _write_csv(SERIES_COLUMNS, rows)
        case Format.JSON:
            series = [dict(zip(SERIES_COLUMNS, row, strict=True)) for row in rows]
            said = {"headers": found.headers, "studies": found.studies, "series": series}
            told = {"waiting": waiting, "upload": _told(stored)}
            print(json.dumps(said | told, indent=2, ensure_ascii=False))
    if form is not Format.TABLE and stored is not None:
        _print_rejections(found, stored)


def _told(stored: FileResult | None) -> dict[str, Any] | None:
    if stored is None:
        return None
    keys = ("upload_id", "outcome", "cases", "stored", "unchanged", "rejected")
    return {key: getattr(stored, key) for key in keys}


def _print_stored(found: Scanned, stored: FileResult | None) -> None:
    if stored is None:
        out.print("Nothing was stored.")
        return
    if stored.outcome == "already loaded":
        out.print(f"These series are already loaded, as upload {stored.upload_id}; nothing to do.")
    else:
        counts = f"{stored.stored:,} stored, {stored.unchanged:,} unchanged, {stored.rejected:,} rejected"
        out.print(f"{plural(stored.cases, 'series', 'series')}: {counts} (upload {stored.upload_id}).")
    _print_rejections(found, stored)
    print_failures(stored.loaded.failures, "is landed but not loaded")
    print_counts(stored.loaded)


def _print_rejections(found: Scanned, stored: FileResult) -> None:
    for rejection in stored.rejections:
        uid = found.documents[rejection.position - 1]["SeriesInstanceUID"] if rejection.position else ""
        err.print(f"series {uid} is not stored: {rejection.path}: {rejection.reason}", markup=False)


def _print_report(found: Scanned, form: Format) -> None:
    lines, totals = report(found)
    match form:
        case Format.TABLE:
            out.print(_table(_title(totals), Line._fields, lines))
            out.print(_sentence(totals))
        case Format.CSV:
            _write_csv(Line._fields, lines)
        case Format.JSON:
            said = {**asdict(totals), "tags": [line._asdict() for line in lines]}
            print(json.dumps(said, indent=2, ensure_ascii=False))


def _title(totals: Totals) -> str:
    return f"Tags of the confidentiality profile in {plural(totals.headers, 'header')}"


def _sentence(totals: Totals) -> str:
    found = f"{totals.profile} tags in the profile: {totals.found} found, {totals.removed} in no header"
    verdict = (
        f"{plural(totals.findings, 'tag')} may identify somebody" if totals.findings else "Nothing is left"
    )
    if totals.unread:
        verdict += f" in what was read; {plural(totals.unread, 'file')} could not be read as DICOM"
    return f"{found}; {totals.with_values} with values, {totals.empty} empty. {verdict}."


def _table(title: str, names: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(cell(name), overflow="fold")
    for number, row in enumerate(rows):
        if number == MOST_SHOWN:
            err.print(f"Only the first {MOST_SHOWN:,} are shown: `--format csv` writes them all.")
            break
        table.add_row(*map(cell, row))
    return table


def _write_csv(names: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows([names, *rows])
