"""Benchmarks measure what they say, on a size that takes no time. How fast it is, is not tested here."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from omop_schema.database import SETTING
from tests.benchmarks import BENCHMARKS, curated, peers
from tests.benchmarks.__main__ import told
from tests.benchmarks.athena import Shape, generate
from tests.benchmarks.dicomweb import SEARCHES, TIMES
from tests.benchmarks.measure import DifferentWork, Report, Setting, Taken, alternate
from tests.benchmarks.race import percentiles, race
from tests.benchmarks.service import OPEN, ServiceFailed, connected, served
from tests.bundles import HEADERS

ROOT = Path(__file__).parents[2]

#: Those that are measured by other than case documents.
OTHERS = {"vocabulary", "search", "feed", "dicomweb", "curated"}


@pytest.mark.parametrize("name", sorted(set(BENCHMARKS) - OTHERS))
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


def test_searches_find_what_is_then_looked_up(server_url: str) -> None:
    report = BENCHMARKS["search"](Setting(server_url, concepts=1000, pairs=2))
    for ours, floor in report.pairs:
        assert (ours.documents, ours.rows, ours.made) == (floor.documents, floor.rows, floor.made)
        assert ours.rows > ours.documents > 100
    assert any(note.startswith("frequent words, ms: ") for note in report.notes)


def test_pages_of_a_large_and_of_a_small_lake_are_of_the_same_items(server_url: str) -> None:
    report = BENCHMARKS["feed"](Setting(server_url, cases=12_000, pairs=1))
    for large, small in report.pairs:
        assert (large.documents, large.rows, large.made) == (small.documents, small.rows, small.made)
        assert large.rows == 50 * large.documents
    assert [note.split(" p10")[0].split()[-2] for note in report.notes] == ["12,000", "1,200"] * 4


def test_searches_of_images_find_pages_in_a_lake_of_that_many_series(server_url: str) -> None:
    report = BENCHMARKS["dicomweb"](Setting(server_url, cases=1_200, pairs=1))
    ((ours, floor),) = report.pairs
    assert ours.documents == floor.documents == len(SEARCHES) * TIMES
    found = {note[:50].strip(): int(note[50:].split()[0]) for note in report.notes[2:]}
    assert list(found) == [name for name, _, _ in SEARCHES]
    assert found["series: everything"] == 100
    assert found["series: everything, 200 with all fields"] == 200
    # There are not so many studies; a provider does not find other providers' patients.
    nothing = {name for name, count in found.items() if count == 0}
    seldom = ("a provider", "series: Modality, model", "studies: everything, 1,000")
    assert all(name.startswith(seldom) for name in nothing)
    assert found["a provider's who stopped: series"] > 0


def test_curated_series_are_those_that_were_made_so(server_url: str) -> None:
    report = BENCHMARKS["curated"](Setting(server_url, cases=1_200, pairs=1))
    ((ours, floor),) = report.pairs
    assert (ours.documents, ours.rows, ours.made) == (floor.documents, floor.rows, floor.made)
    assert (ours.documents, ours.rows) == (1_200, sum(map(_asked_for, range(1, 121))))
    patients, every, _, one = (note.split(" ms  ")[1] for note in report.notes)
    assert patients == "60, 60, 60, 60, 60"
    assert all(0 < int(count) < 1_200 for count in every.split(", "))
    assert one == "False, False, None, True, True, False"


def _asked_for(study: int) -> bool:
    """Whether a study is 3T, its patient of grade 3 or more, and its DWI co-registered, not rejected."""
    patient, alignment = 1 + (study - 1) // 2, study * 2 + 1
    graded = patient % 3 > 0  # 4+3, 4+4, 5+3 or 5+4; else 3+3 or 3+4
    aligned = study % 2 == 0 and study % 8 > 0 and (alignment % 15 > 0 or study % 10 == 0)
    return study % 3 > 0 and graded and aligned


@pytest.mark.parametrize(
    ("lost", "message"),
    [("lesion.gleason1", "found no series"), ("psa_total", "have an empty column")],
)
def test_a_query_that_finds_nothing_is_not_measured(
    server_url: str, monkeypatch: pytest.MonkeyPatch, lost: str, message: str
) -> None:
    fill = curated.fill

    def fill_without(engine: Engine, studies: int) -> None:
        fill(engine, studies)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "DELETE FROM omop.measurement USING lake.rules"
                    " WHERE name = :lost AND rule_id = measurement_id >> 20 & 4095"
                ),
                {"lost": lost},
            )

    monkeypatch.setattr(curated, "fill", fill_without)
    with pytest.raises(curated.NothingFound, match=message):
        curated.measure(Setting(server_url, cases=200, pairs=1))


def test_two_sides_take_turns_by_blocks_and_in_who_begins() -> None:
    order: list[str] = []
    ours, floor = race(
        range(25), lambda each: order.append(f"a{each}"), lambda each: order.append(f"b{each}")
    )
    assert (len(ours), len(floor)) == (25, 25)
    blocks = [("a", 0, 10), ("b", 0, 10), ("b", 10, 20), ("a", 10, 20), ("a", 20, 25), ("b", 20, 25)]
    assert order == [f"{side}{each}" for side, first, end in blocks for each in range(first, end)]
    assert min(ours + floor) > 0


def test_percentiles_are_told_in_milliseconds() -> None:
    assert percentiles([each / 1000 for each in range(1, 102)]).split() == [
        *("p10", "11.00", "ms", "p50", "51.00", "ms", "p95", "96.00", "ms", "p99", "100.00", "ms")
    ]
    assert percentiles([0.002]).split()[1::3] == ["2.00"] * 4


def test_access_control_is_off_in_the_floor_and_on_in_ours(lake: Engine) -> None:
    with served(lake, OPEN) as address, connected(address, {}) as client:
        assert b'"items":[]' in client.get("/feed.json").replace(b" ", b"")
    with (
        served(lake) as address,
        connected(address, {}) as client,
        pytest.raises(ServiceFailed, match="answered by 401"),
    ):
        client.get("/feed.json")
    with lake.connect() as connection:
        assert connection.execute(text("SELECT array_agg(allowed) FROM lake.audit")).scalar_one() == [False]


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


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A generated bundle of 300 concepts, and the rows of each file."""
    folder = tmp_path_factory.mktemp("bundle")
    return folder, generate(folder, Shape(300))


def test_a_loaded_bundle_is_compared_with_the_same_rows_and_indexes(
    server_url: str, bundle: tuple[Path, dict[str, int]]
) -> None:
    folder, counts = bundle
    report = BENCHMARKS["vocabulary"](Setting(server_url, pairs=1, bundle=folder))
    ((ours, floor),) = report.pairs
    assert (ours.rows, ours.made) == (floor.rows, floor.made) == (sum(counts.values()), ours.made)
    assert ours.documents == floor.documents == 300
    made = ours.made.splitlines()
    assert [line.split()[:2] for line in made[:9]] == [[name.lower(), str(counts[name])] for name in HEADERS]
    assert "omop.concept pk_concept PRIMARY KEY (concept_id) True" in made
    assert any(line.startswith("CREATE INDEX ix_concept_relationship_concept_id_2") for line in made)
    assert [note.split()[0] for note in report.notes] == ["peak", *["floor,"] * 4]


def test_a_generated_bundle_has_the_shape_of_athenas(bundle: tuple[Path, dict[str, int]]) -> None:
    folder, counts = bundle
    assert counts["CONCEPT"] == counts["CONCEPT_SYNONYM"] == 300
    assert 8 < counts["CONCEPT_RELATIONSHIP"] / 300 <= 9
    assert 3 < counts["CONCEPT_ANCESTOR"] / 300 < 7
    rows = {name: [line.split("\t") for line in _lines(folder, name)] for name in counts}
    links = {(one, other, name) for one, other, name, *_ in rows["CONCEPT_RELATIONSHIP"]}
    back = {row[0]: row[4] for row in rows["RELATIONSHIP"]}
    assert len(links) == counts["CONCEPT_RELATIONSHIP"]
    assert {(other, one, back[name]) for one, other, name in links} == links
    pairs = {(one, other) for one, other, *_ in rows["CONCEPT_ANCESTOR"]}
    assert len(pairs) == counts["CONCEPT_ANCESTOR"]
    assert {(other, one) for one, other, name in links if name == "Is a"} <= pairs
    assert any('"' in row[1] for row in rows["CONCEPT"])


def test_a_bundle_is_the_same_for_the_same_seed(tmp_path: Path, bundle: tuple[Path, dict[str, int]]) -> None:
    folder, _ = bundle
    generate(tmp_path / "again", Shape(300))
    generate(tmp_path / "other", Shape(300, seed=2))
    assert all(_lines(folder, name) == _lines(tmp_path / "again", name) for name in HEADERS)
    assert _lines(folder, "CONCEPT") != _lines(tmp_path / "other", "CONCEPT")


def _lines(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}.csv").read_text().splitlines()[1:]


def test_the_floor_and_ours_are_told_as_other_programs_are(
    server_url: str, bundle: tuple[Path, dict[str, int]]
) -> None:
    folder, counts = bundle
    floor, ours = peers.runs(server_url, folder, None, ())
    assert (floor.program, ours.program) == ("floor", "oncolake")
    assert floor.rows == sum(counts.values()) <= ours.rows
    assert floor[-4:-1] == ours[-4:-1]
    assert ours.peak > 0 < ours.seconds
    assert floor.failed == ours.failed == ()


def test_files_are_prepared_for_a_program_that_knows_quotes(
    tmp_path: Path, bundle: tuple[Path, dict[str, int]]
) -> None:
    folder, _ = bundle
    peers.prepare(folder, tmp_path)
    with (tmp_path / "CONCEPT.csv").open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    before = [line.split("\t") for line in _lines(folder, "CONCEPT")]
    assert [row[:7] for row in rows] == [row[:7] for row in before]
    assert {row[8] for row in rows} == {"2099-12-31", "2024-02-29"}


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
