"""Transform: a case document to OMOP rows. Pure: no I/O, no clock, no randomness."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etl.identity import pack
from etl.plan import IMPLAUSIBLE, CaseKey, Document, Plan, Problem, Rows
from omop_schema.copy_text import NULL
from omop_schema.statements import UIDS

#: What generated code raises on a document that its schema should not have let through.
FAULTS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)

_UNESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Result:
    """What one case became."""

    rows: Rows
    told: tuple[Problem, ...]
    """Problems and warnings, each once, in the order in which they were found."""
    first_date: str | None
    last_date: str | None
    """ISO dates of the earliest and the latest row; None where no row's date counts from a baseline."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was told of values that did not arrive as a concept, whole, or at all."""
        return tuple(each for each in self.told if each.kind != IMPLAUSIBLE)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What was told of values that arrived, and are not plausible."""
        return tuple(each for each in self.told if each.kind == IMPLAUSIBLE)


def transform(plan: Plan, document: Document, key: CaseKey) -> Result:
    """Run the plan over one valid document. The same arguments give the same result, byte for byte.

    Raises OverflowError when an id has no room for the case id or for all items of the document.
    """
    pack(key.case_id, 1)
    rows = plan.empty_rows()
    told: list[tuple[int | None, str, str, str]] = []
    first, last = plan.run(document, *key, rows, lambda *problem: told.append(problem))
    # Rows that a rule makes of the same value, or columns of one, may all say the same of it.
    return Result(rows, tuple(map(Problem._make, dict.fromkeys(told))), first, last)


def row_counts(plan: Plan, result: Result) -> dict[str, int]:
    """How many OMOP rows a case has by table, none left out: several statements on one study are one row."""
    return {table: count_rows(plan, table, lines) for table, lines in result.rows.items() if lines}


def count_rows(plan: Plan, table: str, lines: Sequence[str]) -> int:
    """How many OMOP rows these encoded rows of a table are."""
    if table not in UIDS:
        return len(lines)
    place = plan.columns[table].index(UIDS[table])
    return len({line.rstrip("\n").split("\t")[place] for line in lines})


def decode(plan: Plan, table: str, line: str) -> dict[str, str | None]:
    """An encoded row as a dict of column to text, ``None`` for NULL: for people and tests."""
    return dict(zip(plan.columns[table], map(_unescape, line.rstrip("\n").split("\t")), strict=True))


def _unescape(text: str) -> str | None:
    if text == NULL:
        return None
    if "\\" not in text:
        return text
    return "".join(_unescaped(iter(text)))


def _unescaped(characters: Iterator[str]) -> Iterator[str]:
    for character in characters:
        if character == "\\":
            escaped = next(characters)
            yield _UNESCAPES.get(escaped, escaped)
        else:
            yield character
