"""Writing custom vocabularies as Athena would hand them out, for other OMOP sites.

The same database gives the same bytes: rows are sorted by their columns, and a zip carries no times.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Table, text

from vocabularies.athena.layout import TABLES, Cell, cells, file_of
from vocabularies.concepts import FIRST_CUSTOM_ID, is_value_map

#: The earliest time that a zip can hold.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16
_UNIX = 3
_BREAKS = frozenset("\t\n\r")
_SHOWN = 20
_FETCH = 10_000


class ExportError(Exception):
    """Something that cannot be exported, or a place that it cannot go to."""


class Exported(NamedTuple):
    """What was written."""

    vocabularies: tuple[str, ...]
    rows: Mapping[str, int]
    """By file name."""


_CUSTOM = text("""
    SELECT DISTINCT vocabulary_id FROM omop.concept WHERE concept_id >= :first_custom ORDER BY 1
""").bindparams(first_custom=FIRST_CUSTOM_ID)
_PICKED = f"""
    WITH picked AS (
        SELECT * FROM omop.concept WHERE concept_id >= {FIRST_CUSTOM_ID} AND vocabulary_id = ANY (:names))
"""  # noqa: S608
# Either side may be Athena's: two look-ups by index, where one condition would read all of a large table.
_TOUCHING = """
    SELECT held.* FROM omop.{0} AS held JOIN picked ON picked.concept_id = held.{1}
    UNION
    SELECT held.* FROM omop.{0} AS held JOIN picked ON picked.concept_id = held.{2}
"""
_RELATIONSHIPS = _TOUCHING.format("concept_relationship", "concept_id_1", "concept_id_2")
_ROWS: Mapping[str, str] = {
    "concept": "SELECT * FROM picked",
    "vocabulary": "SELECT * FROM omop.vocabulary WHERE vocabulary_id IN (SELECT vocabulary_id FROM picked)",
    "domain": "SELECT * FROM omop.domain WHERE domain_id IN (SELECT domain_id FROM picked)",
    "concept_class": """
        SELECT * FROM omop.concept_class WHERE concept_class_id IN (SELECT concept_class_id FROM picked)
    """,
    "relationship": f"""
        SELECT DISTINCT kind.* FROM ({_RELATIONSHIPS}) AS used
          JOIN omop.relationship AS kind
            ON used.relationship_id IN (kind.relationship_id, kind.reverse_relationship_id)
    """,  # noqa: S608
    "concept_relationship": _RELATIONSHIPS,
    "concept_synonym": "SELECT held.* FROM omop.concept_synonym AS held JOIN picked USING (concept_id)",
    "concept_ancestor": _TOUCHING.format(
        "concept_ancestor", "ancestor_concept_id", "descendant_concept_id"
    ),
    "drug_strength": _TOUCHING.format("drug_strength", "drug_concept_id", "ingredient_concept_id"),
}  # fmt: skip
_BYTES = ' COLLATE "C"'
_WRITTEN = {"integer": "{0}::text", "number": "trim_scale({0})::text", "date": "to_char({0}, 'YYYYMMDD')"}


def export(
    connection: Connection, path: Path, vocabularies: Sequence[str] = (), *, force: bool = False
) -> Exported:
    """Write the custom concepts of these vocabularies, or of all, and what links to them.

    ``path`` becomes a zip if it ends so, else a folder; ``force`` overwrites the files of an earlier export.
    Either all files are written or none is touched. Read from one state of the database: give it a connection
    in a repeatable-read transaction. Raises ExportError.
    """
    names = _chosen(connection, vocabularies)
    zipped = path.suffix.lower() == ".zip"
    if path.exists() and path.is_dir() == zipped:
        raise ExportError(f"'{path}' is {'a folder' if zipped else 'no folder'}; choose another path")
    if not force:
        _refuse_overwriting(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as temporary:
        folder = Path(temporary)
        rows = _write_files(connection, folder, names)
        if zipped:
            _zip(folder, rows).replace(path)
        else:
            path.mkdir(exist_ok=True)
            for name in rows:
                folder.joinpath(name).replace(path.joinpath(name))
    return Exported(tuple(names), rows)


def _chosen(connection: Connection, vocabularies: Sequence[str]) -> list[str]:
    there = list(connection.scalars(_CUSTOM))
    listed = ", ".join(f"'{one}'" for one in there) or "none"
    for name in vocabularies:
        if is_value_map(name):
            raise ExportError(f"'{name}' is a value map, part of a mapping's folder; copy the folder instead")
        if name not in there:
            raise ExportError(f"'{name}' has no custom concepts here; these have: {listed}")
    if not there:
        raise ExportError("there are no custom concepts to export; `oncolake vocab add` brings some")
    return sorted(set(vocabularies)) or there


def _refuse_overwriting(path: Path) -> None:
    if path.is_file():
        raise ExportError(f"'{path}' is there already; --force overwrites it")
    held = [name for name in (file_of(table.name) for table in TABLES) if path.joinpath(name).exists()]
    if held:
        raise ExportError(f"'{path}' holds {held[0]} already; --force overwrites it")


def _write_files(connection: Connection, folder: Path, names: list[str]) -> dict[str, int]:
    problems: list[str] = []
    rows = {}
    for table in TABLES:
        with folder.joinpath(file_of(table.name)).open("w", encoding="utf-8", newline="") as stream:
            columns = cells(table)
            stream.write("\t".join(columns) + "\n")
            count = 0
            for values in _rows(connection, table, names):
                problems.extend(_misfits(table, columns, values))
                stream.write("\t".join(value or "" for value in values) + "\n")
                count += 1
        rows[file_of(table.name)] = count
    if problems:
        listed = "\n".join(f"  {one}" for one in problems[:_SHOWN])
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ExportError(f"Athena's files cannot hold these; change them and export again:\n{listed}{more}")
    return rows


def _rows(connection: Connection, table: Table, names: list[str]) -> Iterator[Sequence[str | None]]:
    columns = cells(table).values()
    written = ", ".join(_WRITTEN.get(one.kind, "{0}").format(f"chosen.{one.name}") for one in columns)
    # The collation of the server must not decide the order.
    order = ", ".join(f"chosen.{one.name}{_BYTES if one.kind == 'text' else ''}" for one in columns)
    query = f"{_PICKED} SELECT {written} FROM ({_ROWS[table.name]}) AS chosen ORDER BY {order}"  # noqa: S608
    for row in connection.execute(text(query), {"names": names}, execution_options={"yield_per": _FETCH}):
        yield tuple(row)


def _misfits(table: Table, columns: Mapping[str, Cell], values: Sequence[str | None]) -> Iterator[str]:
    for (name, cell), value in zip(columns.items(), values, strict=True):
        if value and not _BREAKS.isdisjoint(value):
            yield f"{table.name} {values[0]}: '{name}' holds a tab or a line end"
        if cell.required and value == "":
            yield f"{table.name} {values[0]}: '{name}' is empty text, which would read as missing"


def _zip(folder: Path, names: Mapping[str, int]) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr, info.create_system = _READABLE, _UNIX
            with folder.joinpath(name).open("rb") as file, archive.open(info, "w", force_zip64=True) as entry:
                shutil.copyfileobj(file, entry)
    return path
