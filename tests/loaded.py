"""Loading small bundles in tests, and what the vocabulary tables hold before and after."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from tests.bundles import HEADERS, Tables, write
from vocabularies.athena.findings import Finding, Report
from vocabularies.athena.load import Outcome, load

FIRST_CUSTOM = 2_000_000_000
PLACEHOLDER = "Placeholder"
Rows = Counter[tuple[str, ...]]

_DATES = ("valid_start_date", "valid_end_date")


def loaded(
    engine: Engine, folder: Path, tables: Mapping[str, Iterable[Iterable[str]]], **options: Any
) -> Outcome:
    """Write the bundle and load it."""
    return load(engine, write(folder, tables), **options)


def findings(engine: Engine, path: Path, **options: Any) -> tuple[Outcome, list[Finding]]:
    """Load a bundle; all findings, sorted."""
    found: list[Finding] = []
    outcome = load(engine, path, report=Report(found.append), **options)
    return outcome, sorted(found)


def stored(engine: Engine) -> dict[str, Rows]:
    """The nine tables, each cell as a bundle has it."""
    with engine.connect() as connection:
        return {name: _stored(connection, name, columns) for name, columns in HEADERS.items()}


def _stored(connection: Connection, name: str, columns: Iterable[str]) -> Rows:
    cells = ", ".join(
        f"coalesce(to_char({one}, 'YYYYMMDD'), '')" if one in _DATES else f"coalesce({one}::text, '')"
        for one in columns
    )
    return Counter(tuple(row) for row in connection.execute(text(f"SELECT {cells} FROM omop.{name}")))


def given(tables: Mapping[str, Iterable[Iterable[str]]]) -> dict[str, Rows]:
    """The rows of a bundle."""
    return {name: Counter(map(tuple, rows)) for name, rows in tables.items()}


def after(before: Mapping[str, Rows], tables: Tables) -> dict[str, Rows]:
    """The nine tables once the bundle is loaded: its rows, and what this database has of its own.

    For databases in which custom concepts have no relationships, ancestors or synonyms.
    """
    expected = given(tables)
    ids = {row[0] for row in expected["CONCEPT"]}
    kept = [
        row
        for row in before["CONCEPT"]
        if int(row[0]) >= FIRST_CUSTOM or (row[3] == PLACEHOLDER and row[0] not in ids)
    ]
    expected["CONCEPT"].update(kept)
    ids |= {row[0] for row in kept}
    for name, place in {"DOMAIN": 2, "VOCABULARY": 3, "CONCEPT_CLASS": 4}.items():
        there = {row[0] for row in expected[name]}
        needed = {row[place] for row in kept}
        if name == "VOCABULARY":
            # Value maps are vocabularies of ours, named mapping.map.
            needed |= {row[0] for row in before[name] if "." in row[0]} | {PLACEHOLDER}
        for row in before[name]:
            if row[0] in needed - there:
                expected[name][(*row[:-1], row[-1] if row[-1] in ids else "0")] += 1
    return expected
