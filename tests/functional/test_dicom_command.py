"""``oncolake dicom``: scan and check, as a user meets them."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import Engine, text

from etl.curation import SAMPLES
from tests.dicoms import CANARY, VIOLATIONS, header, uid, write, write_set, zipped
from tests.functional.conftest import Run, Terminal
from tests.posting import figure

PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"


def _stored(lake: Engine) -> list[dict[str, Any]]:
    with lake.connect() as connection:
        return list(
            connection.execute(text("SELECT document FROM lake.documents ORDER BY document::text")).scalars()
        )


def test_a_scan_stores_each_series_and_the_same_again_nothing(run: Run, lake: Engine, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", studies=2, series=3, instances=2)
    said = run("dicom", "scan", folder)
    assert said.code == 0, said.err
    assert "2 studies, 6 series, 12 headers" in said.out
    assert "6 series: 6 stored, 0 unchanged, 0 rejected (upload 1)." in said.out
    documents = _stored(lake)
    assert sorted(each["SeriesInstanceUID"] for each in documents) == [
        uid(study, series) for study in (1, 2) for series in (1, 2, 3)
    ]
    again = run("dicom", "scan", folder)
    assert again.code == 0
    assert "These series are already loaded, as upload 1; nothing to do." in again.out
    assert _stored(lake) == documents


def test_scanned_series_wait_for_the_form_and_curations_for_the_scan(
    run: Run, lake: Engine, tmp_path: Path
) -> None:
    folder = write_set(tmp_path / "set", studies=1, series=2, instances=1)
    curation = json.loads(SAMPLES.joinpath("motion_correction.json").read_bytes())
    curation["meta"]["source_series_uid"] = uid(1, 2)
    (tmp_path / "curation.json").write_text(json.dumps(curation))
    (tmp_path / "case.json").write_text(json.dumps(figure("P00001")))
    assert "pending" in run("ingest", "--mappings", "curation", tmp_path / "curation.json").out
    said = run("dicom", "scan", folder)
    assert (
        "2 series wait in the lake: the rows told of them are in OMOP once a form of their patient is loaded."
        in said.err
    )
    assert json.loads(run("dicom", "scan", folder, "--format", "json").out)["waiting"] == 2
    assert "1 curation had waited for a series of these." in run("ingest", tmp_path / "case.json").out
    with lake.connect() as connection:
        found = connection.execute(
            text(
                "SELECT series_instance_uid, acquisition_plane, curation_function FROM omop.radiology_image"
                " LEFT JOIN omop.curation_run ON source_series_uid = series_instance_uid ORDER BY 1"
            )
        ).all()
    assert found == [(uid(1, 1), "axial", None), (uid(1, 2), "coronal", "motion_correction")]
    write(folder / "more.dcm", header(1, 2, 3))
    assert "wait" not in run("dicom", "scan", folder).err


def test_a_series_that_grew_replaces_what_was_known_of_it(run: Run, lake: Engine, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", studies=1, series=2, instances=2)
    run("dicom", "scan", folder)
    write(folder / "more.dcm", header(1, 2, 3))
    said = run("dicom", "scan", zipped(folder, tmp_path / "set.zip"))
    assert said.code == 0
    assert "2 series: 1 stored, 1 unchanged, 0 rejected (upload 2)." in said.out


def test_a_dry_run_shows_and_stores_nothing(run: Run, lake: Engine, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", studies=1, series=1, instances=3)
    (folder / "readme.txt").write_text("about")
    said = run("dicom", "scan", folder, "--dry-run", "--format", "json")
    assert said.code == 0
    found = json.loads(said.out)
    assert found["upload"] is None
    assert (found["headers"], found["studies"]) == (3, 1)
    assert found["series"][0]["NumberOfInstances"] == 3
    assert "no DICOM: 1 file: readme.txt" in said.err
    assert _stored(lake) == []


def test_series_as_csv_are_all_that_stdout_holds(run: Run, tmp_path: Path) -> None:
    said = run("dicom", "scan", write_set(tmp_path, 1, 2, 1), "--format", "csv")
    rows = list(csv.DictReader(StringIO(said.out)))
    assert [row["SeriesDescription"] for row in rows] == ["t2_tse_tra", "t2_tse_cor"]
    assert said.code == 0


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_set_that_identifies_somebody_is_refused(
    run: Run, lake: Engine, tmp_path: Path, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_set(tmp_path / "set", studies=1, series=1, instances=2)
    expected = set()
    for number, (_, violate, tags) in enumerate(VIOLATIONS, 2):
        bad = header(number)
        violate(bad)
        write(folder / f"bad{number}.dcm", bad)
        expected |= tags
    said = run("dicom", "scan", folder, "--format", form)
    assert said.code == 2
    assert said.err == f"'{folder}' is not de-identified: nothing of it was stored.\n"
    assert _stored(lake) == []
    everything = said.out + said.err + caplog.text
    assert CANARY not in everything
    for value in ("19510714", "4711", "45123", "14.07.2019", "123456789", "1234"):
        assert value not in everything
    if form == "csv":
        rows = {row["tag"]: row for row in csv.DictReader(StringIO(said.out))}
        assert {tag for tag, row in rows.items() if row["why"]} == expected
        assert rows["(0010,0010)"]["left"] == "1"
    if form == "json":
        assert json.loads(said.out)["findings"] == len(expected)


def test_a_check_reports_every_tag_and_ends_with_1_when_something_is_left(run: Run, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", studies=1, series=1, instances=2)
    clean = run("dicom", "check", folder, "--format", "csv")
    assert clean.code == 0
    rows = {row["tag"]: row for row in csv.DictReader(StringIO(clean.out))}
    assert rows["(0010,0010)"] == {
        "tag": "(0010,0010)",
        "name": "Patient's Name",
        "action": "Z",
        "removed": "0",
        "empty": "0",
        "dummy": "2",
        "kept": "0",
        "left": "0",
        "why": "",
        "example": "",
    }
    write(folder / "x.dcm", header(2, PatientName=f"{CANARY}^Ada"))
    said = run("dicom", "check", folder)
    assert said.code == 1
    assert "1 tag may identify somebody." in said.out
    assert CANARY not in said.out + said.err


def test_pydicoms_own_files_are_checked_and_named(run: Run) -> None:
    said = run("dicom", "check", PYDICOM, "--format", "json")
    assert said.code == 1
    found = json.loads(said.out)
    assert found["findings"] > 50
    assert found["found"] + found["removed"] == found["profile"] == 655
    files = sum(path.is_file() for path in PYDICOM.rglob("*"))
    assert (found["headers"], found["unread"]) == (files - found["unread"], 13)
    assert "no DICOM: 13 files: " in said.err
    assert "cannot be read" not in said.err
    scanned = run("dicom", "scan", PYDICOM, "--dry-run", "--format", "json")
    assert scanned.code == 2
    assert json.loads(scanned.out) == found


def test_a_clean_verdict_tells_of_files_that_were_not_read(run: Run, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", studies=1, series=1, instances=1)
    whole = write(tmp_path / "bare", header()).read_bytes()
    assert "empty. Nothing is left." in run("dicom", "check", folder).out
    (folder / "bare.dcm").write_bytes(whole[132:])
    said = run("dicom", "check", folder)
    assert said.code == 0
    assert "Nothing is left in what was read; 1 file could not be read as DICOM." in said.out
    assert "no DICOM: 1 file: bare.dcm" in said.err
    (folder / "bad.dcm").write_bytes(whole[:136] + b"\1\1" + whole[138:])
    said = run("dicom", "check", folder)
    assert said.code == 1
    assert "2 files could not be read as DICOM." in said.out


def test_a_file_alone_and_the_json_model(run: Run, lake: Engine, tmp_path: Path) -> None:
    one = write(tmp_path / "one.dcm", header())
    (tmp_path / "one.json").write_text(json.dumps(header().to_json_dict()))
    first = run("dicom", "scan", one)
    second = run("dicom", "scan", tmp_path / "one.json")
    assert (first.code, second.code) == (0, 0)
    assert "already loaded, as upload 1" in second.out


def test_a_series_without_a_patient_is_not_stored_and_named(run: Run, lake: Engine, tmp_path: Path) -> None:
    write(tmp_path / "1.dcm", header(1, PatientID=""))
    write(tmp_path / "2.dcm", header(2))
    said = run("dicom", "scan", tmp_path)
    assert said.code == 1
    assert f"series {uid(1, 1)} is not stored: $: 'PatientID' is missing\n" in said.err
    assert len(_stored(lake)) == 1


def test_a_torn_series_and_a_broken_file_are_named(run: Run, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", studies=1, series=1, instances=2)
    write(folder / "other.dcm", header(1, 1, 3, PatientID="P00009"))
    said = run("dicom", "scan", folder, "--dry-run")
    assert said.code == 1
    assert f"series {uid(1, 1)} is left out: its files name several patients or studies" in said.err
    whole = (folder / "other.dcm").read_bytes()
    shutil.rmtree(folder)
    write(folder / "good.dcm", header())
    (folder / "bad.dcm").write_bytes(whole[:136] + b"\1\1" + whole[138:])
    said = run("dicom", "scan", folder, "--dry-run")
    assert said.code == 1
    assert "cannot be read, " in said.err
    assert "bad.dcm" in said.err


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "holds no DICOM header"),
        (lambda path: path.write_text("text"), "holds no DICOM header"),
        (lambda path: path.write_bytes(b"PK\x05\x06" + b"\0" * 18), "holds no DICOM header"),
    ],
)
def test_paths_without_headers_are_bad_input(run: Run, tmp_path: Path, make: Any, told: str) -> None:
    path = tmp_path / "here"
    make(path)
    for command in ("scan", "check"):
        said = run("dicom", command, path)
        assert (said.code, said.out) == (2, "")
        assert said.err.splitlines()[-1] == f"oncolake: '{path}' {told}"


def test_a_terminal_shows_the_same_in_several_processes(terminal: Terminal, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", studies=1, series=1, instances=2)
    said = terminal(150, "dicom", "scan", folder, "--dry-run", "--processes", "2")
    assert said.code == 0
    assert "1 study, 1 series, 2 headers" in said.out
