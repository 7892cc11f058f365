"""Changing the concepts of a mapping in its files: their ids and names become others, and nothing else."""

import difflib
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources.abc import Traversable

from etl.mapping.bind import bind
from etl.mapping.concept_use import ConceptUse
from etl.mapping.folder import read_folder
from etl.mapping.objections import every_use
from etl.review.cells import Record, cell, records, value_of
from etl.review.scalars import rewritten, scalars
from vocabularies.concepts import CONCEPTS, FIRST_CUSTOM_ID, HEADER, VALUE_MAP_HEADER, Concept, cdm_concepts

#: The concept to write, by the id of each that is to be changed; the same one where only its name changes.
Changes = Mapping[int, Concept]

_BOM = "\ufeff"
_TARGET = (VALUE_MAP_HEADER.index("target_concept_id"), VALUE_MAP_HEADER.index("target_concept_name"))
_DESCRIBED = (HEADER.index("concept_id"), HEADER.index("concept_name"), HEADER.index("domain_id"))


@dataclass(frozen=True, slots=True)
class Edited:
    """One file of the folder, before and after."""

    name: str
    old: str
    new: str

    @property
    def lines(self) -> int:
        """How many of its lines are others now, or gone."""
        return sum(line.startswith("-") for line in self._difference()[2:]) or 1

    def diff(self) -> str:
        """The difference as a unified diff, as ``patch -p1`` takes it."""
        ended = (
            one if one.endswith("\n") else f"{one}\n\\ No newline at end of file\n"
            for one in self._difference()
        )
        return "".join(ended)

    def _difference(self) -> list[str]:
        old, new = (list(io.StringIO(text, newline="\n")) for text in (self.old, self.new))
        return list(difflib.unified_diff(old, new, f"a/{self.name}", f"b/{self.name}"))


@dataclass(frozen=True, slots=True, order=True)
class _Edit:
    start: int
    end: int
    text: str


def edited(path: Traversable, changes: Changes) -> list[Edited]:
    """The files of a folder that these changes make others, ``concepts.csv`` first.

    Comments, quotes, layout, line ends and a byte order mark stay as they are. Raises MappingError when the
    folder cannot be read.
    """
    folder = read_folder(path)
    by_file: dict[str, list[ConceptUse]] = {}
    for use in every_use(folder, bind(folder).concepts):
        if use.concept in changes and not _says(use, changes[use.concept]):
            by_file.setdefault(use.place.file, []).append(use)
    # First the concepts: who is stopped between two files has all that the other files name.
    files = [_edited(path, CONCEPTS, partial(_concept_edits, changes=changes))]
    for name, uses in sorted(by_file.items()):
        edits = _cell_edits if name.endswith(".csv") else _scalar_edits
        files.append(_edited(path, name, partial(edits, uses=uses, changes=changes)))
    return [one for one in files if one.old != one.new]


def _says(use: ConceptUse, concept: Concept) -> bool:
    return (use.concept, use.name) == (concept.concept_id, concept.concept_name)


def _edited(path: Traversable, name: str, edits: Callable[[str], Iterable[_Edit]]) -> Edited:
    old = path.joinpath(name).read_bytes().decode()
    text = old.removeprefix(_BOM)
    return Edited(name, old, old[: len(old) - len(text)] + _applied(text, edits(text)))


def _applied(text: str, edits: Iterable[_Edit]) -> str:
    parts, position = [], 0
    # An alias leads to its anchor's text again.
    for edit in sorted(set(edits)):
        parts += [text[position : edit.start], edit.text]
        position = max(position, edit.end)
    return "".join((*parts, text[position:]))


def _scalar_edits(text: str, uses: Iterable[ConceptUse], changes: Changes) -> Iterator[_Edit]:
    found = scalars(text)
    for use in uses:
        # What a rule has from the one that it is like is written there only.
        if use.keys in found:
            one, new = found[use.keys], changes[use.concept]
            written = rewritten(text[one.start : one.end], one, f"{new.concept_id} {new.concept_name}")
            yield _Edit(one.start, one.end, written)


def _cell_edits(text: str, uses: Iterable[ConceptUse], changes: Changes) -> Iterator[_Edit]:
    by_line = {use.place.line: changes[use.concept] for use in uses}
    for record in records(text):
        new = by_line.get(record.line)
        if new is not None:
            texts = (str(new.concept_id), new.concept_name)
            yield from _in_cells(text, record, zip(_TARGET, texts, strict=True))


def _concept_edits(text: str, changes: Changes) -> Iterator[_Edit]:
    """A placeholder's row becomes that of its successor, unless that one has a row already."""
    header, *rows = records(text)
    by_id = {int(value_of(text, row.cells[0])): row for row in rows}
    ours = cdm_concepts()
    going = {number for number, new in changes.items() if number != new.concept_id} - set(_custom(by_id))
    there = ours.keys() | by_id.keys() - going
    for number, row in by_id.items():
        new = changes.get(number)
        if new is None or number >= FIRST_CUSTOM_ID:
            continue
        if number in going and new.concept_id in there:
            yield _Edit(row.start, row.end, "")
        else:
            there |= {new.concept_id}
            yield from _in_cells(text, row, zip(_DESCRIBED, _described(new), strict=True))
    # What is replaced has no row of its own to give, but the folder has to know the successor too.
    known = ours.keys() | _custom(by_id)
    missing = {new.concept_id: new for number, new in changes.items() if number in known}
    added = [new for number, new in missing.items() if number not in there]
    if added:
        yield _at_the_end(text, header, added)


def _custom(ids: Iterable[int]) -> Collection[int]:
    return {number for number in ids if number >= FIRST_CUSTOM_ID}


def _described(concept: Concept) -> tuple[str, str, str]:
    return str(concept.concept_id), concept.concept_name, concept.domain_id


def _in_cells(text: str, record: Record, values: Iterable[tuple[int, str]]) -> Iterator[_Edit]:
    for index, value in values:
        start, end = record.cells[index]
        if value_of(text, (start, end)) != value:
            yield _Edit(start, end, cell(value, text[start:end]))


def _at_the_end(text: str, header: Record, added: Iterable[Concept]) -> _Edit:
    line_end = text[header.cells[-1][1] : header.end] or "\n"
    empty = [""] * (len(HEADER) - len(_DESCRIBED))
    rows = [",".join((*map(cell, _described(one)), *empty)) for one in added]
    joined = line_end.join(rows)
    ended = text.endswith(("\n", "\r"))
    return _Edit(len(text), len(text), joined + line_end if ended else line_end + joined)
