"""Whether a server runs on a data directory: what ``postmaster.pid`` says, and whether it is still true."""

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from omop_schema.embedded.programs import ServerError, run_as


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What ``postmaster.pid`` says of a server."""

    pid: int
    port: int
    sockets: str
    tcp: bool


def read_postmaster(data: Path) -> Postmaster | None:
    """What the data directory says of its server, dead or alive; None when it says nothing."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return Postmaster(int(lines[0]), int(lines[3]), lines[4], tcp=bool(lines[5].strip()))
    except (OSError, ValueError, IndexError):  # not there, or not yet written to its end
        return None


def running_on(data: Path) -> int | None:
    """The process id of the server that runs on this data directory, not of who was given it since."""
    pid = _first_number(data / "postmaster.pid")
    return pid if pid and str(data) in _command(pid) else None


def clear_misleading(data: Path, sockets: Path) -> None:
    """Remove the lock files of a dead server whose process id another program was given since.

    PostgreSQL would take that program for the server. Other left-overs are its own affair: it uses them to
    see whether children of the dead server still work on the data.
    """
    for left in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
        pid = _first_number(left)
        if pid and process_exists(pid) and str(data) not in _command(pid):
            left.unlink()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text().split("\n", maxsplit=1)[0])
    except (OSError, ValueError):
        return None


def process_exists(pid: int) -> bool:
    """Whether there is a process of this number, whosever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command(pid: int) -> str:
    """The command line of a process; empty when there is none."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except OSError:
            return ""
    try:
        return run_as(None, ["/bin/ps", "-o", "command=", "-p", str(pid)])
    except ServerError:
        return ""
