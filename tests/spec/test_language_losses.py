"""The mapping language: what is told of values whose row is not written, as its condition does not hold."""

from pathlib import Path

from tests import mini
from tests.language import Case, compiled, every, fates, holds, one

UNMET = "recorded, but the condition of its rule does not hold"

GRADED = one("value: {from: grade, via: grade}, when: flag")
TOLD = (f"r: invalid $.grade: {UNMET}",)
HIGH = {"grade": "high", "flag": False}


def asking(anchor: str, before: str) -> dict[str, str]:
    """One visit or episode more, written before another place of the mapping."""
    return {before: f"  {anchor}\n{before}"}


def episode(words: str) -> dict[str, str]:
    return asking(f"part: {{concept: 91 Part, object: 50 Finding, start: baseline, {words}}}", "define:\n")


def visit(words: str) -> dict[str, str]:
    return asking(f"more: {{concept: 21 Scan visit, {words}}}", "episodes:\n")


PART = "episode episode.part 91 episode_object_concept_id=50"
MORE = "visit_occurrence visit.more 21"
NESTED = (
    "r: {table: condition_occurrence, concept: 50 Finding, when: flag, visit: start,"
    " rows: {b: {table: measurement, concept: 60 Size, when: WHEN}}}"
)
IN_ITEMS = (
    "r: {table: condition_occurrence, each: items, concept: 50 Finding, when: $.flag, visit: start,"
    " rows: {b: {table: measurement, each: subs, concept: 60 Size, when: WHEN}}}"
)

CASES = [
    # ---- visits and episodes hold no value
    Case("nobody else reads it", GRADED, HIGH, problems=TOLD),
    Case("its row is written", GRADED, {"grade": "high", "flag": True},
         ("measurement r 60 value_as_concept_id=71 value_source_value=high",)),
    Case("an episode asks for it", GRADED, HIGH, (PART,), TOLD,
         mapping=episode("when: {path: grade, in: [high]}")),
    Case("an episode asks for another of its values", GRADED, HIGH, (), TOLD,
         mapping=episode("when: {path: grade, in: [low]}")),
    Case("an episode repeats it", GRADED, HIGH, (f"{PART} episode_source_value=high",), TOLD,
         mapping=episode("when: grade, source_value: {from: grade}")),
    Case("a visit asks for it", GRADED, HIGH, (MORE,), TOLD, mapping=visit("date: baseline, when: grade")),
    Case(
        "an episode of items asks for it, in each item that is not written",
        "r: {table: measurement, each: items, concept: 61 Grade, value: {from: grade, via: grade},"
        " when: flag, visit: start}",
        {"items": [{"grade": "low", "flag": True}, {"grade": "high"}, {"grade": "low", "flag": False}]},
        ("measurement r[0] 61 value_as_concept_id=70 value_source_value=low", "episode episode.part[1] 91"
         " episode_object_concept_id=50"),
        (f"r: invalid $.items[1].grade: {UNMET}", f"r: invalid $.items[2].grade: {UNMET}"),
        mapping=episode("each: items, when: {path: grade, in: [high]}"),
    ),
    # ---- their dates do
    Case("a visit is dated by it", one("number: days, when: flag"), {"days": 1, "flag": False},
         ("visit_occurrence visit.scan 21 visit_start_date=2000-01-02",)),
    Case("a visit that it cannot date", one("number: days, when: flag"), {"days": 10**9, "flag": False},
         problems=("visit.scan: invalid $.days: no date within the calendar follows from it",)),
    Case("an episode ends by it", one("number: count, when: flag"), {"count": 1, "flag": False},
         ("episode episode.part 91 episode_end_datetime=2000-01-02 episode_object_concept_id=50",),
         mapping=episode("end: baseline + count days")),
    # ---- what other rules, the person and the baseline read
    Case("another rule says it", f"{GRADED}\n{one('source_value: {from: grade}')}".replace("\nr:", "\ns:"),
         HIGH, ("measurement s 60 measurement_source_value=high",)),
    Case("another rule's visit depends on it",
         f"{GRADED}\ns: {{table: measurement, concept: 60 Size,"
         " visit: {first: [{when: grade, is: start}]}}",
         HIGH, ("measurement s 60",)),
    Case("another rule's concept depends on it",
         f"{GRADED}\ns: {{table: condition_occurrence, visit: start,"
         " concept: {first: [{when: {path: grade, in: [high]}, is: 50 Finding}, 51 No finding]}}",
         HIGH, ("condition_occurrence s 50",)),
    Case("another rule only decides by it", f"{GRADED}\n{one('when: grade')}".replace("\nr:", "\ns:"),
         HIGH, ("measurement s 60",), TOLD),
    Case("the person depends on it", GRADED, HIGH,
         mapping={"gender: 30 Female": "gender: {when: grade, is: 30 Female}"}),
    Case("the baseline depends on it", GRADED, HIGH, mapping={"date: day}": "date: day, when: grade}"}),
    # ---- what the rule itself decides by is used
    Case("the rule decides by it", one("value: {from: grade, via: grade}, when: {path: grade, in: [low]}"),
         {"grade": "high"}),
    Case("the rule decides by it, and by another", one(
        "value: {from: grade, via: grade}, when: {all: [flag, {path: grade, in: [high]}]}"), HIGH),
    Case("what it decides by, and what it would have said",
         one("number: size, value: {from: grade, via: grade}, when: {path: grade, in: [low]}"),
         {"grade": "high", "size": 1}, problems=(f"r: invalid $.size: {UNMET}",)),
    # ---- what only a nested row decides by
    Case("a nested row decides by it", NESTED.replace("WHEN", "size"), {"size": 1, "flag": False},
         problems=(f"r.b: invalid $.size: {UNMET}",)),
    Case("a nested row decides by a no", NESTED.replace("WHEN", "part.flag"),
         {"part": {"flag": False}, "flag": False}, problems=(f"r.b: invalid $.part.flag: {UNMET}",)),
    Case("a nested row decides by it, as an episode does", NESTED.replace("WHEN", "ill"),
         {"ill": True, "flag": False}, ("episode episode.whole 90 episode_object_concept_id=50",)),
    Case("a nested row decides by what the rule decides by", NESTED.replace("WHEN", "{not: flag}"),
         {"flag": False}),
    Case("a nested row decides by what another rule decides by",
         NESTED.replace("WHEN", "size") + "\n" + one("when: {path: size, in: [2]}").replace("r:", "s:"),
         {"size": 1, "flag": False}),
    Case("it is written", NESTED.replace("WHEN", "size"), {"flag": True, "size": 1},
         ("condition_occurrence r 50",
          "measurement r.b 60 modifier_of_event_id=r modifier_of_field_concept_id=1147127")),
    Case("a row nested in a list decides by each of its items", IN_ITEMS.replace("WHEN", "size"),
         {"items": [{}, {"subs": [{"size": 1}, {}, {"size": 0}]}]},
         problems=(f"r.b: invalid $.items[1].subs[0].size: {UNMET}",
                   f"r.b: invalid $.items[1].subs[2].size: {UNMET}")),
    Case("a row nested in a list decides by the item around it: told once, also without that list",
         IN_ITEMS.replace("WHEN", "'$.items[*].size'"),
         {"items": [{"size": 1, "subs": [{}, {}]}, {"size": 2}]},
         problems=(f"r: invalid $.items[0].size: {UNMET}", f"r: invalid $.items[1].size: {UNMET}")),
    Case("... and where the row has no date",
         IN_ITEMS.replace("WHEN", "'$.items[*].size'").replace("visit: start", "visit: entry"),
         {"flag": True, "items": [{"size": 1, "subs": [{}]}]},
         problems=("r: invalid $.items[0]: its visit 'entry' has no date",
                   "r: invalid $.items[0].size: its visit 'entry' has no date")),
]  # fmt: skip


@every(CASES)
def test_a_rule_and_a_document_give_exactly_these_rows_and_problems(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


@every(CASES)
def test_no_value_is_left_without_a_fate(tmp_path: Path, case: Case) -> None:
    plan = compiled(tmp_path, case.rule, case.mapping)
    found = fates(plan, case.document)
    assert "unused" not in found.values()
    told = {problem.split(": ")[1].removeprefix("invalid ") for problem in case.problems}
    assert {path for path, fate in found.items() if fate == "problem"} == told & set(found)


def test_what_two_columns_of_a_row_say_of_one_value_is_told_once(tmp_path: Path) -> None:
    set_too = "set: {qualifier_concept_id: {from: grade, via: gaps}}"
    rule = (
        "{table: observation, concept: 97 Seen, value: {from: grade, via: gaps}, visit: start, "
        + set_too
        + "}"
    )
    plan = compiled(tmp_path, f"a: {rule}\nb: {{like: a}}", {})
    reason = "no concept for this value in 'gaps'"
    assert mini.run(plan, {"grade": "low"}).problems == [
        f"a: unmapped $.grade: {reason}",
        f"b: unmapped $.grade: {reason}",
    ]
