"""A file's rows on their way to COPY: headers, line ends, backslashes, counts, cells not to be guessed."""

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundles import HEADERS
from vocabularies.athena.bundle import Bundle, BundleError, Member
from vocabularies.athena.layout import FILES
from vocabularies.athena.lines import BLOCK, LONGEST_LINE, HeaderError, Lines, numbered, read_header
from vocabularies.athena.strict import Strict

HEADER = b"domain_id\tdomain_name\tdomain_concept_id\n"


class Dribble(io.BytesIO):
    """A stream that gives a few bytes at a time, as a zip may."""

    def __init__(self, content: bytes, sizes: Iterator[int]) -> None:
        super().__init__(content)
        self._sizes = sizes

    def read(self, size: int | None = -1) -> bytes:
        return super().read(next(self._sizes, size or -1))


def opened(content: bytes, sizes: tuple[int, ...] = (), name: str = "DOMAIN.csv") -> tuple[Bundle, Member]:
    member = Member(name, len(content), lambda: Dribble(content, iter(sizes)))
    return Bundle(Path("bundle.zip"), {name: member}), member


def read(rows: bytes, sizes: tuple[int, ...] = ()) -> tuple[bytes, int, int]:
    """What COPY reads, how many rows were counted, and how many bytes."""
    lines = Lines(*opened(HEADER + rows, sizes), lambda size, count: None)
    parts = []
    while part := lines.read():
        parts.append(part)
    assert lines.read() == b""
    return b"".join(parts), lines.rows, lines.bytes


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        b"DOMAIN_ID\tDomain_Name\tdomain_CONCEPT_id\r\n",
        b"\xef\xbb\xbf" + HEADER,
        b"domain_id \t domain_name\tdomain_concept_id\n",
        HEADER.removesuffix(b"\n"),
    ],
)
def test_a_header_is_matched_whatever_its_case_and_line_end(header: bytes) -> None:
    stream = io.BytesIO(header + b"rest" * header.endswith(b"\n"))
    found = read_header(stream, FILES["DOMAIN.csv"])
    assert found.columns == HEADERS["DOMAIN"]
    assert stream.tell() == found.size == len(header)


def test_columns_may_stand_in_any_order() -> None:
    found = read_header(io.BytesIO(b"domain_name\tdomain_concept_id\tdomain_id\n"), FILES["DOMAIN.csv"])
    assert found.columns == ("domain_name", "domain_concept_id", "domain_id")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "the file is empty, without even a header"),
        (b"\n", "the header is not that of domain: 'domain_id' is missing, 'domain_name' is missing, "
                "'domain_concept_id' is missing, '' is not a column of domain"),
        (HEADER.replace(b"\t", b","), "the columns are separated by ',', not by tabs as Athena's are; use "
                                      "the file as Athena made it, not as a spreadsheet saved it"),
        (HEADER.replace(b"\t", b";"), "the columns are separated by ';', not by tabs as Athena's are; use "
                                      "the file as Athena made it, not as a spreadsheet saved it"),
        (b"domain_id\tdomain_name\n", "the header is not that of domain: 'domain_concept_id' is missing"),
        (HEADER.rstrip() + b"\tnote\n", "the header is not that of domain: 'note' is not a column of domain"),
        (HEADER.rstrip() + b"\tdomain_id\n",
         "the header is not that of domain: 'domain_id' stands there twice"),
        ("domain_id\tdomain_name\tdomain_concept_id\n".encode("utf-16"),
         "the file is UTF-16; Athena's are UTF-8, so download the bundle again"),
    ],
)  # fmt: skip
def test_a_header_that_does_not_fit(header: bytes, message: str) -> None:
    with pytest.raises(HeaderError) as refused:
        read_header(io.BytesIO(header), FILES["DOMAIN.csv"])
    assert str(refused.value) == message


def test_a_file_without_line_ends_does_not_fill_the_memory() -> None:
    stream = io.BytesIO(b"x" * 1_000_000)
    with pytest.raises(HeaderError, match="'xxxx") as refused:
        read_header(stream, FILES["DOMAIN.csv"])
    assert stream.tell() < 10_000
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("rows", "plain", "count"),
    [
        (b"", b"", 0),
        (b"a\tb\t1\n", b"a\tb\t1\n", 1),
        (b"a\tb\t1", b"a\tb\t1", 1),
        (b"a\tb\t1\n\n", b"a\tb\t1\n\n", 2),
        (b"a\tb\t1\r\nc\td\t2\r\n", b"a\tb\t1\nc\td\t2\n", 2),
        (b"a\tb\t1\r\nc\td\t2", b"a\tb\t1\nc\td\t2", 2),
        (b"a\rb\t1\n", b"a\rb\t1\n", 1),
        (b"a\tb\t1\r", b"a\tb\t1\r", 1),
        (b"a\\b\t\\N\t\\.\n", b"a\\\\b\t\\\\N\t\\\\.\n", 1),
        (b"\"a\"\t'b'\t1\n", b"\"a\"\t'b'\t1\n", 1),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, BLOCK])
def test_rows_in_copys_text_format(rows: bytes, plain: bytes, count: int, size: int) -> None:
    sizes = (size,) * (len(rows) // size + 2)
    assert read(rows, sizes) == (plain, count, len(HEADER + rows))


PIECES = st.lists(st.sampled_from([b"\r", b"\n", b"\\", b"a", b"\t", b"\xc3\xa4"]), max_size=40).map(b"".join)


@given(PIECES, st.lists(st.integers(1, 9), max_size=40).map(tuple))
def test_where_blocks_end_makes_no_difference(rows: bytes, sizes: tuple[int, ...]) -> None:
    whole = rows.replace(b"\r\n", b"\n").replace(b"\\", b"\\\\")
    assert read(rows, sizes) == (
        whole,
        rows.count(b"\n") + (not rows.endswith(b"\n") and bool(rows)),
        len(HEADER + rows),
    )


@given(PIECES)
def test_numbered_lines_are_the_rows_that_are_counted(rows: bytes) -> None:
    found = list(numbered(*opened(HEADER + rows)))
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    assert len(found) - 1 == read(rows)[1]
    assert found[0][1] == HEADER.rstrip(b"\n")


def test_a_line_of_any_length_is_one_line() -> None:
    rows = b"x" * (3 * LONGEST_LINE) + b"\nb\n"
    found = list(numbered(*opened(HEADER + rows)))
    assert [(number, len(line)) for number, line in found[1:]] == [(2, LONGEST_LINE), (3, 1)]


def test_whoever_watches_is_told_bytes_and_rows() -> None:
    told: list[tuple[int, int]] = []
    rows = b"a\tb\t1\n" * 3
    lines = Lines(*opened(HEADER + rows, (6, 6, 6)), lambda size, count: told.append((size, count)))
    while lines.read():
        pass
    start = len(HEADER)
    assert told == [(start + 6, 1), (start + 12, 2), (start + 18, 3), (start + 18, 3)]


@pytest.mark.parametrize("failure", [zlib.error("bad"), EOFError(), BadZipFile("Bad CRC-32")])
def test_a_file_that_does_not_unpack_is_named(failure: Exception) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise failure

    member = Member("DOMAIN.csv", 1, lambda: Broken(HEADER))
    bundle = Bundle(Path("bundle.zip"), {})
    lines = Lines(bundle, member, lambda size, rows: None)
    with pytest.raises(BundleError, match=r"'DOMAIN.csv' in 'bundle.zip' is damaged; download") as refused:
        lines.read()
    assert lines.failure is refused.value


def related(start: str = "20020131", end: str = "20991231", reason: str = "", code: str = "Is a") -> bytes:
    return f"1\t2\t{code}\t{start}\t{end}\t{reason}\n".encode()


def named(name: str) -> bytes:
    return f"1\t{name}\tD\tV\tC\tS\t12345678\t20020131\t20991231\t\n".replace("\\", "\\\\").encode()


def takes(name: str, rows: bytes, sizes: list[int]) -> bool:
    table = FILES[f"{name}.csv"]
    strict = Strict(table, HEADERS[name])
    stream = Dribble(rows, iter(sizes))
    while block := stream.read(BLOCK):
        if not strict.takes(block):
            return False
    return strict.takes(b"")


SIZES = st.lists(st.integers(1, 60), max_size=30)
SOUND_DAYS = [
    related(),
    related(reason="D"),
    related(reason="U"),
    related(reason="X"),
    related(end="00010101"),
]
BAD_DAYS = [related(end="today"), related(start="2020-01-01"), related(end=" 20991231"),
            related(end="20991231 "),
            related(reason="D ")]  # fmt: skip


@given(
    st.lists(st.sampled_from(SOUND_DAYS), max_size=8), st.sampled_from([*BAD_DAYS, b""]), SIZES, st.booleans()
)
def test_dates_are_looked_at_wherever_blocks_end(
    sound: list[bytes], bad: bytes, sizes: list[int], first: bool
) -> None:
    rows = b"".join([bad, *sound] if first else [*sound, bad])
    assert takes("CONCEPT_RELATIONSHIP", rows, sizes) == (not bad)
    assert takes("CONCEPT_RELATIONSHIP", rows.removesuffix(b"\n"), sizes) == (not bad)


SOUND_NAMES = [
    named("a"),
    named("a "),
    named("x" * 255),
    named(" " * 255),
    named("\\" * 255),
    named("ä" * 254 + " "),
]
BAD_NAMES = [named("x" * 255 + " "), named("x" + " " * 255), named("\\" * 254 + "  ")]


@given(st.lists(st.sampled_from(SOUND_NAMES), max_size=4), st.sampled_from([*BAD_NAMES, b""]), SIZES)
def test_blanks_that_would_be_cut_are_found(sound: list[bytes], bad: bytes, sizes: list[int]) -> None:
    assert takes("CONCEPT", b"".join([*sound, bad, *sound]), sizes) == (not bad)


def test_a_line_that_is_longer_than_any_row_is_not_kept() -> None:
    strict = Strict(FILES["CONCEPT.csv"], HEADERS["CONCEPT"])
    assert strict.takes(b"1\t" + b"x" * (LONGEST_LINE - 2))
    assert not strict.takes(b"x")


def test_a_name_that_is_blank_is_no_matter_here() -> None:
    assert takes("CONCEPT", b"1\t\tD\tV\tC\tS \t1\t20020131\t20991231\t\n", []) is False
    assert takes("CONCEPT", b"1\t\tD\tV \tC\tS\t1\t20020131\t20991231\t\n", []) is True
