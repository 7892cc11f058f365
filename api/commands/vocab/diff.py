"""``oncolake vocab diff``: what loading a bundle would change."""

import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from api.commands.vocab.progress import watching
from api.shared import Format, FormatOption, MappingsOption, cell, database, err, mapping_folder, out, plural
from etl.mapping.bind import bind
from etl.mapping.folder import read_folder
from etl.mapping.objections import every_use
from etl.setup import require_current
from vocabularies.athena.bundle import Bundle, open_bundle
from vocabularies.browse.diff import COLUMNS, KINDS, LOST, Change, Compared, compare

SOMETHING_LOST = 1
#: Places that are named for one concept in a table.
_PLACES = 3
_TITLES = {"filled": "placeholders filled"}


def diff(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder or zip that Athena handed out.")],
    mappings: MappingsOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="List every change, not only those of concepts in use.")
    ] = False,
    form: FormatOption = Format.TABLE,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 when a concept in use is removed or deprecated.")
    ] = False,
) -> None:
    """Tell what loading a bundle would change: concepts added, removed, changed, deprecated.

    First come the concepts that the mapping or the data use, one by one. Others are counted by vocabulary;
    --all lists them, and so do --format csv and json. Nothing is changed.

    \b
    Example:
      oncolake vocab diff vocabulary_download_v5.zip
    """
    mapped = _mapped(mappings)
    with database() as engine, open_bundle(path) as bundle:
        require_current(engine)
        with engine.connect() as connection:
            compared = _compare(connection, bundle, mapped)
            lost = any(one.kind in LOST for one in compared.used())
            if form is Format.CSV:
                _print_csv(compared.every())
            elif form is Format.JSON:
                _print_json(compared.every())
            else:
                _print_tables(compared, path)
                if every:
                    _print_lines(compared.every())
            _print_remarks(compared)
            connection.rollback()
    if lost and exit_code:
        raise typer.Exit(SOMETHING_LOST)


def _compare(connection: Connection, bundle: Bundle, mapped: set[int]) -> Compared:
    with watching() as watcher:

        def seen(file: str, done: int, rows: int) -> None:
            watcher.reading(file, done, bundle.members[file].size, rows)

        return compare(connection, bundle, mapped, seen)


def _mapped(mappings: Path | None) -> set[int]:
    folder = read_folder(mapping_folder(mappings))
    return {use.concept for use in every_use(folder, bind(folder).concepts)}


def _print_tables(compared: Compared, path: Path) -> None:
    versions = f"{compared.old_version or 'no Athena version'} -> {compared.new_version or 'no version'}"
    out.print(f"{path}: {versions}", markup=False)
    used = list(compared.used())
    listed = [one for one in used if one.kind != "filled" or _surprising(one)]
    if listed:
        out.print(_used_table(listed))
    else:
        out.print(
            "No concept that the mapping or the data use changes otherwise than a placeholder is filled."
        )
    if silent := len(used) - len(listed):
        out.print(f"{plural(silent, 'placeholder')} in use would be filled, named and placed as here.")
    out.print(_counts_table(compared))


def _surprising(filled: Change) -> bool:
    """Whether Athena's concept is another than the placeholder says, or is not to be used."""
    new = filled.new or {}
    other = {"concept_name", "domain_id"} & set(filled.columns)
    return bool(other) or new["invalid_reason"] is not None or new["standard_concept"] != "S"


def _used_table(used: Iterable[Change]) -> Table:
    table = Table(title="Concepts in use", title_justify="left", show_lines=True)
    table.add_column("change", no_wrap=True)
    for name in ("concept", "vocabulary", "what changes", "used by"):
        table.add_column(name, overflow="fold")
    for one in used:
        places = [*one.used_by[:_PLACES], *(["..."] if len(one.used_by) > _PLACES else [])]
        named = f"{one.concept_id} {one.name}"
        table.add_row(one.kind, *map(cell, (named, one.vocabulary_id, _told(one, "\n"), "\n".join(places))))
    return table


def _counts_table(compared: Compared) -> Table:
    counts = compared.counts()
    table = Table(title="Changes by vocabulary", title_justify="left", show_footer=True)
    table.add_column("vocabulary", footer="total", no_wrap=True)
    for kind in KINDS:
        total = sum(count for (_, each), count in counts.items() if each == kind)
        table.add_column(_TITLES.get(kind, kind), footer=f"{total:,}", justify="right")
    for name in sorted({name for name, _ in counts}):
        table.add_row(cell(name), *(f"{counts.get((name, kind), 0):,}" for kind in KINDS))
    return table


def _told(one: Change, between: str) -> str:
    """The columns that differ; of a placeholder those that it says something about."""
    shown = ("concept_name", "domain_id") if one.kind == "filled" else COLUMNS
    old, new = one.old or {}, one.new or {}
    parts = [
        f"{name}: {old[name] or 'none'} -> {new[name] or 'none'}" for name in one.columns if name in shown
    ]
    if one.kind == "filled":
        parts += [f"{name}: {new[name] or 'none'}" for name in ("standard_concept", "invalid_reason")]
    return between.join(parts)


def _print_lines(changes: Iterable[Change]) -> None:
    for one in changes:
        used = " (in use)" if one.used_by else ""
        line = f"{one.kind}{used}: {one.vocabulary_id} {one.concept_id} {one.name}"
        told = _told(one, ", ")
        out.print(cell(f"{line}: {told}" if told else line))


def _print_remarks(compared: Compared) -> None:
    if absent := compared.absent():
        err.print(
            f"The bundle has nothing of {', '.join(absent)}; choose what is needed of it when you download.",
            markup=False,
        )
    if compared.unnamed:
        err.print(
            f"{plural(compared.unnamed, 'CPT4 concept')} of the bundle without a name would be left out: "
            "run Athena's cpt4 program first."
        )


def _print_csv(changes: Iterable[Change]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    pairs = [f"{age}_{name}" for name in COLUMNS for age in ("old", "new")]
    writer.writerow(["change", "concept_id", "used_by", "columns", *pairs])
    for one in changes:
        old, new = one.old or {}, one.new or {}
        values = [each.get(name) for name in COLUMNS for each in (old, new)]
        writer.writerow([one.kind, one.concept_id, " ".join(one.used_by), " ".join(one.columns), *values])


def _print_json(changes: Iterable[Change]) -> None:
    """An array, written as it comes: it can be far larger than the memory."""
    before = "[\n"
    for one in changes:
        sys.stdout.write(before + json.dumps(_as_json(one), ensure_ascii=False))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def _as_json(one: Change) -> dict[str, object]:
    return {
        "change": one.kind,
        "concept_id": one.concept_id,
        "vocabulary_id": one.vocabulary_id,
        "used_by": one.used_by,
        "columns": one.columns,
        "old": one.old,
        "new": one.new,
    }
