"""The mapping language, word by word: visits, dates and episodes."""

from pathlib import Path
from typing import Any

import pytest

from tests import mini
from tests.language import Case, compiled, every, holds, one

NO_DATE = "no date within the calendar follows from it"

CASES = [
    # ---- visit
    Case(
        "a visit without a date takes its rows with it",
        "r: {table: measurement, concept: 60 Size, number: size, visit: scan}",
        {"size": 1, "days": None},
        (),
        ("r: invalid $.size: its visit 'scan' has no date",),
    ),
    Case(
        "a visit beyond the calendar",
        "r: {table: measurement, concept: 60 Size, number: size, visit: scan}",
        {"size": 1, "days": 10**9},
        (),
        (f"visit.scan: invalid $.days: {NO_DATE}", "r: invalid $.size: its visit 'scan' has no date"),
    ),
    Case(
        "days may be negative, and a whole float",
        "r: {table: measurement, concept: 60 Size, visit: scan}",
        {"days": -31.0},
        (
            "visit_occurrence visit.scan 21 visit_start_date=1999-12-01",
            "measurement r 60 measurement_date=1999-12-01 visit_occurrence_id=visit.scan",
        ),
    ),
    Case(
        "a visit for each item",
        "r: {table: measurement, each: items, concept: 60 Size, number: size, visit: entry}",
        {"items": [{"size": 1, "on": "2020-06-15"}, {"size": 2}, {"size": 3, "on": "2021-06-15"}]},
        (
            "visit_occurrence visit.entry[0] 21",
            "visit_occurrence visit.entry[2] 21 visit_start_date=2000-12-31",
            "measurement r[0] 60 value_as_number=1 visit_occurrence_id=visit.entry[0] value_source_value=1",
            "measurement r[2] 60 measurement_date=2000-12-31 value_as_number=3"
            " visit_occurrence_id=visit.entry[2]"
            " value_source_value=3",
        ),
        ("r: invalid $.items[1].size: its visit 'entry' has no date",),
    ),
    Case(
        "a visit by condition",
        "r: {table: measurement, each: items, concept: 60 Size, number: size,"
        " visit: {first: [{when: flag, is: start}, entry]}}",
        {"items": [{"size": 1, "flag": True}, {"size": 2, "on": "2020-06-14"}, {"size": 3}]},
        (
            "visit_occurrence visit.entry[1] 21 visit_start_date=1999-12-31",
            "measurement r[0] 60 value_as_number=1 value_source_value=1",
            "measurement r[1] 60 measurement_date=1999-12-31 value_as_number=2"
            " visit_occurrence_id=visit.entry[1]"
            " value_source_value=2",
        ),
        ("r: invalid $.items[2].size: none of its visits has a date",),
    ),
    # ---- date, end
    Case(
        "a date instead of a visit",
        "r: {table: measurement, concept: 60 Size, date: baseline}",
        {},
        ("measurement r 60",),
    ),
    Case(
        "a real date moves with the baseline",
        "r: {table: measurement, concept: 60 Size, date: other_day}",
        {"other_day": "2020-06-01"},
        ("measurement r 60 measurement_date=1999-12-18",),
    ),
    Case(
        "a date of a row beside its visit",
        one("number: size, date: other_day"),
        {"size": 1, "other_day": "2020-06-20"},
        ("measurement r 60 measurement_date=2000-01-06 value_as_number=1 value_source_value=1",),
    ),
    Case(
        "... falls back on the visit's date",
        one("number: size, date: other_day"),
        {"size": 1},
        ("measurement r 60 value_as_number=1 value_source_value=1",),
    ),
    Case(
        "a date of its own, and no such visit",
        "r: {table: measurement, concept: 60 Size, visit: scan, date: other_day}",
        {"other_day": "2020-06-15"},
        ("measurement r 60",),
    ),
    Case(
        "no date at all",
        "r: {table: measurement, concept: 60 Size, number: size, date: other_day}",
        {"size": 1},
        (),
        ("r: invalid $.size: the row has no date",),
    ),
    Case(
        "no baseline, no real date",
        "r: {table: measurement, concept: 60 Size, number: size, date: other_day}",
        {"size": 1, "day": None, "other_day": "2020-06-15"},
        (),
        ("r: invalid $.size: the row has no date", "r: invalid $.other_day: the row has no date"),
    ),
    Case(
        "no date, and every value of the rows recorded of it is told",
        """
        r:
          each: items
          table: condition_occurrence
          concept: 50 Lump
          date: $.other_day
          rows:
            size: {table: measurement, concept: 60 Size, number: size}
            tag: {each: tags, table: observation, concept: 70 Remark, text: "{@}"}
        """,
        {"items": [{"size": 1, "tags": ["x", "y"]}, {"size": None}]},
        (),
        (
            "r: invalid $.items[0]: the row has no date",
            "r.size: invalid $.items[0].size: the row has no date",
            "r.tag: invalid $.items[0].tags[0]: the row has no date",
            "r.tag: invalid $.items[0].tags[1]: the row has no date",
            "r: invalid $.items[1]: the row has no date",
        ),
    ),
    Case(
        "a list of dates: the first that is known",
        "r: {table: measurement, concept: 60 Size, date: [other_day, scan, baseline]}",
        {"days": 1},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-02",
            "measurement r 60 measurement_date=2000-01-02",
        ),
    ),
    Case(
        "months later: the month's last day stands in",
        "r: {table: measurement, concept: 60 Size, date: other_day + count months}",
        {"other_day": "2020-07-15", "count": 1},
        ("measurement r 60 measurement_date=2000-02-29",),
    ),
    Case(
        "years later",
        "r: {table: measurement, concept: 60 Size, date: baseline + count years}",
        {"count": -1},
        ("measurement r 60 measurement_date=1999-01-01",),
    ),
    Case(
        "days after a visit, and then months",
        "r: {table: measurement, concept: 60 Size, date: scan + count days + score months}",
        {"days": 1, "count": 2, "score": 1},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-02",
            "measurement r 60 measurement_date=2000-02-04",
        ),
    ),
    Case(
        "a condition ends",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: other_day}",
        {"other_day": "2020-06-18"},
        ("condition_occurrence r 50 condition_end_date=2000-01-04",),
    ),
    Case(
        "a condition that has not ended",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: other_day}",
        {},
        ("condition_occurrence r 50",),
    ),
    Case(
        "the end may be the date of an item's visit",
        "r: {table: condition_occurrence, each: items,"
        " concept: 50 Finding, visit: start, end: [entry, baseline + $.days days]}",
        {"items": [{"on": "2020-06-16"}, {}], "days": 5},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-06",
            "visit_occurrence visit.entry[0] 21 visit_start_date=2000-01-02",
            "condition_occurrence r[0] 50 condition_end_date=2000-01-02",
            "condition_occurrence r[1] 50 condition_end_date=2000-01-06",
        ),
    ),
    Case(
        "an end before the start is left out, and told",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: other_day}",
        {"other_day": "2020-06-14"},
        ("condition_occurrence r 50",),
        ("r: invalid $.other_day: the end lies before the start",),
    ),
    Case(
        "an end before the start, by way of a visit",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: scan}",
        {"days": -1},
        ("visit_occurrence visit.scan 21 visit_start_date=1999-12-31", "condition_occurrence r 50"),
        ("r: invalid $.days: the end lies before the start",),
    ),
    Case(
        "an end before the start, in a table that requires an end",
        "r: {table: drug_exposure, concept: 40 Scan, visit: start, end: other_day}",
        {"other_day": "2020-06-14"},
        ("drug_exposure r 40",),
        ("r: invalid $.other_day: the end lies before the start",),
    ),
    Case(
        "the earliest and the latest of the dates that are known",
        "r: {table: condition_occurrence, concept: 50 Finding,"
        " date: {earliest: [other_day, scan]}, end: {latest: [baseline, scan, other_day]}}",
        {"other_day": "2020-06-18", "days": 1},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-02",
            "condition_occurrence r 50 condition_start_date=2000-01-02 condition_end_date=2000-01-04",
        ),
    ),
    Case(
        "the earliest of dates of which none is known",
        "r: {table: condition_occurrence, concept: 50 Finding, date: {earliest: [other_day, scan]}}",
        {},
        (),
        ("r: invalid $: the row has no date",),
    ),
    Case(
        "names that look alike are not mixed up",
        "a: {table: procedure_occurrence, concept: 40 Scan, visit: scan, when: flag}\n"
        "r: {table: measurement, concept: 60 Size, number: size, visit: scan_date, of: a}",
        {"flag": True, "size": 1, "days": 3},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-04",
            "visit_occurrence visit.scan_date 21",
            "procedure_occurrence a 40 procedure_date=2000-01-04 visit_occurrence_id=visit.scan",
            "measurement r 60 value_as_number=1 visit_occurrence_id=visit.scan_date value_source_value=1"
            " modifier_of_event_id=a modifier_of_field_concept_id=1147082",
        ),
        mapping={"  entry:": "  scan_date: {concept: 21 Scan visit, date: baseline}\n  entry:"},
    ),
    Case(
        "a drug without an end ends when it starts, for the table requires one",
        "r: {table: drug_exposure, concept: 40 Scan, visit: start}",
        {},
        ("drug_exposure r 40",),
    ),
    Case(
        "a device",
        "r: {table: device_exposure, concept: 40 Scan, visit: start}",
        {},
        ("device_exposure r 40",),
    ),
    Case(
        "a specimen has no visit column",
        "r: {table: specimen, concept: 40 Scan, visit: start}",
        {},
        ("specimen r 40",),
    ),
    # ---- episode
    Case(
        "an event of an episode",
        one("episode: whole"),
        {"ill": True},
        (
            "measurement r 60",
            "episode episode.whole 90 episode_object_concept_id=50",
            "episode_event 1147138 episode_id=episode.whole event_id=r",
        ),
    ),
    Case("no episode, no event", one("episode: whole"), {"ill": False}, ("measurement r 60",)),
    Case(
        "an episode within an episode, with an end",
        one("number: size"),
        {"ill": True, "days": 2},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-03",
            "episode episode.whole 90 episode_end_datetime=2000-01-03 episode_object_concept_id=50",
            "episode episode.inner 91 episode_start_datetime=2000-01-03 episode_parent_id=episode.whole"
            " episode_object_concept_id=51",
        ),
        mapping={
            "start: baseline, when: ill}": "start: baseline, end: scan, when: ill}\n"
            "  inner: {concept: 91 Part, object: 51 No finding, start: scan, parent: whole}"
        },
    ),
    Case(
        "an episode whose parent is not there, and without a start",
        one("number: size"),
        {"days": 2},
        (
            "visit_occurrence visit.scan 21 visit_start_date=2000-01-03",
            "episode episode.inner 91 episode_start_datetime=2000-01-03 episode_object_concept_id=51",
        ),
        mapping={
            "start: baseline, when: ill}": "start: baseline, when: ill}\n"
            "  inner: {concept: 91 Part, object: 51 No finding, start: scan, parent: whole}\n"
            "  late: {concept: 91 Part, object: 51 No finding, start: other_day}"
        },
    ),
]


@every(CASES)
def test_a_rule_and_a_document_give_exactly_these_rows(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


@pytest.mark.parametrize(
    ("baseline", "document", "moved"),
    [
        ("{is: 2000-01-01, date: day}", {"day": "2020-06-15"}, "2000-01-06"),
        ("{is: 1999-12-31, date: day}", {"day": "2020-06-15"}, "2000-01-05"),
        ("{is: 2000-01-01, each: items, when: flag, date: on}",
         {"items": [{"on": "2020-01-01"}, {"on": "2020-06-15", "flag": True}]}, "2000-01-06"),
        ("{is: 2000-01-01, each: items, when: $.flag, date: $.day}",
         {"items": [{}], "flag": True, "day": "2020-06-15"}, "2000-01-06"),
        ("{is: 2000-01-01, each: 'items[*].subs', when: size, date: $.day}",
         {"items": [{"subs": [{"size": 1}]}], "day": "2020-06-15"}, "2000-01-06"),
    ],
)  # fmt: skip
def test_the_real_baseline_is_read_from_where_it_stands(
    tmp_path: Path, baseline: str, document: dict[str, Any], moved: str
) -> None:
    rule = "r: {table: measurement, concept: 60 Size, date: other_day}"
    plan = compiled(tmp_path, rule, {"{is: 2000-01-01, date: day}": baseline})
    result = mini.run(plan, {"day": None, **document}, other_day="2020-06-20")
    assert [row for row in result.rows if row.startswith("measurement")] == [
        f"measurement r 60 measurement_date={moved}"
    ]


def test_without_a_real_baseline_days_still_count(tmp_path: Path) -> None:
    rule = "r: {table: measurement, concept: 60 Size, visit: scan}"
    plan = compiled(
        tmp_path, rule, {"{is: 2000-01-01, date: day}": "{is: 2000-01-01}", "date: on}": "date: $.day}"}
    )
    assert (
        mini.run(plan, {"days": 1})
        .rows[-1]
        .endswith("measurement_date=2000-01-02 visit_occurrence_id=visit.scan")
    )
