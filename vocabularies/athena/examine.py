"""Looking at a bundle line by line, once it is known that something is wrong with it.

Every cell is held against its column. The keys and references of each line go, with its number, into a table,
where the database finds duplicate keys and unknown references among any number of rows.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, text
from sqlalchemy.schema import CreateTable

from omop_schema.copy_text import line as copy_line
from omop_schema.database import copy
from vocabularies.athena.bundle import Bundle, Member
from vocabularies.athena.copying import Seen
from vocabularies.athena.findings import Report
from vocabularies.athena.layout import CPT4, FILES
from vocabularies.athena.lines import HeaderError, Lines, numbered
from vocabularies.athena.parse import Parsed, Parser
from vocabularies.athena.references import code_columns, concept_columns
from vocabularies.athena.twins import SCHEMA, twins

#: Columns that are kept to be told of, besides those that are keys or references.
_NOTED = {"vocabulary": ("vocabulary_name", "vocabulary_version")}
#: Lines between two words to whoever watches.
_STEP = 20_000


def check_files(bundle: Bundle, report: Report) -> None:
    """Report files that are missing and headers that do not fit."""
    for name in bundle.missing:
        report.add("missing-file", name, 0, "the bundle does not have it; download the bundle again")
    for member in bundle.members.values():
        try:
            Lines(bundle, member, lambda size, rows: None).close()
        except HeaderError as error:
            report.add("bad-header", member.name, 1, str(error))


def examine(connection: Connection, bundle: Bundle, name: str, report: Report, seen: Seen) -> int:
    """Read a file, report what is wrong with its cells, and keep the rest in ``examined(name)``.

    Returns its number of rows. A file whose header does not fit holds no row that could be read.
    """
    member = bundle.members[name]
    reading = _Reading(bundle, member, report, seen)
    kept: list[Column[Any]] = [Column("line", BigInteger)]
    kept += [Column(one.name, one.type) for one in _kept(name)]
    kept += [Column(one, Text) for one in _noted(name)]
    connection.execute(text(f"DROP TABLE IF EXISTS {examined(name)}"))
    table = Table(examined(name).partition(".")[2], MetaData(), *kept, schema=SCHEMA)
    connection.execute(CreateTable(table))
    copy(connection, table, [one.name for one in kept], reading.rows())
    connection.execute(text(f"ANALYZE {examined(name)}"))
    return reading.count


def examined(name: str) -> str:
    """The table of a file's line numbers, keys and references."""
    return f"{SCHEMA}.examined_{name.removesuffix('.csv').lower()}"


def _kept(name: str) -> list[Column[Any]]:
    table = twins()[FILES[name].name]
    columns = (*table.primary_key.columns, *concept_columns(table))
    wanted = {one.name for one in columns} | set(code_columns(table))
    if table.name == "concept":
        wanted.add("concept_name")
    return [one for one in table.columns if one.name in wanted]


def _noted(name: str) -> tuple[str, ...]:
    return _NOTED.get(FILES[name].name, ())


class _Reading:
    """One pass over a file."""

    def __init__(self, bundle: Bundle, member: Member, report: Report, seen: Seen) -> None:
        self._bundle, self._member, self._report, self._seen = bundle, member, report, seen
        self._kept = [one.name for one in _kept(member.name)]
        self.count = 0

    def rows(self) -> Iterator[str]:
        """What COPY reads: number, keys and references of each line that has them in order."""
        try:
            header = Lines(self._bundle, self._member, lambda size, rows: None)
        except HeaderError:
            return
        header.close()
        parser = Parser(FILES[self._member.name], header.columns)
        stored = (*self._kept, *_noted(self._member.name))
        size = 0
        for number, line in numbered(self._bundle, self._member):
            size += len(line) + 1
            if number == 1:
                continue
            self.count += 1
            parsed = parser.parse(line)
            if self._tell(number, parsed):
                yield copy_line(number, *(parsed.values[name] or None for name in stored))
            if number % _STEP == 0:
                self._seen(self._member.name, size, self.count)

    def _tell(self, number: int, parsed: Parsed) -> bool:
        """Report the line's faults; whether its keys and references can be kept."""
        sound = bool(parsed.values)
        for fault in parsed.faults:
            if fault.column == "concept_name" and fault.kind == "empty-cell" and self._blank(number, parsed):
                continue
            self._report.add(fault.kind, self._member.name, number, fault.message)
            sound = sound and fault.column not in self._kept
        return sound

    def _blank(self, number: int, parsed: Parsed) -> bool:
        """Whether the name may be blank; in the CPT4 file that is told once CONCEPT.csv was looked at."""
        if self._member.name == CPT4:
            return True
        if parsed.values["vocabulary_id"] != "CPT4":
            return False
        tell_unnamed(self._report, self._member.name, number)
        return True


def tell_unnamed(report: Report, file: str, line: int) -> None:
    """Report a concept of CPT4 without its name."""
    message = (
        "the name of the CPT4 concept is blank; run Athena's cpt4 step in the unpacked bundle, as its readme "
        "says, with an API key of UMLS, and load again"
    )
    report.add("unnamed-concept", file, line, message, "CPT4")
