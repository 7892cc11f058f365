"""What holds of every lake: whatever valid documents come, OMOP's rules hold and loading settles."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from etl.coverage import coverage
from etl.ingest import Summary, ingest
from etl.mapping.tables import TARGETS
from etl.plan import Plan
from etl.setup import DEFAULT_MAPPING, prepare
from omop_schema import OMOP
from tests.strategies import cases

Document = dict[str, Any]
SCHEMA = json.loads(DEFAULT_MAPPING.joinpath("ecrf.schema.json").read_text(encoding="utf-8"))
DATED = [
    (table, column)
    for table, target in TARGETS.items()
    for column in (*target.dates("start"), *target.dates("end"))
    if column.endswith("datetime")
]
#: A database for each example would take longer than the examples: each has patients of its own instead.
each_on_one_database = settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


class Lake:
    """A database, and the files that are posted to it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.numbers = engine, folder, count(1)
        self.plan: Plan = prepare(engine)

    def named(self, documents: list[Document]) -> list[Document]:
        """The documents under patients that the database has not seen; one name stays one patient."""
        number = next(self.numbers)
        return [{**each, "patientID": f"{number}-{each['patientID'][:40]}"} for each in documents]

    def post(self, *documents: Document) -> Summary:
        """Ingest the documents as one file; never the bytes of an earlier one."""
        number = next(self.numbers)
        file = self.folder / f"{number}.ndjson"
        lines = "".join(f"{json.dumps(document)}\n" for document in documents)
        file.write_text(lines + "\n" * number, encoding="utf-8")
        return ingest(self.engine, self.plan, [file], "tester")

    def select(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def rows(self, documents: list[Document]) -> dict[str, list[str]]:
        """All that OMOP and the problems hold of these patients, as text."""
        named = {"patients": [each["patientID"] for each in documents]}
        own = f"person_id IN (SELECT person_id FROM {OMOP}.person WHERE person_source_value = ANY(:patients))"
        found = {
            table: self.texts(f"SELECT t::text FROM {OMOP}.{table} t WHERE {own} ORDER BY 1", named)
            for table in ("person", "observation_period", *TARGETS)
        }
        events = f"SELECT e::text FROM {OMOP}.episode_event e JOIN {OMOP}.episode USING (episode_id)"
        found["episode_event"] = self.texts(f"{events} WHERE {own} ORDER BY 1", named)
        problems = (
            "SELECT ROW(kind, rule_id, path, reason)::text FROM lake.problems JOIN lake.cases USING (case_id)"
            " WHERE patient_id = ANY(:patients) ORDER BY 1"
        )
        found["problems"] = self.texts(problems, named)
        return found

    def texts(self, statement: str, values: dict[str, Any]) -> list[str]:
        """The one column of a query."""
        return [row for (row,) in self.select(statement, **values)]


@pytest.fixture
def base(lake: Engine, tmp_path: Path) -> Iterator[Lake]:
    yield Lake(lake, tmp_path)


@each_on_one_database
@given(documents=st.lists(cases(SCHEMA), min_size=1, max_size=6))
def test_every_valid_document_is_loaded_under_all_constraints(base: Lake, documents: list[Document]) -> None:
    documents = base.named(documents)
    summary = base.post(*documents)
    assert summary.loaded.failures == ()
    assert summary.rejected == 0
    assert summary.cases == len(documents)
    assert base.select("SELECT count(*) FROM lake.cases WHERE loaded_version IS DISTINCT FROM version") == [
        (0,)
    ]
    assert base.select("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == [(0,)]


@each_on_one_database
@given(documents=st.lists(cases(SCHEMA), min_size=1, max_size=6))
def test_every_date_lies_within_the_persons_observation_period(base: Lake, documents: list[Document]) -> None:
    base.post(*base.named(documents))
    for table, column in DATED:
        outside = (
            f"SELECT count(*) FROM {OMOP}.{table} t WHERE {column} IS NOT NULL AND NOT EXISTS ("
            f"SELECT FROM {OMOP}.observation_period p WHERE p.person_id = t.person_id AND {column}::date"
            " BETWEEN observation_period_start_date AND observation_period_end_date)"
        )
        assert base.select(outside) == [(0,)], f"{table}.{column}"
    assert (
        base.select(f"SELECT count(*) FROM {OMOP}.observation_period GROUP BY person_id HAVING count(*) > 1")
        == []
    )


@each_on_one_database
@given(documents=st.lists(cases(SCHEMA), min_size=1, max_size=4), other=cases(SCHEMA))
def test_posting_again_settles(base: Lake, documents: list[Document], other: Document) -> None:
    """The same document again changes nothing; after another in between, all is as it was."""
    documents = base.named([{**each, "patientID": str(number)} for number, each in enumerate(documents)])
    base.post(*documents)
    before = base.rows(documents)
    again = base.post(*documents)
    assert (again.stored, again.unchanged) == (0, len(documents))
    assert base.rows(documents) == before
    keys = {key: documents[0][key] for key in ("patientID", "useCaseType")}
    base.post({**documents[0], "clinicalBaselineData": other["clinicalBaselineData"]} | keys)
    base.post(documents[0])
    assert base.rows(documents) == before


def with_own_images(document: Document) -> Document:
    """The same, with UIDs that no other patient's images have: a study is that of whoever comes first."""

    def own(uid: str) -> str:
        return f"2.25.{uuid5(NAMESPACE_OID, document['patientID'] + uid).int}"

    uids = ("StudyInstanceUID", "SeriesInstanceUID")
    images = [one | {key: own(one[key]) for key in uids} for one in document.get("dicom") or ()]
    return document | {"dicom": images}


@each_on_one_database
@given(documents=st.lists(cases(SCHEMA), min_size=2, max_size=4))
def test_the_order_of_cases_does_not_matter(base: Lake, documents: list[Document]) -> None:
    """Together or apart, forwards or backwards: as many rows of each table."""
    documents = [{**each, "patientID": str(number)} for number, each in enumerate(documents)]
    first, second = (list(map(with_own_images, base.named(documents))) for _ in range(2))
    base.post(*first)
    base.post(*second[1:][::-1])
    base.post(second[0])
    counted = [{table: len(rows) for table, rows in base.rows(one).items()} for one in (first, second)]
    assert counted[0] == counted[1]


def test_coverage_of_all_of_them_adds_up(base: Lake) -> None:
    drawn: list[Document] = []

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(cases(SCHEMA))
    def collect(document: Document) -> None:
        drawn.append({**document, "patientID": f"P{len(drawn)}"})

    collect()
    base.post(*drawn)
    with base.engine.connect() as connection:
        covered = coverage(connection, base.plan)
    assert covered.cases == len(drawn)
    assert covered.total.unused == 0
    assert covered.total.total == sum(map(leaves, drawn))


def leaves(node: Any) -> int:
    """Recorded values of a document: neither null, nor an object or a list."""
    if isinstance(node, dict):
        return sum(map(leaves, node.values()))
    if isinstance(node, list):
        return sum(map(leaves, node))
    return int(node is not None)
