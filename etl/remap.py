"""Remap: the rows of loaded cases made anew, where another version of their mapping made them.

Each batch of cases is one transaction, and a case says itself which version of the mapping made its rows. So
a remap that was stopped or killed leaves whole cases, and the next one does what is left. One of every case
does all of them again: no case says that it was made anew with the version it had.
"""

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from etl.complete import complete
from etl.load import Counts, load_later
from etl.pick import BATCH, Which, batches, count
from etl.plan import Plan
from etl.validate import Validator
from omop_schema.database import translated

_HELD = text("SELECT mapping, count(*) FROM lake.cases GROUP BY mapping ORDER BY mapping")


class Done(NamedTuple):
    """How far a remap, or its preview, has come."""

    cases: int
    of: int
    """Cases that there were to do in the beginning."""


def due(engine: Engine, plan: Plan, *, every: bool = False) -> int:
    """How many cases ``remap`` would take now."""
    with translated(), engine.connect() as connection:
        return count(connection, plan, _which(every))


def remap(
    engine: Engine,
    plan: Plan,
    *,
    every: bool = False,
    progress: Callable[[Done], None] | None = None,
    curation_plan: Callable[[], Plan] | None = None,
) -> Counts:
    """Load the cases of the plan's mapping that another version of it loaded, and those not loaded yet.

    Curations that waited for series are loaded too, where ``curation_plan`` gives the Plan for that.
    ``every`` takes the cases that this version loaded as well. A case that fails keeps the rows it had.
    Raises DatabaseError when the database is away, full or read-only: what was done by then stays.
    """
    total = due(engine, plan, every=every)
    validator = Validator(plan.schema)
    done, counts = 0, Counts()
    with translated(), engine.connect() as connection:
        for batch in batches(connection, plan, _which(every), BATCH):
            counts += load_later(connection, plan, validator, batch, again=every)
            done += len(batch)
            if progress:
                progress(Done(done, max(done, total)))
        if curation_plan:
            counts += complete(connection, curation_plan)
    return counts


def _which(every: bool) -> Which:
    return "all" if every else "stale"


def why_nothing(connection: Connection, mapping: str) -> str:
    """Why no case of a mapping is to be made anew, as a sentence: there is none, or each is up to date."""
    held = dict(map(tuple, connection.execute(_HELD)))
    if mapping in held:
        return "Nothing to do: every case is loaded with this version of the mapping."
    others = ", ".join(f"'{other}' ({cases:,})" for other, cases in held.items())
    there = f"it has cases of {others}" if held else "it has no cases yet"
    return f"Nothing to do: no case of mapping '{mapping}' is in the lake; {there}."
