"""Cells that COPY takes and reads as something else than is written there.

It takes ``today`` and ``01/02/2020`` for dates and ``NaN`` for a number, and cuts blanks off a text that is
too long. Rows on their way to COPY are looked at a block at a time, at a small part of the time that COPY
takes; only what looks as if it may hold such a cell is looked at line by line. Whole numbers need no look:
COPY reads `` 12`` and ``+12`` as 12, and whatever else it takes for one is that number.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Table

from vocabularies.athena.layout import cells
from vocabularies.athena.lines import LONGEST_LINE
from vocabularies.athena.parse import Parser
from vocabularies.athena.references import code_columns

#: How the files with dates end.
_DATED = ("valid_start_date", "valid_end_date", "invalid_reason")
_ZEROS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))
_FLAGS = b"DU"
_DAYS = b"\t00000000\t00000000\t\n"
_PLAIN_NUMBERS = b"0123456789.\t\n" + _FLAGS


class Strict:
    """Looks at the rows of one file, block after block."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        """``columns`` are those of the header, in its order."""
        kinds = [cells(table)[name] for name in columns]
        self._parser = Parser(table, columns)
        self._dates = any(one.kind == "date" for one in kinds)
        self._days_last = tuple(columns[-3:]) == _DATED
        self._numbers = any(one.kind == "number" for one in kinds)
        cut = [one.kind == "text" and not self._held(table, one.name) for one in kinds]
        self._blanks = [sign for sign, there in ((b" \t", any(cut[:-1])), (b" \n", cut[-1])) if there]
        self._rest = b""

    def takes(self, rows: bytes) -> bool:
        """Whether the rows, as COPY is given them, may go on; they end anywhere, and with an empty block."""
        block = self._rest + rows
        if not rows and block:
            block += b"\n"
        end = block.rfind(b"\n") + 1
        block, self._rest = block[:end], block[end:]
        return len(self._rest) <= LONGEST_LINE and all(map(self._sound, self._doubtful(block)))

    def _held(self, table: Table, column: str) -> bool:
        """Whether something else sees to it that a text is not cut: its foreign key, or the look at dates."""
        return column in code_columns(table) or (self._dates and column == _DATED[-1])

    def _doubtful(self, block: bytes) -> Iterator[bytes]:
        """The lines that have to be looked at."""
        if (self._dates and not self._days_are_sound(block)) or (
            self._numbers and block.translate(None, _PLAIN_NUMBERS)
        ):
            yield from block.splitlines()
        else:
            for blank in self._blanks:
                yield from _lines_with(blank, block)

    def _days_are_sound(self, block: bytes) -> bool:
        lines = block.count(b"\n")
        return self._days_last and block.translate(_ZEROS, _FLAGS).count(_DAYS) == lines

    def _sound(self, line: bytes) -> bool:
        faults = self._parser.parse(line.replace(b"\\\\", b"\\")).faults
        # An empty cell is NULL to COPY, and the table knows where it takes one.
        return all(fault.kind == "empty-cell" for fault in faults)


def _lines_with(sign: bytes, block: bytes) -> Iterator[bytes]:
    at = block.find(sign)
    while at >= 0:
        end = block.index(b"\n", at)
        yield block[block.rfind(b"\n", 0, at) + 1 : end]
        at = block.find(sign, end)
