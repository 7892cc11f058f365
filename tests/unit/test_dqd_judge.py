"""The judge of ``omop54``: templates are filled, translated and judged as OHDSI's tools do. They are ours."""

from typing import Any

import pytest
from sqlglot.errors import SqlglotError

from tests.judges.dqd.checks import Check, CheckoutError, passes
from tests.judges.dqd.judge import Counted, Status, judge, totals
from tests.judges.dqd.render import TemplateError, holds, render
from tests.judges.dqd.translate import translate


@pytest.mark.parametrize(
    ("template", "parameters", "sql"),
    [
        ("SELECT @a FROM @ab", {"a": "1", "ab": "t"}, "SELECT 1 FROM t"),
        ("SELECT @a", {}, "SELECT @a"),
        ("{DEFAULT @a = 7}\nSELECT @a", {}, "SELECT 7"),
        ("{default @a = 7}SELECT @a", {"a": "8"}, "SELECT 8"),
        ("a {@x} ? {b} : {c} d", {"x": True}, "a b d"),
        ("a {@x} ? {b} : {c} d", {"x": False}, "a c d"),
        ("a {@x}?{b} d", {"x": False}, "a  d"),
        ("{@x & '@y' == 'Yes'}?{JOIN c}", {"x": True, "y": "Yes"}, "JOIN c"),
        ("{@x & '@y' == 'Yes'}?{JOIN c}", {"x": True, "y": "No"}, ""),
        ("{@x == 'A'}?{1{@y == 'B'}?{2}:{3}}:{4}", {"x": "A", "y": "B"}, "12"),
        ("{@x == 'A'}?{1{@y == 'B'}?{2}:{3}}:{4}", {"x": "A", "y": "C"}, "13"),
        ("{@x == 'A'}?{1{@y == 'B'}?{2}:{3}}:{4}", {"x": "B", "y": "B"}, "4"),
        ("SELECT '{a}' {1}", {}, "SELECT '{a}' {1}"),
        ("<> {@x == 'M'} ? {1} : {2} \n", {"x": "F"}, "<> 2 \n"),
    ],
)
def test_a_template_is_filled(template: str, parameters: dict[str, Any], sql: str) -> None:
    assert render(template, parameters) == sql


@pytest.mark.parametrize(
    ("condition", "true"),
    [
        ("TRUE", True),
        ("0", False),
        ("!FALSE", True),
        ("'a' == a", True),
        ("a == 'A'", False),
        ("a != 'b'", True),
        ("a <> a", False),
        ("a.b != a.c", True),
        ("2 IN (1, 2,3)", True),
        ("'x' in ('y','z')", False),
        ("TRUE | FALSE & FALSE", True),
        ("(TRUE | FALSE) & FALSE", False),
        ("a != 'b' & (c == 'd' | e == 'e')", True),
        ("'a|b' == 'a|b'", True),
        ("!(TRUE & TRUE)", False),
    ],
)
def test_a_condition_holds_or_not(condition: str, true: bool) -> None:
    assert holds(condition) is true


@pytest.mark.parametrize("template", ["{TRUE ? {a}", "{TRUE} ? {a", "{what} ? {a}", "{(TRUE} ? {a}"])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        render(template, {})


@pytest.mark.parametrize(
    ("tsql", "sql"),
    [
        ("SELECT COUNT_BIG(DISTINCT t.a) AS n FROM s.T t;", "SELECT COUNT(DISTINCT t.a) AS n FROM s.T AS t"),
        ("SELECT DATEADD(DAY, -7, b)", "SELECT b + INTERVAL '-7 DAY'"),
        ("SELECT '0' + CAST(a AS VARCHAR)", "SELECT '0' || CAST(a AS VARCHAR)"),
        ("SELECT a + 1", "SELECT a + 1"),
        (
            "SELECT ISNUMERIC(a)",
            "SELECT CASE WHEN CAST(a AS TEXT) ~ '^([0-9]+\\.?[0-9]*|\\.[0-9]+)$' THEN 1 ELSE 0 END",
        ),
        ("/* a */ SELECT 1 -- b", "SELECT 1"),
    ],
)
def test_tsql_becomes_postgresql(tsql: str, sql: str) -> None:
    assert translate(tsql) == sql


@pytest.mark.parametrize("tsql", ["SELECT 1; SELECT 2", "SELECT FROM WHERE", ""])
def test_what_is_not_one_statement_is_refused(tsql: str) -> None:
    with pytest.raises(SqlglotError):
        translate(tsql)


@pytest.mark.parametrize(
    ("expression", "row", "passed"),
    [
        ("a=='Yes'", {"a": "Yes"}, True),
        ("a=='Yes'", {"a": "yes"}, False),
        ("a!=''", {"a": "x"}, True),
        ("a!=''", {}, False),
        ("a=='Yes' & b!= ''", {"a": "Yes"}, False),
        ("a=='Yes' & b!= ''", {"a": "Yes", "b": "x"}, True),
    ],
)
def test_a_filter_takes_what_is_stated(expression: str, row: dict[str, str], passed: bool) -> None:
    assert passes(expression, row) is passed


def test_a_filter_of_another_form_is_told() -> None:
    with pytest.raises(CheckoutError, match="another form"):
        passes("a %in% b", {"a": "1"})


def check(type_: str, table: str = "T", field: str = "", threshold: str = "", level: str = "FIELD") -> Check:
    row = {"cdmTableName": table} | ({"cdmFieldName": field} if field else {})
    return Check(type_, level, "", "", "", row | ({f"{type_}Threshold": threshold} if threshold else {}), "s")


def status(*run: Counted) -> Status:
    """How the first one is judged among the others."""
    return judge(run)[0].status


@pytest.mark.parametrize(
    ("threshold", "violated", "rows", "judged"),
    [
        ("", 0, 10, "passed"),
        ("", 1, 10, "failed"),
        ("0", 1, 10, "failed"),
        ("10", 1, 10, "passed"),
        ("10", 2, 10, "failed"),
        ("100", 10, 10, "passed"),
    ],
)
def test_a_threshold_is_what_may_be_violated(
    threshold: str, violated: int, rows: int, judged: Status
) -> None:
    counted = Counted(check("isRequired", field="a", threshold=threshold), violated, violated / rows, rows)
    assert status(counted) == judged


FULL = Counted(check("measureValueCompleteness", field="b"), 0, 0, 10)
EMPTY_FIELD = Counted(check("measureValueCompleteness", field="a", threshold="100"), 10, 1, 10)
EMPTY_TABLE = Counted(check("measureValueCompleteness", field="a"), 0, 0, 0)
NO_TABLE = Counted(check("cdmTable", level="TABLE"), error='relation "s.t" does not exist')
NO_FIELD = Counted(check("cdmField", field="a"), error='column "a" does not exist')
BROKEN = Counted(check("isRequired", field="a"), error="division by zero")
GOOD = Counted(check("isRequired", field="a"), 0, 0, 10)
BAD = Counted(check("isRequired", field="a"), 5, 0.5, 10)


@pytest.mark.parametrize(
    ("run", "judged"),
    [
        ([GOOD, FULL], "passed"),
        ([BAD, FULL], "failed"),
        ([BAD, EMPTY_FIELD], "not applicable"),
        ([BAD, EMPTY_TABLE], "not applicable"),
        ([EMPTY_FIELD], "passed"),
        ([EMPTY_TABLE], "not applicable"),
        ([NO_TABLE], "failed"),
        ([NO_FIELD], "failed"),
        ([NO_FIELD, NO_TABLE], "not applicable"),
        ([BROKEN], "error"),
        ([BROKEN, EMPTY_TABLE], "error"),
        ([BROKEN, NO_FIELD], "not applicable"),
        ([BROKEN, NO_TABLE], "not applicable"),
        ([Counted(check("plausibleGender", field="a", level="CONCEPT"), 0, 0, 0)], "not applicable"),
        ([Counted(check("isRequired", field="a"), 0, 0, 0)], "passed"),
        ([Counted(check("measurePersonCompleteness", level="TABLE"), 9, 0.9, 10), EMPTY_TABLE], "failed"),
        (
            [
                Counted(check("measureConditionEraCompleteness", "CONDITION_ERA", level="TABLE"), 1, 1, 1),
                Counted(check("measureValueCompleteness", "CONDITION_OCCURRENCE", "a"), 0, 0, 0),
            ],
            "not applicable",
        ),
    ],
)
def test_what_a_check_means_depends_on_what_is_there(run: list[Counted], judged: Status) -> None:
    assert status(*run) == judged


def test_statuses_are_counted_by_type() -> None:
    assert totals(judge([BAD, GOOD, FULL])) == {
        "isRequired": {"failed": 1, "passed": 1},
        "measureValueCompleteness": {"passed": 1},
    }
