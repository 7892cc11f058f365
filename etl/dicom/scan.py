"""Scan: the headers at a path, in several processes, as checked series documents.

Nothing is stored here. A file set in which one header identifies somebody gives no document at all.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from etl.dicom.check import Finding
from etl.dicom.group import Group, Places
from etl.dicom.headers import UNREADABLE
from etl.dicom.judge import State
from etl.dicom.policy import policy
from etl.dicom.sources import NO_DICOM, Source, from_json, quietly, source_at
from etl.dicom.values import natural
from etl.read import Unreadable, records

#: Headers that a process reads before it reports.
CHUNK = 200
#: Below it another process takes longer to start than to read.
_WORTH_A_PROCESS = 2 * CHUNK
#: The header was read and checked, as of a DICOMDIR.
NO_SERIES = "of no series"
_JSON = (".json", ".ndjson", ".jsonl")

#: Headers that are read, and how many there are, where that is known.
Progress = Callable[[int, int | None], None]


class Found(NamedTuple):
    """A finding, and in how many files of the set it is."""

    finding: Finding
    files: int
    names: tuple[str, ...]
    """The first of them, below the path."""


class Unread(NamedTuple):
    """Files that gave no series, and why."""

    reason: str
    files: int
    names: tuple[str, ...]
    """The first of them, below the path."""
    broken: bool
    """Whether they should have: what is no DICOM file, or belongs to no series, is nothing wrong."""


class TagReport(NamedTuple):
    """A tag of the profile that was found, and how many headers have it in which state (D4.4, Figure 24)."""

    tag: str
    name: str
    action: str
    removed: int
    empty: int
    dummy: int
    kept: int
    left: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """A file set: its series, and whether it is de-identified."""

    headers: int
    documents: tuple[dict[str, Any], ...]
    """Series documents ordered by patient, study and series; none if there is a finding."""
    findings: tuple[Found, ...]
    tags: tuple[TagReport, ...]
    unread: tuple[Unread, ...]
    torn: tuple[str, ...]
    """UIDs of series whose instances name several patients or studies; they have no document."""

    @property
    def broken(self) -> bool:
        """Whether a file that is DICOM could not be read."""
        return any(each.broken for each in self.unread)

    @property
    def unread_files(self) -> int:
        """Files of which no header was read, be they broken or no DICOM."""
        return sum(each.files for each in self.unread if each.reason != NO_SERIES)

    @property
    def studies(self) -> int:
        """Studies among the documents."""
        return len({document["StudyInstanceUID"] for document in self.documents})


def scan(path: Path, processes: int | None = None, progress: Progress | None = None) -> Scanned:
    """Read every header at a folder, a zip, a DICOM file or a file of DICOM's JSON model.

    Raises NotFound when the path cannot be read, BadSetting when the size limit of documents is no number,
    and BadZipFile.
    """
    report = progress or (lambda done, total: None)
    if path.suffix.lower() in _JSON and path.is_file():
        return _scanned(_read_json(path, report))
    source = source_at(path)
    try:
        names = source.names()
        workers = min(processes or os.cpu_count() or 1, -(-len(names) // _WORTH_A_PROCESS))
        chunks = (names[start : start + CHUNK] for start in range(0, len(names), CHUNK))
        with quietly():
            groups = _alone(source, chunks) if workers < 2 else _together(source, chunks, workers)
            return _scanned(_sum(groups, len(names), report))
    finally:
        source.close()


def documents_of(datasets: Iterable[Mapping[str, Any]]) -> Scanned:
    """Check and group datasets of DICOM's JSON model; they are named by their place, from 1."""
    group = Group()
    with quietly():
        for number, dataset in enumerate(datasets, 1):
            _add_json(group, f"dataset {number}", dataset)
    return _scanned(group)


def _read_json(path: Path, report: Progress) -> Group:
    group = Group()
    with quietly():
        for done, each in enumerate(records(path), 1):
            name = f"{path.name}:{each.line}"
            if isinstance(each, Unreadable):
                group.unread.setdefault(f"{each.path}: {each.reason}", Places()).add(name)
            else:
                _add_json(group, name, each.document)
            report(done, None)
    return group


def _add_json(group: Group, name: str, dataset: Mapping[str, Any]) -> None:
    try:
        group.add(name, from_json(dataset))
    except UNREADABLE as error:
        group.skip(name, error)


def _read(source: Source, names: Sequence[str]) -> Group:
    group = Group()
    for name in names:
        try:
            group.add(name, source.read(name))
        except UNREADABLE as error:
            group.skip(name, error)
    return group


def _alone(source: Source, chunks: Iterable[Sequence[str]]) -> Iterator[Group]:
    return (_read(source, names) for names in chunks)


def _together(source: Source, chunks: Iterable[Sequence[str]], workers: int) -> Iterator[Group]:
    """In order, and never with more chunks at work than keep the processes busy."""
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(source,)) as pool:
        waiting: deque[Future[Group]] = deque()
        left = iter(chunks)
        try:
            waiting.extend(pool.submit(_work, names) for names in islice(left, 3 * workers))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(_work, names) for names in islice(left, 1))
        finally:
            for each in waiting:
                each.cancel()


#: What this worker process reads from.
_source: Source | None = None


def _begin(source: Source) -> None:
    global _source  # noqa: PLW0603
    _source = source
    # Whoever stops the command stops the parent, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(names: Sequence[str]) -> Group:
    assert _source is not None
    with quietly():
        return _read(_source, names)


def _sum(groups: Iterable[Group], total: int, report: Progress) -> Group:
    whole, done = Group(), 0
    for group in groups:
        whole.merge(group)
        done += group.headers + sum(places.count for places in group.unread.values())
        report(done, total)
    return whole


def _scanned(group: Group) -> Scanned:
    findings = tuple(
        Found(finding, places.count, tuple(places.names))
        for finding, places in sorted(group.findings.items())
    )
    return Scanned(
        headers=group.headers,
        documents=() if findings else tuple(group.documents()),
        findings=findings,
        tags=tuple(_tags(group)),
        unread=tuple(_unread(group)),
        torn=tuple(sorted(uid for uid, series in group.series.items() if series.torn and natural("UI", uid))),
    )


def _unread(group: Group) -> Iterator[Unread]:
    for reason, places in sorted(group.unread.items()):
        yield Unread(reason, places.count, tuple(places.names), reason != NO_DICOM)
    if group.loose.count:
        yield Unread(NO_SERIES, group.loose.count, tuple(group.loose.names), False)


def _tags(group: Group) -> Iterator[TagReport]:
    profile = policy().profile
    for tag, counts in sorted(group.states.items()):
        entry, found = profile[tag], [counts[state] for state in State]
        yield TagReport(tag, entry.name, entry.action, group.headers - sum(found), *found)
