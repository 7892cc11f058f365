"""``oncolake ingest`` where the files, the account or a setting are not as usual."""

import getpass
import json
import os
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.functional.conftest import Run

FIGURE_13 = Path(__file__).parents[2] / "mappings" / "prostate" / "samples" / "figure-13.json"


def test_newer_versions_of_a_file_sent_again_are_told(run: Run, tmp_path: Path) -> None:
    form = json.loads(FIGURE_13.read_text())
    old, new = tmp_path / "old.ndjson", tmp_path / "new.ndjson"
    forms = [{**form, "patientID": f"P{number}"} for number in range(3)]
    old.write_text("\n".join(map(json.dumps, forms)))
    run("ingest", old)
    for changed, told in [
        ([], ""),
        (forms[:1], " 1 of its cases has a newer version, which stays."),
        (forms[:2], " 2 of its cases have newer versions, which stay."),
    ]:
        for each in changed:
            each["clinicalBaselineData"] = {**form["clinicalBaselineData"], "prostateVolume": 21.5}
        new.write_text("\n".join(map(json.dumps, changed or forms)))
        run("ingest", new)
        said = run("ingest", old)
        assert f"{old}: already loaded, as upload 1; nothing to do.{told}\n" in said.out
        assert said.code == 0


def test_implausible_values_are_warned_of_and_are_no_failure(run: Run, tmp_path: Path) -> None:
    form = json.loads(FIGURE_13.read_text())
    form["clinicalBaselineData"]["psa"][0] |= {"totalPSAvalue": 6123.5, "ratioPSAvalue": 0.5}
    file = tmp_path / "case.json"
    file.write_text(json.dumps(form))
    said = run("ingest", file)
    assert (said.code, said.err) == (0, "")
    shown = said.out[said.out.index("Warnings (implausible values)") :]
    assert "psa_total" in shown
    assert "psa_ratio" in shown
    assert shown.splitlines()[-2:] == [
        "2 warnings: loaded as sent, and not plausible; lake.problems has their places in the form, and the",
        "bounds.",
    ] or shown.endswith("and the bounds.\n")
    assert "6123" not in said.out
    assert "Problems" not in said.out
    counted = run("status").out
    assert "implausible" in counted[counted.index("Warnings") :]
    assert "Problems" not in counted


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 4711"), OSError("No username set")])
def test_an_account_without_a_name_is_logged_by_its_number(
    run: Run, lake: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert run("ingest", FIGURE_13).code == 0
    with lake.connect() as connection:
        assert connection.scalar(text("SELECT uploader FROM lake.uploads")) == f"uid {os.getuid()}"


def test_a_wrong_size_limit_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCOLAKE_MAX_DOCUMENT_BYTES", "five")
    said = run("ingest", FIGURE_13)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "oncolake: ONCOLAKE_MAX_DOCUMENT_BYTES must be a whole number of bytes, from 1 to 1,000,000,000\n"
    )


def test_a_pipe_and_a_folder_that_may_not_be_read_are_told_with_all_other_bad_paths(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "good.json").write_bytes(FIGURE_13.read_bytes())
    os.mkfifo(tmp_path / "f.json")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    said = run("ingest", tmp_path, tmp_path / "none.json")
    assert said.code == 2
    assert said.err == (
        f"oncolake: '{tmp_path}/f.json' is not a regular file; "
        f"'{tmp_path}/locked' cannot be read: Permission denied; '{tmp_path}/none.json' does not exist\n"
    )


def test_a_file_that_may_not_be_read_does_not_stop_the_others(
    run: Run, lake: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked.json"
    locked.touch()
    opened = Path.open

    def refusing(path: Path, mode: str = "r", **more: str) -> object:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode, **more)

    monkeypatch.setattr(Path, "open", refusing)
    said = run("ingest", locked, FIGURE_13)
    assert said.code == 2
    assert f"{locked}: the file cannot be read: Permission denied" in said.out.replace(": $: ", ": ")
    with lake.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM omop.person")) == 1
