"""Quality checks on real tables: clean data passes, each kind of bad data is named with the rows at fault."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from etl.explain import explain, explain_person
from etl.quality.check import Check, Plain, Rows, plain_rows
from etl.quality.expectations import document
from etl.quality.generate import checks_of
from etl.quality.result import Report
from etl.quality.run import run
from etl.quality.thresholds import Thresholds
from etl.setup import DEFAULT_MAPPING
from omop_schema.database import DatabaseUnavailable, translated
from tests.conftest import engine_on, new_database
from tests.quality import change, check, fill, result


@pytest.fixture(scope="module")
def filled(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a database with sample cases and curations; tests that change it clone it."""
    with new_database(server_url, template_database) as url:
        with engine_on(url) as engine:
            fill(engine, tmp_path_factory.mktemp("filled"))
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))
        yield url


@pytest.fixture
def spoiled(server_url: str, filled: str) -> Iterator[Engine]:
    """A clone of it."""
    with new_database(server_url, str(make_url(filled).database)) as url, engine_on(url) as engine:
        yield engine


@pytest.fixture(scope="module")
def clean(filled: str) -> Report:
    with engine_on(filled) as engine:
        return check(engine)


def test_clean_data_passes(clean: Report) -> None:
    assert [(one.check.id, one.violated, one.among) for one in clean.failed] == []
    assert clean.counted("passed") > 1500


def test_what_is_empty_is_neither_right_nor_wrong(clean: Report) -> None:
    drugs = [one for one in clean.results if one.check.table == "drug_exposure"]
    told = {one.check.name for one in drugs if one.status != "not applicable"}
    assert told == {"cdmTable", "cdmField", "cdmDatatype", "measurePersonCompleteness"}
    assert {one.reason for one in drugs if one.status == "not applicable"} == {
        "Table drug_exposure is empty."
    }
    unset = result(clean, "field_isforeignkey_measurement_provider_id")
    assert (unset.status, unset.reason) == (
        "not applicable",
        "Column measurement.provider_id holds no value.",
    )


def test_every_table_with_rows_is_checked(clean: Report) -> None:
    checked = {one.check.table for one in clean.results if one.among > 1}
    assert {"person", "measurement", "episode_event", "radiology_image", "image_feature"} <= checked
    assert {"curation_run", "registration_level", "observation_period", "care_site"} <= checked


class Planted(NamedTuple):
    """A kind of bad data: what puts it there, and the check that must name it."""

    kind: str
    check: str
    statements: tuple[str, ...]
    rows: str
    """A query for the rows at fault, asked before."""


NO_VIEWS = tuple(f"DROP SCHEMA {one} CASCADE" for one in ("research", "omop54"))
PSA = "measurement_concept_id = 44793131"
FIRST = "(SELECT min(measurement_id) FROM omop.measurement WHERE measurement_concept_id = 44793131)"

FIRST_FEATURE = "image_feature_id = (SELECT min(image_feature_id) FROM omop.image_feature)"
UNIT = "field_standardconceptrecordcompleteness_measurement_unit_concept_id"


def update(table: str, setting: str, where: str) -> str:
    return f"UPDATE omop.{table} SET {setting} WHERE {where}"


def ids(table: str, where: str, key: str = "") -> str:
    key = key or f"{table}_id"
    return f"SELECT DISTINCT {key} FROM omop.{table} WHERE {where}"


def of_measurement(kind: str, wanted: str, setting: str, where: str, *before: str) -> Planted:
    return Planted(kind, wanted, (*before, update("measurement", setting, where)), ids("measurement", where))


PLANTED = (
    of_measurement(
        "a required value is missing",
        "field_isrequired_measurement_measurement_concept_id",
        "measurement_concept_id = NULL",
        f"measurement_id = {FIRST}",
        "ALTER TABLE omop.measurement ALTER measurement_concept_id DROP NOT NULL",
    ),
    Planted(
        "two rows have one key",
        "field_isprimarykey_note_note_id",
        (
            "ALTER TABLE omop.note DROP CONSTRAINT pk_note CASCADE",
            "INSERT INTO omop.note SELECT * FROM omop.note ORDER BY note_id LIMIT 3",
        ),
        "(SELECT note_id FROM omop.note ORDER BY note_id LIMIT 3)",
    ),
    of_measurement(
        "a visit that is nowhere",
        "field_isforeignkey_measurement_visit_occurrence_id",
        "visit_occurrence_id = 77",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "a concept that is nowhere",
        "field_isforeignkey_measurement_unit_concept_id",
        "unit_concept_id = 77",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "a concept of another domain",
        "field_fkdomain_measurement_measurement_concept_id",
        "measurement_concept_id = 4254766",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "a concept that is deprecated",
        "field_isstandardvalidconcept_measurement_measurement_concept_id",
        "measurement_concept_id = 2000000004",
        "measurement_concept_id = 2000000004",
        "UPDATE omop.concept SET invalid_reason = 'D' WHERE concept_id = 2000000004",
    ),
    of_measurement(
        "many values without a concept",
        "field_standardconceptrecordcompleteness_measurement_measurement_concept_id",
        "measurement_concept_id = 0",
        PSA,
    ),
    Planted(
        "source values without a concept",
        "field_sourcevaluecompleteness_observation_observation_source_value",
        (update("observation", "observation_concept_id = 0", "observation_source_value LIKE 'EORTC%'"),),
        "SELECT min(observation_id) FROM omop.observation WHERE observation_source_value LIKE 'EORTC%'"
        " GROUP BY observation_source_value",
    ),
    of_measurement(
        "PSA values beyond all that is known",
        "concept_plausiblevaluehigh_measurement_value_as_number_44793131_8842",
        "value_as_number = 123456",
        f"{PSA} AND measurement_id % 5 = 0",
    ),
    *(
        of_measurement(
            f"one PSA value beyond all that is known, {kind}",
            "concept_plausiblevaluehigh_measurement_value_as_number_44793131_8842",
            setting,
            f"measurement_id = {FIRST}",
        )
        for kind, setting in (
            ("in its unit", "value_as_number = 10001"),
            ("without a unit", "value_as_number = 10001, unit_concept_id = NULL"),
            ("with unit 0", "value_as_number = 10001, unit_concept_id = 0"),
            ("which is no number", "value_as_number = 'NaN'"),
            ("which is infinite", "value_as_number = 'Infinity'"),
        )
    ),
    of_measurement(
        "many PSA values as only the last weeks of life have them",
        "concept_extraordinaryvalue_measurement_value_as_number_44793131_8842",
        "value_as_number = 6000",
        f"{PSA} AND measurement_id % 5 = 0",
    ),
    of_measurement(
        "one negative PSA value",
        "concept_plausiblevaluelow_measurement_value_as_number_44793131_8842",
        "value_as_number = -1",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "one Gleason pattern above 5",
        "concept_plausiblevaluehigh_measurement_value_as_number_4293445",
        "value_as_number = 9",
        "measurement_id = (SELECT min(measurement_id) FROM omop.measurement"
        " WHERE measurement_concept_id = 4293445)",
    ),
    Planted(
        "a feature of an image that is no number",
        "field_plausiblevaluehigh_image_feature_value_as_number",
        (update("image_feature", "value_as_number = 'NaN'", FIRST_FEATURE),),
        ids("image_feature", FIRST_FEATURE),
    ),
    Planted(
        "a man who was born two hundred years ago",
        "field_plausiblevaluelow_person_year_of_birth",
        (update("person", "year_of_birth = 1800", "person_id = 10"),),
        ids("person", "person_id = 10"),
    ),
    of_measurement(
        "PSA values in another unit",
        "concept_plausibleunitconceptids_measurement_unit_concept_id_44793131",
        "unit_concept_id = 8554",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "PSA values without a unit",
        "concept_unitrequired_measurement_unit_concept_id_44793131",
        "unit_concept_id = NULL",
        f"measurement_id = {FIRST}",
    ),
    *(
        of_measurement(
            f"one PSA value with unit 0, {kind}",
            check,
            "unit_concept_id = 0",
            f"measurement_id = {FIRST}",
        )
        for kind, check in (
            ("which is none", "concept_unitrequired_measurement_unit_concept_id_44793131"),
            ("though units are always given", UNIT),
        )
    ),
    of_measurement(
        "an answer that the value map does not know",
        "concept_valueofmapping_measurement_value_as_concept_id_4135405",
        "value_as_concept_id = 8507",
        "measurement_concept_id = 4135405 AND measurement_id % 7 = 0",
    ),
    Planted(
        "a woman with cancer of the prostate",
        "concept_plausiblegender_condition_occurrence_condition_concept_id_4161028",
        (update("person", "gender_concept_id = 8532", "person_id < 20"),),
        ids("condition_occurrence", "person_id < 20 AND condition_concept_id = 4161028"),
    ),
    of_measurement(
        "an examination before birth",
        "field_plausibleafterbirth_measurement_measurement_date",
        "measurement_date = '1850-01-01'",
        f"measurement_id = {FIRST}",
    ),
    Planted(
        "an examination long after death",
        "field_plausiblebeforedeath_measurement_measurement_date",
        (update("person", "death_datetime = '1995-01-01'", "person_id = 1"),),
        ids("measurement", "person_id = 1"),
    ),
    Planted(
        "a visit that ends before it begins",
        "field_plausiblestartbeforeend_visit_occurrence_visit_start_date",
        (update("visit_occurrence", "visit_end_date = visit_start_date - 3", "person_id = 2"),),
        ids("visit_occurrence", "person_id = 2"),
    ),
    of_measurement(
        "a measurement months after its visit",
        "field_withinvisitdates_measurement_measurement_date",
        "measurement_date = measurement_date + 90",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "a date in no observation period",
        "field_withinobservationperiod_measurement_measurement_datetime",
        "measurement_datetime = '2019-01-01'",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "one date in the future",
        "field_plausiblevaluehigh_measurement_measurement_date",
        "measurement_date = current_date + 400",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "two columns that tell different days",
        "field_datesagree_measurement_measurement_date",
        "measurement_date = measurement_date - 1",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "another patient's visit",
        "field_visitofperson_measurement_visit_occurrence_id",
        "visit_occurrence_id = (SELECT max(visit_occurrence_id) FROM omop.visit_occurrence)",
        f"measurement_id = {FIRST}",
    ),
    of_measurement(
        "a modifier of nothing",
        "field_linkresolves_measurement_modifier_of_event_id",
        "modifier_of_event_id = 77",
        "modifier_of_event_id IS NOT NULL AND measurement_id % 9 = 0",
    ),
    Planted(
        "an event of an episode that is another patient's",
        "field_linkresolves_episode_event_event_id",
        (
            "DELETE FROM omop.episode_event",
            "INSERT INTO omop.episode_event SELECT (SELECT min(episode_id) FROM omop.episode),"
            " max(condition_occurrence_id), 1147127 FROM omop.condition_occurrence",
        ),
        "SELECT min(episode_id) FROM omop.episode",
    ),
    Planted(
        "a series of a study that is another patient's",
        "field_linkresolves_radiology_image_radiology_occurrence_id",
        (
            update(
                "radiology_image",
                "radiology_occurrence_id = (SELECT max(o.radiology_occurrence_id)"
                " FROM omop.radiology_occurrence AS o)",
                "image_id = (SELECT min(image_id) FROM omop.radiology_image)",
            ),
        ),
        "SELECT min(image_id) FROM omop.radiology_image",
    ),
    Planted(
        "a feature of a series that is not there",
        "field_isforeignkey_image_feature_series_instance_uid",
        (update("image_feature", "series_instance_uid = '1.2.3'", "segment_number = 1"),),
        ids("image_feature", "segment_number = 1"),
    ),
    Planted(
        "rows that no case made",
        "field_rowlineage_observation_observation_id",
        (
            update(
                "observation", "observation_id = observation_id + (CAST(1 AS bigint) << 52)", "person_id = 3"
            ),
        ),
        "SELECT observation_id + (CAST(1 AS bigint) << 52) FROM omop.observation WHERE person_id = 3",
    ),
    Planted(
        "a second baseline visit",
        "table_onebaselinevisit_visit_occurrence_prostate",
        (
            update(
                "visit_occurrence",
                "visit_concept_id = 2000000007",
                "person_id = 4 AND visit_concept_id <> 2000000007",
            ),
        ),
        "SELECT 4",
    ),
    Planted(
        "no baseline visit",
        "table_onebaselinevisit_visit_occurrence_prostate",
        (update("visit_occurrence", "visit_concept_id = 2000000010", "person_id = 5"),),
        "SELECT 5",
    ),
    Planted(
        "a form that no note tells",
        "table_usecasenote_note_prostate",
        ("DELETE FROM omop.note WHERE person_id = 6 AND note_title = 'useCaseType'",),
        "SELECT 6",
    ),
    Planted(
        "overlapping observation periods",
        "table_measureobservationperiodoverlap_observation_period",
        (
            "INSERT INTO omop.observation_period SELECT 1000000 + person_id, person_id,"
            " observation_period_end_date, observation_period_end_date + 9, period_type_concept_id"
            " FROM omop.observation_period WHERE person_id = 7",
        ),
        "SELECT 7",
    ),
    Planted(
        "a person without an observation period",
        "table_measurepersoncompleteness_observation_period",
        ("DELETE FROM omop.observation_period WHERE person_id = 8",),
        "SELECT 8",
    ),
    Planted(
        "one patient twice",
        "field_uniquesourcevalue_person_person_source_value",
        (
            update(
                "person",
                "person_source_value = (SELECT person_source_value FROM omop.person WHERE person_id = 9)",
                "person_id = 10",
            ),
        ),
        "SELECT person_id FROM omop.person WHERE person_id IN (9, 10)",
    ),
)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: one.kind)
def test_bad_data_is_named_with_its_rows(spoiled: Engine, clean: Report, planted: Planted) -> None:
    assert result(clean, planted.check).status in {"passed", "not applicable"}
    with spoiled.connect() as connection:
        wanted = set(connection.execute(text(planted.rows)).scalars())
    assert wanted
    change(spoiled, *planted.statements)
    report = check(spoiled, {result(clean, planted.check).check.table}, ids=10_000)
    found = result(report, planted.check)
    assert found.status == "failed"
    assert set(found.ids) == wanted
    assert found in report.failed


def test_at_least_twenty_kinds_are_planted() -> None:
    assert len({one.check for one in PLANTED}) >= 20


def test_a_failing_row_leads_to_the_form(spoiled: Engine) -> None:
    change(spoiled, update("measurement", "value_as_number = -1", PSA))
    wrong = "concept_plausiblevaluelow_measurement_value_as_number_44793131_8842"
    found = result(check(spoiled, {"measurement"}), wrong)
    assert found.explained == f"oncolake explain measurement {found.ids[0]}"
    assert len(found.ids) == 20
    with spoiled.connect() as connection:
        origin = explain(connection, "measurement", int(found.ids[0]))
        assert origin.paths[0].endswith(".totalPSAvalue")
        assert explain_person(connection, 1)


def test_a_missing_column_or_table_fails_and_silences_its_other_checks(spoiled: Engine) -> None:
    change(
        spoiled,
        *NO_VIEWS,
        "DROP TABLE omop.specimen CASCADE",
        "ALTER TABLE omop.measurement DROP COLUMN measurement_time CASCADE",
        "ALTER TABLE omop.measurement ALTER value_source_value TYPE text",
    )
    report = check(spoiled)
    assert {one.check.id for one in report.failed} == {
        "table_cdmtable_specimen",
        "field_cdmfield_measurement_measurement_time",
        "field_cdmdatatype_measurement_value_source_value",
    }
    silent = result(report, "field_isrequired_specimen_person_id")
    assert (silent.status, silent.reason) == ("not applicable", "Table specimen does not exist.")


def test_a_check_that_cannot_be_counted_is_an_error_and_stops_no_other(spoiled: Engine) -> None:
    change(spoiled, *NO_VIEWS, "ALTER TABLE omop.measurement ALTER measurement_date TYPE text USING 'secret'")
    report = check(spoiled, {"measurement"})
    errors = {one.check.column for one in report.results if one.status == "error"}
    assert errors == {"measurement_date"}
    assert all("secret" not in (one.reason or "") for one in report.results)
    assert result(report, "field_cdmdatatype_measurement_measurement_date").status == "failed"
    assert result(report, "field_isprimarykey_measurement_measurement_id").status == "passed"


def test_a_statement_that_takes_too_long_is_an_error(filled: str) -> None:
    slow = Check("isRequired", "FIELD", "care_site", Rows("pg_sleep(5) IS NULL"), "the test", "care_site_id")
    quick = Check("isRequired", "FIELD", "cdm_source", Rows("FALSE"), "the test", "cdm_holder")
    with engine_on(filled) as engine:
        report = run(engine, (slow, quick), Thresholds(), timeout=1)
    assert [one.status for one in report.results] == ["error", "passed"]
    assert [one.reason for one in report.failed] == ["it took too long; give it more time with --timeout"]


def test_a_server_that_goes_away_is_no_error_of_a_check(spoiled: Engine) -> None:
    def end(_place: int, _of: int) -> None:
        with spoiled.connect() as other:
            other.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

    with pytest.raises(DatabaseUnavailable), translated():
        check(spoiled, {"person"}, progress=end)


def test_what_is_written_meanwhile_is_not_seen(spoiled: Engine) -> None:
    done: list[int] = []

    def spoil(place: int, _of: int) -> None:
        if not done:
            change(spoiled, update("measurement", "value_as_number = -1, unit_concept_id = NULL", PSA))
        done.append(place)

    assert check(spoiled, {"measurement"}, progress=spoil).failed == ()
    assert done[-1] == len(done) > 5
    assert check(spoiled, {"measurement"}).failed


def test_nothing_is_written(spoiled: Engine) -> None:
    change(spoiled, f"ALTER DATABASE {make_url(spoiled.url).database} SET default_transaction_read_only = on")
    spoiled.dispose()
    assert check(spoiled, {"person"}).failed == ()


def test_great_expectations_comes_to_the_same_verdicts(spoiled: Engine, tmp_path: Path) -> None:
    tables = {"person", "visit_occurrence", "observation_period", "note", "episode_event"}
    change(
        spoiled,
        *NO_VIEWS,
        "ALTER TABLE omop.note DROP CONSTRAINT pk_note CASCADE",
        "ALTER TABLE omop.note ALTER note_class_concept_id DROP NOT NULL",
        "INSERT INTO omop.note SELECT * FROM omop.note LIMIT 1",
        update("note", "note_class_concept_id = NULL", "person_id = 3"),
        update("person", "year_of_birth = 1800, gender_concept_id = 8532", "person_id < 60"),
        update("visit_occurrence", "visit_end_date = visit_start_date - 3", "person_id = 2"),
        update("visit_occurrence", "visit_concept_id = 77", "person_id = 12"),
        "ALTER TABLE omop.person ALTER person_source_value TYPE text",
        "DELETE FROM omop.observation_period WHERE person_id = 8",
    )
    report = check(spoiled, tables)
    ours = {one.check.id: one.status == "passed" for one in report.results}
    verdicts = document(spoiled, report, tmp_path)
    assert [one for one in verdicts if one.passed != ours[one.check] or one.error] == []
    failed = {one.check for one in verdicts if not one.passed}
    assert failed == {one.check.id for one in report.failed}
    assert len({one.split("_")[1] for one in failed}) > 6
    assert len(verdicts) > 200


@pytest.mark.parametrize(("wrong", "status"), [(57, "passed"), (58, "failed")])
def test_both_verdicts_are_the_same_at_the_threshold(
    spoiled: Engine, tmp_path: Path, wrong: int, status: str
) -> None:
    change(
        spoiled,
        "DELETE FROM omop.note WHERE note_id NOT IN (SELECT note_id FROM omop.note ORDER BY 1 LIMIT 100)",
        f"UPDATE omop.note SET note_title = NULL WHERE note_id IN"
        f" (SELECT note_id FROM omop.note ORDER BY 1 LIMIT {wrong})",
    )
    one = Check(
        "isRequired", "FIELD", "note", plain_rows("note_title", Plain(required=True)), "x", "note_title"
    )
    report = run(spoiled, (one,), Thresholds(defaults={"isRequired": 57}))
    assert [(each.status, each.violated, each.among) for each in report.results] == [(status, wrong, 100)]
    assert [each.passed for each in document(spoiled, report, tmp_path)] == [status == "passed"]


def test_great_expectations_takes_a_number_without_a_unit_for_one_in_the_only_unit(
    spoiled: Engine, tmp_path: Path
) -> None:
    wanted = ("plausibleValueLow", "plausibleValueHigh", "unitRequired")
    every = checks_of(spoiled, DEFAULT_MAPPING)
    chosen = [one for one in every if one.concept == 44793131 and one.name in wanted]
    for unit in ("NULL", "0"):
        change(
            spoiled, update("measurement", f"value_as_number = 20000, unit_concept_id = {unit}",
                            f"measurement_id = {FIRST}"),
        )  # fmt: skip
        report = run(spoiled, chosen, Thresholds())
        verdicts = document(spoiled, report, tmp_path / unit)
        assert {one.check: one.passed for one in verdicts} == {
            "concept_plausiblevaluelow_measurement_value_as_number_44793131_8842": True,
            "concept_plausiblevaluehigh_measurement_value_as_number_44793131_8842": False,
            "concept_unitrequired_measurement_unit_concept_id_44793131": False,
        }
        assert {one.check.id for one in report.failed} == {one.check for one in verdicts if not one.passed}
