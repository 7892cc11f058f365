"""The checker on a folder's cohorts: each file that is refused, columns of table one that no view has."""

import shutil
from pathlib import Path

import pytest

from etl.cohorts.check import cohort_findings
from etl.mapping.findings import KINDS
from etl.setup import DEFAULT_MAPPING


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(str(DEFAULT_MAPPING), tmp_path / "mapping"))


def change(file: Path, old: str, new: str) -> int:
    """Change the file; the line on which it differs."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_the_shipped_cohorts_are_in_order(folder: Path) -> None:
    assert cohort_findings(folder) == []


def test_every_file_is_told_with_its_line(folder: Path) -> None:
    cohorts = folder / "cohorts"
    header = change(cohorts / "uc2.sql", "minimum: 2", "minimal: 2")
    read = change(cohorts / "uc1.sql", "research.patient", "lake.documents")
    parameter = change(cohorts / "uc5.sql", ">= :min_days", ">= :days")
    (cohorts / "uc6.sql").rename(cohorts / "uc66.sql")
    found = {each.file: each for each in cohort_findings(folder)}
    assert {each.kind for each in found.values()} == {"bad-cohort"}
    assert KINDS["bad-cohort"][0] == "error"
    assert [found[f"cohorts/{name}.sql"].line for name in ("uc1", "uc2", "uc5")] == [read, header, parameter]
    assert "it reads 'lake.documents'" in found["cohorts/uc1.sql"].message
    assert "declares no parameter 'days'" in found["cohorts/uc5.sql"].message
    assert found["cohorts/uc66.sql"].message == "its header calls it 'uc6'; name the file uc6.sql"
    assert len(found) == 4


def test_a_column_of_table_one_that_no_view_has_is_told(folder: Path) -> None:
    line = change(folder / "cohorts" / "table_one.yaml", "column: clinical_t", "column: clinical_tt")
    (found,) = cohort_findings(folder)
    assert (found.file, found.line) == ("cohorts/table_one.yaml", line)
    assert "no view of this folder names a column 'clinical_tt'" in found.message


def test_a_wrong_table_one_is_told_and_none_at_all_too(folder: Path) -> None:
    file = folder / "cohorts" / "table_one.yaml"
    line = change(file, "kind: continuous", "kind: some")
    (found,) = cohort_findings(folder)
    assert (found.file, found.line) == ("cohorts/table_one.yaml", line)
    file.unlink()
    (found,) = cohort_findings(folder)
    assert "there is no cohorts/table_one.yaml" in found.message
    shutil.rmtree(file.parent)
    assert cohort_findings(folder) == []
