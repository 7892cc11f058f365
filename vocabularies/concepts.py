"""Concepts and value maps as files, and concepts as the database holds them.

A concept file is CSV with the columns of OMOP's CONCEPT table. It holds two kinds of rows:

- *custom* concepts, ids from 2,000,000,000 on, which are ours to define: every column is filled in;
- *placeholders*, any other id. Such a concept belongs to a vocabulary that only Athena may hand out, so the
  file says no more than its id, its name and the domain that the mapping relies on. ``vocabulary_id`` to
  ``invalid_reason`` stay empty and are filled with the placeholder's marks when the file is read, so that
  nobody mistakes the row for Athena's. Loading an Athena vocabulary replaces it.

A value map is CSV in the shape of OMOP's SOURCE_TO_CONCEPT_MAP; target 0 says that no concept is known yet.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

from sqlalchemy import Connection, Integer, any_, cast, select
from sqlalchemy.dialects.postgresql import ARRAY

from omop_schema import vocabulary as tables
from vocabularies.text_table import BAD_DAY, BAD_ID, LARGEST, Line, Problem, TextTable

T = TypeVar("T")

FIRST_CUSTOM_ID = 2_000_000_000
LAST_ID = LARGEST
FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2099, 12, 31)
PLACEHOLDER = "Placeholder"
CDM_CONCEPTS = "cdm_concepts.csv"
CONCEPTS = "concepts.csv"
VALUE_MAPS = "value_maps"
VOCABULARY_ID_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Concept:
    """A row of OMOP's CONCEPT table."""

    concept_id: int
    concept_name: str
    domain_id: str
    vocabulary_id: str
    concept_class_id: str
    standard_concept: str | None
    concept_code: str
    valid_start_date: date
    valid_end_date: date
    invalid_reason: str | None

    @property
    def placeholder(self) -> bool:
        """Whether it only stands in for a concept that an Athena vocabulary defines."""
        return self.vocabulary_id == PLACEHOLDER

    @property
    def custom(self) -> bool:
        """Whether it is a local concept, outside Athena's id range."""
        return self.concept_id >= FIRST_CUSTOM_ID

    @property
    def valid(self) -> bool:
        """Whether it may be used in new data: neither deleted nor replaced."""
        return self.invalid_reason is None


@dataclass(frozen=True, slots=True)
class ValueMapRow:
    """One source code and its concept; ``target_concept_id`` 0 when no concept is known yet."""

    source_code: str
    source_code_description: str
    target_concept_id: int
    target_concept_name: str
    line: int
    """Line of the file, from 1."""


@dataclass(frozen=True)
class ValueMap:
    """The codes of one source field. ``name`` is that of the file, without ``.csv``."""

    name: str
    rows: tuple[ValueMapRow, ...]

    @cached_property
    def targets(self) -> Mapping[str, int]:
        """Target concept id by source code."""
        return {row.source_code: row.target_concept_id for row in self.rows}


class ConceptFileError(Exception):
    """A file of concepts or codes that cannot be used.

    ``lines`` has every (line, message) of it; line 0 stands for the file as a whole.
    """

    def __init__(self, file: str, lines: Iterable[tuple[int, str]]) -> None:
        self.file = file
        self.lines = tuple(lines)
        places = ((f"{file}:{line}" if line else file, message) for line, message in self.lines)
        super().__init__("\n".join(f"{place}: {message}" for place, message in places))


HEADER = tuple(field.name for field in fields(Concept))
VALUE_MAP_HEADER = ("source_code", "source_code_description", "target_concept_id", "target_concept_name")
_ATHENAS = HEADER[3:]
_WIDTHS = {
    "concept_name": 255,
    "domain_id": 20,
    "vocabulary_id": 20,
    "concept_class_id": 20,
    "concept_code": 50,
}
_VALUE_MAP_WIDTHS = {"source_code": 50, "source_code_description": 255, "target_concept_name": 255}
_FLAGS = {"standard_concept": ("", "S", "C"), "invalid_reason": ("", "D", "U")}


def read_concepts(path: Traversable) -> tuple[Concept, ...]:
    """Read a concept file. Raises ConceptFileError with everything that is wrong with it."""
    return tuple(_read(path, HEADER, "concept_id", _concept))


def read_custom_concepts(path: Traversable) -> tuple[Concept, ...]:
    """Read a file of custom concepts alone. Raises ConceptFileError like ``read_concepts``."""
    return tuple(_read(path, HEADER, "concept_id", _only_custom))


def read_value_map(path: Traversable) -> ValueMap:
    """Read a value map. Raises ConceptFileError with everything that is wrong with it."""
    rows = _read(path, VALUE_MAP_HEADER, "source_code", _value_map_row)
    return ValueMap(path.name.removesuffix(".csv"), tuple(rows))


def map_vocabulary(mapping: str, name: str) -> str:
    """The vocabulary_id of a mapping's value map; ``VOCABULARY_ID_WIDTH`` characters fit the column."""
    return f"{mapping}.{name}"


def is_value_map(vocabulary_id: str) -> bool:
    """Whether such an id belongs to the value map of a mapping, as ``map_vocabulary`` makes them."""
    return "." in vocabulary_id


def shipped(mapping_dir: Traversable) -> dict[int, Concept]:
    """The concepts that come with Oncolake and with a mapping folder, by id: for work without a database.

    Raises ConceptFileError when a file is wrong, or when the mapping describes a concept of the CDM anew.
    """
    concepts = cdm_concepts()
    own = mapping_dir.joinpath(CONCEPTS)
    again = []
    for line, one in enumerate(read_concepts(own), 2):
        if one.concept_id in concepts:
            again.append((line, f"concept {one.concept_id} is in '{CDM_CONCEPTS}' already; remove this row"))
        concepts[one.concept_id] = one
    if again:
        raise ConceptFileError(str(own), again)
    return concepts


def cdm_concepts() -> dict[int, Concept]:
    """The concepts that come with Oncolake itself, by id: those of the CDM that any mapping needs."""
    return {one.concept_id: one for one in read_concepts(files(__package__).joinpath(CDM_CONCEPTS))}


def lookup(connection: Connection, ids: Iterable[int]) -> dict[int, Concept]:
    """The concepts of these ids that the database knows, by id, in one query."""
    # Whoever mistypes an id may type more digits than the column holds.
    wanted = cast(sorted({one for one in ids if one <= LAST_ID}), ARRAY(Integer))
    columns = [tables.concept.c[name] for name in HEADER]
    found = connection.execute(select(*columns).where(tables.concept.c.concept_id == any_(wanted)))
    return {row.concept_id: Concept(*row) for row in found}


def _read(path: Traversable, header: tuple[str, ...], key: str, build: Callable[[Line], T]) -> list[T]:
    problems: list[Problem] = []
    table = TextTable(path, problems)
    built = []
    seen: dict[str, int] = {}
    if table.header != header and not problems:
        problems.append(Problem(1, f"the header must be '{','.join(header)}'"))
    for line in () if problems else table.lines():
        first = seen.setdefault(line.values[key], line.number)
        if first != line.number:
            line.report(f"'{key}' {line.values[key]!r} is on line {first} already")
        built.append(build(line))
    if problems:
        raise ConceptFileError(str(path), sorted(problems))
    return built


def _concept(line: Line) -> Concept:
    concept_id = line.id("concept_id")
    if concept_id < FIRST_CUSTOM_ID:
        return _placeholder(line, concept_id)
    return _custom(line, concept_id)


def _only_custom(line: Line) -> Concept:
    concept_id = line.id("concept_id")
    if BAD_ID < concept_id < FIRST_CUSTOM_ID:
        line.report(f"'concept_id' {concept_id} is Athena's to give; custom ones begin at {FIRST_CUSTOM_ID}")
    return _custom(line, concept_id)


def _custom(line: Line, concept_id: int) -> Concept:
    texts = {name: line.text(name, width) for name, width in _WIDTHS.items()}
    flags = {name: line.one_of(name, allowed) for name, allowed in _FLAGS.items()}
    days = {name: line.day(name) for name in ("valid_start_date", "valid_end_date")}
    if texts["vocabulary_id"] == PLACEHOLDER:
        line.report(f"'vocabulary_id' of a custom concept must name its own vocabulary, not '{PLACEHOLDER}'")
    if is_value_map(texts["vocabulary_id"]):
        line.report(f"'vocabulary_id' is '{texts['vocabulary_id']}'; ids with a dot belong to value maps")
    if BAD_DAY not in days.values() and days["valid_end_date"] < days["valid_start_date"]:
        line.report("'valid_end_date' is before 'valid_start_date'")
    values: dict[str, Any] = {**texts, **flags, **days}
    return Concept(concept_id=concept_id, **values)


def _placeholder(line: Line, concept_id: int) -> Concept:
    for name in _ATHENAS:
        if line.values[name] and concept_id != BAD_ID:
            line.report(f"'{name}' must be empty: only Athena describes ids below {FIRST_CUSTOM_ID}")
    return Concept(
        concept_id=concept_id,
        concept_name=line.text("concept_name", _WIDTHS["concept_name"]),
        domain_id=line.text("domain_id", _WIDTHS["domain_id"]),
        vocabulary_id=PLACEHOLDER,
        concept_class_id=PLACEHOLDER,
        standard_concept=None,
        concept_code=f"placeholder-{concept_id}",
        valid_start_date=FIRST_DAY,
        valid_end_date=LAST_DAY,
        invalid_reason=None,
    )


def _value_map_row(line: Line) -> ValueMapRow:
    texts = {name: line.text(name, width) for name, width in _VALUE_MAP_WIDTHS.items()}
    return ValueMapRow(target_concept_id=line.id("target_concept_id"), line=line.number, **texts)
