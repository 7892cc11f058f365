"""Which views of a mapping the database has not as it makes them: what changes them, and what does not."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from etl.research import ResearchError
from etl.setup import initialise, outdated_views, prepared, renew_views
from tests import mini, remaps

BOTH = ["research.score", "research.over"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiny mapping with a view that follows from a rule, and one that reads it."""
    folder = remaps.write(tmp_path / "mapping")
    folder.joinpath("research").mkdir()
    folder.joinpath("research", "score.yaml").write_text(
        "title: Scores\nrow: case\ncolumns:\n  score: {rule: scored, says: It}\n"
    )
    folder.joinpath("research", "over.sql").write_text(
        "CREATE OR REPLACE VIEW research.over AS SELECT score FROM research.score;"
    )
    return folder


def told(engine: Engine, folder: Path) -> list[str]:
    ready = prepared(engine, folder)
    with engine.connect() as connection:
        return outdated_views(connection, ready).other


def rename_rule(folder: Path) -> None:
    remaps.EDITS["rule renamed"](folder)
    mini.change(folder, "research/score.yaml", "scored", "rated")


def made(engine: Engine) -> list[tuple[str, str]]:
    """Every view, and how it was made."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT relname, concat(xmin, obj_description(oid)) FROM pg_class"
                " WHERE relnamespace = 'research'::regnamespace ORDER BY 1"
            )
        )
        return [(row[0], row[1]) for row in rows]


def test_the_shipped_views_are_right_after_init(lake: Engine) -> None:
    ready = prepared(lake)
    with lake.connect() as connection:
        assert outdated_views(connection, ready) == ([], [])


def test_views_are_outdated_where_another_version_makes_them_otherwise(lake: Engine, folder: Path) -> None:
    assert told(lake, folder) == BOTH, "they were never made"
    initialise(lake, folder)
    assert told(lake, folder) == []
    before = Path(shutil.copytree(folder, folder.with_name("before")))
    for edit in ("nothing", "rule added", "value map fixed", "dates changed"):
        remaps.EDITS[edit](folder)
        assert told(lake, folder) == [], edit
    rename_rule(folder)
    views = made(lake)
    assert (told(lake, folder), told(lake, before), told(lake, folder)) == (BOTH, [], BOTH)
    assert made(lake) == views, "nothing is written"
    renew_views(lake, prepared(lake, folder))
    assert (told(lake, folder), told(lake, before)) == ([], BOTH)


def test_a_view_that_the_folder_has_no_more_is_told(lake: Engine, folder: Path) -> None:
    initialise(lake, folder)
    file = folder / "research" / "over.sql"
    renamed = file.read_text().replace("research.over", "research.above")
    file.with_name("above.sql").write_text(renamed)
    file.unlink()
    with lake.begin() as connection:
        connection.execute(text("CREATE VIEW research.yours AS SELECT 1 AS one"))
    ready = prepared(lake, folder)
    with lake.connect() as connection:
        # Neither a view of another mapping is left by this one, nor one that no mapping made.
        assert outdated_views(connection, ready) == (["research.above"], ["research.over"])
    renew_views(lake, ready)
    with lake.connect() as connection:
        assert outdated_views(connection, ready) == ([], ["research.over"])


def test_a_view_that_another_hand_made_is_not_its_own(lake: Engine, folder: Path) -> None:
    initialise(lake, folder)
    with lake.begin() as connection:
        connection.execute(text("COMMENT ON VIEW research.over IS 'Mine'"))
    assert told(lake, folder) == ["research.over"]


def test_a_view_of_another_mapping_is_refused_as_by_init(lake: Engine, folder: Path) -> None:
    initialise(lake, folder)
    mini.change(folder, mini.MAPPING, "name: mini", "name: other")
    with pytest.raises(ResearchError, match=r"^research\.score is a view of mapping 'mini'") as told_of:
        told(lake, folder)
    with pytest.raises(ResearchError) as refused:
        initialise(lake, folder)
    assert str(told_of.value) == str(refused.value)


def test_a_view_that_cannot_be_made_changes_none(lake: Engine, folder: Path) -> None:
    initialise(lake, folder)
    rename_rule(folder)
    folder.joinpath("research", "over.sql").write_text(
        "CREATE OR REPLACE VIEW research.over AS SELECT points FROM research.score;"
    )
    views, ready = made(lake), prepared(lake, folder)
    with pytest.raises(ResearchError, match=r"^research/over\.sql:1: PostgreSQL refuses it"):
        renew_views(lake, ready)
    assert made(lake) == views
