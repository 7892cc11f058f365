"""Foresee: what a remap would change, found in one snapshot and with nothing written.

The rows that the mapping makes of the cases are put into temporary tables, batch by batch, compared with
those in OMOP, and thrown away. Rule numbers are those that the register has or would give.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib.resources.abc import Traversable

from sqlalchemy import Connection, Engine, text

from etl.compare import Differences, compare, hold
from etl.compare_persons import compare_persons
from etl.impact import Impact, concept_impacts, problem_impacts, rule_impacts, versions
from etl.make import make, still_valid
from etl.mapping.check import checked
from etl.mapping.compile import compile_plan
from etl.mapping.tables import LOAD_ORDER
from etl.pick import BATCH, Which, count, last_person, pick
from etl.plan import Plan, Rule
from etl.register import foreseen_numbers
from etl.remap import Done, why_nothing
from etl.setup import DEFAULT_MAPPING, require_current, vocabulary
from etl.validate import Validator
from omop_schema.database import translated
from vocabularies.concepts import Concept, lookup, shipped

_Report = Callable[[Done], None] | None


def foresee(
    engine: Engine,
    folder: Traversable = DEFAULT_MAPPING,
    *,
    every: bool = False,
    progress: _Report = None,
) -> Impact:
    """What ``remap`` would change with this mapping. Nothing of the lake, OMOP or the register is written.

    Constraints between rows are not tried. Raises NotInitialised, MappingError with every finding when the
    mapping has errors, RegisterFull, or DatabaseError.
    """
    require_current(engine)
    with translated(), engine.connect() as connection, connection.begin() as transaction:
        # Temporary tables need a transaction that may write.
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ WRITE"))
        mapping = checked(folder, vocabulary(folder, connection))
        plan = compile_plan(mapping, foreseen_numbers(connection, mapping))
        impact = _foresee(connection, plan, shipped(folder), "all" if every else "stale", progress)
        transaction.rollback()
    return impact


def _foresee(
    connection: Connection, plan: Plan, concepts: Mapping[int, Concept], which: Which, progress: _Report
) -> Impact:
    cases = count(connection, plan, which)
    found = _differences(connection, plan, which, cases, progress) if cases else Differences()
    rules = _rules(connection, plan)
    ids = {kind.concept for kind in found.rows}
    names = {one: concept.concept_name for one, concept in _described(connection, concepts, ids).items()}
    nothing = () if cases else (why_nothing(connection, plan.mapping),)
    return Impact(
        mapping=plan.mapping,
        cases=cases - len(found.failures),
        changed=found.cases,
        rules=rule_impacts(versions(_plans(connection, plan), plan.rules), rules, found) if cases else (),
        concepts=concept_impacts(found, names, (*LOAD_ORDER, "observation_period")),
        problems=problem_impacts(found, rules),
        failures=found.failures,
        notices=(*nothing, *_notices(connection, concepts)),
    )


def _differences(
    connection: Connection, plan: Plan, which: Which, cases: int, progress: _Report
) -> Differences:
    validator = Validator(plan.schema)
    hold(connection, plan)
    found, done, after = Differences(), 0, 0
    while batch := pick(connection, plan, which, after, BATCH):
        valid, invalid = still_valid(validator, batch)
        made, failures = make(plan, valid)
        found += Differences(failures=invalid + failures) + compare(connection, plan, made)
        after, done = last_person(batch), done + len(batch)
        if progress:
            progress(Done(done, cases))
    return found + compare_persons(connection, plan)


def _rules(connection: Connection, plan: Plan) -> dict[int, str]:
    """The names of all rule numbers, given or foreseen."""
    known = {
        row.rule_id: row.name for row in connection.execute(text("SELECT rule_id, name FROM lake.rules"))
    }
    return known | {rule.number: rule.name for rule in plan.rules}


def _plans(connection: Connection, plan: Plan) -> dict[str, list[Rule]]:
    """The rules of each version of the mapping that the rows of today come from, the latest used last."""
    found: dict[str, list[Rule]] = {}
    for digest, *rule, sources in connection.execute(_PLANS, {"mapping": plan.mapping}):
        number, name, each_path, target, file, line = rule
        found.setdefault(digest, []).append(Rule(number, name, each_path, tuple(sources), target, file, line))
    return found


def _notices(connection: Connection, concepts: Mapping[int, Concept]) -> Iterator[str]:
    """What stands between this database's vocabulary and the mapping's."""
    there = lookup(connection, concepts)
    new = len(concepts.keys() - there.keys())
    if new:
        noun = "concept of the mapping is" if new == 1 else "concepts of the mapping are"
        yield f"{new:,} {noun} not in the database yet; `oncolake remap` adds what is new."
    other = sum(_is_ours(held) and held != concepts[one] for one, held in there.items())
    if other:
        noun = "concept" if other == 1 else "concepts"
        yield (
            f"The database describes {other:,} {noun} otherwise than the mapping: "
            "run `oncolake init --mappings DIR` before `oncolake remap`."
        )


def _described(connection: Connection, concepts: Mapping[int, Concept], ids: set[int]) -> dict[int, Concept]:
    """Concepts as the mapping describes them, or Athena; those that only older mappings used as they are."""
    held = lookup(connection, ids)
    ours = {one: concepts[one] for one in ids & concepts.keys() if one not in held or _is_ours(held[one])}
    return held | ours


def _is_ours(concept: Concept) -> bool:
    return concept.placeholder or concept.custom


_PLANS = text("""
    SELECT plan, rule_id, name, each_path, target, file, line, sources
    FROM (SELECT plan, max(loaded_at) AS used FROM lake.cases
          WHERE mapping = :mapping AND plan IS NOT NULL GROUP BY plan) AS plans
    JOIN lake.plan_rules USING (plan) JOIN lake.rules USING (rule_id)
    ORDER BY used, plan, rule_id
""")
