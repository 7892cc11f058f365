"""Opening a bundle, a folder or a zip, without unpacking anything to disk."""

import errno
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from vocabularies.athena.layout import CPT4, FILES

#: How many times larger than in the zip a file may be. Text like Athena's shrinks five to ten times.
LARGEST_RATIO = 100
#: Bytes below which the ratio says nothing: a header and a few equal lines shrink more than a whole file.
SMALL = 1 << 20
_ENCRYPTED = 0x1
_SIDE_FILES = "__MACOSX"
_ZIP = ".zip"
#: What zipfile raises for a zip that is damaged.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, struct.error, ValueError)


class BundleError(Exception):
    """A path that cannot be read as a bundle; the message names the file and the next step."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle."""

    name: str
    """As Athena spells it, such as ``CONCEPT.csv``."""
    size: int
    """Bytes, uncompressed."""
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's files by name; some of the nine may be missing, and the CPT4 file often is."""

    path: Path
    members: Mapping[str, Member]

    @property
    def missing(self) -> list[str]:
        """Those of the nine files that are not there."""
        return [name for name in FILES if name not in self.members and name != CPT4]


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """The files of a folder or zip, readable while the context lasts.

    File names are matched whatever their case. Raises BundleError when there is none, when two files have
    one name, or when the zip is damaged, encrypted, holds a path that leads out of it, or would unpack to far
    more than text can.
    """
    if path.is_dir():
        yield Bundle(path, _checked(path, _in_folder(path), lambda: _within_folder(path)))
        return
    if not path.exists():
        raise BundleError(f"'{path}' does not exist; give the folder or zip that Athena handed out")
    if _known(path.name):
        raise BundleError(f"'{path}' is one file of a bundle; give the folder that it is in")
    if not zipfile.is_zipfile(path):
        raise BundleError(f"'{path}' is neither a folder nor a zip; download the bundle again")
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise BundleError(f"'{path}' is damaged; download the bundle again") from error
    with archive:
        members = _checked(path, _in_zip(path, archive), lambda: _within_zip(archive))
        # What a zip says of each file may be a lie; its own size is none.
        _refuse_bomb(f"'{path}'", sum(member.size for member in members.values()), path.stat().st_size)
        yield Bundle(path, members)


def _in_folder(path: Path) -> Iterator[tuple[str, Member]]:
    for file in sorted(path.iterdir()):
        if file.is_file() and (name := _known(file.name)):
            yield file.name, Member(name, file.stat().st_size, lambda file=file: file.open("rb"))  # type: ignore[misc]


def _in_zip(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, Member]]:
    for info in archive.infolist():
        inner = PurePosixPath(info.filename.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts or ":" in inner.as_posix():
            raise BundleError(f"'{path}' holds a file whose path leads out of it: no bundle of Athena's does")
        if info.is_dir() or _SIDE_FILES in inner.parts:
            continue
        if name := _known(inner.name):
            _refuse_unsafe(path, info)
            yield info.filename, Member(name, info.file_size, lambda info=info: _entry(path, archive, info))  # type: ignore[misc]


def _refuse_unsafe(path: Path, info: zipfile.ZipInfo) -> None:
    named = f"'{info.filename}' in '{path}'"
    if info.flag_bits & _ENCRYPTED:
        raise BundleError(f"{named} is encrypted; unpack it yourself and give the folder")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(f"{named} is packed in another way than Athena's; unpack it and give the folder")
    _refuse_bomb(named, info.file_size, info.compress_size)


def _refuse_bomb(named: str, size: int, packed: int) -> None:
    if size > SMALL and size > LARGEST_RATIO * packed:
        raise BundleError(
            f"{named} would unpack to more than {LARGEST_RATIO} times its size, as no vocabulary does; "
            "download the bundle again"
        )


def _entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(info)
    except UNREADABLE as error:
        raise damaged(path, info.filename) from error
    except OSError as error:
        # A place before the file's beginning.
        if error.errno != errno.EINVAL:
            raise
        raise damaged(path, info.filename) from error


def damaged(path: Path, name: str) -> BundleError:
    """What to say of a file that does not unpack."""
    return BundleError(f"'{name}' in '{path}' is damaged; download the bundle again")


def _known(name: str) -> str | None:
    return {known.lower(): known for known in FILES}.get(name.lower())


def _checked(
    path: Path, found: Iterator[tuple[str, Member]], elsewhere: Callable[[], str]
) -> Mapping[str, Member]:
    """The files by name. ``elsewhere`` says where a bundle may be instead, when this is none."""
    members: dict[str, Member] = {}
    for written, member in found:
        if member.name in members:
            raise BundleError(f"'{path}' holds {member.name} twice, once as '{written}'; remove one of them")
        members[member.name] = member
    if not members:
        raise BundleError(f"'{path}' holds none of Athena's files, such as CONCEPT.csv{elsewhere()}")
    return members


def _within_folder(path: Path) -> str:
    inner = sorted(path.iterdir())
    for folder in inner:
        if folder.is_dir() and any(_known(file.name) for file in folder.glob("*")):
            return f"; the folder '{folder}' in it does"
    zips = [one for one in inner if one.suffix.lower() == _ZIP]
    return f"; give the zip in it, '{zips[0]}'" if zips else ""


def _within_zip(archive: zipfile.ZipFile) -> str:
    zips = [name for name in archive.namelist() if name.lower().endswith(_ZIP)]
    return f"; unpack it and give the zip in it, '{zips[0]}'" if zips else ""
