"""Scanning headers in one process. Floor: pydicom reading the same headers, and of each the series' UID.

A row is a series. The notes tell what several processes make of it, and a zip.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom import dcmread

from etl.dicom.scan import Scanned, scan
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed
from tests.dicoms import generate, zipped

CASES = 2000
AIM = 1.2


def measure(setting: Setting) -> Report:
    count = setting.cases or CASES
    with TemporaryDirectory() as place:
        folder = Path(place, "headers")
        generate(folder, count)
        names = sorted(path for path in folder.rglob("*.dcm"))
        ours = partial(_take, lambda: _series(scan(folder, 1)))
        floor = partial(_take, lambda: _floor(names))
        ours(), floor()
        report = Report("scan", alternate(ours, floor, setting.pairs))
        return Report(report.name, report.pairs, _notes(report, folder, Path(place, "headers.zip"), count))


def _take(work: Callable[[], list[str]]) -> Taken:
    seconds, found = timed(work)
    uids = sorted(set(found))
    return Taken(seconds, len(found), len(uids), " ".join(uids))


def _series(found: Scanned) -> list[str]:
    """The series' UID of each header that a scan counted."""
    each = ((document["SeriesInstanceUID"], document["NumberOfInstances"]) for document in found.documents)
    return [uid for uid, count in each for _ in range(count)]


def _floor(names: list[Path]) -> list[str]:
    return [str(dcmread(name, stop_before_pixels=True).SeriesInstanceUID) for name in names]


def _notes(report: Report, folder: Path, archive: Path, count: int) -> tuple[str, ...]:
    cores = os.cpu_count() or 1
    together, _ = timed(lambda: scan(folder))
    zipped(folder, archive)
    packed, _ = timed(lambda: scan(archive, 1))
    return (
        f"{report.ratio:.2f} times pydicom alone, of the aim of at most {AIM}",
        f"{count / together:,.0f} headers/s in {cores} processes, their start included",
        f"{count / packed:,.0f} headers/s of a zip in one process",
    )
