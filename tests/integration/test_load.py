"""Loading: exactly the rows of the newest documents, whole cases only, and no other case touched."""

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, Engine, text

from etl.delete import event_tables
from etl.explain import explain_person
from etl.identity import case_range, unpack
from etl.land import Landed, land
from etl.load import Counts, load
from etl.make import Failure
from etl.pick import batches
from etl.plan import Plan
from etl.read import Record
from etl.receive import Sender, Upload, fingerprint, receive
from tests.plans import PLAN, PSA, case, install, renewed


@pytest.fixture
def connection(lake: Engine) -> Iterator[Connection]:
    install(lake)
    with lake.connect() as connection:
        yield connection


def upload_of(connection: Connection, content: bytes, mapping: str = "mini") -> Upload:
    return receive(connection, mapping, "x", Sender("tester"), fingerprint(io.BytesIO(content)))


def record(position: int, document: dict[str, Any]) -> Record:
    return Record(position, position, orjson.dumps(document), document)


def put(connection: Connection, *documents: dict[str, Any], mapping: str = "mini") -> list[Landed]:
    """Land documents as an upload of their own."""
    content = orjson.dumps([documents, query(connection, "SELECT count(*) FROM lake.uploads")])
    records = [record(position, document) for position, document in enumerate(documents, 1)]
    return land(connection, upload_of(connection, content, mapping), records, PLAN.case)


def store(connection: Connection, *documents: dict[str, Any], plan: Plan = PLAN) -> Counts:
    return load(connection, plan, put(connection, *documents))


def query(connection: Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.begin():
        return [tuple(row) for row in connection.execute(text(statement), values)]


def everything(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the small mapping, each with its physical place: untouched means untouched."""
    tables = ("person", "observation_period", "care_site", *PLAN.columns)
    return {
        table: query(connection, f"SELECT ctid::text, * FROM omop.{table} ORDER BY 2") for table in tables
    }


def measurements(connection: Connection, patient: str) -> list[tuple[Any, ...]]:
    return query(
        connection,
        "SELECT measurement_date::text, value_as_number::float FROM omop.measurement"
        " JOIN lake.patients USING (person_id) WHERE patient_id = :patient ORDER BY measurement_id",
        patient=patient,
    )


def test_a_person_of_two_batches_is_one_row(connection: Connection) -> None:
    first = load(connection, PLAN, put(connection, case(form="A"), case("P2")))
    second = load(connection, PLAN, put(connection, case(form="B")))
    assert (first.rows["person"], second.rows["person"]) == (2, 1)
    assert (first + second).rows["person"] == 2
    assert (first + second).rows["visit_occurrence"] == 9


def test_a_case_becomes_its_rows(connection: Connection) -> None:
    (landed,) = put(connection, case(text="a note"))
    counts = load(connection, PLAN, [landed])
    assert counts == Counts(1, counts.case_rows, persons=counts.persons)
    assert counts.rows == {"person": 1, "visit_occurrence": 3, "measurement": 3, "note": 1}
    assert measurements(connection, "P1") == [
        ("2000-01-01", 0.5),
        ("2000-01-21", 20.5),
        ("2001-02-04", 400.5),
    ]
    ids = query(connection, "SELECT measurement_id FROM omop.measurement ORDER BY 1")
    assert [unpack(row_id) for (row_id,) in ids] == [(landed.key.case_id, PSA, item) for item in (0, 1, 2)]
    assert query(connection, "SELECT year_of_birth, care_site_id, person_source_value FROM omop.person") == [
        (1930, landed.key.care_site_id, "P1")
    ]
    assert query(
        connection,
        "SELECT care_site_name, place_of_service_concept_id, care_site_source_value FROM omop.care_site",
    ) == [("FORTH", 0, "FORTH")]
    assert query(
        connection,
        "SELECT person_id, observation_period_start_date::text, observation_period_end_date::text,"
        " period_type_concept_id FROM omop.observation_period WHERE observation_period_id = person_id",
    ) == [(landed.key.person_id, "2000-01-01", "2001-02-04", 32809)]
    assert query(
        connection,
        "SELECT loaded_version, plan, first_date::text, last_date::text, loaded_at IS NULL FROM lake.cases",
    ) == [(1, PLAN.digest, "2000-01-01", "2001-02-04", False)]


def test_loading_again_touches_nothing(connection: Connection) -> None:
    landed = put(connection, case("P1"), case("P2"))
    load(connection, PLAN, landed)
    before = everything(connection)
    assert load(connection, PLAN, landed) == Counts()
    assert everything(connection) == before


def test_a_new_version_replaces_its_rows_and_no_other_case_is_touched(connection: Connection) -> None:
    store(connection, case("P1", text="old"), case("P2", text="stays"), case("P3"))
    before = everything(connection)
    store(connection, case("P1", values=[{"day": 5, "psa": 9.5}], text=None))
    assert measurements(connection, "P1") == [("2000-01-06", 9.5)]
    assert query(connection, "SELECT note_text FROM omop.note") == [("stays",)]
    after = everything(connection)
    person = query(connection, "SELECT person_id FROM lake.patients WHERE patient_id = 'P1'")[0][0]
    for table in ("visit_occurrence", "measurement", "note"):
        assert [row for row in after[table] if row[2] != person] == [
            row for row in before[table] if row[2] != person
        ]
    assert query(
        connection, "SELECT observation_period_end_date::text FROM omop.observation_period ORDER BY 1"
    ) == [
        ("2000-01-06",),
        ("2001-02-04",),
        ("2001-02-04",),
    ]


def test_another_plan_reloads_and_leaves_no_row_of_the_old_one(connection: Connection) -> None:
    landed = put(connection, case(text="only the old mapping writes notes"))
    load(connection, PLAN, landed)
    columns = {table: names for table, names in PLAN.columns.items() if table != "note"}

    def without_notes(
        document: Any, case_id: int, person_id: int, site: Any, rows: Any, problem: Any
    ) -> tuple[str, str]:
        return PLAN.run(document, case_id, person_id, site, {**rows, "note": []}, problem)

    plan = renewed(PLAN, columns=columns, run=without_notes)
    assert load(connection, plan, landed).cases == 1
    assert query(connection, "SELECT count(*) FROM omop.note") == [(0,)]
    assert len(measurements(connection, "P1")) == 3
    assert query(connection, "SELECT plan FROM lake.cases") == [(plan.digest,)]


def test_event_tables_are_all_that_hold_packed_ids(lake: Engine) -> None:
    names = [each.name for each in event_tables()]
    assert {
        "visit_occurrence",
        "condition_occurrence",
        "measurement",
        "note",
        "episode",
        "episode_event",
    } <= set(names)
    assert not {"person", "observation_period", "care_site", "concept", "cohort"} & set(names)
    order = {name: place for place, name in enumerate(names)}
    for each in event_tables():
        for key in each.kept.foreign_keys:
            target = key.column.table.name
            assert order.get(target, -1) <= order[each.name]


def test_rows_that_omop_holds_merged_are_deleted_where_they_are_kept() -> None:
    kept = {each.name: (each.kept.fullname, each.key) for each in event_tables()}
    assert kept["radiology_occurrence"] == ("lake.study_statements", "radiology_occurrence_id")
    assert kept["radiology_image"] == ("lake.series_statements", "image_id")
    assert kept["image_feature"] == ("omop.image_feature", "image_feature_id")


def test_deletion_reads_the_index_and_not_the_table(connection: Connection) -> None:
    first, last = case_range(7)
    with connection.begin():
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(
            text(
                "EXPLAIN DELETE FROM omop.measurement AS old USING unnest(ARRAY[:first], ARRAY[:last])"
                " AS gone (first, last) WHERE old.measurement_id BETWEEN gone.first AND gone.last"
            ),
            {"first": first, "last": last},
        ).scalars()
        assert "Seq Scan" not in "\n".join(plan)


def test_a_superseded_document_is_not_loaded(connection: Connection) -> None:
    old = put(connection, case(age=70))
    new = put(connection, case(age=71))
    assert load(connection, PLAN, old) == Counts()
    assert load(connection, PLAN, new).cases == 1


def test_problems_are_stored_and_replaced_with_their_case(connection: Connection) -> None:
    counts = store(
        connection, case("P1", problems=["unmapped", "invalid", "invalid"]), case("P2", problems=["unmapped"])
    )
    assert counts.problems == {("psa", "unmapped"): 2, ("psa", "invalid"): 1}, "the same once"
    store(connection, case("P1", problems=["truncated"]))
    assert query(
        connection,
        "SELECT patient_id, kind, rule_id, problems.version"
        " FROM lake.problems JOIN lake.cases USING (case_id) ORDER BY patient_id",
    ) == [("P1", "truncated", PSA, 2), ("P2", "unmapped", PSA, 1)]
    assert query(connection, "SELECT rows, problems FROM lake.uploads ORDER BY upload_id") == [
        (14, 3),
        (7, 1),
    ]


def test_warnings_are_stored_with_the_problems_and_counted_apart(connection: Connection) -> None:
    counts = store(connection, case("P1", problems=["implausible", "unmapped"]), case("P2"))
    assert (counts.problems, counts.warnings) == ({("psa", "unmapped"): 1}, {"psa": 1})
    assert counts.whole, "what is implausible is stored"
    assert query(connection, "SELECT problems, warnings FROM lake.uploads") == [(1, 1)]
    store(connection, case("P1", problems=[]))
    assert query(connection, "SELECT kind FROM lake.problems") == []
    assert query(connection, "SELECT sum(warnings) FROM lake.uploads") == [(1,)]


def disagreements(connection: Connection) -> list[tuple[Any, ...]]:
    """Form, and reason up to the column."""
    return query(
        connection,
        "SELECT form, split_part(reason, ':', 1) FROM lake.problems JOIN lake.cases USING (case_id)"
        " WHERE kind = 'disagrees' ORDER BY 1, 2",
    )


def born(connection: Connection) -> list[int]:
    return [year for (year,) in query(connection, "SELECT year_of_birth FROM omop.person ORDER BY person_id")]


YEAR, SITE = "person.year_of_birth", "person.care_site_id"


def test_what_a_case_says_of_its_person_is_kept_with_it(connection: Connection) -> None:
    (landed,) = put(connection, case(site="FORTH"))
    load(connection, PLAN, [landed])
    ((said,),) = query(connection, "SELECT person FROM lake.cases")
    assert {key: said[key] for key in ("year_of_birth", "gender_concept_id", "care_site_id")} == {
        "year_of_birth": 1930,
        "gender_concept_id": 0,
        "care_site_id": landed.key.care_site_id,
    }
    assert "person_id" not in said
    store(connection, case(site=None, age=71))
    ((said,),) = query(connection, "SELECT person FROM lake.cases")
    assert (said["year_of_birth"], "care_site_id" in said) == (1929, False)


def test_every_case_that_says_otherwise_than_the_newest_has_a_problem(connection: Connection) -> None:
    (first,) = put(connection, case(form="A", age=70))
    assert load(connection, PLAN, [first]).problems == {}
    assert store(connection, case(form="B", age=71)).problems == {("person", "disagrees"): 1}
    assert disagreements(connection) == [("A", YEAR)]
    (last,) = put(connection, case(form="C", age=72))
    assert load(connection, PLAN, [last]).problems == {("person", "disagrees"): 1}, "that of A is known"
    assert disagreements(connection) == [("A", YEAR), ("B", YEAR)]
    assert born(connection) == [1928]
    assert (
        query(connection, "SELECT version, rule_id, path, reason FROM lake.problems WHERE kind = 'disagrees'")
        == [
            (
                1,
                None,
                "$",
                f"person.year_of_birth: case {last.key.case_id} says otherwise; "
                "its document is newer and decides",
            )
        ]
        * 2
    )
    assert query(connection, "SELECT problems FROM lake.uploads ORDER BY upload_id") == [(1,), (1,), (0,)]


def test_a_correction_takes_the_problem_off_the_other_case_too(connection: Connection) -> None:
    store(connection, case(form="A", age=70))
    store(connection, case(form="B", age=71))
    store(connection, case(form="C", age=72, site="CHU"))
    assert disagreements(connection) == [("A", SITE), ("A", YEAR), ("B", SITE), ("B", YEAR)]
    store(connection, case(form="A", age=71))
    assert disagreements(connection) == [("C", SITE), ("C", YEAR)]
    store(connection, case(form="C", age=71))
    assert disagreements(connection) == []
    assert born(connection) == [1929]


def test_cases_of_two_mappings_disagree_like_forms_of_one(connection: Connection) -> None:
    other = replace(PLAN, mapping="other", digest="2" * 64)
    store(connection, case(age=70))
    landed = put(connection, case(age=71), mapping="other")
    assert load(connection, other, landed).problems == {("person", "disagrees"): 1}
    assert query(
        connection,
        "SELECT mapping, reason LIKE :start FROM lake.problems JOIN lake.cases USING (case_id)",
        start=f"{YEAR}: case {landed[0].key.case_id} %",
    ) == [("mini", True)]
    assert born(connection) == [1929]


def raced(document: Any, case_id: int, person_id: int, site: Any, rows: Any, problem: Any) -> tuple[str, str]:
    """The small mapping with a race for those over 70, and no other row."""
    race = 8527 if document["age"] > 70 else 0
    rows["person"].append(f"{person_id}\t0\t1930\t{race}\t0\t\\N\tx\t0\t0\t0\n")
    return "", ""


def test_every_column_of_the_person_is_compared(connection: Connection) -> None:
    with connection.begin():
        connection.execute(
            text(
                "INSERT INTO omop.concept SELECT 8527, 'White', domain_id, vocabulary_id, concept_class_id,"
                " standard_concept, 'White', valid_start_date, valid_end_date, invalid_reason"
                " FROM omop.concept WHERE concept_id = 0 ON CONFLICT DO NOTHING"
            )
        )
    plan = replace(PLAN, run=raced)
    store(connection, case(form="A", age=70), plan=plan)
    store(connection, case(form="B", age=71), plan=plan)
    assert disagreements(connection) == [("A", "person.race_concept_id")]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_person_and_problems_are_the_same_whatever_the_order_of_loading(
    connection: Connection, order: tuple[int, ...]
) -> None:
    landed = [
        put(connection, case("P1", "A", age=70)),
        put(connection, case("P1", "B", age=71, values=[{"day": 900, "psa": 1}]), case("P2", "A", age=60)),
        put(connection, case("P1", "C", age=72)),
        put(connection, case("P1", "A", age=73, site="CHU"), case("P2", "B", age=60)),
    ]
    for place in order:
        load(connection, PLAN, landed[place])
    assert born(connection) == [1927, 1940]
    assert disagreements(connection) == [("B", SITE), ("B", YEAR), ("C", SITE), ("C", YEAR)]
    deciding = landed[3][0].key.case_id
    assert query(connection, "SELECT DISTINCT split_part(reason, ' ', 3) FROM lake.problems") == [
        (str(deciding),)
    ]
    assert query(
        connection,
        "SELECT observation_period_start_date::text, observation_period_end_date::text"
        " FROM omop.observation_period ORDER BY person_id",
    ) == [("2000-01-01", "2002-06-19"), ("2000-01-01", "2001-02-04")]
    with connection.begin():
        origins = explain_person(connection, landed[0][0].key.person_id)
    assert [origin.form for origin in origins] == ["A", "C", "B"]


def test_the_case_that_decides_is_explained_first_also_within_an_upload(connection: Connection) -> None:
    landed = put(connection, case(form="B", age=70), case(form="A", age=71), case(form="C", age=72))
    load(connection, PLAN, landed)
    assert born(connection) == [1928]
    with connection.begin():
        assert [one.form for one in explain_person(connection, landed[0].key.person_id)] == ["C", "A", "B"]


def test_an_upload_processed_again_may_bring_a_newer_document_than_a_later_upload(
    connection: Connection,
) -> None:
    early, late = upload_of(connection, b"early"), upload_of(connection, b"late")
    for upload, form, age in ((late, "A", 70), (early, "B", 71)):
        document = case(form=form, age=age)
        load(connection, PLAN, land(connection, upload, [record(1, document)], PLAN.case))
    assert born(connection) == [1929]
    with connection.begin():
        first, second = explain_person(connection, 1)
    assert (first.form, first.upload_id) == ("B", early.upload_id)
    assert (second.form, second.upload_id) == ("A", late.upload_id)


def test_forms_of_one_person_in_one_batch(connection: Connection) -> None:
    counts = store(
        connection, case(form="A", age=70), case(form="B", age=71), case("P2"), case(form="C", age=71)
    )
    assert born(connection) == [1929, 1930]
    assert disagreements(connection) == [("A", YEAR)]
    assert (counts.rows["person"], counts.problems) == (2, {("person", "disagrees"): 1})


FAULTS = [KeyError("secret"), ValueError("secret"), TypeError("secret"), AttributeError("secret")]


@pytest.mark.parametrize("fault", [*FAULTS, IndexError("secret"), ZeroDivisionError("secret")], ids=repr)
def test_a_document_that_the_mapping_fails_on_blocks_no_other(
    connection: Connection, fault: Exception
) -> None:
    def run(document: Any, *rest: Any) -> tuple[str, str]:
        if document["patient"] == "P2":
            raise fault
        return PLAN.run(document, *rest)

    plan = replace(PLAN, run=run)
    landed = put(connection, case("P1"), case("P2"), case("P3"))
    counts = load(connection, plan, landed)
    assert counts.cases == 2
    assert counts.failures == (
        Failure(landed[1].key.case_id, f"the mapping fails on it: {type(fault).__name__}"),
    )
    assert store(connection, case("P4"), plan=plan).cases == 1
    assert [len(batch) for batch in batches(connection, plan, "pending")] == [1]


def test_a_case_without_dates_has_no_observation_period(connection: Connection) -> None:
    store(connection, case(values=[]))
    assert query(connection, "SELECT count(*) FROM omop.observation_period") == [(0,)]
    assert query(connection, "SELECT first_date, loaded_version FROM lake.cases") == [(None, 1)]


def test_refused_cases_stand_alone_and_the_others_are_loaded(connection: Connection) -> None:
    documents = [case(f"P{number}") for number in range(20)]
    documents[3]["concept"] = documents[11]["concept"] = 999_999_999
    landed = put(connection, *documents)
    counts = load(connection, PLAN, landed)
    assert counts.cases == 18
    assert [failure.case_id for failure in counts.failures] == [landed[3].key.case_id, landed[11].key.case_id]
    failed = sorted(failure.case_id for failure in counts.failures)
    assert {failure.reason for failure in counts.failures} == {
        "table 'measurement' refuses its rows: they break constraint 'fk_measurement_measurement_concept_id'"
    }
    assert [each.key.case_id for some in batches(connection, PLAN, "pending") for each in some] == failed
    assert query(connection, "SELECT count(*) FROM omop.visit_occurrence") == [(54,)]


@pytest.mark.parametrize(
    ("table", "line", "told"),
    [
        (
            "person",
            "{person}\tsecret\t1930\t0\t0\t\\N\tx\t0\t0\t0\n",
            "table 'person' refuses its rows: they do not fit its columns (SQLSTATE 22P02)",
        ),
        (
            "person",
            "{person}\t0\t\\N\t0\t0\t\\N\tx\t0\t0\t0\n",
            "table 'person' refuses its rows: column 'year_of_birth' is empty",
        ),
        (
            "person",
            "{person}\t12345\t1930\t0\t0\t\\N\tx\t0\t0\t0\n",
            "table 'person' refuses its rows: they break constraint 'fk_person_gender_concept_id'",
        ),
        (
            "note",
            "1\t{person}\t0\tsecret\t32809\t0\tx\t0\t0\n",
            "table 'note' refuses its rows: they do not fit its columns (SQLSTATE 22007)",
        ),
    ],
)
def test_refusals_name_table_and_constraint_and_no_value(
    connection: Connection, table: str, line: str, told: str
) -> None:
    def run(
        document: Any, case_id: int, person_id: int, site: Any, rows: Any, problem: Any
    ) -> tuple[str, str]:
        rows[table].append(line.format(person=person_id))
        return "", ""

    (failure,) = store(connection, case(), plan=replace(PLAN, run=run)).failures
    assert failure.reason == told


def test_a_case_that_cannot_be_numbered_does_not_take_the_batch_down(connection: Connection) -> None:
    counts = store(connection, case("P1"), case("P2", item=2**20), case("P3"))
    assert counts.cases == 2
    assert [failure.reason for failure in counts.failures] == [
        "cannot be numbered: item 1048576 is outside 0 to 1048575"
    ]


def test_a_replacement_that_fails_leaves_the_old_rows(connection: Connection) -> None:
    store(connection, case())
    before = everything(connection)
    assert store(connection, case(concept=999_999_999)).failures
    assert everything(connection) == before
    assert query(connection, "SELECT version, loaded_version FROM lake.cases") == [(2, 1)]


def test_pending_lists_what_landing_left(connection: Connection) -> None:
    landed = put(connection, *(case(f"P{number}", text="Ηράκλειο \\ \t") for number in range(25)))
    load(connection, PLAN, landed[:5])
    picked = list(batches(connection, PLAN, "pending", 8))
    assert [len(batch) for batch in picked] == [8, 8, 4]
    found = [each for batch in picked for each in batch]
    assert [replace(each, changed=True) for each in found] == sorted(landed[5:], key=lambda each: each.key)
    assert sum((load(connection, PLAN, batch) for batch in picked), Counts()).cases == 20
    assert list(batches(connection, PLAN, "pending")) == []
    assert list(batches(connection, replace(PLAN, mapping="other"), "pending")) == []


def test_pending_documents_make_the_same_rows_as_landed_ones(connection: Connection) -> None:
    values = [{"day": 3, "psa": psa} for psa in (1.0, 0.1, 7, 1e-7, 12345678.9)]
    landed = put(connection, case(values=values))
    ((found,),) = batches(connection, PLAN, "pending")
    assert repr(found.document["values"]) == repr(values)
    assert load(connection, PLAN, landed).cases == 1
    assert found.document == landed[0].document
