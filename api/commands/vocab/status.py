"""``oncolake vocab status``: which vocabularies are loaded, and what is left to do."""

import csv
import json
import sys
from dataclasses import asdict, fields
from typing import Annotated

import typer
from rich.table import Table

from api.shared import Format, FormatOption, cell, database, err, out, plural
from etl.setup import require_current
from vocabularies.athena.twins import SCHEMA
from vocabularies.browse.status import Vocabulary, VocabularyStatus, vocabulary_status


def status(
    exact: Annotated[
        bool, typer.Option("--exact", help="Count long tables too, instead of estimating them.")
    ] = False,
    placeholders: Annotated[
        bool, typer.Option("--placeholders", help="List the placeholders that are left.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the vocabularies: versions, concepts, placeholders left, rows of each table.

    With --format csv: one row a vocabulary, or with --placeholders one a placeholder.

    \b
    Example:
      oncolake vocab status
    """
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            found = vocabulary_status(connection, exact=exact)
    if form is Format.CSV:
        _print_csv(found, placeholders)
    elif form is Format.JSON:
        print(json.dumps(asdict(found), indent=2))
    else:
        _print_tables(found, placeholders)
    if found.unfinished:
        err.print(
            f"Schema {SCHEMA} holds part of a vocabulary: a load is under way, or was stopped half-way; the "
            "next `oncolake vocab load` clears it away."
        )


def _print_csv(found: VocabularyStatus, placeholders: bool) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if placeholders:
        writer.writerow(("concept_id", "concept_name"))
        writer.writerows(found.placeholders)
        return
    writer.writerow(field.name for field in fields(Vocabulary))
    writer.writerows(asdict(one).values() for one in found.vocabularies)


def _print_tables(found: VocabularyStatus, placeholders: bool) -> None:
    out.print(f"Vocabulary: {found.version or 'none of Athena is loaded'}", markup=False)
    out.print(_vocabularies(found))
    out.print(_rows(found))
    if found.custom:
        out.print(f"{plural(found.custom, 'custom concept')} (ids from 2,000,000,000).")
    if left := len(found.placeholders):
        verb = "is a placeholder" if left == 1 else "are placeholders"
        out.print(f"{plural(left, 'concept')} {verb}: `oncolake vocab load` brings the concepts themselves.")
    if placeholders:
        out.print(_placeholders(found) if found.placeholders else "No placeholder is left.")


def _vocabularies(found: VocabularyStatus) -> Table:
    table = Table(show_footer=True)
    table.add_column("vocabulary", footer="total", overflow="fold")
    table.add_column("version", overflow="fold")
    for title, name in (("concepts", "concepts"), ("standard", "standard"), ("deprecated", "invalid")):
        total = sum(getattr(one, name) for one in found.vocabularies)
        table.add_column(title, footer=f"{total:,}", justify="right", no_wrap=True)
    for one in found.vocabularies:
        counts = (f"{count:,}" for count in (one.concepts, one.standard, one.invalid))
        table.add_row(cell(one.vocabulary_id), cell(one.version or ""), *counts)
    return table


def _rows(found: VocabularyStatus) -> Table:
    table = Table()
    table.add_column("OMOP table", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    for name, rows in found.tables.items():
        table.add_row(name, f"{rows.count:,}" if rows.exact else f"about {rows.count:,}")
    return table


def _placeholders(found: VocabularyStatus) -> Table:
    table = Table(title="Placeholders", title_justify="left")
    table.add_column("concept_id", justify="right", no_wrap=True)
    table.add_column("concept_name", overflow="fold")
    for concept_id, name in found.placeholders:
        table.add_row(str(concept_id), cell(name))
    return table
