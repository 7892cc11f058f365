"""Post: one request's body through the stages of ``ingest``, and what became of each of its cases.

The answer is put together from what the lake holds, for a body that came before as for a new one: the same
bytes twice get the same answer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from sqlalchemy import Connection, Row, text

from etl.complete import complete
from etl.ingest import MOST_SHOWN, FileResult, ingest_stream
from etl.land import FOREIGN, Rejection, foreign_rejection, identity
from etl.load import LOSSES, Counts
from etl.owner import anothers
from etl.persist import persist
from etl.plan import CaseKey, Document, Plan, Problem
from etl.read import Record, read
from etl.receive import Sender
from etl.strict import digest
from etl.transform import FAULTS, row_counts, transform
from etl.validate import Validator

_CHUNK = 1000
#: Stands for the rule of problems that are not of one rule: of a person's age, or between a person's cases.
PERSON = "person"


class CaseProblem(NamedTuple):
    """A value that did not arrive as it should, or, as a warning, one that did and is not plausible."""

    path: str
    rule: str
    kind: str
    reason: str
    case_id: int | None
    """Whose problem it is; None: of a case that is not stored."""


@dataclass(frozen=True, slots=True)
class PostedCase:
    """What became of one case document of a request."""

    position: int
    """Which document of the request, from 1."""
    case_id: int
    person_id: int
    form: str
    version: int
    newest_version: int
    """Another number than ``version`` where a newer document has replaced this one."""
    changed: bool
    """Whether this upload stored that version; otherwise it was there already."""
    loaded: bool
    """Whether its rows were made. If not, the next ingest, remap or post of the same bytes makes them."""
    waiting: bool
    """Whether its rows are made, but wait in the lake until a form of the patient is loaded."""
    awaited: bool
    """Whether a curation has waited for a series that the patient has now."""
    failure: str | None
    """Why they were not made, if that is known."""
    rows: Mapping[str, int]
    """Rows that the document makes, by OMOP table; the person's is shared with the person's other forms."""
    problems: tuple[CaseProblem, ...]
    warnings: tuple[CaseProblem, ...] = ()
    """Values that are in OMOP as they were sent, and not plausible."""

    @property
    def whole(self) -> bool:
        """Whether all that the document says is in OMOP, or a newer document has taken its place."""
        made = self.loaded or self.newest_version > self.version
        return made and not any(each.kind in LOSSES for each in self.problems)


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a request."""

    upload_id: int
    outcome: str
    """As in the upload log, but for what the log has of others: ``withdrawn`` where nothing is left of it."""
    repeated: bool
    """Whether these bytes came before."""
    cases: tuple[PostedCase, ...]
    rejected: int
    """Documents that were not stored."""
    withdrawn: int
    """Documents that were stored, and withdrawn by somebody before this was put together."""
    violations: tuple[Rejection, ...]
    """Why: the first 1,000 reasons."""
    loaded: Counts
    """What was written into OMOP now: nothing where the bytes were loaded before."""

    @property
    def whole(self) -> bool:
        """Whether all of it is stored."""
        return not (self.rejected or self.withdrawn) and all(each.whole for each in self.cases)

    @property
    def foreign(self) -> bool:
        """Whether nothing is stored because every patient is another provider's."""
        if self.cases or self.withdrawn or not self.violations:
            return False
        return all(each.reason == FOREIGN for each in self.violations)


def post(
    connection: Connection,
    plan: Plan,
    validator: Validator,
    stream: BinaryIO,
    source: str,
    sender: Sender,
    key: str | None = None,
    *,
    curation_plan: Callable[[], Plan] | None = None,
) -> Posted:
    """Land, load and tell of one request's body: a case document, or an array of them.

    Curations that waited for series of it are loaded too, where ``curation_plan`` gives the Plan for that.
    Once this returns, what it says is stored is safe. The connection must be outside a transaction. Raises
    KeyReused, BadSetting, or DatabaseError, after which the same post again goes on where this one ended.
    """

    def once() -> Posted:
        stream.seek(0)
        done = ingest_stream(connection, plan, validator, stream, source, sender, key=key)
        stream.seek(0)
        told = list(_tell(connection, plan, sender, done, read(stream)))
        cases = [each for each in told if isinstance(each, PostedCase)]
        # Also of a form that names no series: those of its patient may have waited for it.
        awaited = {each.person_id for each in cases if each.awaited}
        if curation_plan and awaited:
            complete(connection, curation_plan, persons=awaited)
        return _posted(done, told)

    return persist(once)


def _posted(done: FileResult, told: Sequence[PostedCase | Rejection | None]) -> Posted:
    cases = tuple(each for each in told if isinstance(each, PostedCase))
    foreign = [each for each in told if isinstance(each, Rejection)]
    withdrawn = sum(each is None for each in told)
    outcome = "loaded" if done.outcome == "already loaded" else done.outcome
    if foreign or withdrawn:
        outcome = "partial" if cases else "withdrawn" if withdrawn else "rejected"
    return Posted(
        upload_id=done.upload_id or 0,
        outcome=outcome,
        repeated=done.repeated,
        cases=cases,
        rejected=done.rejected + len(foreign),
        withdrawn=withdrawn,
        violations=tuple(sorted((*done.rejections, *foreign), key=lambda each: each.position))[:MOST_SHOWN],
        loaded=done.loaded,
    )


class MadeOf(NamedTuple):
    """What a plan makes of a document: rows by table, and what it has to say of values."""

    rows: Mapping[str, int]
    problems: tuple[CaseProblem, ...]
    warnings: tuple[CaseProblem, ...]


def made_of(plan: Plan, document: Document, key: CaseKey, case_id: int | None) -> MadeOf:
    """What the plan makes of a valid document; nothing where it fails on it."""
    try:
        result = transform(plan, document, key)
    except (*FAULTS, OverflowError):
        return MadeOf({}, (), ())
    names = {rule.number: rule.name for rule in plan.rules}

    def of_case(told: Iterable[Problem]) -> tuple[CaseProblem, ...]:
        return tuple(
            CaseProblem(each.path, names.get(each.rule or 0, PERSON), each.kind, each.reason, case_id)
            for each in told
        )

    return MadeOf(row_counts(plan, result), of_case(result.problems), of_case(result.warnings))


def _tell(
    connection: Connection, plan: Plan, sender: Sender, done: FileResult, records: Iterator[Any]
) -> Iterator[PostedCase | Rejection | None]:
    """What became of each document that was not rejected now; None: it was withdrawn since it landed.

    Where the sender's organisation sent the bytes before, some may be of patients whom only an administrator
    may post to: those are rejected for this sender, though they are stored.
    """
    refused = {each.position for each in done.rejections}
    all_refused_known = len(done.rejections) < MOST_SHOWN
    sent = (each for each in records if isinstance(each, Record) and each.position not in refused)
    known = (each for each in sent if {plan.case.patient, plan.case.form} <= each.document.keys())
    failures = {each.case_id: each.reason for each in done.loaded.failures}
    while chunk := list(islice(known, _CHUNK)):
        documents = {each.position: each for each in chunk}
        with connection.begin():
            found = connection.execute(_FIND, _values(plan, sender, done, chunk)).all()
            others = connection.execute(_DISAGREEMENTS, {"persons": [row.person_id for row in found]}).all()
            missing = documents.keys() - {row.position for row in found}
            patients = {each: identity(documents[each].document, plan.case)[0] for each in missing}
            foreign = anothers(connection, patients, sender)
        for each in sorted(missing):
            if each in foreign:
                yield foreign_rejection(documents[each], plan.case)
            elif all_refused_known:
                yield None
        cases = {row.case_id for row in found}
        for row in found:
            disagreements = tuple(
                CaseProblem(each.path, PERSON, each.kind, each.reason, each.case_id)
                for each in others
                if each.case_id == row.case_id
                or (each.person_id == row.person_id and each.case_id not in cases)
            )
            failure = failures.get(row.case_id)
            yield _posted_case(plan, row, documents[row.position].document, disagreements, failure)


def _posted_case(
    plan: Plan,
    row: Row[Any],
    document: Document,
    disagreements: tuple[CaseProblem, ...],
    failure: str | None,
) -> PostedCase:
    key = CaseKey(row.case_id, row.person_id, row.care_site_id)
    made = made_of(plan, document, key, row.case_id)
    return PostedCase(
        position=row.position,
        case_id=row.case_id,
        person_id=row.person_id,
        form=row.form,
        version=row.version,
        newest_version=row.newest,
        changed=row.changed,
        loaded=row.loaded,
        waiting=row.loaded and row.unknown,
        awaited=row.awaited,
        failure=None if row.loaded else failure,
        rows=made.rows if row.loaded else {},
        problems=made.problems + disagreements if row.loaded else (),
        warnings=made.warnings if row.loaded else (),
    )


def _values(plan: Plan, sender: Sender, done: FileResult, chunk: Sequence[Record]) -> dict[str, Any]:
    keys = [identity(each.document, plan.case) for each in chunk]
    return {
        "mapping": plan.mapping,
        "upload": done.upload_id,
        "organisation": sender.organisation,
        "everywhere": sender.everywhere,
        "positions": [each.position for each in chunk],
        "patients": [patient for patient, _, _ in keys],
        "forms": [form for _, form, _ in keys],
        "digests": [digest(each.document) for each in chunk],
    }


# The newest version with that document: a case may have had another in between.
_FIND = text("""
    SELECT DISTINCT ON (sent.position) sent.position, case_id, person_id, care_site_id, sent.form,
        documents.version, cases.version AS newest, documents.upload_id = :upload AS changed,
        coalesce(loaded_version >= documents.version, false) AS loaded,
        NOT EXISTS (SELECT FROM omop.person WHERE person.person_id = cases.person_id) AS unknown,
        EXISTS (
            SELECT FROM omop.radiology_image AS image
            JOIN lake.curations ON source_series_uid = image.series_instance_uid
            WHERE image.person_id = cases.person_id AND curations.case_id IS NULL) AS awaited
    FROM unnest(CAST(:positions AS integer[]), CAST(:patients AS text[]), CAST(:forms AS text[]),
            CAST(:digests AS bytea[])) AS sent (position, patient_id, form, digest)
    JOIN lake.cases USING (patient_id, form) JOIN lake.documents USING (case_id, digest)
    WHERE mapping = :mapping AND (:everywhere OR organisation = :organisation)
    ORDER BY sent.position, documents.version DESC
""")
_DISAGREEMENTS = text("""
    SELECT person_id, case_id, path, kind, reason FROM lake.problems JOIN lake.cases USING (case_id)
    WHERE person_id = ANY(CAST(:persons AS bigint[])) AND kind = 'disagrees' ORDER BY problem_id
""")
