"""The folders and locks of the embedded server: only what it made itself is ever given a mode or an owner."""

import hashlib
import os
import re
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omop_schema.embedded.programs import Account, ServerError

if sys.platform != "win32":
    import fcntl

#: A Unix socket's path holds at most 103 bytes on macOS and 107 on Linux.
SOCKET_PATH_LIMIT = 103


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents; as root others can pass through them."""
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            folder.mkdir(mode=0o755 if os.geteuid() == 0 else 0o700, exist_ok=True)
            if os.geteuid() == 0:
                folder.chmod(0o755)  # whatever the umask


def make_private(path: Path, account: Account | None) -> None:
    """Make a folder of mode 0700 for the account that runs the server, or check that it is one already."""
    owner = account.uid if account else os.geteuid()
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        if account:
            os.chown(path, account.uid, account.gid)
    found = path.lstat()
    # In a shared temp folder somebody else may have made it first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) & 0o077:
        raise ServerError(
            f'"{path}" must be a folder of mode 0700 that belongs to user id {owner}; remove it and try again'
        )


def socket_folder(home: Path, folder: Path) -> Path:
    """Where the socket goes: ``run``, or a folder of short name when its path is too long or too odd."""
    if _fits(folder / "run"):
        return folder / "run"
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    short = Path(tempfile.gettempdir()).resolve() / f"oncolake-{digest}"
    if not _fits(short):
        raise ServerError(
            f'"{short}" is too long for a socket; set TMPDIR or ONCOLAKE_HOME to a shorter folder'
        )
    return short


def _fits(folder: Path) -> bool:
    # A comma parts addresses in libpq; quotes and blanks have a meaning to PostgreSQL's settings.
    socket = f"{folder}/.s.PGSQL.65535"
    return (
        len(socket.encode()) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w/.+-]+", socket, re.ASCII) is not None
    )


def read_secret(path: Path) -> str:
    """The secret that a file of mode 0600 holds; made at the first call."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()


def open_lock(path: Path) -> int:
    """Open a lock file, made when missing. Raises ServerError when it belongs to another account."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServerError(
            f'"{path}" cannot be opened: {error.strerror}; run oncolake from the account that made the '
            "folder, or set ONCOLAKE_HOME to a folder of your own"
        ) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file alone; waits for its turn."""
    lock = open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def share(lock: int) -> None:
    """Hold an open lock file together with others."""
    fcntl.flock(lock, fcntl.LOCK_SH)


def is_last(lock: int) -> bool:
    """Whether nobody else holds this open lock file; if so it is now held alone."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
