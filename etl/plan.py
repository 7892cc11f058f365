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


class Problem(NamedTuple):
    """A source value that did not arrive, or arrived as concept 0. It never holds the value.

    ``kind`` is ``unmapped`` (loaded as concept 0), ``invalid`` (not loaded), ``truncated`` (cut to fit)
    or ``disagrees`` (another case of the person says otherwise; the newer wins).
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

    def empty_rows(self) -> Rows:
        """Fresh lists to collect encoded rows in, in load order."""
        return {table: [] for table in self.columns}
