"""The files of a disease's views: ``research/*.yaml`` and ``*.sql`` of a mapping folder, as statements.

A file ``series.sql`` creates the view ``research.series``, and says what its columns come from. Nothing else
is let through, for it runs with the rights of whoever initialises the database. What a ``.yaml`` file says is
made into the same statements by ``etl.mapping.views``.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable

from etl.mapping.views import Expression, ViewSql

#: The schema of the views, and the folder of their files.
RESEARCH = "research"
#: A comment; of a column, its name.
COMMENT_ON = re.compile(r"(?:\s|--[^\n]*\n)*COMMENT ON (?:VIEW|COLUMN research\.[a-z0-9_]+\.([a-z0-9_]+))\b")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
#: Comments, then one of the two statements that a file may hold.
_STATEMENT = re.compile(
    r"(?:\s|--[^\n]*\n)*(?:CREATE OR REPLACE VIEW|COMMENT ON (?:VIEW|COLUMN)) research\.([a-z0-9_]+)\b"
)
_READ = re.compile(r"\bresearch\.([a-z0-9_]+)\b")


class ResearchError(Exception):
    """A view of a mapping folder that cannot be created."""


@dataclass(frozen=True, slots=True)
class View:
    """A view of a mapping folder, as the statements that make it."""

    name: str
    file: str
    parts: tuple[str, ...]
    lines: tuple[int, ...] = ()
    """Of a file of SQL: the line that each statement begins in."""
    expressions: tuple[Expression, ...] = ()
    """Of another: where those that it says stand in the first statement."""
    reads: tuple[str, ...] = ()
    """Names of views of the same folder that it reads, as they come."""
    digest: str = ""
    """Of its statements and of the views that it reads."""

    @property
    def path(self) -> str:
        return f"{RESEARCH}.{self.name}"

    def place(self, number: int, position: int | None) -> str:
        """The file, with line and column as far as they are known, of a character of a statement, from 1 on.

        Without a position it is the beginning of the statement.
        """
        if self.lines:
            part = self.parts[number]
            before = len(part) - len(part.lstrip()) if position is None else position - 1
            return f"{self.file}:{self.lines[number] + part.count(chr(10), 0, before)}"
        for one in self.expressions:
            if number == 0 and position is not None and one.start < position <= one.end:
                return f"{self.file}:{one.line}: column '{one.column}'"
        return self.file


def read_views(folder: Traversable, generated: Mapping[str, ViewSql]) -> list[View]:
    """All views of a folder, each after those that it reads; ``generated`` has those of its ``.yaml`` files.

    Raises ResearchError, which names the file.
    """
    return _in_order(_all(folder, generated))


def statements(name: str, content: str) -> list[str]:
    """The statements of the file of a view. Raises ResearchError when they are not all about that view."""
    # With no semicolon inside, each is one statement to PostgreSQL as well.
    parts = [part for part in content.split(";") if part.strip()]
    for part in parts:
        found = _STATEMENT.match(part)
        if not found or found[1] != name:
            raise ResearchError(
                f"{RESEARCH}/{name}.sql: may hold nothing but CREATE OR REPLACE VIEW and COMMENT ON for "
                f"{RESEARCH}.{name}, each ended by the only semicolon in it"
            )
    return parts


def _lines(content: str) -> Iterator[int]:
    """The line that each of its ``statements`` begins in."""
    line = 1
    for part in content.split(";"):
        if part.strip():
            yield line
        line += part.count("\n")


def _all(folder: Traversable, generated: Mapping[str, ViewSql]) -> dict[str, View]:
    made = {
        name: View(name, f"{RESEARCH}/{name}.yaml", one.statements, expressions=one.expressions)
        for name, one in generated.items()
    }
    for name, content in _files(folder):
        file = f"{RESEARCH}/{name}.sql"
        if name in made:
            raise ResearchError(f"{file}: {made[name].file} makes the same view; rename one of them")
        made[name] = View(name, file, tuple(statements(name, content)), tuple(_lines(content)))
    return made


def _in_order(views: Mapping[str, View]) -> list[View]:
    """Each view after those that it reads."""
    done: dict[str, View] = {}

    def add(view: View, above: tuple[str, ...]) -> None:
        if view.name in above:
            raise ResearchError(f"{view.file}: {RESEARCH}.{view.name} reads itself, by way of other views")
        if view.name in done:
            return
        named = (one for part in view.parts if not COMMENT_ON.match(part) for one in _READ.findall(part))
        reads = tuple(dict.fromkeys(one for one in named if one in views and one != view.name))
        for one in reads:
            add(views[one], (*above, view.name))
        whole = ";".join((*view.parts, *(done[one].digest for one in reads)))
        digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
        done[view.name] = replace(view, reads=reads, digest=digest)

    for name in sorted(views):
        add(views[name], ())
    return list(done.values())


def _files(folder: Traversable) -> Iterator[tuple[str, str]]:
    views = folder.joinpath(RESEARCH)
    if not views.is_dir():
        return
    for file in sorted(views.iterdir(), key=lambda one: one.name):
        if not file.name.endswith((".sql", ".yaml")):
            continue
        name = file.name.removesuffix(".sql").removesuffix(".yaml")
        if not _NAME.fullmatch(name):
            raise ResearchError(f"{RESEARCH}/{file.name}: name it after its view, in small letters")
        if file.name.endswith(".yaml"):
            continue
        try:
            yield name, file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ResearchError(f"{RESEARCH}/{file.name} cannot be read: {type(error).__name__}") from None
