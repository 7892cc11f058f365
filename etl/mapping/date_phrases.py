"""The mapping language, dates: when something happened, as Pydantic models."""

from typing import Annotated, Any, Union

from pydantic import Discriminator, Field, Tag

from etl.mapping.phrases import Condition, Shape, shape_of

When = Annotated[
    str,
    Field(
        min_length=1,
        description="A date: 'baseline', a visit's name, an episode's name (its start), the path of a real"
        " date, or one of these '+ PATH days|months|years' or '+ NUMBER days|months|years'",
    ),
]


class Earliest(Shape):
    """The earliest of the dates that are known. A visit of items is all of them, as far as they are ours."""

    earliest: tuple[When, ...] = Field(min_length=1)


class Latest(Shape):
    """The latest of the dates that are known. A visit of items is all of them, as far as they are ours."""

    latest: tuple[When, ...] = Field(min_length=1)


class DateChoice(Shape):
    """The date when the condition holds, otherwise none."""

    when: Condition
    is_: When = Field(alias="is")


def _date_shape(value: Any) -> str:
    names = {"earliest": "earliest", "latest": "latest", "when": "choice"}
    return shape_of(value, names, Earliest, Latest, DateChoice)


def _dates_shape(value: Any) -> str:
    return "list" if isinstance(value, (list, tuple)) else "one"


OneDate = Annotated[
    Union[  # noqa: UP007
        Annotated[When, Tag("plain")],
        Annotated[DateChoice, Tag("choice")],
        Annotated[Earliest, Tag("earliest")],
        Annotated[Latest, Tag("latest")],
    ],
    Discriminator(_date_shape),
]
Dates = Annotated[
    Union[  # noqa: UP007
        Annotated[OneDate, Tag("one")],
        Annotated[tuple[OneDate, ...], Field(min_length=1), Tag("list")],
    ],
    Discriminator(_dates_shape),
    Field(description="A date; a list: the first that is known; or the earliest or latest of a list"),
]
