"""Everything that can be wrong with a bundle, each found with its file and line before anything is loaded."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.bundles import GONE, small, write
from tests.conftest import engine_on, new_database
from tests.loaded import findings, loaded, stored
from tests.spoils import CASES, CUSTOM, LINKED, USED, Case, cell, more, spoiled, without
from vocabularies.athena.findings import KINDS, SHOWN, Finding
from vocabularies.athena.layout import CPT4
from vocabularies.athena.load import load

_USE = text("INSERT INTO omop.care_site (care_site_id, place_of_service_concept_id) VALUES (1, :used)")
_LINK = text("""
    INSERT INTO omop.concept_relationship
    VALUES (:custom, :linked, 'Is a', '2020-01-01', '2099-12-31', NULL)
""")


@pytest.fixture(scope="module")
def here(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database with the small bundle: the data use one of its concepts, and a custom concept another."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        loaded(engine, tmp_path_factory.mktemp("first"), small())
        with engine.begin() as connection:
            connection.execute(_USE, {"used": USED})
            connection.execute(_LINK, {"custom": CUSTOM, "linked": LINKED})
        yield engine


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_what_is_wrong_is_found_with_file_and_line(here: Engine, tmp_path: Path, case: Case) -> None:
    outcome, found = findings(here, spoiled(tmp_path, case.spoil), check_only=True)
    of_kind = [one for one in found if one.kind == case.kind]
    assert [(one.file, one.line) for one in of_kind] == [(case.file, case.line)]
    assert case.said in of_kind[0].message
    assert {one.kind for one in found} - {case.kind} <= case.others
    refused = any(one.severity == "error" for one in found)
    assert bool(outcome.rows) is not refused
    assert not outcome.loaded


def test_every_kind_is_tested() -> None:
    assert [case.kind for case in CASES] == list(KINDS)
    assert KINDS.keys() == {case.kind for case in CASES}


THOROUGHLY = [case for case in CASES if not case.others and case.kind not in ("bad-header", "missing-file")]


def test_all_of_it_is_found_in_one_go(here: Engine, tmp_path: Path) -> None:
    before = stored(here)
    outcome, found = findings(here, spoiled(tmp_path, *(case.spoil for case in THOROUGHLY)))
    assert not outcome.loaded
    assert outcome.rows == {}
    assert places(THOROUGHLY) <= places(found)
    assert stored(here) == before


def places(found: Iterable[Case | Finding]) -> set[tuple[str, str, int]]:
    """Kinds with files and lines; several cases add lines to the file of CPT4, so there they differ."""
    return {(one.kind, one.file, 0 if one.file == CPT4 else one.line) for one in found}


def test_what_the_data_use_is_told_with_what_is_wrong(here: Engine, tmp_path: Path) -> None:
    bad = cell("CONCEPT_ANCESTOR", 2, "min_levels_of_separation", "x")
    _, found = findings(here, spoiled(tmp_path, without(USED, LINKED), bad))
    assert {"bad-integer", "concept-in-use", "lost-link", "unknown-concept"} == {one.kind for one in found}


def test_files_that_cannot_be_read_hide_nothing_in_the_others(here: Engine, tmp_path: Path) -> None:
    unread = [case for case in CASES if case.kind in ("bad-header", "missing-file")]
    others = [case for case in THOROUGHLY if not case.file.startswith(("DRUG", "DOMAIN"))]
    folder = spoiled(tmp_path, *(case.spoil for case in [*others, *unread]))
    _, found = findings(here, folder)
    assert places(case for case in [*unread, *others] if case.kind != "unknown-code") <= places(found)
    # What a file that cannot be read may hold is not asked.
    assert not [one for one in found if one.kind == "unknown-code"]


@pytest.mark.parametrize("missing", [True, False])
def test_no_reference_is_doubted_when_the_concepts_are_not_known(
    here: Engine, tmp_path: Path, missing: bool
) -> None:
    folder = spoiled(tmp_path)
    concepts = folder / "CONCEPT.csv"
    if missing:
        concepts.unlink()
    else:
        concepts.write_text(concepts.read_text().replace("\t", ","))
    _, found = findings(here, folder)
    assert [one.kind for one in found] == ["missing-file" if missing else "bad-header"]


WARNINGS = [case for case in CASES if KINDS[case.kind][0] == "warning" and not case.others]


@pytest.mark.parametrize("case", WARNINGS, ids=lambda case: case.kind)
def test_strict_lets_a_warning_refuse(here: Engine, tmp_path: Path, case: Case) -> None:
    before = stored(here)
    outcome = load(here, spoiled(tmp_path, case.spoil), strict=True)
    assert (outcome.loaded, outcome.rows) == (False, {})
    assert stored(here) == before


def test_strict_takes_a_note(here: Engine, tmp_path: Path) -> None:
    [note] = [case for case in CASES if KINDS[case.kind][0] == "note"]
    assert load(here, spoiled(tmp_path, note.spoil), strict=True, check_only=True).rows


def test_check_only_changes_nothing(here: Engine, tmp_path: Path) -> None:
    before = stored(here)
    outcome = load(here, spoiled(tmp_path, without("8507")), check_only=True)
    assert not outcome.loaded
    assert outcome.rows["CONCEPT.csv"] == (14, 14, 0)
    assert stored(here) == before
    with here.connect() as connection:
        assert connection.scalar(text("SELECT to_regnamespace('vocabulary_staging')")) is None


def test_each_fault_of_a_line_is_told(here: Engine, tmp_path: Path) -> None:
    cells = ["x", "", "d" * 21, "SNOMED", "Disorder", "SS", "c", "1.1.1970", "20991231", ""]
    _, found = findings(here, spoiled(tmp_path, more("CONCEPT", *cells)))
    assert [(one.line, one.kind) for one in found] == [
        (17, kind) for kind in ("bad-date", "bad-integer", "empty-cell", "too-long", "too-long")
    ]


def test_a_file_twice_over_is_a_duplicate_in_every_line(here: Engine, tmp_path: Path) -> None:
    tables = small()
    tables["CONCEPT"] *= 2
    outcome, found = findings(here, write(tmp_path, tables))
    count = len(small()["CONCEPT"])
    assert [(one.kind, one.line) for one in found] == [("duplicate-key", 2 + count + n) for n in range(count)]
    [group] = outcome.report.counts
    assert outcome.report.first[group] == found[:SHOWN]


def test_a_partial_download_names_the_vocabularies_to_add(here: Engine, tmp_path: Path) -> None:
    tables = small()
    gone = {one[0] for one in tables["CONCEPT"] if one[3] in ("LOINC", "UCUM")}
    tables["CONCEPT"] = [one for one in tables["CONCEPT"] if one[0] not in gone]
    outcome, found = findings(here, write(tmp_path, tables), check_only=True)
    assert {(one.kind, one.about) for one in found} == {
        ("unknown-concept", "LOINC"),
        ("unknown-concept", "UCUM"),
    }
    assert all(f"choose {one.about} too when you download" in one.message for one in found)
    for file in ("CONCEPT_RELATIONSHIP", "CONCEPT_SYNONYM", "DRUG_STRENGTH"):
        lines = [n for n, cells in enumerate(tables[file], 2) if gone & set(cells)]
        assert [one.line for one in found if one.file == f"{file}.csv"] == lines
        read = len(tables[file])
        assert outcome.rows[f"{file}.csv"] == (read, read - len(lines), len(lines))


def test_a_language_that_is_not_there_is_one_of_snomed(here: Engine, tmp_path: Path) -> None:
    tables = small()
    tables["CONCEPT_SYNONYM"][0][2] = "4182503"
    _, found = findings(here, write(tmp_path, tables), check_only=True)
    assert found == [
        Finding(
            "CONCEPT_SYNONYM.csv", 2, "unknown-concept",
            "concept 4182503 of 'language_concept_id' is not in CONCEPT.csv; languages are concepts of "
            "SNOMED: choose SNOMED too when you download",
            "SNOMED",
        )
    ]  # fmt: skip


def test_a_sound_bundle_of_the_same_day_is_no_older(here: Engine, tmp_path: Path) -> None:
    assert findings(here, write(tmp_path, small()), check_only=True)[1] == []


@pytest.mark.parametrize("version", ["v5.0 30-AUG-25", "v5.0 01-JAN-26", "unknown", ""])
def test_a_bundle_that_is_newer_or_of_no_day_is_no_older(here: Engine, tmp_path: Path, version: str) -> None:
    folder = spoiled(tmp_path, cell("VOCABULARY", 5, "vocabulary_version", version))
    assert findings(here, folder, check_only=True)[1] == []


def test_deprecated_concepts_are_concepts(here: Engine, tmp_path: Path) -> None:
    tables = small()
    tables["CONCEPT"][1][7:] = [*GONE, "D"]
    assert findings(here, write(tmp_path, tables), check_only=True)[1] == []
