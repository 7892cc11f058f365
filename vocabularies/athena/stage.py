"""Building the new vocabulary in a schema of its own, beside the one that readers use.

Tables are made bare, then copied into and frozen in one transaction; indexes and checks follow, and what can
run side by side does (``tasks``). A bundle in order is read once: copying, keys and foreign keys are its
check. What they refuse is looked at line by line afterwards (``examine``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateSchema, DropSchema

from vocabularies.athena.bundle import Bundle
from vocabularies.athena.copying import Seen, Unfit, copy_member
from vocabularies.athena.cpt4 import add_named, drop_unnamed
from vocabularies.athena.layout import CPT4, file_of
from vocabularies.athena.references import CODES, label_with_zero, leave_out
from vocabularies.athena.tasks import Task
from vocabularies.athena.twins import (
    CPT4_ADDED,
    CPT4_TABLE,
    SCHEMA,
    add_foreign_keys,
    add_primary_key,
    create_bare,
    foreign_key_names,
    index_statements,
    twins,
    validate,
)

_BLANK = ("concept_name",)

#: Tables that the others point to, and the others; both from the longest to copy and index to the shortest.
_HUB = ("concept", *CODES)
_ROWS = ("concept_relationship", "concept_ancestor", "concept_synonym", "drug_strength")

_START_ADDED = text(f"CREATE TABLE {SCHEMA}.{CPT4_ADDED} (concept_id integer NOT NULL)")
_ADD_NAMED = text(f"""
    WITH added AS ({add_named(f"{SCHEMA}.concept", f"{SCHEMA}.{CPT4_TABLE}")})
    INSERT INTO {SCHEMA}.{CPT4_ADDED} SELECT concept_id FROM added
""")
_DROP_UNNAMED = text(f"WITH dropped AS ({drop_unnamed(f'{SCHEMA}.concept')}) SELECT count(*) FROM dropped")
_LOCK_CONCEPTS = text(f"LOCK TABLE {SCHEMA}.concept IN SHARE ROW EXCLUSIVE MODE")
_REQUIRE_NAMES = text(f"ALTER TABLE {SCHEMA}.concept ALTER COLUMN concept_name SET NOT NULL")


@dataclass
class Staged:
    """What staging has done. Tasks of several threads write to it, each its own keys."""

    read: dict[str, int] = field(default_factory=dict)
    """Rows read, by file."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Rows read that were left out, by file."""
    mended: set[str] = field(default_factory=set)
    """Files with a row whose describing concept was set to 0."""


def begin(connection: Connection) -> None:
    """An empty schema to stage in; whatever an earlier load left behind goes."""
    clear(connection)
    connection.execute(CreateSchema(SCHEMA))


def clear(connection: Connection) -> None:
    """Remove the schema."""
    connection.execute(DropSchema(SCHEMA, cascade=True, if_exists=True))


def hold(connection: Connection) -> None:
    """Keep the staged tables as they are, also from ``clear``, until the transaction ends."""
    listed = ", ".join(f"{SCHEMA}.{table.name}" for table in twins().values())
    connection.execute(text(f"LOCK TABLE {listed} IN SHARE ROW EXCLUSIVE MODE"))


def staging_tasks(
    bundle: Bundle, staged: Staged, carry: Callable[[Connection], None], seen: Seen
) -> list[Task]:
    """Everything from empty to complete, for ``run_tasks``.

    ``carry`` brings over what the bundle does not hold, once the keys stand. A task raises Unfit, naming the
    file, when rows break the table's rules.
    """
    tables = twins()
    stage = _Stage(bundle, staged, tables, seen)
    copies = [Task(f"copy {name}", stage.copying(tables[name])) for name in (*_ROWS[:2], *_HUB, *_ROWS[2:])]
    indexes = {name: [*stage.indexes(table)] for name, table in tables.items()}
    hub = [task for name in _HUB for task in indexes[name]]
    carried = Task("carry", stage.carrying(carry), _names(*copies, *hub))
    keys = {
        name: Task(f"keys {name}", stage.adding_keys(table), _names(carried, *indexes[name]))
        for name, table in tables.items()
    }
    checks = {
        # While rows are checked against a foreign key no other may be added that points to their table.
        name: Task(
            f"check {name}", stage.checking(table), _names(*(keys.values() if name in _HUB else [keys[name]]))
        )
        for name, table in tables.items()
    }
    rows = [task for name in _ROWS for task in (*indexes[name], keys[name], checks[name])]
    return [*copies, *hub, carried, *(keys[name] for name in _HUB), *rows, *(checks[name] for name in _HUB)]


def _names(*tasks: Task) -> frozenset[str]:
    return frozenset(task.name for task in tasks)


@dataclass(frozen=True)
class _Stage:
    """The work of each task. Adding a key locks its table, and that it points to, only for a moment."""

    bundle: Bundle
    staged: Staged
    tables: Mapping[str, Table]
    seen: Seen

    def copying(self, table: Table) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            if table.name == "concept":
                self._copy_concepts(connection, table)
                return
            create_bare(connection, table)
            self._copy(connection, file_of(table.name), table.name)

        return work

    def indexes(self, table: Table) -> Iterator[Task]:
        copied = frozenset({f"copy {table.name}"})
        for name, statement in index_statements(table):
            yield Task(f"index {name}", partial(self._index, file_of(table.name), statement), copied)

    def _index(self, file: str, statement: str, connection: Connection) -> None:
        try:
            connection.execute(text(statement))
        except IntegrityError as error:
            raise Unfit(file) from error

    def carrying(self, carry: Callable[[Connection], None]) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            for name in _HUB:
                add_primary_key(connection, self.tables[name])
            carry(connection)

        return work

    def adding_keys(self, table: Table) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            # Tables point to each other in circles: without a first lock two tasks could wait for each other.
            connection.execute(_LOCK_CONCEPTS)
            if table.name not in _HUB:
                add_primary_key(connection, table)
            add_foreign_keys(connection, table)

        return work

    def checking(self, table: Table) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            try:
                with connection.begin_nested():
                    _validate_all(connection, table)
            except IntegrityError:
                self._mend(connection, table)
                self._validate_mended(connection, table)
            connection.execute(text(f"ANALYZE {SCHEMA}.{table.name}"))

        return work

    def _mend(self, connection: Connection, table: Table) -> None:
        file = file_of(table.name)
        if left_out := leave_out(connection, table):
            self.staged.left_out[file] = self.staged.left_out.get(file, 0) + left_out
        if label_with_zero(connection, table):
            self.staged.mended.add(file)

    def _validate_mended(self, connection: Connection, table: Table) -> None:
        try:
            _validate_all(connection, table)
        except IntegrityError as error:
            raise Unfit(file_of(table.name)) from error

    def _copy(self, connection: Connection, file: str, table: str) -> None:
        if member := self.bundle.members.get(file):
            where = (SCHEMA, table)
            self.staged.read[file] = copy_member(
                connection, self.bundle, member, where, freeze=True, seen=self.seen
            )

    def _copy_concepts(self, connection: Connection, table: Table) -> None:
        create_bare(connection, table, optional=_BLANK)
        create_bare(connection, table, name=CPT4_TABLE, optional=_BLANK)
        self._copy(connection, file_of(table.name), table.name)
        self._copy(connection, CPT4, CPT4_TABLE)
        connection.execute(_START_ADDED)
        if dropped := connection.scalar(_DROP_UNNAMED):
            self.staged.left_out[file_of(table.name)] = dropped
        added = connection.execute(_ADD_NAMED).rowcount
        if left := self.staged.read.get(CPT4, 0) - added:
            self.staged.left_out[CPT4] = left
        try:
            connection.execute(_REQUIRE_NAMES)
        except IntegrityError as error:
            raise Unfit(file_of(table.name)) from error


def _validate_all(connection: Connection, table: Table) -> None:
    for key in foreign_key_names(table):
        validate(connection, table, key)
