"""Loading a bundle: all of it, checked, or nothing."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from omop_schema import OMOP
from omop_schema.database import describe, translated
from vocabularies.athena.bundle import Bundle, open_bundle
from vocabularies.athena.carry import carry, tell_clashes, tell_lost_links
from vocabularies.athena.copying import Unfit
from vocabularies.athena.cross_check import (
    check_cpt4,
    check_keys,
    check_references,
    know_examined,
    know_staged,
    pose_as_staged,
)
from vocabularies.athena.examine import check_files, examine
from vocabularies.athena.findings import Report
from vocabularies.athena.layout import CPT4
from vocabularies.athena.session import connect, only_load
from vocabularies.athena.stage import Staged, begin, clear, hold, staging_tasks
from vocabularies.athena.swap import refuse_obstacles, swap
from vocabularies.athena.tasks import CONNECTIONS, Stopped, Task, run_tasks
from vocabularies.athena.twins import SCHEMA
from vocabularies.athena.version import tell_older
from vocabularies.concepts import FIRST_CUSTOM_ID, PLACEHOLDER
from vocabularies.usage import used_concepts_sql

_IN_USE = text(f"""
    SELECT used.concept_id, held.vocabulary_id, min(used.table_name || '.' || used.column_name)
    FROM ({used_concepts_sql()}) AS used
    JOIN {OMOP}.concept AS held USING (concept_id)
    LEFT JOIN {SCHEMA}.concept AS staged USING (concept_id)
    WHERE staged.concept_id IS NULL
    GROUP BY used.concept_id, held.vocabulary_id ORDER BY used.concept_id
""")


_ATHENAS = text(f"""
    SELECT EXISTS (SELECT FROM {SCHEMA}.concept
                   WHERE concept_id < {FIRST_CUSTOM_ID} AND vocabulary_id <> '{PLACEHOLDER}')
""")


class Watcher(Protocol):
    """Whoever shows how far a load is. Called from several threads."""

    def reading(self, file: str, done: int, size: int, rows: int) -> None:
        """So many of a file's bytes have been read, from its beginning, and rows with them."""

    def step(self, phase: str, done: int, total: int) -> None:
        """So many steps of a phase are done: ``staging``, ``examining`` or ``swapping``."""


class Quiet:
    """Watches nothing."""

    def reading(self, file: str, done: int, size: int, rows: int) -> None:
        """Nothing."""

    def step(self, phase: str, done: int, total: int) -> None:
        """Nothing."""


class Rows(NamedTuple):
    """What became of a file's rows: ``read`` is ``loaded`` plus ``reported``."""

    read: int
    loaded: int
    reported: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load did, or why it did nothing."""

    loaded: bool
    rows: Mapping[str, Rows]
    """By file; empty when the bundle was refused. What ``check_only`` would load counts as loaded."""
    report: Report


class Unaccounted(Exception):
    """Rows are neither loaded nor reported: a fault of this program, so nothing was loaded."""


def load(
    engine: Engine,
    path: Path,
    *,
    strict: bool = False,
    check_only: bool = False,
    report: Report | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Load a bundle in place of the vocabulary that is there, unless something is wrong with it.

    Errors keep all of it out, with ``strict`` warnings do too; ``check_only`` finds out and loads nothing.
    Custom concepts stay, and so do placeholders that the bundle does not replace. Until the last moment the
    old vocabulary serves readers, and whatever fails leaves it as it was.

    Raises BundleError, LoadRunning, SwapError, DatabaseError, or Unaccounted.
    """
    report = report or Report()
    watcher = watcher or Quiet()
    with open_bundle(path) as bundle, translated(describe(engine.url)), only_load(engine) as alone:
        check_files(bundle, report)
        work = _Load(engine, alone, bundle, report, watcher)
        with work.cleared():
            staged = work.stage() if not report.refuses(strict=False) else None
            if not isinstance(staged, Staged):
                work.examine_all()
                _require_reason(report, staged)
                return Outcome(False, {}, report)
            rows = work.account(staged)
            if report.refuses(strict):
                return Outcome(False, {}, report)
            if not check_only:
                work.swap()
            return Outcome(not check_only, rows, report)


def _require_reason(report: Report, refused: Unfit | None) -> None:
    if not report.refuses(strict=False):
        raise Unaccounted(
            f"a row of {refused} was refused and nothing is found wrong with it, so nothing was loaded; "
            "report this line as a fault of oncolake"
        ) from refused


@dataclass(frozen=True)
class _Load:
    """One load, step by step."""

    engine: Engine
    alone: Connection
    """Keeps other loads out."""
    bundle: Bundle
    report: Report
    watcher: Watcher
    stop: Event = field(default_factory=Event)
    """Set when what is being read will not be needed."""

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Leave nothing staged behind, however it ends."""
        with self.alone.begin():
            refuse_obstacles(self.alone)
            begin(self.alone)
        try:
            yield
        except BaseException:
            # What failed before is to be told; the next load clears too.
            with suppress(SQLAlchemyError):
                self._clear()
            raise
        self._clear()

    def _clear(self) -> None:
        # On any other connection it might be what another load has staged.
        with self.alone.begin():
            clear(self.alone)

    def stage(self) -> Staged | Unfit:
        """Everything staged and checked, or what says that rows break a rule of their table."""
        staged = Staged()
        tasks = staging_tasks(self.bundle, staged, self._carry, self._seen)
        finished: list[str] = []

        def done(name: str) -> None:
            finished.append(name)
            self.watcher.step("staging", len(finished), len(tasks))

        try:
            self._run(tasks, done)
        except Unfit as refused:
            return refused
        self._run([Task("compare", self._compare)])
        return staged

    def examine_all(self) -> None:
        """Find everything that is wrong with a bundle that cannot be loaded."""
        self._run([Task("examine", self._examine_everything)])

    def _examine_everything(self, connection: Connection) -> None:
        begin(connection)
        files = self._examine(connection, self.bundle.members)
        know_examined(connection, files)
        if CPT4 in files:
            check_cpt4(connection, self.report)
        for name in files:
            check_keys(connection, name, self.report)
            check_references(connection, name, files, self.report, concepts="CONCEPT.csv" in files)
        if pose_as_staged(connection, files):
            if not any(group.kind == "clash" for group in self.report.counts):
                tell_clashes(connection, self.report)
            self._compare(connection)

    def account(self, staged: Staged) -> Mapping[str, Rows]:
        """What became of each row; those that were left out are looked up and reported with their lines."""
        if flawed := {*staged.left_out, *staged.mended}:
            self._run([Task("examine", partial(self._examine_flawed, flawed))])
        return {name: self._rows(name, staged) for name in self.bundle.members}

    def _examine_flawed(self, flawed: Container[str], connection: Connection) -> None:
        names = [name for name in self.bundle.members if name in flawed or name == CPT4]
        files = self._examine(connection, names)
        know_staged(connection, files)
        if CPT4 in files:
            check_cpt4(connection, self.report)
        for name in files:
            check_references(connection, name, files, self.report)

    def swap(self) -> None:
        """Put the staged vocabulary in place."""
        self.watcher.step("swapping", 0, 1)
        self._run([Task("swap", self._swap)])
        self.watcher.step("swapping", 1, 1)

    def _swap(self, connection: Connection) -> None:
        connection.execute(text("SET LOCAL synchronous_commit = on"))
        hold(connection)
        # From here no other load can replace what is staged; up to here none has.
        with self.alone.begin():
            self.alone.execute(text("SELECT 1"))
        swap(connection)

    def _run(self, tasks: Sequence[Task], done: Callable[[str], None] = lambda name: None) -> None:
        """Run tasks in threads, also a single one: the main thread must be free to be interrupted."""
        self.stop.clear()
        connections = min(CONNECTIONS, len(tasks))
        run_tasks(partial(connect, self.engine), tasks, done, connections=connections, stop=self.stop)

    def _compare(self, connection: Connection) -> None:
        if not connection.scalar(_ATHENAS):
            message = (
                "there are only custom concepts, as in an export of another Oncolake, and a load takes the "
                "place of the whole vocabulary; add the files with `oncolake vocab add`, CONCEPT.csv first"
            )
            self.report.add("custom-only", "CONCEPT.csv", 0, message)
            return
        tell_older(connection, self.report)
        tell_lost_links(connection, self.report)
        self._tell_in_use(connection)

    def _seen(self, file: str, done: int, rows: int) -> None:
        if self.stop.is_set():
            raise Stopped
        self.watcher.reading(file, done, self.bundle.members[file].size, rows)

    def _carry(self, connection: Connection) -> None:
        tell_clashes(connection, self.report)
        carry(connection)

    def _tell_in_use(self, connection: Connection) -> None:
        for concept, vocabulary, where in connection.execute(_IN_USE):
            message = (
                f"concept {concept} of {vocabulary}, which {where} has, is not in the bundle; choose "
                f"{vocabulary} too when you download"
            )
            self.report.add("concept-in-use", "CONCEPT.csv", 0, message, vocabulary)

    def _examine(self, connection: Connection, names: Iterable[str]) -> list[str]:
        """Examine files; those that could be read."""
        bad = {group.file for group in self.report.counts if group.kind == "bad-header"}
        files = [name for name in names if name not in bad]
        for number, name in enumerate(files):
            self.watcher.step("examining", number, len(files))
            examine(connection, self.bundle, name, self.report, self._seen)
        self.watcher.step("examining", len(files), len(files))
        return files

    def _rows(self, name: str, staged: Staged) -> Rows:
        read, out = staged.read[name], staged.left_out.get(name, 0)
        reported = self.report.left_out(name)
        if reported != out:
            raise Unaccounted(
                f"{out} rows of {name} would be left out and {reported} are reported, so nothing was loaded; "
                "report this line as a fault of oncolake"
            )
        return Rows(read, read - out, out)
