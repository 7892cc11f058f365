"""Remap: after a change of the mapping, loaded cases become what a fresh ingest would make of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

import etl.foresee
import etl.remap
from etl.foresee import foresee
from etl.impact import Changes, ConceptImpact, Impact, ProblemImpact, RuleImpact
from etl.ingest import ingest
from etl.load import Counts
from etl.mapping.tables import TARGETS
from etl.remap import Done, remap
from etl.setup import initialise, prepare
from tests import mini, remaps
from tests.conftest import engine_on, new_database
from tests.remaps import EDITS

NOTHING = "Nothing to do: every case is loaded with this version of the mapping."


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that twelve cases are three batches."""
    for module in (etl.remap, etl.foresee):
        monkeypatch.setattr(module, "BATCH", 5)


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
    assert (counts.problems, counts.warnings) == (ingested.problems, ingested.warnings)


@pytest.mark.parametrize("edit", EDITS)
def test_the_preview_writes_nothing_and_tells_what_a_remap_then_does(
    loaded: Engine, folder: Path, edit: str
) -> None:
    EDITS[edit](folder)
    physical = remaps.untouched(loaded)
    impact = foresee(loaded, folder)
    assert foresee(loaded, folder, every=True) == impact
    assert remaps.untouched(loaded) == physical
    before = remaps.lake(loaded)
    counts = remap(loaded, prepare(loaded, folder))
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
    assert (impact.cases, impact.failures) == (counts.cases, counts.failures)
    assert impact.cases + len(impact.failures) == 12
    assert impact.changed == len(cases_of(found) | {key[0] for key in problems_of_cases(before, after)})
    assert sum((Counter(one.rows._asdict()) for one in impact.rules), Counter()) == Counter(
        impact.total._asdict()
    )


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
    "radiology_occurrence": "device_concept_id",
    "radiology_image": "radiology_phase_concept_id",
    **{name: target.concept_column for name, target in TARGETS.items() if target.concept_column},
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
        table: TARGETS[table].id_column if table in TARGETS else "episode_id"
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


def test_a_fixed_value_map_lets_its_problems_vanish(loaded: Engine, folder: Path) -> None:
    EDITS["value map fixed"](folder)
    line = mini.line_of(folder, mini.SECTION, "graded:")
    impact = foresee(loaded, folder)
    assert impact == Impact(
        mapping="mini",
        cases=12,
        changed=4,
        rules=(
            RuleImpact(
                "graded", f"main.yaml:{line}", "changed", ("value_as_concept_id",), Changes(changed=4)
            ),
        ),
        concepts=(ConceptImpact("measurement", 61, "Grade", Changes(changed=4)),),
        problems=(ProblemImpact("graded", "unmapped", appear=0, vanish=4),),
    )
    assert remap(loaded, prepare(loaded, folder)).problems["graded", "unmapped"] == 0
    assert foresee(loaded, folder) == Impact("mini", 0, 0, (), (), (), notices=(NOTHING,))


def test_warnings_come_and_go_with_the_mapping(loaded: Engine, folder: Path) -> None:
    scored = "scored: {table: measurement, concept: 60 Size, number: score,"
    ranged = f"{scored} plausible: {{high: 1, why: there is a 2}},"
    mini.change(folder, mini.SECTION, scored, ranged)
    impact = foresee(loaded, folder)
    (found,) = impact.problems
    assert (found.rule, found.kind, found.vanish) == ("scored", "implausible", 0)
    assert found.appear == impact.changed > 0
    assert (impact.rules, impact.concepts) == ((), ()), "not a row is another"
    assert remap(loaded, prepare(loaded, folder)).warnings["scored"] == found.appear
    assert foresee(loaded, folder) == Impact("mini", 0, 0, (), (), (), notices=(NOTHING,))
    mini.change(folder, mini.SECTION, ranged, scored)
    assert foresee(loaded, folder).problems == (
        ProblemImpact("scored", "implausible", appear=0, vanish=found.appear),
    )
    assert remap(loaded, prepare(loaded, folder)).warnings["scored"] == 0


def place(folder: Path, start: str) -> str:
    return f"main.yaml:{mini.line_of(folder, mini.SECTION, start)}"


RULES = {
    "nothing": [],
    "rule added": [("newcomer", "added", (), (8, 0, 0))],
    "rule removed": [("scored", "removed", (), (0, 0, 8))],
    "rule renamed": [("rated", "added", (), (8, 0, 0)), ("scored", "removed", (), (0, 0, 8))],
    "column changed": [("scan.size", "changed", ("unit_concept_id",), (0, 3, 0))],
    "number read elsewhere": [
        ("counted", "changed", ("sources", "value_as_number", "value_source_value"), (1, 11, 0))
    ],
    "table changed": [("scored", "changed", ("table",), (8, 0, 8))],
    "concept changed": [("scored", "changed", ("measurement_concept_id",), (0, 8, 0))],
    "person changed": [("person", "changed", ("gender_concept_id",), (0, 6, 0))],
    # The events of an episode are of the rules that write them.
    "rule without an episode": [("scan", "changed", (), (0, 0, 1))],
}


@pytest.mark.parametrize("edit", RULES)
def test_the_preview_names_the_rules_that_change(loaded: Engine, folder: Path, edit: str) -> None:
    before = {each: place(folder, each) for each in ("scored:",)}
    EDITS[edit](folder)
    rules = foresee(loaded, folder).rules
    assert [(one.name, one.change, one.what, tuple(one.rows)) for one in rules] == RULES[edit]
    for rule in rules:
        if rule.name == "person":
            assert rule.place == ""
        elif rule.change == "removed":
            assert rule.place == before[f"{rule.name}:"]
        else:
            assert rule.place == place(folder, f"{rule.name.rpartition('.')[2]}:")


def test_a_rule_that_stands_at_another_list_is_changed_and_its_rows_are_others(
    loaded: Engine, folder: Path
) -> None:
    mini.change(folder, mini.SECTION, "number: score,", "each: items, number: size,")
    mini.change(folder, mini.MAPPING, "ignore:\n", "ignore:\n  score: not needed here\n")
    (rule,) = foresee(loaded, folder).rules
    assert (rule.name, rule.change, rule.what) == ("scored", "changed", ("each", "sources"))
    assert rule.rows == Changes(removed=8)


def test_without_a_change_there_is_nothing_to_do(loaded: Engine, folder: Path) -> None:
    plan = prepare(loaded, folder)
    before = remaps.untouched(loaded)
    assert foresee(loaded, folder) == Impact("mini", 0, 0, (), (), (), notices=(NOTHING,))
    reports: list[Done] = []
    assert remap(loaded, plan, progress=reports.append) == Counts()
    assert reports == []
    assert remaps.untouched(loaded) == before


def test_progress_is_told_batch_by_batch(loaded: Engine, folder: Path) -> None:
    EDITS["rule added"](folder)
    foreseen: list[Done] = []
    foresee(loaded, folder, progress=foreseen.append)
    done: list[Done] = []
    remap(loaded, prepare(loaded, folder), progress=done.append)
    assert foreseen == done == [Done(6, 12), Done(11, 12), Done(12, 12)]


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_all_takes_the_cases_that_are_at_this_version_and_mends_their_rows(
    loaded: Engine, folder: Path
) -> None:
    before = remaps.lake(loaded)
    execute(loaded, "UPDATE omop.measurement SET value_as_number = 7.3 WHERE value_as_number = 7.2")
    execute(loaded, "DELETE FROM omop.note")
    execute(loaded, "DELETE FROM lake.problems WHERE kind = 'unmapped'")
    assert foresee(loaded, folder).cases == 0
    impact = foresee(loaded, folder, every=True)
    assert dict(impact.tables) == {"measurement": Changes(changed=1), "note": Changes(added=3)}
    assert impact.problems == (ProblemImpact("graded", "unmapped", appear=4, vanish=0),)
    plan = prepare(loaded, folder)
    assert remap(loaded, plan) == Counts()
    assert remap(loaded, plan, every=True).cases == 12
    assert remaps.lake(loaded) == before


def test_values_are_compared_as_the_database_stores_them(loaded: Engine, folder: Path) -> None:
    """7.20 is 7.2, and another number of decimals is no change."""
    execute(loaded, "UPDATE omop.measurement SET value_as_number = 7.2000 WHERE value_as_number = 7.2")
    assert foresee(loaded, folder, every=True).concepts == ()


def test_pending_cases_are_loaded_and_counted_as_added(loaded: Engine, folder: Path, tmp_path: Path) -> None:
    prepare(loaded, folder)
    before = remaps.lake(loaded)
    # Landed and not loaded: two new cases, and a newer version of a loaded one.
    others = [{**mini.BARE, "id": f"N{number}", "count": number} for number in (1, 2)]
    newer = {**remaps.documents()[11], "count": None}
    land(loaded, folder, remaps.write_documents(tmp_path / "more.ndjson", *others, newer))
    impact = foresee(loaded, folder)
    counts = remap(loaded, prepare(loaded, folder))
    found = changes(before["rows"], remaps.lake(loaded)["rows"])
    assert (impact.cases, impact.changed, counts.cases) == (3, 3, 3)
    assert dict(impact.tables) == {table: Changes(*map(len, found[table])) for table in found}
    assert impact.tables["person"] == Changes(added=2)
    assert [rule.change for rule in impact.rules] == ["changed"] * len(impact.rules)


def land(engine: Engine, folder: Path, file: Path) -> None:
    """Ingest a file and stop before loading."""
    with pytest.MonkeyPatch.context() as patch:
        for stage in ("load", "load_later"):
            patch.setattr(etl.ingest, stage, lambda *_, **__: Counts())
        ingest(engine, prepare(engine, folder), [file], "t")


def test_a_document_that_the_new_schema_refuses_keeps_its_rows(loaded: Engine, folder: Path) -> None:
    before = remaps.lake(loaded)
    EDITS["schema narrowed"](folder)
    counts = remap(loaded, prepare(loaded, folder))
    (failure,) = counts.failures
    assert failure.reason.startswith("its document is no longer valid")
    assert (counts.cases, counts.whole) == (11, False)
    after = remaps.lake(loaded)
    for table, rows in changes(before["rows"], after["rows"]).items():
        assert failure.case_id not in cases_of({table: rows})
    plans = {case[0]: case[3] for case in after["cases"]}
    assert plans.pop(failure.case_id) == before["cases"][0][3] != plans.popitem()[1]


def test_only_the_cases_of_the_mapping_are_made_anew(loaded: Engine, folder: Path) -> None:
    samples = Path(__file__).parents[2] / "mappings" / "prostate" / "samples"
    ingest(loaded, prepare(loaded), [samples / "figure-13.json"], "t")
    EDITS["rule added"](folder)
    assert foresee(loaded, folder).cases == 12
    assert remap(loaded, prepare(loaded, folder), every=True).cases == 12
    with loaded.connect() as connection:
        plans = connection.execute(
            text("SELECT mapping, count(DISTINCT plan), count(*) FROM lake.cases GROUP BY 1 ORDER BY 1")
        ).all()
    assert [tuple(row) for row in plans] == [("mini", 1, 12), ("prostate", 1, 1)]


def test_the_upload_log_keeps_the_counts_of_the_ingest(loaded: Engine, folder: Path) -> None:
    log = text("SELECT upload_id, outcome, cases, stored, rows, problems FROM lake.uploads")
    with loaded.connect() as connection:
        before = connection.execute(log).all()
    EDITS["rule added"](folder)
    remap(loaded, prepare(loaded, folder))
    remap(loaded, prepare(loaded, folder), every=True)
    with loaded.connect() as connection:
        assert connection.execute(log).all() == before


def test_several_versions_before_are_told_as_one_change(loaded: Engine, folder: Path, tmp_path: Path) -> None:
    """Some cases are loaded with the rule and some without: it is added for the latter."""
    EDITS["rule added"](folder)
    file = remaps.write_documents(tmp_path / "one.ndjson", {**mini.BARE, "id": "N", "score": 1})
    ingest(loaded, prepare(loaded, folder), [file], "t")
    EDITS["value map fixed"](folder)
    impact = foresee(loaded, folder)
    assert impact.cases == 13
    assert [(one.name, one.change, tuple(one.rows)) for one in impact.rules] == [
        ("graded", "changed", (0, 4, 0)),
        ("newcomer", "added", (8, 0, 0)),
    ]


def test_the_preview_runs_before_init_knows_the_concepts(loaded: Engine, folder: Path) -> None:
    concepts = {each.concept_id: each.concept_name for each in mini.CONCEPTS.values()}
    remaps.write_concepts(folder, concepts | {62: "Count", 40: "Scan of all"})
    mini.change(folder, mini.SECTION, "concept: 60 Size, number: count", "concept: 62 Count, number: count")
    mini.change(folder, mini.SECTION, "concept: 40 Scan", "concept: 40 Scan of all")
    before = remaps.untouched(loaded)
    impact = foresee(loaded, folder)
    assert remaps.untouched(loaded) == before
    assert impact.concepts == (ConceptImpact("measurement", 62, "Count", Changes(changed=11)),)
    assert impact.notices == (
        "1 concept of the mapping is not in the database yet; `oncolake remap` adds what is new.",
        "The database describes 1 concept otherwise than the mapping: "
        "run `oncolake init --mappings DIR` before `oncolake remap`.",
    )
    initialise(loaded, folder)
    assert foresee(loaded, folder) == replace(impact, notices=())


def test_a_preview_needs_a_database_that_is_open_for_writing_to_temporary_tables_only(
    loaded: Engine, folder: Path
) -> None:
    EDITS["rule added"](folder)
    with loaded.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    loaded.dispose()
    assert foresee(loaded, folder).cases == 12


def test_a_remap_follows_a_change_of_the_person_in_every_case(loaded: Engine, folder: Path) -> None:
    def disagreements() -> list[str]:
        with loaded.connect() as connection:
            query = "SELECT reason FROM lake.problems WHERE kind = 'disagrees'"
            return sorted(reason.partition(":")[0] for reason in connection.scalars(text(query)))

    assert disagreements() == ["person.year_of_birth"]
    EDITS["person changed"](folder)
    impact = foresee(loaded, folder)
    assert impact.problems == (ProblemImpact("person", "disagrees", appear=3, vanish=0),)
    remap(loaded, prepare(loaded, folder))
    assert disagreements() == ["person.gender_concept_id"] * 3 + ["person.year_of_birth"]


def test_a_concept_described_otherwise_makes_no_case_stale(loaded: Engine, folder: Path) -> None:
    """No row depends on concepts.csv, so the digest leaves it out."""
    names = {each.concept_id: each.concept_name for each in mini.CONCEPTS.values()}
    remaps.write_concepts(folder, names | {85: "Tablet"})
    impact = foresee(loaded, folder)
    assert (impact.cases, impact.notices[0], len(impact.notices)) == (0, NOTHING, 2)
    assert foresee(loaded, folder, every=True).concepts == ()
