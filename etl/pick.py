"""Pick: landed cases of a mapping that are to be loaded, person by person, in batches.

All cases of a person come in one batch, so that two forms do not disagree because only one was made anew.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, Row, text

from etl.land import Landed
from etl.plan import CaseKey, Plan

#: Cases that one transaction takes, or a few more.
BATCH = 1000

#: ``pending`` cases are not loaded from their newest document; ``stale`` ones are pending, or loaded with
#: another version of their mapping.
Which = Literal["pending", "stale", "all"]

_PENDING = "(loaded_version IS NULL OR loaded_version <> version)"
_CONDITIONS: dict[Which, str] = {
    "pending": _PENDING,
    "stale": f"({_PENDING} OR plan IS DISTINCT FROM :digest)",
    "all": "true",
}


def pick(
    connection: Connection, plan: Plan, which: Which, after: int = 0, limit: int = BATCH
) -> list[Landed]:
    """The newest documents of cases of the mapping, by case: those of the persons next to person ``after``.

    They are ``limit`` cases, and what more the last person has.
    """
    # The cases first: a planner without statistics would sort all of the documents.
    statement = text(
        "WITH picked AS MATERIALIZED ("  # noqa: S608
        f" SELECT * FROM lake.cases WHERE mapping = :mapping AND person_id > :after AND {_CONDITIONS[which]}"
        " ORDER BY person_id FETCH FIRST :limit ROWS WITH TIES)"
        " SELECT case_id, person_id, care_site_id, version, upload_id, position, loaded_version,"
        " document::text AS document FROM picked JOIN lake.documents USING (case_id, version)"
    )
    values = {"mapping": plan.mapping, "digest": plan.digest, "after": after, "limit": limit}
    found = [_landed(row, row.loaded_version != row.version) for row in connection.execute(statement, values)]
    return sorted(found, key=lambda each: each.key.case_id)


def newest(connection: Connection, cases: Iterable[int]) -> Iterator[list[Landed]]:
    """The newest documents of these cases, to be loaded, in lists of about ``BATCH``."""
    left = iter(cases)
    while batch := list(islice(left, BATCH)):
        yield [_landed(row, True) for row in connection.execute(_NEWEST, {"cases": batch})]


def _landed(row: Row[Any], pending: bool) -> Landed:
    return Landed(
        position=row.position,
        key=CaseKey(row.case_id, row.person_id, row.care_site_id),
        version=row.version,
        document=orjson.loads(row.document),
        upload_id=row.upload_id,
        changed=False,
        pending=pending,
    )


def last_person(picked: Iterable[Landed]) -> int:
    """The person after whom to pick next."""
    return max(each.key.person_id for each in picked)


def batches(connection: Connection, plan: Plan, which: Which, limit: int = BATCH) -> Iterator[list[Landed]]:
    """All that can be picked, in lists of about ``limit``, each read in a transaction of its own.

    Each case comes once, also when it is still to be picked after its batch was worked on.
    """
    after = 0
    while True:
        with connection.begin():
            found = pick(connection, plan, which, after, limit)
        if not found:
            return
        yield found
        after = last_person(found)


def count(connection: Connection, plan: Plan, which: Which) -> int:
    """How many cases can be picked, in the caller's transaction."""
    statement = text(f"SELECT count(*) FROM lake.cases WHERE mapping = :mapping AND {_CONDITIONS[which]}")  # noqa: S608
    values = {"mapping": plan.mapping, "digest": plan.digest}
    found: int = connection.execute(statement, values).scalar_one()
    return found


_NEWEST = text("""
    SELECT case_id, person_id, care_site_id, version, position, upload_id, document::text AS document
    FROM lake.cases JOIN lake.documents USING (case_id, version)
    WHERE case_id = ANY(CAST(:cases AS integer[])) ORDER BY case_id
""")
