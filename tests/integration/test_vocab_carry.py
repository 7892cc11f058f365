"""What this database has of its own, and that no bundle may lose: custom concepts and placeholders."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.bundles import SINCE, Tables, small, write
from tests.loaded import findings, loaded, stored

OWN = (
    "INSERT INTO omop.vocabulary VALUES ('SITE', 'Our site', NULL, NULL, 2000009000)",
    "INSERT INTO omop.domain VALUES ('Own domain', 'Own domain', 2000009001)",
    "INSERT INTO omop.concept_class VALUES ('Own class', 'Own class', 0)",
    "INSERT INTO omop.relationship VALUES ('Own of', 'Own of', '0', '0', 'Has own', 0), "
    "('Has own', 'Has own', '0', '0', 'Own of', 0)",
    """INSERT INTO omop.concept VALUES
    (2000009000, 'Our site', 'Own domain', 'SITE', 'Own class', NULL, 'S', '2020-01-01', '2099-12-31', NULL),
    (2000009001, 'A thing', 'Own domain', 'SITE', 'Own class', 'S', 'A', '2020-01-01', '2099-12-31', NULL)""",
    """INSERT INTO omop.concept_relationship VALUES
    (2000009001, 4163261, 'Own of', '2020-01-01', '2099-12-31', NULL),
    (4163261, 2000009001, 'Has own', '2020-01-01', '2099-12-31', NULL),
    (2000009000, 2000009001, 'Is a', '2020-01-01', '2099-12-31', NULL)""",
    "INSERT INTO omop.concept_ancestor VALUES (443392, 2000009001, 1, 1), (2000009000, 2000009001, 0, 3)",
    "INSERT INTO omop.concept_synonym VALUES (2000009001, 'Thing', 4180186), (2000009001, 'Chose', 0), "
    "(2000009001, 'Chose', 0)",
    "INSERT INTO omop.drug_strength VALUES (2000009001, 19028106, 5, 8576, NULL, NULL, NULL, NULL, NULL, "
    "'2020-01-01', '2099-12-31', NULL)",
)


def own(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        for statement in statements or OWN:
            connection.execute(text(statement))


def test_custom_concepts_and_all_about_them_survive_every_reload(lake: Engine, tmp_path: Path) -> None:
    loaded(lake, tmp_path / "first", small())
    own(lake)
    before = stored(lake)
    for number in range(2):
        outcome, found = findings(lake, write(tmp_path / str(number), small()))
        assert (outcome.loaded, found) == (True, [])
        now = stored(lake)
        # Two equal synonyms say no more than one.
        assert set(now.pop("CONCEPT_SYNONYM")) == set(before["CONCEPT_SYNONYM"])
        assert now == {name: rows for name, rows in before.items() if name != "CONCEPT_SYNONYM"}


def test_a_bundle_may_hold_our_own_concepts_as_they_are(lake: Engine, tmp_path: Path) -> None:
    tables = small()
    for name, rows in stored(lake).items():
        there = {row[0] for row in tables[name]}
        tables[name] += [list(row) for row in rows if row[0] not in there and name != "CONCEPT"]
        tables[name] += [list(row) for row in rows if name == "CONCEPT" and int(row[0]) >= 2_000_000_000]
    before = {row for row in stored(lake)["CONCEPT"] if int(row[0]) >= 2_000_000_000}
    outcome, found = findings(lake, write(tmp_path, tables))
    assert (outcome.loaded, found) == (True, [])
    assert {row for row in stored(lake)["CONCEPT"] if int(row[0]) >= 2_000_000_000} == before


def clash(lake: Engine, folder: Path, tables: Tables) -> list[tuple[str, str]]:
    before = stored(lake)
    outcome, found = findings(lake, write(folder, tables))
    assert not outcome.loaded
    assert stored(lake) == before
    return [(one.file, one.message) for one in found if one.kind == "clash"]


@pytest.mark.parametrize("column", range(1, 10))
def test_a_custom_concept_that_is_another_in_the_bundle(lake: Engine, tmp_path: Path, column: int) -> None:
    [ours] = [list(row) for row in stored(lake)["CONCEPT"] if row[0] == "2000000001"]
    given = [*ours[:2], "Condition", "SNOMED", "Disorder", *ours[5:]]
    others = [None, "Other", "Drug", "LOINC", "Lab Test", "", "other", "19990101", "20500101", "D"]
    given[column] = str(others[column])
    tables = small()
    tables["CONCEPT"].append(given)
    assert clash(lake, tmp_path, tables) == [
        (
            "CONCEPT.csv",
            f"concept 2000000001 is '{given[1]}' of {given[3]} in the bundle and 'Index Lesion' of "
            "PROCANCERI here; renumber or change one of them",
        )
    ]


def test_a_custom_vocabulary_that_is_another_in_the_bundle(lake: Engine, tmp_path: Path) -> None:
    tables = small()
    tables["VOCABULARY"].append(["PROCANCERI", "Pro Cancer International", "", "", "0"])
    tables["CONCEPT"].append(["77", "Theirs", "Condition", "PROCANCERI", "Disorder", "S", "1", *SINCE, ""])
    assert clash(lake, tmp_path, tables) == [
        (
            "VOCABULARY.csv",
            "vocabulary 'PROCANCERI' is 'Pro Cancer International' in the bundle and 'PROCANCERI custom "
            "concepts', one of our own, here; give ours another name",
        )
    ]


def test_placeholders_are_replaced_by_the_real_rows_and_others_stay(lake: Engine, tmp_path: Path) -> None:
    before = {row[0]: row for row in stored(lake)["CONCEPT"]}
    loaded(lake, tmp_path, small())
    now = {row[0]: row for row in stored(lake)["CONCEPT"]}
    given = {row[0]: tuple(row) for row in small()["CONCEPT"]}
    replaced = {one for one in given if one in before}
    assert len(replaced) > 5
    assert all(before[one][3] == "Placeholder" for one in replaced)
    assert {one: now[one] for one in given} == given
    assert {one: now[one] for one in before if one not in given} == {
        one: row for one, row in before.items() if one not in given
    }
    assert now.keys() == before.keys() | given.keys()


def test_real_rows_do_not_turn_into_placeholders_again(lake: Engine, tmp_path: Path) -> None:
    loaded(lake, tmp_path / "first", small())
    tables = small()
    gone = "45556174"
    tables["CONCEPT"] = [row for row in tables["CONCEPT"] if row[0] != gone]
    outcome = loaded(lake, tmp_path / "second", tables)
    assert outcome.loaded
    assert gone not in {row[0] for row in stored(lake)["CONCEPT"]}


def test_a_link_to_what_the_bundle_lacks_is_told_and_goes(lake: Engine, tmp_path: Path) -> None:
    loaded(lake, tmp_path / "first", small())
    own(lake)
    tables = small()
    tables["CONCEPT"] = [row for row in tables["CONCEPT"] if row[0] not in ("443392", "19028106")]
    outcome, found = findings(lake, write(tmp_path / "second", tables))
    assert outcome.loaded
    assert [(one.file, one.about) for one in found if one.kind == "lost-link"] == [
        ("CONCEPT_ANCESTOR.csv", "SNOMED"),
        ("DRUG_STRENGTH.csv", "RxNorm"),
    ]
    now = stored(lake)
    assert [row for row in now["CONCEPT_ANCESTOR"] if "2000009001" in row] == [
        ("2000009000", "2000009001", "0", "3")
    ]
    assert "2000009001" not in {row[0] for row in now["DRUG_STRENGTH"]}


def test_a_strength_whose_unit_the_bundle_lacks_is_a_lost_link(lake: Engine, tmp_path: Path) -> None:
    tables = small()
    tables["CONCEPT"].append(["88001", "furlong", "Unit", "UCUM", "Unit", "S", "[fur_us]", *SINCE, ""])
    loaded(lake, tmp_path / "first", tables)
    own(lake)
    own(lake, "UPDATE omop.drug_strength SET amount_unit_concept_id = 88001 WHERE drug_concept_id > 2e9")
    outcome, found = findings(lake, write(tmp_path / "second", small()))
    assert outcome.loaded
    assert [(one.file, one.kind, one.about) for one in found] == [("DRUG_STRENGTH.csv", "lost-link", "UCUM")]
    assert "2000009001" not in {row[0] for row in stored(lake)["DRUG_STRENGTH"]}


def test_what_was_added_while_a_load_ran_is_carried_too(lake: Engine, tmp_path: Path) -> None:
    class Adding:
        """Adds our own just before the swap."""

        def reading(self, file: str, done: int, size: int, rows: int) -> None:
            pass

        def step(self, phase: str, done: int, total: int) -> None:
            if phase == "staging" and done == total:
                own(lake)

    loaded(lake, tmp_path / "first", small())
    assert loaded(lake, tmp_path / "second", small(), watcher=Adding()).loaded
    now = stored(lake)
    assert {"2000009000", "2000009001"} <= {row[0] for row in now["CONCEPT"]}
    assert sum("2000009001" in row for row in now["CONCEPT_RELATIONSHIP"]) == 3
    assert "Own of" in {row[0] for row in now["RELATIONSHIP"]}


def test_data_with_a_concept_that_the_bundle_lacks_keeps_it_out(lake: Engine, tmp_path: Path) -> None:
    loaded(lake, tmp_path / "first", small())
    own(lake, "INSERT INTO omop.care_site (care_site_id, place_of_service_concept_id) VALUES (1, 3013603)")
    tables = small()
    tables["CONCEPT"] = [row for row in tables["CONCEPT"] if row[0] != "3013603"]
    before = stored(lake)
    outcome, found = findings(lake, write(tmp_path / "second", tables))
    assert not outcome.loaded
    assert stored(lake) == before
    told = [one for one in found if one.kind == "concept-in-use"]
    assert [(one.file, one.line, one.about, one.message) for one in told] == [
        (
            "CONCEPT.csv", 0, "LOINC",
            "concept 3013603 of LOINC, which care_site.place_of_service_concept_id has, is not in the "
            "bundle; choose LOINC too when you download",
        )
    ]  # fmt: skip
