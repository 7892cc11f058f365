"""Opening a bundle: which files of a folder or zip are Athena's."""

import io
import zipfile
from pathlib import Path

import pytest

from tests.bundles import small, write, zipped
from vocabularies.athena.bundle import BundleError, open_bundle
from vocabularies.athena.layout import CPT4, FILES

NINE = [name for name in FILES if name != CPT4]


def packed(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def contents(path: Path) -> dict[str, bytes]:
    found = {}
    with open_bundle(path) as bundle:
        for name, member in bundle.members.items():
            with member.open() as stream:
                found[name] = stream.read()
    return found


def test_a_folder_and_its_zip_hold_the_same_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", small())
    found = contents(folder)
    assert sorted(found) == sorted(NINE)
    assert contents(zipped(folder)) == found
    with open_bundle(folder) as bundle:
        assert {name: member.size for name, member in bundle.members.items()} == {
            name: len(content) for name, content in found.items()
        }
        assert bundle.missing == []


def test_names_are_matched_whatever_their_case(tmp_path: Path) -> None:
    files = {"concept.csv": "c", "Domain.CSV": "d", "concept_cpt4.csv": "4"}
    for name, content in files.items():
        tmp_path.joinpath(name).write_text(content)
    expected = {"CONCEPT.csv": b"c", "DOMAIN.csv": b"d", CPT4: b"4"}
    assert contents(tmp_path) == expected
    assert contents(packed(tmp_path / "bundle.zip", files)) == expected


@pytest.mark.parametrize("inner", ["vocabulary_download/", "a/b/c/", "a\\b\\", "./"])
def test_a_zip_may_hold_the_files_in_a_folder(tmp_path: Path, inner: str) -> None:
    assert contents(packed(tmp_path / "b.zip", {f"{inner}CONCEPT.csv": "c"})) == {"CONCEPT.csv": b"c"}


def test_what_else_is_there_is_left_alone(tmp_path: Path) -> None:
    files = {"CONCEPT.csv": "c", "readme.txt": "r", "cpt4.jar": "j", "lib/a.jar": "a", "CONCEPT.csv.bak": "b",
             "SOURCE_TO_CONCEPT_MAP.csv": "s", "__MACOSX/CONCEPT.csv": "m", "DOMAIN.csv/": ""}  # fmt: skip
    assert contents(packed(tmp_path / "b.zip", files)) == {"CONCEPT.csv": b"c"}
    tmp_path.joinpath("DOMAIN.csv").mkdir()
    tmp_path.joinpath("VOCABULARY.csv").write_text("v")
    assert contents(tmp_path) == {"VOCABULARY.csv": b"v"}


def test_missing_files_are_known_and_cpt4_is_none_of_them(tmp_path: Path) -> None:
    tmp_path.joinpath("CONCEPT.csv").write_text("c")
    with open_bundle(tmp_path) as bundle:
        assert bundle.missing == [name for name in NINE if name != "CONCEPT.csv"]


def test_a_file_can_be_read_twice_and_in_two_places_at_once(tmp_path: Path) -> None:
    path = packed(tmp_path / "b.zip", {"CONCEPT.csv": "concept" * 9999, "DOMAIN.csv": "domain" * 9999})
    with open_bundle(path) as bundle:
        concept, domain = (bundle.members[name] for name in ("CONCEPT.csv", "DOMAIN.csv"))
        with concept.open() as one, domain.open() as two, concept.open() as three:
            parts = [(one.read(7), two.read(6), three.read(7)) for _ in range(9999)]
    assert set(parts) == {(b"concept", b"domain", b"concept")}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": "r"}, "'{}' holds none of Athena's files, such as CONCEPT.csv"),
        ({"readme.txt": "r", "in/Bundle.ZIP": "z"},
         "'{}' holds none of Athena's files, such as CONCEPT.csv; unpack it and give the zip "
         "in it, 'in/Bundle.ZIP'"),
        ({"a/CONCEPT.csv": "1", "b/CONCEPT.csv": "2"},
         "'{}' holds CONCEPT.csv twice, once as 'b/CONCEPT.csv'; remove one of them"),
        ({"CONCEPT.csv": "1", "concept.csv": "2"},
         "'{}' holds CONCEPT.csv twice, once as 'concept.csv'; remove one of them"),
    ],
)  # fmt: skip
def test_a_zip_that_is_no_bundle(tmp_path: Path, files: dict[str, str], message: str) -> None:
    path = packed(tmp_path / "b.zip", files)
    with pytest.raises(BundleError) as refused, open_bundle(path):
        pass
    assert str(refused.value) == message.format(path)


def test_a_folder_around_the_bundle_names_it(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"such as CONCEPT\.csv$"), open_bundle(tmp_path):
        pass
    zipped, inner = tmp_path / "download.zip", tmp_path / "download"
    zipped.write_bytes(b"")
    with pytest.raises(BundleError, match=f"; give the zip in it, '{zipped}'$"), open_bundle(tmp_path):
        pass
    inner.mkdir()
    inner.joinpath("concept.CSV").write_text("concept_id\n")
    with pytest.raises(BundleError, match=f"; the folder '{inner}' in it does$"), open_bundle(tmp_path):
        pass


def test_paths_that_are_no_bundle(tmp_path: Path) -> None:
    text, nowhere = tmp_path / "CONCEPT.csv", tmp_path / "nowhere.zip"
    text.write_text("concept_id\n")
    for path, said in {
        text: "is one file of a bundle; give the folder that it is in",
        nowhere: "does not exist; give the folder or zip that Athena handed out",
    }.items():
        with pytest.raises(BundleError, match=said), open_bundle(path):
            pass
    cut = tmp_path / "cut.zip"
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("CONCEPT.csv", "c" * 1000)
    cut.write_bytes(whole.getvalue()[:500])
    with pytest.raises(BundleError, match="neither a folder nor a zip"), open_bundle(cut):
        pass
