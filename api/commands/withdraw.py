"""Command: withdraw."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from api.shared import (
    BadInput,
    MappingsOption,
    account,
    database,
    err,
    mapping_folder,
    out,
    plural,
    print_failures,
)
from etl.complete import complete
from etl.setup import CURATION_MAPPING, SHIPPED, prepare, require_current
from etl.withdraw import (
    NotThere,
    NotWithdrawn,
    Remover,
    Withdrawn,
    mapping_of,
    withdraw_patient,
    withdraw_upload,
)

app = typer.Typer()


@app.command()
def withdraw(
    patient: Annotated[
        str | None, typer.Option(metavar="ID", help="The patient's identifier; - reads it from stdin.")
    ] = None,
    upload: Annotated[int | None, typer.Option(metavar="NUMBER", help="The upload's number.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    mappings: MappingsOption = None,
) -> None:
    """Remove a patient, or what an upload brought, from lake and OMOP for good; a tombstone stays.

    Cases of an upload fall back to the document that they had without it.

    Exit code 0: it is gone; 1: and a case could not be loaded from the document that it fell back to;
    2: nothing was withdrawn.

    \b
    Example:
      oncolake withdraw --upload 17
      oncolake withdraw --patient - --yes < identifier.txt
    """
    if (patient is None) == (upload is None):
        raise BadInput("say --patient ID or --upload NUMBER")
    if patient == "-":
        if not yes:
            raise BadInput("--patient - reads the identifier from stdin, so nobody can be asked: add --yes")
        patient = sys.stdin.readline().rstrip("\r\n")
    # The identifier is not repeated: a terminal's output may be kept.
    what = "this patient" if upload is None else f"upload {upload}"
    if not yes and not _confirmed(what):
        raise BadInput("nothing was withdrawn")
    with database() as engine:
        require_current(engine)
        try:
            done = _withdraw(engine, patient, upload, mappings)
        except NotThere:
            raise BadInput(f"there is no such {'patient' if upload is None else 'upload'}") from None
        except NotWithdrawn as error:
            raise BadInput(str(error)) from None
    _print(done)
    raise typer.Exit(int(bool(done.failures)))


def _withdraw(engine: Engine, patient: str | None, upload: int | None, mappings: Path | None) -> Withdrawn:
    remover = Remover(account())
    if upload is None:
        with engine.connect() as connection:
            return withdraw_patient(connection, patient or "", remover)
    with engine.connect() as connection:
        mapping = mapping_of(connection, upload)
        folder = SHIPPED.get(mapping or "") if mappings is None else None
        plan = prepare(engine, folder or mapping_folder(mappings))
        done = withdraw_upload(connection, upload, plan, remover)
        complete(connection, partial(prepare, engine, CURATION_MAPPING))
        return done


def _confirmed(what: str) -> bool:
    if not sys.stdin.isatty():
        raise BadInput(f"this removes {what} for good, and nobody can be asked here: add --yes")
    return typer.confirm(f"Remove {what} from the lake and OMOP for good?", err=True)


def _print(done: Withdrawn) -> None:
    who = f"Person {done.person_id}" if done.upload_id is None else f"Upload {done.upload_id}"
    out.print(
        f"{who} withdrawn: {plural(done.documents, 'document')}, {plural(done.rows, 'OMOP row')}, "
        f"{plural(done.cases, 'case')} gone."
    )
    if done.fallen_back:
        out.print(f"{plural(done.fallen_back, 'case')} fell back to another document.")
    print_failures(done.failures, "is not loaded from it")
    err.print("Backups and the server's write-ahead log keep what they hold until they are replaced.")
