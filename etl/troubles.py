"""Troubles: why records of an upload were rejected, and which values of the others did not arrive, in pages.

As with feeds, a page is found by its keys, and works in the caller's transaction.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from etl.feed import END, Reader

#: Documents that one page looks at: few may have a problem, and an upload may hold a million.
LOOKED_AT = 2_000


class Place(NamedTuple):
    """How far a page has come: violations are listed first, then problems by document."""

    violation: int = 0
    document: int = 0
    problem: int = 0


class Trouble(NamedTuple):
    """A violation of a record that was rejected, or a problem of a document that is loaded."""

    kind: str
    """``violation``, or the problem's kind."""
    position: int
    """Which record of the upload, from 1."""
    case_id: int | None
    version: int | None
    rule: str | None
    """The rule that could not use the value; None: not of one rule."""
    path: str
    reason: str


def troubles(
    connection: Connection, reader: Reader, upload_id: int, after: Place, limit: int
) -> tuple[Sequence[Trouble], Place | None]:
    """The next troubles, at most ``limit``, and where to go on: None at the end.

    A page may be short, or empty, and not the last. ``find_upload`` tells who may see the violations.
    """
    values = {"upload": upload_id, **reader._asdict(), **after._asdict(), "limit": limit + 1}
    if after.document == 0:
        violations = connection.execute(_VIOLATIONS, values).all()
        if violations:
            found = [Trouble(*row[1:]) for row in violations[:limit]]
            more = len(violations) > limit
            return found, Place(violations[len(found) - 1][0]) if more else Place(END, 1)
    last = connection.execute(_LAST, {**values, "skip": LOOKED_AT - 1}).scalar_one_or_none()
    rows = connection.execute(_PROBLEMS, {**values, "last": END if last is None else last}).all()
    found = [Trouble(*row[2:]) for row in rows[:limit]]
    if len(rows) > limit:
        return found, Place(END, *rows[limit - 1][:2])
    return found, None if last is None else Place(END, last, END)


_VIOLATIONS = text("""
    SELECT violation_id, 'violation', position, CAST(NULL AS integer), CAST(NULL AS integer),
        CAST(NULL AS text), path, reason
    FROM lake.violations WHERE upload_id = :upload AND violation_id > :violation
    ORDER BY violation_id LIMIT :limit
""")
_LAST = text("""
    SELECT document_id FROM lake.documents WHERE upload_id = :upload AND document_id >= :document
    ORDER BY document_id OFFSET :skip LIMIT 1
""")
_PROBLEMS = text("""
    SELECT document_id, problem_id, kind, position, cases.case_id, documents.version, rules.name, path, reason
    FROM lake.documents JOIN lake.cases USING (case_id)
    JOIN lake.problems ON (problems.case_id, problems.version) = (documents.case_id, documents.version)
    LEFT JOIN lake.rules USING (rule_id)
    WHERE upload_id = :upload AND document_id BETWEEN :document AND :last
        AND (document_id, problem_id) > (:document, :problem)
        AND (:everything OR cases.organisation = :organisation)
    ORDER BY document_id, problem_id LIMIT :limit
""")
