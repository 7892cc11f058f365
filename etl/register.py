"""The rule register: which number a rule has in row ids. A number is given once and never reused."""

from collections.abc import Mapping

import orjson
from sqlalchemy import Connection, text

from etl.identity import MAX_RULE
from etl.mapping.bound import Bound
from etl.mapping.compile import rules_of
from etl.mapping.paths import json_path

_LOCK = text("LOCK TABLE lake.rules IN EXCLUSIVE MODE")
_KNOWN = text("SELECT name, each_path, rule_id FROM lake.rules WHERE mapping = :mapping")
_HIGHEST = text("SELECT coalesce(max(rule_id), 0) FROM lake.rules")
_ADD_RULES = text(
    """
    INSERT INTO lake.rules (rule_id, mapping, name, each_path)
    SELECT rule_id, :mapping, name, each_path
      FROM json_to_recordset(CAST(:rules AS json)) AS given (rule_id smallint, name text, each_path text)
    ON CONFLICT DO NOTHING
    """
)
_ADD_PLAN = text(
    """
    INSERT INTO lake.plan_rules (plan, rule_id, sources, target, file, line)
    SELECT :plan, rule_id, sources, target, file, line
      FROM json_to_recordset(CAST(:rules AS json)) AS given (
           rule_id smallint, sources text[], target text, file text, line integer)
    ON CONFLICT DO NOTHING
    """
)


class RegisterFull(Exception):
    """More rules, over all mappings and all time, than a row id has room for."""


def lock_register(connection: Connection) -> None:
    """Make other preparations of a mapping wait until this transaction ends."""
    connection.execute(_LOCK)


def register(connection: Connection, mapping: Bound) -> dict[str, int]:
    """Give every rule its number: the one it had, or the next free one.

    What the rules are in this version of the mapping is kept beside the register, for lineage.
    A rule is known by its mapping, its name and the list it stands at, since the list decides how an
    id's item is read. Raises RegisterFull when the 4,095 numbers are used up.
    """
    lock_register(connection)
    name, digest = mapping.folder.mapping.name, mapping.folder.digest
    numbers = foreseen_numbers(connection, mapping)
    rules = [
        {
            "rule_id": rule.number,
            "name": rule.name,
            "each_path": rule.each_path,
            "sources": rule.sources,
            "target": rule.target,
            "file": rule.file,
            "line": rule.line,
        }
        for rule in rules_of(mapping, numbers)
    ]
    values = {"mapping": name, "plan": digest, "rules": orjson.dumps(rules).decode()}
    connection.execute(_ADD_RULES, values)
    connection.execute(_ADD_PLAN, values)
    return numbers


def foreseen_numbers(connection: Connection, mapping: Bound) -> dict[str, int]:
    """The numbers that ``register`` would give in this state of the database. Writes nothing.

    Raises RegisterFull as it would.
    """
    values = {"mapping": mapping.folder.mapping.name}
    known = {(row.name, row.each_path): row.rule_id for row in connection.execute(_KNOWN, values)}
    return _numbers(mapping, known, connection.scalar(_HIGHEST) or 0)


def _numbers(mapping: Bound, known: Mapping[tuple[str, str], int], highest: int) -> dict[str, int]:
    numbers = {}
    for rule in mapping.every_rule():
        number = known.get((rule.name, json_path(rule.scope)))
        if number is None:
            number = highest = highest + 1
        numbers[rule.name] = number
    if highest > MAX_RULE:
        raise RegisterFull(f"rule number {highest} is over {MAX_RULE}: this lake has used them up")
    return numbers
