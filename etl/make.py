"""Make: landed documents to rows, and those told apart that make none. Nothing is written.

Loading writes what was made; a preview of a remap only compares it with what is there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etl.land import Landed
from etl.plan import CaseKey, Plan
from etl.transform import FAULTS, Result, transform
from etl.validate import Validator

#: The table whose row the cases of a person share; cases of an annex have nothing to say of it.
PERSON = "person"


@dataclass(frozen=True, slots=True)
class Failure:
    """A landed case that could not be loaded. It stays as it was. ``reason`` never holds a value."""

    case_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Made:
    """One case, transformed."""

    landed: Landed
    result: Result

    @property
    def key(self) -> CaseKey:
        return self.landed.key


def make(plan: Plan, landed: Iterable[Landed]) -> tuple[list[Made], tuple[Failure, ...]]:
    """Transform cases; the failures are those that cannot be numbered, or that the mapping fails on."""
    made, failures = [], []
    for each in landed:
        try:
            made.append(Made(each, transform(plan, each.document, each.key)))
        except OverflowError as error:
            failures.append(Failure(each.key.case_id, f"cannot be numbered: {error}"))
        except FAULTS as error:
            # The error's own words may hold a value of the document.
            failures.append(Failure(each.key.case_id, f"the mapping fails on it: {type(error).__name__}"))
    return made, tuple(failures)


def still_valid(validator: Validator, landed: Iterable[Landed]) -> tuple[list[Landed], tuple[Failure, ...]]:
    """Part documents that landed some time ago into those that the schema takes today, and failures."""
    valid, failures = [], []
    for each in landed:
        if validator.violations(each.document):
            failures.append(Failure(each.key.case_id, _OUTDATED))
        else:
            valid.append(each)
    return valid, tuple(failures)


def statements(made: Iterable[Made]) -> Iterator[str]:
    """What each case says of its person, as a line of COPY text that begins with the case_id."""
    return (f"{each.key.case_id}\t{person}" for each in made for person in each.result.rows[PERSON])


_OUTDATED = "its document is no longer valid: the schema has changed since it landed; send it again"
