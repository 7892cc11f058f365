"""The audit trail: every decision on access, and every read of a patient, in ``lake.audit``.

Rows are only ever added. They hold who, what, when and why, and nothing of a document.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Decision:
    """What was asked in one request, by whom, and how it was decided."""

    request_id: str
    subject: str | None
    """None without a valid token."""
    organisation: str | None
    action: str
    """The method and the route, such as ``GET /uploads/{id}``: never the path, which may name a patient."""
    scope: str
    allowed: bool
    reason: str


class Sight(NamedTuple):
    """What a decision let somebody read, make or withdraw."""

    person_id: int | None = None
    upload_id: int | None = None


def record(
    connection: Connection, decision: Decision, seen: Sequence[Sight] = (), *, durable: bool = True
) -> None:
    """Write one row for each sight, or one for the decision alone. Committed on return.

    Not ``durable``: the server may lose the rows if it crashes within a moment, unless anything else is
    committed durably in the meantime: the log of a later commit reaches the disk after theirs.
    The connection must be outside of a transaction.
    """
    sights = seen or (Sight(),)
    values = {
        **asdict(decision),
        "persons": [each.person_id for each in sights],
        "uploads": [each.upload_id for each in sights],
    }
    with connection.begin():
        connection.execute(_RECORD if durable else _RECORD_SOON, values)


_INSERT = """
    INSERT INTO lake.audit
        (request_id, subject, organisation, action, scope, allowed, reason, person_id, upload_id)
    SELECT :request_id, :subject, :organisation, :action, :scope, :allowed, :reason, person_id, upload_id
    FROM unnest(CAST(:persons AS bigint[]), CAST(:uploads AS bigint[])) AS sight (person_id, upload_id)
"""
_RECORD = text(_INSERT)
_RECORD_SOON = text("SET LOCAL synchronous_commit = off;" + _INSERT)
