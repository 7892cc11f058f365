"""The folder that reports are written to: all or nothing, and nobody else's file in it is touched.

A list in the folder names the files that were written, so that the next report replaces these and no others.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

#: The list; a folder with it is ours.
LIST = ".oncolake-quality.json"
#: What the folder is called that files are made in, before all of them are there.
_MAKING = ".oncolake-quality-making-"


class FolderError(Exception):
    """A folder that a report cannot be written to without harm; says what to do."""


@contextmanager
def written_at_once(folder: Path) -> Iterator[Path]:
    """An empty folder to write files into, which are moved to ``folder`` when all went well.

    Those of the last report are taken away then. When anything was raised, nothing has changed.
    Raises FolderError where a file that is not of a report would be in the way, and OSError.
    """
    before = require_ours(folder)
    made = _made(folder)
    making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder))
    try:
        yield making
        _move(making, folder, before)
        made = []
    finally:
        shutil.rmtree(making, ignore_errors=True)
        for one in made:
            with suppress(OSError):
                one.rmdir()


def require_ours(folder: Path) -> frozenset[str]:
    """The files of the last report in a folder, below it; none where it is empty or not yet there.

    Raises FolderError for a folder with anything else and no report.
    """
    if folder.joinpath(LIST).is_file():
        return _listed(folder)
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"'{folder}' is no folder: name another one")
    if folder.exists() and any(not one.name.startswith(_MAKING) for one in folder.iterdir()):
        inner = folder / "quality"
        raise FolderError(
            f"'{folder}' has files, and no quality report: name a new folder, such as '{inner}'"
        )
    return frozenset()


def _listed(folder: Path) -> frozenset[str]:
    try:
        names = json.loads(folder.joinpath(LIST).read_text(encoding="utf-8"))
        told = [PurePosixPath(one) for one in names]
    except (ValueError, TypeError):
        told = [PurePosixPath("..")]
    if any(one.is_absolute() or ".." in one.parts for one in told):
        raise FolderError(f"'{folder / LIST}' is no list of a report's files: name a new folder")
    return frozenset(map(str, told))


def _made(folder: Path) -> list[Path]:
    """Make a folder, and those it is in; the ones that there were not, the innermost first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _move(making: Path, folder: Path, before: frozenset[str]) -> None:
    files = sorted(one for one in making.rglob("*") if one.is_file())
    names = [one.relative_to(making).as_posix() for one in files]
    for name in sorted(before.union(names)):
        if not _free(folder, name, before):
            raise FolderError(f"'{folder / name}' is in the way, and of no report: name a new folder")
    # Both reports' files, so that the next one finds all, whatever happens here.
    _list(folder, before | set(names))
    for name in before - set(names):
        folder.joinpath(name).unlink(missing_ok=True)
        _prune(folder.joinpath(name).parent, folder)
    for file, name in zip(files, names, strict=True):
        place = folder.joinpath(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)
    _list(folder, names)


def _free(folder: Path, name: str, before: frozenset[str]) -> bool:
    """Whether a file may be written there: it was the last report's, or there is none."""
    above = [folder.joinpath(one) for one in PurePosixPath(name).parents if one.name]
    if any(one.is_symlink() or (one.exists() and not one.is_dir()) for one in above):
        return False
    return name in before or not os.path.lexists(folder.joinpath(name))


def _list(folder: Path, names: Iterable[str]) -> None:
    part = folder.joinpath(f"{_MAKING}list")
    part.write_text(json.dumps(sorted(names), indent=1) + "\n", encoding="utf-8")
    part.replace(folder.joinpath(LIST))


def _prune(inner: Path, folder: Path) -> None:
    """Take away the folders that became empty, up to the report's."""
    while inner != folder:
        try:
            inner.rmdir()
        except OSError:
            return
        inner = inner.parent
