"""Sources: where headers are read from: a folder, a zip, one file, or datasets in DICOM's JSON model.

Only headers are read, zips member by member without unpacking them.
"""

import logging
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from etl.dicom.headers import Header, read_header

NO_DICOM = "no DICOM"
#: Attributes of the JSON model that hold pixels; none of them is read from files either.
_PIXELS = ("7FE00010", "7FE00008", "7FE00009")
_BINARY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")


class Source(Protocol):
    """Named headers. Pickled, it opens again what it needs."""

    def names(self) -> list[str]:
        """Every name, in an order that is the same each time."""

    def read(self, name: str) -> Header:
        """The header of that name. Raises one of UNREADABLE."""

    def close(self) -> None:
        """Close what is open."""


class NotFound(Exception):
    """The path leads to nothing that could hold headers."""


class Folder:
    """The files at and below a folder; links to folders are not followed. A file alone is a folder of one."""

    def __init__(self, path: Path) -> None:
        self._root = path if path.is_dir() else path.parent
        self._only = None if path.is_dir() else path.name

    def names(self) -> list[str]:
        """Paths below the folder. Raises OSError when a folder cannot be read."""
        if self._only is not None:
            return [self._only]
        return list(self._walk())

    def _walk(self) -> Iterator[str]:
        for place, inner, names in os.walk(self._root, onerror=_refuse):
            inner.sort()
            for name in sorted(names):
                if (path := Path(place, name)).is_file():
                    yield str(path.relative_to(self._root))

    def read(self, name: str) -> Header:
        """The header of a file."""
        with (self._root / name).open("rb") as file:
            return read_header(file)

    def close(self) -> None:
        """Nothing stays open."""


class Archive:
    """The members of a zip."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: zipfile.ZipFile | None = None

    def __getstate__(self) -> Path:
        return self._path

    def __setstate__(self, path: Path) -> None:
        self.__init__(path)  # type: ignore[misc]

    def _zip(self) -> zipfile.ZipFile:
        if self._opened is None:
            self._opened = zipfile.ZipFile(self._path)
        return self._opened

    def names(self) -> list[str]:
        """The members' names. Raises BadZipFile."""
        return sorted({info.filename for info in self._zip().infolist() if not info.is_dir()})

    def read(self, name: str) -> Header:
        """The header of a member."""
        with self._zip().open(name) as member:
            return read_header(member)

    def close(self) -> None:
        """Close the zip."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def source_at(path: Path) -> Source:
    """The headers at a path. Raises NotFound, with the next step, when there can be none."""
    try:
        path.stat()
    except OSError as error:
        raise NotFound(f"'{path}' cannot be read: {error.strerror}") from None
    if path.is_dir() or not zipfile.is_zipfile(path):
        return Folder(path)
    return Archive(path)


def _refuse(error: OSError) -> None:
    raise NotFound(f"'{error.filename}' cannot be read: {error.strerror}")


def from_json(dataset: Mapping[str, Any]) -> Header:
    """A header of DICOM's JSON model (PS3.18, Annex F). Raises one of UNREADABLE."""
    header = {tag: element for tag, element in dataset.items() if tag.upper() not in _PIXELS}
    return Header(Dataset.from_json(header, bulk_data_uri_handler=_elsewhere))


def _elsewhere(tag: str, vr: str, uri: str) -> bytes | str:
    """Something, in place of a value that stands elsewhere: that there is one must not be lost."""
    return b"\1" if vr in _BINARY else "1"


def why_unreadable(error: BaseException) -> str:
    """The reason in words; pydicom's own words can hold values of the header."""
    if isinstance(error, InvalidDicomError):
        return NO_DICOM
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read, {error.strerror}"
    return f"cannot be read, {type(error).__name__}"


@contextmanager
def quietly() -> Iterator[None]:
    """Without pydicom's warnings, which hold values, and without its checks of them: we make our own."""
    logger = logging.getLogger("pydicom")
    before = logger.level
    # Above every level: nothing is logged.
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
