"""Impact: rules of several versions put side by side, and differences counted by rule, table and concept."""

from collections import Counter
from dataclasses import replace

import pytest

from etl.compare import Differences, ProblemKind, RowKind
from etl.impact import (
    Changes,
    ConceptImpact,
    Impact,
    ProblemImpact,
    RuleImpact,
    concept_impacts,
    problem_impacts,
    rule_impacts,
    versions,
)
from etl.plan import Rule

RULE = Rule(1, "size", "$", ("$.size",), "measurement", "main.yaml", 5)
ELSEWHERE = replace(RULE, file="other.yaml", line=9)


@pytest.mark.parametrize(
    ("plans", "new", "told"),
    [
        ({"a": [RULE]}, [RULE], ("", (), "main.yaml:5")),
        ({"a": [ELSEWHERE]}, [RULE], ("", (), "main.yaml:5")),
        ({"a": [RULE]}, [], ("removed", (), "main.yaml:5")),
        ({"a": [RULE], "b": [ELSEWHERE]}, [], ("removed", (), "other.yaml:9")),
        ({"a": [RULE], "b": []}, [ELSEWHERE], ("added", (), "other.yaml:9")),
        ({}, [RULE], ("", (), "main.yaml:5")),
        ({"a": [RULE]}, [replace(RULE, target="note")], ("changed", ("table",), "main.yaml:5")),
        ({"a": [RULE]}, [replace(RULE, sources=("$.count",))], ("changed", ("sources",), "main.yaml:5")),
        (
            {"a": [RULE]},
            [replace(RULE, number=2, each_path="$.items[*]")],
            ("changed", ("each",), "main.yaml:5"),
        ),
        (
            {"a": [RULE], "b": [replace(RULE, target="note", sources=())]},
            [RULE],
            ("changed", ("table", "sources"), "main.yaml:5"),
        ),
    ],
)
def test_what_became_of_a_rule(
    plans: dict[str, list[Rule]], new: list[Rule], told: tuple[str, tuple[str, ...], str]
) -> None:
    (rule,) = versions(plans, new)
    assert (rule.name, rule.change, rule.what, rule.place) == ("size", *told)


def test_rules_stand_in_the_new_mappings_order_and_removed_ones_last() -> None:
    first, second, third, fourth = (replace(RULE, name=name) for name in "abcd")
    found = versions({"x": [first, fourth, second]}, [third, second])
    assert [each.name for each in found] == ["c", "b", "a", "d"]


def test_a_rule_is_told_when_it_or_its_rows_changed() -> None:
    rules = [RULE, replace(RULE, number=2, name="same"), replace(RULE, number=3, name="silent")]
    found = Differences(
        rows=Counter(
            {
                RowKind("changed", "measurement", 1, 60, ("unit_concept_id",)): 3,
                RowKind("changed", "measurement", 1, 61, ("value_as_number", "unit_concept_id")): 2,
                RowKind("added", "measurement", 1, 60, ()): 1,
                RowKind("changed", "person", None, 0, ("year_of_birth",)): 4,
            }
        )
    )
    names = {rule.number: rule.name for rule in rules}
    gone = replace(RULE, number=4, name="gone", line=8)
    known = versions({"a": [*rules, gone]}, [*rules[:2], replace(rules[2], target="note")])
    assert rule_impacts(known, names | {4: "gone"}, found) == (
        RuleImpact(
            "size", "main.yaml:5", "changed", ("unit_concept_id", "value_as_number"), Changes(1, 5, 0)
        ),
        RuleImpact("silent", "main.yaml:5", "changed", ("table",), Changes()),
        RuleImpact("gone", "main.yaml:8", "removed", (), Changes()),
        RuleImpact("person", "", "changed", ("year_of_birth",), Changes(changed=4)),
    )


def test_rows_by_concept_and_table_in_the_order_of_loading_most_rows_first() -> None:
    found = Differences(
        rows=Counter(
            {
                RowKind("added", "note", 1, 95, ()): 9,
                RowKind("removed", "measurement", 2, 60, ()): 1,
                RowKind("added", "measurement", 1, 61, ()): 2,
                RowKind("changed", "measurement", 1, 61, ("unit_concept_id",)): 3,
                RowKind("added", "care_site", None, 0, ()): 1,
            }
        )
    )
    concepts = concept_impacts(found, {60: "Size", 61: "Grade"}, ("person", "measurement", "note"))
    assert concepts == (
        ConceptImpact("measurement", 61, "Grade", Changes(2, 3, 0)),
        ConceptImpact("measurement", 60, "Size", Changes(0, 0, 1)),
        ConceptImpact("note", 95, "", Changes(9, 0, 0)),
        ConceptImpact("care_site", 0, "", Changes(1, 0, 0)),
    )
    impact = Impact("mini", 1, 1, (), concepts, ())
    assert list(impact.tables.items()) == [
        ("measurement", Changes(2, 3, 1)),
        ("note", Changes(9, 0, 0)),
        ("care_site", Changes(1, 0, 0)),
    ]
    assert impact.total == Changes(12, 3, 1)


def test_without_differences_nothing_is_told() -> None:
    known = versions({"a": [RULE]}, [RULE])
    assert (rule_impacts(known, {}, Differences()), concept_impacts(Differences(), {}, ())) == ((), ())
    assert Impact("mini", 0, 0, (), (), ()).total == Changes()


def test_problems_by_rule_and_kind_most_first() -> None:
    found = Differences(
        problems=Counter(
            {
                ProblemKind("removed", 1, "unmapped"): 3,
                ProblemKind("added", 2, "unmapped"): 2,
                ProblemKind("added", 1, "unmapped"): 1,
                ProblemKind("added", None, "disagrees"): 2,
            }
        )
    )
    assert problem_impacts(found, {1: "size", 2: "grade"}) == (
        ProblemImpact("size", "unmapped", appear=1, vanish=3),
        ProblemImpact("grade", "unmapped", appear=2, vanish=0),
        ProblemImpact("person", "disagrees", appear=2, vanish=0),
    )
