"""What holds of every case: the transform is pure, and its rows hang together."""

import copy
import random
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.coverage import cover
from etl.identity import LEVEL_BITS, MAX_CASE, MAX_RULE, capacities, case_range, pack, positions, unpack
from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.mapping.tables import TARGETS
from etl.plan import CaseKey, Document, Problem
from etl.sample import sample_case
from etl.transform import Result, decode, transform
from tests.strategies import cases

PLAN = compile_plan(mapping := read_mapping(files("mappings") / "prostate"), provisional_numbers(mapping))
VALID = jsonschema_rs.validator_for(PLAN.schema, validate_formats=True)
KEY = CaseKey(case_id=12345, person_id=7, care_site_id=None)
FIELDS = {t.field_concept: name for name, t in TARGETS.items() if t.field_concept is not None}
STEP = re.compile(r"\.(\w+)|\.\"([^\"]+)\"|\[(\d+)\]")
Row = dict[str, str | None]
Place = tuple[str | int, ...]


def places(node: Any, above: Place = ()) -> Iterator[Place]:
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in steps:
        yield (*above, step)
        yield from places(child, (*above, step))


def changed(document: dict[str, Any], place: Place, value: Any) -> None:
    node: Any = document
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value


@st.composite
def sampled(draw: st.DrawFn) -> dict[str, Any]:
    """A sampled case, of which some values are null, as far as it stays valid."""
    document = sample_case(draw(st.integers(0, 10_000)), draw(st.integers(0, 3)))
    rng = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(0, 12))):
        attempt = copy.deepcopy(document)
        changed(attempt, rng.choice(list(places(attempt))), None)
        document = attempt if VALID.is_valid(attempt) else document
    return document


#: As clinics send them, and as the schema allows: contradictory, with sections foreign to the form.
CASES = sampled() | cases(PLAN.schema)
every_case = given(document=CASES)
thorough = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def decoded(result: Result) -> dict[str, list[Row]]:
    return {table: [decode(PLAN, table, line) for line in lines] for table, lines in result.rows.items()}


def ids(rows: dict[str, list[Row]], table: str) -> set[str | None]:
    return {row[key_of(table)] for row in rows[table]}


def key_of(table: str) -> str:
    return TARGETS[table].id_column if table in TARGETS else f"{table}_id"


def at(document: Document, path: str) -> Any:
    """What stands at a located path; KeyError, IndexError or TypeError when there is no such place."""
    node: Any = document
    rest = path.removeprefix("$")
    for name, quoted, index in STEP.findall(rest):
        node = node[int(index)] if index else node[name or quoted]
    assert "".join(match[0] for match in STEP.finditer(rest)) == rest, path
    return node


@thorough
@every_case
def test_the_same_case_gives_the_same_bytes(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    first = transform(PLAN, document, KEY)
    assert document == before
    assert transform(PLAN, before, KEY) == first
    assert list(first.rows) == list(PLAN.columns)


@thorough
@every_case
def test_another_case_id_changes_ids_only(document: dict[str, Any]) -> None:
    def origins(case_id: int) -> list[list[tuple[str, Any]]]:
        rows = decoded(transform(PLAN, document, KEY._replace(case_id=case_id)))
        return [[(c, local(c, v)) for c, v in row.items()] for table in rows.values() for row in table]

    def local(column: str, value: str | None) -> Any:
        packed = (
            column.endswith("_id") and "concept" not in column and column not in ("person_id", "care_site_id")
        )
        return unpack(int(value))[1:] if packed and value is not None else value

    assert origins(1) == origins(MAX_CASE)


@thorough
@every_case
def test_ids_are_unique_and_belong_to_the_case(document: dict[str, Any]) -> None:
    rows = decoded(transform(PLAN, document, KEY))
    found = [
        int(row[key_of(t)] or 0) for t in rows if t not in ("person", "episode_event") for row in rows[t]
    ]
    first, last = case_range(KEY.case_id)
    assert len(found) == len(set(found))
    assert all(first <= one <= last for one in found)
    assert {unpack(one).rule for one in found} <= {rule.number for rule in PLAN.rules}
    assert all(row["person_id"] == "7" for t in rows if t != "episode_event" for row in rows[t])


@thorough
@every_case
def test_every_link_leads_to_a_row_of_the_right_table(document: dict[str, Any]) -> None:
    rows = decoded(transform(PLAN, document, KEY))
    for table in rows:
        link = TARGETS[table].link if table in TARGETS else None
        for row in rows[table]:
            assert row.get("visit_occurrence_id") is None or row["visit_occurrence_id"] in ids(
                rows, "visit_occurrence"
            )
            for other, column in TARGETS[table].references.items() if table in TARGETS else ():
                assert row.get(column) is None or row[column] in ids(rows, other)
            if link is not None and row[link[0]] is not None:
                assert row[link[0]] in ids(rows, FIELDS[int(row[link[1]] or 0)])
            elif link is not None:
                assert row[link[1]] in (None, "0")
    for row in rows["episode"]:
        assert row["episode_parent_id"] is None or row["episode_parent_id"] in ids(rows, "episode") - {
            row["episode_id"]
        }
    for row in rows["episode_event"]:
        assert row["episode_id"] in ids(rows, "episode")
        assert row["event_id"] in ids(rows, FIELDS[int(row["episode_event_field_concept_id"] or 0)])


@thorough
@every_case
def test_every_date_lies_within_the_case(document: dict[str, Any]) -> None:
    result = transform(PLAN, document, KEY)
    dates = []
    for rows in decoded(result).values():
        for row in rows:
            for column, value in row.items():
                if column.endswith("_datetime") and value is not None:
                    assert value.endswith(" 00:00:00")
                    assert row.get(column.removesuffix("time"), value[:10]) == value[:10]
                    dates.append(value[:10])
                elif column.endswith("_date") and value is not None:
                    dates.append(value)
    assert min([*dates, "2000-01-01"]) == result.first_date
    assert max([*dates, "2000-01-01"]) == result.last_date


@thorough
@every_case
def test_columns_that_must_not_be_null_are_filled(document: dict[str, Any]) -> None:
    rows = decoded(transform(PLAN, document, KEY))
    for table, target in TARGETS.items():
        required = {name for name, column in target.columns.items() if not column.nullable} - target.derived
        for row in rows.get(table, ()):
            assert required <= set(row)
            assert not [name for name in required if row[name] is None]


@thorough
@every_case
def test_texts_fit_their_columns_and_hold_no_python(document: dict[str, Any]) -> None:
    for table, rows in decoded(transform(PLAN, document, KEY)).items():
        for row in rows:
            assert "None" not in row.values()
            for column, value in row.items():
                length = TARGETS[table].length(column) if table in TARGETS else None
                assert value is None or length is None or len(value) <= length


@thorough
@every_case
def test_tracing_gives_the_same_rows_and_problems(document: dict[str, Any]) -> None:
    rows, told = PLAN.empty_rows(), []
    PLAN.trace(document, *KEY, rows, lambda *problem: told.append(Problem(*problem)))
    result = transform(PLAN, document, KEY)
    assert rows == result.rows
    assert tuple(one for one in told if one.kind != "used") == result.told


@thorough
@every_case
def test_problems_and_used_paths_name_places_of_the_document(document: dict[str, Any]) -> None:
    told: list[Problem] = []
    PLAN.trace(document, *KEY, PLAN.empty_rows(), lambda *problem: told.append(Problem(*problem)))
    for one in told:
        assert at(document, one.path) is not None, one
        assert one.kind in {"used", "unmapped", "invalid", "truncated", "implausible"}


@thorough
@every_case
def test_every_value_is_mapped_or_told_to_be_lost(document: dict[str, Any]) -> None:
    assert [leaf for leaf in cover(PLAN, document) if leaf.fate == "unused"] == []


@thorough
@every_case
def test_episodes_end_after_they_start_and_lie_within_their_parent(document: dict[str, Any]) -> None:
    episodes = {row["episode_id"]: row for row in decoded(transform(PLAN, document, KEY)).get("episode", [])}
    for row in episodes.values():
        start, end = row["episode_start_datetime"], row["episode_end_datetime"]
        assert end is None or start <= end
        if row["episode_concept_id"] != "32533":
            parent = episodes[row["episode_parent_id"]]
            assert parent["episode_start_datetime"] <= start
            assert parent["episode_end_datetime"] is None or (end or start) <= parent["episode_end_datetime"]


DAYS_AND_T = st.tuples(st.none() | st.integers(0, 9), st.sampled_from(["cT2", "cT3", "cT4", None]))


@given(st.lists(DAYS_AND_T, max_size=6))
def test_an_episode_of_records_is_of_the_earliest_in_whatever_order(
    records: list[tuple[int | None, str | None]],
) -> None:
    baseline = {"baseline": True, "psadate": "2020-01-01"}
    document = {
        "patientID": "P",
        "useCaseType": "1+2+8+9",
        "clinicalBaselineData": {"age": 70, "psa": [baseline]},
        "followUp": [{"imagingInfo": {"daysAfterBaseline": day, "stage": {"T": t}}} for day, t in records],
    }
    rule = next(one.number for one in PLAN.rules if one.name == "episode.invasive_follow_up")
    rows = decoded(transform(PLAN, document, KEY)).get("episode", [])
    found = [
        (unpack(int(row["episode_id"] or 0)).item, row["episode_source_value"], row["episode_start_datetime"])
        for row in rows
        if unpack(int(row["episode_id"] or 0)).rule == rule
    ]
    invasive = [
        (day, item, t) for item, (day, t) in enumerate(records) if day is not None and t in ("cT3", "cT4")
    ]
    assert found == [(item, t, f"2000-01-{1 + day:02} 00:00:00") for day, item, t in sorted(invasive)[:1]]


@thorough
@every_case
def test_a_disease_is_confined_until_it_goes_further(document: dict[str, Any]) -> None:
    episodes = decoded(transform(PLAN, document, KEY)).get("episode", [])
    confined = [row for row in episodes if row["episode_concept_id"] == "32942"]
    further = [row for row in episodes if row["episode_concept_id"] in ("32943", "32944")]
    for row in confined:
        for other in further:
            # A follow-up that is recorded as earlier than the MRI contradicts it: the end is told.
            before = other["episode_start_datetime"] < row["episode_start_datetime"]
            assert before or row["episode_end_datetime"] <= other["episode_start_datetime"]


PATIENT_WORDS = st.sampled_from(["Zyx wvut", "9876.54321"])


@thorough
@given(document=CASES, other=PATIENT_WORDS)
def test_problems_do_not_hold_values(document: dict[str, Any], other: str) -> None:
    document["finalDiagnosis"] = {**(document.get("finalDiagnosis") or {}), "metastasisOther": other}
    document["patientID"] = other
    for one in transform(PLAN, document, KEY).told:
        assert other not in one.reason and other not in one.path


DEPTHS = st.sampled_from(sorted(LEVEL_BITS))


@given(st.integers(1, MAX_CASE), st.integers(1, MAX_RULE), st.integers(0, 2**20 - 1))
def test_unpack_is_the_inverse_of_pack(case_id: int, rule: int, item: int) -> None:
    row_id = pack(case_id, rule, item)
    assert unpack(row_id) == (case_id, rule, item)
    first, last = case_range(case_id)
    assert first < row_id <= last < 2**63


@given(DEPTHS, st.data())
def test_positions_can_be_read_back(depth: int, data: st.DataObject) -> None:
    places = tuple(data.draw(st.integers(0, capacity - 1)) for capacity in capacities(depth))
    item = 0
    for place, bits in zip(places, LEVEL_BITS[depth], strict=True):
        item = item << bits | place
    assert positions(item, depth) == places


@given(st.integers(1, MAX_CASE - 1))
def test_cases_follow_each_other_without_a_gap(case_id: int) -> None:
    assert case_range(case_id)[1] + 1 == case_range(case_id + 1)[0]
