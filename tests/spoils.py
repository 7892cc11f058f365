"""Ways to spoil the small bundle, one for each kind of finding, and what is said about them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bundles import HEADERS, SINCE, Tables, small, write

#: A concept that the data use, one that a custom concept is linked to, and that custom concept.
USED, LINKED, CUSTOM = "44793131", "443392", "2000000001"
BLANK = ["77", "", "Procedure", "SNOMED", "Disorder", "S", "0001F", *SINCE, ""]


def row(tables: Tables, name: str, key: str) -> int:
    """Where a row stands in a table, by its first cell."""
    return [cells[0] for cells in tables[name]].index(key)


def cell(name: str, line: int, column: str, value: str) -> Callable[[Tables], None]:
    """Change one cell; the header is line 1."""

    def spoil(tables: Tables) -> None:
        tables[name][line - 2][HEADERS[name].index(column)] = value

    return spoil


def without(*concepts: str) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        for concept in concepts:
            del tables["CONCEPT"][row(tables, "CONCEPT", concept)]

    return spoil


def more(name: str, *cells: str) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        tables.setdefault(name, []).append(list(cells))

    return spoil


def dropped(name: str) -> Callable[[Tables], None]:
    return lambda tables: tables.pop(name) and None


class Case(NamedTuple):
    """A way to spoil the small bundle, and what is said about it."""

    kind: str
    spoil: Callable[[Tables], None]
    file: str
    line: int
    said: str
    others: frozenset[str] = frozenset()
    """Kinds that follow from it."""


def custom_alone(tables: Tables) -> None:
    tables["CONCEPT"] = [["2100000001", "Own", *tables["CONCEPT"][5][2:]]]
    for name in ("CONCEPT_RELATIONSHIP", "CONCEPT_SYNONYM", "CONCEPT_ANCESTOR", "DRUG_STRENGTH"):
        tables[name] = []


LOST = frozenset({"unknown-concept", "concept-in-use", "lost-link"})
CASES = [
    Case("missing-file", dropped("DRUG_STRENGTH"), "DRUG_STRENGTH.csv", 0, "does not have it; download"),
    Case(
        "bad-header", lambda tables: tables.update({"DOMAIN": []}), "DOMAIN.csv", 1, "'domain_id' is missing"
    ),
    Case(
        "ragged-line",
        lambda tables: tables["CONCEPT_SYNONYM"][1].pop(),
        "CONCEPT_SYNONYM.csv",
        3,
        "2 cells, and the header has 3",
    ),
    Case(
        "bad-encoding",
        cell("CONCEPT_SYNONYM", 2, "concept_synonym_name", "a\rb"),
        "CONCEPT_SYNONYM.csv",
        2,
        "carriage return",
    ),
    Case(
        "bad-integer",
        cell("CONCEPT_ANCESTOR", 4, "min_levels_of_separation", "one"),
        "CONCEPT_ANCESTOR.csv",
        4,
        "'min_levels_of_separation' is 'one', not a whole number",
    ),
    Case(
        "bad-number",
        cell("DRUG_STRENGTH", 2, "amount_value", "NaN"),
        "DRUG_STRENGTH.csv",
        2,
        "'amount_value' is 'NaN', not a number",
    ),
    Case(
        "bad-date",
        cell("CONCEPT", 3, "valid_end_date", "today"),
        "CONCEPT.csv",
        3,
        "'valid_end_date' is 'today', not a date written yyyymmdd",
    ),
    Case("empty-cell", cell("CONCEPT", 5, "concept_name", ""), "CONCEPT.csv", 5, "'concept_name' is empty"),
    Case(
        "too-long",
        cell("CONCEPT", 7, "concept_code", "x" * 50 + " "),
        "CONCEPT.csv",
        7,
        "has 51 characters, and the column holds 50",
    ),
    Case(
        "duplicate-key",
        lambda tables: tables["CONCEPT_ANCESTOR"].append(tables["CONCEPT_ANCESTOR"][0]),
        "CONCEPT_ANCESTOR.csv",
        5,
        "line 2 has the same ancestor_concept_id, descendant_concept_id",
    ),
    Case(
        "unknown-code",
        cell("CONCEPT", 3, "domain_id", "Sex"),
        "CONCEPT.csv",
        3,
        "'domain_id' is 'Sex', which DOMAIN.csv does not have",
    ),
    Case(
        "custom-only",
        custom_alone,
        "CONCEPT.csv",
        0,
        "add the files with `oncolake vocab add`, CONCEPT.csv first",
        frozenset({"unknown-label"}),
    ),
    Case(
        "clash",
        more("CONCEPT", CUSTOM, "Something else", *small()["CONCEPT"][0][2:]),
        "CONCEPT.csv",
        0,
        "concept 2000000001 is 'Something else' of None in the bundle and 'Index Lesion' of PROCANCERI here",
    ),
    Case(
        "concept-in-use",
        without(USED),
        "CONCEPT.csv",
        0,
        f"concept {USED} of SNOMED, which care_site.place_of_service_concept_id has, is not in the bundle; "
        "choose SNOMED",
        LOST,
    ),
    Case(
        "unknown-concept",
        cell("CONCEPT_SYNONYM", 4, "concept_id", "999999"),
        "CONCEPT_SYNONYM.csv",
        4,
        "concept 999999 of 'concept_id' is not in CONCEPT.csv; choose the vocabulary",
    ),
    Case(
        "unknown-label",
        cell("DOMAIN", 2, "domain_concept_id", "999999"),
        "DOMAIN.csv",
        2,
        "concept 999999 of 'domain_concept_id' is not in CONCEPT.csv",
    ),
    Case(
        "unnamed-concept",
        more("CONCEPT_CPT4", *BLANK),
        "CONCEPT_CPT4.csv",
        2,
        "run Athena's cpt4 step in the unpacked bundle",
    ),
    Case(
        "lost-link",
        without(LINKED),
        "CONCEPT_RELATIONSHIP.csv",
        0,
        "1 rows of concept_relationship link custom concepts to concept 443392 of SNOMED",
        LOST,
    ),
    Case(
        "older-bundle",
        cell("VOCABULARY", 5, "vocabulary_version", "v5.0 28-FEB-25"),
        "VOCABULARY.csv",
        0,
        "the bundle is 'v5.0 28-FEB-25', and 'v5.0 29-AUG-25' is loaded",
    ),
    Case(
        "named-elsewhere",
        more("CONCEPT_CPT4", *small()["CONCEPT"][6]),
        "CONCEPT_CPT4.csv",
        2,
        "that row is loaded",
    ),
]


def spoiled(folder: Path, *spoils: Callable[[Tables], None]) -> Path:
    tables = small()
    for spoil in spoils:
        spoil(tables)
    write(folder, tables)
    if tables.get("DOMAIN") == []:
        folder.joinpath("DOMAIN.csv").write_text("name\n")
    return folder
