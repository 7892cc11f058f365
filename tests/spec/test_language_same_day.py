"""The mapping language, word by word: ``same_day`` and ``same_visit``."""

from pathlib import Path

import pytest

from tests import mini
from tests.language import Case, compiled, every, fates, holds

#: By the names of the days below: what a document records, and what becomes of it.
RECORDED = {"baseline": "2020-06-15", "fifth": "2020-06-20", "tenth": "2020-06-25"}
MOVED = {"baseline": "", "fifth": "2000-01-06", "tenth": "2000-01-11"}
SCAN = "visit_occurrence visit.scan 21 visit_start_date=2000-01-06"


def rule(visit: str, words: str = "") -> str:
    own = "each: others, concept: 60 Size, number: size, date: on"
    return f"r: {{table: measurement, {own}, visit: {visit}{words}}}"


def on(*days: str) -> list[dict[str, object]]:
    """Items of these days; each has a size that tells it."""
    return [{"on": RECORDED.get(day), "size": place} for place, day in enumerate(days)]


def entry(place: int, day: str) -> str:
    shown = f" visit_start_date={MOVED[day]}" if MOVED[day] else ""
    return f"visit_occurrence visit.entry[{place}] 21{shown}"


def row(place: int, day: str, visit: str = "", of: str = "") -> str:
    """The row of an item of that day."""
    words = [f"measurement r[{place}] 60"]
    words += [f"measurement_date={MOVED[day]}"] if MOVED[day] else []
    words += [f"value_as_number={place}"]
    words += [f"visit_occurrence_id=visit.{visit}"] if visit else []
    words += [f"value_source_value={place}"]
    words += [f"modifier_of_event_id={of}", "modifier_of_field_concept_id=1147082"] if of else []
    return " ".join(words)


ANY = "{same_day: [scan, entry]}"
VISITS = [
    Case(
        "the case's visit of that day",
        rule(ANY),
        {"days": 5, "others": on("fifth")},
        (SCAN, row(0, "fifth", "scan")),
    ),
    Case(
        "of a visit that each item of another list has, the one of that day",
        rule(ANY),
        {"items": on("fifth", "", "tenth"), "others": on("tenth", "fifth")},
        (entry(0, "fifth"), entry(2, "tenth"), row(0, "tenth", "entry[2]"), row(1, "fifth", "entry[0]")),
    ),
    Case(
        "of two items of one day, the first",
        rule(ANY),
        {"items": on("tenth", "fifth", "fifth"), "others": on("fifth")},
        (entry(0, "tenth"), entry(1, "fifth"), entry(2, "fifth"), row(0, "fifth", "entry[1]")),
    ),
    Case(
        "of two visits of one day, the one named first",
        rule("{same_day: [entry, scan]}"),
        {"days": 5, "items": on("fifth"), "others": on("fifth")},
        (SCAN, entry(0, "fifth"), row(0, "fifth", "entry[0]")),
    ),
    Case(
        "on a day of none, no visit, and the row stays",
        rule(ANY),
        {"days": 5, "items": on("fifth"), "others": on("tenth")},
        (SCAN, entry(0, "fifth"), row(0, "tenth")),
    ),
    Case(
        "without a day, no row",
        rule(ANY),
        {"days": 5, "others": [{"size": 7}]},
        (SCAN,),
        ("r: invalid $.others[0].size: the row has no date",),
    ),
    Case(
        "no items and no visits",
        rule(ANY),
        {"items": None, "others": on("fifth")},
        (row(0, "fifth"),),
    ),
    Case(
        "else another visit, which dates what has no day",
        rule("{first: [{same_day: [entry]}, scan]}"),
        {"days": 5, "items": on("tenth"), "others": [*on("tenth", "baseline"), {"size": 2}]},
        (
            SCAN,
            entry(0, "tenth"),
            row(0, "tenth", "entry[0]"),
            row(1, "baseline", "scan"),
            row(2, "fifth", "scan"),
        ),
    ),
    Case(
        "by a condition",
        rule("{first: [{when: flag, is: {same_day: [entry]}}, scan]}"),
        {
            "days": 5,
            "items": on("tenth"),
            "others": [on("tenth")[0], {**on("", "tenth")[1], "flag": True}],
        },
        (SCAN, entry(0, "tenth"), row(0, "tenth", "scan"), row(1, "tenth", "entry[0]")),
    ),
    Case(
        "of a visit that the row's own item has, only its own",
        "r: {table: measurement, each: items, concept: 60 Size, number: size, date: $.other_day,"
        " visit: {same_day: [entry]}}",
        {"items": on("fifth", "tenth"), "other_day": RECORDED["tenth"]},
        (entry(0, "fifth"), entry(1, "tenth"), row(0, "tenth"), row(1, "tenth", "entry[1]")),
    ),
    Case(
        "the first date that is known is the row's day",
        rule(ANY).replace("date: on", "date: [on, $.other_day]"),
        {"days": 5, "others": on(""), "other_day": RECORDED["fifth"]},
        (SCAN, row(0, "fifth", "scan")),
    ),
    Case(
        "nested rows hang on the visit of the row above, also with a date of their own",
        rule(
            ANY,
            ", rows: {more: {table: note, concept: 95 Remark, text: '{$.word}', date: $.other_day}}",
        ),
        {"days": 5, "others": on("fifth"), "other_day": RECORDED["tenth"], "word": "w"},
        (
            SCAN,
            row(0, "fifth", "scan"),
            "note r.more[0] 95 note_event_id=r[0] note_event_field_concept_id=1147138 note_date=2000-01-11"
            " note_text=w language_concept_id=30 visit_occurrence_id=visit.scan",
        ),
    ),
    Case(
        "nested rows of a list have that visit too",
        "r: {table: measurement, each: items, concept: 60 Size, number: size, date: on,"
        " visit: {same_day: [scan, entry]},"
        " rows: {s: {each: subs, table: measurement, concept: 60 Size, number: size, date: $.other_day}}}",
        {"items": [{**on("fifth")[0], "subs": [{"size": 3}]}], "other_day": RECORDED["tenth"]},
        (
            entry(0, "fifth"),
            row(0, "fifth", "entry[0]"),
            "measurement r.s[0][0] 60 measurement_date=2000-01-11 value_as_number=3"
            " visit_occurrence_id=visit.entry[0] value_source_value=3 modifier_of_event_id=r[0]"
            " modifier_of_field_concept_id=1147138",
        ),
    ),
]

SCANS = """\
p: {table: procedure_occurrence, each: items, concept: 40 Scan, when: flag, visit: entry}
q: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: scan}
"""
AT = ", of: {same_visit: [q, p]}"
FLAGGED = [{**item, "flag": True} for item in on("tenth", "baseline")]
LINKS = [
    Case(
        "the row at that visit, of whichever rule",
        SCANS + rule(ANY, AT),
        {"flag": True, "days": 5, "items": FLAGGED, "others": on("fifth", "baseline", "tenth")},
        (
            SCAN,
            entry(0, "tenth"),
            entry(1, "baseline"),
            "procedure_occurrence p[0] 40 procedure_date=2000-01-11 visit_occurrence_id=visit.entry[0]",
            "procedure_occurrence p[1] 40 visit_occurrence_id=visit.entry[1]",
            "procedure_occurrence q 40 procedure_date=2000-01-06 visit_occurrence_id=visit.scan",
            row(0, "fifth", "scan", "q"),
            row(1, "baseline", "entry[1]", "p[1]"),
            row(2, "tenth", "entry[0]", "p[0]"),
        ),
    ),
    Case(
        "none at that visit, no link",
        SCANS + rule(ANY, AT),
        {"days": 5, "items": on("tenth"), "others": on("fifth", "tenth")},
        (SCAN, entry(0, "tenth"), row(0, "fifth", "scan"), row(1, "tenth", "entry[0]")),
    ),
    Case(
        "no visit, no link",
        SCANS.replace("when: flag, visit: scan", "when: flag, visit: scan, date: baseline") + rule(ANY, AT),
        {"flag": True, "others": on("tenth")},
        ("procedure_occurrence q 40", row(0, "tenth")),
    ),
    Case(
        "of two rows at the visit, that of the rule named first",
        "p: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: scan}\n"
        "q: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: scan}\n" + rule(ANY, AT),
        {"flag": True, "days": 5, "others": on("fifth")},
        (
            SCAN,
            "procedure_occurrence p 40 procedure_date=2000-01-06 visit_occurrence_id=visit.scan",
            "procedure_occurrence q 40 procedure_date=2000-01-06 visit_occurrence_id=visit.scan",
            row(0, "fifth", "scan", "q"),
        ),
    ),
    Case(
        "of two rows of one rule at the visit, the first",
        "q: {table: procedure_occurrence, each: items, concept: 40 Scan, when: flag, visit: scan}\n"
        + rule("scan", ", of: {same_visit: [q]}"),
        {"days": 5, "items": [{}, {"flag": True}, {"flag": True}], "others": on("fifth")},
        (
            SCAN,
            "procedure_occurrence q[1] 40 procedure_date=2000-01-06 visit_occurrence_id=visit.scan",
            "procedure_occurrence q[2] 40 procedure_date=2000-01-06 visit_occurrence_id=visit.scan",
            row(0, "fifth", "scan", "q[1]"),
        ),
    ),
]


@every(VISITS)
def test_visits(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


@every(LINKS)
def test_links(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


def test_the_day_that_a_visit_is_looked_for_by_is_mapped(tmp_path: Path) -> None:
    plan = compiled(tmp_path, rule(ANY), {})
    found = fates(plan, {"days": 5, "items": [{"on": RECORDED["tenth"]}], "others": on("fifth")})
    assert found == dict.fromkeys(("$.days", "$.items[0].on", "$.others[0].on", "$.others[0].size"), "mapped")


#: The form of the documents has the section ``main``, but not ``more``.
SECTIONS = {
    "B: {title: Form B, use_cases: [2], sections: [main]}": "B: {title: B, use_cases: [2], sections: [more]}"
}
LOOKING = {"days": 5, "others": on("fifth")}


SEEN = "s: {table: observation, concept: 97 Seen, visit: VISIT}\n"
LACKING = "the form has no section 'more'"


@pytest.mark.parametrize(
    ("main", "more", "rows", "problems"),
    [
        (rule(ANY), SEEN.replace("VISIT", "start"), (SCAN, row(0, "fifth", "scan")), ()),
        (
            rule(ANY),
            SEEN.replace("VISIT", "scan"),
            (row(0, "fifth"),),
            (f"visit.scan: invalid $.days: {LACKING}",),
        ),
        (
            SEEN.replace("VISIT", "start"),
            rule("{same_day: [scan]}"),
            ("observation s 97",),
            (
                f"visit.scan: invalid $.days: {LACKING}",
                f"r: invalid $.others[0].size: {LACKING}",
                f"r: invalid $.others[0].on: {LACKING}",
            ),
        ),
    ],
    ids=[
        "a visit that nobody names otherwise is there",
        "one of a section that the form lacks is not",
        "nor one that only such a section looks for",
    ],
)
def test_to_be_looked_for_makes_no_visit(
    tmp_path: Path, main: str, more: str, rows: tuple[str, ...], problems: tuple[str, ...]
) -> None:
    found = mini.run(compiled(tmp_path, main, SECTIONS, more=more), LOOKING)
    assert (found.rows, found.problems) == (list(rows), list(problems))
