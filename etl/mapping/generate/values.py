"""Generating the values: an expression as a piece of the row's f-string, in COPY's encoding."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from etl.mapping import bound
from etl.mapping.generate.emit import Lines, Names, condition, identifier, located, recorded
from etl.mapping.paths import Segments, depth
from etl.mapping.tables import ColumnKind, Target
from omop_schema.copy_text import escape


@dataclass(frozen=True, slots=True)
class Field:
    """The column that a value is for."""

    column: str
    kind: ColumnKind
    length: int | None = None
    number: int | None = None
    empty: str = "NULL"
    """What stands for nothing: a concept that must not be NULL is 0."""
    position: str = ""
    """A Python expression of the place of the rule's item in its list, from 1."""


@dataclass
class ValueWriter:
    """Writes the code of single values."""

    lines: Lines
    names: Names
    _maps: dict[tuple[tuple[bound.Key, int | str], ...], str] = field(default_factory=dict)

    def constants(self) -> str:
        """The value maps, as dicts above the function."""
        return "\n".join(f"{name} = {_encoded(table)!r}" for table, name in self._maps.items())

    def field(self, node: bound.Expression, wanted: Field, known: set[str]) -> str:
        """A column's value as a piece of the row's f-string; statements it needs go before the row."""
        if isinstance(node, bound.Constant):
            return literal(str(node.value))
        value = self._value(node, wanted)
        test = recorded(node, self.names)
        sure = test is None or (test in known and (wanted.kind == "concept" or _complete(node)))
        return f"{{{value}}}" if sure else nullable(value, wanted.empty)

    def _value(self, node: bound.Expression, wanted: Field) -> str:
        """A variable or literal that holds the expression's value; None when it says nothing."""
        match node:
            case bound.Constant(value):
                return repr(escape(value)) if isinstance(value, str) else repr(value)
            case bound.Raw(source):
                return self._raw(source, wanted)
            case bound.Sum(sources):
                return self._sum(sources)
            case bound.Translate():
                return self._translate(node, wanted)
            case bound.Template(parts):
                return self._template(parts, wanted)
            case bound.Whole(source):
                return self._taken(f"as_json({self.names.of(source.segments)})", source)
            case bound.Listed(source, by):
                text = f"joined({self.names.of(source.segments)}, {by!r})"
                cut = self._cut(text, source, wanted) if wanted.length else f"escape({text})"
                return self._taken(cut, source)
            case bound.Instant(source):
                arguments = f"{wanted.number}, {located(source.segments)}, problem"
                return self._taken(f"instant({self.names.of(source.segments)}, {arguments})", source)
            case bound.Position():
                return wanted.position
        name = self.lines.fresh("t")
        self.lines.add(f"{name} = None")
        self._choose(node, name, wanted)
        return name

    def _taken(self, made: str, source: bound.Source) -> str:
        """A variable of what is made of a recorded value; None when there is none."""
        value, name = self.names.of(source.segments), self.lines.fresh("t")
        self.lines.add(f"{name} = None if {value} is None else {made}")
        return name

    def _choose(self, node: bound.Expression, name: str, wanted: Field) -> None:
        match node:
            case bound.Guarded(when, then):
                with self.lines.block(f"if {condition(when, self.names)}:"):
                    self._choose(then, name, wanted)
            case bound.Alternatives(items):
                self._choose(items[0], name, wanted)
                for item in items[1:]:
                    with self.lines.block(f"if {name} is None:"):
                        self._choose(item, name, wanted)
            case _:
                self.lines.add(f"{name} = {self._value(node, wanted)}")

    def _raw(self, source: bound.Source, wanted: Field) -> str:
        value = self.names.of(source.segments)
        if wanted.kind == "integer":
            name = self.lines.fresh("t")
            # JSON Schema counts 20.0 as an integer, PostgreSQL does not.
            self.lines.add(f"{name} = None if {value} is None else int({value})")
            return name
        if source.facts.types and source.facts.types <= {"number", "integer"}:
            return value
        if source.facts.types == {"boolean"}:
            name = self.lines.fresh("t")
            self.lines.add(f"{name} = None if {value} is None else 'true' if {value} else 'false'")
            return name
        if _plain(source) and source.facts.fits(wanted.length):
            return value
        name = self.lines.fresh("t")
        self.lines.add(f"{name} = {value} if {value} is None else {self._text(value, source, wanted)}")
        return name

    def _sum(self, sources: tuple[bound.Source, ...]) -> str:
        values = [self.names.of(one.segments) for one in sources]
        name = self.lines.fresh("t")
        nothing = " or ".join(f"{value} is None" for value in values)
        self.lines.add(f"{name} = None if {nothing} else {' + '.join(values)}")
        return name

    def _text(self, value: str, source: bound.Source, wanted: Field) -> str:
        text = value if source.facts.types == {"string"} else f"str({value})"
        if source.facts.fits(wanted.length):
            return f"escape({text})"
        return self._cut(text, source, wanted)

    @staticmethod
    def _cut(text: str, source: bound.Source, wanted: Field) -> str:
        path = located(source.segments)
        return f"cut({text}, {wanted.length}, {wanted.column!r}, {wanted.number}, {path}, problem)"

    def _translate(self, node: bound.Translate, wanted: Field) -> str:
        table = self._maps.setdefault(node.table, f"MAP_{identifier(node.name)}_{len(self._maps) + 1}")
        value, name = self.names.of(node.source.segments), self.lines.fresh("t")
        self.lines.add(f"{name} = {table}.get({value})")
        path = located(node.source.segments)
        if wanted.kind == "concept" and not _complete(node):
            with self.lines.block(f"if not {name} and {value} is not None:"):
                self.lines.add(f"{name} = 0")
                reason = f"no concept for this value in '{node.name}'"
                self.lines.add(f"problem({wanted.number}, 'unmapped', {path}, {reason!r})")
        elif not _complete(node):
            with self.lines.block(f"if {name} is None and {value} is not None:"):
                reason = f"'{wanted.column}' has nothing for this value in '{node.name}'"
                self.lines.add(f"problem({wanted.number}, 'invalid', {path}, {reason!r})")
        return name

    def _template(self, parts: tuple[str | bound.Source, ...], wanted: Field) -> str:
        sources = [part for part in parts if not isinstance(part, str)]
        safe = all(_plain(one) for one in sources) and _longest(parts) <= (wanted.length or _longest(parts))
        pieces = [
            literal(part, escaped=not safe) if isinstance(part, str) else f"{{{self._piece(part)}}}"
            for part in parts
        ]
        tests = dict.fromkeys(f"{self.names.of(one.segments)} is None" for one in sources)
        name = self.lines.fresh("t")
        self.lines.add(f'{name} = None if {" or ".join(tests)} else f"{"".join(pieces)}"')
        if not safe:
            encode = self._cut(name, sources[0], wanted) if wanted.length else f"escape({name})"
            self.lines.add(f"if {name} is not None: {name} = {encode}")
        return name

    def _piece(self, source: bound.Source) -> str:
        """A recorded value inside a template, not encoded yet."""
        value = self.names.of(source.segments)
        if source.facts.types != {"boolean"}:
            return value
        name = self.lines.fresh("t")
        self.lines.add(f"{name} = 'true' if {value} else 'false'")
        return name


def field_of(target: Target, column: str, number: int, scope: Segments) -> Field:
    """The field of a table's column, for the rule of this number."""
    kind = target.kind(column)
    required = kind == "concept" and not target.columns[column].nullable
    empty = "0" if required else "NULL"
    return Field(column, kind, target.length(column), number, empty, f"i{depth(scope) - 1} + 1")


def _encoded(table: tuple[tuple[bound.Key, int | str], ...]) -> dict[bound.Key, int | str]:
    return {key: escape(value) if isinstance(value, str) else value for key, value in table}


def _plain(source: bound.Source) -> bool:
    """Whether a value needs no escaping: a number, a boolean, or one of a list of harmless words."""
    if source.facts.enum is not None:
        return all(escape(str(one)) == str(one) for one in source.facts.enum)
    return bool(source.facts.types) and source.facts.types <= {"number", "integer", "boolean"}


def _longest(parts: Iterable[str | bound.Source]) -> float:
    lengths = (len(one) if isinstance(one, str) else one.facts.longest for one in parts)
    return sum(float("inf") if one is None else one for one in lengths)


def _complete(node: bound.Expression) -> bool:
    """Whether a map has something for every value that the schema allows: nothing is left to ask."""
    match node:
        case bound.Translate(source, _, pairs):
            table = dict(pairs)
            possible = (True, False) if source.facts.types == {"boolean"} else source.facts.enum
            return possible is not None and all(table.get(value) for value in possible)
        case bound.Instant():
            return False
        case bound.Guarded(then=then):
            return _complete(then)
        case bound.Alternatives(items):
            return all(map(_complete, items))
    return True


def nullable(variable: str, empty: str = "NULL") -> str:
    """A variable as a piece of a row's f-string, when it may be None."""
    return f"{{{empty} if {variable} is None else {variable}}}"


def literal(text: str, *, escaped: bool = False) -> str:
    """Text as a literal part of a double-quoted f-string, in COPY's encoding."""
    encoded = text if escaped else escape(text)
    return json.dumps(encoded, ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")
