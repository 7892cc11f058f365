"""Which cohorts there are: the files of a mapping folder, and what was run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel
from sqlalchemy import Connection, Row, text

from etl.cohorts.definition import Definition, define, read_definition
from etl.cohorts.draw import data_state
from etl.cohorts.errors import CohortError
from etl.cohorts.shapes import read_shape
from etl.mapping.folder import MAPPING_FILE

#: Where a mapping folder has its cohorts.
FOLDER = "cohorts"
_SQL = ".sql"


@dataclass(frozen=True, slots=True)
class Run:
    """A cohort as it was last run."""

    definition_id: int
    name: str
    """With the parameters that were not the default."""
    mapping: str
    parameters: Mapping[str, str]
    ran_at: datetime
    persons: int
    is_current: bool | None
    """Whether the data are as they were then; None: this user may not read the lake, so it cannot be told."""
    definition: Definition
    """As it was then, whatever the file says now."""


class Listed(NamedTuple):
    """A cohort of a list: a file, its runs, or both."""

    name: str
    title: str
    parameters: Mapping[str, str]
    """The defaults of a file, or the values of a run."""
    run: Run | None


class _Mapping(BaseModel):
    name: str


def mapping_name(folder: Traversable) -> str:
    """The name that a mapping folder gives itself. Raises CohortError."""
    try:
        content = folder.joinpath(MAPPING_FILE).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CohortError(f"{MAPPING_FILE} cannot be read: {type(error).__name__}") from None
    return read_shape(content, MAPPING_FILE, _Mapping)[0].name


def definitions(folder: Traversable) -> list[Definition]:
    """The cohorts of a mapping folder, by name. Raises CohortError for a file that is wrong."""
    cohorts = folder.joinpath(FOLDER)
    if not cohorts.is_dir():
        return []
    files = sorted(
        (each for each in cohorts.iterdir() if each.name.endswith(_SQL)), key=lambda each: each.name
    )
    return [read_definition(each, f"{FOLDER}/{each.name}") for each in files]


def find_definition(folder: Traversable, name: str) -> Definition:
    """The cohort of this name in the folder, or of this path. Raises CohortError when there is none."""
    if name.endswith(_SQL):
        return read_definition(Path(name), name)
    file = folder.joinpath(FOLDER, f"{name}{_SQL}")
    if "/" in name or not file.is_file():
        raise CohortError(
            f"there is no cohort '{name}': `oncolake cohort list` shows those of the mapping; "
            "another file is named by its path, as in ./mine.sql"
        )
    return read_definition(file, f"{FOLDER}/{name}{_SQL}")


def find_run(connection: Connection, name: str) -> Run:
    """The last run of this name. Raises CohortError when there is none, or of two mappings."""
    found = [each for each in runs(connection) if each.name == name]
    if not found:
        raise CohortError(f"cohort '{name}' was not run yet: `oncolake cohort run {name.partition(':')[0]}`")
    if len(found) > 1:
        mappings = " and ".join(each.mapping for each in found)
        raise CohortError(f"mappings {mappings} both have a cohort '{name}': rename one of the files")
    return found[0]


def runs(connection: Connection) -> list[Run]:
    """Every cohort that was run, by name."""
    state = data_state(connection) if connection.execute(_MAY_LOOK).scalar_one() else None
    return [_run(row, state) for row in connection.execute(_RUNS)]


def listed(folder: Traversable, connection: Connection) -> list[Listed]:
    """The cohorts of the folder, and those that were run, by name."""
    ran = runs(connection)
    found = [Listed(each.name, each.definition.header.title, each.parameters, each) for each in ran]
    names = {each.name for each in ran}
    for each in definitions(folder):
        if each.name not in names:
            defaults = {name: str(one.default) for name, one in each.header.parameters.items()}
            found.append(Listed(each.name, each.header.title, defaults, None))
    return sorted(found, key=lambda each: each.name)


def _run(row: Row[tuple[object, ...]], state: str | None) -> Run:
    # The values are in front of the file, see ``etl.cohorts.store``.
    definition = define(row.syntax[row.syntax.index("/*") :], f"{row.cohort_name}{_SQL}")
    return Run(
        row.definition_id,
        row.name,
        row.mapping,
        {name: row.parameters[name] for name in definition.header.parameters},
        row.ran_at.astimezone(UTC),
        row.persons,
        None if state is None else row.data_state == state,
        definition,
    )


_MAY_LOOK = text("SELECT has_schema_privilege('lake', 'USAGE')")
_RUNS = text("""
    SELECT cohort_definition_id AS definition_id, cohort_definition_name AS name,
           cohort_definition_syntax AS syntax, mapping, cohort_name, parameters, ran_at, data_state,
           (SELECT count(DISTINCT subject_id) FROM results.cohort
             WHERE cohort.cohort_definition_id = defined.cohort_definition_id) AS persons
      FROM results.cohort_definition AS defined JOIN results.cohort_run USING (cohort_definition_id)
     ORDER BY cohort_definition_name, mapping
""")
