"""Scalars of YAML files: where they stand, and that nothing but one of them changes when it is rewritten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from etl.review.scalars import rewritten, scalars

NAMES = st.one_of(
    st.sampled_from(["Scan", "Lesion, big", "it's [so]", 'a "b" c', "x: y", "a #b", "b\\s", "é𝒳", "{b}"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20),
)  # fmt: skip
PLAIN = ["60 Size", "60 Size of it", "7 x"]
BLOCK = [*PLAIN, "'60 it''s'", '"60 a, \\"b\\""', ">-\n    60 Size", "|-\n    60 Size", "60 Size\n    of it",
         "&a# 60 Size", "!!str 60 Size", "&b# '60 x'", "60 a, b] c"]  # fmt: skip
FLOW = [*PLAIN, "'60 it''s'", '"60 a, \\"b\\""', "&c# 60 Size", "!!str '60'"]
REMARKS = ["", " # 60 Size", "   # concept: 60 Size é"]


def load(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


@given(
    st.lists(st.tuples(st.sampled_from(BLOCK), st.sampled_from(REMARKS)), min_size=1, max_size=4),
    st.lists(st.sampled_from(FLOW), min_size=1, max_size=3),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\n# the end"]),
    st.data(),
)
def test_only_the_scalar_changes(
    block: list[tuple[str, str]], flow: list[str], newline: str, end: str, data: st.DataObject
) -> None:
    # An anchor's name ends with its number.
    lines = [
        f"k{i}: {text.replace('#', str(i))}{'' if chr(10) in text else remark}"
        for i, (text, remark) in enumerate(block)
    ]
    items = ", ".join(f"f{i}: {text.replace('#', str(i))}" for i, text in enumerate(flow))
    text = ("# 60 Size\n" + "\n".join(lines) + f"\nflow: {{{items}}} # 60 Size{end}").replace("\n", newline)
    keys = data.draw(st.sampled_from([("k0",), (f"k{len(block) - 1}",), ("flow", f"f{len(flow) - 1}")]))
    value = f"{data.draw(st.integers(1, 9999))} {data.draw(NAMES)}"

    one = scalars(text)[keys]
    new = text[: one.start] + rewritten(text[one.start : one.end], one, value) + text[one.end :]

    before, after = load(text), load(new)
    inside = before if len(keys) == 1 else before["flow"]  # type: ignore[index]
    inside[keys[-1]] = value  # type: ignore[index]
    assert after == before
    # The rest of the text stands untouched around it, by construction; so do its line ends.
    assert new.replace("\r\n", "").count("\r") == 0
    assert ("\r\n" in new) == (newline == "\r\n")


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("a: 1 One # c", "2 Two", "a: 2 Two # c"),
        ("a: 1 One # c", "2 Two, or so", "a: 2 Two, or so # c"),
        ("a: {b: 1 One } # c", "2 Two, or so", 'a: {b: "2 Two, or so" } # c'),
        ("a: 1 One", "2 Two: more", 'a: "2 Two: more"'),
        ("a: 1 One", '2 "Two": more', "a: '2 \"Two\": more'"),
        ("a: '1 One'", "2 It's", "a: '2 It''s'"),
        ('a: "1 One"', '2 "It"', r'a: "2 \"It\""'),
        ("a: &x 1 One", "2 Two", "a: &x 2 Two"),
        ("a: !!str 1 One", "2 Two #3", 'a: !!str "2 Two #3"'),
        ("a: >- # c\n  1 One\n  more\n", "2 Two: x", "a: >- # c\n  2 Two: x\n"),
        ("a: 1 One\n  more\n", "2 Two", "a: 2 Two\n"),
        ("a: 1 One", "2 tab\there", r'a: "2 tab\there"'),
    ],
)
def test_quotes_only_where_they_are_needed(written: str, value: str, expected: str) -> None:
    one = scalars(written)[("a", "b") if "{b" in written else ("a",)]
    new = written[: one.start] + rewritten(written[one.start : one.end], one, value) + written[one.end :]
    assert new == expected
    found = load(new)["a"]  # type: ignore[index]
    assert (found["b"] if isinstance(found, dict) else found) == value


def test_an_alias_and_a_merged_key_lead_to_the_text_that_they_repeat() -> None:
    text = (
        "m: &m {k: 5 five, l: 6 six}\nn:\n  <<: *m\n  l: 7 own\n"
        "o: [&x 8 eight, *x]\np:\n  <<: [*m, {q: 9 nine}]\n"
    )
    found = {keys: text[one.start : one.end] for keys, one in scalars(text).items()}
    assert found == {
        ("m", "k"): "5 five", ("m", "l"): "6 six", ("n", "k"): "5 five", ("n", "l"): "7 own",
        ("o", 0): "8 eight", ("o", 1): "8 eight",
        ("p", "k"): "5 five", ("p", "l"): "6 six", ("p", "q"): "9 nine",
    }  # fmt: skip
    assert scalars(text)["o", 1] == scalars(text)["o", 0]


def test_keys_are_those_of_the_data() -> None:
    assert set(scalars("a: {true: 1 One, 2: 2 Two, '3': 3 Three, x: [4 Four]}")) == {
        ("a", True), ("a", 2), ("a", "3"), ("a", "x", 0)
    }  # fmt: skip
