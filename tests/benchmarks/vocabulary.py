"""Loading a bundle of vocabularies. Floor: ``\\copy`` of the same files, then the same keys and indexes.

Ours loads into a database as ``oncolake init`` leaves it, starter concepts and all, every check included, in
a process of its own; the floor into bare tables of an empty one, one statement after the other. What has to
be the same is every row of the bundle, every constraint and that it is valid, and every index.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine, text

from omop_schema import OMOP
from tests.benchmarks.databases import fresh, template
from tests.benchmarks.floor import load_floor, tables
from tests.benchmarks.loading import load_apart
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed
from tests.conftest import engine_on, new_database
from vocabularies.concepts import FIRST_CUSTOM_ID

CONCEPTS = 100_000
MEGABYTE = 1_000_000
TABLES = {table.name: table for table in tables()}

_CONSTRAINTS = text("""
    SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), convalidated
    FROM pg_constraint WHERE conrelid = ANY (CAST(:tables AS regclass[])) AND contype IN ('p', 'f')
    ORDER BY 1, 2
""")
_INDEXES = text("""
    SELECT pg_get_indexdef(indexrelid), indisvalid, indisunique
    FROM pg_index WHERE indrelid = ANY (CAST(:tables AS regclass[])) ORDER BY 1
""")


class BundleRefused(Exception):
    """The generated bundle was not loaded as a whole."""


def measure(setting: Setting) -> Report:
    with bundle(setting) as folder, template(setting.server_url) as name:
        concepts = lines_of(folder / "CONCEPT.csv") - 1
        peaks: list[int] = []
        parts: list[dict[str, float]] = []
        ours = partial(_load, setting.server_url, name, folder, concepts, peaks)
        floor = partial(_copy, setting.server_url, folder, concepts, parts)
        pairs = alternate(ours, floor, setting.pairs)
    return Report("vocabulary", pairs, tuple(_notes(peaks, parts)))


@contextmanager
def bundle(setting: Setting) -> Iterator[Path]:
    """The folder of the bundle that is given, else of one made for this run."""
    if setting.bundle:
        yield setting.bundle
        return
    # Not before: it is a command of its own, and this is imported with its package.
    from tests.benchmarks.athena import Shape, generate

    with TemporaryDirectory() as folder:
        generate(Path(folder), Shape(setting.concepts or CONCEPTS))
        yield Path(folder)


def _load(server_url: str, name: str, folder: Path, concepts: int, peaks: list[int]) -> Taken:
    with fresh(server_url, name) as engine:
        found = load_apart(engine.url.render_as_string(hide_password=False), folder)
        if not found["loaded"] or found["report"]:
            raise BundleRefused("; ".join(found["report"]))
        peaks.append(found["peak"])
        return Taken(found["seconds"], concepts, found["rows"], made(engine, folder))


def _copy(server_url: str, folder: Path, concepts: int, parts: list[dict[str, float]]) -> Taken:
    with new_database(server_url) as url, engine_on(url) as engine:
        seconds, (took, rows) = timed(lambda: load_floor(engine, folder))
        parts.append(took)
        return Taken(seconds, concepts, rows, made(engine, folder))


def made(engine: Engine, folder: Path) -> str:
    """Count and hash of the bundle's rows, table by table, with the tables' constraints and indexes."""
    with engine.connect() as connection:
        found = [_rows(connection, table, folder) for table in TABLES]
        given = {"tables": [f"{OMOP}.{table}" for table in TABLES]}
        for statement in (_CONSTRAINTS, _INDEXES):
            found += sorted(" ".join(map(str, row)) for row in connection.execute(statement, given))
    return "\n".join(found)


def _rows(connection: Connection, table: str, folder: Path) -> str:
    """The table's rows but those that were there before: custom ones, and names that the bundle has not."""
    first = next(iter(TABLES[table].columns))
    if first.name.endswith("concept_id") or first.name == "concept_id_1":
        where, given = f"{first.name} < :limit", {"limit": FIRST_CUSTOM_ID}
    else:
        where, given = f"{first.name} = ANY (:keys)", {"keys": _keys(folder / f"{table.upper()}.csv")}
    found = "count(*), sum(hashtextextended(CAST(each AS text), 0))"
    statement = f"SELECT {found} FROM {OMOP}.{table} AS each WHERE {where}"
    count, total = connection.execute(text(statement), given).one()
    return f"{table} {count} {total}"


def _keys(file: Path) -> list[str]:
    with file.open(encoding="utf-8") as lines:
        return [line.split("\t", 1)[0] for line in lines][1:]


def lines_of(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _notes(peaks: list[int], parts: list[dict[str, float]]) -> Iterator[str]:
    yield f"peak memory of our process: {max(peaks) / MEGABYTE:.0f} MB"
    for part in parts[0]:
        yield f"floor, {part:<14}{median(one[part] for one in parts):8.2f} s"
