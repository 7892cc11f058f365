"""DQD's rules: what its counts mean for a check. They are those of its version 2.8."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from tests.judges.dqd.checks import Check

Status = Literal["passed", "failed", "not applicable", "error"]


class Counted(NamedTuple):
    """What the SQL of a check counted, or why it did not run."""

    check: Check
    violated: int = 0
    share: float = 0.0
    """Of the rows looked at, 0 to 1; computed by the check itself."""
    rows: int = 0
    """Rows looked at."""
    error: str = ""
    seconds: float = 0.0


class Verdict(NamedTuple):
    """A check, judged."""

    counted: Counted
    status: Status


class _Known(NamedTuple):
    """What the checks say of tables and fields all together."""

    missing_tables: frozenset[str]
    missing_fields: frozenset[tuple[str, str]]
    empty_tables: frozenset[str]
    empty_fields: frozenset[tuple[str, str]]


def judge(counted: Iterable[Counted]) -> list[Verdict]:
    """Judge all checks of a run; which is not applicable follows from the others."""
    run = list(counted)
    known = _known(run)
    return [Verdict(one, _status(one, known)) for one in run]


def fails(one: Counted) -> bool:
    """Whether a check is over its threshold; one of a table or field that is not there fails too."""
    if one.error:
        return one.check.type in ("cdmTable", "cdmField") and _is_missing(one.error)
    if not one.check.threshold:
        return one.violated > 0
    return one.share * 100 > one.check.threshold


def _status(one: Counted, known: _Known) -> Status:
    if _not_applicable(one, known):
        return "not applicable"
    if fails(one):
        return "failed"
    return "error" if one.error else "passed"


def _not_applicable(one: Counted, known: _Known) -> bool:
    check, place = one.check, (one.check.table, one.check.field)
    missing = check.table in known.missing_tables
    if check.type == "measureConditionEraCompleteness":
        return "CONDITION_OCCURRENCE" in known.missing_tables | known.empty_tables
    if check.type == "cdmTable":
        return False
    if check.type in ("cdmField", "measurePersonCompleteness"):
        return missing
    if missing or place in known.missing_fields:
        return True
    if one.error:
        return False
    if check.table in known.empty_tables or check.type == "measureValueCompleteness":
        return check.table in known.empty_tables
    return place in known.empty_fields or (check.level == "CONCEPT" and one.rows == 0)


def _known(run: Iterable[Counted]) -> _Known:
    by_type: dict[str, list[Counted]] = {}
    for one in run:
        by_type.setdefault(one.check.type, []).append(one)
    values = [one for one in by_type.get("measureValueCompleteness", []) if not one.error]
    return _Known(
        frozenset(one.check.table for one in by_type.get("cdmTable", []) if fails(one)),
        frozenset((one.check.table, one.check.field) for one in by_type.get("cdmField", []) if fails(one)),
        frozenset(one.check.table for one in values if not one.rows),
        frozenset((one.check.table, one.check.field) for one in values if one.rows == one.violated),
    )


def _is_missing(error: str) -> bool:
    return any(words in error.lower() for words in ("does not exist", "missing", "not found"))


def totals(verdicts: Iterable[Verdict]) -> Mapping[str, Mapping[Status, int]]:
    """How many checks of each type have each status, in the order of the checks."""
    found: dict[str, dict[Status, int]] = {}
    for one in verdicts:
        of_type = found.setdefault(one.counted.check.type, {})
        of_type[one.status] = of_type.get(one.status, 0) + 1
    return found
