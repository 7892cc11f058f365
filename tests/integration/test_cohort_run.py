"""Running a cohort: what it may read and write, which rows are a cohort, what stands in ``results`` then."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from etl.cohorts.definition import Definition, define
from etl.cohorts.draw import draw
from etl.cohorts.errors import CohortError
from etl.cohorts.known import find_run, listed
from etl.cohorts.store import Ran, run
from etl.cohorts.values import settle
from etl.ingest import ingest
from etl.reader_role import make_reader
from etl.sample import sample
from etl.setup import DEFAULT_MAPPING, prepare
from tests.conftest import engine_on, new_database
from tests.withdrawals import drop_patient

CASES = list(sample(24))
ROW = (
    "SELECT subject_id, DATE '2000-01-01' AS cohort_start_date,"
    " DATE '2000-12-31' AS cohort_end_date FROM kept"
)


def cohort(
    query: str, parameters: str = "", steps: str = "kept: All that are kept", name: str = "mine"
) -> Definition:
    said = f"parameters: {{{parameters}}}\n" if parameters else ""
    header = f"name: {name}\ntitle: Mine\ndescription: Mine\n{said}steps: {{{steps}}}\n"
    return define(f"/*\n{header}*/\n{query}", f"{name}.sql")


def kept(condition: str, **more: str) -> Definition:
    return cohort(
        f"WITH kept AS (SELECT person_id AS subject_id FROM omop.person WHERE {condition}) {ROW}", **more
    )


@pytest.fixture(scope="module")
def cases_file(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("cases") / "cases.ndjson"
    file.write_text("\n".join(map(json.dumps, CASES)))
    return file


@pytest.fixture(scope="module")
def loaded(server_url: str, template_database: str, cases_file: Any) -> Iterator[Engine]:
    """A database with some cases, that the tests only add cohorts to."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        make_reader(engine)
        assert ingest(engine, prepare(engine), [cases_file], "tests").stored == len(CASES)
        yield engine


@pytest.fixture
def ran(loaded: Engine) -> Callable[..., Ran]:
    def run_one(definition: Definition, *settings: str, timeout: float = 60) -> Ran:
        return run(loaded, definition, settle(definition, settings), "prostate", timeout)

    return run_one


def rows(engine: Engine, query: str, **values: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def test_its_rows_stand_in_results(ran: Callable[..., Ran], loaded: Engine) -> None:
    done = ran(kept("person_id <= 3", name="three"))
    assert done.drawn.as_reader
    found = rows(
        loaded, "SELECT * FROM results.cohort WHERE cohort_definition_id = :id", id=done.definition_id
    )
    assert [(row[1], str(row[2]), str(row[3])) for row in sorted(found)] == [
        (person, "2000-01-01", "2000-12-31") for person in (1, 2, 3)
    ]
    ((name, described, syntax, today),) = rows(
        loaded,
        "SELECT cohort_definition_name, cohort_definition_description, cohort_definition_syntax,"
        " cohort_initiation_date = current_date FROM results.cohort_definition"
        " WHERE cohort_definition_id = :id",
        id=done.definition_id,
    )
    assert (name, described, today) == ("three", "Mine. Mine", True)
    assert "WHERE person_id <= 3" in syntax


def test_running_again_replaces_its_rows_and_keeps_its_id(ran: Callable[..., Ran], loaded: Engine) -> None:
    first = ran(kept("person_id <= 5", name="again"))
    second = ran(kept("person_id BETWEEN 4 AND 7", name="again"))
    assert second.definition_id == first.definition_id
    query = "SELECT subject_id FROM results.cohort WHERE cohort_definition_id = :id ORDER BY 1"
    assert rows(loaded, query, id=first.definition_id) == [(4,), (5,), (6,), (7,)]
    query = "SELECT person_id, steps FROM results.cohort_step WHERE cohort_definition_id = :id ORDER BY 1"
    assert rows(loaded, query, id=first.definition_id) == [(4, 1), (5, 1), (6, 1), (7, 1)]


def test_each_set_of_parameters_is_a_cohort_of_its_own(ran: Callable[..., Ran], loaded: Engine) -> None:
    definition = kept(
        "person_id <= :least", parameters="least: {type: integer, default: 2, description: d}", name="n"
    )
    default, other = ran(definition), ran(definition, "least=4")
    assert (default.name, other.name) == ("n", "n:least=4")
    assert default.definition_id != other.definition_id
    assert (default.drawn.persons, other.drawn.persons) == (2, 4)
    assert ran(definition, "least=4").definition_id == other.definition_id
    with loaded.connect() as connection:
        assert find_run(connection, "n:least=4").parameters == {"least": "4"}
        assert find_run(connection, "n:least=4").definition == definition


def test_a_value_is_bound_and_never_read_as_sql(ran: Callable[..., Ran]) -> None:
    definition = kept(
        "location_id IS NULL AND :word = :word AND 'a%b' LIKE 'a%%'",
        parameters="word: {type: text, default: x, description: d}",
        name="bound",
    )
    assert ran(definition, "word='; DROP TABLE omop.person; -- %(x)s :y").drawn.persons > 20
    assert ran(definition).drawn.persons > 20


def test_it_may_read_all_schemas_that_hold_no_real_date(ran: Callable[..., Ran]) -> None:
    others = "(SELECT count(*) FROM research.patient) + (SELECT count(*) FROM results.cohort)"
    assert (
        ran(kept(f"{others} + (SELECT count(*) FROM omop54.person) > 0", name="schemas")).drawn.persons > 20
    )


def test_it_runs_out_of_time(ran: Callable[..., Ran]) -> None:
    with pytest.raises(CohortError, match=r"^mine\.sql: it took longer than allowed; .*--timeout$"):
        ran(kept("(SELECT count(*) FROM generate_series(1, 1e9)) > 0"), timeout=0.2)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (ROW.replace("kept", "kepd"), "say which schema 'kepd' is in"),
        (ROW.replace("subject_id,", "subject_idd,"), 'mine.sql:8: .* column "subject_idd" does not exist'),
        (
            ROW.replace("cohort_end_date", "cohort_stop"),
            "must be subject_id, cohort_start_date, cohort_end_date",
        ),
        (ROW.replace("subject_id,", "subject_id, 1 AS more,"), "the columns are subject_id, more, "),
        (ROW.replace("subject_id,", "subject_id::text AS subject_id,"), "subject_id is no integer; cast it"),
        (ROW.replace("DATE '2000-12-31'", "now()"), "cohort_end_date is no date; cast it: CAST"),
        (
            ROW.replace("subject_id,", "NULLIF(subject_id, 2) AS subject_id,"),
            "a row of the SELECT has a NULL",
        ),
        (ROW.replace("2000-12-31", "1999-12-31"), "cohort_end_date is before cohort_start_date"),
        (f"{ROW} UNION ALL {ROW}", "two rows of one subject overlap"),
        (
            f"{ROW} UNION ALL SELECT subject_id, DATE '2000-12-31', DATE '2001-12-31' FROM kept",
            "two rows of one subject overlap",
        ),
        (f"{ROW} WHERE subject_id < 3", "its persons are not those of its last step, 'kept'; take them"),
        (
            ROW.replace("'2000-12-31'", "'2000-31-12'"),
            "mine.sql:8: PostgreSQL refuses it: date/time field value",
        ),
        (f"{ROW} WHERE 1 / (subject_id - 2) = 0", "PostgreSQL refuses it: division by zero"),
    ],
)
def test_rows_that_are_no_cohort_are_refused_by_rule(
    ran: Callable[..., Ran], loaded: Engine, query: str, message: str
) -> None:
    before = rows(loaded, "SELECT count(*) FROM results.cohort")
    with pytest.raises(CohortError, match=message):
        ran(
            cohort(
                f"WITH kept AS (SELECT person_id AS subject_id FROM omop.person WHERE person_id < 4)\n{query}"
            )
        )
    assert rows(loaded, "SELECT count(*) FROM results.cohort") == before


def test_periods_of_a_subject_may_follow_each_other(ran: Callable[..., Ran]) -> None:
    later = "SELECT subject_id, DATE '2001-01-01', DATE '2001-12-31' FROM kept"
    query = "WITH kept AS (SELECT person_id AS subject_id FROM omop.person WHERE person_id < 4)"
    done = ran(cohort(f"{query} {ROW} UNION ALL {later}", name="periods"))
    assert (len(done.drawn.periods), done.drawn.persons) == (6, 3)


def test_a_subject_has_to_be_a_person(ran: Callable[..., Ran]) -> None:
    with pytest.raises(CohortError, match=r"a subject_id is no person of omop\.person"):
        ran(cohort(f"WITH kept AS (SELECT care_site_id + 1000000 AS subject_id FROM omop.care_site) {ROW}"))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("one: a, two: b", None),
        ("two: b, one: a", "step 'one' has persons that the step before does not keep"),
        ("one: a, three: c", "step 'three' has persons that the step before does not keep"),
        ("one: a, empty: d", "step 'empty' has a NULL subject_id"),
    ],
)
def test_each_step_keeps_some_of_the_one_before(
    ran: Callable[..., Ran], steps: str, message: str | None
) -> None:
    query = """WITH one AS (SELECT person_id AS subject_id FROM omop.person WHERE person_id < 9),
        two AS (SELECT * FROM one WHERE subject_id < 5),
        three AS (SELECT person_id AS subject_id FROM omop.person WHERE person_id BETWEEN 8 AND 9),
        empty AS (SELECT NULL::bigint AS subject_id) """
    definition = cohort(query + ROW.replace("kept", "two"), steps=steps, name="steps")
    if message is None:
        drawn = ran(definition).drawn
        assert sorted(drawn.reached.values()) == [1] * 4 + [2] * 4
    else:
        with pytest.raises(CohortError, match=message):
            ran(definition)


def test_nothing_is_written_while_it_is_drawn(loaded: Engine) -> None:
    """Also where the reader's role is not: then the transaction alone keeps it from writing."""
    definition = kept("person_id < 3")
    with pytest.raises(DBAPIError) as raised, loaded.begin() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text("DELETE FROM results.cohort"))
    assert raised.value.orig.pgcode == "25006"
    assert draw(loaded, definition, {}).persons == 2


def test_cohorts_of_other_tools_stay_as_they_are(ran: Callable[..., Ran], loaded: Engine) -> None:
    with loaded.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO results.cohort_definition (cohort_definition_id, cohort_definition_name,"
                " definition_type_concept_id, subject_concept_id) VALUES (900, 'theirs', 0, 0);"
                " INSERT INTO results.cohort VALUES (900, 1, '2000-01-01', '2000-01-02')"
            )
        )
    assert ran(kept("person_id < 3", name="theirs")).definition_id > 900
    assert rows(loaded, "SELECT count(*) FROM results.cohort WHERE cohort_definition_id = 900") == [(1,)]
    with loaded.connect() as connection:
        assert find_run(connection, "theirs").definition_id != 900


def test_every_file_and_every_run_is_listed(ran: Callable[..., Ran], loaded: Engine) -> None:
    ran(kept("person_id < 3", name="listed"))
    with loaded.connect() as connection:
        found = {each.name: each for each in listed(DEFAULT_MAPPING, connection)}
    assert found["listed"].run is not None
    assert found["listed"].run.persons == 2
    assert found["uc2"].run is None
    assert found["uc2"].parameters == {"group": "significant", "from_grade": "2"}


@pytest.mark.parametrize("word", ["a/*b", "*/ a", "-- /* x */", ":word is 'b'", "a=b,word=c"])
def test_whatever_a_value_is_file_and_values_come_back(
    ran: Callable[..., Ran], loaded: Engine, word: str
) -> None:
    definition = kept(
        "person_id = :least AND :word <> ''",
        parameters="least: {type: integer, default: 1, description: d},"
        " word: {type: text, default: x, description: d}",
        name="words",
    )
    done = ran(definition, f"word={word}")
    with loaded.connect() as connection:
        found = find_run(connection, done.name)
        assert found.definition == definition
        assert found.parameters == {"least": "1", "word": word}
        assert {each.problem for each in listed(DEFAULT_MAPPING, connection)} == {None}


def test_a_definition_that_is_refused_now_stands_in_no_other_cohorts_way(
    ran: Callable[..., Ran], loaded: Engine
) -> None:
    done, other = ran(kept("person_id < 3", name="former")), ran(kept("person_id < 3", name="latter"))
    change = (
        "UPDATE results.cohort_definition SET cohort_definition_syntax = %s WHERE cohort_definition_id = %s"
    )
    with loaded.begin() as connection:
        connection.exec_driver_sql(change, ("-- former\n/* name: former */ SELECT 1", done.definition_id))
    with loaded.connect() as connection:
        found = {each.name: each for each in listed(DEFAULT_MAPPING, connection)}
        assert found["former"].run and found["former"].run.persons == 2
        assert "cohort 'former', as it was run, is refused now: former.sql:1: " in str(
            found["former"].problem
        )
        assert find_run(connection, "latter").definition_id == other.definition_id
        with pytest.raises(
            CohortError, match=r"^cohort 'former', as it was run, is refused now: former\.sql:1"
        ):
            find_run(connection, "former")
    assert ran(kept("person_id < 3", name="former")).definition_id == done.definition_id


def test_what_was_not_run_is_told_with_the_command_that_does(loaded: Engine) -> None:
    with loaded.connect() as connection:
        with pytest.raises(CohortError, match=r"`oncolake cohort run uc2 --set from_grade=3`$"):
            find_run(connection, "uc2:from_grade=3")
        with pytest.raises(CohortError, match=r"run mine --set 'word=a b,c' --set least=2`$"):
            find_run(connection, "mine:word=a b,c,least=2")


def test_a_withdrawn_patient_leaves_every_cohort_at_once(lake: Engine, cases_file: Any) -> None:
    make_reader(lake)
    ingest(lake, prepare(lake), [cases_file], "tests")
    definition = kept("true", steps="kept: all", name="all_of_them")
    done = run(lake, definition, {}, "prostate")
    patient = CASES[3]["patientID"]
    ((person,),) = rows(
        lake, "SELECT person_id FROM lake.patients WHERE patient_id = :patient", patient=patient
    )
    with lake.connect() as connection:
        assert find_run(connection, "all_of_them").is_current
    drop_patient(lake, patient)
    for table, column in (("cohort", "subject_id"), ("cohort_step", "person_id")):
        left = {row[0] for row in rows(lake, f"SELECT {column} FROM results.{table}")}
        assert left == set(done.drawn.reached) - {person}
    with lake.connect() as connection:
        found = find_run(connection, "all_of_them")
    assert (found.persons, found.is_current) == (done.drawn.persons - 1, False)


def test_a_change_of_the_data_is_told(lake: Engine, cases_file: Any, tmp_path: Any) -> None:
    make_reader(lake)
    ingest(lake, prepare(lake), [cases_file], "tests")
    run(lake, kept("true", name="then"), {}, "prostate")
    more = tmp_path / "more.json"
    more.write_text(json.dumps(CASES[0] | {"site": "Elsewhere"}))
    with lake.connect() as connection:
        assert find_run(connection, "then").is_current
    ingest(lake, prepare(lake), [more], "tests")
    with lake.connect() as connection:
        assert not find_run(connection, "then").is_current
    run(lake, kept("true", name="then"), {}, "prostate")
    with lake.connect() as connection:
        assert find_run(connection, "then").is_current


def test_a_cohort_of_others_is_not_told_to_be_current(ran: Callable[..., Ran], loaded: Engine) -> None:
    ran(kept("person_id IN (SELECT subject_id FROM results.cohort)", name="of_others"))
    ran(kept("person_id < 3", name="of_none"))
    with loaded.connect() as connection:
        assert find_run(connection, "of_others").is_current is None
        assert find_run(connection, "of_none").is_current


def test_a_word_is_no_cohort_that_is_read(ran: Callable[..., Ran], loaded: Engine) -> None:
    said = kept("person_id < 3 AND 'results.cohort' <> '' /* results.cohort */", name="of_words")
    ran(define(said.text.replace("description: ", "description: Of PSA results. "), said.file))
    with loaded.connect() as connection:
        assert find_run(connection, "of_words").is_current


def test_a_patient_withdrawn_while_it_runs_is_not_left_behind(
    lake: Engine, cases_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_reader(lake)
    ingest(lake, prepare(lake), [cases_file], "tests")

    def draw_then_withdraw(*arguments: Any) -> Any:
        drawn = draw(*arguments)
        drop_patient(lake, CASES[3]["patientID"])
        return drawn

    monkeypatch.setattr("etl.cohorts.store.draw", draw_then_withdraw)
    with pytest.raises(CohortError, match="if a patient was withdrawn meanwhile, run it again"):
        run(lake, kept("true"), {}, "prostate")
    assert rows(lake, "SELECT count(*) FROM results.cohort") == [(0,)]
