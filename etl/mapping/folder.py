"""Reading a mapping folder: YAML, CSV and JSON Schema, with the line of everything."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from etl.mapping import language
from etl.mapping.findings import Finding, MappingError, finding
from etl.mapping.paths import broken_references, recursive_references
from etl.mapping.shape_errors import in_words
from vocabularies.concepts import VALUE_MAPS, ConceptFileError, ValueMap, read_value_map

Keys = tuple[str | int, ...]
MAPPING_FILE = "mapping.yaml"


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the folder and a line in it, from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A YAML file as plain data, and the line of each of its keys."""

    name: str
    data: Any
    lines: Mapping[Keys, int]

    def place(self, *keys: str | int) -> Place:
        """Where the keys stand; the nearest parent's place when they are not written out."""
        while keys not in self.lines:
            keys = keys[:-1]
        return Place(self.name, self.lines[keys])


@dataclass(frozen=True, slots=True)
class Folder:
    """Everything that a mapping folder holds, parsed; references are not resolved yet."""

    path: Traversable
    mapping: language.Mapping
    mapping_file: SourceFile
    sections: Mapping[str, language.Section]
    section_files: Mapping[str, SourceFile]
    value_maps: Mapping[str, ValueMap]
    schema: Mapping[str, Any]
    digest: str


def read_folder(path: Traversable) -> Folder:
    """Read a mapping folder. Raises MappingError with every file's findings."""
    reader = FolderReader(path)
    mapping_file = reader.yaml(MAPPING_FILE)
    mapping = reader.parse(mapping_file, language.MAPPING)
    if mapping is None or mapping_file is None:
        raise MappingError(reader.findings)
    files = {name: reader.yaml(f"{name}.yaml") for name in _section_names(mapping)}
    sections = {name: reader.parse(file, language.SECTION) for name, file in files.items()}
    schema = reader.json(mapping.schema_, mapping_file.place("schema"))
    value_maps = dict(reader.value_maps())
    if reader.findings:
        raise MappingError(reader.findings)
    return Folder(
        path=path,
        mapping=mapping,
        mapping_file=mapping_file,
        sections={name: section for name, section in sections.items() if section is not None},
        section_files={name: file for name, file in files.items() if file is not None},
        value_maps=value_maps,
        schema=schema,
        digest=reader.digest.hexdigest(),
    )


def _section_names(mapping: language.Mapping) -> list[str]:
    listed = (name for form in mapping.forms.values() for name in form.sections)
    return list(dict.fromkeys((*mapping.sections, *listed)))


class FolderReader:
    """Reads the files of one folder and collects what is wrong with them."""

    def __init__(self, path: Traversable) -> None:
        self.path = path
        self.findings: list[Finding] = []
        self.digest = hashlib.sha256()

    def text(self, name: str, place: Place | None = None) -> str | None:
        try:
            content = self.path.joinpath(name).read_bytes()
            # Editors on Windows put a byte order mark in front.
            text = content.decode("utf-8-sig")
        except (FileNotFoundError, NotADirectoryError):
            where = place or Place(name, 1)
            self.report("unreadable", where, f"there is no file '{name}' in '{self.path}'")
        except (OSError, UnicodeDecodeError) as error:
            self.report("unreadable", Place(name, 1), f"cannot be read: {type(error).__name__}")
        else:
            self.digest.update(name.encode() + b"\0" + content + b"\0")
            return text
        return None

    def yaml(self, name: str) -> SourceFile | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            root = YAML(typ="rt").load(text)
            return SourceFile(name, _plain(root), dict(lines_of(root)))
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            problem = _first_line(error.problem or error)
            if isinstance(error, DuplicateKeyError):
                problem = problem.partition(" with value")[0]  # what follows repeats both values in full
            self.report("unreadable", Place(name, line), f"not YAML: {problem}")
        except YAMLError as error:
            self.report("unreadable", Place(name, 1), f"not YAML: {_first_line(error)}")
        except RecursionError:
            self.report("unreadable", Place(name, 1), "nested too deeply")
        except ValueError as error:  # a date or number that YAML reads as one and that is none
            self.report("unreadable", Place(name, 1), f"not YAML: {_first_line(error)}")
        return None

    def parse(self, file: SourceFile | None, shape: TypeAdapter[Any]) -> Any:
        if file is None:
            return None
        try:
            return shape.validate_python(file.data)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            for one in found:
                # A list is "too short" for Pydantic when its items are wrong.
                if one["type"] == "too_short" and any(_inside(other["loc"], one["loc"]) for other in found):
                    continue
                keys = _written_keys(one["loc"], file)
                self.report("bad-shape", file.place(*keys), in_words(one))
        return None

    def json(self, name: str, place: Place) -> Mapping[str, Any]:
        text = self.text(name, place)
        if text is None:
            return {}
        try:
            schema = json.loads(text)
            broken = list(_broken_schema(schema))
        except json.JSONDecodeError as error:
            self.report("unreadable", Place(name, error.lineno), f"not JSON: {error.msg}")
        except RecursionError:
            self.report("unreadable", Place(name, 1), "nested too deeply")
        else:
            for message in broken:
                self.report("bad-schema", Place(name, 1), message)
            return {} if broken else schema
        return {}

    def value_maps(self) -> Iterator[tuple[str, ValueMap]]:
        maps = self.path.joinpath(VALUE_MAPS)
        if not maps.is_dir():
            return
        for file in sorted(maps.iterdir(), key=lambda one: one.name):
            if file.name.endswith(".csv"):
                self.digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
                try:
                    yield file.name.removesuffix(".csv"), read_value_map(file)
                except ConceptFileError as error:
                    for line, message in error.lines:
                        self.report("unreadable", Place(f"{VALUE_MAPS}/{file.name}", line), message)

    def report(self, kind: str, place: Place, message: str) -> None:
        self.findings.append(finding(kind, place.file, place.line, message))


def _broken_schema(schema: Any) -> Iterator[str]:
    """Why a document cannot be validated by this, or its places cannot be listed."""
    if not isinstance(schema, dict):
        yield "a JSON Schema must be an object"
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield f"no JSON Schema (2020-12): {error.json_path}: {error.message}"
        return
    broken = [f"there is no '{one}' in this file" for one in dict.fromkeys(broken_references(schema))]
    yield from broken or (f"'{one}' leads back to itself" for one in recursive_references(schema))


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    # An anchored boolean is a subclass of int.
    return bool(node) if isinstance(node, ScalarBoolean) else node


def lines_of(node: Any, keys: Keys = (), line: int = 1) -> Iterator[tuple[Keys, int]]:
    """Every key of a YAML file, as the keys from its root, and the line where it stands, from 1."""
    yield keys, line
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            # A key that '<<' merges in stands nowhere itself.
            own = node.lc.key(key)[0] + 1 if key in (node.lc.data or {}) else line
            yield from lines_of(value, (*keys, key), own)
    elif isinstance(node, CommentedSeq):
        for index, value in enumerate(node):
            yield from lines_of(value, (*keys, index), node.lc.item(index)[0] + 1)


def _written_keys(location: Keys, file: SourceFile) -> Keys:
    """Pydantic puts tags of unions between the keys; keep those that are written in the file."""
    keys: Keys = ()
    for key in location:
        if (*keys, key) in file.lines:
            keys = (*keys, key)
    return keys


def _inside(location: Keys, outer: Keys) -> bool:
    return len(location) > len(outer) and location[: len(outer)] == outer


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0]
