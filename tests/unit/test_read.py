"""Reading: every strict JSON document, nothing else, and the place of what is wrong."""

import io
import json
import math
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl import strict
from etl.read import BadPaths, BadSetting, Record, Unreadable, digest, files, limit, read, records
from etl.strict import Flaw, counted, member, parse

FLAWS = [
    (b"", "$", "is not JSON at line 1, column 1"),
    (b"hello", "$", "is not JSON at line 1, column 1"),
    (b'{"a": 1,\n "b" 2}', "$", "is not JSON at line 2, column 6"),
    (b'{"a": 1} {"b": 2}', "$", "is not JSON at line 1, column 10"),
    (b'{"a": "x\ty"}', "$", "is not JSON at line 1, column 9"),
    (b'{"a": 01}', "$", "is not JSON at line 1, column 8"),
    (b"[]", "$", "must be an object"),
    (b"null", "$", "must be an object"),
    (b'{"a": "\xff"}', "$", "is not UTF-8 at byte 8"),
    (b"\xff\xfe{\x00}\x00", "$", "is not UTF-8 at byte 1"),
    (b'{"a": "\xed\xa0\x80"}', "$", "is not UTF-8 at byte 8"),
    (b'{"a": 1, "a": 1}', "$", "has the key 'a' twice"),
    (b'{"l": [{}, {"x": {"y": 1, "z": 0, "y": 2}}]}', "$.l[1].x", "has the key 'y' twice"),
    (b'{"a": 1, "\\u0061": 1}', "$", "has the key 'a' twice"),
    (b'{"a": 1, "Jane Doe 1950": 1, "b": 2, "Jane Doe 1950": 1}', "$", "has its 2nd key twice"),
    (b'{"a": 1, "PCa-4711": 1, "PCa-4711": 1}', "$", "has its 2nd key twice"),
    (b'{"Jane Doe 1950": {"a": NaN}}', "$.*.a", "NaN is not a JSON number"),
    (b'{"PCa-4711": {"a": NaN}}', "$.*.a", "NaN is not a JSON number"),
    (b'{"1950-01-01": [{"b": 1, "b": 2}]}', "$.*[0]", "has the key 'b' twice"),
    (b'{"a": {"b": NaN}}', "$.a.b", "NaN is not a JSON number"),
    (b'{"a": [1, -Infinity]}', "$.a[1]", "-Infinity is not a JSON number"),
    (b'{"a": 1e400}', "$.a", "is a number too large for 64 bit"),
    (b'{"a": -1e400}', "$.a", "is a number too large for 64 bit"),
    (b'{"a": 1e-400}', "$.a", "is a number too small for 64 bit"),
    (b'{"a": 1e300}', "$.a", "is an integer beyond 64 bit"),
    (b'{"a": 9223372036854775808}', "$.a", "is an integer beyond 64 bit"),
    (b'{"a": -9223372036854775809}', "$.a", "is an integer beyond 64 bit"),
    (b'{"a": 0.' + b"0" * 20_000 + b"1}", "$.a", "is a number of more than 64 characters"),
    (b'{"a": ' + b"9" * 5_000 + b"}", "$.a", "is an integer beyond 64 bit"),
    (b'{"PI-RADS": "a\\u0000b"}', '$."PI-RADS"', "holds the character NUL"),
    (b'{"a": "\\ud800"}', "$.a", "holds half a surrogate pair"),
    (b'{"a": {"\\udc00": 1}}', "$.a", "has a key that holds half a surrogate pair"),
    (b'{"a":\n' + b"[" * 64 + b"]" * 64 + b"}", "$", "is nested deeper than 64 levels at line 2"),
    (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", "$", "is nested deeper than 64 levels at line 1"),
    (b'{"a":' * 100_000, "$", "is nested deeper than 64 levels at line 1"),
]


@pytest.mark.parametrize(
    ("raw", "path", "reason"), FLAWS, ids=[raw[:30].decode("latin1") for raw, *_ in FLAWS]
)
def test_a_flaw_is_named_with_its_place(raw: bytes, path: str, reason: str) -> None:
    assert parse(raw, known=("a", "b", "l", "x", "y", "PI-RADS")) == Flaw(path, reason)


DOCUMENTS = [
    (b"{}", {}),
    (b'{"a": 1, "b": {"a": 2}}', {"a": 1, "b": {"a": 2}}),
    (b'{"a": 9223372036854775807, "b": -9223372036854775808}', {"a": 2**63 - 1, "b": -(2**63)}),
    (b'{"uid": "1.2.840.1234567890123456789", "at": "12:30, 1e5"}', None),
    (b'{"a": "\\ud83d\\ude00 \\u00e9"}', {"a": "\U0001f600 \u00e9"}),
    (b'{"a":' + b"[" * 63 + b"]" * 63 + b"}", None),
    (b'{"a":' + b"[" * 62 + b"[1]" + b"]" * 62 + b"}", None),
    ('{"a": "Ηράκλειο"}'.encode(), {"a": "Ηράκλειο"}),
]


@pytest.mark.parametrize(("raw", "document"), DOCUMENTS)
def test_a_strict_document_is_read_as_it_is(raw: bytes, document: dict[str, object] | None) -> None:
    assert parse(raw) == (document if document is not None else json.loads(raw))


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (b"1e2", 100),
        (b"1.0e1", 10),
        (b"1.50e1", 15.0),
        (b"1e-5", 1e-5),
        (b"0e9", 0),
        (b"-0", 0),
        (b"-0.0", 0.0),
        (b"-0.5", -0.5),
        (b"1.0", 1.0),
    ],
)
def test_numbers_are_read_as_jsonb_gives_them_back(number: bytes, kept: float) -> None:
    parsed = parse(b'{"a":' + number + b"}")
    assert isinstance(parsed, dict)
    assert (type(parsed["a"]), parsed["a"]) == (type(kept), kept)
    assert math.copysign(1, parsed["a"]) == math.copysign(1, kept)


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
LITERALS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


def same(one: object, other: object) -> bool:
    """Equal, with equal types and signs of zero: what ``repr`` shows."""
    return repr(one) == repr(other)


@given(st.dictionaries(TEXTS, VALUES, max_size=5), st.booleans(), st.sampled_from([None, 1, 3]))
def test_fast_and_careful_path_agree(
    document: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    raw = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode(errors="surrogatepass")
    assert same(parse(raw), strict._careful(raw, 1, ()))


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c:"]), LITERALS), max_size=4),
    st.sampled_from(["", " ", "\n"]),
)
@example([("a", "-0.0")], "")
@example([("a", "1234567890123456789.5")], "")
def test_fast_and_careful_path_agree_on_numbers_and_repeated_keys(
    members: list[tuple[str, str]], blank: str
) -> None:
    raw = ("{" + ",".join(f'"{key}":{blank}{number}{blank}' for key, number in members) + "}").encode()
    assert same(parse(raw), strict._careful(raw, 1, ()))
    assert isinstance(parse(raw), Flaw) or len({key for key, _ in members}) == len(members)


@given(st.binary(max_size=30) | st.text('{}[]",:\\u0019eE-.+ntrufalse ', max_size=30).map(str.encode))
def test_any_bytes_are_an_object_or_a_flaw_on_both_paths(raw: bytes) -> None:
    assert same(parse(raw), strict._careful(raw, 1, ()))


def test_the_digest_ignores_white_space_and_key_order_only() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest(orjson.loads(b'{ "b": [1,2],\n"a":1}'))
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("age", "$.age"),
        ("PI-RADS", '$."PI-RADS"'),
        (3, "$[3]"),
        ("agee", "$.*"),
        ("PCa-4711", "$.*"),
        ("Jane Doe", "$.*"),
        ("age\n", "$.*"),
        ("", "$.*"),
        ('a"b', '$."a\\"b"'),
    ],
)
def test_paths_tell_known_keys_alone(key: str | int, path: str) -> None:
    assert member("$", key, known=("age", "PI-RADS", 'a"b')) == path


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (21, "21st"),
        (113, "113th"),
    ],
)
def test_places_are_counted_in_words(place: int, told: str) -> None:
    assert counted(place) == told


def found(text: bytes, *, lines: bool = False) -> list[tuple[int, int, object]]:
    """Position, line, and document or reason."""
    return [
        (each.position, each.line, each.document if isinstance(each, Record) else each.reason)
        for each in read(io.BytesIO(text), lines=lines)
    ]


A, B = {"a": 1}, {"b": [{}, []]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a": 1}', [(1, 1, A)]),
        (b'\xef\xbb\xbf \n{"a": 1}\n', [(1, 2, A)]),
        (b"[]", [(1, 1, "holds no case document")]),
        (b"", [(1, 1, "holds no case document")]),
        (b'\xef\xbb\xbf[{"a":1}]', [(1, 1, A)]),
        (b'[\n{"a": 1},\n{"b":\n[{}, []]}\n,{"a":1}]\n', [(1, 2, A), (2, 3, B), (3, 5, A)]),
        (b'[{"a": "],\\"[{"}, {"a": 1}]', [(1, 1, {"a": '],"[{'}), (2, 1, A)]),
        (b'[{"a": 1}, 5, {"a": 1}]', [(1, 1, A), (2, 1, "must be an object"), (3, 1, A)]),
        (b'[{"a" 1},\n{"a": 1}]', [(1, 1, "is not JSON at line 1, column 6"), (2, 2, A)]),
        (b'[{"a":1}{"a":1}]', [(1, 1, "is not JSON at line 1, column 8")]),
        (b'[{"a":1},,{"a":1}]', [(1, 1, A), (2, 1, "is empty: a comma stands next to nothing"), (3, 1, A)]),
        (b'[{"a":1},]', [(1, 1, A), (2, 1, "is empty: a comma stands next to nothing")]),
        (
            b'[{"a":1}] x',
            [(1, 1, A), (2, 1, "stands behind the end of the array; nothing after it was read")],
        ),
        (
            b'[{"a":1},\n{"a":',
            [(1, 1, A), (2, 1, "is cut off: the file ends within the array; nothing after it was read")],
        ),
        (
            b'[{"a":1},{"a":"\\"',
            [(1, 1, A), (2, 1, "is cut off: the file ends within the array; nothing after it was read")],
        ),
    ],
)
def test_documents_and_arrays(text: bytes, expected: list[tuple[int, int, object]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a": 1}\n\n{"b":[{},[]]}', [(1, 1, A), (2, 3, B)]),
        (b'\xef\xbb\xbf{"a": 1}\r\n  \r\n', [(1, 1, A)]),
        (b'{"a": 1}\n{"a":\n{"a": 1}\n', [(1, 1, A), (2, 2, "is not JSON at line 2, column 6"), (3, 3, A)]),
        (b'[{"a": 1}]\n', [(1, 1, "must be an object")]),
        (b"\n\n", [(1, 1, "holds no case document")]),
    ],
)
def test_one_document_a_line(text: bytes, expected: list[tuple[int, int, object]]) -> None:
    assert found(text, lines=True) == expected


@given(
    st.lists(
        st.dictionaries(st.text(max_size=3), VALUES, max_size=3).filter(
            lambda d: isinstance(parse(orjson_text(d)), dict)
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 40),
)
def test_an_array_is_split_the_same_whatever_the_chunk_size(
    documents: list[dict[str, object]], chunk: int
) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(chunk if size is None or size < 0 else min(size, chunk))

    text = b"[" + b" ,\n".join(map(orjson_text, documents)) + b"]"
    found = list(read(Trickle(text)))
    assert [each.document for each in found if isinstance(each, Record)] == [
        parse(orjson_text(d)) for d in documents
    ]
    assert [each.raw for each in found if isinstance(each, Record)] == list(map(orjson_text, documents))


def orjson_text(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")


TOO_LARGE = "is larger than 100 bytes, the most a document may have (ONCOLAKE_MAX_DOCUMENT_BYTES)"


def test_documents_over_the_limit_are_refused_and_the_others_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCOLAKE_MAX_DOCUMENT_BYTES", "100")
    large = b'{"x": "' + b"x" * 91 + b'"}'
    assert len(large) == 100
    assert found(large + b" " * 100)[0][2] == TOO_LARGE
    assert isinstance(found(large)[0][2], dict)
    larger = large.replace(b"xx", b"xxx", 1)
    much_larger = larger * 50
    for text in (larger, much_larger):
        assert found(text) == [(1, 1, TOO_LARGE)]
        assert found(b"\n".join([text, b'{"a":1}']), lines=True) == [(1, 1, TOO_LARGE), (2, 2, A)]
    assert found(b"[" + larger + b',{"a":1}]') == [(1, 1, TOO_LARGE), (2, 1, A)]
    assert found(b"\n".join([large, large]), lines=True)[1][2] == json.loads(large)


@pytest.mark.parametrize("setting", ["5 MB", "5e6", "-1", "0", "1.5", "٥", "1_000", "1000000001", "9" * 5000])
def test_a_limit_that_is_no_positive_whole_number_is_refused(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("ONCOLAKE_MAX_DOCUMENT_BYTES", setting)
    with pytest.raises(BadSetting) as caught:
        limit()
    assert str(caught.value) == (
        "ONCOLAKE_MAX_DOCUMENT_BYTES must be a whole number of bytes, from 1 to 1,000,000,000"
    )


@pytest.mark.parametrize(
    ("setting", "most"), [("", 5_000_000), (" ", 5_000_000), ("1", 1), (" 1000000000 ", 1_000_000_000)]
)
def test_the_limit_is_5_megabytes_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch, setting: str, most: int
) -> None:
    monkeypatch.setenv("ONCOLAKE_MAX_DOCUMENT_BYTES", setting)
    assert limit() == most


def test_a_50_megabyte_document_is_refused_without_being_held(tmp_path: Path) -> None:
    for name, start in (("one.json", b"{"), ("list.json", b"[{"), ("lines.ndjson", b"{")):
        file = tmp_path / name
        file.write_bytes(start + b'"a": "' + b"x" * 50_000_000 + b'"}')
        tracemalloc.start()
        (refused,) = records(file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(refused, Unreadable)
        assert refused.reason.startswith("is larger than 5000000 bytes")
        assert peak < 25_000_000


def test_many_lines_are_streamed(tmp_path: Path) -> None:
    file = tmp_path / "many.ndjson"
    line = orjson.dumps({"a": "x" * 1000}) + b"\n"
    file.write_bytes(line * 10_000)
    tracemalloc.start()
    count = sum(isinstance(each, Record) for each in records(file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 1_000_000


def test_folders_are_expanded_sorted_and_hidden_files_skipped(tmp_path: Path) -> None:
    for name in ("b.json", "a/2.NDJSON", "a/1.jsonl", ".hidden.json", ".git/x.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"{}")
    names = [file.relative_to(tmp_path).as_posix() for file in files([tmp_path, tmp_path / "b.json"])]
    assert names == ["a/1.jsonl", "a/2.NDJSON", "b.json"]


def test_all_bad_paths_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadPaths) as caught:
        files([tmp_path / "none.json", tmp_path / "notes.txt", tmp_path / "empty"])
    assert caught.value.reasons == (
        f"'{tmp_path}/none.json' does not exist",
        f"'{tmp_path}/notes.txt' does not end in one of .json, .ndjson, .jsonl",
        f"folder '{tmp_path}/empty' holds no file that ends in one of .json, .ndjson, .jsonl",
    )


def reasons(*paths: Path) -> tuple[str, ...]:
    with pytest.raises(BadPaths) as caught:
        files(paths)
    return caught.value.reasons


def test_a_pipe_is_told_to_be_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f.json")
    os.mkfifo(tmp_path / "not looked for")
    (tmp_path / "good.json").touch()
    told = (f"'{tmp_path}/f.json' is not a regular file",)
    assert reasons(tmp_path / "f.json") == told
    assert reasons(tmp_path) == told


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.json").symlink_to(tmp_path / "nothing")
    (tmp_path / "round.json").symlink_to("round.json")
    assert reasons(tmp_path) == (
        f"'{tmp_path}/gone.json' does not exist",
        f"'{tmp_path}/round.json' cannot be read: Too many levels of symbolic links",
    )


#: Lists case files without any rights: root may read everything, whatever the permissions.
AS_NOBODY = """
import os, sys
from pathlib import Path
from etl.read import BadPaths, files
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    found = files([Path(sys.argv[1])])
except BadPaths as error:
    found = error.reasons
print(*found, sep=chr(10))
"""


def as_nobody(path: Path) -> list[str]:
    """The files that an account without any rights finds at a path, or the reasons why there are none."""
    command = [sys.executable, "-c", AS_NOBODY, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can reach."""
    with tempfile.TemporaryDirectory(prefix="oncolake-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_what_may_not_be_looked_at_is_told_and_never_skipped(open_folder: Path) -> None:
    for name in ("a/locked/1.json", "b/unlisted/2.json", "c/3.json", ".hidden/4.json"):
        (open_folder / name).parent.mkdir(parents=True)
        (open_folder / name).write_bytes(b"{}")
    (open_folder / "a" / "locked").chmod(0o000)
    (open_folder / "b" / "unlisted").chmod(0o444)
    (open_folder / ".hidden").chmod(0o000)
    try:
        assert as_nobody(open_folder / "c") == [f"{open_folder}/c/3.json"]
        assert as_nobody(open_folder) == [
            f"'{open_folder}/a/locked' cannot be read: Permission denied",
            f"'{open_folder}/b/unlisted/2.json' cannot be read: Permission denied",
        ]
        for path in (open_folder / "a" / "locked", open_folder / "a" / "locked" / "1.json"):
            assert as_nobody(path) == [f"'{path}' cannot be read: Permission denied"]
    finally:
        for name in ("a/locked", "b/unlisted", ".hidden"):
            (open_folder / name).chmod(0o755)
