"""Rows of the audit trail, as they are written: how many, and whether the disk is waited for."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from etl.audit import Decision, Sight, record

DECISION = Decision("r1", "ada", None, "GET /x", "metadata:read", True, "reach all")


def rows(engine: Engine, columns: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM lake.audit ORDER BY audit_id"))
        return [tuple(row) for row in found]


@pytest.fixture
def statements(lake: Engine) -> Iterator[list[str]]:
    """What is asked of the database at each commit: whether it waits for the disk."""
    found: list[str] = []

    def look(connection: Connection) -> None:
        found.append(str(connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()))

    event.listen(lake, "commit", look)
    yield found
    event.remove(lake, "commit", look)


@pytest.mark.parametrize(("durable", "waits"), [(True, "on"), (False, "off")])
def test_only_what_must_waits_for_the_disk(
    lake: Engine, statements: list[str], durable: bool, waits: str
) -> None:
    with lake.connect() as connection:
        record(connection, DECISION, [Sight(1), Sight(None, 2), Sight(3, 4)], durable=durable)
        connection.exec_driver_sql("SHOW synchronous_commit")
        connection.commit()
    # The setting ends with its transaction.
    assert statements == [waits, "on"]
    assert rows(lake, "request_id, person_id, upload_id") == [("r1", 1, None), ("r1", None, 2), ("r1", 3, 4)]


def test_a_decision_alone_is_one_row(lake: Engine) -> None:
    with lake.connect() as connection:
        record(connection, DECISION)
    assert rows(lake, "subject, organisation, action, scope, allowed, reason, person_id, upload_id") == [
        ("ada", None, "GET /x", "metadata:read", True, "reach all", None, None)
    ]
