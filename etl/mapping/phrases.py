"""The mapping language, from the inside: names, conditions, expressions and numbers, as Pydantic models."""

from typing import Annotated, Any, Literal, Union

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictFloat,
    StrictInt,
    Tag,
    WithJsonSchema,
)

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]{0,49}$",
        description="The name of a rule, visit, episode or definition: lower-case letters, digits and _",
    ),
]
ConceptText = Annotated[
    str, Field(description="A concept as 'id name', for instance '8842 nanogram per milliliter'")
]
Path = Annotated[
    str,
    Field(
        min_length=1,
        description="A place in the case document: names joined by dots. Below 'each' it starts at the item"
        " ('@' is the item itself); '$.' starts at the document's root",
    ),
]


class Shape(BaseModel):
    """A mapping of the language's words: no other word is allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Value = str | int | bool
Values = Annotated[tuple[Value, ...], Field(min_length=1)]


def _values_shape(value: Any) -> str:
    return "group" if isinstance(value, str) else "values"


class IsOneOf(Shape):
    """True when the value at ``path`` is one of the listed values, or of those of a named group."""

    path: Path
    in_: Annotated[
        Union[Annotated[Name, Tag("group")], Annotated[Values, Tag("values")]],  # noqa: UP007
        Discriminator(_values_shape),
        Field(alias="in"),
    ]


class Some(Shape):
    """True when ``where`` holds for at least one item of the list; its paths start at the item."""

    some: Path
    where: "Condition"


class HasEpisode(Shape):
    """True when the case has this episode: one that stands earlier, or any where rules ask."""

    episode: str


class Not(Shape):
    """True when the condition is not."""

    not_: "Condition" = Field(alias="not")


class AnyOf(Shape):
    """True when at least one condition is."""

    any_: tuple["Condition", ...] = Field(alias="any", min_length=1)


class AllOf(Shape):
    """True when every condition is."""

    all_: tuple["Condition", ...] = Field(alias="all", min_length=1)


class Lookup(Shape):
    """The value at ``from`` (default: the item) as it is, or translated by a value map or inline ``map``."""

    from_: Path = Field(alias="from", default="@")
    via: str | None = Field(default=None, description="Name of a value map: value_maps/NAME.csv")
    map: dict[str | int | bool, str | int] | None = Field(default=None, min_length=1)


class Choice(Shape):
    """``is`` when the condition holds, otherwise nothing."""

    when: "Condition"
    is_: "Expression" = Field(alias="is")


class First(Shape):
    """The first alternative that yields something."""

    first: tuple["Expression", ...] = Field(min_length=1)


class Use(Shape):
    """A named expression from the mapping's ``define``."""

    use: str


class SameDay(Shape):
    """The first of these visits that is on the row's own date; a visit of items is all of ours."""

    same_day: tuple[str, ...] = Field(min_length=1)


class SameVisit(Shape):
    """The first row of these rules at the visit of this row; the rule that is named first goes first."""

    same_visit: tuple[str, ...] = Field(min_length=1)


class Part(Shape):
    """The part of the document at this place, as JSON; '@' is the item, or the whole document of a case."""

    json_: Path = Field(alias="json")


class Join(Shape):
    """The items of a list as one text, with this between them."""

    join: Path
    by: str = ", "


class Position(Shape):
    """The place of the item in its list, from 1."""

    position: Literal[True]


def _condition_shape(value: Any) -> str:
    return shape_of(
        value,
        {"path": "one_of", "some": "some", "episode": "episode", "not": "not", "any": "any", "all": "all"},
        IsOneOf,
        Some,
        HasEpisode,
        Not,
        AnyOf,
        AllOf,
    )


def _expression_shape(value: Any) -> str:
    names = {
        "first": "first",
        "when": "choice",
        "use": "use",
        "json": "part",
        "join": "join",
        "position": "position",
        "same_day": "same_day",
        "from": "lookup",
        "via": "lookup",
        "map": "lookup",
    }
    return shape_of(value, names, First, Choice, Use, Part, Join, Position, SameDay, Lookup)


def shape_of(value: Any, keys: dict[str, str], *models: type[Shape]) -> str:
    """The tag of a shape, by the words that it is known by; 'plain' for a single word."""
    if isinstance(value, dict):
        return next((tag for key, tag in keys.items() if key in value), next(reversed(keys.values())))
    tags = list(dict.fromkeys(keys.values()))
    return next((tag for model, tag in zip(models, tags, strict=True) if isinstance(value, model)), "plain")


Condition = Annotated[
    Union[  # noqa: UP007 - a forward reference inside Annotated needs the long form
        Annotated[Path, Tag("plain")],
        Annotated[IsOneOf, Tag("one_of")],
        Annotated[Some, Tag("some")],
        Annotated[HasEpisode, Tag("episode")],
        Annotated[Not, Tag("not")],
        Annotated[AnyOf, Tag("any")],
        Annotated[AllOf, Tag("all")],
    ],
    Discriminator(_condition_shape),
]
Expression = Annotated[
    Union[  # noqa: UP007
        Annotated[str | int | float, Tag("plain")],
        Annotated[First, Tag("first")],
        Annotated[Choice, Tag("choice")],
        Annotated[Use, Tag("use")],
        Annotated[Lookup, Tag("lookup")],
        Annotated[Part, Tag("part")],
        Annotated[Join, Tag("join")],
        Annotated[Position, Tag("position")],
        Annotated[SameDay, Tag("same_day")],
    ],
    Discriminator(_expression_shape),
]


def _of_shape(value: Any) -> str:
    return shape_of(value, {"same_visit": "same_visit"}, SameVisit)


Of = Annotated[
    Union[Annotated[str, Tag("plain")], Annotated[SameVisit, Tag("same_visit")]],  # noqa: UP007
    Discriminator(_of_shape),
    Field(
        description="The rule whose first row, of the same item if it has items, this is recorded of; or the"
        " first of several at the same visit"
    ),
]


class Sum(Shape):
    """The sum of whole numbers; nothing unless all of them are recorded."""

    sum: tuple[Path, ...] = Field(min_length=2)


def _number_shape(value: Any) -> str:
    return shape_of(value, {"sum": "sum"}, Sum)


Number = Annotated[
    Union[Annotated[Path, Tag("plain")], Annotated[Sum, Tag("sum")]],  # noqa: UP007
    Discriminator(_number_shape),
]


def _bound_shape(value: Any) -> str:
    return "place" if isinstance(value, str) else "integer" if isinstance(value, int) else "number"


Bound = Annotated[
    Union[  # noqa: UP007
        Annotated[Path, Tag("place")],
        Annotated[StrictInt, Tag("integer")],
        Annotated[StrictFloat, AllowInfNan(False), Tag("number")],
    ],
    Discriminator(_bound_shape),
    # To JSON Schema a whole number is a number as well, so that "one of" them would be none.
    WithJsonSchema({"type": ["string", "number"], "minLength": 1}),
]


class Plausible(Shape):
    """The range that a number is believed in, both ends included. Outside, it is loaded and warned of."""

    path: Path | None = Field(
        default=None, description="A place that the rule reads; default: that of 'number'"
    )
    low: Bound | None = Field(default=None, description="A number in the rule's unit, or the place of one")
    high: Bound | None = Field(default=None, description="A number in the rule's unit, or the place of one")
    why: str = Field(min_length=5, description="What speaks against other values; it is told with each")


def _ranges_shape(value: Any) -> str:
    return "list" if isinstance(value, (list, tuple)) else "one"


Ranges = Annotated[
    Union[  # noqa: UP007
        Annotated[Plausible, Tag("one")],
        Annotated[tuple[Plausible, ...], Field(min_length=1), Tag("list")],
    ],
    Discriminator(_ranges_shape),
    Field(description="The range that a number is believed in, or several of them"),
]
