"""``oncolake vocab show``: one concept with all that the vocabulary says about it."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from api.shared import cell, database, out, plural
from etl.setup import require_current
from vocabularies.browse.concept import Group, Related, Shown, SourceCode
from vocabularies.browse.concept import show as read
from vocabularies.concepts import HEADER, Concept

#: Concepts of a relationship, ancestors or source codes that are listed without --all.
MOST = 10


class Format(StrEnum):
    """How the concept is written."""

    TABLE = "table"
    JSON = "json"


def show(
    concept_id: Annotated[int, typer.Argument(metavar="ID", help="A concept_id.")],
    every: Annotated[bool, typer.Option("--all", help=f"List all, not the first {MOST} of a kind.")] = False,
    form: Annotated[Format, typer.Option("--format", help="json: everything there is.")] = Format.TABLE,
) -> None:
    """Show a concept: its synonyms, relationships, ancestors, and the source codes that map to it.

    "Maps to" and "Concept replaced by" come first.

    \b
    Example:
      oncolake vocab show 200962
    """
    most = None if every or form is Format.JSON else MOST
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            shown = read(connection, concept_id, most)
    if form is Format.JSON:
        print(json.dumps(_plain(shown), indent=2, default=str))
    else:
        _print(shown)


def _plain(shown: Shown) -> dict[str, object]:
    one = shown.concept
    about = {"placeholder": one.placeholder, "custom": one.custom}
    return {
        **asdict(one),
        **about,
        **{name: value for name, value in asdict(shown).items() if name != "concept"},
    }


def _print(shown: Shown) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name in HEADER:
        value = getattr(shown.concept, name)
        grid.add_row(name, cell("" if value is None else value))
    if kind := _kind(shown.concept):
        grid.add_row("", kind)
    _add(grid, "synonyms", (f"{one.name}  ({one.language})" for one in shown.synonyms))
    for group in shown.relationships:
        _add(grid, group.name, _lines(group))
    _add(grid, "ancestors", _lines(shown.ancestors))
    grid.add_row("descendants", f"{shown.descendants:,}")
    more = _more(shown.source_code_count - len(shown.source_codes))
    _add(grid, "source codes", (*map(_source, shown.source_codes), *more))
    out.print(grid)


def _kind(concept: Concept) -> str:
    if concept.placeholder:
        return "a placeholder: `oncolake vocab load` brings the concept that it stands for"
    return "a custom concept, not of Athena" if concept.custom else ""


def _add(grid: Table, title: str, lines: Iterable[str]) -> None:
    for index, line in enumerate(lines):
        grid.add_row(cell("" if index else title), cell(line))


def _lines(group: Group) -> Iterable[str]:
    yield from map(_line, group.related)
    yield from _more(group.count - len(group.related))


def _more(count: int) -> Iterable[str]:
    if count:
        yield f"... and {count:,} more; --all lists them"


def _line(one: Related) -> str:
    marks = [one.vocabulary_id]
    marks += ["standard"] if one.standard_concept == "S" else []
    marks += ["no longer valid"] if one.invalid_reason else []
    marks += [plural(one.levels, "level") + " up"] if one.levels is not None else []
    return f"{one.concept_id} {one.concept_name}  ({', '.join(marks)})"


def _source(one: SourceCode) -> str:
    ended = "  (no longer valid)" if one.invalid_reason else ""
    return (
        f"{one.source_vocabulary_id} '{one.source_code}' {one.source_code_description or ''}{ended}".strip()
    )
