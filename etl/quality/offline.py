"""Data Docs that load nothing from elsewhere: a clinical network forbids it, and it would tell who reads."""

import re
import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path

#: A browser that honours it asks no other host, whatever a page says.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'\">"
)
_SCRIPT = re.compile(r'<script\b[^>]*\bsrc="[^"]*"[^>]*>\s*</script>', re.I)
_LINK = re.compile(r"<link\b[^>]*>", re.I)
_IMAGE = re.compile(r'<img\b[^>]*\bsrc="(?!data:)[^"]*"[^>]*>', re.I)
_STYLE_URL = re.compile(r"""url\(\s*['"]?(?!data:)[^)]*\)""", re.I)
_DARK = "@media (prefers-color-scheme: dark)"
_HEAD = re.compile(r"<head[^>]*>", re.I)


def make_offline(folder: Path) -> None:
    """Give every page below a folder its layout, and take out what it would load from elsewhere."""
    for page in folder.rglob("*.html"):
        page.write_text(_offline(page.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.rmtree(folder / "static", ignore_errors=True)


def _offline(page: str) -> str:
    for pattern in (_SCRIPT, _LINK, _IMAGE):
        page = pattern.sub("", page)
    page = _STYLE_URL.sub("none", page).replace(_DARK, "@media not all")
    head = f"{_POLICY}<style>{_file('docs.css')}</style><script>{_file('docs.js')}</script>"
    return _HEAD.sub(lambda found: found[0] + head, page, count=1)


@cache
def _file(name: str) -> str:
    return files("etl.quality").joinpath(name).read_text(encoding="utf-8")
