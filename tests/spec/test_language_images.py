"""The language of images and curation: rows without dates, links by a column, values taken as they are."""

from pathlib import Path
from typing import Any

import pytest

from etl.coverage import cover
from etl.mapping.compile import read_mapping
from etl.mapping.show import show
from etl.plan import CaseKey, CasePaths
from etl.transform import decode, transform
from omop_schema import metadata
from omop_schema.statements import STATEMENTS
from tests import mini
from tests.language import Case, compiled, every, fates, holds

KEY = CaseKey(7, 3, None)
STUDY = "study_instance_uid: '1.2'"


def study(words: str = "") -> str:
    return f"r: {{table: radiology_occurrence, {words}set: {{{STUDY}}}}}"


def series(column: str, words: str = "") -> str:
    """A rule for series that sets one more column."""
    own = f"set: {{{STUDY}, series_instance_uid: '1.3', {column}}}"
    return f"r: {{table: radiology_image, {words}{own}}}"


def run(column: str) -> str:
    own = "curation_function: f, source_series_uid: '1.3', parameters: {json: whole}"
    return f"r: {{table: curation_run, when: flag, set: {{{own}, {column}}}}}"


def imaged(columns: str = "") -> str:
    return f"radiology_image r{columns} series_instance_uid=1.3 study_instance_uid=1.2"


def ran(*columns: str) -> str:
    return " ".join(("curation_run r curation_function=f source_series_uid=1.3", *columns))


SCANNED = "visit_occurrence visit.scan 21 visit_start_date=2000-01-06"
NO_DAY = "no date within the calendar follows from it"
FAR = "r: invalid $.days: " + NO_DAY
FLAG = {"flag": True, "whole": {}}


DATES = [
    Case(
        "a row may have no date",
        study(),
        {},
        ("radiology_occurrence r study_instance_uid=1.2",),
    ),
    Case(
        "nor a visit that it names",
        study("visit: scan, "),
        {},
        ("radiology_occurrence r study_instance_uid=1.2",),
    ),
    Case(
        "it has its visit's date",
        study("visit: scan, "),
        {"days": 5},
        (
            SCANNED,
            "radiology_occurrence r radiology_occurrence_date=2000-01-06 visit_occurrence_id=visit.scan"
            " study_instance_uid=1.2",
        ),
    ),
    Case(
        "its own date goes before",
        study("visit: scan, date: baseline + count days, "),
        {"days": 5, "count": 2},
        (
            SCANNED,
            "radiology_occurrence r radiology_occurrence_date=2000-01-03 visit_occurrence_id=visit.scan"
            " study_instance_uid=1.2",
        ),
    ),
    Case(
        "a date that no calendar has is told, and the row stays",
        study("date: baseline + days days, "),
        {"days": 10_000_000},
        ("radiology_occurrence r study_instance_uid=1.2",),
        ("visit.scan: invalid $.days: " + NO_DAY, FAR),
    ),
    Case(
        "a table without a column for the visit has its date alone",
        series("modality: MR", "visit: scan, "),
        {"days": 5},
        (SCANNED, imaged() + " series_date=2000-01-06 modality=MR"),
    ),
    Case(
        "a table without dates has none",
        "r: {table: curation_approval, visit: scan,"
        " set: {source_series_uid: '1', derived_series_uid: '2', decision: approved}}",
        {},
        ("curation_approval r source_series_uid=1 derived_series_uid=2 decision=approved",),
    ),
]

LINKS = [
    Case(
        "a study is of a procedure, by a column of its own",
        "p: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: start}\n" + study("of: p, "),
        {"flag": True},
        (
            "procedure_occurrence p 40",
            "radiology_occurrence r procedure_occurrence_id=p study_instance_uid=1.2",
        ),
    ),
    Case(
        "or of none",
        "p: {table: procedure_occurrence, concept: 40 Scan, when: flag, visit: start}\n" + study("of: p, "),
        {},
        ("radiology_occurrence r study_instance_uid=1.2",),
    ),
    Case(
        "of the procedure of the same item",
        "p: {each: items, when: flag, table: procedure_occurrence, concept: 40 Scan, visit: start}\n"
        + study("each: items, of: p, "),
        {"items": [{}, {"flag": True}]},
        (
            "procedure_occurrence p[1] 40",
            "radiology_occurrence r[0] study_instance_uid=1.2",
            "radiology_occurrence r[1] procedure_occurrence_id=p[1] study_instance_uid=1.2",
        ),
    ),
    Case(
        "nested in a condition",
        "c: {table: condition_occurrence, concept: 50 Finding, when: flag, visit: start, rows: {"
        + study().replace("r:", "s:")
        + "}}",
        {"flag": True},
        (
            "condition_occurrence c 50",
            "radiology_occurrence c.s condition_occurrence_id=c study_instance_uid=1.2",
        ),
    ),
    Case(
        "a feature is of an observation, by its key",
        "o: {table: observation, concept: 97 Seen, when: flag, visit: start, rows: {"
        "f: {table: image_feature, concept: 97 Seen, number: size, set: {series_instance_uid: '1.3'}}}}",
        {"flag": True, "size": 3},
        (
            "observation o 97",
            "image_feature o.f 97 image_feature_event_field_concept_id=1147165 image_feature_event_id=o"
            " series_instance_uid=1.3 image_feature_source_value=3 value_as_number=3",
        ),
    ),
]

VALUES = [
    Case(
        "the whole of an object, without what is not recorded",
        run("tool_name: t"),
        {"flag": True, "whole": {"word": 'a\t"b"\\', "odd key": None, "words": ["x", None]}},
        (ran("tool_name=t", r"""parameters='{"word":"a\\t\\"b\\"\\\\","words":["x",null]}'"""),),
    ),
    Case(
        "the item itself",
        series("attributes: {json: '@'}", "each: items, "),
        {"items": [{"size": 1.5, "flag": None}, {}]},
        (
            'radiology_image r[0] series_instance_uid=1.3 study_instance_uid=1.2 attributes={"size":1.5}',
            "radiology_image r[1] series_instance_uid=1.3 study_instance_uid=1.2 attributes={}",
        ),
    ),
    Case(
        "one value",
        series("attributes: {json: word}"),
        {"word": "w"},
        (imaged() + ' attributes="w"',),
    ),
    Case("nothing", series("attributes: {json: word}"), {}, (imaged(),)),
    Case(
        "some other part by a condition",
        series("attributes: {first: [{when: flag, is: {json: word}}, {json: count}]}"),
        {"word": "w", "count": 3},
        (imaged() + " attributes=3",),
    ),
    Case(
        "the place of an item in its list",
        series("image_no: {position: true}", "each: 'items[*].subs', "),
        {"items": [{"subs": []}, {"subs": [{}, {}]}]},
        (
            "radiology_image r[1][0] image_no=1 series_instance_uid=1.3 study_instance_uid=1.2",
            "radiology_image r[1][1] image_no=2 series_instance_uid=1.3 study_instance_uid=1.2",
        ),
    ),
    Case(
        "words as one text",
        series('image_type: {join: whole.words, by: "\\\\"}'),
        {"whole": {"words": ["A", None, "B\tC"]}},
        (imaged(r" image_type='A\\B\tC'"),),
    ),
    Case(
        "numbers as one text, without decimals that say nothing",
        series("image_type: {join: whole.numbers}"),
        {"whole": {"numbers": [40.0, 50.5, 3]}},
        (imaged(" image_type='40, 50.5, 3'"),),
    ),
    Case("no list, no text", series("image_type: {join: whole.words}"), {}, (imaged(),)),
    Case(
        "a list that is too long for its column is cut, and told",
        series("mr_acquisition_type: {join: whole.words, by: ''}"),
        {"whole": {"words": ["x" * 60, "y" * 60]}},
        (imaged() + " mr_acquisition_type=" + "x" * 60 + "yyyy",),
        ("r: truncated $.whole.words: longer than the 64 characters of 'mr_acquisition_type'",),
    ),
]

INSTANTS = [
    ("2022-03-01T14:05:00Z", "2022-03-01 14:05:00"),
    ("2022-03-01t14:05:00z", "2022-03-01 14:05:00"),
    ("2022-03-01T23:05:00.250-02:00", "2022-03-02 01:05:00.250000"),
    ("2022-03-01T14:05:00.123456789+01:00", "2022-03-01 13:05:00.123456"),
]
NO_TIMES = ["2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00"]


@every(DATES)
def test_dates(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


@every(LINKS)
def test_links(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


@every(VALUES)
def test_values(tmp_path: Path, case: Case) -> None:
    holds(tmp_path, case)


@pytest.mark.parametrize(("recorded", "written"), INSTANTS)
def test_when_a_tool_did_its_work_is_kept_in_utc(tmp_path: Path, recorded: str, written: str) -> None:
    row = ran(f"performed_at='{written}'", "parameters={}")
    holds(tmp_path, Case("", run("performed_at: {from: at}"), {**FLAG, "at": recorded}, (row,)))


@pytest.mark.parametrize("recorded", NO_TIMES)
def test_a_time_that_no_calendar_has_is_told(tmp_path: Path, recorded: str) -> None:
    told = "r: invalid $.at: not a time that a calendar has"
    document = {**FLAG, "at": recorded}
    holds(tmp_path, Case("", run("performed_at: {from: at}"), document, (ran("parameters={}"),), (told,)))


def test_no_time_is_no_problem(tmp_path: Path) -> None:
    holds(tmp_path, Case("", run("performed_at: {from: at}"), FLAG, (ran("parameters={}"),)))


def test_steps_and_levels_name_the_row_above(tmp_path: Path) -> None:
    rule = (
        run("nbins: 3").removesuffix("}")
        + """, rows: {s: {each: items, table: registration_step,
      set: {step_number: {position: true}, step_name: "{grade}"}, rows: {l: {each: subs,
      table: registration_level, set: {level_number: {position: true}, factor: size, level_iters: 1,
      sigma: 0.5}}}}}}"""
    )
    document = {**FLAG, "items": [{"grade": "low"}, {"grade": "high", "subs": [{"size": 4}, {"size": 2}]}]}
    rows = (
        ran("nbins=3", "parameters={}"),
        "registration_step r.s[0] curation_run_id=r step_number=1 step_name=low",
        "registration_step r.s[1] curation_run_id=r step_number=2 step_name=high",
        "registration_level r.s.l[1][0] registration_step_id=r.s[1] level_number=1 factor=4 level_iters=1"
        " sigma=0.5",
        "registration_level r.s.l[1][1] registration_step_id=r.s[1] level_number=2 factor=2 level_iters=1"
        " sigma=0.5",
    )
    holds(tmp_path, Case("", rule, document, rows))


def test_what_a_row_takes_whole_is_covered(tmp_path: Path) -> None:
    plan = compiled(tmp_path, run("tool_name: t"), {})
    whole = {"word": "w", "odd key": 3, "words": ["a", None, "b"]}
    assert fates(plan, {"flag": True, "whole": whole}) == {
        "$.flag": "mapped",
        "$.whole.word": "mapped",
        '$.whole."odd key"': "mapped",
        "$.whole.words[0]": "mapped",
        "$.whole.words[2]": "mapped",
    }
    assert fates(plan, {"whole": whole})["$.whole.word"] == "unused"


def test_a_date_of_an_image_widens_the_case_but_none_does_not(tmp_path: Path) -> None:
    plan = compiled(tmp_path, study("date: baseline + count days, "), {})
    far = transform(plan, {**mini.BARE, "count": -3}, KEY)
    assert (far.first_date, far.last_date) == ("1999-12-29", "2000-01-01")
    none = transform(plan, mini.BARE, KEY)
    assert (none.first_date, none.last_date) == ("2000-01-01", "2000-01-01")


def test_what_follows_from_other_cases_is_left_to_the_loader(tmp_path: Path) -> None:
    plan = compiled(tmp_path, study() + "\n" + series("modality: MR").replace("r:", "s:"), {})
    for table, statements in STATEMENTS.items():
        assert set(plan.columns[table]) <= {column.name for column in statements.columns}
    written = plan.columns["radiology_image"]
    required = {one.name for one in metadata.tables["omop.radiology_image"].columns if not one.nullable}
    assert required - set(written) == {"radiology_occurrence_id"}


#: A mapping whose cases add to persons that others describe, and its smallest document.
ANNEX = """\
name: annex
title: An annex
schema: case.schema.json
case: {patient: id, form: word}
sections: [main]
"""
ADDED = {"id": "P1", "form": "A", "age": 3, "word": "1.3"}


def annex(folder: Path, rules: str, mapping: str = ANNEX) -> Any:
    mini.write(folder, mapping=mapping, section=rules)
    mini.change(folder, mini.SCHEMA, '["id", "form", "age"]', '["id", "form", "age", "word"]')
    return mini.plan(folder)


def test_an_annex_describes_no_person_and_no_span(tmp_path: Path) -> None:
    plan = annex(tmp_path, study("date: day, ") + "\n")
    result = transform(plan, {**ADDED, "day": "1987-06-05"}, KEY)
    assert result.rows["person"] == []
    assert (
        decode(plan, "radiology_occurrence", result.rows["radiology_occurrence"][0]).items()
        >= {
            "radiology_occurrence_date": "1987-06-05",
            "radiology_occurrence_datetime": "1987-06-05 00:00:00",
        }.items()
    )
    assert (result.first_date, result.last_date, result.told) == (None, None, ())


def test_a_date_as_recorded_that_no_calendar_has_is_told(tmp_path: Path) -> None:
    plan = annex(tmp_path, study("date: day, ") + "\n")
    assert mini.show(plan, transform(plan, {**ADDED, "day": "0000-01-01"}, KEY)) == mini.Shown(
        ["radiology_occurrence r study_instance_uid=1.2"], ["r: invalid $.day: " + NO_DAY]
    )


def test_an_annex_with_a_baseline_counts_from_it(tmp_path: Path) -> None:
    based = ANNEX + "baseline: {is: 2000-01-01, date: other_day}\n"
    plan = annex(tmp_path, study("date: day, ") + "\n" + study("date: baseline, ").replace("r:", "s:"), based)
    shifted = transform(plan, {**ADDED, "day": "2020-01-05", "other_day": "2020-01-01"}, KEY)
    assert (shifted.first_date, shifted.last_date) == ("2000-01-01", "2000-01-05")
    plan = annex(tmp_path, study("date: day, ") + "\n", based)
    shifted = transform(plan, {**ADDED, "day": "2020-01-05", "other_day": "2020-01-01"}, KEY)
    assert (shifted.first_date, shifted.last_date) == ("2000-01-05", "2000-01-05")
    unknown = transform(plan, ADDED, KEY)
    assert (unknown.first_date, unknown.last_date) == (None, None)


def test_without_forms_every_section_holds(tmp_path: Path) -> None:
    plan = annex(tmp_path, study() + "\n")
    assert plan.forms == {}
    assert plan.case == CasePaths("id", "word", None, None)
    for word in ("A", "anything"):
        assert len(transform(plan, {**ADDED, "word": word}, KEY).rows["radiology_occurrence"]) == 1


def test_the_keys_of_an_annex_are_covered(tmp_path: Path) -> None:
    plan = annex(tmp_path, study() + "\n")
    assert {leaf.path: leaf.fate for leaf in cover(plan, ADDED)} == {
        "$.id": "mapped",
        "$.form": "unused",
        "$.age": "unused",
        "$.word": "mapped",
    }


def test_a_case_may_be_of_a_series(tmp_path: Path) -> None:
    of_series = ANNEX.replace("{patient: id, form: word}", "{series: id}")
    plan = annex(tmp_path, study() + "\n", of_series)
    assert plan.case == CasePaths(None, None, None, "id")
    assert {leaf.path: leaf.fate for leaf in cover(plan, ADDED)}["$.id"] == "mapped"


def test_an_annex_is_shown(tmp_path: Path) -> None:
    annex(tmp_path, study("date: day, ") + "\n" + series("attributes: {json: '@'}").replace("r:", "s:"))
    shown = show(read_mapping(tmp_path))
    for said in (
        "None: every section holds for every case.",
        "None: dates are loaded as they are recorded.",
        "None is described here: the cases add to persons that other mappings describe.",
        "| `day`, as recorded |",
        "`attributes` = the case, whole, as JSON",
    ):
        assert said in shown
    assert "**nothing**" not in shown, "what is taken whole is read"
