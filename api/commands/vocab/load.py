"""The command vocab load."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from api.commands.vocab.progress import watching
from api.shared import MappingsOption, cell, database, mapping_folder, out, plural
from etl.mapping.check import check
from etl.mapping.findings import Finding as MappingFinding
from etl.setup import require_current, vocabulary
from vocabularies.athena.findings import KINDS, SHOWN, Finding, Group, Report
from vocabularies.athena.load import Outcome, Rows
from vocabularies.athena.load import load as load_bundle

_LOADED, _WARNED, _REFUSED = 0, 1, 2
_REPORT_COLUMNS = ("file", "line", "severity", "kind", "message")


def load(
    path: Annotated[Path, typer.Argument(help="The folder or zip that Athena handed out.")],
    strict: Annotated[bool, typer.Option("--strict", help="Let a warning keep the bundle out too.")] = False,
    check_only: Annotated[
        bool, typer.Option("--check", help="Find out what is wrong with the bundle, and load nothing.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write every finding to a CSV file.")
    ] = None,
    mappings: MappingsOption = None,
) -> None:
    """Load the vocabularies of an Athena bundle in place of those that are there.

    All of it is loaded, or nothing; the old vocabulary serves until the new one is complete. Custom concepts
    stay. A zip need not be unpacked. Then the mapping is checked against what was loaded.
    Exit code 0: loaded, without a warning; 1: loaded, and the warnings say what was left out or is doubtful;
    2: nothing is loaded.

    \b
    Example:
      oncolake vocab load vocabulary_download_v5.zip
    """
    folder = mapping_folder(mappings)
    with database() as engine, _written(report) as findings:
        require_current(engine)
        with watching() as watcher:
            outcome = load_bundle(
                engine, path, strict=strict, check_only=check_only, report=findings, watcher=watcher
            )
        _print_findings(findings, report)
        code = _print_outcome(outcome, check_only=check_only, strict=strict)
        if outcome.loaded:
            with engine.connect() as connection:
                _print_mapping(check(folder, vocabulary(folder, connection)).findings, mappings)
    raise typer.Exit(code)


@contextmanager
def _written(path: Path | None) -> Iterator[Report]:
    """A report, every finding of which goes to the file as well."""
    with ExitStack() as held:
        if path is None:
            yield Report()
            return
        rows = csv.writer(held.enter_context(path.open("w", newline="", encoding="utf-8")))
        rows.writerow(_REPORT_COLUMNS)

        def write(one: Finding) -> None:
            rows.writerow((one.file, one.line or "", one.severity, one.kind, one.message))

        yield Report(write)


def _print_findings(report: Report, written: Path | None) -> None:
    """The first findings of each group, and how many more there are."""
    for group in sorted(report.counts, key=_order):
        for found in sorted(report.first[group]):
            out.print(cell(found))
        if more := report.counts[group] - len(report.first[group]):
            out.print(cell(f"    ... and {more:,} more of this kind in {group.file}{_about(group)}"))
    if written is None and any(count > SHOWN for count in report.counts.values()):
        out.print("--report FILE writes all of them.")


def _order(group: Group) -> tuple[int, Group]:
    severities = ("error", "warning", "note")
    return severities.index(KINDS[group.kind][0]), group


def _about(group: Group) -> str:
    return f", about {group.about}" if group.about else ""


def _print_outcome(outcome: Outcome, *, check_only: bool, strict: bool) -> int:
    """What became of the bundle in a table and a sentence; the exit code."""
    counts = outcome.report.severities()
    told = ", ".join(plural(counts[one], one) for one in ("error", "warning", "note") if counts[one])
    if not outcome.rows:
        why = " (--strict)" if strict and not counts["error"] else ""
        out.print(f"Nothing was loaded: {told}{why}. The vocabulary is as it was.")
        return _REFUSED
    out.print(_rows_table(outcome.rows))
    left_out = sum(rows.reported for rows in outcome.rows.values())
    what = "Nothing was loaded, as --check asks; loading would bring" if check_only else "Loaded"
    loaded = sum(rows.loaded for rows in outcome.rows.values())
    out.print(f"{what} {plural(loaded, 'row')}, and {plural(left_out, 'row')} left out" + _because(told))
    return _WARNED if counts["warning"] else _LOADED


def _because(told: str) -> str:
    return f": {told}." if told else "."


def _rows_table(rows: Mapping[str, Rows]) -> Table:
    table = Table(title="Rows by file", title_justify="left")
    table.add_column("file", no_wrap=True)
    for name in Rows._fields:
        table.add_column(name, justify="right", no_wrap=True)
    for name, counts in rows.items():
        table.add_row(cell(name), *(f"{count:,}" for count in counts))
    return table


def _print_mapping(findings: Sequence[MappingFinding], mappings: Path | None) -> None:
    """Whether the mapping still stands on what was loaded."""
    counts = Counter(one.severity for one in findings)
    option = f" --mappings {mappings}" if mappings else ""
    if not (counts["error"] or counts["warning"]):
        out.print("The mapping stands: its concepts are as the vocabulary has them.")
        return
    told = ", ".join(plural(counts[one], one) for one in ("error", "warning") if counts[one])
    refused = ", and ingest refuses it until they are mended" if counts["error"] else ""
    command = f"oncolake vocab check{option} --suggest"
    out.print(f"The mapping has {told} against this vocabulary{refused}: run `{command}`.", markup=False)
