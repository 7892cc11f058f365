"""The cohorts of the nine use cases, against what plain Python tells from the case documents."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, text

from etl.cohorts.known import definitions, find_definition
from etl.cohorts.store import run
from etl.cohorts.values import settle
from etl.ingest import ingest
from etl.reader_role import make_reader
from etl.setup import DEFAULT_MAPPING, prepare
from tests.cohorts import Patient, expected, patients, spoiled
from tests.conftest import engine_on, new_database

_CASES = spoiled()
_PATIENTS = patients(_CASES)
_EXPECTED = expected(_PATIENTS)
_SHIPPED = definitions(DEFAULT_MAPPING)


@pytest.fixture(scope="module")
def loaded(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database with the spoiled cases, that the tests only add cohorts to."""
    file = tmp_path_factory.mktemp("cohorts") / "cases.ndjson"
    file.write_text("\n".join(map(json.dumps, _CASES)))
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        make_reader(engine)
        summary = ingest(engine, prepare(engine), [file], "tests")
        assert summary.stored == len(_CASES)
        yield engine


@pytest.fixture(scope="module")
def names(loaded: Engine) -> dict[int, str]:
    """The patient of each person."""
    with loaded.connect() as connection:
        rows = connection.execute(text("SELECT person_id, patient_id FROM lake.patients"))
        return {row[0]: row[1] for row in rows}


def test_all_nine_use_cases_are_shipped() -> None:
    assert {each.name for each in _SHIPPED} == {name.partition(":")[0] for name in _EXPECTED}
    assert {each.name[:3] for each in _SHIPPED} == {f"uc{number}" for number in range(1, 10)}


@pytest.mark.parametrize("name", _EXPECTED)
def test_every_step_keeps_the_patients_that_the_documents_tell(
    loaded: Engine, names: dict[int, str], name: str
) -> None:
    bare, _, setting = name.partition(":")
    definition = find_definition(DEFAULT_MAPPING, bare)
    ran = run(loaded, definition, settle(definition, filter(None, [setting])), "prostate")
    assert ran.name == name
    assert ran.drawn.as_reader
    found = [
        {names[person] for person, steps in ran.drawn.reached.items() if steps >= step}
        for step in range(1, len(definition.steps) + 1)
    ]
    assert found == _EXPECTED[name]
    assert {names[each.subject_id] for each in ran.drawn.periods} == _EXPECTED[name][-1]


def test_the_cases_are_such_that_every_step_leaves_somebody_out() -> None:
    kept_whole = {
        f"{name} {step}"
        for name, steps in _EXPECTED.items()
        for step, (before, after) in enumerate(zip([set(_PATIENTS), *steps], steps, strict=False))
        if before == after
    }
    # Every form serves use case 1, and the schema asks for the rest in each form of these cohorts.
    assert kept_whole == {"uc1 0", "uc1_controls 0", "uc4 1", "uc5 2", "uc7b 2", "uc8 1", "uc8 2", "uc9 2"}


@pytest.mark.parametrize(("name", "first"), [("uc1", "baseline"), ("uc5", "mri"), ("uc7a", "mri")])
def test_a_period_runs_from_baseline_or_treatment_to_the_last_date(
    loaded: Engine, names: dict[int, str], name: str, first: str
) -> None:
    definition = find_definition(DEFAULT_MAPPING, name)
    drawn = run(loaded, definition, settle(definition, []), "prostate").drawn
    with loaded.connect() as connection:
        query = "SELECT person_id, observation_period_end_date FROM omop.observation_period"
        last: dict[int, Any] = {row[0]: row[1] for row in connection.execute(text(query))}
    for period in drawn.periods:
        known: Patient = _PATIENTS[names[period.subject_id]]
        days = known.newest("imagingInfo", "daysAfterBaselineMRI") or 0 if first == "mri" else 0
        assert (period.start - date(2000, 1, 1)).days == days
        assert period.end == last[period.subject_id]


@pytest.mark.parametrize(
    ("name", "settings", "fewer"),
    [
        ("uc1_controls", ["min_days=500"], True),
        ("uc2", ["from_grade=5"], True),
        ("uc3", ["max_days=30"], True),
        ("uc3_comparators", ["above_psa=1000", "from_grade=5", "from_t=cT4"], True),
        ("uc4", ["specimen=Biopsy"], True),
        ("uc4", ["specimen=Prostatectomy"], True),
        ("uc5", ["min_days=1500"], True),
        ("uc6", ["min_days=1500"], True),
        ("uc8", ["min_records=4"], True),
        ("uc9", ["option=radiotherapy"], True),
        ("uc3", ["max_days=5000"], False),
        ("uc3_comparators", ["above_psa=5"], False),
    ],
)
def test_a_parameter_changes_who_is_in(loaded: Engine, name: str, settings: list[str], fewer: bool) -> None:
    definition = find_definition(DEFAULT_MAPPING, name)
    default = {
        each.subject_id for each in run(loaded, definition, settle(definition, []), "prostate").drawn.periods
    }
    drawn = run(loaded, definition, settle(definition, settings), "prostate").drawn
    other = {each.subject_id for each in drawn.periods}
    assert other and (other < default if fewer else default < other)


def test_the_treatment_options_add_up(loaded: Engine) -> None:
    definition = find_definition(DEFAULT_MAPPING, "uc9")
    members = {
        option: {
            each.subject_id
            for each in run(
                loaded, definition, settle(definition, [f"option={option}"]), "prostate"
            ).drawn.periods
        }
        for option in ("any", "prostatectomy", "radiotherapy", "surveillance")
    }
    assert members["any"] == members["prostatectomy"] | members["radiotherapy"] | members["surveillance"]
