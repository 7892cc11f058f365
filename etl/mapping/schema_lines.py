"""Where a place of the case document is written in the JSON Schema's file."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from etl.mapping.folder import Folder, Keys, Place, lines_of
from etl.mapping.paths import ITEM, Segments


class SchemaLines:
    """Finds lines in the JSON Schema of a folder; its file is read again when the first one is asked for."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def place(self, segments: Segments) -> Place:
        """The file and line where a place is described; line 1 when the file's lines cannot be told."""
        keys = self._keys(segments)
        while keys and keys not in self._lines:
            keys = keys[:-1]
        return Place(self.folder.mapping.schema_, self._lines.get(keys, 1))

    def _keys(self, segments: Segments) -> Keys:
        """The keys from the file's root to a place, with every reference followed."""
        keys: Keys = ()
        for part in segments:
            keys = self._followed(keys)
            keys = (*keys, "items") if part == ITEM else (*keys, "properties", part)
        return keys

    def _followed(self, keys: Keys) -> Keys:
        node = self._node(keys)
        if isinstance(node.get("$ref"), str):
            return self._followed(tuple(node["$ref"].removeprefix("#/").split("/")))
        for word in ("anyOf", "oneOf"):
            for index, branch in enumerate(node.get(word, ())):
                if branch.get("type") != "null" and len(node[word]) > 1:
                    return self._followed((*keys, word, index))
        return keys

    def _node(self, keys: Keys) -> Mapping[str, Any]:
        node: Any = self.folder.schema
        for key in keys:
            node = node[key]
        return node if isinstance(node, Mapping) else {}

    @cached_property
    def _lines(self) -> Mapping[Keys, int]:
        try:
            # YAML holds JSON, and its reader keeps the lines.
            text = self.folder.path.joinpath(self.folder.mapping.schema_).read_text(encoding="utf-8-sig")
            return dict(lines_of(YAML(typ="rt").load(text)))
        except YAMLError:
            return {}
