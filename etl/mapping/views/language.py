"""What may be written in a view file, as Pydantic models."""

from typing import Annotated, Any, Literal, Union

from pydantic import Discriminator, Field, Tag, TypeAdapter

from etl.mapping.phrases import Name, Path, Shape

Take = Literal["number", "code", "concept", "value", "text", "days", "date", "id", "found", "count"]
Pick = Literal["newest", "highest", "lowest", "all"]


def _several(value: Any) -> str:
    return "one" if isinstance(value, str) else "several"


Rules = Annotated[
    Union[  # noqa: UP007
        Annotated[str, Tag("one")], Annotated[tuple[str, ...], Field(min_length=1), Tag("several")]
    ],
    Discriminator(_several),
]


class Column(Shape):
    """A column from rows of rules, or computed from the columns of the view."""

    rule: Rules | None = Field(
        default=None, description="The rules whose rows it takes; '.x': those recorded of the rows' own rules"
    )
    take: Annotated[
        Union[Annotated[Take, Tag("one")], Annotated[tuple[Take, ...], Field(min_length=1), Tag("several")]],  # noqa: UP007
        Discriminator(_several),
    ] = Field(
        default=(),
        description="number; code: the form's own word; concept or value: the row's concept or its value,"
        " id and name; text; days after the baseline; date; id of the row; found: whether there is a row;"
        " count of rows. Default: number, else code, else concept",
    )
    pick: Pick = Field(
        default="newest", description="Where there are several: codes go by the order of their map"
    )
    at: Rules | None = Field(default=None, description="Only rows at these visits")
    sql: str | None = Field(default=None, description="Instead of rule: an expression of the other columns")
    fields: tuple[Path, ...] = Field(
        default=(), description="The fields of the form, for the comment; default: those that the rules read"
    )
    says: str | None = Field(default=None, description="Default: the field's title in the JSON Schema")


class Items(Shape):
    """One row for each item of the lists that these rules stand at."""

    rules: dict[str, str] = Field(
        min_length=1, description="With several, the word that the column 'phase' has for each"
    )
    numbers: dict[str, Name] = Field(
        default={}, description="By the key of a list: the column with the item's place in it, from 1"
    )
    never_alone: tuple[str, ...] = Field(
        default=(), description="Rules of columns that make no row of the view by themselves"
    )


class View(Shape):
    """A view in schema research, named after its file."""

    title: str = Field(min_length=5)
    row: Annotated[
        Union[  # noqa: UP007
            Annotated[Literal["person", "case"], Tag("one")], Annotated[Items, Tag("several")]
        ],
        Discriminator(_several),
    ] = Field(
        description="person: one row each, of each column the case with the newest document among those"
        " that record it; case; or items"
    )
    columns: dict[Name, Column] = Field(min_length=1)


VIEW: TypeAdapter[View] = TypeAdapter(View)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of view files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **VIEW.json_schema(by_alias=True)}
