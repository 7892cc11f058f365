"""Source codes and their concepts as files: SOURCE_TO_CONCEPT_MAP, and what the mapping tool Usagi saves.

Usagi writes both. Its export has the columns of OMOP's table; its own save file has more, among them whether
somebody approved each mapping, and which part of the code a concept stands for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from vocabularies.concepts import FIRST_DAY, LAST_DAY, PLACEHOLDER, VOCABULARY_ID_WIDTH, is_value_map
from vocabularies.text_table import BAD_DAY, BAD_ID, Line, TextTable

SOURCE_MAP_HEADER = (
    "source_code",
    "source_concept_id",
    "source_vocabulary_id",
    "source_code_description",
    "target_concept_id",
    "target_vocabulary_id",
    "valid_start_date",
    "valid_end_date",
    "invalid_reason",
)
#: What every version of Usagi writes into its save file, of columns that are needed here.
REVIEW_HEADER = ("sourceCode", "sourceName", "mappingStatus", "conceptId")
_REVIEW = tuple(name.lower() for name in REVIEW_HEADER)
_APPROVED = "APPROVED"
_OTHER_STATES = ("UNCHECKED", "AUTO_MAPPED", "AUTO_MAPPED_TO_1", "INVALID_TARGET", "FLAGGED", "IGNORED")
#: A row's only meaning in SOURCE_TO_CONCEPT_MAP; the second is how early versions spell it.
_EVENT_TYPES = ("MAPS_TO", "EVENT", "")


@dataclass(frozen=True, slots=True)
class MapRow:
    """One source code and a concept that it stands for."""

    line: int
    source_code: str
    source_concept_id: int
    source_vocabulary_id: str
    source_code_description: str | None
    target_concept_id: int
    target_vocabulary_id: str | None
    """As the file says; None when it does not."""
    target_name: str | None
    """As the file says; None when it does not."""
    valid_start_date: date
    valid_end_date: date
    invalid_reason: str | None


@dataclass(frozen=True, slots=True)
class SourceMap:
    """A file's rows: those to load, and the lines of those to leave out, by reason."""

    rows: tuple[MapRow, ...]
    not_approved: Mapping[str, tuple[int, ...]]
    """By mapping status."""
    not_events: Mapping[str, tuple[int, ...]]
    """By mapping type: approved, but for a value or unit, which the table cannot say."""


def is_source_map(header: tuple[str, ...]) -> bool:
    """Whether these columns, in small letters, are those of SOURCE_TO_CONCEPT_MAP."""
    return set(SOURCE_MAP_HEADER) <= set(header)


def is_review(header: tuple[str, ...]) -> bool:
    """Whether these columns, in small letters, are those of a file that Usagi saved."""
    return set(_REVIEW) <= set(header)


def read_source_map(table: TextTable, vocabulary: str | None) -> SourceMap:
    """The rows of SOURCE_TO_CONCEPT_MAP; ``vocabulary`` fills ``source_vocabulary_id`` where it is empty."""
    return SourceMap(tuple(_unique(_export_row(line, vocabulary) for line in table.lines())), {}, {})


def read_review(table: TextTable, vocabulary: str | None) -> SourceMap:
    """The approved rows of a file that Usagi saved; its codes belong to ``vocabulary``."""
    rows: list[tuple[Line, MapRow]] = []
    not_approved: dict[str, list[int]] = {}
    not_events: dict[str, list[int]] = {}
    for line in table.lines():
        status, kind = line.values["mappingstatus"], line.values.get("mappingtype", "")
        if status != _APPROVED and status not in _OTHER_STATES:
            line.report(f"'mappingStatus' '{status}' is none of Usagi's")
        elif status != _APPROVED:
            not_approved.setdefault(status, []).append(line.number)
        elif kind not in _EVENT_TYPES:
            not_events.setdefault(kind, []).append(line.number)
        else:
            rows.append(_review_row(line, vocabulary))
    return SourceMap(tuple(_unique(iter(rows))), _frozen(not_approved), _frozen(not_events))


def _frozen(lines: Mapping[str, list[int]]) -> Mapping[str, tuple[int, ...]]:
    return {reason: tuple(numbers) for reason, numbers in lines.items()}


def _unique(rows: Iterator[tuple[Line, MapRow]]) -> Iterator[MapRow]:
    seen: dict[tuple[str, str, int, date], int] = {}
    for line, row in rows:
        key = (row.source_vocabulary_id, row.source_code, row.target_concept_id, row.valid_end_date)
        first = seen.setdefault(key, line.number)
        if first != line.number:
            line.report(f"this code and concept are on line {first} already")
        yield row


def _export_row(line: Line, vocabulary: str | None) -> tuple[Line, MapRow]:
    start, end = line.day("valid_start_date"), line.day("valid_end_date")
    if BAD_DAY not in (start, end) and end < start:
        line.report("'valid_end_date' is before 'valid_start_date'")
    return line, MapRow(
        line.number,
        _code(line, "source_code"),
        line.id("source_concept_id"),
        _vocabulary(line, line.values["source_vocabulary_id"], vocabulary),
        _text(line, "source_code_description"),
        line.id("target_concept_id"),
        line.text("target_vocabulary_id", VOCABULARY_ID_WIDTH, required=False) or None,
        None,
        start,
        end,
        line.one_of("invalid_reason", ("", "D", "U")),
    )


def _review_row(line: Line, vocabulary: str | None) -> tuple[Line, MapRow]:
    target = line.id("conceptid")
    named = line.values.get("conceptname") if target not in (0, BAD_ID) else None
    return line, MapRow(
        line.number,
        _code(line, "sourcecode"),
        0,
        _vocabulary(line, "", vocabulary),
        _text(line, "sourcename"),
        target,
        None,
        _plain(named or "") or None,
        FIRST_DAY,
        LAST_DAY,
        None,
    )


def _code(line: Line, name: str) -> str:
    return _plain(line.text(name, 50))


def _text(line: Line, name: str) -> str | None:
    return _plain(line.text(name, 255, required=False)) or None


def _plain(text: str) -> str:
    """The text, of which Usagi writes every backslash as two."""
    return text.replace("\\\\", "\\")


def _vocabulary(line: Line, own: str, given: str | None) -> str:
    vocabulary = own or given or ""
    if not vocabulary:
        line.report("there is no source_vocabulary_id; name the codes' vocabulary with --vocabulary ID")
    if own and given and own != given:
        line.report(f"'source_vocabulary_id' is '{own}', and --vocabulary says '{given}'")
    if fault := vocabulary_fault(vocabulary):
        line.report(fault)
    return vocabulary


def vocabulary_fault(vocabulary: str) -> str | None:
    """Why source codes cannot belong to such a vocabulary; None when they can."""
    if len(vocabulary) > VOCABULARY_ID_WIDTH:
        return f"'{vocabulary}' is longer than a vocabulary_id, {VOCABULARY_ID_WIDTH} characters"
    if is_value_map(vocabulary):
        return f"'{vocabulary}' has a dot, as the value maps of a mapping have; name it without one"
    if vocabulary == PLACEHOLDER:
        return f"'{PLACEHOLDER}' is no vocabulary for source codes; choose another name"
    return None
