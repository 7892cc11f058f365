"""Curation documents of files: each record is an upload of its own, as if it had been posted."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from etl.complete import complete
from etl.curation import Curation, NoCuration, curate, validator
from etl.ingest import load_pending
from etl.land import Rejection
from etl.load import Counts
from etl.plan import Plan
from etl.read import Record, records
from etl.receive import Sender
from omop_schema.database import translated


class CuratedRecord(NamedTuple):
    """What became of one record of a file."""

    source: str
    line: int
    done: Curation | NoCuration | Rejection
    """A Rejection where the record is no JSON object, or the file cannot be read: it is not in the log."""


class CuratedFiles(NamedTuple):
    """What an ingest of curation documents did."""

    records: tuple[CuratedRecord, ...]
    left_over: Counts
    """Curations that had waited for their series, or were landed and not loaded."""

    @property
    def exit_code(self) -> int:
        """0 all stored; 1 a value or a case was not loaded; 2 a document was rejected."""
        done = [each.done for each in self.records]
        if not all(isinstance(each, Curation) for each in done):
            return 2
        curations = [each for each in done if isinstance(each, Curation)]
        failed = any((each.case_id is not None and not each.loaded) or each.problems for each in curations)
        return int(failed or not self.left_over.whole)


def curate_files(engine: Engine, plan: Plan, files: Iterable[Path], uploader: str) -> CuratedFiles:
    """Land every curation document of the files, and load those whose series is known.

    Raises DatabaseError, after which a re-run completes it.
    """
    with translated(), engine.connect() as connection:
        done = tuple(one for file in files for one in _curate_file(connection, plan, file, Sender(uploader)))
        left_over = load_pending(connection, plan, validator()) + complete(connection, lambda: plan)
        return CuratedFiles(done, left_over)


def _curate_file(connection: Connection, plan: Plan, file: Path, sender: Sender) -> Iterator[CuratedRecord]:
    try:
        for each in records(file, known=validator().names):
            if isinstance(each, Record):
                done = curate(connection, lambda: plan, BytesIO(each.raw), str(file), sender)
                yield CuratedRecord(str(file), each.line, done)
            else:
                yield CuratedRecord(
                    str(file), each.line, Rejection(each.position, each.line, each.path, each.reason)
                )
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror or type(error).__name__}"
        yield CuratedRecord(str(file), 0, Rejection(0, 0, "$", reason))
