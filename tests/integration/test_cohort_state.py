"""The digest by which a cohort that was run is told to be out of date: what changes it, and what does not."""

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from etl.cohorts.state import data_state
from etl.curation_files import curate_files
from etl.dicom.store import store
from etl.ingest import ingest
from etl.remap import remap
from etl.sample import sample
from etl.setup import CURATION_MAPPING, DEFAULT_MAPPING, initialise, prepare
from tests.bundles import small, write
from tests.conftest import engine_on, new_database
from tests.withdrawals import drop_patient
from vocabularies.athena.load import load
from vocabularies.concepts import HEADER
from vocabularies.custom.add import add_file

CASES = list(sample(30))
LOADED = CASES[:24]
CURATION = Path(str(files("mappings") / "curation" / "samples" / "motion_correction.json"))
#: A custom concept of the mapping.
CUSTOM = "SELECT min(concept_id) FROM omop.concept WHERE concept_id >= 2000000000"
DAYS = "1970-01-01,2099-12-31,"
Change = Callable[[Engine, Path], object]


@pytest.fixture(scope="module")
def loaded(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database whose cases and vocabulary the tests change, each in its own way."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        send(engine, tmp_path_factory.mktemp("cases"), *LOADED)
        yield engine


def state(engine: Engine) -> str:
    with engine.connect() as connection:
        return data_state(connection)


def send(engine: Engine, folder: Path, *documents: dict[str, Any]) -> None:
    file = folder / "sent.ndjson"
    file.write_text("\n".join(map(json.dumps, documents)))
    assert ingest(engine, prepare(engine), [file], "tests").loaded.whole


def value(engine: Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(query)).scalar_one()


def add(engine: Engine, folder: Path, *lines: str) -> None:
    file = folder / "given.csv"
    file.write_text("\n".join(lines))
    with engine.begin() as connection:
        add_file(connection, file)


def curate(engine: Engine, folder: Path, series: str) -> None:
    said = json.loads(CURATION.read_text())
    said["meta"]["source_series_uid"] = series
    file = folder / "run.json"
    file.write_text(json.dumps(said))
    curate_files(engine, prepare(engine, CURATION_MAPPING), [file], "tests")


def curate_one(engine: Engine, folder: Path) -> None:
    curate(engine, folder, value(engine, "SELECT min(series_instance_uid) FROM omop.radiology_image"))
    assert value(engine, "SELECT count(*) FROM omop.curation_run")


def scan(engine: Engine, folder: Path) -> None:
    header = {
        "PatientID": CASES[7]["patientID"],
        "StudyInstanceUID": "2.25.1",
        "SeriesInstanceUID": "2.25.2",
        "Modality": "MR",
    }
    store(engine, [header], "scan", "tests")
    assert value(engine, "SELECT count(*) FROM omop.radiology_image WHERE series_instance_uid = '2.25.2'")


def relate(engine: Engine, folder: Path) -> None:
    header = "concept_id_1,concept_id_2,relationship_id,valid_start_date,valid_end_date,invalid_reason"
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO omop.relationship VALUES ('Is a', 'Is a', '1', '1', 'Subsumes', 0),"
                " ('Subsumes', 'Subsumes', '1', '1', 'Is a', 0) ON CONFLICT DO NOTHING"
            )
        )
    add(engine, folder, header, f"{value(engine, CUSTOM)},0,Is a,{DAYS}")


def descend(engine: Engine, folder: Path) -> None:
    header = "ancestor_concept_id,descendant_concept_id,min_levels_of_separation,max_levels_of_separation"
    add(engine, folder, header, f"0,{value(engine, CUSTOM)},1,1")


def edited(engine: Engine, folder: Path, name: str, old: str, new: str) -> None:
    """Initialise with the mapping, of which a file says something else."""
    mapping = folder / "prostate"
    shutil.copytree(str(DEFAULT_MAPPING), mapping)
    content = mapping.joinpath(name).read_text()
    assert old in content
    mapping.joinpath(name).write_text(content.replace(old, new))
    initialise(engine, mapping)


CHANGES: dict[str, Change] = {
    "a new case": lambda engine, folder: send(engine, folder, CASES[25]),
    "a case replaced": lambda engine, folder: send(engine, folder, CASES[0] | {"site": "Elsewhere"}),
    "a withdrawal": lambda engine, _: drop_patient(engine, CASES[5]["patientID"]),
    "a remap": lambda engine, _: remap(engine, prepare(engine), every=True),
    "a curation": curate_one,
    "a scan": scan,
    "a custom concept": lambda engine, folder: add(
        engine, folder, ",".join(HEADER), f'2100000001,"Halo",Observation,SITE,Finding,,halo,{DAYS}'
    ),
    "a relationship": relate,
    "an ancestor": descend,
    "a synonym": lambda engine, folder: add(
        engine, folder, "concept_id,concept_synonym_name,language_concept_id", f"{value(engine, CUSTOM)},s,0"
    ),
    "a source code": lambda engine, folder: add(
        engine,
        folder,
        "source_code,source_concept_id,source_vocabulary_id,source_code_description,target_concept_id,"
        "target_vocabulary_id,valid_start_date,valid_end_date,invalid_reason",
        f"x,0,SITE,X,0,None,{DAYS}",
    ),
    "a concept that init brings up to date": lambda engine, folder: edited(
        engine, folder, "concepts.csv", "Questionnaire-PR25", "Questionnaire PR25"
    ),
    "a view": lambda engine, folder: edited(
        engine, folder, "research/lesion.yaml", "gleason1 + gleason2", "gleason1 + gleason2 + 0"
    ),
    "a vocabulary": lambda engine, folder: load(engine, write(folder / "bundle", small())),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_cohort_may_say_otherwise_changes_the_state(
    loaded: Engine, tmp_path: Path, change: str
) -> None:
    before = state(loaded)
    CHANGES[change](loaded, tmp_path)
    assert state(loaded) != before


def test_a_vocabulary_of_the_same_version_changes_the_state(lake: Engine, tmp_path: Path) -> None:
    bundle = small()
    load(lake, write(tmp_path / "first", bundle))
    before = state(lake)
    bundle["CONCEPT"][-1][1] = "bicalutamide 50 mg"
    load(lake, write(tmp_path / "second", bundle))
    assert state(lake) != before


def test_what_changes_nothing_leaves_the_state_as_it_is(lake: Engine, tmp_path: Path) -> None:
    send(lake, tmp_path, *LOADED)
    before = state(lake)
    send(lake, tmp_path, *LOADED)
    send(lake, tmp_path, LOADED[0])
    remap(lake, prepare(lake))
    initialise(lake)
    with lake.connect() as connection:
        connection.execute(text("SET datestyle = 'German, DMY'"))
        assert data_state(connection) == before


def test_a_curation_that_waits_for_its_series_leaves_the_state_as_it_is(
    loaded: Engine, tmp_path: Path
) -> None:
    prepare(loaded, CURATION_MAPPING)  # adds the concepts of its mapping
    before = state(loaded)
    curate(loaded, tmp_path, "2.25.404")
    assert value(loaded, "SELECT count(*) FROM lake.curations WHERE case_id IS NULL") == 1
    assert state(loaded) == before
