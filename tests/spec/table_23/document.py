"""docs/table-23.md: Tables 23 and 24 with the rules they became, written from the data and the mapping."""

from collections.abc import Iterable, Iterator

from etl.mapping.bound import Bound, BoundRule, Expression
from etl.mapping.show.words import Words, code, lines, plain, table
from tests.spec.table_23 import BEYOND, TABLE_23
from tests.spec.table_23.notation import Line, Part
from tests.spec.table_24 import TABLE_24
from vocabularies.concepts import FIRST_CUSTOM_ID

COMMAND = "python -m tests.spec.table_23 > docs/table-23.md"
MAPPING, SPEC = "../mappings/prostate", "../tests/spec"
HEADER = (
    "D4.4's field",
    "D4.4 maps it to",
    "Field of the case",
    "Rules and value maps",
    "OMOP table and concept",
    "Errata",
)
HEADER_24 = ("Concept", "Name", "Domain", "Rule", "Errata")
PERSON = "person"

INTRODUCTION = f"""\
# D4.4's Tables 23 and 24, line by line

Where each line of the tables stands in the mapping. To change a line, follow its link into the mapping, and
change its examples: they are the line's specification, each a filling of a form and exactly the rows of it.
[etl.md](etl.md) shows the mapping in full; *errata* are the rows of [ERRATA.md]({MAPPING}/ERRATA.md) that
say how the mapping departs from the line.

Written by `{COMMAND}`."""


def written(mapping: Bound) -> str:
    """The document, ending with a newline."""
    return "\n".join(_Document(mapping).lines()) + "\n"


class _Document:
    def __init__(self, mapping: Bound) -> None:
        self.words = Words.of(mapping)
        self.rules = {rule.name: rule for rule in mapping.every_rule()}
        self.person = mapping.folder.mapping_file.place(PERSON)

    def lines(self) -> Iterator[str]:
        yield INTRODUCTION
        yield from self._chapter("Table 23", TABLE_23)
        yield from self._chapter("Beside Table 23", BEYOND)
        yield "\n## Table 24\n"
        yield f"Checked by [test_table_24.py]({SPEC}/test_table_24.py)."
        yield ""
        yield from table(HEADER_24, self._concepts())

    def _chapter(self, title: str, parts: Iterable[Part]) -> Iterator[str]:
        yield f"\n## {title}"
        for part in parts:
            file = part.told_in.rpartition(".")[2] + ".py"
            yield f"\n### {part.title}\n"
            yield f"Examples: [{file}]({SPEC}/table_23/{file})."
            yield ""
            yield from table(HEADER, map(self._line, part.lines))

    def _line(self, line: Line) -> tuple[str, ...]:
        return (
            plain(line.field),
            plain(line.d4_4),
            lines(map(code, line.at)),
            lines([*map(self._link, line.rules), *map(_value_map, line.maps)]),
            lines(dict.fromkeys(map(self._becomes, line.rules))),
            _errata(line.errata),
        )

    def _link(self, name: str) -> str:
        place = self.person if name == PERSON else self.rules[name].place
        return f"{code(name)} [{place.file}:{place.line}]({MAPPING}/{place.file}#L{place.line})"

    def _becomes(self, name: str) -> str:
        if name == PERSON:
            return code(PERSON)
        rule = self.rules[name]
        said = [f"{code(rule.target.table)} {self._concept(rule, rule.concept)}"]
        for word in ("value", "unit"):
            if (filled := rule.columns.get(rule.target.column(word) or "")) is not None:
                said.append(f"{word} {self._concept(rule, filled)}")
        return ", ".join(said)

    def _concept(self, rule: BoundRule, node: Expression) -> str:
        return self.words.expression(node, "concept", rule.scope).replace("](#", "](etl.md#")

    def _concepts(self) -> Iterator[tuple[str, ...]]:
        for concept, row in enumerate(TABLE_24, FIRST_CUSTOM_ID + 1):
            used = lines(map(self._link, row.rules)) or f"not used: {plain(row.unused)}"
            yield str(concept), plain(row.name), row.domain, used, _errata(row.errata)


def _value_map(name: str) -> str:
    return f"[{name}.csv]({MAPPING}/value_maps/{name}.csv)"


def _errata(numbers: tuple[int, ...]) -> str:
    return ", ".join(f"[{number}]({MAPPING}/ERRATA.md)" for number in numbers)
