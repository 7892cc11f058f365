"""What the checker of mappings says of a folder's cohorts: each file, and the columns of table one."""

import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable

from etl.cohorts.definition import read_definition
from etl.cohorts.errors import CohortError
from etl.cohorts.known import FOLDER, files
from etl.cohorts.table_one import FILE, read_table_one, table_one_lines
from etl.mapping.findings import Finding, finding

#: Where a mapping folder has what its views are made from.
_VIEWS = "research"
_PLACED = re.compile(r"(?P<file>[^:]+):(?:(?P<line>\d+):)? (?P<said>.*)", re.DOTALL)


def cohort_findings(folder: Traversable) -> list[Finding]:
    """Every cohort file that is refused, and what is wrong with table one; empty where there is no cohort."""
    cohorts = files(folder)
    found = [problem for each in cohorts for problem in _refusal(each)]
    return sorted([*found, *(_table_one(folder) if cohorts else ())])


def _refusal(file: Traversable) -> Iterator[Finding]:
    shown = f"{FOLDER}/{file.name}"
    try:
        read_definition(file, shown)
    except CohortError as error:
        yield _finding(error, shown)


def _table_one(folder: Traversable) -> Iterator[Finding]:
    shown = f"{FOLDER}/{FILE}"
    try:
        table, lines = read_table_one(folder), table_one_lines(folder)
    except CohortError as error:
        yield _finding(error, shown)
        return
    said = _words_of_views(folder)
    if not said or not table.view.startswith(f"{_VIEWS}."):
        return
    named: list[tuple[tuple[str | int, ...], str]] = [(("person",), table.person)]
    named += [(("variables", number, "column"), each.column) for number, each in enumerate(table.variables)]
    for keys, column in named:
        if column not in said:
            message = f"no view of this folder names a column '{column}': {table.view} cannot have it"
            yield finding("bad-cohort", shown, lines.get(keys, 1), message)


def _words_of_views(folder: Traversable) -> set[str]:
    """All words of the files that views are made from: what a view calls a column is among them."""
    views = folder.joinpath(_VIEWS)
    if not views.is_dir():
        return set()
    texts = [each.read_text(encoding="utf-8-sig") for each in views.iterdir() if each.is_file()]
    return {word for text in texts for word in re.findall(r"\w+", text)}


def _finding(error: CohortError, shown: str) -> Finding:
    placed = _PLACED.fullmatch(str(error))
    if not placed or placed["file"] != shown:
        return finding("bad-cohort", shown, 1, str(error))
    return finding("bad-cohort", shown, int(placed["line"] or 1), placed["said"])
