"""``oncolake vocab search``: concepts by name, synonym, code or id."""

import csv
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from api.shared import Format, FormatOption, cell, database, err, out
from etl.setup import require_current
from vocabularies.browse.search import CANDIDATES, Filters, Found, Hit, resolve
from vocabularies.browse.search import search as find
from vocabularies.concepts import HEADER


def search(
    text: Annotated[
        list[str], typer.Argument(metavar="TEXT", help="Words of a name or synonym, a code, or a concept id.")
    ],
    domain: Annotated[
        str | None, typer.Option("--domain", metavar="ID", help="Only this domain, such as Condition.")
    ] = None,
    vocabulary: Annotated[
        str | None, typer.Option("--vocabulary", metavar="ID", help="Only this vocabulary, such as SNOMED.")
    ] = None,
    standard: Annotated[bool, typer.Option("--standard", help="Only standard concepts.")] = False,
    valid: Annotated[
        bool, typer.Option("--valid", help="No deprecated concepts; else they come last.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="The most concepts to show.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """Find concepts by name, synonym, code or id, best first.

    The last word may be the beginning of a longer one. First come the id and codes that are exactly this,
    then names and synonyms that are, names that begin with it, and those that have its words; among these
    standard concepts, other valid ones, deprecated ones; in each the shortest name.

    \b
    Example:
      oncolake vocab search prostate carcinoma --domain Condition --standard
      oncolake vocab search C61
    """
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            filters = Filters(
                domain_id=_resolved(connection, "domain", domain),
                vocabulary_id=_resolved(connection, "vocabulary", vocabulary),
                standard=standard,
                valid=valid,
            )
            found = find(connection, " ".join(text), filters, limit)
    _PRINT[form](found)
    _print_remarks(found)


def _resolved(connection: Connection, table: str, given: str | None) -> str | None:
    return None if given is None else resolve(connection, table, given)


def _print_remarks(found: Found) -> None:
    if found.bounded:
        err.print(
            f"More than {CANDIDATES:,} concepts match equally, and only so many were ranked: another word or "
            "a filter finds more exactly."
        )
    if not found.hits:
        err.print("Nothing found: try fewer words or filters.")


_DESCRIPTION = ("domain", "vocabulary", "class", "code", "standard", "found by")
#: Columns of a terminal from which on the table is readable.
_ROOM = 120


def _print_table(found: Found) -> None:
    if not found.hits:
        return
    rows = [(hit.concept.concept_id, hit.concept.concept_name, *_described(hit)) for hit in found.hits]
    out.print(_wide(rows) if out.width >= _ROOM else _narrow(rows))


def _described(hit: Hit) -> tuple[str, ...]:
    one = hit.concept
    columns = (one.domain_id, one.vocabulary_id, one.concept_class_id, one.concept_code)
    return (*columns, _standing(hit), _reason(hit))


def _wide(rows: Iterable[tuple[object, ...]]) -> Table:
    table = Table()
    table.add_column("concept_id", justify="right", no_wrap=True)
    table.add_column("concept_name", overflow="fold")
    for name in _DESCRIPTION:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def _narrow(rows: Iterable[tuple[object, ...]]) -> Table:
    """What describes a concept below its name, where there is no room for a column each."""
    table = Table(show_lines=True)
    table.add_column("concept_id", justify="right", no_wrap=True)
    table.add_column("concept_name", overflow="fold")
    for concept_id, name, *described, reason in rows:
        below = f"{', '.join(map(str, described))}; found by {reason}"
        table.add_row(cell(concept_id), cell(f"{name}\n{below}"))
    return table


def _standing(hit: Hit) -> str:
    if not hit.concept.valid:
        return "deprecated" if hit.concept.invalid_reason == "D" else "replaced"
    return {"S": "standard", "C": "classification"}.get(hit.concept.standard_concept or "", "non-standard")


def _reason(hit: Hit) -> str:
    return hit.match.value if hit.synonym is None else f"{hit.match.value}: {hit.synonym}"


def _print_csv(found: Found) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*HEADER, "match", "synonym"))
    for hit in found.hits:
        writer.writerow((*asdict(hit.concept).values(), hit.match.value, hit.synonym))


def _print_json(found: Found) -> None:
    hits = [{**asdict(hit.concept), "match": hit.match.value, "synonym": hit.synonym} for hit in found.hits]
    print(json.dumps({"bounded": found.bounded, "concepts": hits}, indent=2, default=str))


_PRINT = {Format.TABLE: _print_table, Format.CSV: _print_csv, Format.JSON: _print_json}
