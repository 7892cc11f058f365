"""Small vocabulary bundles in Athena's layout, sound unless a test spoils them.

``small()`` gives the nine files as rows of cells; a test adds, changes or drops some, and ``write`` puts them
into a folder as Athena would.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from sqlalchemy import Connection, text

Rows = list[list[str]]
Tables = dict[str, Rows]

HEADERS: Mapping[str, tuple[str, ...]] = {
    "CONCEPT": (
        "concept_id", "concept_name", "domain_id", "vocabulary_id", "concept_class_id", "standard_concept",
        "concept_code", "valid_start_date", "valid_end_date", "invalid_reason",
    ),
    "VOCABULARY": (
        "vocabulary_id", "vocabulary_name", "vocabulary_reference", "vocabulary_version",
        "vocabulary_concept_id",
    ),
    "DOMAIN": ("domain_id", "domain_name", "domain_concept_id"),
    "CONCEPT_CLASS": ("concept_class_id", "concept_class_name", "concept_class_concept_id"),
    "RELATIONSHIP": (
        "relationship_id", "relationship_name", "is_hierarchical", "defines_ancestry",
        "reverse_relationship_id", "relationship_concept_id",
    ),
    "CONCEPT_RELATIONSHIP": (
        "concept_id_1", "concept_id_2", "relationship_id", "valid_start_date", "valid_end_date",
        "invalid_reason",
    ),
    "CONCEPT_SYNONYM": ("concept_id", "concept_synonym_name", "language_concept_id"),
    "CONCEPT_ANCESTOR": (
        "ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation",
        "max_levels_of_separation",
    ),
    "DRUG_STRENGTH": (
        "drug_concept_id", "ingredient_concept_id", "amount_value", "amount_unit_concept_id",
        "numerator_value", "numerator_unit_concept_id", "denominator_value", "denominator_unit_concept_id",
        "box_size", "valid_start_date", "valid_end_date", "invalid_reason",
    ),
}  # fmt: skip

DAYS = ["19700101", "20991231"]
SINCE = ["20020131", "20991231"]
GONE = ["20020131", "20210930"]

#: concept_id, name, domain, vocabulary, class, standard, code, which dates, and the reason.
_CONCEPTS: Rows = [
    [*cells[:7], *{"always": DAYS, "since": SINCE, "gone": GONE}[cells[7]], cells[8]]
    for cells in (
        line.strip().split("|")
        for line in """
            0|No matching concept|Metadata|None|Undefined||No matching concept|always|
            8507|MALE|Gender|Gender|Gender|S|M|always|
            8532|FEMALE|Gender|Gender|Gender|S|F|always|
            8842|nanogram per milliliter|Unit|UCUM|Unit|S|ng/mL|always|
            8576|milligram|Unit|UCUM|Unit|S|mg|always|
            4180186|English language|Language|SNOMED|Qualifier Value|S|297487008|since|
            4163261|Malignant tumor of prostate|Condition|SNOMED|Disorder|S|399068003|since|
            443392|Malignant neoplastic disease|Condition|SNOMED|Disorder|S|363346000|since|
            200962|Primary malignant neoplasm of prostate|Condition|SNOMED|Disorder|S|93974005|since|
            4141960|Carcinoma of prostate|Condition|SNOMED|Disorder||254900004|gone|U
            44793131|Total PSA level|Measurement|SNOMED|Observable Entity||1030791000000100|gone|D
            3013603|Prostate specific Ag "total" in Serum|Measurement|LOINC|Lab Test|S|2857-1|since|
            45556174|Malignant neoplasm of prostate|Condition|ICD10CM|3-char nonbill code||C61|since|
            19028106|bicalutamide|Drug|RxNorm|Ingredient|S|83008|since|
            40164914|bicalutamide 50 MG|Drug|RxNorm|Clinical Drug Comp|S|316672|since|
        """.strip().splitlines()
    )
]
_RELATED = [
    ("4141960", "200962", "Concept replaced by", "Concept replaces"),
    ("4141960", "200962", "Maps to", "Mapped from"),
    ("45556174", "200962", "Maps to", "Mapped from"),
    ("44793131", "3013603", "Maps to", "Mapped from"),
    ("200962", "4163261", "Is a", "Subsumes"),
    ("4163261", "443392", "Is a", "Subsumes"),
]
_ANCESTORS = [("443392", "4163261", 1), ("443392", "200962", 2), ("4163261", "200962", 1)]
_SYNONYMS = [("4163261", "CA - cancer of prostate"), ("4163261", "Prostate cancer"), ("3013603", "PSA")]
VERSION = "v5.0 29-AUG-25"


def small() -> Tables:
    """Nine files of a sound bundle: 15 concepts of 7 vocabularies, a drug strength, two replaced concepts."""
    pairs = [*_RELATED, *((b, a, back, there) for a, b, there, back in _RELATED)]
    named = sorted({(there, back) for _, _, there, back in pairs})
    vocabularies = sorted({row[3] for row in _CONCEPTS})
    return {
        "CONCEPT": [list(row) for row in _CONCEPTS],
        "VOCABULARY": [
            [name, f"{name} vocabulary", "http://example.org", VERSION if name == "None" else "2025", "0"]
            for name in vocabularies
        ],
        "DOMAIN": [[name, name, "0"] for name in sorted({row[2] for row in _CONCEPTS})],
        "CONCEPT_CLASS": [[name, name, "0"] for name in sorted({row[4] for row in _CONCEPTS})],
        "RELATIONSHIP": [
            [there, there, *(["1", "1"] if there in ("Is a", "Subsumes") else ["0", "0"]), back, "0"]
            for there, back in named
        ],
        "CONCEPT_RELATIONSHIP": [[a, b, name, *SINCE, ""] for a, b, name, _ in pairs],
        "CONCEPT_SYNONYM": [[one, name, "4180186"] for one, name in _SYNONYMS],
        "CONCEPT_ANCESTOR": [[a, b, str(far), str(far)] for a, b, far in _ANCESTORS],
        "DRUG_STRENGTH": [["40164914", "19028106", "50", "8576", "", "", "", "", "", *SINCE, ""]],
    }


def write(folder: Path, tables: Mapping[str, Iterable[Iterable[str]]], *, newline: str = "\n") -> Path:
    """Write the files, each with its header, as UTF-8 without quoting; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        header = HEADERS["CONCEPT" if name == "CONCEPT_CPT4" else name]
        lines = ["\t".join(row) + newline for row in (header, *rows)]
        folder.joinpath(f"{name}.csv").write_bytes("".join(lines).encode())
    return folder


def zipped(folder: Path) -> Path:
    """The folder's files as a zip beside it."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path


def fill(connection: Connection, tables: Mapping[str, Iterable[Iterable[str]]]) -> None:
    """Insert the rows into the tables of an empty vocabulary, without a load's checks."""
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    for name, rows in sorted(tables.items(), key=lambda each: each[0] != "CONCEPT"):
        header = HEADERS[name]
        values = ", ".join(f":{column}" for column in header)
        given = [{column: cell or None for column, cell in zip(header, row, strict=True)} for row in rows]
        if given:
            connection.execute(text(f"INSERT INTO omop.{name} VALUES ({values})"), given)
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
