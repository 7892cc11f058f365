"""The lines of the JSON Schema where places of the case document are described."""

from pathlib import Path

import pytest

from etl.mapping.folder import read_folder
from etl.mapping.schema_lines import SchemaLines
from tests import mini

SCHEMA = """\
{
  "type": "object",
  "properties": {
    "id": {"type": "string", "maxLength": 5},
    "form": {"$ref": "#/$defs/form"},
    "part": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/part"}]},
    "items": {"type": "array", "items": {"$ref": "#/$defs/part"}}
  },
  "$defs": {
    "form": {"type": "string", "enum": ["A"]},
    "part": {
      "type": "object",
      "properties": {
        "size": {"type": "number"},
        "deep": {"type": "array", "items": {
          "type": "string"
        }}
      }
    }
  }
}
"""


@pytest.fixture
def lines(tmp_path: Path) -> SchemaLines:
    return SchemaLines(read_folder(mini.write(tmp_path, schema=SCHEMA)))


@pytest.mark.parametrize(
    ("segments", "line"),
    [
        ((), 1),
        (("id",), 4),
        (("form",), 5),
        (("part", "size"), 14),
        (("items", "[*]", "size"), 14),
        (("items", "[*]", "deep", "[*]"), 15),
        (("nowhere",), 3),
    ],
)
def test_a_place_is_found_where_it_is_described(
    lines: SchemaLines, segments: tuple[str, ...], line: int
) -> None:
    found = lines.place(segments)
    assert (found.file, found.line) == ("case.schema.json", line)


def test_tabs_that_yaml_does_not_take_leave_the_file_without_lines(tmp_path: Path) -> None:
    folder = read_folder(mini.write(tmp_path, schema="\t" + SCHEMA))
    assert SchemaLines(folder).place(("part", "size")).line == 1
