"""Coverage over a real lake: the newest document of every case of one mapping, streamed."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, update

from etl.coverage import Tally, cover, coverage
from etl.mapping.paths import json_path, leaves
from etl.sample import sample
from etl.setup import prepare
from omop_schema import lake as tables


@pytest.fixture
def connection(lake: Engine) -> Iterator[Connection]:
    with lake.connect() as connection:
        yield connection


@pytest.fixture
def plan(lake):
    return prepare(lake)


def submit(connection: Connection, mapping: str, *documents: Mapping[str, Any]) -> None:
    """Put documents into the lake; those of one patient and form are versions of one case."""
    upload = connection.execute(
        insert(tables.uploads)
        .values(uploader="t", source="t", mapping=mapping, bytes=1, sha256=mapping.encode())
        .returning(tables.uploads.c.upload_id)
    ).scalar_one()
    cases: dict[tuple[str, str], tuple[int, int]] = {}
    for position, document in enumerate(documents, 1):
        key = document["patientID"], document["useCaseType"]
        if key not in cases:
            cases[key] = (_new_case(connection, mapping, document), 0)
        case_id, version = cases[key][0], cases[key][1] + 1
        cases[key] = (case_id, version)
        connection.execute(
            insert(tables.documents).values(
                case_id=case_id, version=version, upload_id=upload, position=position, digest=b"d",
                document=document,
            )
        )  # fmt: skip
        connection.execute(
            update(tables.cases).where(tables.cases.c.case_id == case_id).values(version=version)
        )
    connection.commit()


def _new_case(connection: Connection, mapping: str, document: Mapping[str, Any]) -> int:
    person = connection.execute(
        insert(tables.patients)
        .values(patient_id=f"{mapping}/{document['patientID']}/{document['useCaseType']}")
        .returning(tables.patients.c.person_id)
    ).scalar_one()
    found: int = connection.execute(
        insert(tables.cases)
        .values(
            mapping=mapping, patient_id=document["patientID"], form=document["useCaseType"],
            person_id=person, version=1,
        )
        .returning(tables.cases.c.case_id)
    ).scalar_one()  # fmt: skip
    return found


def a_case(patient: str, **sections: Any) -> dict[str, Any]:
    baseline = {"age": 70, "psa": [{"psadate": "2021-07-11", "baseline": True}]}
    return {"patientID": patient, "useCaseType": "1+2+3", "clinicalBaselineData": baseline, **sections}


def test_an_empty_lake_has_nothing_to_cover(connection, plan):
    found = coverage(connection, plan)
    assert (found.mapping, found.cases, found.places, found.total) == ("prostate", 0, (), Tally())
    assert found.rows() == ()


def test_the_sums_are_those_of_the_single_documents(connection, plan):
    documents = list(sample(60, seed=3))
    submit(connection, "prostate", *documents)
    found = coverage(connection, plan, batch=7)
    every = [leaf for document in documents for leaf in cover(plan, document)]
    assert found.cases == 60
    assert found.total.total == len(every)
    assert {(place.pattern, place.tally.total) for place in found.places} == {
        (pattern, sum(leaf.pattern == pattern for leaf in every))
        for pattern in {leaf.pattern for leaf in every}
    }
    assert sum(leaf.fate == "unmapped" for leaf in every) == found.total.unmapped > 0
    assert all(place.unmapped_values == () for place in found.places)


def test_places_that_lose_most_come_first_and_others_in_the_schemas_order(connection, plan):
    submit(connection, "prostate", *sample(40, seed=3))
    places = coverage(connection, plan).places
    lost = [place.tally.lost for place in places]
    assert lost == sorted(lost, reverse=True)
    complete = [place.pattern for place in places if place.tally.lost == 0]
    in_schema = [json_path(segments) for segments, _ in leaves(plan.schema)]
    assert complete == [pattern for pattern in in_schema if pattern in complete]


def test_only_the_newest_document_of_a_case_counts(connection, plan):
    older = a_case("A", lesionLocationBasedOn="Biopsy", familyHistory={"relativePCaAge": 60})
    submit(connection, "prostate", older, a_case("A", familyHistory={"relativePCa": "yes"}))
    found = coverage(connection, plan)
    assert found.cases == 1
    assert found.total == Tally(mapped=6)


def test_cases_of_another_mapping_do_not_count(connection, plan):
    submit(connection, "lung", a_case("A"), a_case("B"))
    submit(connection, "prostate", a_case("A"))
    assert coverage(connection, plan).cases == 1


def test_the_most_frequent_unmapped_values_are_named_when_asked_for(connection, plan):
    imaging = ["CT", "SPECT-CT", "PSMA-PET", "NaF-PET", "choline-PET", "fluciclovine-PET", "MRI"]
    documents = [
        a_case(
            f"P-{number}",
            imagingInfo={"daysAfterBaselineMRI": 1},
            lesions=[{"diam1": 4}],
            finalDiagnosis={
                "monthsFinalDiagnosis": 3,
                "imagingPerformed": True,
                "imagingType": imaging if number == 0 else ["CT"],
            },
        )
        for number in range(8)
    ]
    submit(connection, "prostate", *documents)
    found = coverage(connection, plan, show_values=True)
    assert found.places[0].pattern == "$.finalDiagnosis.imagingType[*]"
    assert found.value_rows() == (
        ("$.finalDiagnosis.imagingType[*]", "CT", 8),
        ("$.finalDiagnosis.imagingType[*]", "NaF-PET", 1),
        ("$.finalDiagnosis.imagingType[*]", "PSMA-PET", 1),
        ("$.finalDiagnosis.imagingType[*]", "SPECT-CT", 1),
        ("$.finalDiagnosis.imagingType[*]", "choline-PET", 1),
    )


def test_the_documents_come_over_a_cursor_on_the_server(connection, plan, lake):
    submit(connection, "prostate", *sample(5, seed=1))
    names = []

    def note(connection, cursor, statement, parameters, context, executemany):
        names.append(cursor.name)

    event.listen(lake, "before_cursor_execute", note)
    coverage(connection, plan, batch=2)
    assert len(names) == 1
    assert names[0] is not None
