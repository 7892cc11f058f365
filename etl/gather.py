"""Gather: the records of a file or request, checked against the schema, in batches that land together."""

from collections.abc import Iterable, Iterator

from etl.land import Rejection, identity
from etl.plan import CasePaths
from etl.read import Record, Unreadable
from etl.validate import Validator

_Checked = Record | list[Rejection]


class Batch:
    """Up to ``most`` records: those to land together, and the rejections met on the way."""

    def __init__(self, case: CasePaths, most: int) -> None:
        self.records: list[Record] = []
        self.rejections: list[Rejection] = []
        self.rejected = 0
        self._case, self._most = case, most
        self._cases: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        """How many records were met, rejected ones included."""
        return len(self.records) + self.rejected

    def takes(self, each: _Checked) -> bool:
        """Whether there is room. One batch never holds two documents of one case: their order matters."""
        if len(self) >= self._most:
            return False
        return isinstance(each, list) or identity(each.document, self._case)[:2] not in self._cases

    def add(self, each: _Checked) -> None:
        """Take a valid record, or the reasons against one."""
        if isinstance(each, list):
            self.rejections += each
            self.rejected += 1
        else:
            self.records.append(each)
            self._cases.add(identity(each.document, self._case)[:2])


def gather(
    records: Iterable[Record | Unreadable], validator: Validator, case: CasePaths, most: int
) -> Iterator[Batch]:
    """Check records, and put up to ``most`` together, in their order; the last batch may be empty."""
    batch = Batch(case, most)
    for each in _checked(records, validator):
        if not batch.takes(each):
            yield batch
            batch = Batch(case, most)
        batch.add(each)
    yield batch


def rejections(record: Record | Unreadable, validator: Validator) -> list[Rejection]:
    """Why a record is no valid document: every reason, none if it is one."""
    if isinstance(record, Unreadable):
        return [Rejection(record.position, record.line, record.path, record.reason)]
    found = validator.violations(record.document)
    return [Rejection(record.position, record.line, one.path, one.reason) for one in found]


def _checked(records: Iterable[Record | Unreadable], validator: Validator) -> Iterator[_Checked]:
    """Valid records, and the reasons against the others."""
    for each in records:
        reasons = rejections(each, validator)
        if reasons or isinstance(each, Unreadable):
            yield reasons
        else:
            yield each
