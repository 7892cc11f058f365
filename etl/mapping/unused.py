"""Checking, what nothing names: the groups and definitions of mapping.yaml that could be left out."""

from collections.abc import Iterable, Iterator
from typing import Any

from etl.mapping.findings import Finding, finding
from etl.mapping.folder import Folder


def unused_names(folder: Folder) -> Iterator[Finding]:
    """A finding for each group that no condition asks for, and each definition that nothing uses."""
    yield from _left_over(folder, "groups", folder.mapping.groups, "in", "no condition asks for the group")
    yield from _left_over(folder, "define", folder.mapping.define, "use", "nothing uses the definition")


def names_under(folder: Folder, word: str) -> set[str]:
    """Every name that a word of the YAML files gives, whether or not its rule is understood."""
    files = (folder.mapping_file, *folder.section_files.values())
    return {name for file in files for name in _texts_under(file.data, word)}


def _left_over(folder: Folder, part: str, names: Iterable[str], word: str, message: str) -> Iterator[Finding]:
    used = names_under(folder, word)
    for name in names:
        if name not in used:
            place = folder.mapping_file.place(part, name)
            yield finding("unused-name", place.file, place.line, f"{message} '{name}'")


def _texts_under(node: Any, word: str) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get(word), str):
            yield node[word]
        for child in node.values():
            yield from _texts_under(child, word)
    elif isinstance(node, list):
        for child in node:
            yield from _texts_under(child, word)
