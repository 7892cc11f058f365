"""What a curator is told while a mapping changes: by init, map check, ingest, coverage and status."""

import shutil
import socket
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.functional.conftest import Run

PROSTATE = Path(__file__).parents[2] / "mappings" / "prostate"
FIGURE_13, OTHERS = PROSTATE / "samples" / "figure-13.json", PROSTATE / "samples" / "cases.ndjson"
STAY = "loaded with another version of this mapping: `oncolake remap{}` makes their rows anew{}, and"
ANY = (
    "loaded with another version of the mapping than the case loaded last: `oncolake remap`, with the "
    "--mappings that they should be of, makes their rows anew"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped mapping, to be changed."""
    return Path(shutil.copytree(PROSTATE, tmp_path / "mapping"))


def change(folder: Path, file: str, old: str, new: str) -> None:
    written = folder.joinpath(file).read_text()
    assert written.count(old) == 1
    folder.joinpath(file).write_text(written.replace(old, new))


def test_cases_of_an_earlier_version_are_told_by_ingest_and_status(run: Run, folder: Path) -> None:
    assert "another version" not in run("ingest", OTHERS).err
    assert "another version" not in run("status").out
    change(folder, "lesions.yaml", "source_value: indexlesion", "source_value: the index lesion")
    said = run("ingest", "--mappings", folder, FIGURE_13)
    assert "another version" not in said.out
    assert said.err.startswith(f"42 cases were {STAY.format(f' --mappings {folder}', '')}")
    assert said.err.count("\n") == 1, "the views are as before"
    assert f"42 cases were {ANY}" in run("status").out
    assert f"1 case was {STAY.format('', ' with the shipped one')}" in run("ingest", OTHERS).err


def test_views_of_another_version_are_told_by_ingest_and_serve(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ONCOLAKE_HOME", str(tmp_path / "home"))

    def told() -> tuple[str, ...]:
        """What ingest and the service say of views."""
        for name in ("ISSUER", "KEYS", "MAPPINGS"):
            # The service sets them, for its workers.
            monkeypatch.setenv(f"ONCOLAKE_{name}", "")
        loaded = run("ingest", "--mappings", folder, FIGURE_13)
        assert loaded.code == 0
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            served = run("serve", "--dev", "--port", port, "--mappings", folder).err.splitlines()
        assert "cannot listen" in served[-1]
        return loaded.err.removesuffix("\n"), *served[:-1]

    assert told() == ("",)
    change(folder, "research/psa.yaml", "ratio: {rule:", "quotient: {rule:")
    views = (
        "1 view is not of this version of the mapping (research.psa): "
        f"`oncolake remap --mappings {folder}` renews it with the rows of loaded cases, "
        f"`oncolake init --mappings {folder}` alone."
    )
    assert told() == (views, f"Warning: {views}")
    mine = folder / "research" / "mine.sql"
    mine.write_text("CREATE OR REPLACE VIEW research.mine AS SELECT 1 AS one;")
    assert run("init", "--mappings", folder).code == 0
    assert told() == ("",)
    mine.unlink()
    left = (
        "1 view is of another version of the mapping alone (research.mine), and may find no rows of this "
        "one. Where nobody needs it: `DROP VIEW research.mine`."
    )
    assert told() == (left, f"Warning: {left}")
    folder.joinpath("research", "wrong.sql").write_text("SELECT 1")
    (said, warned) = told()
    assert said.startswith("The views of this mapping cannot be made: research/wrong.sql: may hold nothing")
    assert warned == f"Warning: {said}"


def test_coverage_needs_no_right_to_write(run: Run, lake: Engine, folder: Path) -> None:
    run("ingest", FIGURE_13)
    change(folder, "lesions.yaml", "source_value: indexlesion", "source_value: the index lesion")
    with lake.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    for mappings in ((), ("--mappings", folder)):
        said = run("coverage", "--format", "csv", *mappings)
        assert (said.code, said.out.startswith("path,total,")) == (0, True)


@pytest.mark.parametrize("command", [("init",), ("ingest", FIGURE_13), ("coverage",)])
def test_what_map_check_finds_stops_the_other_commands(
    run: Run, folder: Path, command: tuple[object, ...]
) -> None:
    change(folder, "value_maps/wheeler.csv", "target_concept_name\n", "target_concept_name\nL9,x,99,Nine\n")
    checked = run("map", "check", "--mappings", folder)
    told = "value_maps/wheeler.csv:2: error: concept 99 'Nine' is not in the vocabulary [unknown-concept]\n"
    assert (checked.code, told in checked.out) == (1, True)
    said = run(*command, "--mappings", folder)
    assert (said.code, told in said.err) == (2, True)


def test_map_check_tells_of_cohorts_too(run: Run, folder: Path) -> None:
    (folder / "cohorts" / "uc1.sql").write_text("SELECT 1")
    said = run("map", "check", "--mappings", folder)
    assert said.code == 1
    assert "cohorts/uc1.sql:1: error: begin with a header: " in said.out


def test_a_concept_described_otherwise_asks_for_init(run: Run, folder: Path) -> None:
    change(folder, "concepts.csv", "2000000001,Index Lesion,", "2000000001,Index lesion of the prostate,")
    change(folder, "lesions.yaml", "2000000001 Index Lesion", "2000000001 Index lesion of the prostate")
    assert run("map", "check", "--mappings", folder).code == 0
    said = run("ingest", "--mappings", folder, FIGURE_13)
    assert said.code == 2
    assert "2000000001 is 'Index Lesion (Observation)', not 'Index lesion of the prostate" in said.err
    assert "run `oncolake init --mappings DIR`" in said.err
    assert "1 changed" in run("init", "--mappings", folder).out
    assert run("ingest", "--mappings", folder, FIGURE_13).code == 0


def test_a_value_map_that_no_rule_uses_is_a_warning(run: Run, folder: Path) -> None:
    assert "0 errors, 0 warnings, 1 note" in run("map", "check").out
    maps = folder / "value_maps"
    shutil.copy(maps / "wheeler.csv", maps / "spare.csv")
    said = run("map", "check", "--mappings", folder)
    assert "value_maps/spare.csv:1: warning: no rule uses the value map 'spare' [unused-map]" in said.out
    assert "0 errors, 1 warning, 1 note" in said.out
