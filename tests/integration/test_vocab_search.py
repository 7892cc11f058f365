"""Searching a real vocabulary: what is found, in which order, by which index, whatever the text holds."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from migrations import upgrade
from tests.bundles import GONE, SINCE, fill, small
from tests.conftest import engine_on, new_database
from vocabularies.browse import search as searching
from vocabularies.browse.search import Filters, Match, SearchError, resolve, search

#: concept_id, name, domain, vocabulary, class, standard, code, days, invalid_reason
OWN = [
    (10, "Grundle", "Condition", "SNOMED", "Disorder", "S", "g-1", SINCE, ""),
    (11, "GRUNDLE", "Condition", "SNOMED", "Disorder", "", "g-2", SINCE, ""),
    (12, "Grundle", "Condition", "SNOMED", "Disorder", "", "g-3", GONE, "D"),
    (13, "Grundle of the left arm", "Condition", "SNOMED", "Disorder", "S", "g-4", SINCE, ""),
    (14, "Grundle of arm", "Condition", "ICD10CM", "Disorder", "", "g-5", SINCE, ""),
    (15, "Grundlesson", "Unit", "SNOMED", "Disorder", "S", "g-6", SINCE, ""),
    (16, "Left arm with a grundle", "Condition", "SNOMED", "Disorder", "S", "g-7", SINCE, ""),
    (17, "Arm, grundle", "Measurement", "LOINC", "Lab Test", "S", "g-8", SINCE, ""),
    (18, "Arm and grundlesson", "Condition", "SNOMED", "Disorder", "S", "g-9", SINCE, ""),
    (19, "Something else", "Condition", "SNOMED", "Disorder", "S", "grundle", SINCE, ""),
    (20, "Bumps", "Condition", "SNOMED", "Disorder", "S", "g-11", SINCE, ""),
    (21, "Lumps", "Condition", "SNOMED", "Disorder", "S", "g-12", SINCE, ""),
    (22, "Xylofen 0.5 MG/ML Oral-Solution [Brand's \\best]", "Drug", "RxNorm", "Unit", "S", "%", SINCE, ""),
    (23, '"Quoted" name', "Condition", "SNOMED", "Disorder", "S", "g-14", SINCE, ""),
    (24, "Maladie de Ménière", "Condition", "SNOMED", "Disorder", "S", "g-15", SINCE, ""),
    (25, "Arm 25", "Condition", "SNOMED", "Disorder", "S", "200962", SINCE, ""),
]  # fmt: skip
SYNONYMS = [(20, "Grundle"), (21, "Many a small grundle"), (21, "Small grundle"), (20, "grundlewort")]


@pytest.fixture(scope="module")
def opened(server_url: str) -> Iterator[Connection]:
    with new_database(server_url) as url, engine_on(url) as engine:
        upgrade(engine)
        tables = small()
        tables["CONCEPT"] += [[str(one[0]), *one[1:7], *one[7], one[8]] for one in OWN]
        tables["CONCEPT_SYNONYM"] += [[str(one), name, "4180186"] for one, name in SYNONYMS]
        with engine.begin() as connection:
            fill(connection, tables)
        with engine.connect() as connection:
            yield connection


@pytest.fixture
def connection(opened: Connection) -> Iterator[Connection]:
    yield opened
    opened.rollback()


def ids(connection: Connection, given: str, filters: Filters | None = None, limit: int = 20) -> list[int]:
    return [hit.concept.concept_id for hit in search(connection, given, filters, limit).hits]


def test_the_whole_order_is_that_of_the_kinds_of_matches(connection: Connection) -> None:
    found = search(connection, "grundle")
    assert [(hit.concept.concept_id, hit.match) for hit in found.hits] == [
        (19, Match.CODE),
        (10, Match.NAME),
        (11, Match.NAME),
        (12, Match.NAME),
        (20, Match.SYNONYM),
        (15, Match.BEGINNING),
        (13, Match.BEGINNING),
        (14, Match.BEGINNING),
        (17, Match.WORDS),
        (16, Match.WORDS),
        (18, Match.PARTS),
        (21, Match.SYNONYM_WORDS),
    ]
    assert not found.bounded
    assert [hit.synonym for hit in found.hits if hit.synonym] == ["Grundle", "Small grundle"]


@pytest.mark.parametrize("limit", range(1, 13))
def test_fewer_hits_are_the_first_ones(connection: Connection, limit: int) -> None:
    assert ids(connection, "grundle", limit=limit) == ids(connection, "grundle")[:limit]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("200962", [200962, 25]),
        ("c61", [45556174]),
        ("ng/mL", [8842]),
        ("%", [22]),
        ("99999999999999999999", []),
        ("grundle arm", [17, 13, 16, 14]),
        ("ARM   grundle", [17, 13, 16, 14, 18]),
        ("xylofen 0.5 mg/ml oral solution", [22]),
        ("mg ml oral", [22]),
        ("brand's \\best", [22]),
        ("quoted", [23]),
        ('"Quoted" NAME', [23]),
        ("ménière", [24]),
        ("MÉNI", [24]),
        ("ca - cancer of prostate", [4163261]),
        ("cancer", [4163261]),
        ("malig neo prost", [200962, 45556174]),
        ("no such concept", []),
        ("no match", [0]),
    ],
)
def test_what_is_found(connection: Connection, given: str, expected: list[int]) -> None:
    assert ids(connection, given) == expected


@pytest.mark.parametrize(
    ("given", "expected"), [("me", []), ("mé", []), ("mén", [24]), ("bu", []), ("bum", [20])]
)
def test_a_word_of_three_letters_stands_for_longer_ones(
    connection: Connection, given: str, expected: list[int]
) -> None:
    assert ids(connection, given) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(standard=True), [19, 10, 20, 15, 13, 17, 16, 18, 21]),
        (Filters(valid=True), [19, 10, 11, 20, 15, 13, 14, 17, 16, 18, 21]),
        (Filters(domain_id="Measurement"), [17]),
        (Filters(domain_id="Unit"), [15]),
        (Filters(vocabulary_id="ICD10CM"), [14]),
        (Filters(vocabulary_id="ICD10CM", standard=True), []),
        (Filters(domain_id="Condition", vocabulary_id="LOINC"), []),
    ],
)
def test_filters_leave_the_order_as_it_is(
    connection: Connection, filters: Filters, expected: list[int]
) -> None:
    assert ids(connection, "grundle", filters) == expected


def test_filters_hold_for_ids_and_codes_too(connection: Connection) -> None:
    assert ids(connection, "200962", Filters(domain_id="Drug")) == []
    assert ids(connection, "4141960", Filters(valid=True)) == []
    assert ids(connection, "4141960") == [4141960]


def test_names_of_filters_are_found_whatever_their_case(connection: Connection) -> None:
    assert resolve(connection, "domain", "condition") == "Condition"
    with pytest.raises(SearchError, match=r"no vocabulary 'SNOWMED'; there are: .*LOINC.*SNOMED"):
        resolve(connection, "vocabulary", "SNOWMED")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "nothing to search for"),
        (" \t\n ", "nothing to search for"),
        ("x" * 501, "501 characters; search for 500"),
        ("a\0b", "not text"),
        ("a\udcffb", "not text"),
    ],
)
def test_a_search_that_cannot_be_made_says_why(connection: Connection, given: str, message: str) -> None:
    with pytest.raises(SearchError, match=message):
        search(connection, given)


NASTY = st.text(st.sampled_from("'\"\\&|!():*<>-% \tagrundle5é😀^=#S0\u2028"), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(NASTY, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
)
@example("'")
@example("\\")
@example("!")
@example("a & !b | c:* <-> 'd'")
@example("😀" * 500)
@example("é" * 500)
@example(":")
@example("-" * 500)
@example("S0=dCondition")
@example("^grundle")
def test_no_text_breaks_a_search(opened: Connection, given: str) -> None:
    if not given.split():
        return
    found = search(opened, given, limit=3)
    opened.rollback()
    assert len(found.hits) <= 3


def test_tokens_of_the_index_cannot_be_asked_for(connection: Connection) -> None:
    assert ids(connection, "S0=dCondition") == ids(connection, "#S0") == []
    assert set(ids(connection, "^grundle")) == set(ids(connection, "grundle")) - {19}


def test_a_ranking_among_a_part_says_so(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "CANDIDATES", 1)
    assert search(connection, "grundle").bounded
    assert search(connection, "grundle arm").bounded
    assert not search(connection, "xylofen").bounded


MANY = text("""
    INSERT INTO omop.concept
    SELECT 100000 + n, CASE WHEN n % 500 = 0 THEN 'Rare ' ELSE '' END || 'frequent number ' || n, 'Condition',
           'SNOMED', 'Disorder', CASE WHEN n % 2 = 0 THEN 'S' END, 'm' || n, '2002-01-31', '2099-12-31'
    FROM generate_series(1, 20000) AS n
""")
SYNONYMS_OF_MANY = text("""
    INSERT INTO omop.concept_synonym
    SELECT concept_id, 'also ' || concept_name, 4180186 FROM omop.concept WHERE concept_id > 100000
""")


def scans(connection: Connection) -> dict[str, int]:
    connection.execute(text("SELECT pg_stat_force_next_flush()"))
    connection.commit()
    told = text("SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE indexrelname LIKE '%_search'")
    tables = text("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname LIKE 'concept%'")
    return {row[0]: row[1] for statement in (told, tables) for row in connection.execute(statement)}


def test_a_search_reads_indexes_only(server_url: str) -> None:
    with new_database(server_url) as url, engine_on(url) as engine:
        upgrade(engine)
        with engine.begin() as connection:
            fill(connection, small())
            connection.execute(MANY)
            connection.execute(SYNONYMS_OF_MANY)
        with engine.connect() as connection:
            before = scans(connection)
            connection.commit()
            assert len(ids(connection, "rare frequent")) == 20
            assert len(ids(connection, "also frequent", Filters(domain_id="Condition"))) == 20
            connection.commit()
            after = scans(connection)
    assert {name for name in after if after[name] > before[name]} == {
        "ix_concept_search",
        "ix_concept_synonym_search",
    }


def test_a_frequent_word_finds_the_shortest_standard_names(server_url: str) -> None:
    with new_database(server_url) as url, engine_on(url) as engine:
        upgrade(engine)
        with engine.begin() as connection:
            fill(connection, small())
            connection.execute(MANY)
        with engine.connect() as connection:
            found = search(connection, "number frequent", limit=6)
    assert [hit.concept.concept_name for hit in found.hits] == [
        "frequent number 2", "frequent number 4", "frequent number 6", "frequent number 8",
        "frequent number 10", "frequent number 12",
    ]  # fmt: skip
    assert replace(found, hits=()).bounded
