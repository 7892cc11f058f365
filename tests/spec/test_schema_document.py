"""docs/schema.md and its pictures: they are the tables, and nothing of them is missing."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sqlalchemy import Engine

from etl.catalogue import read_functions, read_views
from omop_schema import curation, imaging, metadata
from omop_schema.describe import GROUPS, page, tables_of
from omop_schema.diagram import DIAGRAMS, draw, links
from omop_schema.omop54 import fields

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def text(lake: Engine) -> str:
    with lake.connect() as connection:
        return page(read_views(connection), read_functions(connection))


def test_the_published_document_is_the_tables(text: str) -> None:
    published = DOCS.joinpath("schema.md").read_text(encoding="utf-8")
    assert published == text, "docs/schema.md is out of date: oncolake schema show > docs/schema.md"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_the_published_picture_is_the_tables(name: str) -> None:
    file = f"schema-{name}.svg"
    published = DOCS.joinpath(file).read_text(encoding="utf-8")
    assert published == draw(DIAGRAMS[name]), f"docs/{file} is out of date: oncolake schema draw {name}"
    ElementTree.fromstring(published)
    assert f"]({file})" in DOCS.joinpath("schema.md").read_text(encoding="utf-8")


def test_every_table_stands_once_with_every_column(lake: Engine, text: str) -> None:
    sections = dict(re.findall(r"^### (\w+\.\w+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    for table in metadata.tables.values():
        listed = re.findall(r"^\| \**(\w+)\** \|", sections[table.fullname], re.MULTILINE)
        assert listed[0] == "column"
        assert listed[1:] == [column.name for column in table.columns], table.fullname
    with lake.connect() as connection:
        views = {view.name for view in read_views(connection)}
    assert views >= {"omop.image_occurrence", "omop.image_lineage", "research.series"}
    assert set(sections) == {table.fullname for table in metadata.tables.values()} | views


def test_what_v54_has_otherwise_is_told(text: str) -> None:
    told = text.partition("\n## omop54")[2]
    for field in fields():
        assert (f"\n| {field.view}.{field.name} | {field.type} |" in told) is bool(field.note)


def test_every_table_belongs_to_one_group() -> None:
    grouped = [table.fullname for _, tables in GROUPS for table in tables]
    assert sorted(grouped) == sorted(metadata.tables)


def test_everything_that_is_made_by_us_says_what_it_is(text: str) -> None:
    functions = text.partition("\n## Functions\n")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| `", functions, re.MULTILINE)) >= 9
    assert not re.search(r"\|\s*\|$", functions, re.MULTILINE), "a function without a comment"


def test_every_reference_of_images_and_curation_is_in_a_picture() -> None:
    drawn = {pair for layout in DIAGRAMS.values() for pair in links(layout)}
    for table in (*tables_of(imaging), *tables_of(curation)):
        for key in table.foreign_keys:
            if key.column.table.name != "concept":
                target = f"{key.column.table.name}.{key.column.name}"
                assert (f"{table.name}.{key.parent.name}", target) in drawn


@pytest.mark.parametrize("name", DIAGRAMS)
def test_nothing_in_a_picture_lies_over_another_thing(name: str) -> None:
    root = ElementTree.fromstring(draw(DIAGRAMS[name]))
    space = "{http://www.w3.org/2000/svg}"
    boxes = [
        tuple(int(each.get(side, "0")) for side in ("x", "y", "width", "height"))
        for each in root.iter(f"{space}rect")
        if each.get("class") == "box"
    ]
    _, _, width, height = map(int, root.get("viewBox", "").split())
    for index, (x, y, w, h) in enumerate(boxes):
        assert x >= 0 and y >= 0
        assert x + w <= width and y + h <= height
        for ox, oy, ow, oh in boxes[:index]:
            assert x >= ox + ow or ox >= x + w or y >= oy + oh or oy >= y + h
    upright = [
        tuple(re.findall(r"[HV](\d+)", each.get("d", ""))[:1])
        for each in root.iter(f"{space}path")
        if each.get("marker-start")
    ]
    assert len(set(upright)) == len(upright), "two lines on one lane"
