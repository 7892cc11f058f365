"""docs/cohorts.md: its commands, queries and Python print what stands there, and draw its pictures.

``python -m tests.cohorts_page`` writes it anew.
"""

import re
from pathlib import Path

import pytest

from etl.reader_role import make_reader
from tests.cohorts_page import PAGE, PICTURES, drawn, executed, reader
from tests.conftest import engine_on
from tests.functional.conftest import Run

_NUMBER = re.compile(r"-?\d+\.\d+|-?\d+")


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def outlines(svg: str) -> list[list[float]]:
    """The numbers of every path; ids of clips and glyphs are those of one version of matplotlib."""
    return [[float(one) for one in _NUMBER.findall(path)] for path in re.findall(r' d="([^"]*)"', svg)]


def test_the_page_prints_what_stands_there_and_draws_its_pictures(
    run: Run, lake_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("READER", reader(lake_url))
    with engine_on(lake_url) as engine:
        make_reader(engine)
        page = PAGE.read_text(encoding="utf-8")
        assert executed(page, lambda words: run(*words).out, tmp_path) == page
        made = drawn(engine, tmp_path)
    for name in PICTURES:
        kept = PAGE.with_name(name).read_text(encoding="utf-8")
        assert f"]({name})" in page
        assert texts(made[name]) == texts(kept), name
        for ours, theirs in zip(outlines(made[name]), outlines(kept), strict=True):
            assert ours == pytest.approx(theirs, abs=0.5), name
