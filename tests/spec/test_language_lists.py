"""The mapping language, word by word: rules that ask about, link to or repeat what stands in lists."""

from pathlib import Path

from tests import mini
from tests.language import MAPPING, Case, every, holds, one

CASES = [
    # ---- of
    Case(
        "of: the first row of another rule",
        "a: {table: procedure_occurrence, each: items, concept: 40 Scan, when: flag, visit: start}\n"
        + one("number: size, of: a"),
        {"size": 1, "items": [{}, {"flag": True}, {"flag": True}]},
        (
            "procedure_occurrence a[1] 40",
            "procedure_occurrence a[2] 40",
            "measurement r 60 value_as_number=1 value_source_value=1 modifier_of_event_id=a[1]"
            " modifier_of_field_concept_id=1147082",
        ),
    ),
    Case(
        "of: the other rule wrote nothing",
        "a: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: start}\n" + one("of: a"),
        {},
        ("measurement r 60",),
    ),
    Case(
        "of: an observation keeps its field concept at 0 when there is nothing to name",
        "a: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: start}\n"
        "r: {table: observation, concept: 97 Seen, visit: start, of: a}",
        {},
        ("observation r 97",),
    ),
]


@every(CASES)
def test_a_rule_and_a_document_give_exactly_these_rows(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


def test_a_section_is_read_for_its_forms_only(tmp_path: Path) -> None:
    both = "B: {title: Form B, use_cases: [2], sections: [main]}"
    mini.write(tmp_path, mapping=MAPPING.replace(both, both.replace("[main]", "[main, more]")))
    mini.change(tmp_path, mini.SECTION, "scan:\n", "a:\n")
    tmp_path.joinpath("main.yaml").write_text("a: {table: measurement, concept: 60 Size, visit: start}\n")
    tmp_path.joinpath("more.yaml").write_text("b: {table: measurement, concept: 60 Size, visit: start}\n")
    plan = mini.plan(tmp_path)
    assert mini.run(plan, {"form": "A"}).rows == ["measurement a 60"]
    assert mini.run(plan, {"form": "B"}).rows == ["measurement a 60", "measurement b 60"]
