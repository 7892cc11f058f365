"""The command remap: loaded cases after a change of their mapping, and its preview."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from api.shared import (
    BadInput,
    Format,
    FormatOption,
    MappingsOption,
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
from etl import remap as stage
from etl.foresee import foresee
from etl.impact import Changes, Impact
from etl.load import Counts
from etl.plan import Plan
from etl.setup import CURATION_MAPPING, SHORT_DIGEST, prepare, prepared, renew_views

app = typer.Typer()
CHANGES = Changes._fields
COLUMNS = ("table", "concept_id", "concept_name", *CHANGES)

#: What rows of a table say, and how many rows of OMOP change.
_Rows = Sequence[tuple[Sequence[str], Changes]]


@app.command()
def remap(
    mappings: MappingsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would change; nothing is written.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Also the cases that this version of the mapping loaded.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make the rows of loaded cases anew after a change of their mapping, then its views.

    Stopped half-way, run it again: it does what is left; with --all it does all again. A case that
    fails keeps its rows.
    Exit code 0: all cases and values stored, or a dry run; 1: some were not, and the report says which.

    \b
    Example:
      oncolake remap --mappings my-mapping --dry-run
      oncolake remap --mappings my-mapping
    """
    if form is not Format.TABLE and not dry_run:
        raise BadInput("--format is for --dry-run; a remap reports as ingest does")
    folder = mapping_folder(mappings)
    with database() as engine:
        if dry_run:
            with _progress() as report:
                impact = foresee(engine, folder, every=every, progress=report)
            _WRITERS[form](impact)
            raise typer.Exit
        ready = prepared(engine, folder)
        plan = ready.plan
        if cases := stage.due(engine, plan, every=every):
            where = f"the shipped mapping, {folder}" if mappings is None else str(folder)
            _announce(cases, plan, where)
        with _progress() as report:
            curations = partial(prepare, engine, CURATION_MAPPING)
            counts = stage.remap(engine, plan, every=every, progress=report, curation_plan=curations)
        try:
            # After the rows: until then, views of the version before are those that find them.
            renew_views(engine, ready)
        finally:
            # The rows stay, also where a view cannot be made.
            _print_counts(counts, engine, plan.mapping)
    raise typer.Exit(int(not counts.whole))


class _Rate(TextColumn):
    """Cases a second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} cases/s" if task.speed else "")


@contextmanager
def _progress() -> Iterator[Callable[[stage.Done], None] | None]:
    """A progress bar over the cases, on a terminal only."""
    if not err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("cases", total=None)

        def report(done: stage.Done) -> None:
            told = f"{done.cases:,} of {plural(done.of, 'case')}"
            bar.update(task, completed=done.cases, total=done.of, description=told, refresh=True)

        yield report


def _announce(cases: int, plan: Plan, where: str) -> None:
    """Say which mapping is applied before it is: cases loaded with an edited copy would lose its edits."""
    told = f"remapping {plural(cases, 'case')} of '{plan.mapping}' with {where}"
    err.print(f"{told} (digest {plan.digest[:SHORT_DIGEST]})", markup=False)


def _print_counts(counts: Counts, engine: Engine, mapping: str) -> None:
    if not counts.cases and not counts.failures:
        with engine.connect() as connection:
            out.print(stage.why_nothing(connection, mapping), markup=False)
    print_failures(counts.failures, "stays as it was")
    print_counts(counts)


def _print_impact(impact: Impact) -> None:
    if impact.cases or impact.failures:
        out.print(_sentence(impact))
    for sentence in impact.notices:
        out.print(sentence, markup=False)
    print_failures(impact.failures, "would stay as it is")
    if impact.rules:
        out.print(_rules_table(impact))
    if impact.concepts:
        out.print(_tables_table(impact))
        out.print(_concepts_table(impact))
    if impact.problems:
        out.print(_problems_table(impact))


def _sentence(impact: Impact) -> str:
    whose = "its" if impact.cases == 1 else "their"
    anew = f"{plural(impact.cases, 'case')} would be made anew"
    if impact.failures:
        anew += f", {len(impact.failures):,} would stay as {_they_are(len(impact.failures))}"
    if not impact.cases:
        return f"{anew}."
    if not impact.changed:
        return f"{anew}; none of {whose} rows and problems would change."
    return f"{anew}; the rows or problems of {impact.changed:,} would change."


def _they_are(cases: int) -> str:
    return "it is" if cases == 1 else "they are"


def _rules_table(impact: Impact) -> Table:
    rows = [((one.name, one.place, one.change, ", ".join(one.what)), one.rows) for one in impact.rules]
    return _wide_or_narrow("Rules", ("rule", "at", "change", "what"), rows)


def _tables_table(impact: Impact) -> Table:
    table = Table(title="Rows by table", title_justify="left", show_footer=True)
    table.add_column("OMOP table", footer="total", no_wrap=True)
    _add_changes(table, impact.total)
    for name, rows in impact.tables.items():
        table.add_row(cell(name), *_numbers(rows))
    return table


def _concepts_table(impact: Impact) -> Table:
    rows = [
        ((one.table, f"{one.concept_id} {one.concept_name}".rstrip()), one.rows) for one in impact.concepts
    ]
    return _wide_or_narrow("Rows by concept", ("OMOP table", "concept"), rows)


def _wide_or_narrow(title: str, columns: Sequence[str], rows: _Rows) -> Table:
    """A column for everything where the output is wide enough; else what each row says in lines."""
    wide, narrow = (Table(title=title, title_justify="left") for _ in range(2))
    for column in columns:
        wide.add_column(column)
    _add_changes(wide)
    narrow.add_column(", ".join(columns), overflow="fold")
    narrow.add_column("rows", no_wrap=True, justify="right")
    for words, changes in rows:
        wide.add_row(*map(cell, words), *_numbers(changes))
        narrow.add_row(cell("\n".join(filter(None, words))), _in_words(changes))
    return wide if fits(wide) else narrow


def _problems_table(impact: Impact) -> Table:
    table = Table(title="Problems", title_justify="left")
    table.add_column("rule", overflow="fold")
    table.add_column("kind", no_wrap=True)
    for name in ("appear", "vanish"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in impact.problems:
        table.add_row(cell(each.rule), cell(each.kind), f"{each.appear:,}", f"{each.vanish:,}")
    return table


def _add_changes(table: Table, footer: Changes | None = None) -> None:
    for name in CHANGES:
        foot = f"{getattr(footer, name):,}" if footer else ""
        table.add_column(name, footer=foot, justify="right", no_wrap=True)


def _numbers(rows: Changes) -> Iterator[str]:
    return (f"{number:,}" if number else "" for number in rows)


def _in_words(rows: Changes) -> str:
    return "\n".join(f"{number:,} {name}" for name, number in zip(CHANGES, rows, strict=True) if number)


def _print_csv(impact: Impact) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((one.table, one.concept_id, one.concept_name, *one.rows) for one in impact.concepts)


def _print_json(impact: Impact) -> None:
    rules = [
        {"rule": one.name, "at": one.place, "change": one.change, "what": one.what, **one.rows._asdict()}
        for one in impact.rules
    ]
    problems = [
        {"rule": one.rule, "kind": one.kind, "appear": one.appear, "vanish": one.vanish}
        for one in impact.problems
    ]
    concepts = [
        dict(zip(COLUMNS, (one.table, one.concept_id, one.concept_name, *one.rows), strict=True))
        for one in impact.concepts
    ]
    whole = {
        "mapping": impact.mapping,
        "cases": impact.cases,
        "changed": impact.changed,
        "failed": len(impact.failures),
        "rules": rules,
        "tables": {name: rows._asdict() for name, rows in impact.tables.items()},
        "concepts": concepts,
        "problems": problems,
        "failures": [{"case_id": one.case_id, "reason": one.reason} for one in impact.failures],
        "notices": impact.notices,
    }
    print(json.dumps(whole, indent=2, ensure_ascii=False))


_WRITERS: dict[Format, Callable[[Impact], None]] = {
    Format.TABLE: _print_impact,
    Format.CSV: _print_csv,
    Format.JSON: _print_json,
}
