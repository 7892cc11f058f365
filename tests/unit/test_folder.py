"""Reading a mapping folder: files, lines and the digest."""

from pathlib import Path

import pytest

from etl.mapping.findings import MappingError
from etl.mapping.folder import Place, read_folder
from tests import mini
from tests.mini import GRADES, MAPPING, SCHEMA, SECTION


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    folder = read_folder(mini.write(tmp_path))
    assert folder.mapping.name == "mini"
    assert list(folder.sections) == ["main"]
    assert list(folder.sections["main"]) == ["scan", "graded", "counted", "scored", "remark"]
    assert folder.value_maps["grade"].targets == {"low": 70, "high": 71}
    assert folder.schema == mini.as_schema(tmp_path)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ((), "scan:"),
        (("scan",), "scan:"),
        (("scan", "when"), "when: flag"),
        (("scan", "rows", "size", "unit"), "80 millimeter"),
        (("graded", "value", "via"), "via: grade"),
        (("graded", "number"), "graded:"),
        (("graded", "number", "of", "nothing"), "graded:"),
    ],
)
def test_a_place_is_the_nearest_line_that_is_written(
    tmp_path: Path, keys: tuple[str, ...], text: str
) -> None:
    file = read_folder(mini.write(tmp_path)).section_files["main"]
    assert file.place(*keys) == Place(SECTION, mini.line_of(tmp_path, SECTION, text))


def test_items_of_lists_have_lines(tmp_path: Path) -> None:
    mini.change(
        mini.write(tmp_path), SECTION, "  when: flag\n", "  when:\n    any:\n      - flag\n      - grade\n"
    )
    file = read_folder(tmp_path).section_files["main"]
    assert file.place("scan", "when", "any", 1).line == mini.line_of(tmp_path, SECTION, "- grade")


def test_keys_that_are_merged_in_stand_where_they_are_used(tmp_path: Path) -> None:
    mini.write(tmp_path)
    mini.change(tmp_path, SECTION, "scored: {table", "scored: &scored {table")
    mini.change(tmp_path, SECTION, "remark:", "again:\n  <<: *scored\n  number: size\nremark:")
    folder = read_folder(tmp_path)
    assert folder.sections["main"]["again"].number == "size"
    assert folder.sections["main"]["again"].visit == "start"
    file, again = folder.section_files["main"], mini.line_of(tmp_path, SECTION, "again:")
    assert [file.place("again", key).line for key in ("visit", "number")] == [again, again + 2]


def test_an_anchored_boolean_is_a_boolean(tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), SECTION, "when: flag", "when: {path: flag, in: [&yes true]}")
    when = read_folder(tmp_path).sections["main"]["scan"].when
    assert when is not None and not isinstance(when, str)
    assert [type(one) for one in when.in_] == [bool]  # type: ignore[union-attr]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    mini.write(tmp_path)
    for name in (MAPPING, SECTION, SCHEMA, GRADES):
        tmp_path.joinpath(name).write_bytes(b"\xef\xbb\xbf" + tmp_path.joinpath(name).read_bytes())
    assert read_folder(tmp_path).mapping.name == "mini"


@pytest.mark.parametrize("name", [MAPPING, SECTION, SCHEMA, GRADES])
def test_the_digest_tells_every_change(tmp_path: Path, name: str) -> None:
    before = read_folder(mini.write(tmp_path)).digest
    assert read_folder(mini.write(tmp_path)).digest == before
    text = tmp_path.joinpath(name).read_text()
    tmp_path.joinpath(name).write_text(text.replace("Low grade", "Low") + ("" if name == GRADES else "\n"))
    assert read_folder(tmp_path).digest != before


def test_other_files_are_no_part_of_the_mapping(tmp_path: Path) -> None:
    before = read_folder(mini.write(tmp_path)).digest
    tmp_path.joinpath("README.md").write_text("notes")
    tmp_path.joinpath("value_maps", "README.md").write_text("notes")
    assert read_folder(tmp_path).digest == before


def test_a_folder_without_value_maps(tmp_path: Path) -> None:
    mini.write(tmp_path)
    tmp_path.joinpath(GRADES).unlink()
    tmp_path.joinpath("value_maps").rmdir()
    assert read_folder(tmp_path).value_maps == {}


def test_a_section_that_is_missing_does_not_hide_the_others(tmp_path: Path) -> None:
    mini.change(
        mini.write(tmp_path),
        MAPPING,
        "use_cases: [1], sections: [main]",
        "use_cases: [1], sections: [gone, main]",
    )
    mini.change(tmp_path, SECTION, "when: flag", "wenn: flag")
    with pytest.raises(MappingError) as caught:
        read_folder(tmp_path)
    assert [(one.file, one.kind) for one in caught.value.findings] == [
        ("gone.yaml", "unreadable"),
        (SECTION, "bad-shape"),
    ]
    assert str(caught.value) == "the mapping has 2 errors; mend them and run it again"


def test_a_date_that_is_none_is_a_finding(tmp_path: Path) -> None:
    mini.write(tmp_path)
    mini.change(tmp_path, MAPPING, "is: 2000-01-01", "is: 2000-13-01")
    with pytest.raises(MappingError) as caught:
        read_folder(tmp_path)
    assert [(one.file, one.kind, one.message) for one in caught.value.findings] == [
        (MAPPING, "unreadable", "not YAML: month must be in 1..12")
    ]
