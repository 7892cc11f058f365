"""Setting up: a database that is ready for a mapping, and the Plan of a mapping on that database."""

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from sqlalchemy import Connection, Engine, text

import migrations
from etl.mapping.bound import Bound
from etl.mapping.check import check_bound, examine
from etl.mapping.compile import compile_plan
from etl.mapping.findings import Finding, MappingError, errors
from etl.plan import Plan
from etl.register import lock_register, register
from vocabularies.concepts import Concept, lookup, shipped
from vocabularies.starter import Loaded, load_starter, load_value_maps

#: The mapping that comes with Oncolake.
DEFAULT_MAPPING = files("mappings").joinpath("prostate")

_CDM_SOURCE = text(
    """
    INSERT INTO omop.cdm_source (cdm_source_name, cdm_source_abbreviation, cdm_etl_reference, cdm_version,
                                 cdm_release_date, vocabulary_version)
    SELECT 'Oncolake', 'oncolake', :etl, 'v6.0.0', current_date,
           (SELECT vocabulary_version FROM omop.vocabulary WHERE vocabulary_id = 'None')
     WHERE NOT EXISTS (SELECT FROM omop.cdm_source)
    """
)


class NotInitialised(Exception):
    """The database has no Oncolake schema, or one of another version."""


@dataclass(frozen=True, slots=True)
class Initialised:
    """What ``initialise`` found and did."""

    before: migrations.Status
    concepts: Loaded
    value_map_rows: int
    rules: int


def initialise(engine: Engine, folder: Traversable = DEFAULT_MAPPING) -> Initialised:
    """Create or upgrade the schemas, then load what the mapping brings: concepts, value maps, rule numbers.

    Raises MappingError, ConceptFileError, StarterError or NewerDatabase; each leaves the database as it was
    before the failing step.
    """
    before = migrations.status(engine)
    mapping, _ = _checked_shape(folder)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        lock_register(connection)
        concepts, rows = _load_vocabulary(connection, mapping)
        numbers = register(connection, mapping)
        reference = f"{mapping.folder.mapping.name} {mapping.folder.digest[:12]}"
        connection.execute(_CDM_SOURCE, {"etl": reference})
    return Initialised(before, concepts, rows, len(numbers))


def prepare(engine: Engine, folder: Traversable = DEFAULT_MAPPING) -> Plan:
    """The Plan of a mapping on this database, with its concepts loaded and its rules registered.

    Raises NotInitialised, or MappingError with every finding when the mapping has errors.
    """
    require_current(engine)
    mapping, findings = _checked_shape(folder)
    with engine.begin() as connection:
        lock_register(connection)
        _load_vocabulary(connection, mapping)
        findings = [*findings, *check_bound(mapping, vocabulary_of(connection, mapping))]
        if errors(findings):
            raise MappingError(findings)
        return compile_plan(mapping, register(connection, mapping))


def require_current(engine: Engine) -> None:
    """Raise NotInitialised, with the next step, unless the database is at this program's version."""
    status = migrations.status(engine)
    match status.state:
        case "empty":
            raise NotInitialised("the database has no Oncolake tables yet: run `oncolake init`")
        case "older":
            message = f"the database is at version {status.have}, this program needs {status.want}"
            raise NotInitialised(f"{message}: run `oncolake init` to upgrade it")
        case "newer":
            raise migrations.NewerDatabase(status.have or "unknown", status.want)


def vocabulary_of(connection: Connection, mapping: Bound) -> dict[int, Concept]:
    """The concepts that a mapping names, as the database has them."""
    return lookup(connection, {use.concept for use in mapping.concepts})


def check_folder(folder: Traversable, connection: Connection | None) -> list[Finding]:
    """Every finding of a mapping: against the database's vocabulary, or the shipped concepts without one.

    Concepts that the folder itself brings count as known: ``init`` and ``ingest`` load them.
    """
    mapping, findings = examine(folder)
    if mapping is None:
        return sorted(set(findings))
    concepts = shipped(folder)
    if connection is not None:
        loaded = vocabulary_of(connection, mapping)
        concepts |= {key: one for key, one in loaded.items() if not (one.placeholder or one.custom)}
        concepts = {**loaded, **concepts}
    return sorted({*findings, *check_bound(mapping, concepts)})


def _checked_shape(folder: Traversable) -> tuple[Bound, list[Finding]]:
    mapping, findings = examine(folder)
    if mapping is None:
        raise MappingError(findings)
    return mapping, findings


def _load_vocabulary(connection: Connection, mapping: Bound) -> tuple[Loaded, int]:
    concepts = load_starter(connection, shipped(mapping.folder.path).values())
    name = mapping.folder.mapping.name
    return concepts, load_value_maps(connection, name, mapping.folder.value_maps.values())
