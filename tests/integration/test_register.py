"""The rule register and lineage, while the mapping's files change under loaded rows."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, text

from etl.coverage import coverage
from etl.explain import explain
from etl.identity import MAX_RULE
from etl.ingest import ingest
from etl.mapping.compile import read_mapping
from etl.mapping.tables import TARGETS
from etl.register import RegisterFull, register
from etl.setup import prepare, preview
from tests import mini
from tests.mini import MAPPING, SECTION

PROSTATE = Path(__file__).parents[2] / "mappings" / "prostate"
FIGURE_13, OTHERS = PROSTATE / "samples" / "figure-13.json", PROSTATE / "samples" / "cases.ndjson"
SCORED = "scored: {table: measurement, concept: 60 Size, number: score, visit: start}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped mapping, to be changed."""
    return Path(shutil.copytree(PROSTATE, tmp_path / "mapping"))


def change(folder: Path, file: str, *changes: tuple[str, str]) -> None:
    """Replace texts of a file that stand there once, all at the same time."""
    written = folder.joinpath(file).read_text()
    for index, (old, _) in enumerate(changes):
        assert written.count(old) == 1, old
        written = written.replace(old, f"<{index}>")
    for index, (_, new) in enumerate(changes):
        written = written.replace(f"<{index}>", new)
    folder.joinpath(file).write_text(written)


def lineage(lake: Engine, case_id: int) -> dict[int, dict[str, Any]]:
    """What lake.lineage says of every row of a case that is there, by row id."""
    ids = " UNION ALL ".join(
        f"SELECT {one.id_column} AS id FROM omop.{name}" for name, one in TARGETS.items()
    )
    query = text(
        f"SELECT id, l.* FROM ({ids}) AS r LEFT JOIN lake.lineage(id) AS l ON true WHERE id >> 32 = :c"
    )
    with lake.connect() as connection:
        return {row["id"]: dict(row) for row in connection.execute(query, {"c": case_id}).mappings()}


class Told(NamedTuple):
    """What ``explain`` tells of a row, as far as the mapping decides it."""

    line: int
    paths: tuple[str, ...]


def told(lake: Engine, table: str, rule: str, case_id: int | None = None) -> list[Told]:
    """What is explained of the rows that a rule made, in one case or in all."""
    query = text(
        f"SELECT {table}_id FROM omop.{table} JOIN LATERAL lake.lineage({table}_id) AS l ON true"
        " WHERE l.rule = :rule AND l.case_id = coalesce(:case_id, l.case_id) ORDER BY 1"
    )
    with lake.connect() as connection:
        ids = connection.scalars(query, {"rule": rule, "case_id": case_id}).all()
        found = [explain(connection, table, row_id) for row_id in ids]
    return [Told(one.line, one.paths) for one in found]


def swap(folder: Path) -> None:
    """Let two rules read each other's path, and move both down a line."""
    change(
        folder,
        "lesions.yaml",
        ("number: PI-RADS", "number: gleason1"),
        ("number: gleason1", "number: PI-RADS"),
        ("lesion:\n  each", "# moved\nlesion:\n  each"),
    )


def line_of(folder: Path, file: str, start: str) -> int:
    return mini.line_of(folder, file, start)


def test_rows_loaded_before_an_edit_keep_their_lineage(lake: Engine, folder: Path) -> None:
    ingest(lake, prepare(lake, folder), [FIGURE_13], "t")
    before = lineage(lake, 1)
    assert all(row["rule"] for row in before.values())
    line = line_of(folder, "lesions.yaml", "pi_rads:")
    assert told(lake, "measurement", "lesion.pi_rads") == [Told(line, ('$.lesions[0]."PI-RADS"',))]
    swap(folder)
    with lake.connect() as connection:
        coverage(connection, preview(lake, folder))
    assert lineage(lake, 1) == before, "coverage"
    ingest(lake, prepare(lake, folder), [OTHERS], "t")
    assert lineage(lake, 1) == before, "ingest"
    assert told(lake, "measurement", "lesion.pi_rads", 1) == [Told(line, ('$.lesions[0]."PI-RADS"',))]
    newer = told(lake, "measurement", "lesion.pi_rads")[1:]
    assert newer, "other cases are loaded"
    assert {one.line for one in newer} == {line + 1}
    assert all(one.paths[0].endswith("].gleason1") for one in newer)


def test_a_rule_that_moves_to_another_table_leaves_older_rows_explainable(
    lake: Engine, folder: Path, tmp_path: Path
) -> None:
    cases = OTHERS.read_text().splitlines(keepends=True)
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    first.write_text("".join(cases[:12]))
    second.write_text("".join(cases[12:]))
    ingest(lake, prepare(lake, folder), [first], "t")
    older = told(lake, "measurement", "prostate_volume")
    line = line_of(folder, "clinical.yaml", "prostate_volume:")
    assert set(older) == {Told(line, ("$.clinicalBaselineData.prostateVolume",))}
    measured = "  table: measurement\n  concept: 2000000022"
    change(folder, "clinical.yaml", (measured, measured.replace("measurement", "observation")))
    accept = "accept: [{finding: wrong-domain, concept: 2000000022, why: to try it}]\ndefaults:\n"
    change(folder, "mapping.yaml", ("defaults:\n", accept))
    ingest(lake, prepare(lake, folder), [second], "t")
    assert told(lake, "measurement", "prostate_volume") == older
    assert told(lake, "observation", "prostate_volume")


def numbers(lake: Engine, folder: Path) -> dict[str, int]:
    with lake.begin() as connection:
        return register(connection, read_mapping(folder))


def registered(lake: Engine) -> dict[int, str]:
    with lake.connect() as connection:
        rows = connection.execute(text("SELECT rule_id, name FROM lake.rules WHERE mapping = 'mini'"))
        return {row.rule_id: row.name for row in rows}


def test_a_number_is_kept_and_not_given_again(lake: Engine, tmp_path: Path) -> None:
    first = numbers(lake, mini.write(tmp_path))
    assert numbers(lake, tmp_path) == first
    assert len(set(first.values())) == len(first)
    mini.change(tmp_path, SECTION, SCORED, "")
    mini.change(tmp_path, MAPPING, "ignore:\n", "ignore:\n  score: not needed here\n")
    retired = first.pop("scored")
    assert numbers(lake, tmp_path) == first
    mini.change(tmp_path, SECTION, "remark:", SCORED.replace("scored", "newcomer") + "remark:")
    new = numbers(lake, tmp_path)
    assert new == {**first, "newcomer": max(*first.values(), retired) + 1}
    assert registered(lake)[retired] == "scored"
    mini.change(tmp_path, SECTION, "remark:", SCORED + "remark:")
    assert numbers(lake, tmp_path)["scored"] == retired, "the rule is back"


def test_a_renamed_rule_gets_a_new_number(lake: Engine, tmp_path: Path) -> None:
    first = numbers(lake, mini.write(tmp_path))
    mini.change(tmp_path, SECTION, "scored:", "rated:")
    second = numbers(lake, tmp_path)
    assert second["rated"] == max(first.values()) + 1
    assert {name: number for name, number in second.items() if name != "rated"} == {
        name: number for name, number in first.items() if name != "scored"
    }


def test_a_rule_at_another_list_gets_a_new_number(lake: Engine, tmp_path: Path) -> None:
    mini.change(mini.write(tmp_path), SECTION, "number: score,", "number: size, each: items,")
    first = numbers(lake, tmp_path)
    mini.change(tmp_path, SECTION, "number: size, each: items,", "number: score,")
    assert numbers(lake, tmp_path)["scored"] == max(first.values()) + 1


def test_the_last_number_is_given_and_then_the_register_is_full(lake: Engine, tmp_path: Path) -> None:
    mini.write(tmp_path)
    count = len(list(read_mapping(tmp_path).every_rule()))
    with lake.begin() as connection:
        connection.execute(
            text("INSERT INTO lake.rules VALUES (:last, 'other', 'rule', '$')"), {"last": MAX_RULE - count}
        )
    assert max(numbers(lake, tmp_path).values()) == MAX_RULE
    before = registered(lake)
    mini.change(tmp_path, SECTION, "scored:", "rated:")
    with pytest.raises(RegisterFull, match=str(MAX_RULE + 1)):
        numbers(lake, tmp_path)
    assert registered(lake) == before
