"""The mapping language, as Pydantic models: what may be written in a mapping folder's YAML files.

Each model is one shape of the language; ``json_schema`` gives the JSON Schema that editors use. What a name
refers to (a path, a visit, a value map) is the binder's business, see ``etl.mapping.bind``.
"""

import datetime
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from etl.mapping.findings import Objection

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


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Value = str | int | bool
Values = Annotated[tuple[Value, ...], Field(min_length=1)]


def _values_shape(value: Any) -> str:
    return "group" if isinstance(value, str) else "values"


class IsOneOf(_Shape):
    """True when the value at ``path`` is one of the listed values, or of those of a named group."""

    path: Path
    in_: Annotated[
        Union[Annotated[Name, Tag("group")], Annotated[Values, Tag("values")]],  # noqa: UP007
        Discriminator(_values_shape),
        Field(alias="in"),
    ]


class Some(_Shape):
    """True when ``where`` holds for at least one item of the list; its paths start at the item."""

    some: Path
    where: "Condition"


class HasEpisode(_Shape):
    """True when the case has this episode: one that stands earlier, or any where rules ask."""

    episode: str


class Not(_Shape):
    """True when the condition is not."""

    not_: "Condition" = Field(alias="not")


class AnyOf(_Shape):
    """True when at least one condition is."""

    any_: tuple["Condition", ...] = Field(alias="any", min_length=1)


class AllOf(_Shape):
    """True when every condition is."""

    all_: tuple["Condition", ...] = Field(alias="all", min_length=1)


class Lookup(_Shape):
    """The value at ``from`` (default: the item) as it is, or translated by a value map or inline ``map``."""

    from_: Path = Field(alias="from", default="@")
    via: str | None = Field(default=None, description="Name of a value map: value_maps/NAME.csv")
    map: dict[str | int | bool, str | int] | None = Field(default=None, min_length=1)


class Choice(_Shape):
    """``is`` when the condition holds, otherwise nothing."""

    when: "Condition"
    is_: "Expression" = Field(alias="is")


class First(_Shape):
    """The first alternative that yields something."""

    first: tuple["Expression", ...] = Field(min_length=1)


class Use(_Shape):
    """A named expression from the mapping's ``define``."""

    use: str


def _condition_shape(value: Any) -> str:
    return _shape_of(
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
        "from": "lookup",
        "via": "lookup",
        "map": "lookup",
    }
    return _shape_of(value, names, First, Choice, Use, Lookup)


def _shape_of(value: Any, keys: dict[str, str], *models: type[_Shape]) -> str:
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
    ],
    Discriminator(_expression_shape),
]
When = Annotated[
    str,
    Field(
        min_length=1,
        description="A date: 'baseline', a visit's name, an episode's name (its start), the path of a real"
        " date, or one of these '+ PATH days|months|years' or '+ NUMBER days|months|years'",
    ),
]


class Earliest(_Shape):
    """The earliest of the dates that are known. A visit of items is all of them, as far as they are ours."""

    earliest: tuple[When, ...] = Field(min_length=1)


class Latest(_Shape):
    """The latest of the dates that are known. A visit of items is all of them, as far as they are ours."""

    latest: tuple[When, ...] = Field(min_length=1)


class DateChoice(_Shape):
    """The date when the condition holds, otherwise none."""

    when: "Condition"
    is_: When = Field(alias="is")


def _date_shape(value: Any) -> str:
    names = {"earliest": "earliest", "latest": "latest", "when": "choice"}
    return _shape_of(value, names, Earliest, Latest, DateChoice)


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


class Sum(_Shape):
    """The sum of whole numbers; nothing unless all of them are recorded."""

    sum: tuple[Path, ...] = Field(min_length=2)


def _number_shape(value: Any) -> str:
    return _shape_of(value, {"sum": "sum"}, Sum)


Number = Annotated[
    Union[Annotated[Path, Tag("plain")], Annotated[Sum, Tag("sum")]],  # noqa: UP007
    Discriminator(_number_shape),
]


class Visit(_Shape):
    """A dated anchor that rows hang on; itself a row of visit_occurrence."""

    concept: Expression
    date: Dates
    each: Path | None = None
    when: Condition | None = None
    source_value: Expression | None = None


class Episode(_Shape):
    """A row of episode; rules that name it become its events (OMOP oncology extension).

    An episode is written once: with ``each``, for the first item whose condition holds.
    """

    concept: ConceptText
    each: Path | None = None
    object: Expression = Field(description="The diagnosis the episode is about")
    start: Dates
    end: Dates | None = None
    parent: str | None = None
    when: Condition | None = None
    source_value: Expression | None = None


class Rule(_Shape):
    """One row for each item (or for the case) that has something to say.

    ``table`` and ``concept`` may be left out only where ``like`` brings them.
    """

    like: str | None = Field(
        default=None, description="The rule that this one is like, with its rows, but for what is said here"
    )
    table: str | None = Field(default=None, description="The OMOP table")
    each: Path | None = Field(default=None, description="Write a row for each item of this list")
    when: Condition | None = Field(default=None, description="Only when this holds")
    concept: Expression | None = None
    number: Number | None = Field(default=None, description="value_as_number")
    value: Expression | None = Field(default=None, description="value_as_concept_id")
    unit: ConceptText | None = None
    title: Expression | None = Field(default=None, description="note_title")
    text: Expression | None = Field(default=None, description="note_text, or observation.value_as_string")
    source_value: Expression | None = Field(
        default=None, description="Default: the raw code, or the rule's name"
    )
    visit: Expression | None = None
    date: Dates | None = Field(default=None, description="Default: the visit's date")
    end: Dates | None = None
    episode: str | None = Field(default=None, description="The episode whose event this row is")
    of: str | None = Field(
        default=None,
        description="The rule whose first row, of the same item if it has items, this is recorded of",
    )
    set: dict[str, Expression] = Field(default={}, description="Any other column by its real name")
    rows: dict[Name, "Rule | None"] = Field(
        default={}, description="Rows recorded of this row; null leaves out one of the rule that this is like"
    )
    comment: str | None = Field(default=None, description="For the ETL document")


class Baseline(_Shape):
    """The date that stands for the real baseline; the real one is read from the document."""

    is_: datetime.date = Field(alias="is")
    date: Path | None = Field(default=None, description="The real baseline date; others move along with it")
    each: Path | None = None
    when: Condition | None = None


class CaseKeys(_Shape):
    """Which top-level keys of the document name the patient, the form and the site."""

    patient: str
    form: str
    site: str | None = None


class Person(_Shape):
    """The person row. One person over all forms; the newest case wins."""

    gender: Expression
    age: Path = Field(description="Age at baseline in years; year_of_birth = baseline year - age")
    race: Expression = 0
    ethnicity: Expression = 0


class Form(_Shape):
    """One eCRF form: the use cases it serves and the sections it fills."""

    title: str
    use_cases: tuple[int | str, ...]
    sections: tuple[str, ...]


class Accepted(_Shape):
    """A finding of the checker that is known and meant."""

    finding: Objection
    concept: int
    why: str = Field(min_length=5)


class Mapping(_Shape):
    """mapping.yaml: what the sections share."""

    name: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]{0,7}$", description="Also the prefix of its value maps")
    ]
    title: str
    source: str = ""
    schema_: str = Field(alias="schema")
    case: CaseKeys
    baseline: Baseline
    type: ConceptText
    person: Person
    sections: tuple[Name, ...] = Field(
        default=(), description="Every section, in order; default: as the forms list them"
    )
    forms: dict[str, Form] = Field(min_length=1)
    visits: dict[Name, Visit] = {}
    episodes: dict[Name, Episode] = {}
    define: dict[Name, Expression] = {}
    groups: dict[Name, Values] = Field(default={}, description="Named values for conditions' 'in'")
    defaults: dict[str, dict[str, Expression]] = Field(
        default={}, description="Columns by table, for every row"
    )
    ignore: dict[Path, str] = Field(default={}, description="Paths left out on purpose, each with the reason")
    accept: tuple[Accepted, ...] = ()


Section = dict[Name, Rule]
MAPPING: TypeAdapter[Mapping] = TypeAdapter(Mapping)
SECTION: TypeAdapter[Section] = TypeAdapter(Section)


def json_schema(part: Literal["mapping", "section"]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of mapping.yaml or of a section file, for editors."""
    schema = (MAPPING if part == "mapping" else SECTION).json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Oncolake {part}", **schema}
