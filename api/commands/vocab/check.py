"""The command vocab check: the concepts of a mapping against the loaded vocabulary."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

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
from etl.review.edit import Edited
from etl.review.entries import SEVERITIES, Entry, review
from etl.review.write import proposed, write
from etl.setup import require_current, vocabulary
from vocabularies.replacements import replacements

COLUMNS = (
    "severity", "concept_id", "concept_name", "findings", "says", "replacement_ids", "replacements", "remark",
    "places",
)  # fmt: skip

#: Placeholders that the table lists one by one; before the first Athena vocabulary nearly all concepts are.
MOST_WAITING = 20


def check(
    mappings: MappingsOption = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Print the edits that follow, as a unified diff.")
    ] = False,
    write_them: Annotated[bool, typer.Option("--write", help="Edit the mapping's files in place.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Hold every concept of a mapping against the loaded vocabulary, and name what replaces it.

    Exit code 0 when there is no error, 1 when there is; with --write, when there still is.

    \b
    Example:
      oncolake vocab check --mappings my-mapping --suggest
    """
    if form is not Format.TABLE and (suggest or write_them):
        raise BadInput("--format is for the list of concepts; --suggest prints a diff, --write what it wrote")
    folder = mapping_folder(mappings)
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            entries = _review(folder, connection)
            if suggest or write_them:
                files = _proposed(folder, entries, connection)
                if suggest:
                    # Line ends are part of a diff: it is written as it is.
                    sys.stdout.flush()
                    sys.stdout.buffer.write("".join(one.diff() for one in files).encode())
                    sys.stdout.flush()
                if write_them and files:
                    write(folder, files)
                    _print_written(entries, files, mappings)
                    entries = _review(folder, connection)
                _print_left(entries, written=write_them)
            else:
                _WRITERS[form](entries)
    if any(one.severity in SEVERITIES[: 1 + strict] for one in entries):
        raise typer.Exit(1)


def _review(folder: Traversable, connection: Connection) -> list[Entry]:
    return review(folder, vocabulary(folder, connection), partial(replacements, connection))


def _proposed(folder: Traversable, entries: Sequence[Entry], connection: Connection) -> list[Edited]:
    changes = {one.concept_id: one.change for one in entries if one.change}
    by_files_alone = partial(vocabulary, connection=None)
    return proposed(folder, changes, (partial(vocabulary, connection=connection), by_files_alone))


def _print_written(entries: Sequence[Entry], files: Sequence[Edited], mappings: Path | None) -> None:
    for one in entries:
        if one.change:
            places = plural(len(one.places), "place")
            told = f"{_named(one)} is now {one.change.concept_id} {one.change.concept_name}, in {places}"
            out.print(told, markup=False)
    for file in files:
        out.print(f"{file.name}: {plural(file.lines, 'line')} written", markup=False)
    command = f"oncolake remap --dry-run{f' --mappings {mappings}' if mappings else ''}"
    err.print(f"Next: `{command}` tells what that changes for the cases that are loaded.", markup=False)


def _print_left(entries: Sequence[Entry], *, written: bool) -> None:
    """What no edit mends, on stderr: stdout has the edits."""
    changed = 0 if written else sum(one.change is not None for one in entries)
    for one in entries:
        if one.severity != "note" and (one.remark or one.change is None):
            err.print(f"{one.severity}: {_named(one)} {_says(one)}", markup=False)
            for line in (*_candidates(one), one.remark):
                if line:
                    err.print(f"  {line}", markup=False)
    if changed:
        err.print(f"{plural(changed, 'concept')} to change: --write edits the files.")
    elif not written:
        err.print("No edits to propose.")
    err.print(_summary(entries), markup=False)


def _print_table(entries: Sequence[Entry]) -> None:
    waiting = [one for one in entries if one.waiting]
    listed = entries if len(waiting) <= MOST_WAITING else [one for one in entries if not one.waiting]
    if listed:
        out.print(_table(listed))
    if len(listed) < len(entries):
        told = "concepts are placeholders until their Athena vocabulary is loaded"
        out.print(f"{len(waiting):,} {told}; --format csv lists them.")
    out.print(_summary(entries))
    changed = sum(one.change is not None for one in entries)
    if changed:
        err.print(f"{plural(changed, 'concept')} to change: --suggest shows the edits, --write makes them.")


def _table(entries: Sequence[Entry]) -> Table:
    table = Table(show_lines=True)
    table.add_column("severity", no_wrap=True)
    for name in ("concept", "what the vocabulary says", "replacement", "places"):
        table.add_column(name, overflow="fold")
    for one in entries:
        table.add_row(
            one.severity,
            cell(_named(one)),
            cell("\n".join(map(str, one.said))),
            cell("\n".join((*_candidates(one), *filter(None, [one.remark])))),
            cell("\n".join(_places(one))),
        )
    return table


def _print_csv(entries: Sequence[Entry]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in entries:
        kinds = " ".join(dict.fromkeys(said.kind for said in one.said))
        ids = " ".join(str(each.concept.concept_id) for each in one.candidates)
        columns = (_says(one), ids, "; ".join(_candidates(one)), one.remark or "", " ".join(_places(one)))
        writer.writerow((one.severity, one.concept_id, one.name, kinds, *columns))


def _print_json(entries: Sequence[Entry]) -> None:
    print(json.dumps([_as_json(one) for one in entries], indent=2, ensure_ascii=False))


def _as_json(one: Entry) -> dict[str, object]:
    return {
        "severity": one.severity,
        "concept_id": one.concept_id,
        "concept_name": one.name,
        "findings": [
            {"kind": each.kind, "severity": each.severity, "says": each.says, "accepted": each.accepted}
            for each in one.said
        ],
        "replacements": [
            {
                "concept_id": each.concept.concept_id,
                "concept_name": each.concept.concept_name,
                "domain_id": each.concept.domain_id,
                "vocabulary_id": each.concept.vocabulary_id,
                "by": each.replacement.by,
                "warnings": each.warnings,
            }
            for each in one.candidates
        ],
        "change": one.change
        and {"concept_id": one.change.concept_id, "concept_name": one.change.concept_name},
        "remark": one.remark,
        "places": [{"file": each.file, "line": each.line} for each in one.places],
    }


def _named(one: Entry) -> str:
    return f"{one.concept_id} {one.name}".rstrip()


def _says(one: Entry) -> str:
    return "; ".join(map(str, one.said))


def _candidates(one: Entry) -> list[str]:
    return [
        f"{each.concept.concept_id} {each.concept.concept_name}"
        + "".join(f", which {warning}" for warning in each.warnings)
        for each in one.candidates
    ]


def _places(one: Entry) -> list[str]:
    return [f"{each.file}:{each.line}" for each in one.places]


def _summary(entries: Sequence[Entry]) -> str:
    counts = Counter(one.severity for one in entries)
    said = ", ".join(plural(counts[severity], severity) for severity in SEVERITIES)
    waiting = sum(one.waiting for one in entries)
    of_them = f", of which {plural(waiting, 'placeholder')}" if waiting else ""
    return (
        f"{plural(len(entries), 'concept')} to look at: {said}{of_them}."
        if entries
        else "Nothing to look at."
    )


_WRITERS: dict[Format, Callable[[Sequence[Entry]], None]] = {
    Format.TABLE: _print_table,
    Format.CSV: _print_csv,
    Format.JSON: _print_json,
}
