"""One concept, and the state of the vocabulary, as a real database holds them."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from migrations import upgrade
from tests.bundles import VERSION, fill, small
from tests.conftest import engine_on, new_database
from vocabularies.athena.layout import TABLES
from vocabularies.athena.twins import SCHEMA
from vocabularies.browse import status as reading
from vocabularies.browse.concept import SourceCode, Synonym, UnknownConcept, show
from vocabularies.browse.status import Rows, Vocabulary, vocabulary_status

PRIMARY, TUMOR, NEOPLASM, REPLACED = 200962, 4163261, 443392, 4141960
EXTRA = text("""
    INSERT INTO omop.vocabulary VALUES ('local', 'Ours', 'Here', NULL, 0);
    INSERT INTO omop.source_to_concept_map VALUES
        ('b', 0, 'local', 'Second', 200962, 'SNOMED', '1970-01-01', '2099-12-31', NULL),
        ('a', 0, 'local', 'Gone', 200962, 'SNOMED', '1970-01-01', '2000-12-31', 'D'),
        ('c', 0, 'local', NULL, 200962, 'SNOMED', '1970-01-01', '2099-12-31', NULL);
    INSERT INTO omop.concept
    SELECT 2000000000 + n, 'Own ' || n, 'Condition', 'local', 'Disorder', NULL, 'own-' || n, '1970-01-01',
           '2099-12-31' FROM generate_series(1, 15) AS n;
    INSERT INTO omop.concept_relationship
    SELECT 4163261, 2000000000 + n, 'Subsumes', '1970-01-01', '2099-12-31', CASE WHEN n = 1 THEN 'D' END
    FROM generate_series(1, 15) AS n
""")


@pytest.fixture(scope="module")
def filled(server_url: str) -> Iterator[Engine]:
    with new_database(server_url) as url, engine_on(url) as engine:
        upgrade(engine)
        with engine.begin() as connection:
            fill(connection, small())
            connection.execute(EXTRA)
        yield engine


@pytest.fixture
def connection(filled: Engine) -> Iterator[Connection]:
    with filled.connect() as connection:
        yield connection


def test_replacements_come_before_other_relationships(connection: Connection) -> None:
    shown = show(connection, REPLACED)
    assert [group.name for group in shown.relationships] == ["Maps to", "Concept replaced by"]
    (target,) = shown.relationships[0].related
    assert (target.concept_id, target.concept_name) == (PRIMARY, "Primary malignant neoplasm of prostate")
    assert (target.vocabulary_id, target.standard_concept, target.invalid_reason) == ("SNOMED", "S", None)
    assert shown.concept.invalid_reason == "U"


def test_everything_about_a_concept_is_there(connection: Connection) -> None:
    shown = show(connection, PRIMARY)
    assert shown.concept.concept_code == "93974005"
    assert {group.name: group.count for group in shown.relationships} == {
        "Concept replaces": 1,
        "Is a": 1,
        "Mapped from": 2,
    }
    above = [(one.levels, one.concept_id) for one in shown.ancestors.related]
    assert (above, shown.ancestors.count, shown.descendants) == ([(1, TUMOR), (2, NEOPLASM)], 2, 0)
    assert [(one.source_code, one.invalid_reason) for one in shown.source_codes] == [
        ("b", None),
        ("c", None),
        ("a", "D"),
    ]
    assert isinstance(shown.source_codes[0], SourceCode)
    assert show(connection, NEOPLASM).descendants == 2


def test_synonyms_name_their_language(connection: Connection) -> None:
    assert show(connection, TUMOR).synonyms == (
        Synonym("CA - cancer of prostate", "English language"),
        Synonym("Prostate cancer", "English language"),
    )


def test_long_lists_are_cut_and_counted(connection: Connection) -> None:
    shown = show(connection, TUMOR, most=3)
    (group,) = (each for each in shown.relationships if each.name == "Subsumes")
    names = [one.concept_name for one in group.related]
    assert (group.count, names) == (16, ["Own 10", "Own 11", "Own 12"])
    whole = {each.name: each for each in show(connection, TUMOR).relationships}["Subsumes"]
    assert len(whole.related) == whole.count == 16
    assert whole.related[-1].invalid_reason == "D"
    cut = show(connection, PRIMARY, most=1)
    assert (len(cut.ancestors.related), cut.ancestors.count) == (1, 2)
    assert (len(cut.source_codes), cut.source_code_count) == (1, 3)


@pytest.mark.parametrize("concept_id", [99, 2**40])
def test_an_unknown_concept_is_an_error_with_the_next_step(connection: Connection, concept_id: int) -> None:
    with pytest.raises(UnknownConcept, match=rf"no concept {concept_id} .*`oncolake vocab search`"):
        show(connection, concept_id)


def test_the_status_counts_every_vocabulary(connection: Connection) -> None:
    found = vocabulary_status(connection)
    by_id = {one.vocabulary_id: one for one in found.vocabularies}
    assert found.version == VERSION
    assert by_id["SNOMED"] == Vocabulary("SNOMED", "SNOMED vocabulary", "2025", 6, 4, 2)
    assert by_id["local"] == Vocabulary("local", "Ours", None, 15, 0, 0)
    assert (found.custom, found.placeholders, found.unfinished) == (15, (), False)
    assert found.tables["concept"] == Rows(15 + 15, True)
    assert found.tables["concept_relationship"] == Rows(12 + 15, True)
    assert list(found.tables) == [table.name for table in TABLES]


def test_long_tables_are_estimated_unless_asked(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ALWAYS_COUNTED", 10)
    with filled.connect() as connection:
        connection.execute(text("ANALYZE omop.concept_relationship, omop.concept_synonym"))
        connection.execute(
            text(
                "INSERT INTO omop.concept_relationship SELECT concept_id_2, concept_id_1,"
                " 'Is a', '1970-01-01', '2099-12-31', NULL FROM omop.concept_relationship"
                " WHERE concept_id_2 > 2000000000"
            )
        )
        connection.commit()
        about = vocabulary_status(connection).tables
        counted = vocabulary_status(connection, exact=True).tables
        connection.execute(text("DELETE FROM omop.concept_relationship WHERE concept_id_1 > 2000000000"))
        connection.commit()
    assert about["concept_relationship"] == Rows(27, False)
    assert about["concept_synonym"] == Rows(3, True)
    assert counted["concept_relationship"] == Rows(42, True)


def test_placeholders_and_an_unfinished_load_are_told(lake: Engine) -> None:
    with lake.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        connection.commit()
        found = vocabulary_status(connection)
    assert (44793131, "Total PSA level") in found.placeholders
    assert len(found.placeholders) > 100
    assert found.version is None
    assert found.unfinished
