"""The checker: everything that can be said about a mapping before any data is seen."""

from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import NamedTuple

from etl.identity import LEVEL_BITS, capacities
from etl.mapping import bound, walk
from etl.mapping.bind import bind
from etl.mapping.findings import Finding, MappingError, errors, finding
from etl.mapping.folder import MAPPING_FILE, Folder, Place, read_folder
from etl.mapping.objections import LookUp, vocabulary_findings
from etl.mapping.paths import Segments, absolute, depth, json_path, leaves, lists_above, resolve
from etl.mapping.schema_lines import SchemaLines
from etl.mapping.unused import names_under, unused_names
from etl.mapping.views import view_findings
from vocabularies.concepts import VALUE_MAPS, VOCABULARY_ID_WIDTH, map_vocabulary

#: Characters of person.person_source_value, and of what a care site's name and a form have room for.
KEY_WIDTHS: Mapping[str, int] = {"patient": 50, "form": 255, "site": 255, "series": 64}


class Checked(NamedTuple):
    """A mapping, None when it has errors, and every finding, sorted by file and line."""

    mapping: bound.Bound | None
    findings: list[Finding]


def check(path: Traversable, look_up: LookUp) -> Checked:
    """Check a mapping folder against a vocabulary."""
    try:
        folder = read_folder(path)
    except MappingError as error:
        return Checked(None, list(error.findings))
    mapping, bindings, uses = bind(folder)
    found = {*bindings, *_folder_findings(folder)}
    found |= {*vocabulary_findings(folder, uses, look_up, whole=mapping is not None)}
    if mapping is not None:
        # What a rule that is not understood names would count as left out, so ask only when all are.
        found |= {*_schema_findings(mapping), *unused_names(folder), *view_findings(mapping)}
    return Checked(None if errors(found) else mapping, sorted(found))


def checked(path: Traversable, look_up: LookUp) -> bound.Bound:
    """A mapping that the checker has nothing against. Raises MappingError with every finding."""
    mapping, findings = check(path, look_up)
    if mapping is None:
        raise MappingError(findings)
    return mapping


def _folder_findings(folder: Folder) -> Iterator[Finding]:
    yield from _unused_files(folder)
    yield from _value_maps(folder)
    yield from _long_keys(folder)


def _unused_files(folder: Folder) -> Iterator[Finding]:
    known = {MAPPING_FILE, *(file.name for file in folder.section_files.values())}
    beside = folder.mapping.beside
    there = sorted(one.name for one in folder.path.iterdir())
    for name in there:
        if name.endswith(".yaml") and name not in {*known, *beside}:
            yield _finding("unused-file", Place(name, 1), "no form in mapping.yaml has this section")
    for index, name in enumerate(beside):
        if name not in there:
            message = f"there is no file '{name}' beside the sections"
            yield _finding("unreadable", folder.mapping_file.place("beside", index), message)


def _value_maps(folder: Folder) -> Iterator[Finding]:
    used = names_under(folder, "via")
    for name in folder.value_maps:
        place = Place(f"{VALUE_MAPS}/{name}.csv", 1)
        whole = map_vocabulary(folder.mapping.name, name)
        if len(whole) > VOCABULARY_ID_WIDTH:
            message = f"'{whole}' has {len(whole)} characters, a vocabulary_id {VOCABULARY_ID_WIDTH}"
            yield _finding("long-map-name", place, f"{message}: shorten the file's name")
        if name not in used:
            yield _finding("unused-map", place, f"no rule uses the value map '{name}'")


def _long_keys(folder: Folder) -> Iterator[Finding]:
    for word, key in folder.mapping.case:
        segments = absolute(key, ()) if key is not None and word == "series" else (key or "",)
        facts = resolve(folder.schema, segments)
        if facts is not None and not facts.fits(KEY_WIDTHS[word]):
            place = folder.mapping_file.place("case", word)
            message = f"'{key}' may be longer than the {KEY_WIDTHS[word]} characters of a {word}"
            yield _finding("long-key", place, f"{message}: set maxLength in the schema")


def _schema_findings(mapping: bound.Bound) -> Iterator[Finding]:
    yield from _leaves_left_out(mapping)
    yield from _ignored_and_mapped(mapping)
    yield from _too_many_items(mapping)
    if mapping.age is not None and not mapping.age.facts.required:
        place = mapping.folder.mapping_file.place("person", "age")
        where = json_path(mapping.age.segments)
        message = f"'{where}' may be missing, but person.year_of_birth needs it: require it in the schema"
        yield _finding("missing-column", place, message)


def _leaves_left_out(mapping: bound.Bound) -> Iterator[Finding]:
    used, lines = set(_used_paths(mapping)), SchemaLines(mapping.folder)
    above = {*mapping.ignored, *walk.wholes(mapping.every_rule())}
    for segments, _ in leaves(mapping.folder.schema):
        covered = any(segments[: len(one)] == one for one in above)
        if segments not in used and not covered:
            message = f"'{json_path(segments)}' is neither mapped nor in 'ignore'"
            yield _finding("unmapped-path", lines.place(segments), message)


def _ignored_and_mapped(mapping: bound.Bound) -> Iterator[Finding]:
    used = dict.fromkeys(_used_paths(mapping))
    for path in mapping.folder.mapping.ignore:
        above = absolute(path, ())
        for segments in used:
            if segments[: len(above)] == above:
                place = mapping.folder.mapping_file.place("ignore", path)
                message = f"'{path}' is in 'ignore', but '{json_path(segments)}' is mapped"
                yield _finding("ignored-path", place, message)


def _used_paths(mapping: bound.Bound) -> Iterator[Segments]:
    yield from mapping.keys.values()
    yield from (one.segments for one in walk.sources(mapping.shared))
    for rule in mapping.every_rule():
        yield from (one.segments for one in walk.rule_sources(rule))


def _too_many_items(mapping: bound.Bound) -> Iterator[Finding]:
    for rule in mapping.every_rule():
        if depth(rule.scope) not in LEVEL_BITS:
            levels = max(LEVEL_BITS)
            yield _finding(
                "too-many-items", rule.place, f"'{rule.name}' stands in more than {levels} nested lists"
            )
            continue
        limits = capacities(depth(rule.scope))
        for scope, limit in zip(lists_above(rule.scope), limits, strict=True):
            facts = resolve(mapping.folder.schema, scope[:-1])
            if facts is not None and (facts.max_items is None or facts.max_items > limit):
                allowed = "any number of" if facts.max_items is None else facts.max_items
                where = json_path(scope[:-1])
                message = f"'{where}' allows {allowed} items, row ids have room for {limit}: set maxItems"
                yield _finding("too-many-items", rule.place, message)


def _finding(kind: str, place: Place, message: str) -> Finding:
    return finding(kind, place.file, place.line, message)
