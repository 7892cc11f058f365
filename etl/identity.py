"""Row identity: an id says where its row came from.

A generated id is three numbers in one bigint: ``case_id`` (31 bits), rule number (12 bits), item (20 bits).
The item is the position under ``each``; nested lists share the 20 bits in fixed widths, so an id can be read
back without the document.
"""

from typing import NamedTuple

RULE_BITS = 12
ITEM_BITS = 20
CASE_SHIFT = RULE_BITS + ITEM_BITS
MAX_CASE = 2**31 - 1
MAX_RULE = 2**RULE_BITS - 1

#: Bits of each nesting level, by depth of ``each``.
LEVEL_BITS: dict[int, tuple[int, ...]] = {0: (), 1: (20,), 2: (10, 10), 3: (7, 7, 6)}


class Origin(NamedTuple):
    """What a row id says: the case, the rule number and the packed item."""

    case_id: int
    rule: int
    item: int


def pack(case_id: int, rule: int, item: int = 0) -> int:
    """The id of the row that ``rule`` makes of item ``item`` in case ``case_id``.

    Raises OverflowError, naming the part, when a part does not fit: ids never wrap.
    """
    for name, value, low, high in (
        ("case_id", case_id, 1, MAX_CASE),
        ("rule number", rule, 1, MAX_RULE),
        ("item", item, 0, 2**ITEM_BITS - 1),
    ):
        if not low <= value <= high:
            raise OverflowError(f"{name} {value} is outside {low} to {high}")
    return case_id << CASE_SHIFT | rule << ITEM_BITS | item


def unpack(row_id: int) -> Origin:
    """The inverse of :func:`pack`."""
    return Origin(row_id >> CASE_SHIFT, row_id >> ITEM_BITS & MAX_RULE, row_id & (2**ITEM_BITS - 1))


def case_range(case_id: int) -> tuple[int, int]:
    """The first and last id that belong to a case, both inclusive."""
    return case_id << CASE_SHIFT, (case_id + 1 << CASE_SHIFT) - 1


def positions(item: int, depth: int) -> tuple[int, ...]:
    """The zero-based list positions packed in an item, outermost first."""
    found = []
    for bits in reversed(LEVEL_BITS[depth]):
        found.append(item & (2**bits - 1))
        item >>= bits
    return tuple(reversed(found))


def capacities(depth: int) -> tuple[int, ...]:
    """How many items each nesting level can hold, outermost first."""
    return tuple(2**bits for bits in LEVEL_BITS[depth])
