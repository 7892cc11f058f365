"""D4.4's worked example: the form of Figure 13 becomes exactly the rows of Figure 14.

The tables below are Figure 14, in its order and turned as it is printed: a row for each field, a column for
each record. They differ from the print only where mappings/prostate/ERRATA.md says so (number in brackets):

- ids are packed from case, rule and item, so the made-up ids of the figure are named here after what they
  stand for;
- Gleason patterns are 4293445 and 4297948 [14];
- field concepts are 1147127 (condition) and 1147082 (procedure) wherever a row is linked to [15, 24];
- an episode's object is the diagnosis concept 4161028, not the diagnosis row [16];
- the metastasis ticked in Figure 13 has a row [27];
- columns that CDM v6.0 requires are filled [30]: see ``REQUIRED``.
"""

import json
from collections.abc import Iterator
from importlib.resources import files

import pytest

from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.plan import CaseKey
from etl.transform import Result, decode, transform
from tests import mini

PROSTATE = files("mappings") / "prostate"
PLAN = compile_plan(mapping := read_mapping(PROSTATE), provisional_numbers(mapping))
FIGURE_13 = json.loads((PROSTATE / "samples" / "figure-13.json").read_text(encoding="utf-8"))
KEY = CaseKey(case_id=38, person_id=1, care_site_id=4090166)

#: Dates are printed once: the figure shows now the date, now the datetime of a row; here both are filled.
FIGURE_14 = {
    "person": """
        person_id            1
        gender_concept_id    8507
        year_of_birth        1926
        person_source_value  PCa-268768370567
        care_site_id         4090166
    """,
    "visit_occurrence": """
        visit_occurrence_id  baseline    imaging         follow_up
        person_id            1           1               1
        visit_concept_id     2000000007  2000000009      2000000010
        visit_start          2000-01-01  2000-01-21      2001-04-01
        visit_end            2000-01-01  2000-01-21      2001-04-01
        visit_source_value   baseline    baseline_-_MRI  follow-up
    """,
    "procedure_occurrence": """
        procedure_occurrence_id  dre         mri         biopsy      final_mri
        person_id                1           1           1           1
        procedure_concept_id     4254766     36714087    37206816    36714087
        procedure                2000-01-01  2000-01-21  2000-01-21  2001-04-01
        procedure_source_value   DRE         MRI         Fusion      imgModMRI
        visit_occurrence_id      baseline    imaging     imaging     follow_up
    """,
    "condition_occurrence": """
        condition_occurrence_id    dre_result    mri_result    biopsy_result    lesion
        person_id                  1             1             1                1
        condition_concept_id       43531580      4059669       4013824          4161028
        condition_start            2000-01-01    2000-01-21    2000-01-21       2000-01-21
        condition_type_concept_id  32809         32809         32809            32809
        visit_occurrence_id        baseline      imaging       imaging          imaging
        condition_source_value     DRE_positive  MRI_positive  Biopsy_positive  Acinar_adenocarcinoma
    """,
    "observation": """
        observation_id               index_lesion
        person_id                    1
        observation_concept_id       2000000001
        observation                  2000-01-21
        observation_type_concept_id  32809
        observation_source_value     indexlesion
        visit_occurrence_id          imaging
        observation_event_id         lesion
        obs_event_field_concept_id   1147127
    """,
    "episode": """
        episode_id                 disease     confined    invasive    metastatic
        person_id                  1           1           1           1
        episode_concept_id         32533       32942       32943       32944
        episode_start              2000-01-01  2000-01-21  2001-04-01  2001-04-01
        episode_end                2001-04-01  2001-04-01  -           -
        episode_parent_id          -           disease     disease     disease
        episode_object_concept_id  4161028     4161028     4161028     4161028
        episode_source_value       disease     cT2a        cN1         cM1
    """,
    "measurement": """
        measurement_id                psa         gleason1    gleason2    location    pi_rads     t_mri
        person_id                     1           1           1           1           1           1
        measurement_concept_id        44793131    4293445     4297948     4135405     2000000004  1539231
        measurement                   2000-01-01  2000-01-21  2000-01-21  2000-01-21  2000-01-21  2000-01-21
        measurement_type_concept_id   32809       32809       32809       32809       32809       32809
        value_as_concept_id           -           -           -           37396929    -           -
        value_as_number               7.2         2           3           -           3           -
        unit_concept_id               8842        -           -           -           -           -
        visit_occurrence_id           baseline    imaging     imaging     imaging     imaging     imaging
        measurement_source_value      PSA_Total   gleason1    gleason2    location    pi_rads     T_MRI
        value_source_value            7.2         2           3           MRPZpl      3           cT2a
        modifier_of_event_id          -           lesion      lesion      lesion      lesion      mri
        modifier_of_field_concept_id  -           1147127     1147127     1147127     1147127     1147082
    """,
    "measurement, continued": """
        measurement_id                n_diagnosis  m_diagnosis
        person_id                     1            1
        measurement_concept_id        35918746     1538290
        measurement                   2001-04-01   2001-04-01
        measurement_type_concept_id   32809        32809
        value_as_concept_id           35919638     -
        value_as_number               -            -
        unit_concept_id               -            -
        visit_occurrence_id           follow_up    follow_up
        measurement_source_value      N_diagnosis  M_diagnosis
        value_source_value            cN1          cM1
        modifier_of_event_id          final_mri    final_mri
        modifier_of_field_concept_id  1147082      1147082
    """,
    "episode_event": """
        episode_id                      disease     disease        disease  disease  disease  disease
        event_id                        mri_result  biopsy_result  lesion   mri      biopsy   final_mri
        episode_event_field_concept_id  1147127     1147127        1147127  1147082  1147082  1147082
    """,
    "note": """
        note_id                use_case_type
        person_id              1
        note                   2000-01-01
        note_class_concept_id  706391
        note_title             useCaseType
        note_text              1+2+3
        encoding_concept_id    32678
        language_concept_id    4180186
        visit_occurrence_id    baseline
        note_source_value      use_case_type
    """,
}

#: Not in Figure 14, though ticked in Figure 13: Table 23 asks for a measurement of each metastasis [27].
LEFT_OUT = """
    measurement_id                metastasis
    person_id                     1
    measurement_concept_id        36769180
    measurement                   2001-04-01
    measurement_type_concept_id   32809
    value_as_concept_id           -
    value_as_number               -
    unit_concept_id               -
    visit_occurrence_id           follow_up
    measurement_source_value      metastasis
    value_source_value            Retroperitoneum
    modifier_of_event_id          final_mri
    modifier_of_field_concept_id  1147082
"""

#: Columns that the figure does not show, the same in every row of a table [30].
REQUIRED: dict[str, dict[str, str | None]] = {
    "person": dict.fromkeys(
        ("race_concept_id", "ethnicity_concept_id", "gender_source_concept_id", "race_source_concept_id",
         "ethnicity_source_concept_id"), "0"),
    "visit_occurrence": {
        "visit_type_concept_id": "32809", "visit_source_concept_id": "0", "admitted_from_concept_id": "0",
        "discharge_to_concept_id": "0"},
    "procedure_occurrence": {
        "procedure_type_concept_id": "32809", "modifier_concept_id": "0", "procedure_source_concept_id": "0"},
    "condition_occurrence": {
        "condition_end_date": None, "condition_end_datetime": None, "condition_status_concept_id": "0",
        "condition_source_concept_id": "0"},
    "observation": {
        "observation_source_concept_id": "0",
        "value_as_number": None,
        "value_as_string": None,
        "value_as_concept_id": None,
    },
    "episode": {"episode_type_concept_id": "32809"},
    "measurement": {"measurement_source_concept_id": "0"},
    "episode_event": {},
    "note": {"note_type_concept_id": "32809", "note_event_id": None, "note_event_field_concept_id": "0"},
}  # fmt: skip

#: What the rows of Figure 14 are called here, by the rule and item that make them.
CALLED = {
    "visit.baseline": "baseline", "visit.imaging": "imaging", "visit.final_diagnosis": "follow_up",
    "final_imaging[0]": "final_mri", "lesion[0]": "lesion", "lesion.index_lesion[0]": "index_lesion",
    "episode.disease": "disease", "episode.confined": "confined", "episode.invasive_final": "invasive",
    "episode.metastatic": "metastatic", "psa_total[0]": "psa", "lesion.gleason1[0]": "gleason1",
    "lesion.gleason2[0]": "gleason2", "lesion.location[0][0]": "location", "lesion.pi_rads[0]": "pi_rads",
    "t_mri": "t_mri", "metastasis[0]": "metastasis",
}  # fmt: skip

Row = dict[str, str | None]


def printed(table: str, text: str) -> Iterator[Row]:
    """The records of a printed table, with the columns that it does not show."""
    fields = [line.split() for line in text.strip().splitlines()]
    for record in range(1, len(fields[0])):
        row: Row = dict(REQUIRED[table])
        for field, *values in fields:
            value = None if values[record - 1] == "-" else values[record - 1].replace("_-_", " - ")
            row |= both(table, field, value) if field in dated(table) else {field: value}
        yield {name: spaced(name, value) for name, value in row.items()}


def dated(table: str) -> set[str]:
    stem = table.removesuffix("_occurrence")
    return {stem, f"{stem}_start", f"{stem}_end"} - {"person"}


def both(table: str, field: str, value: str | None) -> Row:
    stamp = {f"{field}_datetime": value and f"{value} 00:00:00"}
    return stamp if table == "episode" else {f"{field}_date": value, **stamp}


def spaced(name: str, value: str | None) -> str | None:
    """Source values of several words are printed with _ for the space."""
    words = ("DRE_positive", "MRI_positive", "Biopsy_positive", "Acinar_adenocarcinoma", "PSA_Total")
    return value.replace("_", " ") if value in words and name.endswith("source_value") else value


def made(result: Result, table: str) -> list[Row]:
    names = {rule.number: (rule.name, rule.each_path.count("[*]")) for rule in PLAN.rules}
    ids = ("person_id", "care_site_id")
    return [
        {
            column: called(names, int(value))
            if value and mini.refers(column) and column not in ids
            else value
            for column, value in decode(PLAN, table, line).items()
        }
        for line in result.rows[table]
    ]


def called(names: dict[int, tuple[str, int]], row_id: int) -> str:
    symbol = mini.symbol(names, row_id)
    return CALLED.get(symbol, symbol)


def in_order(rows: list[Row]) -> list[list[tuple[str, str]]]:
    return sorted(sorted((name, value or "-") for name, value in row.items()) for row in rows)


@pytest.fixture(scope="module")
def result() -> Result:
    return transform(PLAN, FIGURE_13, KEY)


@pytest.mark.parametrize("table", PLAN.columns)
def test_figure_13_becomes_the_rows_of_figure_14_and_no_other(table: str, result: Result) -> None:
    expected = [
        row for key, text in FIGURE_14.items() if key.split(",")[0] == table for row in printed(table, text)
    ]
    if table == "measurement":
        expected += printed(table, LEFT_OUT)
    assert in_order(made(result, table)) == in_order(expected)


def test_figure_14_has_no_table_that_is_not_written() -> None:
    # Figure 13 has no images.
    assert {key.split(",")[0] for key in FIGURE_14} == set(PLAN.columns) - {
        "radiology_occurrence",
        "radiology_image",
    }


def test_figure_13_has_no_problems(result: Result) -> None:
    assert result.told == ()


def test_the_case_lasts_from_baseline_to_follow_up(result: Result) -> None:
    assert (result.first_date, result.last_date) == ("2000-01-01", "2001-04-01")


def test_every_row_belongs_to_the_case(result: Result) -> None:
    for table, lines in result.rows.items():
        key = "event_id" if table == "episode_event" else f"{table}_id"
        for line in lines:
            row_id = decode(PLAN, table, line)[key]
            assert table == "person" or int(row_id or 0) >> 32 == KEY.case_id
