"""The views of schema ``omop54``: what they show of rows of v6.0, and that queries use its indexes."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from etl.ingest import ingest
from etl.setup import DEFAULT_MAPPING, prepare
from omop_schema import omop54
from tests.bundles import small, write
from tests.conftest import engine_on, new_database
from vocabularies.athena.load import load as load_bundle

SAMPLES = DEFAULT_MAPPING.joinpath("samples")
_FILES = ("cases.ndjson", "figure-13.json")


@pytest.fixture(scope="module")
def database(server_url: str, template_database: str) -> Iterator[Engine]:
    """The shipped sample cases, once for the module; each test takes back what it wrote."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        ingest(engine, prepare(engine), [Path(str(SAMPLES.joinpath(one))) for one in _FILES], "me")
        yield engine


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def rows(connection: Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(statement), values)]


def one(connection: Connection, statement: str, **values: Any) -> Any:
    return connection.execute(text(statement), values).scalar_one()


@pytest.fixture
def person(connection: Connection) -> int:
    return one(connection, "SELECT min(person_id) FROM omop.person")


def test_every_row_of_the_data_is_there_once(connection: Connection) -> None:
    compared = [view for view in omop54.views() if view not in ("death", "condition_era")]
    assert len(compared) == 37
    for view in compared:
        both = f"SELECT (SELECT count(*) FROM omop54.{view}), (SELECT count(*) FROM {omop54.table(view)})"
        [(here, there)] = rows(connection, both)
        assert here == there, view
    assert one(connection, "SELECT count(*) FROM omop54.measurement") > 1000


def test_what_is_required_is_never_null_in_loaded_data(connection: Connection) -> None:
    for view, columns in omop54.views().items():
        missing = " + ".join(
            f'count(*) FILTER (WHERE "{one.name}" IS NULL)' for one in columns if one.required
        )
        assert one(connection, f"SELECT {missing} FROM omop54.{view}") == 0, view


def test_the_source_says_that_it_is_v54(connection: Connection) -> None:
    assert rows(
        connection,
        "SELECT cdm_source_name, cdm_source_abbreviation, cdm_version, cdm_version_concept_id, concept_name,"
        " vocabulary_version"
        " FROM omop54.cdm_source JOIN omop54.concept ON concept_id = cdm_version_concept_id",
    ) == [("Oncolake", "oncolake", "v5.4", 756265, "OMOP CDM Version 5.4.0", "Oncolake starter")]


def test_a_death_is_a_row_with_its_cause(connection: Connection, person: int) -> None:
    assert rows(connection, "SELECT * FROM omop54.death") == []
    connection.execute(
        text("UPDATE omop.person SET death_datetime = '2001-02-03 04:05' WHERE person_id = :person"),
        {"person": person},
    )
    told = (person, date(2001, 2, 3), datetime(2001, 2, 3, 4, 5), None)
    assert rows(connection, "SELECT * FROM omop54.death") == [(*told, None, None, None)]
    connection.execute(_CAUSE_OF_DEATH)
    cause = one(
        connection,
        "UPDATE omop.condition_occurrence"
        " SET condition_status_concept_id = 32891, condition_source_value = 'x'"
        " WHERE condition_occurrence_id = (SELECT min(condition_occurrence_id)"
        " FROM omop.condition_occurrence WHERE person_id = :person) RETURNING condition_concept_id",
        person=person,
    )
    assert rows(connection, "SELECT * FROM omop54.death") == [(*told, cause, "x", 0)]


#: A concept that the starter vocabulary does not have.
_CAUSE_OF_DEATH = text("""
    INSERT INTO omop.concept
    SELECT 32891, 'Cause of death', domain_id, vocabulary_id, concept_class_id, NULL, '32891',
           valid_start_date, valid_end_date, NULL
      FROM omop.concept WHERE concept_id = 0
""")


def test_a_release_without_a_date_has_the_same_one_every_day(connection: Connection) -> None:
    dates = "SELECT source_release_date, cdm_release_date FROM omop54.cdm_source"
    connection.execute(text("UPDATE omop.cdm_source SET cdm_release_date = '2001-02-03'"))
    assert rows(connection, dates) == [(date(2001, 2, 3),) * 2]
    connection.execute(text("UPDATE omop.cdm_source SET cdm_release_date = NULL"))
    assert rows(connection, dates) == [(date(1970, 1, 1),) * 2]


def test_a_modifier_is_of_the_row_that_v54_names(connection: Connection) -> None:
    found = rows(
        connection,
        "SELECT count(*), count(*) FILTER (WHERE modified.condition_occurrence_id IS NOT NULL)"
        "  FROM omop54.measurement LEFT JOIN omop54.condition_occurrence AS modified"
        "    ON modified.condition_occurrence_id = measurement_event_id"
        " WHERE meas_event_field_concept_id = 1147127",
    )
    assert found[0][0] == found[0][1] > 0


def test_nothing_recorded_is_null_and_not_mapped_is_0(connection: Connection) -> None:
    values = "SELECT discharged_to_concept_id, discharged_to_source_value FROM omop54.visit_occurrence"
    assert set(rows(connection, values)) == {(None, None)}
    connection.execute(text("UPDATE omop.visit_occurrence SET discharge_to_source_value = 'home'"))
    assert set(rows(connection, values)) == {(0, "home")}


#: Days from a person's first record of a condition to the start and end of each; and the eras they make.
ERAS = [
    ([(0, None)], [(0, 0, 1)]),
    ([(0, None), (30, None)], [(0, 30, 2)]),
    ([(0, None), (31, None)], [(0, 0, 1), (31, 31, 1)]),
    ([(0, 50), (10, 20), (80, None)], [(0, 80, 3)]),
    ([(0, 50), (10, 20), (81, None)], [(0, 50, 2), (81, 81, 1)]),
    ([(0, -5)], [(0, 0, 1)]),
    ([(0, 1), (0, 3), (34, 40)], [(0, 3, 2), (34, 40, 1)]),
]


@pytest.mark.parametrize(("occurrences", "eras"), ERAS)
def test_eras_join_what_follows_within_30_days(
    connection: Connection, person: int, occurrences: list[Any], eras: list[Any]
) -> None:
    connection.execute(
        text("DELETE FROM omop.condition_occurrence WHERE person_id = :person"), {"person": person}
    )
    for number, (start, end) in enumerate(occurrences):
        connection.execute(_ADD_CONDITION, {"id": 10 - number, "person": person, "start": start, "end": end})
    found = rows(
        connection,
        "SELECT condition_era_start_date - date '2000-01-01', condition_era_end_date - date '2000-01-01',"
        " condition_occurrence_count FROM omop54.condition_era WHERE person_id = :person ORDER BY 1",
        person=person,
    )
    assert found == eras


_ADD_CONDITION = text("""
    INSERT INTO omop.condition_occurrence (condition_occurrence_id, person_id, condition_concept_id,
        condition_start_datetime, condition_end_date, condition_type_concept_id, condition_status_concept_id,
        condition_source_concept_id)
    VALUES (:id, :person, 8507, timestamp '2000-01-01' + :start * interval '1 day',
        date '2000-01-01' + CAST(:end AS integer), 32809, 0, 0)
""")


def test_a_condition_without_a_concept_makes_no_era(connection: Connection) -> None:
    connection.execute(text("UPDATE omop.condition_occurrence SET condition_concept_id = 0"))
    assert rows(connection, "SELECT * FROM omop54.condition_era") == []


def test_the_id_of_an_era_leads_back_to_the_form(connection: Connection) -> None:
    era = one(connection, "SELECT max(condition_era_id) FROM omop54.condition_era")
    assert one(connection, "SELECT target FROM lake.lineage(:era)", era=era) == "condition_occurrence"


def test_a_text_too_long_for_v54_shows_that_it_was_cut(connection: Connection) -> None:
    connection.execute(
        text("INSERT INTO omop.location (location_id, country) VALUES (1, :long), (2, :fits)"),
        {"long": "é" * 81, "fits": "é" * 80},
    )
    found = rows(connection, "SELECT country_source_value FROM omop54.location ORDER BY location_id")
    assert found == [("é" * 79 + "…",), ("é" * 80,)]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM omop54.measurement WHERE person_id = 3", "ix_measurement_person_id"),
        ("SELECT * FROM omop54.measurement WHERE measurement_id = 3", "pk_measurement"),
        (
            "SELECT * FROM omop54.measurement WHERE measurement_concept_id = 8507",
            "ix_measurement_measurement_concept_id",
        ),
        (
            "SELECT * FROM omop54.measurement WHERE measurement_event_id = 3",
            "ix_measurement_modifier_of_event_id",
        ),
        ("SELECT * FROM omop54.note WHERE note_type_concept_id = 3", "ix_note_note_type_concept_id"),
        ("SELECT * FROM omop54.condition_era WHERE person_id = 3", "ix_condition_occurrence_person_id"),
        (
            "SELECT * FROM omop54.condition_era WHERE condition_concept_id = 3",
            "ix_condition_occurrence_condition_concept_id",
        ),
        ("SELECT * FROM omop54.death WHERE person_id = 3", "pk_person"),
        ("SELECT * FROM omop54.cohort WHERE cohort_definition_id = 3", "pk_cohort"),
        ("SELECT * FROM omop54.concept WHERE concept_id = 3", "pk_concept"),
        (
            "SELECT gender_concept_id FROM omop54.observation JOIN omop54.person USING (person_id)"
            " WHERE observation_id = 3",
            "pk_person",
        ),
    ],
)
def test_a_query_goes_by_the_index_below(connection: Connection, query: str, index: str) -> None:
    # The tables are small, and PostgreSQL would read them whole.
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    plan = "\n".join(row[0] for row in rows(connection, f"EXPLAIN {query}"))
    assert index in plan
    assert "Seq Scan" not in plan


def test_a_new_vocabulary_is_seen_through_views_that_kept_their_comments(lake: Engine, tmp_path: Any) -> None:
    with lake.begin() as connection:
        connection.execute(text("COMMENT ON COLUMN omop54.concept.concept_id IS 'it''s %I'"))
    load_bundle(lake, write(tmp_path, small()))
    with lake.connect() as connection:
        assert one(connection, "SELECT domain_id FROM omop54.concept WHERE concept_id = 8507") == "Gender"
        assert one(connection, "SELECT col_description('omop54.concept'::regclass, 1)") == "it's %I"
