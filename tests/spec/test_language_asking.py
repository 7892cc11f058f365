"""A value that rules only decide by: of which section it is, when a form does not have them all."""

from pathlib import Path

import pytest

from tests import mini
from tests.language import compiled

TOLD = "the form has no section 'more'"
ASKING = "r: {table: measurement, concept: 60 Size, number: size, when: flag, visit: start}"


@pytest.mark.parametrize(
    ("says", "order", "more", "problems"),
    [
        (
            "another section holds it",
            "[main, more]",
            "s: {table: measurement, concept: 61 Grade, value: {from: flag, via: flags}, visit: start}\n",
            [f"s: invalid $.flag: {TOLD}"],
        ),
        (
            "a visit of another section has its date from it",
            "[main, more]",
            "s: {table: procedure_occurrence, concept: 40 Scan, when: score, visit: late}\n",
            [f"visit.late: invalid $.other_day: {TOLD}"],
        ),
        (
            "another section asks for it first",
            "[more, main]",
            "s: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: start}\n",
            [f"s: invalid $.flag: {TOLD}"],
        ),
        (
            "another section asks for it later",
            "[main, more]",
            "s: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: start}\n",
            [],
        ),
    ],
)
def test_a_value_that_a_rule_only_decides_by_is_of_the_section_that_holds_it_or_first_asks_for_it(
    tmp_path: Path, says: str, order: str, more: str, problems: list[str]
) -> None:
    both = "B: {title: Form B, use_cases: [2], sections: [main]"
    visits = "  late: {concept: 21 Scan visit, date: other_day}\nepisodes:\n"
    changes = {
        both: both.replace("[main]", "[main, more]"),
        "forms:\n": f"sections: {order}\nforms:\n",
        "episodes:\n": visits,
    }
    rule = ASKING.replace("flag", "{any: [flag, other_day]}") if "late" in more else ASKING
    plan = compiled(tmp_path, rule, changes, more=more)
    document = {"size": 1, **({"other_day": "2020-06-16"} if "late" in more else {"flag": True})}
    result = mini.run(plan, {"form": "A", **document})
    assert result.problems == problems, says
    assert result.rows == ["measurement r 60 value_as_number=1 value_source_value=1"]
    there = mini.run(plan, {"form": "B", **document})
    assert there.problems == []
