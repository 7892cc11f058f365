"""Proposing edits that are tried on a copy of the folder first, and writing them."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.resources.abc import Traversable
from pathlib import Path

from etl.mapping.bind import bind
from etl.mapping.check import check
from etl.mapping.findings import Finding, errors
from etl.mapping.folder import read_folder
from etl.mapping.objections import LookUp, every_use
from etl.review.edit import Changes, Edited, edited
from vocabularies.concepts import VALUE_MAPS

#: What a folder's concepts are held against: with the database, and by the folder's files alone.
Vocabularies = Sequence[Callable[[Traversable], LookUp]]

#: The kinds of finding that an edit can mend.
MENDED = ("invalid-concept", "not-standard", "other-name")
_INSTALLED = ("site-packages", "dist-packages")
_COPY_IT = "copy it with `cp -r`, and name the copy with --mappings"


class NotWritten(Exception):
    """Edits that would not leave a sound mapping, or a folder that cannot be written."""


def proposed(path: Traversable, changes: Changes, vocabularies: Vocabularies) -> list[Edited]:
    """The edits that make these changes, tried on a copy of the folder; none when there is nothing to change.

    Raises NotWritten when a concept would stay as it was somewhere, or the checker would find an error that
    is not there now, or no fewer of the findings that the edits are to mend.
    """
    files = edited(path, changes)
    if not files:
        return []
    with tempfile.TemporaryDirectory(prefix="oncolake-") as folder:
        copy = Path(folder)
        _copy(path, copy)
        for one in files:
            copy.joinpath(one.name).write_bytes(one.new.encode())
        for index, vocabulary in enumerate(vocabularies):
            before, after = (check(one, vocabulary(one)).findings for one in (path, copy))
            _compare(before, after, mend=index == 0)
        _changed_everywhere(copy, changes)
    return files


def write(path: Traversable, files: Sequence[Edited]) -> None:
    """Replace the files, each at once, with mode and owner as they were.

    Raises NotWritten, with every file as it was, when the folder is part of an installed package or
    read-only, or a file is not what it was when the edits were made. Stopped between two files, the same
    review finds what is left.
    """
    if not isinstance(path, Path) or set(_INSTALLED) & {*path.resolve().parts}:
        raise NotWritten(f"'{path}' is part of an installed package: {_COPY_IT}")
    staged: list[tuple[Path, Path]] = []
    try:
        for one in files:
            # A link stays a link, to the file that is replaced.
            target = path.joinpath(one.name).resolve()
            if target.read_bytes() != one.old.encode():
                raise NotWritten(f"'{target}' has changed in the meantime: run it again")
            staged.append((_staged(target, one.new.encode()), target))
        for temporary, target in staged:
            temporary.replace(target)
    except OSError as error:
        raise NotWritten(f"'{path}' cannot be written ({error.strerror}): {_COPY_IT}") from None
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def _staged(target: Path, content: bytes) -> Path:
    """The new content in a file beside its target, safely on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        owner = target.stat()
        # Only root may give a file away.
        with suppress(PermissionError):
            os.chown(temporary, owner.st_uid, owner.st_gid)
        shutil.copymode(target, temporary)
    except OSError:
        temporary.unlink()
        raise
    return temporary


def _copy(path: Traversable, copy: Path) -> None:
    """The files that the checker reads; samples stay where they are."""
    for folder, there in ((path, copy), (path.joinpath(VALUE_MAPS), copy / VALUE_MAPS)):
        if folder.is_dir():
            there.mkdir(exist_ok=True)
            for file in folder.iterdir():
                if file.is_file():
                    there.joinpath(file.name).write_bytes(file.read_bytes())


def _compare(before: list[Finding], after: list[Finding], *, mend: bool) -> None:
    had, has = (Counter(one.kind for one in errors(found)) for found in (before, after))
    for kind, count in has.items():
        if count > had[kind]:
            first = next(one for one in errors(after) if one.kind == kind and one not in before)
            raise NotWritten(f"nothing is written, as it would make a new error: {first}")
    if mend and _to_mend(after) >= _to_mend(before):
        raise NotWritten("nothing is written, as the checker would find as much as before")


def _to_mend(findings: Iterable[Finding]) -> int:
    return sum(one.kind in MENDED for one in findings)


def _changed_everywhere(copy: Path, changes: Changes) -> None:
    folder = read_folder(copy)
    for use in every_use(folder, bind(folder).concepts):
        new = changes.get(use.concept)
        if new is not None and (use.concept, use.name) != (new.concept_id, new.concept_name):
            where = f"{use.place.file}:{use.place.line}"
            raise NotWritten(f"nothing is written, as concept {use.concept} would stay in {where}")
