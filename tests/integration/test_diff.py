"""What loading a bundle would change, found without loading it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from tests.bundles import GONE, SINCE, Tables, small, write, zipped
from tests.conftest import engine_on, new_database
from tests.put import put
from vocabularies.athena.bundle import BundleError, open_bundle
from vocabularies.browse.diff import Compared, DiffError, compare

PSA, TUMOR, ANY_TUMOR, DRUG = 3013603, 4163261, 443392, 19028106


@pytest.fixture(scope="module")
def vocabulary(server_url: str, template_database: str) -> Iterator[Engine]:
    """An initialised database with the small bundle, in which nothing but the value maps uses a concept."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        with engine.begin() as connection:
            put(connection, small())
            connection.execute(text("DELETE FROM omop.source_to_concept_map"))
        yield engine


@pytest.fixture
def connection(vocabulary: Engine) -> Iterator[Connection]:
    with vocabulary.connect() as connection:
        yield connection


def against(connection: Connection, folder: Path, tables: Tables, *mapped: int) -> Compared:
    with open_bundle(write(folder, tables)) as bundle:
        return compare(connection, bundle, mapped)


def edited(change: Callable[[list[str]], list[str] | None], *ids: int) -> Tables:
    """The small bundle, with these concepts changed, or gone where the change is None."""
    tables = small()
    changed = (change(row) if int(row[0]) in ids else row for row in tables["CONCEPT"])
    tables["CONCEPT"] = [row for row in changed if row is not None]
    return tables


def renamed(row: list[str]) -> list[str]:
    return [row[0], "Another name", *row[2:]]


def deleted(row: list[str]) -> list[str]:
    return [*row[:5], "", row[6], *GONE, "D"]


def found(compared: Compared) -> list[tuple]:
    return [(one.kind, one.concept_id, one.columns, one.used_by) for one in compared.every()]


def test_the_loaded_bundle_changes_nothing(connection: Connection, tmp_path: Path) -> None:
    compared = against(connection, tmp_path / "b", small(), PSA)
    assert found(compared) == []
    assert compared.counts() == {}
    assert (compared.old_version, compared.new_version) == ("v5.0 29-AUG-25",) * 2


def test_every_kind_of_change_is_told_apart(connection: Connection, tmp_path: Path) -> None:
    tables = edited(renamed, PSA)
    rows = {row[0]: row for row in tables["CONCEPT"]}
    rows[str(TUMOR)] = deleted(rows[str(TUMOR)])
    rows[str(ANY_TUMOR)] = [*rows[str(ANY_TUMOR)][:5], "C", *rows[str(ANY_TUMOR)][6:]]
    del rows[str(DRUG)]
    rows["99999"] = ["99999", "New", "Condition", "SNOMED", "Disorder", "S", "9", *SINCE, ""]
    rows["32809"] = ["32809", "Case Report Form", "Type Concept", "Type", "Type", "S", "t", *SINCE, ""]
    tables["CONCEPT"] = list(rows.values())
    compared = against(connection, tmp_path / "b", tables)
    assert found(compared) == [
        ("removed", DRUG, (), ()),
        ("deprecated", ANY_TUMOR, ("standard_concept",), ()),
        ("deprecated", TUMOR, ("standard_concept", "valid_end_date", "invalid_reason"), ()),
        ("changed", PSA, ("concept_name",), ()),
        (
            "filled",
            32809,
            (
                "vocabulary_id", "concept_class_id", "standard_concept", "concept_code", "valid_start_date",
            ),
            (),
        ),
        ("added", 99999, (), ()),
    ]  # fmt: skip
    assert compared.counts() == {
        ("RxNorm", "removed"): 1,
        ("SNOMED", "deprecated"): 2,
        ("LOINC", "changed"): 1,
        ("Type", "filled"): 1,
        ("SNOMED", "added"): 1,
    }


def test_what_mapping_and_data_use_comes_first(connection: Connection, tmp_path: Path) -> None:
    connection.execute(text(f"INSERT INTO omop.fact_relationship VALUES ({TUMOR}, 1, {TUMOR}, 2, 8507)"))
    compared = against(
        connection, tmp_path / "b", edited(renamed, ANY_TUMOR, TUMOR, PSA, DRUG), PSA, 0, 424242
    )
    assert [(one.concept_id, one.used_by) for one in compared.used()] == [
        (PSA, ("mapping",)),
        (TUMOR, ("fact_relationship.domain_concept_id_1", "fact_relationship.domain_concept_id_2")),
    ]
    assert [one.concept_id for one in compared.every()] == [PSA, TUMOR, DRUG, ANY_TUMOR]
    (psa, _) = compared.used()
    assert psa.old is not None
    assert psa.new is not None
    assert (psa.old["concept_name"], psa.new["concept_name"], psa.name) == (
        'Prostate specific Ag "total" in Serum',
        "Another name",
        "Another name",
    )


def test_our_own_concepts_and_other_placeholders_are_not_missed(
    connection: Connection, tmp_path: Path
) -> None:
    tables = edited(lambda row: None, *(int(row[0]) for row in small()["CONCEPT"] if row[0] != "0"))
    compared = against(connection, tmp_path / "b", tables)
    assert {one.kind for one in compared.every()} == {"removed"}
    assert sum(compared.counts().values()) == len(small()["CONCEPT"]) - 1
    assert compared.absent() == ["Gender", "ICD10CM", "LOINC", "RxNorm", "SNOMED", "UCUM"]


def test_cpt4_counts_as_a_load_takes_it(connection: Connection, tmp_path: Path) -> None:
    tables = small()
    rest = ["Procedure", "CPT4", "CPT4", "S", "55700", *SINCE, ""]
    tables["CONCEPT_CPT4"] = [["2109833", "Biopsy, prostate", *rest], ["2109834", "", *rest]]
    tables["CONCEPT"] += [["2109834", "", *rest], ["2109835", "", *rest]]
    compared = against(connection, tmp_path / "b", tables)
    assert [(one.kind, one.concept_id, one.name) for one in compared.every()] == [
        ("added", 2109833, "Biopsy, prostate")
    ]
    assert compared.unnamed == 2


def test_nothing_is_left_behind(vocabulary: Engine, tmp_path: Path) -> None:
    folder = write(tmp_path / "b", edited(renamed, PSA))
    with vocabulary.connect() as connection:
        before = connection.execute(text("SELECT * FROM omop.concept ORDER BY concept_id")).all()
        with open_bundle(zipped(folder)) as bundle:
            assert [one.concept_id for one in compare(connection, bundle).every()] == [PSA]
        connection.rollback()
        assert connection.execute(text("SELECT * FROM omop.concept ORDER BY concept_id")).all() == before
        assert connection.scalar(text("SELECT to_regclass('concept_change')")) is None


@pytest.mark.parametrize(
    "row", [["x"] * 10, ["8507", "Twice", "Gender", "Gender", "Gender", "S", "M", *SINCE, ""]]
)
def test_a_bundle_that_would_not_load_is_not_compared(
    connection: Connection, tmp_path: Path, row: list[str]
) -> None:
    tables = small()
    tables["CONCEPT"].append(row)
    with pytest.raises(
        DiffError, match=r"CONCEPT.csv of .* could not be loaded; `oncolake vocab load --check`"
    ):
        against(connection, tmp_path / "b", tables)


def test_a_bundle_without_concepts_is_refused(connection: Connection, tmp_path: Path) -> None:
    tables = small()
    del tables["CONCEPT"]
    with pytest.raises(DiffError, match=r"has no CONCEPT\.csv"):
        against(connection, tmp_path / "b", tables)
    with pytest.raises(BundleError, match="does not exist"), open_bundle(tmp_path / "none"):
        pass
