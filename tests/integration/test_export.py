"""Writing custom vocabularies in Athena's layout, and reading them back."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from tests.bundles import HEADERS, small
from tests.conftest import engine_on, new_database
from tests.put import put
from vocabularies.athena.bundle import open_bundle
from vocabularies.athena.copying import copy_member
from vocabularies.athena.layout import TABLES
from vocabularies.concepts import HEADER
from vocabularies.custom.add import add_file
from vocabularies.custom.export import ExportError, export

CONCEPTS = [
    '2100000001,"Halo ""sign""",Observation,SITE,Site Finding,,halo,2024-01-01,2099-12-31,',
    "2100000002,\\N,Observation,SITE,Site Finding,S,none,2024-01-01,2024-12-31,D",
    "2100000003,bicalutamide 60 MG,Drug,OTHER,Site Drug,S,b60,1970-01-01,2099-12-31,",
]
LINKS = {
    "CONCEPT_RELATIONSHIP": [
        "2100000001,4163261,Is a,1970-01-01,2099-12-31,",
        "2100000003,2100000001,Maps to,1970-01-01,2099-12-31,",
    ],
    "CONCEPT_SYNONYM": ["2100000001,Höfchen,4180186", "2100000003,null,4180186"],
    "CONCEPT_ANCESTOR": ["443392,2100000001,2,2", "2100000001,2100000002,1,1"],
}
STRENGTH = """
    INSERT INTO omop.drug_strength VALUES
        (2100000003, 19028106, 60.50, 8576, NULL, NULL, NULL, NULL, NULL, '1970-01-01', '2099-12-31', NULL)
"""


@pytest.fixture(scope="module")
def vocabulary(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    file = tmp_path_factory.mktemp("given") / "given.csv"
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        with engine.begin() as connection:
            put(connection, small())
            for header, lines in [
                (HEADER, CONCEPTS),
                *((HEADERS[name], lines) for name, lines in LINKS.items()),
            ]:
                file.write_text("\n".join([",".join(header), *lines]))
                add_file(connection, file)
            connection.execute(text(STRENGTH))
        yield engine


@pytest.fixture
def connection(vocabulary: Engine) -> Iterator[Connection]:
    """A connection whose work is undone afterwards."""
    with vocabulary.connect() as connection:
        yield connection


def read_back(connection: Connection, path: Path) -> dict[str, tuple[int, int]]:
    """How many rows each file brings, and how many of them the database has exactly so."""
    found = {}
    with open_bundle(path) as bundle:
        for table in TABLES:
            name = f"read_{table.name}"
            connection.execute(text(f"CREATE TEMPORARY TABLE {name} (LIKE omop.{table.name})"))
            rows = copy_member(connection, bundle, bundle.members[f"{table.name.upper()}.csv"], (name,))
            same = f"SELECT * FROM {name} INTERSECT ALL SELECT * FROM omop.{table.name}"
            found[table.name] = rows, connection.scalar(text(f"SELECT count(*) FROM ({same}) AS same")) or 0
    return found


@pytest.mark.parametrize("name", ["site", "site.zip", "new/site.ZIP"])
def test_what_is_exported_reads_back_as_the_same_rows(
    connection: Connection, tmp_path: Path, name: str
) -> None:
    exported = export(connection, tmp_path / name, ["SITE", "OTHER"])
    expected = {
        "concept": 3,
        "vocabulary": 2,
        "domain": 2,
        "concept_class": 2,
        "relationship": 4,
        "concept_relationship": 4,
        "concept_synonym": 2,
        "concept_ancestor": 2,
        "drug_strength": 1,
    }
    assert {table.name: exported.rows[f"{table.name.upper()}.csv"] for table in TABLES} == expected
    found = read_back(connection, tmp_path / name)
    assert found == {table: (count, count) for table, count in expected.items()}


def test_another_database_takes_what_was_exported(
    connection: Connection, tmp_path: Path, lake: Engine
) -> None:
    export(connection, tmp_path / "site", ["SITE", "OTHER"])
    with lake.connect() as other:
        put(other, small())
        for name in ("CONCEPT", *LINKS):
            added = add_file(other, tmp_path / "site" / f"{name}.csv")
            assert (added.added, added.reverse) == (added.read, 0)
        again = export(other, tmp_path / "again", ["SITE", "OTHER"])
    assert again.rows["CONCEPT_RELATIONSHIP.csv"] == 4
    for name in ("CONCEPT", *LINKS):
        files = [tmp_path / folder / f"{name}.csv" for folder in ("site", "again")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_files_are_like_athenas(connection: Connection, tmp_path: Path) -> None:
    export(connection, tmp_path / "site", ["SITE"])
    assert sorted(file.name for file in tmp_path.joinpath("site").iterdir()) == sorted(
        f"{name}.csv" for name in HEADERS
    )
    assert tmp_path.joinpath("site", "CONCEPT.csv").read_bytes().decode() == (
        "\t".join(HEADER) + "\n"
        '2100000001\tHalo "sign"\tObservation\tSITE\tSite Finding\t\thalo\t20240101\t20991231\t\n'
        "2100000002\t\\N\tObservation\tSITE\tSite Finding\tS\tnone\t20240101\t20241231\tD\n"
    )
    assert (
        tmp_path.joinpath("site", "DRUG_STRENGTH.csv").read_text()
        == "\t".join(HEADERS["DRUG_STRENGTH"]) + "\n"
    )


def test_the_same_vocabulary_gives_the_same_bytes(connection: Connection, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        export(connection, tmp_path / name)
    assert tmp_path.joinpath("a.zip").read_bytes() == tmp_path.joinpath("b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
        assert b"\nPROCANCERI\t" in archive.read("VOCABULARY.csv")


def test_nothing_is_overwritten_unless_told(connection: Connection, tmp_path: Path) -> None:
    for name, message in {"site": "holds CONCEPT.csv already", "site.zip": "is there already"}.items():
        export(connection, tmp_path / name)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ExportError, match=f"{message}; --force overwrites it"):
            export(connection, tmp_path / name, ["SITE"])
        export(connection, tmp_path / name, ["SITE"], force=True)
        assert sorted(tmp_path.rglob("*")) == before
    tmp_path.joinpath("site", "notes.txt").write_text("mine")
    export(connection, tmp_path / "site", force=True)
    assert tmp_path.joinpath("site", "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("force", [True, False])
def test_force_is_not_promised_to_make_a_file_of_a_folder(
    connection: Connection, tmp_path: Path, force: bool
) -> None:
    tmp_path.joinpath("site").write_text("mine")
    tmp_path.joinpath("site.zip").mkdir()
    for name, message in {"site": "no folder", "site.zip": "a folder"}.items():
        with pytest.raises(ExportError, match=f"is {message}; choose another path"):
            export(connection, tmp_path / name, force=force)


def test_what_athenas_files_cannot_hold_is_named_and_nothing_written(
    connection: Connection, tmp_path: Path
) -> None:
    connection.execute(
        text("UPDATE omop.concept SET concept_name = E'two\\twords' WHERE vocabulary_id = 'SITE'")
    )
    connection.execute(
        text("UPDATE omop.concept_synonym SET concept_synonym_name = E'a\\nb' WHERE concept_id > 2e9")
    )
    with pytest.raises(ExportError) as refused:
        export(connection, tmp_path / "site.zip", ["SITE"])
    assert str(refused.value).splitlines()[1:] == [
        "  concept 2100000001: 'concept_name' holds a tab or a line end",
        "  concept 2100000002: 'concept_name' holds a tab or a line end",
        "  concept_synonym 2100000001: 'concept_synonym_name' holds a tab or a line end",
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("prostate.biopsy_type", "is a value map"),
        (
            "SNOMED",
            "'SNOMED' has no custom concepts here; these have: 'ONCOLAKE', 'OTHER', 'PROCANCERI', 'SITE'",
        ),
    ],
)
def test_only_custom_vocabularies_are_exported(
    connection: Connection, tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        export(connection, tmp_path / "x", [name])
