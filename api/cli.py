"""The command line: ``oncolake``. Each command is a few lines around a function of ``etl``."""

import sys

import typer

from api.commands import cases, mapping, rows, setting_up
from api.shared import BadInput, err
from etl.explain import NotExplained
from etl.mapping.findings import MappingError
from etl.register import RegisterFull
from etl.setup import NotInitialised
from migrations import NewerDatabase
from omop_schema.database import DatabaseError
from vocabularies.concepts import ConceptFileError
from vocabularies.starter import StarterError

BAD_INPUT, NO_DATABASE, INTERRUPTED = 2, 3, 130

app = typer.Typer(
    name="oncolake",
    help="Clinical case forms (eCRF JSON) in, traceable OMOP CDM v6.0 rows out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (setting_up, cases, rows):
    app.registered_commands.extend(module.app.registered_commands)
app.add_typer(mapping.app, name="map")


def main() -> None:
    """Run the command line; every known error is one sentence on stderr and an exit code."""
    try:
        app()
    except (
        BadInput,
        ConceptFileError,
        MappingError,
        NewerDatabase,
        NotExplained,
        NotInitialised,
        RegisterFull,
        StarterError,
    ) as error:
        _fail(error, BAD_INPUT)
    except DatabaseError as error:
        _fail(error, NO_DATABASE)
    except KeyboardInterrupt:
        _fail("stopped; run the same command again to finish", INTERRUPTED)


def _fail(error: object, code: int) -> None:
    if isinstance(error, MappingError):
        for finding in error.findings:
            err.print(str(finding), markup=False)
    err.print(f"oncolake: {error}", markup=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
