"""Row identity: three numbers in one bigint."""

import pytest

from etl.identity import (
    LEVEL_BITS,
    MAX_CASE,
    MAX_RULE,
    capacities,
    case_range,
    pack,
    positions,
    unpack,
)  # fmt: skip


@pytest.mark.parametrize(
    ("case_id", "rule", "item", "row_id"),
    [
        (1, 1, 0, 2**32 + 2**20),
        (1, 1, 1, 2**32 + 2**20 + 1),
        (1, 2, 0, 2**32 + 2**21),
        (2, 1, 0, 2**33 + 2**20),
        (MAX_CASE, MAX_RULE, 2**20 - 1, 2**63 - 1),
    ],
)
def test_an_id_is_case_rule_and_item_side_by_side(case_id: int, rule: int, item: int, row_id: int) -> None:
    assert pack(case_id, rule, item) == row_id
    assert unpack(row_id) == (case_id, rule, item)


@pytest.mark.parametrize(
    ("case_id", "rule", "item", "message"),
    [
        (0, 1, 0, "case_id 0 is outside 1 to 2147483647"),
        (2**31, 1, 0, "case_id 2147483648 is outside 1 to 2147483647"),
        (1, 0, 0, "rule number 0 is outside 1 to 4095"),
        (1, 4096, 0, "rule number 4096 is outside 1 to 4095"),
        (1, 1, -1, "item -1 is outside 0 to 1048575"),
        (1, 1, 2**20, "item 1048576 is outside 0 to 1048575"),
    ],
)
def test_a_part_that_does_not_fit_is_named(case_id: int, rule: int, item: int, message: str) -> None:
    with pytest.raises(OverflowError) as caught:
        pack(case_id, rule, item)
    assert str(caught.value) == message


def test_a_case_has_every_id_between_the_case_before_and_after() -> None:
    assert case_range(1) == (2**32, 2**33 - 1)
    assert case_range(MAX_CASE)[1] == 2**63 - 1


@pytest.mark.parametrize(
    ("depth", "item", "found"),
    [
        (0, 0, ()),
        (1, 5, (5,)),
        (2, (3 << 10) + 4, (3, 4)),
        (3, (1 << 13) + (2 << 6) + 3, (1, 2, 3)),
        (3, 2**20 - 1, (127, 127, 63)),
    ],
)
def test_positions_are_read_back_outermost_first(depth: int, item: int, found: tuple[int, ...]) -> None:
    assert positions(item, depth) == found


def test_every_nesting_fills_the_item_bits() -> None:
    assert {depth: sum(bits) for depth, bits in LEVEL_BITS.items()} == {0: 0, 1: 20, 2: 20, 3: 20}
    assert capacities(3) == (128, 128, 64)
