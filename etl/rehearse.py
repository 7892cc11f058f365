"""Rehearse: what a post would do, as the schema and the transform tell it. Nothing is stored or numbered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy import Connection

from etl.gather import rejections
from etl.land import FOREIGN, Rejection, foreign_rejection, identity
from etl.owner import anothers
from etl.plan import CaseKey, Plan
from etl.post import CaseProblem, made_of
from etl.read import Record, limit, read
from etl.receive import Sender
from etl.validate import Validator
from omop_schema.database import translated

#: Stands for the numbers that landing would give: they are in row ids, and nothing here shows those.
_NO_KEY = CaseKey(1, 1, 1)


@dataclass(frozen=True, slots=True)
class RehearsedCase:
    """What one case document would make."""

    position: int
    form: str
    rows: Mapping[str, int]
    problems: tuple[CaseProblem, ...]
    warnings: tuple[CaseProblem, ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a request would do."""

    cases: tuple[RehearsedCase, ...]
    violations: tuple[Rejection, ...]

    @property
    def foreign(self) -> bool:
        """Whether nothing would be stored because every patient is another provider's."""
        if self.cases or not self.violations:
            return False
        return all(each.reason == FOREIGN for each in self.violations)


def rehearse(
    connection: Connection, plan: Plan, validator: Validator, stream: BinaryIO, sender: Sender
) -> Rehearsal:
    """What ``post`` would do with this body: violations, rows by table and problems by path.

    Not foreseen is what depends on other rows: disagreements with the person's other forms, and rows that the
    database would refuse. Raises BadSetting, or DatabaseError.
    """
    limit()
    records: list[Record] = []
    violations: list[Rejection] = []
    for each in read(stream, known=validator.names):
        found = rejections(each, validator)
        violations += found
        if isinstance(each, Record) and not found:
            records.append(each)
    patients = {each.position: identity(each.document, plan.case)[0] for each in records}
    with translated(), connection.begin():
        foreign = anothers(connection, patients, sender)
    violations += [foreign_rejection(each, plan.case) for each in records if each.position in foreign]
    cases = tuple(_rehearsed(plan, each) for each in records if each.position not in foreign)
    return Rehearsal(cases, tuple(sorted(violations, key=lambda each: each.position)))


def _rehearsed(plan: Plan, record: Record) -> RehearsedCase:
    form = identity(record.document, plan.case)[1]
    return RehearsedCase(record.position, form, *made_of(plan, record.document, _NO_KEY, None))
