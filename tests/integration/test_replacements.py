"""What replaces a concept: along the links of a real vocabulary in a real database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from tests.athena import concept, load
from tests.conftest import engine_on, new_database
from vocabularies.replacements import replacements

MAPS, BY, SAME, POSS, WAS, VALUE = (
    "Maps to", "Concept replaced by", "Concept same_as to", "Concept poss_eq to", "Concept was_a to",
    "Maps to value",
)  # fmt: skip
CONCEPTS = [
    *(concept(number, f"Standard {number}") for number in range(1000, 1020)),
    *(concept(number, f"Local {number}", standard="") for number in range(1020, 1040)),
    *(concept(number, f"Gone {number}", standard="", invalid="U") for number in range(1040, 1070)),
]
LINKS: list[tuple[int, str, int] | tuple[int, str, int, str]] = [
    (1000, MAPS, 1000),
    (1020, MAPS, 1000),
    (1021, MAPS, 1001), (1021, MAPS, 1002),
    (1022, BY, 1003),
    (1023, MAPS, 1023),
    (1024, MAPS, 1004), (1024, VALUE, 1005),
    (1040, BY, 1006), (1040, MAPS, 1007),
    (1041, BY, 1042), (1042, BY, 1043), (1043, BY, 1025), (1025, MAPS, 1008),
    (1044, BY, 1045), (1045, BY, 1044), (1045, SAME, 1009),
    (1046, BY, 1047), (1047, BY, 1046),
    (1048, POSS, 1010), (1048, POSS, 1011), (1048, WAS, 1012),
    (1049, BY, 1013, "D"), (1049, WAS, 1014),
    (1050, "Is a", 1000),
    (1051, MAPS, 1052), (1052, POSS, 1015),
    (1053, BY, 1026),
]  # fmt: skip


@pytest.fixture(scope="module")
def vocabulary(server_url: str, template_database: str) -> Iterator[Engine]:
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        with engine.begin() as connection:
            load(connection, CONCEPTS, LINKS)
        yield engine


@pytest.fixture
def connection(vocabulary: Engine) -> Iterator[Connection]:
    with vocabulary.connect() as connection:
        yield connection


@pytest.mark.parametrize(
    ("says", "concept_id", "expected"),
    [
        ("a standard concept needs none", 1000, []),
        ("a non-standard concept maps to its standard one", 1020, [(1000, MAPS)]),
        ("a split mapping has all its parts", 1021, [(1001, MAPS), (1002, MAPS)]),
        ("what replaced a concept that is valid all the same is history", 1022, []),
        ("a non-standard concept that maps to itself", 1023, []),
        ("Maps to goes before what replaces it", 1040, [(1007, MAPS)]),
        ("a chain is followed to its standard end", 1041, [(1008, BY)]),
        ("a circle with a way out", 1044, [(1009, SAME)]),
        ("a circle without one", 1046, []),
        ("the least unsure kind of link, and all of it", 1048, [(1010, POSS), (1011, POSS)]),
        ("a link that has ended does not count", 1049, [(1014, WAS)]),
        ("other links do not replace", 1050, []),
        ("a chain is as sure as its least sure link", 1051, [(1015, POSS)]),
        ("a chain that ends at a non-standard concept", 1053, []),
        ("a concept that is not there", 999_999, []),
        ("an id longer than the column", 99_999_999_999, []),
        ("the bundle's own: replaced, and deprecated", 4141960, [(200962, MAPS)]),
        ("the bundle's own: deprecated", 44793131, [(3013603, MAPS)]),
    ],
)
def test_what_replaces(
    connection: Connection, says: str, concept_id: int, expected: list[tuple[int, str]]
) -> None:
    found = replacements(connection, [concept_id])
    assert [(one.concept.concept_id, one.by) for one in found.get(concept_id, ())] == expected, says
    assert set(found) <= {concept_id}


def test_all_at_once(connection: Connection) -> None:
    ids = [1020, 1021, 1041, 1046, 4141960]
    found = replacements(connection, ids)
    assert found == {one: group for each in ids for one, group in replacements(connection, [each]).items()}
    assert list(found) == [1020, 1021, 1041, 4141960]
    assert found[1020][0].concept.concept_name == "Standard 1000"


def test_only_the_same_is_sure(connection: Connection) -> None:
    found = replacements(connection, [1020, 1024, 1041, 1048, 1049])
    assert {one: group[0].same for one, group in found.items()} == {
        1020: True, 1024: False, 1041: True, 1048: False, 1049: False
    }  # fmt: skip
    assert found[1024][0].with_value
