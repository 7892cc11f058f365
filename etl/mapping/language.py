"""The mapping language, as Pydantic models: what may be written in a mapping folder's YAML files.

Each model is one shape of the language; ``json_schema`` gives the JSON Schema that editors use. What a name
refers to (a path, a visit, a value map) is the binder's business, see ``etl.mapping.bind``.
"""

import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from etl.mapping.date_phrases import Dates
from etl.mapping.findings import Objection
from etl.mapping.phrases import (
    ConceptText,
    Condition,
    Expression,
    Name,
    Number,
    Of,
    Path,
    Ranges,
    Shape,
    Values,
)


class Visit(Shape):
    """A dated anchor that rows hang on; itself a row of visit_occurrence."""

    concept: Expression
    date: Dates
    each: Path | None = None
    when: Condition | None = None
    source_value: Expression | None = None


class Episode(Shape):
    """A row of episode; rules that name it become its events (OMOP oncology extension).

    An episode is written once: with ``each``, for the item with the earliest start of those whose condition
    holds, the first in the list of equals. Items without a date are passed over.
    """

    concept: ConceptText
    each: Path | None = None
    object: Expression = Field(description="The diagnosis the episode is about")
    start: Dates
    end: Dates | None = None
    parent: str | None = None
    when: Condition | None = None
    source_value: Expression | None = None


class Rule(Shape):
    """One row for each item (or for the case) that has something to say.

    ``table`` and ``concept`` may be left out only where ``like`` brings them; ``concept`` also where the
    table has no column for it.
    """

    like: str | None = Field(
        default=None, description="The rule that this one is like, with its rows, but for what is said here"
    )
    table: str | None = Field(default=None, description="The OMOP table")
    each: Path | None = Field(default=None, description="Write a row for each item of this list")
    when: Condition | None = Field(default=None, description="Only when this holds")
    concept: Expression | None = None
    number: Number | None = Field(default=None, description="value_as_number")
    plausible: Ranges | None = Field(default=None, description="Where the number is believed")
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
    of: Of | None = None
    set: dict[str, Expression] = Field(default={}, description="Any other column by its real name")
    rows: dict[Name, "Rule | None"] = Field(
        default={}, description="Rows recorded of this row; null leaves out one of the rule that this is like"
    )
    comment: str | None = Field(default=None, description="For the ETL document")


class Baseline(Shape):
    """The date that stands for the real baseline; the real one is read from the document.

    Without a baseline, dates are taken as they are recorded.
    """

    is_: datetime.date = Field(alias="is")
    date: Path | None = Field(default=None, description="The real baseline date; others move along with it")
    each: Path | None = None
    when: Condition | None = None


class CaseKeys(Shape):
    """Which top-level keys of the document name the patient, the form and the site.

    Or, with ``series`` alone, the place of the Series Instance UID of the image series that it is about: its
    patient is that of the series.
    """

    patient: str | None = None
    form: str | None = None
    site: str | None = None
    series: Path | None = Field(default=None, description="A place in the document, instead of the keys")


class Person(Shape):
    """The person row. One person over all forms; the newest case wins."""

    gender: Expression
    age: Path = Field(description="Age at baseline in years; year_of_birth = baseline year - age")
    plausible: Ranges | None = Field(default=None, description="Where the age is believed")
    race: Expression = 0
    ethnicity: Expression = 0


class Form(Shape):
    """One eCRF form: the use cases it serves and the sections it fills."""

    title: str
    use_cases: tuple[int | str, ...]
    sections: tuple[str, ...]


class Accepted(Shape):
    """A finding of the checker that is known and meant."""

    finding: Objection
    concept: int
    why: str = Field(min_length=5)


class Mapping(Shape):
    """mapping.yaml: what the sections share."""

    name: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]{0,7}$", description="Also the prefix of its value maps")
    ]
    title: str
    source: str = ""
    schema_: str = Field(alias="schema")
    case: CaseKeys
    baseline: Baseline | None = None
    type: ConceptText = Field(default="0", description="The type concept of every row")
    person: Person | None = Field(
        default=None, description="Without it, the cases add to persons that other mappings describe"
    )
    sections: tuple[Name, ...] = Field(
        default=(), description="Every section, in order; default: as the forms list them"
    )
    forms: dict[str, Form] = Field(
        default={}, min_length=1, description="Without it, every section holds for every case"
    )
    visits: dict[Name, Visit] = Field(default={})
    episodes: dict[Name, Episode] = Field(default={})
    define: dict[Name, Expression] = Field(default={})
    groups: dict[Name, Values] = Field(default={}, description="Named values for conditions' 'in'")
    defaults: dict[str, dict[str, Expression]] = Field(
        default={}, description="Columns by table, for every row"
    )
    ignore: dict[Path, str] = Field(default={}, description="Paths left out on purpose, each with the reason")
    accept: tuple[Accepted, ...] = ()
    beside: tuple[str, ...] = Field(
        default=(),
        description="YAML files of the folder that are not of the mapping: other programs read them",
    )


Section = dict[Name, Rule]
MAPPING: TypeAdapter[Mapping] = TypeAdapter(Mapping)
SECTION: TypeAdapter[Section] = TypeAdapter(Section)


def json_schema(part: Literal["mapping", "section"]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of mapping.yaml or of a section file, for editors."""
    schema = (MAPPING if part == "mapping" else SECTION).json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Oncolake {part}", **schema}
