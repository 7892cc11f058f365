"""The mapping language, word by word: visits, dates and episodes."""

from pathlib import Path
from typing import Any

import pytest

from tests import mini
from tests.language import Case, compiled, every, fates, holds, one

NO_DATE = "no date within the calendar follows from it"

PER = {
    "define:\n": "  per: {concept: 91 Part, object: 50 Finding, each: items, when: flag, start: on}\n"
    "define:\n"
}
LATE = {"  entry:": "  late: {concept: 21 Scan visit, date: [other_day, baseline + count days]}\n  entry:"}


def entries(*days: str) -> tuple[str, ...]:
    """The visits of items by their dates; no visit without one."""
    dated = (
        (place, "" if day == "2000-01-01" else f" visit_start_date={day}")
        for place, day in enumerate(days)
        if day
    )
    return tuple(f"visit_occurrence visit.entry[{place}] 21{shown}" for place, shown in dated)


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
    # ---- episodes for an item
    Case(
        "an episode with each: the item with the earliest start of those whose condition holds",
        one("number: size, episode: per"),
        {
            "size": 1,
            "items": [
                {"on": "2020-06-16"},
                {"flag": True, "on": "2020-06-18"},
                {"flag": True, "on": "2020-06-17"},
                {"flag": True, "on": "2020-06-19"},
            ],
        },
        (
            *entries("2000-01-02", "2000-01-04", "2000-01-03", "2000-01-05"),
            "measurement r 60 value_as_number=1 value_source_value=1",
            "episode episode.per[2] 91 episode_start_datetime=2000-01-03 episode_object_concept_id=50",
            "episode_event 1147138 episode_id=episode.per[2] event_id=r",
        ),
        mapping=PER,
    ),
    Case(
        "... of equals the first in the list",
        one("number: size"),
        {"items": [{"flag": True, "on": f"2020-06-{day}"} for day in (18, 16, 16, 17)]},
        (
            *entries("2000-01-04", "2000-01-02", "2000-01-02", "2000-01-03"),
            "episode episode.per[1] 91 episode_start_datetime=2000-01-02 episode_object_concept_id=50",
        ),
        mapping=PER,
    ),
    Case(
        "... also before the baseline, and in a list in a list",
        one("number: size"),
        {
            "items": [
                {"on": "2020-06-15", "subs": [{"size": 1}]},
                {"on": "2020-06-14", "subs": [{}, {"size": 2}, {"size": 3}]},
                {"on": "2020-06-13", "subs": [{}]},
                {"on": "2020-06-14", "subs": [{"size": 4}]},
            ]
        },
        (
            *entries("2000-01-01", "1999-12-31", "1999-12-30", "1999-12-31"),
            "episode episode.per[1][1] 91 episode_start_datetime=1999-12-31 episode_object_concept_id=50"
            " episode_source_value=2",
        ),
        mapping={
            "define:\n": "  per: {concept: 91 Part, object: 50 Finding, each: 'items[*].subs', when: size,"
            " start: entry, source_value: '{size}'}\ndefine:\n"
        },
    ),
    Case(
        "... a date that no calendar has is passed over and told, wherever its item stands",
        one("number: size"),
        {"others": [{"first": 10**9}, {"first": 2}, {"first": 1}, {"first": -(10**9)}]},
        ("episode episode.per[2] 91 episode_start_datetime=2000-01-02 episode_object_concept_id=50",),
        (
            f"episode.per: invalid $.others[0].first: {NO_DATE}",
            f"episode.per: invalid $.others[3].first: {NO_DATE}",
        ),
        mapping={
            "define:\n": "  per: {concept: 91 Part, object: 50 Finding, each: others,"
            " start: baseline + first days}\ndefine:\n"
        },
    ),
    Case(
        "... what is wrong with it is told of that item only",
        one("number: size"),
        {"days": -5, "word": "new", "items": [{"on": "2020-06-18"}, {"on": "2020-06-17"}, {}]},
        (
            "visit_occurrence visit.scan 21 visit_start_date=1999-12-27",
            *entries("2000-01-04", "2000-01-03", ""),
            "episode episode.per[1] 91 episode_start_datetime=2000-01-03 episode_object_concept_id=50",
        ),
        (
            "episode.per: invalid $.days: the end lies before the start",
            "episode.per: invalid $.word: 'episode_source_value' has nothing for this value in 'map'",
        ),
        mapping={
            "define:\n": "  per: {concept: 91 Part, object: 50 Finding, each: items, start: on, end: scan,"
            " source_value: {from: $.word, map: {known: K}}}\ndefine:\n"
        },
    ),
    Case(
        "an episode with each: no item, no episode and no event",
        one("number: size, episode: per"),
        {"size": 1, "items": [{"on": "2020-06-16"}, {"flag": False}]},
        (*entries("2000-01-02"), "measurement r 60 value_as_number=1 value_source_value=1"),
        mapping=PER,
    ),
    Case(
        "an episode with each passes over an item that has no date",
        one("number: size"),
        {"items": [{"flag": True}, {"flag": True, "on": "2020-06-16"}]},
        (
            "visit_occurrence visit.entry[1] 21 visit_start_date=2000-01-02",
            "episode episode.per[1] 91 episode_start_datetime=2000-01-02 episode_object_concept_id=50",
        ),
        mapping=PER,
    ),
    Case(
        "an episode of an item starts with its visit, is part of another, and has events",
        "r: {table: measurement, each: items, concept: 60 Size, number: size, visit: start, episode: per}",
        {"ill": True, "items": [{"size": 1}, {"flag": True, "on": "2020-06-16", "size": 2}]},
        (
            "visit_occurrence visit.entry[1] 21 visit_start_date=2000-01-02",
            "measurement r[0] 60 value_as_number=1 value_source_value=1",
            "measurement r[1] 60 value_as_number=2 value_source_value=2",
            "episode episode.whole 90 episode_object_concept_id=50",
            "episode episode.per[1] 91 episode_start_datetime=2000-01-02"
            " episode_end_datetime=2000-01-05 episode_parent_id=episode.whole episode_object_concept_id=50",
            "episode_event 1147138 episode_id=episode.per[1] event_id=r[0]",
            "episode_event 1147138 episode_id=episode.per[1] event_id=r[1]",
        ),
        mapping={
            "define:\n": "  per: {concept: 91 Part, object: 50 Finding, each: items, when: flag,"
            " start: entry, end: entry + 3 days, parent: whole}\ndefine:\n"
        },
    ),
    Case(
        "what an episode of an item is about may stand in the item",
        one("number: size"),
        {"items": [{"grade": "low"}, {"flag": True, "grade": "high", "on": "2020-06-15"}]},
        (*entries("", "2000-01-01"), "episode episode.per[1] 91 episode_object_concept_id=51"),
        mapping={
            "define:\n": "  per: {concept: 91 Part, each: items, when: flag, start: on,"
            " object: {from: grade, map: {low: 50 Finding, high: 51 No finding}}}\ndefine:\n"
        },
    ),
    Case(
        "an episode that ends when the next one starts, which is part of it",
        one("number: size"),
        {"ill": True, "items": [{"flag": True, "on": "2020-06-16"}]},
        (
            *entries("2000-01-02"),
            "episode episode.whole 90 episode_object_concept_id=50",
            "episode episode.per[0] 91 episode_start_datetime=2000-01-02 episode_object_concept_id=50",
            "episode episode.last 91 episode_start_datetime=2000-01-05 episode_end_datetime=2000-02-02"
            " episode_parent_id=episode.per[0] episode_object_concept_id=50",
        ),
        mapping={
            "define:\n": "  per: {concept: 91 Part, object: 50 Finding, each: items, when: flag, start: on}\n"
            "  last: {concept: 91 Part, object: 50 Finding, parent: per, start: per + 3 days,"
            " end: per + 1 months}\ndefine:\n"
        },
    ),
    Case(
        "an episode asks for another",
        one("number: size"),
        {"items": [{"flag": True, "on": "2020-06-16"}]},
        (
            *entries("2000-01-02"),
            "episode episode.per[0] 91 episode_start_datetime=2000-01-02 episode_object_concept_id=50",
            "episode episode.with_per 91 episode_object_concept_id=50",
        ),
        mapping={
            "define:\n": "  per: {concept: 91 Part, object: 50 Finding, each: items, when: flag, start: on}\n"
            "  with_per: {concept: 91 Part, object: 50 Finding, start: baseline,"
            " when: {episode: per}}\n"
            "  with_whole: {concept: 91 Part, object: 50 Finding, start: baseline,"
            " when: {episode: whole}}\ndefine:\n"
        },
    ),
    Case(
        "an episode of an item asks for another of the same list, also for one that another item begins",
        one("number: size"),
        {"items": [{"on": "2020-06-16"}, {"flag": True, "on": "2020-06-17"}]},
        (
            *entries("2000-01-02", "2000-01-03"),
            "episode episode.per[1] 91 episode_start_datetime=2000-01-03 episode_object_concept_id=50",
            "episode episode.then[0] 91 episode_start_datetime=2000-01-02 episode_object_concept_id=50",
            "episode episode.with_it[0] 91 episode_start_datetime=2000-01-03 episode_object_concept_id=50",
        ),
        mapping={
            "define:\n": "  per: {concept: 91 Part, object: 50 Finding, each: items, when: flag, start: on}\n"
            "  then: {concept: 91 Part, object: 50 Finding, each: items, start: on, when: {episode: per}}\n"
            "  with_it: {concept: 91 Part, object: 50 Finding, each: items, start: [per, on]}\n"
            "define:\n"
        },
    ),
    Case(
        "a rule asks for an episode",
        one("when: {not: {episode: whole}}") + "\n" + one("when: {episode: whole}").replace("r:", "s:"),
        {"ill": True},
        ("measurement s 60", "episode episode.whole 90 episode_object_concept_id=50"),
    ),
    Case(
        "an episode's name is its start",
        "r: {table: condition_occurrence, concept: 50 Finding, date: per + 2 days, end: per + 1 years}",
        {"items": [{"flag": True, "on": "2020-06-16"}]},
        (
            *entries("2000-01-02"),
            "condition_occurrence r 50 condition_start_date=2000-01-04 condition_end_date=2001-01-02",
            "episode episode.per[0] 91 episode_start_datetime=2000-01-02 episode_object_concept_id=50",
        ),
        mapping=PER,
    ),
    Case(
        "an episode that is not there has no date",
        "r: {table: measurement, concept: 60 Size, number: size, date: whole}\n"
        "s: {table: measurement, concept: 60 Size, number: size, date: [whole, baseline]}",
        {"size": 1},
        ("measurement s 60 value_as_number=1 value_source_value=1",),
        ("r: invalid $.size: the row has no date",),
    ),
    # ---- earliest and latest over items
    Case(
        "the earliest and the latest visit of all items, from the case",
        "r: {table: condition_occurrence, concept: 50 Finding,"
        " date: {earliest: [entry, other_day]}, end: {latest: [entry, baseline]}}",
        {"items": [{"on": "2020-06-20"}, {}, {"on": "2020-06-17"}], "other_day": "2020-06-18"},
        (
            *entries("2000-01-06", "", "2000-01-03"),
            "condition_occurrence r 50 condition_start_date=2000-01-03 condition_end_date=2000-01-06",
        ),
    ),
    Case(
        "... from inside an item: its own",
        "r: {table: measurement, each: items, concept: 60 Size, date: {latest: [entry, baseline]}}",
        {"items": [{"on": "2020-06-20"}, {}, {"on": "2020-06-17"}]},
        (
            *entries("2000-01-06", "", "2000-01-03"),
            "measurement r[0] 60 measurement_date=2000-01-06",
            "measurement r[1] 60",
            "measurement r[2] 60 measurement_date=2000-01-03",
        ),
    ),
    Case(
        "... from inside an item of another list: of all",
        "r: {table: measurement, each: others, concept: 60 Size, date: {latest: [entry]}}",
        {"items": [{"on": "2020-06-20"}, {}, {"on": "2020-06-17"}], "others": [{}]},
        (*entries("2000-01-06", "", "2000-01-03"), "measurement r[0] 60 measurement_date=2000-01-06"),
    ),
    Case(
        "... from inside another list of the same item: of that item's",
        "r: {table: measurement, each: 'items[*].tags', concept: 60 Size, date: {latest: [part]}}",
        {
            "other_day": "2020-06-15",
            "items": [
                {"subs": [{"size": 1}, {"size": 3}], "tags": ["a"]},
                {"subs": [{"size": 2}], "tags": ["b", "c"]},
                {"tags": ["d"]},
            ],
        },
        (
            "visit_occurrence visit.part[0][0] 21",
            "visit_occurrence visit.part[0][1] 21 visit_start_date=2000-01-08",
            "visit_occurrence visit.part[1][0] 21",
            "measurement r[0][0] 60 measurement_date=2000-01-08",
            "measurement r[1][0] 60",
            "measurement r[1][1] 60",
        ),
        ("r: invalid $.items[2].tags[0]: the row has no date",),
        mapping={
            "  entry:": "  part: {concept: 21 Scan visit, each: 'items[*].subs', when: size,"
            " date: [{when: {path: size, in: [3]}, is: baseline + 7 days}, baseline]}\n  entry:"
        },
    ),
    Case(
        "... when no item has a date",
        "r: {table: measurement, concept: 60 Size, number: size, date: {earliest: [entry]}}",
        {"size": 1, "items": [{}, {"on": None}]},
        (),
        ("r: invalid $.size: the row has no date",),
    ),
    Case(
        "a visit of the case at the latest visit of its items",
        "r: {table: measurement, concept: 60 Size, visit: closing}",
        {"items": [{"on": "2020-06-17"}, {"on": "2020-06-16"}]},
        (
            *entries("2000-01-03", "2000-01-02"),
            "visit_occurrence visit.closing 21 visit_start_date=2000-01-03",
            "measurement r 60 measurement_date=2000-01-03 visit_occurrence_id=visit.closing",
        ),
        mapping={"episodes:\n": "  closing: {concept: 21 Scan visit, date: {latest: [entry]}}\nepisodes:\n"},
    ),
    # ---- dates by condition, literal counts
    Case(
        "a date by condition, first in a list",
        "r: {table: measurement, each: items, concept: 60 Size, "
        " date: [{when: flag, is: on}, baseline + 1 months]}",
        {"items": [{"flag": True, "on": "2020-06-16"}, {"flag": False, "on": "2020-06-16"}, {"flag": True}]},
        (
            *entries("2000-01-02", "2000-01-02"),
            "measurement r[0] 60 measurement_date=2000-01-02",
            "measurement r[1] 60 measurement_date=2000-02-01",
            "measurement r[2] 60 measurement_date=2000-02-01",
        ),
    ),
    Case(
        "a date by condition alone, and it does not hold",
        "r: {table: measurement, concept: 60 Size, number: size, date: {when: flag, is: other_day}}",
        {"size": 1, "other_day": "2020-06-16"},
        (),
        ("r: invalid $.size: the row has no date", "r: invalid $.other_day: the row has no date"),
    ),
    Case(
        "a literal number of days, months and years",
        "r: {table: condition_occurrence, concept: 50 Finding, date: other_day + 30 days + 1 months,"
        " end: baseline + 12 years}",
        {"other_day": "2020-06-15"},
        ("condition_occurrence r 50 condition_start_date=2000-02-29 condition_end_date=2012-01-01",),
    ),
    # ---- what is to blame
    Case(
        "a visit without a date: the recorded value that leads beyond the calendar is told",
        "r: {table: measurement, concept: 60 Size, number: size, visit: late}",
        {"count": 10**9},
        (),
        (f"visit.late: invalid $.count: {NO_DATE}",),
        mapping=LATE,
    ),
    Case(
        "a visit whose date by condition is not asked for is just not there",
        "r: {table: measurement, concept: 60 Size, number: size, visit: guarded}",
        {"other_day": "2020-06-16"},
        mapping={
            "  entry:": "  guarded: {concept: 21 Scan visit, date: {when: flag, is: other_day}}\n  entry:"
        },
    ),
    Case(
        "... and is told when it is asked for and leads nowhere",
        "r: {table: measurement, concept: 60 Size, number: size, visit: guarded}",
        {"day": None, "flag": True, "other_day": "2020-06-16"},
        (),
        (f"visit.guarded: invalid $.other_day: {NO_DATE}",),
        mapping={
            "  entry:": "  guarded: {concept: 21 Scan visit, date: {when: flag, is: other_day}}\n  entry:"
        },
    ),
    Case(
        "a row's own date beyond the calendar is told; the row has its visit's",
        "r: {table: measurement, concept: 60 Size, number: size, visit: start,"
        " date: baseline + count months}",
        {"size": 1, "count": 10**6},
        ("measurement r 60 value_as_number=1 value_source_value=1",),
        (f"r: invalid $.count: {NO_DATE}",),
    ),
    Case(
        "... a real date without a baseline, once for the row and those recorded of it",
        "r: {table: condition_occurrence, each: items, concept: 50 Finding, visit: start, date: on,"
        " rows: {size: {table: measurement, concept: 60 Size, number: size}}}",
        {"day": None, "items": [{"on": "2020-06-16", "size": 1}, {}]},
        (
            "condition_occurrence r[0] 50",
            "condition_occurrence r[1] 50",
            "measurement r.size[0] 60 value_as_number=1 value_source_value=1 modifier_of_event_id=r[0]"
            " modifier_of_field_concept_id=1147127",
        ),
        (f"visit.entry: invalid $.items[0].on: {NO_DATE}", f"r: invalid $.items[0].on: {NO_DATE}"),
    ),
    Case(
        "... nothing is told where none is recorded, its condition does not hold, or another is known",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, date: other_day}\n"
        "s: {table: condition_occurrence, concept: 50 Finding, visit: start,"
        " date: {when: flag, is: baseline + count months}}\n"
        "t: {table: condition_occurrence, concept: 50 Finding, visit: start,"
        " date: [baseline + count months, baseline + score days]}",
        {"count": 10**6, "score": 1},
        (
            "condition_occurrence r 50",
            "condition_occurrence s 50",
            "condition_occurrence t 50 condition_start_date=2000-01-02",
        ),
    ),
    Case(
        "... and a row whose visit has no date either is told with it",
        "r: {table: measurement, concept: 60 Size, number: size, visit: scan, date: other_day}",
        {"day": None, "size": 1, "other_day": "2020-06-16"},
        (),
        ("r: invalid $.size: the row has no date", "r: invalid $.other_day: the row has no date"),
    ),
    Case(
        "no date: the first condition that is recorded is told, or else the item",
        "r: {table: measurement, concept: 60 Size, date: other_day, when: {any: [flag, grade, {not: ill}]}}",
        {"grade": "low"},
        (),
        ("r: invalid $.grade: the row has no date",),
    ),
    Case(
        "no date: a nested row that would only say that its condition holds is told too",
        "r: {table: condition_occurrence, each: items, concept: 50 Finding, visit: entry, rows: {"
        " a: {table: observation, concept: 97 Seen, when: flag},"
        " b: {table: measurement, concept: 60 Size, number: size, when: {path: grade, in: [low]}}}}",
        {"items": [{"flag": True}, {"grade": "high", "size": None}]},
        (),
        (
            "r: invalid $.items[0]: its visit 'entry' has no date",
            "r.a: invalid $.items[0].flag: its visit 'entry' has no date",
            "r: invalid $.items[1]: its visit 'entry' has no date",
            "r.b: invalid $.items[1].grade: its visit 'entry' has no date",
        ),
    ),
    Case(
        "an end before the start: the one of several dates that it is",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: [other_day, scan]}",
        {"days": -1},
        ("visit_occurrence visit.scan 21 visit_start_date=1999-12-31", "condition_occurrence r 50"),
        ("r: invalid $.days: the end lies before the start",),
    ),
    Case(
        "... the latest of them",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start,"
        " end: {latest: [other_day, scan]}}",
        {"days": -1, "other_day": "2020-06-13"},
        ("visit_occurrence visit.scan 21 visit_start_date=1999-12-31", "condition_occurrence r 50"),
        ("r: invalid $.days: the end lies before the start",),
    ),
    Case(
        "... the value that the visit has its date from",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: late}",
        {"count": -1},
        ("visit_occurrence visit.late 21 visit_start_date=1999-12-31", "condition_occurrence r 50"),
        ("r: invalid $.count: the end lies before the start",),
        mapping=LATE,
    ),
    Case(
        "... of its own item's visit, and of all items' from outside",
        "r: {table: condition_occurrence, each: items, concept: 50 Finding, visit: start, end: entry}\n"
        "s: {table: condition_occurrence, concept: 50 Finding, visit: start, end: {latest: [entry]}}",
        {"items": [{}, {"on": "2020-06-13"}]},
        (
            "visit_occurrence visit.entry[1] 21 visit_start_date=1999-12-30",
            "condition_occurrence r[0] 50",
            "condition_occurrence r[1] 50",
            "condition_occurrence s 50",
        ),
        (
            "r: invalid $.items[1].on: the end lies before the start",
            "s: invalid $: the end lies before the start",
        ),
    ),
    Case(
        "... of an episode",
        "r: {table: condition_occurrence, concept: 50 Finding, visit: start, end: early}",
        {"other_day": "2020-06-13"},
        (
            "condition_occurrence r 50",
            "episode episode.early 91 episode_start_datetime=1999-12-30 episode_object_concept_id=50",
        ),
        ("r: invalid $.other_day: the end lies before the start",),
        mapping={"define:\n": "  early: {concept: 91 Part, object: 50 Finding, start: other_day}\ndefine:\n"},
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


def test_a_condition_of_an_episode_of_items_uses_the_values_of_every_item(tmp_path: Path) -> None:
    plan = compiled(tmp_path, one("number: size"), PER)
    on = "2020-06-16"
    found = fates(plan, {"items": [{"flag": False}, {"flag": True, "on": on}, {"flag": True, "on": on}]})
    assert set(found.values()) == {"mapped"}


def test_every_date_that_an_episode_of_items_compares_is_used(tmp_path: Path) -> None:
    words = "per: {concept: 91 Part, object: 50 Finding, each: others, start: baseline + first days}"
    plan = compiled(tmp_path, one("number: size"), {"define:\n": f"  {words}\ndefine:\n"})
    found = fates(plan, {"others": [{"first": 3}, {"first": 1}, {"first": 10**9}, {"first": 2}]})
    assert list(found.values()) == ["mapped", "mapped", "problem", "mapped"]
