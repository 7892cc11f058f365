"""Upgrading a database, telling how far it is, and the lineage functions that the first migration brings."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date, datetime

import pytest
from sqlalchemy import Connection, Engine, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

import migrations
from etl.identity import LEVEL_BITS, pack, positions
from omop_schema import LAKE, OMOP, RESULTS, lake, metadata
from omop_schema.clinical import person
from omop_schema.vocabulary import concept, concept_class, domain, vocabulary
from tests.conftest import engine_on, new_database

WANT = "0013"
VALID = {"valid_start_date": date(1970, 1, 1), "valid_end_date": date(2099, 12, 31)}


@pytest.fixture
def upgraded(engine: Engine) -> Engine:
    migrations.upgrade(engine)
    return engine


@pytest.fixture
def connection(upgraded: Engine) -> Iterator[Connection]:
    with upgraded.connect() as connection:
        yield connection


def add_concepts(connection: Connection, *ids: int) -> None:
    """Concepts first: their domain, vocabulary and class do not exist until the end."""
    about = {"domain_id": "Metadata", "vocabulary_id": "None", "concept_class_id": "Undefined", **VALID}
    rows = [{"concept_id": id_, "concept_name": f"c{id_}", "concept_code": str(id_), **about} for id_ in ids]
    connection.execute(insert(concept), rows)
    connection.execute(insert(domain).values(domain_id="Metadata", domain_name="m", domain_concept_id=0))
    connection.execute(
        insert(vocabulary).values(vocabulary_id="None", vocabulary_name="n", vocabulary_concept_id=0)
    )
    connection.execute(
        insert(concept_class).values(
            concept_class_id="Undefined", concept_class_name="u", concept_class_concept_id=0
        )
    )


def a_person(gender: int) -> dict[str, int]:
    zero = dict.fromkeys(
        ("race_concept_id", "ethnicity_concept_id", "gender_source_concept_id", "race_source_concept_id"), 0
    )
    return {
        "person_id": 1,
        "year_of_birth": 1926,
        "gender_concept_id": gender,
        "ethnicity_source_concept_id": 0,
    } | zero


def test_an_empty_database_is_empty_then_current(engine):
    assert migrations.state(engine) == migrations.State("empty", None, WANT)
    migrations.upgrade(engine)
    assert migrations.state(engine) == migrations.State("current", WANT, WANT)


def test_asking_for_the_status_changes_nothing(engine):
    migrations.state(engine)
    assert not {LAKE, OMOP} & set(inspect(engine).get_schema_names())


@pytest.mark.parametrize(
    ("have", "state"),
    [(None, "empty"), ("0001", "older"), ("0002", "older"), ("0003", "current"), ("0004", "newer")],
)
def test_state_of_a_revision(have, state):
    assert migrations._name(have, "0003", {"0001", "0002", "0003"}) == state


def test_migrations_make_exactly_the_tables_of_the_schema(upgraded):
    assert migrations.differences(upgraded) == []
    schemas = (LAKE, OMOP, RESULTS)
    found = {(schema, name) for schema in schemas for name in inspect(upgraded).get_table_names(schema)}
    declared = {(table.schema, table.name) for table in metadata.tables.values()}
    assert found == declared | {(LAKE, "alembic_version")}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("ALTER TABLE omop.survey_conduct DROP COLUMN survey_version_number", "add_column"),
        ("ALTER TABLE omop.survey_conduct ALTER survey_version_number TYPE varchar(10)", "modify_type"),
        ("ALTER TABLE omop.note ALTER note_title SET NOT NULL", "modify_nullable"),
        ("ALTER TABLE omop.note DROP CONSTRAINT fk_note_person_id", "add_fk"),
        ("ALTER TABLE lake.uploads ALTER rows SET DEFAULT 7", "modify_default"),
        ("DROP INDEX omop.ix_note_person_id", "add_index"),
        ("DROP INDEX omop.ix_concept_search", "add_index"),
        ("CREATE TABLE omop.stray (id integer)", "remove_table"),
        ("COMMENT ON TABLE omop.note IS 'other'", "add_table_comment"),
    ],
)
def test_a_drift_of_the_database_is_seen(upgraded, change, kind):
    with upgraded.begin() as connection:
        connection.execute(text(change))
    (found,) = migrations.differences(upgraded)
    assert (found[0] if isinstance(found, list) else found)[0] == kind


def test_tables_of_other_programs_are_left_alone(upgraded):
    with upgraded.begin() as connection:
        connection.execute(text("CREATE SCHEMA other; CREATE TABLE other.person (id integer)"))
        connection.execute(text("CREATE TABLE public.stray (id integer)"))
    assert migrations.differences(upgraded) == []


def test_indexes_of_seldom_filled_columns_hold_only_filled_rows(connection):
    declared = {
        f"ix_{table.name}_{index.columns[0].name}"
        for table in metadata.tables.values()
        for index in table.indexes
        if table.schema == OMOP and index.columns and index.dialect_options["postgresql"]["where"] is not None
    }
    partial = connection.execute(
        text(
            "SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
            " WHERE i.indpred IS NOT NULL AND i.indexprs IS NULL AND c.relnamespace = 'omop'::regnamespace"
        )
    )
    assert set(partial.scalars()) == declared
    assert "ix_measurement_modifier_of_event_id" in declared


INDEXES = text(
    "SELECT tablename, indexname, indexdef FROM pg_indexes"
    " WHERE schemaname IN ('lake', 'omop', 'results') AND tablename <> 'alembic_version'"
)


def test_migrations_make_exactly_the_indexes_of_the_schema(upgraded, server_url):
    """Alembic does not compare expressions, and of conditions and options only some."""
    with new_database(server_url) as url, engine_on(url) as other, other.begin() as connection:
        connection.execute(text("CREATE SCHEMA lake; CREATE SCHEMA omop; CREATE SCHEMA results"))
        metadata.create_all(connection)
        declared = {tuple(row) for row in connection.execute(INDEXES)}
    with upgraded.connect() as connection:
        assert {tuple(row) for row in connection.execute(INDEXES)} == declared
    assert {"ix_concept_search", "ix_concept_synonym_search"} < {name for _, name, _ in declared}


def test_upgrading_twice_changes_nothing(upgraded):
    with upgraded.begin() as connection:
        connection.execute(insert(lake.sites).values(site="FORTH"))
    migrations.upgrade(upgraded)
    assert migrations.state(upgraded).name == "current"
    with upgraded.connect() as connection:
        assert connection.execute(select(lake.sites.c.site)).scalars().all() == ["FORTH"]


def test_two_upgrades_at_once_wait_for_each_other(engine):
    with engine.connect() as other, ThreadPoolExecutor(2) as pool:
        other.execute(select(func.pg_advisory_lock(migrations.LOCK)))
        upgrades = [pool.submit(migrations.upgrade, engine) for _ in range(2)]
        assert not wait(upgrades, timeout=0.5).done
        assert migrations.state(engine).name == "empty"
        other.execute(select(func.pg_advisory_unlock(migrations.LOCK)))
        assert [upgrade.result(timeout=60) for upgrade in upgrades] == [None, None]
    assert migrations.state(engine).name == "current"


def test_an_upgrade_leaves_neither_lock_nor_timeout_behind(upgraded):
    with upgraded.connect() as connection:
        locks = text(
            "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database"
            " WHERE locktype = 'advisory' AND d.datname = current_database()"
        )
        assert connection.execute(locks).scalar_one() == 0
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA omop; CREATE TABLE omop.episode (id integer)"))
    with pytest.raises(ProgrammingError, match='relation "episode" already exists'):
        migrations.upgrade(engine)
    assert migrations.state(engine).name == "empty"
    assert LAKE not in inspect(engine).get_schema_names()
    assert inspect(engine).get_table_names(OMOP) == ["episode"]


def test_a_newer_database_is_refused_and_left_alone(upgraded):
    with upgraded.begin() as connection:
        connection.execute(text("UPDATE lake.alembic_version SET version_num = '0999'"))
    assert migrations.state(upgraded) == migrations.State("newer", "0999", WANT)
    with pytest.raises(migrations.NewerDatabase, match=rf"'0999'.*'{WANT}': update oncolake"):
        migrations.upgrade(upgraded)
    assert migrations.state(upgraded).have == "0999"


def test_the_current_directory_does_not_matter(engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    migrations.upgrade(engine)
    assert migrations.state(engine).name == "current"


def test_vocabulary_tables_load_in_any_order_when_deferred(connection):
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    add_concepts(connection, 0, 8507)
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    assert connection.execute(select(func.count()).select_from(concept)).scalar_one() == 2


def test_vocabulary_tables_are_checked_at_once_when_not_deferred(connection):
    with pytest.raises(IntegrityError, match="fk_concept_"):
        add_concepts(connection, 0)


def test_a_missing_concept_is_refused(connection):
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    add_concepts(connection, 0, 8507)
    connection.execute(insert(person).values(a_person(8507) | {"person_id": 2}))
    with pytest.raises(IntegrityError, match="fk_person_gender_concept_id"):
        connection.execute(insert(person).values(a_person(8532)))


LOCATED = [
    ("$", 0, 0, "$"),
    ("$.a.b", 0, 0, "$.a.b"),
    ("$.lesions[*]", 0, 1, "$.lesions[0]"),
    ("$.lesions[*].diam1", 1048575, 1, "$.lesions[1048575].diam1"),
    ("$.patientID", 3, 1, "$.patientID"),
    ("$.followUp[*].psa[*]", 5 << 10 | 7, 2, "$.followUp[5].psa[7]"),
    ("$.followUp[*].psa[*].date", 1023 << 10, 2, "$.followUp[1023].psa[0].date"),
    ("$.followUp[*].stage.T", 5 << 10 | 7, 2, "$.followUp[5].stage.T"),
    ("$.a[*].b[*].c[*]", 1 << 13 | 2 << 6 | 3, 3, "$.a[1].b[2].c[3]"),
    ("$.a[*].b[*].c[*].d", 1048575, 3, "$.a[127].b[127].c[63].d"),
    ("$.a[*].b[*]", 1 << 13 | 2 << 6 | 3, 3, "$.a[1].b[2]"),
    ("$.a[*].b", 1 << 13 | 2 << 6 | 3, 3, "$.a[1].b"),
    ("$.lesions[*].location[*]", 4, 1, "$.lesions[4].location[*]"),
    ("$.lesions[*]", 4, 4, None),
]


def test_locate_puts_list_positions_in_a_path(connection):
    found = [
        connection.execute(select(func.lake.locate(*arguments))).scalar_one() for *arguments, _ in LOCATED
    ]
    assert found == [located for *_, located in LOCATED]


@pytest.mark.parametrize("depth", sorted(LEVEL_BITS))
def test_locate_reads_items_as_row_identity_packs_them(connection, depth):
    for item in (0, 1, 63, 64, 8191, 8192, 1023, 1024, 699050, 1048575):
        located = connection.execute(select(func.lake.locate("[*]" * depth, item, depth))).scalar_one()
        assert located == "".join(f"[{position}]" for position in positions(item, depth)), item


RULES = [
    {"rule_id": 1, "name": "person", "each_path": "$"},
    {"rule_id": 4095, "name": "follow_up.psa", "each_path": "$.followUp[*].psa[*]"},
]
RULE_TEXTS = [
    {"rule_id": 1, "sources": ["$.patientID"], "target": "person"},
    {
        "rule_id": 4095,
        "sources": ["$.followUp[*].psa[*].totalPSAvalue", "$.followUp[*].day", "$.patientID"],
        "target": "measurement",
    },
]


def land_two_versions(connection: Connection) -> int:
    """A case whose second document is not loaded yet; returns its case_id."""
    for version in (1, 2):
        upload = {"uploader": "u", "source": f"v{version}.json", "mapping": "prostate", "bytes": 1}
        connection.execute(insert(lake.uploads).values(**upload, sha256=bytes([version])))
    person_id = connection.execute(
        insert(lake.patients).values(patient_id="PCa-1").returning(lake.patients.c.person_id)
    ).scalar_one()
    case = {"mapping": "prostate", "patient_id": "PCa-1", "form": "1+2", "person_id": person_id}
    case_id = connection.execute(
        insert(lake.cases)
        .values(**case, version=2, loaded_version=1, plan="now")
        .returning(lake.cases.c.case_id)
    ).scalar_one()
    uploads = connection.execute(select(lake.uploads.c.upload_id).order_by("upload_id")).scalars()
    for version, upload_id in enumerate(uploads, 1):
        document = {"version": version, "upload_id": upload_id, "position": 10 + version, "digest": b"d"}
        connection.execute(insert(lake.documents).values(case_id=case_id, document={}, **document))
    connection.execute(insert(lake.rules), [rule | {"mapping": "prostate"} for rule in RULES])
    for plan, line in (("before", 11), ("now", 12)):
        about = {"plan": plan, "file": "follow_up.yaml", "line": line}
        connection.execute(insert(lake.plan_rules), [rule | about for rule in RULE_TEXTS])
    return int(case_id)


def lineage(connection: Connection, row_id: int) -> list[dict[str, object]]:
    rows = connection.execute(text("SELECT * FROM lake.lineage(:id)"), {"id": row_id}).mappings()
    return [dict(row) for row in rows]


def test_lineage_names_case_upload_rule_and_paths(connection):
    case_id = land_two_versions(connection)
    upload_id = connection.execute(select(func.min(lake.uploads.c.upload_id))).scalar_one()
    assert lineage(connection, pack(case_id, 4095, 5 << 10 | 7)) == [
        {
            "case_id": case_id,
            "patient_id": "PCa-1",
            "form": "1+2",
            "version": 1,
            "upload_id": upload_id,
            "source": "v1.json",
            "position": 11,
            "rule": "follow_up.psa",
            "target": "measurement",
            "file": "follow_up.yaml",
            "line": 12,
            "item_path": "$.followUp[5].psa[7]",
            "paths": ["$.followUp[5].psa[7].totalPSAvalue", "$.followUp[5].day", "$.patientID"],
        }
    ]


def test_lineage_of_a_row_made_once_a_case(connection):
    case_id = land_two_versions(connection)
    (found,) = lineage(connection, pack(case_id, 1))
    assert (found["rule"], found["item_path"], found["paths"]) == ("person", "$", ["$.patientID"])


def test_lineage_follows_the_loaded_version(connection):
    case_id = land_two_versions(connection)
    connection.execute(lake.cases.update().values(loaded_version=2, loaded_at=datetime(2026, 1, 1)))
    (found,) = lineage(connection, pack(case_id, 1))
    assert (found["version"], found["source"], found["position"]) == (2, "v2.json", 12)


@pytest.mark.parametrize(
    ("of_case", "rule"), [(0, 2), (1, 1), (2**31 - 1, 1)], ids=["no such rule", "no such case", "last case"]
)
def test_lineage_of_an_id_that_no_rule_made_is_empty(connection, of_case, rule):
    case_id = land_two_versions(connection)
    assert lineage(connection, pack(min(case_id + of_case, 2**31 - 1), rule)) == []


def test_lineage_of_a_case_that_is_not_loaded_is_empty(connection):
    case_id = land_two_versions(connection)
    connection.execute(lake.cases.update().values(loaded_version=None))
    assert lineage(connection, pack(case_id, 1)) == []


def test_lineage_of_an_id_outside_every_case_is_empty(connection):
    land_two_versions(connection)
    for row_id in (0, 1, 4095, -1, 2**63 - 1, -(2**63)):
        assert lineage(connection, row_id) == [], row_id
