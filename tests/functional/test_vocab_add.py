"""``oncolake vocab add`` and ``export`` as a curator meets them."""

from pathlib import Path

import pytest

from tests.functional.conftest import Run
from vocabularies.concepts import HEADER

CONCEPTS = (
    ",".join(HEADER) + "\n" + "2100000001,Halo sign,Site Domain,SITE,Finding,,halo,2024-01-01,2099-12-31,\n"
)
REVIEW = """\
sourceCode,sourceName,sourceFrequency,sourceAutoAssignedConceptIds,matchScore,mappingStatus,equivalence,statusSetBy,\
statusSetOn,conceptId,conceptName,domainId,mappingType,comment,createdBy,createdOn,assignedReviewer
a,one,1,,1.00,APPROVED,EQUAL,me,1,2100000001,Halo sign,Observation,MAPS_TO,,me,1,
b,two,1,,1.00,APPROVED,EQUAL,me,1,2100000001,Halo sign,Observation,MAPS_TO_VALUE,,me,1,
c,three,1,,0.10,UNCHECKED,UNREVIEWED,,0,0,Unmapped,,MAPS_TO,,,0,
"""


@pytest.fixture
def concepts(tmp_path: Path) -> Path:
    path = tmp_path / "concepts.csv"
    path.write_text(CONCEPTS)
    return path


def test_custom_concepts_then_codes_then_an_export(run: Run, concepts: Path, tmp_path: Path) -> None:
    added = run("vocab", "add", concepts, "--name", "Site terms", "--version", "1")
    assert added.out == "Custom concepts: 1 read, 1 new, 0 changed, 0 as they were.\n"
    assert added.err == "warning: no other concept has domain 'Site Domain'\n"
    assert added.code == 1
    again = run("vocab", "add", concepts)
    assert (again.code, again.out) == (0, "Custom concepts: 1 read, 0 new, 0 changed, 1 as they were.\n")

    review = tmp_path / "review.csv"
    review.write_text(REVIEW)
    mapped = run("vocab", "add", review, "--vocabulary", "SITE_CODES")
    assert mapped.code == 1
    assert mapped.out == (
        "Source codes: 3 read, 1 new, 0 changed, 0 as they were.\n"
        "Left out, as not approved (UNCHECKED): 1 row, line 4.\n"
        "Left out, as nothing that SOURCE_TO_CONCEPT_MAP can say (MAPS_TO_VALUE): 1 row, line 3.\n"
    )
    assert "2100000001 'Halo sign' is not a standard concept" in mapped.err

    exported = run("vocab", "export", tmp_path / "site.zip", "--vocabulary", "SITE")
    assert exported.code == 0
    assert "CONCEPT.csv" in exported.out
    refused = run("vocab", "export", tmp_path / "site.zip")
    assert (refused.code, refused.out) == (2, "")
    assert "--force overwrites it" in refused.err


def test_nothing_is_added_of_a_file_with_a_bad_line(run: Run, concepts: Path) -> None:
    concepts.write_text(CONCEPTS + "x,a\n44793131,PSA,Measurement,,,,,,,\n")
    refused = run("vocab", "add", concepts)
    assert (refused.code, refused.out) == (2, "")
    assert f"{concepts}:3: 2 fields where the header has 10" in refused.err
    assert f"{concepts}:4: 'concept_id' 44793131 is Athena's to give" in refused.err
    assert run(
        "sql", "--format", "plain", "SELECT count(*) FROM omop.concept WHERE concept_id = 2100000001"
    ).out == ("0\n")


def test_a_file_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    refused = run("vocab", "add", tmp_path / "none.csv")
    assert refused.code == 2
    assert "none.csv: there is no such file" in refused.err


@pytest.mark.parametrize("name", ["export", "export.zip"])
def test_what_holds_files_is_no_file(run: Run, tmp_path: Path, name: str) -> None:
    exported = run("vocab", "export", tmp_path / name, "--vocabulary", "PROCANCERI")
    assert exported.code == 0
    refused = run("vocab", "add", tmp_path / name)
    assert (refused.code, refused.out) == (2, "")
    assert f"'{tmp_path / name}' is a {'zip' if name.endswith('zip') else 'folder'}; " in refused.err
    assert "one by one, CONCEPT.csv first" in refused.err
