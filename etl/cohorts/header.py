"""What the header of a cohort file says: its name, its parameters and its steps."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Value = int | Decimal | str | date
#: Names of cohorts, parameters and steps: they are SQL names too.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

#: The SQL type that a parameter is cast to.
SQL_TYPES = {"integer": "integer", "number": "numeric", "text": "text", "date": "date"}
_LARGEST = 2**31


class Shape(BaseModel):
    """A shape of the header: no other words, and it does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(Shape):
    """A value that a run may set; the query names it ``:name``."""

    type: Literal["integer", "number", "text", "date"]
    description: Said
    default: Any
    minimum: Any = None
    maximum: Any = None
    choices: tuple[Any, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, given: Any) -> Any:
        """Default, bounds and choices as values of the type."""
        if not isinstance(given, Mapping) or given.get("type") not in SQL_TYPES:
            return given
        kind, typed = str(given["type"]), dict(given)
        for word in ("default", "minimum", "maximum"):
            if typed.get(word) is not None:
                typed[word] = parse(kind, typed[word])
        if isinstance(typed.get("choices"), list):
            typed["choices"] = tuple(parse(kind, each) for each in typed["choices"])
        return typed

    @model_validator(mode="after")
    def _default_allowed(self) -> "Parameter":
        if problem := self.objection(self.default):
            raise ValueError(f"the default {problem}")
        return self

    def objection(self, value: Value | None) -> str | None:
        """Why a value of the right type is not allowed: ``is less than 1``; None when it is."""
        if value is None:
            return "is missing"
        if self.choices is not None and value not in self.choices:
            return f"is none of {', '.join(map(str, self.choices))}"
        if self.minimum is not None and value < self.minimum:
            return f"is less than {self.minimum}"
        if self.maximum is not None and value > self.maximum:
            return f"is more than {self.maximum}"
        return None


class Header(Shape):
    """The YAML in the first comment of a cohort file."""

    name: Name
    title: Said
    description: Said
    parameters: Mapping[Name, Parameter] = {}
    steps: Mapping[Name, Said] = Field(min_length=1)
    """The CTE of each step and what it keeps, in order; the last are the persons of the cohort."""


def parse(kind: str, given: object) -> Value:
    """A value of a parameter's type, from YAML or the command line. Raises ValueError with the reason."""
    written = str(given).strip() if isinstance(given, bool) else str(given)
    match kind:
        case "integer" if re.fullmatch(r"[+-]?\d{1,10}", written.strip()) and abs(int(written)) < _LARGEST:
            return int(written)
        case "number":
            return _number(written)
        case "text" if isinstance(given, str) and "\0" not in written and written.isprintable():
            return written
        case "date":
            return _date(written)
    wanted = {"integer": "an integer", "text": "one line of text"}[kind]
    raise ValueError(f"it must be {wanted}")


def _number(written: str) -> Decimal:
    try:
        number = Decimal(written.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError("it must be a number")
    return number


def _date(written: str) -> date:
    try:
        return date.fromisoformat(written.strip())
    except ValueError:
        raise ValueError("it must be a date, such as 2000-01-31") from None
