"""Adding a curator's own file to the vocabulary: custom concepts, links between concepts, or source codes.

What a file holds is told by its header. Everything happens in the caller's transaction.
"""

import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, text

from vocabularies.concepts import (
    FIRST_CUSTOM_ID,
    HEADER,
    Concept,
    ConceptFileError,
    read_custom_concepts,
)
from vocabularies.custom.links import TABLES, add_links, table_of
from vocabularies.custom.source_codes import replace, stage
from vocabularies.custom.usagi import (
    REVIEW_HEADER,
    SOURCE_MAP_HEADER,
    SourceMap,
    is_review,
    is_source_map,
    read_review,
    read_source_map,
    vocabulary_fault,
)
from vocabularies.starter import load_starter
from vocabularies.text_table import Problem, TextTable


class AddError(Exception):
    """A file, or what was said about it, that cannot be added to this database."""


@dataclass(frozen=True, slots=True)
class Description:
    """What to say of a vocabulary in ``omop.vocabulary``; None leaves it as it is."""

    name: str | None = None
    reference: str | None = None
    version: str | None = None

    @property
    def given(self) -> Mapping[str, str]:
        """The parts that are said, by column."""
        parts = {
            "vocabulary_name": self.name,
            "vocabulary_reference": self.reference,
            "vocabulary_version": self.version,
        }
        return {column: value for column, value in parts.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a file's rows: read = added + changed + kept + left out."""

    what: str
    """What they are, in the plural."""
    read: int
    added: int
    changed: int
    kept: int
    removed: int = 0
    """Earlier rows that these took the place of."""
    reverse: int = 0
    """Relationships written besides, as the reverse of one in the file."""
    waiting: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Lines left out as nobody approved them, by mapping status."""
    unsayable: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Approved lines left out as SOURCE_TO_CONCEPT_MAP cannot say them, by mapping type."""
    warnings: tuple[str, ...] = ()


_ATHENAS = text("""
    SELECT vocabulary_id FROM omop.vocabulary
     WHERE vocabulary_id = ANY (:names)
       AND EXISTS (SELECT FROM omop.concept WHERE concept.vocabulary_id = vocabulary.vocabulary_id
                      AND concept_id < :first_custom)
     ORDER BY 1
""").bindparams(first_custom=FIRST_CUSTOM_ID)
_NEW_DOMAINS = text("""
    SELECT name FROM unnest(CAST(:domains AS text[])) AS given (name)
     WHERE NOT EXISTS (SELECT FROM omop.domain WHERE domain_id = name) ORDER BY 1
""")
_ONE_CODE = text("""
    SELECT vocabulary_id, concept_code, string_agg(concept_id::text, ' and ' ORDER BY concept_id)
      FROM omop.concept WHERE vocabulary_id = ANY (:names)
     GROUP BY vocabulary_id, concept_code HAVING count(*) > 1 ORDER BY 1, 2
""")
_DESCRIBE = text("""
    UPDATE omop.vocabulary
       SET vocabulary_name = coalesce(CAST(:name AS text), vocabulary_name),
           vocabulary_reference = coalesce(CAST(:reference AS text), vocabulary_reference),
           vocabulary_version = coalesce(CAST(:version AS text), vocabulary_version)
     WHERE vocabulary_id = :vocabulary
""")
_SHOWN = 20


def add_file(
    connection: Connection,
    path: Path,
    *,
    vocabulary: str | None = None,
    description: Description | None = None,
    strict: bool = False,
) -> Added:
    """Add a file to the vocabulary. ``vocabulary`` is that of source codes where the file names none.

    ``strict`` makes an error of every warning. Raises ConceptFileError with everything that is wrong with
    the file's lines, AddError, or StarterError where a custom id belongs to another vocabulary here.
    """
    _refuse_holder(path)
    problems: list[Problem] = []
    table = TextTable(path, problems)
    _refuse(path, problems)
    description = description or Description()
    if vocabulary is not None and (fault := vocabulary_fault(vocabulary)):
        raise AddError(fault)
    if is_source_map(table.header):
        return _add_codes(connection, path, table, read_source_map, vocabulary, description, strict)
    if is_review(table.header):
        if vocabulary is None:
            raise AddError(
                "a file that Usagi saved names no vocabulary; name its codes' with --vocabulary ID"
            )
        return _add_codes(connection, path, table, read_review, vocabulary, description, strict)
    if vocabulary is not None:
        raise AddError("--vocabulary is for source codes; other files name the vocabulary of each row")
    if set(table.header) == set(HEADER):
        return _add_concepts(connection, path, description, strict)
    if (linked := table_of(table.header)) is not None:
        if description.given:
            raise AddError(f"a file of {linked.name.upper()} describes no vocabulary")
        return _add_links(connection, path, table)
    raise ConceptFileError(str(path), [(1, _unknown_header())])


def _refuse_holder(path: Path) -> None:
    """An export is a folder or zip, and what it holds is added file by file."""
    if path.is_dir():
        raise AddError(f"'{path}' is a folder; add the files in it one by one, CONCEPT.csv first")
    if zipfile.is_zipfile(path):
        raise AddError(f"'{path}' is a zip; unpack it and add its files one by one, CONCEPT.csv first")


def _unknown_header() -> str:
    known = [HEADER, *(tuple(table.c.keys()) for table in TABLES), SOURCE_MAP_HEADER, REVIEW_HEADER]
    listed = "\n".join(f"  {','.join(names)}" for names in known)
    return f"the header is none of those that can be added, separated by commas or tabs:\n{listed}"


def _add_concepts(connection: Connection, path: Path, description: Description, strict: bool) -> Added:
    concepts = read_custom_concepts(path)
    if not concepts:
        raise AddError(f"'{path}' holds no concept")
    names = sorted({one.vocabulary_id for one in concepts})
    athenas = connection.scalars(_ATHENAS, {"names": names}).all()
    if athenas:
        listed = ", ".join(f"'{one}'" for one in athenas)
        raise AddError(f"{listed} is not a custom vocabulary; give custom concepts one of their own")
    warnings = _new_domains(connection, concepts)
    _refuse_warnings(warnings, strict)
    loaded = load_starter(connection, concepts)
    _refuse_shared_codes(connection, names)
    _describe(connection, names, description)
    return Added("custom concepts", len(concepts), *loaded, warnings=warnings)


def _new_domains(connection: Connection, concepts: Iterable[Concept]) -> tuple[str, ...]:
    """Domains say which table takes a concept, so one that nothing else is of may be a slip of the pen."""
    given = {"domains": sorted({one.domain_id for one in concepts})}
    return tuple(f"no other concept has domain '{name}'" for name in connection.scalars(_NEW_DOMAINS, given))


def _refuse_shared_codes(connection: Connection, names: list[str]) -> None:
    shared = connection.execute(_ONE_CODE, {"names": names}).all()
    if shared:
        listed = ", ".join(f"'{code}' of '{name}' ({ids})" for name, code, ids in shared[:_SHOWN])
        raise AddError(f"these codes would stand for several concepts each: {listed}")


def _add_links(connection: Connection, path: Path, table: TextTable) -> Added:
    linked = add_links(connection, table)
    _refuse(path, table.problems)
    return Added(*linked)


def _add_codes(
    connection: Connection,
    path: Path,
    table: TextTable,
    read: Callable[[TextTable, str | None], SourceMap],
    vocabulary: str | None,
    description: Description,
    strict: bool,
) -> Added:
    found = read(table, vocabulary)
    _refuse(path, table.problems)
    if not found.rows:
        raise AddError(f"'{path}' holds no row that can be loaded, so nothing was replaced")
    unknown, doubts = stage(connection, found.rows)
    _refuse(path, [*unknown, *(doubts if strict else ())])
    names = sorted({row.source_vocabulary_id for row in found.rows})
    replaced = replace(connection, names)
    _describe(connection, names, description)
    left_out = [*found.not_approved.values(), *found.not_events.values()]
    return Added(
        "source codes",
        len(found.rows) + sum(map(len, left_out)),
        *replaced,
        waiting=found.not_approved,
        unsayable=found.not_events,
        warnings=tuple(f"{path}:{line}: {message}" for line, message in doubts),
    )


def _describe(connection: Connection, names: list[str], description: Description) -> None:
    if not description.given:
        return
    if len(names) > 1:
        raise AddError(f"the file holds {len(names)} vocabularies; describe each with a file of its own")
    for column, value in description.given.items():
        if len(value) > 255:
            raise AddError(f"'{column}' has {len(value)} characters; the column holds 255")
    said = {"name": description.name, "reference": description.reference, "version": description.version}
    connection.execute(_DESCRIBE, {**said, "vocabulary": names[0]})


def _refuse(path: Path, problems: Iterable[Problem]) -> None:
    found = sorted(problems)
    if found:
        raise ConceptFileError(str(path), found)


def _refuse_warnings(warnings: tuple[str, ...], strict: bool) -> None:
    if strict and warnings:
        raise AddError("; ".join(warnings))
