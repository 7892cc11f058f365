"""Bringing a file of a bundle into a table by COPY."""

from collections.abc import Callable
from contextlib import closing

import psycopg2
from psycopg2 import sql
from sqlalchemy import Connection

from vocabularies.athena.bundle import Bundle, Member
from vocabularies.athena.layout import FILES
from vocabularies.athena.lines import BLOCK, Lines
from vocabularies.athena.strict import Strict

#: Told after each block of a file: its name, and the bytes and rows of it read so far.
Seen = Callable[[str, int, int], None]


def ignore(name: str, size: int, rows: int) -> None:
    """Watch nothing."""


class Unfit(Exception):
    """Rows that a table does not take. Which ones, and why, is what ``examine`` finds out."""


def copy_member(
    connection: Connection,
    bundle: Bundle,
    member: Member,
    table: tuple[str, ...],
    *,
    freeze: bool = False,
    seen: Seen = ignore,
) -> int:
    """COPY a file into ``(schema, table)`` or ``(table,)`` within the transaction; the number of rows.

    The table has the columns of the file's own table. ``freeze`` is for a table made in this transaction.
    Raises HeaderError, BundleError when the file is damaged, or Unfit when the table refuses a row.
    """
    lines = Lines(bundle, member, lambda size, rows: seen(member.name, size, rows))
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT text, NULL '', ENCODING 'UTF8', FREEZE {})").format(
        sql.Identifier(*table),
        sql.SQL(", ").join(map(sql.Identifier, lines.columns)),
        sql.SQL("true" if freeze else "false"),
    )
    source = _Source(lines, Strict(FILES[member.name], lines.columns))
    with closing(lines), closing(connection.connection.cursor()) as cursor:
        try:
            cursor.copy_expert(command, source, BLOCK)
        except BaseException as error:
            if lines.failure:
                raise lines.failure from None
            if source.unfit:
                raise Unfit(member.name) from None
            if isinstance(error, (psycopg2.DataError, psycopg2.IntegrityError)):
                raise Unfit(member.name) from error
            raise
        if cursor.rowcount != lines.rows:
            raise Unfit(member.name)
        return lines.rows


class _Source:
    """What COPY reads from: the lines, until one of them may not be taken as COPY would take it."""

    def __init__(self, lines: Lines, strict: Strict) -> None:
        self._lines, self._strict = lines, strict
        self.unfit = False

    def read(self, size: int = BLOCK) -> bytes:
        rows = self._lines.read(size)
        if not self._strict.takes(rows):
            self.unfit = True
            raise ValueError("a line that must not be taken")
        return rows
