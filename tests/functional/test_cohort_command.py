"""``oncolake cohort``: what each command prints and writes, its exit codes, that small counts are masked."""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from math import log, sqrt
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, text

from api.cli import main
from api.commands.cohort_tables import refuse_file
from etl.cohorts import dataframe
from etl.ingest import ingest
from etl.reader_role import make_reader
from etl.setup import prepare
from omop_schema.database import SETTING
from tests.cohorts import spoiled
from tests.cohorts_page import reader
from tests.conftest import engine_on, new_database
from tests.functional.conftest import Ran

CASES = spoiled(100)
TINY = """/*
name: tiny
title: A few men
description: Of the first persons
parameters: {last: {type: integer, default: 3, description: "The last person"}}
steps: {many: "Many", few: "Few"}
*/
WITH many AS (SELECT person_id AS subject_id FROM omop.person WHERE person_id <= 12),
few AS (SELECT * FROM many WHERE subject_id <= :last)
SELECT subject_id, DATE '2000-01-01' AS cohort_start_date, DATE '2000-01-01' AS cohort_end_date FROM few
"""


@pytest.fixture(scope="module")
def loaded_url(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database with 100 cases, to which the tests only add cohorts."""
    file = tmp_path_factory.mktemp("cohorts") / "cases.ndjson"
    file.write_text("\n".join(map(json.dumps, CASES)))
    with new_database(server_url, template_database) as url:
        with engine_on(url) as engine:
            make_reader(engine)
            assert ingest(engine, prepare(engine), [file], "tests").stored == len(CASES)
        yield url


@pytest.fixture
def engine(loaded_url: str) -> Iterator[Engine]:
    with engine_on(loaded_url) as engine:
        yield engine


@pytest.fixture
def cohort(
    loaded_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Ran]:
    monkeypatch.setenv(SETTING, loaded_url)
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("tiny.sql").write_text(TINY)

    def run_one(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["oncolake", "cohort", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return run_one


def table(said: str) -> list[list[str]]:
    """The cells of what was printed."""
    return [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if line.startswith("│")
    ]


def test_all_are_run_and_listed(cohort: Callable[..., Ran]) -> None:
    said = cohort("run", "all")
    assert said.code == 0
    names = re.findall(r"^(\w+): \S+ persons? \(cohort definition \d+\)\.$", said.out, re.MULTILINE)
    assert len(names) == 12
    listed = {row[0]: row for row in table(cohort("list").out)}
    assert set(names) <= set(listed)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", listed[name][3]) for name in names)


def test_show_masks_what_is_small_and_unmasked_shows_it(cohort: Callable[..., Ran]) -> None:
    assert cohort("run", "uc3").code == 0
    masked, unmasked = cohort("show", "uc3").out, cohort("show", "uc3", "--unmasked").out
    figures = {row[-1].split(" ")[0] for row in table(masked)} | {row[2] for row in table(masked) if row[2:]}
    assert "*" in figures
    assert not {"1", "2", "3", "4"} & figures
    assert "* not shown: counts from 1 to 4" in masked
    assert "*" not in unmasked
    shown = {cell.split(" ")[0] for row in table(unmasked) for cell in row if "%" in cell}
    assert {"1", "2"} & shown, "the sample has small counts"


def test_nothing_of_a_tiny_cohort_is_told(cohort: Callable[..., Ran], tmp_path: Path) -> None:
    said = cohort("run", "./tiny.sql")
    assert said.out.startswith("tiny: * persons (cohort definition ")
    assert table(said.out) == [["many", "Many", "12", ""], ["few", "Few", "*", ""]]
    assert {row[-1] for row in table(cohort("list").out) if row[0] == "tiny"} == {"*"}
    assert {row[1] for row in table(cohort("show", "tiny").out)[2:]} == {"*"}
    assert cohort("show", "tiny", "--format", "html", "--to", tmp_path / "tiny.html").code == 0
    assert "Age at baseline</title>" not in (tmp_path / "tiny.html").read_text()
    rows = list(csv.DictReader(cohort("show", "tiny", "--format", "csv").out.splitlines()))
    assert {row["persons"] for row in rows if row["name"] != "many"} == {""}
    assert cohort("run", "./tiny.sql", "--unmasked").out.startswith("tiny: 3 persons")
    assert cohort("run", "./tiny.sql", "--mask-below", 3).out.startswith("tiny: 3 persons")


def test_the_bound_of_masking_is_one_that_masks(cohort: Callable[..., Ran]) -> None:
    said = cohort("show", "tiny", "--mask-below", 2)
    assert (said.code, said.out) == (2, "")
    assert "--mask-below must be 3 or more, or 0 for no masking" in said.err


def test_an_overlap_that_is_small_is_masked_whole(cohort: Callable[..., Ran]) -> None:
    cohort("run", "./tiny.sql", "--set", "last=10")
    cohort("run", "./tiny.sql", "--set", "last=8")
    shown = table(cohort("compare", "tiny:last=10", "tiny:last=8").out)
    assert shown[:3] == [["in both", "*"], ["in tiny:last=10 alone", "*"], ["in tiny:last=8 alone", "*"]]
    shown = table(cohort("compare", "tiny:last=10", "tiny:last=8", "--unmasked").out)
    assert [row[1] for row in shown[:3]] == ["8", "2", "0"]


def test_cohorts_of_which_one_holds_the_other_tell_no_small_rest(cohort: Callable[..., Ran]) -> None:
    cohort("run", "uc1")
    cohort("run", "uc2")
    shown = table(cohort("compare", "uc1", "uc2").out)
    assert ["in uc2 alone", "0"] in shown
    pairs = [[cell.partition(" ")[0] for cell in row[1:3]] for row in shown if "%" in "".join(row[1:])]
    assert pairs
    for one, other in pairs:
        assert abs(int(one) - int(other)) not in range(1, 5)
    unmasked = table(cohort("compare", "uc1", "uc2", "--unmasked").out)
    rests = [
        int(row[1].split(" ")[0]) - int(row[2].split(" ")[0]) for row in unmasked if "%" in "".join(row[1:])
    ]
    assert {1, 2, 3, 4} & set(rests), "the sample has such"


def test_numbers_on_a_log_scale_are_compared_by_their_logarithm(
    cohort: Callable[..., Ran], engine: Engine
) -> None:
    cohort("run", "uc1")
    cohort("run", "uc1_controls")
    frames = [dataframe(engine, name) for name in ("uc1", "uc1_controls")]
    logs = [[log(value) for value in frame.psa.dropna() if value > 0] for frame in frames]
    apart = abs(fmean(logs[0]) - fmean(logs[1])) / sqrt((variance(logs[0]) + variance(logs[1])) / 2)
    said = cohort("compare", "uc1", "uc1_controls", "--unmasked").out
    (row,) = (row for row in table(said) if row[0] == "PSA at baseline (ng/mL)")
    assert row[3] == f"{apart:.2f}"
    assert "of ln for PSA at baseline" in said


def test_show_and_compare_as_csv(cohort: Callable[..., Ran], tmp_path: Path) -> None:
    cohort("run", "uc1")
    cohort("run", "uc1_controls")
    rows = list(csv.DictReader(cohort("show", "uc1", "--format", "csv").out.splitlines()))
    assert [row["name"] for row in rows if row["part"] == "attrition"] == ["form", "confirmed"]
    age = next(row for row in rows if row["name"] == "Age at baseline (years)")
    assert 50 < float(age["lower_quartile"]) < float(age["median"]) < float(age["upper_quartile"]) < 90
    said = cohort("compare", "uc1", "uc1_controls", "--format", "csv", "--to", tmp_path / "both.csv")
    assert (said.code, said.out) == (0, "")
    both = list(csv.DictReader((tmp_path / "both.csv").read_text().splitlines()))
    assert {row["variable"] for row in both if row["smd"]} >= {"Age at baseline (years)", "Site"}
    assert [row["level"] for row in both if row["variable"] == "Persons"][1:] == [
        "in both", "in uc1 alone", "in uc1_controls alone",
    ]  # fmt: skip


def test_show_and_compare_as_html(cohort: Callable[..., Ran], tmp_path: Path) -> None:
    cohort("run", "uc1")
    cohort("run", "uc2")
    for words, count in ((("show", "uc1"), 7), (("compare", "uc1", "uc2"), 7)):
        file = tmp_path / "page.html"
        assert cohort(*words, "--format", "html", "--to", file).code == 0
        html = file.read_text(encoding="utf-8")
        assert html.count("<svg") == html.count("</svg>") == count
        assert "<script" not in html
        assert "Use case 1: cancer confirmed" in html
    assert cohort("show", "uc1", "--format", "html").out.startswith("<!DOCTYPE html>")


def test_the_analysis_table(cohort: Callable[..., Ran], engine: Engine, tmp_path: Path) -> None:
    cohort("run", "uc5")
    frame = dataframe(engine, "uc5")
    with engine.connect() as connection:
        columns = connection.execute(text("SELECT * FROM research.patient LIMIT 0")).keys()
    assert list(frame.columns) == ["person_id", "cohort_start_date", "cohort_end_date", *list(columns)[1:]]
    kinds = {name: str(frame[name].dtype) for name in frame.columns}
    assert (kinds["person_id"], kinds["age"], kinds["isup_grade"]) == ("Int64", "Int32", "Int32")
    assert (kinds["psa"], kinds["is_relapsed"], kinds["site"]) == ("Float64", "boolean", "category")
    assert kinds["cohort_start_date"].startswith("datetime64")
    assert frame.use_cases[0] == sorted(frame.use_cases[0])
    assert "(ng/mL)" in frame.attrs["columns"]["psa"]
    assert frame.attrs["parameters"] == {"min_days": "0"}
    assert cohort("export", "uc5", "--to", "parquet", "-o", tmp_path / "a.parquet").code == 0
    assert cohort("export", "uc5", "--to", "dataframe", "-o", tmp_path / "a.pkl").code == 0
    assert cohort("export", "uc5", "-o", tmp_path / "a.csv").code == 0
    pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / "a.pkl"), frame)
    assert pd.read_pickle(tmp_path / "a.pkl").attrs == frame.attrs
    kept = pd.read_parquet(tmp_path / "a.parquet")
    assert {name: str(kept[name].dtype) for name in ("age", "site", "is_relapsed")} == {
        name: kinds[name] for name in ("age", "site", "is_relapsed")
    }
    assert kept.psa.tolist() == frame.psa.tolist()
    schema: Any = pq.read_schema(tmp_path / "a.parquet")
    assert schema.field("psa").metadata[b"description"].decode() == frame.attrs["columns"]["psa"]
    assert schema.metadata[b"oncolake.name"] == b"uc5"
    told = cohort("export", "uc5").out
    assert told == (tmp_path / "a.csv").read_text()
    rows = list(csv.DictReader(told.splitlines()))
    assert [int(row["person_id"]) for row in rows] == frame.person_id.tolist()
    assert rows[0]["use_cases"] == ";".join(frame.use_cases[0])


def test_a_cohort_of_others_tells_that_it_may_be_out_of_date(
    cohort: Callable[..., Ran], tmp_path: Path
) -> None:
    query = TINY.replace("name: tiny", "name: of_others").replace(
        "WHERE person_id", "WHERE person_id IN (SELECT subject_id FROM results.cohort) AND person_id"
    )
    tmp_path.joinpath("of_others.sql").write_text(query)
    for name in ("tiny", "of_others"):
        assert cohort("run", f"./{name}.sql").code == 0
    listed = {row[0]: row for row in table(cohort("list").out)}
    assert not listed["tiny"][3].endswith("cohorts")
    assert listed["of_others"][3].endswith(", reads other cohorts")
    assert "changed" not in cohort("show", "tiny").err
    why = (
        "whether the cohorts that it reads changed since cannot be told: `oncolake cohort run` draws it anew."
    )
    assert why in cohort("show", "of_others").err
    assert "whether they changed since cannot be told" in cohort("show", "of_others", "--format", "html").out


def test_a_cohort_that_was_run_with_other_values_is_told_by_its_names(cohort: Callable[..., Ran]) -> None:
    Path("other.sql").write_text(TINY.replace("name: tiny", "name: other"))
    cohort("run", "./other.sql", "--set", "last=5")
    said = cohort("show", "other")
    assert said.code == 2
    assert "'other' was not run as such, but as other:last=5: `oncolake cohort run other`" in said.err


def test_an_empty_cohort_has_an_empty_table(cohort: Callable[..., Ran], engine: Engine) -> None:
    assert cohort("run", "./tiny.sql", "--set", "last=-1").out.startswith("tiny:last=-1: 0 persons")
    assert len(dataframe(engine, "tiny:last=-1")) == 0
    assert "none known" in cohort("show", "tiny:last=-1").out
    assert cohort("show", "tiny:last=-1", "--format", "html").code == 0
    assert cohort("compare", "tiny:last=-1", "tiny:last=-1", "--format", "html").code == 0


def test_a_scientist_needs_no_right_but_the_readers(cohort: Callable[..., Ran], loaded_url: str) -> None:
    cohort("run", "uc5")
    with engine_on(reader(loaded_url)) as engine:
        frame = dataframe(engine, "uc5")
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_user")).scalar_one() == "oncolake_reader"
    assert len(frame) > 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "nix"), "there is no cohort 'nix': `oncolake cohort list`"),
        (("run", "./nix.sql"), "there is no cohort file './nix.sql'"),
        (("run", "all", "--set", "a=1"), "--set is for one cohort"),
        (
            ("run", "uc2", "--set", "group=x"),
            "'--set group': the value is none of significant, non_significant",
        ),
        (("run", "uc2", "--mappings", "curation"), "there is no cohort 'uc2'"),
        (("run", "all", "--mappings", "curation"), "this mapping has no cohorts"),
        (("show", "nix"), "cohort 'nix' was not run yet: `oncolake cohort run nix`"),
        (("compare", "nix", "uc2"), "cohort 'nix' was not run yet"),
        (("export", "nix"), "cohort 'nix' was not run yet"),
        (("export", "nix", "--to", "parquet"), "say where to write it with -o FILE"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    cohort: Callable[..., Ran], words: tuple[str, ...], message: str
) -> None:
    said = cohort(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("oncolake: ")
    assert message in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("show", "uc2", "--to", "x.txt"),
            "--to x.txt needs --format csv or html; a table is for the screen",
        ),
        (("compare", "uc2", "uc3", "--to", "x.txt"), "--to x.txt needs --format csv or html"),
        (
            ("show", "uc2", "--format", "csv", "--to", "nix/x.csv"),
            "--to nix/x.csv: there is no folder 'nix'; make it",
        ),
        (("compare", "uc2", "uc3", "--format", "html", "--to", "nix/x.html"), "there is no folder 'nix'"),
        (("show", "uc2", "--format", "html", "--to", "."), "--to . is a folder: name a file in it"),
        (("export", "uc2", "-o", "nix/x.csv"), "-o nix/x.csv: there is no folder 'nix'; make it"),
        (("export", "uc2", "-o", "tiny.sql/x.csv"), "-o tiny.sql/x.csv: there is no folder 'tiny.sql'"),
        (("export", "uc2", "-o", "x" * 300), "x cannot be written: File name too long; name another"),
        (("export", "uc2", "-o", "/proc/x.csv"), "-o /proc/x.csv"),
        (("export", "uc2", "-o", "-"), "-o - is no file: leave it out to write to the standard output"),
        (("show", "uc2", "--format", "csv", "--to", "-"), "--to - is no file: leave it out"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_database_is_asked(
    cohort: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.setenv(SETTING, "postgresql://nobody@127.0.0.1:1/nothing")
    said = cohort(*words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_a_file_that_can_be_written_is_left_as_it_is_until_then(tmp_path: Path) -> None:
    there, link, pipe = tmp_path / "there.csv", tmp_path / "link.csv", tmp_path / "pipe"
    there.write_text("as it is")
    link.symlink_to("nothing.csv")
    os.mkfifo(pipe)
    before = sorted(tmp_path.iterdir())
    for file in (there, link, pipe, tmp_path / "new.csv", Path("/dev/null"), Path("/dev/stdout")):
        refuse_file("-o", file)
    assert sorted(tmp_path.iterdir()) == before
    assert there.read_text() == "as it is"


def test_where_no_reader_can_be_it_is_told(
    cohort: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.cohorts.draw.READER", "nobody_of_that_name")
    said = cohort("run", "./tiny.sql")
    assert said.code == 0
    assert "It ran with your own rights" in said.err
    said = cohort("run", "uc1")
    assert said.code == 0
