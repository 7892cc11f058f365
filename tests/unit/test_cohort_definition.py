"""The file of a cohort: what is taken, and what is refused with file, line and next step."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etl.cohorts.definition import define, read_definition
from etl.cohorts.errors import CohortError
from etl.cohorts.values import run_name, settle

FILE = """\
/*
name: mine
title: Men of my own
description: Men with a PSA above a limit
parameters:
  above: {type: number, default: 4.5, minimum: 0, maximum: 100, description: ng/mL}
  site: {type: text, default: FORTH, choices: [FORTH, NCI], description: The site}
  least: {type: integer, default: 1, description: Lesions}
  day: {type: date, default: 2000-01-01, description: The first day}
steps:
  high: PSA above the limit
  here: At the site
*/
WITH high AS ( -- 100 % of those :not_a_parameter
    SELECT person_id AS subject_id, site, last_date FROM research.patient
     WHERE psa > :above AND lesions >= :least AND forms[1:2] <> '{}'::text[]
), here AS (
    SELECT * FROM high WHERE site = :site AND site NOT LIKE 'x:y%'
)
SELECT subject_id, :day AS cohort_start_date, last_date AS cohort_end_date FROM here;
"""


def test_a_file_is_read() -> None:
    found = define(FILE, "mine.sql")
    assert (found.name, found.steps, found.text) == ("mine", ("high", "here"), FILE)
    head, tail, line = found.query
    assert line == 13
    assert "psa > CAST(%(above)s AS numeric) AND lesions >= CAST(%(least)s AS integer)" in head
    assert "forms[1:2] <> '{}'::text[]" in head
    assert "100 %% of those :not_a_parameter" in head
    assert "NOT LIKE 'x:y%%'" in head
    assert tail.startswith("SELECT subject_id, CAST(%(day)s AS date) AS cohort_start_date")
    assert tail.endswith("FROM here")


def change(old: str, new: str) -> str:
    assert old in FILE
    return FILE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1", "mine.sql:1: begin with a header"),
        (change("title:", "titel:"), "mine.sql:1: 'title' is missing"),
        (change("title: Men", "title: [Men"), "mine.sql:4: not YAML"),
        (change("title: Men", "name: Men"), "mine.sql:3: not YAML: found duplicate key"),
        (change("name: mine", "name: my cohort"), "mine.sql:2: 'name': write names in small letters"),
        (change("default: 4.5", "default: high"), "mine.sql:6: 'parameters.above': it must be a number"),
        (change("default: 4.5", "default: .nan"), "mine.sql:6: 'parameters.above': it must be a number"),
        (change("default: 4.5", "default: 400"), "mine.sql:6: .*the default is more than 100"),
        (change("default: 4.5", "default: null"), "mine.sql:6: .*the default is missing"),
        (change("default: FORTH", "default: IPC"), "mine.sql:7: .*the default is none of FORTH, NCI"),
        (change("default: 1,", "default: 1.5,"), "mine.sql:8: 'parameters.least': it must be an integer"),
        (change("default: 1,", "default: 99999999999,"), "mine.sql:8: .*it must be an integer"),
        (change("default: 1,", "default: true,"), "mine.sql:8: .*it must be an integer"),
        (change("2000-01-01", "yesterday"), "mine.sql:9: 'parameters.day': it must be a date"),
        (change("type: date", "type: day"), "mine.sql:9: 'parameters.day.type': Input should be 'integer'"),
        (
            change("description: Lesions", "meaning: x"),
            "mine.sql:8: 'parameters.least.description' is missing",
        ),
        (change("  high: PSA above the limit\n  here: At the site\n", ""), "mine.sql:10: 'steps'"),
        (change("  here: At", "  there: At"), "mine.sql:12: there is no CTE of step 'there'"),
        (
            change(":above AND", ":abov AND"),
            "mine.sql:16: the header declares no parameter 'abov'; there are above",
        ),
        (change("psa > :above AND ", ""), "mine.sql:6: the query does not use parameter 'above'"),
        (
            change("research.patient", "lake.documents"),
            "mine.sql:15: it reads 'lake.documents': a cohort may read",
        ),
        (change("research.patient", '"lake"."documents"'), "mine.sql:15: it reads 'lake.documents'"),
        (change("research.patient", "patient"), "mine.sql:15: say which schema 'patient' is in"),
        (change("FROM here;", "FROM here; SELECT 1"), "mine.sql:13: after the header comes one SELECT"),
        (
            change("FROM here;", "FROM here; DROP TABLE omop.person"),
            "mine.sql:13: after the header comes one",
        ),
        (change("FROM here;", "INTO omop.mine FROM here;"), "mine.sql:20: a cohort only reads"),
        (change("FROM here;", "FROM here FOR UPDATE;"), ": a cohort only reads"),
        (change("SELECT * FROM high WHERE", "DELETE FROM omop.person WHERE"), ": a cohort only reads"),
        (
            change("FROM here;", "FROM here WHERE set_config('role', 'none', true) = '';"),
            "may not call set_config",
        ),
        (change("FROM here;", "FROM here WHERE (;"), "mine.sql:20: the query is not SQL"),
        (change("'x:y%'", "'x:y%"), "mine.sql:13: the query is not SQL: is a quote left open"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        define(text, "mine.sql")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("U&\"\\0073et_config\"('role', 'none', true) = ''", 'write the name as it is, without U&"'),
        ("u&\"\\0073ite\" = ''", 'write the name as it is, without U&"'),
        ("site = U&'\\0073'", "write strings in plain single quotes"),
        (
            "site = E'\\'' OR set_config('role', 'none', true) = E'\\''",
            "write strings in plain single quotes",
        ),
        ("site = $$a$$", "write strings in plain single quotes"),
        ("x$a$ = set_config('role', 'none', true) OR y$a$ = ''", r"may not call set_config\(\)"),
        ("EXISTS (SELECT FROM ts_stat('select 1'))", r"may not call ts_stat\(\)"),
        ("EXISTS (SELECT FROM ROWS FROM (ts_stat('select 1')) AS t)", r"may not call ts_stat\(\)"),
        ("EXISTS (SELECT FROM pg_catalog.ts_stat('a'))", r"may not call pg_catalog\.ts_stat\(\)"),
        ("\"ts_rewrite\"('a', 'select 1') IS NULL", r"may not call ts_rewrite\(\)"),
        ("pg_catalog.\"set_config\"('role', 'none', true) = ''", r"may not call pg_catalog\.set_config\(\)"),
        ("Set_Config('role', 'none', true) = ''", r"may not call Set_Config\(\)"),
        ("lake.lineage(1) IS NULL", r"may not call lake\.lineage\(\)"),
        ("omop.count(1) = 1", r"may not call omop\.count\(\)"),
        ("pg_sleep(1) IS NULL", r"may not call pg_sleep\(\)"),
        ("site = '' AND -- \r set_config('role', 'none', true) =\n''", r"may not call set_config\(\)"),
    ],
)
def test_what_could_run_more_than_the_query_is_refused(condition: str, message: str) -> None:
    text = change("site NOT LIKE 'x:y%'", condition)
    with pytest.raises(CohortError, match=rf"^mine\.sql:(18|19|20): .*{message}"):
        define(text, "mine.sql")


@pytest.mark.parametrize(
    "condition",
    [
        "round(avg(1), 2) = 1 AND coalesce(site, '') = lower(site)",
        "num_nonnulls(site) > 0 AND cardinality(ARRAY[1]) = 1 AND pg_catalog.count(*) > 1",
        "research.anything(site) IS NULL AND ROW(1, 2) < (2, 3)",
        "EXISTS (SELECT FROM generate_series(1, 2) AS t (one)) AND 1 = ANY (ARRAY[1, 2])",
        "site ~ 'U&\"x\"' AND age(DATE '2000-01-01') > INTERVAL '1 day'",
    ],
)
def test_functions_that_only_compute_may_be_called(condition: str) -> None:
    assert define(change("site NOT LIKE 'x:y%'", condition), "mine.sql").name == "mine"


def test_the_file_has_the_name_of_its_cohort(tmp_path: Path) -> None:
    file = tmp_path / "other.sql"
    file.write_text(FILE)
    with pytest.raises(
        CohortError, match=r"^other\.sql: its header calls it 'mine'; name the file mine\.sql"
    ):
        read_definition(file, "other.sql")
    with pytest.raises(CohortError, match=r"there is no cohort file 'none\.sql'"):
        read_definition(tmp_path / "none.sql", "none.sql")
    file.write_bytes(b"/* \xff */")
    with pytest.raises(CohortError, match=r"'other\.sql' cannot be read: UnicodeDecodeError"):
        read_definition(file, "other.sql")


def test_parameters_have_their_defaults_until_they_are_set() -> None:
    definition = define(FILE, "mine.sql")
    default = {"above": Decimal("4.5"), "site": "FORTH", "least": 1, "day": date(2000, 1, 1)}
    assert settle(definition, []) == default
    assert settle(definition, ["least= 7", "day=2001-02-03"]) == default | {
        "least": 7,
        "day": date(2001, 2, 3),
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("above", "'--set above': write NAME=VALUE"),
        ("abov=1", "cohort 'mine' has no parameter 'abov'; it has above, site, least, day"),
        ("above=1 or 1=1", "'--set above': it must be a number"),
        ("above=-1", "'--set above': the value is less than 0"),
        ("above=101", "'--set above': the value is more than 100"),
        ("site=Site of Mr X", "'--set site': the value is none of FORTH, NCI"),
        ("least=", "'--set least': it must be an integer"),
        ("day=2000-13-01", "'--set day': it must be a date"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_not_repeated(setting: str, message: str) -> None:
    with pytest.raises(CohortError, match=message) as raised:
        settle(define(FILE, "mine.sql"), [setting])
    assert "Mr X" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ([], "mine"),
        (["above=4.5"], "mine"),
        (["above=4.50"], "mine"),
        (["site=NCI"], "mine:site=NCI"),
        (["least=2", "above=10"], "mine:above=10,least=2"),
    ],
)
def test_a_run_is_named_after_what_differs_from_the_default(settings: list[str], name: str) -> None:
    definition: Any = define(FILE, "mine.sql")
    assert run_name(definition, settle(definition, settings)) == name


def test_a_name_that_is_too_long_is_refused() -> None:
    definition = define(change(", choices: [FORTH, NCI]", ""), "mine.sql")
    with pytest.raises(CohortError, match="too long for a name"):
        run_name(definition, settle(definition, ["site=" + "x" * 300]))
