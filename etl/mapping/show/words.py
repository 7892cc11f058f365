"""A bound mapping in plain words, as Markdown: what conditions, expressions and dates say to a reader."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from etl.mapping import bound
from etl.mapping.bind.context import At, Slot
from etl.mapping.bind.expressions import Expressions
from etl.mapping.folder import Place
from etl.mapping.paths import Facts, Segments, json_path
from etl.mapping.same_day import SameDay
from etl.mapping.tables import ColumnKind

#: What a column takes, or ``visit`` for a visit's name.
Kind = ColumnKind | Literal["visit"]
#: Enumerations with more values are only counted; their value map is in the appendix.
MOST_SHOWN = 8
#: An underscore inside a word is no markup.
_SPECIAL = re.compile(r"([\\`*<&\[\]]|(?<!\w)_|_(?!\w))")
_TYPES = {"string": "text", "boolean": "true or false", "object": "group", "array": "list"}


def code(text: object) -> str:
    """A code span that holds the text as it is."""
    shown = " ".join(str(text).split("\n"))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if "`" in shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def plain(text: object) -> str:
    """Text that Markdown does not take for markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def place(where: Place) -> str:
    """File and line."""
    return code(f"{where.file}:{where.line}")


def lines(parts: Iterable[str]) -> str:
    """Several lines in one cell."""
    return "<br>".join(parts)


def anchor(heading: str) -> str:
    """The address that a heading gets on GitHub and in most viewers."""
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A Markdown table, as lines."""
    names = tuple(header)
    yield _row(names)
    yield _row("---" for _ in names)
    for row in rows:
        yield _row(row)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def dotted(segments: Segments) -> str:
    """A place as conditions name it: ``lesions[*].diam1``."""
    return code(json_path(segments).removeprefix("$.")) if segments else "the case"


def kind_of(facts: Facts) -> str:
    """The type of a field, with its values when they are few."""
    if facts.enum is not None:
        if len(facts.enum) <= MOST_SHOWN:
            return "one of: " + ", ".join(plain(value) for value in facts.enum)
        return f"one of {len(facts.enum)} codes"
    if facts.format in ("date", "date-time"):
        return "date" if facts.format == "date" else "date and time"
    return " or ".join(_TYPES.get(name, name) for name in sorted(facts.types)) or "any"


@dataclass(frozen=True)
class Words:
    """Puts the parts of one mapping into words."""

    mapping: bound.Bound
    names: Mapping[int, str]
    """Concept names by id, as the mapping gives them."""

    @classmethod
    def of(cls, mapping: bound.Bound) -> "Words":
        names: dict[int, str] = {}
        for use in mapping.concepts:
            if use.name is not None:
                names.setdefault(use.concept, use.name)
        return cls(mapping, names)

    def concept(self, number: object) -> str:
        """``8588 millimeter``."""
        name = self.names.get(number) if isinstance(number, int) else None
        return f"{number} {plain(name)}" if name else str(number)

    def defined(self, name: str, scope: Segments, kind: Kind) -> bound.Expression | None:
        """A definition as a rule at this scope uses it; None when it says nothing there."""
        at = At(self.mapping.folder.mapping_file, ("define", name), scope)
        node = self.mapping.folder.mapping.define[name]
        return Expressions(self.mapping.folder).expression(node, at, Slot("", "", kind))

    def expression(self, node: bound.Expression, kind: Kind, scope: Segments = ()) -> str:
        """What fills a column of this kind, in a rule whose items are at ``scope``."""
        for name in self.mapping.folder.mapping.define:
            if not isinstance(node, bound.Constant) and node == self.defined(name, scope, kind):
                return f"[definition {plain(name)}](#named-definitions)"
        return self.spelled(node, kind, scope)

    def spelled(self, node: bound.Expression, kind: Kind, scope: Segments = ()) -> str:
        """The same, written out even where it is a definition."""
        match node:
            case bound.Constant(value):
                return self._constant(value, kind)
            case bound.Raw(source):
                return f"{dotted(source.segments)} as recorded"
            case bound.Whole(source):
                return f"{dotted(source.segments)}, whole, as JSON"
            case bound.Listed(source, by):
                return f"the items of {dotted(source.segments)}, with {code(by)} between them"
            case bound.Instant(source):
                return f"{dotted(source.segments)}, in UTC"
            case bound.Position():
                return "the item's place in its list, from 1"
            case SameDay(visits):
                return " or else ".join(map(code, visits)) + ", if on the row's own day"
            case bound.Sum(sources):
                return " + ".join(dotted(one.segments) for one in sources)
            case bound.Translate():
                return self._translate(node, kind)
            case bound.Guarded(when, then):
                return f"{self.expression(then, kind, scope)} when {self.condition(when)}"
            case bound.Alternatives(items):
                told = (self.expression(item, kind, scope) for item in items)
                return "first of: " + "; ".join(f"({n}) {one}" for n, one in enumerate(told, 1))
            case bound.Template(parts):
                return code("".join(part if isinstance(part, str) else _hole(part) for part in parts))

    def _constant(self, value: float | str, kind: Kind) -> str:
        if kind == "concept":
            return self.concept(value)
        return code(value) if kind == "visit" else plain(value) if kind != "text" else f'"{plain(value)}"'

    def _translate(self, node: bound.Translate, kind: Kind) -> str:
        if node.name in self.mapping.folder.value_maps and kind == "concept":
            return (
                f"{dotted(node.source.segments)} via [{plain(node.name)}]({anchor(map_heading(node.name))})"
            )
        said = (f"{_value(key)}: {self._constant(to, kind)}" for key, to in node.table)
        return f"{dotted(node.source.segments)}: " + "; ".join(said)

    def condition(self, node: bound.Condition) -> str:
        """A condition, without the word *when*."""
        match node:
            case bound.Recorded(source):
                return f"{dotted(source.segments)} {_positive(source)}"
            case bound.IsIn():
                return f"{dotted(node.source.segments)} is {_one_of(node)}"
            case bound.Some(scope, where):
                return f"{self._alone(where)} for some item of {dotted(scope[:-1])}"
            case bound.HasEpisode(episode):
                return f"the case has episode {code(episode)}"
            case bound.Negated(bound.HasEpisode(episode)):
                return f"the case has no episode {code(episode)}"
            case bound.Negated(bound.Recorded(source)):
                return f"{dotted(source.segments)} {_negative(source)}"
            case bound.Negated(bound.Some(scope, where)):
                return f"{self._alone(where)} for no item of {dotted(scope[:-1])}"
            case bound.Negated(bound.IsIn() as asked):
                return f"{dotted(asked.source.segments)} is not {_one_of(asked)}"
            case bound.Negated(inner):
                return f"not ({self.condition(inner)})"
            case bound.Joined(how):
                return f" {how} ".join(self.joined(node))

    def joined(self, node: bound.Joined) -> list[str]:
        """The parts of a condition."""
        return list(map(self._alone, node.conditions))

    def _alone(self, node: bound.Condition) -> str:
        """A condition as a part of another."""
        return f"({self.condition(node)})" if isinstance(node, bound.Joined) else self.condition(node)

    def says(self, node: bound.Expression) -> str | None:
        """When an expression yields something; None when it always does."""
        match node:
            case bound.Raw() | bound.Translate() | bound.Whole() | bound.Listed() | bound.Instant():
                return f"{dotted(node.source.segments)} is recorded"
            case bound.Sum(sources):
                return " and ".join(f"{dotted(one.segments)} is recorded" for one in sources)
            case bound.Guarded(when, then):
                return " and ".join(filter(None, (self.condition(when), self.says(then))))
            case bound.Alternatives(items):
                told = [self.says(item) for item in items]
                return None if None in told else " or ".join(f"{one}" for one in told)
            case bound.Template(parts):
                holes = dict.fromkeys(part.segments for part in parts if not isinstance(part, str))
                return " and ".join(f"{dotted(one)} is recorded" for one in holes)
        return None

    def dates(self, dates: bound.Dates) -> str:
        """The first known of the dates."""
        told = [self.date(one) for one in dates]
        return told[0] if len(told) == 1 else "first known of: " + "; ".join(told)

    def date(self, date: bound.OneDate) -> str:
        """One date."""
        match date:
            case bound.BaselineDate():
                return "baseline"
            case bound.VisitDate(visit, every):
                return f"{'dates' if every else 'date'} of visit {code(visit)}"
            case bound.EpisodeDate(episode):
                return f"start of episode {code(episode)}"
            case bound.RealDate(source):
                axis = "as recorded" if self.mapping.told.baseline is None else "moved with the baseline"
                return f"{dotted(source.segments)}, {axis}"
            case bound.Later(start, count, unit):
                number = str(count) if isinstance(count, int) else dotted(count.segments)
                return f"{self.date(start)} + {number} {unit}"
            case bound.GuardedDate(when, inner):
                return f"when {self.condition(when)}: {self.date(inner)}"
            case bound.Extreme(how, dates):
                listed = ", ".join(self.date(one) for one in dates)
                return f"{'earliest' if how == 'min' else 'latest'} of {listed}"


def map_heading(name: str) -> str:
    """The heading of a value map in the appendix."""
    return f"Value map {name}"


def translations(node: Any) -> Iterator[bound.Translate]:
    """Every translation inside an expression, or inside a tuple or mapping of them."""
    if isinstance(node, bound.Translate):
        yield node
    elif isinstance(node, (tuple, Mapping)):
        for one in node.values() if isinstance(node, Mapping) else node:
            yield from translations(one)
    elif is_dataclass(node):
        for each in fields(node):
            yield from translations(getattr(node, each.name))


def _hole(source: bound.Source) -> str:
    return "{" + json_path(source.segments).removeprefix("$.") + "}"


def _value(value: bound.Key) -> str:
    return str(value).lower() if isinstance(value, bool) else plain(value)


def _one_of(asked: bound.IsIn) -> str:
    if asked.group is not None:
        return f"[{plain(asked.group)}](#groups)"
    return told_values(asked.values) if len(asked.values) == 1 else f"one of {told_values(asked.values)}"


def told_values(values: Iterable[bound.Key]) -> str:
    """Values of a condition, as a list."""
    return ", ".join(_value(value) for value in values)


def _positive(source: bound.Source) -> str:
    if source.facts.types == {"boolean"}:
        return "is true"
    return "has items" if "array" in source.facts.types else "is recorded"


def _negative(source: bound.Source) -> str:
    if source.facts.types == {"boolean"}:
        return "is not true"
    return "has no items" if "array" in source.facts.types else "is not recorded"
