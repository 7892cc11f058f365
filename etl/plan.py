"""The Plan: a checked and compiled mapping, ready to run. Only ``etl.mapping.compile`` makes one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: A parsed case document.
Document = Mapping[str, Any]

#: Encoded rows by table: each string is one line of PostgreSQL's COPY text format, newline included.
Rows = dict[str, list[str]]


class CaseKey(NamedTuple):
    """What landing gave a case, and all that the transform needs to know beyond the document."""

    case_id: int
    person_id: int
    care_site_id: int | None


#: The kind of problem that is but a warning.
IMPLAUSIBLE = "implausible"


class Problem(NamedTuple):
    """A source value that did not arrive, or arrived as concept 0. It never holds the value.

    ``kind`` is ``unmapped`` (loaded as concept 0), ``invalid`` (not loaded), ``truncated`` (cut to fit)
    or ``disagrees`` (another case of the person says otherwise; the newer wins). Of kind ``implausible`` it
    is a warning: the value arrived as it is, and is outside of what the mapping finds plausible.
    """

    rule: int | None
    kind: str
    path: str
    reason: str


class CasePaths(NamedTuple):
    """Top-level keys of the document that say whose case it is, which form, and which site sent it.

    Or, with ``series`` alone, names joined by dots that lead to the UID of the series that it is about.
    """

    patient: str | None
    form: str | None
    site: str | None
    series: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as the register knows it. Paths start at the document's root: ``$.lesions[*].diam1``."""

    number: int
    name: str
    each_path: str
    sources: tuple[str, ...]
    target: str
    file: str
    line: int


class Bound(NamedTuple):
    """Another value of the same item that bounds a number."""

    path: str
    rule: int | None
    """The rule of the same items whose row holds it as ``value_as_number``; its row ids differ by the rule
    alone. None: no row does."""
    table: str | None
    """The table of that rule."""


class Plausible(NamedTuple):
    """Where a number is plausible, both ends included: what ingest warns by and quality checks ask by.

    ``low`` and ``high`` are in the column's own terms: for ``person.year_of_birth``, years of birth.
    """

    rule: int | None
    """None: of the person."""
    name: str
    """The rule's name; ``person``."""
    file: str
    line: int
    path: str
    """Where the number stands, from the document's root; of a sum, its first part."""
    table: str
    column: str | None
    """None: the number is only part of a text."""
    concept_id: int | None
    """The concept of the rule's rows; None where it depends on what is recorded, or the table has none."""
    unit_concept_id: int | None
    low: float | None
    high: float | None
    low_of: Bound | None
    high_of: Bound | None
    why: str
    reason: str
    """What is said of a number outside: the bounds, and why; never the number."""


#: ``run(document, case_id, person_id, care_site_id, rows, problem)`` appends to ``rows``, calls
#: ``problem(rule, kind, path, reason)`` for each problem, and returns the first and last date of the case;
#: None where no row's date counts from a baseline.
Run = Callable[
    [Document, int, int, int | None, Rows, Callable[[int | None, str, str, str], None]],
    tuple[str | None, str | None],
]


@dataclass(frozen=True, slots=True)
class Plan:
    """A mapping compiled for one register of rule numbers."""

    mapping: str
    digest: str
    """SHA-256 of every file of the mapping; tells which rules made a row."""
    schema: Mapping[str, Any]
    """The JSON Schema of the case document."""
    case: CasePaths
    rules: tuple[Rule, ...]
    columns: Mapping[str, tuple[str, ...]]
    """The columns of each table's encoded rows, in order; tables in an order that keeps foreign keys."""
    ignored: Mapping[str, str]
    """JSON paths left out on purpose, each with its reason."""
    code: str = field(repr=False)
    """The generated source of ``run``."""
    run: Run = field(repr=False)
    trace: Run = field(repr=False)
    """Like ``run``, but it reports every path it used as problems of kind ``used``; for coverage."""
    forms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The use cases that each form serves, such as ``7a``."""
    plausible: tuple[Plausible, ...] = ()
    """Every plausible range, in the mapping's order."""

    def empty_rows(self) -> Rows:
        """Fresh lists to collect encoded rows in, in load order."""
        return {table: [] for table in self.columns}
