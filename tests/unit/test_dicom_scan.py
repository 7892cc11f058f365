"""Scanning file sets: folders, zips, JSON; grouping into series; what is broken or identifies somebody."""

import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from etl.dicom import scan as scanning
from etl.dicom.report import report
from etl.dicom.scan import Scanned, documents_of, scan
from etl.dicom.schema import schema
from etl.dicom.sources import NotFound
from etl.validate import Validator
from tests.dicoms import CANARY, VIOLATIONS, generate, header, item, uid, write, write_set, zipped

#: pydicom's own files, as they come with it.
PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"


def test_instances_become_series_documents_in_order(tmp_path: Path) -> None:
    found = scan(write_set(tmp_path, studies=2, series=3, instances=4))
    assert (found.headers, found.studies, len(found.documents)) == (24, 2, 6)
    assert [each["SeriesInstanceUID"] for each in found.documents] == [
        uid(study, series) for study in (1, 2) for series in (1, 2, 3)
    ]
    diffusion = found.documents[2]
    assert diffusion["NumberOfInstances"] == 4
    assert diffusion["DiffusionBValue"] == [0, 500, 1000]
    assert (diffusion["PatientID"], diffusion["AcquisitionPlane"]) == ("P00001", "axial")
    assert found.findings == found.unread == found.torn == ()
    validator = Validator(schema())
    assert [validator.violations(document) for document in found.documents] == [()] * 6


def test_the_first_instance_speaks_whatever_the_order_of_files(tmp_path: Path) -> None:
    numbers = list(range(1, 8))
    random.Random(1).shuffle(numbers)
    for place, number in enumerate(numbers):
        write(tmp_path / f"{place}.dcm", header(instance=number, WindowCenter=number, EchoNumbers=number % 2))
    (document,) = scan(tmp_path).documents
    assert document["WindowCenter"] == [1]
    assert document["EchoNumbers"] == [0, 1]


def test_a_copy_of_an_instance_counts_once(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.dcm", "c/d.dcm"):
        write(tmp_path / name, header())
    (document,) = scan(tmp_path).documents
    assert document["NumberOfInstances"] == 1


@pytest.mark.parametrize("processes", [1, 3])
def test_processes_find_what_one_does_and_tell_how_far_they_are(
    tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "CHUNK", 10)
    monkeypatch.setattr(scanning, "_WORTH_A_PROCESS", 20)
    generate(tmp_path / "set", 95, instances=12)
    bad = header(7, 1, PatientName=f"{CANARY}^Ada")
    write(tmp_path / "named" / "x.dcm", bad)
    told: list[tuple[int, int | None]] = []
    found = scan(tmp_path / "set", processes, lambda *each: told.append(each))
    assert (found.headers, len(found.documents)) == (95, 8)
    assert sum(document["NumberOfInstances"] for document in found.documents) == 95
    assert told[-1] == (95, 95)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert found == scan(tmp_path / "set", 1)
    assert scan(zipped(tmp_path / "set", tmp_path / "set.zip"), processes) == found


def test_a_zip_is_read_without_unpacking(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", studies=1)
    (folder / "notes.txt").write_text("no header")
    archive = zipped(folder, tmp_path / "set.zip")
    before = sorted(tmp_path.rglob("*"))
    found = scan(archive)
    assert found == scan(folder)
    assert [(each.reason, each.names) for each in found.unread] == [("no DICOM", ("notes.txt",))]
    assert sorted(tmp_path.rglob("*")) == before


def test_members_of_a_zip_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    folder = write_set(tmp_path / "set", studies=1, series=1, instances=2)
    with zipfile.ZipFile(archive, "w") as opened:
        for name in ("good.dcm", "bad.dcm"):
            opened.writestr(name, (folder / "001" / "001" / "0001.dcm").read_bytes())
    content = bytearray(archive.read_bytes())
    content[content.rindex(b"t2_tse_tra_p2")] ^= 1
    archive.write_bytes(content)
    found = scan(archive)
    assert [(each.reason, each.names, each.broken) for each in found.unread] == [
        ("cannot be read, BadZipFile", ("bad.dcm",), True)
    ]
    assert found.broken
    assert len(found.documents) == 1


def test_pixels_are_not_read_and_long_headers_are(tmp_path: Path) -> None:
    long = header(ProcedureCodeSequence=[item(CodeMeaning="m" * 60) for _ in range(2000)], Rows=16)
    long.PixelData = b"\0" * 200_000
    long.DataSetTrailingPadding = b"\0\0"
    path = write(tmp_path / "long.dcm", long)
    assert path.stat().st_size > 300_000
    (document,) = scan(tmp_path).documents
    assert (document["Rows"], len(document["ProcedureCodeSequence"])) == (16, 2000)
    short = header(2, PixelData=b"\0" * 200_000)
    short["PixelData"].VR = "OW"
    whole = write(tmp_path / "two" / "short.dcm", short).read_bytes()
    (tmp_path / "two" / "short.dcm").write_bytes(whole[:-150_000])
    assert len(scan(tmp_path / "two").documents) == 1


def test_a_private_tag_behind_the_first_64_kilobytes_is_found(tmp_path: Path) -> None:
    dataset = header(ProcedureCodeSequence=[item(CodeMeaning="m" * 60) for _ in range(2000)])
    dataset.private_block(0x0029, "MAKER", create=True).add_new(1, "LO", CANARY)
    write(tmp_path / "x.dcm", dataset)
    assert [found.finding.tag for found in scan(tmp_path).findings] == ["(0029,xxxx)"]


def _json(datasets: list[Any]) -> list[dict[str, Any]]:
    return [dataset.to_json_dict() for dataset in datasets]


def test_the_json_model_is_read_from_a_file_and_from_memory(tmp_path: Path) -> None:
    datasets = [header(1, series, instance) for series in (1, 2, 3) for instance in (1, 2)]
    folder = tmp_path / "files"
    for number, dataset in enumerate(datasets):
        write(folder / f"{number}.dcm", dataset)
    array, one, lines = tmp_path / "all.json", tmp_path / "one.json", tmp_path / "all.ndjson"
    array.write_text(json.dumps(_json(datasets)))
    one.write_text(json.dumps(datasets[0].to_json_dict()))
    lines.write_text("\n".join(map(json.dumps, _json(datasets))))
    documents = scan(folder).documents
    assert scan(array).documents == scan(lines).documents == documents
    assert documents_of(_json(datasets)).documents == documents
    assert len(scan(one).documents) == 1


def test_datasets_that_are_none_are_named(tmp_path: Path) -> None:
    good = header().to_json_dict()
    bad: list[dict[str, Any]] = [
        {"00100010": "no"},
        {"xyz": {"vr": "LO"}},
        {"00080020": {"vr": "DA", "Value": 3}},
    ]
    found = documents_of([bad[0], good, *bad[1:]])
    assert len(found.documents) == 1
    assert sum(each.files for each in found.unread) == 3
    assert found.broken
    assert any("dataset 1" in each.names for each in found.unread)
    file = tmp_path / "x.json"
    file.write_text(f"[{json.dumps(good)}, 17, {{]")
    read = scan(file)
    assert len(read.documents) == 1
    assert all(each.names[0].startswith("x.json:1") for each in read.unread)


@pytest.mark.parametrize(
    ("violate", "expected"), [each[1:] for each in VIOLATIONS], ids=[v[0] for v in VIOLATIONS]
)
def test_one_header_of_many_refuses_the_set(tmp_path: Path, violate: Any, expected: set[str]) -> None:
    write_set(tmp_path, studies=1, series=1, instances=2)
    bad = header(2)
    violate(bad)
    write(tmp_path / "bad.dcm", bad)
    found = scan(tmp_path)
    assert found.documents == ()
    assert {each.finding.tag for each in found.findings} >= expected - {"(0002,0003)"}
    assert {(each.files, each.names) for each in found.findings} == {(1, ("bad.dcm",))}
    assert CANARY not in repr(found)
    lines, totals = report(found)
    assert {line.tag for line in lines if line.why} == {each.finding.tag for each in found.findings}
    assert totals.findings == len({each.finding.tag for each in found.findings})
    assert CANARY not in repr(lines)


def test_the_report_counts_headers_by_state(tmp_path: Path) -> None:
    for instance, name in enumerate(["ANON", "", None, "Smith^John"], 1):
        write(tmp_path / f"{instance}.dcm", header(instance=instance, PatientName=name))
    lines, totals = report(scan(tmp_path))
    (line,) = [line for line in lines if line.tag == "(0010,0010)"]
    assert line == ("(0010,0010)", "Patient's Name", "Z", 1, 1, 1, 0, 1, "a value is left", "4.dcm")
    assert (totals.headers, totals.profile, totals.found + totals.removed) == (4, 655, 655)
    assert totals.with_values + totals.empty == totals.found
    assert totals.findings == 1


def test_a_series_of_two_patients_is_torn(tmp_path: Path) -> None:
    write(tmp_path / "1.dcm", header(1, 1, 1))
    write(tmp_path / "2.dcm", header(1, 1, 2, PatientID="P00002"))
    write(tmp_path / "3.dcm", header(1, 2, 1))
    found = scan(tmp_path)
    assert found.torn == (uid(1, 1),)
    assert [document["SeriesInstanceUID"] for document in found.documents] == [uid(1, 2)]


def test_a_derived_series_knows_what_it_came_from(tmp_path: Path) -> None:
    write(tmp_path / "1.dcm", header(1, 3, 1))
    source = [item(ReferencedSOPInstanceUID=uid(1, 3, 1)), item(ReferencedSOPInstanceUID=uid(5, 5, 5))]
    write(tmp_path / "2.dcm", header(1, 4, 1, SourceImageSequence=source))
    first, second = scan(tmp_path).documents
    assert "ReferencedSeriesUIDs" not in first
    assert second["ReferencedSeriesUIDs"] == [uid(1, 3)]


def test_pydicoms_own_files_are_scanned_and_refused() -> None:
    found = scan(PYDICOM, 1)
    files = sum(path.is_file() for path in PYDICOM.rglob("*"))
    unread = {each.reason: each.files for each in found.unread}
    assert found.headers + sum(each.files for each in found.unread if each.reason != "of no series") == files
    assert found.headers > 150
    assert not found.broken
    assert unread["no DICOM"] > 5 < unread["of no series"]
    assert found.documents == ()
    assert {"(0010,0010)", "(0008,0020)", "(0009,xxxx)", "(0020,000D)", "(0012,0062)"} <= {
        each.finding.tag for each in found.findings
    }
    printed = repr(report(found))
    for name in ("CompressedSamples", "Doe^", "Lestrade", "Sssssss", "Nuclear Cardiology"):
        assert name not in printed


def _spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _noise(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:400] + random.Random(3).randbytes(len(content) - 400))


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


@pytest.mark.parametrize("spoil", [_spoil, _empty, _noise, _link])
def test_a_broken_file_is_never_fatal(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    write_set(tmp_path, studies=1, series=1, instances=2)
    spoil(write(tmp_path / "broken.dcm", header(2)))
    found = scan(tmp_path)
    assert found.headers >= 2


def test_headers_of_noise_never_end_a_scan(tmp_path: Path) -> None:
    whole = write(tmp_path / "x", header()).read_bytes()
    draw = random.Random(7)
    for number in range(300):
        spoiled = bytearray(whole)
        for _ in range(draw.randint(1, 6)):
            spoiled[draw.randrange(132, len(spoiled))] = draw.randrange(256)
        (tmp_path / f"{number}").write_bytes(spoiled[: draw.randint(140, len(spoiled))])
    found = scan(tmp_path, 1)
    assert found.headers + sum(each.files for each in found.unread if each.reason != "of no series") == 301


def test_paths_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No such file"):
        scan(tmp_path / "none")
    assert scan(tmp_path) == Scanned(0, (), (), (), (), ())


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(NotFound, match="locked' cannot be read: Permission denied"):
        scan(tmp_path)
