"""Troubles: why records of an upload were rejected, and which values of the others did not arrive, in pages.

As with feeds, a page is found by its keys, and works in the caller's transaction.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from etl.feed import END
from etl.viewer import Viewer

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
    record: int
    """Which record of the upload, from 1."""
    case_id: int | None
    version: int | None
    rule: str | None
    """The rule that could not use the value; None: not of one rule."""
    path: str
    reason: str


def troubles(
    connection: Connection, viewer: Viewer, upload_id: int, after: Place, limit: int
) -> tuple[Sequence[Trouble], Place | None]:
    """The next troubles, at most ``limit``, and where to go on: None at the end.

    A page may be short, or empty, and not the last. ``find_upload`` tells who may see the violations.
    """
    values = {"upload": upload_id, **viewer._asdict(), **after._asdict(), "looked": LOOKED_AT}
    found: list[Trouble] = []
    if after.violation < END:
        violations = connection.execute(_VIOLATIONS, {**values, "limit": limit + 1}).all()
        found = [Trouble(*row[1:]) for row in violations[:limit]]
        if len(violations) > limit:
            return found, Place(violations[limit - 1][0])
    room = limit - len(found)
    last = connection.execute(_LAST, values).scalar_one_or_none()
    problems = connection.execute(_PROBLEMS, {**values, "limit": room + 1}).all()
    found += [Trouble(*row[2:]) for row in problems[:room]]
    if len(problems) > room:
        return found, Place(END, *problems[room - 1][:2]) if room else Place(END)
    return found, None if last is None else Place(END, last + 1)


def persons(connection: Connection, found: Sequence[Trouble]) -> Sequence[int]:
    """The persons whose cases the troubles are of."""
    cases = sorted({each.case_id for each in found if each.case_id is not None})
    return connection.execute(_PERSONS, {"cases": cases}).scalars().all()


_PERSONS = text("""
    SELECT DISTINCT person_id FROM lake.cases
    WHERE case_id = ANY(CAST(:cases AS integer[])) ORDER BY person_id
""")
# Comparisons of rows, as in etl.feed: through the index of the upload, whatever the planner expects.
_VIOLATIONS = text("""
    SELECT violation_id, 'violation', position, CAST(NULL AS integer), CAST(NULL AS integer),
        CAST(NULL AS text), path, reason
    FROM lake.violations
    WHERE (upload_id, violation_id) > (:upload, :violation) AND upload_id <= :upload
    ORDER BY upload_id, violation_id LIMIT :limit
""")
_LOOKED_AT = """
    FROM lake.documents WHERE (upload_id, document_id) >= (:upload, :document) AND upload_id <= :upload
    ORDER BY upload_id, document_id
"""
_LAST = text(f"SELECT document_id {_LOOKED_AT} OFFSET :looked - 1 LIMIT 1")
_PROBLEMS = text(f"""
    WITH looked AS MATERIALIZED (SELECT document_id, case_id, version, position {_LOOKED_AT} LIMIT :looked)
    SELECT document_id, problem_id, kind, position, cases.case_id, looked.version, rules.name, path, reason
    FROM looked JOIN lake.cases USING (case_id)
    JOIN lake.problems ON (problems.case_id, problems.version) = (looked.case_id, looked.version)
    LEFT JOIN lake.rules USING (rule_id)
    WHERE (document_id, problem_id) > (:document, :problem)
        AND (:everything OR cases.organisation = :organisation)
    ORDER BY document_id, problem_id LIMIT :limit
""")  # noqa: S608
