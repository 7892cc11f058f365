"""Small tables as text files: CSV, or tab separated as Athena writes them; every fault with its line.

Such a file is read whole. Bundles, which are not small, have readers of their own.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources.abc import Traversable
from typing import NamedTuple

#: PostgreSQL's INTEGER.
LARGEST = 2**31 - 1
#: In place of an id that cannot be read; the line has a problem then.
BAD_ID = -1
#: In place of a date that cannot be read.
BAD_DAY = date.min
_WHOLE_NUMBER = re.compile("0|[1-9][0-9]{0,9}")


class Problem(NamedTuple):
    """Something wrong with a line of a file, which is counted from 1; 0 is the file as a whole."""

    line: int
    message: str


class Line:
    """One row of a file being read; it collects what is wrong with its fields."""

    def __init__(self, number: int, values: Mapping[str, str], problems: list[Problem]) -> None:
        self.number = number
        self.values = values
        self.problems = problems

    def report(self, message: str) -> None:
        """Note something wrong with this line."""
        self.problems.append(Problem(self.number, message))

    def text(self, name: str, width: int, *, required: bool = True) -> str:
        """The field, which has at most ``width`` characters."""
        value = self.values[name]
        if required and not value:
            self.report(f"'{name}' is empty")
        if len(value) > width:
            self.report(f"'{name}' has {len(value)} characters; the column holds {width}")
        return value

    def id(self, name: str) -> int:
        """The field as a whole number that an INTEGER holds, ``BAD_ID`` when it is none."""
        value = self.values[name]
        if _WHOLE_NUMBER.fullmatch(value) and int(value) <= LARGEST:
            return int(value)
        self.report(f"'{name}' must be a whole number from 0 to {LARGEST}, not '{value}'")
        return BAD_ID

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """The field, which is one of those allowed; an empty one is None."""
        value = self.values[name]
        if value not in allowed:
            listed = ", ".join(f"'{one}'" for one in allowed if one)
            self.report(f"'{name}' must be empty or one of {listed}, not '{value}'")
        return value or None

    def day(self, name: str) -> date:
        """The field as a date, written 1970-01-01 or 19700101, ``BAD_DAY`` when it is none."""
        try:
            return date.fromisoformat(self.values[name])
        except ValueError:
            self.report(f"'{name}' must be a date like 1970-01-01, not '{self.values[name]}'")
        return BAD_DAY


class TextTable:
    """A file's header and rows. What is wrong with either goes to ``problems``."""

    def __init__(self, path: Traversable, problems: list[Problem]) -> None:
        self.problems = problems
        content = _content(path, problems)
        tabs = "\t" in content.partition("\n")[0]
        # Athena's files know no quoting: a quote in a name is a character like any other.
        kind = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tabs else {"delimiter": ","}
        self._reader = csv.reader(io.StringIO(content, newline=""), strict=True, **kind)
        self.header = self._header()
        """Names of the columns, in small letters; empty when there is none to be had."""

    def lines(self) -> Iterator[Line]:
        """The rows below the header. One of another length is a problem, a blank line is nothing."""
        start = self._reader.line_num + 1
        try:
            for values in self._reader:
                if len(values) == len(self.header):
                    yield Line(start, dict(zip(self.header, values, strict=True)), self.problems)
                elif values:
                    message = f"{len(values)} fields where the header has {len(self.header)}"
                    self.problems.append(Problem(start, message))
                start = self._reader.line_num + 1
        except csv.Error as error:
            self.problems.append(Problem(self._reader.line_num, f"not CSV: {error}"))

    def _header(self) -> tuple[str, ...]:
        try:
            names = next(self._reader, [])
        except csv.Error as error:
            self.problems.append(Problem(1, f"not CSV: {error}"))
            return ()
        return tuple(name.strip().lower() for name in names)


def _content(path: Traversable, problems: list[Problem]) -> str:
    try:
        # Spreadsheet programs put a byte order mark in front.
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(1, f"not UTF-8 at byte {error.start}; save the file as UTF-8"))
    except FileNotFoundError:
        problems.append(Problem(0, "there is no such file"))
    else:
        if "\0" not in content:
            return content
        problems.append(Problem(content.count("\n", 0, content.index("\0")) + 1, "a NUL byte is not text"))
    return ""
