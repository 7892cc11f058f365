"""What the database finds among examined lines: duplicate keys, and references to what is not there."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Table, text

from omop_schema import OMOP
from vocabularies.athena.examine import examined, tell_unnamed
from vocabularies.athena.findings import Report
from vocabularies.athena.layout import CPT4, FILES, file_of
from vocabularies.athena.references import CODES, code_columns, concept_columns
from vocabularies.athena.twins import CPT4_ADDED, SCHEMA, twins
from vocabularies.concepts import FIRST_CUSTOM_ID, PLACEHOLDER

#: Rows fetched at once: there may be as many findings as lines.
_BATCH = 5_000
#: The concepts that rows may name.
_KNOWN = f"{SCHEMA}.known_concept"
_CONCEPTS, _VOCABULARIES = "CONCEPT.csv", "VOCABULARY.csv"

_UNNAMED = f"{SCHEMA}.unnamed_concept"

_OWN = f"""
    SELECT concept_id FROM {OMOP}.concept
    WHERE concept_id >= {FIRST_CUSTOM_ID} OR vocabulary_id = '{PLACEHOLDER}'
"""
_STAGED = f"""
    SELECT concept_id FROM {SCHEMA}.concept
    WHERE concept_id NOT IN (SELECT concept_id FROM {SCHEMA}.{CPT4_ADDED})
"""
_BLANK = "SELECT concept_id FROM {} AS given WHERE concept_name IS NULL"

#: Lines of the CPT4 file: 'elsewhere' when CONCEPT.csv has the concept too.
_CPT4_LINES = f"""
    SELECT line, known.concept_id IS NOT NULL AS elsewhere, concept_name IS NULL AS unnamed
    FROM {examined(CPT4)} AS given LEFT JOIN {_KNOWN} AS known USING (concept_id) ORDER BY line
"""
_KNOW_CPT4 = f"""
    INSERT INTO {_KNOWN} SELECT DISTINCT concept_id FROM {examined(CPT4)}
    WHERE concept_name IS NOT NULL ON CONFLICT DO NOTHING
"""


_POSE_CONCEPTS = f"""
    CREATE TABLE {SCHEMA}.concept AS
    SELECT DISTINCT ON (concept_id) concept_id,
           coalesce(given.concept_name, held.concept_name) AS concept_name,
           coalesce(given.domain_id, held.domain_id) AS domain_id,
           coalesce(given.vocabulary_id, held.vocabulary_id) AS vocabulary_id,
           coalesce(given.concept_class_id, held.concept_class_id) AS concept_class_id,
           standard_concept, concept_code, valid_start_date, valid_end_date, invalid_reason
    FROM {_KNOWN} LEFT JOIN {examined(_CONCEPTS)} AS given USING (concept_id)
    LEFT JOIN {OMOP}.concept AS held USING (concept_id) ORDER BY concept_id, line
"""
_POSE_VOCABULARIES = f"""
    CREATE TABLE {SCHEMA}.vocabulary AS
    SELECT DISTINCT ON (vocabulary_id) vocabulary_id, vocabulary_name, vocabulary_version
    FROM {examined(_VOCABULARIES)} ORDER BY vocabulary_id, line
"""


def know_staged(connection: Connection, files: Iterable[str]) -> None:
    """Let rows name the staged concepts. ``files`` are those that were examined."""
    _know(connection, _STAGED, files)


def know_examined(connection: Connection, files: Iterable[str]) -> None:
    """Let rows name the concepts of the examined CONCEPT.csv and those that this database keeps."""
    given = f"SELECT concept_id FROM {examined(_CONCEPTS)} WHERE concept_name IS NOT NULL UNION {_OWN}"
    _know(connection, given if _CONCEPTS in files else _OWN, files)


def check_cpt4(connection: Connection, report: Report) -> None:
    """Report the CPT4 file's concepts that are not loaded from it; rows may name the others."""
    for line, elsewhere, unnamed in _stream(connection, _CPT4_LINES):
        if elsewhere:
            message = "CONCEPT.csv has the CPT4 concept with its name, and that row is loaded"
            report.add("named-elsewhere", CPT4, line, message)
        elif unnamed:
            tell_unnamed(report, CPT4, line)
    connection.execute(text(_KNOW_CPT4))


def pose_as_staged(connection: Connection, files: Iterable[str]) -> bool:
    """Make tables of what was examined that can be compared with what is loaded as staged ones are.

    Columns that were not kept are as they are loaded. Returns False, and makes none, where a file that it
    takes could not be read.
    """
    if not {_CONCEPTS, _VOCABULARIES} <= set(files):
        return False
    connection.execute(text(_POSE_CONCEPTS))
    connection.execute(text(_POSE_VOCABULARIES))
    return True


def check_keys(connection: Connection, name: str, report: Report) -> None:
    """Report each line whose key an earlier line has."""
    columns = ", ".join(one.name for one in FILES[name].primary_key.columns)
    if not columns:
        return
    statement = f"""
        SELECT line, first FROM (
            SELECT line, min(line) OVER (PARTITION BY {columns}) AS first FROM {examined(name)}
        ) AS numbered WHERE line > first ORDER BY line
    """
    for line, first in _stream(connection, statement):
        report.add("duplicate-key", name, line, f"line {first} has the same {columns}")


def check_references(
    connection: Connection, name: str, files: Iterable[str], report: Report, *, concepts: bool = True
) -> None:
    """Report each line that names a concept or a code that is not there.

    ``files`` are those that were examined: what a file that cannot be read may hold is not asked. So
    ``concepts`` is False when the bundle's are not known; all lines would be reported then.
    """
    table = twins()[FILES[name].name]
    for column, target in code_columns(table).items():
        if (file := file_of(target)) in files:
            _check_codes(connection, name, column, file, report)
    if concepts and (columns := [one.name for one in concept_columns(table)]):
        _check_concepts(connection, table, name, columns, report)


def _check_codes(connection: Connection, name: str, column: str, file: str, report: Report) -> None:
    key = f"{file.removesuffix('.csv').lower()}_id"
    # A concept without a name is left out in any case.
    named = " AND concept_name IS NOT NULL" if FILES[name].name == "concept" else ""
    statement = f"""
        SELECT line, {column} FROM {examined(name)}
        WHERE {column} NOT IN (SELECT {key} FROM {examined(file)} WHERE {key} IS NOT NULL){named}
        ORDER BY line
    """
    for line, value in _stream(connection, statement):
        report.add("unknown-code", name, line, f"'{column}' is '{value}', which {file} does not have", value)


def _check_concepts(
    connection: Connection, table: Table, name: str, columns: Iterable[str], report: Report
) -> None:
    named = ", ".join(f"('{one}', {one})" for one in columns)
    statement = f"""
        SELECT DISTINCT ON (line) line, named.name, named.concept_id, held.vocabulary_id,
               named.concept_id IN (SELECT concept_id FROM {_UNNAMED})
        FROM {examined(name)} CROSS JOIN LATERAL (VALUES {named}) AS named (name, concept_id)
        LEFT JOIN {_KNOWN} AS known ON known.concept_id = named.concept_id
        LEFT JOIN {OMOP}.concept AS held ON held.concept_id = named.concept_id
        WHERE named.concept_id IS NOT NULL AND known.concept_id IS NULL ORDER BY line
    """
    kind = "unknown-label" if table.name in CODES else "unknown-concept"
    for line, column, concept, held, unnamed in _stream(connection, statement):
        vocabulary, hint = _hint(column, held, unnamed)
        message = f"concept {concept} of '{column}' is not in CONCEPT.csv; {hint}"
        report.add(kind, name, line, message, vocabulary)


def _hint(column: str, held: str | None, unnamed: bool) -> tuple[str, str]:
    """The vocabulary that a missing concept probably is of, and what to do about it."""
    if unnamed:
        return "CPT4", "it is one of CPT4's whose names are blank"
    if held:
        return held, f"the loaded vocabulary has it in {held}: choose {held} too when you download"
    if column == "language_concept_id":
        return "SNOMED", "languages are concepts of SNOMED: choose SNOMED too when you download"
    return (
        "",
        "choose the vocabulary that it is of too when you download; athena.ohdsi.org finds it by its id",
    )


def _know(connection: Connection, select: str, files: Iterable[str]) -> None:
    blank = [_BLANK.format(examined(name)) for name in (_CONCEPTS, CPT4) if name in files]
    nothing = "SELECT concept_id FROM omop.concept WHERE false"
    for table, rows in ((_KNOWN, select), (_UNNAMED, " UNION ".join(blank) or nothing)):
        connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
        connection.execute(text(f"CREATE TABLE {table} AS SELECT DISTINCT concept_id FROM ({rows}) AS rows"))
        connection.execute(text(f"ALTER TABLE {table} ADD PRIMARY KEY (concept_id)"))
        connection.execute(text(f"ANALYZE {table}"))


def _stream(connection: Connection, statement: str) -> Iterator[Any]:
    options = {"stream_results": True, "yield_per": _BATCH}
    yield from connection.execute(text(statement), execution_options=options)
