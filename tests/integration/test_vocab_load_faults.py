"""Zips that were made to do harm, or came to harm: refused in a sentence, the vocabulary as it was."""

import io
import random
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.bundles import small, write, zipped
from tests.conftest import engine_on, new_database
from tests.faults import nothing_staged, picture
from vocabularies.athena.bundle import BundleError, open_bundle
from vocabularies.athena.lines import HeaderError, Lines, numbered
from vocabularies.athena.load import load

#: Where a zip's directory has what it says of a file: flags, the way of packing, and both sizes.
_FLAGS, _METHOD, _PACKED, _SIZE = 8, 10, 20, 24
_ENTRY = b"PK\x01\x02"


@pytest.fixture(scope="module")
def here(server_url: str, template_database: str) -> Iterator[Engine]:
    """A database with the starter vocabulary, which no test here may change."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        before = picture(engine)
        yield engine
        assert picture(engine) == before
        assert nothing_staged(engine)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return zipped(write(tmp_path / "bundle", small()))


def altered(path: Path, place: int, *values: int) -> Path:
    """The zip with bytes of its first file's entry in the directory set to these."""
    content = bytearray(path.read_bytes())
    start = content.index(_ENTRY) + place
    content[start : start + len(values)] = bytes(values)
    path.write_bytes(content)
    return path


def refusal(engine: Engine, path: Path) -> str:
    with pytest.raises(BundleError) as refused:
        load(engine, path)
    return str(refused.value)


def huge(path: Path, size: int) -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("CONCEPT.csv", "w") as file,
    ):
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return path


def test_a_zip_bomb(here: Engine, tmp_path: Path) -> None:
    said = refusal(here, huge(tmp_path / "bomb.zip", 64 << 20))
    assert said.startswith(f"'CONCEPT.csv' in '{tmp_path / 'bomb.zip'}' would unpack to more than 100 times")


def test_a_zip_bomb_that_says_it_is_packed_loosely(here: Engine, tmp_path: Path) -> None:
    path = altered(huge(tmp_path / "bomb.zip", 64 << 20), _PACKED, 0, 0, 0, 2)
    assert refusal(here, path).startswith(f"'{path}' would unpack to more than 100 times its size")


@pytest.mark.parametrize("size", [b"\x40\0\0\0", b"\0\0\0\x08"], ids=["too small", "too large"])
def test_a_file_that_lies_about_its_size(here: Engine, bundle: Path, size: bytes) -> None:
    path = altered(bundle, _SIZE, *size)
    assert refusal(here, path).endswith("download the bundle again")


def test_an_encrypted_file(here: Engine, bundle: Path) -> None:
    assert "is encrypted; unpack it yourself and give the folder" in refusal(here, altered(bundle, _FLAGS, 1))


@pytest.mark.parametrize("method", [9, 12, 14, 93])
def test_a_file_that_is_packed_in_a_way_we_do_not_know(here: Engine, bundle: Path, method: int) -> None:
    said = refusal(here, altered(bundle, _METHOD, method))
    assert "is packed in another way than Athena's; unpack it and give the folder" in said


@pytest.mark.parametrize(
    "name",
    ["../CONCEPT.csv", "/CONCEPT.csv", "a/../../CONCEPT.csv", "C:/CONCEPT.csv", "..\\CONCEPT.csv",
     "C:\\CONCEPT.csv", "\\\\server\\share\\CONCEPT.csv", "a/../CONCEPT.csv", "../readme.txt"],
)  # fmt: skip
def test_a_path_that_leads_out(here: Engine, bundle: Path, name: str) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(name, "harm")
    assert refusal(here, bundle) == (
        f"'{bundle}' holds a file whose path leads out of it: no bundle of Athena's does"
    )


def test_a_symbolic_link_is_not_followed(here: Engine, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret itself")
    tables = small()
    concepts = tables.pop("CONCEPT")
    bundle = zipped(write(tmp_path / "bundle", tables))
    link = zipfile.ZipInfo("CONCEPT.csv")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(link, str(secret))
    outcome = load(here, bundle)
    assert not outcome.loaded
    assert any(group.kind == "bad-header" and group.file == "CONCEPT.csv" for group in outcome.report.counts)
    assert "the secret itself" not in str(outcome.report.first)
    assert concepts


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_zip_that_was_cut_short(here: Engine, bundle: Path, part: float) -> None:
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[: int(part * len(whole))])
    assert refusal(here, bundle) == f"'{bundle}' is neither a folder nor a zip; download the bundle again"


@pytest.mark.parametrize("name", ["CONCEPT.csv", "CONCEPT_RELATIONSHIP.csv", "VOCABULARY.csv"])
def test_a_file_whose_bytes_have_changed(here: Engine, tmp_path: Path, name: str) -> None:
    """Stored unpacked, only its checksum tells, which comes after all of its rows."""
    folder = write(tmp_path / "bundle", small())
    path = tmp_path / "stored.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
        start = archive.getinfo(name).header_offset
    content = bytearray(path.read_bytes())
    # The last year of the file, or the digit before its last line's end.
    at = content.index((folder / name).read_bytes(), start) + (folder / name).stat().st_size - 2
    content[at : at + 1] = b"\t" if content[at : at + 1] != b"\t" else b"0"
    path.write_bytes(content)
    said = refusal_or_findings(here, path)
    assert said == f"'{name}' in '{path}' is damaged; download the bundle again"


def refusal_or_findings(engine: Engine, path: Path) -> str:
    try:
        return str(load(engine, path).report.first)
    except BundleError as error:
        return str(error)


def test_whatever_happened_to_a_zip_it_is_refused_in_a_sentence(bundle: Path) -> None:
    whole, randomness = bundle.read_bytes(), random.Random(20261121)
    refused = 0
    for _ in range(400):
        spoiled = bytearray(whole)
        for _ in range(randomness.choice((1, 1, 4, 40))):
            # Half of the blows go to the directory at the end.
            start = randomness.choice((0, whole.index(_ENTRY)))
            spoiled[randomness.randrange(start, len(whole))] = randomness.randrange(256)
        bundle.write_bytes(spoiled)
        refused += is_refused(bundle)
    assert refused > 200


def is_refused(path: Path) -> bool:
    try:
        with open_bundle(path) as bundle:
            for member in bundle.members.values():
                lines = Lines(bundle, member, lambda size, rows: None)
                while lines.read():
                    pass
                lines.close()
                assert sum(1 for _ in numbered(bundle, member)) >= lines.rows
    except (BundleError, HeaderError):
        return True
    return False


def test_a_folder_in_the_zip_and_the_side_files_of_a_mac(lake: Engine, tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", small())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("vocabulary_download_v5")
        for file in sorted(folder.iterdir()):
            archive.write(file, f"vocabulary_download_v5/{file.name}")
            archive.writestr(f"__MACOSX/vocabulary_download_v5/{file.name}", "side")
            archive.writestr(f"__MACOSX/vocabulary_download_v5/._{file.name}", "side")
        archive.writestr("vocabulary_download_v5/.DS_Store", "side")
    path = tmp_path / "mac.zip"
    path.write_bytes(packed.getvalue())
    assert load(lake, path).loaded
    with lake.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM omop.concept_ancestor")) == 3
