"""Sections that a form does not have: nothing of theirs is written, and every value in them is told."""

from pathlib import Path
from typing import Any

import pytest

from etl.coverage import cover
from tests import mini
from tests.language import compiled, fates, one, traced

MAPPING = """\
name: mini
title: A tiny mapping
schema: case.schema.json
case: {patient: id, form: form}
type: 10 Form
baseline: {is: 2000-01-01, date: day}
person: {gender: 30 Female, age: age}
sections: [main, more]
forms:
  A: {title: Form A, use_cases: [1], sections: [main, more]}
  B: {title: Form B, use_cases: [2], sections: [main]}
visits:
  start: {concept: 20 Start, date: baseline}
  scan: {concept: 21 Scan visit, date: baseline + days days}
  entry: {concept: 21 Scan visit, each: items, date: on}
episodes:
  whole: {concept: 90 Whole, object: 50 Finding, start: baseline, when: ill}
  part: {concept: 91 Part, object: 50 Finding, parent: whole, start: scan, when: flag}
ignore: {part: no, other_day: no, mixed: no, odd name: no, long: no, text: no, word: no, score: no}
"""
MAIN = """\
graded: {table: measurement, concept: 61 Grade, value: {from: grade, via: grade}, visit: start}
"""
MORE = """\
scanned:
  table: procedure_occurrence
  concept: 40 Scan
  when: {any: [days, count]}
  visit: scan
  episode: whole
  rows: {size: {table: measurement, concept: 60 Size, number: size}}
graded_too: {table: measurement, concept: 61 Grade, value: {from: grade, via: grade}, visit: start}
counted: {table: measurement, concept: 60 Size, number: count, visit: start}
marked:
  each: items
  table: measurement
  concept: 60 Size
  number: size
  visit: entry
  rows:
    tagged: {each: tags, table: note, concept: 95 Remark, title: "@", text: "{@}"}
"""
DOCUMENT = {
    "ill": True,
    "flag": True,
    "grade": "low",
    "days": 5,
    "count": 0,
    "size": 2,
    "items": [{"on": "2020-06-16", "size": 1}, {"tags": ["a", "b"]}],
}
TOLD = "the form has no section 'more'"


@pytest.fixture
def plan(tmp_path: Path) -> mini.Plan:
    mini.write(tmp_path, mapping=MAPPING, section=MAIN)
    tmp_path.joinpath("more.yaml").write_text(MORE)
    return mini.plan(tmp_path)


def test_the_form_that_has_the_section_gets_its_rows(plan: mini.Plan) -> None:
    shown = mini.run(plan, {**DOCUMENT, "form": "A"})
    assert [row.split()[1] for row in shown.rows if not row.startswith("episode_event")] == [
        "visit.scan", "visit.entry[0]", "scanned", "graded", "scanned.size", "graded_too", "counted",
        "marked[0]", "episode.whole", "episode.part",
    ]  # fmt: skip
    assert all(TOLD not in problem for problem in shown.problems)


def test_the_form_without_it_gets_neither_its_rows_nor_its_visits_and_episodes(plan: mini.Plan) -> None:
    shown = mini.run(plan, {**DOCUMENT, "form": "B"})
    assert shown.rows == ["measurement graded 61 value_as_concept_id=70 value_source_value=low"]


def test_each_value_that_only_the_section_reads_is_a_problem(plan: mini.Plan) -> None:
    shown = mini.run(plan, {**DOCUMENT, "form": "B"})
    assert sorted(shown.problems) == sorted(
        f"{rule}: invalid {path}: {TOLD}"
        for rule, path in [
            ("scanned", "$.days"),
            ("counted", "$.count"),
            ("scanned.size", "$.size"),
            ("marked", "$.items[0].size"),
            ("marked.tagged", "$.items[1].tags[0]"),
            ("marked.tagged", "$.items[1].tags[1]"),
            ("visit.entry", "$.items[0].on"),
            ("episode.whole", "$.ill"),
            ("episode.part", "$.flag"),
        ]
    )


def test_what_is_not_recorded_there_is_no_problem(plan: mini.Plan) -> None:
    shown = mini.run(plan, {"form": "B", "grade": "low", "days": None, "items": [{}], "ill": None})
    assert shown.problems == []


@pytest.mark.parametrize("form", ["A", "B"])
def test_no_value_is_left_without_a_fate(plan: mini.Plan, form: str) -> None:
    found = {leaf.path: leaf.fate for leaf in cover(plan, {**mini.BARE, **DOCUMENT, "form": form})}
    assert "unused" not in found.values()
    assert found["$.grade"] == "mapped"
    assert found["$.count"] == ("mapped" if form == "A" else "problem")


OTHER_MORE = """\
b: {table: measurement, concept: 60 Size, number: size, when: flag, visit: start}
c: {table: measurement, concept: 61 Grade, value: {from: grade, via: grade}, visit: start}
d:
  each: items
  table: condition_occurrence
  concept: 50 Finding
  when: flag
  visit: start
  rows: {size: {each: subs, table: measurement, concept: 60 Size, number: size}}
e: {table: measurement, concept: 60 Size, visit: scan, when: {some: others, where: part.flag}}
f: {table: measurement, concept: 60 Size, visit: scan, date: [{when: ill, is: other_day}, day, baseline],
  of: d}
"""


def two_sections(folder: Path) -> mini.Plan:
    """Form A has the section main, form B also more."""
    both = "B: {title: Form B, use_cases: [2], sections: [main]}"
    compiled(folder, "{}", {both: both.replace("[main]", "[main, more]")}, more=OTHER_MORE)
    folder.joinpath("main.yaml").write_text("a: {like: c}\n")
    return mini.plan(folder)


@pytest.mark.parametrize(
    ("says", "document", "problems"),
    [
        ("a value", {"size": 1}, [f"b: invalid $.size: {TOLD}"]),
        ("nothing", {"size": None, "items": [], "others": None}, []),
        ("a no that only a condition reads", {"flag": False}, [f"b: invalid $.flag: {TOLD}"]),
        ("a value that two sections read, one of which is there", {"grade": "low"}, []),
        (
            "values in nested lists",
            {"items": [{}, {"flag": False, "subs": [{}, {"size": 1}, {"size": 2}]}]},
            [
                f"d: invalid $.items[1].flag: {TOLD}",
                f"d.size: invalid $.items[1].subs[1].size: {TOLD}",
                f"d.size: invalid $.items[1].subs[2].size: {TOLD}",
            ],
        ),
        (
            "what only a condition on items reads",
            {"others": [{}, {"part": {"flag": True}}]},
            [f"e: invalid $.others[1].part.flag: {TOLD}"],
        ),
        ("a real date", {"other_day": "2020-06-15"}, [f"f: invalid $.other_day: {TOLD}"]),
        ("a value that the baseline reads", {"day": "2020-06-16"}, []),
        ("a value that an episode asks for too", {"ill": False}, [f"f: invalid $.ill: {TOLD}"]),
    ],
)  # fmt: skip
def test_what_is_recorded_in_a_section_that_the_form_does_not_have_is_told(
    tmp_path: Path, says: str, document: dict[str, Any], problems: list[str]
) -> None:
    plan = two_sections(tmp_path)
    result = mini.run(plan, {"form": "A", **document})
    assert sorted(result.problems) == sorted(problems), says
    assert traced(plan, {"form": "A", **document}) == result
    fate = "problem" if problems else "mapped"
    assert set(fates(plan, {"form": "A", **document}).values()) <= {fate}
    assert not [one for one in mini.run(plan, {"form": "B", **document}).problems if TOLD in one]


def test_a_list_of_a_section_that_the_form_does_not_have_may_be_of_any_length(tmp_path: Path) -> None:
    document = {"form": "A", "items": [{"subs": [{}] * 1024 + [{"size": 1}]}]}
    assert mini.run(two_sections(tmp_path), document).problems == [
        f"d.size: invalid $.items[0].subs[1024].size: {TOLD}"
    ]


def test_a_link_to_a_row_of_a_section_that_the_form_does_not_have_is_empty(tmp_path: Path) -> None:
    form = "A: {title: Form A, use_cases: [1], sections: [main]"
    forms = {form: form.replace("[main]", "[more, main]")}
    more = "b: {table: procedure_occurrence, concept: 40 Scan, visit: start}\n"
    plan = compiled(tmp_path, one("of: b"), forms, more=more)
    linked = " modifier_of_event_id=b modifier_of_field_concept_id=1147082"
    assert mini.run(plan, {"form": "A"}).rows == ["procedure_occurrence b 40", f"measurement r 60{linked}"]
    assert mini.run(plan, {"form": "B"}).rows == ["measurement r 60"]


def test_a_visit_or_episode_is_there_for_the_sections_of_those_that_name_it(tmp_path: Path) -> None:
    both = "B: {title: Form B, use_cases: [2], sections: [main]"
    visits = "  follow: {concept: 21 Scan visit, date: scan + 3 days}\nepisodes:\n"
    episodes = "  part: {concept: 91 Part, object: 50 Finding, start: baseline, parent: whole}\ndefine:\n"
    plan = compiled(
        tmp_path,
        "r: {table: measurement, concept: 60 Size, number: size, visit: follow, episode: part}",
        {both: both.replace("[main]", "[main, more]"), "episodes:\n": visits, "define:\n": episodes},
        more="s: {table: measurement, concept: 60 Size, number: count, visit: scan, episode: whole}\n",
    )
    shown = mini.run(plan, {"form": "A", "size": 1, "days": 1, "ill": True})
    assert shown.problems == []
    assert shown.rows == [
        "visit_occurrence visit.scan 21 visit_start_date=2000-01-02",
        "visit_occurrence visit.follow 21 visit_start_date=2000-01-05",
        "measurement r 60 measurement_date=2000-01-05 value_as_number=1 visit_occurrence_id=visit.follow"
        " value_source_value=1",
        "episode episode.whole 90 episode_object_concept_id=50",
        "episode episode.part 91 episode_parent_id=episode.whole episode_object_concept_id=50",
        "episode_event 1147138 episode_id=episode.part event_id=r",
    ]


def test_a_visit_is_not_there_for_an_episode_that_only_ends_with_it(tmp_path: Path) -> None:
    both = "B: {title: Form B, use_cases: [2], sections: [main]"
    anchors = (
        "  late: {concept: 21 Scan visit, date: baseline + count days}\n"
        "episodes:\n"
        "  early: {concept: 91 Part, object: 50 Finding, start: late, when: flag}\n"
        "  course:\n"
        "    {concept: 91 Part, object: 50 Finding, start: {earliest: [late, early, start]},"
        " end: [early, {latest: [late, start]}]}\n"
    )
    plan = compiled(
        tmp_path,
        "r: {table: measurement, concept: 60 Size, number: size, visit: start, episode: course}",
        {both: both.replace("[main]", "[main, more]"), "episodes:\n": anchors},
        more="s: {table: measurement, concept: 60 Size, number: score, visit: late, episode: early}\n",
    )
    document = {"count": 9, "flag": True, "size": 1}
    shown = mini.run(plan, {"form": "A", **document})
    assert shown.rows == [
        "measurement r 60 value_as_number=1 value_source_value=1",
        "episode episode.course 91 episode_object_concept_id=50",
        "episode_event 1147138 episode_id=episode.course event_id=r",
    ]
    assert sorted(shown.problems) == [
        f"episode.early: invalid $.flag: {TOLD}",
        f"visit.late: invalid $.count: {TOLD}",
    ]
    assert traced(plan, {"form": "A", **document}) == shown
    there = mini.run(plan, {"form": "B", **document})
    assert "visit_occurrence visit.late 21 visit_start_date=2000-01-10" in there.rows
    assert there.problems == []


def test_no_episode_follows_from_what_the_form_has_no_section_for(tmp_path: Path) -> None:
    both = "B: {title: Form B, use_cases: [2], sections: [main]"
    course = (
        "  course: {concept: 91 Part, object: 50 Finding, start: baseline, when: {any: [flag, grade,"
        " {some: others, where: size}]}}\ndefine:\n"
    )
    plan = compiled(
        tmp_path,
        "r: {table: measurement, concept: 60 Size, number: size, visit: start, episode: course}\n"
        "g: {table: measurement, concept: 60 Size, number: count, when: grade, visit: start}",
        {both: both.replace("[main]", "[main, more]"), "define:\n": course},
        more="s: {table: measurement, concept: 61 Grade, value: {from: flag, via: flags}, visit: start}\n"
        "t: {table: measurement, concept: 61 Grade, value: {from: grade, via: grade}, visit: start}\n"
        "u: {table: measurement, each: others, concept: 60 Size, number: size, visit: start}\n",
    )
    row = "measurement r 60 value_as_number=1 value_source_value=1"
    told = {
        "flag": (True, f"s: invalid $.flag: {TOLD}"),
        "others": ([{}, {"size": 2}], f"u: invalid $.others[1].size: {TOLD}"),
    }
    for place, (value, problem) in told.items():
        document = {"form": "A", "size": 1, place: value}
        assert mini.run(plan, document) == mini.Shown([row], [problem])
        assert traced(plan, document) == mini.run(plan, document)
        assert sorted(set(fates(plan, document).values())) == ["mapped", "problem"]
        assert len(mini.run(plan, {**document, "form": "B"}).rows) == 4
    # A rule of the form asks for the grade: it decides also there.
    assert mini.run(plan, {"form": "A", "count": 1, "grade": "low"}).rows == [
        "measurement g 60 value_as_number=1 value_source_value=1",
        "episode episode.course 91 episode_object_concept_id=50",
    ]
