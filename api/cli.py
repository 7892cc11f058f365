"""The command line: ``oncolake``. Each command is a few lines around a function of ``etl``."""

import inspect
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from api.commands import (
    cases,
    cohort,
    dicom,
    mapping,
    quality,
    refresh,
    remap,
    rows,
    schema,
    serve,
    setting_up,
    vocab,
    withdraw,
)
from api.shared import BadInput, err, out
from etl.cohorts.errors import CohortError
from etl.explain import NotExplained
from etl.mapping.findings import MappingError
from etl.quality.folder import FolderError
from etl.quality.thresholds import ThresholdError
from etl.register import RegisterFull
from etl.research import ResearchError
from etl.review.write import NotWritten
from etl.sections.shape import SectionsError
from etl.setup import NotInitialised
from migrations import NewerDatabase
from omop_schema.database import DatabaseError
from vocabularies.athena.bundle import BundleError
from vocabularies.athena.load import Unaccounted
from vocabularies.athena.session import LoadRunning
from vocabularies.athena.swap import SwapError
from vocabularies.browse.concept import UnknownConcept
from vocabularies.browse.diff import DiffError
from vocabularies.browse.search import SearchError
from vocabularies.concepts import ConceptFileError
from vocabularies.custom.add import AddError
from vocabularies.custom.export import ExportError
from vocabularies.starter import StarterError

BAD_INPUT, NO_DATABASE, INTERRUPTED, PIPE_CLOSED = 2, 3, 130, 141

app = typer.Typer(
    name="oncolake",
    help="Clinical case forms (eCRF JSON) in, traceable OMOP CDM v6.0 rows out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (setting_up, cases, withdraw, remap, refresh, rows, quality, serve):
    app.registered_commands.extend(module.app.registered_commands)
app.add_typer(mapping.app, name="map")
app.add_typer(dicom.app, name="dicom")
app.add_typer(cohort.app, name="cohort")
app.add_typer(schema.app, name="schema")
app.add_typer(vocab.app, name="vocab")


def _flowing(text: str) -> str:
    """A help text whose paragraphs, but for examples, are one line each: the terminal breaks them."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(each if each.startswith("\b") else each.replace("\n", " ") for each in paragraphs)


def _flow(group: typer.Typer) -> None:
    """Let the help of every command flow, those of the groups inside included."""
    for command in group.registered_commands:
        command.help = _flowing(command.callback.__doc__ or "") if command.callback else None
    for inner in group.registered_groups:
        if inner.typer_instance:
            _flow(inner.typer_instance)


_flow(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"oncolake {version('oncolake')}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Clinical case forms (eCRF JSON) in, traceable OMOP CDM v6.0 rows out."""


def main() -> None:
    """Run the command line; every known error is one sentence on stderr and an exit code."""
    try:
        _run()
    except (
        AddError,
        BadInput,
        BundleError,
        CohortError,
        ConceptFileError,
        DiffError,
        ExportError,
        FolderError,
        LoadRunning,
        MappingError,
        NewerDatabase,
        NotExplained,
        NotInitialised,
        NotWritten,
        RegisterFull,
        ResearchError,
        SearchError,
        SectionsError,
        StarterError,
        SwapError,
        ThresholdError,
        UnknownConcept,
        Unaccounted,
    ) as error:
        _fail(error, BAD_INPUT)
    except DatabaseError as error:
        _fail(error, NO_DATABASE)
    except BrokenPipeError:
        # Whoever reads our output has seen enough.
        _give_up_on_stdout()
        sys.exit(PIPE_CLOSED)
    except OSError as error:
        _give_up_on_stdout()
        where = f" '{error.filename}'" if error.filename else ""
        _fail(f"cannot read or write{where}: {error.strerror}", BAD_INPUT)


def _run() -> None:
    try:
        app()
    except SystemExit as ended:
        sys.stdout.flush()
        if isinstance(ended.__context__, BrokenPipeError):
            # Typer and rich make 1 of it, which means that something was found wrong.
            raise ended.__context__ from None
        if ended.code == INTERRUPTED:
            err.print("oncolake: stopped; nothing is half done, run the same command again to finish")
        raise


def _give_up_on_stdout() -> None:
    """Keep the interpreter from trying to write the rest once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: object, code: int) -> None:
    if isinstance(error, MappingError):
        for finding in error.findings:
            err.print(str(finding), markup=False)
    err.print(f"oncolake: {error}", markup=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
