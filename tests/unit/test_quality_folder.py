"""The folder of a quality report: written as a whole, and no file of anybody else's touched."""

from pathlib import Path

import pytest

from etl.quality.folder import LIST, FolderError, written_at_once


def write(folder: Path, **files: str) -> None:
    with written_at_once(folder) as place:
        for name, content in files.items():
            file = place.joinpath(*name.split("__")).with_suffix(".html")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)


def there(folder: Path) -> dict[str, str]:
    files = (one for one in folder.rglob("*") if one.is_file() and one.name != LIST)
    return {one.relative_to(folder).as_posix(): one.read_text() for one in files}


def test_a_report_replaces_the_last_one_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "told"
    write(folder, index="1", pages__note="1", pages__old__person="1")
    write(folder, index="2", pages__note="2")
    assert there(folder) == {"index.html": "2", "pages/note.html": "2"}
    assert sorted(one.name for one in folder.iterdir()) == [LIST, "index.html", "pages"]
    assert [one.name for one in (folder / "pages").iterdir()] == ["note.html"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    write(tmp_path, index="1")
    assert there(tmp_path) == {"index.html": "1"}


@pytest.mark.parametrize("name", ["index.html", "static/logo.svg", "thesis.md"])
def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(FolderError, match="has files, and no quality report: name a new folder, such as"):
        write(tmp_path, index="1")
    assert there(tmp_path) == {name: "mine"}
    assert not (tmp_path / LIST).exists()


def test_other_files_in_a_report_stay_and_are_never_written_over(tmp_path: Path) -> None:
    write(tmp_path, index="1", pages__note="1")
    (tmp_path / "pages" / "mine.html").write_text("mine")
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "logo.svg").write_text("mine")
    write(tmp_path, index="2")
    kept = {"index.html": "2", "pages/mine.html": "mine", "static/logo.svg": "mine"}
    assert there(tmp_path) == kept
    with pytest.raises(FolderError, match=r"pages/mine\.html' is in the way"):
        write(tmp_path, index="3", pages__mine="3")
    assert there(tmp_path) == kept


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    folder, other = tmp_path / "told", tmp_path / "other"
    write(folder, index="1", pages__note="1")
    (folder / "pages").rename(other)
    (folder / "pages").symlink_to(other)
    with pytest.raises(FolderError, match="is in the way"):
        write(folder, index="2", pages__note="2")
    assert there(other) == {"note.html": "1"}


@pytest.mark.parametrize("said", ['["../mine"]', '["/etc/x"]', "{", "[1]"])
def test_a_list_that_names_files_elsewhere_is_refused(tmp_path: Path, said: str) -> None:
    (tmp_path / "mine").write_text("mine")
    folder = tmp_path / "told"
    folder.mkdir()
    (folder / LIST).write_text(said)
    with pytest.raises(FolderError, match="is no list of a report's files"):
        write(folder, index="1")
    assert (tmp_path / "mine").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "told").write_text("mine")
    with pytest.raises(FolderError, match="is no folder"):
        write(tmp_path / "told", index="1")


@pytest.mark.parametrize("before", [False, True])
def test_who_stops_it_finds_what_was_there_before(tmp_path: Path, before: bool) -> None:
    folder = tmp_path / "deep" / "told"
    if before:
        write(folder, index="1")
    with pytest.raises(KeyboardInterrupt), written_at_once(folder) as place:
        (place / "index.html").write_text("2")
        raise KeyboardInterrupt
    assert there(tmp_path) == ({"deep/told/index.html": "1"} if before else {})
    assert [one.name for one in tmp_path.iterdir()] == (["deep"] if before else [])
    assert not before or sorted(one.name for one in folder.iterdir()) == [LIST, "index.html"]
