"""Remap: after a change of the mapping, loaded cases become what a fresh ingest would make of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from etl.foresee import foresee
from etl.impact import Changes
from etl.ingest import ingest
from etl.mapping.tables import TARGETS
from etl.remap import remap
from etl.setup import prepare
from tests import remaps
from tests.conftest import engine_on, new_database
from tests.remaps import EDITS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return remaps.write(tmp_path / "mapping")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return remaps.write_documents(tmp_path / "cases.ndjson")


@pytest.fixture
def loaded(lake: Engine, folder: Path, file: Path) -> Engine:
    """A database with all cases, loaded with the mapping as it is before any edit."""
    assert ingest(lake, prepare(lake, folder), [file], "t").loaded.cases == 12
    return lake


@contextmanager
def fresh(server_url: str, template: str) -> Iterator[Engine]:
    with new_database(server_url, template) as url, engine_on(url) as engine:
        yield engine


@pytest.mark.parametrize("edit", [edit for edit in EDITS if edit != "schema narrowed"])
def test_a_remap_ends_where_a_fresh_ingest_ends(
    server_url: str,
    template_database: str,
    tmp_path: Path,
    folder: Path,
    file: Path,
    loaded: Engine,
    edit: str,
) -> None:
    EDITS[edit](folder)
    counts = remap(loaded, prepare(loaded, folder))
    with fresh(server_url, template_database) as engine:
        # So that both registers give the same numbers.
        prepare(engine, remaps.write(tmp_path / "before"))
        ingested = ingest(engine, prepare(engine, folder), [file], "t").loaded
        expected = remaps.lake(engine)
    assert remaps.lake(loaded) == expected
    assert (counts.cases, counts.rows, counts.failures) == (12, ingested.rows, ())
    assert counts.problems == ingested.problems


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("edit", EDITS)
def test_the_preview_tells_what_a_remap_then_does(
    loaded: Engine, folder: Path, edit: str, every: bool
) -> None:
    EDITS[edit](folder)
    impact = foresee(loaded, folder, every=every)
    before = remaps.lake(loaded)
    counts = remap(loaded, prepare(loaded, folder), every=every)
    after = remaps.lake(loaded)
    found = changes(before["rows"], after["rows"])
    assert dict(impact.tables) == {table: Changes(*map(len, found[table])) for table in found}
    assert {(one.table, one.concept_id): one.rows for one in impact.concepts} == by_concept(found)
    gone, come = (
        by_rule(one["problems"] - other["problems"]) for one, other in ((before, after), (after, before))
    )
    assert {(one.rule, one.kind): (one.appear, one.vanish) for one in impact.problems} == {
        key: (come[key], gone[key]) for key in come | gone
    }
    assert (impact.cases, impact.failures) == (12, counts.failures)
    assert impact.changed == len(cases_of(found) | {key[0] for key in problems_of_cases(before, after)})
    assert sum((Counter(one.rows._asdict()) for one in impact.rules), Counter()) == Counter(
        impact.total._asdict()
    )


@pytest.mark.parametrize("edit", EDITS)
def test_a_preview_writes_nothing(loaded: Engine, folder: Path, edit: str) -> None:
    EDITS[edit](folder)
    before = remaps.untouched(loaded)
    foresee(loaded, folder)
    foresee(loaded, folder, every=True)
    assert remaps.untouched(loaded) == before


Changed = dict[str, tuple[list[Any], list[Any], list[Any]]]


def changes(before: remaps.Rows, after: remaps.Rows) -> Changed:
    """Rows by table: added, changed (as they are after), removed; tables without a difference left out."""
    found = {}
    for table, old in before.items():
        new = after[table]
        added = [new[key] for key in new.keys() - old.keys()]
        changed = [new[key] for key in new.keys() & old.keys() if new[key] != old[key]]
        removed = [old[key] for key in old.keys() - new.keys()]
        if added or changed or removed:
            found[table] = (added, changed, removed)
    return found


CONCEPTS = {
    "person": "gender_concept_id",
    "observation_period": "period_type_concept_id",
    "episode_event": "episode_event_field_concept_id",
    **{name: target.concept_column for name, target in TARGETS.items()},
}


def by_concept(found: Changed) -> dict[tuple[str, int], Changes]:
    counts: dict[tuple[str, int], list[int]] = {}
    for table, kinds in found.items():
        for place, rows in enumerate(kinds):
            for row in rows:
                counts.setdefault((table, row[CONCEPTS[table]]), [0, 0, 0])[place] += 1
    return {key: Changes(*numbers) for key, numbers in counts.items()}


def cases_of(found: Changed) -> set[int]:
    keys = {
        table: "episode_id" if table == "episode_event" else f"{table}_id"
        for table in found
        if table not in ("person", "observation_period")
    }
    return {row[key] >> 32 for table, key in keys.items() for rows in found[table] for row in rows}


def by_rule(problems: Counter[tuple[Any, ...]]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for (_, rule, kind, *_), number in problems.items():
        counts[rule, kind] += number
    return counts


def problems_of_cases(before: dict[str, Any], after: dict[str, Any]) -> set[tuple[Any, ...]]:
    """The problems of single cases that there are on one side only."""
    different = (before["problems"] - after["problems"]) + (after["problems"] - before["problems"])
    return {key for key in different if key[2] != "disagrees"}
