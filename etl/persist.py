"""Persist: work that others may get in the way of, tried a few times before it is given up."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from omop_schema.database import DatabaseBusy, translated

_Done = TypeVar("_Done")

#: Seconds to wait before each new try; about, so that those who met do not meet again.
_PAUSES = (0.05, 0.2, 0.8)


def persist(work: Callable[[], _Done]) -> _Done:
    """What ``work`` returns, which must be safe to repeat; it is, after a deadlock or a wait for a lock.

    How long a try waits for a lock is for the connection's ``lock_timeout`` to say. Raises DatabaseError:
    DatabaseBusy when every try failed.
    """
    for pause in _PAUSES:
        try:
            with translated():
                return work()
        except DatabaseBusy:
            time.sleep(pause * random.uniform(0.5, 1.5))
    with translated():
        return work()
