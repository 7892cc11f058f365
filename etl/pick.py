"""Pick: landed cases of a mapping that are to be loaded, by their numbers, in batches."""

from collections.abc import Iterator
from typing import Literal

import orjson
from sqlalchemy import Connection, text

from etl.land import Landed
from etl.plan import CaseKey, Plan

#: Cases that one transaction takes.
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
    """The newest documents of the mapping's next cases: at most ``limit``, from the case after ``after``."""
    statement = text(
        "SELECT case_id, person_id, care_site_id, version, upload_id, position, loaded_version,"  # noqa: S608
        " document::text AS document FROM lake.cases JOIN lake.documents USING (case_id, version)"
        f" WHERE mapping = :mapping AND case_id > :after AND {_CONDITIONS[which]}"
        " ORDER BY case_id LIMIT :limit"
    )
    values = {"mapping": plan.mapping, "digest": plan.digest, "after": after, "limit": limit}
    return [
        Landed(
            position=row.position,
            key=CaseKey(row.case_id, row.person_id, row.care_site_id),
            version=row.version,
            document=orjson.loads(row.document),
            upload_id=row.upload_id,
            changed=False,
            pending=row.loaded_version != row.version,
        )
        for row in connection.execute(statement, values)
    ]


def batches(connection: Connection, plan: Plan, which: Which, limit: int = BATCH) -> Iterator[list[Landed]]:
    """All that can be picked, in lists of at most ``limit``, each read in a transaction of its own.

    Each case comes once, also when it is still to be picked after its batch was worked on.
    """
    after = 0
    while True:
        with connection.begin():
            found = pick(connection, plan, which, after, limit)
        if not found:
            return
        yield found
        after = found[-1].key.case_id


def count(connection: Connection, plan: Plan, which: Which) -> int:
    """How many cases can be picked, in the caller's transaction."""
    statement = text(f"SELECT count(*) FROM lake.cases WHERE mapping = :mapping AND {_CONDITIONS[which]}")  # noqa: S608
    values = {"mapping": plan.mapping, "digest": plan.digest}
    found: int = connection.execute(statement, values).scalar_one()
    return found
