"""Benchmarks measure what they say, on a size that takes no time. How fast it is, is not tested here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from omop_schema.database import SETTING
from tests.benchmarks import BENCHMARKS
from tests.benchmarks.__main__ import told
from tests.benchmarks.measure import DifferentWork, Report, Setting, Taken, alternate

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_both_sides_do_the_same_work(server_url: str, name: str) -> None:
    report = BENCHMARKS[name](Setting(server_url, cases=6, pairs=2))
    assert (report.name, len(report.pairs)) == (name, 2)
    for ours, floor in report.pairs:
        assert min(ours.seconds, floor.seconds) > 0
        assert (ours.rows, ours.made) == (floor.rows, floor.made)
        assert ours.documents == 6
        assert floor.documents == (1 if name == "reingest" else 6)
        assert (ours.rows > 0) == (name != "read")
    assert min(report.ratios) <= report.ratio <= max(report.ratios)


def test_an_ingest_is_compared_with_tables_that_hold_the_same(server_url: str) -> None:
    report = BENCHMARKS["ingest"](Setting(server_url, cases=3, pairs=1))
    ((ours, _),) = report.pairs
    counts = {table: int(number) for table, number, _ in map(str.split, ours.made.split("; "))}
    assert counts["documents"] == counts["omop.person"] == counts["omop.observation_period"] == 3
    assert counts["omop.measurement"] > 3
    assert any("COPY with keys" in note for note in report.notes)


def test_one_changed_case_replaces_the_rows_of_that_case_only(server_url: str) -> None:
    report = BENCHMARKS["reingest"](Setting(server_url, cases=3, pairs=2))
    made = {taken.made for pair in report.pairs for taken in pair}
    assert len(made) == 1
    assert made.pop().startswith("1 stored; ")


@pytest.mark.parametrize(
    "floor",
    [Taken(1, 1, 2, "other"), Taken(1, 1, 3, "this")],
    ids=["another result", "another number of rows"],
)
def test_a_ratio_of_different_work_is_refused(floor: Taken) -> None:
    with pytest.raises(DifferentWork, match="pair 1"):
        alternate(lambda: Taken(1, 1, 2, "this"), lambda: floor, 1)


def test_our_way_and_the_floor_take_turns() -> None:
    order = []

    def side(name: str) -> Taken:
        order.append(name)
        return Taken(1, 1, 1, "this")

    alternate(lambda: side("A"), lambda: side("B"), 3)
    assert "".join(order) == "ABABAB"


def test_a_report_is_told_with_its_rates_and_the_spread_of_its_ratio() -> None:
    pairs = tuple((Taken(seconds, 10, 400, "x"), Taken(1, 10, 400, "x")) for seconds in (4, 2, 5))
    told_line, note = told(Report("some", pairs, ("a note",)))
    assert told_line.split() == ["some", "10", "400", "2", "10", "100", "400", "4.00", "(2.00", "to", "5.00)"]
    assert note.strip() == "a note"


def run(server_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    environment = {**os.environ, SETTING: server_url}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_command_runs_what_it_is_told_to(server_url: str) -> None:
    done = run(server_url, "--cases", "5", "--pairs", "1", "read", "transform")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line[0] != " "] == [
        "benchmark",
        "read",
        "transform",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nope"], "no benchmark is called 'nope'"), (["--pairs", "0"], "must be at least 1")],
)
def test_the_command_refuses_what_it_cannot_run(server_url: str, arguments: list[str], message: str) -> None:
    done = run(server_url, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
