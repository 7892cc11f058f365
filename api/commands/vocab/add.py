"""``oncolake vocab add``: a curator's own file into the vocabulary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from api.shared import database, err, out, plural
from etl.setup import require_current
from vocabularies.custom.add import Added, Description, add_file

SOMETHING_WRONG = 1
#: Lines and warnings that are named one by one.
_SHOWN = 20


def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to add; its header says what it is.")],
    vocabulary: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The vocabulary of the source codes, where the file names none."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The vocabulary's name.")] = None,
    reference: Annotated[str | None, typer.Option(help="Where the vocabulary is described.")] = None,
    version: Annotated[str | None, typer.Option(help="The vocabulary's version.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take every warning for an error.")] = False,
) -> None:
    """Add custom concepts, links between concepts, or source codes such as Usagi exports.

    Custom concepts: CSV in the columns of OMOP's CONCEPT, ids from 2000000000. Their links: the columns of
    CONCEPT_RELATIONSHIP, CONCEPT_SYNONYM or CONCEPT_ANCESTOR. Source codes: the columns of
    SOURCE_TO_CONCEPT_MAP, or a file that Usagi saved, of which the approved rows are taken; they replace what
    their vocabulary had before. All of a file is added, or nothing.

    \b
    Example:
      oncolake vocab add usagi-save.csv --vocabulary HOSPITAL_LABS
    """
    with database() as engine:
        require_current(engine)
        with engine.begin() as connection:
            added = add_file(
                connection,
                file,
                vocabulary=vocabulary,
                description=Description(name, reference, version),
                strict=strict,
            )
    _print(added)
    if added.warnings or added.unsayable:
        raise typer.Exit(SOMETHING_WRONG)


def _print(added: Added) -> None:
    for warning in added.warnings[:_SHOWN]:
        err.print(f"warning: {warning}", markup=False)
    if len(added.warnings) > _SHOWN:
        err.print(f"... and {plural(len(added.warnings) - _SHOWN, 'more warning')}")
    parts = [f"{added.added:,} new", f"{added.changed:,} changed", f"{added.kept:,} as they were"]
    if added.removed:
        parts.append(f"{added.removed:,} removed, of those before")
    if added.reverse:
        parts.append(f"{plural(added.reverse, 'reverse relationship')} written besides")
    out.print(f"{added.what.capitalize()}: {added.read:,} read, {', '.join(parts)}.")
    _print_left_out("not approved", added.waiting)
    _print_left_out("nothing that SOURCE_TO_CONCEPT_MAP can say", added.unsayable)


def _print_left_out(why: str, lines: Mapping[str, tuple[int, ...]]) -> None:
    for reason, numbers in sorted(lines.items()):
        shown = ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")
        noun = "line" if len(numbers) == 1 else "lines"
        out.print(
            f"Left out, as {why} ({reason}): {plural(len(numbers), 'row')}, {noun} {shown}.", markup=False
        )
