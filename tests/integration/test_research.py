"""The views of a disease: what a file may hold, what replaces what, and what series say of their patients."""

import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from etl.ingest import ingest
from etl.mapping.compile import provisional_numbers, read_mapping
from etl.mapping.findings import MappingError
from etl.mapping.views import view_sql, views_of
from etl.research import ResearchError, create_views
from etl.research_files import statements
from etl.setup import DEFAULT_MAPPING, initialise, prepare

FIGURE_13 = Path(str(files("mappings") / "prostate" / "samples" / "figure-13.json"))
VIEW = "CREATE OR REPLACE VIEW research.mine AS SELECT {} FROM omop.person;\n"


@pytest.fixture
def connection(lake: Engine) -> Iterator[Connection]:
    with lake.connect() as connection:
        yield connection


@pytest.fixture
def create(connection: Connection, tmp_path: Path) -> Any:
    """Create the view ``research.mine`` from this file, for this mapping."""

    def create_one(content: str, mapping: str = "own", name: str = "mine.sql") -> list[str]:
        tmp_path.joinpath("research").mkdir(exist_ok=True)
        tmp_path.joinpath("research", name).write_text(content)
        return create_views(connection, tmp_path, mapping)

    return create_one


def columns(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT * FROM research.mine")).keys())


def test_a_view_is_created_and_replaced(connection: Connection, create: Any) -> None:
    assert create(VIEW.format("person_id") + "COMMENT ON VIEW research.mine IS 'Who''s who: 100 %';") == [
        "research.mine"
    ]
    said = text("SELECT obj_description('research.mine'::regclass)")
    assert connection.execute(said).scalar_one().startswith("Who's who: 100 % (mapping own ")
    create(VIEW.format("person_id, year_of_birth"))
    assert columns(connection) == ["person_id", "year_of_birth"]
    create(VIEW.format("year_of_birth AS born"))
    assert columns(connection) == ["born"]


def test_a_file_that_did_not_change_locks_nothing(connection: Connection, create: Any) -> None:
    create(VIEW.format("person_id"))
    connection.commit()
    before = text("SELECT xmin FROM pg_class WHERE oid = 'research.mine'::regclass")
    was = connection.execute(before).scalar_one()
    create(VIEW.format("person_id"))
    locks = text(
        "SELECT count(*) FROM pg_locks WHERE relation = 'research.mine'::regclass AND mode LIKE '%Excl%'"
    )
    assert connection.execute(locks).scalar_one() == 0
    assert connection.execute(before).scalar_one() == was


def test_a_view_that_others_read_is_kept(connection: Connection, create: Any) -> None:
    create(VIEW.format("person_id"))
    connection.execute(text("CREATE VIEW research.yours AS SELECT * FROM research.mine"))
    create(VIEW.format("person_id, year_of_birth"))
    with pytest.raises(
        ResearchError, match=r"^research/mine\.sql: .* other views read research\.mine; drop those"
    ):
        create(VIEW.format("year_of_birth"))
    assert columns(connection) == ["person_id", "year_of_birth"]


def test_a_view_of_another_mapping_is_left_alone(connection: Connection, create: Any) -> None:
    create(VIEW.format("person_id"))
    with pytest.raises(ResearchError, match=r"research\.mine is a view of mapping 'own'; rename"):
        create(VIEW.format("year_of_birth"), "other")
    assert columns(connection) == ["person_id"]


@pytest.mark.parametrize(
    "content",
    [
        "DROP TABLE omop.person;",
        VIEW.format("person_id") + "DROP TABLE omop.person;",
        VIEW.format("person_id; DROP TABLE omop.person"),
        "CREATE OR REPLACE VIEW research.other AS SELECT 1 AS a;",
        "CREATE OR REPLACE VIEW omop.mine AS SELECT 1 AS a;",
        "COMMENT ON VIEW research.series IS 'x';",
        "-- CREATE OR REPLACE VIEW research.mine AS\nDROP TABLE omop.person;",
        VIEW.format("'a;b' AS a"),
    ],
)
def test_a_file_holds_nothing_but_its_view(connection: Connection, create: Any, content: str) -> None:
    with pytest.raises(
        ResearchError, match=r"^research/mine\.sql: may hold nothing but CREATE OR REPLACE VIEW"
    ):
        create(content)
    assert connection.execute(text("SELECT count(*) FROM omop.person")).scalar_one() == 0


def select(what: str, name: str = "mine") -> str:
    return f"CREATE OR REPLACE VIEW research.{name} AS SELECT {what};"


@pytest.mark.parametrize(
    ("what", "read"),
    [
        ("document FROM lake.documents", r"lake\.documents"),
        ("person_id FROM omop.person WHERE EXISTS (SELECT FROM lake.patients)", r"lake\.patients"),
        ("(SELECT max(site) FROM lake.prostate_case) AS a", r"lake\.prostate_case"),
        ("upload_id FROM lake.lineage(1)", r"lake\.lineage"),
        ("stavalues1::text FROM pg_statistic", r"pg_catalog\.pg_statistic"),
        ("a FROM research.by_hand", r"lake\.cases"),
    ],
)
def test_a_view_hands_its_readers_nothing_of_the_lake(
    connection: Connection, create: Any, what: str, read: str
) -> None:
    connection.execute(text("CREATE VIEW research.by_hand AS SELECT case_id AS a FROM lake.cases"))
    with pytest.raises(ResearchError, match=rf"^research/mine\.sql: research\.mine reads {read}; a view may"):
        create(select(what))
    assert connection.scalar(text("SELECT to_regclass('research.mine')")) is None


def test_a_view_that_others_read_hands_on_nothing_of_the_lake(connection: Connection, create: Any) -> None:
    create(select("person_id FROM omop.person"))
    create(select("person_id FROM research.mine", "over"), name="over.sql")
    with pytest.raises(ResearchError, match=r"^research/mine\.sql: .* reads lake\.patients"):
        create(select("person_id FROM lake.patients"))
    with pytest.raises(ResearchError, match=r"^research/mine\.sql: .* reads lake\.patients"):
        create(select("patient_id AS person_id FROM lake.patients"))
    assert columns(connection) == ["person_id"]


def test_a_view_may_read_what_its_readers_may(connection: Connection, create: Any) -> None:
    create(
        select(
            "subject_id, via, gender_concept_id FROM results.cohort"
            " JOIN omop54.person ON person_id = subject_id JOIN research.patient USING (person_id)"
            " CROSS JOIN omop.came_from('1')"
        )
    )


def test_an_expression_of_a_column_hands_on_nothing_of_the_lake(lake: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "prostate"
    shutil.copytree(str(DEFAULT_MAPPING), folder)
    file = folder.joinpath("research", "psa.yaml")
    leak = "  leak: {sql: (SELECT max(patient_id) FROM lake.patients), says: It}\n"
    file.write_text(file.read_text().rstrip("\n") + f"\n{leak}")
    with pytest.raises((ResearchError, MappingError), match=r"psa\.yaml"):
        initialise(lake, folder)


def test_what_postgresql_refuses_is_told_with_the_file(create: Any) -> None:
    with pytest.raises(
        ResearchError, match=r"^research/mine\.sql:3: PostgreSQL refuses it: column \"nix\" does not"
    ):
        create("-- Whose\n" + VIEW.format("person_id,\n       nix"))
    with pytest.raises(
        ResearchError, match=r"^research/mine\.sql:1: PostgreSQL refuses it: .*pseudo-type record"
    ):
        create(VIEW.format("ROW(person_id)"))
    with pytest.raises(
        ResearchError, match=r"^research/mine\.sql:4: PostgreSQL refuses it: column \"nix\" of relation"
    ):
        create(f";\n;{VIEW.format('person_id')}\nCOMMENT ON COLUMN research.mine.nix IS '';")
    with pytest.raises(ResearchError, match="name it after its view"):
        create(VIEW.format("person_id"), name="Mine.sql")


COMPUTED = """title: A view of tests
row: {{rules: {{lesion: baseline}}}}
columns:
  diameter: {{rule: .diam1}}
  size: {{sql: "CASE WHEN diameter > 1 THEN 'größer' END", says: The one before}}
  wrong:
    says: What is tested
    sql: {}
  twice: {{sql: diameter * 2, says: The one after}}
"""


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("nix(diameter)", ":8: column 'wrong': PostgreSQL refuses it: function nix(numeric) does not exist"),
        ("diameter::nix", ":8: column 'wrong': PostgreSQL refuses it: type \"nix\" does not exist"),
        ("diametre", ":8: column 'wrong': PostgreSQL refuses it: column \"diametre\" does not exist"),
        ("diameter + 'x'", ":8: column 'wrong': PostgreSQL refuses it: invalid input syntax for type"),
        ("diameter +", ":8: column 'wrong': PostgreSQL refuses it: syntax error at or near \"AS\""),
        ("ROW(diameter)", ': PostgreSQL refuses it: column "wrong" has pseudo-type record'),
    ],
)
def test_an_expression_that_postgresql_refuses_is_told_with_line_and_column(
    connection: Connection, tmp_path: Path, expression: str, said: str
) -> None:
    folder = tmp_path / "prostate"
    shutil.copytree(str(DEFAULT_MAPPING), folder)
    shutil.rmtree(folder / "research")
    folder.joinpath("research").mkdir()
    folder.joinpath("research", "mine.yaml").write_text(COMPUTED.format(expression), encoding="utf-8")
    mapping = read_mapping(folder)
    (view,) = views_of(mapping)
    made = {"mine": view_sql(view, provisional_numbers(mapping))}
    with pytest.raises(ResearchError) as raised:
        create_views(connection, folder, "own", made)
    assert str(raised.value).startswith(f"research/mine.yaml{said}")


def test_every_statement_of_the_shipped_view_is_let_through() -> None:
    content = DEFAULT_MAPPING.joinpath("research", "series.sql").read_text(encoding="utf-8")
    assert len(statements("series", content)) > 20


def test_init_tells_a_view_that_is_not_right_and_brings_nothing(lake: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "prostate"
    shutil.copytree(str(DEFAULT_MAPPING), folder)
    folder.joinpath("research", "series.sql").write_text("SELECT 1")
    with pytest.raises(ResearchError):
        initialise(lake, folder)
    with lake.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM research.series")).scalar_one() == 0


def form(**changes: Any) -> dict[str, Any]:
    """D4.4's Figure 13, with these sections changed and one series."""
    case = json.loads(FIGURE_13.read_text())
    case["dicom"] = [
        {
            "StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.2", "Modality": "MR",
            "SeriesDescription": "SF AX T2 3mm", "PixelSpacing": [0.5, 0.4], "SliceThickness": 3,
            "MagneticFieldStrength": 3, "NumberOfInstances": 22, "daysAfterBaseline": 20,
        }
    ]  # fmt: skip
    return case | changes


def said(engine: Engine, tmp_path: Path, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    """What ``research.series`` says once these cases are loaded."""
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    summary = ingest(engine, prepare(engine), [file], "tests")
    assert (summary.stored, summary.loaded.cases) == (len(cases), len(cases))
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM research.series")).mappings()]


def lesion(first: int | None, second: int | None) -> dict[str, Any]:
    return form()["lesions"][0] | {"gleason1": first, "gleason2": second}


def test_a_series_stands_with_its_patient(lake: Engine, tmp_path: Path) -> None:
    (row,) = said(lake, tmp_path, form())
    expected = {
        "site": "FORTH", "age": 74, "psa": 7.2, "gleason1": 2, "gleason2": 3, "gleason_score": 5,
        "isup_grade": 1, "clinical_t": "cT2a", "use_cases": ["1", "2", "3"], "study_instance_uid": "2.25.1",
        "series_instance_uid": "2.25.2", "modality": "MR", "series_description": "SF AX T2 3mm",
        "weighting": "T2w", "plane": "axial", "field_strength": 3, "pixel_spacing": 0.5, "slice_thickness": 3,
        "image_count": 22, "features": 0, "has_coregistration": False, "is_approved": None,
    }  # fmt: skip
    found = {name: row[name] for name in expected}
    assert {
        name: float(each) if name in ("psa", "pixel_spacing") else each for name, each in found.items()
    } == expected


@pytest.mark.parametrize(
    ("patterns", "worst"),
    [
        ([(3, 3), (2, 3)], (3, 3, 1)),
        ([(3, 4), (3, 3)], (3, 4, 2)),
        ([(3, 4), (4, 3)], (4, 3, 3)),
        ([(4, 4), (4, 3)], (4, 4, 4)),
        ([(3, 5), (5, 3)], (5, 3, 4)),
        ([(4, 5), (5, 5)], (5, 5, 5)),
        ([(2, 5), (3, 3)], (2, 5, 2)),
        ([(5, 2), (3, 4)], (5, 2, 3)),
        ([(5, None), (3, 3)], (3, 3, 1)),
        ([(None, None)], (None, None, None)),
    ],
)
def test_the_grade_is_that_of_the_worst_lesion(
    lake: Engine, tmp_path: Path, patterns: list[tuple[int | None, int | None]], worst: tuple[int | None, ...]
) -> None:
    (row,) = said(lake, tmp_path, form(lesions=[lesion(*each) for each in patterns]))
    assert (row["gleason1"], row["gleason2"], row["isup_grade"]) == worst


def test_psa_and_stage_are_of_the_baseline(lake: Engine, tmp_path: Path) -> None:
    test = {"freePSAvalue": None, "ratioPSAvalue": None}
    psa = [
        {"totalPSAvalue": 99, "psadate": "2021-07-10", "baseline": False} | test,
        {"totalPSAvalue": 8.5, "psadate": "2021-07-11", "baseline": True} | test,
        {"totalPSAvalue": 98, "psadate": "2021-07-11", "baseline": False} | test,
    ]
    case = form()
    case["clinicalBaselineData"]["psa"] = psa
    case["imagingInfo"]["stage"]["T"] = "cTX"
    case["biopsyInfo"]["stage"]["T"] = "cT1c"
    (row,) = said(lake, tmp_path, case)
    assert (float(row["psa"]), row["clinical_t"]) == (8.5, "cT1c")


def test_two_forms_of_a_patient_make_one_row(lake: Engine, tmp_path: Path) -> None:
    other = form(useCaseType="1+2", lesions=[lesion(4, 3)], dicom=[])
    del other["finalDiagnosis"]
    other["clinicalBaselineData"]["psa"][0]["totalPSAvalue"] = 9.1
    other["imagingInfo"]["stage"]["T"] = "cT3a"
    said(lake, tmp_path, form())
    (row,) = said(lake, tmp_path, other)
    found = (float(row["psa"]), row["isup_grade"], row["clinical_t"], row["use_cases"])
    assert found == (9.1, 3, "cT3a", ["1", "2", "3"])


def test_nothing_known_is_null(lake: Engine, tmp_path: Path) -> None:
    case = form(
        lesions=[lesion(None, None)], dicom=[{"StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.2"}]
    )
    case["imagingInfo"]["stage"]["T"] = None
    (row,) = said(lake, tmp_path, case)
    empty = ("gleason1", "isup_grade", "clinical_t", "weighting", "plane", "field_strength", "pixel_spacing")
    assert [row[name] for name in empty] == [None] * len(empty)
