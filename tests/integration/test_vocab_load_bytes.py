"""Whatever the line ends, and whatever a name looks like: what is in the table is the cell, byte for byte."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.bundles import HEADERS, small, write
from vocabularies.athena.lines import BLOCK
from vocabularies.athena.load import Outcome, load

NAMES = [
    "None", "NA", "N/A", "null", "NULL", "nan", r"\N", r"\.", r"\\.", "\\", r"\t", r"\n\r", r"\x41", r"\101",
    '"', '""', '"quoted"', 'a "b', "'", "''", "$$", "%s", ":name", "{}", ";", ",", "|", "\b", "\v", "\f",
    " leading", "trailing ", "  both  ", " ", "0", "-1", "1e5", "true", "20200101", "=cmd()", "'; DROP TABLE",
    "\u00a0", "\u2028", "\u0085", "\u200d", "\ufeff", "\ufffd", "ß", "Ångström", "é", "e\u0301", "中文", "😀",
    "\U0001f9ec\U0010ffff",
]  # fmt: skip

BOM = b"\xef\xbb\xbf"


def ends(line: int, how: str) -> bytes:
    return {"unix": b"\n", "windows": b"\r\n", "mixed": b"\r\n" if line % 3 else b"\n"}[how]


def synonyms(count: int) -> list[tuple[int, str]]:
    """The names, and many of every length, so that blocks end at every place of a line."""
    odd = [(8507, name) for name in NAMES]
    return odd + [(8532, f"{place} " + "xé😀"[place % 3] * (place % 97)) for place in range(count)]


def written(folder: Path, rows: list[tuple[int, str]], how: str, *, bom: bool, last_end: bool) -> Path:
    write(folder, small())
    lines = ["\t".join(HEADERS["CONCEPT_SYNONYM"]), *(f"{one}\t{name}\t4180186" for one, name in rows)]
    content = b"".join(line.encode() + ends(number, how) for number, line in enumerate(lines))
    if not last_end:
        content = content.rstrip(b"\r\n")
    folder.joinpath("CONCEPT_SYNONYM.csv").write_bytes(BOM * bom + content)
    return folder


def stored(engine: Engine) -> list[tuple[int, bytes]]:
    statement = """
        SELECT concept_id, convert_to(concept_synonym_name, 'UTF8') FROM omop.concept_synonym
        WHERE language_concept_id = 4180186
    """
    with engine.connect() as connection:
        return sorted((one, bytes(name)) for one, name in connection.execute(text(statement)))


@pytest.mark.parametrize(
    ("how", "bom", "last_end"),
    [("unix", False, True), ("unix", True, False), ("windows", True, True), ("windows", False, False),
     ("mixed", False, True)],
)  # fmt: skip
def test_every_cell_arrives_byte_for_byte(
    lake: Engine, tmp_path: Path, how: str, bom: bool, last_end: bool
) -> None:
    rows = synonyms(8_000)
    folder = written(tmp_path / "bundle", rows, how, bom=bom, last_end=last_end)
    assert folder.joinpath("CONCEPT_SYNONYM.csv").stat().st_size > 2 * BLOCK
    outcome = load(lake, folder)
    assert outcome.rows["CONCEPT_SYNONYM.csv"] == (len(rows), len(rows), 0)
    assert stored(lake) == sorted((one, name.encode()) for one, name in rows)


def test_a_line_end_of_windows_split_over_two_blocks(lake: Engine, tmp_path: Path) -> None:
    """The carriage return is the last byte of a block, the line feed the first of the next."""
    header = len("\t".join(HEADERS["CONCEPT_SYNONYM"])) + 2
    rows, size = [], header
    while size < header + BLOCK - 2_000:
        rows.append((8507, "x" * 900))
        size += len(f"8507\t{'x' * 900}\t4180186\r\n")
    left = header + BLOCK + 1 - size - len("8507\t\t4180186\r\n")
    rows += [
        (8507, "y" * (left // 2)),
        (8507, "z" * (left - left // 2 - len("8507\t\t4180186\r\n"))),
        (8532, "w"),
    ]
    folder = written(tmp_path / "bundle", rows, "windows", bom=False, last_end=True)
    content = folder.joinpath("CONCEPT_SYNONYM.csv").read_bytes()
    assert content[header + BLOCK - 1 : header + BLOCK + 1] == b"\r\n"
    assert load(lake, folder).loaded
    assert stored(lake) == sorted((one, name.encode()) for one, name in rows)


@pytest.mark.parametrize(
    ("end", "says"),
    [(b"\n", "1 cells"), (b"\r\n", "1 cells"), (b"\\.\n", "1 cells"), (b"8507\tno tabs\n", "2 cells"),
     (b"8507\tx\ty\t4180186\n", "4 cells"), (b"8507\tx\t4180186\r", "carriage"),
     (b"8507\tx\0\t4180186\n", "NUL"), (b"8507\t\xff\t4180186\n", "UTF-8"),
     (b"8507\t\xed\xa0\x80\t4180186\n", "UTF-8")],
    ids=repr,
)  # fmt: skip
def test_a_line_that_is_no_row_is_named_and_nothing_is_loaded(
    lake: Engine, tmp_path: Path, end: bytes, says: str
) -> None:
    folder = write(tmp_path / "bundle", small())
    with folder.joinpath("CONCEPT_SYNONYM.csv").open("ab") as file:
        file.write(end)
    outcome = load(lake, folder)
    assert (outcome.loaded, outcome.rows) == (False, {})
    assert told(outcome) == [("CONCEPT_SYNONYM.csv", len(small()["CONCEPT_SYNONYM"]) + 2, True)], says
    [[found]] = outcome.report.first.values()
    assert says in found.message
    assert stored(lake) == []


def told(outcome: Outcome) -> list[tuple[str, int, bool]]:
    every = [one for group in outcome.report.first.values() for one in group]
    return [(one.file, one.line, one.severity == "error") for one in every]
