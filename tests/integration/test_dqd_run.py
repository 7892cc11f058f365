"""The judge of ``omop54`` on a real database: a checkout of our own, with one check that fails on purpose."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from etl.ingest import ingest
from etl.reader_role import make_reader
from etl.setup import DEFAULT_MAPPING, prepare
from tests.judges.dqd.__main__ import SCHEMAS, report, run
from tests.judges.dqd.checks import CheckoutError, read_checks
from tests.judges.dqd.judge import judge

DESCRIPTIONS = """\
checkLevel,checkName,kahnCategory,sqlFile,evaluationFilter,severity
TABLE,cdmTable,Conformance,table.sql,cdmTableName!='',fatal
FIELD,measureValueCompleteness,Completeness,values.sql,measureValueCompleteness=='Yes',characterization
FIELD,isRequired,Conformance,values.sql,isRequired=='Yes',fatal
FIELD,plausibleValueHigh,Plausibility,high.sql,plausibleValueHigh!='',characterization
CONCEPT,plausibleGender,Plausibility,gender.sql,plausibleGender!='',characterization
"""
TABLES = "cdmTableName,schema\nPERSON,CDM\nDEATH,CDM\nCONCEPT,VOCAB\nCOHORT,COHORT\nNOWHERE,CDM\n"
FIELDS = """\
cdmTableName,cdmFieldName,isRequired,measureValueCompleteness,measureValueCompletenessThreshold,\
plausibleValueHigh,plausibleValueHighThreshold
PERSON,person_id,Yes,Yes,0,,
PERSON,year_of_birth,Yes,Yes,0,YEAR(GETDATE())+1,1
PERSON,month_of_birth,No,Yes,100,12,
DEATH,death_date,Yes,Yes,0,"DATEADD(dd,1,GETDATE())",
PERSON,broken,Yes,No,,,
"""
CONCEPTS = "cdmTableName,cdmFieldName,conceptId,plausibleGender\nPERSON,gender_concept_id,8507,Male\n"
_COUNTED = (
    "SELECT n AS num_violated_rows, CASE WHEN d = 0 THEN 0 ELSE 1.0*n/d END AS pct_violated_rows,"
    " d AS num_denominator_rows FROM (SELECT COUNT_BIG({}) AS n, COUNT_BIG(*) AS d FROM {}) AS c;"
)
TEMPLATES = {
    "table.sql": _COUNTED.format("NULLIF(1, 1)", "@schema.@cdmTableName"),
    "values.sql": _COUNTED.format(
        "CASE WHEN t.@cdmFieldName IS NULL THEN 1 END", "@schema.@cdmTableName AS t"
    ),
    "high.sql": _COUNTED.format(
        "CASE WHEN t.@cdmFieldName > @plausibleValueHigh THEN 1 END", "@schema.@cdmTableName t"
    ),
    "gender.sql": _COUNTED.format(
        "NULLIF(gender_concept_id, {@plausibleGender == 'Male'} ? {8507} : {8532})",
        "@cdmDatabaseSchema.@cdmTableName WHERE @cdmFieldName = @conceptId",
    ).replace("{{", "{"),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    lists = {
        "Check_Descriptions": DESCRIPTIONS,
        "Table_Level": TABLES,
        "Field_Level": FIELDS,
        "Concept_Level": CONCEPTS,
    }
    for name, content in lists.items():
        put(tmp_path / "inst" / "csv" / f"OMOP_CDMv5.4_{name}.csv", content)
    for name, content in TEMPLATES.items():
        put(tmp_path / "inst" / "sql" / "sql_server" / name, content)
    return tmp_path


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


@pytest.fixture
def loaded(lake: Engine) -> Iterator[Engine]:
    sample = Path(str(DEFAULT_MAPPING.joinpath("samples", "figure-13.json")))
    ingest(lake, prepare(lake), [sample], "me")
    make_reader(lake)
    yield lake


def judged(engine: Engine, checkout: Path) -> dict[str, str]:
    verdicts = judge(run(engine, read_checks(checkout, SCHEMAS), checkout))
    return {f"{one.counted.check.type} {one.counted.check.about}": one.status for one in verdicts}


def test_checks_run_and_are_judged(loaded: Engine, checkout: Path) -> None:
    found = judged(loaded, checkout)
    assert found == {
        "cdmTable PERSON": "passed",
        "cdmTable DEATH": "passed",
        "cdmTable CONCEPT": "passed",
        "cdmTable COHORT": "passed",
        "cdmTable NOWHERE": "failed",
        "measureValueCompleteness PERSON.PERSON_ID": "passed",
        "measureValueCompleteness PERSON.YEAR_OF_BIRTH": "passed",
        "measureValueCompleteness PERSON.MONTH_OF_BIRTH": "passed",
        "measureValueCompleteness DEATH.DEATH_DATE": "not applicable",
        "isRequired PERSON.PERSON_ID": "passed",
        "isRequired PERSON.YEAR_OF_BIRTH": "passed",
        "isRequired DEATH.DEATH_DATE": "not applicable",
        "isRequired PERSON.BROKEN": "error",
        "plausibleValueHigh PERSON.YEAR_OF_BIRTH": "passed",
        "plausibleValueHigh PERSON.MONTH_OF_BIRTH": "not applicable",
        "plausibleValueHigh DEATH.DEATH_DATE": "not applicable",
        "plausibleGender PERSON.GENDER_CONCEPT_ID = 8507": "passed",
    }


def test_bad_data_fails_the_check_that_is_on_it(loaded: Engine, checkout: Path) -> None:
    before = judged(loaded, checkout)
    with loaded.begin() as connection:
        connection.execute(text("UPDATE omop.person SET year_of_birth = 2500, death_datetime = '2400-01-01'"))
    after = judged(loaded, checkout)
    assert {name: status for name, status in after.items() if before[name] != status} == {
        "measureValueCompleteness DEATH.DEATH_DATE": "passed",
        "isRequired DEATH.DEATH_DATE": "passed",
        "plausibleValueHigh PERSON.YEAR_OF_BIRTH": "failed",
        "plausibleValueHigh DEATH.DEATH_DATE": "failed",
    }


def test_the_report_names_what_failed_and_what_did_not_run(loaded: Engine, checkout: Path) -> None:
    verdicts = judge(run(loaded, read_checks(checkout, SCHEMAS), checkout))
    lines = list(report(verdicts, 3.2))
    assert "| cdmTable | fatal | 5 | 4 | 1 | 0 | 0 |" in lines
    assert "| **total** | | 17 | 11 | 1 | 4 | 1 |" in lines
    assert "| cdmTable | NOWHERE | 0 | 0 | 0.0% | 0% |" in lines
    assert "\nisRequired on PERSON.BROKEN did not run: column t.broken does not exist" in lines


def test_a_folder_that_is_no_checkout_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="is this a checkout"):
        read_checks(tmp_path, SCHEMAS)
