"""Setting up: which mapping is refused, what is written when, and what the database says about itself."""

import csv
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text

from etl.coverage import coverage
from etl.ingest import ingest
from etl.mapping.check import check
from etl.mapping.findings import Finding, MappingError
from etl.setup import DEFAULT_MAPPING, initialise, prepare, preview, vocabulary
from etl.status import outdated, status
from omop_schema import LAKE, OMOP
from tests import mini
from tests.mini import GRADES, MAPPING, SCHEMA, SECTION
from vocabularies.concepts import CONCEPTS, HEADER
from vocabularies.starter import StarterError

SAMPLES = Path(str(files("mappings") / "prostate" / "samples"))
FIGURE_13, OTHERS = SAMPLES / "figure-13.json", SAMPLES / "cases.ndjson"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiny mapping, with placeholders for all of its concepts."""
    mini.write(tmp_path)
    rows = [(one.concept_id, one.concept_name, one.domain_id) for one in mini.CONCEPTS.values()]
    with tmp_path.joinpath(CONCEPTS).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows((*row, *("",) * 7) for row in rows if row[0] != 0)
    return tmp_path


def every(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def findings(engine: Engine, folder: Path) -> list[Finding]:
    with engine.connect() as connection:
        return check(folder, vocabulary(folder, connection)).findings


def written(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """What setting up writes."""
    tables = (
        "lake.rules",
        "lake.plan_rules",
        "omop.concept",
        "omop.source_to_concept_map",
        "omop.cdm_source",
    )
    return {name: every(engine, f"SELECT r::text FROM {name} AS r ORDER BY 1") for name in tables}


def add_map(folder: Path, name: str, target: str) -> None:
    header = mini.FILES[GRADES].partition("\n")[0]
    folder.joinpath("value_maps", f"{name}.csv").write_text(f"{header}\na,A,{target}\n")


WRONG: dict[str, Callable[[Path], object]] = {
    "unknown-path": lambda folder: mini.change(folder, SECTION, "number: count", "number: cuont"),
    "unmapped-path": lambda folder: mini.change(folder, MAPPING, "  text: not needed here\n", ""),
    "wrong-domain": lambda folder: mini.change(folder, SECTION, "40 Scan", "50 Finding"),
    "unknown-concept": lambda folder: add_map(folder, "other", "99999,Nothing"),
    "other-name": lambda folder: add_map(folder, "other", "70,Lo"),
    "long-map-name": lambda folder: add_map(folder, "o" * 16, "70,Low"),
    "bad-schema": lambda folder: mini.change(folder, SCHEMA, '"type": "integer"}', '"type": "int"}'),
    "long-key": lambda folder: mini.change(folder, SCHEMA, ', "maxLength": 20}', "}"),
    "unreadable": lambda folder: folder.joinpath(CONCEPTS).unlink(),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_the_checker_refuses_is_refused_before_anything_is_written(
    engine: Engine, folder: Path, kind: str
) -> None:
    WRONG[kind](folder)
    with pytest.raises(MappingError) as caught:
        initialise(engine, folder)
    assert kind in {one.kind for one in caught.value.findings}
    assert not {LAKE, OMOP} & set(inspect(engine).get_schema_names())


@pytest.mark.parametrize("kind", WRONG)
def test_init_ingest_and_coverage_refuse_what_map_check_finds(lake: Engine, folder: Path, kind: str) -> None:
    WRONG[kind](folder)
    before, found = written(lake), findings(lake, folder)
    assert kind in {one.kind for one in found}
    for step in (initialise, prepare, preview):
        with pytest.raises(MappingError) as caught:
            step(lake, folder)
        assert list(caught.value.findings) == found
    assert written(lake) == before


def test_a_mapping_without_findings_is_set_up_and_prepared(engine: Engine, folder: Path) -> None:
    done = initialise(engine, folder)
    assert (done.before.name, done.value_map_rows) == ("empty", 2)
    before = written(engine)
    assert [one.severity for one in findings(engine, folder)] == ["note"], "placeholders"
    prepare(engine, folder)
    assert written(engine) == before


def test_a_concept_with_too_many_digits_is_just_unknown(lake: Engine, folder: Path) -> None:
    mini.change(folder, SECTION, "40 Scan", "99999999999 Scan")
    assert [one.kind for one in findings(lake, folder) if one.severity == "error"] == ["unknown-concept"]


def without(folder: Path, concept_id: int) -> None:
    """Take a concept out of the folder's file."""
    lines = folder.joinpath(CONCEPTS).read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{concept_id},")]
    folder.joinpath(CONCEPTS).write_text("\n".join(kept) + "\n")


CUSTOM = "2000009999,Home visit,Visit,Mine,Mine,S,1,1970-01-01,2099-12-31,\n"


def test_what_another_mapping_left_in_the_database_does_not_count(lake: Engine, folder: Path) -> None:
    concepts = folder / CONCEPTS
    concepts.write_text(concepts.read_text() + CUSTOM)
    initialise(lake, folder)
    without(folder, 40)
    without(folder, 2000009999)
    mini.change(folder, MAPPING, "concept: 20 Start", "concept: 2000009999 Home visit")
    told = [one.message for one in findings(lake, folder) if one.kind == "unknown-concept"]
    assert told == [
        "concept 40 'Scan' is not in the vocabulary",
        "concept 2000009999 'Home visit' is not in the vocabulary",
    ]


def test_a_placeholder_that_is_named_otherwise_in_the_database_does_not_count(
    lake: Engine, folder: Path
) -> None:
    initialise(lake, folder)
    run(lake, "UPDATE omop.concept SET concept_name = 'Skan', domain_id = 'Visit' WHERE concept_id = 40")
    assert [one.kind for one in findings(lake, folder)] == ["placeholder"]


def athena_brings(engine: Engine, name: str) -> None:
    """What an Athena load does to the placeholder 40."""
    run(engine, "INSERT INTO omop.vocabulary VALUES ('SNOMED', 'SNOMED CT', 'snomed.org', '2025', 0)")
    run(
        engine,
        f"UPDATE omop.concept SET concept_name = '{name}', vocabulary_id = 'SNOMED', standard_concept = 'S'"
        " WHERE concept_id = 40",
    )


def test_what_athena_says_of_a_concept_counts(lake: Engine, folder: Path) -> None:
    initialise(lake, folder)
    athena_brings(lake, "Scanning")
    found = [one for one in findings(lake, folder) if one.severity == "error"]
    assert [(one.kind, one.message) for one in found] == [
        ("other-name", "concept 40 is 'Scanning' in the vocabulary, not 'Scan'")
    ]
    without(folder, 40)
    mini.change(folder, SECTION, "40 Scan", "40 Scanning")
    assert [one.kind for one in findings(lake, folder)] == ["placeholder"], "the file need not have it"
    prepare(lake, folder)


def renamed(folder: Path) -> None:
    """Describe concept 40 otherwise, everywhere in the folder."""
    mini.change(folder, CONCEPTS, "40,Scan,", "40,Scanning,")
    mini.change(folder, SECTION, "40 Scan", "40 Scanning")


def test_only_init_changes_a_concept_that_is_there(lake: Engine, folder: Path) -> None:
    initialise(lake, folder)
    before = written(lake)
    renamed(folder)
    message = r"40 is 'Scan \(Procedure\)', not 'Scanning \(Procedure\)'.*`oncolake init --mappings DIR`"
    with pytest.raises(StarterError, match=message):
        prepare(lake, folder)
    assert written(lake) == before
    assert initialise(lake, folder).concepts.updated == 1
    assert every(lake, "SELECT concept_name FROM omop.concept WHERE concept_id = 40") == [("Scanning",)]
    prepare(lake, folder)


def test_two_mappings_that_describe_a_concept_differently_are_told(
    lake: Engine, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Path(shutil.copytree(folder, tmp_path_factory.mktemp("other") / "mapping"))
    mini.change(other, MAPPING, "name: mini", "name: other")
    renamed(other)
    initialise(lake, folder)
    with pytest.raises(StarterError, match=r"40 is 'Scan .*, not 'Scanning "):
        prepare(lake, other)
    initialise(lake, other)
    with pytest.raises(StarterError, match=r"40 is 'Scanning .*, not 'Scan "):
        prepare(lake, folder)


def test_a_concept_that_is_not_there_yet_needs_no_init(lake: Engine, folder: Path) -> None:
    prepare(lake, folder)
    assert every(lake, "SELECT concept_name FROM omop.concept WHERE concept_id = 40") == [("Scan",)]


SOURCE = "SELECT cdm_etl_reference, cdm_release_date = current_date, cdm_holder FROM omop.cdm_source"


def test_the_database_says_which_mapping_loads_it(lake: Engine, folder: Path) -> None:
    shipped = f"prostate {prepare(lake).digest[:12]}"
    assert every(lake, SOURCE) == [(shipped, True, None)]
    run(lake, "UPDATE omop.cdm_source SET cdm_release_date = '2001-01-01', cdm_holder = 'FORTH'")
    prepare(lake)
    assert every(lake, SOURCE) == [(shipped, False, "FORTH")], "nothing has changed"
    first = prepare(lake, folder).digest[:12]
    assert every(lake, SOURCE) == [(f"mini {first}, {shipped}", True, "FORTH")], "both mappings load it"
    mini.change(folder, SECTION, "when: flag", "when: grade")
    mini.change(folder, MAPPING, "  text: not needed", "  flag: not needed\n  text: not needed")
    preview(lake, folder)
    assert every(lake, SOURCE) == [(f"mini {first}, {shipped}", True, "FORTH")], "a preview loads nothing"
    second = prepare(lake, folder).digest[:12]
    assert second != first
    assert every(lake, SOURCE) == [(f"mini {second}, {shipped}", True, "FORTH")]


def test_the_database_says_which_vocabulary_it_has(lake: Engine) -> None:
    version = "SELECT vocabulary_version FROM omop.cdm_source"
    run(lake, "UPDATE omop.vocabulary SET vocabulary_version = 'v5 2025' WHERE vocabulary_id = 'None'")
    assert every(lake, version) == [("Oncolake starter",)]
    prepare(lake)
    assert every(lake, version) == [("v5 2025",)]


def test_a_preview_and_its_coverage_write_nothing(lake: Engine, folder: Path) -> None:
    ingest(lake, prepare(lake), [FIGURE_13], "t")
    name = every(lake, "SELECT current_database()")[0][0]
    before = written(lake)
    run(lake, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    lake.dispose()
    assert every(lake, "SHOW transaction_read_only") == [("on",)]
    with lake.connect() as connection:
        assert coverage(connection, preview(lake)).cases == 1
        assert coverage(connection, preview(lake, folder)).cases == 0, "a mapping never prepared"
    assert written(lake) == before


def test_cases_of_an_earlier_version_of_the_mapping_are_counted(lake: Engine, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(str(DEFAULT_MAPPING), tmp_path / "mapping"))
    changed.joinpath("lesions.yaml").write_text(changed.joinpath("lesions.yaml").read_text() + "# newer\n")
    first = prepare(lake)
    ingest(lake, first, [FIGURE_13], "t")
    second = prepare(lake, changed)

    def counts() -> tuple[int, int, int]:
        with lake.connect() as connection:
            earlier = outdated(connection, first), outdated(connection, second)
        with lake.connect() as connection:
            return (*earlier, status(connection).outdated)

    assert counts() == (0, 1, 0)
    ingest(lake, second, [OTHERS], "t")
    assert counts() == (42, 1, 1)
    run(lake, "UPDATE lake.cases SET loaded_version = NULL, plan = NULL WHERE case_id = 1")
    assert counts() == (42, 0, 0), "a case that is not loaded has no rows"
