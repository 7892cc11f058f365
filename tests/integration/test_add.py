"""Adding custom concepts, their links, and source codes to a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from tests.bundles import small
from tests.conftest import engine_on, new_database
from tests.put import put
from vocabularies.concepts import HEADER, ConceptFileError
from vocabularies.custom.add import AddError, Description, add_file
from vocabularies.starter import StarterError

CONCEPTS = ",".join(HEADER)
MAP = (
    "source_code,source_concept_id,source_vocabulary_id,source_code_description,target_concept_id,"
    "target_vocabulary_id,valid_start_date,valid_end_date,invalid_reason"
)
REVIEW = (
    "sourceCode,sourceName,sourceFrequency,sourceAutoAssignedConceptIds,ADD_INFO:unit,matchScore,mappingStatus,"
    "equivalence,statusSetBy,statusSetOn,conceptId,conceptName,domainId,mappingType,comment,createdBy,createdOn,"
    "assignedReviewer"
)
PSA = 'Prostate specific Ag ""total"" in Serum'


@pytest.fixture(scope="module")
def vocabulary(server_url: str, template_database: str) -> Iterator[Engine]:
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        with engine.begin() as connection:
            put(connection, small())
        yield engine


@pytest.fixture
def connection(vocabulary: Engine) -> Iterator[Connection]:
    """A connection whose work is undone afterwards."""
    with vocabulary.connect() as connection:
        yield connection


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given.csv"


def written(file: Path, *lines: str, encoding: str = "utf-8", newline: str = "\n") -> Path:
    file.write_text("".join(line + newline for line in lines), encoding=encoding, newline="")
    return file


def concept(concept_id: int, name: str = "Halo sign", code: str = "halo", vocabulary: str = "SITE") -> str:
    return f'{concept_id},"{name}",Observation,{vocabulary},Finding,,{code},20240101,2099-12-31,'


def review(
    code: str, target: int, name: str = PSA, *, status: str = "APPROVED", kind: str = "MAPS_TO"
) -> str:
    return (
        f'{code},"name of {code}",12,,ng/mL,0.87,{status},EQUAL,me,1700000000000,{target},"{name}",'
        f"Measurement,{kind},,me,1700000000000,"
    )


def mapped(
    code: str, target: int, *, of: str = "SITE_LABS", vocabulary: str = "LOINC", end: str = "20991231"
) -> str:
    return f"{code},0,{of},name of {code},{target},{vocabulary},1970-01-01,{end},"


def counts(added) -> tuple[int, ...]:
    return added.read, added.added, added.changed, added.kept, added.removed


def codes(connection: Connection) -> list[tuple]:
    found = connection.execute(
        text("""
            SELECT source_code, target_concept_id, target_vocabulary_id FROM omop.source_to_concept_map
             WHERE source_vocabulary_id = 'SITE_LABS' ORDER BY 1, 2
        """)
    )
    return [tuple(row) for row in found]


def held(connection: Connection, query: str) -> list[tuple]:
    return [tuple(row) for row in connection.execute(text(query))]


class TestConcepts:
    def test_new_changed_and_kept_are_told_apart(self, connection: Connection, file: Path) -> None:
        first = add_file(
            connection, written(file, CONCEPTS, concept(2100000001), concept(2100000002, code="b"))
        )
        assert counts(first) == (2, 2, 0, 0, 0)
        assert not first.warnings
        again = add_file(
            connection, written(file, CONCEPTS, concept(2100000001, "New"), concept(2100000002, code="b"))
        )
        assert counts(again) == (2, 0, 1, 1, 0)
        assert held(
            connection,
            "SELECT concept_id, concept_name, valid_start_date::text FROM omop.concept"
            " WHERE vocabulary_id = 'SITE' ORDER BY 1",
        ) == [(2100000001, "New", "2024-01-01"), (2100000002, "Halo sign", "2024-01-01")]

    def test_the_vocabulary_is_described_as_told(self, connection: Connection, file: Path) -> None:
        written(file, CONCEPTS, concept(2100000001))
        add_file(connection, file, description=Description("Site terms", "https://example.org", "1"))
        add_file(connection, file, description=Description(version="2"))
        query = (
            "SELECT vocabulary_name, vocabulary_reference, vocabulary_version FROM omop.vocabulary"
            " WHERE vocabulary_id = 'SITE'"
        )
        assert held(connection, query) == [("Site terms", "https://example.org", "2")]

    @pytest.mark.parametrize(
        ("encoding", "newline"), [("utf-8-sig", "\n"), ("utf-8", "\r\n"), ("utf-8-sig", "\r\n")]
    )
    def test_what_spreadsheets_write_is_read(
        self, connection: Connection, file: Path, encoding: str, newline: str
    ) -> None:
        written(file, CONCEPTS, concept(2100000001, 'Größe, ""x""'), encoding=encoding, newline=newline)
        assert add_file(connection, file).added == 1
        query = "SELECT concept_name FROM omop.concept WHERE concept_id = 2100000001"
        assert held(connection, query) == [('Größe, "x"',)]

    def test_tabs_as_athena_writes_them_are_read(self, connection: Connection, file: Path) -> None:
        cells = [
            "2100000001",
            'A "bare" quote',
            "Observation",
            "SITE",
            "Finding",
            "",
            "q",
            "20240101",
            "20991231",
            "",
        ]
        add_file(connection, written(file, "\t".join(HEADER).upper(), "\t".join(cells)))
        query = "SELECT concept_name FROM omop.concept WHERE concept_id = 2100000001"
        assert held(connection, query) == [('A "bare" quote',)]

    def test_every_bad_line_is_named(self, connection: Connection, file: Path) -> None:
        written(
            file,
            CONCEPTS,
            "44793131,Total PSA level,Measurement,,,,,,,",
            concept(2100000001, "two\nlines"),
            concept(2100000002, code=""),
            concept(2100000002, code="b", vocabulary="prostate.map"),
            concept(2100000003).replace("20240101", "2024-02-30"),
        )
        with pytest.raises(ConceptFileError) as refused:
            add_file(connection, file)
        assert [line for line, message in refused.value.lines if "Athena's to give" in message] == [2]
        assert {line for line, _ in refused.value.lines} == {2, 5, 6, 7}
        assert (
            6,
            "'vocabulary_id' is 'prostate.map'; ids with a dot belong to value maps",
        ) in refused.value.lines

    def test_another_encoding_is_said_to_be_one(self, connection: Connection, file: Path) -> None:
        written(file, CONCEPTS, concept(2100000001, "Größe"), encoding="latin-1")
        with pytest.raises(ConceptFileError, match="not UTF-8 at byte"):
            add_file(connection, file)

    def test_an_id_of_another_vocabulary_names_both(self, connection: Connection, file: Path) -> None:
        with pytest.raises(StarterError, match=r"2000000001 \('PROCANCERI', not 'SITE'\)"):
            add_file(connection, written(file, CONCEPTS, concept(2000000001)))

    def test_a_vocabulary_of_athena_takes_no_custom_concept(self, connection: Connection, file: Path) -> None:
        with pytest.raises(AddError, match="'SNOMED' is not a custom vocabulary"):
            add_file(connection, written(file, CONCEPTS, concept(2100000001, vocabulary="SNOMED")))

    def test_one_code_for_two_concepts_is_refused(self, connection: Connection, file: Path) -> None:
        add_file(connection, written(file, CONCEPTS, concept(2100000001)))
        with pytest.raises(AddError, match=r"'halo' of 'SITE' \(2100000001 and 2100000002\)"):
            add_file(connection, written(file, CONCEPTS, concept(2100000002)))

    def test_a_domain_of_nothing_else_is_doubtful(self, connection: Connection, file: Path) -> None:
        written(file, CONCEPTS, concept(2100000001).replace("Observation", "Observatoin"))
        with pytest.raises(AddError, match="no other concept has domain 'Observatoin'"):
            add_file(connection, file, strict=True)
        assert add_file(connection, file).warnings == ("no other concept has domain 'Observatoin'",)

    def test_an_unknown_header_lists_what_is_known(self, connection: Connection, file: Path) -> None:
        with pytest.raises(
            ConceptFileError, match=r"(?s)none of those.*concept_id_1,concept_id_2.*sourceCode"
        ):
            add_file(connection, written(file, "a,b", "1,2"))


class TestLinks:
    @pytest.fixture(autouse=True)
    def custom(self, connection: Connection, tmp_path: Path) -> None:
        add_file(
            connection,
            written(tmp_path / "c.csv", CONCEPTS, concept(2100000001), concept(2100000002, code="b")),
        )

    HEADER = "concept_id_1\tconcept_id_2\trelationship_id\tvalid_start_date\tvalid_end_date\tinvalid_reason"

    def link(self, one: int, other: int, name: str = "Is a", end: str = "20991231", reason: str = "") -> str:
        return f"{one}\t{other}\t{name}\t19700101\t{end}\t{reason}"

    def test_a_relationship_brings_its_reverse(self, connection: Connection, file: Path) -> None:
        written(file, self.HEADER, self.link(2100000001, 4163261))
        first = add_file(connection, file)
        assert (counts(first), first.reverse) == ((1, 1, 0, 0, 0), 1)
        again = add_file(connection, file)
        assert (counts(again), again.reverse) == ((1, 0, 0, 1, 0), 0)
        query = (
            "SELECT concept_id_1, concept_id_2, relationship_id, invalid_reason"
            " FROM omop.concept_relationship WHERE 2100000001 IN (concept_id_1, concept_id_2) ORDER BY 1"
        )
        assert held(connection, query) == [
            (4163261, 2100000001, "Subsumes", None),
            (2100000001, 4163261, "Is a", None),
        ]
        written(file, self.HEADER, self.link(2100000001, 4163261, end="20240101", reason="D"))
        assert counts(add_file(connection, file)) == (1, 0, 1, 0, 0)
        assert [row[3] for row in held(connection, query)] == ["D", "D"]

    def test_a_reverse_in_the_file_is_taken_as_it_is(self, connection: Connection, file: Path) -> None:
        written(file, self.HEADER, self.link(2100000001, 4163261), self.link(4163261, 2100000001, "Subsumes"))
        added = add_file(connection, file)
        assert (counts(added), added.reverse) == ((2, 2, 0, 0, 0), 0)

    def test_every_line_that_cannot_be_linked_is_named(self, connection: Connection, file: Path) -> None:
        written(
            file,
            self.HEADER,
            self.link(2100000001, 99),
            self.link(2100000001, 4163261, "Is an"),
            self.link(2100000001, 2100000002),
        )
        with pytest.raises(ConceptFileError) as refused:
            add_file(connection, file)
        assert refused.value.lines == (
            (2, "concept 99 is not in the vocabulary"),
            (3, "relationship 'Is an' is not in the vocabulary"),
        )
        written(file, self.HEADER, self.link(443392, 4163261), *[self.link(2100000001, 4163261)] * 2)
        with pytest.raises(ConceptFileError) as refused:
            add_file(connection, file)
        assert refused.value.lines == (
            (
                2,
                "'concept_id_1' or 'concept_id_2' must name a custom concept, from 2000000000: "
                "the rest is Athena's",
            ),
            (4, "this row is on line 3 already"),
        )

    def test_synonyms_and_ancestors_are_added_once(self, connection: Connection, file: Path) -> None:
        written(file, "concept_id,concept_synonym_name,language_concept_id", "2100000001,Halo,4180186")
        assert counts(add_file(connection, file)) == (1, 1, 0, 0, 0)
        assert counts(add_file(connection, file)) == (1, 0, 0, 1, 0)
        header = "ancestor_concept_id,descendant_concept_id,min_levels_of_separation,max_levels_of_separation"
        assert counts(add_file(connection, written(file, header, "443392,2100000001,2,2"))) == (1, 1, 0, 0, 0)
        assert counts(add_file(connection, written(file, header, "443392,2100000001,2,3"))) == (1, 0, 1, 0, 0)


class TestSourceCodes:
    def test_an_export_replaces_what_its_vocabulary_had(self, connection: Connection, file: Path) -> None:
        first = add_file(
            connection, written(file, MAP, mapped("a", 3013603), mapped("b", 3013603), mapped("c", 0))
        )
        assert counts(first) == (3, 3, 0, 0, 0)
        assert not first.warnings
        again = add_file(
            connection,
            written(
                file, MAP, mapped("a", 3013603), mapped("b", 3013603).replace("name of", "b:"), mapped("d", 0)
            ),
        )
        assert counts(again) == (3, 1, 1, 1, 1)
        assert codes(connection) == [("a", 3013603, "LOINC"), ("b", 3013603, "LOINC"), ("d", 0, "None")]

    def test_other_vocabularies_keep_their_rows(self, connection: Connection, file: Path) -> None:
        before = held(connection, "SELECT count(*) FROM omop.source_to_concept_map")[0][0]
        add_file(connection, written(file, MAP, mapped("a", 3013603, of="OTHER")))
        add_file(connection, written(file, MAP, mapped("a", 3013603)))
        assert held(connection, "SELECT count(*) FROM omop.source_to_concept_map") == [(before + 2,)]

    def test_only_approved_rows_of_a_review_are_taken(self, connection: Connection, file: Path) -> None:
        written(
            file,
            REVIEW,
            review("a", 3013603),
            review("b", 3013603, status="UNCHECKED"),
            review("c", 3013603, kind="EVENT"),
            review("c", 4180186, "English language", kind="MAPS_TO_VALUE"),
            review("d", 0, "Unmapped", status="FLAGGED"),
            review("e", 0, "Unmapped"),
            review("f", 0, "Unmapped", status="UNCHECKED"),
        )
        added = add_file(connection, file, vocabulary="SITE_LABS")
        assert counts(added) == (7, 3, 0, 0, 0)
        assert added.waiting == {"UNCHECKED": (3, 8), "FLAGGED": (6,)}
        assert added.unsayable == {"MAPS_TO_VALUE": (5,)}
        assert codes(connection) == [("a", 3013603, "LOINC"), ("c", 3013603, "LOINC"), ("e", 0, "None")]

    def test_doubtful_targets_are_loaded_and_named(self, connection: Connection, file: Path) -> None:
        written(
            file,
            MAP,
            mapped("a", 44793131, vocabulary="SNOMED"),
            mapped("b", 45556174, vocabulary="ICD10CM"),
            mapped("c", 3013603, vocabulary="SNOMED"),
            mapped("d", 32809, vocabulary="Type Concept"),
        )
        added = add_file(connection, file)
        assert added.added == 4
        assert [warning.removeprefix(f"{file}:") for warning in added.warnings] == [
            "2: target concept 44793131 'Total PSA level' is deprecated (invalid_reason D)",
            "3: target concept 45556174 'Malignant neoplasm of prostate' is not a standard concept",
            "4: target concept 3013603 'Prostate specific Ag \"total\" in Serum' belongs to 'LOINC', not to "
            "'SNOMED'",
        ]

    def test_strict_takes_doubtful_targets_for_errors(self, connection: Connection, file: Path) -> None:
        written(file, MAP, mapped("a", 3013603), mapped("b", 44793131, vocabulary="SNOMED"))
        with pytest.raises(ConceptFileError, match=":3: target concept 44793131"):
            add_file(connection, file, strict=True)

    def test_another_name_in_the_review_is_doubtful(self, connection: Connection, file: Path) -> None:
        written(file, REVIEW, review("a", 3013603, "Testosterone"))
        (warning,) = add_file(connection, file, vocabulary="SITE_LABS").warnings
        assert warning.endswith("is 'Testosterone' in the file")

    def test_unknown_targets_are_all_named_and_nothing_is_loaded(
        self, connection: Connection, file: Path
    ) -> None:
        add_file(connection, written(file, MAP, mapped("a", 3013603)))
        connection.commit()
        written(file, MAP, mapped("b", 3013603), mapped("c", 98), mapped("d", 99))
        with pytest.raises(ConceptFileError) as refused:
            add_file(connection, file)
        assert [line for line, _ in refused.value.lines] == [3, 4]
        connection.rollback()
        assert codes(connection) == [("a", 3013603, "LOINC")]
        connection.execute(
            text("DELETE FROM omop.source_to_concept_map WHERE source_vocabulary_id = 'SITE_LABS'")
        )
        connection.commit()

    def test_every_bad_line_is_named(self, connection: Connection, file: Path) -> None:
        written(
            file,
            MAP,
            mapped("a", 3013603, end="2099-13-31"),
            mapped("", 3013603),
            mapped("b", 3013603, of="prostate.psa"),
            mapped("c", 3013603, of=""),
            "d,0,SITE_LABS",
            mapped("e", 3013603),
            mapped("e", 3013603),
            mapped("f" * 51, 3013603),
            mapped("g", 3013603, end="19691231"),
        )
        with pytest.raises(ConceptFileError) as refused:
            add_file(connection, file)
        assert refused.value.lines == (
            (2, "'valid_end_date' must be a date like 1970-01-01, not '2099-13-31'"),
            (3, "'source_code' is empty"),
            (4, "'prostate.psa' has a dot, as the value maps of a mapping have; name it without one"),
            (5, "there is no source_vocabulary_id; name the codes' vocabulary with --vocabulary ID"),
            (6, "3 fields where the header has 9"),
            (8, "this code and concept are on line 7 already"),
            (9, "'source_code' has 51 characters; the column holds 50"),
            (10, "'valid_end_date' is before 'valid_start_date'"),
        )

    def test_a_file_without_a_row_to_load_replaces_nothing(self, connection: Connection, file: Path) -> None:
        written(file, REVIEW, review("a", 3013603, status="UNCHECKED"))
        with pytest.raises(AddError, match="no row that can be loaded, so nothing was replaced"):
            add_file(connection, file, vocabulary="SITE_LABS")

    def test_the_vocabulary_of_a_file_is_not_overruled(self, connection: Connection, file: Path) -> None:
        with pytest.raises(ConceptFileError, match="is 'SITE_LABS', and --vocabulary says 'OTHER'"):
            add_file(connection, written(file, MAP, mapped("a", 3013603)), vocabulary="OTHER")

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (None, "names no vocabulary; name its codes' with --vocabulary ID"),
            ("prostate.psa", "'prostate.psa' has a dot"),
            ("x" * 21, "is longer than a vocabulary_id, 20 characters"),
            ("Placeholder", "is no vocabulary for source codes"),
        ],
    )
    def test_codes_need_a_vocabulary_of_their_own(
        self, connection: Connection, file: Path, given: str | None, message: str
    ) -> None:
        with pytest.raises(AddError, match=message):
            add_file(connection, written(file, REVIEW, review("a", 3013603)), vocabulary=given)

    def test_backslashes_that_usagi_doubles_are_single_again(
        self, connection: Connection, file: Path
    ) -> None:
        add_file(connection, written(file, REVIEW, review("a\\\\b", 3013603)), vocabulary="SITE_LABS")
        assert codes(connection) == [("a\\b", 3013603, "LOINC")]
