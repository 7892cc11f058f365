"""The cells of a CSV file as they are written: where each stands, and how to write another in its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CELL = re.compile(r'"(?:[^"]|"")*"|[^,\r\n]*')
_LINE_END = re.compile(r"\r\n|\r|\n")
_SPECIAL = re.compile(r'[,"\r\n]')


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a CSV file: its characters with the line end, the same of each cell, and its last line."""

    start: int
    end: int
    cells: tuple[tuple[int, int], ...]
    line: int
    """From 1, as the csv module counts."""


def records(text: str) -> Iterator[Record]:
    """The rows of a CSV file that the csv module can read strictly, the header first."""
    start, line = 0, 1
    while start < len(text):
        cells = tuple(_cells(text, start))
        last = cells[-1][1]
        line += len(_LINE_END.findall(text, start, last))
        end = _LINE_END.match(text, last)
        yield Record(start, end.end() if end else last, cells, line)
        if end is None:
            return
        start, line = end.end(), line + 1


def cell(value: str, written: str = "") -> str:
    """How a value is written, in place of ``written``: quoted when that was, or when it has to be."""
    if written.startswith('"') or _SPECIAL.search(value):
        return '"' + value.replace('"', '""') + '"'
    return value


def _cells(text: str, position: int) -> Iterator[tuple[int, int]]:
    while True:
        found = _CELL.match(text, position)
        end = found.end() if found else position
        yield position, end
        if text[end : end + 1] != ",":
            return
        position = end + 1


def value_of(text: str, span: tuple[int, int]) -> str:
    """What a cell holds, without its quotes."""
    written = text[slice(*span)]
    return written[1:-1].replace('""', '"') if written.startswith('"') else written
