"""Loading the starter concepts and the value maps into a real database."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from etl.mapping.folder import read_folder
from migrations import upgrade
from vocabularies.concepts import Concept, ValueMap, ValueMapRow, lookup, shipped
from vocabularies.starter import Loaded, StarterError, load_starter, load_value_maps

PROSTATE = files("mappings") / "prostate"
PSA, INDEX_LESION = 44793131, 2000000001


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    upgrade(engine)
    with engine.connect() as opened:
        yield opened


@pytest.fixture(scope="module")
def concepts() -> dict[int, Concept]:
    return shipped(PROSTATE)


def counts(connection: Connection) -> dict[str, int]:
    tables = ("concept", "vocabulary", "domain", "concept_class", "source_to_concept_map")
    return {one: connection.scalar(text(f"SELECT count(*) FROM omop.{one}")) or 0 for one in tables}


def athena_replaces(connection: Connection, concept_id: int, name: str) -> None:
    """What an Athena load does to a placeholder."""
    connection.execute(
        text("""
            INSERT INTO omop.vocabulary VALUES ('SNOMED', 'SNOMED CT', 'snomed.org', '2025', 0);
            INSERT INTO omop.concept_class VALUES ('Observable Entity', 'Observable Entity', 0);
            UPDATE omop.concept SET concept_name = :name, vocabulary_id = 'SNOMED', standard_concept = 'S',
                concept_class_id = 'Observable Entity', concept_code = '1' WHERE concept_id = :id
        """),
        {"id": concept_id, "name": name},
    )


def test_every_shipped_concept_arrives_as_it_is(connection: Connection, concepts: dict[int, Concept]) -> None:
    assert load_starter(connection, concepts.values()) == Loaded(len(concepts), 0, 0)
    assert lookup(connection, concepts) == concepts


def test_vocabularies_domains_and_classes_come_along(
    connection: Connection, concepts: dict[int, Concept]
) -> None:
    load_starter(connection, concepts.values())
    found = connection.execute(text("SELECT vocabulary_id, vocabulary_concept_id FROM omop.vocabulary"))
    assert {name for name, concept in found if concept == 0} == {
        "None",
        "Placeholder",
        "PROCANCERI",
        "ONCOLAKE",
    }
    domains = connection.scalars(text("SELECT domain_id FROM omop.domain")).all()
    assert set(domains) == {one.domain_id for one in concepts.values()}


def test_loading_twice_changes_nothing(connection: Connection, concepts: dict[int, Concept]) -> None:
    load_starter(connection, concepts.values())
    load_value_maps(connection, "prostate", read_folder(PROSTATE).value_maps.values())
    before = counts(connection)
    assert load_starter(connection, concepts.values()) == Loaded(0, 0, len(concepts))
    load_value_maps(connection, "prostate", read_folder(PROSTATE).value_maps.values())
    assert counts(connection) == before


@pytest.mark.parametrize("concept_id", [PSA, INDEX_LESION])
def test_a_changed_text_is_updated(
    connection: Connection, concepts: dict[int, Concept], concept_id: int
) -> None:
    load_starter(connection, concepts.values())
    changed = concepts | {concept_id: replace(concepts[concept_id], concept_name="Another name")}
    assert load_starter(connection, changed.values()) == Loaded(0, 1, len(concepts) - 1)
    assert lookup(connection, [concept_id]) == {concept_id: changed[concept_id]}


def test_a_concept_that_the_files_no_longer_have_stays(
    connection: Connection, concepts: dict[int, Concept]
) -> None:
    load_starter(connection, concepts.values())
    fewer = [one for one in concepts.values() if one.concept_id not in (PSA, INDEX_LESION)]
    assert load_starter(connection, fewer) == Loaded(0, 0, len(fewer))
    assert set(lookup(connection, [PSA, INDEX_LESION])) == {PSA, INDEX_LESION}


def test_a_row_of_athena_is_never_overwritten(connection: Connection, concepts: dict[int, Concept]) -> None:
    load_starter(connection, concepts.values())
    athena_replaces(connection, PSA, "Prostate specific antigen measurement")
    athenas = lookup(connection, [PSA])
    assert load_starter(connection, concepts.values()) == Loaded(0, 0, len(concepts))
    assert lookup(connection, [PSA]) == athenas
    assert athenas[PSA].concept_name == "Prostate specific antigen measurement"
    assert not athenas[PSA].placeholder


def test_a_vocabulary_that_exists_keeps_its_text(
    connection: Connection, concepts: dict[int, Concept]
) -> None:
    load_starter(connection, concepts.values())
    connection.execute(
        text("UPDATE omop.vocabulary SET vocabulary_version = 'v5' WHERE vocabulary_id = 'None'")
    )
    load_starter(connection, concepts.values())
    version = text("SELECT vocabulary_version FROM omop.vocabulary WHERE vocabulary_id = 'None'")
    assert connection.scalar(version) == "v5"


def test_a_custom_id_of_another_vocabulary_is_refused(
    connection: Connection, concepts: dict[int, Concept]
) -> None:
    load_starter(connection, concepts.values())
    other = replace(concepts[INDEX_LESION], vocabulary_id="PIONEER")
    with pytest.raises(StarterError, match=r"2000000001 \('PROCANCERI', not 'PIONEER'\)"):
        load_starter(connection, [other])


def test_one_id_with_two_texts_is_refused(connection: Connection, concepts: dict[int, Concept]) -> None:
    other = replace(concepts[PSA], concept_name="Another name")
    with pytest.raises(StarterError, match="concept 44793131 is given twice"):
        load_starter(connection, [*concepts.values(), other])


def test_concept_0_must_come_first(connection: Connection, concepts: dict[int, Concept]) -> None:
    with pytest.raises(StarterError, match="concept 0 'No matching concept' is missing"):
        load_starter(connection, [concepts[PSA]])


def test_the_callers_transaction_decides(engine: Engine, concepts: dict[int, Concept]) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        load_starter(connection, concepts.values())
        connection.rollback()
        assert counts(connection)["concept"] == 0


def test_keys_are_enforced_again_afterwards(connection: Connection, concepts: dict[int, Concept]) -> None:
    load_starter(connection, concepts.values())
    with pytest.raises(IntegrityError, match="vocabulary"):
        connection.execute(text("UPDATE omop.concept SET vocabulary_id = 'nowhere' WHERE concept_id = 8554"))


def test_lookup_leaves_out_unknown_ids(connection: Connection, concepts: dict[int, Concept]) -> None:
    load_starter(connection, concepts.values())
    assert lookup(connection, [PSA, PSA, 99]) == {PSA: concepts[PSA]}
    assert lookup(connection, []) == {}


def test_value_maps_arrive_with_the_vocabulary_of_their_targets(
    connection: Connection, concepts: dict[int, Concept]
) -> None:
    load_starter(connection, concepts.values())
    maps = read_folder(PROSTATE).value_maps.values()
    assert load_value_maps(connection, "prostate", maps) == sum(len(one.rows) for one in maps)
    rows = connection.execute(
        text("""
            SELECT source_code, source_concept_id, source_code_description, target_concept_id,
                   target_vocabulary_id, valid_start_date::text, valid_end_date::text, invalid_reason
            FROM omop.source_to_concept_map WHERE source_vocabulary_id = 'prostate.biopsy_type'
            ORDER BY target_concept_id
        """)
    )
    forever = ("1970-01-01", "2099-12-31", None)
    assert [tuple(row) for row in rows] == [
        ("Ultrasound", 0, "Ultrasound guided biopsy", 4082629, "Placeholder", *forever),
        ("Fusion", 0, "MRI-ultrasound fusion biopsy", 37206816, "Placeholder", *forever),
        ("In-Bore", 0, "In-bore MRI guided biopsy", 2000000005, "PROCANCERI", *forever),
    ]


def value_map(*targets: tuple[str, int], name: str = "family") -> ValueMap:
    rows = (ValueMapRow(code, "text", target, "name", line) for line, (code, target) in enumerate(targets, 2))
    return ValueMap(name, tuple(rows))


def test_a_map_replaces_its_own_rows_and_no_others(
    connection: Connection, concepts: dict[int, Concept]
) -> None:
    load_starter(connection, concepts.values())
    load_value_maps(connection, "prostate", [value_map(("yes", 4167217), ("no", 4051104))])
    load_value_maps(connection, "breast", [value_map(("yes", 4167217))])
    load_value_maps(connection, "prostate", [value_map(("yes", 0))])
    rows = connection.execute(
        text("SELECT source_vocabulary_id, source_code, target_concept_id FROM omop.source_to_concept_map")
    )
    assert {tuple(row) for row in rows} == {("prostate.family", "yes", 0), ("breast.family", "yes", 4167217)}


def test_loading_maps_after_athena_names_athenas_vocabulary(
    connection: Connection, concepts: dict[int, Concept]
) -> None:
    load_starter(connection, concepts.values())
    load_value_maps(connection, "prostate", [value_map(("psa", PSA))])
    athena_replaces(connection, PSA, "Prostate specific antigen measurement")
    load_value_maps(connection, "prostate", [value_map(("psa", PSA))])
    assert connection.scalar(text("SELECT target_vocabulary_id FROM omop.source_to_concept_map")) == "SNOMED"


def test_unknown_targets_are_all_named_and_nothing_is_replaced(
    connection: Connection, concepts: dict[int, Concept]
) -> None:
    load_starter(connection, concepts.values())
    load_value_maps(connection, "prostate", [value_map(("yes", 0))])
    message = r"98 \('no' of 'prostate.family'\), 99 \('yes' of 'prostate.family'\)"
    with pytest.raises(StarterError, match=message):
        load_value_maps(connection, "prostate", [value_map(("yes", 99), ("no", 98))])
    assert counts(connection)["source_to_concept_map"] == 1


def test_a_map_name_that_is_too_long_is_refused(connection: Connection) -> None:
    with pytest.raises(StarterError, match=r"'prostate.rt_technique' is longer than a vocabulary_id, 20"):
        load_value_maps(connection, "prostate", [value_map(("yes", 0), name="rt_technique")])
