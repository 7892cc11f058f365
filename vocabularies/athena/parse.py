"""Taking one line of a bundle's file apart, and saying everything that is wrong with it."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Table

from vocabularies.athena.layout import Cell, cells
from vocabularies.text_table import LARGEST

#: With blanks around it, a sign and leading zeros it is the same number to PostgreSQL, so they may stand.
_WHOLE = re.compile(r"[ \v\f]*([-+]?)0*([0-9]{1,10})[ \v\f]*")
#: Far fewer digits than a NUMERIC takes, and far more than any strength has.
_DECIMAL = re.compile(
    r"[ \v\f]*[-+]?(?:[0-9]{1,100}\.?[0-9]{0,100}|\.[0-9]{1,100})(?:[eE][-+]?[0-9]{1,3})?[ \v\f]*"
)
_DAY = re.compile(r"[0-9]{8}")
#: Characters of a cell that a message repeats.
_QUOTED = 40


class Fault(NamedTuple):
    """One thing that is wrong with a line."""

    kind: str
    message: str
    column: str | None
    """None when the line cannot be taken apart at all."""


class Parsed(NamedTuple):
    """A line's cells by column, empty when it cannot be taken apart, and what is wrong with it."""

    values: dict[str, str]
    faults: list[Fault]


class Parser:
    """Parses the lines of one table's file."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        """``columns`` are those of the header, in its order."""
        known = cells(table)
        self._cells = [known[name] for name in columns]
        self._sound = re.compile("\t".join(_pattern(one) for one in self._cells))

    def parse(self, line: bytes) -> Parsed:
        """Take a line apart, its end stripped."""
        try:
            written = line.decode("utf-8")
        except UnicodeDecodeError as error:
            return Parsed(
                {}, [Fault("bad-encoding", f"not UTF-8 at byte {error.start + 1} of the line", None)]
            )
        if "\0" in written or "\r" in written:
            return Parsed({}, [Fault("bad-encoding", "the line holds a NUL or a lone carriage return", None)])
        values = written.split("\t")
        if len(values) != len(self._cells):
            message = f"{len(values)} cells, and the header has {len(self._cells)}"
            return Parsed({}, [Fault("ragged-line", message, None)])
        faults = [] if self._sound.fullmatch(written) else list(self._faults(values))
        return Parsed({one.name: value for one, value in zip(self._cells, values, strict=True)}, faults)

    def _faults(self, values: Sequence[str]) -> Iterator[Fault]:
        for one, value in zip(self._cells, values, strict=True):
            if fault := _fault(one, value):
                kind, message = fault
                yield Fault(kind, f"'{one.name}' {message}", one.name)


def _pattern(cell: Cell) -> str:
    """What a cell that is certainly sound looks like; another may be sound too, and is looked at closely."""
    pattern = {
        "integer": "[0-9]{1,9}",
        "number": "[0-9]{1,9}",
        "date": "(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])",
        "text": f"[^\t]{{1,{cell.width}}}",
    }[cell.kind]
    return pattern if cell.required else f"(?:{pattern})?"


def _fault(cell: Cell, value: str) -> tuple[str, str] | None:
    if not value:
        return ("empty-cell", "is empty, and needs a value") if cell.required else None
    shown = f"'{value[:_QUOTED]}'"
    match cell.kind:
        case "integer" if not _is_whole(value):
            return "bad-integer", f"is {shown}, not a whole number up to {LARGEST:,}"
        case "number" if not _DECIMAL.fullmatch(value):
            return "bad-number", f"is {shown}, not a number"
        case "date" if not _is_day(value):
            return "bad-date", f"is {shown}, not a date written yyyymmdd"
        case "text" if cell.width is not None and len(value) > cell.width:
            return "too-long", f"has {len(value):,} characters, and the column holds {cell.width:,}"
    return None


def _is_whole(value: str) -> bool:
    found = _WHOLE.fullmatch(value)
    return found is not None and int(found[2]) <= LARGEST + (found[1] == "-")


@lru_cache(maxsize=10_000)
def _is_day(value: str) -> bool:
    if not _DAY.fullmatch(value):
        return False
    try:
        date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return False
    return True
