"""The views on images: the imaging extension's, lineage, curation, and series with their clinical context."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from tests.conftest import engine_on, new_database
from tests.imaging_rows import Images

#: OHDSI imaging extension, table IMAGE_OCCURRENCE: its columns in order, with their types.
OFFICIAL = [
    ("image_occurrence_id", "integer"),
    ("person_id", "integer"),
    ("visit_occurrence_id", "integer"),
    ("procedure_occurrence_id", "integer"),
    ("wadors_uri", "varchar(max)"),
    ("local_path", "varchar(max)"),
    ("image_occurrence_date", "date"),
    ("image_study_uid", "varchar(250)"),
    ("image_series_uid", "varchar(250)"),
    ("modality_concept_id", "int"),
    ("anatomic_site_concept_id", "integer"),
]
HERE = {"varchar(max)": "text", "varchar(250)": "character varying(250)", "int": "integer", "date": "date"}


@pytest.fixture(scope="module")
def database(server_url: str, template_database: str) -> Iterator[Engine]:
    """One initialised database for the module; each test takes back what it wrote."""
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        yield engine


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def images(connection: Connection) -> Images:
    return Images(connection)


def rows(connection: Connection, query: str, **values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query), values)]


def test_image_occurrence_has_the_columns_of_the_imaging_extension(connection: Connection) -> None:
    found = rows(
        connection,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'omop.image_occurrence'::regclass AND attnum > 0 ORDER BY attnum",
    )
    # Keys are bigint here as everywhere; concepts are not keys of ours.
    keys = {name for name, kind in OFFICIAL if kind == "integer" and "concept" not in name}
    expected = [(name, "bigint" if name in keys else HERE.get(kind, kind)) for name, kind in OFFICIAL]
    assert found == expected


def test_image_occurrence_is_a_series_with_its_study(connection: Connection, images: Images) -> None:
    study = images.study("2.25.1", radiology_occurrence_date=date(2000, 1, 20), anatomic_site_concept_id=0)
    first = images.series(study, "2.25.2", study_instance_uid="2.25.1", image_filepath="a/b")
    images.series(study, "2.25.3", study_instance_uid="2.25.1", series_date=date(2000, 1, 21))
    found = rows(connection, "SELECT * FROM omop.image_occurrence ORDER BY image_series_uid")
    assert found == [
        (first, 1, None, None, None, "a/b", date(2000, 1, 20), "2.25.1", "2.25.2", 0, 0),
        (first + 1, 1, None, None, None, None, date(2000, 1, 21), "2.25.1", "2.25.3", 0, 0),
    ]


LINEAGE = """
    SELECT ancestor_uid, steps, via, is_original
      FROM omop.image_lineage WHERE series_instance_uid = :uid ORDER BY steps, ancestor_uid
"""


def lineage(connection: Connection, uid: str) -> list[tuple[Any, ...]]:
    return rows(connection, LINEAGE, uid=uid)


@pytest.fixture
def curated(images: Images) -> Images:
    """A run makes mc of dwi, another co of mc on t2; seg segments co; late is known by its header alone."""
    study = images.study("2.25.1")
    for uid in ("dwi", "t2", "mc", "co"):
        images.series(study, uid)
    images.series(study, "seg", modality="SEG")
    images.series(study, "late", references=["co", "gone"])
    images.run("motion_correction", "dwi", made="mc")
    images.run("coregistration", "mc", static="t2", made="co")
    images.feature("co", segmentation_series_uid="seg", segment_number=1)
    images.feature("co", segmentation_series_uid="seg", segment_number=2)
    return images


def test_lineage_leads_back_to_the_scanner(connection: Connection, curated: Images) -> None:
    assert lineage(connection, "co") == [
        ("co", 0, None, False),
        ("mc", 1, "source", False),
        ("t2", 1, "static", True),
        ("dwi", 2, "source", True),
    ]
    assert lineage(connection, "dwi") == [("dwi", 0, None, True)]
    assert lineage(connection, "seg")[1] == ("co", 1, "segmented", False)


def test_lineage_goes_by_the_header_where_no_run_is_known(connection: Connection, curated: Images) -> None:
    found = lineage(connection, "late")
    assert found[:3] == [
        ("late", 0, None, False),
        ("co", 1, "referenced", False),
        ("gone", 1, "referenced", True),
    ]
    assert [row[0] for row in found[3:]] == ["mc", "t2", "dwi"]
    (path,) = rows(
        connection,
        "SELECT path FROM omop.image_lineage WHERE series_instance_uid = 'late' AND ancestor_uid = 'dwi'",
    )
    assert path == (["late", "co", "mc", "dwi"],)


def test_a_run_goes_before_what_the_header_says(connection: Connection, images: Images) -> None:
    study = images.study("2.25.1")
    images.series(study, "dwi")
    images.series(study, "mc", references=["dwi", "something"])
    images.run("motion_correction", "dwi", made="mc")
    assert lineage(connection, "mc") == [("mc", 0, None, False), ("dwi", 1, "source", True)]


def test_a_circle_ends(connection: Connection, images: Images) -> None:
    study = images.study("2.25.1")
    images.series(study, "a", references=["b", "a"])
    images.series(study, "b", references=["a"])
    assert lineage(connection, "a") == [("a", 0, None, False), ("b", 1, "referenced", False)]
    assert rows(connection, "SELECT research.led_to('a', 'coregistration')") == [(False,)]
    assert rows(connection, "SELECT research.stems_from('a', 'coregistration')") == [(False,)]
    images.run("motion_correction", "a", made="b")
    images.run("coregistration", "b", made="a")
    assert rows(connection, CURATION) == [("a", Y, Y, None, Y, Y, N), ("b", Y, Y, None, Y, Y, N)]


@pytest.mark.parametrize("references", [None, [], "2.25.9", {"a": 1}, 7])
def test_references_of_another_shape_are_none(
    connection: Connection, images: Images, references: Any
) -> None:
    images.series(images.study("2.25.1"), "a", references=references)
    assert lineage(connection, "a") == [("a", 0, None, True)]


def test_both_ends_of_a_step_tell_the_same(connection: Connection, curated: Images) -> None:
    uids = ["dwi", "t2", "mc", "co", "seg", "late", "gone"]
    back = rows(
        connection,
        "SELECT u, o.origin_uid, o.via FROM unnest(:uids) AS u, omop.came_from(u) AS o",
        uids=uids,
    )
    onward = rows(
        connection, "SELECT b.derived_uid, u, b.via FROM unnest(:uids) AS u, omop.became(u) AS b", uids=uids
    )
    assert sorted(back) == sorted(onward)
    assert len(back) == 6


CURATION = """
    SELECT right(series_instance_uid, 4), is_motion_corrected, is_coregistered, is_approved,
           has_motion_correction, has_coregistration, has_approval
      FROM research.series WHERE modality = 'MR' ORDER BY image_id
"""
Y, N = True, False


def test_the_state_of_curation(connection: Connection, curated: Images) -> None:
    curated.decide("mc", "co", "rejected", datetime(2001, 1, 2))
    curated.decide("mc", "co", "approved", datetime(2001, 1, 3))
    curated.decide("mc", "co", "rejected", datetime(2001, 1, 1))
    assert rows(connection, CURATION) == [
        ("dwi", N, N, None, Y, Y, Y),
        ("t2", N, N, None, N, N, N),
        ("mc", Y, N, None, N, Y, Y),
        ("co", Y, Y, True, N, N, N),
        ("late", N, N, None, N, N, N),
    ]


def test_a_rejected_outcome_counts_as_none(connection: Connection, curated: Images) -> None:
    curated.decide("mc", "co", "rejected", datetime(2001, 1, 1))
    found = rows(connection, CURATION)
    assert found[0] == ("dwi", N, N, None, Y, N, N)
    assert found[3] == ("co", Y, Y, False, N, N, N)


def test_a_run_without_an_outcome_known_counts(connection: Connection, images: Images) -> None:
    """Appendix B's documents name the source alone; the header tells what came of it."""
    study = images.study("2.25.1")
    images.series(study, "dwi")
    images.series(study, "t2")
    images.series(study, "mc", references=["dwi"])
    images.run("motion_correction", "dwi")
    images.run("coregistration", "mc", static="t2")
    assert rows(connection, CURATION) == [
        ("dwi", N, N, None, Y, Y, N),
        ("t2", N, N, None, N, N, N),
        ("mc", N, N, None, N, Y, N),
    ]


def test_one_series_is_told_the_same_as_all(connection: Connection, curated: Images) -> None:
    """By functions that walk from one series through indexes."""
    curated.decide("mc", "co", "approved", datetime(2001, 1, 1))
    curated.decide("dwi", "mc", "rejected", datetime(2001, 1, 1))
    study = curated.study("2.25.2")
    for uid, references in (("x", ["late", "y"]), ("y", ["x", "mc"]), ("z", ["co"])):
        curated.series(study, uid, references=references)
    curated.run("coregistration", "y")
    curated.run("motion_correction", "late", made="z")
    one = """
        SELECT right(uid, 4), research.stems_from(uid, 'motion_correction'),
               research.stems_from(uid, 'coregistration'), research.verdict(uid),
               research.led_to(uid, 'motion_correction'), research.led_to(uid, 'coregistration'),
               research.led_to(uid, 'approval')
          FROM omop.radiology_image CROSS JOIN LATERAL CAST(series_instance_uid AS text) AS uid
         WHERE modality = 'MR' ORDER BY image_id
    """
    found = rows(connection, CURATION)
    assert found == rows(connection, one)
    assert [len({row[column] for row in found}) for column in range(1, 7)] == [2, 2, 3, 2, 2, 2]


WEIGHTING = [
    # D4.4's Figure 41
    ("3-Plane Loc", None),
    ("SF SAG T2 3mm", "T2w"),
    ("Ax DWI RTr b1000", "DWI"),
    ("P Ax LAVA", "T1w"),
    ("COR T2", "T2w"),
    ("SF AX T2 3mm", "T2w"),
    ("Ax DWI b1000", "DWI"),
    ("P Ax LAVA +C", "T1w"),
    # As scanners of other makers name them
    ("t2_tse_tra_p2", "T2w"),
    ("T2W_TSE_ax", "T2w"),
    ("t2_localizer", None),
    ("ep2d_diff_b50_b400_b800_ADC", "ADC"),
    ("ep2d_diff_tra_TRACEW", "DWI"),
    ("dADC Map", None),
    ("b1500", "DWI"),
    ("b", None),
    ("t1_vibe_dyn_tra", "DCE"),
    ("DCE axial", "DCE"),
    ("t1_tse_tra", "T1w"),
    ("T2* GRE", None),
    ("t2star_map", None),
    ("SWI", None),
    ("AAHead_Scout", None),
    ("Apparent Diffusion Coefficient (mm2/s)", "ADC"),
    ("", None),
    (None, None),
]


@pytest.mark.parametrize(("description", "weighting"), WEIGHTING)
def test_the_weighting_goes_by_words(
    connection: Connection, description: str | None, weighting: str | None
) -> None:
    ask = "SELECT research.weighting(:modality, CAST(:one AS text), CAST(:other AS text))"
    for one, other in ((description, None), (None, description)):
        for modality in ("MR", None):
            assert rows(connection, ask, modality=modality, one=one, other=other) == [(weighting,)]
    assert rows(connection, ask, modality="SEG", one=description, other=None) == [(None,)]


@pytest.mark.parametrize(
    ("known", "description", "plane"),
    [
        ("oblique", "Ax T2", "oblique"),
        (None, "SF AX T2 3mm", "axial"),
        (None, "t2_tse_tra_p2", "axial"),
        (None, "T2 TSE sagittal", "sagittal"),
        (None, "COR T2", "coronal"),
        (None, "Max T2", None),
        (None, "core", None),
        (None, None, None),
    ],
)
def test_the_plane_is_known_or_goes_by_words(
    connection: Connection, known: str | None, description: str | None, plane: str | None
) -> None:
    ask = "SELECT research.plane(CAST(:known AS text), CAST(:said AS text), NULL)"
    assert rows(connection, ask, known=known, said=description) == [(plane,)]


def test_every_column_of_a_view_for_scientists_that_is_not_plain_is_commented(connection: Connection) -> None:
    plain = {"person_id", "study_instance_uid", "series_instance_uid", "modality"}
    plain |= {"series_description", "protocol_name"}
    silent = rows(
        connection,
        "SELECT attname FROM pg_attribute WHERE attrelid = 'research.series'::regclass AND attnum > 0"
        " AND col_description(attrelid, attnum) IS NULL",
    )
    assert {name for (name,) in silent} == plain
