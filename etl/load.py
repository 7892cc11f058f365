"""Load: landed cases into OMOP, whole cases or none, each batch in one transaction.

What a case had loaded before is deleted by its range of ids and written anew, so that rows which the newer
document or mapping no longer makes are gone, and no other case is touched. Rows are written by COPY only.
"""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from etl.delete import delete_rows
from etl.images import store_images
from etl.land import Landed
from etl.make import PERSON, Failure, Made, make, statements, still_valid
from etl.persons import (
    Disagreement,
    hold_statements,
    store_disagreements,
    store_observation_periods,
    store_persons,
    store_sites,
)
from etl.plan import Plan, Problem
from etl.transform import count_rows, row_counts
from etl.validate import Validator
from omop_schema import OMOP
from omop_schema.copy_text import line
from omop_schema.database import copy
from omop_schema.refusals import RowsRefused, translated_rows
from omop_schema.statements import STATEMENTS

#: Kinds of problems that cost a value. A concept 0 or a disagreement is told, but all is stored.
LOSSES = frozenset({"invalid", "truncated"})


@dataclass(frozen=True, slots=True)
class Counts:
    """What loading did. Adding two makes the counts of both."""

    cases: int = 0
    case_rows: Counter[str] = field(default_factory=Counter)
    """Rows that are of one case, by OMOP table."""
    problems: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By rule name and kind. Includes disagreements that other cases of the same persons have since."""
    warnings: Counter[str] = field(default_factory=Counter)
    """By rule name."""
    failures: tuple[Failure, ...] = ()
    persons: frozenset[int] = frozenset()
    """Whose row it wrote; several batches may have a case of one person, whose row is one all the same."""

    @property
    def rows(self) -> Counter[str]:
        """All rows, by OMOP table; tables without any left out."""
        return self.case_rows + Counter({PERSON: len(self.persons)})

    @property
    def whole(self) -> bool:
        """Whether every case was loaded, and every value of it stored."""
        return not self.failures and not any(kind in LOSSES for _, kind in self.problems)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.cases + other.cases,
            self.case_rows + other.case_rows,
            self.problems + other.problems,
            self.warnings + other.warnings,
            self.failures + other.failures,
            self.persons | other.persons,
        )


def load(
    connection: Connection,
    plan: Plan,
    landed: Sequence[Landed],
    *,
    again: bool = False,
    durable: bool = True,
) -> Counts:
    """Load a batch: one transaction, committed on return; within a transaction of the caller, a part of it.

    Cases that have a newer version by now, or were withdrawn, are left alone, and so are those that this plan
    loaded from this version already, unless ``again``. Where the database refuses the batch, its halves are
    tried, until the cases at fault stand alone; those are failures, as are cases that the transform cannot
    number or fails on. What fails stays as it was. Raises the driver's errors when the database itself is at
    fault (full, read-only, gone). Without ``durable``, only the connection's next commit makes the batch safe
    from a crash of the server.
    """
    made, failures = make(plan, landed)
    return Counts(failures=failures) + _load_or_split(connection, plan, made, again, durable)


def load_later(
    connection: Connection, plan: Plan, validator: Validator, landed: Iterable[Landed], *, again: bool = False
) -> Counts:
    """``load`` for what landed some time ago: a document that the schema takes no longer is a failure."""
    valid, failures = still_valid(validator, landed)
    return Counts(failures=failures) + load(connection, plan, valid, again=again)


def _load_or_split(
    connection: Connection, plan: Plan, made: Sequence[Made], again: bool, durable: bool
) -> Counts:
    if not made:
        return Counts()
    try:
        with connection.begin_nested() if connection.in_transaction() else connection.begin():
            return _load(connection, plan, made, again, durable)
    except RowsRefused as refused:
        if len(made) == 1:
            return Counts(failures=(Failure(made[0].key.case_id, str(refused)),))
    half = len(made) // 2
    first = _load_or_split(connection, plan, made[:half], again, durable)
    return first + _load_or_split(connection, plan, made[half:], again, durable)


def _load(connection: Connection, plan: Plan, made: Sequence[Made], again: bool, durable: bool) -> Counts:
    made, before = _lock_cases(connection, plan, made, again, durable)
    if not made:
        return Counts()
    delete_rows(connection, list(before))
    store_sites(connection, (each.key.care_site_id for each in made))
    hold_statements(connection, plan.columns[PERSON], statements(made))
    _mark_loaded(connection, plan, made)
    persons = {each.key.person_id for each in made}
    loaded = store_persons(connection, plan.columns[PERSON], persons)
    rows = _store_rows(connection, plan, made)
    _store_problems(connection, made)
    store_images(connection, persons)
    store_observation_periods(connection, persons)
    cases = {each.key.case_id for each in made}
    disagreements = store_disagreements(connection, loaded.values(), cases)
    known = {each.key.case_id for each in made if before.get(each.key.case_id) == each.landed.version}
    _count_for_uploads(connection, plan, made, disagreements, known)
    decided = frozenset(person for person, (first, *_) in loaded.items() if first in cases)
    return Counts(len(made), rows, *_told(plan, made, disagreements), persons=decided)


def _told(
    plan: Plan, made: Sequence[Made], disagreements: Sequence[Disagreement]
) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Problems by rule name and kind, and warnings by rule name."""
    names = {rule.number: rule.name for rule in plan.rules}

    def name(problem: Problem) -> str:
        return names.get(problem.rule or 0, "person")

    problems = Counter((name(one), one.kind) for each in made for one in each.result.problems)
    problems.update(("person", "disagrees") for _ in disagreements)
    return problems, Counter(name(one) for each in made for one in each.result.warnings)


def _lock_cases(
    connection: Connection, plan: Plan, made: Sequence[Made], again: bool, durable: bool
) -> tuple[list[Made], dict[int, int]]:
    """The cases still to be loaded, and the version that is loaded of those that were loaded before."""
    values = {
        "soon": not durable,
        "persons": sorted({each.key.person_id for each in made}),
        "cases": [each.key.case_id for each in made],
    }
    rows = {row.case_id: row for row in connection.execute(_LOCK_CASES, values)}
    left = []
    for each in made:
        row = rows.get(each.key.case_id)
        # The upload too: after a withdrawal another document may have the number of the version.
        if row is None or (row.version, row.upload_id) != (each.landed.version, each.landed.upload_id):
            continue
        if again or (row.loaded_version, row.plan) != (row.version, plan.digest):
            left.append(each)
    loaded = ((each.key.case_id, rows[each.key.case_id].loaded_version) for each in left)
    return left, {case_id: version for case_id, version in loaded if version is not None}


def _store_rows(connection: Connection, plan: Plan, made: Sequence[Made]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for table, columns in plan.columns.items():
        lines = [line for each in made for line in each.result.rows[table]]
        if table != PERSON and lines:
            kept = STATEMENTS[table].fullname if table in STATEMENTS else f"{OMOP}.{table}"
            with translated_rows(table):
                copy(connection, kept, columns, lines)
            rows[table] = count_rows(plan, table, lines)
    return rows


def _store_problems(connection: Connection, made: Sequence[Made]) -> None:
    lines = [
        line(each.key.case_id, each.landed.version, problem.rule, problem.kind, problem.path, problem.reason)
        for each in made
        for problem in each.result.told
    ]
    if lines:
        copy(connection, "lake.problems", _PROBLEM, lines)


def _mark_loaded(connection: Connection, plan: Plan, made: Sequence[Made]) -> None:
    """The cases as loaded, without problems yet; ``hold_statements`` has what they say of their persons."""
    values = {
        "cases": [each.key.case_id for each in made],
        "first": [each.result.first_date or None for each in made],
        "last": [each.result.last_date or None for each in made],
        "digest": plan.digest,
    }
    connection.execute(_MARK_CASES, values)


def _count_for_uploads(
    connection: Connection,
    plan: Plan,
    made: Sequence[Made],
    disagreements: Iterable[Disagreement],
    known: Container[int],
) -> None:
    """Tell the log what came of each upload; the documents of ``known`` cases were counted before."""
    rows: Counter[int] = Counter()
    problems = Counter(each.upload_id for each in disagreements if each.case_id not in known)
    warnings: Counter[int] = Counter()
    for each in made:
        if each.key.case_id not in known:
            upload_id = each.landed.upload_id
            rows[upload_id] += sum(row_counts(plan, each.result).values())
            problems[upload_id] += len(each.result.problems)
            warnings[upload_id] += len(each.result.warnings)
    for upload_id in sorted({*rows, *problems}):
        counted = {"rows": rows[upload_id], "problems": problems[upload_id], "warnings": warnings[upload_id]}
        connection.execute(_COUNT_FOR_UPLOAD, {"upload": upload_id, **counted})


# Each string is one round trip; its statements run one after the other, each seeing what the last one did.
# Two loads of one person's cases take turns: the rows that they share depend on both.
_LOCK_CASES = text("""
    SELECT set_config('synchronous_commit', 'off', true) WHERE :soon;

    SELECT FROM lake.patients WHERE person_id = ANY(:persons) ORDER BY person_id FOR NO KEY UPDATE;

    SELECT FROM lake.cases WHERE case_id = ANY(:cases) ORDER BY case_id FOR NO KEY UPDATE;

    SELECT case_id, version, loaded_version, plan, upload_id
    FROM lake.cases JOIN lake.documents USING (case_id, version) WHERE case_id = ANY(:cases)
""")
_PROBLEM = ("case_id", "version", "rule_id", "kind", "path", "reason")
# Disagreements are not of one case: they are written anew with the person's row.
_MARK_CASES = text("""
    DELETE FROM lake.problems WHERE case_id = ANY(:cases) AND kind <> 'disagrees';

    UPDATE lake.cases
    SET loaded_version = version, loaded_at = now(), plan = :digest,
        first_date = made.first, last_date = made.last,
        person = jsonb_strip_nulls(to_jsonb(statements) - 'case_id' - 'person_id')
    FROM unnest(CAST(:cases AS integer[]), CAST(:first AS date[]), CAST(:last AS date[]))
        AS made (case_id, first, last) LEFT JOIN statements USING (case_id)
    WHERE cases.case_id = made.case_id
""")
_COUNT_FOR_UPLOAD = text("""
    UPDATE lake.uploads
    SET rows = rows + :rows, problems = problems + :problems, warnings = warnings + :warnings
    WHERE upload_id = :upload
""")
