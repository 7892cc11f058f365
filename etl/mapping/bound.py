"""A mapping with every reference resolved: what the checker looks at and the generator writes code from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

from etl.mapping import language
from etl.mapping.concept_use import ConceptUse
from etl.mapping.folder import Folder, Place
from etl.mapping.paths import Facts, Segments, absolute
from etl.mapping.plausible_range import Range
from etl.mapping.same_day import RecordedOf, SameDay
from etl.mapping.tables import Target

Key = str | int | bool


@dataclass(frozen=True, slots=True)
class Source:
    """A place in the document that a rule reads."""

    segments: Segments
    facts: Facts


@dataclass(frozen=True, slots=True)
class Recorded:
    """A boolean that is true, or anything else that is recorded."""

    source: Source


@dataclass(frozen=True, slots=True)
class IsIn:
    """The value is one of these."""

    source: Source
    values: tuple[Key, ...]
    group: str | None = None
    """The name of these values in the mapping."""


@dataclass(frozen=True, slots=True)
class Some:
    """The condition holds for at least one item of the list."""

    scope: Segments
    """The list's items."""
    where: "Condition"


@dataclass(frozen=True, slots=True)
class HasEpisode:
    """The case has the episode."""

    episode: str


@dataclass(frozen=True, slots=True)
class Negated:
    """The condition does not hold."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Joined:
    """All of the conditions, or any of them."""

    how: Literal["and", "or"]
    conditions: tuple["Condition", ...]


Condition = Union[Recorded, IsIn, Some, HasEpisode, Negated, Joined]  # noqa: UP007


@dataclass(frozen=True, slots=True)
class Constant:
    """A concept id, a text or a visit's name, by the slot it stands in."""

    value: int | float | str


@dataclass(frozen=True, slots=True)
class Raw:
    """The value as recorded."""

    source: Source


@dataclass(frozen=True, slots=True)
class Translate:
    """The value translated by a value map or an inline map."""

    source: Source
    name: str
    table: tuple[tuple[Key, int | str], ...]


@dataclass(frozen=True, slots=True)
class Guarded:
    """The expression when the condition holds, otherwise nothing."""

    condition: Condition
    then: "Expression"


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The first that yields something."""

    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Template:
    """Text with recorded values in it; nothing when one of them is not recorded."""

    parts: tuple[str | Source, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of whole numbers; nothing when one of them is not recorded."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """The part of the document that stands at a place, with all that it holds, as JSON."""

    source: Source


@dataclass(frozen=True, slots=True)
class Listed:
    """The items of a list as one text, with this between them."""

    source: Source
    by: str


@dataclass(frozen=True, slots=True)
class Position:
    """The place of the rule's item in its list, from 1."""


@dataclass(frozen=True, slots=True)
class Instant:
    """When a tool did its work: in UTC, and not moved with the baseline."""

    source: Source


Expression = Union[  # noqa: UP007
    Constant, Raw, Sum, Translate, Guarded, Alternatives, Template, Whole, Listed, Position, Instant, SameDay
]


@dataclass(frozen=True, slots=True)
class BaselineDate:
    """The date that stands for the baseline."""


@dataclass(frozen=True, slots=True)
class VisitDate:
    """The date of a visit; unknown when the case has no such visit."""

    visit: str
    every: bool = False
    """Of a visit that items have: all its dates, for the earliest or latest of them."""


@dataclass(frozen=True, slots=True)
class EpisodeDate:
    """The start of an episode; unknown when the case has no such episode."""

    episode: str


@dataclass(frozen=True, slots=True)
class RealDate:
    """A recorded date, moved with the baseline; as it is in a mapping without one."""

    source: Source


@dataclass(frozen=True, slots=True)
class Later:
    """So many days, months or years after another date."""

    start: "OneDate"
    source: Source | int
    unit: Literal["days", "months", "years"]


@dataclass(frozen=True, slots=True)
class Extreme:
    """The earliest or the latest of the dates that are known."""

    how: Literal["min", "max"]
    dates: tuple["OneDate", ...]


@dataclass(frozen=True, slots=True)
class GuardedDate:
    """The date when the condition holds, otherwise none."""

    condition: Condition
    date: "OneDate"


OneDate = Union[BaselineDate, VisitDate, EpisodeDate, RealDate, Later, Extreme, GuardedDate]  # noqa: UP007
Dates = tuple[OneDate, ...]
"""The first that is known."""


@dataclass(frozen=True, slots=True)
class BoundRule:
    """One rule, ready for code: every column with the expression that fills it."""

    name: str
    target: Target
    place: Place
    section: str | None
    scope: Segments
    """The item the rule stands at; () for the case."""
    when: Condition | None
    concept: Expression
    drivers: tuple[Expression, ...]
    """At least one of them must say something, when there are any."""
    columns: Mapping[str, Expression]
    visit: Expression | None
    date: Dates
    end: Dates
    episode: str | None
    parent: str | None
    """For an episode: the episode it is part of."""
    of: RecordedOf | None
    rows: tuple["BoundRule", ...]
    comment: str | None = None
    plausible: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the real baseline date stands."""

    scope: Segments
    when: Condition | None
    source: Source


@dataclass(frozen=True, slots=True)
class Bound:
    """The whole mapping."""

    folder: Folder
    anchor: Anchor | None
    person: Mapping[str, Expression]
    age: Source | None
    """None in an annex: its cases add to persons that other mappings describe."""
    visits: tuple[BoundRule, ...]
    episodes: tuple[BoundRule, ...]
    rules: tuple[BoundRule, ...]
    ignored: Mapping[Segments, str]
    concepts: tuple[ConceptUse, ...]
    plausible: tuple[Range, ...] = ()
    """Of the age."""

    @property
    def told(self) -> language.Mapping:
        return self.folder.mapping

    @property
    def annex(self) -> bool:
        return self.age is None

    @property
    def keys(self) -> Mapping[str, Segments]:
        """Where the document says whose case it is, by the word for it."""
        return {word: absolute(key, ()) for word, key in self.folder.mapping.case if key is not None}

    @property
    def shared(self) -> tuple[Any, ...]:
        """What is said for every case, whatever its form: the person and the baseline."""
        return (self.age, self.person, self.anchor)

    def every_rule(self) -> Iterator[BoundRule]:
        """Visits, episodes and rules, each before the rows recorded of it."""
        for rule in (*self.visits, *self.episodes, *self.rules):
            yield from with_rows(rule)


def with_rows(rule: BoundRule) -> Iterator[BoundRule]:
    """The rule and the rules nested in it."""
    yield rule
    for child in rule.rows:
        yield from with_rows(child)
