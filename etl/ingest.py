"""Ingest: run the stages over files, batch by batch, so that no case is ever lost.

Each batch is landed and committed, then loaded and committed. Killed at any moment, an ingest leaves each
case in OMOP whole or not at all; run again it stores nothing twice and ends where an undisturbed run ends.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sqlalchemy import Connection, Engine

from etl.complete import complete
from etl.gather import gather
from etl.land import Rejection, foreign, land
from etl.load import Counts, load, load_later
from etl.newer import newer_versions
from etl.pick import BATCH, batches
from etl.plan import Plan
from etl.read import Record, Unreadable, limit, read
from etl.receive import Fingerprint, Sender, Upload, claimed, fingerprint, finish, receive
from etl.validate import Validator
from omop_schema.database import translated

#: Rejections that a result keeps; the database has them all.
MOST_SHOWN = 1000


class Progress(NamedTuple):
    """How far the ingest of one file has come."""

    source: str
    cases: int
    rows: int
    bytes: int
    """Read of the file so far."""


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file or request."""

    source: str
    outcome: str
    """``loaded``, ``partial``, ``rejected``, ``already loaded``, or ``unreadable`` if it cannot be opened."""
    upload_id: int | None = None
    cases: int = 0
    stored: int = 0
    unchanged: int = 0
    rejected: int = 0
    rejections: tuple[Rejection, ...] = ()
    """Why records were rejected: the first 1,000 reasons."""
    loaded: Counts = field(default_factory=Counts)
    newer: int = 0
    """Of a file that is already loaded: its cases that have another document by now, which stays."""
    repeated: bool = False
    """Whether these bytes came before and were worked on to the end."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What an ingest did."""

    files: tuple[FileResult, ...]
    left_over: Counts
    """Cases that an earlier ingest had landed but not loaded, loaded now."""
    completed: Counts = field(default_factory=Counts)
    """Curations that had waited for their series, loaded now."""

    @property
    def loaded(self) -> Counts:
        """Cases, rows and problems of all files and of what was left over."""
        return sum((file.loaded for file in self.files), self.left_over + self.completed)

    @property
    def cases(self) -> int:
        """Case documents read."""
        return sum(file.cases for file in self.files)

    @property
    def stored(self) -> int:
        """New case versions."""
        return sum(file.stored for file in self.files)

    @property
    def unchanged(self) -> int:
        """Documents that were stored already."""
        return sum(file.unchanged for file in self.files)

    @property
    def rejected(self) -> int:
        """Documents that were not stored."""
        return sum(file.rejected for file in self.files)

    @property
    def exit_code(self) -> int:
        """0 all stored; 1 a record, a case or a value was not; 2 nothing of some file was.

        A value without a concept is stored (concept 0, with its source value), and so are two forms that
        disagree: both are reported, and neither is an error.
        """
        outcomes = {file.outcome for file in self.files}
        if outcomes & {"rejected", "unreadable"}:
            return 2
        return int("partial" in outcomes or not self.loaded.whole)


@dataclass(frozen=True, slots=True)
class _Run:
    """What the steps of one ingest share."""

    connection: Connection
    plan: Plan
    validator: Validator
    sender: Sender
    key: str | None = None
    progress: Callable[[Progress], None] | None = None


def ingest(
    engine: Engine,
    plan: Plan,
    files: Iterable[Path],
    uploader: str,
    progress: Callable[[Progress], None] | None = None,
    curation_plan: Callable[[], Plan] | None = None,
) -> Summary:
    """Read, land, validate and load files, then load what earlier ingests left unloaded.

    Curations that waited for their series are loaded too, where ``curation_plan`` gives the Plan for that.
    Raises DatabaseError when the database is away, full or read-only: what was landed by then stays, and a
    re-run completes it. Raises BadSetting, before anything is opened, when the size limit is no number.
    """
    limit()
    with translated(), engine.connect() as connection:
        run = _Run(connection, plan, Validator(plan.schema), Sender(uploader), progress=progress)
        results = tuple(_ingest_file(run, file) for file in files)
        failed = {failure.case_id for result in results for failure in result.loaded.failures}
        left_over = load_pending(connection, plan, run.validator, failed)
        completed = complete(connection, curation_plan) if curation_plan else Counts()
        return Summary(results, left_over, completed)


def ingest_stream(
    connection: Connection,
    plan: Plan,
    validator: Validator,
    stream: BinaryIO,
    source: str,
    sender: Sender,
    *,
    key: str | None = None,
    lines: bool = False,
) -> FileResult:
    """Ingest one open, seekable stream; ``lines`` says that it holds one document a line.

    The connection must be outside a transaction. Raises KeyReused, BadSetting, and the driver's errors: wrap
    it in ``translated()``.
    """
    limit()
    run = _Run(connection, plan, validator, sender, key)
    return _ingest_opened(run, stream, fingerprint(stream), source, lines)


def load_pending(
    connection: Connection, plan: Plan, validator: Validator, without: Iterable[int] = ()
) -> Counts:
    """Load every landed case of the mapping that is not loaded, except the cases ``without``."""
    counts, skipped = Counts(), frozenset(without)
    for batch in batches(connection, plan, "pending", BATCH):
        left = [each for each in batch if each.key.case_id not in skipped]
        counts += load_later(connection, plan, validator, left)
    return counts


def _ingest_file(run: _Run, file: Path) -> FileResult:
    try:
        stream = file.open("rb")
    except OSError as error:
        return FileResult(str(file), "unreadable", rejections=(_unreadable(error),))
    with stream:
        try:
            print_ = fingerprint(stream)
        except OSError as error:
            return FileResult(str(file), "unreadable", rejections=(_unreadable(error),))
        return _ingest_opened(run, stream, print_, str(file), file.suffix.lower() != ".json")


def _ingest_opened(run: _Run, stream: BinaryIO, print_: Fingerprint, source: str, lines: bool) -> FileResult:
    # Once more where the earlier upload of these bytes was withdrawn just before it was claimed.
    while (result := _ingest_claimed(run, stream, print_, source, lines)) is None:
        pass
    return result


def _ingest_claimed(
    run: _Run, stream: BinaryIO, print_: Fingerprint, source: str, lines: bool
) -> FileResult | None:
    upload = receive(run.connection, run.plan.mapping, source, run.sender, print_, run.key)
    with claimed(run.connection, upload) as current:
        stream.seek(0)
        records = _read(run, stream, print_, lines)
        if current.outcome == "withdrawn":
            return None
        if current.outcome == "loaded":
            newer = newer_versions(run.connection, current, records, run.plan.case)
            return FileResult(source, "already loaded", current.upload_id, newer=newer, repeated=True)
        result = _process(run, current, stream, records, source)
        return replace(result, repeated=upload.outcome != "received")


def _read(run: _Run, stream: BinaryIO, print_: Fingerprint, lines: bool) -> Iterator[Record | Unreadable]:
    """The records, and one more reason when they are not all of the bytes that were received."""
    try:
        yield from read(stream, lines=lines, known=run.validator.names)
        stream.seek(0)
        if fingerprint(stream) != print_:
            yield Unreadable(0, 0, "$", "the file changed while it was read: ingest it again")
    except OSError as error:
        yield Unreadable(*_unreadable(error))


def _unreadable(error: OSError) -> Rejection:
    return Rejection(0, 0, "$", f"the file cannot be read: {error.strerror or type(error).__name__}")


def _process(
    run: _Run, upload: Upload, stream: BinaryIO, records: Iterator[Record | Unreadable], source: str
) -> FileResult:
    cases = stored = rejected = 0
    shown: list[Rejection] = []
    loaded = Counts()
    for batch in gather(records, run.validator, run.plan.case, BATCH):
        landed = land(run.connection, upload, batch.records, run.plan.case, batch.rejections)
        refused = foreign(batch.records, landed, run.plan.case)
        # The commit that follows, of the next landing or the outcome, makes this one safe too.
        loaded += load(run.connection, run.plan, [each for each in landed if each.pending], durable=False)
        cases += len(batch)
        stored += sum(each.changed for each in landed)
        rejected += batch.rejected + len(refused)
        shown += [*batch.rejections, *refused][: MOST_SHOWN - len(shown)]
        if run.progress:
            run.progress(Progress(source, cases, loaded.rows.total(), stream.tell()))
    whole = not (rejected or loaded.failures)
    outcome = "loaded" if whole else "partial" if cases > rejected else "rejected"
    finish(run.connection, upload, outcome, cases=cases, rejected=rejected)
    unchanged = cases - rejected - stored
    return FileResult(
        source, outcome, upload.upload_id, cases, stored, unchanged, rejected, tuple(shown), loaded
    )
