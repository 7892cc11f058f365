"""``oncolake vocab diff`` as a curator meets it."""

import csv
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.bundles import GONE, SINCE, small, write
from tests.functional.conftest import Run
from tests.put import put

USED, OTHER = 200962, 19028106
"""A concept that the shipped mapping uses, and one that it does not."""


@pytest.fixture
def bundle(lake: Engine, tmp_path: Path) -> Path:
    """A newer bundle than the one in the database: one concept in use is deprecated, another one renamed."""
    with lake.begin() as connection:
        put(connection, small())
    tables = small()
    for row in tables["CONCEPT"]:
        if row[0] == str(USED):
            row[5:] = ["", row[6], *GONE, "U"]
        if row[0] == str(OTHER):
            row[1] = "Bicalutamide [x]"
    tables["CONCEPT"].append(
        ["37206816", "Another procedure", "Procedure", "SNOMED", "Procedure", "S", "7", *SINCE, ""]
    )
    tables["VOCABULARY"][3][3] = "v5.0 27-FEB-26"
    return write(tmp_path / "bundle", tables)


def test_what_the_mapping_uses_is_listed_and_the_rest_counted(run: Run, bundle: Path) -> None:
    told = run("vocab", "diff", bundle)
    assert told.code == 0
    assert "v5.0 29-AUG-25 -> v5.0 27-FEB-26" in told.out
    assert "200962 Primary malignant" in told.out
    assert "standard_concept: S -> none" in told.out
    assert "37206816 Another" in told.out
    assert str(OTHER) not in told.out
    assert (
        f"changed: RxNorm {OTHER} Bicalutamide [x]: concept_name: bicalutamide -> Bicalutamide [x]"
        in run("vocab", "diff", bundle, "--all").out
    )


def test_the_exit_code_tells_on_request(run: Run, bundle: Path) -> None:
    assert run("vocab", "diff", bundle, "--exit-code").code == 1
    same = write(bundle.with_name("same"), small())
    told = run("vocab", "diff", same, "--exit-code")
    assert told.code == 0
    assert "No concept that the mapping or the data use" in told.out


def test_csv_and_json_have_every_change(run: Run, bundle: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("vocab", "diff", bundle, "--format", "csv").out)))
    assert [(row["change"], row["concept_id"]) for row in rows] == [
        ("deprecated", str(USED)), ("filled", "37206816"), ("changed", str(OTHER)),
    ]  # fmt: skip
    assert (rows[0]["old_standard_concept"], rows[0]["new_standard_concept"]) == ("S", "")
    assert rows[0]["used_by"].split()[0] == "mapping"
    listed = json.loads(run("vocab", "diff", bundle, "--format", "json").out)
    assert [one["concept_id"] for one in listed] == [USED, 37206816, OTHER]
    assert listed[2]["columns"] == ["concept_name"]
    same = write(bundle.with_name("same"), small())
    assert json.loads(run("vocab", "diff", same, "--format", "json").out) == []


def test_a_bundle_that_would_not_load_is_refused(run: Run, bundle: Path) -> None:
    bundle.joinpath("CONCEPT.csv").write_text("concept_id\n1\n")
    refused = run("vocab", "diff", bundle)
    assert (refused.code, refused.out) == (2, "")
    assert "`oncolake vocab load --check` says what is wrong" in refused.err
    assert run("vocab", "diff", bundle / "none").code == 2
