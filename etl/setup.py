"""Setting up: a database that is ready for a mapping, and the Plan of a mapping on that database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable

from sqlalchemy import Connection, Engine, text

import migrations
from etl.mapping.bound import Bound
from etl.mapping.check import checked
from etl.mapping.compile import compile_plan, provisional_numbers
from etl.mapping.objections import LookUp
from etl.mapping.views import ViewSql, view_sql, views_of
from etl.plan import Plan
from etl.register import lock_register, register
from etl.research import ViewChanges, changed_views, create_views
from etl.sections.refresh import Sections, make_sections
from etl.status import outdated
from vocabularies.concepts import Concept, lookup, shipped
from vocabularies.starter import Loaded, load_starter, load_value_maps

#: The mapping that comes with Oncolake.
DEFAULT_MAPPING = files("mappings").joinpath("prostate")
#: The mappings of what is not of one disease: scanned headers, and what was done to series.
DICOM_MAPPING = files("mappings").joinpath("dicom")
CURATION_MAPPING = files("mappings").joinpath("curation")
#: By name, as ``--mappings`` takes them.
SHIPPED = {each.name: each for each in (DEFAULT_MAPPING, DICOM_MAPPING, CURATION_MAPPING)}

_SOURCE = text("SELECT cdm_etl_reference FROM omop.cdm_source FOR UPDATE")
_ADD_SOURCE = text("""
    INSERT INTO omop.cdm_source (cdm_source_name, cdm_source_abbreviation, source_description, cdm_version)
    SELECT 'Oncolake', 'oncolake', 'Clinical case forms, mapped by Oncolake', 'v6.0.0'
     WHERE NOT EXISTS (SELECT FROM omop.cdm_source)
""")
_UPDATE_SOURCE = text("""
    UPDATE omop.cdm_source
       SET cdm_etl_reference = :etl, cdm_release_date = current_date, vocabulary_version = now_is.version
      FROM (SELECT coalesce(vocabulary_version, :starter) AS version
              FROM omop.vocabulary WHERE vocabulary_id = 'None') AS now_is
     WHERE (cdm_etl_reference, cdm_source.vocabulary_version) IS DISTINCT FROM (:etl, now_is.version)
""")
#: cdm_source.vocabulary_version while no Athena vocabulary is loaded.
STARTER = "Oncolake starter"
#: Characters of a mapping's digest in cdm_source.cdm_etl_reference, which has 255 for all mappings.
SHORT_DIGEST = 12


class NotInitialised(Exception):
    """The database has no Oncolake schema, or one of another version."""


@dataclass(frozen=True, slots=True)
class Initialised:
    """What ``initialise`` found and did."""

    before: migrations.State
    concepts: Loaded
    value_map_rows: int
    rules: int
    views: int
    """Of the mapping, in schema ``research``."""
    sections: Sections
    """The tables of the form's sections, in schema ``lake``."""
    outdated: int
    """Cases that another version of the mapping loaded."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mapping that is ready on a database: its concepts are loaded, its rules registered."""

    plan: Plan
    mapping: Bound = field(repr=False)
    numbers: Mapping[str, int] = field(repr=False)
    """Those of the rules, by name."""


def initialise(engine: Engine, folder: Traversable = DEFAULT_MAPPING) -> Initialised:
    """Create or upgrade the schemas, then load what the mapping brings: concepts, value maps, rules, views.

    Concepts that an earlier mapping, or version of it, described otherwise are brought up to date. Raises
    MappingError before anything is written, or StarterError, ResearchError or NewerDatabase; each leaves the
    database as it was before the failing step.
    """
    before = migrations.state(engine)
    _refuse_newer(before)
    with engine.connect() as connection:
        mapping = checked(folder, vocabulary(folder, None if before.name == "empty" else connection))
    migrations.upgrade(engine)
    with engine.begin() as connection:
        lock_register(connection)
        concepts, rows = _load_vocabulary(connection, mapping, update=True)
        ready = _registered(connection, mapping)
        views = _create_views(connection, ready)
        made = make_sections(connection, mapping)
        earlier = outdated(connection, ready.plan)
    return Initialised(before, concepts, rows, len(ready.numbers), len(views), made, earlier)


def prepare(engine: Engine, folder: Traversable = DEFAULT_MAPPING) -> Plan:
    """The Plan of a mapping for loading into this database. Raises as ``prepared`` does."""
    return prepared(engine, folder).plan


def prepared(engine: Engine, folder: Traversable = DEFAULT_MAPPING) -> Prepared:
    """A mapping made ready for this database, for what needs more of it than the Plan.

    Raises NotInitialised, MappingError with every finding when the mapping has errors, or StarterError when
    the database has its concepts otherwise: only ``initialise`` changes a concept that is there.
    """
    require_current(engine)
    with engine.begin() as connection:
        lock_register(connection)
        mapping = checked(folder, vocabulary(folder, connection))
        _load_vocabulary(connection, mapping, update=False)
        return _registered(connection, mapping)


def preview(engine: Engine, folder: Traversable = DEFAULT_MAPPING) -> Plan:
    """The Plan of a mapping for looking at this database's documents: nothing is written.

    Its rule numbers are provisional, so never load with it. Raises NotInitialised or MappingError.
    """
    require_current(engine)
    with engine.connect() as connection:
        mapping = checked(folder, vocabulary(folder, connection))
    return compile_plan(mapping, provisional_numbers(mapping))


def renew_views(engine: Engine, ready: Prepared) -> None:
    """Bring the views of a mapping up to date with its rules. Raises ResearchError, and none is changed."""
    with engine.begin() as connection:
        lock_register(connection)
        _create_views(connection, ready)


def outdated_views(connection: Connection, ready: Prepared) -> ViewChanges:
    """The mapping's views that are missing, or not as it makes them, and those that it makes no more.

    An ingest leaves them to ``initialise`` and ``renew_views``: two versions of a mapping that load in turn
    must not change them each time. Nothing is written. Raises ResearchError.
    """
    return changed_views(connection, ready.mapping.folder.path, ready.plan.mapping, _generated(ready))


def require_current(engine: Engine) -> None:
    """Raise NotInitialised, with the next step, unless the database is at this program's version."""
    state = migrations.state(engine)
    _refuse_newer(state)
    match state.name:
        case "empty":
            raise NotInitialised("the database has no Oncolake tables yet: run `oncolake init`")
        case "older":
            message = f"the database is at version {state.have}, this program needs {state.want}"
            raise NotInitialised(f"{message}: run `oncolake init` to upgrade it")


def vocabulary(folder: Traversable, connection: Connection | None) -> LookUp:
    """What a mapping folder's concepts are checked against.

    Athena's concepts come from the database, if there is one. Placeholders and custom concepts come from the
    folder alone: what other mappings left in the database must not change the answer.
    """

    def look_up(ids: set[int]) -> Mapping[int, Concept]:
        own = {one: concept for one, concept in shipped(folder).items() if one in ids}
        found = {} if connection is None else lookup(connection, ids)
        athenas = {
            one: concept for one, concept in found.items() if not (concept.placeholder or concept.custom)
        }
        return own | athenas

    return look_up


def _refuse_newer(state: migrations.State) -> None:
    if state.name == "newer":
        raise migrations.NewerDatabase(state.have or "unknown", state.want)


def _load_vocabulary(connection: Connection, mapping: Bound, *, update: bool) -> tuple[Loaded, int]:
    concepts = load_starter(connection, shipped(mapping.folder.path).values(), update=update)
    name = mapping.folder.mapping.name
    return concepts, load_value_maps(connection, name, mapping.folder.value_maps.values())


def _registered(connection: Connection, mapping: Bound) -> Prepared:
    numbers = register(connection, mapping)
    _tell_source(connection, mapping)
    return Prepared(compile_plan(mapping, numbers), mapping, numbers)


def _create_views(connection: Connection, ready: Prepared) -> list[str]:
    return create_views(connection, ready.mapping.folder.path, ready.plan.mapping, _generated(ready))


def _generated(ready: Prepared) -> dict[str, ViewSql]:
    """What makes the views that follow from the mapping, by name."""
    return {view.name: view_sql(view, ready.numbers) for view in views_of(ready.mapping)}


def _tell_source(connection: Connection, mapping: Bound) -> None:
    """Keep OMOP's one row about the database itself at the mappings and the vocabulary that it is loaded by.

    ``cdm_etl_reference`` reads like ``breast 0c5e0d6c8f5b, prostate de05c681ce62``: each mapping's name and
    digest.
    """
    connection.execute(_ADD_SOURCE)
    written = connection.execute(_SOURCE).scalars().first() or ""
    digests = dict(one.partition(" ")[::2] for one in written.split(", ") if one)
    digests[mapping.folder.mapping.name] = mapping.folder.digest[:SHORT_DIGEST]
    reference = ", ".join(f"{name} {digest}" for name, digest in sorted(digests.items()))
    connection.execute(_UPDATE_SOURCE, {"etl": reference[:255], "starter": STARTER})
