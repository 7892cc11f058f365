"""Which cohorts there are: the files of a mapping folder, and what was run."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel
from sqlalchemy import Connection, Row, text

from etl.cohorts.definition import Definition, define, read_definition, stored_file
from etl.cohorts.errors import CohortError
from etl.cohorts.shapes import read_shape
from etl.cohorts.state import data_state
from etl.mapping.folder import MAPPING_FILE

#: Where a mapping folder has its cohorts.
FOLDER = "cohorts"
_SQL = ".sql"
#: What stands between the values in the name of a run.
_SETTING = re.compile(r",(?=[a-z][a-z0-9_]*=)")


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
    """Whether the data are as they were then. None: it cannot be told, since this user may not read the lake,
    or since the query reads other cohorts."""
    definition: Definition
    """As it was then, whatever the file says now."""


class LastRun(NamedTuple):
    """What is told of a run without its definition."""

    ran_at: datetime
    persons: int
    is_current: bool | None
    """As in ``Run``."""
    reads_cohorts: bool
    """As in ``Definition``; False too where the definition is refused now."""


class Listed(NamedTuple):
    """A cohort of a list: a file, its runs, or both."""

    name: str
    title: str
    parameters: Mapping[str, str]
    """The defaults of a file, or the values of a run."""
    run: LastRun | None
    problem: str | None = None
    """Why the definition that was run, or the file, is refused now."""


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
    return [read_definition(each, f"{FOLDER}/{each.name}") for each in files(folder)]


def files(folder: Traversable) -> list[Traversable]:
    """The files of a mapping folder that define cohorts, by name."""
    cohorts = folder.joinpath(FOLDER)
    if not cohorts.is_dir():
        return []
    return sorted(
        (each for each in cohorts.iterdir() if each.name.endswith(_SQL)), key=lambda each: each.name
    )


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
    """The last run of this name. Raises CohortError: there is none, there are two, or it is refused now."""
    state, rows = _stored(connection)
    found = [row for row in rows if row.name == name]
    if not found:
        others = [row.name for row in rows if row.name.partition(":")[0] == name.partition(":")[0]]
        told = f" as such, but as {' and '.join(others)}" if others else " yet"
        raise CohortError(f"cohort '{name}' was not run{told}: {_how_to_run(name)}")
    if len(found) > 1:
        mappings = " and ".join(row.mapping for row in found)
        raise CohortError(f"mappings {mappings} both have a cohort '{name}': rename one of the files")
    row = found[0]
    definition = _definition(row)
    last = _last(row, state, definition)
    return Run(
        row.definition_id,
        row.name,
        row.mapping,
        {name: row.parameters[name] for name in definition.header.parameters},
        last.ran_at,
        last.persons,
        last.is_current,
        definition,
    )


def listed(folder: Traversable, connection: Connection) -> list[Listed]:
    """The cohorts of the folder, and those that were run, by name; also those that are refused now."""
    state, rows = _stored(connection)
    found = [_listed_run(row, state) for row in rows]
    names = {each.name for each in found}
    found += [_listed_file(each) for each in files(folder) if each.name.removesuffix(_SQL) not in names]
    return sorted(found, key=lambda each: each.name)


def _listed_run(row: Row[Any], state: str | None) -> Listed:
    try:
        definition = _definition(row)
    except CohortError as error:
        return Listed(row.name, "", row.parameters, _last(row, state, None), str(error))
    values = {name: row.parameters[name] for name in definition.header.parameters}
    return Listed(row.name, definition.header.title, values, _last(row, state, definition))


def _listed_file(file: Traversable) -> Listed:
    try:
        header = read_definition(file, f"{FOLDER}/{file.name}").header
    except CohortError as error:
        return Listed(file.name.removesuffix(_SQL), "", {}, None, str(error))
    defaults = {name: str(one.default) for name, one in header.parameters.items()}
    return Listed(header.name, header.title, defaults, None)


def _how_to_run(name: str) -> str:
    cohort, _, values = name.partition(":")
    settings = "".join(f" --set {shlex.quote(each)}" for each in _SETTING.split(values) if each)
    return f"`oncolake cohort run {cohort}{settings}`"


def _stored(connection: Connection) -> tuple[str | None, Sequence[Row[Any]]]:
    """The data's state, None where it cannot be told, and what is stored of every run, by name."""
    state = data_state(connection) if connection.execute(_MAY_LOOK).scalar_one() else None
    return state, connection.execute(_RUNS).all()


def _last(row: Row[Any], state: str | None, definition: Definition | None) -> LastRun:
    is_current = None if state is None else row.data_state == state
    reads_cohorts = definition is not None and definition.reads_cohorts
    if is_current and reads_cohorts:
        is_current = None
    return LastRun(row.ran_at.astimezone(UTC), row.persons, is_current, reads_cohorts)


def _definition(row: Row[Any]) -> Definition:
    """As it was when it was run. Raises CohortError when this version refuses it."""
    try:
        return define(stored_file(row.syntax, len(row.parameters)), f"{row.cohort_name}{_SQL}")
    except CohortError as error:
        raise CohortError(f"cohort '{row.name}', as it was run, is refused now: {error}") from None


_MAY_LOOK = text("SELECT has_schema_privilege('lake', 'USAGE')")
_RUNS = text("""
    SELECT cohort_definition_id AS definition_id, cohort_definition_name AS name,
           cohort_definition_syntax AS syntax, mapping, cohort_name, parameters, ran_at, data_state,
           (SELECT count(DISTINCT subject_id) FROM results.cohort
             WHERE cohort.cohort_definition_id = defined.cohort_definition_id) AS persons
      FROM results.cohort_definition AS defined JOIN results.cohort_run USING (cohort_definition_id)
     ORDER BY cohort_definition_name, mapping
""")
