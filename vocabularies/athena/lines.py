"""A file of a bundle as COPY reads it: rows in PostgreSQL's text format, never in memory as a whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TypeVar

from sqlalchemy import Table

from vocabularies.athena.bundle import UNREADABLE, Bundle, Member, damaged
from vocabularies.athena.layout import FILES, cells

T = TypeVar("T")

#: Bytes read at once. Larger blocks gain nothing, smaller ones cost calls.
BLOCK = 256 * 1024
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
#: A header is one short line; a file without any line end must not fill the memory.
_LONGEST_HEADER = 4096


class HeaderError(Exception):
    """A first line that does not name the table's columns."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a file: its columns in the file's order, and how many bytes stand before the rows."""

    columns: tuple[str, ...]
    size: int


def read_header(stream: IO[bytes], table: Table) -> Header:
    """Read the first line and leave the stream behind it. Names are matched whatever their case.

    Raises HeaderError unless it names each column of the table once, separated by tabs.
    """
    first = stream.readline(_LONGEST_HEADER)
    if first.startswith(_WIDE):
        raise HeaderError("the file is UTF-16; Athena's are UTF-8, so download the bundle again")
    if not first:
        raise HeaderError("the file is empty, without even a header")
    names = first.removeprefix(_BOM).rstrip(b"\r\n").decode("utf-8", "replace").split("\t")
    columns = [name.strip().lower() for name in names]
    wanted = list(cells(table))
    if len(columns) == 1 and (other := next((sign for sign in ",;|" if sign in columns[0]), None)):
        raise HeaderError(
            f"the columns are separated by '{other}', not by tabs as Athena's are; use the file as "
            "Athena made it, not as a spreadsheet saved it"
        )
    faults = [
        *(f"'{name}' is missing" for name in wanted if name not in columns),
        *(f"'{name[:40]}' is not a column of {table.name}" for name in columns if name not in wanted),
        *(f"'{name}' stands there twice" for name in wanted if columns.count(name) > 1),
    ]
    if faults:
        raise HeaderError(f"the header is not that of {table.name}: {', '.join(faults)}")
    return Header(tuple(columns), len(first))


class Lines:
    """The rows of one file, as the object that COPY reads from; counts them on the way.

    The text format needs a backslash doubled, and a line end of Windows made one of Unix; quotes mean nothing
    in it, and an empty cell is the NULL that ``COPY ... NULL ''`` is told of.
    """

    def __init__(self, bundle: Bundle, member: Member, seen: Callable[[int, int], None]) -> None:
        """``seen`` is told after each block how many bytes and rows have been read."""
        self._bundle, self._member, self._seen = bundle, member, seen
        self._stream = member.open()
        self._kept = b""
        self._open_ended = False
        self.failure: Exception | None = None
        self.rows = 0
        self.bytes = 0
        try:
            header = self._guarded(lambda: read_header(self._stream, FILES[member.name]))
        except BaseException:
            self._stream.close()
            raise
        self.columns = header.columns
        self.bytes = header.size

    def read(self, _: int = BLOCK) -> bytes:
        """The next rows, or part of them; empty at the end. Raises BundleError when they do not unpack."""
        rows = b""
        while not rows and (block := self._guarded(lambda: self._stream.read(BLOCK))):
            self.bytes += len(block)
            self.rows += block.count(b"\n")
            self._open_ended = not block.endswith(b"\n")
            rows = self._plain(block)
        if not rows:
            rows, self._kept = self._kept, b""
            self.rows += self._open_ended
            self._open_ended = False
        try:
            self._seen(self.bytes, self.rows)
        except Exception as error:
            # As below, so that it is not told as a cancelled statement.
            self.failure = error
            raise
        return rows

    def close(self) -> None:
        """Give the file back."""
        self._stream.close()

    def _plain(self, block: bytes) -> bytes:
        if self._kept or b"\r" in block:
            block = self._kept + block
            # Whether this is half of a line end is known with the next block.
            self._kept = b"\r" if block.endswith(b"\r") else b""
            block = block.removesuffix(b"\r").replace(b"\r\n", b"\n")
        return block.replace(b"\\", b"\\\\") if b"\\" in block else block

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except UNREADABLE as error:
            # The driver would put its own error in place of this one.
            self.failure = damaged(self._bundle.path, self._member.name)
            raise self.failure from error
        except OSError as error:
            self.failure = error
            raise


#: Bytes of a line that are looked at: more than the widest row, so that a longer one is faulty in any case.
LONGEST_LINE = 64 * 1024


def numbered(bundle: Bundle, member: Member) -> Iterator[tuple[int, bytes]]:
    """The file's lines without their ends, and their numbers from 1; the header is the first.

    A line longer than ``LONGEST_LINE`` is cut. Raises BundleError when the file does not unpack.
    """
    try:
        with member.open() as stream:
            number = 0
            while line := stream.readline(LONGEST_LINE):
                number += 1
                rest = line
                while rest and not rest.endswith(b"\n"):
                    rest = stream.readline(LONGEST_LINE)
                yield number, line[:-2] if line.endswith(b"\r\n") else line.removesuffix(b"\n")
    except UNREADABLE as error:
        raise damaged(bundle.path, member.name) from error
