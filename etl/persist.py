"""Persist: work that others may get in the way of, tried a few times before it is given up."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, text

from omop_schema.database import DatabaseBusy, translated

_Done = TypeVar("_Done")

#: Seconds to wait before each new try; about, so that those who met do not meet again.
_PAUSES = (0.05, 0.2, 0.8)
#: How long a lock of somebody else is waited for.
_PATIENCE = "8s"
_SET = "lock_timeout as set on this connection"


def persist(connection: Connection, work: Callable[[], _Done]) -> _Done:
    """What ``work`` returns, which must be safe to repeat; it is, after a deadlock or a wait for a lock.

    The connection must be outside a transaction. Raises DatabaseError: DatabaseBusy when every try failed.
    """
    for pause in _PAUSES:
        try:
            return _once(connection, work)
        except DatabaseBusy:
            time.sleep(pause * random.uniform(0.5, 1.5))
    return _once(connection, work)


def _once(connection: Connection, work: Callable[[], _Done]) -> _Done:
    with translated():
        if connection.info.get(_SET) != _PATIENCE:
            with connection.begin():
                connection.execute(
                    text("SELECT set_config('lock_timeout', :patience, false)"), {"patience": _PATIENCE}
                )
            connection.info[_SET] = _PATIENCE
        return work()
