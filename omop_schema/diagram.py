"""Pictures of tables and the references between them, as SVG, drawn from the metadata.

Tables stand in columns, from left to right, each to the right of the tables that it refers to. The person,
whom nearly all rows are about, is a bar above them. References to concepts are left out.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Column, ForeignKey, Table

from omop_schema.base import OMOP, metadata
from omop_schema.describe import written

#: Pixels: a box, its title and rows, the space between boxes, the bar of the person, lines beside lines.
WIDTH, TITLE, ROW, GAP, GUTTER, MARGIN, BAR, LANE = 300, 26, 16, 28, 70, 26, 30, 9
PERSON = "person"


class Shown(NamedTuple):
    """A table in a picture; not whole, it shows its keys and what others in the picture refer to."""

    table: str
    whole: bool = True


Layout = tuple[tuple[Shown, ...], ...]
#: By name: the columns of tables, from left to right.
DIAGRAMS: Mapping[str, Layout] = MappingProxyType(
    {
        "imaging": (
            (
                Shown("visit_occurrence", False),
                Shown("procedure_occurrence", False),
                Shown("condition_occurrence", False),
            ),
            (Shown("radiology_occurrence"),),
            (Shown("radiology_image"),),
            (Shown("image_feature"),),
        ),
        "curation": (
            (Shown("radiology_occurrence", False), Shown("radiology_image", False)),
            (Shown("curation_run"), Shown("curation_approval")),
            (Shown("registration_step"),),
            (Shown("registration_level"),),
        ),
    }
)


class Box(NamedTuple):
    """A table with its place: the left upper corner, in pixels."""

    table: Table
    x: int
    y: int
    columns: tuple[Column[object], ...]
    hidden: int

    @property
    def height(self) -> int:
        """Of the title and every row, in pixels."""
        return TITLE + ROW * (len(self.columns) + bool(self.hidden)) + 4

    def line(self, name: str) -> int:
        """The middle of a column's row."""
        place = [each.name for each in self.columns].index(name)
        return self.y + TITLE + ROW * place + ROW // 2 + 2


def draw(layout: Layout) -> str:
    """The picture. The same metadata give the same text."""
    boxes = {box.table.name: box for box in _boxes(layout)}
    width = MARGIN * 2 + WIDTH * len(layout) + GUTTER * (len(layout) - 1)
    height = max(box.y + box.height for box in boxes.values()) + MARGIN + ROW
    parts = [_HEAD.format(width=width, height=height), *_bar(width)]
    parts += _lines(layout, boxes)
    parts += [line for box in boxes.values() for line in _drawn(box)]
    parts.append(f'<text class="note" x="{MARGIN}" y="{height - 12}">{_LEGEND}</text>')
    return "\n".join([*parts, "</svg>", ""])


def links(layout: Layout) -> list[tuple[str, str]]:
    """The references that a picture shows, as ``table.column`` pairs; in part, a table has its person's."""
    shown = {each.table: each.whole for column in layout for each in column}
    return [
        (f"{name}.{key.parent.name}", f"{key.column.table.name}.{key.column.name}")
        for name, whole in shown.items()
        for key in _keys(_table(name))
        if key.column.table.name == PERSON or (whole and key.column.table.name in shown)
    ]


def _table(name: str) -> Table:
    return metadata.tables[f"{OMOP}.{name}"]


def _keys(table: Table) -> list[ForeignKey]:
    return [
        key
        for column in table.columns
        for key in sorted(column.foreign_keys, key=lambda one: one.target_fullname)
    ]


def _boxes(layout: Layout) -> Iterator[Box]:
    linked = links(layout)
    for number, tables in enumerate(layout):
        y = MARGIN + BAR + GAP
        for shown in tables:
            table = _table(shown.table)
            needed = {end for pair in linked for end in pair} | {
                f"{shown.table}.{table.primary_key.columns[0].name}"
            }
            columns = tuple(
                each for each in table.columns if shown.whole or f"{shown.table}.{each.name}" in needed
            )
            box = Box(
                table, MARGIN + number * (WIDTH + GUTTER), y, columns, len(table.columns) - len(columns)
            )
            yield box
            y += box.height + GAP


def _bar(width: int) -> Iterator[str]:
    across = width - 2 * MARGIN
    yield f'<rect class="title" x="{MARGIN}" y="{MARGIN}" width="{across}" height="{BAR}"/>'
    yield f'<text class="head" x="{MARGIN + 8}" y="{MARGIN + 19}">{OMOP}.{PERSON}</text>'
    text = "person_id: whom each row below is about"
    yield f'<text class="head light" x="{MARGIN + 120}" y="{MARGIN + 19}">{text}</text>'


def _lines(layout: Layout, boxes: Mapping[str, Box]) -> Iterator[str]:
    lanes: Counter[int] = Counter()
    for source, target in links(layout):
        (name, column), (to, referred) = source.split("."), target.split(".")
        box, y = boxes[name], boxes[name].line(column)
        if to == PERSON:
            x = box.x - LANE
            yield f'<path class="person" d="M{box.x} {y}H{x}V{MARGIN + BAR}" marker-end="url(#one)"/>'
            continue
        end, right = boxes[to].line(referred), boxes[to].x + WIDTH
        lanes[right] += 1
        x = right + LANE * (1 + lanes[right])
        marks = 'marker-start="url(#many)" marker-end="url(#one)"'
        yield f'<path d="M{box.x} {y}H{x}V{end}H{right}" {marks}/>'


def _drawn(box: Box) -> Iterator[str]:
    yield f'<rect class="box" x="{box.x}" y="{box.y}" width="{WIDTH}" height="{box.height}"/>'
    yield f'<rect class="title" x="{box.x}" y="{box.y}" width="{WIDTH}" height="{TITLE - 4}"/>'
    yield f'<text class="head" x="{box.x + 8}" y="{box.y + 15}">{escape(box.table.fullname)}</text>'
    for column in box.columns:
        y = box.line(column.name) + 4
        kind = "key" if column.primary_key else "null" if column.nullable else "row"
        yield f'<text class="{kind}" x="{box.x + 8}" y="{y}">{escape(column.name)}</text>'
        yield f'<text class="type" x="{box.x + WIDTH - 8}" y="{y}">{escape(written(column.type))}</text>'
    if box.hidden:
        y = box.y + box.height - 8
        yield f'<text class="note" x="{box.x + 8}" y="{y}">and {box.hidden} more</text>'


_LEGEND = (
    "Bold: primary key. Grey: may be NULL. A line leads from a reference to what it refers to; "
    "references to concepts are not drawn."
)
_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
<style>
text {{ font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1b2733 }}
.head {{ font-weight: 600; fill: #fff }} .light {{ font-weight: 400 }} .key {{ font-weight: 700 }}
.null {{ fill: #6b7885 }} .type {{ fill: #6b7885; text-anchor: end; font-size: 11px }}
.note {{ fill: #6b7885 }} .box {{ fill: #fff; stroke: #9fb0c0 }} .title {{ fill: #2f5d7c }}
path {{ fill: none; stroke: #c4622d; stroke-width: 1.4 }} path.person {{ stroke: #9fb0c0 }}
#one path, #many path {{ stroke-width: 1.2 }}
</style>
<defs>
<marker id="one" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path d="M1 1L7 4L1 7"/></marker>
<marker id="many" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path d="M1 1L7 4L1 7"/></marker>
</defs>
<rect width="100%" height="100%" fill="#f5f8fa"/>"""
