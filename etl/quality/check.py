"""A check: one rule that rows keep or break, as OHDSI's DataQualityDashboard names it, and how to count it.

All SQL in a check is made of names of our own tables and of numbers; it holds no value of a patient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, Union

Level = Literal["TABLE", "FIELD", "CONCEPT"]

#: What a row is called in conditions.
ROW = "r"


class Kind(NamedTuple):
    """What all checks of one name have in common. Category, subcategory and context are Kahn's."""

    category: str
    subcategory: str | None
    context: str
    means: str
    """A sentence with places for ``{table}``, ``{column}`` and ``{detail}``."""
    ours: bool = False
    """Not one of the DataQualityDashboard's."""


class Join(NamedTuple):
    """What a condition on a row needs beside it: one row or none for each, so that rows keep their count."""

    name: str
    """What conditions call it."""
    table: str
    """The table that it is of."""
    sql: str
    """Right whatever the table holds."""
    keyed: str = ""
    """The same where the table's primary key holds; faster. Empty: there is none."""


@dataclass(frozen=True, slots=True)
class Declared:
    """Whether the database has the table, or the column with this type."""

    type: str | None = None


class Condition(NamedTuple):
    """That a column has a value, or with None that it has any."""

    column: str
    value: int | None
    or_none: bool = False
    """Or that it has none: NULL, or concept 0."""

    @property
    def sql(self) -> str:
        """As a condition on a row."""
        if self.or_none:
            values = ", ".join(map(str, sorted({0, self.value or 0})))
            return f"coalesce(r.{self.column}, 0) IN ({values})"
        return f"r.{self.column} IS NOT NULL" if self.value is None else f"r.{self.column} = {self.value}"


class Plain(NamedTuple):
    """A rule on the values of the check's column in words that other tools share."""

    where: tuple[Condition, ...] = ()
    low: float | None = None
    high: float | None = None
    allowed: tuple[int, ...] | None = None
    required: bool = False
    no_later_than: str | None = None
    """Another column."""

    @property
    def violated(self) -> str:
        """What breaks it, as a condition on the column ``{0}``."""
        parts = (
            f"{{0}} < {self.low}" if self.low is not None else "",
            f"{{0}} > {self.high}" if self.high is not None else "",
            f"{{0}} NOT IN ({', '.join(map(str, self.allowed))})" if self.allowed else "",
            "{0} IS NULL" if self.required else "",
            f"{{0}} > r.{self.no_later_than}" if self.no_later_than else "",
        )
        return " OR ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the check's table that break a condition; counted in the scan that its other checks share."""

    violated: str
    among: str = "TRUE"
    """The rows that the rule is about: the denominator."""
    joins: tuple[Join, ...] = ()
    plain: Plain | None = None
    """The same rule in plain words, where there are such."""


def plain_rows(column: str, plain: Plain) -> Rows:
    """The rows whose column breaks a plain rule. A value that is not there breaks none but ``required``."""
    name = f"r.{column}"
    there = [] if plain.required else [f"{name} IS NOT NULL"]
    other = [f"r.{plain.no_later_than} IS NOT NULL"] if plain.no_later_than else []
    among = " AND ".join((*there, *other, *(one.sql for one in plain.where)))
    return Rows(plain.violated.format(name), among or "TRUE", plain=plain)


@dataclass(frozen=True, slots=True)
class Values:
    """Rows whose concept breaks a condition on ``value`` and CONCEPT's row ``c``; looked up once a value."""

    violated: str
    among: str = "value IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that a query of its own finds, by their key as ``id``."""

    rows: str
    among: str
    """A query that counts the denominator."""


Test = Union[Declared, Rows, Values, Found]  # noqa: UP007


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one table, column or concept."""

    name: str
    level: Level
    table: str
    test: Test
    origin: str
    """What it was made from: the CDM, or file and line of the mapping, or a place of the JSON Schema."""
    column: str | None = None
    concept: int | None = None
    unit: int | None = None
    part: str | None = None
    """Tells checks apart that have all else in common."""
    detail: str = ""
    """What the kind's sentence leaves open, such as a bound with its unit."""
    witness: tuple[str, str] | None = None
    """The table and the column whose id names a failing row; None: the table's own key."""

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    @property
    def id(self) -> str:
        """As the DataQualityDashboard builds it: level, name, table, column, concept and unit."""
        parts = (self.level, self.name, self.table, self.column, self.concept, self.unit, self.part)
        return "_".join(str(one) for one in parts if one is not None).lower()

    @property
    def description(self) -> str:
        """What is counted, in a sentence."""
        return self.kind.means.format(table=self.table, column=self.column, detail=self.detail)


def _kind(category: str, subcategory: str | None, context: str, means: str, ours: bool = False) -> Kind:
    return Kind(category, subcategory, context, means, ours)


_RELATIONAL = ("Conformance", "Relational")
_VALUE = ("Conformance", "Value")
_TEMPORAL = ("Plausibility", "Temporal")
_ATEMPORAL = ("Plausibility", "Atemporal")
_COMPLETE = ("Completeness", None)
_SEEN, _JUDGED = "Verification", "Validation"

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "cdmTable": _kind(*_RELATIONAL, _SEEN, "Table {table} is missing"),
        "cdmField": _kind(*_RELATIONAL, _SEEN, "Column {column} of {table} is missing"),
        "cdmDatatype": _kind(*_VALUE, _SEEN, "Column {column} of {table} is not of type {detail}"),
        "isRequired": _kind(*_RELATIONAL, _JUDGED, "Rows of {table} without {column}, which is required"),
        "isPrimaryKey": _kind(*_RELATIONAL, _SEEN, "Rows of {table} whose {column} another row has too"),
        "isForeignKey": _kind(*_RELATIONAL, _SEEN, "Rows of {table} whose {column} is not in {detail}"),
        "fkDomain": _kind(*_VALUE, _SEEN, "Rows of {table} whose {column} is not of domain {detail}"),
        "isStandardValidConcept": _kind(
            *_VALUE, _SEEN, "Rows of {table} whose {column} is not a standard, valid concept"
        ),
        "standardConceptRecordCompleteness": _kind(
            *_COMPLETE, _SEEN, "Rows of {table} whose {column} is 0: recorded, but without a concept"
        ),
        "sourceConceptRecordCompleteness": _kind(
            *_COMPLETE, _SEEN, "Rows of {table} whose source concept {column} is 0"
        ),
        "sourceValueCompleteness": _kind(
            *_COMPLETE, _SEEN, "Different values of {column} in {table} without a concept"
        ),
        "measureValueCompleteness": _kind(*_COMPLETE, _SEEN, "Rows of {table} without {column}"),
        "measurePersonCompleteness": _kind(*_COMPLETE, _JUDGED, "Persons without a row in {table}"),
        "measureObservationPeriodOverlap": _kind(
            *_TEMPORAL, _SEEN, "Persons whose observation periods overlap or touch"
        ),
        "plausibleValueLow": _kind(*_ATEMPORAL, _SEEN, "Rows of {table} whose {column} is {detail}"),
        "plausibleValueHigh": _kind(*_ATEMPORAL, _SEEN, "Rows of {table} whose {column} is {detail}"),
        "plausibleAfterBirth": _kind(*_TEMPORAL, _SEEN, "Rows of {table} whose {column} is before birth"),
        "plausibleBeforeDeath": _kind(
            *_TEMPORAL, _SEEN, "Rows of {table} whose {column} is more than 60 days after death"
        ),
        "plausibleStartBeforeEnd": _kind(
            *_TEMPORAL, _SEEN, "Rows of {table} whose {column} is after {detail}"
        ),
        "withinVisitDates": _kind(
            "Plausibility",
            None,
            _SEEN,
            "Rows of {table} whose {column} is more than a week before or after their visit",
        ),
        "plausibleGender": _kind(*_ATEMPORAL, _JUDGED, "Rows of {table} of persons that are not {detail}"),
        "plausibleUnitConceptIds": _kind(*_ATEMPORAL, _SEEN, "Rows of {table} whose unit is not {detail}"),
        "extraordinaryValue": _kind(
            *_ATEMPORAL, _SEEN, "Rows of {table} whose {column} is not plausible, {detail}", True
        ),
        "unitRequired": _kind(*_COMPLETE, _SEEN, "Numbers of {table} without their unit, {detail}", True),
        "valueOfMapping": _kind(
            *_VALUE, _SEEN, "Rows of {table} whose {column} is not one of {detail}", True
        ),
        "plausibleAgainst": _kind(*_ATEMPORAL, _SEEN, "Rows of {table} whose {column} is {detail}", True),
        "datesAgree": _kind(
            *_TEMPORAL, _SEEN, "Rows of {table} whose {column} is another day than {detail}", True
        ),
        "withinObservationPeriod": _kind(
            *_TEMPORAL,
            _SEEN,
            "Rows of {table} whose {column} is in no observation period of the person",
            True,
        ),
        "visitOfPerson": _kind(*_RELATIONAL, _SEEN, "Rows of {table} whose visit is another person's", True),
        "linkResolves": _kind(
            *_RELATIONAL, _SEEN, "Rows of {table} whose {column} is no row of that person in {detail}", True
        ),
        "rowLineage": _kind(
            *_RELATIONAL,
            _SEEN,
            "Rows of {table} whose id leads to no loaded case and rule for that table",
            True,
        ),
        "oneBaselineVisit": _kind(
            *_TEMPORAL, _JUDGED, "Persons without exactly one baseline visit for each form, at {detail}", True
        ),
        "useCaseNote": _kind(*_COMPLETE, _JUDGED, "Persons with a form that no note {detail} tells", True),
        "uniqueSourceValue": _kind(
            *_RELATIONAL, _SEEN, "Rows of {table} whose {column} another row has too", True
        ),
    }
)
